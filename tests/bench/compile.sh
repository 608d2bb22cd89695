#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A policy of 1,000 rules and 50 profiles: how long compiling and deciding take.   tests/bench/compile.sh [BUILD [ROUNDS]]
set -eu
build=${1:-.}
policy=$(mktemp --suffix=.yaml)
trap 'rm -f "$policy"' EXIT
{
        echo "listen: {socket: /run/sockguard/docker.sock, socket_mode: '0600'}"
        echo "rules:"
        for i in $(seq 1 500); do
                printf '  - match: {method: "GET,HEAD", path: /containers/c%d/json}\n    action: allow\n' "$i"
                printf '  - match: {method: GET, path: /containers/*/x%d}\n    action: allow\n    reason: rule %d\n' "$i" "$i"
        done
        echo "clients:"
        echo "  profiles:"
        for i in $(seq 1 50); do
                printf '    - name: p%d\n      mode: enforce\n      rules:\n' "$i"
                printf '        - match: {method: GET, path: /_ping}\n          action: allow\n'
                printf '        - match: {method: GET, path: /images/i%d/**}\n          action: allow\n' "$i"
                printf '      request_body:\n        container_create:\n          allowed_bind_mounts: [/srv/p%d, /data]\n' "$i"
                printf '          require_no_new_privileges: true\n        exec:\n          allowed_commands: [[ls, "*"], [id]]\n'
        done
} >"$policy"
"$build"/tests/bench/bench-compile "$policy" "${2:-20}"
