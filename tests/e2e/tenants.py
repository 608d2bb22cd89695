#!/usr/bin/env python3
"""Two tenants share a real dockerd, each behind a `sockguard-ctl serve` with a listener and a pool of its own. Alice makes one of everything;
Bob tries every operation of the Docker API on hers. Needs root and dockerd; starts a daemon of its own, swarm included."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sg  # noqa: E402
import tenancy  # noqa: E402

if os.geteuid() != 0 or not shutil.which("dockerd") or not sg.DOCKER_SOCK:
    sg.skip("needs root, dockerd and a daemon that has busybox")

work = tempfile.mkdtemp(prefix="sgt-")
sock = os.path.join(work, "d.sock")
log = open(os.path.join(work, "log"), "wb")
daemon = subprocess.Popen(["dockerd", "--data-root", work + "/data", "--exec-root", work + "/exec", "-H", "unix://" + sock, "--pidfile",
                           work + "/pid", "--bridge=none", "--iptables=false", "--ip6tables=false"], stdout=log, stderr=log)


def root(method, target, body=None, headers=()):
    """A request past every filter."""
    return sg.request(sock, method, target, body, headers, timeout=60)


def finish():
    """Leaves no bridge behind: the next daemon would find its addresses taken."""
    if daemon.poll() is None and os.path.exists(sock):
        root("POST", "/swarm/leave?force=1")
        for c in json.loads((root("GET", "/containers/json?all=1") or sg.Reply(0, [], b"[]", b"")).body):
            root("DELETE", "/containers/%s?force=1&v=1" % c["Id"])
        for n in json.loads((root("GET", "/networks") or sg.Reply(0, [], b"[]", b"")).body):
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


def main():
    for _ in range(300):
        if daemon.poll() is not None:
            sg.skip("dockerd does not start here")
        if os.path.exists(sock) and (r := sg.request(sock, "GET", "/_ping")) and r.status == 200:
            break
        time.sleep(0.1)
    else:
        sg.skip("dockerd does not start here")
    tar = sg.request(sg.DOCKER_SOCK, "GET", "/images/busybox/get", timeout=60).body
    root("POST", "/images/load", tar, [("Content-Type", "application/x-tar")])
    swarm = root("POST", "/swarm/init", {"ListenAddr": "127.0.0.1:23779", "AdvertiseAddr": "127.0.0.1:23779"}).status == 200
    with sg.Served(tenancy.POLICY % "alice", sock) as a, sg.Served(tenancy.POLICY % "bob", sock) as b:
        tenancy.play(tenancy.Tenant("alice", a.sock, a.log), tenancy.Tenant("bob", b.sock, b.log), root, swarm)


try:
    main()
finally:
    finish()
sg.done()
