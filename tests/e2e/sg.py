"""What the end-to-end tests share: filters behind a socket, a stand-in daemon, raw requests. Python standard library only."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.environ.get("BUILD", ".")
SRC = os.environ.get("SRC", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DOCKER_SOCK = os.environ.get("DOCKER_SOCK", "")


def program(name):
    """Where a program of the build is."""
    return os.path.join(BUILD, "bin", name)


FILTER, CTL = program("sockguard-filter"), program("sockguard-ctl")
_failed = 0


def check(name, condition, detail=""):
    """Prints the verdict on one sentence; returns it."""
    global _failed
    if condition:
        print("ok - " + name, flush=True)
    else:
        _failed += 1
        print("not ok - " + name, flush=True)
        if detail != "":
            print("    " + str(detail)[:2000].replace("\n", "\n    "), flush=True)
    return bool(condition)


def skip(why):
    print("skip - " + why, flush=True)
    sys.exit(0)


def done():
    sys.exit(1 if _failed else 0)


def env():
    e = dict(os.environ)
    e.update(SOCKGUARD_FILTER=FILTER, SOCKGUARD_CTL=CTL, SOCKGUARD_LIBEXEC=os.path.join(BUILD, "bin"))
    return e


def certificate(directory, name, template, ca=None, key=("--key-type", "ecdsa", "--curve", "secp256r1")):
    """Makes NAME.key and NAME.pem in `directory` by certtool, signed by `ca` there, or by itself."""
    run = lambda *a: subprocess.run(["certtool", *a], check=True, capture_output=True, cwd=directory)  # noqa: E731
    run("--generate-privkey", *key, "--outfile", name + ".key")
    with open(os.path.join(directory, name + ".tmpl"), "w") as f:
        f.write(template + ("\n" if "expiration" in template else "\nexpiration_days = 30\n"))
    how = ["--generate-self-signed"] if ca is None else ["--generate-certificate", "--load-ca-certificate", ca + ".pem", "--load-ca-privkey", ca + ".key"]
    run(*how, "--load-privkey", name + ".key", "--template", name + ".tmpl", "--outfile", name + ".pem")


def ctl(*args, **kw):
    return subprocess.run([CTL, *args], env=env(), capture_output=True, text=True, **kw)


class Spawner(threading.Thread):
    """Accepts connections and starts one process a connection, as a socket unit with Accept=yes does."""

    def __init__(self, path, argv, stderr, inetd=False):
        super().__init__(daemon=True)
        self.argv, self.stderr, self.inetd = argv, stderr, inetd
        self.s = socket.socket(socket.AF_UNIX)
        self.s.bind(path)
        os.chmod(path, 0o666)
        self.s.listen(256)
        self.procs = []
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            e = env()
            fd = c.fileno()
            if self.inetd:
                p = subprocess.Popen(self.argv, stdin=fd, stdout=fd, stderr=self.stderr, env=e)
            else:
                e["LISTEN_FDS"] = "1"
                wrap = ["/bin/bash", "-c", 'exec 3<&%d %d<&-; LISTEN_PID=$$ exec "$@"' % (fd, fd), "sh", *self.argv] if fd != 3 else \
                       ["/bin/bash", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *self.argv]
                p = subprocess.Popen(wrap, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.stderr, env=e, pass_fds=[fd])
            c.close()
            self.procs.append(p)
            self.procs = [q for q in self.procs if q.poll() is None]

    def close(self):
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.s.close()
        for p in self.procs:
            if p.poll() is None:
                p.terminate()
        for p in self.procs:
            try:
                p.wait(5)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()


class Sockguard:
    """A policy, compiled, and a socket whose every connection gets a filter of its own."""

    def __init__(self, policy, upstream, inetd=False, extra=()):
        self.dir = tempfile.mkdtemp(prefix="sg-")
        os.chmod(self.dir, 0o755)
        self.sock, self.image, self.logfile = (os.path.join(self.dir, n) for n in ("docker.sock", "policy", "log"))
        self.config = os.path.join(self.dir, "sockguard.yaml")
        with open(self.config, "w") as f:
            f.write(policy)
            if "\nupstream:" not in "\n" + policy:
                f.write("\nupstream: {socket: %s}\n" % json.dumps(upstream))
            if "\nlisten:" not in "\n" + policy and "\nlisteners:" not in "\n" + policy:
                f.write("listen: {socket: %s}\n" % json.dumps(self.sock))
        r = ctl("compile", "--config", self.config, "--output", self.image)
        if r.returncode:
            raise RuntimeError("compile: " + r.stderr)
        self.err = open(self.logfile, "ab")
        self.spawner = Spawner(self.sock, [FILTER, "--policy", self.image, *extra], self.err, inetd)

    def log(self, **want):
        """Access records so far, those whose fields equal `want`."""
        out = []
        for line in open(self.logfile, "rb"):
            try:
                d = json.loads(line)
            except ValueError:
                continue
            if all(d.get(k) == v for k, v in want.items()):
                out.append(d)
        return out

    def wait_log(self, n=1, timeout=5, **want):
        end = time.monotonic() + timeout
        while True:
            got = self.log(**want)
            if len(got) >= n or time.monotonic() > end:
                return got
            time.sleep(0.01)

    def close(self):
        self.spawner.close()
        self.err.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


class Served:
    """A policy behind `sockguard-ctl serve`: a companion, a listening socket and a pool of filters."""

    def __init__(self, policy, upstream):
        self.dir = tempfile.mkdtemp(prefix="sg-")
        os.chmod(self.dir, 0o755)
        self.sock, self.logfile, config = (os.path.join(self.dir, n) for n in ("docker.sock", "log", "sockguard.yaml"))
        with open(config, "w") as f:
            f.write(policy + "\nupstream: {socket: %s}\nlisten: {socket: %s}\n" % (json.dumps(upstream), json.dumps(self.sock)))
        with open(self.logfile, "ab") as err:
            self.process = subprocess.Popen([CTL, "serve", "--config", config, "--runtime-dir", self.dir + "/run"], env=env(), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=err)
        for _ in range(400):
            if os.path.exists(self.sock) and (r := request(self.sock, "GET", "/_ping")) and r.status == 200:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.close()
        raise RuntimeError("serve does not answer")

    def log(self):
        """Its records so far."""
        out = []
        for line in open(self.logfile, "rb"):
            try:
                out.append(json.loads(line))
            except ValueError:
                pass
        return out

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


class Reply:
    def __init__(self, status, headers, body, raw):
        self.status, self.headers, self.body, self.raw = status, headers, body, raw

    def header(self, name):
        for k, v in self.headers:
            if k.lower() == name.lower():
                return v
        return None

    def json(self):
        return json.loads(self.body)


def raw(path, data, timeout=10, half_close=False):
    """Sends bytes on a new connection; everything that comes back until the other side closes or falls silent."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(path)
    out = b""
    try:
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        while True:
            d = s.recv(65536)
            if not d:
                break
            out += d
    except (socket.timeout, ConnectionResetError):
        pass
    s.close()
    return out


def request(path, method, target, body=None, headers=(), timeout=30):
    """One request with Connection: close; the parsed answer, or None when the connection was closed without one."""
    lines = ["%s %s HTTP/1.1" % (method, target), "Host: docker", "Connection: close"] + ["%s: %s" % h for h in headers]
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        lines.append("Content-Type: application/json")
    if body is not None or method in ("POST", "PUT"):
        lines.append("Content-Length: %d" % len(body or b""))
    out = raw(path, ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b""), timeout)
    return parse(out)


def parse(out):
    while out:
        head, sep, rest = out.partition(b"\r\n\r\n")
        if not sep:
            return None
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        if 100 <= status < 200 and status != 101:
            out = rest
            continue
        headers = [tuple(x.strip() for x in h.split(":", 1)) for h in lines[1:]]
        body = rest
        if any(k.lower() == "transfer-encoding" and "chunked" in v.lower() for k, v in headers):
            body, at = b"", rest
            while at:
                size, _, at = at.partition(b"\r\n")
                n = int(size.split(b";")[0] or b"0", 16)
                if n == 0:
                    break
                body, at = body + at[:n], at[n + 2:]
        return Reply(status, headers, body, out)
    return None


class StandIn(threading.Thread):
    """A daemon that answers what it is told to and remembers what it was asked. `answers`: {(method, path): (status, headers, body)}."""

    def __init__(self, answers=None):
        super().__init__(daemon=True)
        self.dir = tempfile.mkdtemp(prefix="sg-up-")
        os.chmod(self.dir, 0o755)
        self.path = os.path.join(self.dir, "docker.sock")
        self.answers, self.seen, self.lock = dict(answers or {}), [], threading.Lock()
        self.s = socket.socket(socket.AF_UNIX)
        self.s.bind(self.path)
        os.chmod(self.path, 0o666)
        self.s.listen(128)
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        f = c.makefile("rwb")
        try:
            while True:
                line = f.readline()
                if not line:
                    return
                method, target, _ = line.decode("latin-1").split(" ", 2)
                headers = []
                while True:
                    h = f.readline()
                    if h in (b"\r\n", b""):
                        break
                    k, _, v = h.decode("latin-1").partition(":")
                    headers.append((k.strip(), v.strip()))
                low = {k.lower(): v for k, v in headers}
                body = b""
                if "chunked" in low.get("transfer-encoding", "").lower():
                    while True:
                        n = int(f.readline().split(b";")[0], 16)
                        if n:
                            body += f.read(n)
                        f.readline()
                        if n == 0:
                            break
                elif low.get("content-length"):
                    body = f.read(int(low["content-length"]))
                with self.lock:
                    self.seen.append((method, target, headers, body))
                path = target.partition("?")[0]
                a = self.answers.get((method, path)) or self.answers.get((method, target)) or self.answers.get("*") or (200, [], b"{}\n")
                if callable(a):
                    a(c, f, method, target, headers, body)
                    continue
                status, hs, data = a
                if not isinstance(data, bytes):
                    data = json.dumps(data).encode()
                out = ["HTTP/1.1 %d X" % status] + ["%s: %s" % h for h in hs]
                if not any(h[0].lower() in ("content-length", "transfer-encoding") for h in hs) and status not in (204, 304):
                    out.append("Content-Length: %d" % len(data))
                if not any(h[0].lower() == "content-type" for h in hs):
                    out.append("Content-Type: application/json")
                f.write(("\r\n".join(out) + "\r\n\r\n").encode("latin-1") + (b"" if method == "HEAD" else data))
                f.flush()
        except (OSError, ValueError):
            pass
        finally:
            try:
                f.close()
            except OSError:
                pass
            c.close()

    def requests(self, method=None, path=None):
        with self.lock:
            return [r for r in self.seen if (not method or r[0] == method) and (not path or r[1].partition("?")[0] == path)]

    def close(self):
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.s.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


class Daemon:
    """A dockerd of the test's own, with busybox; the test is skipped where none can be started. Its bridges and mounts go with it."""

    program, environment = "dockerd", None

    def __init__(self):
        if os.geteuid() != 0 or not shutil.which(self.program) or not DOCKER_SOCK:
            skip("needs root, %s and a daemon that has busybox" % self.program)
        self.dir = tempfile.mkdtemp(prefix="sgd-")
        self.sock = os.path.join(self.dir, "d.sock")
        with open(os.path.join(self.dir, "log"), "wb") as log:
            self.process = subprocess.Popen([self.program, *self.arguments()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        try:
            self.wait()
        except BaseException:
            self.close()
            raise

    def arguments(self):
        return ["--data-root", self.dir + "/data", "--exec-root", self.dir + "/exec", "-H", "unix://" + self.sock, "--pidfile", self.dir + "/pid",
                "--bridge=none", "--iptables=false", "--ip6tables=false"]

    def wait(self):
        for _ in range(600):
            if self.process.poll() is not None:
                break
            if os.path.exists(self.sock) and (r := self.request("GET", "/_ping")) and r.status == 200:
                image = request(DOCKER_SOCK, "GET", "/images/busybox/get", timeout=60).body
                self.request("POST", "/images/load", image, [("Content-Type", "application/x-tar")])
                return
            time.sleep(0.1)
        skip(self.program + " does not start here")

    def request(self, method, target, body=None, headers=()):
        """A request past every filter."""
        return request(self.sock, method, target, body, headers, timeout=60)

    def swarm(self, address):
        """Makes a swarm of one; False: not here."""
        r = self.request("POST", "/swarm/init", {"ListenAddr": address, "AdvertiseAddr": address})
        return bool(r and r.status == 200)

    def clear(self):
        """Takes away what would outlive the daemon: a bridge left behind has addresses that the next one wants."""
        self.request("POST", "/swarm/leave?force=1")
        for kind, key, remove in (("/containers/json?all=1", "Id", "/containers/%s?force=1&v=1"), ("/networks?filters={\"driver\":[\"bridge\"]}", "Id", "/networks/%s")):
            r = self.request("GET", kind)
            for one in r.json() if r and r.status == 200 else []:
                self.request("DELETE", remove % one[key])

    def close(self):
        if self.process.poll() is None and os.path.exists(self.sock):
            self.clear()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for line in reversed(open("/proc/mounts").read().splitlines()):
            if line.split()[1].startswith(self.dir):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


class Podman(Daemon):
    """A `podman system service` with a store of its own."""
    program = "podman"

    def arguments(self):
        self.environment = dict(os.environ, HOME=self.dir, XDG_RUNTIME_DIR=self.dir + "/run", CONTAINERS_CONF=self.dir + "/containers.conf")
        self.store = ["--root", self.dir + "/root", "--runroot", self.dir + "/rr", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]
        os.makedirs(self.dir + "/run")
        with open(self.dir + "/containers.conf", "w") as f:
            f.write('[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\n')
        return [*self.store, "system", "service", "--time=0", "unix://" + self.sock]

    def run(self, *args):
        """Its own client, past every filter."""
        return subprocess.run(["podman", *self.store, *args], env=self.environment, capture_output=True, timeout=60)

    def clear(self):
        self.run("rm", "-fa", "-t", "0")


def preset(name, upstream):
    """A bundled preset, for another daemon than the one it names."""
    with open(os.path.join(SRC, "policy", name + ".yaml")) as f:
        lines = f.read().splitlines()
    at = lines.index("upstream:")
    return "\n".join(lines[:at + 1] + ["  socket: " + json.dumps(upstream)] + lines[at + 2:]) + "\n"


ALLOW_ALL = """rules:
  - {match: {method: "*", path: "/**"}, action: allow}
insecure_allow_body_blind_writes: true
insecure_allow_read_exfiltration: true
insecure_accept_opaque_buildkit_tunnels: true
"""
