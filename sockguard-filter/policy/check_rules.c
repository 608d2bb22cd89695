/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/check.h"

void check_rules(struct config *c, struct plist rules) {
        static const char *const actions[] = { "allow", "deny", NULL };
        struct opt_rule *at = list_of(c, rules, struct opt_rule);

        for (uint32_t i = 0; i < rules.n; i++) {
                if (at[i].match.method.len == 0)
                        complain(c, &at[i].match.method,
                                 "a rule needs a method: GET, a list such as \"GET,HEAD\", or \"*\"");
                if (at[i].match.path.len == 0)
                        complain(c, &at[i].match.path, "a rule needs a path pattern, such as /containers/*/json");
                else if (slice_find(text_of(c, at[i].match.path), '%') >= 0)
                        complain(c, &at[i].match.path, "must not hold %%: patterns are compared with the decoded path");
                check_word(c, &at[i].action, actions);
        }
}
