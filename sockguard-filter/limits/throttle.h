/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_LIMITS_THROTTLE_H
#define SOCKGUARD_LIMITS_THROTTLE_H

#include "http/exchange.h"
#include "limits/state.h"

/* What stood in the way of a request, for its log record (chapter 06, 1.9). */
struct throttle_event {
        enum throttle_gate gate;
        struct slice client;                      /* profile or "_anonymous" */
        double tokens_per_second, burst, cost;    /* GATE_BUCKET */
        const char *priority;                     /* GATE_GLOBAL */
        int64_t inflight, threshold, max;         /* GATE_GLOBAL; GATE_CAP: inflight and max */
};

/*
 * May a record be written now? At most one a second for each client and gate, over all filters. The first always may.
 */
bool throttle_sample(struct state_map *m, uint32_t profile_slot, enum throttle_gate gate, uint64_t now_ms);

/* Writes the record, if the policy's log level lets INFO through. */
void throttle_log(const struct exchange *x, const struct throttle_event *e, enum reason_code code);

#endif
