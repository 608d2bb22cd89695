#!/usr/bin/python3
# build: plain
"""Several daemons behind one filter: which one is asked, over what, and what a client notices when one dies."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402

if not shutil.which("certtool"):
    sg.skip("no certtool")
D = tempfile.mkdtemp(prefix="sg-fo-")
os.chmod(D, 0o755)


def path(name):
    return os.path.join(D, name)


def make(*args):
    sg.certificate(D, *args)


make("ca", "cn = daemons\nca\ncert_signing_key")
make("other", "cn = others\nca\ncert_signing_key")
make("server", "cn = docker\ndns_name = docker.example\nip_address = 127.0.0.1\ntls_www_server\nsigning_key", "ca")
make("stranger", "cn = docker\ndns_name = elsewhere.example\ntls_www_server\nsigning_key", "ca")
make("client", "cn = sockguard\ntls_www_client\nsigning_key", "ca")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class TcpStandIn(sg.StandIn):
    """The stand-in daemon on a TCP port, with TLS if there is a context."""

    def __init__(self, answers, port=0, context=None):
        self.context, self.port = context, port
        super().__init__(answers)

    def run(self):
        t = socket.create_server(("127.0.0.1", self.port))
        self.port, unix, self.s = t.getsockname()[1], self.s, t
        unix.close()
        while True:
            try:
                c, _ = t.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        try:
            if self.context:
                c.settimeout(5)
                c = self.context.wrap_socket(c, server_side=True)
            self.serve(c)
        except OSError:
            c.close()

    def wait(self):
        while not self.port:
            time.sleep(0.01)
        return self


def server(cert="server", **kw):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(path(cert + ".pem"), path(cert + ".key"))
    c.load_verify_locations(path("ca.pem"))
    c.verify_mode = ssl.CERT_REQUIRED
    for k, v in kw.items():
        setattr(c, k, v)
    return c


def name(text):
    return {"*": (200, [], text.encode())}


def guard(*endpoints, **kw):
    return sg.Sockguard(sg.ALLOW_ALL + "upstream: {endpoints: [%s]}\n" % ", ".join(endpoints), "", **kw)


def plain(port):
    return '{address: "tcp://127.0.0.1:%d", insecure_allow_plain_tcp: true}' % port


def secure(port, host="127.0.0.1", extra="", ca="ca"):
    tls = ["ca_file: %s" % path(ca + ".pem")] if ca else []
    tls += ["cert_file: %s, key_file: %s" % (path("client.pem"), path("client.key"))]
    return '{address: "tcp://%s:%d", tls: {%s}%s}' % (host, port, ", ".join(tls + [x for x in [extra] if "server_name" in x]),
                                                   "" if "server_name" in extra or not extra else ", " + extra)


def get(g, target="/_ping", timeout=20):
    r = sg.request(g.sock, "GET", target, timeout=timeout)
    return (r.status, r.body) if r else (None, b"")


# ---- over TCP, in order ----
a, b = TcpStandIn(name("a")).wait(), TcpStandIn(name("b")).wait()
dead = free_port()
try:
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
except OSError:
    six = None
if six:
    def answer_once():
        c, _ = six.accept()
        c.recv(65536)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nsix")
        c.close()
    threading.Thread(target=answer_once, daemon=True).start()
    with guard('{address: "tcp://[::1]:%d", insecure_allow_plain_tcp: true}' % six.getsockname()[1]) as g:
        sg.check("a daemon at an IPv6 address is asked", get(g) == (200, b"six"))
    six.close()
with guard(plain(a.port), plain(b.port)) as g:
    sg.check("the first daemon of the list is asked", get(g) == (200, b"a"))
with guard(plain(dead), plain(b.port)) as g:
    sg.check("a daemon that refuses costs no request", get(g) == (200, b"b"))
with guard('{address: "unix://%s"}' % path("nothing.sock"), plain(dead), plain(b.port)) as g:
    sg.check("nor do two", get(g) == (200, b"b"))
with guard(plain(dead), plain(free_port())) as g:
    t = time.monotonic()
    sg.check("when none answers it is 502, at once", get(g)[0] == 502 and time.monotonic() - t < 2 and g.wait_log(reason_code="upstream_socket_unreachable"))
silent = socket.create_server(("127.0.0.1", 0), backlog=0)
fill = []
for _ in range(3):  # the queue of a listener that never accepts
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(silent.getsockname())
    fill.append(s)
time.sleep(0.2)
with guard(plain(silent.getsockname()[1]), plain(b.port)) as g:
    t = time.monotonic()
    got = get(g)
    sg.check("one that does not answer leaves time for the next", got == (200, b"b") and time.monotonic() - t < 5, (got, time.monotonic() - t))
for s in fill + [silent]:
    s.close()

# ---- a name that nobody answers for ----
if os.geteuid() == 0 and shutil.which("unshare"):
    nobody = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    nobody.bind(("127.0.0.67", 53))
    with open(path("resolv.conf"), "w") as f:
        f.write("nameserver 127.0.0.67\noptions timeout:30 attempts:3\n")
    alone = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', path("resolv.conf")]
    for title, first in (("plain", '{address: "tcp://daemon.example.org:2375", insecure_allow_plain_tcp: true}'), ("TLS", secure(2376, host="daemon.example.org"))):
        with guard(first, plain(b.port)) as g:
            g.spawner.argv[:0] = alone
            t = time.monotonic()
            got = get(g)
            sg.check("a silent resolver does not keep the client from the next daemon (%s)" % title, got == (200, b"b") and time.monotonic() - t < 5, (got, time.monotonic() - t))
    nobody.close()

# ---- a daemon that dies between two requests of one connection ----
with guard(plain(a.port), plain(b.port)) as g:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(g.sock)

    def ask():
        s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        out = b""
        while b"\r\n\r\n" not in out or not out.endswith((b"a", b"b")):
            d = s.recv(65536)
            if not d:
                break
            out += d
        return out[-1:]

    sg.check("a kept connection starts at the first", ask() == b"a")
    a.s.shutdown(socket.SHUT_RDWR)
    a.s.close()
    g.spawner  # the stand-in's open connection still answers: it is the listening socket that died
    sg.check("a connection that is alive is used on", ask() in (b"a", b"b"))
    s.close()
    sg.check("and the next client gets the second", get(g) == (200, b"b"))

# ---- over TLS ----
tls = TcpStandIn(name("tls"), context=server()).wait()
with guard(secure(tls.port)) as g:
    got = get(g)
    sg.check("a TLS daemon is asked with our certificate", got == (200, b"tls"), (got, g.log()))
    r = sg.request(g.sock, "POST", "/images/x/tag", body=b"", timeout=10)
    sg.check("a second connection works as well", get(g) == (200, b"tls") and r.status == 200)
    body = os.urandom(2000000)
    r = sg.request(g.sock, "POST", "/load-something", body=body, headers=[("Content-Type", "application/octet-stream")])
    sg.check("two megabytes go up whole", r and r.status == 200 and tls.requests("POST", "/load-something")[0][3] == body)
with guard(secure(tls.port, extra="server_name: docker.example")) as g:
    sg.check("server_name is what the certificate is compared with", get(g) == (200, b"tls"))
with guard(secure(tls.port, extra="server_name: wrong.example")) as g:
    sg.check("a certificate for another name is refused", get(g)[0] == 502)
with guard(secure(tls.port, ca="other")) as g:
    sg.check("and one of another authority", get(g)[0] == 502)
with guard(secure(tls.port, ca=None, extra="insecure_skip_tls_verify: true")) as g:
    sg.check("unless verification is given up", get(g) == (200, b"tls"))
stranger = TcpStandIn(name("stranger"), context=server("stranger")).wait()
with guard(secure(stranger.port), secure(tls.port)) as g:
    got = get(g)
    sg.check("a daemon that cannot prove who it is is passed over", got == (200, b"tls"), got)
    sg.check("and gets no request", not stranger.seen, stranger.seen)
old = TcpStandIn(name("old"), context=server(maximum_version=ssl.TLSVersion.TLSv1_2)).wait()
with guard(secure(old.port)) as g:
    sg.check("TLS 1.2 is enough", get(g) == (200, b"old"))


class OnePacket(threading.Thread):
    """A daemon whose session tickets, which follow the handshake, come in one packet with the answer."""

    def __init__(self):
        super().__init__(daemon=True)
        self.t = socket.create_server(("127.0.0.1", 0))
        self.port = self.t.getsockname()[1]
        self.start()

    def run(self):
        c, _ = self.t.accept()
        got, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        o = server().wrap_bio(got, out, server_side=True)

        def until(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    if o.version() is None or not self.done:
                        c.sendall(out.read())
                    d = c.recv(65536)
                    if not d:
                        return b""
                    got.write(d)

        self.done = False
        until(o.do_handshake)
        self.done = True
        until(lambda: o.read(65536))
        o.write(b"HTTP/1.1 200 X\r\nContent-Length: 4\r\n\r\nboth")
        c.sendall(out.read())
        until(lambda: o.read(65536))
        c.close()


one = OnePacket()
with guard(secure(one.port)) as g:
    t = time.monotonic()
    got = get(g)
    sg.check("an answer in one packet with session tickets arrives at once", got == (200, b"both") and time.monotonic() - t < 3, (got, time.monotonic() - t))
mute = socket.create_server(("127.0.0.1", 0))
with guard(secure(mute.getsockname()[1]), secure(tls.port)) as g:
    t = time.monotonic()
    got = get(g)
    sg.check("a daemon that is silent in the handshake leaves time for the next", got == (200, b"tls") and time.monotonic() - t < 5, (got, time.monotonic() - t))
mute.close()
with guard(plain(tls.port), secure(tls.port)) as g:
    sg.check("plain HTTP to a TLS port is no daemon", get(g)[0] in (400, 502))
with guard(secure(tls.port)) as g:
    sg.request(g.sock, "GET", "/_ping")
    time.sleep(0.5)
    left = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.samefile("/proc/%s/exe" % p, sg.program("sockguard-tls")) and b"--upstream" in open("/proc/%s/cmdline" % p, "rb").read():
                left.append(p)
        except OSError:
            pass
    sg.check("no dialler is left when its filter has gone", not left, left)

# ---- DOCKER_HOST and its companions, as the docker command line reads them ----
certs = path("certs")
os.mkdir(certs)
for here, there in (("ca.pem", "ca.pem"), ("client.pem", "cert.pem"), ("client.key", "key.pem")):
    shutil.copy(path(here), os.path.join(certs, there))
wide = TcpStandIn(name("wide"), context=server()).wait()
wide.context.verify_mode = ssl.CERT_OPTIONAL
for title, port, verify, cert_path, want in (
        ("verification and certificates: both sides prove who they are", tls.port, "1", certs, (200, b"tls")),
        ("... and a stranger is refused", stranger.port, "1", certs, (502, None)),
        ("certificates alone: ours is shown, theirs is not looked at", stranger.port, "", certs, (200, b"stranger")),
        ("verification alone: the system's authorities do not know this one", wide.port, "0", "", (502, None)),
        ("neither: plain TCP", b.port, "", "", (200, b"b"))):
    d = tempfile.mkdtemp(prefix="sg-dh-")
    with open(d + "/c.yaml", "w") as f:
        f.write(sg.ALLOW_ALL + "listen: {socket: %s/sock}\nhealth: {enabled: false}\n" % d)
    e = dict(sg.env(), DOCKER_HOST="tcp://127.0.0.1:%d" % port, DOCKER_TLS_VERIFY=verify, DOCKER_CERT_PATH=cert_path)
    serve = subprocess.Popen([sg.CTL, "serve", "--config", d + "/c.yaml", "--runtime-dir", d + "/run"], env=e, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=open(d + "/log", "wb"))
    end, got = time.monotonic() + 8, None
    while got is None and time.monotonic() < end and serve.poll() is None:
        try:
            r = sg.request(d + "/sock", "GET", "/_ping", timeout=10)
            got = (r.status, r.body if r.status == 200 else None)
        except OSError:
            time.sleep(0.1)
    if serve.poll() is None:
        serve.terminate()
    status = serve.wait()
    # A daemon that does not answer keeps `serve` from starting: that is a refusal too.
    ok = got == want or (want[0] == 502 and got is None and status == 1)
    sg.check("DOCKER_HOST with " + title, ok, (got, status, open(d + "/log").read()[-600:]))
    shutil.rmtree(d)
for x in (tls, stranger, old, b, wide):
    x.close()


# ---- two real daemons ----
class Dockerd:
    def __init__(self, label, *hosts):
        self.label, self.dir = label, path(label)
        os.makedirs(self.dir, exist_ok=True)
        self.argv = ["dockerd", "--data-root", self.dir + "/data", "--exec-root", self.dir + "/exec", "--pidfile", self.dir + "/pid", "--bridge=none",
                     "--iptables=false", "--ip6tables=false", "--storage-driver=vfs", "--label", "which=" + label]
        for h in hosts:
            self.argv += h
        self.p = None

    def start(self):
        self.log = open(self.dir + "/log", "ab")
        self.p = subprocess.Popen(self.argv, stdout=self.log, stderr=self.log, start_new_session=True)

    def kill(self):
        """As a crash: the daemon and the containerd that it started."""
        if self.p and self.p.poll() is None:
            os.killpg(self.p.pid, signal.SIGKILL)
            self.p.wait()

    def stop(self):
        if self.p and self.p.poll() is None:
            self.p.terminate()
            try:
                self.p.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


def which(g, timeout=10):
    r = sg.request(g.sock, "GET", "/info", timeout=timeout)
    if not r or r.status != 200:
        return r.status if r else None
    return "".join(x[6:] for x in r.json().get("Labels") or [] if x.startswith("which="))


def until(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


def real():
    p1, p2 = free_port(), free_port()
    one = Dockerd("one", ["-H", "tcp://127.0.0.1:%d" % p1])
    two = Dockerd("two", ["-H", "tcp://127.0.0.1:%d" % p2, "--tlsverify", "--tlscacert", path("ca.pem"), "--tlscert", path("server.pem"),
                          "--tlskey", path("server.key")])
    one.start()
    two.start()
    run = path("run")
    policy = sg.ALLOW_ALL + "upstream:\n  endpoints: [%s, %s]\n  failover: {health_interval: 500ms, health_timeout: 1s}\n" % (plain(p1), secure(p2))
    g, companion = sg.Sockguard(policy, ""), None
    try:
        os.mkdir(run)
        companion = subprocess.Popen([sg.CTL, "run", "--config", g.config, "--runtime-dir", run], env=sg.env(), stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=open(path("companion.log"), "ab"))
        until(lambda: os.path.exists(run + "/policy"), 10)
        # The filters of this guard look at the companion's image and state.
        g.spawner.argv[g.spawner.argv.index("--policy") + 1] = run + "/policy"
        if not until(lambda: which(g) == "one", 40):
            sg.check("two real daemons start", False, open(one.dir + "/log").read()[-1500:])
            return
        two_up = sg.Sockguard(sg.ALLOW_ALL + "upstream: {endpoints: [%s]}\n" % secure(p2), "")
        ok = until(lambda: which(two_up) == "two", 40)
        two_up.close()
        sg.check("two real daemons start, one of them with TLS", ok, open(two.dir + "/log").read()[-800:])

        results, stop = [], threading.Event()

        def load():
            while not stop.is_set():
                t = time.monotonic()
                try:
                    w = which(g)
                except OSError as e:
                    w = type(e).__name__
                results.append((t, w, time.monotonic() - t))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        time.sleep(2)
        killed = time.monotonic()
        one.kill()
        gone = time.monotonic() - killed  # until then it may still have taken a request
        time.sleep(3)
        one.start()
        back = until(lambda: any(t > killed + 3 and w == "one" for t, w, _ in results), 40)
        time.sleep(1)
        stop.set()
        for t in threads:
            t.join()
        before = [w for t, w, _ in results if t < killed - 0.5]
        failed = [(round(t - killed, 3), w) for t, w, _ in results if w not in ("one", "two")]
        late = [x for x in failed if x[0] > gone]
        during = [w for t, w, _ in results if killed < t < killed + 2.5]
        slow = max(d for t, w, d in results if killed < t < killed + 2.5)
        print("    %d requests, %d failed, slowest after the crash %.3f s" % (len(results), len(failed), slow), flush=True)
        sg.check("under load all requests go to the first daemon", len(before) > 20 and set(before) == {"one"}, set(before))
        sg.check("when it is killed at most the requests in its hands fail", len(failed) <= 4, failed)
        sg.check("no request that started afterwards fails", not late, late)
        sg.check("the second one serves them", len(during) > 20 and set(during) - {502} == {"two"}, (len(during), set(during)))
        sg.check("the first takes over again when it is back", back, results[-5:])
    finally:
        if companion:
            companion.terminate()
            companion.wait()
            lines = [json.loads(x) for x in open(path("companion.log")) if x.startswith("{")]
            seen = [(x.get("endpoint"), x.get("healthy")) for x in lines if x.get("msg") == "upstream endpoint health changed"]
            sg.check("the companion logs both changes", any(h is False for _, h in seen) and any(h is True for _, h in seen), seen or open(path("companion.log")).read()[-800:])
        g.close()
        one.stop()
        two.stop()


if shutil.which("dockerd") and os.geteuid() == 0 and not os.environ.get("NO_DOCKERD"):
    real()
for m in sorted((x.split()[1] for x in open("/proc/mounts") if x.split()[1].startswith(D)), reverse=True):
    subprocess.run(["umount", "-l", m])
shutil.rmtree(D, ignore_errors=True)
sg.done()
