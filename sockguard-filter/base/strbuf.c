/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/unicode.h"

void strbuf_free(struct strbuf *b) {
        free(b->at);
        b->at = NULL;
        b->len = b->room = 0;
}

char *strbuf_reserve(struct strbuf *b, size_t n) {
        size_t room = b->room ? b->room : 256;
        char *p;

        if (b->failed)
                return NULL;
        if (n > b->limit || b->len > b->limit - n) {
                b->failed = true;
                return NULL;
        }
        if (n <= b->room - b->len && b->at)
                return b->at + b->len;
        while (room - b->len < n)
                room = room > b->limit / 2 ? b->len + n > room * 2 ? b->len + n : room * 2 : room * 2;
        p = realloc(b->at, room);
        if (!p) {
                b->failed = true;
                return NULL;
        }
        b->at = p;
        b->room = room;
        return b->at + b->len;
}

void strbuf_add(struct strbuf *b, struct slice s) {
        char *p = strbuf_reserve(b, s.len);

        if (!p || s.len == 0)
                return;
        memcpy(p, s.at, s.len);
        b->len += s.len;
}

void strbuf_addc(struct strbuf *b, char c) {
        strbuf_add(b, slice_make(&c, 1));
}

void strbuf_addf(struct strbuf *b, const char *format, ...) {
        va_list ap;
        char *p;
        int n;

        va_start(ap, format);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n < 0 || !(p = strbuf_reserve(b, (size_t) n + 1))) {
                b->failed = true;
                return;
        }
        va_start(ap, format);
        vsnprintf(p, (size_t) n + 1, format, ap);
        va_end(ap);
        b->len += (size_t) n;
}

void strbuf_add_u64(struct strbuf *b, uint64_t v) {
        char digits[20];
        size_t n = sizeof(digits);

        do
                digits[--n] = (char) ('0' + v % 10);
        while (v /= 10);
        strbuf_add(b, slice_make(digits + n, sizeof(digits) - n));
}

void strbuf_add_i64(struct strbuf *b, int64_t v) {
        if (v < 0)
                strbuf_addc(b, '-');
        strbuf_add_u64(b, v < 0 ? 0 - (uint64_t) v : (uint64_t) v);
}

void strbuf_add_hex(struct strbuf *b, const void *bytes, size_t n) {
        static const char digit[] = "0123456789abcdef";
        const unsigned char *u = bytes;
        char *p = n > SIZE_MAX / 2 ? NULL : strbuf_reserve(b, n * 2);

        if (!p) {
                b->failed = true;
                return;
        }
        for (size_t i = 0; i < n; i++) {
                p[2 * i] = digit[u[i] >> 4];
                p[2 * i + 1] = digit[u[i] & 15];
        }
        b->len += n * 2;
}

void strbuf_add_json(struct strbuf *b, struct slice s, enum json_escape escape) {
        size_t plain = 0; /* start of the run that is copied as it is */

        strbuf_addc(b, '"');
        for (size_t i = 0; i < s.len;) {
                unsigned char c = (unsigned char) s.at[i];
                size_t n = 1;
                uint32_t cp = c;
                bool special;

                if (c >= 0x80)
                        n = unicode_decode(slice_from(s, i), &cp);
                special = n == 0 || c < 0x20 || c == '"' || c == '\\' ||
                          (escape == JSON_ESCAPE_HTML &&
                           (c == '<' || c == '>' || c == '&' || cp == 0x2028 || cp == 0x2029));
                if (!special) {
                        i += n;
                        continue;
                }
                strbuf_add(b, slice_make(s.at + plain, i - plain));
                if (n == 0)
                        strbuf_adds(b, "\\ufffd");
                else if (c == '"' || c == '\\')
                        strbuf_add(b, slice_make((char[]){ '\\', (char) c }, 2));
                else if (c == '\n')
                        strbuf_adds(b, "\\n");
                else if (c == '\r')
                        strbuf_adds(b, "\\r");
                else if (c == '\t')
                        strbuf_adds(b, "\\t");
                else
                        strbuf_addf(b, "\\u%04x", cp);
                i += n ? n : 1;
                plain = i;
        }
        strbuf_add(b, slice_make(s.at ? s.at + plain : NULL, s.len - plain));
        strbuf_addc(b, '"');
}
