/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"
#include "inspect/common.h"
#include "tests/unit/inspect.h"

/*
 * Inspectors of JSON bodies, by all their rows: the first byte chooses the row, the rest is the body. Whatever comes
 * in, a verdict comes out, a denial has a reason, and under a policy that opens nothing no body gets a privileged
 * container, however it is spelled.
 */
static const char policy_text[] =
        "request_body:\n"
        "  container_create: {allowed_bind_mounts: [/data], require_no_new_privileges: true, "
        "restrict_namespace_sharing: true,\n"
        "    allowed_seccomp_profiles: [default], deny_selinux_disable: true, required_labels: [team],\n"
        "    allowed_device_requests: [{driver: nvidia, allowed_capabilities: [[gpu]]}], allowed_device_cgroup_rules: "
        "['c 1:* rwm']}\n"
        "  exec: {allowed_commands: [[id, '**']], allowed_env_vars: [A], allowed_env_values: [A=1]}\n"
        "mutations: {rules: [{id: a, surfaces: [container_create], inject_labels: {labels: {team: x}}},\n"
        "  {id: b, mode: warn, surfaces: [container_create], remap_image: {match: prefix, from: docker.io/, to: "
        "r.io/}}]}\n";

static const char *const paths[] = {
        "/containers/create",
        "/containers/x/update",
        "/containers/x/exec",
        "/containers/x/start",
        "/volumes/create",
        "/networks/create",
        "/networks/x/connect",
        "/secrets/create",
        "/configs/create",
        "/services/create",
        "/services/x/update",
        "/swarm/init",
        "/swarm/join",
        "/swarm/update",
        "/nodes/x/update",
        "/plugins/x/set",
        "/libpod/containers/create",
        "/libpod/pods/create",
        "/libpod/volumes/create",
        "/libpod/networks/create",
        "/networks/x/disconnect",
};

static bool is_privileged(struct slice body) {
        struct json_value host = json_member(json_root(body), SLICE("HostConfig"));

        return json_member(host, SLICE("Privileged")).type == JSON_TRUE ||
               json_member(json_root(body), SLICE("Privileged")).type == JSON_TRUE;
}

/* What a policy that opens nothing must have held, found by looking members up one by one instead of by decoding. */
static bool reaches_host(struct slice body) {
        static const char *const modes[] = { "NetworkMode", "PidMode",      "IpcMode",
                                             "UsernsMode",  "CgroupnsMode", "UTSMode" };
        static const char *const lists[] = { "Devices", "VolumesFrom", "GroupAdd", "ExtraHosts", "Links", "Sysctls" };
        struct json_value host = json_member(json_root(body), SLICE("HostConfig")), v;
        struct json_iter it = json_iter_of(json_member(host, SLICE("Binds")));
        bool reaches = is_privileged(body);

        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
                reaches |= inspect_is_host(json_string(json_member(host, slice_of(modes[i])), &judge_.arena));
        for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
                struct json_iter any = json_iter_of(json_member(host, slice_of(lists[i])));

                reaches |= json_next(&any, NULL, &v);
        }
        while (json_next(&it, NULL, &v)) {
                struct slice bind = json_string(v, &judge_.arena);

                reaches |= slice_starts(bind, SLICE("/")) && slice_find(bind, ':') >= 0 &&
                           !slice_starts(bind, SLICE("/data")) && !slice_starts(bind, SLICE("//")) &&
                           !slice_starts(bind, SLICE("/.")) && slice_find(bind, '.') < 0;
        }
        return reaches;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *path;
        struct slice body;
        struct inspect_input in;
        struct inspect_result r;
        struct mutation_record record = { 0 };

        if (size == 0 || size > 16 * 1024)
                return 0;
        if (!judge_.config)
                judge_policy(policy_text);
        arena_reset(&judge_.arena);
        path = paths[data[0] % (sizeof(paths) / sizeof(paths[0]))];
        body = slice_make((const char *) data + 1, size - 1);
        if (!inspect_find(HTTP_POST, slice_of(path)))
                return 0;
        if (judge_request(HTTP_POST, path, body) == INSPECT_PASS) {
                FUZZ_ASSERT(path != paths[0] || body.len == 0 || !reaches_host(body));
        } else {
                FUZZ_ASSERT(judge_.result.reason.len > 0);
        }
        if (path != paths[0] || body.len == 0)
                return 0;
        in = judge_input(HTTP_POST, path, body);
        record.entries = inspect_mutation_entries(in.policy, in.arena);
        inspect_mutate(&in, MUTATE_CONTAINER_CREATE, &r, &record);
        if (r.outcome == INSPECT_PASS) {
                struct slice after = r.has_new_body ? r.new_body : body;
                struct json_value label =
                        json_member_exact(json_member(json_root(after), SLICE("Labels")), SLICE("team"));

                FUZZ_ASSERT(json_validate(after, 0, JSON_DEPTH_MAX, &judge_.arena, NULL) == 0);
                FUZZ_ASSERT(label.type == JSON_STRING && slice_eq(json_string(label, &judge_.arena), SLICE("x")));
                in = judge_input(HTTP_POST, path, after);
                record.entries = inspect_mutation_entries(in.policy, in.arena);
                inspect_mutate(&in, MUTATE_CONTAINER_CREATE, &r, &record);
                FUZZ_ASSERT(r.outcome == INSPECT_PASS && !r.has_new_body);
        }
        return 0;
}
