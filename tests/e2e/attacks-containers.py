#!/usr/bin/env python3
"""Ways around a policy about containers. Each is tried twice on a real dockerd: on its bare socket, where it must work (or the test proves
nothing), and through a filter, where the daemon must see nothing of it. Needs root, dockerd with busybox, on this host."""
import json
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import ALLOW_ALL, DOCKER_SOCK, Sockguard, check, done, parse, raw, request, skip  # noqa: E402

if os.geteuid() != 0 or not DOCKER_SOCK:
    skip("needs root and a daemon that has busybox")

PREFIX = "sgatk%d-" % os.getpid()
work = tempfile.mkdtemp(prefix="sgatk-", dir="/var/tmp")
os.makedirs(work + "/allowed")
os.makedirs(work + "/secret")
open(work + "/secret/word", "w").write("open sesame\n")
os.symlink(work + "/secret", work + "/allowed/link")

POLICY = ALLOW_ALL + """
request_body:
  container_create:
    allowed_bind_mounts: [%s/allowed]
    require_no_new_privileges: %%s
    require_non_root_user: %%s
    deny_selinux_disable: true
    deny_unconfined_system_paths: true
    deny_shared_propagation: true
    allowed_device_requests: [{driver: nvidia, max_count: 1}]
  exec: {allow_root_user: %%s, allowed_commands: [["true"], [id, "-u"]], denied_env_vars: [LD_PRELOAD]}
""" % work


# Templates with a wildcard, and labels that clients must not choose.
LOOSE = ALLOW_ALL + """
request_body: {exec: {allow_root_user: true, allowed_commands: [["**/true"], ["/usr/bin/**", "**"]]}}
mutations: {rules: [{id: team, surfaces: [container_create], inject_labels: {labels: {Team.X: ours}}}]}
"""


def call(sock, method, target, body=None):
    text = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    return request(sock, method, target, text, [("Content-Type", "application/json")] if text else [], timeout=60)


def name(tag):
    return PREFIX + tag


def bare(method, target, body=None):
    return call(DOCKER_SOCK, method, target, body)


def remove(tag):
    bare("DELETE", "/containers/%s?force=1&v=1" % name(tag))


def inspect(tag):
    r = bare("GET", "/containers/%s/json" % name(tag))
    return r.json() if r and r.status == 200 else {}


def host_config(tag, *keys):
    return [inspect(tag).get("HostConfig", {}).get(k) for k in keys]


def run(tag):
    """Starts what was created; what it printed."""
    bare("POST", "/containers/%s/start" % name(tag))
    bare("POST", "/containers/%s/wait" % name(tag))
    r = bare("GET", "/containers/%s/logs?stdout=1" % name(tag))
    return r.body if r else b""


def raw_json(text):
    return text.encode()


def chunked(sock, target, doc):
    text = json.dumps(doc).encode()
    return parse(raw(sock, b"POST %s HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"%x\r\n%s\r\n0\r\n\r\n" % (target.encode(), len(text), text), timeout=60))


BUSY = '"Image":"busybox","Cmd":["sleep","60"]'


def spec(cmd, host=None, **top):
    """A create body. No network: the test needs none, and not every daemon has a bridge."""
    return dict({"Image": "busybox", "Cmd": cmd, "HostConfig": dict({"NetworkMode": "none"}, **(host or {}))}, **top)



def create(sock, tag, body, version="/v1.41"):
    return call(sock, "POST", "%s/containers/create?name=%s" % (version, name(tag)), body)


def attack(sentence, guard, tag, send, worked, prepare=None):
    """`send(sock)` is the attack, `worked()` looks at the daemon past every filter."""
    for sock, where in ((DOCKER_SOCK, "bare"), (guard.sock, "guarded")):
        remove(tag)
        if prepare:
            prepare()
        r = send(sock)
        if where == "bare":
            if not worked():
                # Another engine than the one this was found on: then it is at least refused all the same.
                print("# the daemon itself resists: %s (%s)" % (sentence, r and r.body[:160]), flush=True)
        else:
            held = r is not None and r.status == 403 and not worked()
            check(sentence + ": held", held, r and (r.status, r.body))
        remove(tag)


def plain(tag, extra=None):
    r = bare("POST", "/containers/create?name=" + name(tag), spec(["sleep", "60"], extra))
    assert r.status == 201, r.body


def main():
    open_policy, strict = POLICY % ("false", "false", "true"), POLICY % ("true", "true", "false")
    with Sockguard(open_policy, DOCKER_SOCK) as g, Sockguard(strict, DOCKER_SOCK) as s, Sockguard(LOOSE, DOCKER_SOCK) as loose:
        privileged = lambda tag: (lambda: host_config(tag, "Privileged") == [True])  # noqa: E731

        # Reading JSON otherwise than the daemon does.
        for sentence, text in (
                ("a member name in other case", '{%s,"hostconfig":{"pRIVILEGED":true}}'),
                ("a long s in a member name", '{%s,"Ho\u017ftConfig":{"Privileged":true}}'),
                ("an escaped member name", '{%s,"Host\\u0043onfig":{"Privilege\\u0064":true}}'),
                ("two HostConfigs that merge", '{%s,"HostConfig":{"Privileged":true},"HostConfig":{"Memory":0}}'),
                ("two HostConfigs in different case", '{%s,"HostConfig":{},"hostConfig":{"Privileged":true}}'),
                ("host configuration at the top level", '{%s,"Privileged":true}'),
                ("host configuration beside a null HostConfig", '{%s,"HostConfig":null,"privileged":true}')):
            attack(sentence, g, "json", lambda sock, t=text: create(sock, "json", (t % BUSY).encode()), privileged("json"))
        attack("a stale mount under a shorter list", g, "stale", lambda sock: create(sock, "stale", raw_json(
            '{%s,"HostConfig":{"Mounts":[{"Type":"bind","Source":"/etc","Target":"/h"}],"Mounts":[{"Type":"bind"}]}}' % BUSY)),
            lambda: any(m.get("Source") == "/etc" for m in inspect("stale").get("Mounts", [])))

        # The host's file system.
        secret = lambda tag: (lambda: b"open sesame" in run(tag))  # noqa: E731
        cat = ["cat", "/h/word"]
        attack("an inline volume that binds the host", g, "volume", lambda sock: create(sock, "volume", spec(cat, {
            "Mounts": [{"Type": "volume", "Source": name("vol"), "Target": "/h", "VolumeOptions": {
                "DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": work + "/secret"}}}}]})), secret("volume"))
        attack("a symbolic link below an allowed directory", g, "link", lambda sock: create(sock, "link", spec(cat, {"Binds": [work + "/allowed/link:/h"]})),
            secret("link"))
        attack("a dotted path out of an allowed directory", g, "dots", lambda sock: create(sock, "dots", spec(cat, {
            "Binds": [work + "/allowed/../secret:/h"]})), secret("dots"))
        attack("binds at the top level", g, "topbind", lambda sock: create(sock, "topbind", {
            "Image": "busybox", "Cmd": cat, "NetworkMode": "none", "Binds": [work + "/secret:/h"]}), secret("topbind"))
        attack("a mount that propagates to the host", g, "prop", lambda sock: create(sock, "prop", spec(["sleep", "60"], {"Binds": [work + "/allowed:/h:rshared"]})),
            lambda: any(m.get("Propagation") == "rshared" for m in inspect("prop").get("Mounts", [])))
        attack("volumes of another container", g, "from", lambda sock: create(sock, "from", spec(["sleep", "60"], {"VolumesFrom": [name("donor")]})), lambda: bool(inspect("from")), lambda: (remove("donor"), plain("donor")))
        remove("donor")
        attack("a bind mount whose source is relative", g, "rel", lambda sock: create(sock, "rel", spec(cat, {
            "Mounts": [{"Type": "bind", "Source": "../" + work[1:] + "/secret", "Target": "/h"}]})), secret("rel"))
        attack("a bind whose source is relative", g, "relb", lambda sock: create(sock, "relb", spec(cat, {"Binds": ["./../" + work[1:] + "/secret:/h"]})), secret("relb"))
        attack("a mount type with blanks around it", g, "blank", lambda sock: create(sock, "blank", spec(cat, {
            "Mounts": [{"Type": " bind ", "Source": work + "/secret", "Target": "/h"}]})), secret("blank"))
        attack("a volume driver of one's own", g, "driver", lambda sock: create(sock, "driver", spec(["sleep", "60"], {"VolumeDriver": "nfs"})),
               lambda: host_config("driver", "VolumeDriver") == ["nfs"])
        requested = lambda tag: (lambda: len(host_config(tag, "DeviceRequests")[0] or []) == 1)  # noqa: E731
        attack("nine devices by name where one may be counted", g, "ids", lambda sock: create(sock, "ids", spec(["sleep", "60"], {
            "DeviceRequests": [{"Driver": "nvidia", "Count": 0, "DeviceIDs": list("012345678")}]})), requested("ids"))
        attack("a negative count of devices", g, "count", lambda sock: create(sock, "count", spec(["sleep", "60"], {
            "DeviceRequests": [{"Driver": "nvidia", "Count": -2}]})), requested("count"))

        # What confines a container.
        attack("a tmpfs with suid in the old map", g, "tmpfs", lambda sock: create(sock, "tmpfs", spec(["sleep", "60"], {"Tmpfs": {"/t": "exec,suid,dev"}})), lambda: host_config("tmpfs", "Tmpfs")[0] is not None)
        attack("masked paths replaced by one harmless path", g, "masked", lambda sock: create(sock, "masked", spec(["sleep", "60"], {"MaskedPaths": ["/x"], "ReadonlyPaths": ["/x"]})), lambda: host_config("masked", "MaskedPaths") == [["/x"]])
        attack("the bare word disable", g, "disable", lambda sock: create(sock, "disable", spec(["sleep", "60"], {"SecurityOpt": ["disable"]})), lambda: bool(inspect("disable")))
        attack("writable cgroups", g, "wcg", lambda sock: create(sock, "wcg", spec(["sleep", "60"], {"SecurityOpt": ["writable-cgroups=true"]})), lambda: bool(inspect("wcg")))
        attack("no-new-privileges taken back", s, "nnp", lambda sock: create(sock, "nnp", spec(
            ["grep", "NoNewPrivs", "/proc/self/status"], {"SecurityOpt": ["no-new-privileges:true", "no-new-privileges:false"]}, User="1000")), lambda: b"NoNewPrivs:\t0" in run("nnp"))
        for user in ("+0", "-0", "0000", "root"):
            attack("the user %r" % user, s, "user", lambda sock, u=user: create(sock, "user", spec(["id", "-u"], {
                "SecurityOpt": ["no-new-privileges"]}, User=u)),
                lambda: run("user").endswith(b"0\n"))
        attack("a parent cgroup", g, "cgroup", lambda sock: create(sock, "cgroup", spec(["sleep", "60"], {"CgroupParent": "/x"})),
               lambda: host_config("cgroup", "CgroupParent") == ["/x"])
        attack("links in the host configuration", g, "links", lambda sock: create(sock, "links", spec(["sleep", "60"], {"Links": [name("donor") + ":x"]})), lambda: bool(inspect("links")), lambda: (remove("donor"), plain("donor"), bare("POST", "/containers/%s/start" % name("donor"))))
        remove("donor")

        def linked(running=True):
            remove("child"), remove("parent")
            plain("child")
            bare("POST", "/containers/%s/start" % name("child"))
            plain("parent", {"Links": [name("child") + ":alias"]})
            if running:
                bare("POST", "/containers/%s/start" % name("parent"))
            else:
                bare("POST", "/containers/%s/stop?t=0" % name("child"))
        # Other doors to the same room.
        attack("a host configuration in the body of an old start", g, "start", lambda sock: call(sock, "POST", "/v1.23/containers/%s/start" % name("start"),
               {"Privileged": True, "Binds": [work + "/secret:/h"]}), privileged("start"), lambda: plain("start"))
        attack("the same in chunks", g, "start", lambda sock: chunked(sock, "/v1.23/containers/%s/start" % name("start"),
               {"Privileged": True, "Binds": [work + "/secret:/h"]}), privileged("start"), lambda: plain("start"))
        attack("the same through the name of a link", g, "none", lambda sock: call(sock, "POST", "/v1.23/containers/%s/alias/start" % name("parent"),
               {"Privileged": True}), privileged("child"), lambda: linked(False))
        remove("parent"), remove("child")
        attack("an update with an escaped member name", g, "update", lambda sock: call(sock, "POST", "/containers/%s/update" % name("update"),
               raw_json('{"Restar\\u0074Policy":{"Name":"always"}}')), lambda: inspect("update").get("HostConfig", {}).get("RestartPolicy", {}).get("Name") == "always",
               lambda: plain("update"))

        attack("an update through the name of a link", g, "none", lambda sock: call(sock, "POST", "/containers/%s/alias/update" % name("parent"),
               {"RestartPolicy": {"Name": "always"}}), lambda: inspect("child").get("HostConfig", {}).get("RestartPolicy", {}).get("Name") == "always", linked)
        remove("parent"), remove("child")

        # Exec.
        plain("exec")
        bare("POST", "/containers/%s/start" % name("exec"))
        state = {}

        def exec_create(sock, body):
            r = call(sock, "POST", "/containers/%s/exec" % name("exec"), body)
            state["id"] = r.json()["Id"] if r and r.status == 201 else None
            return r

        def stored(*keys):
            d = bare("GET", "/exec/%s/json" % state["id"]).json() if state.get("id") else {}
            return [d.get("ProcessConfig", {}).get(k) for k in keys]
        for sentence, guard, body, worked in (
                ("a privileged exec", g, b'{"Cmd":["true"],"Privileged":true}', lambda: stored("privileged") == [True]),
                ("an exec as +0", s, b'{"Cmd":["true"],"User":"+0"}', lambda: stored("user") == ["+0"]),
                ("an exec as whoever the image says", s, b'{"Cmd":["true"]}', lambda: bool(state["id"])),
                ("a command put together from two", g, b'{"Cmd":["sh","-c"],"Cmd":[null,"x"]}', lambda: stored("entrypoint") == ["sh"]),
                ("a second command in another case", g, b'{"Cmd":["true"],"cmd":["sh"]}', lambda: stored("entrypoint") == ["sh"]),
                ("a preloaded library", g, b'{"Cmd":["true"],"Env":["LD_PRELOAD=/x"]}', lambda: bool(state["id"])),
                ("a relative path that the client's directory gives its meaning", loose, b'{"Cmd":["./true"],"WorkingDir":"/tmp"}',
                 lambda: stored("entrypoint") == ["./true"]),
                ("a command that leaves the directory it begins with", loose, b'{"Cmd":["/usr/bin/../../bin/cat","/etc/passwd"]}', lambda: bool(state["id"])),
                ("a null in a command", loose, b'{"Cmd":[null,"/bin/true"]}', lambda: bool(state["id"])),
                ("a command that no template matches", g, b'{"Cmd":["sh","-c","id"]}', lambda: stored("entrypoint") == ["sh"])):
            exec_create(DOCKER_SOCK, body)
            if not worked():
                print("# the daemon itself resists: " + sentence, flush=True)
            r = exec_create(guard.sock, body)
            check(sentence + ": held", r is not None and r.status == 403 and not state["id"], r and (r.status, r.body))
        exec_create(DOCKER_SOCK, {"Cmd": ["touch", "/touched"]})
        r = call(g.sock, "POST", "/exec/%s/start" % state["id"], {"Detach": True})
        check("the start of somebody else's exec: held", r is not None and r.status == 403 and bare("HEAD", "/containers/%s/archive?path=/touched" % name("exec")).status == 404,
              r and (r.status, r.body))
        r = call(DOCKER_SOCK, "POST", "/exec/%s/start" % state["id"], {"Detach": True})
        time.sleep(0.5)
        check("the same start on the bare socket works", bare("HEAD", "/containers/%s/archive?path=/touched" % name("exec")).status == 200)
        r = exec_create(g.sock, {"Cmd": ["id", "-u"]})
        r = call(g.sock, "POST", "/exec/%s/start" % state["id"], {"Detach": False, "Tty": True}) if state["id"] else None
        check("a permitted exec runs through the filter", r is not None and b"0" in r.raw, r and r.raw)
        remove("exec")
        linked()
        r = call(g.sock, "POST", "/containers/%s/alias/exec" % name("parent"), {"Cmd": ["sh", "-c", "id"]})
        b = bare("POST", "/containers/%s/alias/exec" % name("parent"), {"Cmd": ["sh", "-c", "id"]})
        check("an exec through the name of a link: held", r is not None and r.status == 403 and b.status == 201, (r and r.body, b and b.body))
        remove("parent"), remove("child")

        # Labels.
        for label in ("Team.X", "Team\\u002eX"):
            r = create(loose.sock, "label", ('{%s,"Labels":{"%s":"theirs","team.x":"x"}}' % (BUSY, label)).encode())
            check("a label that is injected replaces the client's, as it is written (%s)" % label, r is not None and r.status == 201 and
                  inspect("label").get("Config", {}).get("Labels") == {"Team.X": "ours", "team.x": "x"}, (r and r.body, inspect("label").get("Config")))
            remove("label")

        # And what is honest passes.
        r = create(g.sock, "honest", spec(["cat", "/h/x"], {"Binds": [work + "/allowed:/h"], "PidsLimit": 9}))
        check("an honest container is created", r is not None and r.status == 201, r and (r.status, r.body))
        open(work + "/allowed/x", "w").write("hello\n")
        check("and it runs", b"hello" in run("honest"))
        remove("honest")
        r = call(g.sock, "POST", "/containers/%s/start" % name("nobody"), {})
        check("an empty object with a start reaches the daemon as nothing", r is not None and r.status == 404, r and (r.status, r.body))


try:
    main()
finally:
    for c in (bare("GET", "/containers/json?all=1&filters=" + "%7B%22name%22%3A%5B%22" + PREFIX + "%22%5D%7D").json() or []):
        bare("DELETE", "/containers/%s?force=1&v=1" % c["Id"])
    bare("DELETE", "/volumes/%s?force=1" % name("vol"))
    shutil.rmtree(work, ignore_errors=True)
done()
