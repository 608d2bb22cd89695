/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_LEAF_H
#define SOCKGUARD_TLS_LEAF_H

#include <gnutls/x509.h>

#include "base/arena.h"
#include "http/exchange.h"

/*
 * Reads out of a DER certificate what selectors look at (chapter 05, 1.4): the last common name of the subject,
 * trimmed; DNS, URI and IP alternative names as they are; SHA-256 over the complete SubjectPublicKeyInfo. Only for a
 * certificate whose chain was verified. Everything lives in `a`. 0; -EBADMSG not a certificate; -E2BIG more than
 * PEER_NAMES_MAX names of a kind.
 */
int leaf_read(struct slice der, struct arena *a, struct peer_certificate *ret);

/* The same of a certificate that `crt` was imported from. */
int leaf_read_certificate(gnutls_x509_crt_t crt, struct slice der, struct arena *a, struct peer_certificate *ret);

/* The SubjectPublicKeyInfo in a DER certificate (RFC 5280, 4.1), tag and length included. 0 or -EBADMSG. */
int leaf_public_key(struct slice der, struct slice *ret);

#endif
