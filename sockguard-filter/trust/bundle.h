/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TRUST_BUNDLE_H
#define SOCKGUARD_TRUST_BUNDLE_H

#include "base/arena.h"
#include "base/error.h"

#define BUNDLE_MAX (1u << 20) /* bytes of a bundle's JSON */

struct bundle_verdict {
        char signer[80];          /* "keyed:" and the fingerprint of the key that it was */
        unsigned char digest[32]; /* SHA-256 of the artifact */
};

/*
 * Is `bundle`, a Sigstore bundle (chapter 07, A.3), a signature over the bytes of `artifact` by one of the keys
 * (`n_pems` PEM texts, tried in their order)? Only message signatures count: an attestation says something about the
 * bytes, not that they are approved of. Log entries must be well-formed and are not asked: with a key of one's own they
 * prove nothing more.
 *
 * 0; -EBADMSG the bundle is malformed; -EKEYREJECTED no key made it; -EINVAL a key is no key. *e says which and why.
 */
int bundle_verify(struct slice artifact, struct slice bundle, const struct slice *pems, size_t n_pems, struct arena *a,
                  struct bundle_verdict *ret, struct error *e);

#endif
