#!/usr/bin/python3
# build: plain
# slow
"""A real xinetd starts filters with the service file that is installed, on TCP; so does `systemd-socket-activate --inetd`. What filters write about
themselves never reaches the client. Needs root, debootstrap and systemd-nspawn."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine  # noqa: E402
import sg  # noqa: E402

why = machine.missing()
if why:
    sg.skip("no machine of our own here: " + why)
try:
    machine.tree()
except (subprocess.CalledProcessError, OSError) as e:
    sg.skip("no Debian tree: %s" % str(getattr(e, "output", None) or e)[-300:].replace("\n", " "))

POLICY = """listen: {address: "127.0.0.1:2375"}
upstream: {socket: /var/run/docker.sock}
insecure_allow_read_exfiltration: true
rules:
  - {match: {method: "GET,HEAD", path: /_ping}, action: allow}
  - {match: {method: GET, path: /version}, action: allow}
  - {match: {method: GET, path: /containers/json}, action: allow}
  - {match: {method: POST, path: /containers/create}, action: allow}
  - {match: {method: POST, path: "/containers/*/attach"}, action: allow}
  - {match: {method: POST, path: "/containers/*/start"}, action: allow}
  - {match: {method: POST, path: "/containers/*/wait"}, action: allow}
  - {match: {method: DELETE, path: "/containers/*"}, action: allow}
  - {match: {method: "*", path: "/**"}, action: deny, reason: not for this client}
"""
# A client in the machine, since its loopback is not ours: sends what it reads, prints what comes until the end.
CLIENT = """set -e
exec 3<>/dev/tcp/127.0.0.1/%d
cat >&3
timeout 10 cat <&3
"""


def talk(m, text, port=2375):
    """All bytes that come back for these bytes, the connection closed by the filter."""
    return m.run("bash", "-c", CLIENT % port, input=text, text=False).stdout


def only_http(out, n):
    """Is it n answers with a length, and not a byte more?"""
    for _ in range(n):
        head, sep, rest = out.partition(b"\r\n\r\n")
        if not sep or not head.startswith(b"HTTP/1.1 "):
            return False
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not length or len(rest) < int(length[1]):
            return False
        out = rest[int(length[1]):]
    return out == b""


PING = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
DENIED = b"POST /volumes/create HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}"
LAST = b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"

m = machine.Machine("xinetd")
try:
    m.config(POLICY)
    r = sg.ctl("validate", "--config", m.root + m.etc + "/sockguard.yaml")
    if not sg.check("the policy of this test is valid", r.returncode == 0, r.stdout + r.stderr):
        sys.exit(1)
    subprocess.run(["systemd-sysusers", "--root=" + m.root], check=True, capture_output=True)
    service = open(m.root + m.prefix + "/share/sockguard/sockguard.xinetd").read()
    sg.check("the installed service file is off until somebody turns it on", re.search(r"disable\s*= yes", service))
    m.write("/etc/xinetd.d/sockguard", re.sub(r"(disable\s*=) yes", r"\1 no", service))
    m.enable("sockguard.service", "xinetd.service")
    if not m.boot():
        sg.skip("systemd does not boot in a container here")
    sg.check("xinetd and the companion run", m.show("xinetd.service", "ActiveState") == "active" and m.show("sockguard.service", "ActiveState") == "active",
             m.systemctl("status", "xinetd.service", "sockguard.service").stdout)
    m.image()

    out = talk(m, PING + DENIED + LAST)
    sg.check("three requests on a connection, three answers and nothing else", only_http(out, 3) and b"HTTP/1.1 403 " in out and out.count(b"HTTP/1.1 200 ") == 2, out)
    r = m.run("docker", "-H", "tcp://127.0.0.1:2375", "run", "--rm", "-i", "busybox", "cat", input="through xinetd\n")
    sg.check("docker run -i on TCP through xinetd", r.stdout == "through xinetd\n", r.stdout + r.stderr)
    r = m.run("docker", "-H", "tcp://127.0.0.1:2375", "run", "--rm", "--privileged", "busybox", "true")
    sg.check("docker run --privileged is refused", r.returncode != 0 and "denied by sockguard policy" in r.stderr, r.stderr)

    def records(*args):
        found = []
        for line in m.journal("-o", "json", *args).splitlines():
            d = json.loads(line)
            try:
                found.append((d, json.loads(d["MESSAGE"])))
            except (ValueError, TypeError, KeyError):
                pass
        return found

    time.sleep(1)
    denied = [(d, x) for d, x in records("_COMM=sockguard-filte") if x.get("path") == "/volumes/create"]
    sg.check("the records are in the syslog, not in the connection", len(denied) == 1 and denied[0][1]["status"] == 403, denied)
    sg.check("with the client's address, the priority of their level, and the filter's user", denied and denied[0][1].get("client", "").startswith("127.0.0.1:") and
             denied[0][0]["PRIORITY"] == "4" and denied[0][0]["_UID"] == m.run("id", "-u", "sockguard-filter").stdout.strip(), denied)
    r = m.run(m.prefix + "/bin/sockguard-ctl", "doctor", "--config", m.etc + "/sockguard.yaml")
    sg.check("doctor says where they go", "records go to syslog" in r.stdout, r.stdout + r.stderr)

    # ---- trouble is not told to the client either ----
    m.systemctl("stop", "sockguard.service")
    m.run("mv", "/run/sockguard/policy", "/run/sockguard/kept")
    out = talk(m, PING)
    sg.check("without a policy: 503, and no word of it on the connection", only_http(out, 1) and out.startswith(b"HTTP/1.1 503 "), out)
    m.run("sh", "-c", "head -c 100 /run/sockguard/kept > /run/sockguard/policy; chgrp sockguard /run/sockguard/policy; chmod 640 /run/sockguard/policy")
    out = talk(m, PING)
    sg.check("with one that was cut short: the same", only_http(out, 1) and out.startswith(b"HTTP/1.1 503 "), out)
    m.run("mv", "/run/sockguard/kept", "/run/sockguard/policy")
    m.systemctl("stop", "systemd-journald-dev-log.socket", "systemd-journald.socket", "systemd-journald.service")
    m.run("rm", "-f", "/run/systemd/journal/dev-log")
    out = talk(m, PING + DENIED + LAST)
    sg.check("without a syslog, too, nothing but answers", only_http(out, 3), out)
    m.systemctl("start", "systemd-journald-dev-log.socket", "systemd-journald.socket", "systemd-journald.service")
    m.systemctl("start", "sockguard.service")

    # ---- systemd-socket-activate as an inetd ----
    activate = subprocess.Popen(["nsenter", "-t", str(m.init), "-m", "-u", "-i", "-n", "-p", "--", "systemd-socket-activate", "-l", "127.0.0.1:2376", "--accept", "--inetd",
                                 m.prefix + "/bin/sockguard-filter", "--policy", "/run/sockguard/policy"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)
    end = time.monotonic() + 10
    out = b""
    while not out and time.monotonic() < end:
        time.sleep(0.2)
        out = talk(m, PING + DENIED + LAST, 2376)
    sg.check("systemd-socket-activate --accept --inetd", only_http(out, 3) and b"HTTP/1.1 403 " in out, out)
    m.run("pkill", "-x", "systemd-socket-")
    _, err = activate.communicate(timeout=20)
    sg.check("there records go to standard error, which is another file", b'"path":"/volumes/create"' in err, err)
finally:
    m.close()
sg.done()
