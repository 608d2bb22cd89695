/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_BODY_H
#define SOCKGUARD_FILTER_BODY_H

#include "filter/wire.h"
#include "http/chunk.h"
#include "http/head.h"

/*
 * A message body on its way in: takes the framing off what a wire has received. No I/O here; whoever drives it fills
 * the wire when BODY_IN_MORE says so.
 */
struct body_in {
        struct wire *from;
        enum http_framing framing;
        uint64_t left;           /* HTTP_BODY_LENGTH: bytes still to come */
        struct http_chunk chunk; /* HTTP_BODY_CHUNKED */
        bool end;                /* all of it has been taken */
        uint64_t taken;          /* body bytes so far */
};

enum body_in_result {
        BODY_IN_DATA, /* *ret is at least one byte of body at the wire's front: use it, then body_in_take() */
        BODY_IN_MORE, /* nothing until more is received */
        BODY_IN_END,
        BODY_IN_BAD, /* chunked coding broken; stays so */
        BODY_IN_CUT, /* the stream ended before the body did */
};

void body_in_init(struct body_in *b, struct wire *from, enum http_framing framing, uint64_t length);

enum body_in_result body_in_next(struct body_in *b, struct slice *ret);

/* The first `n` bytes of what body_in_next() returned are used up. */
void body_in_take(struct body_in *b, size_t n);

/*
 * Body bytes that are sure to come next on the wire, without framing between them, beyond what was received: what may
 * be spliced. UINT64_MAX for HTTP_BODY_CLOSE. Only meaningful when nothing received is left.
 */
uint64_t body_in_plain(const struct body_in *b);

/* `n` such bytes went past user space. */
void body_in_skip(struct body_in *b, uint64_t n);

/* How many bytes at most should be received next, so that what can be spliced stays in the kernel. */
size_t body_in_want(const struct body_in *b, bool will_splice);

#endif
