#!/usr/bin/env python3
"""Limits and metrics on and off on a keep-alive connection; reloads under load; the price of a scrape. Not a test: prints numbers.

  BUILD=build python3 tests/bench/companion.py [reloads [clients [seconds]]]
"""
import os
import signal
import socket
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import companion as m   # noqa: E402
import sg               # noqa: E402

PLAIN = "log: {access_log: false}\n"
LIMITS = "{rate: {tokens_per_second: 60000, burst: 65000}, concurrency: {max_inflight: 1000}}"


def burst(s, n):
    """Microseconds a request, one after the other on one connection."""
    q = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
    t = time.perf_counter()
    for _ in range(n):
        s.sendall(q)
        d = s.recv(65536)
        while b"\r\n\r\n" not in d:
            d += s.recv(65536)
    return (time.perf_counter() - t) / n * 1e6


def overhead(up):
    off = m.Companion(PLAIN + m.RULES, up)
    on = m.Companion(PLAIN + "metrics: {enabled: true}\n" + m.profile(LIMITS, extra="  global_concurrency: {max_inflight: 2000}\n"), up)
    a, b = m.keep_alive(off.sock), m.keep_alive(on.sock)
    burst(a, 500), burst(b, 500)
    x, y = [], []
    for _ in range(60):
        x.append(burst(a, 500))
        y.append(burst(b, 500))
    u, v = statistics.median(x), statistics.median(y)
    print("keep-alive request: %.2f us without, %.2f us with limits and metrics: %+.1f %%" % (u, v, (v - u) / u * 100))
    a.close(), b.close(), off.close(), on.close()


def rss(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * 4


def reloads(up, n, clients):
    base = PLAIN + "reload: {enabled: true, debounce: 1ms}\nmetrics: {enabled: true}\n"
    one, two = (base + m.RULES + "  - {match: {method: GET, path: /%s}, action: allow}\n  - {match: {method: GET, path: /%s}, action: %s}\n" % (a, a + "x", "deny")
                for a in ("one", "two"))
    with m.Companion(one, up) as c:
        stop, bad, count, lock = threading.Event(), [], [0], threading.Lock()

        def client():
            s, k = m.keep_alive(c.sock), 0
            while not stop.is_set():
                r = m.ask(s)
                k += 1
                if r != 200:
                    bad.append(r)
                    break
            with lock:
                count[0] += k
            s.close()

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for t in threads:
            t.start()
        memory, done, t0 = [], 0, time.monotonic()
        texts = [c.text(one), c.text(two)]
        state = lambda: c.status()["policy"]["version"]   # noqa: E731
        start = state()
        for i in range(n):
            with open(c.config + ".tmp", "w") as f:
                f.write(texts[i % 2])
            os.rename(c.config + ".tmp", c.config)
            time.sleep(0.004)
            if i % max(1, n // 8) == n // 16:
                memory.append(rss(c.proc.pid))
        time.sleep(0.5)
        took, done = time.monotonic() - t0, state() - start
        stop.set()
        for t in threads:
            t.join()
        print("%d files written, %d reloads applied in %.1f s under %d clients: %d requests, %d failed; companion's memory %s kB" %
              (n, done, took, clients, count[0], len(bad), memory))


def scrape(up):
    with m.Companion(PLAIN + "metrics: {enabled: true}\n" + m.profile(LIMITS), up) as c:
        for t in ("/_ping", "/info", "/containers/x/json", "/images/json", "/volumes", "/x"):
            c.get(t)
        s, times = m.keep_alive(c.sock), []
        for _ in range(300):
            t = time.perf_counter()
            m.ask(s, "/metrics")
            times.append(time.perf_counter() - t)
        print("scrape: %.0f us" % (statistics.median(times) * 1e6))
        s.close()


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    up = os.environ.get("DOCKER_SOCK") or None
    with sg.StandIn() as own:
        overhead(up or own.path)
        reloads(up or own.path, n, clients)
        scrape(up or own.path)
    if os.path.exists("/var/run/docker.sock"):
        times = []
        for _ in range(100):
            s = socket.socket(socket.AF_UNIX)
            s.connect("/var/run/docker.sock")
            t = time.perf_counter()
            m.ask(s, "/containers/json")
            times.append(time.perf_counter() - t)
            s.close()
        print("the daemon's own answer to a list of containers: %.0f us" % (statistics.median(times) * 1e6))


main()
