/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/common.h"

/*
 * The weak grammar of image references (chapter 03, 3.3 and 11, item 9): what remapping accepts and the compiler
 * checks. Registry checks on pull and load have a grammar of their own.
 */

#define REPOSITORY_MIN 2u
#define REPOSITORY_MAX 255u
#define TAG_MAX 128u

static bool is_lower_or_digit(char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool all_digits(struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                if (s.at[i] < '0' || s.at[i] > '9')
                        return false;
        return true;
}

/* The authority of a URI without userinfo: a host, or an address in brackets, and a port that may be empty. */
static bool registry_valid(struct slice s) {
        static const char allowed[] = "-_.~!$&'()*+,;=:[]<>\"";
        ssize_t i;

        for (size_t j = 0; j < s.len; j++) {
                unsigned char c = (unsigned char) s.at[j];

                if (c < 0x80 && !is_lower_or_digit((char) c) && !(c >= 'A' && c <= 'Z') &&
                    (c == 0 || !strchr(allowed, c)))
                        return false;
        }
        if (s.len && s.at[0] == '[') {
                struct slice port;

                i = slice_rfind(s, ']');
                if (i < 0)
                        return false;
                port = slice_from(s, (size_t) i + 1);
                return port.len == 0 || (port.at[0] == ':' && all_digits(slice_from(port, 1)));
        }
        i = slice_rfind(s, ':');
        return i < 0 || all_digits(slice_from(s, (size_t) i + 1));
}

static bool base_valid(struct slice s) {
        struct slice first, rest;

        if (slice_cut(s, '/', &first, &rest) &&
            (slice_eq(first, SLICE("localhost")) || slice_find(first, '.') >= 0 || slice_find(first, ':') >= 0)) {
                if (!registry_valid(first))
                        return false;
                s = rest;
        }
        if (s.len < REPOSITORY_MIN || s.len > REPOSITORY_MAX)
                return false;
        for (size_t i = 0; i < s.len; i++)
                if (!is_lower_or_digit(s.at[i]) && s.at[i] != '_' && s.at[i] != '.' && s.at[i] != '/' && s.at[i] != '-')
                        return false;
        return true;
}

static bool tag_valid(struct slice s) {
        if (s.len == 0 || s.len > TAG_MAX)
                return false;
        for (size_t i = 0; i < s.len; i++) {
                char c = s.at[i];

                if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && c != '_' && c != '.' && c != '-')
                        return false;
        }
        return true;
}

static bool tagged_valid(struct slice s) {
        ssize_t i = slice_rfind(s, ':');

        if (i >= 0 && slice_find(slice_from(s, (size_t) i + 1), '/') < 0)
                return tag_valid(slice_from(s, (size_t) i + 1)) && base_valid(slice_upto(s, (size_t) i));
        return base_valid(s);
}

static bool digest_valid(struct slice s) {
        struct slice hex = slice_from(s, 7);

        if (!slice_starts(s, SLICE("sha256:")) || hex.len != 64)
                return false;
        for (size_t i = 0; i < hex.len; i++)
                if (!(hex.at[i] >= '0' && hex.at[i] <= '9') && !(hex.at[i] >= 'a' && hex.at[i] <= 'f'))
                        return false;
        return true;
}

bool inspect_image_reference_valid(struct slice s) {
        struct slice name, digest;

        if (tagged_valid(s))
                return true;
        return slice_cut(s, '@', &name, &digest) && digest_valid(digest) && tagged_valid(name);
}
