"""What two tenants of one daemon try on each other, and the catalogue of the Docker Engine API 1.41 by which it is complete. The tests
tenants*.py play it through listeners of different kinds. Python standard library only."""
import io
import json
import re
import tarfile
import time

from sg import ALLOW_ALL, check, request

LABEL = "com.sockguard.owner"

POLICY = ALLOW_ALL + """
ownership: {owner: %s, strict: true, allow_unowned_images: true}
request_body:
  container_create: {allow_all_capabilities: true}
  exec: {allow_root_user: true, allowed_commands: [[sleep, "60"], ["true"]]}
  network: {allow_config_from: true, allow_endpoint_config: true, allow_disconnect_force: true, allow_swarm_scope: true, allow_attachable: true}
  service: {allow_credential_spec: true, allow_all_registries: true, allow_all_capabilities: true}
  image_pull: {allow_all_registries: true, allow_imports: true}
  node: {allow_availability_change: true, allow_name_change: true, allow_label_mutation: true, allow_role_change: true}
  container_archive: {allowed_paths: [/]}
  container_update: {allow_resource_updates: true}
"""

# Every operation of the API 1.41, in the order of its description.
CATALOGUE = """
GET /containers/json, POST /containers/create, GET /containers/{}/json, GET /containers/{}/top, GET /containers/{}/logs,
GET /containers/{}/changes, GET /containers/{}/export, GET /containers/{}/stats, POST /containers/{}/resize, POST /containers/{}/start,
POST /containers/{}/stop, POST /containers/{}/restart, POST /containers/{}/kill, POST /containers/{}/update, POST /containers/{}/rename,
POST /containers/{}/pause, POST /containers/{}/unpause, POST /containers/{}/attach, GET /containers/{}/attach/ws, POST /containers/{}/wait,
DELETE /containers/{}, HEAD /containers/{}/archive, GET /containers/{}/archive, PUT /containers/{}/archive, POST /containers/prune,
GET /images/json, POST /build, POST /build/prune, POST /images/create, GET /images/{}/json, GET /images/{}/history, POST /images/{}/push,
POST /images/{}/tag, DELETE /images/{}, GET /images/search, POST /images/prune, POST /auth, GET /info, GET /version, GET /_ping, HEAD /_ping,
POST /commit, GET /events, GET /system/df, GET /images/{}/get, GET /images/get, POST /images/load, POST /containers/{}/exec,
POST /exec/{}/start, POST /exec/{}/resize, GET /exec/{}/json, GET /volumes, POST /volumes/create, GET /volumes/{}, DELETE /volumes/{},
POST /volumes/prune, GET /networks, GET /networks/{}, DELETE /networks/{}, POST /networks/create, POST /networks/{}/connect,
POST /networks/{}/disconnect, POST /networks/prune, GET /plugins, GET /plugins/privileges, POST /plugins/pull, GET /plugins/{}/json,
DELETE /plugins/{}, POST /plugins/{}/enable, POST /plugins/{}/disable, POST /plugins/{}/upgrade, POST /plugins/create, POST /plugins/{}/push,
POST /plugins/{}/set, GET /nodes, GET /nodes/{}, DELETE /nodes/{}, POST /nodes/{}/update, GET /swarm, POST /swarm/init, POST /swarm/join,
POST /swarm/leave, POST /swarm/update, GET /swarm/unlockkey, POST /swarm/unlock, GET /services, POST /services/create, GET /services/{},
DELETE /services/{}, POST /services/{}/update, GET /services/{}/logs, GET /tasks, GET /tasks/{}, GET /tasks/{}/logs, GET /secrets,
POST /secrets/create, GET /secrets/{}, DELETE /secrets/{}, POST /secrets/{}/update, GET /configs, POST /configs/create, GET /configs/{},
DELETE /configs/{}, POST /configs/{}/update, GET /distribution/{}/json, POST /session
"""
OPERATIONS = [tuple(x.split(" ")) for x in " ".join(CATALOGUE.split()).split(", ")]


def operation(method, target):
    """The row of the catalogue that a request falls under: literal paths first, as the daemon's router does."""
    path = re.sub(r"^/v[0-9.]+(?=/)", "", target.partition("?")[0])
    for op in sorted(OPERATIONS, key=lambda o: ("{}" in o[1], -len(o[1]))):
        if op[0] == method and re.fullmatch(re.escape(op[1]).replace(r"\{\}", ".+"), path):
            return op
    return None


class Tenant:
    """Somebody behind a socket of his own. `log` gives the access records so far."""

    def __init__(self, name, sock, log):
        self.name, self.sock, self.log, self.tried = name, sock, log, set()

    def ask(self, method, target, body=None, headers=(), timeout=15):
        self.tried.add(operation(method, target))
        return request(self.sock, method, target, body, headers, timeout)

    def denials(self, n, timeout=10):
        end = time.monotonic() + timeout
        while True:
            got = [d for d in self.log() if d.get("decision") == "deny"]
            if len(got) >= n or time.monotonic() > end:
                return got
            time.sleep(0.05)


def make(who, swarm):
    """One of everything, through the owner's own filter. By kind: how it can be called, names and ids."""
    name, made = who.name, {}

    def create(kind, names, method, target, body=None, key="Id", **kw):
        r = who.ask(method, target, body, timeout=60, **kw)
        if not r or r.status not in (200, 201):
            raise RuntimeError("%s cannot make a %s: %s %s" % (name, kind, r and r.status, r and r.body))
        made[kind] = names + [json.loads(r.body)[key]]

    create("network", [name + "-net"], "POST", "/networks/create", {"Name": name + "-net"})
    create("slashed", [name + "/net"], "POST", "/networks/create", {"Name": name + "/net", "Internal": True})
    create("volume", [], "POST", "/volumes/create", {"Name": name + "-vol"}, key="Name")
    create("container", [name + "-box"], "POST", "/containers/create?name=%s-box" % name, {
        "Image": "busybox", "Cmd": ["sleep", "600"], "Labels": {LABEL: "mallory"},
        "HostConfig": {"NetworkMode": name + "-net", "Binds": [name + "-vol:/data"]}})
    create("linker", [], "POST", "/containers/create?name=%s-linker" % name, {
        "Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": {"Links": [name + "-box:al"]}})
    made["alias"] = [name + "-linker/al"]  # a legacy link gives the container this name, too
    r = who.ask("POST", "/containers/%s-box/start" % name)
    check("%s starts a container with a volume and a network of %s's" % (name, name), r and r.status == 204, r and r.body)
    create("exec", [], "POST", "/containers/%s-box/exec" % name, {"Cmd": ["sleep", "60"]})
    create("image", [name + "-img:1"], "POST", "/commit?container=%s-box&repo=%s-img&tag=1" % (name, name), {})
    made["repository"] = [name + "-img", "docker.io/library/%s-img" % name]  # has no tag `latest`
    if name == "alice":
        route_names(who)
    if swarm:
        create("secret", [name + "-secret"], "POST", "/secrets/create", {"Name": name + "-secret", "Data": "c2VjcmV0"}, key="ID")
        create("config", [name + "-config"], "POST", "/configs/create", {"Name": name + "-config", "Data": "Y29uZmln"}, key="ID")
        create("service", [name + "-svc"], "POST", "/services/create", {"Name": name + "-svc", "TaskTemplate": {"ContainerSpec": {
            "Image": "busybox:latest", "Command": ["sleep", "600"]}}, "Mode": {"Replicated": {"Replicas": 1}}}, key="ID")
    for kind in ("container", "network", "image"):
        number = made[kind][-1].split(":")[-1]
        made[kind] += [number[:12]] + ([number] if number != made[kind][-1] else [])
    return made


def route_names(who):
    """Things that are called like calls of the API."""
    for n in ("json", "create", "prune"):
        who.ask("POST", "/containers/create?name=" + n, {"Image": "busybox", "Cmd": ["sleep", "600"]})
        who.ask("POST", "/volumes/create", {"Name": n})
        who.ask("POST", "/networks/create", {"Name": n, "Internal": True})
        who.ask("POST", "/commit?container=%s-box&repo=%s" % (who.name, n), {}, timeout=60)


ROUTES = [("POST", "/containers/json/stop"), ("POST", "/containers/create/start"), ("GET", "/containers/prune/json"), ("GET", "/containers/json/export"),
          ("DELETE", "/containers/json"), ("DELETE", "/containers/create?force=1"), ("DELETE", "/containers/prune"), ("GET", "/volumes/create"),
          ("DELETE", "/volumes/prune"), ("GET", "/volumes/prune"), ("DELETE", "/volumes/create"), ("GET", "/networks/create"), ("GET", "/networks/prune"),
          ("DELETE", "/networks/prune"), ("DELETE", "/networks/create"), ("GET", "/images/json/json"), ("GET", "/images/prune/get"), ("DELETE", "/images/json"),
          ("DELETE", "/images/prune"), ("DELETE", "/images/create?force=1"), ("GET", "/images/create/history")]


def context(dockerfile):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        t.addfile(info, io.BytesIO(dockerfile))
    return out.getvalue()


def mounted(kind, value):
    return {"Image": "busybox", "HostConfig": {"Mounts": [{"Type": kind, "Source": value, "Target": "/x"}]}}


def service(spec=None, task=None, **more):
    return dict({"Name": "x", "TaskTemplate": dict({"ContainerSpec": dict({"Image": "busybox"}, **(spec or {}))}, **(task or {}))}, **more)


def file_reference(kind):
    return {kind + "s": [{kind + "ID": "{}", kind + "Name": "n", "File": {"Name": "f", "UID": "0", "GID": "0", "Mode": 292}}]}


# Every operation that takes somebody's resource: kind, method, target, body. {} is how the resource is called.
TRIES = [
    *[(kind, "GET", "/containers/{}/" + call) for kind in ("container", "alias") for call in (
        "json", "top", "logs?stdout=1", "changes", "export", "stats?stream=0", "attach/ws?stream=1", "archive?path=/etc")],
    *[(kind, "POST", "/containers/{}/" + call) for kind in ("container", "alias") for call in (
        "resize?h=1&w=1", "start", "stop?t=0", "restart?t=0", "kill", "rename?name=stolen", "pause", "unpause", "attach?stream=1&stdout=1", "wait")],
    ("container", "DELETE", "/containers/{}?force=1&v=1"), ("container", "HEAD", "/containers/{}/archive?path=/etc"),
    ("alias", "DELETE", "/containers/{}?link=1"), ("linker", "DELETE", "/containers/{}?force=1"),
    ("container", "PUT", "/containers/{}/archive?path=/", b"\0" * 1024), ("container", "POST", "/containers/{}/update", {"CpuShares": 2}),
    ("container", "POST", "/containers/{}/exec", {"Cmd": ["true"]}), ("alias", "POST", "/containers/{}/exec", {"Cmd": ["true"]}),
    ("container", "POST", "/containers/{}/copy", {"Resource": "/etc"}), ("container", "POST", "/commit?container={}&repo=stolen", {}),
    ("container", "POST", "/commit?container=bob-box&container={}&repo=stolen", {}), ("container", "POST", "/commit?Container={}&repo=stolen", {}),
    *[("container", "POST", "/containers/create", {"Image": "busybox", "HostConfig": {mode: "container:{}"}}) for mode in ("NetworkMode", "PidMode", "IpcMode")],
    ("container", "POST", "/containers/create", {"image": "busybox", "hostconfig": {"links": ["{}:x"]}}),
    ("container", "POST", "/containers/create", {"Image": "busybox", "NetworkingConfig": {"EndpointsConfig": {"bob-net": {"Links": ["{}:x"]}}}}),
    ("container", "POST", "/networks/bob-net/connect", {"Container": "{}"}), ("container", "POST", "/networks/bob/net/connect", {"Container": "{}"}),
    ("container", "POST", "/networks/bob-net/disconnect", {"Container": "{}", "Force": True}),
    ("container", "POST", "/build?networkmode=container:{}&labels=null", context(b"FROM busybox\n")),
    ("exec", "GET", "/exec/{}/json"), ("exec", "POST", "/exec/{}/start", {"Detach": True}), ("exec", "POST", "/exec/{}/resize?h=1&w=1"),
    *[(kind, method, "/networks/{}" + more, *body) for kind in ("network", "slashed") for method, more, *body in (
        ("GET", ""), ("GET", "?scope=local&verbose=1"), ("DELETE", ""), ("POST", "/connect", {"Container": "bob-box"}), ("POST", "/disconnect", {"Container": "bob-box"}))],
    *[(kind, "POST", "/containers/create", {"Image": "busybox", **more}) for kind in ("network", "slashed") for more in (
        {"HostConfig": {"NetworkMode": "{}"}}, {"NetworkingConfig": {"EndpointsConfig": {"{}": {}}}},
        {"NetworkingConfig": {"EndpointsConfig": {"bridge": {"NetworkID": "{}"}}}})],
    ("network", "POST", "/networks/create", {"Name": "x", "ConfigFrom": {"Network": "{}"}}), ("network", "POST", "/build?networkmode={}", context(b"FROM busybox\n")),
    ("volume", "GET", "/volumes/{}"), ("volume", "DELETE", "/volumes/{}?force=1"), ("volume", "PUT", "/volumes/{}?version=1", {}),
    ("volume", "POST", "/volumes/create", {"Name": "{}"}), ("volume", "POST", "/containers/create", mounted("volume", "{}")),
    ("volume", "POST", "/containers/create", {"Image": "busybox", "HostConfig": {"Binds": ["{}:/x"]}}),
    ("image", "GET", "/images/{}/json"), ("image", "GET", "/images/{}/history"), ("image", "POST", "/images/{}/tag?repo=bob-img&tag=2"),
    ("image", "DELETE", "/images/{}"), ("image", "GET", "/images/{}/get"), ("image", "GET", "/images/get?names={}"),
    ("image", "GET", "/images/get?names=busybox&names={}"), ("image", "POST", "/images/{}/push"), ("image", "GET", "/images/{}/attestations"),
    ("image", "POST", "/containers/create", {"Image": "{}"}), ("image", "POST", "/build?t={}", context(b"FROM busybox\n")),
    ("image", "POST", "/build", lambda name: context(b"FROM " + name + b"\n")),
    ("image", "POST", "/build", lambda name: context(b"FROM busybox\nCOPY --from=" + name + b" /etc /x\n")),
    ("image", "POST", "/build?cachefrom=%5B%22{}%22%5D", context(b"FROM busybox\n")),
    ("repository", "GET", "/images/{}/get"), ("repository", "GET", "/images/get?names={}"), ("repository", "POST", "/images/{}/push"),
    ("repository", "POST", "/images/{}/push?tag=1"), ("repository", "POST", "/images/{}:2/push?tag=1"), ("repository", "POST", "/images/create?fromImage={}"),
    ("repository", "POST", "/images/create?fromImage={}&tag=1"), ("repository", "POST", "/commit?container=bob-box&repo={}&tag=1", {}),
    ("repository", "POST", "/images/busybox/tag?repo={}&tag=1"),
    ("secret", "GET", "/secrets/{}"), ("secret", "DELETE", "/secrets/{}"), ("secret", "POST", "/secrets/{}/update?version=1", {"Name": "x"}),
    ("config", "GET", "/configs/{}"), ("config", "DELETE", "/configs/{}"), ("config", "POST", "/configs/{}/update?version=1", {"Name": "x"}),
    ("service", "GET", "/services/{}"), ("service", "DELETE", "/services/{}"), ("service", "GET", "/services/{}/logs?stdout=1"),
    ("service", "POST", "/services/{}/update?version=1", {"Name": "alice-svc"}), ("service", "POST", "/services/{}/update?version=1&rollback=previous", {"Name": "alice-svc"}),
    ("task", "GET", "/tasks/{}"), ("task", "GET", "/tasks/{}/logs?stdout=1"),
    *[(kind, "POST", path, body) for path in ("/services/create", "/services/bob-svc/update?version=1") for kind, body in (
        ("secret", service(file_reference("Secret"))), ("config", service(file_reference("Config"))), ("image", service({"Image": "{}"})),
        ("network", service(task={"Networks": [{"Target": "{}"}]})), ("network", service(Networks=[{"Target": "{}"}])),
        ("slashed", service(task={"Networks": [{"Target": "{}"}]})),
        ("volume", service({"Mounts": [{"Type": "volume", "Source": "{}", "Target": "/x"}]})),
        ("config", service({"Privileges": {"CredentialSpec": {"Config": "{}"}}})))],
]

# Calls that are nobody's or everybody's: refused whole.
SHARED = [
    ("POST", "/build/prune"), ("GET", "/system/df"), ("POST", "/swarm/init", {}), ("POST", "/swarm/join", {}), ("POST", "/swarm/leave?force=1"), ("GET", "/swarm"),
    ("POST", "/swarm/update?version=1", {"Name": "x"}), ("GET", "/swarm/unlockkey"), ("POST", "/swarm/unlock", {"UnlockKey": "x"}), ("GET", "/plugins"),
    ("POST", "/plugins/x/enable"), ("POST", "/plugins/x/y:1/disable"), ("DELETE", "/plugins/x"), ("GET", "/plugins/x/y/json"), ("GET", "/plugins/privileges?remote=x"),
    ("POST", "/plugins/pull?remote=x", []), ("POST", "/plugins/x/upgrade?remote=x", []), ("POST", "/plugins/create?name=x", b"\0" * 1024),
    ("POST", "/plugins/x/push"), ("POST", "/plugins/x/set", []), ("GET", "/distribution/busybox/json"), ("POST", "/session"), ("POST", "/grpc"),
    ("POST", "/images/load", b"\0" * 1024),
]

# What anybody may ask; nothing of hers may be in the answer.
PUBLIC = [("GET", "/info"), ("GET", "/version"), ("GET", "/_ping"), ("HEAD", "/_ping"), ("POST", "/auth", {"username": "x", "password": "y", "serveraddress": "127.0.0.1:1"}),
          ("GET", "/images/search?term=alice"), ("GET", "/images/search?term=alice-img&limit=1")]

LISTS = ["/containers/json?all=1", "/images/json?all=1", "/networks", "/volumes", "/services", "/tasks", "/secrets", "/configs", "/nodes"]
SWARM_LISTS = LISTS[4:]

# The same lists, with what a client could say to see more.
OWN = LABEL + "=alice"
EVASIONS = ['{"label":["%s"]}' % OWN, '{"label":{"%s":true}}' % OWN, '{"LABEL":["x"],"label":[]}', "null", '{"label":["%s"]}' % LABEL,
            '{"label":{"%s":false},"label":{}}' % OWN, '{"label":["%s=bob"]}&filters={}' % LABEL, '{"label":["%s=bob"]}&Filters={}' % LABEL,
            '{"node.label":["%s"],"name":["alice"]}' % OWN, '{"l\\u0061bel":["%s"]}' % OWN, '{"label":["%s "]}' % OWN]

PRUNES = ["/containers/prune", "/networks/prune", "/volumes/prune", "/images/prune"]


def quote(s):
    return "".join(c if c.isalnum() or c in "-_.~&=" else "%%%02X" % b for c in s for b in c.encode())


def put(value, name):
    if isinstance(value, str):
        return value.replace("{}", name)
    if isinstance(value, list):
        return [put(v, name) for v in value]
    if isinstance(value, dict):
        return {put(k, name): put(v, name) for k, v in value.items()}
    return value


def play(alice, bob, root, swarm):
    """`root` makes a request past every filter."""
    hers, his = make(alice, swarm), make(bob, swarm)
    if swarm:
        for _ in range(100):
            tasks = json.loads(root("GET", "/tasks?filters=" + quote('{"service":["alice-svc"]}')).body)
            if tasks:
                hers["task"] = [tasks[0]["ID"]]
                break
            time.sleep(0.1)
        hers["node"] = [json.loads(root("GET", "/nodes").body)[0]["ID"]]
    words = sorted({w for ways in hers.values() for w in ways if len(w) > 4} - set(hers.get("node", [])))
    before = snapshot(root)

    def names_hers(text):
        return [w for w in words if w in text]

    # Nothing that names a resource of hers goes through, however it is spelled.
    tried, leaks = 0, []
    nodes = [("node", m, t, *b) for m, t, *b in (("GET", "/nodes/{}"), ("DELETE", "/nodes/{}?force=1"), ("POST", "/nodes/{}/update?version=1", {"Availability": "drain", "Role": "manager"}))]
    for kind, method, target, *body in TRIES + nodes:
        for spelling in hers.get(kind, []):
            for version in ("", "/v1.41"):
                data = put(body[0], spelling) if body else None
                data = data(spelling.encode()) if callable(data) else data
                headers = [("Content-Type", "application/x-tar")] if isinstance(data, bytes) else []
                r = bob.ask(method, version + target.replace("{}", spelling), data, headers)
                tried += 1
                if not r or r.status not in (403, 400) or (method != "HEAD" and b'"message"' not in r.body):
                    leaks.append("%s %s %s: %s %s" % (method, target, spelling, r and r.status, r and r.body[:200]))
                if r and names_hers(r.body.decode(errors="replace")):
                    leaks.append("%s %s: the denial names what it protects: %s" % (method, target, r.body[:200]))
    check("none of %d requests by Bob that name something of Alice's goes through" % tried, not leaks, "\n".join(leaks[:20]))
    codes = {d["reason_code"]: (d.get("method"), d.get("path"), d.get("reason")) for d in bob.denials(tried)}
    check("they were refused for their owner, not for another reason", set(codes) == {"owner_policy_denied_access"}, codes)

    r = bob.ask("POST", "/v1.23/containers/bob-box/start", {"Binds": ["alice-vol:/x"]})
    check("a start cannot bring a host configuration of its own", r and r.status == 403, r and (r.status, r.body))
    leaks = [(m, t, r and r.status) for m, t in ROUTES for r in [bob.ask(m, t, b"" if m == "POST" else None)] if not r or r.status != 403]
    check("nor what is called like a call", not leaks, leaks)
    shared(bob, names_hers)
    builds(bob, root)
    commits(bob, root)
    lists(bob, swarm, hers, his, names_hers)
    events(alice, bob, names_hers)
    prunes(alice, bob, root)
    missing = [o for o in OPERATIONS if o not in bob.tried and (swarm or not re.match("/(services|tasks|secrets|configs|nodes)", o[1]))]
    check("every one of %d operations of the API was tried" % len(OPERATIONS), not missing, missing)
    afterwards(alice, root, hers, before, swarm)


def shared(bob, names_hers):
    leaks = []
    for method, target, *body in SHARED:
        data = body[0] if body else b"" if method == "POST" else None
        r = bob.ask(method, target, data, [("Content-Type", "application/x-tar")] if data and isinstance(data, bytes) else [])
        if not r or r.status != 403:
            leaks.append("%s %s: %s %s" % (method, target, r and r.status, r and r.body[:200]))
    check("calls that reach into everybody's things are refused", not leaks, "\n".join(leaks))
    leaks = []
    for method, target, *body in PUBLIC:
        r = bob.ask(method, target, *body, timeout=30)
        # What the client said himself may come back.
        if r and [w for w in names_hers(r.body.decode(errors="replace")) if w not in target]:
            leaks.append("%s %s: %s" % (method, target, r.body[:300]))
    check("what anybody may ask says nothing of hers", not leaks, "\n".join(leaks))


def builds(bob, root):
    tar = [("Content-Type", "application/x-tar")]
    # ONBUILD of an image runs in the builds that start from it.
    bob.ask("POST", "/commit?container=bob-box&repo=bob-trigger&tag=1&changes=" + quote("ONBUILD COPY --from=alice-img:1 / /x").replace("=", "%3D"), {}, timeout=60)
    for text, query in (("ARG B=alice-img:1\nFROM $B", ""), ("ARG B=busybox\nFROM ${B}", "?buildargs=" + quote('{"B":"alice-img:1"}')),
                        ("ARG A=alice\nARG B=$A-img:1\nFROM ${B:-busybox}", ""), ("ARG A=alice\nARG B=${A}-img:1\nFROM $B", ""), ("ARG B\nFROM ${B:-alice-img:1}", ""),
                        ("ARG B=busybox\nARG B=alice-img:1\nFROM $B", ""), ("ARG B='alice-img:1'\nFROM $B", ""), ("ARG A=x B=alice-img:1\nFROM $B", ""),
                        ("FROM busybox AS x\nFROM x\nCOPY --from=alice-img:1 / /x", ""), ('FROM "alice-img:1"', ""), ("FROM alice\\-img:1", ""), ("FROM al'ice'-img:1", ""),
                        ('FROM --platform="a b" alice-img:1', ""), ('FROM busybox\nCOPY --from="alice-img:1" / /x', ""), ('FROM busybox\nCOPY --fr"om"=alice-img:1 / /x', ""),
                        ("FROM busybox\nCOPY --from=alice\\-img:1 / /x", ""), ("FROM busybox\nARG B=alice-img:1\nCOPY --from=$B / /x", ""), ("FROM bob-trigger:1", "")):
        r = bob.ask("POST", "/build" + query, context(text.encode() + b"\n"), tar, timeout=60)
        check("no build uses her image by: %s %s" % (text.replace("\n", "; "), query), r and r.status == 403, r and r.body)
    for text, query in (("ARG B=busybox\nFROM $B", ""), ("ARG A=busy\nARG B=${A}box\nFROM ${B:-alice-img:1} AS x\nFROM x\nCOPY --from=x /bin/sh /x", ""),
                        ("ARG B=alice-img:1\nFROM $B", "?buildargs=" + quote('{"B":"busybox"}')), ('FROM busybox\nCOPY --chown="1:1" --from=busybox:latest /bin/sh /x', "")):
        r = bob.ask("POST", "/build" + query, context(text.encode() + b"\n"), tar, timeout=60)
        check("but his own builds: %s %s" % (text.replace("\n", "; "), query), r and r.status == 200 and b"errorDetail" not in r.body, r and r.body)
    r = bob.ask("POST", "/build?t=bob-built", context(b"FROM busybox\nLABEL %s=alice\nCMD true\n" % LABEL.encode()), tar, timeout=60)
    got = root("GET", "/images/bob-built/json")
    check("a build of his own carries his label, whatever it says", r and r.status == 200 and got.status == 200 and
          got.json()["Config"]["Labels"].get(LABEL) == "bob", r and (r.body, got.body))


def commits(bob, root):
    """What he makes of his container stays his: nothing is planted on her, nothing gets rid of its owner."""
    label = quote("LABEL %s=alice" % LABEL).replace("=", "%3D")
    n, wrong = 0, []
    for query, body in (("&changes=" + label, {}), ("&changes=" + label + "&changes=CMD%20true", None), ("", {"Labels": {LABEL: "alice"}}),
                        ("", {"labels": {LABEL: ""}, "Cmd": ["true"]}), ("", {"Labels": {}}), ("&changes=LABEL%20a%3Db%0A" + label, {"Labels": {LABEL: "alice"}})):
        n += 1
        r = bob.ask("POST", "/commit?container=bob-box&repo=bob-commit&tag=%d%s" % (n, query), body, timeout=60)
        got = root("GET", "/images/bob-commit:%d/json" % n)
        if not r or r.status != 201 or got.json()["Config"]["Labels"].get(LABEL) != "bob":
            wrong.append((query, body, r and (r.status, r.body), got.body[-300:]))
    check("what he commits is his, whatever label he asks for", not wrong, wrong)
    r = bob.ask("POST", "/commit?container=bob-box&repo=bob-commit&tag=x&changes=" + label + "&changes=CMD%20true%20%5C", {})
    check("a line that would swallow the owner's label is refused", r and r.status == 400, r and (r.status, r.body))
    tar = io.BytesIO()
    tarfile.open(fileobj=tar, mode="w").close()
    r = bob.ask("POST", "/images/create?fromSrc=-&repo=bob-import&tag=1&changes=" + label, tar.getvalue(), [("Content-Type", "application/x-tar")], timeout=60)
    got = root("GET", "/images/bob-import:1/json")
    check("so is what he imports", r and r.status == 200 and got.status == 200 and got.json()["Config"]["Labels"].get(LABEL) == "bob", r and (r.body, got.body[-300:]))


def lists(bob, swarm, hers, his, names_hers):
    """Lists show only what is his, whatever the filter says."""
    leaks, seen = [], ""
    for target in LISTS:
        if not swarm and target in SWARM_LISTS:
            continue
        for evasion in [None] + EVASIONS:
            sep = "&" if "?" in target else "?"
            r = bob.ask("GET", target + (sep + "filters=" + quote(evasion) if evasion else ""))
            if not r or (r.status != 200 and not evasion):
                leaks.append("%s: %s" % (target, r and (r.status, r.body)))
                continue
            text = r.body.decode()
            seen += text if not evasion else ""
            leaks += ["%s %s shows %s" % (target, evasion, w) for w in names_hers(text)]
            if target == "/nodes" and r.status == 200 and json.loads(text):
                leaks.append("/nodes shows a node nobody gave him")
    check("lists show nothing of hers", not leaks, "\n".join(leaks[:20]))
    mine = [ways[-1] for kind, ways in his.items() if kind not in ("exec", "alias", "repository")]
    check("and all that is his", all(v in seen for v in mine), [v for v in mine if v not in seen])


def events(alice, bob, names_hers):
    since = time.time() - 1
    alice.ask("POST", "/containers/alice-box/exec", {"Cmd": ["true"]})
    alice.ask("POST", "/containers/alice-box/pause")
    alice.ask("POST", "/containers/alice-box/unpause")
    alice.ask("POST", "/networks/alice-net/disconnect", {"Container": "alice-box"})
    alice.ask("POST", "/networks/alice-net/connect", {"Container": "alice-box"})
    bob.ask("POST", "/containers/bob-box/pause")
    bob.ask("POST", "/containers/bob-box/unpause")
    window = "/events?since=%.3f&until=%.3f" % (since, time.time() + 1)
    heard = bob.ask("GET", window, timeout=20).body.decode()
    check("Bob hears his own events", "bob-box" in heard, heard[:500])
    check("and none of hers", not names_hers(heard), heard[:800])
    leaks = []
    for evasion in EVASIONS:
        r = bob.ask("GET", window + "&filters=" + quote(evasion), timeout=20)
        if not r or names_hers(r.body.decode()):
            leaks.append((evasion, r and r.body[:300]))
    check("whatever filter he gives", not leaks, leaks)


def prunes(alice, bob, root):
    """Hers stay, even what is unused."""
    alice.ask("POST", "/volumes/create", {"Name": "alice-idle"})
    alice.ask("POST", "/networks/create", {"Name": "alice-idle-net"})
    alice.ask("POST", "/containers/create?name=alice-idle-box", {"Image": "busybox", "Cmd": ["true"]})
    bob.ask("POST", "/volumes/create", {"Name": "bob-idle"})
    forms = []
    for target in PRUNES:
        for evasion in [None] + EVASIONS + ['{"dangling":["false"]}', '{"label!":["x"]}']:
            bob.ask("POST", target + ("?filters=" + quote(evasion) if evasion else ""), b"", timeout=30)
        for form in ("application/x-www-form-urlencoded", "Multipart/Form-Data; boundary=x"):
            r = bob.ask("POST", target, b"filters=%7B%7D", [("Content-Type", form)])
            if not r or r.status != 403:
                forms.append((target, form, r and r.status))
    check("a form body that would override the filter is refused at every prune", not forms, forms)
    left = snapshot(root)
    words = {"json", "create", "prune"}
    check("his prunes leave hers", {"alice-idle", "alice-vol"} | words <= left["volumes"] and {"alice-net", "alice/net", "alice-idle-net"} | words <= left["networks"] and
          {"/alice-box", "/alice-idle-box", "/json", "/create", "/prune"} <= set(left["containers"]) and
          {"alice-img:1", "json:latest", "create:latest", "prune:latest"} <= left["images"], left)
    check("and take his", "bob-idle" not in left["volumes"], left["volumes"])


def afterwards(alice, root, hers, before, swarm):
    """Hers are as they were, and still hers to use."""
    left = snapshot(root)
    check("her container runs as before", left["containers"].get("/alice-box") == before["containers"].get("/alice-box"), left["containers"])
    check("nothing was made in her name or under a stolen one", not any("stolen" in x for x in list(left["containers"]) + list(left["images"])), left)
    r = alice.ask("GET", "/containers/alice-box/json")
    check("Alice still inspects her container, labelled with her name whatever she wrote",
          r.status == 200 and r.json()["Config"]["Labels"][LABEL] == "alice", r and r.body[:300])
    r = alice.ask("GET", "/containers/alice-linker/al/json")
    check("by the name of a link, too, and redacted like any other inspect", r.status == 200 and r.json()["Config"]["Env"] == [], r and r.body[:300])
    check("Alice's exec instance still is hers", alice.ask("GET", "/exec/%s/json" % hers["exec"][0]).status == 200)
    wrong = [t for t in ("/networks/alice/net", "/volumes/alice-vol", "/images/alice-img:1/json", "/images/get?names=alice-img:1", "/images/alice-img/get")
             if alice.ask("GET", t, timeout=60).status != 200]
    check("and so is all else, by every kind of name", not wrong, wrong)
    if swarm:
        version = root("GET", "/secrets/" + hers["secret"][0]).json()["Version"]["Index"]
        r = alice.ask("POST", "/secrets/alice-secret/update?version=%d" % version, {"Name": "alice-secret", "Labels": {LABEL: "bob"}})
        spec = root("GET", "/secrets/alice-secret").json()["Spec"]
        check("an update keeps the owner's label", r.status == 200 and spec["Labels"] == {LABEL: "alice"}, (r.status, r.body, spec))
        spec = root("GET", "/services/" + hers["service"][0]).json()["Spec"]
        check("the service and its containers carry her label", spec["Labels"].get(LABEL) == "alice" and
              spec["TaskTemplate"]["ContainerSpec"]["Labels"].get(LABEL) == "alice", spec)
        check("she removes it, and an answer without a body is an answer", alice.ask("DELETE", "/services/alice-svc").status == 200)
        root("DELETE", "/services/bob-svc")
    r = alice.ask("DELETE", "/containers/alice-box?force=1")
    check("Alice removes her container", r.status == 204, r.body)
    for c in json.loads(root("GET", "/containers/json?all=1").body):
        root("DELETE", "/containers/%s?force=1&v=1" % c["Id"])


def snapshot(root):
    containers = json.loads(root("GET", "/containers/json?all=1").body)
    return {
        "containers": {n: (c["Id"], c["State"], sorted(c["NetworkSettings"]["Networks"])) for c in containers for n in c["Names"]},
        "volumes": {v["Name"] for v in json.loads(root("GET", "/volumes").body)["Volumes"] or []},
        "networks": {n["Name"] for n in json.loads(root("GET", "/networks").body)},
        "images": {t for i in json.loads(root("GET", "/images/json").body) for t in i["RepoTags"] or []},
    }
