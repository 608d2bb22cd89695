#!/usr/bin/python3
"""The verdict corpus against the programs of a build: tests/replay.py BUILD SRC CORPUS [--minutes N] [--area A]...

Every area, with a process for each connection and the companion beside it; some also through the pool (`sockguard-ctl serve`). An area agrees
when replay.py has nothing to say, save what tests/deviations.json lists and the steps that tests/exceptions.json names one by one, with a reason. A case that disagrees
gets a second try by itself, since some look at clocks and the machine may be busy; that is printed. Lines "ok - " and "not ok - ".
"""
import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time

# Where the steps look at clocks: no more of them at a time than processors.
TIMED = ("admin", "http", "limits", "modes", "selftest", "telemetry")
POOLED = ("selftest", "http", "limits", "modes", "profiles", "telemetry")

ap = argparse.ArgumentParser()
ap.add_argument("build")
ap.add_argument("src")
ap.add_argument("corpus")
ap.add_argument("--minutes", type=float, default=15)
ap.add_argument("--area", action="append")
ap.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases at a time; four times as many where nothing looks at clocks, since most wait")
a = ap.parse_args()
build, src, corpus = (os.path.abspath(x) for x in (a.build, a.src, a.corpus))
started = time.monotonic()
end = started + a.minutes * 60
exceptions = {}
with open(os.path.join(src, "tests", "exceptions.json")) as f:
    for e in json.load(f)["exceptions"]:
        exceptions[(e["case"], e.get("step"))] = e["why"]
with open(os.path.join(src, "tests", "deviations.json")) as f:
    rows = json.load(f)["deviations"]


def program(name):
    return os.path.join(build, "bin", name)


def common(mode):
    ctl = program("sockguard-ctl")
    argv = [sys.executable, "replay.py", "--env", "SOCKGUARD_CTL=" + ctl, "--env", "SOCKGUARD_FILTER=" + program("sockguard-filter"),
            "--env", "SOCKGUARD_LIBEXEC=" + os.path.join(build, "bin"), "--env", "SOCKGUARD_ALLOW_UNKNOWN_KEYS=true",
            "--deviations", os.path.join(src, "tests", "deviations.json")]
    if mode == "pool":
        return argv + ["--server", ctl + " serve --config {config} --runtime-dir {dir}/run"]
    return argv + ["--prepare", ctl + " compile --config {config} --output {dir}/p.bin", "--companion", ctl + " run --config {config} --runtime-dir {dir}/run",
                   "--companion-delay", "0.1", "--filter", program("sockguard-filter") + " --policy {dir}/run/policy --listener {listener}"]


def run(mode, jobs, *selection):
    """The disagreements and the number of steps that agree; None when it did not end in time or not at all."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        try:
            r = subprocess.run(common(mode) + ["--json", out.name, "--jobs", str(jobs), *selection], cwd=corpus, capture_output=True, text=True,
                               stdin=subprocess.DEVNULL, timeout=max(10, end - time.monotonic()))
            doc = json.load(open(out.name))
        except subprocess.TimeoutExpired:
            return None, "no time left"
        except ValueError:
            return None, (r.stdout + r.stderr)[-1000:]
    return doc["disagreements"], doc["passed"]


def listed(d):
    """Is it a row of deviations.json that replay.py does not ask: a policy that only one side refuses, or a case where the reference is said to err?"""
    for row in rows:
        if row.get("step") in (None, d["step"]) and fnmatch.fnmatchcase(d["case"], row["case"]):
            if set(d["diff"]) <= set(row.get("fields", [])):
                return True
            if row.get("expect") and all(k in row["expect"] and row["expect"][k] == got for k, (_, got) in d["diff"].items()):
                return True
    return False


def unexplained(found):
    return [d for d in found if (d["case"], d["step"]) not in exceptions and not listed(d)]


def area(name, mode):
    """True if it agrees."""
    what = name if mode == "filter" else name + ", pooled"
    t = time.monotonic()
    found, passed = run(mode, a.jobs if name in TIMED else 4 * a.jobs, "--area", name)
    if found is None:
        print("not ok - corpus, %s: %s" % (what, passed), flush=True)
        return False
    again, cases = [], sorted({d["case"] for d in unexplained(found)})
    for case in cases if len(cases) <= 10 else []:
        second, n = run(mode, 1, "--case", case)
        if second is None:
            second, n = [d for d in found if d["case"] == case], 0
        if not unexplained(second):
            again.append(case)
        found = [d for d in found if d["case"] != case] + second
    bad = unexplained(found)
    used.update((d["case"], d["step"]) for d in found)
    if again:
        print("# corpus, %s: only at the second try: %s" % (what, ", ".join(again)), flush=True)
    print("%s - corpus, %s: %d steps, %d disagree, %d listed (%d s)" %
          ("not ok" if bad else "ok", what, passed + len(found), len(bad), len(found) - len(bad), time.monotonic() - t), flush=True)
    for d in bad[:10]:
        print("    %s step %s: %s" % (d["case"], d["step"], d["request"][:150]))
        for k, (e, g) in d["diff"].items():
            print("        %s: expected %s, got %s" % (k, json.dumps(e)[:200], json.dumps(g)[:200]))
        if d.get("detail"):
            print("        " + d["detail"].strip()[-300:].replace("\n", " "))
    return not bad


def stale(seen):
    """Exceptions of the areas that ran which are none."""
    return [c for c in exceptions if c[0].split("/")[0] in areas and c not in seen]


areas = a.area or sorted(os.listdir(os.path.join(corpus, "cases")))
good, used = True, set()
for name in areas:
    good &= area(name, "filter")
for name in POOLED:
    if name in areas:
        good &= area(name, "pool")
for case, step in stale(used):
    good = False
    print("not ok - corpus: tests/exceptions.json lists %s step %s, which agrees" % (case, step))
print("# corpus: %d s" % (time.monotonic() - started), flush=True)
sys.exit(0 if good else 1)
