/* SPDX-License-Identifier: Apache-2.0 */

#include "tls/chain.h"
#include "tls/leaf.h"

#define KEY_BITS_MAX 16384u /* a signature by a larger key takes longer to verify than it is worth */

static struct tls_refusal refusal_of_status(unsigned status) {
        static const struct {
                unsigned bit;
                struct tls_refusal why;
        } rows[] = {
                { GNUTLS_CERT_REVOKED, { "tls_client_certificate_revoked", "the client's certificate is revoked" } },
                { GNUTLS_CERT_SIGNER_NOT_FOUND,
                  { "tls_client_certificate_untrusted", "no trusted authority has issued the client's certificate" } },
                { GNUTLS_CERT_SIGNATURE_FAILURE,
                  { "tls_client_certificate_untrusted", "a signature in the client's certificate chain is wrong" } },
                { GNUTLS_CERT_SIGNER_NOT_CA,
                  { "tls_client_certificate_untrusted",
                    "an issuer in the client's certificate chain is no authority" } },
                { GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE,
                  { "tls_client_certificate_untrusted",
                    "the client's certificate chain breaks a constraint of its authority, or is too long" } },
                { GNUTLS_CERT_EXPIRED,
                  { "tls_client_certificate_expired",
                    "the client's certificate, or one of its issuers, has expired" } },
                { GNUTLS_CERT_NOT_ACTIVATED,
                  { "tls_client_certificate_not_yet_valid", "the client's certificate is not valid yet" } },
                { GNUTLS_CERT_PURPOSE_MISMATCH,
                  { "tls_client_certificate_purpose", "the client's certificate is not for client authentication" } },
                { GNUTLS_CERT_INSECURE_ALGORITHM,
                  { "tls_client_certificate_weak", "the client's certificate chain uses a weak key or algorithm" } },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (status & rows[i].bit)
                        return rows[i].why;
        return REFUSAL("tls_client_certificate_invalid", "the client's certificate cannot be verified");
}

static void refuse(struct chain_verdict *v, int error, struct tls_refusal why) {
        *v = (struct chain_verdict){ .error = error, .why = why };
}

/* 0, or a GnuTLS error. */
static int import(const gnutls_datum_t *chain, unsigned n, gnutls_x509_crt_t *ret) {
        unsigned bits = 0;
        int r = 0;

        for (unsigned i = 0; i < n && r >= 0; i++) {
                r = gnutls_x509_crt_init(&ret[i]);
                if (r >= 0)
                        r = gnutls_x509_crt_import(ret[i], &chain[i], GNUTLS_X509_FMT_DER);
                if (r >= 0)
                        r = gnutls_x509_crt_get_pk_algorithm(ret[i], &bits);
                if (r >= 0 && bits > KEY_BITS_MAX)
                        r = GNUTLS_E_CONSTRAINT_ERROR;
        }
        return r;
}

static void judge(gnutls_x509_trust_list_t trusted, gnutls_x509_crt_t *crt, const gnutls_datum_t *chain, unsigned n,
                  struct arena *a, struct chain_verdict *ret) {
        gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
                                          .data = (unsigned char *) (uintptr_t) GNUTLS_KP_TLS_WWW_CLIENT };
        unsigned status = 0;
        int r;

        r = import(chain, n, crt);
        if (r < 0)
                return refuse(
                        ret, GNUTLS_E_CERTIFICATE_ERROR,
                        r == GNUTLS_E_CONSTRAINT_ERROR
                                ? REFUSAL("tls_client_certificate_chain",
                                          "a key in the client's certificate chain is too large")
                                : REFUSAL("tls_client_certificate_invalid", "the client's certificate cannot be read"));
        r = gnutls_x509_trust_list_verify_crt2(trusted, crt, n, &purpose, 1,
                                               GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM), &status, NULL);
        if (r < 0)
                return refuse(ret, GNUTLS_E_CERTIFICATE_ERROR,
                              REFUSAL("tls_client_certificate_invalid", "the client's certificate cannot be verified"));
        if (status != 0)
                return refuse(ret, GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR, refusal_of_status(status));

        *ret = (struct chain_verdict){};
        if (leaf_read_certificate(crt[0], slice_make((const char *) chain[0].data, chain[0].size), a,
                                  &ret->certificate) < 0)
                refuse(ret, GNUTLS_E_CERTIFICATE_ERROR,
                       REFUSAL("tls_client_certificate_invalid",
                               "the names in the client's certificate cannot be read, or are too many"));
}

void chain_verify(gnutls_x509_trust_list_t trusted, const gnutls_datum_t *chain, unsigned n, struct arena *a,
                  struct chain_verdict *ret) {
        gnutls_x509_crt_t crt[CHAIN_MAX] = {};

        if (n == 0)
                return refuse(ret, GNUTLS_E_CERTIFICATE_REQUIRED,
                              REFUSAL("tls_client_certificate_missing", "the client has sent no certificate"));
        if (n > CHAIN_MAX)
                return refuse(ret, GNUTLS_E_CERTIFICATE_ERROR,
                              REFUSAL("tls_client_certificate_chain", "the client's certificate chain is too long"));
        judge(trusted, crt, chain, n, a, ret);
        for (unsigned i = 0; i < n; i++)
                if (crt[i])
                        gnutls_x509_crt_deinit(crt[i]);
}
