#!/usr/bin/env python3
# build: plain
"""Bodies at the limit, made to cost: each gets its verdict with memory below three times the limit and little processor time, and the connection
can be used afterwards."""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import ALLOW_ALL, Sockguard, StandIn, check, done  # noqa: E402

LIMIT = 1048576
POLICY = ALLOW_ALL + """
request_body:
  container_create: {allowed_bind_mounts: [/data], allowed_seccomp_profiles: [a, b], required_labels: [x, y, z], allowed_capabilities: [a, b, c],
    allowed_device_requests: [{driver: nvidia, allowed_capabilities: [[gpu]]}]}
"""


def fill(before, unit, after):
    n = (LIMIT - len(before) - len(after)) // (len(unit.encode()) + 1)
    return before + ",".join([unit] * n) + after


def names(form, n):
    return ",".join(form % i for i in range(n))


BODIES = {
    "empty mounts": fill('{"HostConfig":{"Mounts":[', "{}", "]}}"),
    "empty binds": fill('{"HostConfig":{"Binds":[', '""', "]}}"),
    "escaped binds": fill('{"HostConfig":{"Binds":[', '"\\n"', "]}}"),
    "bind paths": fill('{"HostConfig":{"Binds":[', '"/data/a:/x"', "]}}"),
    "capabilities": fill('{"HostConfig":{"CapAdd":[', '"x"', "]}}"),
    "security options": fill('{"HostConfig":{"SecurityOpt":[', '"a=b"', "]}}"),
    "tmpfs options": '{"HostConfig":{"Tmpfs":{"/x":"' + "," * (LIMIT - 60) + '"}}}',
    "device capabilities": fill('{"HostConfig":{"DeviceRequests":[{"Driver":"nvidia","Capabilities":[[', '"a"', "]]}]}}"),
    "labels": '{"Labels":{%s}}' % names('"%x":""', 90000),
    "member names": "{%s}" % names('"%x":1', 90000),
    "escaped member names": "{%s}" % names('"\\u0041%05x":1', 60000),
    "member names beyond ASCII": "{%s}" % names('"\u00e9%05x":1', 60000),
    "names that differ at the end": "{%s}" % names('"' + "a" * 40 + '%05x":1', 18000),
    "two very long names": '{"%s":1,"%s":1}' % ("a" * 500000, "A" * 500000),
    "a text of colons": '{"Env":["%s"]}' % (":" * (LIMIT - 40)),
    "many small objects": "[1," + ",".join(['{"a":{}}'] * 110000) + "]",
    "the deepest nesting": '{"a":' * 9999 + "1" + "}" * 9999,
    "one level more": '{"a":' * 10001 + "1" + "}" * 10001,
    "brackets that never close": "[" * LIMIT,
}


def status_field(pid, name):
    return next(int(x.split()[1]) for x in open("/proc/%d/status" % pid) if x.startswith(name + ":"))


def cpu_seconds(pid):
    return sum(int(x) for x in open("/proc/%d/stat" % pid).read().rpartition(")")[2].split()[11:13]) / os.sysconf("SC_CLK_TCK")


class Connection:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(30)
        self.s.connect(path)
        self.left = b""

    def ask(self, data):
        self.s.sendall(data)
        buf = self.left
        while b"\r\n\r\n" not in buf:
            got = self.s.recv(65536)
            if not got:
                return 0
            buf += got
        head, _, rest = buf.partition(b"\r\n\r\n")
        length = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:"))
        while len(rest) < length:
            rest += self.s.recv(65536)
        self.left = rest[length:]
        return int(head.split(b" ")[1])


PING = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
with StandIn() as up, Sockguard(POLICY, up.path) as g:
    for what, text in BODIES.items():
        body = text.encode()
        assert len(body) <= LIMIT, what
        c = Connection(g.sock)
        c.ask(PING)
        pid = g.spawner.procs[-1].pid
        before, cpu = status_field(pid, "VmHWM"), cpu_seconds(pid)
        status = c.ask(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        grown, took = (status_field(pid, "VmHWM") - before) / (LIMIT / 1024), cpu_seconds(pid) - cpu
        check("%s: denied, %.2f times the limit, %.2f s of processor time" % (what, grown, took), status == 403 and grown < 3 and took < 1, (status, grown, took))
        check("%s: the connection is good for more" % what, c.ask(PING) == 200)
        c.s.close()
    check("the daemon saw none of it", not up.requests("POST"))
done()
