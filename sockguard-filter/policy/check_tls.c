/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates, keys and what names them: read here so that a listener cannot start without them (chapter
 * 01, 3.3, 3.11).
 */
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unicode.h"
#include "policy/address.h"
#include "policy/check.h"
#include "policy/regex.h"
#include "trust/key.h"

#define PEM_FILE_MAX (1024 * 1024) /* bytes; an admin candidate may name any file */

/* Reads a regular file into the arena; the datum is NUL-terminated. 0 or a negative errno. */
static int read_pem(struct config *c, struct pstr path, gnutls_datum_t *ret) {
        struct slice name = text_of(c, path);
        int fd = open(name.at, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = 0;
        struct stat st;
        size_t n = 0, size;
        char *at;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PEM_FILE_MAX) {
                close(fd);
                return -EINVAL;
        }
        size = (size_t) st.st_size;
        at = arena_alloc(&c->arena, size + 1);
        while (n < size && r == 0) {
                ssize_t got = read(fd, at + n, size - n);

                if (got > 0)
                        n += (size_t) got;
                else if (got == 0)
                        break;
                else if (errno != EINTR)
                        r = -errno;
        }
        close(fd);
        *ret = (gnutls_datum_t){ .data = (unsigned char *) at, .size = (unsigned) n };
        return r;
}

static bool read_or_complain(struct config *c, struct pstr *path, gnutls_datum_t *ret) {
        int r = read_pem(c, *path, ret);

        if (r < 0)
                complain(c, path, "cannot be read: %s",
                         r == -EINVAL ? "not a regular file of at most 1 MiB" : strerror(-r));
        return r == 0;
}

static void check_certificates(struct config *c, struct pstr *path, const gnutls_datum_t *pem) {
        gnutls_x509_crt_t *list;
        unsigned n = 0;

        if (gnutls_x509_crt_list_import2(&list, &n, pem, GNUTLS_X509_FMT_PEM, 0) < 0)
                return complain(c, path, "holds no PEM certificate");
        for (unsigned i = 0; i < n; i++)
                gnutls_x509_crt_deinit(list[i]);
        gnutls_free(list);
}

void check_tls_files(struct config *c, struct opt_tls *t) {
        gnutls_certificate_credentials_t cred;
        gnutls_datum_t cert, key, ca;
        int r;

        if (!check_not_blank(c, t->common_names, "common name") || !check_not_blank(c, t->dns_names, "DNS name") ||
            !check_ips(c, t->ip_addresses) || !check_uris(c, t->uri_sans) || !check_pins(c, t->public_key_sha256_pins))
                return;
        if (c->source.no_files)
                return;
        if (!read_or_complain(c, &t->cert_file, &cert) || !read_or_complain(c, &t->client_ca_file, &ca))
                return;
        /* The companion is not to have the key: sockguard-tls reads it as root, and nobody else needs to. */
        if (geteuid() != 0 && read_pem(c, t->key_file, &key) == -EACCES) {
                warn(c, &t->key_file, "cannot be read by this user; whether it fits cert_file is not checked");
                check_certificates(c, &t->cert_file, &cert);
                return check_certificates(c, &t->client_ca_file, &ca);
        }
        if (!read_or_complain(c, &t->key_file, &key))
                return;
        if (gnutls_certificate_allocate_credentials(&cred) < 0)
                return complain(c, &t->cert_file, "cannot be checked: out of memory");
        r = gnutls_certificate_set_x509_key_mem2(cred, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
        if (r < 0)
                complain(c, &t->cert_file, "does not make a pair with key_file: %s", gnutls_strerror(r));
        else if (gnutls_certificate_set_x509_trust_mem(cred, &ca, GNUTLS_X509_FMT_PEM) <= 0)
                complain(c, &t->client_ca_file, "holds no PEM certificate");
        gnutls_certificate_free_credentials(cred);
}

bool check_not_blank(struct config *c, struct plist list, const char *what) {
        struct pstr *at = list_of(c, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++)
                if (unicode_trim(text_of(c, at[i])).len == 0) {
                        complain(c, at + i, "a %s must not be blank", what);
                        return false;
                }
        return true;
}

bool check_ips(struct config *c, struct plist list) {
        struct pstr *at = list_of(c, list, struct pstr);
        struct ip_address ip;

        for (uint32_t i = 0; i < list.n; i++) {
                struct slice text = unicode_trim(text_of(c, at[i])), address, zone;

                if (ip_parse(text, &ip) == 0)
                        continue;
                if (slice_cut(text, '%', &address, &zone) && zone.len && slice_find(address, ':') >= 0 &&
                    ip_parse(address, &ip) == 0) {
                        warn(c, at + i, "never matches: an address in a certificate has no zone");
                        continue;
                }
                complain(c, at + i, "must be an IP address, without a prefix length");
                return false;
        }
        return true;
}

bool check_uris(struct config *c, struct plist list) {
        struct pstr *at = list_of(c, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++)
                if (!uri_valid(unicode_trim(text_of(c, at[i])))) {
                        complain(c, at + i, "must be an absolute URI");
                        return false;
                }
        return true;
}

bool check_pins(struct config *c, struct plist list) {
        struct pstr *at = list_of(c, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++)
                if (!pin_valid(text_of(c, at[i]))) {
                        complain(c, at + i, "must be 64 hex digits, the SHA-256 of a public key");
                        return false;
                }
        return true;
}

/* ---- signatures ---- */

static bool public_key_valid(struct slice pem) {
        struct trust_key key;
        struct error ignored;

        if (trust_key_read(pem, &key, &ignored) < 0)
                return false;
        trust_key_free(&key);
        return true;
}

void check_trust_roots(struct config *c, struct plist keys, struct plist keyless, struct pstr *verify_timeout,
                       const void *where) {
        struct opt_signing_key *key = list_of(c, keys, struct opt_signing_key);
        struct opt_keyless *identity = list_of(c, keyless, struct opt_keyless);

        if (keys.n == 0 && keyless.n == 0)
                complain(c, where, "needs an entry in allowed_signing_keys or allowed_keyless");
        for (uint32_t i = 0; i < keys.n; i++)
                if (unicode_trim(text_of(c, key[i].pem)).len == 0)
                        complain(c, &key[i].pem, "a signing key needs its PEM text");
                else if (!public_key_valid(text_of(c, key[i].pem)) && c->source.unusable_keys_ok) {
                        warn(c, &key[i].pem,
                             "is not a public key in PEM form, so everything that it should verify is refused");
                        key[i].pem = (struct pstr){ 0 }; /* how a filter, which parses no keys, sees it */
                } else if (!public_key_valid(text_of(c, key[i].pem)))
                        complain(c, &key[i].pem,
                                 "is not a public key in PEM form: RSA of 2048 bits or more, ECDSA on P-256, P-384 or "
                                 "P-521, or Ed25519");
        for (uint32_t i = 0; i < keyless.n; i++) {
                const char *wrong;

                if (unicode_trim(text_of(c, identity[i].issuer)).len == 0)
                        complain(c, &identity[i].issuer, "a keyless identity needs its issuer");
                if (unicode_trim(text_of(c, identity[i].subject_pattern)).len == 0)
                        complain(c, &identity[i].subject_pattern, "a keyless identity needs a pattern for its subject");
                else if ((wrong = regex_check(text_of(c, identity[i].subject_pattern))))
                        complain(c, &identity[i].subject_pattern, "is not a regular expression: %s", wrong);
        }
        check_duration(c, verify_timeout, true, DURATION_POSITIVE);
}
