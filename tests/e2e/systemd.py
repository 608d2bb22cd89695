#!/usr/bin/python3
# build: plain
# slow
"""A real systemd as PID 1 starts the companion, the sockets, filters and pool in front of a real Docker Engine; what is stopped, killed, frozen or
flooded comes back. Needs root, debootstrap and systemd-nspawn."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine  # noqa: E402
import sg  # noqa: E402

why = machine.missing()
if why:
    sg.skip("no systemd of our own here: " + why)
try:
    machine.tree()
except (subprocess.CalledProcessError, OSError) as e:
    sg.skip("no Debian tree: %s" % str(getattr(e, "output", None) or e)[-300:].replace("\n", " "))

SOCK = "/run/sockguard/docker.sock"
UNITS = ("sockguard.socket", "sockguard@.service", "sockguard.service", "sockguard-pool.socket", "sockguard-pool.service")
POLICY = """listen: {socket: /run/sockguard/docker.sock, socket_mode: "0660", socket_gid: DOCKER}
upstream: {socket: /var/run/docker.sock}
response: {deny_verbosity: verbose}
reload: {enabled: true}
insecure_allow_read_exfiltration: true
rules:
  - {match: {method: "GET,HEAD", path: /_ping}, action: allow}
  - {match: {method: GET, path: /version}, action: %s}
  - {match: {method: GET, path: "/**"}, action: allow}
  - {match: {method: POST, path: /build}, action: allow}
  - {match: {method: POST, path: /containers/create}, action: allow}
  - {match: {method: POST, path: "/containers/*/attach"}, action: allow}
  - {match: {method: POST, path: "/containers/*/start"}, action: allow}
  - {match: {method: POST, path: "/containers/*/wait"}, action: allow}
  - {match: {method: DELETE, path: "/containers/*"}, action: allow}
  - {match: {method: "*", path: "/**"}, action: deny, reason: not for this client}
request_body:
  container_create: {allowed_bind_mounts: [/home/dev/src, /tmp/shared]}
"""
LISTENERS = """upstream: {socket: /var/run/docker.sock}
listeners:
  - {name: tools, socket: /run/sockguard/tools.sock, socket_mode: "0660", socket_gid: DOCKER, allowed_profiles: [looks]}
  - {name: builds, socket: /run/sockguard/builds.sock, socket_mode: "0600", allowed_profiles: [looks]}
  - name: remote
    address: "127.0.0.1:2376"
    allowed_profiles: [versions]
    tls: {cert_file: /etc/sockguard-keys/server.pem, key_file: /etc/sockguard-keys/server.key, client_ca_file: /etc/sockguard-keys/ca.pem}
rules:
  - {match: {method: "*", path: "/**"}, action: deny}
clients:
  default_profile: looks
  client_certificate_profiles: [{profile: versions, common_names: [builder]}]
  profiles:
    - name: looks
      rules:
        - {match: {method: "GET,HEAD", path: /_ping}, action: allow}
        - {match: {method: GET, path: /version}, action: allow}
        - {match: {method: GET, path: /containers/json}, action: allow}
    - name: versions
      rules:
        - {match: {method: "GET,HEAD", path: /_ping}, action: allow}
        - {match: {method: GET, path: /version}, action: allow}
"""
PING = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"


def ask(s, text=PING):
    """One request on an open connection: its status, or None."""
    try:
        s.sendall(text)
        out = b""
        while b"\r\n\r\n" not in out:
            d = s.recv(65536)
            if not d:
                return None
            out += d
        head, _, body = out.partition(b"\r\n\r\n")
        m = re.search(rb"(?i)content-length: *(\d+)", head)
        while m and len(body) < int(m.group(1)):
            d = s.recv(65536)
            if not d:
                break
            body += d
        return int(head.split(b" ")[1])
    except OSError:
        return None


def get(path):
    return ("GET %s HTTP/1.1\r\nHost: d\r\n\r\n" % path).encode()


def once(m, path=SOCK, text=PING, timeout=15):
    try:
        with m.connect(path, timeout) as s:
            return ask(s, text)
    except OSError:
        return None


def until(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def burst(m, n, path=SOCK):
    """n connections at the same time, all open before the first one is done. How many get 200."""
    held = []
    for _ in range(n):
        try:
            s = m.connect(path, 60)
            held.append(s)
            s.sendall(PING)
        except OSError:
            pass
    answers = [ask(s, b"") for s in held]
    for s in held:
        s.close()
    return answers.count(200)


def docker(m, *args, sock=SOCK, **kw):
    return m.run("docker", "-H", "unix://" + sock, *args, **kw)


def settled(m):
    """No filter is left running."""
    return until(lambda: not [x for x in m.systemctl("list-units", ).stdout.splitlines() if "sockguard@" in x and "running" in x], 30)


def drop_in(m, unit, text):
    m.write("/etc/systemd/system/%s.d/test.conf" % unit, text)
    m.systemctl("daemon-reload")


def no_drop_in(m, unit):
    os.remove(m.root + "/etc/systemd/system/%s.d/test.conf" % unit)
    m.systemctl("daemon-reload")


def kill(m, how, unit):
    """Sends the main process of a unit a signal; its pid."""
    pid = m.show(unit, "MainPID")
    if pid not in ("", "0"):
        m.run("kill", how, pid)
    return pid


m = machine.Machine("systemd")
try:
    gid = re.search(r"(?m)^docker:x:(\d+):", open(m.root + "/etc/group").read())[1]
    POLICY = POLICY.replace("DOCKER", gid)
    m.config(POLICY % "allow")
    r = sg.ctl("validate", "--config", m.root + m.etc + "/sockguard.yaml")
    if not sg.check("the policy of this test is valid", r.returncode == 0, r.stdout + r.stderr):
        sys.exit(1)
    subprocess.run(["systemd-sysusers", "--root=" + m.root], check=True, capture_output=True)
    m.enable("sockguard.service", "sockguard.socket")
    if not m.boot():
        sg.skip("systemd does not boot in a container here: " + open(m.dir + "/console").read()[-300:].replace("\n", " "))

    # ---- boot ----
    sg.check("the machine boots and no unit fails", m.systemctl("is-system-running").stdout.strip() == "running", m.systemctl("--failed", "--no-pager").stdout)
    log = m.journal("-b")
    sg.check("no ordering cycle, no unknown key", "ordering cycle" not in log and "Unknown key" not in log and "Failed to parse" not in log,
             [x for x in log.splitlines() if "cycle" in x or "Unknown" in x or "parse" in x])
    v = m.run("systemd-analyze", "verify", "--man=no", *UNITS)
    sg.check("systemd-analyze verify has nothing to say of the units", v.returncode == 0 and not (v.stdout + v.stderr).strip(), v.stdout + v.stderr)
    for unit, most in (("sockguard@x.service", 3.0), ("sockguard-pool.service", 1.1), ("sockguard.service", 1.5)):
        out = m.run("systemd-analyze", "security", "--no-pager", unit).stdout
        score = float((re.search(r"exposure level for \S+: ([\d.]+)", out) or [0, "10"])[1])
        sg.check("systemd-analyze security of %s is %.1f at most (%.1f)" % (unit, most, score), score <= most, out)
    sg.check("sockets are there before the companion, and the companion is ready", m.show("sockguard.service", "ActiveState") == "active" and
             int(m.show("sockguard.socket", "ActiveEnterTimestampMonotonic") or 0) <= int(m.show("sockguard.service", "ActiveEnterTimestampMonotonic")))
    sg.check("its status line says what is in force", "olicy version 1" in m.show("sockguard.service", "StatusText"), m.show("sockguard.service", "StatusText"))

    # ---- the docker CLI through it ----
    sg.check("the Docker Engine has an image", m.image())
    r = docker(m, "version", "-f", "{{.Server.Version}}")
    sg.check("docker version through the socket unit", r.returncode == 0 and r.stdout.strip() != "", r.stderr)
    r = docker(m, "run", "--rm", "-i", "busybox", "cat", input="through systemd\n")
    sg.check("docker run -i carries stdin and output", r.stdout == "through systemd\n", r.stdout + r.stderr)
    r = docker(m, "run", "--rm", "--privileged", "busybox", "true")
    sg.check("docker run --privileged is refused", r.returncode != 0 and "denied by sockguard policy" in r.stderr, r.stderr)
    r = docker(m, "volume", "create", "x")
    sg.check("what no rule allows is refused", r.returncode != 0 and "sockguard" in r.stderr, r.stderr)

    # ---- what a filter is ----
    with m.connect(SOCK) as s:
        sg.check("a connection of one's own", ask(s) == 200)
        unit = [x.split()[0] for x in m.systemctl("list-units", "--no-legend", "--plain", "sockguard@*").stdout.splitlines()][-1]
        pid = m.show(unit, "MainPID")
        status = m.run("cat", "/proc/%s/status" % pid).stdout
        who = m.run("id", "-u", "sockguard-filter").stdout.strip()
        groups = {m.run("getent", "group", g).stdout.split(":")[2] for g in ("docker", "sockguard", "sockguard-filter")}
        sg.check("the filter runs as its own user", re.search(r"^Uid:\t%s\t%s\t%s\t%s$" % ((who,) * 4), status, re.M), status)
        sg.check("in the groups of the daemon's socket and of the companion, no others", set(re.search(r"^Groups:\t(.*)$", status, re.M)[1].split()) == groups, status)
        sg.check("without capabilities, with no_new_privs and a system call filter", re.search(r"^CapBnd:\t0+$", status, re.M) and
                 re.search(r"^CapPrm:\t0+$", status, re.M) and re.search(r"^NoNewPrivs:\t1$", status, re.M) and re.search(r"^Seccomp:\t2$", status, re.M), status)
        sg.check("it has the state file mapped", "/run/sockguard/state" in m.run("cat", "/proc/%s/maps" % pid).stdout)

    def may(how, path):
        return m.run("setpriv", "--reuid=sockguard-filter", "--regid=sockguard-filter", "--init-groups", "test", how, path).returncode == 0

    sg.check("its user writes the shared state, and reads the policy", may("-w", "/run/sockguard/state") and may("-r", "/run/sockguard/policy"))
    sg.check("and can replace neither", not may("-w", "/run/sockguard/policy") and not may("-w", "/run/sockguard"))
    sg.check("other users see nothing of it", all(m.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "test", "-r", "/run/sockguard/" + f).returncode
                                                  for f in ("policy", "state", "leases", "control", "docker.sock")))

    # ---- the journal ----
    def records(*args):
        out = []
        for line in m.journal("-o", "json", *args).splitlines():
            d = json.loads(line)
            try:
                out.append((d, json.loads(d["MESSAGE"])))
            except (ValueError, TypeError, KeyError):
                pass
        return out

    until(lambda: any(x.get("path", "").endswith("/volumes/create") for _, x in records("-t", "sockguard-filter")), 10)
    deny = [(d, x) for d, x in records("-t", "sockguard-filter") if x.get("path", "").endswith("/volumes/create")]
    sg.check("a filter's record is in the journal, whole, under its unit and user", len(deny) == 1 and deny[0][1]["decision"] == "deny" and deny[0][1]["status"] == 403 and
             deny[0][0]["_SYSTEMD_UNIT"].startswith("sockguard@") and deny[0][0]["_UID"] == who, deny)
    allow = [(d, x) for d, x in records("-t", "sockguard-filter") if x.get("msg") == "request"]
    sg.check("with the priority of its level: denials are warnings", deny and deny[0][0]["PRIORITY"] == "4" and allow and allow[0][0]["PRIORITY"] == "6",
             [d.get("PRIORITY") for d, _ in deny + allow[:1]])
    sg.check("the companion's record too", any(d["_SYSTEMD_UNIT"] == "sockguard.service" and x["level"] == "INFO" for d, x in records("-t", "sockguard-ctl")))

    # ---- what the sandbox of the unit leaves of the inspectors ----
    m.run("sh", "-ec", "mkdir -p /home/dev/src /tmp/shared; ln -s /etc /home/dev/src/out; ln -s /etc /tmp/shared/out; mkdir /home/dev/src/in")
    for path, works in (("/home/dev/src/in", True), ("/home/dev/src/out", False), ("/tmp/shared/out", False)):
        r = docker(m, "create", "-v", path + ":/x", "busybox", "true")
        sg.check("a bind of %s is %s" % (path, "allowed" if works else "refused: its link leads out"), (r.returncode == 0) == works, r.stdout + r.stderr)
    body = b'{"Image":"busybox","HostConfig":{"Binds":["/home/dev/src/out:/x"]}}'
    r = m.run("systemd-run", "-q", "--pipe", "--wait", "-p", "User=sockguard-filter", "-p", "SupplementaryGroups=sockguard", "-p", "RestrictSUIDSGID=yes",
              m.prefix + "/bin/sockguard-filter", "--policy", "/run/sockguard/policy", "--dry-run", text=False,
              input=b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    sg.check("also where a sandbox takes openat2(2) away", b'"decision":"deny"' in r.stdout and b"leads out" in r.stdout, r.stdout + r.stderr)
    m.run("sh", "-ec", "mkdir -p /root/c; cd /root/c; echo hello > f; printf 'FROM busybox\\nCOPY f /f\\n' > Dockerfile; printf 'FROM busybox\\nRUN true\\n' > Run")
    r = docker(m, "build", "-q", "/root/c")
    sg.check("docker build: the context is spooled, unpacked and allowed", r.returncode == 0 and r.stdout.startswith("sha256:"), r.stdout + r.stderr)
    r = docker(m, "build", "-q", "-f", "/root/c/Run", "/root/c")
    sg.check("docker build with RUN is refused", r.returncode != 0 and "denied by sockguard policy" in r.stderr, r.stdout + r.stderr)

    # ---- floods ----
    sg.check("200 connections in a burst are all served", burst(m, 200) == 200)
    sg.check("and the socket has not failed", m.show("sockguard.socket", "ActiveState") == "active" and m.show("sockguard.socket", "Result") == "success")
    sg.check("300 at the same time, too: more than systemd's own 64", burst(m, 300) == 300)
    sg.check("afterwards no filter is left, and no unit", settled(m) and not m.systemctl("list-units", "--all", "--no-legend", "sockguard@*").stdout.strip(),
             m.systemctl("list-units", "--all", "--no-legend", "sockguard@*").stdout)
    drop_in(m, "sockguard.socket", "[Socket]\nMaxConnections=8\n")
    m.systemctl("restart", "sockguard.socket")
    held = [m.connect(SOCK) for _ in range(8)]
    full = [ask(s) for s in held]
    sg.check("with MaxConnections=8 taken the ninth is closed, not kept waiting", full == [200] * 8 and once(m, timeout=10) is None, full)
    sg.check("while the eight go on", [ask(s) for s in held] == [200] * 8)
    for s in held:
        s.close()
    sg.check("and as soon as they have gone the next one is served", until(lambda: once(m) == 200, 10) and m.show("sockguard.socket", "ActiveState") == "active")
    no_drop_in(m, "sockguard.socket")
    m.systemctl("restart", "sockguard.socket")

    # ---- reload ----
    with m.connect(SOCK) as s:
        before = ask(s, get("/version"))
        m.config(POLICY % "deny")
        m.systemctl("reload", "sockguard.service")
        sg.check("a reload reaches a running filter from its next request on", before == 200 and until(lambda: ask(s, get("/version")) == 403, 10), before)
        sg.check("and the status line says so", until(lambda: "olicy version 2" in m.show("sockguard.service", "StatusText"), 5), m.show("sockguard.service", "StatusText"))
        m.config("rules: [")
        m.systemctl("reload", "sockguard.service")
        time.sleep(1)
        sg.check("a policy that does not load changes nothing", ask(s, get("/version")) == 403 and m.show("sockguard.service", "ActiveState") == "active")
        m.config(POLICY % "allow")
        m.systemctl("reload", "sockguard.service")
        sg.check("the next good one does", until(lambda: ask(s, get("/version")) == 200, 10))

        # ---- the companion dies, hangs, stops ----
        main = kill(m, "-9", "sockguard.service")
        sg.check("a filter serves while the companion is dead", ask(s) == 200)
        sg.check("systemd starts it again", until(lambda: m.show("sockguard.service", "ActiveState") == "active" and m.show("sockguard.service", "MainPID") not in (main, "0")))
        sg.check("the filter goes on, and a new one", ask(s) == 200 and once(m) == 200)
        for _ in range(8):
            main = kill(m, "-9", "sockguard.service")
            until(lambda: m.show("sockguard.service", "MainPID") not in (main, "0"), 10)
        sg.check("eight deaths in a row do not make it stay away", until(lambda: m.show("sockguard.service", "ActiveState") == "active") and once(m) == 200)
        sg.check("the watchdog is on", m.show("sockguard.service", "WatchdogUSec") == "30s", m.show("sockguard.service", "WatchdogUSec"))
        drop_in(m, "sockguard.service", "[Service]\nWatchdogSec=5s\n")
        m.systemctl("restart", "sockguard.service")
        time.sleep(8)
        main = m.show("sockguard.service", "MainPID")
        sg.check("a companion that runs is left alone by a watchdog of five seconds", m.show("sockguard.service", "NRestarts") == "0" and main != "0")
        kill(m, "-STOP", "sockguard.service")
        sg.check("while it is frozen requests are served", ask(s) == 200)
        sg.check("and the watchdog replaces it", until(lambda: m.show("sockguard.service", "MainPID") not in (main, "0") and m.show("sockguard.service", "ActiveState") == "active", 30))
        sg.check("the journal says why", "Watchdog timeout" in m.journal("-u", "sockguard.service"))
        sg.check("requests go on", ask(s) == 200 and once(m) == 200)
        no_drop_in(m, "sockguard.service")
        m.systemctl("restart", "sockguard.service")

        # ---- the daemon ----
        m.systemctl("restart", "docker.service")
        first = ask(s)
        sg.check("after a restart of the daemon the open connection serves again", first == 200 or (first is not None and ask(s) == 200) or once(m) == 200, first)
    sg.check("and so do new ones", until(lambda: once(m) == 200, 10))
    m.systemctl("stop", "docker.service", "docker.socket")
    sg.check("without a daemon the answer is 502", once(m) == 502)
    m.systemctl("start", "docker.socket")
    sg.check("and 200 as soon as there is one", until(lambda: once(m, timeout=60) == 200, 60))

    m.systemctl("stop", "sockguard.service")
    sg.check("stop stops the companion in good order", m.show("sockguard.service", "ActiveState") == "inactive" and m.show("sockguard.service", "Result") == "success")
    sg.check("what filters need stays", m.run("test", "-e", "/run/sockguard/policy").returncode == 0)
    sg.check("the next connection starts it again", once(m) == 200 and until(lambda: m.show("sockguard.service", "ActiveState") == "active"))

    # ---- a policy that was never good ----
    m.systemctl("stop", "sockguard.service")
    m.run("rm", "/run/sockguard/policy")
    m.config("rules: [")
    sg.check("without a policy everything is refused with 503", once(m) == 503)
    time.sleep(8)
    sg.check("a companion that cannot start fails no socket", m.show("sockguard.socket", "ActiveState") == "active" and once(m) == 503)
    m.config(POLICY % "allow")
    sg.check("and once the file is mended all comes back by itself", until(lambda: once(m) == 200, 20), m.systemctl("status", "sockguard.service").stdout)

    # ---- the pool ----
    m.systemctl("start", "sockguard-pool.socket")
    sg.check("the pool's socket takes the place of the other", m.show("sockguard.socket", "ActiveState") == "inactive" and m.show("sockguard-pool.socket", "ActiveState") == "active")
    r = docker(m, "run", "--rm", "-i", "busybox", "cat", input="through the pool\n")
    sg.check("docker run through the pool", r.stdout == "through the pool\n", r.stdout + r.stderr)
    sg.check("200 connections in a burst", burst(m, 200) == 200)
    sg.check("the pool's service is one unit", m.show("sockguard-pool.service", "ActiveState") == "active" and m.show("sockguard-pool.service", "NRestarts") == "0")
    with m.connect(SOCK) as s:
        ask(s)
        for _ in range(8):
            m.systemctl("kill", "-s", "KILL", "sockguard-pool.service")
            time.sleep(0.2)
        sg.check("killed again and again, the pool comes back", until(lambda: once(m) == 200, 20) and m.show("sockguard-pool.socket", "ActiveState") == "active",
                 m.systemctl("status", "sockguard-pool.service").stdout)
    with m.connect(SOCK) as s:
        ask(s)
        m.config(POLICY % "deny")
        m.systemctl("reload", "sockguard.service")
        sg.check("a reload reaches a filter of the pool", until(lambda: ask(s, get("/version")) == 403, 10))
        sg.check("and those that wait", once(m, text=get("/version")) == 403)
    m.systemctl("stop", "sockguard-pool.socket", "sockguard-pool.service")
    sg.check("it stops in good order", m.show("sockguard-pool.service", "Result") == "success" and not m.run("pgrep", "-x", "sockguard-filte").stdout.strip(),
             m.show("sockguard-pool.service", "Result"))
    sg.check("and takes its socket with it", m.run("test", "-e", SOCK).returncode != 0)

    # ---- units that are written ----
    m.config(POLICY % "allow")
    r = m.run("sh", "-ec", "mkdir /root/u /root/p; sockguard-ctl units --config %s/sockguard.yaml --dir /root/u; sockguard-ctl units --pool --config %s/sockguard.yaml --dir /root/p" %
              (m.etc, m.etc), env={"PATH": m.prefix + "/bin:/usr/bin:/bin"})
    written = m.root + "/root/u/"

    def directives(path, section):
        text = open(path).read().split("[%s]" % section)[1].split("\n[")[0]
        return sorted(x for x in text.splitlines() if "=" in x)

    shipped = m.root + m.prefix + "/lib/systemd/system/"
    sg.check("`sockguard-ctl units` writes for the default listener what is shipped", r.returncode == 0 and
             directives(written + "sockguard@.service", "Service") == directives(shipped + "sockguard@.service", "Service"),
             set(directives(written + "sockguard@.service", "Service")) ^ set(directives(shipped + "sockguard@.service", "Service")))
    p = "sockguard-pool.service"
    sg.check("and for the pool", directives(m.root + "/root/p/" + p, "Service") == directives(shipped + p, "Service"),
             set(directives(m.root + "/root/p/" + p, "Service")) ^ set(directives(shipped + p, "Service")))
    a, b = set(directives(written + "sockguard.socket", "Socket")), set(directives(shipped + "sockguard.socket", "Socket"))
    sg.check("the socket, too, save that it names the group by its number", b - a == {"SocketGroup=docker"} and a - b == {"SocketGroup=" + gid}, a ^ b)

    # ---- several listeners, with the units that are written for them, over a reboot ----
    def certtool(*args):
        subprocess.run(["certtool", *args], check=True, capture_output=True, cwd=keys)

    keys = m.root + "/etc/sockguard-keys"
    os.mkdir(keys)
    for name, template, ca in (("ca", "cn = ca\nca\ncert_signing_key\n", None), ("server", "cn = localhost\ndns_name = localhost\nip_address = 127.0.0.1\ntls_www_server\nsigning_key\n", "ca"),
                               ("client", "cn = builder\ntls_www_client\nsigning_key\n", "ca")):
        with open(keys + "/" + name + ".tmpl", "w") as f:
            f.write(template + "expiration_days = 3\n")
        certtool("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", name + ".key")
        certtool(*(["--generate-certificate", "--load-ca-certificate", "ca.pem", "--load-ca-privkey", "ca.key"] if ca else ["--generate-self-signed"]),
                 "--load-privkey", name + ".key", "--template", name + ".tmpl", "--outfile", name + ".pem")
    os.chmod(keys + "/server.key", 0o600)
    m.config(LISTENERS.replace("DOCKER", gid))
    r = m.run(m.prefix + "/bin/sockguard-ctl", "validate", "--config", m.etc + "/sockguard.yaml")
    sg.check("the policy of several listeners is valid", r.returncode == 0, r.stdout + r.stderr)
    r = m.run(m.prefix + "/bin/sockguard-ctl", "units", "--config", m.etc + "/sockguard.yaml")
    names = ["sockguard-" + x for x in ("tools", "builds", "remote")]
    sg.check("`sockguard-ctl units` writes a pair for each listener", r.returncode == 0 and all(os.path.exists("%s/etc/systemd/system/%s%s" % (m.root, n, e))
                                                                                               for n in names for e in (".socket", "@.service")), r.stdout + r.stderr)
    v = m.run("systemd-analyze", "verify", "--man=no", *[n + ".socket" for n in names], *[n + "@x.service" for n in names])
    sg.check("verify has nothing to say of them", v.returncode == 0 and not (v.stdout + v.stderr).strip(), v.stdout + v.stderr)
    m.systemctl("disable", "sockguard.socket")
    m.enable(*[n + ".socket" for n in names])
    m.run("useradd", "-G", "docker", "alice")
    m.shut_down()
    sg.check("after a reboot all are there, and nothing has failed", m.boot() and m.systemctl("is-system-running").stdout.strip() == "running" and
             all(m.show(n + ".socket", "ActiveState") == "active" for n in names), m.systemctl("--failed", "--no-pager").stdout)
    sg.check("no ordering cycle", "ordering cycle" not in m.journal("-b"))

    def as_user(user, path):
        r = m.run("setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups", "docker", "-H", "unix://" + path, "version", "-f", "{{.Server.Version}}")
        return r.returncode, r.stdout + r.stderr

    sg.check("a unix listener serves whom its mode lets in", as_user("alice", "/run/sockguard/tools.sock")[0] == 0, as_user("alice", "/run/sockguard/tools.sock"))
    sg.check("and nobody else", "permission denied" in as_user("games", "/run/sockguard/tools.sock")[1])
    sg.check("one of mode 0600 is root's alone", "permission denied" in as_user("alice", "/run/sockguard/builds.sock")[1] and as_user("root", "/run/sockguard/builds.sock")[0] == 0,
             as_user("root", "/run/sockguard/builds.sock"))
    tls = ["docker", "-H", "tcp://127.0.0.1:2376", "--tlsverify", "--tlscacert", "/etc/sockguard-keys/ca.pem"]
    own = ["--tlscert", "/etc/sockguard-keys/client.pem", "--tlskey", "/etc/sockguard-keys/client.key"]
    r = m.run(*tls, *own, "version", "-f", "{{.Server.Version}}")
    sg.check("docker --tlsverify through the TLS listener's unit", r.returncode == 0 and r.stdout.strip() != "", r.stdout + r.stderr + m.journal("-u", "sockguard-remote@*", "-n", "5"))
    r = m.run(*tls, *own, "ps")
    sg.check("judged by the profile of its certificate", r.returncode != 0 and "denied by sockguard policy" in r.stderr, r.stderr)
    r = m.run(*tls, "version")
    sg.check("without a certificate nobody gets in", r.returncode != 0 and "certificate" in r.stderr, r.stderr)
    names = {x.get("listener_name") for d, x in records("-b")}
    sg.check("records name the listeners", {"tools", "builds", "remote"} <= names, names)
finally:
    m.close()
sg.done()
