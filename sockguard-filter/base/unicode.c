/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"

size_t unicode_decode(struct slice s, uint32_t *ret) {
        const unsigned char *u = (const unsigned char *) s.at;
        uint32_t cp;
        size_t n;

        if (s.len == 0)
                return 0;
        if (u[0] < 0x80) {
                *ret = u[0];
                return 1;
        }
        if (u[0] < 0xc2 || u[0] > 0xf4)
                return 0;
        n = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
        if (s.len < n)
                return 0;
        cp = u[0] & (0xffu >> (n + 1));
        for (size_t i = 1; i < n; i++) {
                if ((u[i] & 0xc0) != 0x80)
                        return 0;
                cp = cp << 6 | (u[i] & 0x3f);
        }
        /* RFC 3629, 3: the shortest form only, no surrogates. */
        if ((n == 3 && cp < 0x800) || (n == 4 && cp < 0x10000) || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
                return 0;
        *ret = cp;
        return n;
}

size_t unicode_encode(uint32_t cp, char out[static 4]) {
        if (cp < 0x80) {
                out[0] = (char) cp;
                return 1;
        }
        if (cp < 0x800) {
                out[0] = (char) (0xc0 | cp >> 6);
                out[1] = (char) (0x80 | (cp & 0x3f));
                return 2;
        }
        if (cp < 0x10000) {
                out[0] = (char) (0xe0 | cp >> 12);
                out[1] = (char) (0x80 | (cp >> 6 & 0x3f));
                out[2] = (char) (0x80 | (cp & 0x3f));
                return 3;
        }
        out[0] = (char) (0xf0 | cp >> 18);
        out[1] = (char) (0x80 | (cp >> 12 & 0x3f));
        out[2] = (char) (0x80 | (cp >> 6 & 0x3f));
        out[3] = (char) (0x80 | (cp & 0x3f));
        return 4;
}

bool unicode_valid(struct slice s) {
        uint32_t cp;

        for (size_t i = 0; i < s.len;) {
                size_t n = unicode_decode(slice_from(s, i), &cp);

                if (n == 0)
                        return false;
                i += n;
        }
        return true;
}

bool unicode_is_space(uint32_t cp) {
        if (cp < 0x80)
                return (cp >= 0x09 && cp <= 0x0d) || cp == ' ';
        return cp == 0x85 || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
               cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

/* Length of the white space at the start of s, 0 when it starts with something else. */
static size_t leading_space(struct slice s) {
        uint32_t cp;
        size_t n = unicode_decode(s, &cp);

        return n && unicode_is_space(cp) ? n : 0;
}

static size_t trailing_space(struct slice s) {
        size_t n = 1;
        uint32_t cp;

        if (s.len == 0)
                return 0;
        while (n < 4 && n < s.len && ((unsigned char) s.at[s.len - n] & 0xc0) == 0x80)
                n++;
        if (unicode_decode(slice_from(s, s.len - n), &cp) != n)
                return 0;
        return unicode_is_space(cp) ? n : 0;
}

struct slice unicode_trim(struct slice s) {
        size_t n;

        while ((n = leading_space(s)))
                s = slice_from(s, n);
        while ((n = trailing_space(s)))
                s.len -= n;
        return s;
}

bool unicode_field(struct slice *rest, struct slice *ret) {
        struct slice s = *rest;
        size_t n, i = 0;

        while ((n = leading_space(s)))
                s = slice_from(s, n);
        if (s.len == 0) {
                *rest = s;
                return false;
        }
        while (i < s.len && leading_space(slice_from(s, i)) == 0)
                i++; /* byte by byte is enough: no continuation byte starts a white space */
        *ret = slice_upto(s, i);
        *rest = slice_from(s, i);
        return true;
}

/* Decodes one code point, or takes one byte that is not UTF-8 for a value that no code point has. */
static size_t take(struct slice s, uint32_t *ret) {
        size_t n = unicode_decode(s, ret);

        if (n == 0) {
                *ret = 0x110000 + (unsigned char) s.at[0];
                return 1;
        }
        return n;
}

bool unicode_fold_same(struct slice a, struct slice b) {
        while (a.len && b.len) {
                uint32_t ca, cb;

                a = slice_from(a, take(a, &ca));
                b = slice_from(b, take(b, &cb));
                if (ca != cb && unicode_to_fold(ca) != unicode_to_fold(cb))
                        return false;
        }
        return a.len == b.len;
}

bool unicode_fold_eq(struct slice s, struct slice ascii) {
        return unicode_fold_same(s, ascii);
}

static struct slice map_text(struct arena *a, struct slice s, uint32_t (*map)(uint32_t)) {
        size_t n = 0, i;
        uint32_t cp;
        char *out;

        for (i = 0; i < s.len; i += take(slice_from(s, i), &cp)) {
                take(slice_from(s, i), &cp);
                if (cp < 0x110000 && map(cp) != cp)
                        break;
        }
        if (i >= s.len)
                return s;
        /* No simple mapping makes a text more than half as long again: two bytes become three at the most (U+0250). */
        out = arena_alloc(a, s.len + s.len / 2 + 4);
        for (i = 0; i < s.len;) {
                size_t taken = take(slice_from(s, i), &cp);

                if (cp >= 0x110000)
                        out[n++] = s.at[i];
                else
                        n += unicode_encode(map(cp), out + n);
                i += taken;
        }
        return slice_make(out, n);
}

struct slice unicode_lower(struct arena *a, struct slice s) {
        return map_text(a, s, unicode_to_lower);
}

struct slice unicode_upper(struct arena *a, struct slice s) {
        return map_text(a, s, unicode_to_upper);
}
