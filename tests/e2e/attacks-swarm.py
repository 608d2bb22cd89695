#!/usr/bin/env python3
"""Ways around a policy about services, nodes and networks, on a real swarm of one: each must work on the bare socket and be held by a filter.
Starts a daemon of its own. Needs root, dockerd, and a daemon that has busybox."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import ALLOW_ALL, Daemon, Sockguard, check, done, request, skip  # noqa: E402

def bare(method, target, body=None, headers=()):
    return daemon.request(method, target, body, headers)


def spec(name, **container):
    return {"Name": name, "TaskTemplate": {"ContainerSpec": dict({"Image": "busybox:latest", "Command": ["sleep", "600"]}, **container),
                                           "RestartPolicy": {"Condition": "none"}}, "Mode": {"Replicated": {"Replicas": 1}}}


def containers_of(service):
    for _ in range(100):
        tasks = bare("GET", '/tasks?filters={"service":{"%s":true}}' % service)
        ids = [t.get("Status", {}).get("ContainerStatus", {}).get("ContainerID") for t in tasks.json()] if tasks and tasks.status == 200 else []
        ids = [i for i in ids if i]
        if ids:
            r = bare("GET", "/containers/%s/json" % ids[0])
            if r and r.status == 200:
                return r.json()
        time.sleep(0.1)
    return {"tasks": tasks and tasks.body}


def attack_service(name, body, worked):
    created = bare("POST", "/services/create", body)
    info = containers_of(body["Name"]) if created and created.status == 201 else {}
    if not check("bare: " + name, "Id" in info and worked(info), (created and created.body, info.get("Mounts"), info.get("tasks"))):
        bare("DELETE", "/services/" + body["Name"])
        return
    bare("DELETE", "/services/" + body["Name"])
    held = request(guard.sock, "POST", "/services/create", body)
    check("held: " + name, held and held.status == 403, held and held.body)


def sources(info):
    return [m.get("Source") for m in info.get("Mounts", [])]


def services():
    attack_service("a service with a directory of the host's", spec("s1", Mounts=[{"Type": "bind", "Source": "/etc", "Target": "/h"}]),
                   lambda i: "/etc" in sources(i))
    attack_service("a mount without a type, which the swarm takes for a bind", spec("s2", Mounts=[{"Source": "/etc", "Target": "/h"}]),
                   lambda i: "/etc" in sources(i))
    attack_service("a volume whose options are a bind", spec("s3", Mounts=[{
        "Type": "volume", "Source": "sgswvol", "Target": "/h", "VolumeOptions": {"NoCopy": True, "DriverConfig": {
            "Name": "local", "Options": {"type": "none", "o": "bind", "device": "/etc"}}}}]), lambda i: bool(i.get("Mounts")))
    attack_service("capabilities", spec("s4", CapabilityAdd=["CAP_SYS_ADMIN"]), lambda i: "SYS_ADMIN" in str(i["HostConfig"]["CapAdd"]))
    host = bare("GET", "/networks/host").json()["Id"]
    hidden = bare("GET", "/networks/host?scope=swarm").json()["Id"]   # the swarm's own object: in no list, but its id counts
    for number, (name, target) in enumerate((("its id", host), ("the front of its id", host[:12]), ("the swarm's id for it", hidden), ("the front of that", hidden[:3]))):
        body = spec("n%d" % number)
        body["TaskTemplate"]["Networks"] = [{"Target": target}]
        attack_service("the host's network by " + name, body, lambda i: i["HostConfig"]["NetworkMode"] == "host")
    body = spec("s5")
    ok = request(guard.sock, "POST", "/services/create", body)
    check("a harmless service is created", ok and ok.status == 201, ok and ok.body)
    inspected = request(guard.sock, "GET", "/services/s5").json()
    version = inspected["Version"]["Index"]
    worse = spec("s5", Mounts=[{"Source": "/etc", "Target": "/h"}])
    held = request(guard.sock, "POST", "/services/s5/update?version=%d" % version, worse)
    check("held: an update that adds a directory of the host's", held and held.status == 403, held and held.body)
    # A specification with a bind becomes the previous one, past the filter; a rollback would bring it back.
    # The orchestrator changes the version by itself at any moment: a bare update reads it anew until it was in time.
    def update(spec_, extra=""):
        for _ in range(50):
            v = bare("GET", "/services/s5").json()["Version"]["Index"]
            r = bare("POST", "/services/s5/update?version=%d%s" % (v, extra), spec_)
            if r.status == 200:
                break
        return r

    update(worse)
    update(body)
    version = bare("GET", "/services/s5").json()["Version"]["Index"]
    held = request(guard.sock, "POST", "/services/s5/update?version=%d&rollback=previous" % version, body)
    check("held: a rollback to a specification that is not allowed", held and held.status == 403, held and held.body)
    worked = update(body, "&rollback=previous")
    mounts = bare("GET", "/services/s5").json()["Spec"]["TaskTemplate"]["ContainerSpec"].get("Mounts")
    check("bare: a rollback to a specification that is not allowed", worked.status == 200 and mounts, (worked.body, mounts))
    bare("DELETE", "/services/s5")


def the_rest():
    held = request(guard.sock, "POST", "/services/create", {"Name": "p", "TaskTemplate": {"Runtime": "plugin", "PluginSpec": {
        "Name": "p", "Remote": "evil.test/p:1", "Privileges": [{"Name": "mount", "Value": ["/"]}]}}})
    check("held: a task that installs a plugin", held and held.status == 403, held and held.body)
    node = bare("GET", "/nodes").json()[0]
    target = "/nodes/%s/update?version=%d" % (node["ID"], node["Version"]["Index"])
    held = request(guard.sock, "POST", target, dict(node["Spec"], Availability="drain"))
    check("held: draining a node", held and held.status == 403, held and held.body)
    held = request(guard.sock, "POST", target, {"Labels": {}})
    check("held: taking a node's labels away", held and held.status == 403, held and held.body)
    version = bare("GET", "/swarm").json()["Version"]["Index"]
    before = bare("GET", "/swarm").json()["JoinTokens"]
    held = request(guard.sock, "POST", "/swarm/update?version=%d&rotateWorkerToken=1" % version, bare("GET", "/swarm").json()["Spec"])
    check("held: rotating the join tokens", held and held.status == 403 and bare("GET", "/swarm").json()["JoinTokens"] == before, held and held.body)
    held = request(guard.sock, "POST", "/networks/create", {"Name": "o", "Driver": "overlay", "Attachable": True})
    check("held: an attachable overlay network", held and held.status == 403, held and held.body)
    held = request(guard.sock, "POST", "/secrets/create", {"Name": "x", "Driver": {"Name": "vault"}})
    check("held: a secret of another driver, in the engine's own shape", held and held.status == 403, held and held.body)
    ok = request(guard.sock, "POST", "/secrets/create", {"Name": "x", "Data": "eA=="})
    check("a plain secret is created", ok and ok.status == 201, ok and ok.body)
    ok = request(guard.sock, "POST", "/configs/create", {"Name": "x", "Data": "eA=="})
    check("a plain config is created", ok and ok.status == 201, ok and ok.body)


with Daemon() as daemon, Sockguard(ALLOW_ALL, daemon.sock) as guard:
    held = request(guard.sock, "POST", "/swarm/init", {"ListenAddr": "127.0.0.1:23771", "AdvertiseAddr": "127.0.0.1:23771", "ForceNewCluster": True})
    check("held: a new cluster by force", held and held.status == 403, held and held.body)
    made = request(guard.sock, "POST", "/swarm/init", {"ListenAddr": "127.0.0.1:23771", "AdvertiseAddr": "127.0.0.1:23771"}, timeout=60)
    if not made or made.status != 200:
        skip("no swarm can be made here: %s" % (made and made.body))
    check("a swarm is made", True)
    services()
    the_rest()
done()
