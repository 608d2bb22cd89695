/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_CHAIN_H
#define SOCKGUARD_TLS_CHAIN_H

#include <gnutls/x509.h>

#include "base/arena.h"
#include "http/exchange.h"

#define CHAIN_MAX 8u /* certificates from the leaf to the trusted one */

/* Why a connection was refused: a word for tools, a sentence for people. Static texts. */
struct tls_refusal {
        const char *code, *why;
};

#define REFUSAL(word, sentence) ((struct tls_refusal){ word, sentence })

/* What is to be said about a chain, whoever the listener's selectors admit. */
struct chain_verdict {
        int error;                           /* 0, or the GnuTLS error that the handshake is to end with */
        struct tls_refusal why;              /* with an error */
        struct peer_certificate certificate; /* the leaf; without one */
};

/*
 * Verifies the `n` certificates of a client, leaf first, in DER: validity, signatures up to one of `trusted`, use for
 * client authentication, strength; then reads the leaf's names into `a`.
 */
void chain_verify(gnutls_x509_trust_list_t trusted, const gnutls_datum_t *chain, unsigned n, struct arena *a,
                  struct chain_verdict *ret);

#endif
