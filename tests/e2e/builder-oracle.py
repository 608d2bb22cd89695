#!/usr/bin/env python3
"""Our reading of Dockerfiles against BuildKit's own parser, and of image references against the library that Docker reads them with, on
thousands of hostile texts. Needs Go, and its modules in the cache or within reach. SEED and ROUNDS in the environment change the texts."""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sg import BUILD, SRC, check, done, skip  # noqa: E402

OURS = os.path.join(BUILD, "tests", "differential", "builder-ours")
if not shutil.which("go"):
    skip("no go toolchain")
if not os.path.exists(OURS):
    skip("tests/differential/builder-ours is not built")

rng = random.Random(int(os.environ.get("SEED", "7")))
ROUNDS = int(os.environ.get("ROUNDS", "40000"))
work = tempfile.mkdtemp(prefix="sg-builder-")
shutil.copytree(os.path.join(SRC, "tests", "differential", "builder"), work + "/src")
env = dict(os.environ, GOCACHE=work + "/cache", GOFLAGS="-mod=mod", GOTOOLCHAIN="local")


def both(kind, texts):
    """The answers of both programs, line by line."""
    feed = b"".join(b"%d\n" % len(t) + t for t in texts)
    return (subprocess.run([p, kind], input=feed, stdout=subprocess.PIPE, check=True).stdout.decode("utf-8", "surrogateescape").split("\n")[:-1]
            for p in (work + "/oracle", OURS))


# ---- Dockerfiles ----

WORDS = ["FROM", "from", "FrOm", "RUN", "run", "R", "UN", "COPY", "ADD", "ENV", "LABEL", "CMD", "ONBUILD", "onbuild", "ARG", "WORKDIR", "SHELL", "NOPE", "busybox", "evil.io/x",
         "$IMAGE", "${IMAGE}", "${IMAGE:-x}", "${A#b}", "$1", "$(id)", "AS", "a", "b=c", "a=\"b c\"", "'a b'", "\"", "'", "--from=x", "--platform=$P", "--mount=type=bind,from=y", "--x=\"a b\"",
         "[\"a\",\"b\"]", "[\"RUN\"]", "[", "#", "#x", "\\", "\\\\", "`", "``", "<<", "<<E", "<<-E", "<<'E'", "<<\"E\"", "<<\\E", "<<E\\", "0<<E", "3<<-F", "<<E<<F", "<<'E F'", "<<$E",
         "<<${E}", "<<\"\"", "<<E;", "x<<E", "\"<<E\"", "E", "F", "E F", "/x", "\xa0", "\x0b", "\x0c", "RUN\xa0x", "\u2003"]
ENDS = ["\n"] * 12 + ["\r\n", "\\\n", "\\\n", " \\\n", "\\ \t\n", "\\\r\n", "\\\\\n", "`\n", "``\n", "` \n", "\\\x0b\n", "\\\xa0\n", "\r", "\\\\\\\n", ""]
STARTS = [""] * 10 + [" ", "\t", "\xa0", "\x0b", "# ", "#", "\t# "]
HEADS = [""] * 10 + ["\ufeff", "# escape=`\n", "#escape=\\\n", "# escape = ` \n", "# ESCAPE=`\n", "#\x0bescape=`\n", "# escape=``\n", "# escape=x\n", "# escape=`\n# escape=`\n", "# syntax=x\n",
                     "#syntax=\n", "# Syntax = x y\n", "# check=skip=all\n# syntax=x\n", "# check=error\n# escape=`\n", "#!x\n# syntax=y\n", "//syntax=x\n", "// escape=`\n", "{\"syntax\":\"x\"}",
                     "{\"a\":\"b\"}\n", "# other=x\n# syntax=y\n", "\n# syntax=x\n", "# a comment\n# escape=`\n", "\ufeff# escape=`\n", "\ufeff# syntax=x\n", " # syntax=x\n", "#\tsyntax=x\n",
                     "# syntax\xa0=x\n", "# syntax=\xa0\n", "# escape=`\n# syntax=x\n", "# syn-tax=x\n# syntax=y\n", "# 1syntax=x\n# escape=`\n"]


def dockerfile():
    out = [rng.choice(HEADS)]
    for _ in range(rng.randrange(1, 9)):
        k = rng.random()
        if k < 0.12:
            out.append(rng.choice(["E\n", "F\n", "\tE\n", "E\r\n", "E \n", "E\\\n", "E F\n", "\n", " \n", "#\n", "$E\n", "${E}\n", "E;\n"]))
            continue
        words = [rng.choice(["FROM", "COPY", "RUN", "ADD", "ONBUILD", "ENV a=b", "LABEL", "CMD"]) if rng.random() < 0.7 else rng.choice(WORDS)]
        words += [rng.choice(WORDS) for _ in range(rng.randrange(4))]
        out.append(rng.choice(STARTS) + rng.choice([" ", " ", "\t", "  ", ""]).join(words) + rng.choice(ENDS))
    text = "".join(out).encode()
    if rng.random() < 0.03:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice([b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80", b"\xef\xbf\xbd"]) + text[at:]
    return text


def judge_dockerfile(text, theirs, ours):
    """None, or what is wrong; counts by the way."""
    verdict, hexes, end = ours.split(" ")
    parts = theirs.split(" ")
    syntax = parts[1 if parts[0] == "error" else 0] == "syntax"
    if syntax and verdict == "clean":
        return "a frontend is not seen"
    if parts[0] == "error":
        counts["refused by the builder"] += 1
        return None
    if parts[1] == "run" and verdict == "clean":
        return "RUN is not seen"
    if end == "doubt":
        counts["heredocs in doubt"] += 1
        odd = b"${" in text or re.search("[\ufeff\ufffd]", text.decode("utf-8", "replace"))
        return None if b"<<" in text and odd else "no reason for doubt"
    theirs = ",".join(h for h in parts[2].split(",") if h)   # an escape alone on the last line makes an instruction of nothing
    if (hexes, end) != (theirs, "end"):
        return "instructions: %s %s instead of %s" % (bytes.fromhex(hexes.replace(",", "0a0a")), end, bytes.fromhex(theirs.replace(",", "0a0a")))
    counts["the same instructions"] += 1
    if verdict == "run" and parts[1] != "run":
        # Another builder may see it: for that, something must continue lines, part words by more than ASCII blanks, or hold a document.
        counts["RUN for another builder"] += 1
        return None if re.search(rb"[\\`]|<<|[\x80-\xff]", text) else "RUN where there is none"
    if verdict in ("nul", "frontend") and not syntax:
        return None if verdict == "nul" and b"\x00" in text or re.search(rb"^(\xef\xbb\xbf)?(#!.*\n)?\s*(\{|#|//)", text) else "a frontend where there is none"
    return None


# ---- image references ----

PIECES = ["busybox", "library", "docker.io", "index.docker.io", "DOCKER.IO", "Index.docker.io", "localhost", "LOCALHOST", "evil.io", "EVIL", "Evil.io", "ghcr.io", "reg:5000", "reg:", "a.b", "a..b", "a_b", "a__b",
          "a___b", "a-b", "-a", "a-", "[::1]", "[::1]:5000", "127.0.0.1", "x", "", "a" * 64, "\u00e9", "K\u212a", "b@c", "user@host", "%2f", "a b", "a\tb", "a\\b", "a?b", "a#b", "..", "."]
TAILS = [""] * 4 + [":latest", ":v1", ":" + "t" * 128, ":" + "t" * 129, ":-x", ":UPPER", "@sha256:" + "a" * 64, "@sha256:abc", ":t@sha256:" + "0" * 64, "@sha512:" + "b" * 128, "@x", ":", "@",
                    ":a/b", "@sha256:" + "A" * 64, "@sha256:" + "a" * 64 + "@sha256:" + "b" * 64]


def image():
    pieces = PIECES[:19] if rng.random() < 0.7 else PIECES
    text = "/".join(rng.choice(pieces) for _ in range(rng.choice([1, 1, 2, 2, 2, 3, 4]))) + rng.choice(TAILS)
    if rng.random() < 0.05:
        text = rng.choice([" ", "\t", "\n", "\xa0", "http://", "docker://"]) + text
    if rng.random() < 0.05:
        text += rng.choice([" ", "\n", "\r", "\xa0", "\x00"])
    if rng.random() < 0.02:
        text = "".join(rng.choice("0123456789abcdef") for _ in range(64))
    return text.encode()


def judge_image(text, theirs, ours):
    if theirs == "error":
        counts["refused by the library"] += 1
        return None
    # Wherever the engine finds an image, we must know the same registry, and what is left of it.
    if ours == "error":
        return "not read"
    domain, path, digest = theirs.split(" ")
    host, repository, digested = ours.split(" ")
    repository = "library/" + repository if host == "docker.io" and "/" not in repository else repository
    counts["the same images"] += 1
    # Hosts have no case, and the hub has two names; to the library, only one spelling of them is the hub.
    domain = {"index.docker.io": "docker.io"}.get(domain.lower(), domain.lower())
    path = "library/" + path if domain == "docker.io" and "/" not in path else path
    return None if (domain, path, digest) == (host, repository, digested) else "%s instead of %s" % (ours, theirs)


try:
    build = subprocess.run(["go", "build", "-o", work + "/oracle", "."], cwd=work + "/src", env=env, capture_output=True, text=True, timeout=200)
    if build.returncode:
        skip("the builder's modules cannot be had: " + (build.stderr.strip().splitlines() or ["?"])[-1])
    for kind, make, judge, least in (("dockerfile", dockerfile, judge_dockerfile, "the same instructions"), ("reference", image, judge_image, "the same images")):
        texts = [make() for _ in range(ROUNDS)]
        counts = dict.fromkeys(["the same instructions", "RUN for another builder", "heredocs in doubt", "refused by the builder"] if kind == "dockerfile" else
                               ["the same images", "refused by the library"], 0)
        theirs, ours = both(kind, texts)
        check("%s: both answered every text" % kind, len(theirs) == len(ours) == len(texts), (len(theirs), len(ours), len(texts)))
        wrong = [(t[:300], w) for t, w in ((t, judge(t, g, o)) for t, g, o in zip(texts, theirs, ours)) if w]
        check("%s: nothing unexplained among %d (%s)" % (kind, len(texts), ", ".join("%d %s" % (k, v) for v, k in counts.items())), not wrong, wrong[:6])
        check("%s: the texts exercise it" % kind, counts[least] > ROUNDS // 20, counts)
finally:
    shutil.rmtree(work, ignore_errors=True)
done()
