#!/usr/bin/env python3
"""The JSON schema is a schema, takes every preset, and refuses what a reader of the manual would.

  check.py [SCHEMA PRESET...]      without arguments: of the build directory; exit 77 (skipped) without the modules jsonschema and yaml

With the verdict corpus beside the tree (CORPUS, or ../shared/corpus) it also refuses every policy of the tables that `validate` refuses,
save for what no schema can say: OUTSIDE.
"""
import fnmatch
import glob
import json
import os
import re
import sys

try:
    import jsonschema
    import yaml
except ImportError:
    sys.exit(77)


class Loader(yaml.SafeLoader):
    """YAML 1.2 booleans: yes, no, on and off are texts."""


Loader.yaml_implicit_resolvers = {k: [r for r in v if r[0] != "tag:yaml.org,2002:bool"] for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))

RULE = "rules: [{match: {method: GET, path: /a}, action: allow}]\n"
PROFILE = "clients: {profiles: [{name: p, rules: [{match: {method: GET, path: /a}, action: allow}], %s}]}"
MUTATION = "mutations: {rules: [{id: m, surfaces: [container_create], %s}]}"
MISTAKES = [
    "lgo: {level: info}", "log: {levle: info}", "log: {level: trace}", "log: {access_log: yes}", "log: {output: /var/log/x}", "log: {output: a/../../b}",
    "listen: {socket_mode: 0600}", "listen: {address: nowhere}", "listen: []", "listen: {address: '0.0.0.0:2375'}", "listen: {address: ''}",
    "listen: {socket: /s, socket_mode: '0660'}", "listen: {tls: {cert_file: /c}}", "upstream: {socket: docker.sock}", "upstream: {socket: ''}",
    "upstream: {request_timeout: 30}", "upstream: {request_timeout: 0s}", "upstream: {endpoints: [{address: 'tcp://h:1'}]}",
    "upstream: {endpoints: [{address: /s, tls: {ca_file: /c}}]}", "upstream: {failover: {health_timeout: -1s}}",
    "listeners: [{name: a, socket: /a, allowed_profiles: ['*']}]", "listeners: [{name: a, socket: /a, socket_mode: '0600', allowed_profiles: null}]",
    "listeners: [{name: a, socket: /a, socket_mode: '0600', allowed_profiles: ['*', p]}]",
    "listeners: [{name: a, socket: /a, socket_mode: '0600', allowed_profiles: ['*']}]\nlisten: {socket: /b}",
    "response: {deny_verbosity: loud}", "response: {visible_resource_labels: ['a,b']}",
    "request_body: {exec: {allow_root_user: maybe}}", "request_body: {exec: {allowed_commands: [[]]}}",
    "request_body: {image_pull: {allowed_registries: ['https://docker.io']}}",
    "request_body: {container_create: {allowed_bind_mounts: [relative]}}", "request_body: {container_create: {image_trust: {mode: enforce}}}",
    "request_body: {container_create: {image_trust: {mode: Enforce}}}", "request_body: {network: {allow_endpoint_config: true, endpoint_config: {allow_aliases: true}}}",
    "insecure_accept_opaque_buildkit_tunnels: true\nrequest_body: {buildkit: {session: {ssh: {allowed_ids: [a]}}}}",
    "rules: [{match: {method: GET, path: /a}, action: permit}]", "rules: [{match: null, action: allow}]", "rules: [null]",
    "rules: [{match: {method: GET, path: '/%61'}, action: allow}]", "rules: [{match: {path: /a}, action: allow}]",
    "clients: {allowed_cidrs: [10.0.0.0]}", "clients: {allowed_cidrs: [10.0.0.0/33]}", "clients: {profiles: [{name: p}]}", "clients: {profiles: [{name: p, rules: []}]}",
    "clients: {unix_peer_profiles: [{profile: p, uids: [-1]}]}", "clients: {unix_peer_profiles: [{profile: p, pids: [1]}]}",
    "clients: {global_concurrency: {max_inflight: 0}}", "clients: {container_labels: {enabled: true, label_prefix: ''}}",
    PROFILE % "limits: {rate: {tokens_per_second: 0}}", PROFILE % "limits: {rate: {tokens_per_second: 1, burst: 65536}}",
    PROFILE % "limits: {rate: {tokens_per_second: 5, endpoint_costs: [{path: /a, cost: 0}]}}", PROFILE % "limits: {priority: urgent}",
    "mutations: {rules: [{id: m, surfaces: [container]}]}", MUTATION % "mode: warn", MUTATION % "inject_labels: null", MUTATION % "inject_labels: {labels: {a: ' '}}",
    MUTATION % "remap_image: {match: prefix, from: ' ', to: b}", MUTATION % "remap_image: {match: exact, from: 'A', to: b}",
    MUTATION % ("remap_image: {match: prefix, from: '%s', to: b}" % ("a" * 4097)), "ownership: {owner: a, label_key: ''}", "admin: {max_request_bytes: 0}",
    "admin: {enabled: true, listen: {socket: /a, address: '127.0.0.1:1'}}", "policy_bundle: {enabled: true}", "reload: {debounce: -1s}",
    "health: {watchdog: {enabled: true, interval: 0s}}",
]
GOOD = [
    "", "log: {level: null}", "x-anchors: {a: 1}", "listen: {socket: /s, socket_mode: '0660', socket_gid: 0}", "upstream: {request_timeout: off}",
    "request_body: {exec: {allowed_commands: [[sh, '-c', '*']]}}", "clients: null", "response: {visible_resource_labels: [a, b=c]}",
    "listen: {address: '[::1]:2375'}", "listen: {socket: /s, tls: {cert_file: /c}}", "upstream: {socket: '', endpoints: [{address: /x}]}",
    "upstream: {failover: {health_interval: -1s}}", "upstream: {endpoints: [{address: 'tcp://h:1', insecure_allow_plain_tcp: true}]}",
    "listen: {address: '0.0.0.0:1', insecure_allow_plain_tcp: true, insecure_allow_unauthenticated_clients: true}",
    "insecure_accept_opaque_buildkit_tunnels: true\nrequest_body: {buildkit: {session: {file_sync: {max_files: 1}}}}", "reload: {debounce: 0s}",
    MUTATION % "remap_image: {match: exact, from: 'docker.io/ab', to: 'r.example:5000/b/c:1'}", PROFILE % "limits: {rate: {tokens_per_second: 0.5, burst: 2}}",
]
# What a schema cannot say, by the names of rows in the tables.
OUTSIDE = {
    "the syntax of YAML and the name of the file": ["format yaml directive", "format duplicate *", "format bool tag wrong", "extension *", "file json *"],
    "values that are compared with each other": [
        "health/16", "metrics/03", "metrics/05", "metrics/07", "admin/03", "admin/06", "admin/07", "admin/10", "admin/11", "admin/13", "admin/14", "admin/32",
        "admin/34", "limits/08", "limits/10", "limits/24", "limits/26", "listeners/36", "listeners/7[4678]", "listeners/8[03456]", "mutations/25",
        "mutations/69", "mutations/7[0124]", "mutations/12[45689]", "profiles/1[34]"],
    "names that must exist": [
        "profiles/4[4678]", "listeners/71", "listeners/73", "listeners/88", "listeners/9[012]", "listeners profiles/0[478]", "selector needs/1[35]", "unix peers/08",
        "unix peers/10", "certificate profiles/02"],
    "what another block, or the environment, may supply": ["admin/43", "selector needs/0[0378]", "selector needs/1[019]", "selector needs/21", "certificate profiles/2[012]"],
    "sums": ["duration * 9223372037s", "duration * 2562047h47m16.854775808s", "duration * 0.0000000001s", "mutations/137"],
    "the contents of files": ["admin/50", "listen tls/0[6789]", "listen tls/1[124]", "listen tls loopback/03", "listeners/65"],
    "the grammar of regular expressions": ["bundle/1[789]", "bundle/2[01678]", "bundle/3[23]", "rb image trust */11"],
    "what rules let through": ["guard *", "argv guard *", "rules/15"],
}


def anchored(node):
    """Patterns are ECMA 262: `$` is the end there; in Python it is also before a last line feed."""
    if isinstance(node, dict):
        return {k: v.replace("$", r"\Z") if k == "pattern" and isinstance(v, str) else anchored(v) for k, v in node.items()}
    return [anchored(x) for x in node] if isinstance(node, list) else node


def corpus_rows(corpus):
    for path in sorted(glob.glob(os.path.join(corpus, "tables", "validate-*.json"))):
        with open(path, encoding="utf-8") as f:
            for row in json.load(f)["rows"]:
                if not row["x"]["ok"] and "y" in row and not row.get("env"):
                    try:
                        yield row, yaml.load(row["y"].replace("@DIR@", "/tmp"), Loader)
                    except (yaml.YAMLError, ValueError):
                        pass  # no YAML: nothing that a schema would see


def check_corpus(v, corpus):
    """The number of disagreements."""
    bad, refused, unused = 0, 0, {g for globs in OUTSIDE.values() for g in globs}
    for row, document in corpus_rows(corpus):
        if not v.is_valid(document):
            refused += 1
            continue
        hits = {g for globs in OUTSIDE.values() for g in globs if fnmatch.fnmatchcase(row["n"], g)}
        unused -= hits
        if not hits:
            print("not ok - taken: %s: %s" % (row["n"], row["y"].strip()[-200:]))
            bad += 1
    for g in sorted(unused):
        print("not ok - %s: the schema refuses all such rows; take it out of OUTSIDE" % g)
    print("%d refused policies of the corpus are refused by the schema" % refused)
    return bad + len(unused)


def main():
    source = os.environ.get("TOP_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    files = sys.argv[1:] or ["policy/sockguard.schema.json"] + sorted(glob.glob(source + "/policy/*.yaml"))
    with open(files[0], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    v = jsonschema.Draft202012Validator(anchored(schema))
    bad = 0
    for path in files[1:]:
        with open(path, encoding="utf-8") as f:
            for e in v.iter_errors(yaml.load(f, Loader)):
                print("not ok - %s: %s: %s" % (path, e.json_path, e.message[:200]))
                bad += 1
    for text in GOOD:
        for e in v.iter_errors(yaml.load(RULE + text, Loader)):
            print("not ok - refused: %s: %s" % (text, e.message[:200]))
            bad += 1
    for text in MISTAKES:
        if v.is_valid(yaml.load(text if text.startswith("rules") else RULE + text, Loader)):
            print("not ok - taken: " + text)
            bad += 1
    for corpus in (os.environ.get("CORPUS"), source + "/../shared/corpus", source + "/../../shared/corpus"):
        if corpus and os.path.isdir(corpus + "/tables"):
            bad += check_corpus(v, corpus)
            break
    print("%s - the schema: %d presets, %d good, %d bad texts" % ("not ok" if bad else "ok", len(files) - 1, len(GOOD), len(MISTAKES)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
