/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is allowed but probably not what was meant, or not built yet: warnings of a valid configuration (chapter
 * 01, 1.7).
 */
#include <stdlib.h>

#include "base/unicode.h"
#include "policy/address.h"
#include "policy/check.h"
#include "policy/rules.h"

static bool has_version_prefix(struct slice path) {
        size_t i = 2;

        if (!slice_starts(path, SLICE("/v")))
                return false;
        for (; i < path.len && ((path.at[i] >= '0' && path.at[i] <= '9') || path.at[i] == '.'); i++)
                ;
        return i > 2 && (i == path.len || path.at[i] == '/');
}

static void warn_rules(struct config *c, struct plist rules) {
        struct opt_rule *at = list_of(c, rules, struct opt_rule);

        for (uint32_t i = 0; i < rules.n; i++) {
                struct slice path = text_of(c, at[i].match.path);

                if (has_version_prefix(path))
                        warn(c, &at[i].match.path,
                             "never matches: the version prefix is taken off a path before rules see it");
                else if (path.at[0] != '/' && path.at[0] != '*')
                        warn(c, &at[i].match.path, "never matches: paths start with /");
                else if (path.len > 1 && path.at[path.len - 1] == '/')
                        warn(c, &at[i].match.path,
                             "never matches: a slash at the end of a path is taken off before rules see it");
        }
}

/* Trust and tunnels: what this build refuses instead of judging. */
static void warn_unbuilt(struct config *c, struct opt_request_body *b) {
        struct opt_image_trust *trust[] = { &b->container_create.image_trust, &b->libpod_container_create.image_trust,
                                            &b->service.image_trust };

        for (size_t i = 0; i < sizeof(trust) / sizeof(trust[0]); i++) {
                struct slice mode = text_of(c, trust[i]->mode);

                if (slice_eq(mode, SLICE("warn")) && trust[i]->allowed_keyless.n == 0)
                        warn(c, &trust[i]->mode,
                             "image signatures are not verified yet, so every image is recorded as unverified");
                else if (mode.len && !slice_eq(mode, SLICE("off")))
                        warn(c, &trust[i]->mode,
                             "image signatures are not enforced yet, so every request that this covers is refused");
        }
        if (buildkit_configured(c, &b->buildkit))
                warn(c, &b->buildkit.control.allow_info,
                     "request_body.buildkit is not enforced yet, so BuildKit tunnels are refused");
}

static void warn_update(struct config *c, struct opt_container_update *u) {
        if (!u->allow_resource_updates &&
            (u->require_memory_limit || u->require_cpu_limit || u->require_cpu_limit_hard || u->require_pids_limit))
                warn(c, &u->allow_resource_updates, "is off, so the require_* options beside it never apply");
}

static bool assigned(struct config *c, struct slice profile) {
        const struct opt_clients *k = &c->root->clients;
        bool hit = slice_eq(text_of(c, k->default_profile), profile);

        for (uint32_t i = 0; i < k->source_ip_profiles.n; i++)
                hit |= slice_eq(text_of(c, list_of(c, k->source_ip_profiles, struct opt_source_ip_profile)[i].profile),
                                profile);
        for (uint32_t i = 0; i < k->client_certificate_profiles.n; i++)
                hit |= slice_eq(
                        text_of(c, list_of(c, k->client_certificate_profiles, struct opt_client_certificate_profile)[i]
                                           .profile),
                        profile);
        for (uint32_t i = 0; i < k->unix_peer_profiles.n; i++)
                hit |= slice_eq(text_of(c, list_of(c, k->unix_peer_profiles, struct opt_unix_peer_profile)[i].profile),
                                profile);
        return hit;
}

static void warn_clients(struct config *c) {
        struct opt_clients *k = &c->root->clients;
        struct opt_profile *profiles = list_of(c, k->profiles, struct opt_profile);
        const struct policy_scope *scopes = list_of(c, c->compiled->scopes, struct policy_scope);
        struct opt_listener *listeners = list_of(c, c->root->listeners, struct opt_listener);
        bool limited = k->global_concurrency.n != 0;

        if (k->container_labels.enabled)
                warn(c, &k->container_labels.enabled,
                     "whoever may start containers with labels of their choice decides what they may do");
        for (uint32_t i = 0; i < k->profiles.n; i++)
                limited |= scopes[i + 1].flags & POLICY_SCOPE_LIMITED;
        for (uint32_t i = 0; limited && i < k->profiles.n; i++)
                if (!(scopes[i + 1].flags & POLICY_SCOPE_LIMITED) && assigned(c, text_of(c, profiles[i].name)))
                        warn(c, &profiles[i].name, "clients get this profile, which has no limits, while others have");
        for (uint32_t i = 0; i < c->root->listeners.n; i++) {
                const struct pstr *allowed = list_of(c, listeners[i].allowed_profiles, struct pstr);
                bool found = k->default_profile.len == 0;

                for (uint32_t n = 0; n < listeners[i].allowed_profiles.n; n++)
                        found |= slice_eq(text_of(c, allowed[n]), SLICE("*")) ||
                                 slice_eq(text_of(c, allowed[n]), text_of(c, k->default_profile));
                if (!found)
                        warn(c, &listeners[i].allowed_profiles, "does not admit clients.default_profile");
        }
}

/* Patterns reach containers and images only; whoever sets them alone may think that they hide the rest as well. */
static void warn_patterns(struct config *c, struct plist labels, struct plist *names, struct plist *images) {
        if (labels.n == 0 && c->root->response.visible_resource_labels.n == 0 && (names->n || images->n))
                warn(c, names->n ? names : images,
                     "without visible_resource_labels only containers and images are hidden, not networks, volumes or "
                     "services");
}

/* DOCKER_HOST loses to a socket that was asked for; where it wins, how safe the way is follows from its companions. */
static void warn_docker_host(struct config *c) {
        struct upstream_address a;
        const char *dir = environment_get(c, "DOCKER_CERT_PATH"), *verify = environment_get(c, "DOCKER_TLS_VERIFY");
        bool certs = dir && unicode_trim(slice_of(dir)).len, verified = verify && *verify;

        if (!docker_host(c, &a))
                return;
        c->origin = ORIGIN_ENVIRONMENT;
        c->origin_name = SLICE("DOCKER_HOST");
        if (c->upstream_socket_explicit)
                complain_at(c, true, NULL, 0, 0, a.authority, (struct slice){ 0 },
                            "not used: upstream.socket is set and wins; unset one of them");
        else if (!certs && !verified)
                complain_at(c, true, NULL, 0, 0, a.authority, (struct slice){ 0 },
                            "the way to the daemon is not encrypted");
        else if (!verified)
                complain_at(c, true, NULL, 0, 0, a.authority, (struct slice){ 0 },
                            "the daemon's certificate is not verified");
}

void check_warnings(struct config *c) {
        struct opt_root *r = c->root;
        struct opt_profile *profiles = list_of(c, r->clients.profiles, struct opt_profile);
        struct opt_endpoint *endpoints = list_of(c, r->upstream.endpoints, struct opt_endpoint);

        warn_rules(c, r->rules);
        warn_patterns(c, r->response.visible_resource_labels, &r->response.name_patterns, &r->response.image_patterns);
        warn_exposures(c, r->rules, &r->request_body, list_of(c, c->compiled->scopes, struct policy_scope));
        warn_unbuilt(c, &r->request_body);
        warn_update(c, &r->request_body.container_update);
        for (uint32_t i = 0; i < r->clients.profiles.n; i++) {
                warn_rules(c, profiles[i].rules);
                warn_patterns(c, profiles[i].response.visible_resource_labels, &profiles[i].response.name_patterns,
                              &profiles[i].response.image_patterns);
                warn_exposures(c, profiles[i].rules, &profiles[i].request_body,
                               list_of(c, c->compiled->scopes, struct policy_scope) + i + 1);
                warn_unbuilt(c, &profiles[i].request_body);
                warn_update(c, &profiles[i].request_body.container_update);
        }
        warn_clients(c);
        for (uint32_t i = 0; i < r->upstream.endpoints.n; i++) {
                struct opt_endpoint *e = endpoints + i;

                if (e->insecure_skip_tls_verify)
                        warn(c, &e->insecure_skip_tls_verify, "the daemon's certificate is not verified");
                else if (e->insecure_allow_plain_tcp && !e->tls.ca_file.len && !e->tls.cert_file.len)
                        warn(c, &e->insecure_allow_plain_tcp, "the way to the daemon is not encrypted");
        }
        if (r->insecure_allow_body_blind_writes)
                warn(c, &r->insecure_allow_body_blind_writes, "writes pass whose bodies nothing judges");
        if (r->insecure_accept_opaque_buildkit_tunnels && !c->compat_active)
                warn(c, &r->insecure_accept_opaque_buildkit_tunnels, "BuildKit tunnels pass uninspected (deprecated)");
        if (r->admin.enabled && r->admin.listen.insecure_allow_wide_open)
                warn(c, &r->admin.listen.insecure_allow_wide_open, "anybody who reaches the admin listener may use it");
        warn_docker_host(c);
}
