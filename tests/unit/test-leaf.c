/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read out of a client's certificate. The certificates are made here, names and all that certtool would not
 * write included.
 */
#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509-ext.h>
#include <time.h>

#include "base/arena.h"
#include "check.h"
#include "identity/certificate.h"
#include "tls/hints.h"
#include "tls/leaf.h"

static struct arena arena;

static gnutls_x509_crt_t begin(gnutls_pk_algorithm_t kind, unsigned bits, gnutls_x509_privkey_t *ret_key) {
        gnutls_x509_crt_t c;

        if (gnutls_x509_privkey_init(ret_key) < 0 || gnutls_x509_privkey_generate(*ret_key, kind, bits, 0) < 0 ||
            gnutls_x509_crt_init(&c) < 0 || gnutls_x509_crt_set_version(c, 3) < 0 ||
            gnutls_x509_crt_set_serial(c, "\1", 1) < 0 || gnutls_x509_crt_set_activation_time(c, time(NULL) - 1) < 0 ||
            gnutls_x509_crt_set_expiration_time(c, time(NULL) + 60) < 0 || gnutls_x509_crt_set_key(c, *ret_key) < 0)
                exit(1);
        return c;
}

/* Signs, and takes everything apart again. */
static struct slice end(gnutls_x509_crt_t c, gnutls_x509_privkey_t key) {
        bool ed25519 = gnutls_x509_privkey_get_pk_algorithm(key) == GNUTLS_PK_EDDSA_ED25519;
        gnutls_datum_t der;
        struct slice s;

        if (gnutls_x509_crt_sign2(c, c, key, ed25519 ? GNUTLS_DIG_SHA512 : GNUTLS_DIG_SHA256, 0) < 0 ||
            gnutls_x509_crt_export2(c, GNUTLS_X509_FMT_DER, &der) < 0)
                exit(1);
        s = arena_dup(&arena, slice_make((const char *) der.data, der.size));
        gnutls_free(der.data);
        gnutls_x509_crt_deinit(c);
        gnutls_x509_privkey_deinit(key);
        return s;
}

static void add_common_name(gnutls_x509_crt_t c, const char *name) {
        if (gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned) strlen(name)) < 0)
                exit(1);
}

static void add_name(gnutls_x509_crt_t c, gnutls_x509_subject_alt_name_t kind, const void *at, size_t n) {
        if (gnutls_x509_crt_set_subject_alt_name(c, kind, at, (unsigned) n, GNUTLS_FSAN_APPEND) < 0)
                exit(1);
}

static void the_last_common_name_counts_trimmed(void) {
        struct peer_certificate got = {};
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t c = begin(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), &key);

        add_common_name(c, "first");
        if (gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, "org", 3) < 0)
                exit(1);
        add_common_name(c, " la,s\\t+ ");
        CHECK_INT(leaf_read(end(c, key), &arena, &got), 0);
        CHECK_STR(got.common_name, "la,s\\t+");
        CHECK_INT(got.n_dns_names + got.n_uri_sans + got.n_ip_addresses, 0);
}

static void a_certificate_without_a_subject_has_no_common_name(void) {
        struct peer_certificate got = {};
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t c = begin(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), &key);

        CHECK_INT(leaf_read(end(c, key), &arena, &got), 0);
        CHECK_INT(got.common_name.len, 0);
}

static void alternative_names_are_kept_as_they_are(void) {
        struct peer_certificate got = {};
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t c = begin(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), &key);

        add_name(c, GNUTLS_SAN_DNSNAME, "A.example", 9);
        add_name(c, GNUTLS_SAN_RFC822NAME, "someone@example.org", 19); /* nobody selects by these */
        add_name(c, GNUTLS_SAN_URI, "SPIFFE://td/ci", 14);
        add_name(c, GNUTLS_SAN_DNSNAME, "*.b.example", 11);
        add_name(c, GNUTLS_SAN_IPADDRESS, "\x0a\x01\x02\x03", 4);
        add_name(c, GNUTLS_SAN_IPADDRESS, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x04", 16);
        CHECK_INT(leaf_read(end(c, key), &arena, &got), 0);
        CHECK_INT(got.n_dns_names, 2);
        CHECK_STR(got.dns_names[0], "A.example");
        CHECK_STR(got.dns_names[1], "*.b.example");
        CHECK_INT(got.n_uri_sans, 1);
        CHECK_STR(got.uri_sans[0], "SPIFFE://td/ci");
        CHECK_INT(got.n_ip_addresses, 2);
        CHECK(memcmp(got.ip_addresses[0], "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03", 16) == 0);
        CHECK(memcmp(got.ip_addresses[1], "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x04", 16) == 0);
}

/* "ci\0.evil" must not be read as "ci" (it was the hole of many a client of X.509). */
static void a_nul_does_not_end_a_name(void) {
        struct peer_certificate got = {};
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t c = begin(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), &key);

        if (gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_COMMON_NAME, 1,
                                          "\x0c\x08"
                                          "ci\0.evil",
                                          10) < 0)
                exit(1);
        if (gnutls_x509_crt_set_extension_by_oid(c, "2.5.29.17",
                                                 "\x30\x13\x82\x08"
                                                 "ci\0.evil"
                                                 "\x86\x07"
                                                 "urn:a\0b",
                                                 21, 0) < 0)
                exit(1);
        if (leaf_read(end(c, key), &arena, &got) == 0) {
                CHECK(!slice_eq(got.common_name, SLICE("ci")));
                CHECK(got.n_dns_names == 0 || !slice_eq(got.dns_names[0], SLICE("ci")));
                CHECK(got.n_uri_sans == 0 || !slice_eq(got.uri_sans[0], SLICE("urn:a")));
        }
}

static void the_pin_is_over_the_whole_public_key_of_any_kind(void) {
        static const struct {
                gnutls_pk_algorithm_t kind;
                unsigned bits;
        } rows[] = { { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
                     { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
                     { GNUTLS_PK_EDDSA_ED25519, 0 },
                     { GNUTLS_PK_RSA, 2048 } };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct peer_certificate got = {};
                gnutls_x509_privkey_t key;
                gnutls_x509_crt_t c = begin(rows[i].kind, rows[i].bits, &key);
                unsigned char hash[32];
                gnutls_pubkey_t public;
                gnutls_datum_t der;
                char want[65] = "";

                if (gnutls_pubkey_init(&public) < 0 || gnutls_pubkey_import_x509(public, c, 0) < 0 ||
                    gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &der) < 0 ||
                    gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, hash) < 0)
                        exit(1);
                for (size_t k = 0; k < sizeof(hash); k++)
                        snprintf(want + 2 * k, 3, "%02x", hash[k]);
                gnutls_free(der.data);
                gnutls_pubkey_deinit(public);
                CHECK_INT(leaf_read(end(c, key), &arena, &got), 0);
                CHECK_STR(slice_of(got.spki_sha256), want);
        }
}

static void what_is_no_certificate_is_refused(void) {
        static const char *const bad[] = {
                "", "\x30", "\x30\x80", "\x30\x84\xff\xff\xff\xff", "\x30\x03\x02\x01\x01", "0000000000000000"
        };
        struct peer_certificate got = {};
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t c = begin(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), &key);
        struct slice whole = end(c, key), part;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                CHECK_INT(leaf_read(slice_of(bad[i]), &arena, &got), -EBADMSG);
                CHECK_INT(leaf_public_key(slice_of(bad[i]), &part), -EBADMSG);
        }
        for (size_t n = 0; n < whole.len; n++)
                CHECK_INT(leaf_read(slice_upto(whole, n), &arena, &got), -EBADMSG);
}

static void more_names_than_anybody_needs_are_refused(void) {
        struct peer_certificate got = {};
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t c = begin(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), &key);
        gnutls_subject_alt_names_t names;
        gnutls_datum_t ext;

        if (gnutls_subject_alt_names_init(&names) < 0)
                exit(1);
        for (unsigned i = 0; i <= PEER_NAMES_MAX; i++) {
                gnutls_datum_t d = { (unsigned char *) (uintptr_t) "a", 1 };

                if (gnutls_subject_alt_names_set(names, GNUTLS_SAN_DNSNAME, &d, NULL) < 0)
                        exit(1);
        }
        if (gnutls_x509_ext_export_subject_alt_names(names, &ext) < 0 ||
            gnutls_x509_crt_set_extension_by_oid(c, "2.5.29.17", ext.data, ext.size, 0) < 0)
                exit(1);
        gnutls_free(ext.data);
        gnutls_subject_alt_names_deinit(names);
        CHECK_INT(leaf_read(end(c, key), &arena, &got), -E2BIG);
}

static struct peer peer_at(uint8_t last) {
        return (struct peer){ .kind = PEER_TCP, .has_ip = true, .ip = { [10] = 0xff, 0xff, 10, 0, 0, last } };
}

static void a_hint_is_what_the_last_client_from_an_address_showed(void) {
        static unsigned char long_one[5000];
        gnutls_datum_t chain[2] = { { (unsigned char *) (uintptr_t) "leaf", 4 },
                                    { (unsigned char *) (uintptr_t) "authority", 9 } };
        gnutls_datum_t other = { (unsigned char *) (uintptr_t) "Leaf", 4 }, too_long = { long_one, sizeof(long_one) };
        struct peer a = peer_at(1), b = peer_at(2), nowhere = { .kind = PEER_UNIX };
        struct hints *h = hints_new();
        static struct hint got;

        CHECK(h != NULL);
        hints_look_up(h, &a, &got);
        CHECK_INT(got.n, 0);
        hints_store(h, &a, chain, 2);
        hints_look_up(h, &a, &got);
        CHECK(hint_is(&got, chain, 2));
        CHECK(!hint_is(&got, chain, 1));
        CHECK(!hint_is(&got, &other, 1));
        CHECK(!hint_is(&got, NULL, 0));
        hints_store(h, &a, &other, 1);
        hints_look_up(h, &a, &got);
        CHECK(hint_is(&got, &other, 1) && !hint_is(&got, chain, 1));
        hints_store(h, &a, &too_long, 1);
        hints_look_up(h, &a, &got);
        CHECK(hint_is(&got, &other, 1));
        hints_look_up(h, &b, &got);
        CHECK_INT(got.n, 0);
        hints_store(h, &nowhere, chain, 2);
        hints_look_up(h, &nowhere, &got);
        CHECK_INT(got.n, 0);
        hints_store(NULL, &a, chain, 2);
        hints_look_up(NULL, &a, &got);
        CHECK_INT(got.n, 0);
}

static void no_hint_that_a_sibling_may_have_written_is_read_beyond_its_end(void) {
        struct peer a = peer_at(1);
        struct hints *h = hints_new();
        unsigned seed = 1, empty = 0;
        static struct hint got;

        for (int round = 0; round < 2000; round++) {
                gnutls_datum_t d = { (unsigned char *) (uintptr_t) "x", 1 };
                unsigned char *page;

                hints_store(h, &a, &d, 1);
                /* Counts and sizes follow the address in each slot. */
                for (page = (unsigned char *) h; memcmp(page, a.ip, sizeof(a.ip)) != 0; page += 4096)
                        ;
                for (size_t i = 16; i < 16 + 2 + 2 * CHAIN_MAX; i++)
                        page[i] = (unsigned char) ((seed = seed * 1103515245u + 12345u) >> (i % 2 ? 28 : 16));
                page[17] = 0;
                page[16] %= CHAIN_MAX + 2;
                hints_look_up(h, &a, &got);
                CHECK(got.n <= CHAIN_MAX);
                empty += got.n == 0;
                for (unsigned i = 0; i < got.n; i++)
                        CHECK(got.chain[i].data >= got.bytes &&
                              got.chain[i].data + got.chain[i].size <= got.bytes + sizeof(got.bytes));
        }
        CHECK(empty > 0 && empty < 2000);
}

int main(void) {
        static const struct check_test tests[] = {
                CHECK_TEST(the_last_common_name_counts_trimmed),
                CHECK_TEST(a_certificate_without_a_subject_has_no_common_name),
                CHECK_TEST(alternative_names_are_kept_as_they_are),
                CHECK_TEST(a_nul_does_not_end_a_name),
                CHECK_TEST(the_pin_is_over_the_whole_public_key_of_any_kind),
                CHECK_TEST(what_is_no_certificate_is_refused),
                CHECK_TEST(more_names_than_anybody_needs_are_refused),
                CHECK_TEST(a_hint_is_what_the_last_client_from_an_address_showed),
                CHECK_TEST(no_hint_that_a_sibling_may_have_written_is_read_beyond_its_end),
        };

        arena_init(&arena, 64u << 20, NULL);
        return check_run_(tests, sizeof(tests) / sizeof(tests[0]));
}
