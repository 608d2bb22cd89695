#!/usr/bin/env python3
"""The command line against the verdict tables: `validate`, `match` and the other verbs answer each row of the corpus's tables as recorded.

A row where ours is meant to differ stands in tests/deviations.json as {"case": "tables/TABLE/ROW", ...}: exactly those may differ, and
each of them must. Needs the corpus: CORPUS, or ../shared/corpus beside the tree. SOURCE: SRC, programs: BUILD.
"""
# build: plain
import json
import os
import subprocess
import sys
import tempfile

SRC = os.environ.get("SRC") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD") or os.getcwd()


def corpus():
    for c in (os.environ.get("CORPUS"), SRC + "/../shared/corpus", SRC + "/../../shared/corpus"):
        if c and os.path.exists(c + "/match_replay.py"):
            return os.path.abspath(c)
    return None


def name_of(row):
    """What a row of deviations.json calls a disagreement: table and row, of a match row the request too."""
    table, name, what = row[:3]
    return "tables/%s/%s%s" % (table, name, " " + what if table == "match" else "")


def main():
    base = corpus()
    if base is None:
        print("ok - tables # SKIP no corpus here")
        return 0
    with open(SRC + "/tests/deviations.json", encoding="utf-8") as f:
        listed = {d["case"] for d in json.load(f)["deviations"] if d["case"].startswith("tables/")}
    with tempfile.TemporaryDirectory() as d:
        # unknown keys are the tables' business only where they are errors of the reference too
        command = "/usr/bin/env SOCKGUARD_ALLOW_UNKNOWN_KEYS=true %s/bin/sockguard-ctl" % os.path.abspath(BUILD)
        p = subprocess.run([sys.executable, base + "/match_replay.py", "--ctl", command, "--json", d + "/out.json", "--max", "0"],
                           env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            with open(d + "/out.json", encoding="utf-8") as f:
                out = json.load(f)
        except OSError:
            sys.stdout.write(p.stdout.decode("utf-8", "replace"))
            print("not ok - the tables can be replayed")
            return 1
    differ = {name_of(r): r for r in out["disagreements"]}
    for name in sorted(set(differ) - listed):
        print("not ok - %s: expected %s, got %s" % (name, json.dumps(differ[name][3]), json.dumps(differ[name][4])))
    for name in sorted(listed - set(differ)):
        print("not ok - %s: listed as a deviation, but agrees" % name)
    bad = len(set(differ) ^ listed)
    print("%s - %d rows of the tables answered as recorded, %d listed deviations" % ("not ok" if bad else "ok", out["passed"], len(listed)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
