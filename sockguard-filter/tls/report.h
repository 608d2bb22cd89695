/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_REPORT_H
#define SOCKGUARD_TLS_REPORT_H

#include "http/exchange.h"

/*
 * One record for each connection that did not become a request: a warning in the log and, when it is enabled, an audit record.
 * The descriptors are opened before the sandbox.
 */
struct report {
        int log, audit;      /* -1: syslog / none */
        bool log_text;       /* log.format: text */
        bool syslog;
        struct slice listener;
};

/* `connection` is the client's socket: nothing is ever written to a descriptor that is the same socket (DECISIONS 10). */
void report_open(const struct policy *p, struct slice listener, int connection, struct report *ret);

/* `code` is one word, `why` a sentence; both for people and their tools. */
void report_refused(const struct report *r, const struct peer *peer, const char *code, const char *why);

#endif
