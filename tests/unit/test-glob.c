/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "policy/glob.h"
#include "tests/unit/check.h"

/* Chapter 02, 7.2. */
static const struct {
        const char *pattern, *path;
        bool matches;
} table[] = {
        { "/**", "/", true },
        { "/**", "", true },
        { "/**", "*", true },
        { "/**", "/a/b\n/c", true },
        { "/*", "/", true },
        { "/*", "/a", true },
        { "/*", "/a/b", false },
        { "/*", "", true },
        { "*", "/", true },
        { "*", "/a", true },
        { "*", "/a/b", false },
        { "*", "", true },
        { "*", "*", true },
        { "/a/*", "/a/b", true },
        { "/a/*", "/a", false },
        { "/a/*", "/a/b/c", false },
        { "/a/**", "/a", true },
        { "/a/**", "/a/b", true },
        { "/a/**", "/a/b/c", true },
        { "/a/**", "/ab", false },
        { "/a/**/c", "/a/c", true },
        { "/a/**/c", "/a/b/c", true },
        { "/a/**/c", "/a/b/d/c", true },
        { "/a/**/c", "/ac", false },
        { "/a/**/c", "/a/x\ny/c", true },
        { "/a/*/c", "/a/b/c", true },
        { "/a/*/c", "/a/c", false },
        { "/a/*/c", "/a/b/d/c", false },
        { "/a**", "/a", true },
        { "/a**", "/ab", true },
        { "/a**", "/a/b", true },
        { "/a**", "/b", false },
        { "/a**", "/a\nb", true },
        { "/a*", "/a", true },
        { "/a*", "/ab", true },
        { "/a*", "/a/b", false },
        { "/a*b*c", "/abc", true },
        { "/a*b*c", "/axbyc", true },
        { "/a*b*c", "/axc", false },
        { "/a*b*c", "/a/b/c", false },
        { "/a/***", "/a", true },
        { "/a/***", "/ab", true },
        { "/a/***", "/a/b/c", true },
        { "/a/***", "/b", false },
        { "/**/json", "/json", true },
        { "/**/json", "/a/json", true },
        { "/**/json", "/a/b/json", true },
        { "/**/json", "/ajson", false },
        { "/a/*/**", "/a/b", true },
        { "/a/*/**", "/a/b/c", true },
        { "/a/*/**", "/a", false },
        { "/a/**/**", "/a/b", true },
        { "/a/**/**", "/a", false },
        { "/a/**/**", "/ab", false },
        { "/a/**c", "/ac", true },
        { "/a/**c", "/a/c", true },
        { "/a/**c", "/a/b/c", true },
        { "/a/", "/a", false },
        { "a", "/a", false },
        { "/a//b", "/a/b", false },
        { "/a/../b", "/b", false },
        { "/v1.40/a", "/a", false },
        { "/a/*/", "/a/b", false },
        { "/A", "/A", true },
        { "/A", "/a", false },
        { "/?", "/a", false },
        { "/?", "/?", true },
        { "/[ab]", "/a", false },
        { "/[ab]", "/[ab]", true },
        { "/{a,b}", "/a", false },
        { "/a.b", "/axb", false },
        { "/a+", "/aa", false },
        { "/a\\*", "/a\\x", true },
        { "/^a$", "/^a$", true },
        { "a/*", "/a/b", false },
        { "*/b", "/a/b", true },
        { "", "", true },
        { "", "/", false },
};

static void the_rule_dialect_is_the_chapters_table(void) {
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                if (glob_match_rule(slice_of(table[i].pattern), slice_of(table[i].path)) != table[i].matches)
                        fprintf(stderr, "\"%s\" against \"%s\"\n", table[i].pattern, table[i].path);
                CHECK_INT(glob_match_rule(slice_of(table[i].pattern), slice_of(table[i].path)), table[i].matches);
        }
}

static void the_plain_dialect_has_no_literal_prefix_and_no_special_shapes(void) {
        CHECK(glob_match_plain(SLICE("/a/**/**"), SLICE("/a"), false));
        CHECK(!glob_match_plain(SLICE("/**"), SLICE("x"), false));
        CHECK(glob_match_plain(SLICE("/**"), SLICE(""), false));
        CHECK(!glob_match_plain(SLICE("*"), SLICE("/a"), false));
        CHECK(glob_match_plain(SLICE("**"), SLICE("/a/b"), false));
        CHECK(glob_match_plain(SLICE("a*c"), SLICE("abc"), false));
        CHECK(glob_match_plain(SLICE("/containers/*/json"), SLICE("/containers/x/json"), false));
}

static void a_line_feed_stops_anything_only_where_asked(void) {
        CHECK(glob_match_plain(SLICE("a**b"), SLICE("a\nb"), false));
        CHECK(!glob_match_plain(SLICE("a**b"), SLICE("a\nb"), true));
        CHECK(!glob_match_plain(SLICE("/x/**"), SLICE("/x/a\nb"), true));
        CHECK(glob_match_plain(SLICE("/x/**"), SLICE("/x/a\nb"), false));
        CHECK(glob_match_plain(SLICE("a*b"), SLICE("a\nb"), true));
}

/* The definition, without any regard for time. */
static bool slow(const char *p, const char *pe, const char *s, const char *se, bool newline_stops) {
        if (p == pe)
                return s == se;
        if (pe - p >= 3 && memcmp(p, "/**", 3) == 0) {
                if (slow(p + 3, pe, s, se, newline_stops))
                        return true;
                if (s == se || *s != '/')
                        return false;
                for (s++;; s++) {
                        if (slow(p + 3, pe, s, se, newline_stops))
                                return true;
                        if (s == se || (newline_stops && *s == '\n'))
                                return false;
                }
        }
        if (*p == '*') {
                bool two = pe - p >= 2 && p[1] == '*';

                for (;; s++) {
                        if (slow(p + 1 + two, pe, s, se, newline_stops))
                                return true;
                        if (s == se || (two ? newline_stops && *s == '\n' : *s == '/'))
                                return false;
                }
        }
        return s != se && *s == *p && slow(p + 1, pe, s + 1, se, newline_stops);
}

static void every_short_pattern_matches_as_its_definition_says(void) {
        static const char p_letters[] = "/a*", s_letters[] = "/ab\n";
        char p[6], s[6];

        unsigned n_patterns = 1;

        for (unsigned np = 0; np <= 6; np++, n_patterns *= 3) {
                for (unsigned ip = 0; ip < n_patterns; ip++) {
                        for (unsigned i = 0, v = ip; i < np; i++, v /= 3)
                                p[i] = p_letters[v % 3];
                        for (unsigned is = 0; is < 400; is++) {
                                unsigned ns = is % 6, v = is * 2654435761u >> 7;
                                bool stops = is & 1;
                                struct slice pattern = slice_make(p, np), text = slice_make(s, ns);

                                for (unsigned i = 0; i < ns; i++, v /= 4)
                                        s[i] = s_letters[v % 4];
                                if (glob_match_plain(pattern, text, stops) != slow(p, p + np, s, s + ns, stops)) {
                                        fprintf(stderr, "\"%.*s\" against \"%.*s\"\n", SLICE_ARG(pattern),
                                                SLICE_ARG(text));
                                        CHECK(false);
                                }
                        }
                }
        }
}

static void hostile_input_costs_no_more_than_pattern_times_text(void) {
        static char path[1024 * 1024];
        char pattern[256];

        memset(path, 'a', sizeof(path));
        path[0] = '/';
        pattern[0] = '/';
        for (size_t i = 1; i < sizeof(pattern) - 1; i += 2)
                memcpy(pattern + i, "*a", 2);
        CHECK(!glob_match_rule(slice_make(pattern, sizeof(pattern) - 1), SLICE("/b")));
        pattern[sizeof(pattern) - 2] = 'b';
        CHECK(!glob_match_rule(slice_make(pattern, sizeof(pattern) - 1), slice_make(path, sizeof(path))));
        memcpy(pattern, "/**a**b**", 9);
        CHECK(!glob_match_rule(slice_make(pattern, 9), slice_make(path, sizeof(path))));
        path[sizeof(path) - 1] = 'b';
        CHECK(glob_match_rule(slice_make(pattern, 9), slice_make(path, sizeof(path))));
}

CHECK_MAIN(CHECK_TEST(the_rule_dialect_is_the_chapters_table),
           CHECK_TEST(the_plain_dialect_has_no_literal_prefix_and_no_special_shapes),
           CHECK_TEST(a_line_feed_stops_anything_only_where_asked),
           CHECK_TEST(every_short_pattern_matches_as_its_definition_says),
           CHECK_TEST(hostile_input_costs_no_more_than_pattern_times_text))
