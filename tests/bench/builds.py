#!/usr/bin/env python3
"""What a filter costs a `docker build` with a context of 500 MB: against the bare socket in the same run, on a real dockerd, with the context
streamed through (RUN is allowed) and with the Dockerfile looked for and read (RUN is not). The memory of the filter and of sockguard-unpack is
what they hold themselves: a mapped spool is the page cache's. Opt-in; prints medians.

    DOCKER_SOCK=/run/docker.sock BUILD=... tests/bench/builds.py [MEGABYTES [ROUNDS]]
"""
import io
import os
import socket
import statistics
import sys
import tarfile
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from sg import ALLOW_ALL, DOCKER_SOCK, Sockguard, check, done, parse, request, skip  # noqa: E402

if not DOCKER_SOCK:
    skip("no Docker Engine")
SIZE = int(sys.argv[1] if len(sys.argv) > 1 else 500) * 1000 * 1000
ROUNDS = int(sys.argv[2] if len(sys.argv) > 2 else 5)
TAG = "sgbench-build-%d:1" % os.getpid()


def context(path):
    """Ten files of noise and a Dockerfile behind them that takes none of it, so that the upload is what is measured."""
    with tarfile.open(path, "w") as t:
        for name, data in [("noise%d" % i, None) for i in range(10)] + [("Dockerfile", b"FROM scratch\nCOPY Dockerfile /\n")]:
            info = tarfile.TarInfo(name)
            info.size = SIZE // 10 if data is None else len(data)
            if data is None:
                with open("/dev/urandom", "rb") as f:
                    t.addfile(info, f)
            else:
                t.addfile(info, io.BytesIO(data))


class Memory(threading.Thread):
    """The most memory of its own (private and anonymous) that each of our programs had while this ran."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.stop = {}, False
        self.start()

    def run(self):
        while not self.stop:
            for pid in os.listdir("/proc"):
                try:
                    name = open("/proc/%s/comm" % pid).read().strip() if pid.isdigit() else ""
                    if name in ("sockguard-filte", "sockguard-unpac"):
                        rss = [line for line in open("/proc/%s/status" % pid) if line.startswith("RssAnon:")]
                        self.most[name] = max(self.most.get(name, 0), int(rss[0].split()[1]))
                except (OSError, IndexError):
                    pass
            time.sleep(0.005)


def build(sock, path):
    began = time.perf_counter()
    s = socket.socket(socket.AF_UNIX)
    s.connect(sock)
    size = os.path.getsize(path)
    s.sendall(("POST /v1.41/build?t=%s&rm=1&nocache=1 HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/x-tar\r\n"
               "Content-Length: %d\r\n\r\n" % (TAG, size)).encode())
    with open(path, "rb") as f:
        s.sendfile(f)
    out = b""
    while chunk := s.recv(65536):
        out += chunk
    s.close()
    r = parse(out)
    if not r or r.status != 200 or b"Successfully tagged" not in r.body:
        check("a build succeeds", False, r and (r.status, r.body[-300:]))
        done()
    return time.perf_counter() - began


with tempfile.TemporaryDirectory(prefix="sg-bench-") as work, \
        Sockguard(ALLOW_ALL + "request_body: {build: {allow_run_instructions: true}}\n", DOCKER_SOCK) as streams, Sockguard(ALLOW_ALL, DOCKER_SOCK) as reads:
    path = os.path.join(work, "context.tar")
    context(path)
    sides = {"bare": DOCKER_SOCK, "streamed": streams.sock, "inspected": reads.sock}
    took, memory = {name: [] for name in sides}, Memory()
    try:
        for name, sock in sides.items():
            build(sock, path)
        for _ in range(ROUNDS):
            for name, sock in sides.items():
                took[name].append(build(sock, path))
    finally:
        memory.stop = True
        request(DOCKER_SOCK, "DELETE", "/images/%s?force=1" % TAG)
    bare = statistics.median(took["bare"])
    print("context of %d MB, %d rounds, load %s" % (SIZE // 1000000, ROUNDS, os.getloadavg()[0]))
    for name, times in took.items():
        m = statistics.median(times)
        print("%-10s median %.2f s (%.2f to %.2f), %.0f MB/s, speed %.2f of the bare socket's" % (name, m, min(times), max(times), SIZE / m / 1e6, bare / m))
    for name, kib in sorted(memory.most.items()):
        print("%-16s at most %.1f MiB of its own" % (name, kib / 1024))
done()
