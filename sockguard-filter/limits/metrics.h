/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_LIMITS_METRICS_H
#define SOCKGUARD_LIMITS_METRICS_H

#include "http/exchange.h"
#include "limits/state.h"

/*
 * Samples of the filter. A series is one 64-bit key made of numbers (never of text a client chose) in a table of fixed
 * size; inserting it is one compare-and-swap of the key, so that there is no half-inserted series. When the table is
 * full, or the probe gets long, samples go to the series "{other}"/OTHER of their family.
 */

/* The request has been read: it is running now. Stage 5; before admission. */
void metrics_begin(struct exchange *x);

/* The checks are through, and what they decided stands: so much is known of the request if its filter dies now. */
void metrics_decided(struct exchange *x);

/*
 * The companion's: a request whose filter died counts once, with decision `error` and status 0. The slot's lock is held
 * by the caller. `enabled`: metrics are on.
 */
void metrics_lost(struct state_map *m, const struct state_lease *l, bool enabled);

/* The request is over, however it went; x->status, x->verdict and x->aborted are final. Once a request, before
 * limits_release(). */
void metrics_observe(struct exchange *x);

/* A throttle refusal or would-be refusal (1.9). */
void metrics_throttle(struct exchange *x, enum reason_code code);

/* ---- keys, shared with the page that the companion renders ---- */

enum metric_family { FAMILY_REQUESTS = 1, FAMILY_DENIED, FAMILY_THROTTLE, FAMILY_DURATION };

/* Decision as the label says it: enum decision, with "" resolved to allow or error. */
enum metric_decision { METRIC_ALLOW, METRIC_DENY, METRIC_WOULD_DENY, METRIC_ERROR };

struct metric_key {
        enum metric_family family;
        enum metric_decision decision;
        uint32_t listener, profile, route; /* slots; profile 0: none was selected, STATE_PROFILES: the one in slot 0 */
        uint32_t method;                   /* enum http_method */
        uint32_t status;
        uint32_t reason;
        uint32_t mode; /* enum rollout_mode */
};

uint64_t metric_key_pack(const struct metric_key *k);
struct metric_key metric_key_unpack(uint64_t key);

extern const char *const metric_bounds[STATE_BUCKETS]; /* "0.005" ... "+Inf" */
extern const uint64_t metric_bounds_ns[STATE_BUCKETS];

/* Slots of the exchange's names, cached per policy. */
uint32_t metrics_profile_slot(struct exchange *x);
uint32_t metrics_listener_slot(struct exchange *x);

#endif
