/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_scan.h"

#include "base/json_text.h"

enum byte_class { BYTE_PLAIN, BYTE_OPEN, BYTE_CLOSE, BYTE_QUOTE };

static const uint8_t byte_classes[256] = {
        ['{'] = BYTE_OPEN, ['['] = BYTE_OPEN, ['}'] = BYTE_CLOSE, [']'] = BYTE_CLOSE, ['"'] = BYTE_QUOTE,
};

/* Index behind the closing quote, or the length; then s->escaped says whether an escaping backslash was the last byte.
 */
static size_t scan_string(struct json_scan *s, struct slice in, size_t i) {
        if (s->escaped && i < in.len) {
                s->escaped = false;
                i++;
        }
        while (i < in.len) {
                char c;

                while (in.len - i >= 8) {
                        uint64_t w = json_load8(in.at + i), special = json_byte_is(w, '"') | json_byte_is(w, '\\');

                        if (special) {
                                i += (size_t) __builtin_ctzll(special) >> 3;
                                break;
                        }
                        i += 8;
                }
                if (i == in.len)
                        return i;
                c = in.at[i++];
                if (c == '"') {
                        s->in_string = false;
                        return i;
                }
                if (c == '\\') {
                        s->escaped = i == in.len;
                        i += !s->escaped;
                }
        }
        return i;
}

size_t json_scan(struct json_scan *s, struct slice in, size_t i, bool *ret_ended) {
        *ret_ended = false;
        while (i < in.len) {
                if (s->in_string) {
                        i = scan_string(s, in, i);
                        continue;
                }
                switch (byte_classes[(unsigned char) in.at[i++]]) {
                case BYTE_QUOTE:
                        s->in_string = true;
                        break;
                case BYTE_OPEN:
                        s->depth++;
                        break;
                case BYTE_CLOSE:
                        if (--s->depth == 0) {
                                *ret_ended = true;
                                return i;
                        }
                        break;
                default:
                        break;
                }
        }
        return i;
}

bool json_first_value(struct slice text, struct slice *ret_value, struct slice *ret_rest) {
        struct json_scan s = { 0 };
        size_t start = 0, end;
        bool ended;

        while (start < text.len &&
               (text.at[start] == ' ' || (text.at[start] >= '\t' && text.at[start] <= '\n') || text.at[start] == '\r'))
                start++;
        if (start == text.len || byte_classes[(unsigned char) text.at[start]] != BYTE_OPEN)
                return false;
        end = json_scan(&s, text, start, &ended);
        if (!ended)
                return false;
        *ret_value = slice_make(text.at + start, end - start);
        *ret_rest = slice_from(text, end);
        return true;
}
