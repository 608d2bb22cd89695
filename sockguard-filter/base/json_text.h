/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_JSON_TEXT_H
#define SOCKGUARD_BASE_JSON_TEXT_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/json.h"

/*
 * How the parts of base/json_*.c walk text. Except for json_plain_end() all of it is for text that passed
 * json_validate(), where every bracket and quote has its other half: the walks stop there and never look at `end`.
 */

static inline bool json_is_space(char c) {
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline const char *json_skip_space(const char *p, const char *end) {
        while (p < end && json_is_space(*p))
                p++;
        return p;
}

#define JSON_ONES 0x0101010101010101ull
#define JSON_HIGH 0x8080808080808080ull

static inline uint64_t json_load8(const char *p) {
        uint64_t w;

        memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        w = __builtin_bswap64(w);
#endif
        return w;
}

/* High bit set in each byte of `w` that equals `c` (bits above the first match may be wrong, the first never is). */
static inline uint64_t json_byte_is(uint64_t w, unsigned char c) {
        uint64_t x = w ^ JSON_ONES * c;

        return (x - JSON_ONES) & ~x & JSON_HIGH;
}

#ifdef __SSE2__
/* The quotes and backslashes among sixteen bytes. */
static inline __m128i json_quotes16(__m128i v) {
        return _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
}
#endif

/* The first byte in a string's text that needs a look: a quote, a backslash, a control character, or not ASCII. */
static inline const char *json_plain_end(const char *p, const char *end) {
#ifdef __SSE2__
        for (; end - p >= 16; p += 16) {
                __m128i v = _mm_loadu_si128((const __m128i *) (const void *) p);
                __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)); /* signed: what is not ASCII is below, too */
                int special = _mm_movemask_epi8(_mm_or_si128(low, json_quotes16(v)));

                if (special)
                        return p + __builtin_ctz((unsigned) special);
        }
#endif
        while (end - p >= 8) {
                uint64_t w = json_load8(p);
                uint64_t special = (w & JSON_HIGH) | json_byte_is(w, '"') | json_byte_is(w, '\\') |
                                   ((w - JSON_ONES * 0x20) & ~w & JSON_HIGH);

                if (special)
                        return p + (__builtin_ctzll(special) >> 3);
                p += 8;
        }
        while (p < end && (unsigned char) *p >= 0x20 && (unsigned char) *p < 0x80 && *p != '"' && *p != '\\')
                p++;
        return p;
}

/* The inside of a quoted name when it is ASCII without escapes, as nearly all are: it can be compared as it is. */
static inline bool json_plain_name(struct slice quoted, struct slice *ret) {
        *ret = slice_make(quoted.at + 1, quoted.len - 2);
        return json_plain_end(ret->at, ret->at + ret->len) == ret->at + ret->len;
}

/* Are two plain names the same but for case? Mostly the length or the first letter says no. */
static inline bool json_plain_same(struct slice a, struct slice b) {
        return a.len == b.len && a.len > 0 && ((a.at[0] ^ b.at[0]) & 0xdf) == 0 && slice_case_eq(a, b);
}

/* The next quote or backslash; validated text has one. */
static inline const char *json_quote_or_escape(const char *p, const char *end) {
#ifdef __SSE2__
        for (; end - p >= 16; p += 16) {
                int special = _mm_movemask_epi8(json_quotes16(_mm_loadu_si128((const __m128i *) (const void *) p)));

                if (special)
                        return p + __builtin_ctz((unsigned) special);
        }
#endif
        for (; end - p >= 8; p += 8) {
                uint64_t w = json_load8(p), special = json_byte_is(w, '"') | json_byte_is(w, '\\');

                if (special)
                        return p + (__builtin_ctzll(special) >> 3);
        }
        while (*p != '"' && *p != '\\')
                p++;
        return p;
}

/* `p` is at the opening quote; the result is behind the closing one. */
static inline const char *json_skip_string(const char *p, const char *end) {
        for (p = json_quote_or_escape(p + 1, end); *p != '"'; p = json_quote_or_escape(p + 2, end))
                ;
        return p + 1;
}

/* `p` is at the first byte of a value; the result is behind its last. No recursion, one pass. */
const char *json_skip_value(const char *p, const char *end);

/* The value from `p` to before `behind`. */
struct json_value json_value_of(const char *p, const char *behind);

/* The value that starts at `p`. */
struct json_value json_value_at(const char *p, const char *end);

/* `p` is behind a '\\'. Decodes the escape, surrogate pairs included; a lone surrogate is U+FFFD. Advances *p. */
uint32_t json_take_escape(const char **p, const char *end);

#endif
