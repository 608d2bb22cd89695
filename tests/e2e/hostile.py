#!/usr/bin/python3
"""What an attacker would send: the daemon must see nothing that was not judged, and the client an answer and a closed connection."""
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402

DENY = "rules:\n  - {match: {method: GET, path: /_ping}, action: allow}\n"
CREATE = b'{"Image":"busybox","HostConfig":{"Privileged":true}}'
up = sg.StandIn()


def reached():
    return [(m, t) for m, t, _, _ in up.requests()]


def forget():
    with up.lock:
        up.seen.clear()


def refused(guard, name, data, allowed=(), half_close=False):
    """The bytes end in refusals and a closed connection; nothing but `allowed` reaches the daemon."""
    forget()
    out = sg.raw(guard.sock, data, 8, half_close)
    first = out.split(b" ", 2)[1:2]
    bad = [r for r in reached() if r not in allowed]
    sg.check(name, not bad and (allowed or not first or first[0][:1] in b"45"), "answer %r\nreached %r" % (out[:300], reached()))
    return out


with sg.Sockguard(DENY, up.path) as g:
    r = lambda name, data, **kw: refused(g, name, data, **kw)   # noqa: E731
    post = b"POST /containers/create HTTP/1.1\r\nHost: d\r\n"
    ping = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
    r("two different lengths are refused", b"POST /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
    r("length together with chunked is refused", post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ping)
    r("a request hidden in a denied body is not served", post + b"Content-Length: %d\r\n\r\n" % len(ping) + ping)
    r("a folded framing field is refused", post + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")
    r("a bare line feed is refused", b"GET /_ping HTTP/1.1\nHost: d\n\n")
    r("a negative length is refused", post + b"Content-Length: -1\r\n\r\n" + ping)
    r("an opaque target is refused", b"POST x:http://h/containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n" % len(CREATE) + CREATE)
    r("HTTP/2 is refused", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    r("a lower-case method is refused", b"get /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
    r("NUL in a header is refused", b"GET /_ping HTTP/1.1\r\nHost: d\r\nX: a\0b\r\n\r\n")
    r("ten thousand header fields are refused", b"GET /_ping HTTP/1.1\r\nHost: d\r\n" + b"X: y\r\n" * 10000 + b"\r\n")
    r("two megabytes of header are refused", b"GET /_ping HTTP/1.1\r\nHost: d\r\nX: " + b"y" * 2097152 + b"\r\n\r\n")
    r("bytes after a pipelined ping are judged too", ping + post + b"Content-Length: 0\r\nConnection: close\r\n\r\n", allowed=[("GET", "/_ping")])
    out = sg.raw(g.sock, b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 100000\r\n\r\n", 3)
    sg.check("a denial does not wait for the body", b" 403 " in out, out[:200])
    t0 = time.monotonic()
    s = socket.socket(socket.AF_UNIX)
    s.connect(g.sock)
    s.settimeout(12)
    try:
        for b in b"GET /_ping HTTP/1.1\r\nHost: d\r\nX-Slow: ":
            s.sendall(bytes([b]))
            time.sleep(0.02)
        got = s.recv(4096)
    except OSError as x:
        got = repr(x).encode()
    sg.check("a head that never ends is cut off in bounded time", time.monotonic() - t0 < 11, got)
    s.close()
    s = socket.socket(socket.AF_UNIX)
    s.connect(g.sock)
    s.settimeout(12)
    t0 = time.monotonic()
    try:
        got = s.recv(4096)
    except OSError as x:
        got = repr(x).encode()
    sg.check("a client that says nothing is dropped in bounded time", got == b"" and time.monotonic() - t0 < 11, got)
    s.close()

ALLOW_CREATE = "rules:\n  - {match: {method: '*', path: '/**'}, action: allow}\ninsecure_allow_body_blind_writes: true\n" \
               "insecure_allow_read_exfiltration: true\ninsecure_accept_opaque_buildkit_tunnels: true\n"
with sg.Sockguard(ALLOW_CREATE, up.path) as g:
    def create(name, target, method=b"POST", extra=b""):
        refused(g, name, method + b" " + target + b" HTTP/1.1\r\nHost: d\r\nConnection: close\r\n" + extra +
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(CREATE) + CREATE)
    for target in (b"/containers/create", b"/v1.41/containers/create", b"//containers//create", b"/containers/./create", b"/v1.40.0.1/containers/create",
                   b"/v1.40./containers/create", b"/v1.40%2e/containers/create", b"/v./containers/create", b"/v1.40...../containers/create",
                   b"/containers/x/../create", b"/%63ontainers/create", b"/containers%2fcreate", b"/containers/create/", b"/containers/create?x=;",
                   b"/containers/create%00", b"/containers/create%0a", b"http://h/containers/create", b"/a%2f..%2fcontainers/create",
                   b"/v1.40/v1.41/../containers/create"):
        create("a privileged create does not pass as %s" % target.decode(), target)
    create("nor with method post", b"/containers/create", b"post")
    forget()
    out = sg.raw(g.sock, b"POST /containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" +
                 b"".join(b"1\r\n%c\r\n" % c for c in CREATE) + b"0\r\n\r\n", 8)
    sg.check("nor in one-byte chunks", not reached() and b" 403 " in out, out[:200])
    refused(g, "nor compressed", b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(CREATE) + CREATE)
    refused(g, "nor as a form", b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(CREATE) + CREATE)
    forget()
    s = socket.socket(socket.AF_UNIX)
    s.connect(g.sock)
    s.sendall(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 500\r\n\r\n{")
    s.close()
    time.sleep(0.3)
    sg.check("a body that breaks off is not sent on as a whole", not reached(), reached())
    forget()
    inner = b"POST /images/x/tag HTTP/1.1\r\nHost: d\r\n\r\n"
    out = sg.raw(g.sock, b"POST /containers/x/stop HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner, 8)
    sg.check("a request inside an allowed body stays a body", reached() == [("POST", "/containers/x/stop")], reached())
    forget()
    out = sg.raw(g.sock, b"POST /containers/x/stop HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n" + inner, 8)
    sg.check("what follows the last chunk under close is not served", reached() == [("POST", "/containers/x/stop")], reached())


def gone(c, f, method, target, headers, body):
    c.shutdown(socket.SHUT_RDWR)


def half(c, f, method, target, headers, body):
    f.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    f.flush()
    c.shutdown(socket.SHUT_RDWR)


def garbage(c, f, method, target, headers, body):
    f.write(b"\0\1\2 this is not HTTP\r\n\r\n")
    f.flush()


up.answers.update({("GET", "/gone"): gone, ("GET", "/half"): half, ("GET", "/garbage"): garbage})
with sg.Sockguard(ALLOW_CREATE, up.path) as g:
    a = sg.request(g.sock, "GET", "/gone")
    sg.check("a daemon that hangs up gives 502", a and a.status == 502, a and a.raw)
    a = sg.request(g.sock, "GET", "/garbage")
    sg.check("a daemon that talks nonsense gives 502", a and a.status == 502, a and a.raw)
    out = sg.raw(g.sock, b"GET /half HTTP/1.1\r\nHost: d\r\n\r\n", 8)
    sg.check("an answer that breaks off reaches the client as broken", out.endswith(b"only this"), out)
    sg.check("and has its record, marked aborted", any(d.get("aborted") for d in g.wait_log(1, 5, path="/half")), g.log(path="/half"))
    os.unlink(up.path)
    up.s.close()
    a = sg.request(g.sock, "GET", "/x")
    sg.check("no daemon gives 502 and says upstream_socket_unreachable", a and a.status == 502 and
             g.wait_log(1, 5, path="/x")[0]["reason_code"] == "upstream_socket_unreachable", a and a.raw)

with sg.Sockguard(DENY, up.path) as g:
    good = open(g.image, "rb").read()
    for name, data in (("truncated", good[:len(good) // 2]), ("empty", b""), ("foreign", b"\x7fELF" + b"\0" * 5000),
                       ("tampered", good[:-20] + bytes([good[-20] ^ 1]) + good[-19:]), ("with bytes added", good + b"x")):
        with open(g.image + ".new", "wb") as f:
            f.write(data)
        os.rename(g.image + ".new", g.image)
        a = sg.request(g.sock, "GET", "/_ping")
        sg.check("an image that is %s: 503 and a closed connection" % name, a and a.status == 503, a and a.raw)
    os.unlink(g.image)
    a = sg.request(g.sock, "GET", "/_ping")
    sg.check("no image: 503", a and a.status == 503, a and a.raw)
    sg.check("and the log says what to run", "sockguard-ctl" in open(g.logfile).read())
    with open(g.image, "wb") as f:
        f.write(good)

up.close()
sg.done()
