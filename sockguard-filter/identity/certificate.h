/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_IDENTITY_CERTIFICATE_H
#define SOCKGUARD_IDENTITY_CERTIFICATE_H

#include "base/strbuf.h"
#include "http/exchange.h"

/*
 * The selectors of one client_certificate_profiles[] entry or of one listener: lists of strings of the policy image, which the
 * compiler has trimmed, and pins in lower case (policy/effective.c).
 */
struct certificate_selectors {
        struct plist common_names, dns_names, ip_addresses, uri_sans, spiffe_ids, public_key_sha256_pins;
};

enum certificate_match {
        CERTIFICATE_UNSELECTIVE, /* no selector at all: an assignment does not match, a listener admits every certificate */
        CERTIFICATE_MATCH,
        CERTIFICATE_MISMATCH,
};

/*
 * Compares a verified leaf with the selectors (chapter 05, 1.4): kinds are ANDed, entries of a kind ORed. Names are compared
 * byte for byte, addresses as numbers, URIs with the scheme in lower case, pins in constant time. `c` NULL never matches.
 */
enum certificate_match certificate_match(const struct policy *p, const struct certificate_selectors *s,
                                         const struct peer_certificate *c);

/*
 * The hand-over from sockguard-tls to the filter: everything that was verified about the peer, in a memfd sealed against any
 * further change. Its number is in the environment variable PEER_FD_ENV of the filter, which only the program that starts it
 * can set; nothing of it can come from the connection.
 */
#define PEER_FD_ENV "SOCKGUARD_PEER_FD"
#define PEER_RECORD_MAX (256u * 1024) /* bytes */
#define PEER_NAMES_MAX 1024u          /* names of one kind in a certificate */

/* Writes `p` and its certificate into a new sealed memfd (close-on-exec). 0, -E2BIG, or another negative errno. */
int peer_record_write(const struct peer *p, int *ret_fd);

/*
 * Reads such a record and closes `fd`. The certificate lives as long as the process. 0; -EPERM when it is not a sealed
 * memfd; -EBADMSG when the record is malformed; -ENOMEM.
 */
int peer_record_read(int fd, struct peer *ret);

/*
 * If a hand-over was announced in the environment, reads it and removes the announcement. 1: *ret is the peer; 0: none was
 * announced; negative errno: announced but unusable, the connection must be closed.
 */
int peer_record_inherited(struct peer *ret);

#endif
