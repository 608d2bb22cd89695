#!/usr/bin/env python3
# build: plain
"""
Every audited case of the corpus, compared exactly. The rows of tests/deviations.json accept any difference in `audit` for these cases,
because the format cannot say "save three keys"; here those keys are taken out of the filter's stderr, and nothing else is accepted.
"""
import json
import os
import re
import subprocess
import tempfile

import sg

CORPUS = os.environ.get("CORPUS", "")
STRIP = r's/"actor_uid":[0-9]+,"actor_gid":[0-9]+,"actor_pid":-?[0-9]+,//'


def audited():
    found = []
    for directory, _, files in sorted(os.walk(os.path.join(CORPUS, "cases"))):
        for name in sorted(files):
            with open(os.path.join(directory, name), encoding="utf-8") as f:
                if json.load(f).get("audit"):
                    found.append(os.path.basename(directory) + "/" + name[:-len(".json")])
    return found


def main():
    if not os.path.isfile(os.path.join(CORPUS, "replay.py")):
        sg.skip("no corpus: set CORPUS to its directory")
    with tempfile.TemporaryDirectory(prefix="sg-audit-") as d:
        strip, accepted = os.path.join(d, "filter"), os.path.join(d, "deviations.json")
        with open(strip, "w") as f:
            f.write("#!/bin/bash\nexec %s \"$@\" 2> >(exec sed -u -E '%s' >&2)\n" % (sg.FILTER, STRIP))
        os.chmod(strip, 0o755)
        with open(os.path.join(sg.SRC, "tests", "deviations.json"), encoding="utf-8") as f:
            rows = json.load(f)["deviations"]
        # What is told apart by more than the audit record stays accepted: the verdict itself is another one there.
        rows = [r for r in rows if set(r.get("fields", ["-"])) - {"audit"}]
        for r in rows:
            if not {"status", "decision"} & set(r.get("fields", ["status"])):
                r["fields"] = [x for x in r["fields"] if x != "audit"]
        with open(accepted, "w") as f:
            json.dump({"deviations": rows}, f)
        ctl = sg.CTL
        argv = ["/usr/bin/python3", "replay.py", "--env", "SOCKGUARD_CTL=" + ctl, "--env", "SOCKGUARD_FILTER=" + sg.FILTER, "--env",
                "SOCKGUARD_LIBEXEC=" + os.path.join(sg.BUILD, "bin"), "--env", "SOCKGUARD_ALLOW_UNKNOWN_KEYS=true", "--companion",
                ctl + " run --config {config} --runtime-dir {dir}/run", "--companion-delay", "0.3", "--prepare",
                ctl + " compile --config {config} --output {dir}/p.bin", "--filter",
                strip + " --policy {dir}/run/policy --listener {listener}", "--deviations", accepted, "--max", "5"]
        for case in audited():
            argv += ["--case", case]
        r = subprocess.run(argv, cwd=CORPUS, capture_output=True, text=True, timeout=230)
        last = re.search(r"(\d+) passed, (\d+) failed\s*$", r.stdout)
        sg.check("audit records agree with the reference in all but the keys of the peer, in %s steps" % (last and last[1]),
                 last and int(last[1]) > 200 and int(last[2]) == 0, r.stdout[-1800:] + r.stderr[-500:])
    sg.done()


if __name__ == "__main__":
    main()
