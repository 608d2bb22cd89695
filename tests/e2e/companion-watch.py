#!/usr/bin/env python3
"""Every way in which a configuration file becomes another one is noticed: by the watch, by polling, by SIGHUP; and what is no change is none."""
import os
import shutil
import signal
import subprocess
import time

import sg
from companion import RULES, Companion
from sg import CTL, check

BASE = "reload: {enabled: true, debounce: 60ms}\n"


class Watched(Companion):
    """A companion whose file lies in DIR/etc; `version` is what is in force."""

    def __init__(self, up, where="etc/sockguard.yaml", base=BASE, begin=None):
        super().__init__(base + RULES, up, start=False)
        self.base, self.step = base, 0
        self.plain = self.config
        self.config = os.path.join(self.dir, where)
        if begin:
            begin(self)
        else:
            os.makedirs(os.path.dirname(self.config))
            shutil.copy(self.plain, self.config)
        self.start()

    def next(self):
        """A policy that no one before was: rule number `step` lets /step<N> through."""
        self.step += 1
        return self.text(self.base + RULES + "  - {match: {method: GET, path: /step%d}, action: allow}\n" % self.step)

    def place(self, path, how="w"):
        with open(path, how) as f:
            f.write(self.next())

    def obeyed(self, timeout=6):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            r = self.get("/step%d" % self.step)
            if r and r.status == 200:
                return True
            time.sleep(0.02)
        return False

    def version(self):
        return self.status()["policy"]["version"]


def test_editors(up):
    with Watched(up) as c:
        c.place(c.config)
        check("written in place, truncated first, as a shell does", c.obeyed(), c.log())
        with open(c.config, "w") as f:
            f.flush()
            time.sleep(0.3)
            text = c.next()
            f.write(text[:60])
            f.flush()
            time.sleep(0.2)
            f.write(text[60:])
        check("written slowly, and read half: the whole counts in the end", c.obeyed(), c.log())
        check("... and the halves were refused while the last good policy served", c.log("reload rejected") != [] and c.get("/_ping").status == 200, c.log())
        c.place(c.config + ".new")
        os.rename(c.config + ".new", c.config)
        check("replaced by rename", c.obeyed(), c.log())
        os.rename(c.config, c.config + "~")
        c.place(c.config)
        check("moved to a backup and written anew, as vi does", c.obeyed(), c.log())
        os.unlink(c.config)
        time.sleep(0.3)
        before = c.version()
        c.place(c.config)
        check("deleted and written anew", c.obeyed(), c.log())
        os.link(c.config, c.config + ".hard")
        c.place(c.config + ".hard")
        check("written through another name of the same file, once that is touched", (os.utime(c.config), c.obeyed())[1], c.log())
        check("(the deletion alone was no reload)", c.version() >= before + 1)


def test_no_change(up):
    with Watched(up) as c:
        v = c.version()
        for name in ("other.yaml", "sockguard.yaml.swp", "sockguard.yam"):
            with open(os.path.join(os.path.dirname(c.config), name), "w") as f:
                f.write("x")
        time.sleep(0.5)
        check("a neighbour's change is no reload", c.version() == v, c.log())
        os.utime(c.config)
        time.sleep(0.6)
        check("a touch is one", c.version() == v + 1, c.log())
        os.chmod(c.config, 0o640)
        time.sleep(0.6)
        check("a change of its mode is one", c.version() == v + 2, c.log())
        shutil.copyfile(c.config, c.config + ".same")
        os.rename(c.config + ".same", c.config)
        time.sleep(0.6)
        check("identical bytes in another file are one", c.version() == v + 3, c.log())
        for _ in range(30):
            c.place(c.config)
            time.sleep(0.01)
        check("thirty changes in a moment", c.obeyed())
        time.sleep(0.3)
        check("... are a few reloads, not thirty", c.version() <= v + 3 + 8, c.version())
        v = c.version()
        for _ in range(10):
            c.proc.send_signal(signal.SIGHUP)
            time.sleep(0.005)
        time.sleep(0.6)
        check("ten hang-ups in a moment are one reload", c.version() == v + 1, c.version())


def test_directories(up):
    with Watched(up) as c:
        etc = os.path.dirname(c.config)
        os.makedirs(etc + ".new")
        c.place(etc + ".new/sockguard.yaml")
        os.rename(etc, etc + ".old")
        os.rename(etc + ".new", etc)
        check("the directory was replaced by another", c.obeyed(), c.log())
        c.place(c.config)
        check("... which is watched from then on", c.obeyed(), c.log())
        shutil.rmtree(etc)
        time.sleep(0.3)
        os.makedirs(etc)
        time.sleep(0.3)
        c.place(c.config)
        check("the directory was removed and made again, the file in it later", c.obeyed(), c.log())
    with Watched(up, where="a/b/c/sockguard.yaml") as c:
        os.makedirs(c.dir + "/z/b/c")
        c.place(c.dir + "/z/b/c/sockguard.yaml")
        os.rename(c.dir + "/a", c.dir + "/a.old")
        os.rename(c.dir + "/z", c.dir + "/a")
        check("a directory two levels up was replaced", c.obeyed(), c.log())


def test_links(up):
    def begin(c):
        os.makedirs(c.dir + "/real")
        os.makedirs(c.dir + "/far")
        os.makedirs(c.dir + "/etc")
        shutil.copy(c.plain, c.dir + "/real/one.yaml")
        os.symlink("../hop/one.yaml", c.config)
        os.symlink("real", c.dir + "/hop")

    with Watched(up, begin=begin) as c:
        c.place(c.dir + "/real/one.yaml")
        check("the file at the end of two links was written", c.obeyed(), c.log())
        c.place(c.dir + "/real/new")
        os.rename(c.dir + "/real/new", c.dir + "/real/one.yaml")
        check("... was replaced", c.obeyed(), c.log())
        c.place(c.dir + "/far/one.yaml")
        os.symlink("far", c.dir + "/hop.new")
        os.rename(c.dir + "/hop.new", c.dir + "/hop")
        check("a link in the middle leads elsewhere now", c.obeyed(), c.log())
        c.place(c.dir + "/far/one.yaml")
        check("... and what it leads to is watched", c.obeyed(), c.log())
        c.place(c.dir + "/far/two.yaml")
        os.unlink(c.config)
        os.symlink(c.dir + "/far/two.yaml", c.config)
        check("the first link was made anew, absolute", c.obeyed(), c.log())

    def configmap(c):
        os.makedirs(c.dir + "/map/..1")
        shutil.copy(c.plain, c.dir + "/map/..1/sockguard.yaml")
        os.symlink("..1", c.dir + "/map/..data")
        os.symlink("..data/sockguard.yaml", c.config)

    with Watched(up, where="map/sockguard.yaml", begin=configmap) as c:
        for i in range(2, 7):
            os.makedirs(c.dir + "/map/..%d" % i)
            c.place(c.dir + "/map/..%d/sockguard.yaml" % i)
            os.symlink("..%d" % i, c.dir + "/map/..data_tmp")
            os.rename(c.dir + "/map/..data_tmp", c.dir + "/map/..data")
            shutil.rmtree(c.dir + "/map/..%d" % (i - 1))
            if not check("ConfigMap swap %d" % (i - 1), c.obeyed(), c.log()):
                break


def test_at_the_start(up):
    """The file is replaced somewhere between its reading and the first look of the watch."""
    missed = []
    for i in range(24):
        with Companion(BASE + RULES, up, start=False) as c:
            c.start(wait=False)
            time.sleep(0.001 * i)
            c.write(BASE + RULES + "  - {match: {method: GET, path: /info}, action: allow}\n")
            end, r = time.monotonic() + 8, None
            while time.monotonic() < end and not (r and r.status == 200):
                try:
                    r = c.get("/info")
                except OSError:
                    pass
                time.sleep(0.02)
            if not r or r.status != 200:
                missed.append(i)
    check("a change while the companion starts is not missed", missed == [], missed)


def test_without_watch(up):
    """In a user namespace that may not have an inotify instance."""
    probe = subprocess.run(["unshare", "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"], capture_output=True)
    if probe.returncode:
        return
    with Watched(up, base="reload: {enabled: true, debounce: 50ms, poll_interval: 200ms}\n") as c:
        c.stop()
        c.proc = subprocess.Popen(["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances; exec "$@"', "sh", CTL, "run", "--config", c.config,
                                   "--runtime-dir", c.run], env=sg.env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=c.err)
        check("no watch is an error that is recorded, and no end", c.wait_log("reload watcher could not start; SIGHUP and polling still work") != [], c.log())
        time.sleep(0.4)
        c.place(c.config)
        check("... polling sees a change", c.obeyed() and c.log("configuration file changed") != [], c.log())
        v = c.version()
        time.sleep(0.7)
        check("... and none where none is", c.version() == v, c.log())
        c.proc.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        check("... and SIGHUP reloads", c.version() == v + 1, c.log())
    with Watched(up, base="reload: {enabled: true, debounce: 50ms, poll_interval: 100ms}\n") as c:
        v = c.version()
        c.place(c.config)
        check("with watch and polling together", c.obeyed())
        time.sleep(0.6)
        check("... one change is one reload", c.version() == v + 1, c.log())


def main():
    with sg.StandIn({("GET", "/containers/json"): (200, [], [])}) as up:
        for t in (test_editors, test_no_change, test_directories, test_links, test_at_the_start, test_without_watch):
            try:
                t(up.path)
            except Exception as e:   # noqa: one broken test must not hide the others
                check(t.__name__, False, "%s: %s" % (type(e).__name__, e))
    sg.done()


if __name__ == "__main__":
    main()
