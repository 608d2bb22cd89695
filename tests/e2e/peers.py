#!/usr/bin/python3
"""Who calls: users, groups, processes and source addresses, through listeners that `sockguard-ctl serve` keeps and through processes of inetd's
kind; each client is a process of its own."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402

if os.geteuid() != 0:
    sg.skip("not root")
D = tempfile.mkdtemp(prefix="sg-peers-")
os.chmod(D, 0o755)
stand_in = sg.StandIn({"*": (200, [], b"OK")})
with socket.create_server(("127.0.0.1", 0)) as s:
    port = s.getsockname()[1]
PROFILES = ("by-uid", "by-gid", "by-both", "by-source", "by-host", "nobody-knows")
POLICY = """listeners:
  - {name: any, socket: %s/any.sock, socket_mode: "0660", socket_gid: 0, allowed_profiles: ["*"]}
  - {name: few, socket: %s/few.sock, socket_mode: "0660", socket_gid: 0, allowed_profiles: [by-uid, by-both]}
  - {name: net, address: "127.0.0.1:%d", allowed_profiles: ["*"]}
upstream: {socket: %s}
health: {enabled: false}
clients:
  default_profile: nobody-knows
  unix_peer_profiles:
    - {profile: by-both, uids: [1001], gids: [2001]}
    - {profile: by-uid, uids: [1000, 1001]}
    - {profile: by-gid, gids: [2002]}
  source_ip_profiles:
    - {profile: by-host, cidrs: [127.0.0.2/32]}
    - {profile: by-source, cidrs: [127.0.0.0/29]}
  profiles:
%s""" % (D, D, port, stand_in.path, "".join('    - {name: %s, rules: [{match: {method: GET, path: "/**"}, action: allow}]}\n' % p for p in PROFILES)) + sg.ALLOW_ALL
with open(D + "/c.yaml", "w") as f:
    f.write(POLICY)
CLIENT = """
import os, socket, sys
kind, where, uid, gid, groups = sys.argv[1:6]
if kind == "unix":
    os.setgroups([int(g) for g in groups.split(",") if g]); os.setresgid(int(gid), int(gid), int(gid)); os.setresuid(int(uid), int(uid), int(uid))
    s = socket.socket(socket.AF_UNIX); s.connect(where)
else:
    s = socket.create_connection(("127.0.0.1", int(where)), 10, source_address=(uid, 0))
s.settimeout(10)
s.sendall(b"GET /_ping HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\n\\r\\n")
print(s.makefile("rb").readline().decode().split()[1:2])
"""


def ask(kind, where, uid="0", gid="0", groups=""):
    """(status, profile, client) as the record of this one request has them."""
    before = len(records())
    r = subprocess.run([sys.executable, "-c", CLIENT, kind, str(where), str(uid), str(gid), groups], capture_output=True, text=True)
    end = time.monotonic() + 5
    while len(records()) == before and time.monotonic() < end:
        time.sleep(0.02)
    last = records()[-1] if len(records()) > before else {}
    return r.stdout.strip().strip("[']") or r.stderr[-200:], last.get("profile"), last.get("client", "")


def records():
    out = []
    for line in open(log, "rb"):
        try:
            d = json.loads(line)
        except ValueError:
            continue
        if d.get("path") == "/_ping" and "decision" in d:
            out.append(d)
    return out


log = D + "/log"
serve = subprocess.Popen([sg.CTL, "serve", "--config", D + "/c.yaml", "--runtime-dir", D + "/run"], env=sg.env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=open(log, "ab"))
for _ in range(100):
    if os.path.exists(D + "/few.sock") and serve.poll() is None:
        break
    time.sleep(0.1)
time.sleep(0.5)
for n in ("any", "few"):
    os.chmod(D + "/%s.sock" % n, 0o666)  # so that users of no group get as far as the policy

for uid, gid, groups, want in ((1000, 2000, "", "by-uid"), (1001, 2000, "", "by-uid"), (1001, 2001, "", "by-both"), (1002, 2002, "", "by-gid"), (1002, 2000, "2002", "nobody-knows"),
                               (0, 0, "", "nobody-knows"), (65534, 65534, "2001,2002", "nobody-knows")):
    got = ask("unix", D + "/any.sock", uid, gid, groups)
    sg.check("user %d of group %d%s has profile %s" % (uid, gid, " and " + groups if groups else "", want), got[:2] == ("200", want), got)
for uid, gid, want in ((1000, 1, "200"), (1001, 2001, "200"), (1002, 2002, "403"), (0, 0, "403")):
    got = ask("unix", D + "/few.sock", uid, gid)
    sg.check("at the listener for few user %d gets %s" % (uid, want), got[0] == want, got)
for source, want in (("127.0.0.1", "by-source"), ("127.0.0.2", "by-host"), ("127.0.0.7", "by-source"), ("127.0.0.8", "nobody-knows"), ("127.9.0.2", "nobody-knows")):
    got = ask("tcp", port, source)
    sg.check("a client from %s has profile %s" % (source, want), got[:2] == ("200", want) and got[2].startswith(source + ":"), got)
serve.terminate()
sg.check("serve ends in order", serve.wait(40) == 0)

# ---- a process by its number: only while it is that process ----
policy = """clients:
  unix_peer_profiles: [{profile: it, uids: [0], pids: [%d]}]
  profiles: [{name: it, rules: [{match: {method: GET, path: /_ping}, action: allow}]}]
rules: [{match: {method: GET, path: /nothing}, action: allow}]
"""
CONNECT = "import os, socket, sys, time\ns = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
SAY = "s.sendall(b'GET /_ping HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\n\\r\\n'); print(s.recv(999)[9:12].decode())\n"
LEAVE = "if os.fork(): os._exit(0)\ntime.sleep(0.5)\n"  # the connection stays, with a child; who opened it is gone


def named(code, inetd):
    """What a process gets whose number was in the policy before it became the client."""
    # The shell waits for a line, by which time its number is in the policy, and becomes the client.
    child = subprocess.Popen(["sh", "-c", 'read x; exec "$0" -c "$1" "$x"', sys.executable, code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with sg.Sockguard(policy % child.pid, stand_in.path, inetd=inetd) as g:
        out = child.communicate(g.sock + "\n", timeout=20)[0].strip()
        return out, sg.request(g.sock, "GET", "/_ping").status


knows = True
try:
    a, b = socket.socketpair()
    a.getsockopt(socket.SOL_SOCKET, 77)  # SO_PEERPIDFD, Linux 6.5
except OSError:
    knows = False
for title, inetd in (("Accept=yes", False), ("inetd", True)):
    got = named(CONNECT + SAY, inetd)
    sg.check("the process that the policy names is let in, another one of the same user is not (%s)" % title, got == ("200", 403), got)
    if knows:
        got = named(CONNECT + LEAVE + SAY, inetd)
        sg.check("when it has ended its number says nothing any more (%s)" % title, got[0] == "403", got)
stand_in.close()
shutil.rmtree(D, ignore_errors=True)
sg.done()
