/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exchange.h"
#include "identity/peer.h"

/*
 * Stage 6a: clients.allowed_cidrs. A peer without an address (unix, pipe) is in no prefix, and so is an address with a
 * zone. The list is read as a whole before anything is decided: an entry that is no prefix makes the gate unusable, for
 * everybody.
 */
enum stage_result stage_admission(struct exchange *x) {
        const struct policy *p = x->policy;
        struct plist list = p->root->clients.allowed_cidrs;
        const struct pstr *at = policy_list(p, list, struct pstr);
        struct ip_address ip;
        bool known, inside = false;

        if (list.n == 0)
                return STAGE_NEXT;

        known = peer_address(x->peer, &ip) && !x->peer->ip_has_zone;
        for (uint32_t i = 0; i < list.n; i++) {
                struct ip_prefix prefix;

                if (ip_prefix_parse(policy_str(p, at[i]), &prefix) < 0) {
                        x->normalized_computed = true;
                        return exchange_deny(x, REASON_client_acl_misconfigured, 500, ANSWER_MESSAGE,
                                             "the list of admitted client addresses cannot be used");
                }
                inside |= known && ip_prefix_has(&prefix, &ip);
        }
        if (inside)
                return STAGE_NEXT;

        x->normalized_computed = true;
        return exchange_deny(x, REASON_client_ip_not_allowed, 403, ANSWER_MESSAGE, "%s",
                             known ? "the client's address is not admitted"
                                   : "only clients with an admitted IP address may connect here");
}
