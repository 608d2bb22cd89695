/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/answer.h"
#include "filter/relay.h"
#include "response/filter.h"

/* Bytes that must not stand unescaped in a path (RFC 3986, 3.3); the parser has refused controls and blanks already. */
static bool must_escape(unsigned char c) {
        return c >= 0x7f || c <= ' ' || memchr("\"#<>\\^`{|}", c, 10) != NULL;
}

/* The path as it was received; only what is illegal in a path is escaped, so that nothing changes its meaning. */
static void add_path(struct strbuf *out, struct slice path) {
        static const char hex[] = "0123456789ABCDEF";
        size_t from = 0;

        for (size_t i = 0; i < path.len; i++) {
                unsigned char c = (unsigned char) path.at[i];

                if (!must_escape(c))
                        continue;
                strbuf_add(out, slice_make(path.at + from, i - from));
                strbuf_addc(out, '%');
                strbuf_addc(out, hex[c >> 4]);
                strbuf_addc(out, hex[c & 15]);
                from = i + 1;
        }
        strbuf_add(out, slice_from(path, from));
}

static void add_target(struct strbuf *out, struct exchange *x) {
        const struct http_target *t = &x->target;

        if (t->raw_path.len == 0)
                strbuf_addc(out, '/');
        add_path(out, t->raw_path);
        if (!t->has_query && !x->query_changed)
                return;
        /* What the checks did not see, because it does not decode, the daemon does not see either. */
        if (x->query_changed || exchange_query(x)->dropped) {
                struct slice q = http_query_encode(exchange_query(x), x->arena);

                if (q.len > 0)
                        strbuf_addc(out, '?');
                strbuf_add(out, q);
                return;
        }
        strbuf_addc(out, '?');
        strbuf_add(out, t->query);
}

static void add_field(struct strbuf *out, struct slice name, struct slice value) {
        strbuf_add(out, name);
        strbuf_adds(out, ": ");
        strbuf_add(out, value);
        strbuf_adds(out, "\r\n");
}

static void add_length(struct strbuf *out, uint64_t length) {
        strbuf_adds(out, "Content-Length: ");
        strbuf_add_u64(out, length);
        strbuf_adds(out, "\r\n");
}

/* Fields of the request that we write ourselves, or that nobody beyond us shall see. */
static bool request_field_is_ours(const struct exchange *x, const struct http_field *f) {
        switch (f->id) {
        case HTTP_F_HOST:
        case HTTP_F_CONTENT_LENGTH:
        case HTTP_F_TRANSFER_ENCODING:
        case HTTP_F_CONNECTION:
        case HTTP_F_UPGRADE:
        case HTTP_F_TE:
        case HTTP_F_TRAILER:
        case HTTP_F_KEEP_ALIVE:
        case HTTP_F_PROXY_CONNECTION:
        case HTTP_F_PROXY_AUTHENTICATE:
        case HTTP_F_PROXY_AUTHORIZATION:
        case HTTP_F_EXPECT:
        case HTTP_F_FORWARDED:
        case HTTP_F_X_FORWARDED_FOR:
        case HTTP_F_X_FORWARDED_HOST:
        case HTTP_F_X_FORWARDED_PROTO:
        case HTTP_F_X_REQUEST_ID:
        case HTTP_F_TRACEPARENT:
                return true;
        case HTTP_F_TRACESTATE:
                return !x->trace.inherited;
        case HTTP_F_CONTENT_TYPE:
                return x->drop_content_type;
        case HTTP_F_ACCEPT_ENCODING:
        case HTTP_F_RANGE:
                return x->response_filter != NULL;
        default:
                return x->response_filter != NULL && slice_case_eq(f->name, SLICE("if-range"));
        }
}

static bool client_takes_trailers(const struct exchange *x) {
        for (size_t i = 0; i < x->head.n_fields; i++)
                if (x->head.fields[i].id == HTTP_F_TE && http_list_has(x->head.fields[i].value, SLICE("trailers")))
                        return true;
        return false;
}

static void add_body_framing(struct strbuf *out, const struct exchange *x) {
        bool writes = exchange_is(x, HTTP_POST) || exchange_is(x, HTTP_PUT) || exchange_is(x, HTTP_PATCH);
        uint64_t length;

        if (x->body_state == BODY_BUFFERED || x->body_changed)
                length = x->body.len;
        else if (x->body_state == BODY_SPOOLED)
                length = x->spool_size;
        else if (x->head.framing == HTTP_BODY_CHUNKED) {
                strbuf_adds(out, "Transfer-Encoding: chunked\r\n");
                return;
        } else
                length = x->head.framing == HTTP_BODY_LENGTH ? x->head.content_length : 0;
        if (length > 0 || writes)
                add_length(out, length);
}

void relay_request_head(struct relay *r, struct strbuf *out) {
        struct exchange *x = r->x;
        bool asks_encoding = false;

        strbuf_add(out, x->head.method_text);
        strbuf_addc(out, ' ');
        add_target(out, x);
        strbuf_adds(out, " HTTP/1.1\r\nHost: docker\r\n");
        for (size_t i = 0; i < x->head.n_fields; i++) {
                const struct http_field *f = &x->head.fields[i];

                if (f->hop || request_field_is_ours(x, f))
                        continue;
                if (f->id == HTTP_F_ACCEPT_ENCODING)
                        asks_encoding = true;
                add_field(out, f->name, f->value);
        }
        if (!asks_encoding)
                strbuf_adds(out, "Accept-Encoding: identity\r\n");
        if (!x->response_filter && client_takes_trailers(x))
                strbuf_adds(out, "Te: trailers\r\n");
        /* An upgrade goes through only where one exists, and only if the client asked for it (chapter 02, 9.4
         * and 20.1). */
        r->upgrade_asked = x->head.upgrade && r->kind.may_upgrade;
        if (r->upgrade_asked) {
                strbuf_adds(out, "Connection: Upgrade\r\n");
                add_field(out, SLICE("Upgrade"), x->head.upgrade_to);
        }
        answer_ids(out, x);
        add_body_framing(out, x);
        strbuf_adds(out, "\r\n");
}

static void add_status_line(struct relay *r, struct strbuf *out) {
        strbuf_add(out, r->x->head.minor == 0 ? SLICE("HTTP/1.0 ") : SLICE("HTTP/1.1 "));
        strbuf_add_u64(out, (uint64_t) r->answer.status); /* three digits: the parser has seen to it */
        strbuf_addc(out, ' ');
        strbuf_add(out, r->answer.status_text);
        strbuf_adds(out, "\r\n");
}

static bool answer_field_is_ours(const struct relay *r, const struct http_field *f, bool length_kept) {
        switch (f->id) {
        case HTTP_F_CONNECTION:
        case HTTP_F_KEEP_ALIVE:
        case HTTP_F_PROXY_CONNECTION:
        case HTTP_F_PROXY_AUTHENTICATE:
        case HTTP_F_PROXY_AUTHORIZATION:
        case HTTP_F_TE:
        case HTTP_F_TRAILER:
        case HTTP_F_TRANSFER_ENCODING:
        case HTTP_F_UPGRADE:
        case HTTP_F_X_REQUEST_ID:
        case HTTP_F_TRACEPARENT:
                return true;
        case HTTP_F_CONTENT_LENGTH:
                return !length_kept;
        default:
                return r->response.filter && response_filter_drops(f);
        }
}

void relay_answer_head(struct relay *r, struct strbuf *out, enum answer_framing framing, uint64_t length) {
        struct exchange *x = r->x;
        bool has_date = false, has_length = false;

        add_status_line(r, out);
        for (size_t i = 0; i < r->answer.n_fields; i++) {
                const struct http_field *f = &r->answer.fields[i];

                if (f->hop || answer_field_is_ours(r, f, framing == ANSWER_AS_IS))
                        continue;
                if (f->id == HTTP_F_DATE)
                        has_date = true;
                if (f->id == HTTP_F_CONTENT_LENGTH) {
                        if (has_length)
                                continue; /* the parser has checked that they agree */
                        has_length = true;
                }
                add_field(out, f->name, f->value);
        }
        if (!has_date)
                answer_date(out);
        answer_ids(out, x);
        if (framing == ANSWER_LENGTH)
                add_length(out, length);
        else if (framing == ANSWER_CHUNKED)
                strbuf_adds(out, "Transfer-Encoding: chunked\r\n");
        else if (framing == ANSWER_CLOSE)
                r->c->close = true;
        if (r->c->close)
                strbuf_adds(out, "Connection: close\r\n");
        else if (x->head.minor == 0)
                strbuf_adds(out, "Connection: keep-alive\r\n");
        strbuf_adds(out, "\r\n");
}

void relay_interim_head(struct relay *r, struct strbuf *out, bool ids) {
        add_status_line(r, out);
        for (size_t i = 0; i < r->answer.n_fields; i++) {
                const struct http_field *f = &r->answer.fields[i];

                if (ids && (f->id == HTTP_F_X_REQUEST_ID || f->id == HTTP_F_TRACEPARENT))
                        continue;
                /* What belongs to the connection with the daemon is nobody else's, but for the two fields that switch
                 * both. */
                if (f->hop && (r->answer.status != 101 || (f->id != HTTP_F_CONNECTION && f->id != HTTP_F_UPGRADE)))
                        continue;
                add_field(out, f->name, f->value);
        }
        if (ids)
                answer_ids(out, r->x);
        strbuf_adds(out, "\r\n");
}
