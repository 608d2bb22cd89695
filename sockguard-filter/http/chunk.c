/* SPDX-License-Identifier: Apache-2.0 */
#include "http/chunk.h"

#include <errno.h>

enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE, CHUNK_BAD };

void http_chunk_init(struct http_chunk *c) {
        *c = (struct http_chunk){ .state = CHUNK_SIZE };
}

/*
 * The line at the front, without its CRLF: 1 with *ret_line and *ret_size (CRLF included), 0 incomplete, -EBADMSG a
 * bare LF, a bare CR, or too long.
 */
static int take_line(struct slice in, struct slice *ret_line, size_t *ret_size) {
        ssize_t lf = slice_find(slice_upto(in, HTTP_CHUNK_LINE_MAX), '\n');
        struct slice line;

        if (lf < 0)
                return in.len >= HTTP_CHUNK_LINE_MAX ? -EBADMSG : 0;
        if (lf == 0 || in.at[lf - 1] != '\r')
                return -EBADMSG;
        line = slice_upto(in, (size_t) lf - 1);
        for (size_t i = 0; i < line.len; i++)
                if (((unsigned char) line.at[i] < 0x20 && line.at[i] != '\t') || line.at[i] == 0x7f)
                        return -EBADMSG;
        *ret_line = line;
        *ret_size = (size_t) lf + 1;
        return 1;
}

static int parse_size(struct slice line, uint64_t *ret) {
        uint64_t v = 0;
        size_t n = 0;

        while (line.len > 0 && (line.at[line.len - 1] == ' ' || line.at[line.len - 1] == '\t'))
                line.len--;
        for (; n < line.len && line.at[n] != ';'; n++) {
                char ch = line.at[n];
                unsigned d;

                if (ch >= '0' && ch <= '9')
                        d = (unsigned) (ch - '0');
                else if ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f')
                        d = (unsigned) ((ch | 0x20) - 'a' + 10);
                else
                        return -EBADMSG;
                if (n >= 16)
                        return -EBADMSG;
                v = v << 4 | d;
        }
        if (n == 0 || v > INT64_MAX)
                return -EBADMSG;
        *ret = v;
        return 0;
}

/* A trailer is a field line; what is none means that sender and receiver disagree. */
static int check_trailer(struct slice line) {
        ssize_t colon = slice_find(line, ':');

        if (colon <= 0)
                return -EBADMSG;
        for (ssize_t i = 0; i < colon; i++) {
                char ch = line.at[i];

                if (!((ch >= '0' && ch <= '9') || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') ||
                      memchr("!#$%&'*+-.^_`|~", ch, 15)))
                        return -EBADMSG;
        }
        return 0;
}

static int step(struct http_chunk *c, struct slice in, size_t *used, struct slice *ret_data) {
        for (;;) {
                struct slice rest = slice_from(in, *used), line;
                size_t size;
                int r;

                switch (c->state) {
                case CHUNK_SIZE:
                        r = take_line(rest, &line, &size);
                        if (r <= 0)
                                return r;
                        r = parse_size(line, &c->left);
                        if (r < 0)
                                return r;
                        *used += size;
                        /* Many tiny chunks, or long extensions, cost us more than they carry. */
                        c->overhead += size;
                        c->overhead -= c->overhead < 16 + 2 * c->left ? c->overhead : 16 + 2 * c->left;
                        if (c->overhead > HTTP_CHUNK_OVERHEAD_MAX)
                                return -EBADMSG;
                        c->last = c->left;
                        c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
                        break;
                case CHUNK_DATA:
                        if (c->left == 0) {
                                c->state = CHUNK_DATA_END;
                                break;
                        }
                        if (rest.len == 0)
                                return HTTP_CHUNK_MORE;
                        *ret_data = slice_upto(rest, c->left > SIZE_MAX ? SIZE_MAX : (size_t) c->left);
                        return HTTP_CHUNK_DATA;
                case CHUNK_DATA_END:
                        if (rest.len < 2)
                                return rest.len == 1 && rest.at[0] != '\r' ? -EBADMSG : HTTP_CHUNK_MORE;
                        if (memcmp(rest.at, "\r\n", 2) != 0)
                                return -EBADMSG;
                        *used += 2;
                        c->state = CHUNK_SIZE;
                        break;
                case CHUNK_TRAILER:
                        r = take_line(rest, &line, &size);
                        if (r <= 0)
                                return r;
                        c->trailers += size;
                        if (c->trailers > HTTP_CHUNK_TRAILERS_MAX)
                                return -EBADMSG;
                        if (line.len == 0) {
                                *used += size;
                                c->state = CHUNK_DONE;
                                return HTTP_CHUNK_END;
                        }
                        r = check_trailer(line);
                        if (r < 0)
                                return r;
                        if (c->keep)
                                strbuf_add(c->keep, slice_upto(rest, size));
                        *used += size;
                        break;
                case CHUNK_DONE:
                        return HTTP_CHUNK_END;
                default:
                        return -EBADMSG;
                }
        }
}

int http_chunk_next(struct http_chunk *c, struct slice in, size_t *ret_used, struct slice *ret_data) {
        int r;

        *ret_used = 0;
        r = step(c, in, ret_used, ret_data);
        if (r < 0) {
                c->state = CHUNK_BAD;
                *ret_used = 0;
        }
        return r;
}

void http_chunk_skip(struct http_chunk *c, uint64_t n) {
        c->left -= n;
}
