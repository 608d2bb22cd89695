/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exchange.h"

#include <stdarg.h>
#include <stdio.h>

/* The reason as one arena string; a reason that does not fit is cut, which only a hostile name can bring about. */
static struct slice format_reason(struct arena *a, const char *format, va_list ap)
        __attribute__((format(printf, 2, 0)));

static struct slice format_reason(struct arena *a, const char *format, va_list ap) {
        char text[1024];
        int n = vsnprintf(text, sizeof(text), format, ap);

        if (n < 0)
                return SLICE("");
        return arena_dup(a, slice_make(text, (size_t) n < sizeof(text) ? (size_t) n : sizeof(text) - 1));
}

enum stage_result exchange_deny(struct exchange *x, enum reason_code code, int status, enum answer_body kind,
                                const char *reason_format, ...) {
        struct verdict *v = &x->verdict;
        struct slice reason;
        va_list ap;

        va_start(ap, reason_format);
        reason = format_reason(x->arena, reason_format, ap);
        va_end(ap);

        if (reason_is_softened(code) && x->profile_selected && (x->mode == MODE_WARN || x->mode == MODE_AUDIT)) {
                /* An allow does not erase it (stage_rules); the record names the last of several (chapter 06, 2;
                 * chapter 03, 11, item 6). */
                v->decision = DECISION_WOULD_DENY;
                v->code = code;
                v->reason = reason;
                return STAGE_NEXT;
        }
        v->decision = DECISION_DENY;
        v->code = code;
        v->reason = reason;
        v->status = status;
        v->body_kind = kind;
        return STAGE_ANSWER;
}

void exchange_replace_body(struct exchange *x, struct slice body) {
        x->body = body;
        x->body_changed = true;
        if (x->ops->body_replace)
                x->ops->body_replace(x, body);
}

struct http_query *exchange_query(struct exchange *x) {
        if (!x->query_parsed) {
                http_query_parse(x->target.query, x->arena, &x->query);
                x->query_parsed = true;
        }
        return &x->query;
}
