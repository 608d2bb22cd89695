/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "check.h"

static void decode_refuses_overlong_forms_surrogates_and_stray_bytes(void) {
        static const char *const bad[] = { "\xc0\x80",         "\xc1\xbf",         "\xe0\x80\x80", "\xed\xa0\x80",
                                           "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\x80",         "\xff",
                                           "\xe2\x82",         "\xf5\x80\x80\x80" };
        uint32_t cp = 0;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                CHECK_INT(unicode_decode(slice_of(bad[i]), &cp), 0);
        CHECK_INT(unicode_decode(SLICE("\xf4\x8f\xbf\xbf"), &cp), 4);
        CHECK_INT(cp, 0x10ffff);
        CHECK(unicode_valid(SLICE("a\xc3\xa9\0z")));
        CHECK(!unicode_valid(SLICE("a\xc3")));
}

static void encode_is_the_inverse_of_decode(void) {
        static const uint32_t points[] = { 0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff };
        char out[4];
        uint32_t cp;

        for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
                size_t n = unicode_encode(points[i], out);

                CHECK_INT(unicode_decode(slice_make(out, n), &cp), n);
                CHECK_INT(cp, points[i]);
        }
}

static void trim_drops_every_white_space_of_unicode(void) {
        CHECK_STR(unicode_trim(SLICE(" \t\n\v\f\r\xc2\x85\xc2\xa0\xe1\x9a\x80\xe2\x80\x80\xe2\x80\x8a\xe2\x80\xa8\xe2"
                                     "\x80\xa9\xe2\x80\xaf"
                                     "\xe2\x81\x9f\xe3\x80\x80x y\xe3\x80\x80\xc2\xa0 ")),
                  "x y");
        CHECK_STR(unicode_trim(SLICE("\xe2\x80\x8bx")), "\xe2\x80\x8bx"); /* zero width space is none */
        CHECK_STR(unicode_trim(SLICE(" \xa0")), "\xa0");                  /* a stray byte is itself */
        CHECK_INT(unicode_trim(SLICE("  ")).len, 0);
        CHECK_INT(unicode_trim(SLICE("")).len, 0);
}

static void fields_split_on_white_space(void) {
        struct slice rest = SLICE(" a \xc2\xa0 bc\t"), f;

        CHECK(unicode_field(&rest, &f));
        CHECK_STR(f, "a");
        CHECK(unicode_field(&rest, &f));
        CHECK_STR(f, "bc");
        CHECK(!unicode_field(&rest, &f));
}

static void folding_knows_the_long_s_and_the_kelvin_sign(void) {
        CHECK(unicode_fold_eq(SLICE("HO\xc5\xbfT"), SLICE("host")));
        CHECK(unicode_fold_eq(SLICE("\xe2\x84\xaa"), SLICE("k")));
        CHECK(!unicode_fold_eq(SLICE("host "), SLICE("host")));
        CHECK(!unicode_fold_eq(SLICE("hos"), SLICE("host")));
        CHECK(!unicode_fold_eq(SLICE("\xc4\xb0"), SLICE("i"))); /* dotted capital I */
        CHECK(!unicode_fold_eq(SLICE("\xc4\xb1"), SLICE("i"))); /* dotless i */
        CHECK(unicode_fold_same(SLICE("\xc3\x89t\xc3\xa9"), SLICE("\xc3\xa9T\xc3\x89")));
        CHECK(unicode_fold_same(SLICE("\xce\xb8"), SLICE("\xcf\xb4")));
        CHECK(!unicode_fold_same(SLICE("\x80"), SLICE("\xc2\x80")));
}

static void case_mappings_are_simple_ones(void) {
        struct arena a;

        arena_init(&a, 1 << 16, NULL);
        CHECK_STR(unicode_lower(&a, SLICE("\xe2\x84\xaa\xc4\xb0"
                                          "A\xc3\x89")),
                  "kia\xc3\xa9");
        CHECK_STR(unicode_upper(&a, SLICE("\xc5\xbf\xc4\xb1z\xc3\x9f")), "SIZ\xc3\x9f");
        CHECK_STR(unicode_upper(&a, SLICE("\xc9\x90")), "\xe2\xb1\xaf"); /* grows from two bytes to three */
        CHECK_STR(unicode_lower(&a, SLICE("plain")), "plain");
        CHECK_STR(unicode_lower(&a, SLICE("\xff"
                                          "A")),
                  "\xff"
                  "a");
        arena_free(&a);
}

CHECK_MAIN(CHECK_TEST(decode_refuses_overlong_forms_surrogates_and_stray_bytes),
           CHECK_TEST(encode_is_the_inverse_of_decode), CHECK_TEST(trim_drops_every_white_space_of_unicode),
           CHECK_TEST(fields_split_on_white_space), CHECK_TEST(folding_knows_the_long_s_and_the_kelvin_sign),
           CHECK_TEST(case_mappings_are_simple_ones))
