/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_UPSTREAM_H
#define SOCKGUARD_FILTER_UPSTREAM_H

#include "filter/endpoint.h"
#include "filter/wire.h"
#include "http/head.h"

#define UPSTREAM_DIAL_NS (5 * NSEC_PER_SEC)
#define UPSTREAM_PATIENCE_NS (20 * NSEC_PER_MSEC) /* of waiting for an answer with nothing else in mind */
#define UPSTREAM_BUFFER (HTTP_RESPONSE_HEAD_MAX + WIRE_BLOCK)

/* The one connection to the daemon that a filter keeps. Never shared between processes. */
struct upstream {
        struct wire wire;
        struct endpoint_set set; /* where it may go */
        unsigned endpoint;       /* where it went */
        bool local;              /* a unix socket: sending to a daemon that hung up fails at once */
        bool used;               /* has carried an exchange: the daemon may close it at any moment */
        char *buf;               /* UPSTREAM_BUFFER bytes, the caller's */
};

#define UPSTREAM_INIT(buffer) { .wire = WIRE_INIT, .set = ENDPOINT_SET_INIT, .buf = (buffer) }

/*
 * Makes sure that there is a connection: the kept one if the daemon has neither closed it nor sent anything unasked (as far as we
 * know: a local one is not asked, for there the first send tells), otherwise a new one. `fresh`: a new one in any case. 0; negative errno with what failed in *e.
 */
int upstream_open(struct upstream *u, bool fresh, uint64_t deadline, struct error *e);

/* Drops the connection; the next upstream_open() dials. */
void upstream_close(struct upstream *u);

/* The connection broke while it was needed: others try the next endpoint first. */
void upstream_blame(struct upstream *u);

#endif
