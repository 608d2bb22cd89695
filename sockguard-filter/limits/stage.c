/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/unicode.h"
#include "limits/bucket.h"
#include "limits/lease.h"
#include "limits/metrics.h"
#include "limits/throttle.h"
#include "policy/glob.h"
#include "telemetry/access.h"

/*
 * Stage 11 (chapter 06, 1): the profile's token bucket, then the priority gate that all share, then the profile's
 * concurrency cap. What a request was given by the last two is held until limits_give_back(), or until the kernel sees
 * this process die.
 */

struct limits_view {
        const struct opt_limits *of; /* NULL: no profile, and none named _anonymous */
        struct slice client;         /* key and log name */
        uint32_t slot;               /* in shared state */
        enum priority { PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH } priority;
};

#define ANONYMOUS SLICE("_anonymous")
#define CAP_TEXT "too many requests of this profile are running"

static enum priority priority_of(const struct policy *p, const struct opt_limits *l) {
        struct slice s = unicode_trim(policy_str(p, l->priority));

        return unicode_fold_eq(s, SLICE("low"))    ? PRIORITY_LOW
               : unicode_fold_eq(s, SLICE("high")) ? PRIORITY_HIGH
                                                   : PRIORITY_NORMAL;
}

static const struct opt_profile *profile_at(const struct policy *p, uint32_t scope) {
        const struct opt_clients *c = &p->root->clients;

        if (scope == POLICY_SCOPE_ROOT || scope > c->profiles.n)
                return NULL;
        return policy_list(p, c->profiles, struct opt_profile) + (scope - 1);
}

static struct limits_view view_of(struct exchange *x) {
        const struct policy *p = x->policy;
        struct limits_view v = { .client = ANONYMOUS, .priority = PRIORITY_NORMAL };
        const struct opt_profile *profile = NULL;

        if (x->profile_selected) {
                v.client = x->profile;
                profile = profile_at(p, x->scope);
        } else {
                /* The unprofiled are limited by naming a profile _anonymous; its rules are not theirs. */
                int scope = policy_scope_find(p, ANONYMOUS);

                if (scope > 0)
                        profile = profile_at(p, (uint32_t) scope);
        }
        if (profile) {
                v.of = &profile->limits;
                v.priority = priority_of(p, v.of);
        }
        return v;
}

static double cost_of(const struct exchange *x, const struct opt_rate *rate) {
        const struct policy *p = x->policy;
        const struct opt_endpoint_cost *at = policy_list(p, rate->endpoint_costs, struct opt_endpoint_cost);

        for (uint32_t i = 0; i < rate->endpoint_costs.n; i++) {
                const struct pstr *methods = policy_list(p, at[i].methods, struct pstr);
                bool applies = at[i].methods.n == 0;

                /* Written in any case and with blanks around; `*` is no wildcard here. */
                for (uint32_t j = 0; !applies && j < at[i].methods.n; j++)
                        applies = slice_case_eq(unicode_trim(policy_str(p, methods[j])), x->head.method_text);
                if (applies && glob_match_plain(policy_str(p, at[i].path), x->target.normalized, false))
                        return at[i].cost;
        }
        return 1;
}

bool throttle_sample(struct state_map *m, uint32_t profile_slot, enum throttle_gate gate, uint64_t now_ms) {
        state_word *w = &m->profiles[profile_slot % STATE_PROFILES].throttled_ms[gate];
        uint64_t last = state_get(w);

        if (last != 0 && now_ms - last < 1000)
                return false;
        return atomic_compare_exchange_strong(w, &last, now_ms ? now_ms : 1);
}

/* A gate says no. STAGE_NEXT: the profile is in warn or audit. */
static enum stage_result throttled(struct exchange *x, const struct limits_view *v, const struct throttle_facts *facts,
                                   enum throttle_gate gate, uint64_t retry_after, const char *reason) {
        enum reason_code code = facts->code;

        metrics_throttle(x, code);
        if (x->telemetry && throttle_sample(x->state->map, v->slot, gate, state_now_ms()))
                throttle_record(&x->telemetry->main, x, facts);
        if (x->profile_selected && (x->mode == MODE_WARN || x->mode == MODE_AUDIT)) {
                /* The rules overwrite the verdict later on; this is what stays of it in the record. */
                if (!x->throttle_would_deny)
                        x->throttle_would_deny = code;
                return STAGE_NEXT;
        }
        x->verdict.retry_after = retry_after;
        return exchange_deny(x, code, 429, ANSWER_THROTTLE, "%s", reason);
}

static enum stage_result pass_bucket(struct exchange *x, const struct limits_view *v, const struct opt_rate *rate) {
        struct bucket_rate r = bucket_rate_of(rate->tokens_per_second, rate->burst);
        double cost = cost_of(x, rate);
        uint64_t retry;
        struct throttle_facts facts = { .code = REASON_rate_limit_exceeded,
                                        .tokens_per_second = rate->tokens_per_second,
                                        .cost = cost,
                                        .burst = rate->burst != 0 ? rate->burst : rate->tokens_per_second };

        if (bucket_take(r, &x->state->map->profiles[v->slot].bucket, bucket_cost_of(cost), (uint32_t) state_now_ms(),
                        &retry))
                return STAGE_NEXT;
        return throttled(x, v, &facts, GATE_BUCKET, retry, "rate limit exceeded");
}

static const char *const priority_names[] = { "low", "normal", "high" };

/* 0.5, 0.8 and all of it, rounded down; only the highest is never nothing. */
static uint32_t threshold_of(enum priority priority, int64_t max) {
        int64_t most = max > (1 << 20) - 2 ? (1 << 20) - 2 : max;

        switch (priority) {
        case PRIORITY_LOW:
                return (uint32_t) (most / 2);
        case PRIORITY_HIGH:
                return (uint32_t) (most > 1 ? most : 1);
        case PRIORITY_NORMAL:
        default:
                return (uint32_t) (most * 4 / 5);
        }
}

/* Adds the request to a counter, or refuses; a connection without a lease cannot be counted and so is never let in. */
static bool admit(struct exchange *x, uint32_t counter, uint32_t limit, bool always, uint32_t *ret_count) {
        *ret_count =
                lease_count(state_get(counter == LEASE_COUNTER_GLOBAL ? &x->state->map->h.global
                                                                      : &x->state->map->profiles[counter].inflight));
        if (x->state->lease < 0 && lease_take(x->state) < 0)
                return false;
        return lease_acquire(x->state, counter, limit, always, ret_count);
}

static bool is_soft(const struct exchange *x) {
        return x->profile_selected && (x->mode == MODE_WARN || x->mode == MODE_AUDIT);
}

static enum stage_result pass_gate(struct exchange *x, const struct limits_view *v, int64_t max) {
        uint32_t threshold = threshold_of(v->priority, max), now;
        struct throttle_facts facts = { .code = REASON_priority_floor,
                                        .priority = priority_names[v->priority],
                                        .priority_threshold = threshold,
                                        .global_max_inflight = (uint64_t) max };

        /* In warn and audit the request is counted even above the threshold, so that others see what really runs. */
        x->holds_global = admit(x, LEASE_COUNTER_GLOBAL, threshold, is_soft(x), &now);
        if (x->holds_global && now <= threshold)
                return STAGE_NEXT;
        facts.current_global_inflight = now - (x->holds_global ? 1 : 0);
        return throttled(x, v, &facts, GATE_GLOBAL, 0, "too many requests are running for this priority");
}

static uint32_t bounded(int64_t max) {
        return max > (1 << 20) - 2 ? (1u << 20) - 2 : (uint32_t) max;
}

/*
 * Would the request pass the gate only to be stopped by the cap? Then it must not take a place at the gate for that
 * moment: another profile's request would be refused there for nothing.
 */
static bool cap_alone_refuses(struct exchange *x, const struct limits_view *v, int64_t cap, int64_t gate) {
        return !is_soft(x) && lease_is_full(x->state, v->slot, bounded(cap)) &&
               !lease_is_full(x->state, LEASE_COUNTER_GLOBAL, threshold_of(v->priority, gate));
}

static enum stage_result pass_cap(struct exchange *x, const struct limits_view *v, int64_t max) {
        uint32_t limit = bounded(max), now;
        struct throttle_facts facts = { .code = REASON_concurrency_cap, .max_inflight = (uint64_t) max };

        x->holds_profile = admit(x, v->slot, limit, is_soft(x), &now);
        if (x->holds_profile)
                state_set(&x->state->map->profiles[v->slot].admitted, 1);
        if (x->holds_profile && now <= limit)
                return STAGE_NEXT;
        facts.current_inflight = now - (x->holds_profile ? 1 : 0);
        return throttled(x, v, &facts, GATE_CAP, 0, CAP_TEXT);
}

enum stage_result stage_limits(struct exchange *x) {
        const struct policy *p = x->policy;
        struct limits_view v;
        const struct opt_rate *rate = NULL;
        const struct opt_concurrency *cap = NULL, *gate = NULL;
        enum stage_result r;

        if (!p->compiled->limits_active)
                return STAGE_NEXT;
        x->normalized_computed = true;
        v = view_of(x);
        if (v.of && v.of->rate.n)
                rate = policy_list(p, v.of->rate, struct opt_rate);
        if (v.of && v.of->concurrency.n)
                cap = policy_list(p, v.of->concurrency, struct opt_concurrency);
        if (p->root->clients.global_concurrency.n)
                gate = policy_list(p, p->root->clients.global_concurrency, struct opt_concurrency);
        if (!rate && !cap && !gate)
                return STAGE_NEXT;

        if (!x->state || !x->state->map) {
                if (x->state && x->state->optional)
                        return STAGE_NEXT;
                return exchange_deny(x, REASON_governance_state_unavailable, 503, ANSWER_MESSAGE,
                                     "limits are configured and their shared state is not available");
        }
        v.slot = x->profile_selected ? metrics_profile_slot(x) : 0;
        if (v.slot == 0 && x->profile_selected && !slice_eq(v.client, ANONYMOUS))
                /* The companion gives every profile a slot before it publishes a policy: this state is not that
                 * policy's. */
                return exchange_deny(x, REASON_governance_state_unavailable, 503, ANSWER_MESSAGE,
                                     "the shared state does not know this profile");

        r = rate ? pass_bucket(x, &v, rate) : STAGE_NEXT;
        if (r == STAGE_NEXT && gate && cap && cap_alone_refuses(x, &v, cap->max_inflight, gate->max_inflight)) {
                struct throttle_facts facts = { .code = REASON_concurrency_cap,
                                                .max_inflight = (uint64_t) cap->max_inflight };

                facts.current_inflight = lease_count(state_get(&x->state->map->profiles[v.slot].inflight));
                return throttled(x, &v, &facts, GATE_CAP, 0, CAP_TEXT);
        }
        if (r == STAGE_NEXT && gate)
                r = pass_gate(x, &v, gate->max_inflight);
        if (r == STAGE_NEXT && cap)
                r = pass_cap(x, &v, cap->max_inflight);
        if (r != STAGE_NEXT)
                limits_release(x);
        return r;
}

bool limits_take_turn(struct exchange *x, struct slice key, uint64_t wait_ns) {
        uint64_t hash = state_hash(key);

        if (!x->state || !x->state->map || x->turn || lease_take_turn(x->state, hash, wait_ns) < 0)
                return false;
        x->turn = hash;
        return true;
}

void limits_give_back(struct exchange *x) {
        if (!x->state || !x->state->map)
                return;
        if (x->holds_profile)
                lease_release(x->state, 0);
        if (x->holds_global)
                lease_release(x->state, LEASE_COUNTER_GLOBAL);
        x->holds_profile = x->holds_global = false;
}

void limits_release(struct exchange *x) {
        limits_give_back(x);
        if (x->turn)
                lease_end_turn(x->state, x->turn);
        x->turn = 0;
}
