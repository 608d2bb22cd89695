#!/usr/bin/env python3
# build: plain
"""
Reloads while clients hammer: no request fails, and none is judged by two policies.

  companion-reload.py [--reloads N] [--clients N] [--pause S]     (default 150 and 12; 10000 and 50 for the whole proof)

Two policies take turns that say a name in everything that a request meets on its way: the client profile, the place and the reason of
the rule that denies, the label that a mutation adds, the label of the owner, the filter that visibility adds to a list, the bytes that
the answer is cleaned of. Each client looks at each answer, the daemon's stand-in tells what arrived, and the filter's records are read
too: all that belongs to one request must be of one name.
"""
import argparse
import json
import mmap
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import sg
from sg import CTL, check

POLICY = """reload: {{enabled: true, debounce: 1ms}}
metrics: {{enabled: true}}
upstream: {{socket: {upstream}}}
listen: {{socket: {sock}}}
ownership: {{owner: "{name}"}}
response: {{deny_verbosity: verbose}}
mutations: {{rules: [{{id: "{name}", surfaces: [container_create], inject_labels: {{labels: {{mutated-by: "{name}"}}}}}}]}}
rules:
  - {{match: {{method: GET, path: /never}}, action: allow}}
clients:
  default_profile: "{name}"
  profiles:
    - name: "{name}"
      response: {{visible_resource_labels: ["seen-by={name}"]}}
      rules:
{padding}        - {{match: {{method: GET, path: /info}}, action: deny, reason: "{name}"}}
        - {{match: {{method: "*", path: "/**"}}, action: allow}}
      request_body: {{container_create: {{allow_all_capabilities: true}}}}
insecure_allow_body_blind_writes: true
insecure_allow_read_exfiltration: true
insecure_accept_opaque_buildkit_tunnels: true
"""
# The same things stand at other places: what was read of one policy and used with the other would not fit.
PADDING = {"anna": "", "bruno": "".join("        - {match: {method: GET, path: /pad%d}, action: deny, reason: padding}\n" % i for i in range(7))}
RULE = {"anna": 0, "bruno": 7}
CREATE = json.dumps({"Image": "busybox", "Labels": {"mine": "yes"}}).encode()


def serve_standin(path):
    """Answers with what it was sent, as the client must see which policy it met. A process of its own: Python has one lock."""
    def create(c, f, method, target, headers, body):
        labels = json.loads(body)["Labels"]
        out = json.dumps({"Id": "f" * 64, "Warnings": ["%s/%s/%s" % (labels.get("mutated-by"), labels.get("com.sockguard.owner"), labels.get("mine"))]}).encode()
        f.write(b"HTTP/1.1 201 C\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(out) + out)
        f.flush()

    def listing(c, f, method, target, headers, body):
        q = urllib.parse.parse_qs(target.partition("?")[2])
        out = b"[]"
        f.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Filters: %s\r\nContent-Length: %d\r\n\r\n" % (q.get("filters", ["-"])[0].encode(), len(out)) + out)
        f.flush()

    up = sg.StandIn()
    up.seen = type("Nothing", (), {"append": lambda *a: None})()   # it must not remember a million requests
    up.answers.update({("POST", "/containers/create"): create, ("GET", "/containers/json"): listing})
    os.symlink(up.path, path)
    print("ready", flush=True)
    sys.stdin.read()


class Client:
    def __init__(self, sock):
        self.sock, self.s, self.buffer = sock, None, b""

    def ask(self, request):
        if self.s is None:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(60)
            self.s.connect(self.sock)
            self.buffer = b""
        self.s.sendall(request)
        while b"\r\n\r\n" not in self.buffer:
            d = self.s.recv(65536)
            if not d:
                raise OSError("closed within an answer's head")
            self.buffer += d
        head, _, rest = self.buffer.partition(b"\r\n\r\n")
        low = head.lower()
        if b"transfer-encoding" in low:
            while not rest.endswith(b"0\r\n\r\n"):
                rest += self.s.recv(65536) or (_ for _ in ()).throw(OSError("closed within a body"))
            body, at = b"", rest
            while at:
                n, _, at = at.partition(b"\r\n")
                body, at = body + at[:int(n, 16)], at[int(n, 16) + 2:]
            rest = b""
        else:
            n = int(re.search(rb"content-length: *(\d+)", low)[1])
            while len(rest) < n:
                d = self.s.recv(65536)
                if not d:
                    raise OSError("closed within a body")
                rest += d
            body, rest = rest[:n], rest[n:]
        self.buffer = rest
        return int(head.split()[1]), head, body

    def hang_up(self):
        if self.s:
            self.s.close()
        self.s = None


def verdicts(client):
    """One of each kind of request; the names that each met: a set with one member, if all is well."""
    status, head, body = client.ask(b"GET /info HTTP/1.1\r\nHost: d\r\n\r\n")
    yield "denied", status == 403, {json.loads(body)["reason"]} if status == 403 else {status}
    status, head, body = client.ask(b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(CREATE) + CREATE)
    names = json.loads(body)["Warnings"][0].split("/") if status == 201 else [status, "", ""]
    yield "changed", status == 201 and names[2] == "yes", set(names[:2])
    status, head, body = client.ask(b"GET /containers/json HTTP/1.1\r\nHost: d\r\n\r\n")
    found = re.search(rb"(?i)x-filters: (.*)", head)
    labels = json.loads(found[1])["label"] if found and found[1].strip() != b"-" else []
    labels = labels if isinstance(labels, list) else list(labels)
    yield "filtered", status == 200 and len(labels) == 2, {x.partition("=")[2] for x in labels}


def run_clients(sock, first, n, stop_file, pause):
    """A process with n clients. Every third one opens a connection for each round. Prints what it saw when told to stop."""
    bad, counts, lock = [], {}, threading.Lock()

    def hammer(i):
        client, mine = Client(sock), {}
        while not os.path.exists(stop_file):
            try:
                for kind, fine, names in verdicts(client):
                    if not fine or len(names) != 1:
                        bad.append([kind, fine, sorted(map(str, names))])
                    for name in names:
                        mine[kind + " " + str(name)] = mine.get(kind + " " + str(name), 0) + 1
            except (OSError, ValueError, KeyError, TypeError) as e:
                bad.append(["failed", type(e).__name__, str(e)])
                client.hang_up()
            if i % 3 == 0:
                client.hang_up()
            time.sleep(pause)
        with lock:
            for k, v in mine.items():
                counts[k] = counts.get(k, 0) + v

    threads = [threading.Thread(target=hammer, args=(first + i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(json.dumps({"bad": bad[:20], "n_bad": len(bad), "counts": counts}))


class Records(threading.Thread):
    """Reads the filters' records as they come: what one says of one request must be of one policy."""

    def __init__(self, fd):
        super().__init__(daemon=True)
        self.f, self.bad, self.n, self.names, self.rejected, self.applied = os.fdopen(fd, "rb"), [], 0, {}, [], 0
        self.start()

    def run(self):
        for line in self.f:
            try:
                d = json.loads(line)
            except ValueError:
                continue
            if d.get("msg") in ("request", "request_denied"):
                name, self.n = d.get("profile"), self.n + 1
                self.names[name] = self.names.get(name, 0) + 1
                # Rule numbers differ between the two, and so says each record twice whose it is.
                fits = name in RULE and d["rule"] == RULE[name] + (d["decision"] == "allow") and d.get("reason", name) == name
                mutated = d.get("mutation_rule_ids", name)
                if not fits or mutated != name:
                    self.bad.append(d)
            elif d.get("msg") == "reload applied":
                self.applied += 1
            elif d.get("msg") == "reload rejected":
                self.rejected.append(d)


def resident(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * 4


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--reloads", type=int, default=150)
    a.add_argument("--clients", type=int, default=12)
    a.add_argument("--pause", type=float, default=0, help="seconds a client rests after each round")
    a.add_argument("--quick", action="store_true")
    a.add_argument("--role")
    a.add_argument("rest", nargs="*")
    o = a.parse_args()
    if o.role == "standin":
        return serve_standin(o.rest[0])
    if o.role == "clients":
        return run_clients(o.rest[0], int(o.rest[1]), int(o.rest[2]), o.rest[3], float(o.rest[4]))

    d = tempfile.mkdtemp(prefix="sg-mix-")
    path = lambda n: os.path.join(d, n)   # noqa: E731
    me = [sys.executable, os.path.abspath(__file__)]
    standin = subprocess.Popen(me + ["--role", "standin", path("up")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    standin.stdout.readline()
    texts = {n: POLICY.format(name=n, padding=PADDING[n], upstream=json.dumps(path("up")), sock=json.dumps(path("sock"))) for n in PADDING}

    def write(name):
        with open(path("tmp"), "w") as f:
            f.write(texts[name])
        os.rename(path("tmp"), path("config.yaml"))

    write("anna")
    r, w = os.pipe()
    ctl = subprocess.Popen([CTL, "serve", "--config", path("config.yaml"), "--runtime-dir", path("run")], env=sg.env(), stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=w)
    os.close(w)
    records = Records(r)
    end = time.monotonic() + 20
    while not os.path.exists(path("sock")) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.3)
    half = o.clients // 2
    clients = [subprocess.Popen(me + ["--role", "clients", path("sock"), str(first), str(n), path("stop"), str(o.pause)], stdout=subprocess.PIPE)
               for first, n in ((0, half), (half, o.clients - half))]
    with open(path("run/state"), "rb") as f:
        state = mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_READ)
    generation = lambda: int.from_bytes(state[128:136], "little")   # noqa: E731  (struct state_header)
    time.sleep(1)
    sizes, started, stuck = [], time.monotonic(), 0
    for i in range(o.reloads):
        before = generation()
        write("bruno" if i % 2 == 0 else "anna")
        end = time.monotonic() + 20
        while generation() == before and time.monotonic() < end:
            time.sleep(0.0005)
        if generation() == before:
            stuck += 1
            break
        if i in (o.reloads // 10, o.reloads // 2, o.reloads - 1):
            sizes.append((resident(ctl.pid), descriptors(ctl.pid)))
    took = time.monotonic() - started
    open(path("stop"), "w").close()
    seen = [json.loads(c.communicate(timeout=120)[0]) for c in clients]
    counts, n_bad = {}, sum(s["n_bad"] for s in seen)
    for s in seen:
        for k, v in s["counts"].items():
            counts[k] = counts.get(k, 0) + v
    time.sleep(0.5)
    status = sg.ctl("status", "-o", "json", "--runtime-dir", path("run"))
    version = json.loads(status.stdout)["policy"]["version"] if status.returncode == 0 else None
    ctl.send_signal(signal.SIGTERM)
    ctl.wait(40)
    print("%d reloads in %.0f s under %d clients, %d requests (%d records); companion's memory, descriptors at 1/10, 1/2, end: %s"
          % (o.reloads, took, o.clients, sum(counts.values()), records.n, sizes), flush=True)
    check("every reload came into force, none was refused", stuck == 0 and records.rejected == [] and version == o.reloads + 1, (stuck, version, records.rejected[:3]))
    check("no request failed and none met two policies", n_bad == 0 and sum(counts.values()) > o.reloads / 10, ([s["bad"] for s in seen], counts))
    check("... both policies were met in all three ways", len(counts) == 6, counts)
    # A reader that cannot keep up loses records, never a request: those that came are looked at.
    check("no record speaks of two policies", records.bad == [] and records.n > 0, (records.bad[:3], records.n))
    check("the companion's memory and descriptors stay what they were", len(sizes) == 3 and sizes[2][0] <= sizes[0][0] + 600 and sizes[2][1] <= sizes[0][1] + 2, sizes)
    check("... and every request was counted in the state that all share", status.returncode == 0 and
          sum(json.loads(status.stdout)["requests"].values()) >= sum(counts.values()), status.stdout[:600])
    check("... and no place is held by anybody", status.returncode == 0 and json.loads(status.stdout)["active"] == 0, status.stdout + status.stderr)
    standin.stdin.close()
    standin.wait(10)
    subprocess.run(["rm", "-rf", d])
    sg.done()


if __name__ == "__main__":
    main()
