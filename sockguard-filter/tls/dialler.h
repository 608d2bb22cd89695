/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_DIALLER_H
#define SOCKGUARD_TLS_DIALLER_H

#include "base/error.h"
#include "policy/image.h"

/*
 * The filter's side of `sockguard-tls --upstream`: a program that holds the client key, dials TLS daemons on request
 * and hands over plaintext sockets. The channel is a SOCK_SEQPACKET pair: a request is one struct dial_request, an
 * answer one struct dial_answer with, on success, one descriptor (SCM_RIGHTS). This side links no TLS.
 */

#define DIALLER_FD 3        /* the channel, in the dialler */
#define DIALLER_POLICY_FD 4 /* the policy image, in the dialler */

struct dial_request {
        uint32_t serial; /* comes back in the answer: one that is late answers nobody */
        uint32_t endpoint;
        uint32_t timeout_ms; /* of connect and handshake together */
};

struct dial_answer {
        uint32_t serial;
        int32_t error;  /* 0 or a negative errno */
        char text[248]; /* why, NUL-terminated */
};

/*
 * Starts the dialler for the endpoints of `p`. Does not wait for it. 0; or negative errno, with a sentence in *err.
 */
int dialler_start(const struct policy *p, int *ret_channel, int *ret_pid, struct error *err);

/* Asks for a connection to this endpoint. 0 with a non-blocking, close-on-exec socket; -ETIMEDOUT; other negative
 * errno. */
int dialler_dial(int channel, unsigned endpoint, uint64_t deadline, int *ret_fd, struct error *err);

/* Starts a dialler, asks it once, and ends it. */
int dialler_probe(const struct policy *p, unsigned endpoint, uint64_t deadline, struct error *err);

#endif
