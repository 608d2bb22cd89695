/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_HTTP_CHUNK_H
#define SOCKGUARD_HTTP_CHUNK_H

#include "base/strbuf.h"

/*
 * The chunked coding (RFC 9112, 7.1), taken off as bytes arrive. Strict: chapter 02, 3.4 and 20.4-5.
 */
#define HTTP_CHUNK_LINE_MAX 4096u /* bytes of a size line, and of a trailer line */
#define HTTP_CHUNK_TRAILERS_MAX (16u * 1024)
#define HTTP_CHUNK_OVERHEAD_MAX (16u * 1024) /* size-line bytes beyond a sensible share of the data */

struct http_chunk {
        uint8_t state;
        uint64_t left; /* data bytes of the current chunk still to come */
        uint64_t last; /* size of the chunk before */
        uint64_t overhead;
        size_t trailers;     /* bytes of the trailer section so far */
        struct strbuf *keep; /* where valid trailer lines are copied to, with their line ends; NULL: dropped */
};

enum http_chunk_result {
        HTTP_CHUNK_MORE, /* *ret_used bytes of framing are done with; more input is needed */
        HTTP_CHUNK_DATA, /* after *ret_used bytes of framing, *ret_data is data */
        HTTP_CHUNK_END,  /* after *ret_used bytes the body is complete, trailers included */
};

void http_chunk_init(struct http_chunk *c);

/*
 * Looks at the front of `in`. The caller drops *ret_used bytes; data bytes it reports with http_chunk_skip() as it uses
 * them. -EBADMSG: not the chunked coding; *ret_used is 0.
 */
int http_chunk_next(struct http_chunk *c, struct slice in, size_t *ret_used, struct slice *ret_data);

void http_chunk_skip(struct http_chunk *c, uint64_t n);

static inline uint64_t http_chunk_left(const struct http_chunk *c) {
        return c->left;
}

static inline uint64_t http_chunk_last(const struct http_chunk *c) {
        return c->last;
}

#endif
