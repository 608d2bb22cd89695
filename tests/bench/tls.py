#!/usr/bin/python3
"""
Mutual TLS through sockguard-tls (pool) and through HAProxy, with the same keys and the same daemon, in turn. Medians of ROUNDS rounds.

    tls.py [N [ROUNDS [KEYS]]]     N fresh connections a round (default 300), 5 rounds, keys p256, ed25519 or rsa. BUILD needs `make tests/bench/bench-tls`.

On a machine that others use too, run it with `chrt -r 1`: then both sides, the daemon and the client come before everybody else.
"""
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import sg  # noqa: E402

D = tempfile.mkdtemp(prefix="sg-bench-")
os.chmod(D, 0o755)
KEYS = {"p256": ("--key-type", "ecdsa", "--curve", "secp256r1"), "ed25519": ("--key-type", "ed25519"), "rsa": ("--key-type", "rsa", "--bits", "2048")}
KIND = sys.argv[3] if len(sys.argv) > 3 else "p256"
BENCH = os.path.join(sg.BUILD, "tests/bench/bench-tls")
N = sys.argv[1] if len(sys.argv) > 1 else "300"
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5


def path(n):
    return os.path.join(D, n)


def make(*args):
    sg.certificate(D, *args, key=KEYS[KIND])


make("ca", "cn = bench\nca\ncert_signing_key")
make("server", "cn = localhost\ndns_name = localhost\ntls_www_server\nsigning_key", "ca")
make("client", "cn = client\ntls_www_client\nsigning_key", "ca")
with open(path("bundle.pem"), "w") as f:
    f.write(open(path("server.pem")).read() + open(path("server.key")).read())
BIG = b"x" * (256 << 20)
stand_in = sg.StandIn({("GET", "/_ping"): (200, [], b"OK"), ("GET", "/big"): (200, [], BIG)})


def port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


ours, theirs = port(), port()
with open(path("haproxy.cfg"), "w") as f:
    f.write("""global
    nbthread 2
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend f
    bind 127.0.0.1:%d ssl crt %s ca-file %s verify required ssl-min-ver TLSv1.3 no-tls-tickets alpn http/1.1
    default_backend b
backend b
    server d unix@%s
""" % (theirs, path("bundle.pem"), path("ca.pem"), stand_in.path))
with open(path("sg.yaml"), "w") as f:
    f.write("listen: {address: \"127.0.0.1:%d\", tls: {cert_file: %s, key_file: %s, client_ca_file: %s}}\nupstream: {socket: %s}\nlog: {access_log: false}\n" % (
        ours, path("server.pem"), path("server.key"), path("ca.pem"), stand_in.path) + sg.ALLOW_ALL)
os.mkdir(path("run"))
procs = [subprocess.Popen([sg.CTL, "serve", "--config", path("sg.yaml"), "--runtime-dir", path("run")], env=sg.env(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=open(path("log"), "wb"))]
if shutil.which("haproxy"):
    procs.append(subprocess.Popen(["haproxy", "-db", "-f", path("haproxy.cfg")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
time.sleep(2)
try:
    sides = {"sockguard": ours, "haproxy": theirs} if len(procs) > 1 else {"sockguard": ours}
    for what, arg in (("fresh", N), ("kept", "5000"), ("bulk", "/big")):
        seen = {name: [] for name in sides}
        for round_ in range(ROUNDS):
            for name in (list(sides) if round_ % 2 == 0 else list(sides)[::-1]):
                r = subprocess.run([BENCH, str(sides[name]), path("ca.pem"), path("client.pem"), path("client.key"), what, arg], capture_output=True, text=True)
                if r.returncode:
                    sys.exit("%s %s: %s" % (what, name, r.stderr))
                seen[name].append([float(x) for x in r.stdout.split() if x.replace(".", "").isdigit()])
        for name, rows in seen.items():
            middle = [statistics.median(column) for column in zip(*rows)]
            spread = "%.0f..%.0f" % (min(x[0] for x in rows), max(x[0] for x in rows))
            print("%-6s %-10s %s" % (what, name, "%.0f MB/s (%s)" % (middle[0], spread) if what == "bulk" else
                                     "p50 %.0f us (%s)  p99 %.0f us" % (middle[0], spread, middle[1])), flush=True)
finally:
    for p in procs:
        p.terminate()
        p.wait()
    stand_in.close()
    shutil.rmtree(D, ignore_errors=True)
