#!/usr/bin/env python3
"""Archives made to cost much: by ratio, by count, by depth, by the length of names, and in compressions that nothing here reads. Each is
refused with a reason, in bounded time and memory, and the daemon sees none of it. Needs no daemon."""
# build: plain
import bz2
import io
import lzma
import os
import struct
import sys
import tarfile
import threading
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import ALLOW_ALL, Sockguard, StandIn, check, done, request  # noqa: E402

ENDPOINTS = {"a build": ("POST", "/build"), "a load": ("POST", "/images/load"), "a plugin": ("POST", "/plugins/create?name=x"),
             "a copy": ("PUT", "/containers/c/archive?path=/tmp"), "a Podman build": ("POST", "/libpod/build"), "a Podman load": ("POST", "/libpod/images/load")}
POLICY = ALLOW_ALL + """
upstream: {socket: "%s"}
request_body: {image_load: {allow_untagged: true}, container_archive: {allowed_paths: [/tmp]}}
"""
TIME = 60.0
SLOW = ("it takes too long to unpack",)   # after 30 s; what happens on a busy machine
MEMORY = 96 * 1024 * 1024   # bytes of sockguard-unpack beside the upload itself


def tar(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as t:
        for name, kind, link, data in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


GOOD = tar(("Dockerfile", tarfile.REGTYPE, "", b"FROM x\n"), ("manifest.json", tarfile.REGTYPE, "", b'[{"RepoTags":["busybox:1"]}]'),
           ("config.json", tarfile.REGTYPE, "", b"{}"))


def repeat(head, block, times):
    """gzip of `head` and then `block` so many times, without deflating it so many times. Its checksum is wrong: nobody gets that far."""
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = z.compress(head) + z.flush(zlib.Z_FULL_FLUSH)
    one = z.compress(block) + z.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + start + one * times + b"\x03\0" + struct.pack("<II", 0, 0)


def header(name, kind=b"0", link=b"", size=0):
    h = bytearray(512)
    h[0:len(name)] = name
    h[100:108], h[108:116], h[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    h[124:136], h[136:148] = b"%011o\0" % size, b"00000000000\0"
    h[156:157], h[157:157 + len(link)], h[257:265] = kind, link, b"ustar\x0000"
    h[148:156] = b"        "
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def long_name(length, component=b"a"):
    """An entry whose name has so many bytes, by a GNU header in front of it."""
    name = (component * (length // len(component) + 1))[:length - 1] + b"\0"
    return header(b"././@LongLink", b"L", size=length) + name + b"\0" * (-length % 512) + header(b"x")


MIB = 1024 * 1024
ZEROS = b"\0" * (16 * MIB)
MANY = header(b"f") * 16384
LINKS = b"".join(header(b"l%07d" % i, b"2", b"t") for i in range(131200))
HARDS = b"".join(header(b"h%07d" % i, b"1", b"a%07d/../b" % i) for i in range(131200))
PAX = b"30000 path=" + b"a/" * 14994 + b"\n"
# name, body, the reasons that may be given
BOMBS = [
    ("5 GiB of zeros in one file, by gzip", repeat(header(b"big", size=8 * 1024 * MIB - 1), ZEROS, 320), ("unpacks to more than is allowed",)),
    ("5 GiB of zeros behind the end marker", repeat(GOOD, ZEROS, 320), ("unpacks to more than is allowed",)),
    ("three million entries", repeat(b"", MANY, 183), ("too many entries or links", "unpacks to more than is allowed")),
    ("a hundred and thirty thousand links", repeat(LINKS, b"", 0), ("too many entries or links",)),
    ("as many hard links whose targets have to be looked at again", repeat(HARDS, b"", 0), ("too many entries or links",)),
    ("a name over 1 MiB", long_name(MIB + 1) + GOOD, ("extended header over 1 MiB",)),
    ("a PAX header over 1 MiB", header(b"p", b"x", size=MIB + 1) + b"\0" * (MIB + 512) + GOOD, ("extended header over 1 MiB",)),
    ("a gigabyte of names that are deep", repeat(b"", long_name(MIB, b"a/") + header(b"p", b"x", size=len(PAX)) + PAX + b"\0" * (-len(PAX) % 512) + header(b"y"), 1000),
     ("unpacks to more than is allowed", "damaged", "no tar header", "exactly once", "no manifest.json", "no config.json")),
    ("an archive whose size says more than there is", header(b"x", size=8 * 1024 * MIB - 1) + b"y" * 1024, ("damaged or ends too early",)),
    ("a file with a size below nothing", header(b"x")[:124] + b"\xff" * 12 + b"\0" * 376, ("no tar", "exactly once", "no config.json")),
]
PACKED = [("bzip2", bz2.compress(GOOD)), ("xz", lzma.compress(GOOD)), ("zstd", b"\x28\xb5\x2f\xfd" + GOOD), ("zstd behind a skippable frame", b"\x50\x2a\x4d\x18\x04\0\0\0abcd\x28\xb5\x2f\xfd" + GOOD)]


class Watch(threading.Thread):
    """The most memory that any sockguard-unpack took beside the mapped upload, while this ran."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.stop = 0, False
        self.start()

    def run(self):
        while not self.stop:
            for pid in os.listdir("/proc"):
                try:
                    if pid.isdigit() and open("/proc/%s/comm" % pid).read().strip() == "sockguard-unpac":
                        rss = [line for line in open("/proc/%s/status" % pid) if line.startswith("RssAnon:")]
                        self.most = max(self.most, int(rss[0].split()[1]) * 1024) if rss else self.most
                except (OSError, IndexError):
                    pass
            time.sleep(0.01)


def upload(where, body):
    method, target = ENDPOINTS[where]
    return request(guard.sock, method, target, body, [("Content-Type", "application/x-tar")], timeout=TIME + 30)


def reason():
    time.sleep(0.05)
    log = guard.wait_log()
    return log[-1].get("reason", "") if log else ""


with StandIn() as daemon, Sockguard(POLICY % daemon.path, daemon.path) as guard:
    for where in ENDPOINTS:
        ok = upload(where, GOOD)
        check("%s that costs nothing goes through" % where, ok and ok.status == 200, ok and ok.body)
    seen = len(daemon.requests())
    watch = Watch()
    for name, body, reasons in BOMBS:
        for where in ENDPOINTS:
            # One inspector reads them all; its limits differ by endpoint, which the first bomb shows.
            if name != BOMBS[0][0] and where not in (("a build",) if "--quick" in sys.argv else ("a build", "a load", "a copy")):
                continue
            began = time.monotonic()
            r = upload(where, body)
            took, why = time.monotonic() - began, reason()
            packed = where == "a copy" and body.startswith(b"\x1f\x8b")
            check("%s: %s is refused (%.1f s)" % (where, name, took), r and r.status == 403 and took < TIME and
                  any(text in why for text in (("compressed with gzip",) if packed else reasons + SLOW)), (r and r.status, why, took))
    for name, body in PACKED:
        for where in ENDPOINTS:
            r = upload(where, body)
            why = reason()
            check("%s in %s is refused" % (where, name), r and r.status == 403 and ("compress" in why or where == "a plugin"), (r and r.status, why))
    watch.stop = True
    check("nothing of them reached the daemon", len(daemon.requests()) == seen, daemon.requests()[seen:][:2])
    check("sockguard-unpack took no more than %d MiB (%.1f)" % (MEMORY // MIB, watch.most / MIB), 0 < watch.most <= MEMORY)
done()
