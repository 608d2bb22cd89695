/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/strbuf.h"
#include "filter/companion.h"
#include "http/exchange.h"
#include "limits/state.h"

/*
 * What the proxy answers itself: metrics, readiness, health, administration. The companion knows the answers; a filter
 * passes the question on and gives it a second (a candidate policy: ten), so that a client of these paths costs the
 * companion one message and never a connection of unknown length.
 */

#define ASK_LIMIT NSEC_PER_SEC
#define VALIDATE_LIMIT (10 * NSEC_PER_SEC)

static int ask(struct exchange *x, enum control_op op, uint32_t flags, struct slice body, uint64_t limit,
               struct companion_answer *ret) {
        if (!x->state || x->state->dir[0] == '\0')
                return -ENOENT;
        return companion_ask(x->state->dir, op, flags, body, deadline_in(limit), x->arena, ret);
}

static enum stage_result answer_with(struct exchange *x, const struct companion_answer *a) {
        x->verdict.status = a->status;
        x->verdict.body_kind = ANSWER_JSON;
        x->verdict.body = a->body;
        x->verdict.content_type = a->content_type.len ? a->content_type.at : NULL;
        return STAGE_ANSWER;
}

/* ---- 8-10: metrics, readiness, health ---- */

/* Exact GET, and the decoded path as it stands: neither cleaned nor freed of a version (chapter 02, 14). */
static bool asks_for(const struct exchange *x, bool enabled, struct pstr path) {
        return enabled && exchange_is(x, HTTP_GET) && slice_eq(x->target.decoded, policy_str(x->policy, path));
}

/* In the form of the chapter's section 7, so that a health check understands it. */
static enum stage_result unhealthy(struct exchange *x) {
        x->verdict.status = 503;
        x->verdict.body_kind = ANSWER_JSON;
        x->verdict.body =
                SLICE("{\"status\":\"unhealthy\",\"upstream\":\"unreachable\",\"error\":\"companion "
                      "unreachable\",\"version\":\"" PACKAGE_VERSION "\",\"uptime_seconds\":0,\"listeners\":[]}\n");
        return STAGE_ANSWER;
}

static bool wants_openmetrics(const struct exchange *x) {
        for (size_t i = 0; i < x->head.n_fields; i++) {
                const struct http_field *f = &x->head.fields[i];
                struct slice rest = f->value, item;

                if (!slice_case_eq(f->name, SLICE("accept")))
                        continue;
                while (rest.len) {
                        struct slice media, parameters;

                        (void) slice_cut(rest, ',', &item, &rest);
                        (void) slice_cut(item, ';', &media, &parameters);
                        if (slice_case_eq(slice_trim_ows(media), SLICE("application/openmetrics-text")))
                                return true;
                }
        }
        return false;
}

enum stage_result stage_local(struct exchange *x) {
        const struct opt_root *root = x->policy->root;
        const struct opt_health *health = &root->health;
        struct companion_answer a = { 0 };

        if (asks_for(x, root->metrics.enabled, root->metrics.path)) {
                if (ask(x, CONTROL_METRICS, wants_openmetrics(x) ? CONTROL_OPENMETRICS : 0, SLICE(""), ASK_LIMIT, &a) <
                    0)
                        return exchange_deny(x, REASON_companion_unavailable, 503, ANSWER_MESSAGE,
                                             "the companion does not answer");
                return answer_with(x, &a);
        }
        if (asks_for(x, health->readiness.enabled, health->readiness.path)) {
                if (ask(x, CONTROL_READY, 0, SLICE(""), ASK_LIMIT, &a) < 0)
                        return unhealthy(x);
                return answer_with(x, &a);
        }
        if (asks_for(x, health->enabled, health->path)) {
                if (ask(x, CONTROL_HEALTH, 0, SLICE(""), ASK_LIMIT, &a) < 0)
                        return unhealthy(x);
                return answer_with(x, &a);
        }
        return STAGE_NEXT;
}

/* ---- 12: administration ---- */

static enum stage_result wrong_method(struct exchange *x, const char *allowed) {
        x->verdict.allow_methods = allowed;
        return exchange_deny(x, REASON_admin_method_not_allowed, 405, ANSWER_MESSAGE, "only %s is allowed here",
                             allowed);
}

static bool is_path(struct exchange *x, struct pstr path) {
        return slice_eq(x->target.cleaned, path_clean(policy_str(x->policy, path), false, x->arena));
}

static enum stage_result validate(struct exchange *x, uint32_t flags) {
        uint64_t limit = (uint64_t) x->policy->root->admin.max_request_bytes;
        struct companion_answer a = { 0 };
        int r = 0;

        if (!exchange_is(x, HTTP_POST))
                return wrong_method(x, "POST");
        if (limit > CONTROL_BODY_MAX)
                limit = CONTROL_BODY_MAX;
        if (x->head.framing != HTTP_BODY_NONE)
                r = x->ops->body_buffer(x, limit);
        if (r == -EFBIG)
                return exchange_deny(x, REASON_admin_body_too_large, 413, ANSWER_MESSAGE,
                                     "the candidate is larger than %llu bytes", (unsigned long long) limit);
        if (r < 0) {
                /* Nobody judged it: no decision is recorded. */
                x->verdict.status = 400;
                x->verdict.body_kind = ANSWER_MESSAGE;
                x->verdict.reason = SLICE("the candidate could not be read");
                return STAGE_ANSWER;
        }
        if (ask(x, CONTROL_VALIDATE, flags, x->head.framing != HTTP_BODY_NONE ? x->body : SLICE(""), VALIDATE_LIMIT,
                &a) < 0)
                return exchange_deny(x, REASON_companion_unavailable, 503, ANSWER_MESSAGE,
                                     "the companion does not answer");
        if (slice_eq(a.code, reason_name(REASON_admin_validation_failed))) {
                x->verdict.decision = DECISION_DENY;
                x->verdict.code = REASON_admin_validation_failed;
                x->verdict.reason = a.reason;
        } else if (a.status >= 500)
                return exchange_deny(x, REASON_companion_unavailable, a.status, ANSWER_MESSAGE, "%.*s",
                                     SLICE_ARG(a.reason));
        return answer_with(x, &a);
}

static enum stage_result policy_version(struct exchange *x) {
        struct companion_answer a = { 0 };

        if (!exchange_is(x, HTTP_GET))
                return wrong_method(x, "GET");
        if (ask(x, CONTROL_VERSION, 0, SLICE(""), ASK_LIMIT, &a) < 0)
                return exchange_deny(x, REASON_companion_unavailable, 503, ANSWER_MESSAGE,
                                     "the companion does not answer");
        if (a.status != 200)
                return exchange_deny(x, REASON_admin_policy_version_unavailable, 503, ANSWER_MESSAGE,
                                     "no policy has been published yet");
        return answer_with(x, &a);
}

static bool is_dedicated(const struct opt_admin *a) {
        return a->listen.socket.len || a->listen.address.len;
}

/* The marks that only these requests keep: a throttle refusal that the mode let pass (chapter 06, 1.9). */
static enum stage_result keep_throttle_mark(struct exchange *x, enum stage_result r) {
        if (r == STAGE_ANSWER && x->throttle_would_deny && x->verdict.decision == DECISION_NONE) {
                x->verdict.decision = DECISION_WOULD_DENY;
                x->verdict.code = x->throttle_would_deny;
                x->verdict.reason = SLICE("limit exceeded");
        }
        return r;
}

enum stage_result stage_admin(struct exchange *x) {
        const struct policy *p = x->policy;
        const struct opt_admin *admin = &p->root->admin;

        if (!admin->enabled || is_dedicated(admin))
                return STAGE_NEXT;
        if (p->compiled->listeners.n > 1 && !slice_eq(x->listener_name, policy_str(p, admin->mount_on)))
                return STAGE_NEXT;
        if (is_path(x, admin->path))
                return keep_throttle_mark(x, validate(x, 0));
        if (is_path(x, admin->policy_version_path))
                return keep_throttle_mark(x, policy_version(x));
        return STAGE_NEXT;
}

/* ---- the dedicated listener ---- */

enum stage_result stage_admin_admission(struct exchange *x) {
        /* The address list is for who has an address; the socket has its permissions (4.2). */
        return x->peer->kind == PEER_TCP ? stage_admission(x) : STAGE_NEXT;
}

enum stage_result stage_admin_listener(struct exchange *x) {
        const struct opt_admin *admin = &x->policy->root->admin;

        if (!admin->enabled || !is_dedicated(admin))
                return exchange_deny(x, REASON_listener_config_missing, 500, ANSWER_MESSAGE,
                                     "there is no dedicated admin listener");
        if (is_path(x, admin->policy_version_path))
                return policy_version(x);
        if (is_path(x, admin->path))
                return validate(x, CONTROL_DEDICATED);
        return exchange_deny(x, REASON_admin_unknown_path, 404, ANSWER_MESSAGE, "no such path on the admin listener");
}
