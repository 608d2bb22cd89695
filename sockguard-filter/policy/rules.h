/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_RULES_H
#define SOCKGUARD_POLICY_RULES_H

#include "policy/image.h"

struct rule_verdict {
        bool allow;
        int rule;                /* 0-based index, -1: none matched */
        enum reason_code code;
        struct slice reason;     /* the rule's text, a view of the image; "no matching allow rule" when none matched */
};

/*
 * First match wins, over an index: the cost depends on the path's length and on how many rules share its literal
 * segments, not on the number of rules. `method_text` counts when `method` is HTTP_METHOD_OTHER; both are compared
 * after ASCII upper-casing. `path` is the normalised path and may hold any byte.
 */
void policy_decide(const struct policy *p, uint32_t scope, enum http_method method, struct slice method_text, struct slice path,
                   struct rule_verdict *ret);

#endif
