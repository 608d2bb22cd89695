#!/usr/bin/env python3
"""Limits and metrics on and off on a keep-alive connection; reloads under load; the price of a scrape. Not a test: prints numbers.

  BUILD=build python3 tests/bench/companion.py [reloads [clients]]
"""
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import companion as m   # noqa: E402
import sg               # noqa: E402

PLAIN = "log: {access_log: false}\n"
LIMITS = "{rate: {tokens_per_second: 60000, burst: 65000}, concurrency: {max_inflight: 1000}}"


def cpu_ns(pid):
    """What the scheduler has given the process: it does not count the times when others ran, so a busy machine does not spoil it."""
    with open("/proc/%d/schedstat" % pid) as f:
        return int(f.read().split()[0])


def burst(s, n, pid):
    """Wall and processor microseconds a request, one after the other on one connection."""
    q, bad = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n", 0
    t, u = time.perf_counter(), cpu_ns(pid)
    for _ in range(n):
        s.sendall(q)
        d = s.recv(65536)
        while b"\r\n\r\n" not in d:
            d += s.recv(65536)
        bad += not d.startswith(b"HTTP/1.1 200")
    if bad:
        raise SystemExit("%d of %d requests were not answered with 200" % (bad, n))
    return (time.perf_counter() - t) / n * 1e6, (cpu_ns(pid) - u) / n / 1e3


def overhead(up):
    off = m.Companion(PLAIN + m.RULES, up)
    on = m.Companion(PLAIN + "metrics: {enabled: true}\n" + m.profile(LIMITS, extra="  global_concurrency: {max_inflight: 2000}\n"), up)
    a, b = m.keep_alive(off.sock), m.keep_alive(on.sock)
    m.ask(a), m.ask(b)
    pids = [c.spawner.procs[-1].pid for c in (off, on)]
    burst(a, 500, pids[0]), burst(b, 500, pids[1])
    x, y = [], []
    for _ in range(80):
        x.append(burst(a, 300, pids[0]))
        y.append(burst(b, 300, pids[1]))
    for name, i in (("round trip", 0), ("processor time of the filter", 1)):
        u, v = statistics.median(r[i] for r in x), statistics.median(r[i] for r in y)
        print("keep-alive request, %s: %.2f us without, %.2f us with limits and metrics: %+.1f %%" % (name, u, v, (v - u) / u * 100))
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


def list_by_daemon(path):
    """The daemon's own answer to a list of containers, and `docker ps` as a user runs it."""
    times = []
    for _ in range(100):
        s = m.keep_alive(path)
        t = time.perf_counter()
        m.ask(s, "/containers/json")
        times.append(time.perf_counter() - t)
        s.close()
    print("the daemon's own answer to a list of containers: %.0f us" % (statistics.median(times) * 1e6))
    if shutil.which("docker"):
        times = []
        for _ in range(10):
            t = time.perf_counter()
            subprocess.run(["docker", "-H", "unix://" + path, "ps"], stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - t)
        print("docker ps: %.0f us" % (statistics.median(times) * 1e6))


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    up = os.environ.get("DOCKER_SOCK") or None
    # On one processor: on a virtual machine a wake-up across processors costs ten times what a request does.
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    with sg.StandIn() as own:
        overhead(up or own.path)
    os.sched_setaffinity(0, everywhere)
    with sg.StandIn() as own:
        scrape(up or own.path)
        if os.path.exists("/var/run/docker.sock"):
            list_by_daemon("/var/run/docker.sock")
        if n > 0:
            reloads(up or own.path, n, clients)


main()
