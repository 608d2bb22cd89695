/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_HINTS_H
#define SOCKGUARD_TLS_HINTS_H

#include <gnutls/gnutls.h>

#include "tls/chain.h"

/*
 * Which certificates a client will probably show: those that the last one from its address showed. While a client
 * computes its answer to our half of the handshake a terminator has nothing to do; so it verifies what it expects, and
 * when just that comes, byte for byte, the verdict is there already.
 *
 * The page is shared by the terminators of a pool, each of which can write anything into it. That is harmless: a hint
 * is bytes that any client could have sent, is parsed with the same care, and says nothing about who anybody is.
 * Nobody's verdict is ever shared.
 */
struct hints;

/* In the keeper of a pool. NULL when there is no memory: then nobody guesses. */
struct hints *hints_new(void);

struct hint {
        unsigned n; /* 0: no idea */
        gnutls_datum_t chain[CHAIN_MAX];
        unsigned char bytes[4096];
};

/* What the last client from the peer's address has shown. `h` NULL is allowed, here and below. */
void hints_look_up(const struct hints *h, const struct peer *p, struct hint *ret);

/* Remembers what a client has shown. A chain that is longer than a hint holds is not remembered. */
void hints_store(struct hints *h, const struct peer *p, const gnutls_datum_t *chain, unsigned n);

/* Is it the same chain? */
bool hint_is(const struct hint *hint, const gnutls_datum_t *chain, unsigned n);

#endif
