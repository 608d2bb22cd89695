/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_IDENTITY_CERTIFICATE_H
#define SOCKGUARD_IDENTITY_CERTIFICATE_H

#include "base/strbuf.h"
#include "http/exchange.h"

/*
 * The selectors of one client_certificate_profiles[] entry or of one listener: lists of strings of the policy image,
 * which the compiler has trimmed, and pins in lower case (policy/effective.c).
 */
struct certificate_selectors {
        struct plist common_names, dns_names, ip_addresses, uri_sans, spiffe_ids, public_key_sha256_pins;
};

enum certificate_match {
        CERTIFICATE_UNSELECTIVE, /* no selector at all: an assignment does not match, a listener admits every
                                    certificate */
        CERTIFICATE_MATCH,
        CERTIFICATE_MISMATCH,
};

/*
 * Compares a verified leaf with the selectors (chapter 05, 1.4): kinds are ANDed, entries of a kind ORed. Names are
 * compared byte for byte, addresses as numbers, URIs with the scheme in lower case, pins in constant time. `c` NULL
 * never matches.
 */
enum certificate_match certificate_match(const struct policy *p, const struct certificate_selectors *s,
                                         const struct peer_certificate *c);

/*
 * The record of a peer: everything that sockguard-tls has verified about it, as bytes. In a pool the terminator sends
 * it to the filter over their channel (tls/handover.h). Across an exec it is a memfd, sealed against any further
 * change, whose number is in the environment variable PEER_FD_ENV of the filter; only the program that starts the
 * filter can set that. Nothing of it can come from the connection.
 */
#define PEER_FD_ENV "SOCKGUARD_PEER_FD"
#define PEER_RECORD_MAX (128u * 1024) /* bytes; less than a socket takes in one message */
#define PEER_NAMES_MAX 1024u          /* names of one kind in a certificate */

/* Appends the record of `p` and its certificate. 0, or -E2BIG, after which *ret holds nothing useful. */
int peer_record_format(const struct peer *p, struct strbuf *ret);

/*
 * Reads such a record. The certificate refers to its bytes, which must stay; what is allocated besides is
 * peer_record_release()'s. 0; -EBADMSG when it is malformed; -ENOMEM.
 */
int peer_record_parse(struct slice record, struct peer *ret);

/* Gives back what peer_record_parse() allocated. A filter does not: the identity lives as long as the process. */
void peer_record_release(struct peer *p);

/* Puts a record into a new sealed memfd (close-on-exec). 0 or negative errno. */
int peer_record_seal(struct slice record, int *ret_fd);

/*
 * If a hand-over was announced in the environment, reads it and removes the announcement. 1: *ret is the peer, for as
 * long as the process lives; 0: none was announced; -EPERM it is no sealed memfd; -EBADMSG or other negative errno: the
 * connection must be closed.
 */
int peer_record_inherited(struct peer *ret);

#endif
