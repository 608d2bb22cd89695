#!/usr/bin/python3
"""sockguard-ctl units: systemd files that follow the configuration, and nothing else in their directory."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402

d = tempfile.mkdtemp(prefix="sg-units-")
units = os.path.join(d, "units")
os.mkdir(units)
config = os.path.join(d, "sockguard.yaml")
RULES = 'rules:\n  - {match: {method: GET, path: "/_ping"}, action: allow}\n'
THREE = """listeners:
  - {name: ci, socket: /run/ci%n.sock, socket_mode: "0660", socket_gid: 0, allowed_profiles: ["*"]}
  - {name: local, address: "localhost:2375", allowed_profiles: ["*"]}
  - {name: six, address: "[::1]:2376", allowed_profiles: ["*"]}
"""


def run(*args, text=None):
    if text is not None:
        with open(config, "w") as f:
            f.write(text)
    return sg.ctl("units", "--config", config, "--dir", units, *args)


def read(name):
    with open(os.path.join(units, name)) as f:
        return f.read()


r = run("--diff", text=THREE + RULES)
sg.check("--diff shows what would be written, and writes nothing", r.returncode == 1 and "+++ " in r.stdout and not os.listdir(units), r.stdout + r.stderr)
r = run()
sg.check("one socket and one service a listener", r.returncode == 0 and sorted(os.listdir(units)) == sorted(
    "sockguard-%s%s" % (n, s) for n in ("ci", "local", "six") for s in (".socket", "@.service")), r.stdout + r.stderr)
sg.check("a unix listener keeps its path, mode and owners", "ListenStream=/run/ci%%n.sock\nSocketMode=0660\nSocketGroup=0\n" in read("sockguard-ci.socket"), read("sockguard-ci.socket"))
sg.check("addresses are numeric", "ListenStream=127.0.0.1:2375\n" in read("sockguard-local.socket") and "ListenStream=[::1]:2376\n" in read("sockguard-six.socket"))
sg.check("the service names its listener", "--listener six\n" in read("sockguard-six@.service"))
stamps = {n: os.stat(os.path.join(units, n)).st_mtime_ns for n in os.listdir(units)}
r = run()
sg.check("a second time changes nothing", r.returncode == 0 and r.stdout == "" and stamps == {n: os.stat(os.path.join(units, n)).st_mtime_ns for n in os.listdir(units)})
sg.check("and there is no difference", run("--diff").returncode == 0)
with open(os.path.join(units, "sockguard-own.service"), "w") as f:
    f.write("[Service]\nExecStart=/bin/true\n")
r = run("--diff", text=THREE.replace("0660", "0600").replace('  - {name: local, address: "localhost:2375", allowed_profiles: ["*"]}\n', "") + RULES)
sg.check("--diff shows a change line by line", r.returncode == 1 and "\n-SocketMode=0660\n+SocketMode=0600\n" in r.stdout, r.stdout)
r = run()
sg.check("units of a listener that is gone go too, others stay", r.returncode == 0 and sorted(os.listdir(units)) == sorted(
    ["sockguard-own.service"] + ["sockguard-%s%s" % (n, s) for n in ("ci", "six") for s in (".socket", "@.service")]), os.listdir(units))
r = run("--pool")
sg.check("--pool writes Accept=no units", r.returncode == 0 and "Accept=no\n" in read("sockguard-ci.socket") and "Service=sockguard-ci-pool.service\n" in read("sockguard-ci.socket") and
         " --pool " in read("sockguard-ci-pool.service") and not os.path.exists(os.path.join(units, "sockguard-ci@.service")), os.listdir(units))
if shutil.which("systemd-analyze"):
    v = subprocess.run(["systemd-analyze", "verify", *[os.path.join(units, n) for n in os.listdir(units) if "own" not in n]], capture_output=True, text=True)
    bad = [x for x in v.stderr.splitlines() if "sockguard" in x and "man " not in x and "not executable" not in x and "No such file" not in x]
    sg.check("systemd reads them without a complaint", not bad, bad)
shutil.rmtree(units)
os.mkdir(units)
with open(os.path.join(units, "sockguard.socket"), "w") as f:
    f.write("[Socket]\nListenStream=/x\n")
r = run(text='listen: {socket: /run/sockguard/docker.sock}\n' + RULES)
sg.check("a file of somebody else is never overwritten", r.returncode == 1 and "sockguard.socket" in r.stderr and read("sockguard.socket") == "[Socket]\nListenStream=/x\n", r.stderr)
r = run(text='listeners: [{name: a, address: "host.example:1", allowed_profiles: ["*"], insecure_allow_plain_tcp: true, insecure_allow_unauthenticated_clients: true}]\n' + RULES)
sg.check("a host name is no place to listen", r.returncode == 1 and "host names" in r.stderr, r.stderr)
shutil.rmtree(d)
sg.done()
