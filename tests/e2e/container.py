#!/usr/bin/python3
# build: plain
# slow
"""units/Containerfile is built on a Debian 12 and run as its first lines say; the docker CLI works through it. Needs a Docker Engine, root, and a package
mirror that a build can reach."""
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine  # noqa: E402
import sg  # noqa: E402

why = machine.missing()
if why or not sg.DOCKER_SOCK:
    sg.skip("no image is built here: " + (why or "no Docker Engine"))
HOST = "unix://" + sg.DOCKER_SOCK
TAG, BASE, NAME = "sockguard-test-image", "debian:12", "sockguard-test-%d" % os.getpid()


def docker(*args, **kw):
    return subprocess.run(["docker", "-H", HOST, *args], **dict({"capture_output": True, "text": True, "timeout": 380}, **kw))


if docker("image", "inspect", BASE).returncode:
    # The Debian of the other tests under the name that the recipe starts from, without its Docker Engine.
    try:
        tree = machine.tree()
    except (subprocess.CalledProcessError, OSError) as e:
        sg.skip("no Debian tree: %s" % str(e)[-300:])
    tar = subprocess.Popen(["tar", "-c", "-C", tree, "--exclude=./usr/sbin/dockerd", "--exclude=./usr/bin/docker*", "--exclude=./usr/bin/containerd*",
                            "--exclude=./usr/sbin/runc", "--exclude=./proc/*", "--exclude=./dev/*", "."], stdout=subprocess.PIPE)
    subprocess.run(["docker", "-H", HOST, "import", "-", BASE], stdin=tar.stdout, check=True, stdout=subprocess.DEVNULL)
    tar.wait()
recipe = os.path.join(sg.SRC, "units", "Containerfile")
r = docker("build", "--network", "host", "-f", recipe, "-t", TAG, sg.SRC)
if r.returncode and re.search("Temporary failure resolving|Could not connect|Unable to connect|Could not resolve", r.stdout + r.stderr):
    sg.skip("a build reaches no package mirror")
sg.check("the image builds", r.returncode == 0, (r.stdout + r.stderr)[-1500:])
if r.returncode:
    sg.done()

# The command of the recipe's first lines, word for word, save its paths and names.
words = re.search(r"#   docker (run -d.*?) sockguard\n#\n", open(recipe).read(), re.S)[1].replace("\n#", " ").replace("\\ ", " ")
d = tempfile.mkdtemp(prefix="sg-container-")
with open(d + "/sockguard.yaml", "w") as f:
    f.write("listen: {socket: /guarded/docker.sock}\nupstream: {socket: /var/run/docker.sock}\nrules:\n"
            "  - {match: {method: 'GET,HEAD', path: /_ping}, action: allow}\n  - {match: {method: GET, path: /version}, action: allow}\n"
            "  - {match: {method: '*', path: '/**'}, action: deny}\n")
for old, new in (("--name sockguard", "--name " + NAME), ('"$(stat -c %g /var/run/docker.sock)"', str(os.stat(sg.DOCKER_SOCK).st_gid)),
                 ("-v /var/run/docker.sock:", "-v %s:" % os.path.realpath(sg.DOCKER_SOCK)), ("./sockguard.yaml", d + "/sockguard.yaml"), ("sockguard-socket:", NAME + ":")):
    assert old in words, old
    words = words.replace(old, new)
try:
    r = docker(*words.split(), TAG)
    sg.check("it runs as the recipe says: read-only, without capabilities and network", r.returncode == 0, r.stderr)
    sock = docker("volume", "inspect", "-f", "{{.Mountpoint}}", NAME).stdout.strip() + "/docker.sock"
    end = time.monotonic() + 30
    while not os.path.exists(sock) and time.monotonic() < end:
        time.sleep(0.1)

    def through(*args, **kw):
        return subprocess.run(["docker", "-H", "unix://" + sock, *args], capture_output=True, text=True, timeout=60, **kw)

    r = through("version", "-f", "{{.Server.Version}}")
    sg.check("docker version through it", r.returncode == 0 and r.stdout.strip() != "", r.stderr + docker("logs", NAME).stderr)
    r = through("volume", "create", "x")
    sg.check("what no rule allows is refused", r.returncode != 0 and "denied by sockguard policy" in r.stderr, r.stderr)
    users = {x.split()[0] for x in docker("top", NAME, "-eo", "uid,pid,comm").stdout.splitlines()[1:]}
    sg.check("nothing in it is root", users == {"65532"}, users)
    sg.check("its records are docker logs", '"path":"/volumes/create"' in (lambda x: x.stdout + x.stderr)(docker("logs", NAME)).replace("/v1.41", ""))
    docker("stop", "-t", "10", NAME)
    sg.check("docker stop ends it in good order", docker("inspect", "-f", "{{.State.ExitCode}}", NAME).stdout.strip() == "0")
finally:
    docker("rm", "-f", "-v", NAME)
    docker("volume", "rm", NAME)
    docker("rmi", TAG)
sg.done()
