/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_REPORT_H
#define SOCKGUARD_TLS_REPORT_H

#include "http/exchange.h"
#include "telemetry/access.h"

/*
 * One record for each connection that did not become a request: a warning in the log and, when it is enabled, an audit
 * record. They go where those of the filter go, and the outputs are opened before the sandbox.
 */
struct report {
        struct telemetry to;
        struct slice listener;
};

/*
 * `connection` is the client's socket: nothing is ever written to a descriptor that is the same socket (DECISIONS 10).
 * 0; negative errno when an output cannot be opened.
 */
int report_open(const struct policy *p, struct slice listener, int connection, struct report *ret, struct error *e);

/* `code` is one word, `why` a sentence; both for people and their tools. */
void report_refused(struct report *r, const struct peer *peer, const char *code, const char *why);

/* Something for the operator: `event`, and why unless it is empty. */
void report_event(struct report *r, enum level level, const char *event, struct slice why);

#endif
