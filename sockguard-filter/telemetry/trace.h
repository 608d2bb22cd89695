/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TELEMETRY_TRACE_H
#define SOCKGUARD_TELEMETRY_TRACE_H

#include "http/exchange.h"

/*
 * Names of a request: fills in x->request_id, x->client_request_id and x->trace from fresh randomness and from the head
 * (chapter 02, 12; chapter 06, 5.7). The client's own id is kept for the log and never trusted; its trace context is
 * continued when it is valid by the letter. Cannot fail.
 */
void trace_begin(struct exchange *x);

/* Random bytes from a small pool that the kernel fills, so that most requests cost no system call. Never blocks. */
void trace_random(void *buf, size_t n);

#endif
