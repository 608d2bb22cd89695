/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/dryrun.h"

#include "filter/answer.h"
#include "telemetry/access.h"

static void text(struct strbuf *out, const char *key, struct slice value) {
        if (value.len == 0)
                return;
        strbuf_addf(out, ",\"%s\":", key);
        strbuf_add_json(out, value, JSON_ESCAPE_LOG);
}

static struct slice mode_text(enum rollout_mode m) {
        return m == MODE_WARN      ? SLICE("warn")
               : m == MODE_AUDIT   ? SLICE("audit")
               : m == MODE_ENFORCE ? SLICE("enforce")
                                   : SLICE("");
}

void dryrun_verdict(struct strbuf *out, struct exchange *x, enum stage_result r) {
        const struct verdict *v = &x->verdict;
        struct slice decision = decision_name(v->decision);

        strbuf_adds(out, "{\"decision\":");
        strbuf_add_json(out, decision, JSON_ESCAPE_LOG);
        strbuf_addf(out, ",\"relayed\":%s", r == STAGE_NEXT ? "true" : "false");
        if (r != STAGE_NEXT)
                strbuf_addf(out, ",\"status\":%d", v->status);
        text(out, "method", x->head.method_text);
        text(out, "path", answer_path(x));
        text(out, "normalized_path", x->target.normalized);
        strbuf_addf(out, ",\"rule\":%d", v->rule);
        text(out, "profile", x->profile);
        text(out, "rollout_mode", mode_text(x->mode));
        text(out, "reason_code", reason_name(v->code));
        text(out, "reason", v->reason);
        if (v->decision != DECISION_ALLOW)
                text(out, "stage", slice_of(v->stage ? v->stage : ""));
        text(out, "field", v->pointer);
        text(out, "value", v->value);
        text(out, "option", slice_of(v->option ? v->option : ""));
        strbuf_adds(out, "}\n");
}

void dryrun_malformed(struct strbuf *out, const struct http_head *head, int status, struct slice why) {
        strbuf_addf(out, "{\"decision\":\"deny\",\"relayed\":false,\"status\":%d", status);
        text(out, "method", head->method_text);
        text(out, "reason_code", reason_name(REASON_malformed_request));
        text(out, "reason", why);
        strbuf_adds(out, ",\"stage\":\"parse\"}\n");
}
