#!/usr/bin/env python3
"""sockguard-ctl explain says which stage denies a request, the field as a JSON pointer, and the option that would allow it; with that option set, it
is allowed."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import ALLOW_ALL, CTL, check, done, env  # noqa: E402

work = tempfile.TemporaryDirectory(prefix="sg-explain-")


def write(name, text):
    path = os.path.join(work.name, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def explain(policy, *args, stdin=""):
    config = write("c.yaml", "listen: {socket: /run/x}\n" + policy)
    r = subprocess.run([CTL, "explain", "-c", config, "-o", "json", *args], env=env(), capture_output=True, text=True, input=stdin, timeout=60)
    return r.returncode, [json.loads(x) for x in r.stdout.splitlines()], r.stderr


def body(policy, target, doc, *args):
    return explain(policy, "--path", target, "--body", write("b.json", doc if isinstance(doc, str) else json.dumps(doc)), *args)


CASES = [
    ("/containers/create", {"HostConfig": {"Privileged": True}}, "/HostConfig/Privileged", "request_body.container_create.allow_privileged", True),
    ("/containers/create", {"hostconfig": {"bindS": ["/srv/a:/x"]}}, "/HostConfig/Binds/0", "request_body.container_create.allowed_bind_mounts", ["/srv"]),
    ("/containers/create", {"HostConfig": {"CapAdd": ["NET_ADMIN"]}}, "/HostConfig/CapAdd/0", "request_body.container_create.allowed_capabilities", ["NET_ADMIN"]),
    ("/containers/create", {"MacAddress": "02:00:00:00:00:01"}, "/MacAddress", "request_body.network.endpoint_config.allow_mac_pinning", True),
    ("/containers/x/exec", {"Cmd": ["id"], "User": "1", "Privileged": True}, "/Privileged", "request_body.exec.allow_privileged", True),
    ("/containers/x/exec", {"Cmd": ["id"]}, "/User", "request_body.exec.allow_root_user", True),
    ("/containers/x/update", {"Memory": 5}, "/Memory", "request_body.container_update.allow_resource_updates", True),
    ("/volumes/create", {"Driver": "nfs"}, "/Driver", "request_body.volume.allow_custom_drivers", True),
]
for target, doc, field, option, value in CASES:
    code, out, err = body(ALLOW_ALL, "/v1.41" + target, doc)
    v = out[0] if out else {}
    check("%s: %s is named, and %s" % (target, field, option), code == 1 and not v.get("relayed") and v.get("stage") == "inspect" and v.get("field") == field and
          v.get("option") == option and v.get("reason_code") == "request_body_policy_denied", (code, out, err))
    tree = value
    for key in reversed(option.split(".")):
        tree = {key: tree}
    code, out, err = body(ALLOW_ALL + json.dumps(tree)[1:-1] + "\n", "/v1.41" + target, doc)
    check("%s: with the option set it is allowed" % option, code == 0 and out and out[0].get("relayed"), (code, out, err))

code, out, err = body(ALLOW_ALL, "/containers/create", "{\"a\":1,\"A\":2}")
check("a malformed body is explained by its byte", code == 1 and "duplicate member at byte 7" in out[0].get("reason", ""), (out, err))
PROFILES = ALLOW_ALL + """clients:
  profiles:
    - {name: ci, rules: [{match: {method: GET, path: /_ping}, action: allow}]}
    - {name: soft, mode: warn, rules: [{match: {method: POST, path: /containers/create}, action: allow}]}
"""
code, out, err = explain(PROFILES, "--path", "/info", "--profile", "ci")
check("a profile is judged by its own rules", code == 1 and out and out[0].get("profile") == "ci" and out[0].get("stage") == "rules", (out, err))
code, out, err = body(PROFILES, "/containers/create", {"HostConfig": {"Privileged": True}}, "--profile", "soft")
check("what a mode lets pass says so, and names its stage", code == 0 and out and out[0].get("decision") == "would_deny" and out[0].get("stage") == "inspect", (out, err))
code, out, err = explain(PROFILES, "--path", "/info", "--profile", "nobody")
check("an unknown profile is an error", code == 1 and not out and "nobody" in err, (out, err))
code, out, err = explain(ALLOW_ALL, "--request", "-", stdin="POST /containers/x/start HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\n[1]")
check("a request as on the wire is taken from standard input", code == 1 and out and out[0].get("stage") == "inspect", (out, err))
# What an operator reads.
def words(policy, *args):
    r = subprocess.run([CTL, "explain", "-c", write("c.yaml", "listen: {socket: /run/x}\n" + policy), *args], env=env(), capture_output=True, text=True, timeout=60)
    return r.stdout, r.stderr


MORE = [
    ({"HostConfig": {"ExtraHosts": ["a:1.2.3.4"]}}, ["additional host names are not allowed", "/HostConfig/ExtraHosts", "a:1.2.3.4"]),
    ({"HostConfig": {"Sysctls": {"net.core.somaxconn": "1"}}}, ["/HostConfig/Sysctls", "net.core.somaxconn", "allow_sysctls"]),
    ({"HostConfig": {"Memory": "10m"}}, ["integer expected", "/HostConfig/Memory", '"10m"']),
    ({"HostConfig": {"Devices": [{"PathOnHost": "/dev/kvm"}]}}, ["/HostConfig/Devices/0/PathOnHost", "/dev/kvm", "allowed_devices"]),
    ({"HostConfig": {"NetworkMode": "host"}}, ["the host's network is not allowed", "/HostConfig/NetworkMode", "allow_host_network"]),
    ({"NetworkingConfig": {"EndpointsConfig": {"a/b": {"IPAMConfig": {"IPv4Address": "10.0.0.1"}}}}},
     ["/NetworkingConfig/EndpointsConfig/a~1b/IPAMConfig/IPv4Address", "network.endpoint_config.allow_static_addressing"]),
    ({"Privileged": True}, ["/Privileged", "outside of HostConfig"]),
    ({"Image": 5}, ["mutations.rules[id=m]", "/Image"]),
]
MUTATION = ALLOW_ALL + "mutations: {rules: [{id: m, surfaces: [container_create], remap_image: {match: prefix, from: a/, to: b/}}]}\n"
for doc, wanted in MORE:
    out, err = words(MUTATION, "--path", "/containers/create", "--body", write("b.json", json.dumps(doc)))
    check("an operator reads %s" % ", ".join(wanted), all(w in out for w in wanted) and not err, (out, err))
out, err = words(PROFILES, "--path", "/info", "--profile", "ci")
check("what no rule allows is told with the rule that would", 'clients.profiles[name=ci].rules: - {match: {method: GET, path: "/info"}, action: allow}' in out, (out, err))
out, err = words(ALLOW_ALL + "request_body: {exec: {allowed_commands: [[id]]}}\n", "-X", "POST", "--path", "/exec/x/start")
check("what depends on the daemon says so, and nothing else is printed", "a dry run asks nobody" in out and not err, (out, err))
out, err = words(ALLOW_ALL + "request_body: {container_update: {allow_resource_updates: true, require_memory_limit: true}}\n", "--path", "/containers/x/update",
                 "--body", write("b.json", "{}"))
check("and so does what depends on a container's limits", "a dry run asks nobody" in out and "guard" in out and not err, (out, err))
work.cleanup()
done()
