#!/usr/bin/env python3
"""What the companion records: its start, its listeners, filters that died; and the dedicated admin listener behind TLS."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import sg
from companion import RULES, Companion, profile, slow
from sg import check


def audit_records(c):
    return [d for d in c.log() if d.get("event_type") == "http_request"]


def test_death(up):
    policy = "metrics: {enabled: true}\nlog: {audit: {enabled: true}}\n" + profile("{concurrency: {max_inflight: 9}}")
    with Companion(policy, up.path) as c:
        c.get("/_ping")
        t = threading.Thread(target=c.get, args=("/slow?x=secret",))
        t.start()
        time.sleep(0.6)
        for p in c.spawner.procs:
            p.kill()
        t.join()
        dead = c.wait_log("filter died during a request")
        time.sleep(0.3)
        got = [a for a in audit_records(c) if a.get("aborted")]
        check("a filter that was shot has its audit record, written by the companion", len(got) == 1, got)
        a = got[0] if got else {}
        check("... with the request's own names", len(a.get("request_id", "")) == 32 and len(a.get("trace_id", "")) == 32 and a["request_id"] == dead[0]["request_id"], (a, dead))
        check("... who asked for what, and what had been decided",
              (a.get("method"), a.get("raw_path"), a.get("decision"), a.get("reason_code"), a.get("matched_rule"), a.get("selected_profile"),
               a.get("rollout_mode"), a.get("actor_uid"), a.get("listener_name"), a.get("transport_listener"))
              == ("GET", "/slow", "allow", "matched_allow_rule", 1, "p", "enforce", os.getuid(), "default", "unix"), a)
        keys = list(a)
        whole = [list(x) for x in audit_records(c) if not x.get("aborted")]
        check("... with the keys of every audit record, in their order", whole and keys == whole[0] + ["aborted"], (keys, whole))
        page = c.get("/metrics").body.decode()
        check("... and counts once, as an error",
              page.count('sockguard_http_requests_total{decision="error",listener="default",method="GET",profile="p",route="/{other}/...",status="0"} 1') == 1 and
              'duration_seconds_count{decision="error",listener="default",method="GET",profile="p",route="/{other}/..."} 1' in page, page)
        c.stop(signal.SIGKILL)
        c.start()
        time.sleep(1.3)
        check("... once, whatever becomes of the companion", 'status="0"} 1' in c.get("/metrics").body.decode() and len([a for a in audit_records(c) if a.get("aborted")]) == 1)


def test_started(up):
    with Companion(RULES.replace("rules:", "listeners:\n  - {name: a, socket: @A@, socket_mode: '0600', allowed_profiles: ['*']}\n  - {name: t, address: '127.0.0.1:%d', allowed_profiles: ['*'], "
                                 "insecure_allow_plain_tcp: true, insecure_allow_unauthenticated_clients: true}\n"
                                 "admin: {enabled: true, listen: {socket: @B@}}\nlisten: {}\nrules:" % free_port()), up.path, verb="serve", start=False) as c:
        text = open(c.config).read().replace("@A@", c.sock).replace("@B@", c.dir + "/adm").replace("listen: {}\n", "")
        text = "\n".join(x for x in text.splitlines() if not x.startswith("listen: ")) + "\n"
        open(c.config, "w").write(text)
        c.start()
        got = c.wait_log("started")
        check("the start names the listeners as a list", got and got[0]["listeners"] ==
              ["a unix:" + c.sock, "admin unix:" + c.dir + "/adm", "t tcp://" + got[0]["listeners"][-1][8:]], (got, open(c.logfile).read()))
        adm = c.log("admin listener started")
        check("... and the admin listener with its paths", adm and (adm[0]["listen"], adm[0]["validate_path"], adm[0]["policy_version_path"]) ==
              ("unix:" + c.dir + "/adm", "/admin/validate", "/admin/policy/version"), adm)
    with Companion("log: {format: text}\n" + RULES, up.path, verb="serve") as c:
        time.sleep(0.3)
        check("... in text too", 'listeners="[default unix:%s]"' % c.sock in open(c.logfile).read(), open(c.logfile).read())
    port = free_port()
    with Companion("admin: {enabled: true, listen: {address: '0.0.0.0:%d', insecure_allow_plain_tcp: true, insecure_allow_unauthenticated_clients: true, "
                   "insecure_allow_wide_open: true}}\n" % port + RULES, up.path, verb="serve") as c:
        got = c.wait_log("the admin listener is plaintext for every address")
        check("an admin listener open to everybody is warned of", got and got[0]["address"] == "0.0.0.0:%d" % port and got[0]["level"] == "WARN", c.log())


def test_lost_records(up):
    """A sink that takes nothing: records are lost, requests are not, and the loss is counted."""
    with Companion(RULES, up.path, start=False) as c:
        c.start()
        c.spawner.close()
        os.unlink(c.sock)
        r, w = os.pipe()
        import fcntl
        fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
        os.write(w, b"x" * 4096)
        spawner = sg.Spawner(c.sock, [sg.FILTER, "--policy", c.run + "/policy"], w)
        got = [c.get("/_ping").status for _ in range(4)]
        check("a log that nobody reads stops no request", got == [200] * 4, got)
        time.sleep(0.2)
        st = c.status()
        check("... and the records that were lost are counted", st["uncounted"]["records"] >= 4, st)
        check("... and shown", "records lost" in sg.ctl("status", "--runtime-dir", c.run).stdout, sg.ctl("status", "--runtime-dir", c.run).stdout)
        spawner.close()
        os.close(r)
        os.close(w)


def test_candidate_reader(up):
    """Who reads a stranger's candidate holds the pipe and nothing else."""
    with Companion("admin: {enabled: true}\n" + RULES, up.path) as c:
        body = b"rules:\n" + b"".join(b"  - {match: {method: GET, path: /x%d/**}, action: allow}\n" % i for i in range(8000))
        got, seen = [], []
        ask = b"POST /admin/validate HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for _ in range(20):     # it lives some hundredths of a second: it takes a few tries to meet it
            t = threading.Thread(target=lambda: got.append(sg.parse(sg.raw(c.sock, ask))))
            t.start()
            while t.is_alive() and not seen:
                try:
                    children = open("/proc/%d/task/%d/children" % (c.proc.pid, c.proc.pid)).read().split()
                except OSError:
                    children = subprocess.run(["pgrep", "-P", str(c.proc.pid)], capture_output=True, text=True).stdout.split()
                for p in children:
                    try:
                        if len(os.listdir("/proc/%s/fd" % p)) <= 4:
                            seen.append(c.run + "/state" in open("/proc/%s/maps" % p).read())
                    except OSError:
                        pass
            t.join()
            if seen:
                break
        check("a candidate's reader holds one pipe, and not the shared state", seen and not any(seen) and got[0].status == 200, (seen, got and got[0].body))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def certificates(d):
    def run(*args):
        subprocess.run(["certtool", *args], check=True, capture_output=True, cwd=d)
    for name, template, ca in (("ca", "cn = ca\nca\ncert_signing_key\n", None), ("server", 'cn = localhost\nip_address = "127.0.0.1"\ntls_www_server\nsigning_key\n', "ca"),
                               ("admin", "cn = admin\ntls_www_client\nsigning_key\n", "ca"), ("other", "cn = somebody\ntls_www_client\nsigning_key\n", "ca")):
        run("--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", name + ".key")
        with open(os.path.join(d, name + ".tmpl"), "w") as f:
            f.write(template + "expiration_days = 30\n")
        how = ["--generate-self-signed"] if not ca else ["--generate-certificate", "--load-ca-certificate", "ca.pem", "--load-ca-privkey", "ca.key"]
        run(*how, "--load-privkey", name + ".key", "--template", name + ".tmpl", "--outfile", name + ".pem")


def tls_ask(port, d, cert, request):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(d + "/ca.pem")
    if cert:
        context.load_cert_chain(d + "/%s.pem" % cert, d + "/%s.key" % cert)
    try:
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5), server_hostname="127.0.0.1")
        s.settimeout(10)
        s.sendall(request)
        out = b""
        while True:
            got = s.recv(65536)
            if not got:
                break
            out += got
        return sg.parse(out)
    except (OSError, ssl.SSLError):
        return None


def test_admin_tls(up):
    if not shutil.which("certtool") or not os.path.exists(sg.program("sockguard-tls")):
        return
    d = tempfile.mkdtemp(prefix="sg-adm-")
    certificates(d)
    get = b"GET /admin/policy/version HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
    for verb in ("serve", "run"):
        port = free_port()
        policy = ("log: {audit: {enabled: true}}\nadmin: {enabled: true, listen: {address: '127.0.0.1:%d', tls: {cert_file: %s/server.pem, key_file: %s/server.key, "
                  "client_ca_file: %s/ca.pem, common_names: [admin]}}}\n" % (port, d, d, d)) + RULES
        with Companion(policy, up.path, verb=verb) as c:
            end = time.monotonic() + 10
            r = None
            while r is None and time.monotonic() < end:
                r = tls_ask(port, d, "admin", get)
                time.sleep(0.1)
            check("%s: the admin listener speaks TLS and answers whom it is meant for" % verb, r and r.status == 200 and r.json()["version"] == 1, (r and r.body, c.log()))
            check("%s: ... and nobody else with a certificate of the same authority" % verb, tls_ask(port, d, "other", get) is None)
            check("%s: ... nor without one" % verb, tls_ask(port, d, None, get) is None)
            body = b"rules: [{match: {method: GET, path: /x}, action: allow}]\n"
            r = tls_ask(port, d, "admin", b"POST /admin/validate HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            check("%s: ... candidates are validated there" % verb, r and r.json() == {"ok": True, "rules": 1}, r and r.body)
            r = tls_ask(port, d, "admin", b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
            check("%s: ... and everything else is unknown there" % verb, r and r.status == 404, r and r.body)
            time.sleep(0.3)
            a = [x for x in audit_records(c) if x["listener_name"] == "admin"]
            check("%s: ... and is audited as it came" % verb, a and all((x["transport_listener"], x["transport_scheme"], x["actor_source_ip"]) == ("tcp", "https", "127.0.0.1") for x in a), a)
            plain = socket.create_connection(("127.0.0.1", port), 5)
            plain.settimeout(5)
            plain.sendall(get)
            try:
                got = plain.recv(1000)
            except OSError:
                got = b""
            check("%s: ... plaintext is told off, not answered" % verb, b"version" not in got and not got.startswith(b"HTTP/1.1 200"), got)
            plain.close()
    shutil.rmtree(d)


def main():
    with sg.StandIn({("GET", "/containers/json"): (200, [], [])}) as up:
        up.answers[("GET", "/slow")] = slow
        for t in (test_death, test_started, test_lost_records, test_candidate_reader, test_admin_tls):
            try:
                t(up)
            except Exception as e:   # noqa: one broken test must not hide the others
                check(t.__name__, False, "%s: %s" % (type(e).__name__, e))
    sg.done()


if __name__ == "__main__":
    main()
