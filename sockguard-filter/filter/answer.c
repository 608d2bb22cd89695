/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/answer.h"

#include <time.h>

#include "base/clock.h"
#include "base/date.h"

#define DENIAL_TEXT "request denied by sockguard policy"

static const struct {
        int status;
        const char *phrase;
} phrases[] = {
        { 200, "OK" },
        { 400, "Bad Request" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 413, "Request Entity Too Large" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Entity" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
};

const char *answer_phrase(int status) {
        for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
                if (phrases[i].status == status)
                        return phrases[i].phrase;
        return "Error";
}

void answer_refusal(struct strbuf *out, int status, struct slice why) {
        const char *phrase = answer_phrase(status);

        strbuf_addf(out, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%d %s",
                    status, phrase, status, phrase);
        if (why.len > 0) {
                strbuf_adds(out, ": ");
                strbuf_add(out, why);
        }
}

void answer_expectation_failed(struct strbuf *out) {
        strbuf_adds(out, "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

void answer_date(struct strbuf *out) {
        static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
        static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
        struct date d = date_of(time(NULL));

        strbuf_addf(out, "Date: %s, %02u %s %04d %02u:%02u:%02u GMT\r\n", days[d.weekday], d.day, months[d.month - 1],
                    d.year, d.hour, d.minute, d.second);
}

void answer_ids(struct strbuf *out, const struct exchange *x) {
        strbuf_adds(out, "X-Request-Id: ");
        strbuf_add(out, slice_of(x->request_id));
        strbuf_adds(out, "\r\nTraceparent: 00-");
        strbuf_add(out, slice_of(x->trace.trace_id));
        strbuf_addc(out, '-');
        strbuf_add(out, slice_of(x->trace.span_id));
        strbuf_addc(out, '-');
        strbuf_add(out, slice_of(x->trace.flags));
        strbuf_adds(out, "\r\n");
}

struct slice answer_path(const struct exchange *x) {
        const struct http_target *t = &x->target;

        if (slice_starts(t->normalized, SLICE("/secrets/")))
                return arena_printf(x->arena, "%.*s/secrets/<redacted>", SLICE_ARG(t->version));
        if (slice_eq(t->normalized, SLICE("/swarm/unlockkey")))
                return arena_printf(x->arena, "%.*s/swarm/<redacted>", SLICE_ARG(t->version));
        return t->decoded;
}

static void add_member(struct strbuf *out, const char *name, struct slice value) {
        if (value.len == 0)
                return;
        strbuf_addf(out, ",\"%s\":", name);
        strbuf_add_json(out, value, JSON_ESCAPE_HTML);
}

void answer_body(struct strbuf *out, const struct exchange *x) {
        const struct verdict *v = &x->verdict;

        switch (v->body_kind) {
        case ANSWER_JSON:
                strbuf_add(out, v->body);
                return;
        case ANSWER_THROTTLE:
                strbuf_adds(out, "{\"reason\":");
                strbuf_add_json(out, reason_name(v->code), JSON_ESCAPE_HTML);
                if (v->retry_after > 0) {
                        strbuf_adds(out, ",\"retry_after_seconds\":");
                        strbuf_add_u64(out, v->retry_after);
                }
                break;
        case ANSWER_MESSAGE:
                strbuf_adds(out, "{\"message\":");
                strbuf_add_json(out, v->reason, JSON_ESCAPE_HTML);
                break;
        case ANSWER_POLICY:
        default:
                strbuf_adds(out, "{\"message\":\"" DENIAL_TEXT "\"");
                if (x->policy && x->policy->compiled->deny_verbose) {
                        add_member(out, "method", x->head.method_text);
                        add_member(out, "path", answer_path(x));
                        add_member(out, "reason", v->reason);
                }
                break;
        }
        strbuf_adds(out, "}\n");
}

size_t answer_verdict(struct strbuf *out, struct exchange *x, bool close) {
        _cleanup_strbuf_ struct strbuf body;
        const struct verdict *v = &x->verdict;

        strbuf_init(&body, 4u * 1024 * 1024);
        answer_body(&body, x);
        strbuf_addf(out, "HTTP/1.%d %d %s\r\nContent-Type: ", x->head.minor == 0 ? 0 : 1, v->status,
                    answer_phrase(v->status));
        strbuf_add(out, v->content_type ? slice_of(v->content_type) : SLICE("application/json"));
        strbuf_adds(out, "\r\nX-Content-Type-Options: nosniff\r\n");
        answer_ids(out, x);
        answer_date(out);
        if (v->retry_after > 0)
                strbuf_addf(out, "Retry-After: %llu\r\n", (unsigned long long) v->retry_after);
        if (v->allow_methods)
                strbuf_addf(out, "Allow: %s\r\n", v->allow_methods);
        if (close)
                strbuf_adds(out, "Connection: close\r\n");
        else if (x->head.minor == 0)
                strbuf_adds(out, "Connection: keep-alive\r\n");
        strbuf_addf(out, "Content-Length: %zu\r\n\r\n", body.len);
        if (exchange_is(x, HTTP_HEAD))
                return 0;
        strbuf_add(out, strbuf_view(&body));
        if (body.failed)
                out->failed = true;
        return body.len;
}
