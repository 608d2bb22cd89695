#!/usr/bin/env python3
"""The JSON schema is a schema, takes every preset, and refuses what a reader of the manual would.

  check.py SCHEMA PRESET...      exit 77 (skipped) without the modules jsonschema and yaml
"""
import json
import sys

try:
    import jsonschema
    import yaml
except ImportError:
    sys.exit(77)


class Loader(yaml.SafeLoader):
    """YAML 1.2 booleans: yes, no, on and off are texts."""


Loader.yaml_implicit_resolvers = {k: [r for r in v if r[0] != "tag:yaml.org,2002:bool"] for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", __import__("re").compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))

RULE = "rules: [{match: {method: GET, path: /a}, action: allow}]\n"
MISTAKES = [
    "lgo: {level: info}", "log: {levle: info}", "log: {level: trace}", "log: {access_log: yes}", "log: {output: /var/log/x}",
    "listen: {socket_mode: 0600}", "listen: {address: nowhere}", "listen: []", "upstream: {socket: docker.sock}",
    "upstream: {request_timeout: 30}", "response: {deny_verbosity: loud}", "response: {visible_resource_labels: ['a,b']}",
    "request_body: {exec: {allow_root_user: maybe}}", "request_body: {exec: {allowed_commands: [[]]}}",
    "request_body: {image_pull: {allowed_registries: ['https://docker.io']}}",
    "request_body: {container_create: {allowed_bind_mounts: [relative]}}",
    "request_body: {container_create: {image_trust: {mode: Enforce}}}", "rules: [{match: {method: GET, path: /a}, action: permit}]",
    "rules: [{match: {method: GET, path: '/%61'}, action: allow}]", "rules: [{match: {path: /a}, action: allow}]",
    "clients: {allowed_cidrs: [10.0.0.0]}", "clients: {profiles: [{name: p}]}", "clients: {unix_peer_profiles: [{profile: p, uids: [-1]}]}",
    "clients: {global_concurrency: {max_inflight: 0}}", "mutations: {rules: [{id: m, surfaces: [container]}]}", "admin: {max_request_bytes: 0}",
]
GOOD = [
    "", "log: {level: null}", "x-anchors: {a: 1}", "listen: {socket: /s, socket_mode: '0660', socket_gid: 0}", "upstream: {request_timeout: off}",
    "request_body: {exec: {allowed_commands: [[sh, '-c', '*']]}}", "clients: null", "response: {visible_resource_labels: [a, b=c]}",
]


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    v = jsonschema.Draft202012Validator(schema)
    bad = 0
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            for e in v.iter_errors(yaml.load(f, Loader)):
                print("not ok - %s: %s: %s" % (path, e.json_path, e.message[:200]))
                bad += 1
    for text in GOOD:
        if not v.is_valid(yaml.load(RULE + text, Loader) or {}):
            print("not ok - refused: " + text)
            bad += 1
    for text in MISTAKES:
        if v.is_valid(yaml.load(text if text.startswith("rules") else RULE + text, Loader)):
            print("not ok - taken: " + text)
            bad += 1
    print("%d presets, %d good, %d bad texts" % (len(sys.argv) - 2, len(GOOD), len(MISTAKES)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
