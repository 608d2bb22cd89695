/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "check.h"
#include "http/chunk.h"

#define WANT_BAD (-1)
#define WANT_MORE (-2)

/* Feeds `in` in pieces of `piece` bytes; returns the size of the data, or WANT_*. */
static int decode(struct slice in, size_t piece, char *data, struct strbuf *trailers, size_t *ret_rest) {
        struct http_chunk c;
        size_t at = 0, have = 0, n = 0;

        http_chunk_init(&c);
        c.keep = trailers;
        for (;;) {
                struct slice d;
                size_t used;
                int r = http_chunk_next(&c, slice_make(in.at + at, have - at), &used, &d);

                if (r < 0) {
                        CHECK_INT(http_chunk_next(&c, in, &used, &d), -EBADMSG);
                        return WANT_BAD;
                }
                at += used;
                if (r == HTTP_CHUNK_DATA) {
                        memcpy(data + n, d.at, d.len);
                        n += d.len;
                        at += d.len;
                        http_chunk_skip(&c, d.len);
                } else if (r == HTTP_CHUNK_END) {
                        if (ret_rest)
                                *ret_rest = in.len - at;
                        return (int) n;
                } else if (have == in.len)
                        return WANT_MORE;
                else
                        have = have + piece < in.len ? have + piece : in.len;
        }
}

static void chunked_bodies_are_read_strictly_however_they_are_cut(void) {
        static const struct {
                const char *in;
                int want;
        } rows[] = {
                { "5\r\nhello\r\n0\r\n\r\n", 5 },
                { "0\r\n\r\n", 0 },
                { "000000000000000A\r\n0123456789\r\n0\r\n\r\n", 10 },
                { "a\r\n0123456789\r\n00\r\n\r\n", 10 },
                { "3;ext=1\r\nabc\r\n0;x\r\n\r\n", 3 },
                { "3;ext \t\r\nabc\r\n0 \r\n\r\n", 3 },
                { "3\t\r\nabc\r\n0\r\n\r\n", 3 },
                { "1\r\na\r\n2\r\nbc\r\n0\r\nX: y\r\nZ:\r\n\r\n", 3 },
                { "3 ;x\r\nabc\r\n0\r\n\r\n", WANT_BAD },
                { "00000000000000005\r\nhello\r\n0\r\n\r\n", WANT_BAD },
                { "8000000000000000\r\n", WANT_BAD },
                { "ffffffffffffffff\r\n", WANT_BAD },
                { " 5\r\nhello\r\n0\r\n\r\n", WANT_BAD },
                { "0x5\r\nhello\r\n0\r\n\r\n", WANT_BAD },
                { "+5\r\nhello\r\n0\r\n\r\n", WANT_BAD },
                { "-5\r\nhello\r\n0\r\n\r\n", WANT_BAD },
                { "\r\n", WANT_BAD },
                { ";x\r\n", WANT_BAD },
                { "5\nhello\r\n0\r\n\r\n", WANT_BAD },
                { "5\r\nhello\n0\r\n\r\n", WANT_BAD },
                { "5\r\nhello0\r\n\r\n", WANT_BAD },
                { "5\r\nhelloX\r\n0\r\n\r\n", WANT_BAD },
                { "5\r\rhello\r\n0\r\n\r\n", WANT_BAD },
                { "5;\x01\r\nhello\r\n0\r\n\r\n", WANT_BAD },
                { "0\r\nnocolon\r\n\r\n", WANT_BAD },
                { "0\r\n folded: x\r\n\r\n", WANT_BAD },
                { "0\r\nX: y\r\n z\r\n\r\n", WANT_BAD },
                { "0\r\nX: \x01\r\n\r\n", WANT_BAD },
                { "0\r\nX: y\n\r\n", WANT_BAD },
                { "0\r\nX : y\r\n\r\n", WANT_BAD },
                { "0\r\n\n", WANT_BAD },
                { "0\r\n", WANT_MORE },
                { "5\r\nhell", WANT_MORE },
                { "5\r\nhello\r", WANT_MORE },
                { "", WANT_MORE },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                for (size_t piece = 1; piece < 40; piece += 3) {
                        char data[64];
                        int got = decode(slice_of(rows[i].in), piece, data, NULL, NULL);

                        if (got != rows[i].want)
                                fprintf(stderr, "row %zu, pieces of %zu\n", i, piece);
                        CHECK_INT(got, rows[i].want);
                }
}

static void bytes_behind_the_last_chunk_are_not_touched(void) {
        char data[8];
        size_t rest = 0;

        CHECK_INT(decode(SLICE("1\r\na\r\n0\r\n\r\nGET /"), 100, data, NULL, &rest), 1);
        CHECK_INT(rest, 5);
}

static void trailers_are_kept_when_somebody_wants_them(void) {
        _cleanup_strbuf_ struct strbuf t;
        char data[8];

        strbuf_init(&t, 100);
        CHECK_INT(decode(SLICE("1\r\na\r\n0\r\nX: y\r\nA: b\r\n\r\n"), 2, data, &t, NULL), 1);
        CHECK_STR(strbuf_view(&t), "X: y\r\nA: b\r\n");
}

static void endless_framing_without_data_is_refused(void) {
        static char in[3u * 1024 * 1024], data[400000];
        size_t n = 0;

        for (int i = 0; i < 60; i++) {
                n += (size_t) sprintf(in + n, "1;%01000d\r\n", 0);
                n += (size_t) sprintf(in + n, "x\r\n");
        }
        CHECK_INT(decode(slice_make(in, n), 65536, data, NULL, NULL), WANT_BAD);

        /* but a slow typist's one-byte chunks are not */
        n = 0;
        for (int i = 0; i < 100000; i++)
                n += (size_t) sprintf(in + n, "1\r\nx\r\n");
        n += (size_t) sprintf(in + n, "0\r\n\r\n");
        CHECK_INT(decode(slice_make(in, n), 65536, data, NULL, NULL), 100000);
}

CHECK_MAIN(CHECK_TEST(chunked_bodies_are_read_strictly_however_they_are_cut),
           CHECK_TEST(bytes_behind_the_last_chunk_are_not_touched),
           CHECK_TEST(trailers_are_kept_when_somebody_wants_them), CHECK_TEST(endless_framing_without_data_is_refused))
