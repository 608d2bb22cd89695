#!/usr/bin/env python3
"""Our JSON validator and decoder against Go's encoding/json, which is what Docker reads bodies with: the same verdict on every text, the same
values, except for what we refuse on purpose."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import BUILD, SRC, check, done, skip  # noqa: E402

OURS = os.path.join(BUILD, "tests", "differential", "ours")
GO = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
if not GO:
    skip("no go toolchain")
if not os.path.exists(OURS):
    skip("tests/differential/ours is not built")

rng = random.Random(int(os.environ.get("SEED", "5")))
work = tempfile.mkdtemp(prefix="sg-oracle-")
env = dict(os.environ, GOCACHE=work + "/cache", GOFLAGS="-mod=mod", GO111MODULE="off", GOTOOLCHAIN="local")

NAMES = ["HostConfig", "hostconfig", "Ho\u017ftConfig", "Ho\\u017ftConfig", "Pointer", "POINTER", "Leaves", "leave\u017f", "Skip", "s\u212aip", "Sk\\u0069p", "Text",
         "text", "Te\\u0078t", "Number", "Flag", "List", "Li\u017ft", "Labels", "label\u017f", "Maybe", "x", "\u00e9", "\\ud83d\\ude00", "\\ud800", ""]
STRINGS = ["", "a", "\\n\\t\\\"", "\\u0041", "\\ud83d\\ude00", "\\ud83d", "\\ude00\\ud83d", "\u00e9\u4e2d", "\\u0000", "\x7f", "\\/", "\\ud800\\u0041", "\\uD834\\uDd1e"]
NUMBERS = ["0", "-0", "1", "-1", "1.0", "1e3", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "01", "1.", "-", "+1", "1e+",
           "1E-5", "00", "0.0", "123456789012345678901234567890"]


def string():
    return '"%s"' % rng.choice(STRINGS)


def value(depth):
    k = rng.random()
    if k < 0.18:
        return string()
    if k < 0.36:
        return rng.choice(NUMBERS[:9]) if rng.random() < 0.8 else rng.choice(NUMBERS)
    if k < 0.55:
        return rng.choice(["true", "false", "null", "null"])
    if depth == 0:
        return "{}"
    if k < 0.75:
        return "[" + rng.choice(["", " "]) + ",".join(value(depth - 1) for _ in range(rng.randrange(4))) + "]"
    return members(depth)


def member(name, depth):
    typed = {"text": string, "number": lambda: rng.choice(NUMBERS[:4]), "flag": lambda: rng.choice(["true", "false"]), "list": lambda: "[%s]" % ",".join(
        rng.choice([string, lambda: "null"])() for _ in range(rng.randrange(4))), "labels": lambda: "{%s}" % ",".join(
        '"%s":%s' % (rng.choice("abAB"), string()) for _ in range(rng.randrange(4))), "maybe": lambda: rng.choice(["null", "0", "-5"]),
        "hostconfig": lambda: members(depth - 1), "pointer": lambda: rng.choice([lambda: "null", lambda: members(depth - 1)])(),
        "leaves": lambda: "[%s]" % ",".join(rng.choice([lambda: "null", lambda: members(depth - 1)])() for _ in range(rng.randrange(3)))}
    make = typed.get(name.lower().replace("\u017f", "s").replace("\\u017f", "s").replace("\\u0078", "x"))
    if make and depth > 0 and rng.random() < 0.85:
        return make()
    return value(max(depth - 1, 0))


def members(depth):
    names = rng.sample(NAMES, rng.randrange(5))
    space = rng.choice(["", "", " ", "\t\r\n"])
    return "{" + space + ",".join('"%s"%s:%s%s' % (n, space, space, member(n, max(depth, 0))) for n in names) + space + "}"


def spoil(data):
    """One random change to the bytes."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 3)):
        k, at = rng.random(), rng.randrange(len(data) + 1)
        if k < 0.4 and data:
            data[min(at, len(data) - 1)] = rng.choice(b'\x00\x1f "\\{}[]:,0-.eEu\x80\xc2\xed\xff\xef')
        elif k < 0.6 and data:
            del data[min(at, len(data) - 1)]
        elif k < 0.8:
            data[at:at] = rng.choice([b"\xef\xbb\xbf", b",", b"\xc5\xbf", b"\xed\xa0\x80", b"\\u0000", b"//", b" ", b"\x0b", b"\xc2\xa0"])
        else:
            data = data[:at]
    return bytes(data)


texts = []
for i in range(int(os.environ.get("ROUNDS", "40000"))):
    t = members(4).encode("utf-8", "surrogatepass") if rng.random() < 0.9 else value(3).encode()
    texts.append(spoil(t) if rng.random() < 0.4 else t)
for n in (9999, 10000, 10001):
    texts.append(b"[" * n + b"]" * n)

try:
    build = subprocess.run([GO, "build", "-o", work + "/oracle", os.path.join(SRC, "tests", "differential", "oracle.go")], env=env, capture_output=True, text=True)
    if build.returncode:
        skip("the oracle does not build: " + build.stderr.strip().splitlines()[-1])
    feed = b"".join(b"%d\n" % len(t) + t for t in texts)
    go, we = (subprocess.run([p], input=feed, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines() for p in (work + "/oracle", OURS))
finally:
    shutil.rmtree(work, ignore_errors=True)

check("both answered every text", len(go) == len(we) == len(texts), (len(go), len(we), len(texts)))
wrong, counts = [], {"same": 0, "refused": 0}
for t, g, w in zip(texts, go, we):
    if g == w:
        counts["same"] += 1
        continue
    why = w.partition("refused: ")[2]
    excuse = g.startswith("valid") and ((why == "duplicate member") or (why == "invalid UTF-8" and " bytes " in g) or
                                        (why.startswith("NUL") and b"\\u0000" in t))
    if excuse:
        counts["refused"] += 1
    else:
        wrong.append((t[:200], g[:200], w[:200]))
check("the same verdict and the same values for %d texts, %d more refused on purpose" % (counts["same"], counts["refused"]), not wrong, wrong[:5])
check("the texts exercise all of it", sum(g == "invalid" for g in go) > 500 and sum(g.startswith("valid utf8 ") and not g.endswith("type") for g in go) > 5000)
done()
