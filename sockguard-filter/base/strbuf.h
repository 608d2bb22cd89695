/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_STRBUF_H
#define SOCKGUARD_BASE_STRBUF_H

#include "base/arena.h"

/*
 * Text that grows, in memory of its own. Bounded by `limit`; past it, or without memory, the buffer becomes `failed`,
 * further appends do nothing, and the caller asks once at the end.
 */
struct strbuf {
        char *at;
        size_t len, room, limit;
        bool failed;
};

static inline void strbuf_init(struct strbuf *b, size_t limit) {
        *b = (struct strbuf){ .limit = limit };
}

void strbuf_free(struct strbuf *b);
#define _cleanup_strbuf_ __attribute__((cleanup(strbuf_free)))

/* Empties the buffer, keeps its memory, clears `failed`. */
static inline void strbuf_reset(struct strbuf *b) {
        b->len = 0;
        b->failed = false;
}

static inline struct slice strbuf_view(const struct strbuf *b) {
        return slice_make(b->at, b->len);
}

/* Makes room for `n` more bytes and returns where they go, or NULL (then `failed`). Does not change `len`. */
char *strbuf_reserve(struct strbuf *b, size_t n);

void strbuf_add(struct strbuf *b, struct slice s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_add_u64(struct strbuf *b, uint64_t v);
void strbuf_add_i64(struct strbuf *b, int64_t v);
/* Lower-case hex digits of the bytes. */
void strbuf_add_hex(struct strbuf *b, const void *bytes, size_t n);

#define strbuf_adds(b, literal) strbuf_add((b), SLICE(literal))

enum json_escape {
        JSON_ESCAPE_LOG,  /* quote, backslash, controls (\n \r \t short, others as \u00XX), bad UTF-8 as \ufffd; < > &
                             plain */
        JSON_ESCAPE_HTML, /* as LOG, and < > & U+2028 U+2029 as \u escapes: what answers and re-encoded documents use */
};

/* A JSON string, quotes included (RFC 8259, 7). Any byte string is accepted; each byte of bad UTF-8 is one U+FFFD. */
void strbuf_add_json(struct strbuf *b, struct slice s, enum json_escape escape);

#endif
