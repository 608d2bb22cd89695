#!/usr/bin/python3
# build: plain
# slow
"""TLS under a real systemd: the units that `sockguard-ctl units` writes, one process a connection and as a pool, with a key that only root can
read, the docker command line as the client, and a certificate that is renewed. Needs root, debootstrap and systemd-nspawn."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine  # noqa: E402
import sg  # noqa: E402

why = machine.missing() or ("" if shutil.which("certtool") else "no certtool")
if why:
    sg.skip("no systemd of our own here: " + why)
try:
    machine.tree()
except (subprocess.CalledProcessError, OSError) as e:
    sg.skip("no Debian tree: %s" % str(getattr(e, "output", None) or e)[-300:].replace("\n", " "))

D = tempfile.mkdtemp(prefix="sg-tls-systemd-")


def make(*args):
    sg.certificate(D, *args)


make("ca", "cn = authority\nca\ncert_signing_key")
make("server", "cn = first\ndns_name = localhost\ntls_www_server\nsigning_key", "ca")
make("second", "cn = second\ndns_name = localhost\ntls_www_server\nsigning_key", "ca")
make("client", "cn = ci\ntls_www_client\nsigning_key", "ca")
make("other", "cn = nobody\ntls_www_client\nsigning_key", "ca")
POLICY = """listeners:
  - {name: local, socket: /run/sockguard/docker.sock, socket_mode: "0600", allowed_profiles: ["*"]}
  - name: remote
    address: "127.0.0.1:2376"
    allowed_profiles: [ci]
    tls: {cert_file: /etc/keys/server.pem, key_file: /etc/keys/private/server.key, client_ca_file: /etc/keys/ca.pem}
upstream: {socket: /var/run/docker.sock}
clients:
  client_certificate_profiles: [{profile: ci, common_names: [ci]}]
  profiles:
    - {name: ci, rules: [{match: {method: "*", path: "/**"}, action: allow}]}
log: {audit: {enabled: true}}
""" + sg.ALLOW_ALL


def copy(m, name, path, mode):
    with open(os.path.join(D, name)) as f:
        m.write(path, f.read(), mode)


def docker(m, who, *args, **kw):
    return m.run("env", "DOCKER_CERT_PATH=/root/" + who, "DOCKER_HOST=tcp://localhost:2376", "DOCKER_TLS_VERIFY=1", "docker", *args, **kw)


def records(m, **want):
    out = []
    for line in m.journal("-o", "cat").splitlines():
        try:
            d = json.loads(line)
        except ValueError:
            continue
        if all(d.get(k) == v for k, v in want.items()):
            out.append(d)
    return out


def until(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


SHOWN = """
import socket, ssl
c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.load_verify_locations("%s/ca.pem"); c.load_cert_chain("%s/client.pem", "%s/client.key")
with c.wrap_socket(socket.create_connection(("127.0.0.1", 2376), 10), server_hostname="localhost") as s: print(dict(x[0] for x in s.getpeercert()["subject"])["commonName"])
""" % (D, D, D)


def shown(m):
    """The name in the certificate that the machine's port shows now; the client is a program of the host in its network."""
    return subprocess.run(["nsenter", "-t", str(m.init), "-n", sys.executable, "-c", SHOWN], capture_output=True, text=True).stdout.strip()


def users(m):
    """(program, user) of what runs now."""
    out = set()
    for line in m.run("ps", "-eo", "comm=,user=").stdout.splitlines():
        if line.startswith("sockguard"):
            out.add(tuple(line.split()))
    return out


m = machine.Machine("tls")
try:
    m.config(POLICY)
    for name in ("ca.pem", "server.pem"):
        copy(m, name, "/etc/keys/" + name, 0o644)
    copy(m, "server.key", "/etc/keys/private/server.key", 0o600)
    os.chmod(m.root + "/etc/keys/private", 0o700)
    for who in ("client", "other"):
        for a, b in (("ca.pem", "ca.pem"), (who + ".pem", "cert.pem"), (who + ".key", "key.pem")):
            copy(m, a, "/root/%s/%s" % (who, b), 0o600)
    copy(m, "ca.pem", "/root/none/ca.pem", 0o600)
    m.enable("sockguard.service")
    if not m.boot():
        sg.skip("no systemd of our own starts here: " + open(m.dir + "/console").read()[-300:])
    sg.check("the companion starts without being able to read the key", until(lambda: m.show("sockguard.service", "ActiveState") == "active") and
             m.run("setpriv", "--reuid=sockguard", "--clear-groups", "cat", "/etc/keys/private/server.key").returncode != 0, m.journal("-u", "sockguard.service", "-n", "20"))
    if not m.image():
        sg.skip("no Docker Engine starts in the machine: " + m.journal("-u", "docker", "-n", "5"))

    for title, pool in (("one process a connection", ()), ("a pool", ("--pool",))):
        config = m.etc + "/sockguard.yaml"
        r = m.run(m.prefix + "/bin/sockguard-ctl", "units", "--config", config, *pool)
        sg.check("the units are written (%s)" % title, r.returncode == 0, r.stdout + r.stderr)
        m.systemctl("daemon-reload")
        if pool:
            m.systemctl("stop", "sockguard-remote.socket", "sockguard-local.socket")
        r = m.systemctl("start", "sockguard-remote.socket", "sockguard-local.socket")
        sg.check("and start (%s)" % title, r.returncode == 0, r.stderr + m.journal("-n", "20"))
        before = len(records(m, profile="ci", listener_name="remote"))
        r = docker(m, "client", "version", "--format", "{{.Server.Version}}")
        sg.check("docker --tlsverify works (%s)" % title, r.returncode == 0 and until(lambda: len(records(m, profile="ci", listener_name="remote")) > before, 5),
                 r.stderr + m.journal("-n", "30"))
        r = docker(m, "client", "run", "--rm", "-i", "--network=none", "busybox", "sh", "-c", "read a; echo got $a", input="word\n")
        sg.check("and docker run -i (%s)" % title, r.returncode == 0 and r.stdout == "got word\n", (r.stdout, r.stderr))
        r = docker(m, "other", "version")
        sg.check("a certificate without the profile is refused (%s)" % title, r.returncode != 0 and until(lambda: records(m, reason_code="listener_profile_not_allowed", listener_name="remote"), 5), r.stderr)
        r = docker(m, "none", "version")
        sg.check("none at all does not get beyond the handshake (%s)" % title, r.returncode != 0 and until(lambda: records(m, event_type="tls_handshake", reason_code="tls_client_certificate_missing"), 5), r.stderr)
        long_run = subprocess.Popen(["nsenter", "-t", str(m.init), "-m", "-u", "-i", "-n", "-p", "-C", "--", "env", "DOCKER_CERT_PATH=/root/client", "DOCKER_HOST=tcp://localhost:2376",
                                     "DOCKER_TLS_VERIFY=1", "docker", "events"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until(lambda: records(m, path="/v1.41/events") or ("sockguard-filte", "sockguard-filter") in users(m), 5)
        time.sleep(0.5)
        who = users(m)
        sg.check("the key is nobody's, the filter is sockguard-filter's, and none of it root's (%s)" % title,
                 ("sockguard-tls", "nobody") in who and ("sockguard-filte", "sockguard-filter") in who and not [x for x in who if x[1] == "root"], who)
        long_run.terminate()
        long_run.wait()
        sg.check("the listener beside it serves as before (%s)" % title, sg.request(m.inside + "/run/sockguard/docker.sock", "GET", "/_ping").status == 200)
        failed = [x for x in m.systemctl("list-units", "--failed", "--no-legend", "--plain", "sockguard*").stdout.splitlines() if "remote" in x or "local" in x]
        sg.check("no unit has failed (%s)" % title, not failed, failed)

        before = shown(m)
        name = "second" if before == "first" else "server"
        copy(m, name + ".pem", "/etc/keys/server.pem", 0o644)
        copy(m, name + ".key", "/etc/keys/private/server.key", 0o600)
        ok = until(lambda: shown(m) not in ("", before), 15)
        sg.check("a renewed certificate is shown without a restart (%s)" % title, ok and (not pool or m.show("sockguard-remote-pool.service", "NRestarts") == "0"), (before, shown(m)))
    score = m.run("systemd-analyze", "security", "--no-pager", "sockguard-remote-pool.service").stdout.splitlines()[-1]
    sg.check("systemd's own measure of exposure is OK", " OK " in score or " SAFE " in score, score)
    print("    " + score)
finally:
    m.close()
    shutil.rmtree(D, ignore_errors=True)
sg.done()
