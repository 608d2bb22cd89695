/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/key.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/unicode.h"

#define RSA_BITS_MIN 2048u
#define RSA_BITS_MAX 8192u

static gnutls_datum_t datum(struct slice s) {
        return (gnutls_datum_t){ .data = (unsigned char *) (uintptr_t) s.at, .size = (unsigned) s.len };
}

/* ---- the little DER that GnuTLS does not read for us ---- */

/* Takes one element of the tag off *s: its content. */
static bool der_take(struct slice *s, unsigned char tag, struct slice *ret) {
        size_t n, head = 2;

        if (s->len < 2 || (unsigned char) s->at[0] != tag)
                return false;
        n = (unsigned char) s->at[1];
        if (n >= 0x80) {
                size_t octets = n & 0x7f;

                if (octets == 0 || octets > 2 || s->len < 2 + octets)
                        return false;
                n = 0;
                for (size_t i = 0; i < octets; i++)
                        n = n << 8 | (unsigned char) s->at[2 + i];
                head += octets;
        }
        if (n > s->len - head)
                return false;
        *ret = slice_make(s->at + head, n);
        *s = slice_from(*s, head + n);
        return true;
}

#define DER_INTEGER 0x02
#define DER_SEQUENCE 0x30

/* SEQUENCE { INTEGER, INTEGER } at the beginning: an ECDSA signature, or an RSA key by PKCS #1. */
static bool der_two_integers(struct slice s, struct slice *ret_a, struct slice *ret_b) {
        struct slice sequence;

        return der_take(&s, DER_SEQUENCE, &sequence) && der_take(&sequence, DER_INTEGER, ret_a) &&
               der_take(&sequence, DER_INTEGER, ret_b);
}

/* ---- keys ---- */

/* "BEGIN PUBLIC KEY" of the first block, without the dashes and the verb. */
static struct slice first_label(struct slice pem) {
        static const char begin[] = "-----BEGIN ";
        struct slice label, rest;

        for (size_t i = 0; i + sizeof(begin) - 1 <= pem.len; i++)
                if (memcmp(pem.at + i, begin, sizeof(begin) - 1) == 0) {
                        ssize_t end;

                        rest = slice_from(pem, i + sizeof(begin) - 1);
                        end = slice_find(rest, '-');
                        label = slice_upto(rest, end < 0 ? 0 : (size_t) end);
                        return label;
                }
        return SLICE("");
}

static int import_pkcs1(struct slice pem, gnutls_pubkey_t key) {
        gnutls_datum_t text = datum(pem), der = { 0 }, m, e;
        struct slice n, exponent;
        int r = gnutls_pem_base64_decode2("RSA PUBLIC KEY", &text, &der);

        if (r < 0)
                return r;
        r = GNUTLS_E_ASN1_DER_ERROR;
        if (der_two_integers(slice_make((const char *) der.data, der.size), &n, &exponent)) {
                m = datum(n);
                e = datum(exponent);
                r = gnutls_pubkey_import_rsa_raw(key, &m, &e);
        }
        gnutls_free(der.data);
        return r;
}

static int check_rsa(gnutls_pubkey_t key, unsigned bits, struct error *e) {
        gnutls_datum_t m = { 0 }, exponent = { 0 };
        bool good;

        if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
                return error_set(e, -EINVAL, "an RSA key has %u to %u bits, not %u", RSA_BITS_MIN, RSA_BITS_MAX, bits);
        if (gnutls_pubkey_export_rsa_raw(key, &m, &exponent) < 0)
                return error_set(e, -EINVAL, "the RSA key cannot be read");
        good = exponent.size > 0 && (exponent.data[exponent.size - 1] & 1) &&
               (exponent.size > 1 || exponent.data[0] >= 3);
        gnutls_free(m.data);
        gnutls_free(exponent.data);
        return good ? 0 : error_set(e, -EINVAL, "the RSA key's exponent is not odd and 3 or more");
}

static int check_kind(gnutls_pubkey_t key, struct error *e) {
        gnutls_ecc_curve_t curve;
        unsigned bits = 0;

        switch (gnutls_pubkey_get_pk_algorithm(key, &bits)) {
        case GNUTLS_PK_RSA:
                return check_rsa(key, bits, e);
        case GNUTLS_PK_ECDSA:
                if (gnutls_pubkey_export_ecc_raw(key, &curve, NULL, NULL) < 0 ||
                    (curve != GNUTLS_ECC_CURVE_SECP256R1 && curve != GNUTLS_ECC_CURVE_SECP384R1 &&
                     curve != GNUTLS_ECC_CURVE_SECP521R1))
                        return error_set(e, -EINVAL, "an elliptic curve is P-256, P-384 or P-521");
                return 0;
        case GNUTLS_PK_EDDSA_ED25519:
                return 0;
        default:
                return error_set(e, -EINVAL, "a signing key is RSA, ECDSA or Ed25519");
        }
}

static int fingerprint(gnutls_pubkey_t key, char to[65]) {
        static const char digits[] = "0123456789abcdef";
        unsigned char sum[32];
        gnutls_datum_t der = { 0 };
        int r = gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der);

        if (r < 0)
                return -EINVAL;
        r = gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, sum);
        gnutls_free(der.data);
        if (r < 0)
                return -EINVAL;
        for (size_t i = 0; i < sizeof(sum); i++) {
                to[2 * i] = digits[sum[i] >> 4];
                to[2 * i + 1] = digits[sum[i] & 15];
        }
        to[64] = '\0';
        return 0;
}

int trust_key_read(struct slice pem, struct trust_key *ret, struct error *e) {
        struct slice label;
        gnutls_datum_t text;
        int r;

        pem = unicode_trim(pem);
        label = first_label(pem);
        text = datum(pem);
        if (gnutls_pubkey_init(&ret->key) < 0)
                return error_errno(e, -ENOMEM, "cannot read a key");
        if (slice_eq(label, SLICE("PUBLIC KEY")))
                r = gnutls_pubkey_import(ret->key, &text, GNUTLS_X509_FMT_PEM);
        else if (slice_eq(label, SLICE("RSA PUBLIC KEY")))
                r = import_pkcs1(pem, ret->key);
        else
                r = GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR;
        if (r < 0)
                r = error_set(e, -EINVAL, "not a PEM block PUBLIC KEY or RSA PUBLIC KEY: %s", gnutls_strerror(r));
        else
                r = check_kind(ret->key, e);
        if (r == 0 && fingerprint(ret->key, ret->fingerprint) < 0)
                r = error_set(e, -EINVAL, "the key has no fingerprint");
        if (r < 0)
                trust_key_free(ret);
        return r;
}

void trust_key_free(struct trust_key *k) {
        if (k->key)
                gnutls_pubkey_deinit(k->key);
        k->key = NULL;
}

/* ---- signatures ---- */

static bool verify_ecdsa(gnutls_pubkey_t key, const gnutls_datum_t *hash, struct slice signature) {
        gnutls_datum_t whole = datum(signature), der = { 0 }, r, s;
        struct slice a, b;
        bool good;

        if (der_two_integers(signature, &a, &b))
                return gnutls_pubkey_verify_hash2(key, GNUTLS_SIGN_ECDSA_SHA256, 0, hash, &whole) >= 0;
        if (signature.len == 0 || signature.len > 132 || signature.len % 2 != 0)
                return false;
        r = datum(slice_upto(signature, signature.len / 2));
        s = datum(slice_from(signature, signature.len / 2));
        if (gnutls_encode_rs_value(&der, &r, &s) < 0)
                return false;
        good = gnutls_pubkey_verify_hash2(key, GNUTLS_SIGN_ECDSA_SHA256, 0, hash, &der) >= 0;
        gnutls_free(der.data);
        return good;
}

bool trust_key_verify(const struct trust_key *k, struct slice artifact, const unsigned char digest[32],
                      struct slice signature) {
        gnutls_datum_t hash = { .data = (unsigned char *) (uintptr_t) digest, .size = 32 }, sig = datum(signature),
                       data = datum(artifact);

        if (artifact.len == 0 || signature.len == 0 || artifact.len > UINT32_MAX || signature.len > UINT32_MAX)
                return false;
        switch (gnutls_pubkey_get_pk_algorithm(k->key, NULL)) {
        case GNUTLS_PK_ECDSA:
                return verify_ecdsa(k->key, &hash, signature);
        case GNUTLS_PK_RSA:
                return gnutls_pubkey_verify_hash2(k->key, GNUTLS_SIGN_RSA_SHA256, 0, &hash, &sig) >= 0;
        case GNUTLS_PK_EDDSA_ED25519:
                return gnutls_pubkey_verify_data2(k->key, GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &sig) >= 0;
        default:
                return false;
        }
}
