#!/usr/bin/env python3
"""Two tenants share a real dockerd, each behind a filter of its own. Alice makes one of everything; Bob tries every endpoint of the
Docker API on hers, by name, by id and by shortened id. Needs root and dockerd; starts a daemon of its own, swarm included."""
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import ALLOW_ALL, DOCKER_SOCK, Reply, Sockguard, check, done, request, skip  # noqa: E402

POLICY = ALLOW_ALL + """
ownership: {owner: %s, strict: true, allow_unowned_images: true}
request_body:
  container_create: {allow_all_capabilities: true}
  exec: {allow_root_user: true, allowed_commands: [[sleep, "60"], ["true"]]}
  network: {allow_endpoint_config: true, allow_disconnect_force: true, allow_swarm_scope: true, allow_attachable: true}
  service: {allow_all_registries: true, allow_all_capabilities: true}
  image_pull: {allow_all_registries: true}
  node: {allow_availability_change: true, allow_name_change: true, allow_label_mutation: true, allow_role_change: true}
  container_archive: {allowed_paths: [/]}
  container_update: {allow_resource_updates: true}
"""

if os.geteuid() != 0 or not shutil.which("dockerd") or not DOCKER_SOCK:
    skip("needs root, dockerd and a daemon that has busybox")

work = tempfile.mkdtemp(prefix="sgt-")
sock = os.path.join(work, "d.sock")
log = open(os.path.join(work, "log"), "wb")
daemon = subprocess.Popen(["dockerd", "--data-root", work + "/data", "--exec-root", work + "/exec", "-H", "unix://" + sock, "--pidfile",
                           work + "/pid", "--bridge=none", "--iptables=false", "--ip6tables=false"], stdout=log, stderr=log)


def finish():
    """Leaves no bridge behind: the next daemon would find its addresses taken."""
    if daemon.poll() is None and os.path.exists(sock):
        root("POST", "/swarm/leave?force=1")
        for c in json.loads((root("GET", "/containers/json?all=1") or Reply(0, [], b"[]", b"")).body):
            root("DELETE", "/containers/%s?force=1&v=1" % c["Id"])
        for n in json.loads((root("GET", "/networks") or Reply(0, [], b"[]", b"")).body):
            if n["Driver"] == "bridge":
                root("DELETE", "/networks/" + n["Id"])
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    for line in reversed(open("/proc/mounts").read().splitlines()):
        if line.split()[1].startswith(work):
            subprocess.run(["umount", "-l", line.split()[1]], check=False)
    shutil.rmtree(work, ignore_errors=True)


def root(method, target, body=None, headers=()):
    """A request past every filter."""
    return request(sock, method, target, body, headers, timeout=60)


def main():
    for _ in range(300):
        if daemon.poll() is not None:
            skip("dockerd does not start here")
        if os.path.exists(sock) and (r := request(sock, "GET", "/_ping")) and r.status == 200:
            break
        time.sleep(0.1)
    else:
        skip("dockerd does not start here")
    tar = request(DOCKER_SOCK, "GET", "/images/busybox/get", timeout=60).body
    root("POST", "/images/load", tar, [("Content-Type", "application/x-tar")])
    swarm = root("POST", "/swarm/init", {"ListenAddr": "127.0.0.1:23779", "AdvertiseAddr": "127.0.0.1:23779"}).status == 200

    with Sockguard(POLICY % "alice", sock) as alice, Sockguard(POLICY % "bob", sock) as bob:
        play(alice, bob, swarm)


def make(who, name, swarm):
    """One of everything, through the owner's own filter. What it is called and its id, by kind."""
    made = {}

    def create(kind, method, target, body=None, key="Id", **kw):
        r = request(who.sock, method, target, body, **kw)
        if not r or r.status not in (200, 201):
            raise RuntimeError("%s cannot make a %s: %s %s" % (name, kind, r and r.status, r and r.body))
        made[kind] = json.loads(r.body)[key]

    create("network", "POST", "/networks/create", {"Name": name + "-net"})
    create("volume", "POST", "/volumes/create", {"Name": name + "-vol"}, key="Name")
    create("container", "POST", "/containers/create?name=%s-box" % name, {
        "Image": "busybox", "Cmd": ["sleep", "600"], "Labels": {"com.sockguard.owner": "mallory"},
        "HostConfig": {"NetworkMode": name + "-net", "Binds": [name + "-vol:/data"]}})
    r = request(who.sock, "POST", "/containers/%s-box/start" % name)
    check("%s starts a container with a volume and a network of %s's" % (name, name), r.status == 204, r.body)
    create("exec", "POST", "/containers/%s-box/exec" % name, {"Cmd": ["sleep", "60"]})
    create("image", "POST", "/commit?container=%s-box&repo=%s-img&tag=1" % (name, name), {})
    if swarm:
        create("secret", "POST", "/secrets/create", {"Name": name + "-secret", "Data": "c2VjcmV0"}, key="ID")
        create("config", "POST", "/configs/create", {"Name": name + "-config", "Data": "Y29uZmln"}, key="ID")
        create("service", "POST", "/services/create", {"Name": name + "-svc", "TaskTemplate": {"ContainerSpec": {
            "Image": "busybox:latest", "Command": ["sleep", "600"]}}, "Mode": {"Replicated": {"Replicas": 1}}}, key="ID")
    return made


def context(dockerfile):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        t.addfile(info, io.BytesIO(dockerfile))
    return out.getvalue()


# Every endpoint that takes somebody's resource: kind, method, target, body. {} is how the resource is called.
TRIES = [
    ("container", "GET", "/containers/{}/json"), ("container", "GET", "/containers/{}/top"), ("container", "GET", "/containers/{}/logs?stdout=1"),
    ("container", "GET", "/containers/{}/changes"), ("container", "GET", "/containers/{}/export"), ("container", "GET", "/containers/{}/stats?stream=0"),
    ("container", "POST", "/containers/{}/resize?h=1&w=1"), ("container", "POST", "/containers/{}/start"), ("container", "POST", "/containers/{}/stop?t=0"),
    ("container", "POST", "/containers/{}/restart?t=0"), ("container", "POST", "/containers/{}/kill"), ("container", "POST", "/containers/{}/update", {"CpuShares": 2}),
    ("container", "POST", "/containers/{}/rename?name=stolen"), ("container", "POST", "/containers/{}/pause"), ("container", "POST", "/containers/{}/unpause"),
    ("container", "POST", "/containers/{}/attach?stream=1&stdout=1"), ("container", "GET", "/containers/{}/attach/ws?stream=1"),
    ("container", "POST", "/containers/{}/wait"), ("container", "DELETE", "/containers/{}?force=1&v=1"), ("container", "HEAD", "/containers/{}/archive?path=/etc"),
    ("container", "GET", "/containers/{}/archive?path=/etc"), ("container", "PUT", "/containers/{}/archive?path=/", b"\0" * 1024),
    ("container", "POST", "/containers/{}/exec", {"Cmd": ["true"]}), ("container", "POST", "/commit?container={}&repo=stolen", {}),
    ("container", "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"NetworkMode": "container:{}"}}),
    ("container", "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"PidMode": "container:{}"}}),
    ("container", "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"IpcMode": "container:{}"}}),
    ("container", "POST", "/containers/create", {"image": "busybox", "hostconfig": {"links": ["{}:x"]}}),
    ("container", "POST", "/networks/bob-net/connect", {"Container": "{}"}), ("container", "POST", "/networks/bob-net/disconnect", {"Container": "{}", "Force": True}),
    ("container", "POST", "/build?networkmode=container:{}&labels=null", context(b"FROM busybox\n")),
    ("image", "POST", "/build?t={}", context(b"FROM busybox\n")), ("image", "POST", "/build", lambda name: context(b"FROM " + name + b"\n")),
    ("image", "POST", "/build", lambda name: context(b"FROM busybox\nCOPY --from=" + name + b" /etc /x\n")),
    ("image", "POST", "/build?cachefrom=%5B%22{}%22%5D", context(b"FROM busybox\n")), ("network", "POST", "/build?networkmode={}", context(b"FROM busybox\n")),
    ("exec", "GET", "/exec/{}/json"), ("exec", "POST", "/exec/{}/start", {"Detach": True}), ("exec", "POST", "/exec/{}/resize?h=1&w=1"),
    ("network", "GET", "/networks/{}"), ("network", "DELETE", "/networks/{}"), ("network", "POST", "/networks/{}/connect", {"Container": "bob-box"}),
    ("network", "POST", "/networks/{}/disconnect", {"Container": "bob-box"}),
    ("network", "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"NetworkMode": "{}"}}),
    ("network", "POST", "/containers/create", {"Image": "busybox", "NetworkingConfig": {"EndpointsConfig": {"{}": {}}}}),
    ("network", "POST", "/containers/create", {"Image": "busybox", "NetworkingConfig": {"EndpointsConfig": {"bridge": {"NetworkID": "{}"}}}}),
    ("volume", "GET", "/volumes/{}"), ("volume", "DELETE", "/volumes/{}?force=1"), ("volume", "PUT", "/volumes/{}?version=1", {}),
    ("volume", "POST", "/volumes/create", {"Name": "{}"}),
    ("volume", "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"Binds": ["{}:/x"]}}),
    ("volume", "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"Mounts": [{"Type": "volume", "Source": "{}", "Target": "/x"}]}}),
    ("image", "GET", "/images/{}/json"), ("image", "GET", "/images/{}/history"), ("image", "POST", "/images/{}/tag?repo=bob-img&tag=2"),
    ("image", "DELETE", "/images/{}"), ("image", "GET", "/images/{}/get"), ("image", "GET", "/images/get?names={}"),
    ("image", "GET", "/images/get?names=busybox&names={}"), ("image", "POST", "/images/{}/push"), ("image", "GET", "/images/{}/attestations"),
    ("image", "POST", "/containers/create", {"Image": "{}"}),
    ("secret", "GET", "/secrets/{}"), ("secret", "DELETE", "/secrets/{}"), ("secret", "POST", "/secrets/{}/update?version=1", {"Name": "x"}),
    ("config", "GET", "/configs/{}"), ("config", "DELETE", "/configs/{}"), ("config", "POST", "/configs/{}/update?version=1", {"Name": "x"}),
    ("service", "GET", "/services/{}"), ("service", "DELETE", "/services/{}"), ("service", "GET", "/services/{}/logs?stdout=1"),
    ("service", "POST", "/services/{}/update?version=1", {"Name": "alice-svc"}), ("task", "GET", "/tasks/{}"), ("task", "GET", "/tasks/{}/logs?stdout=1"),
    ("secret", "POST", "/services/create", {"Name": "x", "TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Secrets": [{"SecretID": "{}", "SecretName": "n", "File": {"Name": "f", "UID": "0", "GID": "0", "Mode": 292}}]}}}),
    ("config", "POST", "/services/create", {"Name": "x", "TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Configs": [{"ConfigID": "{}", "ConfigName": "n", "File": {"Name": "f", "UID": "0", "GID": "0", "Mode": 292}}]}}}),
    ("network", "POST", "/services/create", {"Name": "x", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}, "Networks": [{"Target": "{}"}]}}),
    ("network", "POST", "/services/create", {"Name": "x", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}}, "Networks": [{"Target": "{}"}]}),
    ("volume", "POST", "/services/create", {"Name": "x", "TaskTemplate": {"ContainerSpec": {"Image": "busybox", "Mounts": [{"Type": "volume", "Source": "{}", "Target": "/x"}]}}}),
    ("image", "POST", "/services/create", {"Name": "x", "TaskTemplate": {"ContainerSpec": {"Image": "{}"}}}),
]

# Calls that are nobody's or everybody's: refused whole.
SHARED = [
    ("POST", "/build/prune"), ("GET", "/system/df"), ("POST", "/swarm/init"), ("POST", "/swarm/join"), ("POST", "/swarm/leave?force=1"), ("GET", "/swarm"),
    ("GET", "/swarm/unlockkey"), ("POST", "/swarm/unlock"), ("GET", "/plugins"), ("POST", "/plugins/x/enable"), ("DELETE", "/plugins/x"),
    ("GET", "/plugins/privileges?remote=x"), ("GET", "/distribution/busybox/json"), ("POST", "/grpc"),
]

LISTS = ["/containers/json?all=1", "/images/json?all=1", "/networks", "/volumes", "/services", "/tasks", "/secrets", "/configs"]

# The same lists, with what a client could say to see more.
EVASIONS = ['{"label":["com.sockguard.owner=alice"]}', '{"label":{"com.sockguard.owner=alice":true}}', '{"LABEL":["x"],"label":[]}', "null",
            '{"label":["com.sockguard.owner"]}', '{"label":{"com.sockguard.owner=alice":false},"label":{}}']

PRUNES = ["/containers/prune", "/networks/prune", "/volumes/prune", "/images/prune"]


def quote(s):
    return "".join(c if c.isalnum() or c in "-_.~" else "%%%02X" % b for c in s for b in c.encode())


def put(value, name):
    if isinstance(value, str):
        return value.replace("{}", name)
    if isinstance(value, list):
        return [put(v, name) for v in value]
    if isinstance(value, dict):
        return {put(k, name): put(v, name) for k, v in value.items()}
    return value


def play(alice, bob, swarm):
    hers = make(alice, "alice", swarm)
    his = make(bob, "bob", swarm)
    names = {"network": "alice-net", "volume": "alice-vol", "container": "alice-box", "image": "alice-img:1", "secret": "alice-secret",
             "config": "alice-config", "service": "alice-svc"}
    if swarm:
        for _ in range(100):
            tasks = json.loads(root("GET", "/tasks?filters=" + quote('{"service":["alice-svc"]}')).body)
            if tasks:
                hers["task"] = tasks[0]["ID"]
                break
            time.sleep(0.1)
    before = snapshot()

    # Nothing that names a resource of hers goes through, however it is spelled.
    tried, leaks = 0, []
    for kind, method, target, *body in TRIES:
        if kind not in hers:
            continue
        spellings = {hers[kind], names.get(kind, hers[kind])}
        if kind in ("container", "network", "image"):
            spellings.add(hers[kind][:12] if not hers[kind].startswith("sha256:") else hers[kind][7:19])
        for spelling in sorted(spellings):
            for version in ("", "/v1.41"):
                data = put(body[0], spelling) if body else None
                data = data(spelling.encode()) if callable(data) else data
                headers = [("Content-Type", "application/x-tar")] if isinstance(data, bytes) else []
                r = request(bob.sock, method, version + target.replace("{}", spelling), data, headers, timeout=10)
                tried += 1
                if not r or r.status not in (403, 400) or (method != "HEAD" and b'"message"' not in r.body):
                    leaks.append("%s %s %s: %s %s" % (method, target, spelling, r and r.status, r and r.body[:200]))
                if r and any(n.encode() in r.body for n in names.values()):
                    leaks.append("%s %s: the denial names what it protects: %s" % (method, target, r.body[:200]))
    check("none of %d requests by Bob that name something of Alice's goes through" % tried, not leaks, "\n".join(leaks[:20]))
    codes = {d["reason_code"]: (d.get("method"), d.get("path"), d.get("reason")) for d in bob.wait_log(tried, decision="deny")}
    check("they were refused for their owner, not for another reason", set(codes) == {"owner_policy_denied_access"}, codes)

    r = request(bob.sock, "POST", "/build", context(b"ARG B=alice-img:1\nFROM $B\n"), [("Content-Type", "application/x-tar")])
    check("nor does a build that names her image by a variable", r and r.status == 403, r and r.body)
    r = request(bob.sock, "POST", "/build?t=bob-built", context(b"FROM busybox\nCMD true\n"), [("Content-Type", "application/x-tar")], timeout=60)
    got = root("GET", "/images/bob-built/json")
    check("a build of his own carries his label", r and r.status == 200 and got.status == 200 and
          got.json()["Config"]["Labels"].get("com.sockguard.owner") == "bob", r and (r.body, got.body))

    leaks = ["%s %s: %s" % (m, t, r and r.status) for m, t in SHARED for r in [request(bob.sock, m, t, b"" if m == "POST" else None)]
             if not r or r.status not in (403, 502)]
    check("calls that reach into everybody's things are refused", not leaks, "\n".join(leaks))

    # Lists show only what is his, whatever the filter says.
    leaks, seen = [], ""
    for target in LISTS + ["/nodes"]:
        if not swarm and target in ("/services", "/tasks", "/secrets", "/configs", "/nodes"):
            continue
        for evasion in [None] + EVASIONS:
            sep = "&" if "?" in target else "?"
            r = request(bob.sock, "GET", target + (sep + "filters=" + quote(evasion) if evasion else ""))
            if not r or (r.status != 200 and not evasion):
                leaks.append("%s: %s" % (target, r and (r.status, r.body)))
                continue
            text = r.body.decode()
            seen += text if not evasion else ""
            leaks += ["%s %s shows %s" % (target, evasion, w) for w in list(hers.values()) + list(names.values()) if w and w in text]
            if target == "/nodes" and r.status == 200 and json.loads(text):
                leaks.append("/nodes shows a node nobody gave him")
    check("lists show nothing of hers", not leaks, "\n".join(leaks[:20]))
    mine = [v for k, v in his.items() if k not in ("exec",)]
    check("and all that is his", all(v in seen for v in mine), [v for v in mine if v not in seen])

    # Events: what she does while he listens.
    since = time.time() - 1
    request(alice.sock, "POST", "/containers/alice-box/exec", {"Cmd": ["true"]})
    request(alice.sock, "POST", "/containers/alice-box/pause")
    request(alice.sock, "POST", "/containers/alice-box/unpause")
    request(alice.sock, "POST", "/networks/alice-net/disconnect", {"Container": "alice-box"})
    request(alice.sock, "POST", "/networks/alice-net/connect", {"Container": "alice-box"})
    request(bob.sock, "POST", "/containers/bob-box/pause")
    request(bob.sock, "POST", "/containers/bob-box/unpause")
    window = "/events?since=%.3f&until=%.3f" % (since, time.time() + 1)
    events = request(bob.sock, "GET", window, timeout=20).body.decode()
    check("Bob hears his own events", "bob-box" in events, events[:500])
    check("and none of hers", not any(w in events for w in list(hers.values()) + list(names.values())), events[:800])
    for evasion in EVASIONS:
        r = request(bob.sock, "GET", window + "&filters=" + quote(evasion), timeout=20)
        check("nor with filters=%s" % evasion, r and not any(w in r.body.decode() for w in list(hers.values()) + list(names.values())), r and r.body[:500])

    # Prunes: hers stay, even what is unused.
    request(alice.sock, "POST", "/volumes/create", {"Name": "alice-idle"})
    request(alice.sock, "POST", "/networks/create", {"Name": "alice-idle-net"})
    request(alice.sock, "POST", "/containers/create?name=alice-idle-box", {"Image": "busybox", "Cmd": ["true"]})
    request(bob.sock, "POST", "/volumes/create", {"Name": "bob-idle"})
    for target in PRUNES:
        for evasion in [None] + EVASIONS + ['{"dangling":["false"]}', '{"label!":["x"]}']:
            request(bob.sock, "POST", target + ("?filters=" + quote(evasion) if evasion else ""), b"", timeout=30)
        r = request(bob.sock, "POST", target, b"filters=%7B%7D", [("Content-Type", "application/x-www-form-urlencoded")])
        check("a form body that would override the filter is refused at %s" % target, r and r.status == 403, r and r.status)
    left = snapshot()
    check("his prunes leave hers", {"alice-idle", "alice-vol"} <= left["volumes"] and {"alice-net", "alice-idle-net"} <= left["networks"] and
          {"/alice-box", "/alice-idle-box"} <= set(left["containers"]) and "alice-img:1" in left["images"], left)
    check("and take his", "bob-idle" not in left["volumes"], left["volumes"])

    # After all that, hers are as they were, and still hers to use.
    for k in ("alice-idle", ):
        root("DELETE", "/volumes/" + k)
    same = {k: {x: v for x, v in before["containers"].items() if "alice" in x} for k in ("containers",)}
    check("her container runs as before", left["containers"].get("/alice-box") == same["containers"].get("/alice-box"), left["containers"])
    check("nothing was made in her name or under a stolen one", not any("stolen" in x for x in list(left["containers"]) + list(left["images"])), left)
    r = request(alice.sock, "GET", "/containers/alice-box/json")
    check("Alice still inspects her container, labelled with her name whatever she wrote",
          r.status == 200 and r.json()["Config"]["Labels"]["com.sockguard.owner"] == "alice", r and r.body[:300])
    check("and Alice's exec instance still is hers", request(alice.sock, "GET", "/exec/%s/json" % hers["exec"]).status == 200)
    r = request(alice.sock, "DELETE", "/containers/alice-box?force=1")
    check("and Alice removes it", r.status == 204, r.body)
    if swarm:
        spec = json.loads(root("GET", "/services/" + hers["service"]).body)["Spec"]
        check("the service and its containers carry her label", spec["Labels"].get("com.sockguard.owner") == "alice" and
              spec["TaskTemplate"]["ContainerSpec"]["Labels"].get("com.sockguard.owner") == "alice", spec)
        root("DELETE", "/services/" + hers["service"])
        root("DELETE", "/services/" + his["service"])
    for c in json.loads(root("GET", "/containers/json?all=1").body):
        root("DELETE", "/containers/%s?force=1&v=1" % c["Id"])


def snapshot():
    containers = json.loads(root("GET", "/containers/json?all=1").body)
    return {
        "containers": {c["Names"][0]: (c["Id"], c["State"], sorted(c["NetworkSettings"]["Networks"])) for c in containers if c["Names"]},
        "volumes": {v["Name"] for v in json.loads(root("GET", "/volumes").body)["Volumes"] or []},
        "networks": {n["Name"] for n in json.loads(root("GET", "/networks").body)},
        "images": {t for i in json.loads(root("GET", "/images/json").body) for t in i["RepoTags"] or []},
    }


try:
    main()
finally:
    finish()
done()
