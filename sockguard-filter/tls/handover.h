/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_HANDOVER_H
#define SOCKGUARD_TLS_HANDOVER_H

#include "base/slice.h"

/*
 * What a terminator gives to the process that becomes the filter, in one message on a SOCK_SEQPACKET pair that both
 * inherited: the plaintext socket, and the record of who the peer is (identity/certificate.h). No TLS is linked here.
 */

/* Says that a connection has been accepted and that its handshake begins. 0 or negative errno. */
int handover_accepted(int channel);

/* Sends both; the socket stays the caller's. 0 or negative errno. */
int handover_send(int channel, int plain, struct slice record);

/*
 * Waits for them, without limit: a terminator that ends says so. 0 with *ret_len bytes in `record` and a close-on-exec
 * descriptor; -ECONNRESET the terminator ended without a client; -EBADMSG the record is longer than `room`; other
 * negative errno.
 */
int handover_receive(int channel, char *record, size_t room, size_t *ret_len, int *ret_plain);

/* ---- the pool: filters that are ready, and terminators that are made for them ---- */

#define TERMINATOR_FD_ENV "SOCKGUARD_TERMINATOR_FD" /* in a pool of filters: the channel to the keeper of the key */

/* Is this a pool behind TLS? The channel, or -1. */
int terminator_keeper(void);

/* Asks the keeper for a terminator. The channel to it, close-on-exec; or negative errno: the keeper has ended. */
int terminator_request(int keeper);

/* Waits until the terminator has accepted a connection. 0; -EINTR a signal; -ECONNRESET it has ended; other negative
 * errno. */
int terminator_wait(int channel);

#endif
