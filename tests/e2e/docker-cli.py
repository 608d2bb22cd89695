#!/usr/bin/python3
# build: plain
"""The docker command line against a real daemon: each command on the bare socket and through a filter must do the same."""
import concurrent.futures
import io
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402

if not sg.DOCKER_SOCK:
    sg.skip("no Docker Engine")
guard = sg.Sockguard(sg.ALLOW_ALL.replace("rules:", """request_body:
  container_create: {allow_all_capabilities: true}
  build: {allow_run_instructions: true}
  container_archive: {allow_setid: true, allow_escaping_links: true}
  image_load: {allow_untagged: true, allow_all_registries: true}
  image_pull: {allow_imports: true}
  exec: {allow_root_user: true}
  container_update: {allow_resource_updates: true}
response: {redact_container_env: false, redact_mount_paths: false, redact_network_topology: false, redact_sensitive_data: false}
rules:"""), sg.DOCKER_SOCK)
SIDES = (("bare", "unix://" + sg.DOCKER_SOCK), ("through", "unix://" + guard.sock))
tmp = tempfile.mkdtemp(prefix="sg-cli-")


def sh(host, script, data=None, timeout=120, name="x"):
    e = dict(os.environ, DOCKER_HOST=host, DOCKER_BUILDKIT="0", DOCKER_CONFIG=tmp, T=os.path.join(tmp, name), N=name)
    os.makedirs(e["T"], exist_ok=True)
    try:
        p = subprocess.run(["bash", "-c", script], env=e, input=data, capture_output=True, timeout=timeout)
        return p.returncode, p.stdout, p.stderr
    except subprocess.TimeoutExpired as x:
        return "timeout", x.stdout or b"", x.stderr or b""


def clean(out, name):
    t = out.decode("utf-8", "replace").replace(name, "NAME")
    t = re.sub(r"\b[0-9a-f]{64}\b", "ID", t)
    t = re.sub(r"\b[0-9a-f]{12}\b", "ID", t)
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z?", "TIME", t)


def same(title, script, data=None, want=None):
    got = []
    for i, (side, host) in enumerate(SIDES):
        name = "sgcli-%s-%d" % (side[0], os.getpid())
        r = sh(host, script, data, name=name)
        got.append((r[0], clean(r[1], name), r[2]))
        sh(host, "docker rm -f $N >/dev/null 2>&1; docker rmi -f $N:t >/dev/null 2>&1; docker volume rm -f $N >/dev/null 2>&1; "
                 "docker network rm $N >/dev/null 2>&1; true", name=name)
    ok = got[0][:2] == got[1][:2] and (want is None or (got[0][0] == want[0] and want[1] in got[0][1]))
    sg.check("docker: " + title, ok, "bare %r\nthrough %r" % (got[0], got[1]))


NET = "--network none "
same("version reports the same server", "docker version -f '{{.Server.Version}}'", want=(0, "."))
same("info", "docker info -f '{{.Driver}} {{.OSType}}'", want=(0, "linux"))
same("images", "docker images -q busybox", want=(0, "ID"))
same("run prints what the container prints", "docker run --rm %s busybox echo hello" % NET, want=(0, "hello"))
same("run hands the exit code through", "docker run --rm %s busybox sh -c 'exit 37'" % NET, want=(37, ""))
same("run -i passes stdin and its end", "docker run --rm -i %s busybox sh -c 'cat; echo END'" % NET, data=b"one\ntwo\n", want=(0, "one\ntwo\nEND"))
same("run -i passes a megabyte unharmed", "docker run --rm -i %s busybox sha256sum" % NET, data=os.urandom(1) * 1048576)
same("run keeps stdout and stderr apart", "docker run --rm %s busybox sh -c 'echo out; echo err >&2' 2>$T/err; cat $T/err | sed s/^/E:/" % NET, want=(0, "E:err"))
same("exec runs a command and its exit code", "docker run -d --name $N %s busybox sleep 60 >/dev/null; docker exec $N sh -c 'echo in; exit 5'" % NET, want=(5, "in"))
same("exec -i passes stdin", "docker run -d --name $N %s busybox sleep 60 >/dev/null; docker exec -i $N cat" % NET, data=b"typed", want=(0, "typed"))
same("attach sees the output", "docker run -d -i --name $N %s busybox sh -c 'read x; echo got $x' >/dev/null; (sleep 1; echo word; sleep 1) | docker attach $N" % NET, want=(0, "got word"))
same("logs", "docker run --name $N %s busybox sh -c 'echo a; echo b >&2' >/dev/null 2>&1; docker logs $N 2>&1 | sort" % NET, want=(0, "a\nb"))
same("logs -f follows until the end", "docker run -d --name $N %s busybox sh -c 'for i in 1 2 3; do echo $i; sleep 0.3; done' >/dev/null; docker logs -f $N" % NET, want=(0, "1\n2\n3"))
same("wait gives the code", "docker run -d --name $N %s busybox sh -c 'sleep 0.5; exit 9' >/dev/null; docker wait $N" % NET, want=(0, "9"))
same("top", "docker run -d --name $N %s busybox sleep 61 >/dev/null; docker top $N -o pid,args | grep -c 'sleep 61'" % NET, want=(0, "1"))
same("stats --no-stream", "docker run -d --name $N %s busybox sleep 60 >/dev/null; docker stats --no-stream --format '{{.Name}}' $N" % NET, want=(0, "NAME"))
same("events of the past", "docker run --name $N %s busybox true; docker events --since 5m --until 0s --filter container=$N --format '{{.Action}}' | sort | uniq" % NET, want=(0, "create"))
same("events as they happen", "timeout 20 docker events --filter container=$N --filter event=die --format '{{.Action}}' > $T/ev & p=$!; sleep 1; docker run --name $N %s busybox true; sleep 0.7; kill $p; cat $T/ev" % NET, want=(0, "die"))
same("cp into a container and back", "docker run -d --name $N %s busybox sleep 60 >/dev/null; head -c 300000 /dev/zero | tr '\\0' x > $T/f; docker cp -q $T/f $N:/tmp/f && docker cp -q $N:/tmp/f $T/g && cmp $T/f $T/g && echo equal" % NET, want=(0, "equal"))
same("cp of a tar stream", "docker run -d --name $N %s busybox sleep 60 >/dev/null; mkdir -p $T/d; echo z > $T/d/z; tar -c -C $T d | docker cp - $N:/tmp && docker exec $N cat /tmp/d/z" % NET, want=(0, "z"))
same("export and import", "docker run --name $N %s busybox touch /marker; docker export $N | tar -t | grep -x marker; docker export $N | docker import - $N:t >/dev/null && docker run --rm %s $N:t ls /marker" % (NET, NET), want=(0, "/marker"))
same("save and load", "docker tag busybox $N:t && docker save $N:t -o $T/i.tar && docker rmi $N:t >/dev/null && docker load -q -i $T/i.tar", want=(0, "NAME:t"))
same("build (classic builder)", "mkdir -p $T/b; printf 'FROM busybox\\nRUN echo built > /built\\nCOPY x /x\\n' > $T/b/Dockerfile; echo x > $T/b/x; docker build -q --network none -t $N:t $T/b >/dev/null 2>&1; docker run --rm %s $N:t cat /built /x" % NET, want=(0, "built\nx"))
same("inspect", "docker create --name $N %s busybox true >/dev/null; docker inspect -f '{{.Path}} {{.HostConfig.NetworkMode}}' $N" % NET, want=(0, "true none"))
same("update", "docker run -d --name $N %s busybox sleep 60 >/dev/null; docker update -q --pids-limit 99 $N >/dev/null 2>&1; docker inspect -f '{{.HostConfig.PidsLimit}}' $N" % NET)
same("commit", "docker run --name $N %s busybox touch /c; docker commit $N $N:t >/dev/null; docker run --rm %s $N:t ls /c" % (NET, NET), want=(0, "/c"))
same("diff", "docker run --name $N %s busybox touch /dd; docker diff $N | grep dd" % NET, want=(0, "A /dd"))
same("volumes", "docker volume create $N; docker volume ls -q | grep $N; docker volume rm $N", want=(0, "NAME"))
same("kill and ps", "docker run -d --name $N %s busybox sleep 60 >/dev/null; docker kill $N >/dev/null; docker ps -a --filter name=$N --format '{{.Status}}' | cut -c1-12" % NET, want=(0, "Exited (137)"))
same("pause, unpause, rename, restart, stop, start", "docker run -d --name $N %s busybox sleep 60 >/dev/null; docker pause $N >/dev/null && docker unpause $N >/dev/null && docker restart -t 0 $N >/dev/null && docker stop -t 0 $N >/dev/null && docker start $N >/dev/null && docker rename $N $N-r && docker rm -f $N-r" % NET, want=(0, "NAME-r"))
same("an unknown container gives the daemon's error", "docker inspect $N-none 2>&1", want=(1, "No such object"))


def typed(host, name):
    """docker run -it on a terminal: what is typed comes back through the container's own terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(DOCKER_HOST=host, DOCKER_CONFIG=tmp)
        os.execvp("docker", ["docker", "run", "--rm", "-it", "--network", "none", "--name", name, "busybox", "sh", "-c", "read x; echo \"<$x>\"; tty >/dev/null && echo TTY; exit 4"])
    out, end, sent = b"", time.monotonic() + 30, False
    while time.monotonic() < end:
        r, _, _ = select.select([fd], [], [], 1)
        if not sent and time.monotonic() > end - 28:
            os.write(fd, b"keys\n")
            sent = True
        if r:
            try:
                d = os.read(fd, 4096)
            except OSError:
                break
            if not d:
                break
            out += d
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), b"<keys>" in out and b"TTY" in out, out


t = [typed(host, "sgcli-tty-%s" % side) for side, host in SIDES]
sg.check("docker: run -it on a terminal", t[0][:2] == t[1][:2] == (4, True), t)

before = len(guard.log())
with concurrent.futures.ThreadPoolExecutor(50) as ex:
    t0 = time.monotonic()
    res = list(ex.map(lambda i: sh(SIDES[1][1], "export DOCKER_API_VERSION=1.41; docker ps -q >/dev/null && docker version -f '{{.Server.Version}}'", name="p%d" % i), range(50)))
sg.check("docker: 50 clients at once", len({r[1] for r in res}) == 1 and all(r[0] == 0 for r in res), [r for r in res if r[0]][:3])
sg.check("every request of theirs has its record", len(guard.wait_log(before + 100, 10)) >= before + 100)

try:
    import docker as sdk
    out = []
    for side, host in SIDES:
        c = sdk.DockerClient(base_url=host, timeout=60)
        box = c.containers.run("busybox", ["sh", "-c", "echo sdk; sleep 30"], detach=True, network_mode="none", name="sgcli-sdk-%s-%d" % (side, os.getpid()), labels={"a": "b"})
        r = box.exec_run(["sh", "-c", "echo x; exit 3"])
        code, sock = box.exec_run(["cat"], stdin=True, socket=True)
        s = getattr(sock, "_sock", sock)
        s.sendall(b"ping\n")
        got = b""
        while b"ping" not in got:
            d = s.recv(100)
            if not d:
                break
            got += d
        s.close()
        buf = io.BytesIO()
        with tarfile.open(fileobj=buf, mode="w") as tf:
            ti = tarfile.TarInfo("f")
            ti.size = 3
            tf.addfile(ti, io.BytesIO(b"abc"))
        put = box.put_archive("/tmp", buf.getvalue())
        bits, st = box.get_archive("/tmp/f")
        n = sum(len(b) for b in bits)
        first = next(iter(box.logs(stream=True, follow=True)))
        stats = box.stats(stream=False)["name"].replace(side, "S")
        listed = [x.name.replace(side, "S") for x in c.containers.list(filters={"label": "a=b"})]
        box.kill()
        w = box.wait()["StatusCode"]
        box.remove()
        out.append((r.exit_code, r.output, got[-5:], put, st["size"], n, first, stats, listed, w))
        c.close()
    sg.check("Python SDK: run, exec, socket, archives, logs, stats, list, wait", out[0] == out[1] and out[0][0] == 3, out)
except ImportError:
    print("skip - Python SDK is not installed")

compose = shutil.which("docker-compose", path="/usr/bin:/usr/local/bin")
if compose:
    d = os.path.join(tmp, "proj")
    os.makedirs(d, exist_ok=True)
    with open(os.path.join(d, "docker-compose.yml"), "w") as f:
        f.write("version: '2.4'\nservices:\n  a: {image: busybox, command: 'sh -c \"echo from-a; sleep 60\"', network_mode: none, stop_grace_period: 0s}\n"
                "  b: {image: busybox, command: 'sleep 60', network_mode: none, stop_grace_period: 0s, volumes: ['v:/v']}\nvolumes: {v: {}}\n")
    out = []
    for side, host in SIDES:
        r = sh(host, "cd %s && export COMPOSE_PROJECT_NAME=sgcli%s; C=%s; $C up -d 2>&1 | grep -c done; $C ps -q | wc -l; sleep 0.5; $C logs a 2>&1 | grep -c from-a; $C exec -T a echo in-a; "
                     "$C stop -t 0 >/dev/null 2>&1; $C down -v >/dev/null 2>&1; echo $?; $C ps -q | wc -l" % (d, side, compose), name="compose")
        out.append(r[:2])
    sg.check("docker-compose 1.29: up, ps, logs, exec, stop, down", out[0] == out[1] and b"in-a" in out[0][1], out)
else:
    print("skip - docker-compose is not installed")

guard.close()
shutil.rmtree(tmp, ignore_errors=True)
sg.done()
