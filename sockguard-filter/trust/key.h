/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TRUST_KEY_H
#define SOCKGUARD_TRUST_KEY_H

#include <gnutls/abstract.h>

#include "base/error.h"
#include "base/slice.h"

/* A public key that signatures are verified with (chapter 07, A.2). */
struct trust_key {
        gnutls_pubkey_t key;
        char fingerprint[65]; /* lower-case hex of the SHA-256 of its SubjectPublicKeyInfo */
};

/*
 * Reads the first PEM block of the text: PUBLIC KEY (SubjectPublicKeyInfo) or RSA PUBLIC KEY (PKCS #1). Taken are RSA
 * of 2048 to 8192 bits, ECDSA on P-256, P-384 and P-521, and Ed25519. 0, then trust_key_free(); -EINVAL with *e saying
 * what is wrong.
 */
int trust_key_read(struct slice pem, struct trust_key *ret, struct error *e);
void trust_key_free(struct trust_key *k);

/*
 * Is `signature` one by this key over `artifact`, whose SHA-256 is `digest` (32 bytes)? ECDSA and RSA (PKCS #1 v1.5)
 * sign the digest, for every size of key; Ed25519 signs the artifact itself, never anything shorter. ECDSA signatures
 * are DER, or r and s side by side.
 */
bool trust_key_verify(const struct trust_key *k, struct slice artifact, const unsigned char digest[32],
                      struct slice signature);

#endif
