#!/usr/bin/env python3
"""The docker and docker-compose command lines work through the preset "portainer" on a real daemon with the acknowledgment of blind writes taken
away: every body is read, and honest clients do not notice."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import DOCKER_SOCK, SRC, Sockguard, check, done, skip  # noqa: E402

if not DOCKER_SOCK or not shutil.which("docker"):
    skip("needs docker and a daemon that has busybox")

# What the acknowledgment covered is given lists instead.
text = open(os.path.join(SRC, "policy", "portainer.yaml")).read()
text = re.sub(r"(?m)^upstream:\n  socket: .*\n", "", text)
text = text.replace("insecure_allow_body_blind_writes: true", "")
text = text.replace("request_body:\n", """request_body:
  exec: {allow_root_user: true, allowed_commands: [[cat, /f], [id, "-u"]]}
  swarm: {allowed_join_remote_addrs: ["192.0.2.1:2377"]}
  plugin: {allowed_set_env_prefixes: ["NAME="]}
  container_update: {allow_restart_policy: true, allow_resource_updates: true, allow_all_devices: true}
""", 1)
work = tempfile.mkdtemp(prefix="sg-portainer-")
name = "sgport%d" % os.getpid()
compose = work + "/docker-compose.yml"
open(compose, "w").write("version: '2.4'\nservices:\n  a: {image: busybox, command: sleep 60, network_mode: none, labels: {x: y}}\n")
open(work + "/f", "w").write("copied\n")


def run(*argv, host):
    r = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd=work, env=dict(os.environ, DOCKER_HOST="unix://" + host, DOCKER_CONFIG=work))
    return r.returncode, r.stdout, r.stderr


try:
    with Sockguard(text, DOCKER_SOCK) as g:
        def docker(*argv):
            return run("docker", *argv, host=g.sock)

        r = docker("run", "--rm", "--network", "none", "busybox", "echo", "hello")
        check("docker run", r[:2] == (0, "hello\n"), r)
        r = docker("run", "-d", "--network", "none", "--name", name, "busybox", "sleep", "300")
        check("docker run -d", r[0] == 0, r)
        r = docker("cp", work + "/f", name + ":/f")
        check("docker cp into a container", r[0] == 0, r)
        r = docker("exec", name, "cat", "/f")
        check("docker exec of a listed command", r[:2] == (0, "copied\n"), r)
        r = docker("exec", name, "sh", "-c", "id")
        check("docker exec of another is refused", r[0] != 0 and "denied" in r[2], r)
        r = docker("cp", name + ":/f", work + "/g")
        check("docker cp out of a container", r[0] == 0 and open(work + "/g").read() == "copied\n", r)
        r = docker("update", "--restart", "no", "--cpu-shares", "512", name)
        check("docker update", r[0] == 0, r)
        r = docker("restart", "-t", "0", name)
        check("docker restart", r[0] == 0, r)
        r = docker("run", "--rm", "--privileged", "--network", "none", "busybox", "true")
        check("docker run --privileged is refused", r[0] != 0 and "denied" in r[2], r)
        r = docker("run", "--rm", "-v", "/:/host", "--network", "none", "busybox", "true")
        check("docker run -v /:/host is refused", r[0] != 0 and "denied" in r[2], r)
        r = docker("volume", "create", name + "-v")
        check("docker volume create", r[0] == 0, r)
        r = docker("run", "--rm", "--network", "none", "-v", name + "-v:/v", "busybox", "touch", "/v/x")
        check("docker run with a named volume", r[0] == 0, r)
        r = docker("volume", "rm", name + "-v")
        check("docker volume rm", r[0] == 0, r)
        r = docker("rm", "-f", name)
        check("docker rm", r[0] == 0, r)
        if shutil.which("docker-compose"):
            r = run("docker-compose", "-p", name, "-f", compose, "up", "-d", host=g.sock)
            check("docker-compose up", r[0] == 0, r)
            r = run("docker-compose", "-p", name, "-f", compose, "ps", "-q", host=g.sock)
            check("docker-compose ps", r[0] == 0 and len(r[1].split()) == 1, r)
            r = run("docker-compose", "-p", name, "-f", compose, "down", "-t", "0", host=g.sock)
            check("docker-compose down", r[0] == 0, r)
finally:
    run("docker", "rm", "-f", name, host=DOCKER_SOCK)
    run("docker", "volume", "rm", "-f", name + "-v", host=DOCKER_SOCK)
    for c in run("docker", "ps", "-aq", "--filter", "label=com.docker.compose.project=" + name, host=DOCKER_SOCK)[1].split():
        run("docker", "rm", "-f", c, host=DOCKER_SOCK)
    shutil.rmtree(work, ignore_errors=True)
done()
