/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/address.h"
#include "check.h"

static void a_prefix_is_parsed_strictly(void) {
        static const struct {
                const char *text;
                int want;
        } rows[] = {
                { "10.0.0.0/8", 0 },
                { " 10.0.0.0/8\t", 0 },
                { "0.0.0.0/0", 0 },
                { "10.1.2.3/32", 0 },
                { "::/0", 0 },
                { "fe80::1/128", 0 },
                { "::ffff:1.2.3.4/96", 0 },
                { "10.0.0.0", -EINVAL },
                { "10.0.0.0/", -EINVAL },
                { "10.0.0.0/33", -EINVAL },
                { "10.0.0.0/08", -EINVAL },
                { "10.0.0.0/+8", -EINVAL },
                { "10.0.0.0/-1", -EINVAL },
                { "010.0.0.0/8", -EINVAL },
                { "10.0.0/8", -EINVAL },
                { "fe80::1%eth0/64", -EINVAL },
                { "[::1]/128", -EINVAL },
                { "::/129", -EINVAL },
                { "/8", -EINVAL },
                { "", -EINVAL },
                { "10.0.0.0/8/8", -EINVAL },
                { "10.0.0.0 /8", -EINVAL },
                { "10.0.0.0/ 8", -EINVAL },
                { "10.0.0.0/255.0.0.0", -EINVAL },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct ip_prefix p;
                int r = ip_prefix_parse(slice_of(rows[i].text), &p);

                if (r != rows[i].want)
                        fprintf(stderr, "%s\n", rows[i].text);
                CHECK_INT(r, rows[i].want);
        }
}

static void a_nul_inside_an_address_is_refused(void) {
        struct ip_address ip;

        CHECK_INT(ip_parse(SLICE("127.0.0.1\0.5"), &ip), -EINVAL);
        CHECK_INT(ip_parse(SLICE("::1\0"), &ip), -EINVAL);
}

static void a_prefix_contains_what_its_bits_say_and_only_its_own_family(void) {
        static const struct {
                const char *prefix, *address;
                bool unmap, want;
        } rows[] = {
                { "10.0.0.0/8", "10.255.1.2", true, true },
                { "10.0.0.0/8", "11.0.0.0", true, false },
                { "10.9.9.9/8", "10.1.1.1", true, true },
                { "127.0.0.2/31", "127.0.0.3", true, true },
                { "127.0.0.2/31", "127.0.0.4", true, false },
                { "127.0.0.2/32", "127.0.0.3", true, false },
                { "127.128.0.0/9", "127.0.0.1", true, false },
                { "127.128.0.0/9", "127.255.0.1", true, true },
                { "0.0.0.0/0", "255.1.2.3", true, true },
                { "0.0.0.0/0", "::1", true, false },
                { "::/0", "1.2.3.4", true, false },
                { "::/0", "::ffff:1.2.3.4", true, false },
                { "1.2.3.0/24", "::ffff:1.2.3.4", true, true },
                { "::ffff:1.2.3.4/128", "1.2.3.4", true, false },
                { "::ffff:1.2.3.4/128", "::ffff:1.2.3.4", true, false },
                { "2001:db8::/33", "2001:db8:7fff::1", true, true },
                { "2001:db8::/33", "2001:db8:8000::1", true, false },
                { "2001:db8::1/128", "2001:db8::1", true, true },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct ip_prefix p;
                struct ip_address ip;

                CHECK_INT(ip_prefix_parse(slice_of(rows[i].prefix), &p), 0);
                CHECK_INT(ip_parse(slice_of(rows[i].address), &ip), 0);
                if (rows[i].unmap)
                        ip_unmap(&ip);
                if (ip_prefix_has(&p, &ip) != rows[i].want)
                        fprintf(stderr, "%s in %s\n", rows[i].address, rows[i].prefix);
                CHECK(ip_prefix_has(&p, &ip) == rows[i].want);
        }
}

static void loopback_is_recognised_in_all_its_forms(void) {
        static const struct {
                const char *text;
                bool want;
        } rows[] = { { "127.0.0.1", true },  { "127.9.9.9", true }, { "::1", true },      { "::ffff:127.0.0.1", true },
                     { "128.0.0.1", false }, { "::2", false },      { "0.0.0.0", false }, { "::", false } };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct ip_address ip;

                CHECK_INT(ip_parse(slice_of(rows[i].text), &ip), 0);
                CHECK(ip_is_loopback(&ip) == rows[i].want);
        }
}

static void an_address_is_written_canonically(void) {
        struct ip_address ip;
        char text[IP_TEXT_MAX];

        CHECK_INT(ip_parse(SLICE("2001:DB8:0:0::1"), &ip), 0);
        ip_format(&ip, text);
        CHECK_STR(slice_of(text), "2001:db8::1");
        CHECK_INT(ip_parse(SLICE("::ffff:10.1.2.3"), &ip), 0);
        ip_unmap(&ip);
        ip_format(&ip, text);
        CHECK_STR(slice_of(text), "10.1.2.3");
}

CHECK_MAIN(CHECK_TEST(a_prefix_is_parsed_strictly), CHECK_TEST(a_nul_inside_an_address_is_refused),
           CHECK_TEST(a_prefix_contains_what_its_bits_say_and_only_its_own_family),
           CHECK_TEST(loopback_is_recognised_in_all_its_forms), CHECK_TEST(an_address_is_written_canonically))
