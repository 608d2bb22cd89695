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
        bool kept;  /* has carried an exchange, or was dialled beforehand: the daemon may have closed it since */
        bool bound; /* the daemon at `bound_to` was asked about the request: it goes there or nowhere */
        unsigned bound_to;
        char *buf; /* UPSTREAM_BUFFER bytes, the caller's */
};

#define UPSTREAM_INIT(buffer) \
        { .wire = WIRE_INIT, .set = ENDPOINT_SET_INIT, .buf = (buffer) }

/*
 * Makes sure that there is a connection: the kept one if the daemon has neither closed it nor sent anything unasked,
 * otherwise a new one. `fresh`: a new one in any case. 0; negative errno with what failed in *e; -ESTALE: only another
 * daemon than the one that this one is bound to would take it.
 */
int upstream_open(struct upstream *u, bool fresh, uint64_t deadline, struct error *e);

/* Dials before anybody asks, and again if the daemon has closed what was dialled. What fails now is told by who needs
 * it. */
void upstream_ready(struct upstream *u);

/*
 * The daemon has answered a question about the request: whose something is, what it may do. On another daemon of the
 * set the same name may be something else. Ends with upstream_release(), before the next request.
 */
static inline void upstream_bind(struct upstream *u) {
        u->bound = true;
        u->bound_to = u->endpoint;
}

static inline void upstream_release(struct upstream *u) {
        u->bound = false;
}

/* Drops the connection; the next upstream_open() dials. */
void upstream_close(struct upstream *u);

/* The connection broke while it was needed: others try the next endpoint first. */
void upstream_blame(struct upstream *u);

#endif
