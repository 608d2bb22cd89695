"""A Debian with systemd as PID 1 and a Docker Engine of its own, in a container of systemd-nspawn. Python standard library only.

The tree is built once (debootstrap) below SOCKGUARD_TEST_CACHE, by default /var/cache/sockguard-tests, and stays as it is: each machine
is an overlay on it. The programs come with `make install` from BUILD. Run it as a program to build the tree and nothing else.
"""
import glob
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import sg

CACHE = os.environ.get("SOCKGUARD_TEST_CACHE", "/var/cache/sockguard-tests")
PACKAGES = "docker.io libcjson1 libyaml-0-2 libsystemd0 libseccomp2 libgnutls30 zlib1g procps xinetd"
NEEDED = ("debootstrap", "systemd-nspawn", "nsenter", "make")
CONTROLLERS = "blkio cpu cpuacct cpuset devices freezer memory pids"
NO_START = "/usr/sbin/policy-rc.d"  # invoke-rc.d(8): packages start nothing in a tree that is being built


def missing():
    """Why no machine can run here; empty when one can."""
    if os.geteuid() != 0:
        return "not root"
    return ", ".join("no " + p for p in NEEDED if not shutil.which(p))


def sources():
    """The host's own: (suites file texts, the mirror)."""
    mirror, texts = "http://deb.debian.org/debian", {}
    for path in glob.glob("/etc/apt/sources.list.d/debian.sources") + glob.glob("/etc/apt/sources.list"):
        texts[path] = open(path).read()
        for word in texts[path].split():
            if word.startswith(("http://", "https://")) and word.rstrip("/").endswith("/debian"):
                mirror = word.rstrip("/")
    return texts, mirror


def tree():
    """The pristine tree's path, built if need be; raises CalledProcessError with the last words of what failed."""
    stamp = hashlib.sha256(PACKAGES.encode()).hexdigest()[:12]
    path = os.path.join(CACHE, "debian-" + stamp)
    if os.path.exists(path + ".done"):
        return path
    os.makedirs(CACHE, exist_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    texts, mirror = sources()
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")

    def do(*argv):
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        if r.returncode != 0:
            raise subprocess.CalledProcessError(r.returncode, argv[0], r.stdout[-2000:])

    do("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,ca-certificates", "bookworm", path, mirror)
    if texts:
        os.remove(path + "/etc/apt/sources.list")
        for name, text in texts.items():
            with open(path + name, "w") as f:
                f.write(text)
    shutil.copy("/etc/resolv.conf", path + "/etc/resolv.conf")
    with open(path + NO_START, "w") as f:
        f.write("#!/bin/sh\nexit 101\n")
    os.chmod(path + NO_START, 0o755)
    do("chroot", path, "apt-get", "update", "-q")
    do("chroot", path, "apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES.split())
    do("chroot", path, "apt-get", "clean")
    os.remove(path + NO_START)
    os.remove(path + "/etc/resolv.conf")
    open(path + ".done", "w").close()
    return path


class Machine:
    """One machine. `root` is its file system as the host sees it; what it mounts over that (as /run) is below `inside`."""

    def __init__(self, name, build=None):
        self.dir = tempfile.mkdtemp(prefix="sg-machine-", dir=os.environ.get("SOCKGUARD_TEST_DIR") or None)
        self.name, self.root, self.process, self.init = "%s-%d" % (name, os.getpid()), os.path.join(self.dir, "root"), None, None
        for d in ("rw/upper", "rw/work", "root", "docker", "image/bin"):
            os.makedirs(os.path.join(self.dir, d))
        mount = ["mount", "-t", "overlay", "overlay", "-o", "lowerdir=%s,upperdir=%s/rw/upper,workdir=%s/rw/work" % (tree(), self.dir, self.dir), self.root]
        if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:  # such as when this directory is on an overlay itself
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.dir + "/rw"], check=True)
            for d in ("rw/upper", "rw/work"):
                os.makedirs(os.path.join(self.dir, d))
            subprocess.run(mount, check=True)
        subprocess.run(["make", "-s", "-C", build or sg.BUILD, "install", "DESTDIR=" + self.root], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.prefix = "/usr/local" if os.path.exists(self.root + "/usr/local/bin/sockguard-ctl") else "/usr"
        self.etc = ("/usr/local/etc" if self.prefix == "/usr/local" else "/etc") + "/sockguard"
        os.makedirs(self.root + self.etc)

    def write(self, path, text, mode=0o644):
        """A file of the machine, below what the host sees (/etc and the like)."""
        full = self.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full + ".new", "w") as f:
            f.write(text)
        os.chmod(full + ".new", mode)
        os.rename(full + ".new", full)

    def config(self, text):
        self.write(self.etc + "/sockguard.yaml", text)

    def enable(self, *units):
        subprocess.run(["systemctl", "--root=" + self.root, "-q", "enable", *units], check=True, stderr=subprocess.DEVNULL)

    def boot(self, limit=90):
        """Starts the machine and waits until it is up. False when it is not in time."""
        argv = ["systemd-nspawn", "-q", "-D", self.root, "-M", self.name, "--register=no", "--keep-unit", "--capability=all", "--private-network",
                "--system-call-filter=add_key keyctl bpf", "--bind=%s/docker:/var/lib/docker" % self.dir, "--console=pipe", "-b"]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=open(self.dir + "/console", "w"), stderr=subprocess.STDOUT)
        end = time.monotonic() + limit
        while time.monotonic() < end and self.process.poll() is None:
            children = open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)).read().split()
            self.init = int(children[0]) if children else None
            if self.init:
                state = self.run("systemctl", "is-system-running").stdout.strip()
                if state in ("running", "degraded"):
                    for c in CONTROLLERS.split():  # a Docker Engine needs to make groups of its own
                        if os.path.isdir("%s/sys/fs/cgroup/%s" % (self.inside, c)):
                            self.run("mount", "-o", "remount,bind,rw", "/sys/fs/cgroup/" + c)
                    return True
            time.sleep(0.2)
        return False

    @property
    def inside(self):
        return "/proc/%d/root" % self.init

    def run(self, *argv, **kw):
        """A command in the machine. The result of subprocess.run, with text."""
        kw = dict({"capture_output": True, "text": True, "timeout": 120, "start_new_session": True}, **kw)
        if "input" not in kw:
            kw["stdin"] = subprocess.DEVNULL
        return subprocess.run(["nsenter", "-t", str(self.init), "-m", "-u", "-i", "-n", "-p", "-C", "--", *argv], **kw)

    def systemctl(self, *args):
        return self.run("systemctl", *args)

    def show(self, unit, key):
        return self.systemctl("show", "-P", key, unit).stdout.strip()

    def journal(self, *args):
        return self.run("journalctl", "--no-pager", "-q", *args).stdout

    def connect(self, path, timeout=15):
        """A connection to one of its unix sockets."""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        s.connect(self.inside + path)
        return s

    def image(self):
        """Gives its Docker Engine the image busybox."""
        d = self.dir + "/image"
        shutil.copy("/bin/busybox", d + "/bin/busybox")
        for a in ("sh", "cat", "echo", "id", "ls", "sleep", "true"):
            os.path.lexists(d + "/bin/" + a) or os.symlink("busybox", d + "/bin/" + a)
        tar = subprocess.run(["tar", "-c", "-C", d, "."], check=True, capture_output=True).stdout
        return self.run("docker", "import", "-", "busybox", input=tar, text=False).returncode == 0

    def shut_down(self):
        """An orderly stop, as the power button does it. True if it came in time."""
        if self.process is None or self.process.poll() is not None:
            return True
        os.kill(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(60)
            return True
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False

    def close(self):
        self.shut_down()
        subprocess.run(["umount", "-l", self.root])
        subprocess.run(["umount", "-l", self.dir + "/rw"], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


if __name__ == "__main__":
    why = missing()
    if why:
        sys.exit("no machine here: " + why)
    print(tree())
