/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/address.h"
#include "base/json.h"
#include "base/unicode.h"
#include "http/exchange.h"
#include "identity/peer.h"
#include "policy/glob.h"

/*
 * Stage 6c: what the calling container's own labels allow (chapter 05, 1.7). The caller is found by its source address
 * among the running containers, never by anything that it says.
 *
 * The first request of a connection asks for the list and then inspects the container that has the address; the
 * following ones inspect that container again, and start anew if it no longer runs or no longer has the address.
 * Nothing is remembered beyond the connection, and nobody is remembered as "no container": an address may be given to a
 * restricted one at any time.
 */

struct network {
        struct slice IPAddress, GlobalIPv6Address;
};

static const struct json_field network_fields[] = {
        JSON_FIELD(struct network, IPAddress, "IPAddress", JSON_K_STRING),
        JSON_FIELD(struct network, GlobalIPv6Address, "GlobalIPv6Address", JSON_K_STRING),
};

struct network_settings {
        struct json_struct_map Networks; /* of struct network */
};

static const struct json_field network_settings_fields[] = {
        JSON_NESTED(struct network_settings, Networks, "Networks", JSON_K_STRUCT_MAP, struct network, network_fields),
};

/* An entry of GET /containers/json. */
struct listed {
        struct slice Id;
        struct json_string_map Labels;
        struct network_settings NetworkSettings;
};

static const struct json_field listed_fields[] = {
        JSON_FIELD(struct listed, Id, "Id", JSON_K_STRING),
        JSON_FIELD(struct listed, Labels, "Labels", JSON_K_STRING_MAP),
        JSON_NESTED(struct listed, NetworkSettings, "NetworkSettings", JSON_K_STRUCT, struct network_settings,
                    network_settings_fields),
};

struct state {
        bool Running;
};

static const struct json_field state_fields[] = {
        JSON_FIELD(struct state, Running, "Running", JSON_K_BOOL),
};

struct config {
        struct json_string_map Labels;
};

static const struct json_field config_fields[] = {
        JSON_FIELD(struct config, Labels, "Labels", JSON_K_STRING_MAP),
};

/* GET /containers/{id}/json. */
struct inspected {
        struct state State;
        struct config Config;
        struct network_settings NetworkSettings;
};

static const struct json_field inspected_fields[] = {
        JSON_NESTED(struct inspected, State, "State", JSON_K_STRUCT, struct state, state_fields),
        JSON_NESTED(struct inspected, Config, "Config", JSON_K_STRUCT, struct config, config_fields),
        JSON_NESTED(struct inspected, NetworkSettings, "NetworkSettings", JSON_K_STRUCT, struct network_settings,
                    network_settings_fields),
};

/* What the daemon writes is read as its own clients read it: labels hold what users put there. */
#define DAEMON_JSON (JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES)

static bool is_address(struct slice text, const struct ip_address *ip) {
        struct ip_address have;

        if (ip_parse(text, &have) < 0)
                return false;
        ip_unmap(&have);
        return ip_eq(&have, ip);
}

static bool has_address(const struct network_settings *s, const struct ip_address *ip) {
        for (size_t i = 0; i < s->Networks.n; i++) {
                const struct network *n = s->Networks.values[i];

                if (n && (is_address(n->IPAddress, ip) || is_address(n->GlobalIPv6Address, ip)))
                        return true;
        }
        return false;
}

/* One answer of the daemon as validated JSON. 0 whatever the status (then *ret_status is not 200); negative errno. */
static int ask(struct exchange *x, struct slice path, int *ret_status, struct json_value *ret) {
        struct lookup answer = {};
        int r = x->ops->lookup(x, path, LOOKUP_LIMIT, &answer);

        if (r < 0)
                return r;
        *ret_status = answer.status;
        if (answer.status != 200)
                return 0;
        r = json_validate(answer.body, DAEMON_JSON, JSON_DEPTH_MAX, x->arena, NULL);
        if (r < 0)
                return r;
        *ret = json_root(answer.body);
        return 0;
}

/*
 * The running container that has the address. 1 with *ret, 0 none has it, negative errno: the list cannot be had or
 * read.
 */
static int find_caller(struct exchange *x, const struct ip_address *ip, struct listed *ret) {
        struct json_value list, entry;
        struct json_iter it;
        bool found = false;
        int status, r;

        r = ask(x, SLICE("/containers/json"), &status, &list);
        if (r < 0)
                return r;
        if (status != 200)
                return -EREMOTEIO;
        if (list.type == JSON_NULL)
                return 0;
        if (list.type != JSON_ARRAY)
                return -EBADMSG;

        /* To the end even after a hit: a list that is half understood is not understood. */
        it = json_iter_of(list);
        while (json_next(&it, NULL, &entry)) {
                struct listed c = {};

                r = JSON_DECODE(entry, listed_fields, &c, x->arena, NULL);
                if (r < 0)
                        return r;
                if (!found && has_address(&c.NetworkSettings, ip)) {
                        *ret = c;
                        found = true;
                }
        }
        return found;
}

/*
 * Does the container still run, with this address? 1 yes, with its labels; 0 no (also when it is gone); negative errno:
 * the question could not be answered.
 */
static int still_there(struct exchange *x, struct slice id, const struct ip_address *ip,
                       struct json_string_map *ret_labels) {
        struct slice path =
                arena_printf(x->arena, "/containers/%.*s/json", SLICE_ARG(path_escape_segment(id, x->arena)));
        struct inspected c = {};
        struct json_value root;
        int status, r;

        r = ask(x, path, &status, &root);
        if (r < 0)
                return r;
        if (status == 404)
                return 0;
        if (status != 200)
                return -EREMOTEIO;
        r = JSON_DECODE(root, inspected_fields, &c, x->arena, NULL);
        if (r < 0)
                return r;
        if (!c.State.Running || !has_address(&c.NetworkSettings, ip))
                return 0;
        *ret_labels = c.Config.Labels;
        return 1;
}

static void remember(struct caller_memo *memo, struct slice id) {
        if (!memo)
                return;
        memo->len = 0;
        if (id.len == 0 || id.len > sizeof(memo->id))
                return; /* then each request asks anew */
        memcpy(memo->id, id.at, id.len);
        memo->len = id.len;
}

/* 1 with the caller's labels, 0 no running container has the address, negative errno. */
static int caller_labels(struct exchange *x, const struct ip_address *ip, struct json_string_map *ret) {
        struct json_string_map now;
        struct listed c = {};
        int r;

        if (x->caller && x->caller->len > 0) {
                r = still_there(x, slice_make(x->caller->id, x->caller->len), ip, ret);
                if (r != 0)
                        return r;
                x->caller->len = 0;
        }

        r = find_caller(x, ip, &c);
        if (r <= 0)
                return r;
        r = still_there(x, c.Id, ip, &now);
        if (r < 0)
                return r;
        if (r == 0)
                return -ESTALE; /* stopped between the two questions */
        remember(x->caller, c.Id);
        *ret = c.Labels;
        return 1;
}

enum grant { GRANT_NONE_SET, GRANT_ALLOW, GRANT_DENY, GRANT_INVALID };

static bool known_method(struct slice name) {
        static const char *const names[] = { "GET",   "HEAD",    "POST",    "PUT",  "DELETE",
                                             "PATCH", "OPTIONS", "CONNECT", "TRACE" };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (slice_case_eq(name, slice_of(names[i])))
                        return true;
        return false;
}

/* One label: a comma list of path patterns for one method. */
static enum grant judge_label(struct slice method, struct slice value, const struct exchange *x) {
        bool ours = slice_case_eq(method, x->head.method_text), any = false, hit = false, more = true;

        if (!known_method(method))
                return GRANT_INVALID;
        while (more) {
                struct slice part;

                more = slice_cut(value, ',', &part, &value);
                part = unicode_trim(part);
                if (part.len == 0)
                        continue;
                any = true;
                hit |= ours && glob_match_rule(part, x->target.normalized);
        }
        if (!any)
                return GRANT_INVALID;
        return hit ? GRANT_ALLOW : GRANT_DENY;
}

/* All labels under the prefix, their patterns united. One that means nothing spoils the whole set. */
static enum grant judge_labels(const struct exchange *x, const struct json_string_map *labels, struct slice prefix) {
        enum grant all = GRANT_NONE_SET;

        for (size_t i = 0; i < labels->n; i++) {
                enum grant g;

                if (!slice_starts(labels->names[i], prefix))
                        continue;
                g = judge_label(slice_from(labels->names[i], prefix.len), labels->values[i], x);
                if (g == GRANT_INVALID)
                        return g;
                if (g == GRANT_ALLOW || all == GRANT_NONE_SET)
                        all = g;
        }
        return all;
}

enum stage_result stage_labels(struct exchange *x) {
        const struct opt_container_labels *o = &x->policy->root->clients.container_labels;
        struct json_string_map labels = {};
        struct ip_address ip;
        int r;

        if (!o->enabled || !x->peer->has_ip)
                return STAGE_NEXT;

        peer_address(x->peer, &ip);
        r = x->peer->ip_has_zone ? 0 : caller_labels(x, &ip, &labels);
        if (r < 0) {
                x->normalized_computed = true;
                return exchange_deny(x, REASON_client_label_acl_lookup_failed, 502, ANSWER_MESSAGE,
                                     "the calling container could not be looked up");
        }
        if (r == 0) {
                if (!o->deny_unresolved)
                        return STAGE_NEXT;
                x->normalized_computed = true;
                return exchange_deny(x, REASON_client_label_policy_denied_request, 403, ANSWER_MESSAGE,
                                     "the client's address belongs to no running container");
        }

        switch (judge_labels(x, &labels, policy_str(x->policy, o->label_prefix))) {
        case GRANT_NONE_SET:
        case GRANT_ALLOW:
                return STAGE_NEXT;
        case GRANT_DENY:
                x->normalized_computed = true;
                return exchange_deny(x, REASON_client_label_policy_denied_request, 403, ANSWER_MESSAGE,
                                     "the labels of the calling container do not allow this request");
        case GRANT_INVALID:
                break;
        }
        x->normalized_computed = true;
        return exchange_deny(x, REASON_client_label_acl_evaluation_failed, 502, ANSWER_MESSAGE,
                             "the access labels of the calling container cannot be understood");
}
