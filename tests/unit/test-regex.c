/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <unistd.h>

#include "policy/regex.h"

static void what_re2_reads_is_read_and_nothing_else(void) {
        static const char *const good[] = {
                "",
                "a",
                "^a.b$",
                "a|b|",
                "(a)(?:b)(?P<n>c)(?<m>d)",
                "(?i)a",
                "(?i-s:a)",
                "[a-z]",
                "[]a]",
                "[^]a]",
                "[[:alpha:][:^digit:]]",
                "[[:a]",
                "[a-]",
                "\\d\\D\\s\\S\\w\\W\\b\\B\\A\\z",
                "[\\d\\pL]",
                "\\p{Greek}\\P{^Lu}\\pN",
                "\\x41\\x{10ffff}\\012",
                "\\Qa[(\\E*",
                "\\Qa",
                "a*?b+?c??",
                "a{0}",
                "a{1000}",
                "a{2,}",
                "a{2,3}?",
                "a{",
                "a{,2}",
                "a{x}",
                "(a{10}){100}",
                "((a{1000}){0}){1000}",
                "\xc3\xa4",
        };
        static const char *const bad[] = {
                "(",      ")",           "a)(",        "[",        "[[:",      "[a",           "\\Q\\E*",
                "[b-a]",  "[a-\\d]",     "[[:nope:]]", "*",        "a**",      "a++",          "a{2}{3}",
                "(*a)",   "a|*",         "a{1001}",    "a{3,2}",   "a{99999}", "(a{100}){11}", "((a{11}){10}){10}",
                "(?=a)",  "(?!a)",       "(?<=a)",     "(?<!a)",   "(?P<n",    "(?P<>a)",      "(?P<a-b>c)",
                "(?P=n)", "(?x)",        "(?-)",       "(?",       "\\",       "\\1",          "\\8",
                "\\C",    "\\y",         "\\p",        "\\p{Nope", "\\pX",     "\\x",          "\\x1",
                "\\x{}",  "\\x{110000}", "[\\b]",      "[\\",      "\xff",     "[\xff]",
        };

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                const char *wrong = regex_check(slice_of(good[i]));

                CHECK_STR(slice_of(wrong ? wrong : ""), "");
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                CHECK_STR(regex_check(slice_of(bad[i])) ? SLICE("") : slice_of(bad[i]), "");
}

/* Texts that made a reader look back, or ahead, again and again. */
static void long_patterns_cost_no_more_than_their_length(void) {
        static const char *const pieces[] = { "[:", "(", "a{", "\\p{", "(?P<", "[", "\\Q" };
        static char text[60001];

        alarm(20);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
                size_t n = strlen(pieces[i]);

                for (size_t k = 0; k + n < sizeof(text); k += n)
                        memcpy(text + k, pieces[i], n);
                for (int again = 0; again < 20; again++) {
                        CHECK(!regex_check(slice_of(text)) || *regex_check(slice_of(text)));
                        text[0] = again & 1 ? pieces[i][0] : '[';
                }
        }
        alarm(0);
}

CHECK_MAIN(CHECK_TEST(what_re2_reads_is_read_and_nothing_else),
           CHECK_TEST(long_patterns_cost_no_more_than_their_length))
