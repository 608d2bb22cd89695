#!/usr/bin/env python3
"""Podman: its own client works through a filter, and what reaches the host by its own API, shown on the bare socket, is held. Starts a
`podman system service` of its own. Needs root, podman, and a dockerd that has busybox."""
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import ALLOW_ALL, DOCKER_SOCK, Podman, Sockguard, check, done, preset, request  # noqa: E402

engine = Podman()
work, sock, home, STORE = engine.dir, engine.sock, engine.environment, engine.store
net = os.path.basename(work)   # networks are the whole host's

POLICY = ALLOW_ALL + """
request_body:
  libpod_container_create: {allow_systemd_mode: true}
  image_pull: {allowed_registries: [localhost]}
"""


def api(path, method, target, body=None, headers=()):
    return request(path, method, "/v4.0.0/libpod" + target, body, headers, timeout=120)


def client(*args, text=None):
    return subprocess.run(["podman", "--remote", "--url", "unix://" + guard.sock, *args], env=home, capture_output=True, text=True,
                          timeout=120, input=text)


def works(name, *args, text=None):
    r = client(*args, text=text)
    check("podman " + name, r.returncode == 0, r.stderr)


def refused(name, *args, text=None):
    r = client(*args, text=text)
    check("refused: podman " + name, r.returncode != 0 and "sockguard" in r.stderr, r.stderr)


def the_client():
    works("create", "create", "--name", "c1", "--network", "none", "busybox", "true")
    works("create with a volume and limits", "create", "--name", "c2", "--network", "none", "-v", "vol:/v", "--memory", "64m", "busybox", "true")
    works("inspect", "inspect", "c1")
    works("rm", "rm", "-f", "c1", "c2")
    works("volume create", "volume", "create", "v1")
    works("network create", "network", "create", net)
    works("network rm", "network", "rm", net)
    works("pod create", "pod", "create", "--name", "p1", "--infra=false")
    refused("create -v /etc:/h", "create", "-v", "/etc:/h", "busybox", "true")
    refused("create --privileged", "create", "--privileged", "busybox", "true")
    refused("create --pid host", "create", "--pid", "host", "busybox", "true")
    refused("create --uts host", "create", "--uts", "host", "busybox", "true")
    refused("create --rootfs /", "create", "--rootfs", "/", "true")
    refused("create --device", "create", "--device", "/dev/null:/dev/x", "busybox", "true")
    refused("create --cap-add", "create", "--cap-add", "SYS_ADMIN", "busybox", "true")
    refused("create --security-opt unmask", "create", "--security-opt", "unmask=ALL", "busybox", "true")
    refused("volume create with a directory of the host's", "volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/etc", "v2")
    refused("network create --subnet", "network", "create", "--subnet", "10.99.0.0/24", "n2")
    refused("pod create --network host", "pod", "create", "--network", "host")
    refused("pull from another registry", "pull", "evil.test/x")
    context = tempfile.mkdtemp(dir=work)
    open(context + "/Dockerfile", "w").write("FROM localhost/busybox\nENV a=b\n")
    works("build without RUN", "build", "-t", "i1", context)
    open(context + "/Dockerfile", "w").write("FROM localhost/busybox\nRUN true\n")
    refused("build with RUN", "build", "-t", "i2", context)


KUBE = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: kube1}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: kube2}\n"


def kubernetes():
    works("play kube", "play", "kube", "-", text=KUBE)
    log = guard.wait_log(kube_documents=2)
    check("the log counts the documents that nobody read", log and log[-1]["decision"] == "allow", guard.log()[-1:])
    r = api(guard.sock, "POST", "/play/kube", b"#" * (1024 * 1024 + 1), [("Content-Type", "application/yaml")])
    check("held: Kubernetes YAML over 1 MiB", r and r.status == 413, r and r.body)


def spec(**members):
    return dict({"image": "localhost/busybox:latest", "command": ["true"], "systemd": "false", "netns": {"nsmode": "none"}}, **members)


def attack(name, body, target="/containers/create"):
    bare = api(sock, "POST", target, body)
    if not check("bare: " + name, bare and bare.status == 201, bare and bare.body):
        return
    held = api(guard.sock, "POST", target, body)
    check("held: " + name, held and held.status == 403, held and held.body)


def the_api():
    attack("a mount without a type and with a bind option", spec(mounts=[{"source": "/etc", "destination": "/h", "options": ["rbind"]}]))
    attack("an overlay over a directory of the host's", spec(overlay_volumes=[{"source": "/etc", "destination": "/h"}]))
    attack("a directory of the host's as root file system", {"rootfs": "/", "command": ["true"], "systemd": "false", "netns": {"nsmode": "none"}})
    attack("a namespace named by a file", spec(netns={"nsmode": "path", "value": "/proc/%d/ns/net" % os.getpid()}))
    attack("a runtime's annotation", spec(annotations={"run.oci.keep_original_groups": "1"}))
    attack("a log that is a file of the host's", spec(log_configuration={"driver": "k8s-file", "path": work + "/any-file"}))
    attack("a pod in the host's process namespace",
           {"name": "evil", "no_infra": False, "infra_image": "localhost/busybox:latest", "infra_command": ["sleep", "1"], "pidns": {"nsmode": "host"}, "netns": {"nsmode": "none"}}, "/pods/create")


    # Refused by this Podman too; the filter does not count on it.
    for name, body in (("a tmpfs with a bind option", spec(mounts=[{"type": "tmpfs", "source": "/etc", "destination": "/h", "options": ["rbind"]}])),
                       ("a volume whose name is a path", spec(volumes=[{"Name": "/etc", "Dest": "/h"}]))):
        held = api(guard.sock, "POST", "/containers/create", body)
        check("held: " + name, held and held.status == 403, held and held.body)


HARMLESS, RUNS = b"FROM localhost/busybox\nENV a=b\n", b"FROM localhost/busybox\nRUN echo the attack ran\n"


def context_of(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_", "."))
            info.size = len(text)
            t.addfile(info, io.BytesIO(text))
    return out.getvalue()


def the_preset():
    """podman-readonly: what lists and inspects works, what changes anything does not."""
    for args in (("version",), ("info",), ("ps", "-a"), ("images",), ("volume", "ls"), ("network", "ls"), ("pod", "ps"), ("secret", "ls"), ("inspect", "busybox"),
                 ("volume", "inspect", "v1"), ("pod", "inspect", "p1")):
        works("by the preset: " + " ".join(args), *args)
    for args in (("create", "busybox"), ("rmi", "busybox"), ("volume", "create", "v9"), ("volume", "rm", "v1"), ("pod", "rm", "p1"), ("network", "create", "n9"), ("tag", "busybox", "x"),
                 ("pull", "busybox"), ("save", "-o", work + "/out.tar", "busybox"), ("system", "prune", "-f"), ("play", "kube", "-")):
        refused("by the preset: " + " ".join(args), *args, text=KUBE)


def hidden_dockerfiles():
    tar = [("Content-Type", "application/x-tar")]
    for name, query, body in (
            ("a Containerfile beside the Dockerfile", "", context_of(Dockerfile=HARMLESS, Containerfile=RUNS)),
            ("a Dockerfile that a preprocessor makes", "&dockerfile=a.in", context_of(a_in=b"FROM localhost/busybox\n#define R RUN echo\nR the attack ran\n"))):
        bare = api(sock, "POST", "/build?pull=0&pullpolicy=never" + query, body, tar)
        if name != "a Dockerfile that a preprocessor makes" or shutil.which("cpp"):
            check("bare: " + name, bare and bare.status == 200 and b"the attack ran" in bare.body, bare and bare.body)
        held = api(guard.sock, "POST", "/build?pull=0&pullpolicy=never" + query, body, tar)
        check("held: " + name, held and held.status == 403, held and held.body)
    # On Docker's path the service is the same: a list of names, where Docker sees one name.
    listed = context_of(**{'["evil"]': HARMLESS, "evil": RUNS})
    query = "/v1.41/build?dockerfile=%5B%22evil%22%5D"
    bare = request(sock, "POST", query, listed, tar, timeout=120)
    check("bare: a list of Dockerfiles on Docker's path", bare and bare.status == 200 and b"the attack ran" in bare.body, bare and bare.body)
    held = request(guard.sock, "POST", query, listed, tar)
    check("held: a list of Dockerfiles on Docker's path", held and held.status == 403, held and held.body)
    held = request(guard.sock, "POST", "/v1.41/build?volume=/etc:/h", context_of(Dockerfile=HARMLESS), tar)
    check("held: a volume for a build on Docker's path", held and held.status == 403, held and held.body)
    # Newer ones fetch a URL; this one looks for it in the context.
    held = api(guard.sock, "POST", "/build?dockerfile=http://127.0.0.1/x", context_of(**{"http:__127_0_0_1__x": HARMLESS}), tar)
    check("held: a Dockerfile named by a URL", held and held.status == 403, held and held.body)


def builds():
    out = context_of(A=HARMLESS, B=RUNS)
    tar = [("Content-Type", "application/x-tar")]
    ok = api(guard.sock, "POST", '/build?t=i3&pull=0&pullpolicy=never&dockerfile=["A"]', out, tar)
    check("a build whose Dockerfile is named in a list", ok and ok.status == 200, ok and ok.body)
    for query in ('dockerfile=["A","B"]', 'dockerfile=["A"]&volume=/etc:/h', 'dockerfile=["A"]&securityopt=["seccomp=unconfined"]',
                  'dockerfile=["A"]&nsoptions=[{"Name":"pid","Host":true}]', "dockerfile=A&remote=https://evil.test/x", "dockerfile=A&networkmode=host",
                  "dockerfile=A&outputs=type=local,dest=" + work):
        held = api(guard.sock, "POST", "/build?" + query, out, tar)
        check("held: a build with " + query, held and held.status == 403, held and held.body)


try:
    image = request(DOCKER_SOCK, "GET", "/images/busybox/get", timeout=60).body
    with Sockguard(POLICY.replace("image_pull:", "image_load: {allowed_registries: [docker.io]}\n  image_pull:"), sock) as guard:
        r = api(guard.sock, "POST", "/images/load", image, [("Content-Type", "application/x-tar")])
        if not check("an image is loaded through the filter", r and r.status == 200, r and r.body):
            done()
        the_client()
        the_api()
        builds()
        hidden_dockerfiles()
        kubernetes()
    with Sockguard(preset("podman-readonly", sock), sock) as guard:
        the_preset()
finally:
    engine.close()
done()
