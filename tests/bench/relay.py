#!/usr/bin/env python3
"""The filter against the bare socket and HAProxy, side by side in one run. Usage: relay.py BUILD [--full] [--json FILE]

Needs haproxy. Everything runs against a daemon of our own (relay.c) that costs next to nothing, so that what is measured is what stands
between. --full streams 2 GB at a time instead of 256 MB, and takes longer over everything.

HAProxy is set up as an operator would have it (Debian's haproxy.cfg: as many threads as there are processors, `option httplog`, connections to the
daemon reused as by default), sockguard as its units do: a pool, the companion, the access log on. Both write their log to a file, which is cheaper for HAProxy
than the syslog that Debian gives it. The policy is the default rules plus the paths that are streamed.

Sides take turns within each round. A figure is the median of the rounds, and in brackets the best one. On a machine that is busy with other
things, or that has as many processors as processes take part, the best ones are nearer to the truth.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

build = os.path.abspath(sys.argv[1])
full = "--full" in sys.argv
bench = os.path.join(build, "tests/bench/relay")
bare_program = os.path.join(build, "tests/bench/bare")
fltr = os.path.join(build, "bin/sockguard-filter")
ctl = os.path.join(build, "bin", "sockguard-ctl")
tmp = tempfile.mkdtemp(prefix="sg-bench-")
started = []

POLICY = """
upstream: {socket: %s/daemon.sock}
insecure_allow_read_exfiltration: true
insecure_allow_body_blind_writes: true
rules:
  - {match: {method: GET, path: /_ping}, action: allow}
  - {match: {method: HEAD, path: /_ping}, action: allow}
  - {match: {method: GET, path: /version}, action: allow}
  - {match: {method: GET, path: /events}, action: allow}
  - {match: {method: GET, path: /containers/*/export}, action: allow}
  - {match: {method: GET, path: /images/get}, action: allow}
  - {match: {method: POST, path: /upload}, action: allow}
  - {match: {method: POST, path: /containers/*/attach}, action: allow}
  - {match: {method: "*", path: "/**"}, action: deny, reason: no matching allow rule}
"""

HAPROXY = """
global
    log stderr format raw local0
defaults
    log global
    mode http
    option httplog
    option dontlognull
    timeout connect 5000
    timeout client 5m
    timeout server 5m
frontend f
    bind unix@{tmp}/haproxy.sock
    default_backend b
backend b
    server d unix@{tmp}/daemon.sock
"""


def start(argv, **kw):
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, **kw)
    started.append(p)
    return p


def wait_for(path):
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
            return
        except OSError:
            time.sleep(0.02)
        finally:
            s.close()
    sys.exit("nobody listens on " + path)


def pool(path, n):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(4096)
    log = open(tmp + "/access.log", "ab")

    def child():
        os.dup2(s.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    pid = os.fork()
    if pid == 0:
        child()
        os.dup2(log.fileno(), 2)
        os.execv(fltr, [fltr, "--policy", tmp + "/run/policy", "--pool", str(n)])
    s.close()
    return pid


def run(*args):
    out = subprocess.run([bench, *map(str, args)], capture_output=True, text=True, timeout=300)
    if out.returncode != 0:
        sys.exit("relay %s: %s" % (" ".join(map(str, args)), out.stderr))
    return [float(x) for x in out.stdout.split()]


def sum_up(samples, pick):
    """The median of the rounds and the best of them."""
    values = sorted(x[0] for x in samples)
    return values[len(values) // 2], pick(values)


def cpu_seconds(pid):
    """Of the process and of its children that have ended."""
    return sum(int(x) for x in open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[11:15]) / os.sysconf("SC_CLK_TCK")


def private_kb(pid):
    text = open("/proc/%d/smaps_rollup" % pid).read()
    return sum(int(x) for x in re.findall(r"Private_(?:Clean|Dirty):\s+(\d+)", text))


def children(pid):
    return [int(x) for x in open("/proc/%d/task/%d/children" % (pid, pid)).read().split()]


pool_pid = None
try:
    open(tmp + "/policy.yaml", "w").write(POLICY % tmp)
    open(tmp + "/haproxy.cfg", "w").write(HAPROXY.format(tmp=tmp))
    start([bench, "serve", tmp + "/daemon.sock"])
    wait_for(tmp + "/daemon.sock")
    start([ctl, "run", "--config", tmp + "/policy.yaml", "--runtime-dir", tmp + "/run"], stderr=subprocess.DEVNULL)
    for _ in range(200):
        if os.path.exists(tmp + "/run/policy"):
            break
        time.sleep(0.02)
    pids = {}
    sides = {"bare": tmp + "/daemon.sock"}
    if shutil.which("haproxy"):
        pids["haproxy"] = start(["haproxy", "-db", "-f", tmp + "/haproxy.cfg"], stderr=open(tmp + "/haproxy.log", "ab")).pid
        wait_for(tmp + "/haproxy.sock")
        sides["haproxy"] = tmp + "/haproxy.sock"
    pool_pid = pids["sockguard"] = pool(tmp + "/filter.sock", 64)
    wait_for(tmp + "/filter.sock")
    sides["sockguard"] = tmp + "/filter.sock"
    time.sleep(1)

    rounds = 15 if full else 9
    n = 5000 if full else 2000
    size = (2 << 30) if full else (256 << 20)
    plan = [
        ("keep-alive, us", ("keepalive", n), min),
        ("fresh connection, 1 ms apart, us", ("fresh", n // 4, 1000), min),
        ("fresh connection, back to back, us", ("fresh", n // 4, 0), min),
        ("answer with a length, MB/s", ("down", size, "length"), max),
        ("chunked answer (32 KiB chunks), MB/s", ("down", size, "chunked"), max),
        ("request body, MB/s", ("up", size), max),
        ("hijacked, both ways at once, MB/s", ("hijack", size), max),
    ]
    result, cpu = {}, {}
    for title, (what, *args), pick in plan:
        got = {s: [] for s in sides}
        stream = "MB/s" in title
        times = rounds // 3 if stream and full else rounds
        before = {s: cpu_seconds(pids[s]) for s in pids}
        for _ in range(times):
            for s, path in sides.items():
                got[s].append(run(what, path, *args))
        result[title] = {s: sum_up(v, pick) for s, v in got.items()}
        if stream:
            time.sleep(1.5)  # a filter that has ended is counted when its parent has looked
            cpu[title] = {s: 1000 * (cpu_seconds(pids[s]) - before[s]) / (times * size / 1e9) for s in pids}

    spawn = {"bare": [], "sockguard": []}
    for _ in range(rounds):
        spawn["bare"].append(run("spawn", n // 20, bare_program))
        spawn["sockguard"].append(run("spawn", n // 20, fltr, "--policy", tmp + "/run/policy"))
    result["exec to verdict (a pipe, denied), us"] = {s: sum_up(v, min) for s, v in spawn.items()}

    conns = []
    for _ in range(8):
        c = socket.socket(socket.AF_UNIX)
        c.connect(sides["sockguard"])
        c.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        c.recv(4096)
        conns.append(c)
    time.sleep(0.5)
    busy = [p for p in children(pool_pid) if any("socket:" in os.readlink("/proc/%d/fd/%s" % (p, f)) for f in os.listdir("/proc/%d/fd" % p))]
    result["private memory of an idle connection, KB"] = {"sockguard": [max(private_kb(p) for p in busy)] * 2}

    print("| what | bare | HAProxy | sockguard | |")
    print("|---|---|---|---|---|")
    for title, row in result.items():
        both = []
        for k in range(2):
            v = {s: x[k] for s, x in row.items()}
            if "MB/s" in title:
                both.append("%.2f of bare" % (v["sockguard"] / v["bare"]) + (", HAProxy %.2f" % (v["haproxy"] / v["bare"]) if "haproxy" in v else ""))
            elif "exec" in title:
                both.append("%.2f x a bare program" % (v["sockguard"] / v["bare"]))
            elif "us" in title and "haproxy" in v:
                both.append("added %.1f, HAProxy %.1f" % (v["sockguard"] - v["bare"], v["haproxy"] - v["bare"]))
        note = "%s (%s)" % tuple(both) if both else ""
        if title in cpu:
            note += "; CPU ms a GB: %s" % ", ".join("%s %.0f" % x for x in cpu[title].items())
        print("| %s | %s | %s |" % (title, " | ".join("%.1f (%.1f)" % row[s] if s in row and row[s][0] != row[s][1] else "%.0f" % row[s][0] if s in row else ""
                                                       for s in ("bare", "haproxy", "sockguard")), note))
    print("\nload average at the end: %s; processors: %d" % (os.getloadavg(), os.cpu_count()))
    if "--json" in sys.argv:
        json.dump(result, open(sys.argv[sys.argv.index("--json") + 1], "w"))
finally:
    if pool_pid:
        os.kill(pool_pid, 15)
        os.waitpid(pool_pid, 0)
    for p in started:
        p.terminate()
        p.wait()
    shutil.rmtree(tmp, ignore_errors=True)
