/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/regex.h"

#include "base/unicode.h"

#define DEPTH_MAX 500
#define COUNT_MAX 1000
#define LENGTH_MAX 65536u

struct reader {
        struct slice rest;
        int depth;
        bool no_class_ends; /* no ":]" is left in `rest` */
        uint64_t repeats;   /* how often the innermost part of the last atom is repeated: the product of its counts */
};

static bool more(const struct reader *r) {
        return r->rest.len > 0;
}

static char peek(const struct reader *r) {
        return r->rest.len ? r->rest.at[0] : '\0';
}

static bool take(struct reader *r, const char *text) {
        if (!slice_starts(r->rest, slice_of(text)))
                return false;
        r->rest = slice_from(r->rest, strlen(text));
        return true;
}

static bool is_word(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_hex(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* \p and \P have been read: one letter, or a name in braces. */
static const char *unicode_class(struct reader *r) {
        static const char categories[] =
                " C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So "
                "Z Zl Zp Zs Any ";
        /* Scripts are names of letters; which exist depends on the Unicode version of whoever evaluates the pattern. */
        struct slice name;
        char quoted[64];

        if (peek(r) != '{') {
                if (!more(r) || !strchr("CLMNPSZ", peek(r)))
                        return "unknown Unicode class";
                r->rest = slice_from(r->rest, 1);
                return NULL;
        }
        r->rest = slice_from(r->rest, 1);
        take(r, "^");
        if (!slice_cut(r->rest, '}', &name, &r->rest) || name.len == 0 || name.len > 40)
                return "a Unicode class is not closed";
        for (size_t i = 0; i < name.len; i++)
                if (!is_word(name.at[i]))
                        return "unknown Unicode class";
        quoted[0] = ' ';
        memcpy(quoted + 1, name.at, name.len);
        memcpy(quoted + 1 + name.len, " ", 2);
        if (!strstr(categories, quoted) && (name.len < 2 || name.at[0] < 'A' || name.at[0] > 'Z' || name.len == 2))
                return "unknown Unicode class";
        return NULL;
}

/*
 * A backslash has been read. `in_class`: between brackets. *ret_value: the character it stands for, UINT32_MAX for a
 * set.
 */
static const char *escape(struct reader *r, bool in_class, uint32_t *ret_value) {
        char c = peek(r);
        size_t n = 0;

        *ret_value = UINT32_MAX;
        if (!more(r))
                return "a backslash stands at the end";
        r->rest = slice_from(r->rest, 1);
        switch (c) {
        case 'd':
        case 'D':
        case 's':
        case 'S':
        case 'w':
        case 'W':
                return NULL;
        case 'p':
        case 'P':
                return unicode_class(r);
        case 'A':
        case 'z':
        case 'b':
        case 'B':
                return in_class ? "this escape cannot stand between brackets" : NULL;
        case 'a':
                *ret_value = 7;
                return NULL;
        case 'f':
                *ret_value = 12;
                return NULL;
        case 'n':
                *ret_value = 10;
                return NULL;
        case 'r':
                *ret_value = 13;
                return NULL;
        case 't':
                *ret_value = 9;
                return NULL;
        case 'v':
                *ret_value = 11;
                return NULL;
        case 'x':
                *ret_value = 0;
                if (take(r, "{")) {
                        for (; is_hex(peek(r)) && n < 7; n++, r->rest = slice_from(r->rest, 1))
                                *ret_value = *ret_value * 16 +
                                             (uint32_t) (peek(r) <= '9' ? peek(r) - '0' : (peek(r) | 32) - 'a' + 10);
                        return n && *ret_value <= 0x10ffff && take(r, "}") ? NULL : "a bad hexadecimal escape";
                }
                for (; n < 2 && is_hex(peek(r)); n++, r->rest = slice_from(r->rest, 1))
                        *ret_value = *ret_value * 16 +
                                     (uint32_t) (peek(r) <= '9' ? peek(r) - '0' : (peek(r) | 32) - 'a' + 10);
                return n == 2 ? NULL : "a bad hexadecimal escape";
        default:
                break;
        }
        if (c >= '0' && c <= '7') {
                /* \1 to \7 alone would be back references, which RE2 has not */
                if (c != '0' && !(peek(r) >= '0' && peek(r) <= '7'))
                        return "back references are not supported";
                *ret_value = (uint32_t) (c - '0');
                for (; n < 2 && peek(r) >= '0' && peek(r) <= '7'; n++, r->rest = slice_from(r->rest, 1))
                        *ret_value = *ret_value * 8 + (uint32_t) (peek(r) - '0');
                return NULL;
        }
        if (is_word(c) || (unsigned char) c >= 0x80)
                return "an unknown escape";
        *ret_value = (unsigned char) c;
        return NULL;
}

/* One character of the pattern, taken literally. */
static const char *literal(struct reader *r, uint32_t *ret_value) {
        size_t n = unicode_decode(r->rest, ret_value);

        if (n == 0)
                return "it is not valid UTF-8";
        r->rest = slice_from(r->rest, n);
        return NULL;
}

static const char *posix_class(struct reader *r, bool *ret_taken) {
        static const char *const names[] = { "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
                                             "lower", "print", "punct", "space", "upper", "word",  "xdigit" };
        struct slice inner = slice_from(r->rest, 2), name;
        const char *end = r->no_class_ends ? NULL : memmem(inner.at, inner.len, ":]", 2);

        *ret_taken = false;
        if (!end) {
                r->no_class_ends = true; /* nor behind the next one: it is looked for once */
                return NULL;             /* a bracket and a colon, literally */
        }
        name = slice_upto(inner, (size_t) (end - inner.at));
        if (name.len && name.at[0] == '^')
                name = slice_from(name, 1);
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
                if (slice_eq(name, slice_of(names[k]))) {
                        r->rest = slice_from(inner, (size_t) (end - inner.at) + 2);
                        *ret_taken = true;
                        return NULL;
                }
        return "an unknown character class";
}

/* The opening bracket has been read. */
static const char *bracket(struct reader *r) {
        const char *wrong;
        bool first = true;

        take(r, "^");
        for (; more(r) && (first || peek(r) != ']'); first = false) {
                uint32_t from, to;
                bool taken = false;

                if (slice_starts(r->rest, SLICE("[:"))) {
                        wrong = posix_class(r, &taken);
                        if (wrong)
                                return wrong;
                        if (taken)
                                continue;
                }
                wrong = take(r, "\\") ? escape(r, true, &from) : literal(r, &from);
                if (wrong)
                        return wrong;
                if (from == UINT32_MAX || r->rest.len < 2 || r->rest.at[0] != '-' || r->rest.at[1] == ']')
                        continue;
                r->rest = slice_from(r->rest, 1);
                wrong = take(r, "\\") ? escape(r, true, &to) : literal(r, &to);
                if (wrong)
                        return wrong;
                if (to == UINT32_MAX || to < from)
                        return "a bad character range";
        }
        return take(r, "]") ? NULL : "a bracket is not closed";
}

static const char *alternation(struct reader *r);

/* The opening parenthesis has been read. */
static const char *group(struct reader *r) {
        const char *wrong;

        if (++r->depth > DEPTH_MAX)
                return "its groups are nested too deeply";
        if (take(r, "?P<") || (slice_starts(r->rest, SLICE("?<")) && !slice_starts(r->rest, SLICE("?<=")) &&
                               !slice_starts(r->rest, SLICE("?<!")) && take(r, "?<"))) {
                struct slice name;

                if (!slice_cut(r->rest, '>', &name, &r->rest) || name.len == 0)
                        return "a group's name is not closed";
                for (size_t i = 0; i < name.len; i++)
                        if (!is_word(name.at[i]))
                                return "a bad group name";
        } else if (take(r, "?")) {
                bool negative = false, any = false;

                for (; more(r) && peek(r) != ')' && peek(r) != ':'; r->rest = slice_from(r->rest, 1)) {
                        if (peek(r) == '-' && !negative) {
                                negative = true;
                                any = false;
                        } else if (strchr("imsU", peek(r))) {
                                any = true;
                        } else {
                                return "look-around and other extensions are not supported";
                        }
                }
                if (negative && !any)
                        return "a bad group flag";
                if (take(r, ")")) {
                        r->depth--;
                        return any ? NULL : "a group without content";
                }
                if (!take(r, ":"))
                        return "a group is not closed";
        }
        wrong = alternation(r);
        if (wrong)
                return wrong;
        r->depth--;
        return take(r, ")") ? NULL : "a group is not closed";
}

/* Reads {n}, {n,} or {n,m}; anything else between braces is literal. */
static const char *count(struct reader *r, bool *ret_taken) {
        struct slice inner, rest, low, high;
        uint64_t n, m;
        bool comma;

        *ret_taken = false;
        if (!slice_cut(slice_from(r->rest, 1), '}', &inner, &rest))
                return NULL;
        comma = slice_cut(inner, ',', &low, &high);
        if (low.len > 4 || high.len > 4) {
                for (size_t i = 0; i < inner.len; i++)
                        if (inner.at[i] != ',' && (inner.at[i] < '0' || inner.at[i] > '9'))
                                return NULL;
                return "a repetition count above 1000";
        }
        if (slice_parse_u64(low, &n) < 0 || (comma && high.len && slice_parse_u64(high, &m) < 0))
                return NULL;
        if (!comma || high.len == 0)
                m = n;
        if (n > COUNT_MAX || m > COUNT_MAX || m < n)
                return "a bad repetition count";
        r->repeats = m ? r->repeats * m : 1;
        if (r->repeats > COUNT_MAX)
                return "its repetitions multiply to more than 1000";
        r->rest = rest;
        *ret_taken = true;
        return NULL;
}

static const char *repetition(struct reader *r, bool *ret_taken) {
        const char *wrong = NULL;

        *ret_taken = false;
        if (peek(r) == '{')
                wrong = count(r, ret_taken);
        else if (more(r) && strchr("*+?", peek(r)) && (take(r, "*") || take(r, "+") || take(r, "?")))
                *ret_taken = true;
        if (!wrong && *ret_taken)
                take(r, "?"); /* the lazy form */
        return wrong;
}

static const char *concatenation(struct reader *r) {
        uint64_t most = 1;

        for (; more(r) && peek(r) != '|' && peek(r) != ')'; most = r->repeats > most ? r->repeats : most) {
                const char *wrong;
                uint32_t value;
                bool repeated, again;

                r->repeats = 1;
                if (take(r, "\\Q")) {
                        bool empty = slice_starts(r->rest, SLICE("\\E"));

                        while (more(r) && !slice_starts(r->rest, SLICE("\\E")))
                                r->rest = slice_from(r->rest, 1);
                        if (!take(r, "\\E") || empty)
                                continue;
                        wrong = NULL; /* what follows repeats the last byte */
                } else if (take(r, "(")) {
                        wrong = group(r);
                } else if (take(r, "[")) {
                        wrong = bracket(r);
                } else if (take(r, "\\")) {
                        wrong = escape(r, false, &value);
                } else if (strchr("*+?", peek(r))) {
                        return "a repetition without anything to repeat";
                } else {
                        wrong = literal(r, &value);
                }
                if (wrong)
                        return wrong;
                wrong = repetition(r, &repeated);
                if (!wrong && repeated)
                        wrong = repetition(r, &again);
                else
                        again = false;
                if (wrong || again)
                        return wrong ? wrong : "a repetition of a repetition";
        }
        r->repeats = most;
        return NULL;
}

static const char *alternation(struct reader *r) {
        uint64_t most = 1;

        do {
                const char *wrong = concatenation(r);

                if (wrong)
                        return wrong;
                most = r->repeats > most ? r->repeats : most;
        } while (take(r, "|"));
        r->repeats = most;
        return NULL;
}

const char *regex_check(struct slice pattern) {
        struct reader r = { .rest = pattern };
        const char *wrong;

        if (pattern.len > LENGTH_MAX)
                return "it is too long";
        wrong = alternation(&r);
        if (!wrong && more(&r))
                return "a parenthesis closes what was not opened";
        return wrong;
}
