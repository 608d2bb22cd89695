/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "http/exchange.h"
#include "identity/certificate.h"
#include "identity/peer.h"
#include "telemetry/access.h"

/* `strategy` is how it was found, for the log. */
static enum stage_result choose(struct exchange *x, struct pstr assigned, const char *strategy) {
        struct slice name = policy_str(x->policy, assigned);
        int scope = policy_scope_find(x->policy, name);

        x->profile = name;
        x->profile_selected = true;
        if (x->telemetry && log_begin(&x->telemetry->main, LEVEL_DEBUG, "profile matched")) {
                log_str(&x->telemetry->main, "profile", policy_str(x->policy, assigned));
                log_str(&x->telemetry->main, "strategy", slice_of(strategy));
                (void) log_end(&x->telemetry->main);
        }
        if (scope <= (int) POLICY_SCOPE_ROOT) {
                /* A policy that validated has it; stage 13a refuses the request. */
                x->profile_unresolved = true;
                return STAGE_NEXT;
        }
        x->scope = (uint32_t) scope;
        x->mode = (enum rollout_mode) policy_scope(x->policy, x->scope)->mode;
        return STAGE_NEXT;
}

static bool by_certificate(const struct exchange *x, const struct opt_clients *clients, struct pstr *ret) {
        struct plist list = clients->client_certificate_profiles;
        const struct opt_client_certificate_profile *at =
                policy_list(x->policy, list, struct opt_client_certificate_profile);

        if (!x->peer->certificate)
                return false;
        for (uint32_t i = 0; i < list.n; i++) {
                const struct certificate_selectors s = {
                        .common_names = at[i].common_names,
                        .dns_names = at[i].dns_names,
                        .ip_addresses = at[i].ip_addresses,
                        .uri_sans = at[i].uri_sans,
                        .spiffe_ids = at[i].spiffe_ids,
                        .public_key_sha256_pins = at[i].public_key_sha256_pins,
                };

                if (certificate_match(x->policy, &s, x->peer->certificate) == CERTIFICATE_MATCH) {
                        *ret = at[i].profile;
                        return true;
                }
        }
        return false;
}

static bool u32s_have(const struct policy *p, struct plist list, uint32_t v) {
        const uint32_t *at = policy_list(p, list, uint32_t);

        for (uint32_t i = 0; i < list.n; i++)
                if (at[i] == v)
                        return true;
        return false;
}

/* A pid alone is no identity, and 0 (a peer outside our pid namespace) is nobody's. */
static bool pid_selected(const struct policy *p, struct plist list, const struct peer *peer) {
        const int32_t *at = policy_list(p, list, int32_t);

        for (uint32_t i = 0; i < list.n; i++)
                if (at[i] > 0 && at[i] == peer->pid)
                        return peer_pid_alive(peer);
        return false;
}

static bool by_unix_peer(const struct exchange *x, const struct opt_clients *clients, struct pstr *ret) {
        struct plist list = clients->unix_peer_profiles;
        const struct opt_unix_peer_profile *at = policy_list(x->policy, list, struct opt_unix_peer_profile);
        const struct peer *peer = x->peer;

        for (uint32_t i = 0; i < list.n; i++) {
                if (at[i].uids.n == 0 && at[i].gids.n == 0)
                        continue;
                if ((at[i].uids.n > 0 && !u32s_have(x->policy, at[i].uids, peer->uid)) ||
                    (at[i].gids.n > 0 && !u32s_have(x->policy, at[i].gids, peer->gid)) ||
                    (at[i].pids.n > 0 && !pid_selected(x->policy, at[i].pids, peer)))
                        continue;
                *ret = at[i].profile;
                return true;
        }
        return false;
}

static bool by_source(const struct exchange *x, const struct opt_clients *clients, struct pstr *ret) {
        struct plist list = clients->source_ip_profiles;
        const struct opt_source_ip_profile *at = policy_list(x->policy, list, struct opt_source_ip_profile);
        struct ip_address ip;

        if (!peer_address(x->peer, &ip) || x->peer->ip_has_zone)
                return false;
        for (uint32_t i = 0; i < list.n; i++) {
                const struct pstr *cidrs = policy_list(x->policy, at[i].cidrs, struct pstr);

                for (uint32_t k = 0; k < at[i].cidrs.n; k++) {
                        struct ip_prefix prefix;

                        if (ip_prefix_parse(policy_str(x->policy, cidrs[k]), &prefix) >= 0 &&
                            ip_prefix_has(&prefix, &ip)) {
                                *ret = at[i].profile;
                                return true;
                        }
                }
        }
        return false;
}

/*
 * Stage 6b: which policy applies (chapter 05, 1.3). Certificate, then unix credentials, then source address, then the
 * default; the first hit is final. Credentials that cannot be read are an error as soon as somebody selects by them:
 * falling through to a weaker selector would give a client another profile than its own.
 */
enum stage_result stage_profile(struct exchange *x) {
        const struct opt_clients *clients = &x->policy->root->clients;
        struct pstr assigned;

        if (by_certificate(x, clients, &assigned))
                return choose(x, assigned, "client_certificate");

        if (x->peer->kind == PEER_UNIX && clients->unix_peer_profiles.n > 0) {
                if (x->peer->cred_error != 0) {
                        x->normalized_computed = true;
                        return exchange_deny(x, REASON_client_identity_lookup_failed, 502, ANSWER_MESSAGE,
                                             "the client's credentials cannot be read: %s",
                                             strerror(x->peer->cred_error));
                }
                if (by_unix_peer(x, clients, &assigned))
                        return choose(x, assigned, "unix_peer");
        }

        if (by_source(x, clients, &assigned))
                return choose(x, assigned, "source_ip");

        return clients->default_profile.len > 0 ? choose(x, clients->default_profile, "default") : STAGE_NEXT;
}
