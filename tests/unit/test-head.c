/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "http/head.h"
#include "tests/unit/check.h"

static struct http_field fields[HTTP_FIELDS_MAX];
static struct http_head head;

static ssize_t parse(struct slice in) {
        size_t scanned = 0;

        head = (struct http_head){ .fields = fields, .fields_room = HTTP_FIELDS_MAX };
        return http_request_parse(in, &scanned, &head);
}

/*
 * The same bytes cut at every place must give the same result: incomplete up to where the whole decides, then as the
 * whole. Returns what the whole gives.
 */
static ssize_t parse_at_every_cut(struct slice in) {
        ssize_t whole = parse(in);
        struct http_head expected = head;

        for (size_t cut = 0; cut < in.len; cut++) {
                size_t scanned = 0;
                ssize_t r;

                head = (struct http_head){ .fields = fields, .fields_room = HTTP_FIELDS_MAX };
                r = http_request_parse(slice_upto(in, cut), &scanned, &head);
                if (whole > 0)
                        CHECK_INT(r, cut < (size_t) whole ? 0 : whole);
                else if (r != 0)
                        CHECK_INT(r, whole);
                if (r != 0)
                        continue;
                CHECK_INT(http_request_parse(in, &scanned, &head), whole);
                CHECK_INT(head.status, expected.status);
                CHECK_INT(head.n_fields, expected.n_fields);
                CHECK_INT(head.framing, expected.framing);
                CHECK_INT(head.content_length, expected.content_length);
                CHECK_SLICE(head.target, expected.target);
        }
        (void) parse(in);
        return whole;
}

/* Chapter 02, 3.1 to 3.4 and section 20: what is answered to a head that is refused. */
static const struct {
        int status;
        struct slice head;
} refused[] = {
        { 400, SLICE("GET / HTTP/1.1\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a#b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a{b}\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a|b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a^b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a`b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: xn-\x80\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost : a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\n Host: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX Y: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX(: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX\xc3: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\x01"
                     "b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\x0b"
                     "b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\x1f"
                     "b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f"
                     "b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\nHost: a\n\n") },
        { 400, SLICE("GET / HTTP/1.1\nHost: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\n") },
        { 400, SLICE("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("\r\n\r\n") },
        { 400, SLICE("hello\r\n\r\n") },
        { 400, SLICE("GET /\r\n\r\n") },
        { 400, SLICE("GET  / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET /  HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE(" GET / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.1 \r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE(" / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET  HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("G(T / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("G\0T / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("get/ / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("get / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("POSt / HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET /\x0b HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET /?\x01 HTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1.10\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/3\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET / http/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/1,1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET / XTTP/1.1\r\nHost: a\r\n\r\n") },
        { 400, SLICE("GET / HTTP/a.1\r\nHost: a\r\n\r\n") },
        { 505, SLICE("GET / HTTP/0.9\r\n\r\n") },
        { 505, SLICE("GET / HTTP/2.0\r\nHost: a\r\n\r\n") },
        { 505, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") },
        /* 3.4 */
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: a\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\nContent-Length: 017\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
                     "chunked\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n") },
        { 501, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n") },
        { 501, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n") },
        { 501, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n") },
        { 501, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n") },
        { 501, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n") },
        { 501, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n") },
        { 501, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n") },
        { 501,
          SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n") },
        { 501,
          SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n") },
        { 501, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n") },
        { 400,
          SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X, Content-Length\r\n\r\n") },
        { 400,
          SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: transfer-encoding\r\n\r\n") },
        { 400, SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: TRAILER\r\n\r\n") },
};

static void every_malformed_head_of_the_chapter_is_refused_wherever_it_is_cut(void) {
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                ssize_t r = parse_at_every_cut(refused[i].head);

                if (r != -EBADMSG || head.status != refused[i].status)
                        fprintf(stderr, "row %zu: %.*s\n", i, SLICE_ARG(refused[i].head));
                CHECK_INT(r, -EBADMSG);
                CHECK_INT(head.status, refused[i].status);
                CHECK(head.status_text.len > 0);
        }
}

static void every_well_formed_head_of_the_chapter_is_accepted_wherever_it_is_cut(void) {
        static const struct {
                struct slice head;
                enum http_framing framing;
                uint64_t length;
                bool keep_alive;
        } rows[] = {
                { SLICE("GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"), HTTP_BODY_NONE, 0, true },
                { SLICE("GET /_ping HTTP/1.1\r\nHost:\r\n\r\n"), HTTP_BODY_NONE, 0, true },
                { SLICE("GET /_ping HTTP/1.1\r\nhost: [::1]:80\r\n\r\n"), HTTP_BODY_NONE, 0, true },
                { SLICE("GET /_ping HTTP/1.1\r\nHost: a-._~:[]!&()+;%',*$=\r\n\r\n"), HTTP_BODY_NONE, 0, true },
                { SLICE("GET /_ping HTTP/1.1\r\nHost: [::1\r\n\r\n"), HTTP_BODY_NONE, 0, true },
                { SLICE("GET /_ping HTTP/1.0\r\n\r\n"), HTTP_BODY_NONE, 0, false },
                { SLICE("GET /_ping HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), HTTP_BODY_NONE, 0, true },
                { SLICE("GET /_ping HTTP/1.2\r\nHost: a\r\n\r\n"), HTTP_BODY_NONE, 0, true },
                { SLICE("GET /_ping HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n"), HTTP_BODY_NONE, 0, false },
                { SLICE("GET /_ping HTTP/1.1\r\nHost: a\r\nX:a\r\nY:\r\nZ: \t a\tb\xff \t\r\n\r\n"), HTTP_BODY_NONE, 0,
                  true },
                { SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), HTTP_BODY_LENGTH, 5, true },
                { SLICE("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: \t05 \r\n\r\n"), HTTP_BODY_LENGTH, 5, true },
                { SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n"), HTTP_BODY_LENGTH,
                  INT64_MAX, true },
                { SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), HTTP_BODY_NONE, 0, true },
                { SLICE("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), HTTP_BODY_LENGTH, 5, true },
                { SLICE("POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n"), HTTP_BODY_NONE, 0, true },
                { SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_BODY_CHUNKED, 0,
                  true },
                { SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tCHUNKED \r\n\r\n"), HTTP_BODY_CHUNKED, 0,
                  true },
                { SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"),
                  HTTP_BODY_CHUNKED, 0, true },
                { SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
                  HTTP_BODY_LENGTH, 5, true },
                /* A transfer coding means nothing in HTTP/1.0, and nothing behind such a message is trusted. */
                { SLICE("POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: "
                        "5\r\n\r\n"),
                  HTTP_BODY_LENGTH, 5, false },
                { SLICE("M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP_BODY_NONE, 0, true },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                ssize_t r = parse_at_every_cut(rows[i].head);

                if (r != (ssize_t) rows[i].head.len)
                        fprintf(stderr, "row %zu: %.*s\n%.*s\n", i, SLICE_ARG(rows[i].head),
                                SLICE_ARG(head.status_text));
                CHECK_INT(r, rows[i].head.len);
                CHECK_INT(head.framing, rows[i].framing);
                CHECK_INT(head.content_length, rows[i].length);
                CHECK_INT(head.keep_alive, rows[i].keep_alive);
        }
}

static void a_head_is_a_view_of_the_buffer_with_names_values_and_numbers(void) {
        struct slice in = SLICE(
                "POST /v1.45/containers/create?name=x HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
                "X-Private: 1\r\nConnection: upgrade, x-private\r\nUpgrade: tcp\r\nExpect: 100-Continue\r\n"
                "Content-Length: 2\r\n\r\n{}GET /next");

        CHECK_INT(parse(in), in.len - 11);
        CHECK_STR(head.method_text, "POST");
        CHECK_INT(head.method, HTTP_POST);
        CHECK_STR(head.target, "/v1.45/containers/create?name=x");
        CHECK_INT(head.minor, 1);
        CHECK_STR(head.host, "docker");
        CHECK_INT(head.n_fields, 7);
        CHECK(head.upgrade);
        CHECK_STR(head.upgrade_to, "tcp");
        CHECK(head.expect_continue && !head.expect_other);
        CHECK_STR(http_head_find(&head, HTTP_F_CONTENT_TYPE)->value, "application/json");
        CHECK(http_head_find(&head, HTTP_F_RANGE) == NULL);
        CHECK(head.fields[2].hop); /* named by Connection */
        CHECK(head.fields[3].hop && head.fields[4].hop);
        CHECK(!head.fields[0].hop);
}

static void a_field_that_connection_names_is_not_found_again(void) {
        CHECK(parse(SLICE(
                      "POST / HTTP/1.1\r\nHost: a\r\nX-Registry-Auth: e30=\r\nConnection: X-REGISTRY-AUTH\r\n\r\n")) >
              0);
        CHECK(http_head_find(&head, HTTP_F_X_REGISTRY_AUTH) == NULL);
        CHECK_INT(http_head_count(&head, HTTP_F_X_REGISTRY_AUTH), 0);
        CHECK(http_head_find(&head, HTTP_F_CONNECTION) != NULL);
}

static void expectations_are_the_one_we_know_or_refused(void) {
        CHECK(parse(SLICE("GET / HTTP/1.1\r\nHost: a\r\nExpect: bogus\r\n\r\n")) > 0);
        CHECK(head.expect_other && !head.expect_continue);
        CHECK(parse(SLICE("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")) > 0);
        CHECK(!head.expect_other && !head.expect_continue);
}

static void an_upgrade_needs_both_fields_and_printable_text(void) {
        CHECK(parse(SLICE("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: tcp\r\n\r\n")) > 0);
        CHECK(!head.upgrade);
        CHECK(parse(SLICE("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n")) > 0);
        CHECK(!head.upgrade);
        CHECK(parse(SLICE("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: t\xff\r\n\r\n")) > 0);
        CHECK(!head.upgrade);
}

/* A head of exactly `size` bytes, with one long field. */
static struct slice sized(size_t size) {
        static char buffer[HTTP_HEAD_MAX + 64];
        static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";

        memset(buffer, 'a', sizeof(buffer));
        memcpy(buffer, start, sizeof(start) - 1);
        memcpy(buffer + size - 4, "\r\n\r\n", 4);
        return slice_make(buffer, size);
}

static void the_size_limit_is_exact(void) {
        CHECK_INT(parse(sized(HTTP_HEAD_MAX)), HTTP_HEAD_MAX);
        CHECK_INT(parse(sized(HTTP_HEAD_MAX + 1)), -EBADMSG);
        CHECK_INT(head.status, 431);
        CHECK_INT(parse(slice_upto(sized(HTTP_HEAD_MAX), HTTP_HEAD_MAX - 1)), 0);
        CHECK_INT(parse(slice_upto(sized(HTTP_HEAD_MAX + 32), HTTP_HEAD_MAX)), -EBADMSG);
        CHECK_INT(head.status, 431);
}

static void the_number_of_fields_is_limited(void) {
        static char buffer[64 * 1024];
        size_t n = 0;

        n += (size_t) sprintf(buffer, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (unsigned i = 1; i < HTTP_FIELDS_MAX; i++)
                n += (size_t) sprintf(buffer + n, "H%u: v\r\n", i);
        memcpy(buffer + n, "\r\n", 2);
        CHECK_INT(parse(slice_make(buffer, n + 2)), n + 2);
        CHECK_INT(head.n_fields, HTTP_FIELDS_MAX);
        memcpy(buffer + n, "Z: v\r\n\r\n", 8);
        CHECK_INT(parse(slice_make(buffer, n + 8)), -EBADMSG);
        CHECK_INT(head.status, 431);
}

static void the_options_that_connection_names_are_limited(void) {
        static char buffer[4096];
        size_t n = (size_t) sprintf(buffer, "GET / HTTP/1.1\r\nHost: a\r\nConnection: ");

        for (unsigned i = 0; i < 65; i++)
                n += (size_t) sprintf(buffer + n, "x%u,", i);
        n += (size_t) sprintf(buffer + n, "\r\n\r\n");
        CHECK_INT(parse(slice_make(buffer, n)), -EBADMSG);
        CHECK_INT(head.status, 400);
}

static void bytes_behind_the_head_are_left_alone(void) {
        struct slice in = SLICE("GET /a HTTP/1.1\r\nHost: a\r\n\r\n\n\n\r garbage \0");

        CHECK_INT(parse(in), 28);
        CHECK_STR(head.target, "/a");
}

/* ---- responses ---- */

static ssize_t parse_response(struct slice in, enum http_method m) {
        size_t scanned = 0;

        head = (struct http_head){ .fields = fields, .fields_room = HTTP_FIELDS_MAX };
        return http_response_parse(in, &scanned, m, &head);
}

static void response_bodies_end_as_the_rfc_says(void) {
        static const struct {
                struct slice head;
                enum http_method method;
                enum http_framing framing;
                bool keep_alive;
        } rows[] = {
                { SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), HTTP_GET, HTTP_BODY_LENGTH, true },
                { SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"), HTTP_GET,
                  HTTP_BODY_LENGTH, true },
                { SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), HTTP_HEAD, HTTP_BODY_NONE, true },
                { SLICE("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), HTTP_GET, HTTP_BODY_NONE, true },
                { SLICE("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_GET, HTTP_BODY_CHUNKED, true },
                { SLICE("HTTP/1.1 200 \r\n\r\n"), HTTP_GET, HTTP_BODY_CLOSE, false },
                { SLICE("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), HTTP_GET, HTTP_BODY_NONE, true },
                { SLICE("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_GET, HTTP_BODY_NONE,
                  true },
                { SLICE("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"), HTTP_POST,
                  HTTP_BODY_NONE, true },
                { SLICE("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"), HTTP_GET, HTTP_BODY_LENGTH, false },
                { SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"), HTTP_GET,
                  HTTP_BODY_LENGTH, false },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                CHECK_INT(parse_response(rows[i].head, rows[i].method), rows[i].head.len);
                CHECK_INT(head.framing, rows[i].framing);
                CHECK_INT(head.keep_alive, rows[i].keep_alive);
        }
        CHECK(parse_response(SLICE("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"), HTTP_POST) >
              0);
        CHECK_INT(head.status, 101);
        CHECK_STR(head.status_text, "UPGRADED");
        CHECK(head.upgrade);
}

static void responses_that_two_could_read_differently_are_refused(void) {
        static const struct slice rows[] = {
                SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
                SLICE("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
                SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
                SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
                SLICE("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                SLICE("HTTP/1.1 20 OK\r\n\r\n"),
                SLICE("HTTP/1.1 2000 OK\r\n\r\n"),
                SLICE("HTTP/2.0 200 OK\r\n\r\n"),
                SLICE("HTTP/1.1 099 OK\r\n\r\n"),
                SLICE("HTTP/1.1  200 OK\r\n\r\n"),
                SLICE("ICY 200 OK\r\n\r\n"),
                SLICE("HTTP/1.1 200 O\x01K\r\n\r\n"),
                SLICE("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"),
                SLICE("HTTP/1.1 200 OK\n\n"),
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_INT(parse_response(rows[i], HTTP_GET), -EBADMSG);
}

CHECK_MAIN(CHECK_TEST(every_malformed_head_of_the_chapter_is_refused_wherever_it_is_cut),
           CHECK_TEST(every_well_formed_head_of_the_chapter_is_accepted_wherever_it_is_cut),
           CHECK_TEST(a_head_is_a_view_of_the_buffer_with_names_values_and_numbers),
           CHECK_TEST(a_field_that_connection_names_is_not_found_again),
           CHECK_TEST(expectations_are_the_one_we_know_or_refused),
           CHECK_TEST(an_upgrade_needs_both_fields_and_printable_text), CHECK_TEST(the_size_limit_is_exact),
           CHECK_TEST(the_number_of_fields_is_limited), CHECK_TEST(the_options_that_connection_names_are_limited),
           CHECK_TEST(bytes_behind_the_head_are_left_alone), CHECK_TEST(response_bodies_end_as_the_rfc_says),
           CHECK_TEST(responses_that_two_could_read_differently_are_refused))
