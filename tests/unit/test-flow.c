/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a relay between two socket pairs: whatever the framing, the sizes and the moments at which bytes
 * come, what arrives is the body.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "filter/flow.h"

#define ROOM (256u * 1024)

/* The four ends: we write into `source`, and read from `sink`; the flow has the other two. */
struct rig {
        int source, sink;
        struct wire from, to;
        char from_buf[ROOM], to_buf[ROOM];
        struct flow flow;
        char out[4 * ROOM];
        size_t n_out;
};

static struct rig rig;
static char body[2 * ROOM];

static void build(enum http_framing framing, uint64_t length, enum flow_framing out) {
        int a[2], b[2];

        CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a), 0);
        CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b), 0);
        rig.source = a[0];
        rig.sink = b[0];
        rig.n_out = 0;
        CHECK_INT(wire_open(&rig.from, a[1], a[1], rig.from_buf, sizeof(rig.from_buf)), 0);
        CHECK_INT(wire_open(&rig.to, b[1], b[1], rig.to_buf, sizeof(rig.to_buf)), 0);
        flow_init(&rig.flow, &rig.from, framing, length, &rig.to, out);
        if (framing == HTTP_BODY_CHUNKED)
                rig.flow.in.chunk.keep = &rig.flow.trailers;
        CHECK_INT(fcntl(rig.sink, F_SETFL, O_NONBLOCK), 0);
}

static void tear_down(void) {
        flow_free(&rig.flow);
        wire_close(&rig.from);
        wire_close(&rig.to);
        if (rig.source >= 0)
                (void) close(rig.source);
        if (rig.sink >= 0)
                (void) close(rig.sink);
}

static void drink(void) {
        ssize_t n;

        while ((n = read(rig.sink, rig.out + rig.n_out, sizeof(rig.out) - rig.n_out)) > 0)
                rig.n_out += (size_t) n;
}

/* Feeds `in` in pieces of `piece` bytes, letting the flow run and drinking in between; then ends the source. */
static enum flow_result run(struct slice in, size_t piece) {
        enum flow_result r = FLOW_WAIT;

        while (r == FLOW_WAIT || r == FLOW_BUSY) {
                if (in.len > 0) {
                        ssize_t n =
                                send(rig.source, in.at, in.len < piece ? in.len : piece, MSG_DONTWAIT | MSG_NOSIGNAL);

                        if (n > 0)
                                in = slice_from(in, (size_t) n);
                        if (in.len == 0)
                                (void) shutdown(rig.source, SHUT_WR);
                }
                r = flow_step(&rig.flow);
                CHECK(r != FLOW_WAIT || rig.flow.want_read || rig.flow.want_write);
                drink();
        }
        drink();
        return r;
}

/* Takes the chunks of what came out apart. The size of the data; -1 if that is not how it is framed. */
static ssize_t dechunk(char *to) {
        struct slice in = slice_make(rig.out, rig.n_out);
        struct http_chunk c;
        size_t n = 0;

        http_chunk_init(&c);
        for (;;) {
                struct slice d;
                size_t used;
                int r = http_chunk_next(&c, in, &used, &d);

                if (r < 0)
                        return -1;
                in = slice_from(in, used);
                if (r == HTTP_CHUNK_END)
                        return in.len == 0 ? (ssize_t) n : -1;
                if (r != HTTP_CHUNK_DATA)
                        return -1;
                memcpy(to + n, d.at, d.len);
                n += d.len;
                in = slice_from(in, d.len);
                http_chunk_skip(&c, d.len);
        }
}

/* `n` bytes of body in chunks of `size`. */
static size_t chunked(char *to, size_t n, size_t size, const char *end) {
        size_t at = 0;

        for (size_t i = 0; i < n; i += size) {
                size_t k = n - i < size ? n - i : size;

                at += (size_t) sprintf(to + at, "%zx\r\n", k);
                memcpy(to + at, body + i, k);
                at += k;
                at += (size_t) sprintf(to + at, "\r\n");
        }
        return at + (size_t) sprintf(to + at, "%s", end);
}

static const size_t sizes[] = { 0, 1, 100, 4095, 65536, 300000 };
static const size_t pieces[] = { 1, 7, 1500, 65536, 1000000 };

#define EACH(i, table) for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)

static void a_body_with_a_length_arrives_as_it_is(void) {
        EACH(i, sizes)
        EACH(k, pieces)
        for (int splice = 0; splice < 2; splice++) {
                if (pieces[k] < 100 && sizes[i] > 5000)
                        continue;
                build(HTTP_BODY_LENGTH, sizes[i], FLOW_PLAIN);
                rig.flow.never_splice = !splice;
                strbuf_adds(&rig.flow.front, "HEAD\r\n\r\n");
                CHECK_INT(run(slice_make(body, sizes[i]), pieces[k]), FLOW_DONE);
                CHECK_INT(rig.n_out, sizes[i] + 8);
                CHECK(memcmp(rig.out, "HEAD\r\n\r\n", 8) == 0 && memcmp(rig.out + 8, body, sizes[i]) == 0);
                CHECK_INT(rig.flow.delivered, sizes[i]);
                tear_down();
        }
}

static void a_chunked_body_arrives_whatever_its_chunks(void) {
        static const size_t chunks[] = { 1, 1000, 20000, 70000 };
        static char in[sizeof(body) * 8], back[sizeof(body)];

        EACH(i, sizes)
        EACH(k, pieces)
        EACH(m, chunks)
        for (int splice = 0; splice < 2; splice++) {
                size_t n;

                if (sizes[i] > 5000 && (pieces[k] < 100 || chunks[m] < 100))
                        continue;
                n = chunked(in, sizes[i], chunks[m], "0\r\n\r\n");
                build(HTTP_BODY_CHUNKED, 0, FLOW_CHUNKED);
                rig.flow.never_splice = !splice;
                CHECK_INT(run(slice_make(in, n), pieces[k]), FLOW_DONE);
                CHECK_INT(dechunk(back), sizes[i]);
                CHECK(memcmp(back, body, sizes[i]) == 0);
                tear_down();
        }
}

static void a_body_until_the_end_of_the_stream_becomes_chunks(void) {
        static char back[sizeof(body)];

        EACH(i, sizes) {
                build(HTTP_BODY_CLOSE, 0, FLOW_CHUNKED);
                if (sizes[i] == 0)
                        (void) shutdown(rig.source, SHUT_WR);
                CHECK_INT(run(slice_make(body, sizes[i]), 65536), FLOW_DONE);
                CHECK_INT(dechunk(back), sizes[i]);
                CHECK(memcmp(back, body, sizes[i]) == 0);
                tear_down();
        }
}

static void trailers_are_handed_on(void) {
        build(HTTP_BODY_CHUNKED, 0, FLOW_CHUNKED);
        CHECK_INT(run(SLICE("3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"), 1), FLOW_DONE);
        CHECK(rig.n_out > 14 && memcmp(rig.out + rig.n_out - 15, "0\r\nX-Sum: 1\r\n\r\n", 15) == 0);
        tear_down();
}

static void a_broken_body_never_gets_an_end(void) {
        static const struct {
                enum http_framing framing;
                const char *in;
                enum flow_result want;
        } rows[] = {
                { HTTP_BODY_LENGTH, "short", FLOW_CUT },
                { HTTP_BODY_CHUNKED, "3\r\nabc\r\n", FLOW_CUT },
                { HTTP_BODY_CHUNKED, "3\r\nab", FLOW_CUT },
                { HTTP_BODY_CHUNKED, "3\r\nabc\r\n0\r\n", FLOW_CUT },
                { HTTP_BODY_CHUNKED, "3\r\nabcd\r\n0\r\n\r\n", FLOW_BAD },
                { HTTP_BODY_CHUNKED, "3\r\nabc\r\nx\r\n", FLOW_BAD },
                { HTTP_BODY_CHUNKED, "3\r\nabc\n0\r\n\r\n", FLOW_BAD },
        };

        EACH(i, rows)
        EACH(k, pieces) {
                build(rows[i].framing, 100, rows[i].framing == HTTP_BODY_CHUNKED ? FLOW_CHUNKED : FLOW_PLAIN);
                CHECK_INT(run(slice_of(rows[i].in), pieces[k]), rows[i].want);
                CHECK(rig.n_out < 5 || memcmp(rig.out + rig.n_out - 5, "0\r\n\r\n", 5) != 0);
                tear_down();
        }
}

static void what_came_before_a_break_is_delivered(void) {
        build(HTTP_BODY_CHUNKED, 0, FLOW_CHUNKED);
        strbuf_adds(&rig.flow.front, "HEAD");
        rig.flow.gathering = true;
        CHECK_INT(run(SLICE("3\r\nabc\r\nx\r\n"), 100), FLOW_BAD);
        CHECK(memmem(rig.out, rig.n_out, "HEAD3\r\nabc", 10) != NULL);
        tear_down();
}

static void a_small_answer_leaves_in_one_message(void) {
        struct slice in = SLICE("2\r\nOK\r\n0\r\n\r\n");
        char one[100];

        build(HTTP_BODY_CHUNKED, 0, FLOW_CHUNKED);
        strbuf_adds(&rig.flow.front, "HEAD");
        rig.flow.gathering = true;
        CHECK_INT(send(rig.source, in.at, in.len, 0), in.len);
        CHECK_INT(wire_fill(&rig.from, WIRE_BLOCK), in.len);
        CHECK_INT(flow_step(&rig.flow), FLOW_DONE);
        CHECK_INT(read(rig.sink, one, sizeof(one)), 4 + in.len);
        tear_down();
}

static void a_sink_that_is_gone_ends_the_flow(void) {
        for (int splice = 0; splice < 2; splice++) {
                build(HTTP_BODY_LENGTH, sizeof(body), FLOW_PLAIN);
                rig.flow.never_splice = !splice;
                (void) close(rig.sink);
                rig.sink = -1;
                CHECK_INT(run(slice_make(body, sizeof(body)), 100000), FLOW_LOST);
                CHECK(rig.to.gone);
                tear_down();
        }
}

static void a_wait_has_an_end(void) {
        char c = 'x';

        build(HTTP_BODY_CLOSE, 0, FLOW_PLAIN);
        CHECK_INT(wire_receive(&rig.from, 10, 1000000), -ETIMEDOUT);
        CHECK_INT(send(rig.source, &c, 1, 0), 1);
        CHECK_INT(wire_receive(&rig.from, 10, 1000000000), 1);
        CHECK_INT(wire_set_nonblocking(&rig.from), 0);
        CHECK_INT(wire_receive(&rig.from, 10, 1000000), -ETIMEDOUT);
        CHECK_INT(send(rig.source, &c, 1, 0), 1);
        CHECK_INT(wire_receive(&rig.from, 10, 1000000000), 1);
        (void) shutdown(rig.source, SHUT_WR);
        CHECK_INT(wire_receive(&rig.from, 10, 1000000000), 0);
        CHECK(rig.from.eof);
        tear_down();
}

static void set_up(void) {
        unsigned x = 1;

        for (size_t i = 0; i < sizeof(body); i++)
                body[i] = (char) ((x = x * 1103515245u + 12345u) >> 16);
        CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as in a filter: splice(2) has no MSG_NOSIGNAL */
}

CHECK_MAIN(CHECK_TEST(set_up), CHECK_TEST(a_body_with_a_length_arrives_as_it_is),
           CHECK_TEST(a_chunked_body_arrives_whatever_its_chunks),
           CHECK_TEST(a_body_until_the_end_of_the_stream_becomes_chunks), CHECK_TEST(trailers_are_handed_on),
           CHECK_TEST(a_broken_body_never_gets_an_end), CHECK_TEST(what_came_before_a_break_is_delivered),
           CHECK_TEST(a_small_answer_leaves_in_one_message), CHECK_TEST(a_sink_that_is_gone_ends_the_flow),
           CHECK_TEST(a_wait_has_an_end))
