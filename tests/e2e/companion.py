#!/usr/bin/env python3
"""The companion and its filters end to end: reload, limits, kill -9 storms, damaged state, admin, metrics, health, serve."""
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import sg
from sg import CTL, FILTER, check

RULES = "rules:\n  - {match: {method: GET, path: /_ping}, action: allow}\n  - {match: {method: GET, path: /slow}, action: allow}\n"


class Companion:
    """`run` (with a spawner before it) or `serve`, in a directory of its own."""

    def __init__(self, policy, upstream, verb="run", extra=(), start=True):
        self.dir = tempfile.mkdtemp(prefix="sg-c-")
        self.sock, self.run, self.logfile = (os.path.join(self.dir, n) for n in ("docker.sock", "run", "log"))
        self.config = os.path.join(self.dir, "sockguard.yaml")
        self.upstream, self.verb, self.extra = upstream, verb, list(extra)
        self.write(policy)
        self.err = open(self.logfile, "ab")
        self.proc = self.spawner = None
        if start:
            self.start()
        if verb == "run":
            self.spawner = sg.Spawner(self.sock, [FILTER, "--policy", self.run + "/policy"], self.err)

    def text(self, policy):
        if "\nupstream:" not in "\n" + policy:
            policy += "\nupstream: {socket: %s}\n" % json.dumps(self.upstream)
        if "\nlisten:" not in "\n" + policy:
            policy += "listen: {socket: %s}\n" % json.dumps(self.sock)
        return policy

    def write(self, policy):
        with open(self.config + ".tmp", "w") as f:
            f.write(self.text(policy))
        os.rename(self.config + ".tmp", self.config)

    def start(self, wait=True):
        self.proc = subprocess.Popen([CTL, self.verb, "--config", self.config, "--runtime-dir", self.run, *self.extra], env=sg.env(),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.err)
        end = time.monotonic() + 10
        while wait and time.monotonic() < end and self.proc.poll() is None:
            if self.answers() and (self.verb == "run" or os.path.exists(self.sock)):
                time.sleep(0.05)
                return
            time.sleep(0.01)

    def answers(self):
        """Is somebody at the control socket? The file alone may be a dead companion's."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            s.connect(self.run + "/control")
            return True
        except OSError:
            return False
        finally:
            s.close()

    def log(self, msg=None, **want):
        out = []
        for line in open(self.logfile, "rb"):
            try:
                d = json.loads(line)
            except ValueError:
                continue
            if (msg is None or d.get("msg") == msg) and all(d.get(k) == v for k, v in want.items()):
                out.append(d)
        return out

    def wait_log(self, msg, n=1, timeout=5, **want):
        end = time.monotonic() + timeout
        while len(self.log(msg, **want)) < n and time.monotonic() < end:
            time.sleep(0.02)
        return self.log(msg, **want)

    def get(self, target, **kw):
        return sg.request(self.sock, "GET", target, **kw)

    def status(self):
        r = sg.ctl("status", "-o", "json", "--runtime-dir", self.run)
        return json.loads(r.stdout) if r.returncode == 0 else None

    def stop(self, number=signal.SIGTERM, timeout=40):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(number)
            self.proc.wait(timeout)
        return self.proc.returncode if self.proc else None

    def refused(self):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(self.sock)
        except ConnectionRefusedError:
            return True
        finally:
            s.close()
        return False

    def close(self):
        self.stop(signal.SIGKILL)
        if self.spawner:
            self.spawner.close()
        self.err.close()
        subprocess.run(["rm", "-rf", self.dir])

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


def profile(limits, rules=RULES, extra=""):
    return RULES + "clients:\n  default_profile: p\n%s  profiles:\n    - name: p\n      limits: %s\n      rules:\n%s" % (
        extra, limits, "".join("      " + x + "\n" for x in rules.splitlines()[1:]))


def slow(c, f, method, target, headers, body):
    time.sleep(1.5)
    f.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    f.flush()


def keep_alive(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(path)
    return s


def ask(s, target="/_ping", method="GET"):
    s.sendall(("%s %s HTTP/1.1\r\nHost: d\r\n\r\n" % (method, target)).encode())
    out = b""
    while b"\r\n\r\n" not in out:
        d = s.recv(65536)
        if not d:
            return None
        out += d
    head, _, body = out.partition(b"\r\n\r\n")
    n = 0
    for line in head.split(b"\r\n")[1:]:
        k, _, v = line.partition(b":")
        if k.lower() == b"content-length":
            n = int(v)
    while len(body) < n:
        d = s.recv(65536)
        if not d:
            return None     # a filter that was shot in mid-answer: without this look the test span here for ever
        body += d
    return int(head.split()[1])


def test_reload(up):
    base = "reload: {enabled: true, debounce: 50ms}\nmetrics: {enabled: true}\nadmin: {enabled: true}\n"
    with Companion(base + RULES, up.path) as c:
        s = keep_alive(c.sock)
        check("a request outside the rules is denied", ask(s, "/info") == 403)
        c.write(base + RULES + "  - {match: {method: GET, path: /info}, action: allow}\n")
        c.wait_log("reload applied")
        check("a keep-alive connection obeys a reload from its next request", ask(s, "/info") == 200)
        v = c.get("/admin/policy/version").json()
        check("the version went up and says where it came from", v["version"] == 2 and v["source"] == "reload", v)
        c.write("nonsense: [")
        c.wait_log("reload rejected", result="reject_load")
        check("a broken file leaves the policy in force", ask(s, "/info") == 200)
        c.write(base + RULES + "log: {level: debug}\n")
        got = c.wait_log("reload rejected", result="reject_immutable")
        check("an immutable change is refused by name", got and got[-1]["changed_fields"] == "log", got)
        c.write(base + "rules:\n  - {match: {method: GET}, action: allow}\n")
        check("an invalid policy is refused", c.wait_log("reload rejected", result="reject_validation") != [])
        open(c.config, "w").close()
        check("an empty file is refused and is not the defaults", len(c.wait_log("reload rejected", 2, result="reject_load")) == 2)
        os.unlink(c.config)
        c.proc.send_signal(signal.SIGHUP)
        check("a missing file is refused", len(c.wait_log("reload rejected", 3, result="reject_load")) == 3)
        page = c.get("/metrics").body.decode()
        check("reloads are counted by result", 'config_reload_total{result="reject_load"} 3' in page and 'config_reload_total{result="ok"} 1' in page, page[-900:])
        check("the version did not move", ask(s, "/info") == 200 and c.get("/admin/policy/version").json()["version"] == 2)
        s.close()


def test_configmap(up):
    base = "reload: {enabled: true, debounce: 50ms}\n"
    with Companion(base + RULES, up.path, start=False) as c:
        d = os.path.join(c.dir, "map")
        os.makedirs(d + "/..1")
        os.makedirs(d + "/..2")
        for n, extra in (("..1", ""), ("..2", "  - {match: {method: GET, path: /info}, action: allow}\n")):
            with open(os.path.join(d, n, "sockguard.yaml"), "w") as f:
                f.write(c.text(base + RULES + extra))
        os.symlink("..1", d + "/..data")
        os.symlink("..data/sockguard.yaml", d + "/sockguard.yaml")
        c.config = d + "/sockguard.yaml"
        c.start()
        check("before the swap the old policy holds", c.get("/info").status == 403)
        os.symlink("..2", d + "/..tmp")
        os.rename(d + "/..tmp", d + "/..data")
        c.wait_log("reload applied")
        check("a ConfigMap swap is seen through its links", c.get("/info").status == 200, c.log())


def test_flags_and_hup(up):
    with Companion("reload: {enabled: true, debounce: 50ms}\n" + RULES, up.path, extra=["--log-level", "warn", "--deny-verbosity", "verbose"]) as c:
        check("flags apply at the start", "reason" in c.get("/info").json())
        c.proc.send_signal(signal.SIGHUP)
        time.sleep(0.6)
        check("flags survive a reload", "reason" in c.get("/info").json() and c.log("reload rejected") == [], c.log())
    with Companion(RULES, up.path) as c:
        c.proc.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        check("with reload off a hang-up is ignored, not deadly", c.proc.poll() is None and c.get("/_ping").status == 200)


def test_limits(up):
    with Companion("reload: {enabled: true, debounce: 50ms}\n" + profile("{rate: {tokens_per_second: 0.001, burst: 3}}"), up.path) as c:
        got = [c.get("/_ping").status for _ in range(5)]
        check("a bucket of three lets three through", got == [200, 200, 200, 429, 429], got)
        c.proc.send_signal(signal.SIGHUP)
        c.wait_log("reload applied")
        check("a reload does not refill a bucket", c.get("/_ping").status == 429)
        c.stop(signal.SIGKILL)
        check("limits hold while the companion is dead", c.get("/_ping").status == 429)
        check("health says that the companion is dead", c.get("/health").status == 503)
        c.start()
        check("a restarted companion takes the state over", c.get("/_ping").status == 429 and c.status()["policy"]["version"] == 3, c.status())
    with Companion(profile("{concurrency: {max_inflight: 2}}"), up.path) as c:
        threads = [threading.Thread(target=c.get, args=("/slow",)) for _ in range(2)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        check("the third request over a cap of two is refused", c.get("/_ping").status == 429)
        st = c.status()
        check("status shows the fill", st["limits"][0]["inflight"] == 2 and st["active"] == 2, st)
        for p in c.spawner.procs:
            p.kill()
        for t in threads:
            t.join()
        check("a killed filter has given its place back at once", c.get("/_ping").status == 200)


def test_without_state(up):
    with Companion(profile("{concurrency: {max_inflight: 2}}"), up.path) as c:
        c.stop(signal.SIGKILL)
        os.unlink(c.run + "/state")
        r = c.get("/_ping")
        check("limits without shared state are refused", r.status == 503, r and r.body)
        check("... with a code of their own", c.wait_log("request_denied", reason_code="governance_state_unavailable") != [])
    with sg.Sockguard(profile("{concurrency: {max_inflight: 2}}"), up.path, extra=["--limits-optional"]) as s:
        check("--limits-optional serves without", sg.request(s.sock, "GET", "/_ping").status == 200)


def test_damage(up):
    with Companion(profile("{concurrency: {max_inflight: 2}}"), up.path) as c:
        state = c.run + "/state"
        s = keep_alive(c.sock)
        check("a connection is open", ask(s) == 200)
        os.truncate(state, 100)
        c.wait_log("shared state was removed, cut short or overwritten; rebuilding it")
        time.sleep(0.3)
        check("the companion survives a state file cut short under it", c.proc.poll() is None)
        check("new filters have a whole state again", c.get("/_ping").status == 200)
        s.close()
        os.unlink(state)
        time.sleep(1.5)
        check("a removed state file is made again", os.path.getsize(state) > 1000000 and c.get("/_ping").status == 200)
        c.stop()
        with open(state, "r+b") as f:
            f.seek(20)
            f.write(b"\xff" * 4)
        check("a filter does not trust a damaged header", c.get("/_ping").status == 503)
        c.start()
        check("the companion replaces it and says so", c.get("/_ping").status == 200 and c.log("shared state was rebuilt") != [], c.log())
        c.stop()
        with open(state, "wb") as f:
            f.write(os.urandom(4096))
        c.start()
        check("random bytes are replaced too", c.get("/_ping").status == 200)
        two = subprocess.run([CTL, "run", "--config", c.config, "--runtime-dir", c.run], env=sg.env(), capture_output=True, text=True, timeout=10)
        check("a second companion refuses the directory", two.returncode == 1 and "another" in two.stderr, two.stderr)
        check("... and the first goes on", c.get("/health").status == 200)


def test_no_room(up):
    d = tempfile.mkdtemp(prefix="sg-full-")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", d]).returncode:
        return
    try:
        with Companion(RULES, up.path, start=False) as c:
            r = subprocess.run([CTL, "run", "--config", c.config, "--runtime-dir", d + "/run"], env=sg.env(), capture_output=True, text=True, timeout=10)
            check("a full disk is an error at the start and says so", r.returncode == 1 and "allocate" in r.stderr, r.stderr)
            subprocess.run(["mount", "-o", "remount,ro", d])
            r = subprocess.run([CTL, "run", "--config", c.config, "--runtime-dir", d + "/other"], env=sg.env(), capture_output=True, text=True, timeout=10)
            check("a read-only directory is an error that names it", r.returncode == 1 and d in r.stderr, r.stderr)
    finally:
        subprocess.run(["umount", "-l", d])
        os.rmdir(d)


def control(run, op, flags=0, body=b"", head=None):
    """One raw message on the control socket; the bytes of the answer."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(12)
    s.connect(run + "/control")
    s.send((head if head is not None else struct.pack("<IIIIQ", 0x31474B53, op, flags, len(body), len(body))) + body)
    try:
        return s.recv(1 << 20)
    finally:
        s.close()


def test_admin(up):
    with Companion("admin: {enabled: true, max_request_bytes: 200000}\n" + RULES, up.path) as c:
        post = lambda b: sg.raw(c.sock, b"POST /admin/validate HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(b) + b)
        r = sg.parse(post(b"rules: [{match: {method: GET, path: /x}, action: allow}]\n"))
        check("a valid candidate is valid", r.status == 200 and r.json() == {"ok": True, "rules": 1}, r.body)
        bomb = b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 12))
        deep = b"a: " + b"[" * 90000
        hostile = [bomb, deep, os.urandom(100000), b"\x00" * 1000, b"a: " + b"x" * 199000, b"? [" * 30000, b"a: &a *a", b"rules: *x", b"%YAML 9.9\n---\n", b"- " * 60000]
        t = time.monotonic()
        got = [sg.parse(post(b)).status for b in hostile]
        check("hostile candidates are refused one by one", all(s == 422 for s in got), got)
        check("... in little time", time.monotonic() - t < 10, time.monotonic() - t)
        check("one byte over the limit is 413", sg.parse(post(b"#" * 200001)).status == 413)
        check("exactly the limit is read", sg.parse(post(b"#" * 200000)).status == 200)
        r = sg.parse(post(b'listen: {address: "0.0.0.0:1", tls: {cert_file: /etc/shadow, key_file: /etc/shadow, client_ca_file: /nonexistent}}\n'))
        other = sg.parse(post(b'listen: {address: "0.0.0.0:1", tls: {cert_file: /nonexistent1, key_file: /nonexistent2, client_ca_file: /nonexistent}}\n'))
        strip = lambda t: t.replace("/etc/shadow", "F").replace("/nonexistent1", "F").replace("/nonexistent2", "F")
        check("a candidate learns nothing about files on the host", strip(r.body.decode()) == strip(other.body.decode()), (r.body, other.body))
        for head in (b"", b"x", b"\xff" * 24, struct.pack("<IIIIQ", 0x31474B53, 4, 0, 5, 1 << 60), struct.pack("<IIIIQ", 0x31474B53, 4, 0, 0, 100000),
                     struct.pack("<IIIIQ", 0x31474B53, 99, 0, 0, 0)):
            try:
                control(c.run, 0, head=head)
            except OSError:
                pass
        idle = []
        for _ in range(200):
            try:
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                s.settimeout(1)
                s.connect(c.run + "/control")
                idle.append(s)
            except OSError:
                break
        time.sleep(1.3)
        check("nonsense and idlers on the control socket do not stop it", c.get("/health").status == 200)
        for s in idle:
            s.close()


def test_metrics(up):
    with Companion("metrics: {enabled: true}\n" + profile("{rate: {tokens_per_second: 0.01, burst: 5}, concurrency: {max_inflight: 4}}"), up.path) as c:
        for t in ("/_ping", "/_ping", "/info", "/containers/x/json", "/%ff", "/a%22b%5cc"):
            c.get(t)
        c.get("/_ping")
        r = c.get("/metrics")
        page = r.body.decode()
        p = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True) if subprocess.run(["which", "promtool"], capture_output=True).returncode == 0 else None
        if p is not None:
            check("promtool has nothing to say", p.returncode == 0 and p.stdout + p.stderr == "", p.stdout + p.stderr)
        check("requests are counted by route", 'sockguard_http_requests_total{decision="allow",listener="default",method="GET",profile="p",route="/_ping",status="200"} 2' in page, page)
        check("a bucket's refusal is counted", 'sockguard_throttle_requests_total{mode="enforce",profile="p",reason_code="rate_limit_exceeded"}' in page)
        check("count and +Inf agree", all(
            any(("_count" + l.split("_bucket")[1].replace(',le="+Inf"', "").split(" ")[0] + " " + l.rsplit(" ", 1)[1]) in m for m in page.splitlines())
            for l in page.splitlines() if 'le="+Inf"' in l))
        om = c.get("/metrics", headers=[("Accept", "application/openmetrics-text; version=1.0.0")])
        check("OpenMetrics is there for who asks", om.header("content-type").startswith("application/openmetrics-text") and om.body.endswith(b"# EOF\n"))
        before = len(page.splitlines())
        for i in range(300):
            sg.raw(c.sock, b"GET /x%d/y%d HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n" % (i, i))
        after = len(c.get("/metrics").body.decode().splitlines())
        check("a client cannot make series", after - before < 20, (before, after))


def test_health(up):
    with sg.StandIn({("GET", "/containers/json"): (200, [], [])}) as own:
        with Companion("health: {readiness: {enabled: true, interval: 100ms, timeout: 500ms}, watchdog: {enabled: true, interval: 100ms}}\n" + RULES, own.path) as c:
            time.sleep(0.4)
            check("ready while the daemon answers", c.get("/ready").status == 200 and c.get("/health").status == 200)
            own.close()
            time.sleep(1)
            r = c.get("/health")
            check("unhealthy when the daemon is gone", r.status == 503 and r.json()["error"] == "upstream unreachable", r.body)
            check("not ready either", c.get("/ready").status == 503)
            check("the flip is a record", c.log("upstream socket watchdog state changed", up=False) != [])
    with sg.StandIn() as own:
        with Companion(RULES, own.path) as c:
            check("healthy without a watchdog", c.get("/health").status == 200)
            own.close()
            time.sleep(2.2)
            check("... and the answer is not remembered for ever", c.get("/health").status == 503)


def test_serve(up):
    with Companion("reload: {enabled: true, debounce: 50ms}\nadmin: {enabled: true, listen: {socket: ADMIN}}\n".replace("ADMIN", "/tmp/sg-adm-%d.sock" % os.getpid())
                   + profile("{concurrency: {max_inflight: 64}}"), up.path, verb="serve") as c:
        check("serve serves", c.get("/_ping").status == 200 and c.get("/info").status == 403, c.log())
        check("the socket has the configured mode", os.stat(c.sock).st_mode & 0o777 == 0o600)
        adm = sg.request("/tmp/sg-adm-%d.sock" % os.getpid(), "GET", "/admin/policy/version")
        check("the dedicated admin listener answers", adm and adm.status == 200 and sg.request("/tmp/sg-adm-%d.sock" % os.getpid(), "GET", "/_ping").status == 404)
        check("... and the main one has the paths no more", c.get("/admin/policy/version").status == 403)
        two = subprocess.run([CTL, "serve", "--config", c.config, "--runtime-dir", c.run + "2"], env=sg.env(), capture_output=True, text=True, timeout=20)
        check("a socket that somebody serves is not taken", two.returncode == 1 and "listen" in two.stderr and c.get("/_ping").status == 200, two.stderr)
        got = []
        t = threading.Thread(target=lambda: got.append(c.get("/slow")))
        t.start()
        time.sleep(0.4)
        started = time.monotonic()
        code = c.stop()
        t.join()
        check("SIGTERM lets a running request finish", got and got[0] is not None and got[0].status == 200, got)
        check("... then ends with 0, soon", code == 0 and time.monotonic() - started < 10, (code, time.monotonic() - started))
        check("... and removes its socket files", not os.path.exists(c.sock) and not os.path.exists("/tmp/sg-adm-%d.sock" % os.getpid()))
        c.start()
        c.stop(signal.SIGKILL)
        end = time.monotonic() + 10
        while not c.refused() and time.monotonic() < end:
            time.sleep(0.1)
        check("killed, it leaves nobody behind who listens", c.refused())
        os.unlink(c.run + "/control")
        c.start()
        check("a stale socket file is replaced", c.get("/_ping").status == 200, c.log())
        c.stop()
        with open(c.sock, "w") as f:
            f.write("not a socket")
        two = subprocess.run([CTL, "serve", "--config", c.config, "--runtime-dir", c.run], env=sg.env(), capture_output=True, text=True, timeout=20)
        check("a file that is no socket is left alone", two.returncode == 1 and open(c.sock).read() == "not a socket", two.stderr)
    with Companion(RULES + "upstream: {socket: /nonexistent.sock}\n", up.path, verb="serve", start=False) as c:
        two = subprocess.run([CTL, "serve", "--config", c.config, "--runtime-dir", c.run], env=sg.env(), capture_output=True, text=True, timeout=20)
        check("without a daemon serve does not listen", two.returncode == 1 and not os.path.exists(c.sock), two.stderr)


def test_storm(up, seconds):
    """Filters and the companion are shot at random while clients hammer; at the end every counter is zero."""
    policy = "reload: {enabled: true, debounce: 10ms}\nmetrics: {enabled: true}\n" + profile(
        "{concurrency: {max_inflight: 6}, rate: {tokens_per_second: 5000, burst: 60000}}", extra="  global_concurrency: {max_inflight: 10}\n")
    with Companion(policy, up.path) as c:
        stop, seen, lock = threading.Event(), {}, threading.Lock()

        def client(i):
            while not stop.is_set():
                try:
                    s = keep_alive(c.sock)
                    for _ in range(random.randrange(1, 20)):
                        r = ask(s, "/_ping" if random.random() < 0.97 else "/slow")
                        with lock:
                            seen[r] = seen.get(r, 0) + 1
                        if r is None or stop.is_set():
                            break
                    s.close()
                except OSError:
                    with lock:
                        seen["closed"] = seen.get("closed", 0) + 1

        threads = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(12)]
        for t in threads:
            t.start()
        end, kills, restarts = time.monotonic() + seconds, 0, 0
        while time.monotonic() < end:
            time.sleep(random.random() * 0.02)
            for p in random.sample(c.spawner.procs, min(2, len(c.spawner.procs))):
                p.kill()
                kills += 1
            if random.random() < 0.01:
                c.stop(signal.SIGKILL)
                restarts += 1
                c.start()
        stop.set()
        for p in list(c.spawner.procs):
            p.kill()
        for t in threads:
            t.join(15)
        time.sleep(2.2)
        st = c.status()
        check("after %d kill -9 of filters and %d of the companion every count is zero" % (kills, restarts),
              st["active"] == 0 and st["connections"] == 0 and st["global_inflight"] == 0 and st["limits"][0]["inflight"] == 0, st)
        check("only 200, 429 and cut connections were seen", set(seen) <= {200, 429, None, "closed"} and seen.get(200, 0) > 20, seen)
        check("and the next request is served", c.get("/_ping").status == 200)


def main():
    quick = "--quick" in sys.argv
    with sg.StandIn({("GET", "/slow"): slow, ("GET", "/containers/json"): (200, [], [])}) as up:
        # The stand-in's answers are (status, headers, body) or a function of the connection.
        up.answers[("GET", "/slow")] = slow
        for t in (test_reload, test_configmap, test_flags_and_hup, test_limits, test_without_state, test_damage, test_no_room, test_admin,
                  test_metrics, test_health, test_serve):
            try:
                t(up)
            except Exception as e:   # noqa: one broken test must not hide the others
                check(t.__name__, False, "%s: %s" % (type(e).__name__, e))
        test_storm(up, 5 if quick else 20)
    sg.done()


if __name__ == "__main__":
    main()
