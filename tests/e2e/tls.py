#!/usr/bin/python3
"""sockguard-tls towards clients: who gets in, as whom, and what becomes of everybody else."""
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402

TLS = sg.program("sockguard-tls")
if not shutil.which("certtool"):
    sg.skip("no certtool")
D = tempfile.mkdtemp(prefix="sg-tls-")
os.chmod(D, 0o755)


def path(name):
    return os.path.join(D, name)


def make(name, template, ca=None, rsa=0):
    sg.certificate(D, name, template, ca, *([("--key-type", "rsa", "--bits", str(rsa))] if rsa else []))


def chain(*names):
    with open(path(names[0] + "-chain.pem"), "w") as f:
        for n in names:
            f.write(open(path(n + ".pem")).read())


def pin(name):
    der = subprocess.run(["openssl", "pkey", "-in", path(name + ".key"), "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


CA = "ca\ncert_signing_key\n"
CLIENT = "tls_www_client\nsigning_key\n"
make("ca", 'cn = clients\n' + CA)
make("other-ca", 'cn = others\n' + CA)
make("server", 'cn = localhost\ndns_name = "localhost"\nip_address = "127.0.0.1"\ntls_www_server\nsigning_key\n', "ca")
make("cn", 'cn = ci-runner\n' + CLIENT, "ca")
make("dns", 'cn = x\ndns_name = "build.example"\ndns_name = "second.example"\n' + CLIENT, "ca")
make("ip", 'cn = x\nip_address = "10.1.2.3"\n' + CLIENT, "ca")
make("uri", 'cn = x\nuri = "urn:team:a"\n' + CLIENT, "ca")
make("spiffe", 'cn = x\nuri = "spiffe://example.org/ci"\n' + CLIENT, "ca")
make("pin", 'cn = x\n' + CLIENT, "ca")
make("nobody", 'cn = nobody in particular\n' + CLIENT, "ca")
make("no-usage", 'cn = nobody\n', "ca")
make("expired", 'cn = ci-runner\n' + CLIENT + 'activation_date = "2020-01-01 00:00:00"\nexpiration_date = "2020-02-01 00:00:00"\n', "ca")
make("early", 'cn = ci-runner\n' + CLIENT + 'activation_date = "2040-01-01 00:00:00"\nexpiration_date = "2041-01-01 00:00:00"\n', "ca")
make("foreign", 'cn = ci-runner\n' + CLIENT, "other-ca")
make("usage", 'cn = ci-runner\ntls_www_server\nsigning_key\n', "ca")
make("weak", 'cn = ci-runner\n' + CLIENT, "ca", rsa=1024)
parent = "ca"
for i in range(9):
    make("i%d" % i, 'cn = intermediate %d\n%s' % (i, CA), parent)
    parent = "i%d" % i
make("long", 'cn = ci-runner\n' + CLIENT, "i8")
chain("long", *["i%d" % i for i in range(8, -1, -1)])
make("short", 'cn = ci-runner\n' + CLIENT, "i0")
chain("short", "short", "i0")

stand_in = sg.StandIn({("GET", "/_ping"): (200, [], b"OK"), ("GET", "/big"): (200, [], b"x" * 8000000)})


def ports(n):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    got = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return got


NAMES = ("open", "cn", "dns", "ip", "uri", "pin", "admits-ci")
PORT = dict(zip(NAMES, ports(len(NAMES))))
FILES = "cert_file: %s, key_file: %s, client_ca_file: %s" % (path("server.pem"), path("server.key"), path("ca.pem"))
SELECT = {"open": "", "cn": ", common_names: [ci-runner]", "dns": ", dns_names: [second.example]", "ip": ', ip_addresses: ["::ffff:10.1.2.3"]',
          "uri": ', uri_sans: ["URN:team:a"]', "pin": ', public_key_sha256_pins: ["SHA256:%s"]' % pin("pin").upper(), "admits-ci": ""}
policy = "listeners:\n" + "".join(
    '  - {name: %s, address: "127.0.0.1:%d", allowed_profiles: [%s], tls: {%s%s}}\n' % (
        n, PORT[n], '"*"' if n != "admits-ci" else "by-cn", FILES, SELECT[n]) for n in NAMES)
PROFILES = {"by-cn": "common_names: [ci-runner]", "by-dns": "dns_names: [build.example]", "by-ip": "ip_addresses: [10.1.2.3]",
            "by-uri": "uri_sans: [\"urn:team:a\"]", "by-spiffe": "spiffe_ids: [\"SPIFFE://example.org/ci\"]",
            "by-pin": "public_key_sha256_pins: [%s]" % pin("pin")}
policy += "clients:\n  client_certificate_profiles:\n" + "".join("    - {profile: %s, %s}\n" % kv for kv in PROFILES.items())
policy += "  source_ip_profiles:\n    - {profile: by-source, cidrs: [127.0.0.9/32]}\n"
policy += "  profiles:\n" + "".join("    - {name: %s, rules: [{match: {method: GET, path: \"/**\"}, action: allow}]}\n" % n for n in list(PROFILES) + ["by-source"])
policy += "log: {audit: {enabled: true}}\n" + sg.ALLOW_ALL


# Each start of a filter leaves a line.
with open(path("filter"), "w") as f:
    f.write('#!/bin/sh\necho x >> %s\nexec %s "$@"\n' % (path("starts"), sg.FILTER))
os.chmod(path("filter"), 0o755)


def starts():
    return os.path.getsize(path("starts")) if os.path.exists(path("starts")) else 0


class Listener(threading.Thread):
    """As a socket unit with Accept=yes, or as xinetd."""

    def __init__(self, port, argv, inetd=False, filter_program=path("filter")):
        super().__init__(daemon=True)
        self.filter = filter_program
        self.s = socket.create_server(("127.0.0.1", port), backlog=64)
        self.argv, self.inetd, self.procs = argv, inetd, []
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            fd, e = c.fileno(), dict(sg.env(), SOCKGUARD_FILTER=self.filter)
            if self.inetd:
                p = subprocess.Popen(self.argv, stdin=fd, stdout=fd, stderr=fd, env=e)
            else:
                e["LISTEN_FDS"] = "1"
                p = subprocess.Popen(["/bin/bash", "-c", 'exec 3<&%d %d<&-; LISTEN_PID=$$ exec "$@"' % (fd, fd), "sh", *self.argv], pass_fds=[fd],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=guard.err, env=e)
            c.close()
            self.procs.append(p)

    def close(self):
        self.s.shutdown(socket.SHUT_RDWR)
        self.s.close()
        for p in self.procs:
            if p.poll() is None:
                p.terminate()
            p.wait()


guard = sg.Sockguard(policy, stand_in.path)
listeners = {n: Listener(PORT[n], [TLS, "--policy", guard.image, "--listener", n]) for n in NAMES}


def context(cert=None, tls12=False, ca="ca"):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(path(ca + ".pem"))
    if tls12:
        c.maximum_version = ssl.TLSVersion.TLSv1_2
    if cert:
        file = path(cert + "-chain.pem") if os.path.exists(path(cert + "-chain.pem")) else path(cert + ".pem")
        c.set_ciphers("DEFAULT:@SECLEVEL=0")
        c.load_cert_chain(file, path(cert + ".key"))
    return c


def connect(listener, cert, source="127.0.0.1", **kw):
    s = socket.create_connection(("127.0.0.1", PORT[listener]), timeout=10, source_address=(source, 0))
    alpn = kw.pop("alpn", None)
    c = context(cert, **kw)
    if alpn:
        c.set_alpn_protocols(alpn)
    return c.wrap_socket(s, server_hostname="localhost")


def ask(listener, cert, target="/_ping", **kw):
    """Status of one request, or the name of what went wrong."""
    try:
        with connect(listener, cert, **kw) as s:
            s.sendall(("GET %s HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n" % target).encode())
            out = b""
            while True:
                d = s.recv(65536)
                if not d:
                    break
                out += d
            r = sg.parse(out)
            return r.status if r else "closed"
    except ssl.SSLError as e:
        return e.reason or str(e)
    except OSError as e:
        return type(e).__name__


# ---- who gets in, as whom ----
for name, profile in (("cn", "by-cn"), ("dns", "by-dns"), ("ip", "by-ip"), ("uri", "by-uri"), ("spiffe", "by-spiffe"), ("pin", "by-pin"),
                      ("short", "by-cn")):
    before = len(guard.log(profile=profile, path="/_ping"))
    got = ask("open", name)
    sg.check("a certificate chosen as %s gets profile %s" % (name, profile),
             got == 200 and len(guard.wait_log(before + 1, profile=profile, path="/_ping")) > before, got)
got = ask("open", "nobody", source="127.0.0.9")
sg.check("a certificate that no selector knows is judged by its source address", got == 200 and guard.wait_log(profile="by-source"), got)
got = ask("open", "cn", source="127.0.0.9")
sg.check("a certificate decides before the source address", got == 200 and len(guard.log(profile="by-source")) == 1, got)
sg.check("a certificate without extended usages may authenticate a client", ask("open", "no-usage") == 200)
r = guard.wait_log(profile="by-cn")[0]
sg.check("the record has the client's own address", r["client"].startswith("127.0.0.1:") and r["listener_name"] == "open", r)
audit = [json.loads(x) for x in open(guard.logfile) if '"event_type":"http_request"' in x]
sg.check("the audit record says https", audit and audit[0]["transport_scheme"] == "https" and audit[0]["actor_source_ip"] == "127.0.0.1", audit[:1])

# ---- selectors of a listener ----
for n in ("cn", "dns", "ip", "uri", "pin"):
    sg.check("listener selector %s admits the certificate that has it" % n, ask(n, n) == 200)
    before = len(guard.log(reason_code="tls_client_certificate_not_selected"))
    got = ask(n, "nobody")
    sg.check("listener selector %s ends the handshake of any other" % n,
             "BAD_CERTIFICATE" in str(got).upper() and len(guard.wait_log(before + 1, reason_code="tls_client_certificate_not_selected")) > before, got)
sg.check("a profile that the listener does not admit is refused, whatever its address maps to", ask("admits-ci", "dns", source="127.0.0.9") == 403)
sg.check("the admitted profile passes", ask("admits-ci", "cn") == 200)

# ---- who does not: bounded time, one record and one audit record with the reason, no filter ----
def filters():
    """Filters of this test that run now."""
    n = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            a = open("/proc/%s/cmdline" % pid, "rb").read().split(b"\0")
        except OSError:
            continue
        n += a[0].endswith(b"sockguard-filter") and guard.image.encode() in a
    return n


def idle_for(seconds):
    end = time.monotonic() + seconds
    while filters() and time.monotonic() < end:
        time.sleep(0.05)


def audits(code):
    return [x for x in map(json.loads, open(guard.logfile)) if x.get("event_type") == "tls_handshake" and x["reason_code"] == code]


def refused(title, code, attempt, least=0.0, most=3.0):
    """`attempt` returns whether it looked right from the client's side, and what it saw."""
    before, audited, begun, t = len(guard.log(msg="tls_handshake_failed", reason_code=code)), len(audits(code)), starts(), time.monotonic()
    ok, got = attempt()
    took = time.monotonic() - t
    rows = guard.wait_log(before + 1, msg="tls_handshake_failed", reason_code=code)
    time.sleep(0.1)
    rows = guard.log(msg="tls_handshake_failed", reason_code=code)
    end = time.monotonic() + 3
    while len(audits(code)) == audited and time.monotonic() < end:
        time.sleep(0.02)
    good = ok and len(rows) == before + 1 and len(audits(code)) == audited + 1 and rows[-1]["reason"] == audits(code)[-1]["reason"] and rows[-1]["reason"]
    sg.check("%s is refused in time, with one record, one audit record and no filter" % title, good and least <= took <= most and starts() == begun,
             (got, round(took, 2), len(rows) - before, len(audits(code)) - audited, starts() - begun, rows[-1:]))


def certificate(cert, listener="open", alert="", **kw):
    def attempt():
        got = ask(listener, cert, **kw)
        return not isinstance(got, int) and alert in str(got).upper(), got
    return attempt


def talk(*steps, pause=0.0):
    """Sends bytes and reads until the end."""
    def attempt():
        out = b""
        with socket.create_connection(("127.0.0.1", PORT["open"]), timeout=10) as s:
            try:
                for data in steps:
                    s.sendall(data)
                    time.sleep(pause)
                while True:
                    d = s.recv(65536)
                    if not d:
                        break
                    out += d
            except OSError as e:
                return True, e
        return True, out
    return attempt


def half_open():
    """A client hello, all that the server says to it, and then silence."""
    got, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    o = context("cn").wrap_bio(got, out, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", PORT["open"]), timeout=10) as s:
        try:
            o.do_handshake()
        except ssl.SSLWantReadError:
            s.sendall(out.read())
        answer = s.recv(65536)
        rest = s.recv(65536)
        while rest:
            answer += rest
            rest = s.recv(65536)
    return len(answer) > 500, len(answer)


def plain_http():
    ok, out = talk(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")()
    return isinstance(out, bytes) and out.startswith(b"HTTP/1.0 400 Bad Request\r\n\r\n"), out


idle_for(5)
seen = len(stand_in.seen)
hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
refused("an expired certificate", "tls_client_certificate_expired", certificate("expired"))
refused("a certificate of the future", "tls_client_certificate_not_yet_valid", certificate("early"))
refused("a certificate of another authority", "tls_client_certificate_untrusted", certificate("foreign"))
refused("a server's certificate", "tls_client_certificate_purpose", certificate("usage"))
refused("a 1024-bit key", "tls_client_certificate_weak", certificate("weak"))
refused("a chain of ten", "tls_client_certificate_chain", certificate("long"))
refused("no certificate", "tls_client_certificate_missing", certificate(None))
refused("a key whose pin was taken off the list", "tls_client_certificate_not_selected", certificate("cn", "pin", "BAD_CERTIFICATE"))
refused("a client that stops at TLS 1.2", "tls_version", certificate("cn", alert="PROTOCOL_VERSION", tls12=True))
refused("plain HTTP", "tls_plain_http", plain_http)
refused("noise", "tls_malformed", talk(b"\x00\x01\x02" * 1000))
refused("a handshake message of eight megabytes", "tls_malformed", talk(b"\x16\x03\x01\x40\x00\x01\x7f\xff\xff" + bytes(16380), *[b"\x16\x03\x01\x40\x00" + bytes(16384)] * 512))
refused("a client that goes without a word", "tls_client_left", lambda: (socket.create_connection(("127.0.0.1", PORT["open"])).close() or True, None))
refused("a client that sends nothing", "tls_handshake_timeout", talk(), 4.5, 6.5)
refused("half a client hello", "tls_handshake_timeout", talk(hello), 4.5, 6.5)
refused("a client that sends a byte at a time", "tls_handshake_timeout", talk(*[bytes([x]) for x in hello], pause=0.7), 4.5, 9)
refused("a handshake that the client never finishes", "tls_handshake_timeout", half_open, 4.5, 6.5)
sg.check("none of them reached the daemon", len(stand_in.seen) == seen, stand_in.seen[seen:])

# ---- protocol ----
for offer, want in ((["h2"], None), (["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (None, None)):
    with connect("open", "cn", alpn=offer) as s:
        got = s.selected_alpn_protocol()
        s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
        data = s.recv(65536)
        sg.check("an offer of %s is answered with %s, and HTTP/1.1 is spoken" % (offer, want), got == want and data.startswith(b"HTTP/1.1 200"), (got, data[:80]))
        sg.check("there is no session ticket (%s)" % offer, not (s.session and s.session.has_ticket))
with connect("open", "cn") as s:
    for i in range(20):
        s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        data = s.recv(65536)
        while data.startswith(b"HTTP/1.1 200") and not data.endswith(b"OK"):
            data += s.recv(65536)
        if not data.endswith(b"OK"):
            break
    sg.check("a connection carries many requests", i == 19, data)
    sg.check("exactly one filter serves it", filters() == 1, filters())
with connect("open", "cn") as s:
    s.sendall(b"GET /big HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    time.sleep(0.3)
    n, f = 0, s.makefile("rb")
    while True:
        d = f.read(65536)
        if not d:
            break
        n += len(d)
    sg.check("eight megabytes arrive whole, and end with close_notify", n > 8000000, n)
s = connect("open", "cn")
s.sendall(b"POST /containers/x/start HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\nhalf")
raw = socket.socket(fileno=s.detach())
raw.close()  # no close_notify
time.sleep(0.3)
sg.check("a request that breaks off without close_notify never reaches the daemon as a whole one",
         not [r for r in stand_in.seen if r[0] == "POST"], stand_in.seen[-1:])

# ---- inetd ----
port = ports(1)[0]
PORT["inetd"] = port
inetd = Listener(port, [TLS, "--policy", guard.image, "--listener", "open"], inetd=True)
sg.check("it works under inetd, with the socket as stdin, stdout and stderr", ask("inetd", "cn") == 200)
got = ask("inetd", "expired")
sg.check("and writes no log into the client's stream", not isinstance(got, int), got)
with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
    out = b"".join(iter(lambda: s.recv(4096), b""))
sg.check("not even for plain HTTP", out.count(b"\n") == 3, out)
inetd.close()

PORT["broken"] = ports(1)[0]
broken = Listener(PORT["broken"], [TLS, "--policy", guard.image, "--listener", "open"], inetd=True, filter_program=path("no-such-filter"))
with connect("broken", "cn") as s:
    s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
    try:
        out = b"".join(iter(lambda: s.recv(4096), b""))
    except OSError:
        out = b""
sg.check("a filter that cannot be started says nothing to the client", out == b"", out)
broken.close()

# ---- a kernel that offers TLS and does not take it ----
if os.geteuid() == 0 and shutil.which("unshare") and os.path.exists("/proc/sys/net/ipv4/tcp_available_ulp"):
    with open(path("ulp"), "w") as f:
        f.write("espintcp mptcp tls\n")
    PORT["ulp"] = ports(1)[0]
    offered = Listener(PORT["ulp"], ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /proc/sys/net/ipv4/tcp_available_ulp && exec "$@"', path("ulp"),
                                     TLS, "--policy", guard.image, "--listener", "open"])
    got = [ask("ulp", c) for c in ("cn", "dns", "expired")]
    sg.check("where the kernel offers to do the records but does not, GnuTLS goes on doing them", got[:2] == [200, 200] and not isinstance(got[2], int), got)
    with connect("ulp", "cn") as s:
        s.sendall(b"GET /big HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
        n, f = 0, s.makefile("rb")
        while True:
            d = f.read(65536)
            if not d:
                break
            n += len(d)
    sg.check("and eight megabytes arrive whole there too", n > 8000000, n)
    offered.close()

# ---- a configuration instead of an image ----
PORT["yaml"] = ports(1)[0]
for title, is_inetd in (("Accept=yes", False), ("inetd", True)):
    PORT["yaml"] = ports(1)[0]
    by_yaml = Listener(PORT["yaml"], [TLS, "--policy", guard.config, "--listener", "open"], inetd=is_inetd)
    before = len(guard.log(profile="by-cn"))
    got = ask("yaml", "cn")
    sg.check("--policy FILE.yaml works under " + title, got == 200 and (is_inetd or len(guard.wait_log(before + 1, profile="by-cn")) > before), got)
    with connect("yaml", "cn") as s:
        s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        s.recv(65536)
        writable = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                a = open("/proc/%s/cmdline" % pid, "rb").read().split(b"\0")
                if a[0].endswith(b"sockguard-filter") and b"/proc/self/fd/5" in a:
                    writable.append(None)
                    os.write(os.open("/proc/%s/fd/5" % pid, os.O_RDWR), b"x")
                    writable[-1] = pid
            except OSError:
                pass
    sg.check("nobody can change the policy that was compiled (%s)" % title, writable and not any(writable), writable)
    got = ask("yaml", "expired")
    sg.check("and refuses who it has to, " + title, not isinstance(got, int), got)
    by_yaml.close()
bad = path("bad.yaml")
with open(bad, "w") as f:
    f.write("rules: [{match: {method: GET}}]\n")
PORT["yaml"] = ports(1)[0]
by_yaml = Listener(PORT["yaml"], [TLS, "--policy", bad, "--listener", "open"], inetd=True)
with socket.create_connection(("127.0.0.1", PORT["yaml"]), timeout=10) as s:
    try:
        out = b"".join(iter(lambda: s.recv(4096), b""))
    except OSError:
        out = b""
sg.check("one that does not compile closes the connection without a word", out == b"", out)
by_yaml.close()


# ---- a pool ----
def pool_of(port, *argv):
    """sockguard-tls --pool on a listening socket, as sockguard-ctl serve or an Accept=no unit starts it."""
    held = socket.create_server(("127.0.0.1", port), backlog=128)
    e, fd = dict(sg.env(), LISTEN_FDS="1"), held.fileno()
    p = subprocess.Popen(["/bin/bash", "-c", 'exec 3<&%d %s; LISTEN_PID=$$ exec "$@"' % (fd, "%d<&-" % fd if fd != 3 else ""), "bash", TLS, *argv], pass_fds=[fd],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=guard.err, env=e)
    held.close()
    return p


def processes(image):
    n = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            a = open("/proc/%s/cmdline" % pid, "rb").read()
            n += image.encode() in a and a.startswith((b"sockguard-filter", TLS.encode())) and open("/proc/%s/stat" % pid).read().split(") ")[1][0] != "Z"
        except OSError:
            pass
    return n


PORT["yaml-pool"] = ports(1)[0]
config2 = path("pool.yaml")
shutil.copy(guard.config, config2)
pool = pool_of(PORT["yaml-pool"], "--policy", config2, "--listener", "open", "--pool", "2", "--pool-max", "10")
time.sleep(1.5)
got = [ask("yaml-pool", "cn") for _ in range(6)]
sg.check("a pool takes a configuration too", got == [200] * 6, got)
pool.terminate()
pool.wait(10)
idle_for(5)
PORT["pool"] = ports(1)[0]
image2 = path("pool-policy")
shutil.copy(guard.image, image2)
pool = pool_of(PORT["pool"], "--policy", image2, "--listener", "open", "--pool", "4", "--pool-max", "40")
time.sleep(1)
before = len(guard.log(profile="by-cn"))
got = [ask("pool", "cn") for _ in range(12)]
sg.check("a pool serves one connection after the other, each as who it is", got == [200] * 12 and len(guard.wait_log(before + 12, profile="by-cn")) == before + 12, got)
who = ("cn", "dns", "cn", "nobody", "expired", "short", "foreign", "cn", "usage", "spiffe", "dns")
before = {p: len(guard.log(profile=p)) for p in ("by-cn", "by-dns", "by-spiffe")}
got = [ask("pool", c) for c in who]
sg.check("whatever the last client from an address has shown, the next one is judged by its own certificate",
         [g == 200 for g in got] == [c not in ("expired", "foreign", "usage") for c in who] and
         [len(guard.wait_log(before[p] + n, profile=p)) - before[p] for p, n in (("by-cn", 4), ("by-dns", 2), ("by-spiffe", 1))] == [4, 2, 1], got)
silent = [socket.create_connection(("127.0.0.1", PORT["pool"])) for _ in range(12)]
t = time.monotonic()
got = ask("pool", "cn")
sg.check("silent peers, thrice as many as wait, do not keep others out", got == 200 and time.monotonic() - t < 2, (got, time.monotonic() - t))
for s in silent:
    s.close()
sg.check("a refused client costs the pool nothing", ask("pool", "expired") != 200 and ask("pool", "cn") == 200)

# ---- renewal: certificate, key and authority are replaced while the pool runs ----
def server_name(port):
    """The common name that the server shows, whatever becomes of the client."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw_socket:
        c = context("cn")
        c.check_hostname, c.verify_mode = False, ssl.CERT_REQUIRED
        try:
            with c.wrap_socket(raw_socket) as t:
                return dict(x[0] for x in t.getpeercert()["subject"])["commonName"]
        except (OSError, ssl.SSLError) as e:
            return type(e).__name__


def until(condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def install(name, into, how):
    for kind in ("pem", "key"):
        if how == "rename":
            shutil.copy(path(name + "." + kind), path(into + ".new"))
            os.rename(path(into + ".new"), path(into + "." + kind))
        else:
            shutil.copy(path(name + "." + kind), path(into + "." + kind))
        time.sleep(0.05)


make("second", 'cn = second\ndns_name = "localhost"\ntls_www_server\nsigning_key\n', "ca")
make("third", 'cn = third\ndns_name = "localhost"\ntls_www_server\nsigning_key\n', "ca")
held_open = connect("pool", "cn")
held_open.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
held_open.recv(65536)
for n, how in (("second", "rename"), ("third", "in place"), ("third", "key only, in place")):
    if "key only" in how:
        make("rekeyed", 'cn = third\ndns_name = "localhost"\ntls_www_server\nsigning_key\n', "ca")
        shutil.copy(path("server.key"), path("third-old.key"))
        shutil.copy(path("rekeyed.key"), path("server.key"))  # no longer fits
        before = len(guard.log(msg="the renewed TLS files cannot be used, the old ones stay"))
        sg.check("a key that does not fit the certificate is reported, and the old pair stays in use",
                 len(guard.wait_log(before + 1, timeout=12, msg="the renewed TLS files cannot be used, the old ones stay")) > before and ask("pool", "cn") == 200)
        shutil.copy(path("third-old.key"), path("server.key"))
        sg.check("the right key put back, nothing has happened", until(lambda: server_name(PORT["pool"]) == "third") and ask("pool", "cn") == 200)
        continue
    failed = []
    install(n, "server", "rename" if how == "rename" else "copy")
    ok = until(lambda: failed.append(ask("pool", "cn")) or server_name(PORT["pool"]) == n)
    sg.check("a certificate renewed by %s is shown within seconds, and no connection fails meanwhile" % how, ok and set(failed) == {200}, failed)
    sg.check("and by every member of the pool", until(lambda: {server_name(PORT["pool"]) for _ in range(8)} == {n}, 5))
held_open.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
sg.check("a connection from before the renewal goes on", b"HTTP/1.1 200" in held_open.recv(65536))
held_open.close()
shutil.copy(path("ca.pem"), path("old-ca.pem"))
shutil.copy(path("other-ca.pem"), path("ca-new"))
os.rename(path("ca-new"), path("ca.pem"))
sg.check("another client authority is in force within seconds", until(lambda: ask("pool", "foreign", ca="old-ca") == 200))
sg.check("and the clients of the old one are refused", until(lambda: not isinstance(ask("pool", "cn", ca="old-ca"), int), 5) and guard.log(reason_code="tls_client_certificate_untrusted"))
os.rename(path("old-ca.pem"), path("ca.pem"))
sg.check("and back", until(lambda: ask("pool", "cn") == 200))
pool.terminate()
pool.wait(10)
end = time.monotonic() + 6
while processes(image2) and time.monotonic() < end:
    time.sleep(0.1)
sg.check("nothing is left of a pool that was stopped", processes(image2) == 0, processes(image2))

# ---- the key and its holder ----
s = connect("open", "cn")
s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
s.recv(65536)
tree = {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        a = open("/proc/%s/cmdline" % pid, "rb").read().split(b"\0")
        status = dict(x.split(":\t", 1) for x in open("/proc/%s/status" % pid).read().splitlines() if ":\t" in x)
        maps = open("/proc/%s/maps" % pid).read()
        fds = [os.readlink("/proc/%s/fd/%s" % (pid, f)) for f in os.listdir("/proc/%s/fd" % pid)]
    except OSError:
        continue
    if guard.image.encode() in a and a[0].endswith((b"sockguard-filter", b"sockguard-tls")):
        tree[os.path.basename(a[0].decode())] = (status, maps, fds)
t = tree.get("sockguard-tls", ({}, "", []))
f = tree.get("sockguard-filter", ({}, "", []))
sg.check("the terminator is nobody, without capabilities, under a system call filter",
         t[0].get("Uid", "").split()[:1] == ["65534"] and t[0].get("CapEff") == "0" * 16 and t[0].get("Seccomp") == "2" and t[0].get("NoNewPrivs") == "1",
         {k: t[0].get(k) for k in ("Uid", "CapEff", "Seccomp", "NoNewPrivs")})
sg.check("the filter links no TLS and has no TCP socket of the client", f[1] and "gnutls" not in f[1], f[2])
s.close()

# ---- the docker command line ----
if shutil.which("docker") and sg.DOCKER_SOCK:
    home = path("docker")
    os.mkdir(home)
    for a, b in (("ca.pem", "ca.pem"), ("cn.pem", "cert.pem"), ("cn.key", "key.pem")):
        shutil.copy(path(a), os.path.join(home, b))
    port = ports(1)[0]
    real = sg.Sockguard("listen: {address: \"127.0.0.1:%d\", tls: {%s}}\n" % (port, FILES) + sg.ALLOW_ALL.replace("rules:", "request_body: {exec: {allow_root_user: true}}\nrules:"),
                        sg.DOCKER_SOCK)
    real_listener = Listener(port, [TLS, "--policy", real.image])
    docker = ["docker", "--tlsverify", "-H", "tcp://localhost:%d" % port]
    e = dict(os.environ, DOCKER_CERT_PATH=home, DOCKER_CONFIG=home)
    run = lambda *a, **kw: subprocess.run([*docker, *a], env=e, capture_output=True, timeout=60, **kw)  # noqa: E731
    r = run("version", "--format", "{{.Server.Version}}")
    sg.check("docker --tlsverify version works", r.returncode == 0 and r.stdout.strip(), r.stderr)
    name = "identity-tls-%d" % os.getpid()
    r = run("run", "-i", "--rm", "--network", "none", "--name", name, "busybox", "sh", "-c", "read a; echo got $a; cat; echo bye", input=b"one\ntwo\n")
    sg.check("docker run -i carries stdin, its end, and the output", r.stdout == b"got one\ntwo\nbye\n", (r.stdout, r.stderr))
    data = os.urandom(3000000)
    r = run("run", "-i", "--rm", "--network", "none", "--name", name, "busybox", "sh", "-c", "sha256sum", input=data)
    sg.check("three megabytes of stdin arrive whole", r.stdout.split()[:1] == [hashlib.sha256(data).hexdigest().encode()], (r.stdout, r.stderr))
    r = run("ps", "-a", "--filter", "name=" + name, "-q")
    sg.check("docker ps works", r.returncode == 0 and not r.stdout, (r.stdout, r.stderr))
    e["DOCKER_CERT_PATH"] = path("none")
    r = run("version")
    sg.check("docker without a certificate is refused", r.returncode != 0)
    real_listener.close()
    real.close()

for x in listeners.values():
    x.close()
if os.environ.get("KEEP"): shutil.copy(guard.logfile, os.environ["KEEP"]); shutil.copytree(D, os.environ["KEEP"] + ".d", dirs_exist_ok=True)
guard.close()
stand_in.close()
shutil.rmtree(D, ignore_errors=True)
sg.done()
