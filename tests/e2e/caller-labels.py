#!/usr/bin/python3
# build: plain
# slow
"""What a container's own labels allow it, on a real bridge network: the proxy knows the caller by its source address. Needs root, debootstrap
and systemd-nspawn."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine  # noqa: E402
import sg  # noqa: E402

why = machine.missing()
if why:
    sg.skip("no systemd of our own here: " + why)
try:
    machine.tree()
except (subprocess.CalledProcessError, OSError) as e:
    sg.skip("no Debian tree: %s" % str(getattr(e, "output", None) or e)[-300:].replace("\n", " "))

POLICY = """listeners:
  - {name: net, address: "0.0.0.0:2375", allowed_profiles: ["*"], insecure_allow_plain_tcp: true, insecure_allow_unauthenticated_clients: true}
upstream: {socket: /var/run/docker.sock}
reload: {enabled: true}
clients: {container_labels: {enabled: true%s}}
""" + sg.ALLOW_ALL
GATEWAY = "10.77.0.1"
ASK = "printf 'GET %s HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\n\\r\\n' | busybox nc %s 2375"


def status(text):
    words = text.split()
    return int(words[1]) if len(words) > 1 and words[0] == "HTTP/1.1" else text


def ask(path, *options):
    """The status that a container which lives just for this question gets."""
    r = m.run("docker", "run", "--rm", "--network", "callers", *options, "busybox", "sh", "-c", ASK % (path, GATEWAY))
    return status(r.stdout) if r.stdout else r.stderr


HERE = """
import socket
s = socket.create_connection(("127.0.0.1", 2375), 15)
s.sendall(b"GET /version HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\n\\r\\n")
print(s.makefile("rb").readline().decode())
"""


def here():
    """The status that the machine itself gets: a program of the host in its network."""
    return status(subprocess.run(["nsenter", "-t", str(m.init), "-n", sys.executable, "-c", HERE], capture_output=True, text=True).stdout)


def allow(**labels):
    return [x for k, v in labels.items() for x in ("--label", "com.sockguard.allow.%s=%s" % (k, v))]


def until(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


m = machine.Machine("callers")
try:
    m.config(POLICY % "")
    m.enable("sockguard.service")
    if not m.boot():
        sg.skip("no systemd of our own starts here: " + open(m.dir + "/console").read()[-300:])
    if not m.image() or m.run("docker", "network", "create", "--subnet", "10.77.0.0/24", "callers").returncode:
        sg.skip("no Docker Engine with bridge networks starts in the machine: " + m.journal("-u", "docker", "-n", "5"))
    r = m.run(m.prefix + "/bin/sockguard-ctl", "units", "--config", m.etc + "/sockguard.yaml")
    m.systemctl("daemon-reload")
    m.systemctl("start", "sockguard-net.socket")
    until(lambda: m.show("sockguard.service", "ActiveState") == "active")

    one = allow(get="/_ping, /info")
    sg.check("a container gets what its labels allow", ask("/_ping", *one) == 200 and ask("/v1.41/info", *one) == 200, m.journal("-n", "20"))
    sg.check("and nothing else", ask("/version", *one) == 403)
    sg.check("one without such labels is judged by the rules alone", ask("/version") == 200)
    sg.check("one label for another method closes this one", ask("/_ping", *allow(post="/**")) == 403)
    sg.check("a label that means nothing refuses everything", [ask("/_ping", *allow(fetch="/_ping")), ask("/_ping", *allow(get=" , "))] == [502, 502])

    # An address that goes from hand to hand.
    for round_ in range(2):
        a = ask("/version", "--ip", "10.77.0.9", *one)
        b = ask("/version", "--ip", "10.77.0.9")
        sg.check("an address that is given away does not take the labels along (%d)" % round_, (a, b) == (403, 200), (a, b))
    m.run("docker", "run", "-d", "--name", "stopped", "--network", "callers", "--ip", "10.77.0.10", *one, "busybox", "true")
    until(lambda: m.run("docker", "inspect", "-f", "{{.State.Running}}", "stopped").stdout.strip() == "false")
    sg.check("nor does one that a stopped container still asks for", ask("/version", "--ip", "10.77.0.10") == 200)

    sg.check("who is in no container is judged by the rules", here() == 200)
    m.config(POLICY % ", deny_unresolved: true")
    sg.check("or refused, with deny_unresolved", until(lambda: here() == 403, 15))
    sg.check("... and a container is not", ask("/version") == 200)
    m.systemctl("stop", "docker.socket", "docker.service")
    sg.check("without the daemon nobody is let in", here() == 502)
finally:
    m.close()
sg.done()
