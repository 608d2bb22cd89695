/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_RELAY_H
#define SOCKGUARD_TLS_RELAY_H

#include <gnutls/gnutls.h>

#include "base/slice.h"

#define RELAY_BLOCK (64u * 1024) /* plaintext taken at a time, bytes */
#define RELAY_WIRE \
        (RELAY_BLOCK + 16u * 1024) /* the same as records: 22 bytes each, and room for alerts and key updates */

/*
 * A TLS session over a non-blocking socket, with our own buffers between the two, so that the socket is read and
 * written in large pieces and not record by record. Where the kernel does the records (kTLS) GnuTLS keeps the socket to
 * itself.
 */
struct tls_stream {
        gnutls_session_t session;
        int fd;
        bool direct;               /* kTLS: no buffers of ours */
        bool closed;               /* the socket delivered its end */
        size_t in_start, in_end;   /* received, not yet seen by GnuTLS */
        uint64_t taken;            /* bytes that GnuTLS has taken of what was received */
        size_t out_start, out_end; /* records not yet sent */
        char in[RELAY_WIRE], out[RELAY_WIRE];
};

/* Puts the buffers between `session` and `fd`. The structure must not move afterwards. */
void tls_stream_attach(struct tls_stream *t, gnutls_session_t session, int fd);

/* Before the handshake, when the kernel has kTLS: GnuTLS talks to the socket itself, and may then hand the keys to the
 * kernel. */
void tls_stream_attach_direct(struct tls_stream *t, gnutls_session_t session, int fd);

/* Does this kernel offer kTLS to us? Reads /proc: before the sandbox. */
bool tls_kernel_offers(void);

/* After the handshake: stays direct if the kernel took over both directions, else puts our buffers in. */
void tls_stream_settle(struct tls_stream *t);

/* Sends what waits in `out`. 0 all sent; -EAGAIN; other negative errno. */
int tls_stream_flush(struct tls_stream *t);

/*
 * Runs the handshake until `deadline` (CLOCK_MONOTONIC). `idle`, unless NULL, is called once, when something of ours is
 * out and the peer has to answer. 0; -ETIMEDOUT; -EPROTO with the GnuTLS error in *ret_error, after the fitting alert
 * was sent.
 */
int tls_stream_handshake(struct tls_stream *t, uint64_t deadline, void (*idle)(void *arg), void *arg, int *ret_error);

/* What a session's plaintext goes through; large, and one a process. */
struct relay;

/*
 * Between the session and one end of a plaintext socket pair. What the peer has sent already is in the socket on
 * return, so that who gets the other end finds it there.
 */
struct relay *tls_relay_start(struct tls_stream *t, int plain);

/*
 * Carries bytes until both directions have ended, each with its own end: close_notify becomes a half-close and the
 * reverse. A stream that breaks off without close_notify ends both at once, so that a truncated message never looks
 * complete. Has no time limits of its own while both ends are there; those are the filter's. Closes both descriptors.
 */
void tls_relay_run(struct relay *r);

#endif
