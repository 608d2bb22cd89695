/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TELEMETRY_ACCESS_H
#define SOCKGUARD_TELEMETRY_ACCESS_H

#include "http/exchange.h"
#include "telemetry/log.h"

/* The records of a filter (chapter 06, section 5), and the two streams they go to. */
struct telemetry {
        struct log main, audit;
        bool access_on, audit_on;
};

/*
 * Opens the outputs that the policy names; call it before the sandbox closes the file system. `policy` NULL: JSON to
 * stderr, level info (there is something to report about the policy itself). `client` are the client connection's
 * descriptors, see log_open(). 0, or negative errno with *e filled in; *t can then be used all the same, and writes
 * nowhere.
 */
int telemetry_open(struct telemetry *t, const struct policy *policy, const int *client, size_t n_client,
                   struct error *e);
void telemetry_close(struct telemetry *t);

/* A request is over, however it ended: its access and audit records, as far as they are on. */
void telemetry_exchange(struct telemetry *t, const struct exchange *x);

/* The access record alone / the audit record alone, whatever is on. */
void access_record(struct log *l, const struct exchange *x);
void audit_record(struct log *l, const struct exchange *x);

/*
 * A request that the parser refused, or a client that ran out of time in the middle of a head: `request_malformed`,
 * WARN. `head` is what http_request_parse() left (views must still be valid); `status` 0: no answer could be given.
 */
void malformed_record(struct log *l, const struct peer *peer, struct slice listener_name, const struct http_head *head,
                      int status, struct slice reason, uint64_t started_ns);

/* `upstream request failed`, ERROR: fields 1 to 24 of the access record as far as known, and why. */
void upstream_failed_record(struct log *l, const struct exchange *x, struct slice error);

/* Numbers of a throttle record; which ones are printed depends on the code (chapter 06, 1.9). */
struct throttle_facts {
        enum reason_code code; /* rate_limit_exceeded, priority_floor, concurrency_cap */
        double tokens_per_second, burst, cost;
        const char *priority; /* "low", "normal", "high" */
        uint64_t current_global_inflight, priority_threshold, global_max_inflight;
        uint64_t current_inflight, max_inflight;
};

/* `throttle`, INFO. Sampling is the caller's. */
void throttle_record(struct log *l, const struct exchange *x, const struct throttle_facts *f);

/* "allow", "deny", "would_deny" or "". */
struct slice decision_name(enum decision d);

#endif
