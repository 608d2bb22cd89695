/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509-ext.h>

#include "base/unicode.h"
#include "identity/certificate.h"
#include "tls/leaf.h"

#define SUBJECT_ALT_NAME "2.5.29.17"
#define NAME_MAX_BYTES 4096u /* of one name; RFC 5280 allows a common name 64 characters */

/* Takes one DER element off the front of *rest: its tag, and the whole of it. */
static int take(struct slice *rest, uint8_t *ret_tag, struct slice *ret_whole, struct slice *ret_content) {
        const uint8_t *at = (const uint8_t *) rest->at;
        size_t head = 2, len;

        if (rest->len < 2 || (at[0] & 0x1f) == 0x1f)
                return -EBADMSG;
        len = at[1];
        if (len & 0x80) {
                size_t n = len & 0x7f;

                if (n == 0 || n > 3 || rest->len < 2 + n)
                        return -EBADMSG;
                len = 0;
                for (size_t i = 0; i < n; i++)
                        len = len << 8 | at[2 + i];
                head += n;
        }
        if (len > rest->len - head)
                return -EBADMSG;
        *ret_tag = at[0];
        *ret_whole = slice_upto(*rest, head + len);
        *ret_content = slice_from(*ret_whole, head);
        *rest = slice_from(*rest, head + len);
        return 0;
}

int leaf_public_key(struct slice der, struct slice *ret) {
        /* Certificate { TBSCertificate { [0] version OPTIONAL, serial, signature, issuer, validity, subject, key, ... }
         * } */
        struct slice whole, content, tbs;
        uint8_t tag;

        if (take(&der, &tag, &whole, &content) < 0 || tag != 0x30 || take(&content, &tag, &whole, &tbs) < 0 ||
            tag != 0x30)
                return -EBADMSG;
        if (take(&tbs, &tag, &whole, &content) < 0 || (tag == 0xa0 && take(&tbs, &tag, &whole, &content) < 0) ||
            tag != 0x02)
                return -EBADMSG;
        for (int i = 0; i < 5; i++)
                if (take(&tbs, &tag, &whole, &content) < 0 || tag != 0x30)
                        return -EBADMSG;
        *ret = whole;
        return 0;
}

/*
 * The text of a directory string (RFC 5280, 4.1.2.4), byte for byte: GnuTLS's own accessor would hand it out escaped as
 * in RFC 4514. The encodings that are not a superset of ASCII went out of use before TLS 1.3 came; a name in one of
 * them is nobody's.
 */
static struct slice directory_string(const gnutls_x509_ava_st *ava) {
        enum { UTF8_STRING = 12, NUMERIC_STRING = 18, PRINTABLE_STRING = 19, IA5_STRING = 22 };

        switch (ava->value_tag) {
        case UTF8_STRING:
        case NUMERIC_STRING:
        case PRINTABLE_STRING:
        case IA5_STRING:
                return slice_make((const char *) ava->value.data, ava->value.size);
        default:
                return SLICE("");
        }
}

static int read_common_name(gnutls_x509_crt_t crt, struct arena *a, struct slice *ret) {
        static const struct slice oid = { GNUTLS_OID_X520_COMMON_NAME, sizeof(GNUTLS_OID_X520_COMMON_NAME) - 1 };
        gnutls_x509_ava_st ava;
        gnutls_x509_dn_t dn;
        int r;

        if (gnutls_x509_crt_get_subject(crt, &dn) < 0)
                return -EBADMSG;
        for (int i = 0, k = 0;; k++) {
                r = gnutls_x509_dn_get_rdn_ava(dn, i, k, &ava);
                if (r == GNUTLS_E_ASN1_ELEMENT_NOT_FOUND && k > 0) {
                        i++; /* the next relative name */
                        k = -1;
                        continue;
                }
                if (r < 0)
                        return r == GNUTLS_E_ASN1_ELEMENT_NOT_FOUND ? 0 : -EBADMSG;
                if (!slice_eq(
                            slice_make((const char *) ava.oid.data, strnlen((const char *) ava.oid.data, ava.oid.size)),
                            oid))
                        continue;
                if (ava.value.size > NAME_MAX_BYTES)
                        return -E2BIG;
                *ret = arena_dup(a, unicode_trim(directory_string(&ava)));
        }
}

static int add_name(struct slice **at, size_t *n, struct slice name, struct arena *a) {
        if (*n >= PEER_NAMES_MAX)
                return -E2BIG;
        if (!*at)
                *at = arena_new_array(a, struct slice, PEER_NAMES_MAX);
        (*at)[(*n)++] = arena_dup(a, name);
        return 0;
}

static int add_address(struct peer_certificate *c, struct slice bytes, struct arena *a) {
        uint8_t *at;

        if (bytes.len != 4 && bytes.len != 16)
                return 0; /* RFC 5280 4.2.1.6 knows no other: matches nothing */
        if (c->n_ip_addresses >= PEER_NAMES_MAX)
                return -E2BIG;
        if (!c->ip_addresses)
                c->ip_addresses = arena_array(a, PEER_NAMES_MAX, 16);
        at = c->ip_addresses[c->n_ip_addresses++];
        memset(at, 0, 16);
        if (bytes.len == 4)
                memset(at + 10, 0xff, 2);
        memcpy(at + 16 - bytes.len, bytes.at, bytes.len);
        return 0;
}

static int add_alternative_name(struct peer_certificate *c, unsigned type, struct slice name, struct arena *a) {
        switch (type) {
        case GNUTLS_SAN_DNSNAME:
                return add_name(&c->dns_names, &c->n_dns_names, name, a);
        case GNUTLS_SAN_URI:
                return add_name(&c->uri_sans, &c->n_uri_sans, name, a);
        case GNUTLS_SAN_IPADDRESS:
                return add_address(c, name, a);
        default:
                return 0; /* a kind that nobody selects by */
        }
}

static int read_names(const gnutls_datum_t *extension, gnutls_subject_alt_names_t names, struct arena *a,
                      struct peer_certificate *c) {
        if (gnutls_x509_ext_import_subject_alt_names(extension, names, 0) < 0)
                return -EBADMSG;
        for (unsigned i = 0;; i++) {
                gnutls_datum_t name;
                unsigned type;
                int r = gnutls_subject_alt_names_get(names, i, &type, &name, NULL);

                if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        return 0;
                if (r < 0 || i >= 4 * PEER_NAMES_MAX || name.size > NAME_MAX_BYTES)
                        return r < 0 ? -EBADMSG : -E2BIG;
                r = add_alternative_name(c, type, slice_make((const char *) name.data, name.size), a);
                if (r < 0)
                        return r;
        }
}

/* The extension is decoded once: asking the certificate name by name would decode it for each. */
static int read_alternative_names(gnutls_x509_crt_t crt, struct arena *a, struct peer_certificate *c) {
        gnutls_subject_alt_names_t names;
        gnutls_datum_t extension = {};
        int r;

        for (unsigned i = 0;; i++) {
                char oid[sizeof(SUBJECT_ALT_NAME) + 64];
                size_t size = sizeof(oid);

                r = gnutls_x509_crt_get_extension_info(crt, i, oid, &size, NULL);
                if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        return 0;
                if (r == GNUTLS_E_SHORT_MEMORY_BUFFER)
                        continue; /* an OID that long is another one */
                if (r < 0)
                        return -EBADMSG;
                if (strcmp(oid, SUBJECT_ALT_NAME) == 0) {
                        if (gnutls_x509_crt_get_extension_data2(crt, i, &extension) < 0)
                                return -EBADMSG;
                        break;
                }
        }
        r = gnutls_subject_alt_names_init(&names) < 0 ? -ENOMEM : 0;
        if (r >= 0) {
                r = read_names(&extension, names, a, c);
                gnutls_subject_alt_names_deinit(names);
        }
        gnutls_free(extension.data);
        return r;
}

static int read_pin(struct slice der, char ret[65]) {
        static const char digits[] = "0123456789abcdef";
        struct slice key = {};
        uint8_t hash[32];

        if (leaf_public_key(der, &key) < 0 || gnutls_hash_fast(GNUTLS_DIG_SHA256, key.at, key.len, hash) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < sizeof(hash); i++) {
                ret[2 * i] = digits[hash[i] >> 4];
                ret[2 * i + 1] = digits[hash[i] & 15];
        }
        ret[64] = '\0';
        return 0;
}

int leaf_read_certificate(gnutls_x509_crt_t crt, struct slice der, struct arena *a, struct peer_certificate *ret) {
        struct peer_certificate c = {};
        int r;

        r = read_common_name(crt, a, &c.common_name);
        if (r >= 0)
                r = read_alternative_names(crt, a, &c);
        if (r >= 0)
                r = read_pin(der, c.spki_sha256);
        if (r >= 0)
                *ret = c;
        return r;
}

int leaf_read(struct slice der, struct arena *a, struct peer_certificate *ret) {
        gnutls_datum_t d = { (unsigned char *) (uintptr_t) der.at, (unsigned) der.len };
        gnutls_x509_crt_t crt;
        int r;

        if (der.len > UINT32_MAX || gnutls_x509_crt_init(&crt) < 0)
                return -EBADMSG;
        r = gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_DER) < 0 ? -EBADMSG
                                                                     : leaf_read_certificate(crt, der, a, ret);
        gnutls_x509_crt_deinit(crt);
        return r;
}
