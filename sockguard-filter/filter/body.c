/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/body.h"

/* From this many bytes on, a run of body bytes is worth two system calls of splice(2) instead of two copies. */
#define SPLICE_RUN (16u * 1024)

void body_in_init(struct body_in *b, struct wire *from, enum http_framing framing, uint64_t length) {
        *b = (struct body_in){ .from = from, .framing = framing };
        switch (framing) {
        case HTTP_BODY_LENGTH:
                b->left = length;
                b->end = length == 0;
                break;
        case HTTP_BODY_CHUNKED:
                http_chunk_init(&b->chunk);
                break;
        case HTTP_BODY_CLOSE:
                break;
        case HTTP_BODY_NONE:
        default:
                b->end = true;
        }
}

enum body_in_result body_in_next(struct body_in *b, struct slice *ret) {
        struct slice held = wire_view(b->from);

        if (b->end)
                return BODY_IN_END;
        switch (b->framing) {
        case HTTP_BODY_LENGTH:
                *ret = slice_upto(held, b->left > SIZE_MAX ? SIZE_MAX : (size_t) b->left);
                if (ret->len > 0)
                        return BODY_IN_DATA;
                return b->from->eof ? BODY_IN_CUT : BODY_IN_MORE;
        case HTTP_BODY_CHUNKED: {
                size_t used;
                int r = http_chunk_next(&b->chunk, held, &used, ret);

                if (r < 0)
                        return BODY_IN_BAD;
                wire_consume(b->from, used);
                if (r == HTTP_CHUNK_DATA)
                        return BODY_IN_DATA;
                if (r == HTTP_CHUNK_END) {
                        b->end = true;
                        return BODY_IN_END;
                }
                return b->from->eof ? BODY_IN_CUT : BODY_IN_MORE;
        }
        case HTTP_BODY_CLOSE:
                *ret = held;
                if (ret->len > 0)
                        return BODY_IN_DATA;
                if (!b->from->eof)
                        return BODY_IN_MORE;
                b->end = true;
                return BODY_IN_END;
        case HTTP_BODY_NONE:
        default:
                return BODY_IN_END;
        }
}

void body_in_take(struct body_in *b, size_t n) {
        wire_consume(b->from, n);
        body_in_skip(b, n);
}

uint64_t body_in_plain(const struct body_in *b) {
        switch (b->framing) {
        case HTTP_BODY_LENGTH:
                return b->left;
        case HTTP_BODY_CHUNKED:
                return http_chunk_left(&b->chunk);
        case HTTP_BODY_CLOSE:
                return UINT64_MAX;
        case HTTP_BODY_NONE:
        default:
                return 0;
        }
}

void body_in_skip(struct body_in *b, uint64_t n) {
        b->taken += n;
        if (b->framing == HTTP_BODY_LENGTH) {
                b->left -= n;
                b->end = b->left == 0;
        } else if (b->framing == HTTP_BODY_CHUNKED)
                http_chunk_skip(&b->chunk, n);
}

size_t body_in_want(const struct body_in *b, bool will_splice) {
        /* Between two long chunks only the size line is wanted: the data behind it shall stay in the kernel. */
        if (will_splice && b->framing == HTTP_BODY_CHUNKED && http_chunk_left(&b->chunk) == 0 &&
            http_chunk_last(&b->chunk) >= SPLICE_RUN)
                return 16;
        return WIRE_BLOCK;
}
