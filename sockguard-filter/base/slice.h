/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_SLICE_H
#define SOCKGUARD_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

/*
 * A view of bytes that somebody else owns. Never NUL-terminated: everything that comes from a client, from the
 * daemon or from the policy image is a slice, and a NUL in the middle is data. The empty slice may have a null `at`.
 */
struct slice {
        const char *at;
        size_t len;
};

#define SLICE(literal) ((struct slice){ "" literal "", sizeof(literal) - 1 })
/* For printf("%.*s"): only for text that is known to hold no NUL. */
#define SLICE_ARG(s) (int) ((s).len > INT32_MAX ? INT32_MAX : (s).len), (s).at ? (s).at : ""

static inline struct slice slice_of(const char *text) {
        return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline struct slice slice_make(const char *at, size_t len) {
        return (struct slice){ at, len };
}

static inline bool slice_eq(struct slice a, struct slice b) {
        return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix) {
        return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

static inline bool slice_ends(struct slice s, struct slice suffix) {
        return s.len >= suffix.len &&
               (suffix.len == 0 || memcmp(s.at + s.len - suffix.len, suffix.at, suffix.len) == 0);
}

/* The first `n` bytes dropped; n is clamped to the length. */
static inline struct slice slice_from(struct slice s, size_t n) {
        if (n > s.len)
                n = s.len;
        return (struct slice){ s.at ? s.at + n : NULL, s.len - n };
}

/* At most the first `n` bytes. */
static inline struct slice slice_upto(struct slice s, size_t n) {
        return (struct slice){ s.at, n < s.len ? n : s.len };
}

/* Index of the first / last byte `c`, or -1. */
ssize_t slice_find(struct slice s, char c);
ssize_t slice_rfind(struct slice s, char c);

/*
 * Cuts at the first `c`: *ret_head is what precedes it, *ret_tail what follows. Returns false, with *ret_head = s and
 * an empty tail, when there is none. Either output may alias nothing but its own variable.
 */
bool slice_cut(struct slice s, char c, struct slice *ret_head, struct slice *ret_tail);

/* ASCII only: 'A'-'Z' equal 'a'-'z', every other byte only itself. For HTTP tokens (RFC 9110, 5.6.2). */
bool slice_case_eq(struct slice a, struct slice b);

/* Total order by bytes, the shorter first when one is the other's prefix. */
int slice_cmp(struct slice a, struct slice b);

/* Leading and trailing SP and HTAB dropped (RFC 9110, OWS). Unicode white space: see base/unicode.h. */
struct slice slice_trim_ows(struct slice s);

/* Parses one or more ASCII decimal digits, nothing else. 0, or -EINVAL (no digits, other bytes), or -ERANGE. */
int slice_parse_u64(struct slice s, uint64_t *ret);

#endif
