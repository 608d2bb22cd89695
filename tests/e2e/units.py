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
# ---- TLS ----
if shutil.which("certtool"):
    pem = {k: os.path.join(d, k) for k in ("ca.pem", "server.pem", "server.key", "t")}
    with open(pem["t"], "w") as f:
        f.write("cn = x\nca\ncert_signing_key\nexpiration_days = 3\n")
    for a in (["--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", pem["server.key"]],
              ["--generate-self-signed", "--load-privkey", pem["server.key"], "--template", pem["t"], "--outfile", pem["server.pem"]]):
        subprocess.run(["certtool", *a], check=True, capture_output=True)
    SECURE = 'listeners:\n  - {name: tls, address: "0.0.0.0:2376", allowed_profiles: ["*"], tls: {cert_file: %s, key_file: %s, client_ca_file: %s}}\n' \
             '  - {name: unix, socket: /run/sockguard/docker.sock, socket_mode: "0600", allowed_profiles: ["*"]}\n' % (pem["server.pem"], pem["server.key"], pem["server.pem"])
    for pool, service in (((), "sockguard-tls@.service"), (("--pool",), "sockguard-tls-pool.service")):
        r = run(*pool, "--user", "someone", text=SECURE + RULES)
        t = read(service)
        sg.check("a TLS listener is served by sockguard-tls, which starts as root and becomes --user (%s)" % service,
                 r.returncode == 0 and "/sockguard-tls --policy /run/sockguard/policy --listener tls" in t and " --user someone\n" in t and "\nUser=" not in t and
                 "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SETUID CAP_SETGID CAP_SETPCAP\n" in t and "ListenStream=0.0.0.0:2376\n" in read("sockguard-tls.socket"), t)
        u = read(service.replace("tls", "unix"))
        sg.check("the listener beside it has nothing of that (%s)" % service, "\nUser=someone\n" in u and "CapabilityBoundingSet=\n" in u and "sockguard-tls" not in u, u)
        sg.check("and again nothing changes (%s)" % service, run(*pool, "--user", "someone", "--diff").returncode == 0)

shutil.rmtree(units)
os.mkdir(units)
os.symlink("/dev/null", os.path.join(units, "sockguard.socket"))
r = run(text='listen: {socket: /run/sockguard/docker.sock}\n' + RULES)
sg.check("a masked unit stays masked", r.returncode == 1 and "sockguard.socket" in r.stderr and os.readlink(os.path.join(units, "sockguard.socket")) == "/dev/null", r.stderr)
os.unlink(os.path.join(units, "sockguard.socket"))
open(os.path.join(units, "sockguard.socket"), "w").close()
r = run()
sg.check("an empty file is somebody's too", r.returncode == 1 and os.path.getsize(os.path.join(units, "sockguard.socket")) == 0, r.stderr)
with open(os.path.join(units, "sockguard.socket"), "w") as f:
    f.write("x" * 100000)
sg.check("and one of a hundred kilobytes", run().returncode == 1 and os.path.getsize(os.path.join(units, "sockguard.socket")) == 100000)
with open(os.path.join(units, "sockguard.socket"), "w") as f:
    f.write("[Socket]\nListenStream=/x\n")
r = run(text='listen: {socket: /run/sockguard/docker.sock}\n' + RULES)
sg.check("a file of somebody else is never overwritten", r.returncode == 1 and "sockguard.socket" in r.stderr and read("sockguard.socket") == "[Socket]\nListenStream=/x\n", r.stderr)
r = run(text='listeners: [{name: a, address: "host.example:1", allowed_profiles: ["*"], insecure_allow_plain_tcp: true, insecure_allow_unauthenticated_clients: true}]\n' + RULES)
sg.check("a host name is no place to listen", r.returncode == 1 and "host names" in r.stderr, r.stderr)
shutil.rmtree(d)
sg.done()
