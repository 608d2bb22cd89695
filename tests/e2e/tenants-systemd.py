#!/usr/bin/python3
# build: plain
# slow
"""Two tenants share a real Docker Engine, each through socket units of his own that a real systemd starts, one process a connection. Bob
tries every operation of the Docker API on what is Alice's. Needs root, debootstrap and systemd-nspawn."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine  # noqa: E402
import sg  # noqa: E402
import tenancy  # noqa: E402

why = machine.missing()
if why:
    sg.skip("no systemd of our own here: " + why)
try:
    machine.tree()
except (subprocess.CalledProcessError, OSError) as e:
    sg.skip("no Debian tree: %s" % str(getattr(e, "output", None) or e)[-300:].replace("\n", " "))


def units(m, name):
    """The installed units once more, for a tenant: a companion, a listener and a service for each connection."""
    ours = "sockguard-" + name
    found = next(d for d in (m.prefix + "/lib/systemd/system", "/usr/lib/systemd/system", "/etc/systemd/system") if os.path.exists(m.root + d + "/sockguard.socket"))
    for unit in ("sockguard.socket", "sockguard@.service", "sockguard.service"):
        text = open(m.root + found + "/" + unit).read()
        for old, new in (("/run/sockguard", "/run/" + ours), ("RuntimeDirectory=sockguard", "RuntimeDirectory=" + ours), ("/sockguard.yaml", "/%s.yaml" % name),
                         ("sockguard.service", ours + ".service"), ("sockguard.socket sockguard-pool.socket", ours + ".socket")):
            text = text.replace(old, new)
        m.write("/etc/systemd/system/" + unit.replace("sockguard", ours, 1), text)
    m.write("%s/%s.yaml" % (m.etc, name), tenancy.POLICY % name + "upstream: {socket: /var/run/docker.sock}\nlisten: {socket: /run/%s/docker.sock}\n" % ours)
    m.enable(ours + ".socket", ours + ".service")


def records(m, name):
    out = []
    for line in m.journal("-o", "cat", "-u", "sockguard-%s@*" % name).splitlines():
        try:
            out.append(json.loads(line))
        except ValueError:
            pass
    return out


def tenant(m, name):
    sock = "/run/sockguard-%s/docker.sock" % name
    for _ in range(100):
        if (r := ping(m.inside + sock)) and r.status == 200:
            return tenancy.Tenant(name, m.inside + sock, lambda: records(m, name))
        time.sleep(0.2)
    raise RuntimeError(m.systemctl("status", "--no-pager", "-l", "sockguard-%s.socket" % name, "sockguard-%s.service" % name).stdout + m.journal("-n", "40"))


def ping(path):
    try:
        return sg.request(path, "GET", "/_ping")
    except OSError:
        return None


m = machine.Machine("tenants")
try:
    for name in ("alice", "bob"):
        units(m, name)
    if not m.boot():
        sg.skip("no systemd of our own starts here: " + open(m.dir + "/console").read()[-300:])
    if not m.image():
        sg.skip("no Docker Engine starts in the machine: " + m.journal("-u", "docker", "-n", "5"))

    def root(method, target, body=None, headers=()):
        return sg.request(m.inside + "/run/docker.sock", method, target, body, headers, timeout=60)

    swarm = root("POST", "/swarm/init", {"ListenAddr": "127.0.0.1:23779", "AdvertiseAddr": "127.0.0.1:23779"}).status == 200
    alice, bob = tenant(m, "alice"), tenant(m, "bob")
    tenancy.play(alice, bob, root, swarm)
    for name in ("alice", "bob"):
        n = int(m.show("sockguard-%s.socket" % name, "NAccepted"))
        sg.check("every connection of %s's was an instance of the unit" % name, n > 20 and m.show("sockguard-%s.socket" % name, "NRefused") == "0", n)
    root("POST", "/swarm/leave?force=1")
finally:
    m.close()
sg.done()
