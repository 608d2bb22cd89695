/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

static int base64_digit(char c, bool url) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == (url ? '-' : '+'))
                return 62;
        return c == (url ? '_' : '/') ? 63 : -1;
}

bool base64_decode(struct slice s, bool url, bool padded, struct arena *a, struct slice *ret) {
        char *out = arena_alloc(a, s.len / 4 * 3 + 3);
        unsigned bits = 0, n_bits = 0;
        size_t n = 0;

        if (padded) {
                if (s.len % 4 != 0)
                        return false;
                for (unsigned i = 0; i < 2 && s.len > 0 && s.at[s.len - 1] == '='; i++)
                        s.len--;
        }
        if (s.len % 4 == 1)
                return false;
        for (size_t i = 0; i < s.len; i++) {
                int d = base64_digit(s.at[i], url);

                if (d < 0)
                        return false;
                bits = (bits << 6 | (unsigned) d) & 0xffff;
                n_bits += 6;
                if (n_bits >= 8) {
                        n_bits -= 8;
                        out[n++] = (char) (bits >> n_bits);
                }
        }
        *ret = slice_make(out, n);
        return true;
}
