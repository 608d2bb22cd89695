#!/usr/bin/env python3
"""Two updates of a container at once, each of which leaves it a limit, never take both away where filters share a state; where they do not, the
loss is seen afterwards and recorded. Against a stand-in daemon that leaves time for it, and against a real one."""
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from companion import Companion  # noqa: E402
from sg import ALLOW_ALL, DOCKER_SOCK, Sockguard, StandIn, check, done, request  # noqa: E402

POLICY = ALLOW_ALL + "request_body: {container_update: {allow_resource_updates: true, require_cpu_limit: true}}\n"
GONE = "a required resource limit is gone after an update that was allowed"
NAME = "sgrace%d" % os.getpid()
FULL = {"CpuShares": 512, "CpuQuota": 50000}
TAKES = ({"CpuQuota": -1}, {"CpuShares": -5})  # dockerd takes the second for a container that does not run


class Daemon(StandIn):
    """One container with many names, and time between being asked and being told."""

    def __init__(self):
        super().__init__({"*": self.answer})
        self.limits = dict(FULL)

    def answer(self, c, f, method, target, headers, body):
        if method == "POST":
            self.limits.update(json.loads(body))
            out = b"{}"
        else:
            out = json.dumps({"Id": "c0ffee", "HostConfig": self.limits}).encode()
            time.sleep(0.2)
        f.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(out) + out)
        f.flush()

    def reset(self):
        self.limits = dict(FULL)

    def read(self):
        return self.limits


class Real:
    path = DOCKER_SOCK

    def __init__(self):
        r = request(self.path, "POST", "/v1.41/containers/create?name=" + NAME, {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}})
        assert r.status == 201, r.body

    def reset(self):
        request(self.path, "POST", "/v1.41/containers/%s/update" % NAME, FULL)

    def read(self):
        return request(self.path, "GET", "/v1.41/containers/%s/json" % NAME).json()["HostConfig"]

    def close(self):
        request(self.path, "DELETE", "/v1.41/containers/%s?force=1" % NAME)


def race(sock, names):
    """Both updates at once; the two answers' statuses, sorted."""
    got, gate = [None, None], threading.Barrier(2)

    def send(i):
        gate.wait()
        r = request(sock, "POST", "/v1.41/containers/%s/update" % names[i], TAKES[i])
        got[i] = r.status if r else 0
    threads = [threading.Thread(target=send, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sorted(got)


def lost(daemon):
    h = daemon.read()
    return h["CpuShares"] <= 0 and h["CpuQuota"] <= 0


with Daemon() as d:
    g = Companion(POLICY, d.path, "serve")
    try:
        got = race(g.sock, ("web", "c0ff"))
        check("filters that share a state judge an update only when the one before it is done, whatever names they use", got == [200, 403] and not lost(d), (got, d.read()))
        held = threading.Thread(target=race, args=(g.sock, ("web", "web")))
        d.reset()
        held.start()
        r = request(g.sock, "GET", "/v1.41/containers/web/json")
        check("nothing else waits for them", r is not None and r.status == 200)
        held.join()
    finally:
        g.close()
    d.reset()
    with Sockguard(POLICY, d.path) as s:
        got = race(s.sock, ("web", "c0ff"))
        records = s.wait_log(1, msg=GONE)
        check("without a state the loss is recorded", got == [200, 200] and lost(d) and records and records[0].get("level") == "ERROR" and records[0].get("error") == "cpu",
              (got, d.read(), records))
if DOCKER_SOCK:
    d = Real()
    try:
        g = Companion(POLICY, d.path, "serve")
        try:
            rounds = []
            for i in range(30):
                d.reset()
                rounds.append((race(g.sock, (NAME, NAME)), lost(d)))
            check("on a real daemon one of two updates is refused, every time", all(r == ([200, 403], False) for r in rounds), rounds)
        finally:
            g.close()
        with Sockguard(POLICY, d.path) as s:
            losses = 0
            for i in range(10):
                d.reset()
                race(s.sock, (NAME, NAME))
                losses += lost(d)
            print("# without a state %d of 10 were lost" % losses, flush=True)
            check("and each loss there was is recorded", losses == 0 or len(s.wait_log(losses, msg=GONE)) >= losses, s.log(msg=GONE))
    finally:
        d.close()
done()
