/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "ctl/migrate.h"

/*
 * Regular expressions of path allow-lists are a small part of the language: literal text, alternatives, "anything",
 * "one segment". That part is expanded into sequences of three kinds of token, and each sequence is written as a
 * pattern. What is outside of that part is refused, never guessed.
 */

#define SEQUENCES_MAX 256u
#define TOKENS_MAX 512u
#define DEPTH_MAX 50u

/*
 * Tokens: a byte, or a run of any bytes, or of any bytes but '/'. The loose ones stand for something that admits less,
 * such as a run of digits.
 */
enum { ANY = -1, SEGMENT = -2, LOOSE_ANY = -3, LOOSE_SEGMENT = -4 };

static bool is_any(int token) {
        return token == ANY || token == LOOSE_ANY;
}

static bool is_loose(int token) {
        return token <= LOOSE_ANY;
}

struct sequence {
        int16_t *at;
        size_t n;
};

struct sequences {
        struct sequence *at;
        size_t n;
};

struct parser {
        struct slice rest;
        struct arena *a;
        const char *why;
        unsigned depth;
        bool wider;
};

/* A set of bytes that one place of the text may hold. */
struct charset {
        uint64_t bits[4];
};

static bool has(const struct charset *c, unsigned char b) {
        return c->bits[b >> 6] >> (b & 63) & 1;
}

static void add(struct charset *c, unsigned from, unsigned to) {
        for (unsigned b = from; b <= to; b++)
                c->bits[b >> 6] |= UINT64_C(1) << (b & 63);
}

static void negate(struct charset *c) {
        for (unsigned i = 0; i < 4; i++)
                c->bits[i] = ~c->bits[i];
}

static unsigned count(const struct charset *c) {
        unsigned n = 0;

        for (unsigned i = 0; i < 4; i++)
                n += (unsigned) __builtin_popcountll(c->bits[i]);
        return n;
}

static int give_up(struct parser *p, const char *why) {
        if (p->why == NULL)
                p->why = why;
        return -EINVAL;
}

static bool next_is(const struct parser *p, char c) {
        return p->rest.len > 0 && p->rest.at[0] == c;
}

static bool accept_text(struct parser *p, const char *text) {
        struct slice s = slice_of(text);

        if (!slice_starts(p->rest, s))
                return false;
        p->rest = slice_from(p->rest, s.len);
        return true;
}

/* ---- sets of sequences ---- */

static struct sequences one_empty(struct parser *p) {
        struct sequences s = { arena_new(p->a, struct sequence), 1 };

        return s;
}

static struct sequences one_token(struct parser *p, int token) {
        struct sequences s = one_empty(p);

        s.at[0].at = arena_new(p->a, int16_t);
        s.at[0].at[0] = (int16_t) token;
        s.at[0].n = 1;
        return s;
}

static int unite(struct parser *p, struct sequences left, struct sequences right, struct sequences *ret) {
        struct sequences s = { NULL, left.n + right.n };

        if (s.n > SEQUENCES_MAX)
                return give_up(p, "too many alternatives");
        s.at = arena_new_array(p->a, struct sequence, s.n);
        memcpy(s.at, left.at, left.n * sizeof(*s.at));
        memcpy(s.at + left.n, right.at, right.n * sizeof(*s.at));
        *ret = s;
        return 0;
}

/* Every left one followed by every right one. */
static int join(struct parser *p, struct sequences left, struct sequences right, struct sequences *ret) {
        struct sequences s = { NULL, 0 };

        if (left.n * right.n > SEQUENCES_MAX)
                return give_up(p, "too many alternatives");
        s.at = arena_new_array(p->a, struct sequence, left.n * right.n);
        for (size_t i = 0; i < left.n; i++) {
                for (size_t k = 0; k < right.n; k++) {
                        struct sequence *q = &s.at[s.n++];

                        q->n = left.at[i].n + right.at[k].n;
                        if (q->n > TOKENS_MAX)
                                return give_up(p, "expression too long");
                        q->at = arena_new_array(p->a, int16_t, q->n);
                        if (left.at[i].n > 0)
                                memcpy(q->at, left.at[i].at, left.at[i].n * sizeof(*q->at));
                        if (right.at[k].n > 0)
                                memcpy(q->at + left.at[i].n, right.at[k].at, right.at[k].n * sizeof(*q->at));
                }
        }
        *ret = s;
        return 0;
}

/* ---- the expression ---- */

static bool escape_class(char c, struct charset *ret) {
        *ret = (struct charset){ 0 };
        switch (c | 0x20) {
        case 'd':
                add(ret, '0', '9');
                break;
        case 'w':
                add(ret, '0', '9');
                add(ret, 'A', 'Z');
                add(ret, 'a', 'z');
                add(ret, '_', '_');
                break;
        case 's':
                add(ret, '\t', '\r');
                add(ret, ' ', ' ');
                break;
        default:
                return false;
        }
        if (c < 'a')
                negate(ret);
        return true;
}

/* A byte of a class, perhaps escaped. */
static int class_byte(struct parser *p, unsigned char *ret) {
        if (next_is(p, '\\')) {
                p->rest = slice_from(p->rest, 1);
                if (p->rest.len == 0 || ((p->rest.at[0] | 0x20) >= 'a' && (p->rest.at[0] | 0x20) <= 'z'))
                        return give_up(p, "unusual escape in a class");
        }
        if (p->rest.len == 0)
                return give_up(p, "class without an end");
        *ret = (unsigned char) p->rest.at[0];
        p->rest = slice_from(p->rest, 1);
        return 0;
}

static int parse_class(struct parser *p, struct charset *ret) {
        bool negated = accept_text(p, "^");

        *ret = (struct charset){ 0 };
        for (bool first = true; first || !next_is(p, ']'); first = false) {
                struct charset inner;
                unsigned char from, to;

                if (slice_starts(p->rest, SLICE("[:")))
                        return give_up(p, "named class");
                if (p->rest.len >= 2 && next_is(p, '\\') && escape_class(p->rest.at[1], &inner)) {
                        for (unsigned i = 0; i < 4; i++)
                                ret->bits[i] |= inner.bits[i];
                        p->rest = slice_from(p->rest, 2);
                        continue;
                }
                if (class_byte(p, &from) < 0)
                        return -EINVAL;
                to = from;
                if (p->rest.len >= 2 && next_is(p, '-') && p->rest.at[1] != ']') {
                        p->rest = slice_from(p->rest, 1);
                        if (class_byte(p, &to) < 0)
                                return -EINVAL;
                }
                if (to < from)
                        return give_up(p, "class with a reversed range");
                add(ret, from, to);
        }
        p->rest = slice_from(p->rest, 1);
        if (negated)
                negate(ret);
        return 0;
}

/* How often: *ret_max 0 is "without end". False when there is no quantifier. */
static bool parse_quantifier(struct parser *p, unsigned *ret_min, unsigned *ret_max) {
        if (accept_text(p, "*")) {
                *ret_min = *ret_max = 0;
        } else if (accept_text(p, "+")) {
                *ret_min = 1;
                *ret_max = 0;
        } else if (accept_text(p, "?")) {
                *ret_min = 0;
                *ret_max = 1;
        } else if (next_is(p, '{')) {
                ssize_t end = slice_find(p->rest, '}');
                struct slice low, high;
                uint64_t min, max = 0;
                bool range;

                if (end < 0)
                        return false;
                range = slice_cut(slice_make(p->rest.at + 1, (size_t) end - 1), ',', &low, &high);
                if (slice_parse_u64(low, &min) < 0 || min > 1000 ||
                    (range && high.len > 0 && (slice_parse_u64(high, &max) < 0 || max > 1000)))
                        return false;
                p->rest = slice_from(p->rest, (size_t) end + 1);
                *ret_min = (unsigned) min;
                *ret_max = !range ? (unsigned) min : high.len > 0 ? (unsigned) max : 0;
        } else {
                return false;
        }
        (void) accept_text(p, "?"); /* lazy or not is the same where the whole path must match */
        return true;
}

/* A set of bytes, so many times: written out when it is small, else as a run. */
static int from_charset(struct parser *p, const struct charset *c, bool quantified, unsigned min, unsigned max,
                        struct sequences *ret) {
        bool slash = has(c, '/'), loose;

        if (count(c) == 0)
                return give_up(p, "empty class");
        if (!quantified && count(c) <= 10) {
                struct sequences s = { arena_new_array(p->a, struct sequence, 10), 0 };

                for (unsigned b = 0; b < 256; b++)
                        if (has(c, (unsigned char) b))
                                s.at[s.n++] = one_token(p, (int) b).at[0];
                *ret = s;
                return 0;
        }
        /* All bytes, or all but '/': then "any number" is exactly what the token says. */
        loose = !quantified || max != 0 || min > 1 || count(c) < (slash ? 256u : 255u);
        *ret = one_token(p, slash ? (loose ? LOOSE_ANY : ANY) : (loose ? LOOSE_SEGMENT : SEGMENT));
        return 0;
}

static int parse_alternatives(struct parser *p, struct sequences *ret);

/* One atom without its quantifier: a set of bytes (*ret_is_set) or sequences. */
static int parse_atom(struct parser *p, bool *ret_is_set, struct charset *ret_set, struct sequences *ret) {
        char c = p->rest.at[0];
        int r;

        *ret_is_set = false;
        p->rest = slice_from(p->rest, 1);
        switch (c) {
        case '.':
                *ret_is_set = true;
                *ret_set = (struct charset){ 0 };
                add(ret_set, 0, 255);
                return 0;
        case '[':
                *ret_is_set = true;
                return parse_class(p, ret_set);
        case '(':
                if (accept_text(p, "?") && !accept_text(p, ":")) {
                        ssize_t end;

                        if ((!accept_text(p, "P<") && !accept_text(p, "<")) || next_is(p, '=') || next_is(p, '!'))
                                return give_up(p, "flags or look-around in a group");
                        end = slice_find(p->rest, '>');
                        if (end < 0)
                                return give_up(p, "group without an end");
                        p->rest = slice_from(p->rest, (size_t) end + 1);
                }
                if (++p->depth > DEPTH_MAX)
                        return give_up(p, "too many groups inside each other");
                r = parse_alternatives(p, ret);
                p->depth--;
                if (r < 0)
                        return r;
                return accept_text(p, ")") ? 0 : give_up(p, "group without an end");
        case '\\':
                if (p->rest.len == 0)
                        return give_up(p, "backslash at the end");
                c = p->rest.at[0];
                p->rest = slice_from(p->rest, 1);
                if (escape_class(c, ret_set)) {
                        *ret_is_set = true;
                        return 0;
                }
                if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
                        return give_up(p, "unusual escape");
                break;
        case '*':
        case '+':
        case '?':
                return give_up(p, "quantifier without anything before it");
        case '^':
        case '$':
                return give_up(p, "anchor in the middle");
        default:
                break;
        }
        if (c == '*' || c == '%')
                return give_up(p, "literal star or percent sign, which a pattern cannot hold");
        *ret = one_token(p, (unsigned char) c);
        return 0;
}

static int repeat(struct parser *p, struct sequences once, unsigned min, unsigned max, struct sequences *ret) {
        struct sequences all, grown;

        if (max == 0 || max > 8 || min > 8)
                return give_up(p, "text that may repeat without end");
        grown = one_empty(p);
        for (unsigned i = 0; i < min; i++)
                if (join(p, grown, once, &grown) < 0)
                        return -EINVAL;
        all = grown;
        for (unsigned i = min; i < max; i++)
                if (join(p, grown, once, &grown) < 0 || unite(p, all, grown, &all) < 0)
                        return -EINVAL;
        *ret = all;
        return 0;
}

static int parse_concatenation(struct parser *p, struct sequences *ret) {
        struct sequences all = one_empty(p);

        while (p->rest.len > 0 && !next_is(p, '|') && !next_is(p, ')')) {
                struct sequences one = { 0 };
                struct charset set;
                bool is_set, quantified;
                unsigned min = 1, max = 1;

                /* Whole paths are matched anyway: an anchor at either end says nothing new. */
                if (next_is(p, '^') && all.n == 1 && all.at[0].n == 0) {
                        p->rest = slice_from(p->rest, 1);
                        continue;
                }
                if (next_is(p, '$') && (p->rest.len == 1 || p->rest.at[1] == ')' || p->rest.at[1] == '|')) {
                        p->rest = slice_from(p->rest, 1);
                        continue;
                }
                if (parse_atom(p, &is_set, &set, &one) < 0)
                        return -EINVAL;
                quantified = parse_quantifier(p, &min, &max);
                if (is_set) {
                        if (from_charset(p, &set, quantified && !(min == 1 && max == 1), min, max, &one) < 0)
                                return -EINVAL;
                        /* "perhaps one of these": with and without */
                        if (quantified && min == 0 && max == 1 && unite(p, one, one_empty(p), &one) < 0)
                                return -EINVAL;
                } else if (quantified && repeat(p, one, min, max, &one) < 0) {
                        return -EINVAL;
                }
                if (join(p, all, one, &all) < 0)
                        return -EINVAL;
        }
        *ret = all;
        return 0;
}

static int parse_alternatives(struct parser *p, struct sequences *ret) {
        struct sequences all, next;

        if (parse_concatenation(p, &all) < 0)
                return -EINVAL;
        while (accept_text(p, "|"))
                if (parse_concatenation(p, &next) < 0 || unite(p, all, next, &all) < 0)
                        return -EINVAL;
        *ret = all;
        return 0;
}

/* ---- from sequences to patterns ---- */

/*
 * Drops "/v" and what stands for a version behind it. Returns the tokens that stay; all of them when there is no
 * version.
 * "/v1.*" is every versioned path, that is every path.
 */
static struct sequence without_version(struct sequence s) {
        size_t n = 2;

        if (s.n < 3 || s.at[0] != '/' || s.at[1] != 'v')
                return s;
        while (n < s.n && (s.at[n] < 0 || s.at[n] == '.' || (s.at[n] >= '0' && s.at[n] <= '9'))) {
                if (is_any(s.at[n]) && n + 1 == s.n)
                        return (struct sequence){ s.at + n, 1 };
                n++;
        }
        if (n > 2 && n < s.n && s.at[n] == '/')
                return (struct sequence){ s.at + n, s.n - n };
        return s;
}

static struct slice write_pattern(struct parser *p, struct sequence s) {
        char *out = arena_array(p->a, s.n + 2, 5);
        size_t n = 0;

        for (size_t i = 0; i < s.n; i++) {
                bool last = i + 1 == s.n;
                const char *text;

                if (s.at[i] >= 0) {
                        out[n++] = (char) s.at[i];
                        continue;
                }
                p->wider = p->wider || is_loose(s.at[i]);
                if (!is_any(s.at[i])) {
                        text = "*";
                } else if (i == 0) {
                        text = "/**"; /* every path begins with a slash */
                } else if (out[n - 1] == '/' && !last && s.at[i + 1] == '/') {
                        text = "*/**"; /* at least one segment: "/a/" anything "/b" is not "/a/b" */
                } else {
                        text = "**";
                        /* A slash and two stars may also be nothing at all. */
                        p->wider = p->wider || (out[n - 1] == '/' && !last);
                }
                memcpy(out + n, text, strlen(text));
                n += strlen(text);
        }
        return slice_make(out, n);
}

/* Runs that follow each other become one; a run of anything swallows a run within a segment. */
static struct sequence merge_runs(struct parser *p, struct sequence s) {
        struct sequence m = { arena_new_array(p->a, int16_t, s.n), 0 };

        for (size_t i = 0; i < s.n; i++) {
                if (s.at[i] < 0 && m.n > 0 && m.at[m.n - 1] < 0) {
                        int before = m.at[m.n - 1], now = s.at[i];
                        bool any = is_any(before) || is_any(now), loose = is_loose(before) || is_loose(now);

                        m.at[m.n - 1] = (int16_t) (any ? (loose ? LOOSE_ANY : ANY) : (loose ? LOOSE_SEGMENT : SEGMENT));
                        continue;
                }
                m.at[m.n++] = s.at[i];
        }
        return m;
}

static void put(struct migrate_globs *g, struct slice pattern) {
        for (size_t i = 0; i < g->n; i++)
                if (slice_eq(g->at[i], pattern))
                        return;
        g->at[g->n++] = pattern;
}

/* "/a" beside "/a" slash two stars says nothing of its own. */
static void drop_covered(struct migrate_globs *g) {
        size_t n = 0;

        for (size_t i = 0; i < g->n; i++) {
                bool covered = false;

                for (size_t k = 0; k < g->n; k++) {
                        struct slice wide = g->at[k];

                        covered = covered || (k != i && slice_ends(wide, SLICE("/**")) &&
                                              slice_eq(slice_upto(wide, wide.len - 3), g->at[i]));
                }
                if (!covered)
                        g->at[n++] = g->at[i];
        }
        g->n = n;
}

int migrate_regex(struct slice regex, struct arena *a, struct migrate_globs *ret, const char **ret_why) {
        struct parser p = { .rest = regex, .a = a };
        struct sequences all;

        *ret = (struct migrate_globs){ 0 };
        if (parse_alternatives(&p, &all) < 0 ||
            (p.rest.len > 0 && give_up(&p, "parenthesis that closes nothing") < 0)) {
                *ret_why = p.why;
                return -EINVAL;
        }
        ret->at = arena_new_array(a, struct slice, all.n);
        for (size_t i = 0; i < all.n; i++) {
                struct sequence s = without_version(merge_runs(&p, all.at[i]));

                /* A run without a slash in front of one can only be empty: paths begin with a slash. */
                if (s.n > 1 && s.at[0] < 0 && !is_any(s.at[0]) && s.at[1] == '/')
                        s = (struct sequence){ s.at + 1, s.n - 1 };
                if (s.n > 0 && (s.at[0] == '/' || is_any(s.at[0])))
                        put(ret, write_pattern(&p, s));
        }
        drop_covered(ret);
        ret->wider = p.wider;
        return 0;
}
