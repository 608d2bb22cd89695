/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

#include <errno.h>

ssize_t slice_find(struct slice s, char c) {
        const char *p = s.len ? memchr(s.at, c, s.len) : NULL;

        return p ? p - s.at : -1;
}

ssize_t slice_rfind(struct slice s, char c) {
        const char *p = s.len ? memrchr(s.at, c, s.len) : NULL;

        return p ? p - s.at : -1;
}

bool slice_cut(struct slice s, char c, struct slice *ret_head, struct slice *ret_tail) {
        ssize_t i = slice_find(s, c);

        if (i < 0) {
                *ret_head = s;
                *ret_tail = (struct slice){ NULL, 0 };
                return false;
        }
        *ret_head = slice_upto(s, (size_t) i);
        *ret_tail = slice_from(s, (size_t) i + 1);
        return true;
}

static unsigned char lower(char c) {
        unsigned char u = (unsigned char) c;

        return u >= 'A' && u <= 'Z' ? (unsigned char) (u + 32) : u;
}

bool slice_case_eq(struct slice a, struct slice b) {
        if (a.len != b.len)
                return false;
        for (size_t i = 0; i < a.len; i++)
                if (lower(a.at[i]) != lower(b.at[i]))
                        return false;
        return true;
}

int slice_cmp(struct slice a, struct slice b) {
        size_t n = a.len < b.len ? a.len : b.len;
        int r = n ? memcmp(a.at, b.at, n) : 0;

        if (r != 0)
                return r;
        return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

struct slice slice_trim_ows(struct slice s) {
        while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
                s = slice_from(s, 1);
        while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
                s.len--;
        return s;
}

int slice_parse_u64(struct slice s, uint64_t *ret) {
        uint64_t v = 0;

        if (s.len == 0)
                return -EINVAL;
        for (size_t i = 0; i < s.len; i++) {
                unsigned d = (unsigned) (unsigned char) s.at[i] - '0';

                if (d > 9)
                        return -EINVAL;
                if (__builtin_mul_overflow(v, (uint64_t) 10, &v) || __builtin_add_overflow(v, (uint64_t) d, &v))
                        return -ERANGE;
        }
        *ret = v;
        return 0;
}
