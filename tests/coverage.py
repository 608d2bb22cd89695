#!/usr/bin/python3
"""How much of the sources has run: tests/coverage.py BUILD, of a build configured with --enable-coverage, after whatever tests one likes.

Asks gcov about every object that left counts, adds up lines by source (a line counts if any program ran it), and prints a row a room and the
total. `--missing ROOM/FILE.c` lists the lines of one source that never ran.
"""
import argparse
import collections
import json
import os
import subprocess
import sys

ap = argparse.ArgumentParser()
ap.add_argument("build")
ap.add_argument("--missing", default="")
a = ap.parse_args()
counts = collections.defaultdict(lambda: collections.defaultdict(int))  # source: {line: times}
notes = [os.path.join(d, f) for d, _, files in os.walk(a.build) for f in files if f.endswith(".gcno")]
for at in range(0, len(notes), 40):
    r = subprocess.run(["gcov", "--json-format", "--stdout", *notes[at:at + 40]], cwd=a.build, capture_output=True, text=True)
    for text in r.stdout.splitlines():
        if not text.startswith("{"):
            continue
        for f in json.loads(text)["files"]:
            name = os.path.normpath(f["file"])
            if "sockguard-filter/" not in name:
                continue
            lines = counts[name.split("sockguard-filter/", 1)[1]]
            for line in f["lines"]:
                lines[line["line_number"]] += line["count"]
if not counts:
    sys.exit("no counts below " + a.build)
if a.missing:
    print(" ".join(str(n) for n, c in sorted(counts[a.missing].items()) if c == 0))
    sys.exit(0)
rooms = collections.defaultdict(lambda: [0, 0])
for name, lines in counts.items():
    for total in (rooms[name.split("/")[0]], rooms["total"]):
        total[0] += sum(1 for c in lines.values() if c)
        total[1] += len(lines)
for room, (ran, n) in sorted(rooms.items(), key=lambda x: (x[0] == "total", x[0])):
    print("%-12s %6d of %6d lines  %5.1f %%" % (room, ran, n, 100 * ran / n))
