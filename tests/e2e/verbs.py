#!/usr/bin/env python3
"""sockguard-ctl at the prompt: what validate, config, schema and migrate show, to a terminal and to a pipe."""
import json
import os
import pty
import subprocess
import tempfile

from sg import CTL, check, done

BAD = """log:
  levl: info
request_body:
  exec:
    allowed_env_values: ["TOKEN=s3cret", "bad"]
"""
GOOD = """log: {level: warn}
request_body:
  exec:
    allowed_env_values: ["TOKEN=s3cret"]
"""
COMPOSE = """services:
  proxy:
    image: tecnativa/docker-socket-proxy
    environment: {CONTAINERS: 1, POST: 0, LOG_LEVEL: warning, NAME: "#\\"'\\n: - &x"}
"""

def run(*args, env=None):
    return subprocess.run([CTL, *args], capture_output=True, text=True, env=dict({"PATH": os.environ["PATH"]}, **(env or {})), timeout=60)


def on_terminal(*args):
    """What it shows when its standard error is a terminal."""
    parent, child = pty.openpty()
    p = subprocess.Popen([CTL, *args], stdin=subprocess.DEVNULL, stdout=child, stderr=child, env={"PATH": os.environ["PATH"], "NO_COLOR": "1"})
    os.close(child)
    out = b""
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not data:
            break
        out += data
    os.close(parent)
    p.wait(timeout=60)
    return out.decode().replace("\r\n", "\n")


def main():
    with tempfile.TemporaryDirectory() as d:
        def write(name, text):
            with open(os.path.join(d, name), "w", encoding="utf-8") as f:
                f.write(text)
            return os.path.join(d, name)

        bad, good = write("bad.yaml", BAD), write("good.yaml", GOOD)
        shown = on_terminal("validate", "-c", bad)
        check("a terminal is shown the line, and a mark below the column", "  2 |   levl: info\n            |   ^\n" in shown, shown)
        piped = run("validate", "-c", bad)
        check("a pipe is shown no lines: they may hold secrets",
              piped.returncode == 1 and "levl: unknown key" in piped.stderr and "s3cret" not in piped.stdout + piped.stderr)
        answer = json.loads(run("validate", "-c", bad, "--format", "json").stdout)
        check("validate --format json lists every problem with its place and what was meant",
              not answer["valid"] and answer["errors"] == 2 and answer["problems"][0]["nearest"] == "level" and "s3cret" not in json.dumps(answer))

        config = run("config", "-c", good, env={"SOCKGUARD_LOG_FORMAT": "text"}).stdout
        check("config tells file, variable and default apart",
              'log.level: "warn"  # %s:1\n' % good in config and 'log.format: "text"  # SOCKGUARD_LOG_FORMAT\n' in config and
              'log.output: "stderr"  # default\n' in config)
        check("config masks the values of variables", "s3cret" not in config and '"TOKEN=********"' in config)
        listed = json.loads(run("config", "-c", good, "--format", "json", "--changed").stdout)
        check("config --changed lists what was set", [x["key"] for x in listed] == ["log.level", "request_body.exec.allowed_env_values"])

        schema = json.loads(run("schema").stdout)
        check("schema prints a JSON schema", schema["$schema"].endswith("2020-12/schema") and "$defs" in schema)

        compose, policy = write("compose.yaml", COMPOSE), os.path.join(d, "policy.yaml")
        first = run("migrate", "-o", policy, compose)
        again = run("migrate", "-o", policy, compose)
        check("what migrate writes is valid", first.returncode == 0 and run("validate", "-c", policy).returncode == 0)
        check("migrate overwrites no file", again.returncode != 0)
        old = run("match", "-X", "GET", "--path", "/containers/json", "-o", "json", "-c", write("empty.yaml", ""),
                  env={"CONTAINERS": "1", "SOCKGUARD_INSECURE_ALLOW_READ_EXFILTRATION": "true"})
        new = run("match", "-X", "GET", "--path", "/containers/json", "-o", "json", "-c", policy)
        check("and decides as the variables did", json.loads(old.stdout)["decision"] == json.loads(new.stdout)["decision"] == "allow")
    done()


if __name__ == "__main__":
    main()
