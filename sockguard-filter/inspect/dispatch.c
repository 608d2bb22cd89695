/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/inspect.h"

#include <errno.h>

#include "inspect/beneath.h"
#include "inspect/common.h"

/*
 * Stage 13c: which inspector judges a request, and everything around it that is not pure: reading the body, asking the
 * daemon, unpacking an archive, turning the result into a verdict.
 */

static const struct inspector *const families[] = {
        inspect_container_rows, inspect_exec_rows,    inspect_archive_rows, inspect_image_rows,    inspect_build_rows,
        inspect_volume_rows,    inspect_network_rows, inspect_secret_rows,  inspect_service_rows,  inspect_swarm_rows,
        inspect_node_rows,      inspect_plugin_rows,  inspect_libpod_rows,  inspect_buildkit_rows,
};

/*
 * Endpoints that a family must have a row for (chapter 02, 7.5, and the Podman spellings). One without a row is
 * refused, in every mode, unless the operator has accepted body-blind writes: an inspector that is missing must not
 * look like one that passed.
 */
static const struct {
        enum http_method method;
        const char *pattern;
} must_inspect[] = {
        { HTTP_POST, "/containers/create" },
        { HTTP_POST, "/containers/{}/update" },
        { HTTP_POST, "/containers/{}/exec" },
        { HTTP_POST, "/containers/{}/start" },
        { HTTP_PUT, "/containers/{}/archive" },
        { HTTP_POST, "/exec/{}/start" },
        { HTTP_POST, "/images/create" },
        { HTTP_POST, "/images/load" },
        { HTTP_POST, "/build" },
        { HTTP_POST, "/volumes/create" },
        { HTTP_POST, "/networks/create" },
        { HTTP_POST, "/networks/{}/connect" },
        { HTTP_POST, "/networks/{}/disconnect" },
        { HTTP_POST, "/secrets/create" },
        { HTTP_POST, "/configs/create" },
        { HTTP_POST, "/services/create" },
        { HTTP_POST, "/services/{}/update" },
        { HTTP_POST, "/swarm/init" },
        { HTTP_POST, "/swarm/join" },
        { HTTP_POST, "/swarm/update" },
        { HTTP_POST, "/swarm/unlock" },
        { HTTP_POST, "/nodes/{}/update" },
        { HTTP_POST, "/plugins/pull" },
        { HTTP_POST, "/plugins/create" },
        { HTTP_POST, "/plugins/{}/upgrade" },
        { HTTP_POST, "/plugins/{}/set" },
        { HTTP_POST, "/libpod/containers/create" },
        { HTTP_POST, "/libpod/containers/{}/exec" },
        { HTTP_POST, "/libpod/containers/{}/update" },
        { HTTP_PUT, "/libpod/containers/{}/archive" },
        { HTTP_POST, "/libpod/exec/{}/start" },
        { HTTP_POST, "/libpod/pods/create" },
        { HTTP_POST, "/libpod/volumes/create" },
        { HTTP_POST, "/libpod/networks/create" },
        { HTTP_POST, "/libpod/secrets/create" },
        { HTTP_POST, "/libpod/build" },
        { HTTP_POST, "/libpod/images/pull" },
        { HTTP_POST, "/libpod/images/load" },
        { HTTP_POST, "/libpod/images/import" },
        /* Nothing here can read what these take in; libpod_uninspected leaves them to the rules. */
        { HTTP_POST, "/libpod/local/{}" },
        { HTTP_POST, "/libpod/artifacts/add" },
        { HTTP_POST, "/libpod/artifacts/local/add" },
        { HTTP_POST, "/libpod/containers/{}/restore" },
        { HTTP_POST, "/libpod/images/scp/{}" },
        { HTTP_POST, "/libpod/quadlets" },
};

/* Tunnels whose content nobody would look at. */
static const char *const tunnels[] = { "/session", "/grpc", "/moby.buildkit.v1.Control/{}" };

bool inspect_path_matches(const char *pattern, struct slice path) {
        const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
        struct slice prefix, suffix, middle;

        if (!close)
                return slice_eq(path, slice_of(pattern));
        prefix = slice_make(pattern, (size_t) (open - pattern));
        suffix = slice_of(close + 1);
        if (path.len <= prefix.len + suffix.len || !slice_starts(path, prefix) || !slice_ends(path, suffix))
                return false;
        middle = slice_make(path.at + prefix.len, path.len - prefix.len - suffix.len);
        return open[1] != '1' || slice_find(middle, '/') < 0;
}

const struct inspector *inspect_find(enum http_method method, struct slice path) {
        for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
                for (const struct inspector *row = families[i]; row->pattern; row++)
                        if (row->method == method && inspect_path_matches(row->pattern, path))
                                return row;
        return NULL;
}

/* ---- what is pure ---- */

static void refuse_malformed(const struct inspect_input *in, struct inspect_result *r, const struct json_error *e) {
        inspect_deny(in, r, NULL, SLICE(""), NULL, "the request body is malformed: %s at byte %zu", e->what, e->offset);
}

void inspect_run(const struct inspector *row, struct inspect_input *in, struct inspect_result *ret) {
        struct json_error e = { 0 };

        *ret = (struct inspect_result){ .outcome = INSPECT_PASS };
        if (row->precheck)
                row->precheck(in, ret);
        if (ret->outcome != INSPECT_PASS || !row->inspect)
                return;
        if (row->media == INSPECT_JSON) {
                if (in->body.len == 0)
                        return; /* Docker decides about a request without a body (chapter 03, 1.3) */
                if (json_validate(in->body, 0, JSON_DEPTH_MAX, in->arena, &e) < 0) {
                        refuse_malformed(in, ret, &e);
                        return;
                }
                in->json = json_root(in->body);
        }
        row->inspect(in, ret);
}

/* ---- what is not ---- */

static enum stage_result fail(struct exchange *x, const char *what) {
        if (x->ops->log_error)
                x->ops->log_error(x, "request body inspection failed", slice_of(what));
        return exchange_deny(x, REASON_request_body_inspection_failed, 403, ANSWER_POLICY,
                             "the request body could not be inspected: %s", what);
}

static enum stage_result refuse(struct exchange *x, const struct inspect_result *r) {
        static const struct {
                enum reason_code code;
                int status;
        } outcomes[] = {
                [INSPECT_DENY] = { REASON_request_body_policy_denied, 403 },
                [INSPECT_FAILED] = { REASON_request_body_inspection_failed, 403 },
                [INSPECT_LARGE] = { REASON_request_body_too_large, 413 },
        };
        enum reason_code code = r->outcome == INSPECT_OTHER ? r->code : outcomes[r->outcome].code;
        int status = r->outcome == INSPECT_OTHER ? r->status : outcomes[r->outcome].status;

        x->verdict.pointer = r->pointer;
        x->verdict.value = r->value;
        x->verdict.option = r->option;
        if (r->outcome == INSPECT_FAILED && x->ops->log_error)
                x->ops->log_error(x, "request body inspection failed", r->reason);
        return exchange_deny(x, code, status, ANSWER_POLICY, "%.*s", SLICE_ARG(r->reason));
}

static enum stage_result too_large(struct exchange *x, const struct inspector *row, bool mutation) {
        enum rollout_mode mode = x->mode;
        enum stage_result r;

        if (row->refuse_large)
                x->mode = MODE_ENFORCE;
        r = exchange_deny(x, mutation ? REASON_mutation_request_too_large : REASON_request_body_too_large, 413,
                          ANSWER_POLICY, "the request body is larger than %llu bytes", (unsigned long long) row->limit);
        x->mode = mode;
        return r;
}

static const char *read_failure(int r) {
        switch (r) {
        case -EBADMSG:
                return "its chunked coding is broken";
        case -EPIPE:
                return "the client ended it early";
        case -ETIMEDOUT:
                return "it did not arrive in time";
        default:
                return strerror(-r);
        }
}

static bool has_body(const struct exchange *x) {
        return x->head.framing != HTTP_BODY_NONE &&
               !(x->head.framing == HTTP_BODY_LENGTH && x->head.content_length == 0);
}

/* The daemon does not decode request bodies, but something between us may: what is inspected must be what is read. */
static bool is_encoded(const struct exchange *x, struct slice *ret) {
        for (size_t i = 0; i < x->head.n_fields; i++) {
                const struct http_field *f = &x->head.fields[i];

                if (f->id == HTTP_F_CONTENT_ENCODING && f->value.len && !slice_case_eq(f->value, SLICE("identity"))) {
                        *ret = f->value;
                        return true;
                }
        }
        return false;
}

/* Asks the daemon. *ret_stop: it could not be asked, and the mode lets the request pass all the same. */
static enum stage_result look_up(struct exchange *x, struct slice target, struct lookup *ret_answer, bool *ret_stop) {
        int r;

        *ret_stop = true;
        r = x->ops->lookup(x, target, LOOKUP_LIMIT, ret_answer);
        if (r < 0)
                return fail(x, r == -EFBIG      ? "the daemon's answer is too large"
                               : r == -ENOTCONN ? "it depends on what the daemon says, and a dry run asks nobody"
                                                : "the daemon did not answer");
        *ret_stop = false;
        return STAGE_NEXT;
}

/* What the row wants to know from the daemon. */
static enum stage_result lookup_first(struct exchange *x, const struct inspector *row, struct inspect_input *in,
                                      struct lookup *answer, bool *ret_stop) {
        struct slice target;

        if (!row->lookup || !row->lookup(in, &target)) {
                *ret_stop = false;
                return STAGE_NEXT;
        }
        in->lookup = answer;
        return look_up(x, target, answer, ret_stop);
}

/* The host's network, as the engine and as its swarm know it: a swarm's own object of that name is in no list. */
static enum stage_result host_networks(struct exchange *x, const struct inspector *row, struct inspect_input *in,
                                       struct lookup *answers, bool *ret_stop) {
        static const char *const targets[INSPECT_HOST_NETWORKS] = { "/networks/host", "/networks/host?scope=swarm" };
        enum stage_result stage = STAGE_NEXT;

        *ret_stop = false;
        if (!row->needs_host_networks || !row->needs_host_networks(in))
                return STAGE_NEXT;
        in->host_networks = answers;
        for (size_t i = 0; i < INSPECT_HOST_NETWORKS && stage == STAGE_NEXT && !*ret_stop; i++)
                stage = look_up(x, slice_of(targets[i]), &answers[i], ret_stop);
        return stage;
}

/* Spools and unpacks. *ret_skip: there is nothing to judge. */
static enum stage_result facts_first(struct exchange *x, const struct inspector *row, struct inspect_input *in,
                                     bool *ret_skip) {
        const char *argv[32] = { NULL };
        uint64_t size = 0;
        int fd, r;

        *ret_skip = true;
        if (row->unpack_arguments && !row->unpack_arguments(in, argv, sizeof(argv) / sizeof(argv[0])))
                return STAGE_NEXT;
        if (!has_body(x)) {
                *ret_skip = false;
                return STAGE_NEXT;
        }
        r = x->ops->body_spool(x, row->limit, &fd, &size);
        if (r == -EFBIG)
                return too_large(x, row, false);
        if (r < 0)
                return fail(x, read_failure(r));
        if (size) {
                if (!x->ops->unpack)
                        return fail(x, "archives cannot be unpacked here");
                r = x->ops->unpack(x, fd, argv, &in->facts);
                if (r < 0)
                        return fail(x, r == -ETIMEDOUT ? "it takes too long to unpack"
                                                       : "the archive could not be unpacked");
        }
        *ret_skip = false;
        return STAGE_NEXT;
}

/* In every mode: nothing may pass because its inspector is not there. */
static enum stage_result refuse_uninspected(struct exchange *x, const char *option) {
        x->verdict.option = option;
        return exchange_deny(x, REASON_not_enforced_yet, 403, ANSWER_POLICY,
                             "nothing here can inspect what this endpoint is sent");
}

static enum stage_result without_row(struct exchange *x) {
        const struct opt_root *root = x->policy->root;

        if (x->head.method == HTTP_POST && !root->insecure_accept_opaque_buildkit_tunnels)
                for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++)
                        if (inspect_path_matches(tunnels[i], x->target.normalized))
                                return refuse_uninspected(x, "insecure_accept_opaque_buildkit_tunnels");
        if (root->insecure_allow_body_blind_writes ||
            (slice_starts(x->target.normalized, SLICE("/libpod/")) && exchange_request_body(x)->libpod_uninspected))
                return STAGE_NEXT;
        for (size_t i = 0; i < sizeof(must_inspect) / sizeof(must_inspect[0]); i++)
                if (must_inspect[i].method == x->head.method &&
                    inspect_path_matches(must_inspect[i].pattern, x->target.normalized))
                        return refuse_uninspected(x, "insecure_allow_body_blind_writes");
        return STAGE_NEXT;
}

/* Rules are asked on the body as it came; the inspector then sees what they left. */
static enum stage_result mutate(struct exchange *x, const struct inspector *row, struct inspect_input *in,
                                enum mutation_surface surface, bool *ret_stop) {
        struct inspect_result r = { .outcome = INSPECT_PASS };
        struct arena_mark mark;

        *ret_stop = true;
        x->mutation.entries = inspect_mutation_entries(x->policy, x->arena);
        mark = arena_mark(x->arena);
        inspect_mutate(in, surface, &r, &x->mutation);
        if (r.outcome != INSPECT_PASS)
                return refuse(x, &r);
        if (r.has_new_body) {
                exchange_replace_body(x, r.new_body);
                in->body = x->body;
                if (in->body.len > row->limit)
                        return too_large(x, row, false);
        }
        if (in->body.at != r.new_body.at)
                arena_rewind(x->arena, mark); /* a second copy of the body, and what it took to make it */
        *ret_stop = false;
        return STAGE_NEXT;
}

/* May bind sources be followed on this host? Only if every endpoint is a socket on it. */
static bool daemon_is_local(const struct policy *p) {
        const struct policy_endpoint *endpoints = policy_list(p, p->compiled->endpoints, struct policy_endpoint);

        for (uint32_t i = 0; i < p->compiled->endpoints.n; i++)
                if (endpoints[i].kind != ENDPOINT_UNIX)
                        return false;
        return true;
}

/* Rollout modes: in warn and audit a rule's denial lets the request pass, and nothing more is asked of it (chapter 06,
 * 2). */
static bool rules_would_deny(const struct exchange *x) {
        return x->verdict.decision == DECISION_WOULD_DENY &&
               (x->verdict.code == REASON_matched_deny_rule || x->verdict.code == REASON_no_matching_allow_rule);
}

enum stage_result stage_inspect(struct exchange *x) {
        enum http_method method = x->head.method;
        const struct inspector *row;
        struct lookup answer = { 0 }, networks[INSPECT_HOST_NETWORKS] = { 0 };
        struct inspect_input in;
        struct arena_mark mark;
        struct inspect_result r = { .outcome = INSPECT_PASS };
        enum mutation_surface surface;
        enum stage_result stage;
        struct slice coding;
        bool stop;
        int e;

        if (rules_would_deny(x))
                return STAGE_NEXT;
        row = inspect_find(method, x->target.normalized);
        if (!row)
                return without_row(x);
        surface = inspect_mutation_surface(x->policy, method, x->target.normalized);
        in = (struct inspect_input){
                .policy = x->policy,
                .options = exchange_request_body(x),
                .blind_writes = x->policy->root->insecure_allow_body_blind_writes,
                .method = method,
                .path = x->target.normalized,
                .version = x->target.version,
                .query = exchange_query(x),
                .head = &x->head,
                .arena = x->arena,
                .resolves_within = daemon_is_local(x->policy) ? inspect_resolves_within : inspect_resolves_nowhere,
        };

        /* What needs no body. Mutation comes before the inspector, prechecks included, and complains about the body
         * first. */
        if (row->precheck && surface == MUTATE_NOTHING) {
                row->precheck(&in, &r);
                if (r.outcome != INSPECT_PASS)
                        return refuse(x, &r);
        }

        /* The body. */
        if (row->media == INSPECT_ARCHIVE) {
                stage = facts_first(x, row, &in, &stop);
                if (stage != STAGE_NEXT || stop)
                        return stage;
        } else if (row->media != INSPECT_NO_BODY && has_body(x)) {
                e = x->ops->body_buffer(x, (size_t) row->limit);
                if (e == -EFBIG)
                        return too_large(x, row, surface != MUTATE_NOTHING);
                if (e < 0)
                        return fail(x, read_failure(e));
                in.body = x->body;
        }
        if ((in.body.len || in.facts.len) && is_encoded(x, &coding)) {
                inspect_deny(&in, &r, "Content-Encoding", coding, NULL, "encoded request bodies are not allowed");
                return refuse(x, &r);
        }
        if (surface != MUTATE_NOTHING && in.body.len) {
                stage = mutate(x, row, &in, surface, &stop);
                if (stage != STAGE_NEXT || stop)
                        return stage;
        }

        stage = lookup_first(x, row, &in, &answer, &stop);
        if (stage == STAGE_NEXT && !stop)
                stage = host_networks(x, row, &in, networks, &stop);
        if (stage != STAGE_NEXT || stop)
                return stage;
        mark = arena_mark(x->arena);
        inspect_run(row, &in, &r);
        if (r.outcome != INSPECT_PASS)
                return refuse(x, &r);
        if (r.unverified.len && x->ops->log_unverified)
                x->ops->log_unverified(x, r.unverified, SLICE("signatures cannot be verified yet"));
        x->kube_documents = r.documents;
        x->used_images = r.images;
        x->n_used_images = r.n_images;
        if (r.has_new_body)
                exchange_replace_body(x, r.new_body);
        else if (r.n_images == 0)
                arena_rewind(x->arena, mark); /* the next stage may need as much again */
        return STAGE_NEXT;
}
