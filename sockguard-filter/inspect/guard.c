/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/clock.h"
#include "base/unicode.h"
#include "inspect/common.h"

/*
 * Stage 16: limits that must remain in force after an update (chapter 03, 6.2; chapter 04, 9.4). The daemon is asked
 * for the present state, because an update only says what changes.
 */

#define GUARD_LIMIT (1024u * 1024)
#define TURN_NS (5 * NSEC_PER_SEC) /* an update takes milliseconds; a daemon that hangs should not hang all of them */

struct guard {
        struct exchange *x;
        struct inspect_input in; /* what the helpers of inspect/common.h take */
        const char *option;
};

/* What cannot be judged is refused in every mode: only "the limit is missing" is a verdict that modes may soften. */
static enum stage_result refuse(struct guard *g, enum reason_code code, int status, const char *result,
                                const char *why) {
        struct exchange *x = g->x;
        enum rollout_mode mode = x->mode;
        enum stage_result r;

        x->resource.result = result;
        x->mode = MODE_ENFORCE;
        r = exchange_deny(x, code, status, ANSWER_POLICY, "%s", why);
        x->mode = mode;
        return r;
}

static enum stage_result invalid(struct guard *g, const char *why) {
        return refuse(g, REASON_resource_limit_request_invalid, 400, "invalid", why);
}

static enum stage_result deny(struct guard *g, const char *violation) {
        struct exchange *x = g->x;
        enum stage_result r;

        x->resource.violation = violation;
        x->verdict.option = g->option;
        r = exchange_deny(x, REASON_resource_limit_policy_denied, 403, ANSWER_POLICY,
                          "a required resource limit would not be in force");
        x->resource.result = r == STAGE_NEXT ? "would_deny" : "deny";
        return r;
}

/* A service has one limit that counts. */
static enum stage_result deny_service(struct guard *g) {
        g->x->verdict.pointer = SLICE("/TaskTemplate/Resources/Limits/NanoCPUs");
        return deny(g, "cpu");
}

static enum stage_result allow(struct guard *g) {
        g->x->resource.result = "allow";
        return STAGE_NEXT;
}

/* Reads the body and decodes it strictly. *ret_stop is false when it went well. */
static enum stage_result read_body(struct guard *g, const struct json_field *fields, size_t n_fields, void *out,
                                   bool *ret_stop) {
        struct exchange *x = g->x;
        struct json_value root;
        int r;

        *ret_stop = true;
        if (x->head.framing == HTTP_BODY_NONE)
                return invalid(g, "the request has no body");
        r = x->ops->body_buffer(x, GUARD_LIMIT);
        if (r == -EFBIG || (r == 0 && x->body.len > GUARD_LIMIT))
                return refuse(g, REASON_request_body_too_large, 413, "invalid", "the request body is too large");
        if (r < 0)
                return invalid(g, "the request body could not be read");
        if (json_validate(x->body, 0, JSON_DEPTH_MAX, x->arena, NULL) < 0)
                return invalid(g, "the request body is malformed");
        root = json_root(x->body);
        if (root.type != JSON_OBJECT || json_decode(root, fields, n_fields, out, x->arena, NULL) < 0)
                return invalid(g, "the request body is malformed");
        *ret_stop = false;
        return STAGE_NEXT;
}

/*
 * GET /containers/{id}/json, /services/{id}: `out` holds the state. 0; -ENOENT when the daemon knows no such thing;
 * -ENOTCONN when nobody is asked (a dry run); -EIO when it cannot be had or read.
 */
static int fetch_state(struct exchange *x, const char *prefix, const char *suffix, const char *action,
                       const struct json_field *fields, size_t n_fields, void *out) {
        /* The daemon's own text. */
        static const unsigned lenient = JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES;
        struct slice id = slice_from(x->target.normalized, strlen(prefix)), target;
        struct lookup answer = { 0 };
        int r;

        id.len -= strlen(action);
        id = path_escape_segment(id, x->arena);
        target = arena_printf(x->arena, "%s%.*s%s", prefix, SLICE_ARG(id), suffix);
        r = x->ops->lookup(x, target, LOOKUP_LIMIT, &answer);
        if (r < 0)
                return r == -ENOTCONN ? r : -EIO;
        if (answer.status == 404)
                return -ENOENT;
        if (answer.status != 200 || json_validate(answer.body, lenient, JSON_DEPTH_MAX, x->arena, NULL) < 0)
                return -EIO;
        return json_decode(json_root(answer.body), fields, n_fields, out, x->arena, NULL) < 0 ? -EIO : 0;
}

/* The same for a verdict: *ret_stop is false when there is a state to judge. 404 passes: so will the daemon say. */
static enum stage_result read_state(struct guard *g, const char *prefix, const char *suffix, const char *action,
                                    const struct json_field *fields, size_t n_fields, void *out, bool *ret_stop) {
        int r;

        *ret_stop = true;
        g->x->resource.state_lookup = true;
        r = fetch_state(g->x, prefix, suffix, action, fields, n_fields, out);
        if (r == -ENOENT)
                return allow(g);
        if (r < 0)
                return refuse(g, REASON_resource_limit_policy_lookup_failed, 502, "lookup_failed",
                              r == -ENOTCONN ? "it depends on the present state, and a dry run asks nobody"
                                             : "the present state could not be looked up");
        *ret_stop = false;
        return STAGE_NEXT;
}

/* ---- container update ---- */

static const struct json_field limit_fields[] = {
        JSON_FIELD(struct inspect_limits, memory, "Memory", JSON_K_INT64),
        JSON_FIELD(struct inspect_limits, nano_cpus, "NanoCpus", JSON_K_INT64),
        JSON_FIELD(struct inspect_limits, cpu_quota, "CpuQuota", JSON_K_INT64),
        JSON_FIELD(struct inspect_limits, cpu_period, "CpuPeriod", JSON_K_INT64),
        JSON_FIELD(struct inspect_limits, cpu_shares, "CpuShares", JSON_K_INT64),
        JSON_FIELD(struct inspect_limits, pids, "PidsLimit", JSON_K_OPT_INT64),
};

struct container_state {
        struct slice id;
        struct inspect_limits limits;
};

static const struct json_field container_fields[] = {
        JSON_FIELD(struct container_state, id, "Id", JSON_K_STRING),
        JSON_NESTED(struct container_state, limits, "HostConfig", JSON_K_STRUCT, struct inspect_limits, limit_fields),
};

/* The daemon takes zero for "unchanged"; only PidsLimit can be cleared by saying so. */
static void overlay(struct inspect_limits *now, const struct inspect_limits *change) {
        if (change->memory)
                now->memory = change->memory;
        if (change->nano_cpus)
                now->nano_cpus = change->nano_cpus;
        if (change->cpu_quota)
                now->cpu_quota = change->cpu_quota;
        if (change->cpu_period)
                now->cpu_period = change->cpu_period;
        if (change->cpu_shares)
                now->cpu_shares = change->cpu_shares;
        if (change->pids.set)
                now->pids = change->pids;
}

static struct inspect_required_limits required_limits(const struct opt_container_update *o) {
        return (struct inspect_required_limits){ o->require_memory_limit, o->require_cpu_limit,
                                                 o->require_cpu_limit_hard, o->require_pids_limit };
}

/* Where the member stands that would have kept a limit in force, and who asks for it. */
static const char *limit_pointer(const char *violation, const char **ret_option) {
        static const struct {
                const char *violation, *pointer, *option;
        } rows[] = {
                { "memory", "/Memory", "request_body.container_update.require_memory_limit" },
                { "cpu", "/NanoCpus", "request_body.container_update.require_cpu_limit" },
                { "hard_cpu", "/NanoCpus", "request_body.container_update.require_cpu_limit_hard" },
                { "pids", "/PidsLimit", "request_body.container_update.require_pids_limit" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strcmp(rows[i].violation, violation) == 0) {
                        *ret_option = rows[i].option;
                        return rows[i].pointer;
                }
        return "";
}

static enum stage_result read_container(struct guard *g, struct container_state *ret, bool *ret_stop) {
        *ret = (struct container_state){ 0 };
        return read_state(g, "/containers/", "/json", "/update", container_fields,
                          sizeof(container_fields) / sizeof(container_fields[0]), ret, ret_stop);
}

static enum stage_result guard_container(struct guard *g) {
        const struct opt_container_update *o = &g->in.options->container_update;
        const struct inspect_required_limits want = required_limits(o);
        struct inspect_limits change = { 0 };
        struct container_state state;
        enum stage_result r;
        const char *violation;
        bool stop;

        if (!o->allow_resource_updates || !(want.memory || want.cpu || want.cpu_hard || want.pids))
                return STAGE_NEXT;
        g->x->resource = (struct resource_record){
                .evaluated = true,
                .kind = "container",
                .operation = "update",
                .source = "effective_state",
                .requirements = inspect_limits_text(&g->in, &want),
        };
        r = read_body(g, limit_fields, sizeof(limit_fields) / sizeof(limit_fields[0]), &change, &stop);
        if (stop)
                return r;
        r = read_container(g, &state, &stop);
        if (!stop && limits_take_turn(g->x, state.id, TURN_NS)) /* by the id: a container has many names */
                r = read_container(g, &state, &stop);
        if (stop)
                return r;
        overlay(&state.limits, &change);
        violation = inspect_limits_violation(&state.limits, &want);
        if (!violation)
                return allow(g);
        g->x->verdict.pointer = slice_of(limit_pointer(violation, &g->option));
        return deny(g, violation);
}

/*
 * Two updates at once can each be fine and together take a limit away. Filters that share a state take turns; others,
 * and clients that come another way, may have overtaken us. The record of it is all that can be had after the fact.
 */
void guard_after(struct exchange *x) {
        struct container_state state = { 0 };
        struct inspect_required_limits want;
        const char *violation;

        if (!x->resource.evaluated || x->status != 200 || x->verdict.decision != DECISION_ALLOW ||
            !inspect_path_matches("/containers/{}/update", x->target.normalized))
                return;
        if (fetch_state(x, "/containers/", "/json", "/update", container_fields,
                        sizeof(container_fields) / sizeof(container_fields[0]), &state) < 0)
                return;
        want = required_limits(&exchange_request_body(x)->container_update);
        violation = inspect_limits_violation(&state.limits, &want);
        if (violation && x->ops->log_error)
                x->ops->log_error(x, "a required resource limit is gone after an update that was allowed",
                                  slice_of(violation));
}

/* ---- services ---- */

struct service_limits {
        int64_t nano_cpus;
};

struct service_resources {
        struct service_limits limits;
};

struct task_template {
        struct service_resources resources;
};

struct update_config {
        struct slice failure_action;
};

struct service_spec {
        struct task_template task;
        struct update_config update;
};

struct service_version {
        struct json_value index;
};

struct service_state {
        struct service_version version;
        struct service_spec spec, previous;
};

static const struct json_field service_limit_fields[] = {
        JSON_FIELD(struct service_limits, nano_cpus, "NanoCPUs", JSON_K_INT64),
};
static const struct json_field service_resource_fields[] = {
        JSON_NESTED(struct service_resources, limits, "Limits", JSON_K_STRUCT, struct service_limits,
                    service_limit_fields),
};
static const struct json_field task_fields[] = {
        JSON_NESTED(struct task_template, resources, "Resources", JSON_K_STRUCT, struct service_resources,
                    service_resource_fields),
};
static const struct json_field update_fields[] = {
        JSON_FIELD(struct update_config, failure_action, "FailureAction", JSON_K_STRING),
};
static const struct json_field spec_fields[] = {
        JSON_NESTED(struct service_spec, task, "TaskTemplate", JSON_K_STRUCT, struct task_template, task_fields),
        JSON_NESTED(struct service_spec, update, "UpdateConfig", JSON_K_STRUCT, struct update_config, update_fields),
};
static const struct json_field version_fields[] = {
        JSON_FIELD(struct service_version, index, "Index", JSON_K_VALUE),
};
static const struct json_field service_fields[] = {
        JSON_NESTED(struct service_state, version, "Version", JSON_K_STRUCT, struct service_version, version_fields),
        JSON_NESTED(struct service_state, spec, "Spec", JSON_K_STRUCT, struct service_spec, spec_fields),
        JSON_NESTED(struct service_state, previous, "PreviousSpec", JSON_K_STRUCT, struct service_spec, spec_fields),
};

/* The specification that the daemon would go back to: the previous one by hand, the present one when an update fails.
 */
static enum stage_result guard_rollback(struct guard *g, bool previous) {
        const struct http_query *query = g->in.query;
        struct service_state state = { 0 };
        uint64_t version, index = 0;
        struct slice text;
        enum stage_result r;
        bool stop;

        if (http_query_count(query, SLICE("version")) != 1 || !http_query_get(query, SLICE("version"), &text) ||
            slice_parse_u64(text, &version) < 0)
                return invalid(g, "the version parameter must be one number");
        r = read_state(g, "/services/", "", "/update", service_fields,
                       sizeof(service_fields) / sizeof(service_fields[0]), &state, &stop);
        if (stop)
                return r;
        if (state.version.index.type > JSON_NULL && json_uint64(state.version.index, &index) < 0)
                return refuse(g, REASON_resource_limit_policy_lookup_failed, 502, "lookup_failed",
                              "the present state could not be read");
        if (state.version.index.type <= JSON_NULL || index != version)
                return refuse(g, REASON_resource_limit_policy_state_changed, 409, "state_changed",
                              "the service has changed meanwhile");
        if ((previous ? state.previous : state.spec).task.resources.limits.nano_cpus <= 0)
                return deny_service(g);
        return allow(g);
}

static enum stage_result guard_service(struct guard *g, bool update) {
        const struct opt_service *o = &g->in.options->service;
        const struct inspect_required_limits want = { .cpu = o->require_cpu_limit,
                                                      .cpu_hard = o->require_cpu_limit_hard };
        struct resource_record *record = &g->x->resource;
        struct service_spec spec = { 0 };
        struct slice rollback = SLICE("");
        enum stage_result r;
        bool stop;

        if (!want.cpu && !want.cpu_hard)
                return STAGE_NEXT;
        g->option = want.cpu ? "request_body.service.require_cpu_limit" : "request_body.service.require_cpu_limit_hard";
        *record = (struct resource_record){
                .evaluated = true,
                .kind = "service",
                .operation = update ? "update" : "create",
                .source = "request",
                .requirements = inspect_limits_text(&g->in, &want),
        };
        if (update && http_query_count(g->in.query, SLICE("rollback")) > 1) {
                record->operation = "manual_rollback";
                return invalid(g, "the rollback parameter must not be repeated");
        }
        if (update)
                (void) http_query_get(g->in.query, SLICE("rollback"), &rollback);
        r = read_body(g, spec_fields, sizeof(spec_fields) / sizeof(spec_fields[0]), &spec, &stop);
        if (stop)
                return r;
        if (update && unicode_fold_eq(rollback, SLICE("previous"))) {
                record->operation = "manual_rollback";
                record->source = "previous_spec";
                return guard_rollback(g, true);
        }
        if (spec.task.resources.limits.nano_cpus <= 0)
                return deny_service(g);
        if (update && unicode_fold_eq(spec.update.failure_action, SLICE("rollback"))) {
                record->operation = "automatic_rollback";
                record->source = "current_spec";
                return guard_rollback(g, false);
        }
        return allow(g);
}

/* ---- the stage ---- */

enum stage_result stage_guard(struct exchange *x) {
        struct slice path = x->target.normalized;
        struct guard g = { .x = x };

        if (x->head.method != HTTP_POST)
                return STAGE_NEXT;
        g.in = (struct inspect_input){
                .policy = x->policy,
                .options = exchange_request_body(x),
                .method = x->head.method,
                .path = path,
                .query = exchange_query(x),
                .head = &x->head,
                .arena = x->arena,
        };
        if (inspect_path_matches("/containers/{}/update", path))
                return guard_container(&g);
        if (inspect_path_matches("/services/{}/update", path))
                return guard_service(&g, true);
        if (slice_eq(path, SLICE("/services/create")))
                return guard_service(&g, false);
        return STAGE_NEXT;
}
