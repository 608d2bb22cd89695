#!/usr/bin/env python3
"""Ways around a policy about builds, images, copies and volumes. Each is tried twice on a real dockerd: on its bare socket, where it must work
(or the test proves nothing), and through a filter, where it must be refused. Needs root and dockerd with busybox."""
import base64
import bz2
import gzip
import io
import json
import lzma
import os
import struct
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import ALLOW_ALL, DOCKER_SOCK, Sockguard, check, done, request, skip  # noqa: E402

if os.geteuid() != 0 or not DOCKER_SOCK:
    skip("needs root and a daemon that has busybox")

TAG = "sgup%d" % os.getpid()
POLICY = ALLOW_ALL + """
request_body:
  container_create: {allowed_bind_mounts: [/nowhere]}
"""
PROOF = "ran-42"          # what `echo ran-$((40+2))` prints: the text itself is in no Dockerfile
RUN = b"RUN echo ran-$((40+2))\n"


def archive(*entries, end=True):
    """(name, content) or (name, type, link) or a TarInfo with its content."""
    out = io.BytesIO()
    t = tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT)
    for e in entries:
        info = e[0] if isinstance(e[0], tarfile.TarInfo) else tarfile.TarInfo(e[0])
        data = e[1] if isinstance(e[1], bytes) and len(e) == 2 else b""
        if len(e) == 3:
            info.type, info.linkname = e[1], e[2]
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    if end:
        t.close()
    return out.getvalue()


SYM, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE
TAR = [("Content-Type", "application/x-tar")]


def build(sock, body, headers=TAR, query=""):
    return request(sock, "POST", "/v1.41/build?t=%s-img:1&rm=1&forcerm=1&nocache=1&networkmode=none%s" % (TAG, query), body, headers, timeout=120)


def attack_build(name, body, headers=TAR, query=""):
    bare = build(DOCKER_SOCK, body, headers, query)
    if not check("bare: " + name, bare and PROOF.encode() in bare.body, bare and (bare.status, bare.body[-600:])):
        return
    held = build(guard.sock, body, headers, query)
    check("held: " + name, held and held.status == 403, held and (held.status, held.body[:600]))


def dockerfile(text):
    return archive(("Dockerfile", text), ("a", b"x"))


def builds():
    f = b"FROM busybox\n"
    attack_build("a RUN", dockerfile(f + RUN))
    attack_build("a RUN in a gzip context", gzip.compress(dockerfile(f + RUN)))
    attack_build("a comment inside a continued instruction", dockerfile(f + b"R\\\n#c\nUN echo ran-$((40+2))\n"))
    attack_build("a doubled escape that does not continue", dockerfile(f + b"ENV a=b\\\\\n" + RUN))
    attack_build("an instruction's name continued right before an indented line", dockerfile(f + b"RUN\\\n echo ran-$((40+2))\n"))
    attack_build("a vertical tab behind the escape", dockerfile(f + b"ENV a=b \\\x0b\n" + RUN))
    attack_build("the backtick as escape", dockerfile(b"# escape=`\n" + f + b"R`\nUN echo ran-$((40+2))\n"))
    attack_build("a bzip2 context", bz2.compress(dockerfile(f + RUN)))
    attack_build("an xz context called text", lzma.compress(dockerfile(f + RUN) + os.urandom(1024)), [("Content-Type", "text/plain")])
    two = archive(("Dockerfile", f), ("Dockerfile", f + RUN))
    attack_build("a second Dockerfile, under text/plain", two, [("Content-Type", "text/plain")])
    attack_build("a second Dockerfile by another spelling", archive(("Dockerfile", f), ("./x/../Dockerfile", f + RUN)))
    attack_build("a second Dockerfile with two slashes in front", archive(("Dockerfile", f), ("//Dockerfile", f + RUN)))
    attack_build("a symbolic link over the Dockerfile", archive(("Dockerfile", f), ("b", f + RUN), ("Dockerfile", SYM, "b")))
    attack_build("a hard link over the Dockerfile", archive(("Dockerfile", f), ("b", f + RUN), ("Dockerfile", HARD, "b")))
    attack_build("a Dockerfile written through a link to its directory",
                 archive(("Dockerfile", f), ("l", SYM, "."), ("l/Dockerfile", f + RUN)))
    attack_build("a directory of the Dockerfile turned into a link",
                 archive(("sub/D", f), ("other/D", f + RUN), ("sub", SYM, "other")), query="&dockerfile=sub/D")
    harmless = build(guard.sock, archive(("Dockerfile", f + b"COPY a /a\nENV RUN=1\n"), ("a", b"x"), ("l", SYM, "a")))
    check("a build without RUN goes through", harmless and b"Successfully built" in harmless.body, harmless and harmless.body[-500:])
    harmless = build(guard.sock, gzip.compress(archive(("Dockerfile", f + b"COPY a /a\n"), ("a", b"x"))))
    check("and so does one in gzip", harmless and b"Successfully built" in harmless.body, harmless and harmless.body[-500:])


def form_body():
    target = "/v1.41/images/create?fromImage=busybox&tag=latest"
    form, body = [("Content-Type", "application/x-www-form-urlencoded")], b"fromImage=127.0.0.1:1/evil"
    bare = request(DOCKER_SOCK, "POST", target, body, form, timeout=60)
    check("bare: a form body overrides the image to pull", bare and b"127.0.0.1:1" in bare.body, bare and bare.body)
    held = request(guard.sock, "POST", target, body, form)
    check("held: a form body overrides the image to pull", held and held.status == 403, held and held.body)
    held = request(guard.sock, "POST", "/images/create?fromImage=127.0.0.1:1/evil", b"")
    check("held: a pull from another registry", held and held.status == 403, held and held.body)


# ---- docker load ----

def tags():
    return [t for i in request(DOCKER_SOCK, "GET", "/images/json").json() for t in i["RepoTags"] or []]


def untag(name):
    request(DOCKER_SOCK, "DELETE", "/images/%s" % name, timeout=60)


def load(sock, body):
    return request(sock, "POST", "/v1.41/images/load?quiet=1", body, TAR, timeout=120)


def attack_load(name, body, tag):
    untag(tag)
    load(DOCKER_SOCK, body)
    worked = tag in tags()
    untag(tag)
    if not check("bare: " + name, worked, load(DOCKER_SOCK, body).body[:500] if not worked else ""):
        return
    held = load(guard.sock, body)
    check("held: " + name, held and held.status == 403 and tag not in tags(), held and (held.status, held.body[:400]))


def loads():
    saved = tarfile.open(fileobj=io.BytesIO(request(DOCKER_SOCK, "GET", "/images/busybox/get", timeout=60).body))
    files = [(m.name, saved.extractfile(m).read()) for m in saved.getmembers() if m.isfile()]
    manifest = json.loads(dict(files)["manifest.json"])
    rest = [f for f in files if f[0] not in ("manifest.json", "repositories")]
    evil = "evil.test/%s:1" % TAG
    good = "%s-load:1" % TAG

    def named(tag):
        m = [dict(manifest[0], RepoTags=[tag])]
        return json.dumps(m).encode()

    attack_load("a name of another registry", archive(*rest, ("manifest.json", named(evil))), evil)
    attack_load("a second manifest by another spelling", archive(*rest, ("manifest.json", named(good)), ("./manifest.json", named(evil))), evil)
    attack_load("a symbolic link over the manifest",
                archive(*rest, ("manifest.json", named(good)), ("m", named(evil)), ("manifest.json", SYM, "m")), evil)
    attack_load("a hard link over the manifest",
                archive(*rest, ("manifest.json", named(good)), ("m", named(evil)), ("manifest.json", HARD, "m")), evil)
    attack_load("a manifest written through a link",
                archive(*rest, ("manifest.json", named(good)), ("l", SYM, "."), ("l/manifest.json", named(evil))), evil)
    layer = manifest[0]["Layers"][0].split("/")[0]
    attack_load("a manifest that only seems to be one, and the old file of names",
                archive(*rest, ("manifest.json ", named(good)), ("repositories", json.dumps({evil.rsplit(":", 1)[0]: {"1": layer}}).encode())), evil)
    untag(good)
    ok = load(guard.sock, archive(*rest, ("manifest.json", named(good))))
    check("an image with an allowed name is loaded", ok and ok.status == 200 and good in tags(), ok and ok.body)
    untag(good)
    ok = load(guard.sock, gzip.compress(archive(*rest, ("manifest.json", named(good)))))
    check("and from gzip", ok and ok.status == 200 and good in tags(), ok and ok.body)
    untag(good)


# ---- docker cp ----

def container():
    request(DOCKER_SOCK, "DELETE", "/containers/%s?force=1" % TAG)
    return request(DOCKER_SOCK, "POST", "/containers/create?name=%s" % TAG, {"Image": "busybox", "Cmd": ["true"]}).status == 201


def mode(path):
    r = request(DOCKER_SOCK, "HEAD", "/containers/%s/archive?path=%s" % (TAG, path))
    text = r and r.header("X-Docker-Container-Path-Stat")
    return json.loads(base64.b64decode(text))["mode"] if text else 0


def copy(sock, body, path="/tmp"):
    return request(sock, "PUT", "/v1.41/containers/%s/archive?path=%s" % (TAG, path), body, TAR, timeout=60)


SETUID, DEVICE = 1 << 23, 1 << 26   # Go's file modes


def attack_copy(name, body, path, worked):
    container()
    copy(DOCKER_SOCK, body)
    if not check("bare: " + name, worked(mode(path)), (path, mode(path))):
        return
    container()
    held = copy(guard.sock, body)
    check("held: " + name, held and held.status == 403 and not worked(mode(path)), held and (held.status, held.body[:300]))


def entry(name, perm=0o644, kind=tarfile.REGTYPE):
    i = tarfile.TarInfo(name)
    i.mode, i.type = perm, kind
    return i


def polyglot(real):
    """A gzip stream of `real` whose extra field makes it a tar with one harmless entry, too."""
    h = bytearray(512)
    h[0:10] = b"\x1f\x8b\x08\x04" + b"\x01\x02\x03\x04\x05\x06"
    extra = 1536 - 12
    h[10:12] = struct.pack("<H", extra)
    h[12:16] = b"SG" + struct.pack("<H", extra - 4)
    h[100:108], h[108:116], h[116:124], h[124:136], h[136:148] = b"0000644\0", b"0000000\0", b"0000000\0", b"00000000000\0", b"00000000000\0"
    h[156:157], h[257:265] = b"0", b"ustar\x0000"
    h[148:156] = b" " * 8
    h[148:155] = b"%06o\0" % sum(h)
    deflated = gzip.compress(real, mtime=0)[10:]
    return bytes(h) + bytes(1024) + deflated


def copies():
    setuid = lambda m: m & SETUID  # noqa: E731
    attack_copy("a set-uid file", archive((entry("su", 0o4755), b"x")), "/tmp/su", setuid)
    attack_copy("a gzip stream that is a harmless tar, too", polyglot(archive((entry("su", 0o4755), b"x"))), "/tmp/su", setuid)
    attack_copy("a device", archive((entry("dev", 0o666, tarfile.BLKTYPE), b"")), "/tmp/dev", lambda m: m & DEVICE)
    attack_copy("a chain of symbolic links out of the target",
                archive(("x", SYM, "."), ("x/y", SYM, ".."), ("y/escaped", b"x")), "/escaped", lambda m: m != 0)
    attack_copy("something behind the end of the archive of what was looked at", gzip.compress(archive((entry("su", 0o4755), b"x"))), "/tmp/su", setuid)
    container()
    ok = copy(guard.sock, archive(("fine", b"x"), ("l", SYM, "fine")))
    check("a harmless copy goes through", ok and ok.status == 200 and mode("/tmp/fine"), ok and ok.body)
    request(DOCKER_SOCK, "DELETE", "/containers/%s?force=1" % TAG)


# ---- volumes ----

def volumes():
    body = {"Name": TAG, "Driver": "local", "DriverOpts": {"type": "none", "o": "bind", "device": "/etc"}}
    bare = request(DOCKER_SOCK, "POST", "/volumes/create", body)
    made = request(DOCKER_SOCK, "POST", "/containers/create?name=%s" % TAG, {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Binds": [TAG + ":/h"]}})
    request(DOCKER_SOCK, "POST", "/containers/%s/start" % TAG)
    check("bare: a volume that is a directory of the host's", bare.status == 201 and made.status == 201 and mode("/h/hostname") != 0, (bare.body, made.body))
    request(DOCKER_SOCK, "DELETE", "/containers/%s?force=1" % TAG)
    request(DOCKER_SOCK, "DELETE", "/volumes/%s" % TAG)
    held = request(guard.sock, "POST", "/volumes/create", body)
    check("held: a volume that is a directory of the host's", held and held.status == 403, held and held.body)


with Sockguard(POLICY, DOCKER_SOCK) as guard:
    try:
        builds()
        form_body()
        loads()
        copies()
        volumes()
    finally:
        untag("%s-img:1" % TAG)
        request(DOCKER_SOCK, "DELETE", "/containers/%s?force=1" % TAG)
done()
