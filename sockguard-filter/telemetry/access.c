/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry/access.h"

#include "base/address.h"
#include "base/clock.h"

#define METHOD_MAX 256u
#define CLIENT_ID_MAX 256u

/* Caps on every value, tried in turn until the line fits into a pipe; 0 is none. Ids have 32 bytes: they are never cut.
 */
static const size_t caps[] = { 0, 400, 120, 40 };

#define TRY_CAPS(l, i) for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]) && ((l)->cap = caps[i], true); i++)

struct slice decision_name(enum decision d) {
        static const struct slice names[] = {
                [DECISION_NONE] = { "", 0 },
                [DECISION_ALLOW] = { "allow", 5 },
                [DECISION_DENY] = { "deny", 4 },
                [DECISION_WOULD_DENY] = { "would_deny", 10 },
        };

        return (unsigned) d < sizeof(names) / sizeof(names[0]) ? names[d] : SLICE("");
}

static struct slice mode_name(enum rollout_mode m) {
        switch (m) {
        case MODE_WARN:
                return SLICE("warn");
        case MODE_AUDIT:
                return SLICE("audit");
        case MODE_ENFORCE:
                return SLICE("enforce");
        case MODE_NONE:
        default:
                return SLICE("");
        }
}

static struct slice normalized(const struct exchange *x) {
        return x->normalized_computed ? x->target.normalized : SLICE("");
}

static void optional(struct log *l, const char *key, struct slice value) {
        if (value.len > 0)
                log_str(l, key, value);
}

static struct slice text(const char *s) {
        return slice_of(s ? s : "");
}

static void put_identity(struct log *l, const struct exchange *x) {
        log_str_max(l, "method", x->head.method_text, METHOD_MAX);
        log_str(l, "path", x->target.decoded);
        log_str(l, "request_id", slice_of(x->request_id));
        if (x->client_request_id.len > 0)
                log_str_max(l, "client_request_id", x->client_request_id, CLIENT_ID_MAX);
        log_str(l, "listener_name", x->listener_name);
}

/* Fields 1 to 24, in their order. */
static void put_request(struct log *l, const struct exchange *x) {
        const struct verdict *v = &x->verdict;
        const struct resource_record *r = &x->resource;

        put_identity(l, x);
        log_str(l, "normalized_path", normalized(x));
        log_str(l, "decision", decision_name(v->decision));
        log_int(l, "rule", v->rule);
        if (x->profile_selected)
                log_str(l, "profile", x->profile);
        if (x->mode == MODE_WARN || x->mode == MODE_AUDIT)
                log_str(l, "rollout_mode", mode_name(x->mode));
        optional(l, "reason_code", reason_name(v->code));
        optional(l, "reason", v->reason);
        log_str(l, "trace_id", slice_of(x->trace.trace_id));
        if (x->trace.inherited)
                log_str(l, "trace_parent_id", slice_of(x->trace.parent_id));
        log_str(l, "trace_span_id", slice_of(x->trace.span_id));
        log_bool(l, "trace_sampled", x->trace.sampled);
        if (!r->evaluated)
                return;
        log_bool(l, "resource_policy_evaluated", true);
        log_str(l, "resource_policy_kind", text(r->kind));
        log_str(l, "resource_policy_operation", text(r->operation));
        log_str(l, "resource_policy_source", text(r->source));
        log_str(l, "resource_policy_requirements", text(r->requirements));
        log_str(l, "resource_policy_result", text(r->result));
        log_bool(l, "resource_policy_state_lookup", r->state_lookup);
        optional(l, "resource_policy_violation", text(r->violation));
}

static void put_mutation(struct log *l, const struct exchange *x) {
        const struct mutation_record *m = &x->mutation;
        char ids[LOG_TEXT_MAX + 1];
        size_t n = 0;

        if (m->n == 0)
                return;
        /* A list longer than a value may be is cut by log_str(), which sees that there was one byte more. */
        for (size_t i = 0; i < m->n && n < sizeof(ids); i++) {
                struct slice id = slice_upto(m->entries[i].id, sizeof(ids) - n);

                if (i > 0) {
                        ids[n++] = ',';
                        id = slice_upto(id, sizeof(ids) - n);
                }
                if (id.len > 0)
                        memcpy(ids + n, id.at, id.len);
                n += id.len;
        }
        log_str(l, "mutation_rule_ids", slice_make(ids, n));
        log_bool(l, "mutation_changed", m->changed);
}

static enum level access_level(const struct exchange *x, const char **ret_msg) {
        switch (x->verdict.decision) {
        case DECISION_DENY:
                *ret_msg = "request_denied";
                return LEVEL_WARN;
        case DECISION_WOULD_DENY:
                *ret_msg = "request_would_deny";
                return x->mode == MODE_AUDIT ? LEVEL_INFO : LEVEL_WARN;
        case DECISION_NONE:
        case DECISION_ALLOW:
        default:
                *ret_msg = "request";
                return x->mutation.warn_rule ? LEVEL_WARN : LEVEL_INFO;
        }
}

static struct slice client_text(const struct peer *p) {
        return p != NULL && p->text[0] != '\0' ? slice_of(p->text) : SLICE("unix");
}

void access_record(struct log *l, const struct exchange *x) {
        const char *msg;
        enum level level = access_level(x, &msg);
        uint64_t now = now_ns();

        TRY_CAPS(l, i) {
                if (!log_begin(l, level, msg))
                        return;
                put_request(l, x);
                log_int(l, "status", x->status);
                log_micros_as_ms(l, "latency_ms", now > x->started_ns ? (now - x->started_ns) / 1000 : 0);
                log_u64(l, "bytes", x->response_bytes);
                log_str(l, "client", client_text(x->peer));
                put_mutation(l, x);
                if (x->kube_documents)
                        log_int(l, "kube_documents", x->kube_documents);
                if (x->throttle_would_deny != REASON_NONE)
                        log_str(l, "throttle_would_deny", reason_name(x->throttle_would_deny));
                if (x->aborted)
                        log_bool(l, "aborted", true);
                if (log_end(l))
                        return;
        }
        l->dropped++;
}

static void put_audit_mutation(struct log *l, const struct mutation_record *m) {
        size_t n = l->cap > 0 && m->n > l->cap / 20 ? l->cap / 20 : m->n;

        if (n == 0)
                return;
        log_group(l, "mutation");
        log_array(l, "rules");
        for (size_t i = 0; i < n; i++) {
                log_object(l);
                log_str(l, "id", m->entries[i].id);
                log_str(l, "type", text(m->entries[i].type));
                log_str(l, "mode", text(m->entries[i].mode));
                log_str(l, "outcome", text(m->entries[i].outcome));
                log_object_end(l);
        }
        log_array_end(l);
        log_bool(l, "actual_changed", m->changed);
        log_group_end(l);
}

static void put_audit_resource(struct log *l, const struct resource_record *r) {
        if (!r->evaluated)
                return;
        log_group(l, "resource_policy");
        optional(l, "kind", text(r->kind));
        optional(l, "operation", text(r->operation));
        optional(l, "state_source", text(r->source));
        optional(l, "requirements", text(r->requirements));
        optional(l, "result", text(r->result));
        optional(l, "violation", text(r->violation));
        if (r->state_lookup)
                log_bool(l, "state_lookup", true);
        log_group_end(l);
}

static void put_actor(struct log *l, const struct exchange *x) {
        const struct peer *p = x->peer;
        char source[IP_TEXT_MAX] = "";
        struct ip_address ip;

        if (p != NULL && p->has_ip) {
                memcpy(ip.at, p->ip, sizeof(ip.at));
                ip.v4 = p->ip_is_v4;
                (void) ip_format(&ip, source);
        }
        log_str(l, "actor_remote_addr", text(p ? p->text : NULL));
        log_str(l, "actor_source_ip", slice_of(source));
        if (p != NULL && p->kind == PEER_UNIX && p->cred_error == 0) {
                log_u64(l, "actor_uid", p->uid);
                log_u64(l, "actor_gid", p->gid);
                log_int(l, "actor_pid", p->pid);
        }
        log_str(l, "transport_listener", x->listener_is_tcp ? SLICE("tcp") : SLICE("unix"));
        log_str(l, "transport_scheme", p != NULL && p->tls ? SLICE("https") : SLICE("http"));
        log_str(l, "transport_protocol", x->head.minor == 0 ? SLICE("HTTP/1.0") : SLICE("HTTP/1.1"));
}

static void put_ownership(struct log *l, const struct policy *p) {
        struct slice owner = SLICE(""), label = SLICE("com.sockguard.owner");

        if (p != NULL) {
                owner = policy_str(p, p->root->ownership.owner);
                label = policy_str(p, p->root->ownership.label_key);
        }
        log_group(l, "ownership");
        log_bool(l, "enabled", owner.len > 0);
        log_str(l, "owner", owner);
        log_str(l, "label_key", label);
        log_group_end(l);
}

void audit_record(struct log *l, const struct exchange *x) {
        const struct verdict *v = &x->verdict;

        if (l->kind == LOG_NOWHERE)
                return;
        TRY_CAPS(l, i) {
                log_begin_bare(l);
                log_str(l, "event_type", SLICE("http_request"));
                log_now(l, "timestamp");
                log_str(l, "request_id", slice_of(x->request_id));
                log_str_max(l, "client_request_id", x->client_request_id, CLIENT_ID_MAX);
                log_str(l, "trace_id", slice_of(x->trace.trace_id));
                log_str(l, "trace_parent_id", slice_of(x->trace.parent_id));
                log_str(l, "trace_span_id", slice_of(x->trace.span_id));
                log_bool(l, "trace_sampled", x->trace.sampled);
                log_str_max(l, "method", x->head.method_text, METHOD_MAX);
                log_str(l, "raw_path", x->target.decoded);
                log_str(l, "normalized_path", normalized(x));
                log_str(l, "decision", decision_name(v->decision));
                log_str(l, "reason_code", reason_name(v->code));
                log_str(l, "reason", v->reason);
                log_int(l, "matched_rule", v->rule);
                log_str(l, "selected_profile", x->profile_selected ? x->profile : SLICE(""));
                if (x->profile_selected)
                        log_str(l, "rollout_mode", x->mode == MODE_NONE ? SLICE("enforce") : mode_name(x->mode));
                log_int(l, "status", x->status);
                put_actor(l, x);
                put_ownership(l, x->policy);
                put_audit_resource(l, &x->resource);
                optional(l, "listener_name", x->listener_name);
                put_audit_mutation(l, &x->mutation);
                if (x->aborted)
                        log_bool(l, "aborted", true);
                if (log_end(l))
                        return;
        }
        l->dropped++;
}

void telemetry_exchange(struct telemetry *t, const struct exchange *x) {
        uint64_t lost = t->audit.dropped;

        if (t->access_on)
                access_record(&t->main, x);
        if (!t->audit_on)
                return;
        audit_record(&t->audit, x);
        /* The audit stream holds audit records only: that one was lost is told on the main stream, once a minute at
         * most. */
        if (t->audit.dropped > lost && now_ns() >= t->audit.drop_report_at &&
            log_begin(&t->main, LEVEL_WARN, "audit records dropped")) {
                t->audit.drop_report_at = now_ns() + 60 * NSEC_PER_SEC;
                log_u64(&t->main, "dropped_total", t->audit.dropped);
                (void) log_end(&t->main);
        }
}

void malformed_record(struct log *l, const struct peer *peer, struct slice listener_name, const struct http_head *head,
                      int status, struct slice reason, uint64_t started_ns) {
        uint64_t now = now_ns();

        TRY_CAPS(l, i) {
                if (!log_begin(l, LEVEL_WARN, "request_malformed"))
                        return;
                if (head != NULL && head->method_text.len > 0)
                        log_str_max(l, "method", head->method_text, METHOD_MAX);
                log_str(l, "listener_name", listener_name);
                log_str(l, "reason_code", reason_name(REASON_malformed_request));
                optional(l, "reason", reason);
                log_int(l, "status", status);
                log_micros_as_ms(l, "latency_ms", now > started_ns ? (now - started_ns) / 1000 : 0);
                log_str(l, "client", client_text(peer));
                if (log_end(l))
                        return;
        }
        l->dropped++;
}

void upstream_failed_record(struct log *l, const struct exchange *x, struct slice error) {
        TRY_CAPS(l, i) {
                if (!log_begin(l, LEVEL_ERROR, "upstream request failed"))
                        return;
                put_request(l, x);
                log_str(l, "error", error);
                if (log_end(l))
                        return;
        }
        l->dropped++;
}

void throttle_record(struct log *l, const struct exchange *x, const struct throttle_facts *f) {
        TRY_CAPS(l, i) {
                if (!log_begin(l, LEVEL_INFO, "throttle"))
                        return;
                log_group(l, "throttle");
                put_identity(l, x);
                log_str(l, "trace_id", slice_of(x->trace.trace_id));
                log_str(l, "trace_span_id", slice_of(x->trace.span_id));
                log_str(l, "client_id", x->profile_selected ? x->profile : SLICE("_anonymous"));
                log_str(l, "reason", reason_name(f->code));
                log_str(l, "normalized_path", x->target.normalized);
                if (f->code == REASON_rate_limit_exceeded) {
                        log_double(l, "tokens_per_second", f->tokens_per_second);
                        log_double(l, "burst", f->burst);
                        log_double(l, "cost", f->cost);
                } else if (f->code == REASON_priority_floor) {
                        log_str(l, "priority", text(f->priority));
                        log_u64(l, "current_global_inflight", f->current_global_inflight);
                        log_u64(l, "priority_threshold", f->priority_threshold);
                        log_u64(l, "global_max_inflight", f->global_max_inflight);
                } else {
                        log_u64(l, "current_inflight", f->current_inflight);
                        log_u64(l, "max_inflight", f->max_inflight);
                }
                log_group_end(l);
                if (log_end(l))
                        return;
        }
        l->dropped++;
}

int telemetry_open(struct telemetry *t, const struct policy *policy, const int *client, size_t n_client,
                   struct error *e) {
        struct slice output = SLICE("stderr");
        int r;

        *t = (struct telemetry){ .access_on = true, .main.fd = -1, .audit.fd = -1 };
        if (policy == NULL)
                return log_open(&t->main, output, client, n_client, e);
        t->access_on = policy->root->log.access_log;
        t->audit_on = policy->root->log.audit.enabled;
        r = log_open(&t->main, policy_str(policy, policy->root->log.output), client, n_client, e);
        t->main.text = policy->compiled->log_text;
        t->main.threshold = (enum level) policy->compiled->log_level;
        if (t->audit_on) {
                int q = log_open(&t->audit, policy_str(policy, policy->root->log.audit.output), client, n_client,
                                 r < 0 ? NULL : e);

                r = r < 0 ? r : q;
        }
        return r;
}

void telemetry_close(struct telemetry *t) {
        log_close(&t->main);
        log_close(&t->audit);
}
