/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/unicode.h"
#include "inspect/judge.h"

/* The swarm itself: init, join, update, unlock (chapter 04, 10). */

#define BODY_MAX (256u * 1024)

struct ca_config {
        struct json_value external_cas;
        struct slice signing_cert, signing_key;
        uint64_t force_rotate;
};

struct encryption {
        bool auto_lock;
};

struct swarm_spec {
        struct ca_config ca;
        struct encryption encryption;
};

struct swarm_init {
        bool force_new_cluster;
        struct swarm_spec spec;
};

struct swarm_join {
        struct json_strings remote_addrs;
        struct slice token, listen, advertise, data_path;
};

struct swarm_unlock {
        struct slice key;
};

static const struct json_field ca_fields[] = {
        JSON_FIELD(struct ca_config, external_cas, "ExternalCAs", JSON_K_ARRAY),
        JSON_FIELD(struct ca_config, signing_cert, "SigningCACert", JSON_K_STRING),
        JSON_FIELD(struct ca_config, signing_key, "SigningCAKey", JSON_K_STRING),
        JSON_FIELD(struct ca_config, force_rotate, "ForceRotate", JSON_K_UINT64),
};

static const struct json_field encryption_fields[] = {
        JSON_FIELD(struct encryption, auto_lock, "AutoLockManagers", JSON_K_BOOL),
};

static const struct json_field spec_fields[] = {
        JSON_NESTED(struct swarm_spec, ca, "CAConfig", JSON_K_STRUCT, struct ca_config, ca_fields),
        JSON_NESTED(struct swarm_spec, encryption, "EncryptionConfig", JSON_K_STRUCT, struct encryption,
                    encryption_fields),
};

static const struct json_field init_fields[] = {
        JSON_FIELD(struct swarm_init, force_new_cluster, "ForceNewCluster", JSON_K_BOOL),
        JSON_NESTED(struct swarm_init, spec, "Spec", JSON_K_STRUCT, struct swarm_spec, spec_fields),
};

static const struct json_field join_fields[] = {
        JSON_FIELD(struct swarm_join, remote_addrs, "RemoteAddrs", JSON_K_STRINGS),
        JSON_FIELD(struct swarm_join, token, "JoinToken", JSON_K_STRING),
        JSON_FIELD(struct swarm_join, listen, "ListenAddr", JSON_K_STRING),
        JSON_FIELD(struct swarm_join, advertise, "AdvertiseAddr", JSON_K_STRING),
        JSON_FIELD(struct swarm_join, data_path, "DataPathAddr", JSON_K_STRING),
};

static const struct json_field unlock_fields[] = {
        JSON_FIELD(struct swarm_unlock, key, "UnlockKey", JSON_K_STRING),
};

/* The cluster's certificate authority and its lock: the same in a new swarm as in an update. `at` precedes the
 * pointers. */
static bool judge_spec(const struct inspect_input *in, const struct swarm_spec *s, const char *at,
                       struct inspect_result *r) {
        const struct opt_swarm *o = &in->options->swarm;

        if (judge_not_empty(s->ca.external_cas) && !o->allow_external_ca) {
                inspect_deny(in, r, arena_printf(in->arena, "%s/CAConfig/ExternalCAs", at).at, (struct slice){ 0 },
                             "request_body.swarm.allow_external_ca",
                             "an external certificate authority is not allowed");
                return false;
        }
        if ((unicode_trim(s->ca.signing_cert).len > 0 || unicode_trim(s->ca.signing_key).len > 0 ||
             s->ca.force_rotate > 0) &&
            !o->allow_signing_ca_update) {
                inspect_deny(in, r, arena_printf(in->arena, "%s/CAConfig", at).at, (struct slice){ 0 },
                             "request_body.swarm.allow_signing_ca_update",
                             "changing the signing certificate authority is not allowed");
                return false;
        }
        if (s->encryption.auto_lock && !o->allow_auto_lock_managers) {
                inspect_deny(in, r, arena_printf(in->arena, "%s/EncryptionConfig/AutoLockManagers", at).at,
                             (struct slice){ 0 }, "request_body.swarm.allow_auto_lock_managers",
                             "locking the managers is not allowed");
                return false;
        }
        return true;
}

static void inspect_init(const struct inspect_input *in, struct inspect_result *r) {
        struct swarm_init s = { 0 };

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, init_fields, &s))
                return;
        if (s.force_new_cluster && !in->options->swarm.allow_force_new_cluster)
                inspect_deny(in, r, "/ForceNewCluster", (struct slice){ 0 },
                             "request_body.swarm.allow_force_new_cluster", "forcing a new cluster is not allowed");
        else
                (void) judge_spec(in, &s.spec, "/Spec", r);
}

static void inspect_join(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_swarm *o = &in->options->swarm;
        struct swarm_join s = { 0 };

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, join_fields, &s))
                return;
        for (size_t i = 0; i < s.remote_addrs.n; i++) {
                struct slice addr =
                        unicode_lower(in->arena, unicode_trim(s.remote_addrs.at[i])); /* as the list's entries are */

                if (addr.len > 0 && !policy_strs_have(in->policy, o->allowed_join_remote_addrs, addr)) {
                        inspect_deny(in, r, inspect_at(in, "/RemoteAddrs", i), addr,
                                     "request_body.swarm.allowed_join_remote_addrs",
                                     "joining this manager's swarm is not allowed");
                        return;
                }
        }
}

static void inspect_update(const struct inspect_input *in, struct inspect_result *r) {
        struct swarm_spec s = { 0 };

        if (in->body.len > 0 && INSPECT_DECODE(in, r, spec_fields, &s))
                (void) judge_spec(in, &s, "", r);
}

/* What the daemon takes for true, and some spellings that another version might: more words, and numbers. */
static bool asks_for(struct slice value, struct arena *a) {
        static const char *const yes[] = { "1", "t", "true", "yes", "y", "on" };
        struct slice digits;
        uint64_t number;

        value = unicode_lower(a, value);
        for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
                if (slice_eq(value, slice_of(yes[i])))
                        return true;
        digits = value.len > 0 && (value.at[0] == '-' || value.at[0] == '+') ? slice_from(value, 1) : value;
        return digits.len > 0 && digits.at[0] != '0' && slice_parse_u64(digits, &number) != -EINVAL;
}

/* In the query, so judged whether a body follows or not. */
static void precheck_update(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_swarm *o = &in->options->swarm;
        const struct {
                const char *name;
                bool allowed;
                const char *option;
        } tokens[] = {
                { "rotateWorkerToken", o->allow_token_rotation, "request_body.swarm.allow_token_rotation" },
                { "rotateManagerToken", o->allow_token_rotation, "request_body.swarm.allow_token_rotation" },
                { "rotateManagerUnlockKey", o->allow_manager_unlock_key_rotation,
                  "request_body.swarm.allow_manager_unlock_key_rotation" },
        };

        for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
                struct slice value;

                if (!judge_parameter(in, tokens[i].name, &value, r))
                        return;
                if (asks_for(value, in->arena) && !tokens[i].allowed) {
                        inspect_deny(in, r, arena_printf(in->arena, "?%s", tokens[i].name).at, value, tokens[i].option,
                                     "%s is not allowed", tokens[i].name);
                        return;
                }
        }
}

static void refuse_unlock(const struct inspect_input *in, struct inspect_result *r) {
        if (!in->options->swarm.allow_unlock)
                inspect_deny(in, r, NULL, SLICE(""), "request_body.swarm.allow_unlock",
                             "unlocking the swarm is not allowed");
}

/* A body of known length is judged with it, so that one too large is refused as that. */
static void precheck_unlock(const struct inspect_input *in, struct inspect_result *r) {
        if (in->head->framing != HTTP_BODY_LENGTH || in->head->content_length == 0)
                refuse_unlock(in, r);
}

static void inspect_unlock(const struct inspect_input *in, struct inspect_result *r) {
        struct swarm_unlock s = { 0 };

        if (in->body.len > 0 && INSPECT_DECODE(in, r, unlock_fields, &s))
                refuse_unlock(in, r);
}

const struct inspector inspect_swarm_rows[] = {
        { HTTP_POST, "/swarm/init", INSPECT_JSON, BODY_MAX, inspect_init, .name = "swarm" },
        { HTTP_POST, "/swarm/join", INSPECT_JSON, BODY_MAX, inspect_join, .name = "swarm" },
        { HTTP_POST, "/swarm/update", INSPECT_JSON, BODY_MAX, inspect_update, .precheck = precheck_update,
          .name = "swarm" },
        { HTTP_POST, "/swarm/unlock", INSPECT_JSON, BODY_MAX, inspect_unlock, .precheck = precheck_unlock,
          .name = "swarm" },
        { 0 },
};
