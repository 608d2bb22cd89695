/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/glob.h"

#include "http/head.h"

/*
 * Patterns are matched without a regular expression and without backtracking: the set of positions in the text that the
 * pattern read so far can end at is kept as bits, and each token of the pattern maps that set to the next in one sweep.
 * Cost: pattern x text at worst, tokens x text as a rule, whatever the input.
 */

enum token_kind { LITERAL, STAR, DSTAR, OPT_DSTAR };

/* The next token of the pattern; *rest is advanced. */
static enum token_kind next_token(struct slice *rest, struct slice *ret_literal) {
        size_t n = 0;

        if (slice_starts(*rest, SLICE("/**"))) {
                *rest = slice_from(*rest, 3);
                return OPT_DSTAR;
        }
        if (slice_starts(*rest, SLICE("**"))) {
                *rest = slice_from(*rest, 2);
                return DSTAR;
        }
        if (slice_starts(*rest, SLICE("*"))) {
                *rest = slice_from(*rest, 1);
                return STAR;
        }
        while (n < rest->len && rest->at[n] != '*' && !slice_starts(slice_from(*rest, n), SLICE("/**")))
                n++;
        *ret_literal = slice_upto(*rest, n);
        *rest = slice_from(*rest, n);
        return LITERAL;
}

static bool get(const uint64_t *set, size_t i) {
        return set[i >> 6] >> (i & 63) & 1;
}

static void put(uint64_t *set, size_t i, bool value) {
        uint64_t bit = UINT64_C(1) << (i & 63);

        set[i >> 6] = value ? set[i >> 6] | bit : set[i >> 6] & ~bit;
}

/* Every position reaches the positions behind it, up to the first `barrier` byte (-1: no barrier). */
static void spread(uint64_t *set, struct slice text, int barrier) {
        bool on = false;

        for (size_t i = 0; i <= text.len; i++) {
                on = on || get(set, i);
                put(set, i, on);
                if (i < text.len && (unsigned char) text.at[i] == (unsigned) barrier)
                        on = false;
        }
}

/*
 * Positions reach the position behind the literal, where the text has it; false when none does. From the end, so that
 * it can be done in place: a bit that is set here lies behind all that are still to be looked at.
 */
static bool step_literal(uint64_t *set, struct slice text, struct slice literal) {
        bool any = false;

        for (size_t w = text.len / 64 + 1; w-- > 0;) {
                uint64_t bits = set[w];

                set[w] = 0;
                while (bits != 0) {
                        unsigned high = 63 - (unsigned) __builtin_clzll(bits);
                        size_t from = w * 64 + high;

                        bits ^= UINT64_C(1) << high;
                        if (literal.len > text.len - from || memcmp(text.at + from, literal.at, literal.len) != 0)
                                continue;
                        put(set, from + literal.len, true);
                        any = true;
                }
        }
        return any;
}

/* Stays, or goes past a '/' and then anywhere. */
static void step_opt_dstar(uint64_t *set, struct slice text, int barrier) {
        bool on = false;

        for (size_t i = 0; i <= text.len; i++) {
                bool here = get(set, i);

                put(set, i, here || on);
                if (i == text.len)
                        break;
                if ((unsigned char) text.at[i] == (unsigned) barrier)
                        on = false;
                if (here && text.at[i] == '/')
                        on = true;
        }
}

/* `set` has room for text.len + 1 bits. */
static bool match_in(uint64_t *set, struct slice pattern, struct slice text, int barrier) {
        struct slice literal;

        memset(set, 0, (text.len / 64 + 1) * sizeof(*set));
        put(set, 0, true);
        while (pattern.len > 0) {
                switch (next_token(&pattern, &literal)) {
                case LITERAL:
                        if (!step_literal(set, text, literal))
                                return false;
                        break;
                case STAR:
                        spread(set, text, '/');
                        break;
                case DSTAR:
                        spread(set, text, barrier);
                        break;
                case OPT_DSTAR:
                        step_opt_dstar(set, text, barrier);
                        break;
                }
        }
        return get(set, text.len);
}

/* Paths come out of a request head, so this is the longest there is; a page or two of it is touched for a usual one. */
#define TEXT_MAX (HTTP_HEAD_MAX + 64)

static __attribute__((noinline)) bool match_long(struct slice pattern, struct slice text, int barrier) {
        uint64_t set[TEXT_MAX / 64 + 1];

        return text.len <= TEXT_MAX && match_in(set, pattern, text, barrier);
}

static bool match(struct slice pattern, struct slice text, int barrier) {
        uint64_t set[16];

        if (text.len < 64 * 16)
                return match_in(set, pattern, text, barrier);
        return match_long(pattern, text, barrier);
}

bool glob_match_plain(struct slice pattern, struct slice text, bool newline_stops) {
        return match(pattern, text, newline_stops ? '\n' : -1);
}

bool glob_match_rule(struct slice pattern, struct slice path) {
        ssize_t star = slice_find(pattern, '*');
        size_t first, prefix;

        if (star < 0)
                return slice_eq(pattern, path);
        if (slice_eq(pattern, SLICE("/**")))
                return true;
        first = (size_t) star;
        if (slice_ends(pattern, SLICE("/**")) && first == pattern.len - 2) {
                struct slice head = slice_upto(pattern, pattern.len - 3);

                return slice_starts(path, head) && (path.len == head.len || path.at[head.len] == '/');
        }

        /*
         * The path must begin with what stands before the first star, even where the star's own meaning ("/" and two
         * stars: or nothing) would not ask for it. So the first such group of "/a" + twice that group is not optional.
         */
        prefix = first;
        if (first > 0 && slice_starts(slice_from(pattern, first - 1), SLICE("/**")) &&
            !slice_starts(slice_from(pattern, first + 2), SLICE("/")))
                prefix = first - 1;
        if (memmem(pattern.at, pattern.len, "**", 2) != NULL)
                return slice_starts(path, slice_upto(pattern, prefix)) && match(pattern, path, -1);

        /* Without two stars, segments are compared; one leading slash on either side is no segment. */
        if (path.len > 0 && !slice_starts(path, slice_upto(pattern, prefix)))
                return false;
        if (slice_starts(pattern, SLICE("/")))
                pattern = slice_from(pattern, 1);
        if (slice_starts(path, SLICE("/")))
                path = slice_from(path, 1);
        return match(pattern, path, -1);
}
