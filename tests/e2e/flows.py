#!/usr/bin/env python3
"""What people do with builds, images, swarms and plugins, by the docker command through the bundled presets, on a real daemon of the test's
own; and what each preset refuses of it."""
# build: plain
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import Daemon, Sockguard, check, done, preset, request  # noqa: E402

tmp = tempfile.TemporaryDirectory(prefix="sg-flows-")


def cli(guard, script, **env):
    return subprocess.run(["bash", "-e", "-c", script], capture_output=True, text=True, timeout=180, cwd=tmp.name,
                          env=dict(os.environ, DOCKER_HOST="unix://" + guard.sock, DOCKER_BUILDKIT="0", DOCKER_CONFIG=tmp.name, **env))


def works(guard, name, script, want="", **env):
    r = cli(guard, script, **env)
    return check(name, r.returncode == 0 and want in r.stdout, (script, r.returncode, r.stdout[-600:], r.stderr[-900:]))


def refused(guard, name, script, **env):
    r = cli(guard, script, **env)
    check("refused: " + name, r.returncode != 0 and "sockguard" in r.stderr + r.stdout, (script, r.returncode, r.stdout[-600:], r.stderr[-900:]))


def write(path, text):
    path = os.path.join(tmp.name, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


RESPONSE = """response:
  redact_sensitive_data: false
  redact_network_topology: false
  redact_container_env: false"""


def builds(daemon):
    write("plain/Dockerfile", "FROM busybox\nCOPY x /x\nENV a=b\n")
    write("plain/x", "copied\n")
    write("runs/Dockerfile", "FROM busybox\nRUN true\n")
    write("joined/Dockerfile", "FROM busybox\nR\\\n# nothing\nUN true\n")
    with Sockguard(preset("drydock-with-build", daemon.sock), daemon.sock) as guard:
        works(guard, "a build without RUN", "docker build -t built:1 plain && docker inspect -f '{{.Config.Env}}' built:1", "a=b")
        works(guard, "a build from standard input", "tar -C plain -cz . | docker build -t built:2 -", "Successfully tagged built:2")
        works(guard, "a build with another Dockerfile", "cp plain/Dockerfile plain/Other && docker build -f plain/Other -t built:3 plain", "Successfully tagged")
        refused(guard, "a build with RUN", "docker build runs")
        refused(guard, "a build whose RUN is in two pieces", "docker build joined")
        refused(guard, "a build in the host's network", "docker build --network host plain")
        r = request(guard.sock, "POST", "/build?remote=https://127.0.0.1:1/x.tar")
        check("refused: a build from elsewhere", r and r.status == 403 and b"sockguard" in r.body, r and r.body)
        refused(guard, "a build in xz", "tar -C plain -cJ . | docker build -")
        r = request(guard.sock, "POST", "/session", None, [("Connection", "Upgrade"), ("Upgrade", "h2c")])
        check("refused: a tunnel for BuildKit", r and r.status == 403, r and r.body)
        refused(guard, "loading an image", "docker save built:1 | docker load")


def images(guard):
    works(guard, "build with RUN", "docker build -q --network none -t built:4 runs", "sha256:")
    works(guard, "save and load", "docker save busybox:latest built:1 > all.tar && docker load < all.tar", "Loaded image: busybox:latest")
    works(guard, "load in gzip", "gzip -kf all.tar && docker load < all.tar.gz", "Loaded image: busybox:latest")
    works(guard, "tag, history and rm", "docker tag built:1 built:5 && docker history -q built:5 && docker rmi built:5 built:4", "Untagged: built:5")
    refused(guard, "loading an image that claims another registry", "docker tag busybox evil.test/x:1 && docker save evil.test/x:1 > evil.tar; docker rmi evil.test/x:1; docker load < evil.tar")
    refused(guard, "loading an archive without names", "docker save $(docker images -q busybox:latest) > nameless.tar; docker load < nameless.tar")
    refused(guard, "loading in xz", "xz -kf0 all.tar && docker load < all.tar.xz")
    refused(guard, "importing", "tar -c -C plain x | docker import - imported:1")


def swarm(guard):
    if not works(guard, "swarm init", "docker swarm init --advertise-addr 127.0.0.1:23773 --listen-addr 127.0.0.1:23773", "is now a manager"):
        return
    write("secret", "s3cret")
    works(guard, "secret create, ls, inspect", "docker secret create s1 secret && docker secret ls && docker secret inspect s1", "s1")
    works(guard, "config create, inspect", "docker config create c1 secret && docker config inspect c1", "c1")
    works(guard, "service create with a secret and a config", "docker service create -d --name web --replicas 1 --secret s1 --config c1 --no-resolve-image busybox sleep 600")
    works(guard, "service ls, ps, inspect, logs", "docker service ls && docker service ps web && docker service inspect web && timeout 20 docker service logs web", "web")
    works(guard, "service update", "docker service update -d --env-add a=b --no-resolve-image web && docker service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Env}}' web", "a=b")
    works(guard, "service rollback", "docker service rollback -d web && docker service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Env}}' web", "[]")
    works(guard, "service scale", "docker service scale -d web=2", "web scaled to 2")
    works(guard, "overlay network", "docker network create -d overlay --opt encrypted= o1 2>/dev/null || docker network create -d overlay o2")
    works(guard, "node ls, inspect", "docker node ls && docker node inspect self", "Ready")
    write("stack.yml", "version: '3.7'\nservices: {a: {image: busybox, command: sleep 60}}\n")
    works(guard, "stack deploy and rm", "docker stack deploy --resolve-image never -c stack.yml st && docker stack services st && docker stack rm st", "st_a")
    for name, options in (("a directory of the host's", "--mount type=bind,src=/etc,dst=/h"), ("a capability", "--cap-add SYS_ADMIN"), ("the host's network", "--network host"),
                          ("a kernel parameter", "--sysctl net.core.somaxconn=1"), ("extra hosts", "--host a:1.2.3.4"), ("a resource limit", "--ulimit nofile=5"),
                          ("a volume that is a directory of the host's", "--mount type=volume,src=v,dst=/h,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/etc")):
        refused(guard, "a service with " + name, "docker service create -d --no-resolve-image %s busybox sleep 60" % options)
        change = options.replace("--cap-add", "--cap").replace(" ", "-add ", 1)
        refused(guard, "an update to " + name, "docker service update -d --no-resolve-image %s web" % change)
    refused(guard, "a service of another registry", "docker service create -d --no-resolve-image evil.test/x")
    refused(guard, "an attachable network", "docker network create -d overlay --attachable o3")
    refused(guard, "rotating the join token", "docker swarm join-token --rotate worker")
    refused(guard, "locking the managers", "docker swarm update --autolock=true")
    refused(guard, "a new certificate authority", "docker swarm ca --rotate -d")
    refused(guard, "draining a node", "docker node update --availability drain $(docker node ls -q)")
    refused(guard, "labelling a node", "docker node update --label-add a=b $(docker node ls -q)")
    refused(guard, "a secret of another driver", "docker secret create -d vault s2")
    refused(guard, "a template", "docker config create --template-driver golang c2 secret")
    works(guard, "service, secret and config rm", "docker service rm web && docker config rm c1 && docker secret rm s1")
    works(guard, "swarm leave", "docker swarm leave --force", "left the swarm")


CONFIG = {"description": "x", "entrypoint": ["/x"], "interface": {"types": ["docker.volumedriver/1.0"], "socket": "x.sock"}, "linux": {"capabilities": []}, "network": {"type": "none"},
          "env": [{"name": "DEBUG", "settable": ["value"], "value": "0"}]}


def plugin(name, **changes):
    write(name + "/config.json", json.dumps(dict(CONFIG, **changes)))
    write(name + "/rootfs/x", "")
    return "docker plugin create %s:1 %s" % (name, name)


def plugins(guard):
    works(guard, "plugin create, ls, inspect", plugin("harmless") + " && docker plugin ls && docker plugin inspect harmless:1", "harmless:1")
    for name, changes in (("net", {"network": {"type": "host"}}), ("ipc", {"ipchost": True}), ("pid", {"pidhost": True}), ("caps", {"linux": {"capabilities": ["CAP_SYS_ADMIN"]}}),
                          ("devices", {"linux": {"allowAllDevices": True}}), ("device", {"linux": {"devices": [{"path": "/dev/mem"}]}}), ("propagated", {"propagatedmount": "/data"}),
                          ("mounts", {"mounts": [{"source": "/", "destination": "/h", "type": "bind", "options": ["rbind"]}]})):
        refused(guard, "a plugin with " + name, plugin(name, **changes))
    refused(guard, "setting a plugin", "docker plugin set harmless:1 DEBUG=1")
    for name, target, body in (("of another registry", "remote=evil.test/x:1&name=evil:1", []), ("with a mount", "remote=x:1&name=x:1", [{"Name": "mount", "Description": "", "Value": ["/"]}]),
                               ("with all devices", "remote=x:1&name=x:1", [{"Name": "allow-all-devices", "Description": "", "Value": ["true"]}])):
        r = request(guard.sock, "POST", "/plugins/pull?" + target, body)
        check("refused: installing a plugin " + name, r and r.status == 403 and b"sockguard" in r.body, r and r.body)
        r = request(guard.sock, "POST", "/plugins/harmless:1/upgrade?" + target, body)
        check("refused: upgrading to a plugin " + name, r and r.status == 403 and b"sockguard" in r.body, r and r.body)
    works(guard, "plugin rm", "docker plugin rm harmless:1", "harmless:1")


with Daemon() as daemon:
    builds(daemon)
    portainer = preset("portainer", daemon.sock)
    with Sockguard(portainer, daemon.sock) as guard:
        images(guard)
        plugins(guard)
    # The command line decodes the certificates of a swarm and looks for its node by id: the default redaction replaces both by a word.
    with Sockguard(portainer.replace("response:", RESPONSE), daemon.sock) as guard:
        swarm(guard)
tmp.cleanup()
done()
