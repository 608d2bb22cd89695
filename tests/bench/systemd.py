#!/usr/bin/python3
"""From connect(2) to a verdict under a real systemd with Accept=yes, side by side with a service that does nothing but answer.

tests/bench/systemd.py BUILD [ROUNDS]. Needs root, debootstrap, systemd-nspawn (tests/e2e/machine.py). Four sockets, asked in turn, each a connection
and one denied request: the filter, and tests/bench/bare; each under the units' sandbox and without it. Prints the median and the
quartiles in milliseconds, and how the filter compares with the trivial service started the same way.
"""
import os
import random
import statistics
import subprocess
import sys
import time

build = os.path.abspath(sys.argv[1])
os.environ["BUILD"] = build
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import machine  # noqa: E402

rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 200
SOCKET = "[Socket]\nListenStream=/run/sockguard/%s.sock\nAccept=yes\nMaxConnections=1024\nTriggerLimitIntervalSec=0\n"
REQUEST = b"GET /denied HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
why = machine.missing()
if why:
    sys.exit("no machine here: " + why)
m = machine.Machine("bench", build)
try:
    m.config("listen: {socket: /run/sockguard/docker.sock}\nupstream: {socket: /var/run/docker.sock}\nrules:\n"
             "  - {match: {method: GET, path: /_ping}, action: allow}\n  - {match: {method: '*', path: '/**'}, action: deny}\n")
    subprocess.run(["systemd-sysusers", "--root=" + m.root], check=True, capture_output=True)
    unit = open(m.root + m.prefix + "/lib/systemd/system/sockguard@.service").read()
    head, _, service = unit.partition("[Service]\n")
    lines = service.splitlines()
    run = next(x for x in lines if x.startswith("ExecStart="))
    plain = [x for x in lines if x.split("=")[0] in ("User", "SupplementaryGroups")]
    bare = ["ExecStart=/usr/local/bin/bare", "StandardInput=socket", "StandardOutput=socket"]
    with open(build + "/tests/bench/bare", "rb") as f, open(m.root + "/usr/local/bin/bare", "wb") as g:
        g.write(f.read())
    os.chmod(m.root + "/usr/local/bin/bare", 0o755)
    sandboxed = [x for x in lines if x != run]
    kinds = {"filter": [run] + sandboxed, "trivial": bare + sandboxed, "filter-open": [run] + plain, "trivial-open": bare + plain}
    for name, text in kinds.items():
        m.write("/etc/systemd/system/b-%s@.service" % name, head + "[Service]\n" + "\n".join(text) + "\n")
        m.write("/etc/systemd/system/b-%s.socket" % name, SOCKET % name)
    m.enable("sockguard.service")
    if not m.boot():
        sys.exit("the machine does not boot")
    m.systemctl("start", *["b-%s.socket" % k for k in kinds])
    times = {k: [] for k in kinds}
    for n in range(rounds + 10):
        for k in random.sample(list(kinds), len(kinds)):
            start = time.perf_counter()
            with m.connect("/run/sockguard/%s.sock" % k, 30) as s:
                s.sendall(REQUEST)
                if not s.recv(4096).startswith(b"HTTP/1.1 403"):
                    sys.exit("%s gave no verdict: %s" % (k, m.journal("-n", "20")))
                took = (time.perf_counter() - start) * 1000
            if n >= 10:
                times[k].append(took)
            time.sleep(0.1)  # systemd takes the last instance away, and that is not to be measured
    print("load %.1f, %d rounds, milliseconds" % (os.getloadavg()[0], rounds))
    print("%-14s %8s %8s %8s %8s" % ("", "least", "quarter", "median", "3/4"))
    q = {k: [min(v)] + statistics.quantiles(v, n=4) for k, v in times.items()}
    for k in kinds:
        print("%-14s %8.2f %8.2f %8.2f %8.2f" % ((k,) + tuple(q[k])))
    for a, b in (("filter", "trivial"), ("filter-open", "trivial-open")):
        print("%s / %s: least %.2f, quarter %.2f, median %.2f" % (a, b, q[a][0] / q[b][0], q[a][1] / q[b][1], q[a][2] / q[b][2]))
finally:
    m.close()
