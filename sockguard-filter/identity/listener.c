/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exchange.h"

static const struct policy_listener *listener_find(const struct policy *p, struct slice name) {
        const struct policy_listener *at = policy_list(p, p->compiled->listeners, struct policy_listener);

        for (uint32_t i = 0; i < p->compiled->listeners.n; i++)
                if (slice_eq(policy_str(p, at[i].name), name))
                        return &at[i];
        return NULL;
}

static bool admits(const struct policy *p, const struct policy_listener *l, const struct exchange *x) {
        const uint32_t *scopes = policy_list(p, l->allowed_scopes, uint32_t);

        if (!x->profile_selected || x->profile_unresolved)
                return false;
        for (uint32_t i = 0; i < l->allowed_scopes.n; i++)
                if (scopes[i] == x->scope && scopes[i] != POLICY_SCOPE_ROOT)
                        return true;
        return false;
}

/*
 * Stage 7: may this profile come in through this listener? Only with an explicit `listeners:`. The name comes from the
 * unit or the command line that holds the socket. A profile that is not admitted is not exchanged for a weaker one that
 * would be.
 */
enum stage_result stage_listener(struct exchange *x) {
        const struct policy *p = x->policy;
        const struct policy_listener *l;

        if (!p->compiled->listeners_explicit)
                return STAGE_NEXT;
        if (x->listener_name.len == 0) {
                x->normalized_computed = true;
                return exchange_deny(x, REASON_listener_identity_missing, 500, ANSWER_MESSAGE,
                                     "it is not known through which listener this connection came");
        }
        l = listener_find(p, x->listener_name);
        if (!l) {
                x->normalized_computed = true;
                return exchange_deny(x, REASON_listener_config_missing, 500, ANSWER_MESSAGE,
                                     "this listener is not in the configuration");
        }
        if (l->any_profile || admits(p, l, x))
                return STAGE_NEXT;
        x->normalized_computed = true;
        return exchange_deny(x, REASON_listener_profile_not_allowed, 403, ANSWER_MESSAGE,
                             "the client's profile is not admitted at this listener");
}
