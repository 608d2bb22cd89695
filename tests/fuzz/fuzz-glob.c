/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/glob.h"
#include "tests/fuzz/fuzz.h"

/* The definition, without any regard for time: only for short inputs. */
static bool slow(struct slice p, struct slice s, bool newline_stops) {
        bool two;

        if (p.len == 0)
                return s.len == 0;
        if (slice_starts(p, SLICE("/**"))) {
                p = slice_from(p, 3);
                if (slow(p, s, newline_stops))
                        return true;
                if (!slice_starts(s, SLICE("/")))
                        return false;
                for (s = slice_from(s, 1);; s = slice_from(s, 1)) {
                        if (slow(p, s, newline_stops))
                                return true;
                        if (s.len == 0 || (newline_stops && s.at[0] == '\n'))
                                return false;
                }
        }
        if (p.at[0] == '*') {
                two = slice_starts(p, SLICE("**"));
                p = slice_from(p, 1u + two);
                for (;; s = slice_from(s, 1)) {
                        if (slow(p, s, newline_stops))
                                return true;
                        if (s.len == 0 || (two ? newline_stops && s.at[0] == '\n' : s.at[0] == '/'))
                                return false;
                }
        }
        return s.len > 0 && s.at[0] == p.at[0] && slow(slice_from(p, 1), slice_from(s, 1), newline_stops);
}

/* Pattern and text, with a NUL between them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct slice pattern, text;
        bool rule, plain, stopped;

        if (size > 8192 || !slice_cut(slice_make((const char *) data, size), '\0', &pattern, &text))
                return 0;
        rule = glob_match_rule(pattern, text);
        plain = glob_match_plain(pattern, text, false);
        stopped = glob_match_plain(pattern, text, true);
        FUZZ_ASSERT(plain || !stopped);
        if (slice_find(pattern, '*') < 0)
                FUZZ_ASSERT(rule == slice_eq(pattern, text) && plain == rule);
        if (memmem(pattern.at, pattern.len, "**", 2) != NULL && !slice_eq(pattern, SLICE("/**")))
                FUZZ_ASSERT(plain || !rule);
        if (pattern.len <= 12 && text.len <= 16) {
                FUZZ_ASSERT(plain == slow(pattern, text, false));
                FUZZ_ASSERT(stopped == slow(pattern, text, true));
        }
        return 0;
}
