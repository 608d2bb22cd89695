#!/usr/bin/env python3
"""The filter against the bare socket and HAProxy, side by side in one run. Usage: relay.py BUILD [--quick] [--json FILE]

Needs haproxy. Everything runs against a daemon of our own (relay.c) that costs next to nothing, so that what is measured is
what stands between. Policy: the default rules plus the paths that are streamed; access log on, to a file.
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
quick = "--quick" in sys.argv
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
    nbthread 1
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    timeout tunnel 60s
    http-reuse always
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
        os.execv(fltr, [fltr, "--policy", tmp + "/policy", "--pool", str(n)])
    s.close()
    return pid


def run(*args):
    out = subprocess.run([bench, *map(str, args)], capture_output=True, text=True, timeout=300)
    if out.returncode != 0:
        sys.exit("relay %s: %s" % (" ".join(map(str, args)), out.stderr))
    return [float(x) for x in out.stdout.split()]


def best(samples, pick=min):
    """Sides are interleaved; each side's best run counts, so that a busy machine disturbs none of them alone."""
    return pick(samples, key=lambda s: s[0])


def private_kb(pid):
    text = open("/proc/%d/smaps_rollup" % pid).read()
    return sum(int(x) for x in re.findall(r"Private_(?:Clean|Dirty):\s+(\d+)", text))


def children(pid):
    return [int(x) for x in open("/proc/%d/task/%d/children" % (pid, pid)).read().split()]


pool_pid = None
try:
    open(tmp + "/policy.yaml", "w").write(POLICY % tmp)
    open(tmp + "/haproxy.cfg", "w").write(HAPROXY.format(tmp=tmp))
    subprocess.run([ctl, "compile", "--config", tmp + "/policy.yaml", "--output", tmp + "/policy"], check=True)
    start([bench, "serve", tmp + "/daemon.sock"])
    wait_for(tmp + "/daemon.sock")
    sides = {"bare": tmp + "/daemon.sock"}
    if shutil.which("haproxy"):
        start(["haproxy", "-q", "-db", "-f", tmp + "/haproxy.cfg"])
        wait_for(tmp + "/haproxy.sock")
        sides["haproxy"] = tmp + "/haproxy.sock"
    pool_pid = pool(tmp + "/filter.sock", 64)
    wait_for(tmp + "/filter.sock")
    sides["sockguard"] = tmp + "/filter.sock"
    time.sleep(1)

    rounds = 3 if quick else 7
    n = 2000 if quick else 10000
    size = (256 << 20) if quick else (2 << 30)
    plan = [
        ("keep-alive, us", ("keepalive", n), min),
        ("fresh connection, 1 ms apart, us", ("fresh", n // 4, 1000), min),
        ("fresh connection, back to back, us", ("fresh", n // 4, 0), min),
        ("answer with a length, MB/s", ("down", size, "length"), max),
        ("chunked answer (32 KiB chunks), MB/s", ("down", size, "chunked"), max),
        ("request body, MB/s", ("up", size), max),
        ("hijacked, both ways at once, MB/s", ("hijack", size), max),
    ]
    result = {}
    for title, (what, *args), pick in plan:
        got = {s: [] for s in sides}
        for _ in range(rounds if "MB/s" not in title else max(2, rounds // 2)):
            for s, path in sides.items():
                got[s].append(run(what, path, *args))
        result[title] = {s: best(v, pick) for s, v in got.items()}

    spawn = {"bare": [], "sockguard": []}
    for _ in range(rounds):
        spawn["bare"].append(run("spawn", n // 20, bare_program))
        spawn["sockguard"].append(run("spawn", n // 20, fltr, "--policy", tmp + "/policy"))
    result["exec to verdict (a pipe, denied), us"] = {s: best(v) for s, v in spawn.items()}

    conns = []
    for _ in range(8):
        c = socket.socket(socket.AF_UNIX)
        c.connect(sides["sockguard"])
        c.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        c.recv(4096)
        conns.append(c)
    time.sleep(0.5)
    busy = [p for p in children(pool_pid) if any("socket:" in os.readlink("/proc/%d/fd/%s" % (p, f)) for f in os.listdir("/proc/%d/fd" % p))]
    result["private memory of an idle connection, KB"] = {"sockguard": [max(private_kb(p) for p in busy)]}

    print("| what | bare | HAProxy | sockguard | |")
    print("|---|---|---|---|---|")
    for title, row in result.items():
        v = {s: x[0] for s, x in row.items()}
        note = ""
        if "MB/s" in title:
            note = "%.2f of bare" % (v["sockguard"] / v["bare"])
            if "haproxy" in v:
                note += " (HAProxy %.2f)" % (v["haproxy"] / v["bare"])
        elif "exec" in title:
            note = "%.2f x a bare program" % (v["sockguard"] / v["bare"])
        elif "us" in title and "haproxy" in v:
            note = "added: %.1f, HAProxy %.1f" % (v["sockguard"] - v["bare"], v["haproxy"] - v["bare"])
        print("| %s | %s | %s | %s | %s |" % (title, *("%.1f" % v[s] if s in v else "" for s in ("bare", "haproxy", "sockguard")), note))
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
