/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients, their profiles and limits, and ownership (chapter 01, 3.12).
 */
#include <math.h>

#include "base/address.h"
#include "base/unicode.h"
#include "policy/address.h"
#include "policy/check.h"

#define BURST_MAX 65535.0
#define NAMES_NEAR 200u /* profiles that a misspelt name is compared with */

static void check_cidrs(struct config *c, struct plist list) {
        struct pstr *at = list_of(c, list, struct pstr);
        struct ip_prefix p;

        for (uint32_t i = 0; i < list.n; i++)
                if (ip_prefix_parse(unicode_trim(text_of(c, at[i])), &p) < 0)
                        complain(c, at + i, "must be ADDRESS/BITS, such as 10.0.0.0/8 or 192.0.2.7/32");
}

/* What the effective listeners offer. */
struct offers {
        bool address, socket, tls;
};

static struct offers offers_of(struct config *c) {
        const struct opt_root *r = c->root;
        const struct opt_listener *at = list_of(c, r->listeners, struct opt_listener);
        struct offers o = { 0 };

        if (r->listeners.n == 0)
                /* `listen.address` keeps its default beside `listen.socket`, and counts (chapter 01, trap 7) */
                return (struct offers){ .address = r->listen.address.len,
                                        .socket = r->listen.socket.len,
                                        .tls = tls_facts_of(&r->listen.tls).complete };
        for (uint32_t i = 0; i < r->listeners.n; i++) {
                o.address |= at[i].address.len != 0;
                o.socket |= at[i].socket.len != 0;
                o.tls |= tls_facts_of(&at[i].tls).complete;
        }
        return o;
}

/* ---- profiles ---- */

static void check_costs(struct config *c, struct opt_rate *rate, double burst) {
        struct opt_endpoint_cost *at = list_of(c, rate->endpoint_costs, struct opt_endpoint_cost);

        for (uint32_t i = 0; i < rate->endpoint_costs.n; i++) {
                if (unicode_trim(text_of(c, at[i].path)).len == 0)
                        complain(c, &at[i].path, "a cost needs a path pattern");
                if (!(at[i].cost >= 1) || !isfinite(at[i].cost))
                        complain(c, &at[i].cost, "must be 1 or more; there is no default");
                else if (burst > 0 && at[i].cost > burst)
                        complain(c, &at[i].cost, "is more than the bucket ever holds (%g)", burst);
                check_not_blank(c, at[i].methods, "method");
        }
}

static void check_limits(struct config *c, struct opt_limits *l) {
        static const char *const priorities[] = { "low", "normal", "high", NULL };
        struct opt_rate *rate = list_of(c, l->rate, struct opt_rate);
        struct opt_concurrency *cap = list_of(c, l->concurrency, struct opt_concurrency);

        if (l->priority.len)
                check_word_loosely(c, &l->priority, priorities);
        if (l->rate.n) {
                double burst = rate->burst == 0 ? rate->tokens_per_second : rate->burst;

                if (!(rate->tokens_per_second > 0) || !isfinite(rate->tokens_per_second))
                        complain(c, &rate->tokens_per_second, "must be above zero");
                if (!(rate->burst >= 0) || !isfinite(rate->burst))
                        complain(c, &rate->burst, "must not be negative");
                else if (rate->burst != 0 && rate->burst < rate->tokens_per_second)
                        complain(c, &rate->burst, "must be at least tokens_per_second");
                else if (burst > BURST_MAX)
                        complain(c, rate->burst == 0 ? &rate->tokens_per_second : &rate->burst, "must be at most %g",
                                 BURST_MAX);
                else if (burst > 0 && burst < 1)
                        complain(c, rate->burst == 0 ? &rate->tokens_per_second : &rate->burst,
                                 "a bucket that holds less than 1 refuses every request: set burst to 1 or more");
                check_costs(c, rate, burst);
        }
        if (l->concurrency.n && cap->max_inflight <= 0)
                complain(c, &cap->max_inflight, "must be above zero");
}

static void check_profile_name(struct config *c, struct opt_profile *p, struct text_set *seen) {
        struct slice name = text_of(c, p->name);

        if (name.len == 0)
                complain(c, &p->name, "a profile needs a name");
        else if (slice_eq(name, SLICE("*")))
                complain(c, &p->name, "must not be *");
        else if (!text_set_add(seen, name))
                complain(c, &p->name, "another profile has this name");
}

static void check_profiles(struct config *c) {
        static const char *const modes[] = { "", "enforce", "warn", "audit", NULL };
        struct opt_profile *at = list_of(c, c->root->clients.profiles, struct opt_profile);
        struct text_set seen;

        text_set_init(&seen, &c->arena, c->root->clients.profiles.n);
        for (uint32_t i = 0; i < c->root->clients.profiles.n; i++) {
                check_profile_name(c, at + i, &seen);
                if (at[i].rules.n == 0)
                        complain(c, &at[i].rules,
                                 "a profile needs rules of its own: it does not inherit the global ones");
                check_word_loosely(c, &at[i].mode, modes);
                check_visible_labels(c, at[i].response.visible_resource_labels);
                check_patterns(c, at[i].response.name_patterns, at[i].response.image_patterns);
                check_request_body(c, &at[i].request_body);
                check_rules(c, at[i].rules);
                check_limits(c, &at[i].limits);
        }
}

/* ---- assignments ---- */

static void check_profile_reference(struct config *c, struct pstr *field, bool empty_ok) {
        const struct opt_profile *at = list_of(c, c->root->clients.profiles, struct opt_profile);
        struct slice names[NAMES_NEAR];
        uint32_t n = 0;

        if (field->len == 0) {
                if (!empty_ok)
                        complain(c, field, "must name a profile");
                return;
        }
        if (text_set_has(&c->profile_names, text_of(c, *field)))
                return;
        for (; n < c->root->clients.profiles.n && n < NAMES_NEAR; n++)
                names[n] = text_of(c, at[n].name);
        complain_near(c, field, names, n, "no such profile in clients.profiles");
}

static void check_certificates(struct config *c, struct plist list) {
        struct opt_client_certificate_profile *at = list_of(c, list, struct opt_client_certificate_profile);

        for (uint32_t i = 0; i < list.n; i++) {
                struct pstr *spiffe = list_of(c, at[i].spiffe_ids, struct pstr);

                check_profile_reference(c, &at[i].profile, false);
                check_not_blank(c, at[i].common_names, "common name");
                check_not_blank(c, at[i].dns_names, "DNS name");
                check_ips(c, at[i].ip_addresses);
                check_uris(c, at[i].uri_sans);
                for (uint32_t k = 0; k < at[i].spiffe_ids.n; k++) {
                        struct slice id = unicode_trim(text_of(c, spiffe[k]));

                        if (!uri_valid(id) || !slice_case_eq(slice_upto(id, 7), SLICE("spiffe:")))
                                complain(c, spiffe + k, "must be a URI with the scheme spiffe");
                }
                check_pins(c, at[i].public_key_sha256_pins);
                if (!at[i].common_names.n && !at[i].dns_names.n && !at[i].ip_addresses.n && !at[i].uri_sans.n &&
                    !at[i].spiffe_ids.n && !at[i].public_key_sha256_pins.n)
                        complain(c, &at[i].profile, "an assignment by certificate needs something to select by");
        }
}

static void check_peers(struct config *c, struct plist list) {
        struct opt_unix_peer_profile *at = list_of(c, list, struct opt_unix_peer_profile);

        for (uint32_t i = 0; i < list.n; i++) {
                check_profile_reference(c, &at[i].profile, false);
                if (!at[i].uids.n && !at[i].gids.n && !at[i].pids.n)
                        complain(c, &at[i].profile, "an assignment by peer needs uids or gids");
                else if (!at[i].uids.n && !at[i].gids.n)
                        complain(c, &at[i].pids, "a process id alone is no identity: add uids or gids");
                for (uint32_t k = 0; k < at[i].pids.n; k++)
                        if (list_of(c, at[i].pids, int32_t)[k] <= 0)
                                complain(c, list_of(c, at[i].pids, int32_t) + k, "must be above zero");
        }
}

void check_clients(struct config *c) {
        struct opt_clients *k = &c->root->clients;
        struct opt_source_ip_profile *sources = list_of(c, k->source_ip_profiles, struct opt_source_ip_profile);
        struct opt_concurrency *global = list_of(c, k->global_concurrency, struct opt_concurrency);
        struct offers o = offers_of(c);
        static const char no_tcp[] = "needs a listener with an address: unix sockets have no client addresses";

        check_cidrs(c, k->allowed_cidrs);
        if (k->container_labels.enabled && k->container_labels.label_prefix.len == 0)
                complain(c, &k->container_labels.label_prefix, "must not be empty: every label would count");
        if (!o.address) {
                if (k->allowed_cidrs.n)
                        complain(c, &k->allowed_cidrs, "%s", no_tcp);
                if (k->container_labels.enabled)
                        complain(c, &k->container_labels.enabled, "%s", no_tcp);
                if (k->source_ip_profiles.n)
                        complain(c, &k->source_ip_profiles, "%s", no_tcp);
                if (k->client_certificate_profiles.n)
                        complain(c, &k->client_certificate_profiles, "%s", no_tcp);
        }
        if (!o.socket && k->unix_peer_profiles.n)
                complain(c, &k->unix_peer_profiles, "needs a listener with a socket: TCP peers have no user ids");
        check_profiles(c);
        if (k->global_concurrency.n && global->max_inflight <= 0)
                complain(c, &global->max_inflight, "must be above zero");
        check_profile_reference(c, &k->default_profile, true);
        for (uint32_t i = 0; i < k->source_ip_profiles.n; i++) {
                check_profile_reference(c, &sources[i].profile, false);
                if (sources[i].cidrs.n == 0)
                        complain(c, &sources[i].cidrs, "an assignment by address needs cidrs");
                check_cidrs(c, sources[i].cidrs);
        }
        if (k->client_certificate_profiles.n && !o.tls)
                complain(c, &k->client_certificate_profiles,
                         "needs a listener with cert_file, key_file and client_ca_file");
        check_certificates(c, k->client_certificate_profiles);
        check_peers(c, k->unix_peer_profiles);
}

void check_ownership(struct config *c) {
        struct opt_ownership *o = &c->root->ownership;

        if (o->owner.len && o->label_key.len == 0)
                complain(c, &o->label_key, "must not be empty while owner is set");
}
