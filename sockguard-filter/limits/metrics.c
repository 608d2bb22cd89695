/* SPDX-License-Identifier: Apache-2.0 */
#include "limits/metrics.h"

#include <stdio.h>

#include "base/clock.h"
#include "limits/lease.h"
#include "telemetry/access.h"
#include "telemetry/route.h"

const char *const metric_bounds[STATE_BUCKETS] = { "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                                   "0.5",   "1",    "2.5",   "5",    "10",  "+Inf" };
const uint64_t metric_bounds_ns[STATE_BUCKETS] = { 5000000,    10000000,   25000000,    50000000,
                                                   100000000,  250000000,  500000000,   1000000000,
                                                   2500000000, 5000000000, 10000000000, UINT64_MAX };

#define PROBES 48u

/* family:3 decision:2 listener:6 profile:11 method:4 route:11 status:10 reason:8 mode:2; never 0 because the family is
 * not. */
uint64_t metric_key_pack(const struct metric_key *k) {
        uint64_t v = k->family & 7u;

        v = v << 2 | (k->decision & 3u);
        v = v << 6 | (k->listener & 63u);
        v = v << 11 | (k->profile & 2047u);
        v = v << 4 | (k->method & 15u);
        v = v << 11 | (k->route & 2047u);
        v = v << 10 | (k->status & 1023u);
        v = v << 8 | (k->reason & 255u);
        return v << 2 | (k->mode & 3u);
}

struct metric_key metric_key_unpack(uint64_t v) {
        struct metric_key k = { 0 };

        k.mode = v & 3;
        k.reason = (uint32_t) (v >>= 2) & 255;
        k.status = (uint32_t) (v >>= 8) & 1023;
        k.route = (uint32_t) (v >>= 10) & 2047;
        k.method = (uint32_t) (v >>= 11) & 15;
        k.profile = (uint32_t) (v >>= 4) & 2047;
        k.listener = (uint32_t) (v >>= 11) & 63;
        k.decision = (enum metric_decision)((v >>= 6) & 3);
        k.family = (enum metric_family)((v >> 2) & 7);
        return k;
}

static uint64_t mix(uint64_t v) {
        v = (v ^ v >> 31) * 0x7fb5d329728ea185u;
        v = (v ^ v >> 27) * 0x81dadef4bc2dd44du;
        return v ^ v >> 33;
}

/* The key's place, taken if it is free; -1 when there is none within the probe's length. */
static long place(state_word *first, size_t stride, uint64_t room, uint64_t key) {
        uint64_t at = mix(key);

        for (unsigned i = 0; i < PROBES; i++, at++) {
                state_word *w = (state_word *) ((char *) first + stride * (at % room));
                uint64_t seen = atomic_load_explicit(w, memory_order_relaxed);

                if (seen == 0 && atomic_compare_exchange_strong(w, &seen, key))
                        seen = key;
                if (seen == key)
                        return (long) (at % room);
        }
        return -1;
}

/* Where samples go that found no place: the same family and verdict, everything that multiplies folded. */
static uint64_t overflow_key(uint64_t key) {
        struct metric_key k = metric_key_unpack(key);

        k.route = 0;
        k.method = HTTP_METHOD_OTHER;
        k.status = 0;
        k.profile = 0;
        return metric_key_pack(&k);
}

static void count(struct state_map *m, const struct metric_key *k) {
        uint64_t key = metric_key_pack(k);
        long at = place(&m->counters[0].key, sizeof(m->counters[0]), STATE_COUNTERS, key);

        if (at < 0) {
                state_add(&m->h.series_overflow, 1);
                at = place(&m->counters[0].key, sizeof(m->counters[0]), STATE_COUNTERS, overflow_key(key));
        }
        if (at >= 0)
                state_add(&m->counters[at].value, 1);
}

static void time_sample(struct state_map *m, const struct metric_key *k, uint64_t ns) {
        uint64_t key = metric_key_pack(k);
        long at = place(&m->histograms[0].key, sizeof(m->histograms[0]), STATE_HISTOGRAMS, key);
        unsigned bucket = 0;

        if (at < 0) {
                state_add(&m->h.series_overflow, 1);
                at = place(&m->histograms[0].key, sizeof(m->histograms[0]), STATE_HISTOGRAMS, overflow_key(key));
        }
        if (at < 0)
                return;
        while (ns > metric_bounds_ns[bucket])
                bucket++;
        /* One addition makes the sample; the page derives count from the buckets, so a death in between loses only some
         * sum. */
        state_add(&m->histograms[at].bucket[bucket], 1);
        state_add(&m->histograms[at].sum_ns, ns);
}

/* ---- slots of names ---- */

#define UNKNOWN_SLOT UINT32_MAX

static void refresh_cache(struct exchange *x) {
        struct state *s = x->state;
        uint64_t generation = state_generation(s);

        if (s->cached_policy == x->policy->base && s->cached_generation == generation)
                return;
        s->cached_policy = x->policy->base;
        s->cached_generation = generation;
        for (size_t i = 0; i < sizeof(s->scope_slots) / sizeof(s->scope_slots[0]); i++)
                s->scope_slots[i] = UNKNOWN_SLOT;
        s->listener_slot = state_listener_slot(s->map, x->listener_name.len ? x->listener_name : SLICE("default"));
}

uint32_t metrics_profile_slot(struct exchange *x) {
        struct state *s = x->state;

        if (!x->profile_selected)
                return 0;
        refresh_cache(x);
        if (x->scope >= sizeof(s->scope_slots) / sizeof(s->scope_slots[0]) || x->scope == POLICY_SCOPE_ROOT)
                return state_profile_slot(s->map, x->profile);
        if (s->scope_slots[x->scope] == UNKNOWN_SLOT)
                s->scope_slots[x->scope] = state_profile_slot(s->map, x->profile);
        return s->scope_slots[x->scope];
}

uint32_t metrics_listener_slot(struct exchange *x) {
        refresh_cache(x);
        return x->state->listener_slot;
}

/* ---- the three moments ---- */

static bool usable(const struct exchange *x) {
        return x->state && x->state->map && x->policy;
}

static uint32_t method_number(const struct exchange *x) {
        return (uint32_t) x->head.method;
}

static uint32_t route_slot(struct exchange *x) {
        char buffer[ROUTE_MAX];

        return state_route_slot(
                x->state->map,
                route_template(x->normalized_computed ? x->target.normalized : x->target.decoded, buffer));
}

static void copy_printable(char *to, size_t room, struct slice from) {
        size_t i = 0;

        for (; i < from.len && i < room - 1; i++)
                to[i] = from.at[i] >= ' ' && from.at[i] <= '~' ? from.at[i] : '?';
        to[i] = '\0';
}

static uint64_t who(struct exchange *x, uint32_t profile_slot) {
        const struct peer *p = x->peer;

        return (uint64_t) (p && p->kind == PEER_UNIX && p->cred_error == 0 ? p->uid : UINT32_MAX) << 32 |
               (uint64_t) profile_slot << 8 | (metrics_listener_slot(x) & 0xff);
}

void metrics_begin(struct exchange *x) {
        struct state_lease *l;

        if (!usable(x))
                return;
        state_set(&x->state->map->listeners[metrics_listener_slot(x)].seen_ms, state_now_ms());
        if (x->state->lease < 0) {
                if (lease_take(x->state) < 0) {
                        state_add(&x->state->map->h.lease_overflow, 1);
                        return;
                }
                l = &x->state->map->leases[x->state->lease];
                copy_printable(l->client, sizeof(l->client), slice_of(x->peer ? x->peer->text : ""));
                state_set(&l->caller, x->peer && x->peer->kind == PEER_UNIX && x->peer->cred_error == 0
                                              ? (uint64_t) x->peer->gid << 32 | (uint32_t) x->peer->pid
                                              : 0);
        }
        l = &x->state->map->leases[x->state->lease];
        state_set(&l->generation, state_generation(x->state));
        state_set(&l->route, (uint64_t) method_number(x) << 16 | route_slot(x));
        state_set(&l->verdict, 0);
        state_set(&l->who, who(x, 0));
        memcpy(l->request_id, x->request_id, sizeof(l->request_id));
        memcpy(l->trace_id, x->trace.trace_id, sizeof(l->trace_id));
        copy_printable(l->path, sizeof(l->path), x->target.decoded);
        atomic_store_explicit(&l->active_ms, state_now_ms() | 1, memory_order_release);
}

void metrics_decided(struct exchange *x) {
        const struct verdict *v = &x->verdict;
        struct state_lease *l;

        if (!usable(x) || x->state->lease < 0)
                return;
        l = &x->state->map->leases[x->state->lease];
        state_set(&l->who, who(x, metrics_profile_slot(x)));
        state_set(&l->verdict,
                  (uint64_t) (v->rule + 1) << 16 | (uint64_t) (v->code & 0xff) << 8 | (uint64_t) v->decision);
}

static enum metric_decision decision_label(const struct exchange *x) {
        switch (x->verdict.decision) {
        case DECISION_ALLOW:
                return METRIC_ALLOW;
        case DECISION_DENY:
                return METRIC_DENY;
        case DECISION_WOULD_DENY:
                return METRIC_WOULD_DENY;
        case DECISION_NONE:
        default:
                return x->status < 400 ? METRIC_ALLOW : METRIC_ERROR;
        }
}

static void note_lost_records(struct exchange *x) {
        uint64_t lost = x->telemetry ? x->telemetry->main.dropped + x->telemetry->audit.dropped : 0;

        if (lost <= x->state->lost_told)
                return;
        state_add(&x->state->map->h.log_dropped, lost - x->state->lost_told);
        x->state->lost_told = lost;
}

/* What status and top show, metrics enabled or not. */
static void note_end(struct exchange *x, const struct metric_key *k) {
        struct state_map *m = x->state->map;
        struct state_lease *l;

        l = x->state->lease < 0 ? NULL : &m->leases[x->state->lease];
        /* Nothing is running from here on: who dies below loses a sample, but none is counted twice. */
        if (l)
                atomic_store_explicit(&l->active_ms, 0, memory_order_release);
        state_add(&m->h.decisions[k->decision], 1);
        if (k->decision == METRIC_DENY || k->decision == METRIC_WOULD_DENY)
                state_add(&m->h.reasons[(unsigned) x->verdict.code % STATE_REASONS], 1);
        if (!l)
                return;
        state_add(&l->requests, 1);
        state_set(&l->who, who(x, k->profile));
        state_set(&l->route, (uint64_t) k->method << 16 | k->route);
        state_set(&l->last, (uint64_t) k->status << 8 | (uint64_t) k->decision);
}

void metrics_observe(struct exchange *x) {
        struct metric_key k = { .family = FAMILY_REQUESTS };

        if (!usable(x))
                return;
        k.decision = decision_label(x);
        k.listener = metrics_listener_slot(x);
        k.profile = metrics_profile_slot(x);
        /* Slot 0 means "none" here; a profile that is really called _anonymous is told apart by a number past the
         * table. */
        if (k.profile == 0 && x->profile_selected)
                k.profile = STATE_PROFILES;
        k.method = method_number(x);
        k.route = route_slot(x);
        k.status = x->status > 0 && x->status < 1000 ? (uint32_t) x->status : 0;
        note_lost_records(x);
        note_end(x, &k);
        if (!x->policy->root->metrics.enabled || exchange_is_admin(x))
                return;
        count(x->state->map, &k);
        if (k.decision == METRIC_DENY || k.decision == METRIC_WOULD_DENY) {
                struct metric_key d = {
                        .family = FAMILY_DENIED, .listener = k.listener, .profile = k.profile, .route = k.route
                };

                d.mode = x->mode == MODE_NONE ? MODE_ENFORCE : x->mode;
                d.reason = x->verdict.code;
                count(x->state->map, &d);
        }
        k.family = FAMILY_DURATION;
        k.status = 0;
        time_sample(x->state->map, &k, now_ns() - x->started_ns);
}

void metrics_throttle(struct exchange *x, enum reason_code code) {
        struct metric_key k = { .family = FAMILY_THROTTLE };

        if (!usable(x) || !x->policy->root->metrics.enabled)
                return;
        k.profile = metrics_profile_slot(x);
        k.reason = code;
        k.mode = x->mode == MODE_NONE ? MODE_ENFORCE : x->mode;
        count(x->state->map, &k);
}

void metrics_lost(struct state_map *m, const struct state_lease *l, bool enabled) {
        uint64_t who = state_get(&l->who), route = state_get(&l->route), began = state_get(&l->active_ms),
                 now = state_now_ms();
        struct metric_key k = { .family = FAMILY_REQUESTS, .decision = METRIC_ERROR };

        /* Whoever wrote these words is not trusted: each is cut to its table. */
        k.listener = (uint32_t) (who & 0xff) % STATE_LISTENERS;
        k.profile = (uint32_t) (who >> 8 & 0xffffff);
        if (k.profile > STATE_PROFILES)
                k.profile = 0;
        k.method = (uint32_t) (route >> 16) <= HTTP_METHOD_OTHER ? (uint32_t) (route >> 16) : HTTP_METHOD_OTHER;
        k.route = (uint32_t) (route & 0xffff) % STATE_ROUTES;
        state_add(&m->h.decisions[METRIC_ERROR], 1);
        if (!enabled)
                return;
        count(m, &k);
        k.family = FAMILY_DURATION;
        time_sample(m, &k, now > began ? (now - began) * NSEC_PER_MSEC : 0);
}
