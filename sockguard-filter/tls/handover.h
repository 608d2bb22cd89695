/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_HANDOVER_H
#define SOCKGUARD_TLS_HANDOVER_H

/*
 * What a terminator gives to the process that becomes the filter, in one message on a SOCK_SEQPACKET pair that both inherited: the
 * plaintext socket and the sealed record of who the peer is (identity/certificate.h). No TLS is linked here.
 */

/* Sends both descriptors; they stay the caller's. 0 or negative errno. */
int handover_send(int channel, int plain, int record);

/*
 * Waits for them, without limit: a terminator that ends says so. 0 with two close-on-exec descriptors; -ECONNRESET the terminator
 * ended without a client; other negative errno.
 */
int handover_receive(int channel, int *ret_plain, int *ret_record);

#endif
