/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_LENGTH_MAX 400u /* longer texts are not taken for numbers */

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool one_of(struct slice text, const char *const *words) {
        for (; *words; words++)
                if (slice_eq(text, slice_of(*words)))
                        return true;
        return false;
}

static int digit_value(char c) {
        if (is_digit(c))
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 99;
}

/* Magnitude and sign of an integer text. Loose: underscores may stand anywhere behind the first byte (YAML). */
static int parse_magnitude(struct slice text, bool loose, bool *ret_negative, uint64_t *ret) {
        bool negative = false, after_digit = false, any = false;
        int base = 10;
        uint64_t v = 0;

        if (text.len && (text.at[0] == '-' || text.at[0] == '+')) {
                negative = text.at[0] == '-';
                text = slice_from(text, 1);
        }
        if (text.len > 1 && text.at[0] == '0') {
                char letter = (char) (text.at[1] | 32);

                base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
                after_digit = true; /* 0x_1: an underscore may follow the prefix */
                if (letter == 'x' || letter == 'o' || letter == 'b')
                        text = slice_from(text, 2);
        }
        if (text.len == 0)
                return -EINVAL;
        for (size_t i = 0; i < text.len; i++) {
                int d = digit_value(text.at[i]);

                if (text.at[i] == '_') {
                        if (!loose && !after_digit)
                                return -EINVAL;
                        after_digit = false;
                        continue;
                }
                if (d >= base)
                        return -EINVAL;
                after_digit = any = true;
                if (__builtin_mul_overflow(v, (uint64_t) base, &v) || __builtin_add_overflow(v, (uint64_t) d, &v))
                        return -ERANGE;
        }
        if (!any || (!loose && !after_digit))
                return -EINVAL;
        *ret_negative = negative;
        *ret = v;
        return 0;
}

static int signed_of(bool negative, uint64_t magnitude, int64_t *ret) {
        if (magnitude > (uint64_t) INT64_MAX + negative)
                return -ERANGE;
        *ret = negative ? (int64_t) (0 - magnitude) : (int64_t) magnitude;
        return 0;
}

int integer_parse(struct slice text, bool loose_underscores, int64_t *ret) {
        bool negative;
        uint64_t v;
        int r = parse_magnitude(text, loose_underscores, &negative, &v);

        return r < 0 ? r : signed_of(negative, v, ret);
}

/* [-+]? ( .digits | digits [. digits*] ) [ [eE] [-+]? digits ] and nothing else. */
static bool looks_decimal(struct slice t) {
        size_t i = 0, whole, fraction = 0;

        if (i < t.len && (t.at[i] == '-' || t.at[i] == '+'))
                i++;
        for (whole = 0; i < t.len && is_digit(t.at[i]); i++)
                whole++;
        if (i < t.len && t.at[i] == '.') {
                i++;
                for (; i < t.len && is_digit(t.at[i]); i++)
                        fraction++;
        }
        if (whole + fraction == 0)
                return false;
        if (i < t.len && (t.at[i] == 'e' || t.at[i] == 'E')) {
                size_t from;

                i++;
                if (i < t.len && (t.at[i] == '-' || t.at[i] == '+'))
                        i++;
                for (from = i; i < t.len && is_digit(t.at[i]); i++)
                        ;
                if (i == from)
                        return false;
        }
        return i == t.len;
}

static int parse_decimal(struct slice t, double *ret) {
        char buf[NUMBER_LENGTH_MAX + 1];
        size_t n = 0;

        if (t.len > NUMBER_LENGTH_MAX)
                return -EINVAL;
        for (size_t i = 0; i < t.len; i++)
                if (t.at[i] != '_')
                        buf[n++] = t.at[i];
        buf[n] = 0;
        if (!looks_decimal(slice_make(buf, n)))
                return -EINVAL;
        *ret = strtod(buf, NULL); /* the C locale: no program of ours calls setlocale() */
        return isfinite(*ret) ? 0 : -ERANGE;
}

static const char *const words_null[] = { "", "~", "null", "Null", "NULL", NULL };
static const char *const words_true[] = { "true", "True", "TRUE", NULL };
static const char *const words_false[] = { "false", "False", "FALSE", NULL };
static const char *const words_nan[] = { ".nan", ".NaN", ".NAN", NULL };
static const char *const words_inf[] = { ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", NULL };
static const char *const words_minus_inf[] = { "-.inf", "-.Inf", "-.INF", NULL };

/* yyyy-m-d, alone or followed by a time of day. */
static bool looks_like_date(struct slice t) {
        size_t i, from;

        for (i = 0; i < t.len && is_digit(t.at[i]); i++)
                ;
        if (i != 4)
                return false;
        for (int part = 0; part < 2; part++) {
                if (i >= t.len || t.at[i] != '-')
                        return false;
                for (from = ++i; i < t.len && is_digit(t.at[i]); i++)
                        ;
                if (i == from || i - from > 2)
                        return false;
        }
        if (i == t.len)
                return true;
        if (t.at[i] != 'T' && t.at[i] != 't' && t.at[i] != ' ')
                return false;
        for (i++; i < t.len; i++)
                if (!is_digit(t.at[i]) && !strchr(":.+-Zz ", t.at[i]))
                        return false;
        return true;
}

struct scalar scalar_resolve(struct slice text) {
        struct scalar s = { .type = SCALAR_STR, .text = text };
        bool negative;
        uint64_t magnitude;
        int r;

        if (one_of(text, words_null)) {
                s.type = SCALAR_NULL;
                return s;
        }
        if (one_of(text, words_true) || one_of(text, words_false)) {
                s.type = SCALAR_BOOL;
                s.boolean = text.at[0] == 't' || text.at[0] == 'T';
                return s;
        }
        /* Only what starts like a number is looked at further. */
        if (!is_digit(text.at[0]) && !strchr("+-.", text.at[0]))
                return s;
        if (one_of(text, words_nan) || one_of(text, words_inf) || one_of(text, words_minus_inf)) {
                s.type = SCALAR_FLOAT;
                s.real = one_of(text, words_nan) ? (double) NAN
                         : text.at[0] == '-'     ? (double) -INFINITY
                                                 : (double) INFINITY;
                return s;
        }
        if (looks_like_date(text)) {
                s.type = SCALAR_DATE;
                return s;
        }
        if (text.at[0] != '.' && text.len <= NUMBER_LENGTH_MAX) {
                r = parse_magnitude(text, true, &negative, &magnitude);
                if (r == 0 && signed_of(negative, magnitude, &s.integer) == 0) {
                        s.type = SCALAR_INT;
                        return s;
                }
                if (r == 0 && !negative) {
                        s.type = SCALAR_UINT;
                        s.unsigned_ = magnitude;
                        return s;
                }
        }
        if (parse_decimal(text, &s.real) == 0)
                s.type = SCALAR_FLOAT;
        return s;
}

static int decode_base64(struct slice in, struct arena *a, struct slice *ret) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        char *out = arena_alloc(a, in.len / 4 * 3 + 4);
        size_t n = 0, bits = 0, pad = 0, digits = 0;
        uint32_t v = 0;

        for (size_t i = 0; i < in.len; i++) {
                const char *p;

                if (in.at[i] == '\n' || in.at[i] == '\r' || in.at[i] == ' ')
                        continue;
                if (in.at[i] == '=') {
                        pad++;
                        continue;
                }
                p = in.at[i] ? strchr(alphabet, in.at[i]) : NULL;
                if (!p || pad)
                        return -EINVAL;
                digits++;
                v = v << 6 | (uint32_t) (p - alphabet);
                bits += 6;
                if (bits >= 8) {
                        bits -= 8;
                        out[n++] = (char) (v >> bits & 0xff);
                }
        }
        if ((digits + pad) % 4 || pad > 2)
                return -EINVAL;
        *ret = slice_make(out, n);
        return 0;
}

int scalar_tagged(struct slice tag, struct slice text, bool plain, struct arena *a, struct scalar *ret) {
        static const struct {
                const char *tag;
                unsigned types; /* bit set of the scalar types that may come out */
        } known[] = {
                { "tag:yaml.org,2002:null", 1u << SCALAR_NULL },
                { "tag:yaml.org,2002:bool", 1u << SCALAR_BOOL },
                { "tag:yaml.org,2002:int", 1u << SCALAR_INT | 1u << SCALAR_UINT },
                { "tag:yaml.org,2002:float", 1u << SCALAR_FLOAT | 1u << SCALAR_INT | 1u << SCALAR_UINT },
                { "tag:yaml.org,2002:timestamp", 1u << SCALAR_DATE },
        };
        struct scalar s = { .type = SCALAR_STR, .text = text };

        if (slice_eq(tag, SLICE("tag:yaml.org,2002:str")) || slice_eq(tag, SLICE("!"))) {
                *ret = s;
                return 0;
        }
        if (slice_eq(tag, SLICE("tag:yaml.org,2002:binary"))) {
                if (decode_base64(text, a, &s.text) < 0)
                        return -EINVAL;
                *ret = s;
                return 0;
        }
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                if (!slice_eq(tag, slice_of(known[i].tag)))
                        continue;
                s = scalar_resolve(text);
                if (!(known[i].types >> s.type & 1))
                        return -EINVAL;
                if (slice_eq(tag, SLICE("tag:yaml.org,2002:float")) && s.type != SCALAR_FLOAT) {
                        s.real = s.type == SCALAR_INT ? (double) s.integer : (double) s.unsigned_;
                        s.type = SCALAR_FLOAT;
                }
                *ret = s;
                return 0;
        }
        if (slice_starts(tag, SLICE("tag:yaml.org,2002:")))
                return -EINVAL; /* !!map, !!seq, !!set, ...: no scalars */
        *ret = plain ? scalar_resolve(text) : s;
        return 0;
}

/* The shortest decimal that reads back as the same number, without an exponent. */
static struct slice print_float(double v, struct arena *a) {
        char e[40], digits[40];
        size_t n = 0, point;
        int exponent;
        char *out, *p;

        if (isnan(v))
                return SLICE("NaN");
        if (isinf(v))
                return v > 0 ? SLICE("+Inf") : SLICE("-Inf");
        for (int precision = 0; precision <= 17; precision++) {
                snprintf(e, sizeof(e), "%.*e", precision, v);
                if (strtod(e, NULL) == v)
                        break;
        }
        p = e;
        for (; *p && *p != 'e'; p++)
                if (is_digit(*p))
                        digits[n++] = *p;
        exponent = atoi(p + 1);
        out = p = arena_alloc(a, 400);
        if (v < 0 || (v == 0 && signbit(v)))
                *p++ = '-';
        point = exponent >= 0 ? (size_t) exponent + 1 : 0; /* digits before the point */
        if (point == 0)
                *p++ = '0';
        for (size_t i = 0; i < point; i++)
                *p++ = i < n ? digits[i] : '0';
        if (point < n && !(n == 1 && digits[0] == '0')) {
                *p++ = '.';
                for (int i = -1; i > exponent; i--)
                        *p++ = '0';
                for (size_t i = point; i < n; i++)
                        *p++ = digits[i];
        }
        return slice_make(out, (size_t) (p - out));
}

int scalar_to_text(const struct scalar *s, struct arena *a, struct slice *ret) {
        switch (s->type) {
        case SCALAR_NULL:
                *ret = SLICE("");
                return 0;
        case SCALAR_BOOL:
                *ret = s->boolean ? SLICE("1") : SLICE("0");
                return 0;
        case SCALAR_INT:
                *ret = arena_printf(a, "%lld", (long long) s->integer);
                return 0;
        case SCALAR_UINT:
                *ret = arena_printf(a, "%llu", (unsigned long long) s->unsigned_);
                return 0;
        case SCALAR_FLOAT:
                *ret = print_float(s->real, a);
                return 0;
        case SCALAR_STR:
                *ret = s->text;
                return 0;
        case SCALAR_DATE:
                break;
        }
        return -EINVAL;
}

int scalar_to_bool(const struct scalar *s, bool *ret) {
        static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True", NULL };
        static const char *const no[] = { "", "0", "f", "F", "FALSE", "false", "False", NULL };

        switch (s->type) {
        case SCALAR_NULL:
                *ret = false;
                return 0;
        case SCALAR_BOOL:
                *ret = s->boolean;
                return 0;
        case SCALAR_INT:
                *ret = s->integer != 0;
                return 0;
        case SCALAR_UINT:
                *ret = true;
                return 0;
        case SCALAR_FLOAT:
                *ret = s->real != 0;
                return 0;
        case SCALAR_STR:
                if (!one_of(s->text, yes) && !one_of(s->text, no))
                        return -EINVAL;
                *ret = one_of(s->text, yes);
                return 0;
        case SCALAR_DATE:
                break;
        }
        return -EINVAL;
}

/* Where a number is wanted, null and the empty text are 0, and a boolean is 0 or 1. */
static bool is_small_number(const struct scalar *s, bool *ret) {
        *ret = s->type == SCALAR_BOOL && s->boolean;
        return s->type == SCALAR_NULL || s->type == SCALAR_BOOL || (s->type == SCALAR_STR && s->text.len == 0);
}

int scalar_to_int(const struct scalar *s, int64_t *ret) {
        bool one;

        if (is_small_number(s, &one)) {
                *ret = one;
                return 0;
        }
        switch (s->type) {
        case SCALAR_INT:
                *ret = s->integer;
                return 0;
        case SCALAR_UINT:
                return -ERANGE;
        case SCALAR_FLOAT:
                if (!(s->real > -9223372036854775808.0 && s->real < 9223372036854775808.0))
                        return -ERANGE;
                *ret = (int64_t) s->real;
                return 0;
        case SCALAR_STR:
                return integer_parse(s->text, false, ret);
        default:
                return -EINVAL;
        }
}

int scalar_to_float(const struct scalar *s, double *ret) {
        bool one;

        if (is_small_number(s, &one)) {
                *ret = one;
                return 0;
        }
        switch (s->type) {
        case SCALAR_INT:
                *ret = (double) s->integer;
                return 0;
        case SCALAR_UINT:
                *ret = (double) s->unsigned_;
                return 0;
        case SCALAR_FLOAT:
                *ret = s->real;
                return 0;
        case SCALAR_STR:
                return slice_find(s->text, '_') >= 0 ? -EINVAL : parse_decimal(s->text, ret);
        default:
                return -EINVAL;
        }
}

int duration_parse(struct slice text, int64_t *ret_ns) {
        static const struct {
                const char *name;
                uint64_t ns;
        } units[] = {
                { "ns", 1 },           { "us", 1000 },         { "\xc2\xb5s", 1000 }, /* U+00B5 */
                { "\xce\xbcs", 1000 },                                                /* U+03BC */
                { "ms", 1000000 },     { "s", 1000000000ull }, { "m", 60000000000ull }, { "h", 3600000000000ull },
        };
        const uint64_t limit = (uint64_t) 1 << 63;
        bool negative = false;
        uint64_t total = 0;

        if (text.len && (text.at[0] == '-' || text.at[0] == '+')) {
                negative = text.at[0] == '-';
                text = slice_from(text, 1);
        }
        if (slice_eq(text, SLICE("0"))) {
                *ret_ns = 0;
                return 0;
        }
        if (text.len == 0)
                return -EINVAL;
        while (text.len) {
                uint64_t whole = 0, fraction = 0, scale = 1, ns = 0, unit = 0, part;
                size_t n = 0, digits = 0;

                for (; n < text.len && is_digit(text.at[n]); n++, digits++)
                        if (__builtin_mul_overflow(whole, (uint64_t) 10, &whole) ||
                            __builtin_add_overflow(whole, (uint64_t) (text.at[n] - '0'), &whole) || whole > limit)
                                return -ERANGE;
                if (n < text.len && text.at[n] == '.')
                        for (n++; n < text.len && is_digit(text.at[n]); n++, digits++)
                                if (scale < 1000000000000000ull) { /* further digits are below a nanosecond */
                                        fraction = fraction * 10 + (uint64_t) (text.at[n] - '0');
                                        scale *= 10;
                                }
                if (digits == 0)
                        return -EINVAL;
                text = slice_from(text, n);
                for (n = 0; n < text.len && text.at[n] != '.' && !is_digit(text.at[n]); n++)
                        ;
                for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                        if (slice_eq(slice_upto(text, n), slice_of(units[i].name)))
                                unit = units[i].ns;
                if (unit == 0)
                        return -EINVAL;
                text = slice_from(text, n);
                if (__builtin_mul_overflow(whole, unit, &ns))
                        return -ERANGE;
                part = (uint64_t) ((long double) fraction * (long double) unit / (long double) scale);
                if (__builtin_add_overflow(ns, part, &ns) || __builtin_add_overflow(total, ns, &total) || total > limit)
                        return -ERANGE;
        }
        if (!negative && total == limit)
                return -ERANGE;
        *ret_ns = negative ? (int64_t) (0 - total) : (int64_t) total;
        return 0;
}
