#!/usr/bin/python3
"""Either side may vanish, fall silent or answer nonsense at any moment: bounded time, one record, nothing incomplete taken for whole."""
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402

events = {}  # what scripted daemon connections saw, by path


def saw(path, what, timeout=5):
    """Did the daemon's side of this path see that (in time)?"""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if what in events.get(path, []):
            return True
        time.sleep(0.01)
    return False


def note(path, what):
    events.setdefault(path, []).append(what)


def until_eof(c, path):
    try:
        while c.recv(65536):
            pass
        note(path, "eof")
    except OSError:
        note(path, "reset")


def silent(c, f, method, target, headers, body):
    until_eof(c, target)


def endless(c, f, method, target, headers, body):
    c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        while True:
            c.sendall(b"5\r\ntick\n\r\n")
            time.sleep(0.05)
    except OSError:
        note(target, "write failed")


def stalled(c, f, method, target, headers, body):
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst")
    until_eof(c, target)


def cut(data):
    def answer(c, f, method, target, headers, body):
        c.sendall(data)
        c.shutdown(socket.SHUT_RDWR)
    return answer


def echo(c, f, method, target, headers, body):
    c.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    try:
        while True:
            d = f.read1(65536)
            if not d:
                break
            c.sendall(d)
        note(target, "eof")
        c.sendall(b"bye")
    except OSError:
        note(target, "reset")


def ticking(c, f, method, target, headers, body):
    c.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    try:
        for _ in range(10):
            c.sendall(b".")
            time.sleep(0.3)
        note(target, "all sent")
    except OSError:
        note(target, "cut")


def hung_up(c, f, method, target, headers, body):
    c.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nlast words")
    c.shutdown(socket.SHUT_RDWR)


class BodyWatcher(threading.Thread):
    """A daemon that keeps every byte it gets, and answers nothing, or `answer` as soon as the head is there."""

    def __init__(self, answer=None):
        super().__init__(daemon=True)
        self.dir = os.path.join(up.dir, "watch%d" % time.monotonic_ns())
        self.s = socket.socket(socket.AF_UNIX)
        self.s.bind(self.dir)
        self.s.listen(16)
        self.path, self.answer, self.got, self.ended = self.dir, answer, [], []
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.watch, args=(c,), daemon=True).start()

    def watch(self, c):
        data = b""
        try:
            while True:
                d = c.recv(65536)
                if not d:
                    break
                data += d
                if self.answer and b"\r\n\r\n" in data:
                    c.sendall(self.answer)
                    break
        except OSError:
            pass
        c.close()
        self.got.append(data)


def dial(guard, data, timeout=8):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(guard.sock)
    s.sendall(data)
    return s


def everything(s):
    out = b""
    try:
        while True:
            d = s.recv(65536)
            if not d:
                return out, "eof"
            out += d
    except OSError as x:
        return out, type(x).__name__
    finally:
        s.close()


def get(path, extra=b""):
    return b"GET " + path + b" HTTP/1.1\r\nHost: d\r\n" + extra + b"\r\n"


def attach(name):
    return b"POST /containers/" + name + b"/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"


def one_record(g, name, path, **want):
    got = g.wait_log(1, 5, path=path)
    sg.check(name, len(got) == 1 and all(got[0].get(k) == v for k, v in want.items()), got)


up = sg.StandIn({("GET", "/silent"): silent, ("GET", "/endless"): endless, ("GET", "/events"): endless, ("GET", "/stalled"): stalled,
                 ("GET", "/slow"): silent,
                 ("GET", "/cut-head"): cut(b"HTTP/1.1 200 OK\r\nContent-Le"),
                 ("GET", "/cut-chunk"): cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nff\r\nbut"),
                 ("GET", "/bad-chunk"): cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
                 ("GET", "/two-lengths"): cut(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
                 ("GET", "/both"): cut(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                 ("GET", "/bare-lf"): cut(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
                 ("GET", "/switch"): cut(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nraw"),
                 ("GET", "/huge-head"): cut(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400000 + b"\r\n\r\n"),
                 ("GET", "/interim"): cut(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
                 ("GET", "/204"): cut(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
                 ("HEAD", "/head"): cut(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
                 ("GET", "/unasked"): cut(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"),
                 ("POST", "/containers/echo/attach"): echo, ("POST", "/containers/gone/attach"): hung_up,
                 ("POST", "/containers/idle/attach"): echo, ("POST", "/containers/tick/attach"): ticking})

# ---- the client vanishes ----
with sg.Sockguard(sg.ALLOW_ALL, up.path) as g:
    s = dial(g, b"GET /_ping HTTP/1.1\r\nHos")
    s.close()
    got = g.wait_log(1, 5, msg="request_malformed")
    sg.check("a client that vanishes in its head leaves one record, and nothing reaches the daemon", len(got) == 1 and not up.requests(), got)

    s = dial(g, get(b"/silent"))
    time.sleep(0.2)
    t0 = time.monotonic()
    s.close()
    sg.check("a client that vanishes before the answer takes its request to the daemon with it",
             (saw("/silent", "eof") or saw("/silent", "reset")) and time.monotonic() - t0 < 2, events)
    one_record(g, "with one record, marked aborted", "/silent", aborted=True)

    s = dial(g, get(b"/endless"))
    s.recv(10)
    s.close()
    sg.check("a client that vanishes in the answer ends it at the daemon", saw("/endless", "write failed"), events)
    one_record(g, "with one record, marked aborted, too", "/endless", aborted=True)

    s = dial(g, attach(b"echo") + b"early")
    head = s.recv(4096)
    while b"early" not in head:
        head += s.recv(4096)
    s.close()
    sg.check("a client that vanishes in a tunnel ends it at the daemon", saw("/containers/echo/attach", "eof") or saw("/containers/echo/attach", "reset"), events)
    one_record(g, "with one record, too", "/containers/echo/attach", status=200)

    s = dial(g, get(b"/interim") * 2)
    s.shutdown(socket.SHUT_WR)
    out, end = everything(s)
    sg.check("a client that has only finished sending gets all its answers, interim ones included", out.count(b"ok") == 2 and out.count(b" 103 ") == 2, out)

watcher = BodyWatcher()
with sg.Sockguard(sg.ALLOW_ALL, watcher.path) as g:
    for name, framing, body, whole in (("with a length", b"Content-Length: 100", b"a" * 40, 100),
                                       ("in chunks", b"Transfer-Encoding: chunked", b"5\r\nhello\r\n", None),
                                       ("within a chunk", b"Transfer-Encoding: chunked", b"50\r\nhello", None)):
        for half in (False, True):
            watcher.got.clear()
            s = dial(g, b"POST /containers/x/stop HTTP/1.1\r\nHost: d\r\n" + framing + b"\r\n\r\n" + body)
            time.sleep(0.1)
            out = b""
            if half:
                s.shutdown(socket.SHUT_WR)
                out, _ = everything(s)
            s.close()
            end = time.monotonic() + 5
            while not watcher.got and time.monotonic() < end:
                time.sleep(0.01)
            data = watcher.got[0] if watcher.got else b""
            complete = data.endswith(b"0\r\n\r\n") if whole is None else len(data.partition(b"\r\n\r\n")[2]) >= whole
            sg.check("a body %s that breaks off %s is never whole at the daemon%s" %
                     (name, "by an end of sending" if half else "with the client", ", and is answered 400" if half else ""),
                     bool(watcher.got) and not complete and (not half or b" 400 " in out), (data, out))

# ---- the daemon vanishes, or answers what it must not ----
busy = BodyWatcher(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
with sg.Sockguard(sg.ALLOW_ALL, busy.path) as g:
    s = dial(g, b"POST /containers/x/stop HTTP/1.1\r\nHost: d\r\nContent-Length: 50000000\r\n\r\n")
    try:
        for _ in range(500):
            s.sendall(b"a" * 100000)
    except OSError:
        pass
    out, end = everything(s)
    sg.check("a daemon that answers and hangs up without the body has its answer delivered", b" 413 " in out and out.endswith(b"big"), (out[:200], end))

with sg.Sockguard(sg.ALLOW_ALL, up.path) as g:
    for path, name in (("/cut-head", "an answer's head that breaks off"), ("/two-lengths", "an answer with two lengths"), ("/both", "an answer with a length and chunks"),
                       ("/bare-lf", "an answer with bare line feeds"), ("/switch", "a switch of protocols that nobody asked for"),
                       ("/huge-head", "an answer's head without measure")):
        a = sg.request(g.sock, "GET", path)
        sg.check("%s gives 502" % name, a and a.status == 502, a and a.raw)
    out, end = everything(dial(g, get(b"/cut-chunk")))
    sg.check("a chunked answer that breaks off has no last chunk", b"hello" in out and not out.endswith(b"0\r\n\r\n"), out)
    out, end = everything(dial(g, get(b"/bad-chunk")))
    sg.check("nor one whose chunks make no sense", b"hello" in out and not out.endswith(b"0\r\n\r\n"), out)
    out, end = everything(dial(g, get(b"/204") + get(b"/204", b"Connection: close\r\n")))
    sg.check("bytes behind a 204 are no answer to the next request", out.count(b"HTTP/1.1 204") == 2 and b"hello" not in out, out)
    out, end = everything(dial(g, b"HEAD /head HTTP/1.1\r\nHost: d\r\n\r\n" + b"HEAD /head HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"))
    sg.check("nor are those behind the answer to a HEAD, whose length is kept", out.count(b"Content-Length: 5") == 2 and b"hello" not in out, out)
    out, end = everything(dial(g, get(b"/unasked") + get(b"/unasked", b"Connection: close\r\n")))
    sg.check("nor is an answer that nobody asked for", out.count(b"ok") == 2 and b"forged" not in out, out)
    s = dial(g, attach(b"gone"))
    out, end = everything(s)
    sg.check("what a daemon says before it hangs up a tunnel is delivered, and then the end", out.endswith(b"last words") and end == "eof", (out, end))
    s = dial(g, attach(b"echo") + b"one\n")
    s.shutdown(socket.SHUT_WR)
    out, end = everything(s)
    sg.check("the end of stdin reaches the daemon, and its output still drains", out.endswith(b"one\nbye"), out)
    s = dial(g, attach(b"echo") + get(b"/_ping"))
    s.shutdown(socket.SHUT_WR)
    out, end = everything(s)
    sg.check("a request pipelined behind a hijack is bytes of the tunnel", b"GET /_ping" in out and not up.requests("GET", "/_ping"), out)

# ---- deadlines ----
with sg.Sockguard(sg.ALLOW_ALL + "upstream: {socket: %s, request_timeout: 1s}\n" % json.dumps(up.path), up.path) as g:
    t0 = time.monotonic()
    a = sg.request(g.sock, "GET", "/slow")
    sg.check("no answer within request_timeout gives 504", a and a.status == 504 and 0.9 < time.monotonic() - t0 < 3, a and a.raw)
    t0 = time.monotonic()
    out, end = everything(dial(g, get(b"/stalled")))
    sg.check("an answer that stalls is cut when the time is up", out.endswith(b"first") and 0.9 < time.monotonic() - t0 < 3, (out, end))
    s = dial(g, get(b"/events"))
    time.sleep(1.6)
    out = s.recv(65536)
    time.sleep(0.3)
    sg.check("events go on beyond it", out.count(b"tick") > 5 and b"tick" in s.recv(65536), out)
    s.close()
    s = dial(g, attach(b"tick"))
    time.sleep(1.6)
    sg.check("and so does a tunnel", not saw("/containers/tick/attach", "cut", 0.1) and s.recv(4096).endswith(b"."))
    s.close()

with sg.Sockguard(sg.ALLOW_ALL + "upstream: {socket: %s, tunnel_idle_timeout: 1s}\n" % json.dumps(up.path), up.path) as g:
    events.clear()
    t0 = time.monotonic()
    out, end = everything(dial(g, attach(b"idle")))
    sg.check("with tunnel_idle_timeout a silent tunnel ends", end == "eof" and 0.9 < time.monotonic() - t0 < 4, (out, end))
    out, end = everything(dial(g, attach(b"tick")))
    sg.check("but not one whose output is steady", out.endswith(b"." * 10), out)

# ---- a websocket on the real daemon ----
if sg.DOCKER_SOCK:
    name = "vanish-%d" % os.getpid()
    docker = ["docker", "-H", "unix://" + sg.DOCKER_SOCK]
    subprocess.run([*docker, "create", "-i", "--network", "none", "--name", name, "busybox", "sh", "-c", "read x; echo got:$x"], capture_output=True, check=True)
    try:
        with sg.Sockguard(sg.ALLOW_ALL, sg.DOCKER_SOCK) as g:
            subprocess.run([*docker, "start", name], capture_output=True, check=True)
            s = dial(g, b"GET /v1.41/containers/%s/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        b"Origin: http://d\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (name.encode(), base64.b64encode(os.urandom(16))))
            out = s.recv(4096)
            payload, mask = b"hi\n", os.urandom(4)
            s.sendall(struct.pack("!BB", 0x82, 0x80 | len(payload)) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))
            rest, end = everything(s)
            sg.check("a websocket attach works on a real daemon", out.startswith(b"HTTP/1.1 101") and b"got:hi" in out + rest, out + rest)
            got = g.wait_log(1, 5, normalized_path="/containers/%s/attach/ws" % name)
            sg.check("and has its record", len(got) == 1 and got[0]["status"] in (101, 200), got)
            a = sg.request(g.sock, "GET", "/containers/%s/json" % name, headers=[("Upgrade", "websocket"), ("Connection", "Upgrade")])
            sg.check("an upgrade is not passed on where there is none", a and a.status == 200, a and a.raw[:200])
    finally:
        subprocess.run([*docker, "rm", "-f", name], capture_output=True)

up.close()
sg.done()
