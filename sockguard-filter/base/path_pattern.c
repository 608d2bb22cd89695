/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path_pattern.h"

bool path_pattern_match(const char *pattern, struct slice path) {
        while (*pattern) {
                ssize_t slash;

                if (pattern[0] == '{') {
                        bool one = pattern[1] == '1';
                        const char *rest = pattern + (one ? 3 : 2);

                        if (!one) {
                                struct slice tail = slice_of(rest);

                                return path.len > tail.len && path.at[0] != '/' && slice_ends(path, tail);
                        }
                        slash = slice_find(path, '/');
                        if (slash == 0 || path.len == 0)
                                return false;
                        path = slice_from(path, slash < 0 ? path.len : (size_t) slash);
                        pattern = rest;
                        continue;
                }
                if (path.len == 0 || path.at[0] != *pattern)
                        return false;
                path = slice_from(path, 1);
                pattern++;
        }
        return path.len == 0;
}
