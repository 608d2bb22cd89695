/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_ENDPOINT_H
#define SOCKGUARD_FILTER_ENDPOINT_H

#include "base/error.h"
#include "policy/image.h"

/*
 * Where the daemon is: the endpoints of the policy in their order of preference, which of them answer, and how to reach
 * one (chapter 02, 10.2). The active endpoint is the first that is known to be healthy, else the first nobody has tried
 * yet, else the first. What one filter finds out it writes into the shared state, so that the next one does not find it
 * out again; the companion's probes bring an endpoint back.
 *
 * Unix and TCP endpoints are dialled here. A TLS endpoint is dialled by `sockguard-tls --upstream`, which is started
 * once a connection, before the sandbox closes, and then hands over one plaintext socket a dial: the client key is
 * never here.
 */

#define ENDPOINTS_MAX 32u
#define ENDPOINT_ADDRESSES_MAX 4u /* of one host name */

struct endpoint;  /* endpoint.c */
struct state_map; /* limits/state.h */

struct endpoint_set {
        const struct policy *policy;
        unsigned n;
        struct endpoint *at;      /* owned */
        struct state_map *shared; /* NULL: this filter's own knowledge only */
        int dialler;              /* channel to sockguard-tls, -1: no TLS endpoint */
        int dialler_pid;
};

#define ENDPOINT_SET_INIT \
        { .dialler = -1 }

/*
 * Reads the endpoints of `p` (which must stay mapped; endpoints never change in a reload), resolves the host names
 * among them, and starts the TLS dialler if one is needed. Must run before the sandbox. `shared` may be NULL. 0;
 * -EINVAL no endpoint or too many; -ENOMEM; another negative errno when the dialler cannot be started. A host name that
 * does not resolve, or not within three seconds for all of them, is no error here: that endpoint fails when it is
 * dialled.
 */
int endpoints_open(struct endpoint_set *e, const struct policy *p, struct state_map *shared, struct error *err);

/* Are all endpoints of `p` unix sockets? Then what endpoints_open() finds may be inherited: there is no name whose
 * address may change. */
bool endpoints_all_local(const struct policy *p);

/* Closes the channel, so that the dialler ends once its streams have. */
void endpoints_close(struct endpoint_set *e);

/*
 * Connects to the active endpoint; when that fails marks it and goes on to the next, each at most once, all within
 * `deadline` (CLOCK_MONOTONIC). Nothing has been sent to any of them, so no request is repeated.
 * 0 with a non-blocking, close-on-exec stream socket that carries plaintext, and the endpoint's number; or the negative
 * errno of the last attempt, with a sentence in *err. -ETIMEDOUT when the time is up.
 */
int endpoints_dial(struct endpoint_set *e, uint64_t deadline, int *ret_fd, unsigned *ret_endpoint, struct error *err);

/*
 * A live request found the connection to this endpoint broken (not: the client went away, a deadline of the request
 * expired). With two endpoints or more it is not chosen again until a probe succeeds.
 */
void endpoints_failed(struct endpoint_set *e, unsigned endpoint);

/* Number of the endpoint that the next dial tries first. */
unsigned endpoints_active(const struct endpoint_set *e);

/* "unix://...", "tcp://..." or "tcp+tls://..." for logs; a view of the policy. */
struct slice endpoints_name(const struct endpoint_set *e, unsigned endpoint);

/*
 * One probe: connect, and for TLS handshake, then close. For the companion; blocks until `deadline` at most. 0 it
 * answers; negative errno with a sentence in *err.
 */
int endpoint_probe(const struct policy *p, unsigned endpoint, uint64_t deadline, struct error *err);

#endif
