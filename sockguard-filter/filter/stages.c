/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exchange.h"
#include "policy/rules.h"

/* Media types whose body the daemon reads as parameters that win over the query (chapter 05, 0.2). */
static bool is_form(struct slice content_type) {
        struct slice media, rest;

        (void) slice_cut(content_type, ';', &media, &rest);
        media = slice_trim_ows(media);
        return slice_case_eq(media, SLICE("application/x-www-form-urlencoded")) ||
               slice_case_eq(media, SLICE("multipart/form-data"));
}

/* Content-Type fields, those that Connection names included: the daemon sees none of them, but who names it there hides
 * something. */
static enum stage_result check_form_body(struct exchange *x) {
        const struct http_field *f = NULL;
        size_t n = 0;

        if (!exchange_is(x, HTTP_POST) && !exchange_is(x, HTTP_PUT) && !exchange_is(x, HTTP_PATCH))
                return STAGE_NEXT;
        for (size_t i = 0; i < x->head.n_fields; i++)
                if (x->head.fields[i].id == HTTP_F_CONTENT_TYPE && !x->head.fields[i].hop) {
                        f = &x->head.fields[i];
                        n++;
                }
        if (n > 1)
                return exchange_deny(x, REASON_request_body_policy_denied, 403, ANSWER_POLICY,
                                     "more than one Content-Type header");
        if (n == 0 || !is_form(f->value))
                return STAGE_NEXT;
        if (x->head.framing == HTTP_BODY_NONE || (x->head.framing == HTTP_BODY_LENGTH && x->head.content_length == 0)) {
                x->drop_content_type = true;
                return STAGE_NEXT;
        }
        x->verdict.pointer = SLICE("Content-Type");
        x->verdict.value = slice_upto(f->value, 64);
        return exchange_deny(x, REASON_request_body_policy_denied, 403, ANSWER_POLICY,
                             "form bodies override query parameters and are not allowed");
}

enum stage_result stage_target(struct exchange *x) {
        enum rollout_mode mode = x->mode;
        enum stage_result r;

        x->normalized_computed = true;
        /* Never softened: the daemon would act on parameters that nobody checked. */
        x->mode = MODE_ENFORCE;
        r = check_form_body(x);
        x->mode = mode;
        return r;
}

enum stage_result stage_rules(struct exchange *x) {
        struct verdict *v = &x->verdict;
        struct rule_verdict r;

        x->normalized_computed = true;
        if (x->profile_unresolved)
                return exchange_deny(x, REASON_client_policy_profile_unresolved, 403, ANSWER_POLICY,
                                     "the selected client profile has no policy");
        policy_decide(x->policy, x->scope, x->head.method, x->head.method_text, x->target.normalized, &r);
        v->rule = r.rule;
        if (!r.allow) {
                enum stage_result answer = exchange_deny(x, r.code, 403, ANSWER_POLICY, "%.*s", SLICE_ARG(r.reason));

                if (answer != STAGE_NEXT || x->target_refused == REASON_NONE)
                        return answer;
        }
        /* Rules may deny such a target for reasons of their own, which the record then keeps; allow it they cannot. */
        if (x->target_refused != REASON_NONE) {
                v->rule = -1;
                return exchange_deny(x, x->target_refused, 403, ANSWER_POLICY,
                                     x->target_refused == REASON_malformed_api_version
                                             ? "the first path segment looks like an API version but is none"
                                             : "the path means different things to different readers");
        }
        if (!r.allow)
                return STAGE_NEXT;
        if (v->decision != DECISION_WOULD_DENY) {
                v->decision = DECISION_ALLOW;
                v->code = r.code;
                v->reason = r.reason;
        }
        return STAGE_NEXT;
}
