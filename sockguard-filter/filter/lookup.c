/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "filter/connection.h"

/* One attempt on the connection that c->up has. */
static int ask(struct connection *c, struct slice request, size_t limit, uint64_t deadline, struct http_head *head,
               struct lookup *ret, bool *ret_answered) {
        struct wire *w = &c->up.wire;
        struct strbuf body;
        struct body_in in;
        size_t scanned = 0;
        ssize_t n;
        int r;

        *ret_answered = false;
        r = wire_send(w, request, deadline);
        if (r < 0)
                return r;
        for (;;) {
                n = http_response_parse(wire_view(w), &scanned, HTTP_GET, head);
                if (n < 0)
                        return -EPROTO;
                if (n > 0 && head->status >= 200)
                        break;
                if (n > 0) {
                        if (head->status == 101)
                                return -EPROTO;
                        wire_consume(w, (size_t) n); /* an interim answer */
                        scanned = 0;
                        continue;
                }
                r = wire_wait(w, deadline);
                if (r == -EINTR && !connection_signals.expired)
                        continue;
                if (r < 0)
                        return r;
                n = wire_fill(w, WIRE_BLOCK);
                if (n == 0)
                        return -ECONNRESET;
                if (n == -ENOBUFS)
                        return -EPROTO;
                if (n < 0 && n != -EAGAIN)
                        return (int) n;
        }
        *ret_answered = true;
        wire_pin(w, (size_t) n);
        ret->status = head->status;
        if (head->framing == HTTP_BODY_LENGTH && head->content_length > limit)
                return -EFBIG;

        strbuf_init(&body, limit + 1);
        body_in_init(&in, w, head->framing, head->content_length);
        r = 0;
        for (;;) {
                struct slice piece;
                enum body_in_result k = body_in_next(&in, &piece);

                if (k == BODY_IN_END)
                        break;
                if (k == BODY_IN_DATA) {
                        if (piece.len > limit - body.len) {
                                r = -EFBIG;
                                break;
                        }
                        strbuf_add(&body, piece);
                        if (body.failed) {
                                r = -ENOMEM;
                                break;
                        }
                        body_in_take(&in, piece.len);
                        continue;
                }
                if (k != BODY_IN_MORE) {
                        r = -EPROTO;
                        break;
                }
                n = wire_fill(w, WIRE_BLOCK);
                if (n == -EAGAIN) {
                        r = wire_wait(w, deadline);
                        if (r == -EINTR && !connection_signals.expired)
                                continue;
                        if (r < 0)
                                break;
                } else if (n < 0) {
                        r = (int) n;
                        break;
                }
        }
        if (r >= 0) {
                ret->body = arena_dup(&c->arena, strbuf_view(&body));
                r = 0;
        }
        strbuf_free(&body);
        return r;
}

int connection_lookup(struct connection *c, struct slice path_and_query, size_t limit, struct lookup *ret) {
        struct http_field fields[LOOKUP_FIELDS];
        struct http_head head = { .fields = fields, .fields_room = LOOKUP_FIELDS };
        uint64_t deadline = deadline_in(LOOKUP_NS);
        _cleanup_strbuf_ struct strbuf request;
        struct error e;
        int r;

        if (c->dry_run)
                return -ENOTCONN;
        /* A path that could end the line early would be a request of the client's making, unjudged. */
        for (size_t i = 0; i < path_and_query.len; i++)
                if ((unsigned char) path_and_query.at[i] <= ' ' || path_and_query.at[i] == 0x7f)
                        return -EINVAL;
        if (path_and_query.len == 0 || path_and_query.at[0] != '/')
                return -EINVAL;
        strbuf_init(&request, HTTP_HEAD_MAX);
        strbuf_adds(&request, "GET ");
        strbuf_add(&request, path_and_query);
        strbuf_adds(&request,
                    " HTTP/1.1\r\nHost: docker\r\nUser-Agent: sockguard\r\nAccept-Encoding: identity\r\n\r\n");
        if (request.failed)
                return -ENOMEM;

        for (int attempt = 0;; attempt++) {
                bool reused, answered = false;

                r = upstream_open(&c->up, attempt > 0, deadline, &e);
                if (r < 0)
                        return r;
                reused = c->up.kept;
                c->up.kept = true;
                *ret = (struct lookup){ 0 };
                r = ask(c, strbuf_view(&request), limit, deadline, &head, ret, &answered);
                wire_unpin(&c->up.wire);
                if (r >= 0)
                        upstream_bind(&c->up);
                if (r < 0 || !head.keep_alive || head.framing == HTTP_BODY_CLOSE)
                        upstream_close(&c->up);
                /* The daemon may have hung up a kept connection just now: a GET is asked once more, on a new one. */
                if (r < 0 && reused && !answered && attempt == 0 && r != -ETIMEDOUT && r != -EPROTO)
                        continue;
                return r;
        }
}
