#!/usr/bin/env python3
"""What clients read of a real daemon: redaction of every kind of answer that one without a swarm gives, the daemon's own bytes where nothing
is taken out, and what visibility hides. Needs DOCKER_SOCK with busybox; its things are called sgreads-*."""
import io
import json
import os
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402
from sg import ALLOW_ALL, DOCKER_SOCK, Sockguard, check, request  # noqa: E402

if not DOCKER_SOCK:
    sg.skip("needs a daemon that has busybox")

SECRET, SOURCE, PLUGIN = "sgreads-secret-value", "/tmp/sgreads-source", "sgreads/with:slash"


def root(method, target, body=None, headers=()):
    """A request past every filter."""
    return request(DOCKER_SOCK, method, target, body, headers, timeout=60)


def plugin():
    """A plugin that is never enabled: its description is enough."""
    config = {"description": "x", "documentation": "x", "entrypoint": ["/x"], "interface": {"types": ["docker.volumedriver/1.0"], "socket": "x.sock"},
              "env": [{"name": "TOKEN", "value": SECRET, "settable": ["value"], "description": ""}],
              "mounts": [{"name": "m", "source": SOURCE, "destination": "/d", "type": "bind", "options": ["rbind"], "settable": ["source"], "description": ""}],
              "network": {"type": ""}, "linux": {"capabilities": [], "devices": []}, "propagatedMount": ""}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        text = json.dumps(config).encode()
        info = tarfile.TarInfo("config.json")
        info.size = len(text)
        t.addfile(info, io.BytesIO(text))
        info = tarfile.TarInfo("rootfs")
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        t.addfile(info)
    return root("POST", "/plugins/create?name=" + PLUGIN, out.getvalue(), [("Content-Type", "application/x-tar")])


def make():
    root("POST", "/networks/create", {"Name": "sgreads/net", "Internal": True, "IPAM": {"Config": [{"Subnet": "10.211.7.0/24"}]}})
    root("POST", "/volumes/create", {"Name": "sgreads-vol", "Labels": {"vis": "1"}})
    for name, labels, more in (("sgreads-web", {"vis": "1"}, {}), ("sgreads-old", {}, {}), ("sgreads-db", {}, {"Links": ["sgreads-old:al"]})):
        r = root("POST", "/containers/create?name=" + name, {"Image": "busybox", "Cmd": ["sleep", "600"], "Env": ["TOKEN=" + SECRET], "Labels": labels,
                                                             "HostConfig": dict({"Binds": [SOURCE + ":/data:ro", "sgreads-vol:/v"]}, **more)})
        if not r or r.status != 201:
            raise RuntimeError(r and r.body)
    root("POST", "/networks/sgreads/net/connect", {"Container": "sgreads-web"})


def clean():
    root("DELETE", "/containers/sgreads-db?force=1")
    root("DELETE", "/containers/sgreads-web?force=1")
    root("DELETE", "/containers/sgreads-old?force=1")
    root("DELETE", "/networks/sgreads/net")
    root("DELETE", "/volumes/sgreads-vol")
    root("DELETE", "/plugins/" + PLUGIN + "?force=1")
    root("DELETE", "/images/sgreads-img:1")


# What is asked, and words of the daemon's own answer that the default policy must take out.
READS = [
    ("/containers/json?all=1", [SOURCE]), ("/containers/sgreads-web/json", [SECRET, SOURCE]), ("/containers/sgreads-db/al/json", [SECRET, SOURCE]),
    ("/v1.24/containers/json?all=1", [SOURCE]), ("/networks", ["10.211.7.0"]), ("/networks/sgreads/net", ["10.211.7.0"]),
    ("/networks/sgreads%2Fnet", ["10.211.7.0"]), ("/volumes", ["/volumes/sgreads-vol/_data"]), ("/volumes/sgreads-vol", ["/volumes/sgreads-vol/_data"]),
    ("/system/df", [SOURCE, "/volumes/sgreads-vol/_data"]), ("/v1.41/system/df", [SOURCE, "/volumes/sgreads-vol/_data"]),
    ("/plugins", [SECRET, SOURCE]), ("/plugins/" + PLUGIN + "/json", [SECRET, SOURCE]),
]


def redaction():
    with Sockguard(ALLOW_ALL, DOCKER_SOCK) as s:
        for target, words in READS:
            bare, ours = root("GET", target), request(s.sock, "GET", target, headers=[("Accept-Encoding", "gzip, deflate, br")], timeout=30)
            if "plugin" in target and (not bare or SECRET not in bare.body.decode()):
                continue  # the daemon does not take plugins here
            text = ours.body.decode() if ours else ""
            check("GET %s tells neither environment nor paths nor addresses" % target, bare.status == 200 and all(w in bare.body.decode() for w in words) and
                  ours and ours.status == 200 and not any(w in text for w in words) and json.loads(text) is not None, (bare.status, ours and ours.status, text[:600]))
        for target in ("/containers/sgreads-web/json", "/containers/json"):
            bare, ours = root("HEAD", target), request(s.sock, "HEAD", target)
            check("HEAD %s has no body and is not judged as if it had" % target, ours and ours.status == bare.status and ours.body == b"", (bare.status, ours and ours.raw[:300]))
        r = request(s.sock, "DELETE", "/containers/sgreads-nothing")
        check("an error of the daemon comes as it is", r.status == 404 and r.body == root("DELETE", "/containers/sgreads-nothing").body, r.body)

    off = "response: {redact_container_env: false, redact_network_topology: false, redact_sensitive_data: false}\n"
    with Sockguard(ALLOW_ALL + off, DOCKER_SOCK) as s:
        for target in ("/containers/sgreads-web/json", "/volumes/sgreads-vol", "/volumes"):
            bare, ours = root("GET", target).body, request(s.sock, "GET", target).body
            expected, got = json.loads(bare), json.loads(ours)
            for answer in (expected, got):  # whose order the daemon leaves to chance
                answer.get("Mounts", []).sort(key=lambda m: m["Destination"])
                (answer.get("Volumes") or []).sort(key=lambda v: v["Name"])
            for m in expected.get("Mounts") or []:
                m["Source"] = "<redacted>"
            for v in [expected] + (expected.get("Volumes") or []):
                if v.get("Mountpoint"):
                    v["Mountpoint"] = "<redacted>"
            if "HostConfig" in expected:
                expected["HostConfig"].update(MaskedPaths=[], ReadonlyPaths=[], Binds=["<redacted>:/data:ro", "sgreads-vol:/v"])
            check("GET %s is the daemon's answer, member by member, but for the mounts" % target, got == expected, ours[:800])


def visibility():
    root("POST", "/images/busybox/tag?repo=sgreads-img&tag=1")
    exec_of = {c: root("POST", "/containers/%s/exec" % c, {"Cmd": ["true"]}) for c in ("sgreads-web", "sgreads-db")}
    # A created container takes no exec; it has to run for that.
    for c in exec_of:
        root("POST", "/containers/%s/start" % c)
        exec_of[c] = root("POST", "/containers/%s/exec" % c, {"Cmd": ["true"]})
    hidden = ["json", "logs?stdout=1", "top", "changes", "export", "archive?path=/", "stats?stream=0"]
    for policy, what in (('response: {visible_resource_labels: ["vis=1"]}\n', "label"), ('response: {name_patterns: ["sgreads-w*"]}\n', "name")):
        with Sockguard(ALLOW_ALL + policy, DOCKER_SOCK) as s:
            r = request(s.sock, "GET", "/containers/json?all=1")
            check("by %s, the list shows one of three" % what, r.status == 200 and [c["Names"] for c in r.json()] == [["/sgreads-web"]], r.body[:500])
            got = {h: request(s.sock, "GET", "/containers/sgreads-db/" + h).status for h in hidden}
            check("by %s, another is not found, nor its logs, files and figures" % what, set(got.values()) == {404}, got)
            r = request(s.sock, "GET", "/containers/sgreads-web/json")
            check("by %s, the one is" % what, r.status == 200, r.status)
            if what == "label":
                wrong = [(c, e.status) for c, e in exec_of.items() if e and e.status == 201 and
                         request(s.sock, "GET", "/exec/%s/json" % e.json()["Id"]).status != (200 if c == "sgreads-web" else 404)]
                check("so with its exec instances", not wrong, wrong)
                r = request(s.sock, "GET", "/containers/json?all=1&filters=%7B%22label%22%3A%7B%22vis%3D0%22%3Atrue%7D%7D")
                check("and a filter for another value shows no more", r.status == 200 and [c["Labels"] for c in r.json()] == [{"vis": "1"}], r.body[:400])
                status = {t: request(s.sock, "GET", t).status for t in ("/volumes/sgreads-vol", "/networks/sgreads/net", "/images/busybox/json", "/images/get?names=busybox")}
                check("and what carries no label is hidden, whatever it is", status == {"/volumes/sgreads-vol": 200, "/networks/sgreads/net": 404,
                                                                                      "/images/busybox/json": 404, "/images/get?names=busybox": 404}, status)
    with Sockguard(ALLOW_ALL + 'response: {image_patterns: ["sgreads-img:*"]}\n', DOCKER_SOCK) as s:
        tags = [t for i in request(s.sock, "GET", "/images/json").json() for t in i["RepoTags"]]
        check("an image pattern leaves its images", tags and "sgreads-img:1" in tags, tags)
        status = {t: request(s.sock, "GET", t, timeout=60).status for t in ("/images/sgreads-img:1/json", "/containers/sgreads-web/json")}
        check("an image is found by any of its names, a container only by that which it was made with", status == {
            "/images/sgreads-img:1/json": 200, "/containers/sgreads-web/json": 404}, status)
    with Sockguard(ALLOW_ALL + 'response: {image_patterns: ["busybox*"]}\n', DOCKER_SOCK) as s:
        status = [request(s.sock, "GET", "/containers/sgreads-web/" + x).status for x in ("json", "changes")]
        check("what the list shows by its image can be inspected", status == [200, 200], status)


clean()
try:
    make()
    created = plugin()
    print("# plugin: %s" % (created and (created.status, created.body[:200]),))
    redaction()
    visibility()
finally:
    clean()
sg.done()
