/* SPDX-License-Identifier: Apache-2.0 */
#include "limits/throttle.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "policy/image.h"

#define LINE_MAX_ 4096u /* a pipe takes that much in one piece */
#define FIELD_MAX_ 1024u

struct record {
        struct strbuf *out;
        bool text, first;
};

static void add_key(struct record *r, const char *key) {
        if (r->text)
                strbuf_addf(r->out, " throttle.%s=", key);
        else
                strbuf_addf(r->out, "%s\"%s\":", r->first ? "" : ",", key);
        r->first = false;
}

/* Line ends of a request's text are spelled out before encoding, so that no reader of the log takes one for his own. */
static void add_text(struct record *r, const char *key, struct slice s) {
        char plain[FIELD_MAX_ * 2];
        size_t n = 0;
        bool quote = s.len == 0;
        struct slice v;

        if (s.len > FIELD_MAX_)
                s.len = FIELD_MAX_;
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char) s.at[i];

                if (c == '\r' || c == '\n') {
                        plain[n++] = '\\';
                        plain[n++] = c == '\r' ? 'r' : 'n';
                } else
                        plain[n++] = (char) c;
                quote = quote || c <= ' ' || c == '=' || c == '"' || c >= 0x7f;
        }
        v = slice_make(plain, n);
        add_key(r, key);
        if (r->text && !quote)
                strbuf_add(r->out, v);
        else
                strbuf_add_json(r->out, v, JSON_ESCAPE_LOG);
}

/* The shortest decimal that reads back as the same number. */
static void add_real(struct record *r, const char *key, double v) {
        char text[32];

        add_key(r, key);
        for (int digits = 1; digits <= 17; digits++) {
                snprintf(text, sizeof(text), "%.*g", digits, v);
                if (strtod(text, NULL) == v)
                        break;
        }
        strbuf_add(r->out, slice_of(text));
}

static void add_int(struct record *r, const char *key, int64_t v) {
        add_key(r, key);
        strbuf_add_i64(r->out, v);
}

static void add_time(struct strbuf *out, bool text) {
        uint64_t ns = clock_ns(CLOCK_REALTIME);
        time_t t = (time_t) (ns / NSEC_PER_SEC);
        struct tm tm;

        gmtime_r(&t, &tm);
        strbuf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%0*lluZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                    tm.tm_sec, text ? 3 : 9, (unsigned long long) (text ? ns % NSEC_PER_SEC / NSEC_PER_MSEC : ns % NSEC_PER_SEC));
}

/* To stderr, unless that is the client's connection (inetd): then nowhere. */
static void sink(struct slice line) {
        struct stat err, in;

        if (fstat(STDERR_FILENO, &err) < 0 || (S_ISSOCK(err.st_mode) && fstat(STDIN_FILENO, &in) == 0 && in.st_ino == err.st_ino &&
                                                in.st_dev == err.st_dev))
                return;
        if (write(STDERR_FILENO, line.at, line.len) < 0)
                return;
}

void throttle_log(const struct exchange *x, const struct throttle_event *e, enum reason_code code) {
        _cleanup_strbuf_ struct strbuf b;
        struct record r = { .out = &b, .text = x->policy->compiled->log_text, .first = true };

        if (x->policy->compiled->log_level > 1)
                return;
        strbuf_init(&b, LINE_MAX_ * 4);
        if (r.text) {
                strbuf_adds(&b, "time=");
                add_time(&b, true);
                strbuf_adds(&b, " level=INFO msg=throttle");
        } else {
                strbuf_adds(&b, "{\"time\":\"");
                add_time(&b, false);
                strbuf_adds(&b, "\",\"level\":\"INFO\",\"msg\":\"throttle\",\"throttle\":{");
        }
        add_text(&r, "method", slice_upto(x->head.method_text, 256));
        add_text(&r, "path", x->target.decoded);
        add_text(&r, "request_id", slice_of(x->request_id));
        if (x->client_request_id.len)
                add_text(&r, "client_request_id", slice_upto(x->client_request_id, 256));
        add_text(&r, "listener_name", x->listener_name);
        add_text(&r, "client_id", e->client);
        add_text(&r, "reason", reason_name(code));
        add_text(&r, "normalized_path", x->target.normalized);
        switch (e->gate) {
        case GATE_BUCKET:
                add_real(&r, "tokens_per_second", e->tokens_per_second);
                add_real(&r, "burst", e->burst);
                add_real(&r, "cost", e->cost);
                break;
        case GATE_GLOBAL:
                add_text(&r, "priority", slice_of(e->priority));
                add_int(&r, "current_global_inflight", e->inflight);
                add_int(&r, "priority_threshold", e->threshold);
                add_int(&r, "global_max_inflight", e->max);
                break;
        case GATE_CAP:
        case GATE_MAX_:
                add_int(&r, "current_inflight", e->inflight);
                add_int(&r, "max_inflight", e->max);
                break;
        }
        add_text(&r, "trace_id", slice_of(x->trace.trace_id));
        add_text(&r, "trace_span_id", slice_of(x->trace.span_id));
        strbuf_add(&b, r.text ? SLICE("\n") : SLICE("}}\n"));
        if (!b.failed)
                sink(strbuf_view(&b));
}
