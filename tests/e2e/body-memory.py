#!/usr/bin/env python3
# build: plain
"""What a body costs a filter: at most three times the body limit, however a megabyte is filled; and a copy into or out of a container no more
memory than a small one, with a file only for what must be seen whole. COPY_MB is the size of the large copies (default 48; uploads stop at 500)."""
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import ALLOW_ALL, Sockguard, StandIn, check, done, program  # noqa: E402

LIMIT = 1 << 20
COPY_MB = int(os.environ.get("COPY_MB", "48"))


def peak(pid):
    """Peak resident memory in bytes; 0 when the process is gone."""
    try:
        for line in open("/proc/%d/status" % pid):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def fill(before, element, after):
    out, i = bytearray(before), 0
    while len(out) + len(after) + 1200 < LIMIT:
        out += element(i) + b","
        i += 1
    return bytes(out[:-1]) + after


BODIES = {
    "blanks": b'{"Image":"x"' + b" " * (LIMIT - 100) + b"}",
    "an environment": fill(b'{"Image":"x","Env":[', lambda i: b'"VARIABLE_%d=%s"' % (i, b"x" * 40), b"]}"),
    "members nobody reads": fill(b'{"Image":"x","HostConfig":{"LogConfig":{', lambda i: b'"%x":0' % i, b"}}}"),
    "equal members": fill(b'{"Image":"x","z":{', lambda i: b'"":0', b"}}"),
    "labels": fill(b'{"Image":"x","Labels":{', lambda i: b'"%x":""' % i, b"}}"),
    "escaped labels": fill(b'{"Image":"x","Labels":{', lambda i: b'"\\u0041%x":"\\u0041"' % i, b"}}"),
    "long escaped labels": fill(b'{"Image":"x","Labels":{', lambda i: b'"%x":"%s\\n"' % (i, b"y" * 1000), b"}}"),
    "binds": fill(b'{"Image":"x","HostConfig":{"Binds":[', lambda i: b'"volume%08d:/x"' % i, b"]}}"),
    "escaped binds": fill(b'{"Image":"x","HostConfig":{"Binds":[', lambda i: b'"volume%08d\\u003a/x%s"' % (i, b"z" * 100), b"]}}"),
    "empty endpoints": fill(b'{"Image":"x","NetworkingConfig":{"EndpointsConfig":{', lambda i: b'"%x":{}' % i, b"}}}"),
    "mounts": fill(b'{"Image":"x","HostConfig":{"Mounts":[', lambda i: b'{"Type":"volume","Source":"v%08d","Target":"/x"}' % i, b"]}}"),
    "depth": b'{"Image":"x","a":' + b"[" * 9990 + b"]" * 9990 + b" " * (LIMIT - 20100) + b"}",
    "device requests": fill(b'{"Image":"x","HostConfig":{"DeviceRequests":[{"Driver":"A","Capabilities":[[', lambda i: b'"GPU"', b"]]}]}}"),
}


def connect(g):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(300)
    s.connect(g.sock)
    return s


def head(s):
    """The next answer's head, and what came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        d = s.recv(65536)
        if not d:
            return data, b""
        data += d
    h, _, rest = data.partition(b"\r\n\r\n")
    return (h, rest) if not h.startswith(b"HTTP/1.1 100") else head(s)


def filter_of(g):
    while True:  # the spawner notes a process after it has started it
        alive = [p.pid for p in g.spawner.procs if p.poll() is None]
        if alive:
            return alive[-1]
        time.sleep(0.01)


def create(s, body):
    s.sendall(b"POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return head(s)[0]


def bodies(up, name, policy):
    worst = (0, "")
    with Sockguard(policy, up.path) as g:
        for what, body in BODIES.items():
            s = connect(g)
            if b" 201 " not in create(s, b'{"Image":"x"}'):
                check(name + ": a small create passes", False)
                return
            pid = filter_of(g)
            before = peak(pid)
            answer = create(s, body)
            grown = peak(pid) - before
            if not answer.startswith(b"HTTP/1.1 ") or grown < 0:
                check(name + ": " + what + " is answered", False, answer)
            worst = max(worst, (grown, what))
            s.close()
    check("%s: a body of 1 MiB costs at most 3 MiB (%.2f, %s)" % (name, worst[0] / LIMIT, worst[1]), 0 < worst[0] <= 3 * LIMIT)


# ---- docker cp ----

def archive(mb):
    """The ends of an archive of one file of so many MiB; between them is its content."""
    info = tarfile.TarInfo("file")
    info.size = mb << 20
    return info.tobuf(tarfile.USTAR_FORMAT), bytes(1024)


def unpacks_within(mb, room):
    """Does the unpacker get through such an upload with so many MiB of memory of its own (the upload is mapped: pages of the file)?"""
    with tempfile.TemporaryFile() as f:
        before, after = archive(mb)
        f.write(before)
        f.seek(mb << 20, os.SEEK_CUR)
        f.write(after)
        f.seek(0)
        r = subprocess.run(["bash", "-c", 'ulimit -d %d; exec "$0"' % (room << 10), program("sockguard-unpack")], stdin=f, stdout=subprocess.PIPE, env={})
        return r.returncode == 0 and b"entries 1\n" in r.stdout and r.stdout.endswith(b"\nend\n")


def files(pid):
    """Sizes of the regular files a process has open and may write to: its own temporary ones."""
    out = []
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            path = "/proc/%d/fd/%s" % (pid, fd)
            if os.path.isfile(path) and "(deleted)" in os.readlink(path) and not os.readlink(path).startswith("/memfd:"):
                out.append(os.stat(path).st_size)
    except OSError:
        pass
    return out


def upload(g, mb):
    """PUT of one file of so many MiB; (status, peak of the filter, its temporary files afterwards)."""
    before, after = archive(mb)
    s = connect(g)
    block = b"\xa5" * (1 << 20)
    s.sendall(b"PUT /v1.41/containers/a/archive?path=/tmp HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n" %
              (len(before) + (mb << 20) + len(after)) + before)
    for _ in range(mb):
        s.sendall(block)
    s.sendall(after)
    answer = head(s)[0]
    time.sleep(0.1)
    out = answer.split(b" ")[1:2], peak(filter_of(g)), files(filter_of(g))
    s.close()
    return out


def download(g, mb):
    """GET of an archive of so many MiB; (bytes, peak of the filter, temporary files in the middle of it)."""
    s = connect(g)
    s.sendall(b"GET /v1.41/containers/a/archive?path=/file%d HTTP/1.1\r\nHost: d\r\n\r\n" % mb)
    _, rest = head(s)
    got, seen = len(rest), []
    while got < mb << 20:
        d = s.recv(1 << 20)
        if not d:
            break
        got += len(d)
        if not seen and got > mb << 19:
            seen = [files(filter_of(g))]
    out = got, peak(filter_of(g)), seen
    s.close()
    return out


def serve_archive(c, f, method, target, headers, body):
    mb = int(target.partition("/file")[2] or 0)
    f.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n" % (mb << 20))
    block = bytes(1 << 20)
    for _ in range(mb):
        f.write(block)
    f.flush()


class Sink(StandIn):
    """Takes what is put into it and keeps none of it."""

    def serve(self, c):
        f = c.makefile("rwb")
        try:
            while True:
                line, length = f.readline(), 0
                if not line:
                    return
                while True:
                    h = f.readline()
                    if h in (b"\r\n", b""):
                        break
                    if h.lower().startswith(b"content-length:"):
                        length = int(h.split(b":")[1])
                while length > 0:
                    length -= len(f.read(min(length, 1 << 20)))
                if line.startswith(b"GET"):
                    serve_archive(c, f, "GET", line.split()[1].decode(), [], b"")
                else:
                    f.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    f.flush()
        except (OSError, ValueError):
            pass


def copies():
    with Sink() as up, Sockguard(ALLOW_ALL, up.path) as g:
        small, large = upload(g, 1), upload(g, min(COPY_MB, 500))
        check("a copy of %d MiB into a container is relayed" % min(COPY_MB, 500), small[0] == [b"200"] and large[0] == [b"200"], (small, large))
        check("the filter needs no more memory for it (%d KiB, %d KiB)" % (small[1] >> 10, large[1] >> 10), large[1] <= small[1] + (512 << 10))
        check("and its temporary file is gone with the answer", large[2] == [], large[2])
        check("the unpacker gets through it with 32 MiB of memory of its own", unpacks_within(min(COPY_MB, 500), 32))
        small, large = download(g, 1), download(g, COPY_MB)
        check("a copy of %d MiB out of a container is relayed" % COPY_MB, large[0] == COPY_MB << 20, large)
        check("the filter needs no more memory for it either (%d KiB, %d KiB)" % (small[1] >> 10, large[1] >> 10), large[1] <= small[1] + (512 << 10))
        check("and no temporary file", large[2] == [[]], large[2])


OPEN = ALLOW_ALL + "request_body: {container_create: {allowed_bind_mounts: [/], allowed_device_requests: [{driver: a, allowed_capabilities: [[x], [y], [z]]}]}}\n"
MUTATION = "mutations: {rules: [{id: a, surfaces: [container_create], inject_labels: {labels: {team: x}}}]}\n"
with StandIn({"*": (201, [], b'{"Id":"a"}')}) as up:
    bodies(up, "inspected", OPEN)
    bodies(up, "inspected and rewritten", OPEN + MUTATION)
OURS = (200, [], b'{"Id":"a","Config":{"Labels":{"com.sockguard.owner":"me"}}}')
with StandIn({("POST", "/v1.41/containers/create"): (201, [], b'{"Id":"a"}'), "*": OURS}) as up:
    bodies(up, "inspected and rewritten twice", OPEN + MUTATION + "ownership: {owner: me}\n")
copies()
done()
