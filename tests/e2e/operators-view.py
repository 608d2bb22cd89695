#!/usr/bin/env python3
"""status, top and doctor as an operator has them: on screens of every width, in a pipe, with the companion down, under traffic."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import sg
from companion import RULES, Companion, keep_alive, ask, profile
from sg import CTL, check

LONG = "a-profile-with-a-name-that-is-longer-than-anybody-would-like-it-to-be-on-a-screen"
POLICY = ("metrics: {enabled: true}\nreload: {enabled: true, debounce: 30ms}\nadmin: {enabled: true, listen: {socket: @ADM@}}\n"
          + profile("{concurrency: {max_inflight: 9}, rate: {tokens_per_second: 20, burst: 100}}", extra="  global_concurrency: {max_inflight: 20}\n")
          + "    - {name: %s, limits: {concurrency: {max_inflight: 3}}, rules: [{match: {method: GET, path: /_ping}, action: allow}]}\n" % LONG)


class Terminal:
    """A program on a terminal of a size."""

    def __init__(self, argv, rows, columns):
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        env = {k: v for k, v in sg.env().items() if k not in ("COLUMNS", "LINES")}
        self.p = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
        self.slave = slave
        self.text = b""

    def read(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.text += os.read(self.master, 65536)
                except OSError:
                    break
        return self.text.decode()

    def close(self):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()
        os.close(self.master)
        os.close(self.slave)


def lines(text):
    return [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", x) for x in text.replace("\r\n", "\n").split("\n")]


def test_screens(c):
    for columns in (24, 40, 60, 80, 132, 200):
        for verb in (["status"], ["top", "-n", "1"]):
            t = Terminal([CTL, *verb, "--runtime-dir", c.run], 24, columns)
            got = lines(t.read(0.6))
            check("%s fits %d columns" % (verb[0], columns), max(map(len, got)) <= columns and len(got) > 4, [x for x in got if len(x) > columns] or got)
            t.close()
    t = Terminal([CTL, "top", "--runtime-dir", c.run], 8, 80)
    first = t.read(0.6)
    check("top stays within eight rows", first.count("\n") <= 8, first)
    check("... and says how many connections there are besides", re.search(r"and \d+ more", first), first)
    fcntl.ioctl(t.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    os.killpg(t.p.pid, signal.SIGWINCH)
    t.text = b""
    second = t.read(0.8)
    check("... is drawn anew when the screen grows", second.count("\n") > first.count("\n"), second)
    os.write(t.master, b"q")
    t.read(0.5)
    check("... and q ends it with 0", t.p.poll() == 0, t.p.poll())
    check("... leaving the terminal as it was", termios.tcgetattr(t.slave)[3] == t.before[3])
    t.close()
    t = Terminal([CTL, "top", "--runtime-dir", c.run], 24, 80)
    t.read(0.4)
    t.p.send_signal(signal.SIGINT)     # there is no controlling terminal here that would send it for Ctrl-C
    t.read(0.6)
    check("Ctrl-C ends it, and the terminal is as it was", t.p.poll() is not None and termios.tcgetattr(t.slave)[3] == t.before[3], t.p.poll())
    t.close()


def test_pipe(c):
    r = sg.ctl("top", "-n", "2", "-d", "0.3", "--runtime-dir", c.run)
    check("top in a pipe is plain text, one look after the other", r.returncode == 0 and "\x1b" not in r.stdout and r.stdout.count("PID CLIENT") == 2, r.stdout)
    check("... which names who asks for what since when, and what was decided",
          re.search(r"\d+ uid %d pid %d +p +default +\S+ +\d+ +\d+s allow +GET /slow" % (os.getuid(), os.getpid()), r.stdout), r.stdout)
    s = sg.ctl("status", "--runtime-dir", c.run)
    check("status in a pipe cuts no name", LONG in s.stdout and "no_matching_allow_rule" in s.stdout and s.returncode == 0, s.stdout)
    check("... and has limits, listeners and health", all(x in s.stdout for x in ("healthy", "default, unix", "admin", "/100", "1/9", "global gate")), s.stdout)
    j = json.loads(sg.ctl("status", "-o", "json", "--runtime-dir", c.run).stdout)
    check("... and as JSON the same", j["denials"] == {"no_matching_allow_rule": 3} and j["limits"][0]["inflight"] == 1 and j["active"] == 1, j)
    for bad in (["top", "-d", "0"], ["top", "-d", "2x"], ["top", "-d", "nan"], ["top", "-n", "0"], ["top", "-n", "-1"], ["status", "-o", "xml"]):
        r = sg.ctl(*bad, "--runtime-dir", c.run)
        check("%s is told what is wrong with it" % " ".join(bad), r.returncode == 1 and r.stderr.startswith("Error: "), r.stderr)
    d = sg.ctl("doctor", "-c", c.config, "--runtime-dir", c.run)
    check("doctor finds nothing wrong", d.returncode == 0 and "0 errors" in d.stdout and "listener admin" in d.stdout, d.stdout)


def test_down(c):
    c.proc.send_signal(signal.SIGSTOP)
    t = time.monotonic()
    s = sg.ctl("status", "--runtime-dir", c.run)
    check("status does not wait for a companion that hangs", time.monotonic() - t < 5 and s.returncode == 1 and "DOES NOT ANSWER" in s.stdout, (s.stdout, s.stderr))
    c.proc.send_signal(signal.SIGCONT)
    time.sleep(0.3)
    c.stop(signal.SIGKILL)
    s = sg.ctl("status", "--runtime-dir", c.run)
    check("with the companion dead status shows what there is, and fails", s.returncode == 1 and "DOES NOT ANSWER" in s.stdout and "TOKENS LEFT" in s.stdout and "version 1" in s.stdout, s.stdout)
    r = sg.ctl("top", "-n", "1", "--runtime-dir", c.run)
    check("... top too", r.returncode == 0 and "PID CLIENT" in r.stdout, r.stdout)
    d = sg.ctl("doctor", "-c", c.config, "--runtime-dir", c.run)
    check("... and doctor says what it means", d.returncode == 1 and "the companion does not answer" in d.stdout, d.stdout)
    time.sleep(5.2)
    r = sg.ctl("top", "-n", "1", "--runtime-dir", c.run)
    check("... after five seconds top says that it is silent", "COMPANION SILENT FOR" in r.stdout, r.stdout)
    for verb in (["status"], ["top", "-n", "1"]):
        r = sg.ctl(*verb, "--runtime-dir", "/nonexistent")
        check("%s without a runtime directory says so" % verb[0], r.returncode == 1 and "/nonexistent" in r.stderr and "running there?" in r.stderr, r.stderr)
    d = sg.ctl("doctor", "-c", c.config, "--runtime-dir", "/nonexistent")
    check("doctor without one too", d.returncode == 1 and "/nonexistent" in d.stdout, d.stdout)


def test_doctor(c):
    os.chmod(c.run + "/state", 0o666)
    os.chmod(c.config, 0o666)
    with open(c.config, "a") as f:
        f.write("# another text, the same policy\n")
    d = sg.ctl("doctor", "-c", c.config, "--runtime-dir", c.run)
    check("doctor sees modes that are too wide", d.returncode == 1 and "0666" in d.stdout and "everybody may write " + c.config in d.stdout, d.stdout)
    os.chmod(c.run + "/state", 0o660)
    os.chmod(c.config, 0o600)
    with open(c.config, "a") as f:
        f.write("response: {deny_verbosity: verbose}\n")
    d = sg.ctl("doctor", "-c", c.config, "--runtime-dir", c.run)
    check("... and that the file is not what is in force", d.returncode == 0 and "is not the one in force" in d.stdout, d.stdout)
    with open(c.config, "a") as f:
        f.write("nonsense: true\n")
    d = sg.ctl("doctor", "-c", c.config, "--runtime-dir", c.run)
    check("... and what is wrong with it, where", d.returncode == 1 and re.search(r"sockguard.yaml:\d+:\d+: nonsense", d.stdout), d.stdout)


def main():
    def slow(conn, f, method, target, headers, body):
        time.sleep(20)
        f.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        f.flush()

    with sg.StandIn({("GET", "/containers/json"): (200, [], [])}) as up:
        up.answers[("GET", "/slow")] = slow
        os.chmod(up.path, 0o600)
        with Companion("rules: []", up.path, verb="serve", start=False) as c:
            with open(c.config, "w") as f:
                f.write(c.text(POLICY.replace("@ADM@", c.dir + "/adm")).replace("reload: {enabled: true", "reload: {enabled: false"))
            c.start()
            for _ in range(3):
                c.get("/info")
            conns = [keep_alive(c.sock) for _ in range(12)]
            for s in conns:
                ask(s)
            threading.Thread(target=lambda: c.get("/slow"), daemon=True).start()
            time.sleep(1.1)
            for t in (test_screens, test_pipe, test_doctor, test_down):
                try:
                    t(c)
                except Exception as e:   # noqa: one broken test must not hide the others
                    check(t.__name__, False, "%s: %s" % (type(e).__name__, e))
    sg.done()


if __name__ == "__main__":
    main()
