/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the compiler works out so that a filter need not: scopes, listeners, endpoints, deadlines; and the finished
 * image.
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/clock.h"
#include "base/unicode.h"
#include "http/target.h"
#include "policy/address.h"
#include "policy/config.h"
#include "policy/layout.h"
#include "policy/seccomp.h"

static enum rollout_mode mode_of(struct config *c, struct pstr text) {
        struct slice mode = unicode_lower(&c->arena, unicode_trim(text_of(c, text)));

        if (slice_eq(mode, SLICE("warn")))
                return MODE_WARN;
        return slice_eq(mode, SLICE("audit")) ? MODE_AUDIT : MODE_ENFORCE;
}

/* A profile takes part in throttling when it has a rate, a cap, or a priority of its own (chapter 06, 1.1). */
static bool is_limited(struct config *c, const struct opt_limits *l) {
        struct slice priority = unicode_lower(&c->arena, unicode_trim(text_of(c, l->priority)));

        return l->rate.n || l->concurrency.n || (priority.len && !slice_eq(priority, SLICE("normal")));
}

/* The scopes with their rules: what the guards need. */
void compile_scopes(struct config *c) {
        const struct opt_profile *profiles = list_of(c, c->root->clients.profiles, struct opt_profile);
        uint32_t n = c->root->clients.profiles.n + 1;
        struct policy_scope *scopes;

        c->compiled = builder_new(&c->blob, struct policy_compiled);
        scopes = builder_list(&c->blob, n, struct policy_scope, &c->compiled->scopes);
        scopes[0].mode = MODE_NONE;
        scopes[0].request_body = builder_off(&c->blob, &c->root->request_body);
        scopes[0].flags = buildkit_configured(c, &c->root->request_body.buildkit) ? POLICY_SCOPE_BUILDKIT : 0;
        compile_rules(c, c->root->rules, scopes);
        for (uint32_t i = 1; i < n; i++) {
                const struct opt_profile *p = profiles + i - 1;

                scopes[i].name = p->name;
                scopes[i].mode = mode_of(c, p->mode);
                scopes[i].request_body = builder_off(&c->blob, &p->request_body);
                scopes[i].limits_slot = i;
                if (buildkit_configured(c, &p->request_body.buildkit))
                        scopes[i].flags |= POLICY_SCOPE_BUILDKIT;
                if (is_limited(c, &p->limits))
                        scopes[i].flags |= POLICY_SCOPE_LIMITED;
                compile_rules(c, p->rules, scopes + i);
        }
}

static uint32_t scope_named(struct config *c, struct slice name) {
        const struct policy_scope *scopes = list_of(c, c->compiled->scopes, struct policy_scope);

        for (uint32_t i = 1; i < c->compiled->scopes.n; i++)
                if (slice_eq(text_of(c, scopes[i].name), name))
                        return i;
        return POLICY_SCOPE_ROOT;
}

static bool tls_complete(const struct opt_tls *t) {
        return t->cert_file.len && t->key_file.len && t->client_ca_file.len;
}

static void compile_listeners(struct config *c) {
        const struct opt_listener *from = list_of(c, c->root->listeners, struct opt_listener);
        uint32_t n = c->root->listeners.n;
        struct policy_listener *to = builder_list(&c->blob, n ? n : 1, struct policy_listener, &c->compiled->listeners);

        c->compiled->listeners_explicit = n != 0;
        if (n == 0) {
                to->name = builder_str(&c->blob, SLICE("default"));
                to->any_profile = true;
                to->socket = c->root->listen.socket;
                /* `listen.socket` wins; the address then keeps a default that nobody binds */
                if (to->socket.len == 0) {
                        to->address = c->root->listen.address;
                        to->tls = tls_complete(&c->root->listen.tls);
                }
                return;
        }
        for (uint32_t i = 0; i < n; i++) {
                const struct pstr *allowed = list_of(c, from[i].allowed_profiles, struct pstr);
                uint32_t *scopes;

                to[i].name = from[i].name;
                to[i].socket = from[i].socket;
                to[i].address = from[i].address;
                to[i].tls = from[i].address.len && tls_complete(&from[i].tls);
                to[i].any_profile = from[i].allowed_profiles.n == 1 && slice_eq(text_of(c, allowed[0]), SLICE("*"));
                if (to[i].any_profile)
                        continue;
                scopes = builder_list(&c->blob, from[i].allowed_profiles.n, uint32_t, &to[i].allowed_scopes);
                for (uint32_t k = 0; k < from[i].allowed_profiles.n; k++)
                        scopes[k] = scope_named(c, text_of(c, allowed[k]));
        }
}

static void compile_endpoint(struct config *c, struct policy_endpoint *to, struct slice text,
                             const struct opt_endpoint *options) {
        struct upstream_address a = { 0 };

        upstream_address_parse(unicode_trim(text), &a);
        if (a.is_unix) {
                if (a.escaped && http_percent_decode(a.path, &c->arena, &a.path) < 0)
                        a.path = SLICE("/"); /* was checked: cannot happen, and then nothing listens there */
                to->kind = ENDPOINT_UNIX;
                to->path = builder_str(&c->blob, a.path);
                to->display = builder_str(&c->blob, arena_printf(&c->arena, "unix://%.*s", SLICE_ARG(a.path)));
                return;
        }
        to->host = builder_str(&c->blob, a.host);
        to->port = builder_str(&c->blob, a.port);
        to->server_name = options->tls.server_name.len ? options->tls.server_name : to->host;
        to->ca_file = options->tls.ca_file;
        to->cert_file = options->tls.cert_file;
        to->key_file = options->tls.key_file;
        to->skip_verify = options->insecure_skip_tls_verify;
        to->kind = to->ca_file.len || to->cert_file.len || to->key_file.len || to->skip_verify ? ENDPOINT_TLS
                                                                                               : ENDPOINT_TCP;
        to->display =
                builder_str(&c->blob, arena_printf(&c->arena, "%s://%.*s", to->kind == ENDPOINT_TLS ? "tcp+tls" : "tcp",
                                                   SLICE_ARG(a.authority)));
}

bool docker_host(const struct config *c, struct upstream_address *ret) {
        const char *host = c->source.docker_host ? environment_get(c, "DOCKER_HOST") : NULL;

        return host && c->root->upstream.endpoints.n == 0 &&
               upstream_address_parse(unicode_trim(slice_of(host)), ret) == NULL && !ret->is_unix;
}

/* True when DOCKER_HOST was taken. */
static bool compile_docker_host(struct config *c) {
        const char *host = environment_get(c, "DOCKER_HOST"), *dir = environment_get(c, "DOCKER_CERT_PATH"),
                   *verify = environment_get(c, "DOCKER_TLS_VERIFY");
        struct slice certs = unicode_trim(slice_of(dir ? dir : ""));
        struct upstream_address a = { 0 };
        struct opt_endpoint options = { 0 };
        struct policy_endpoint *to;

        if (c->upstream_socket_explicit || !docker_host(c, &a))
                return false;
        if (certs.len) {
                options.tls.ca_file = builder_str(&c->blob, arena_printf(&c->arena, "%.*s/ca.pem", SLICE_ARG(certs)));
                options.tls.cert_file =
                        builder_str(&c->blob, arena_printf(&c->arena, "%.*s/cert.pem", SLICE_ARG(certs)));
                options.tls.key_file = builder_str(&c->blob, arena_printf(&c->arena, "%.*s/key.pem", SLICE_ARG(certs)));
                options.insecure_skip_tls_verify = !verify || !*verify;
        }
        to = builder_list(&c->blob, 1, struct policy_endpoint, &c->compiled->endpoints);
        compile_endpoint(c, to, slice_of(host), &options);
        if (verify && *verify) /* without a certificate directory: against the system's roots */
                to->kind = ENDPOINT_TLS;
        return true;
}

static void compile_endpoints(struct config *c) {
        const struct opt_endpoint *from = list_of(c, c->root->upstream.endpoints, struct opt_endpoint);
        uint32_t n = c->root->upstream.endpoints.n;
        struct policy_endpoint *to;

        if (compile_docker_host(c))
                return;
        to = builder_list(&c->blob, n ? n : 1, struct policy_endpoint, &c->compiled->endpoints);
        for (uint32_t i = 0; i < n; i++)
                compile_endpoint(c, to + i, text_of(c, from[i].address), from + i);
        if (n == 0)
                compile_endpoint(c, to, text_of(c, c->root->upstream.socket), &(struct opt_endpoint){ 0 });
}

static uint64_t duration_or_off(struct config *c, struct pstr value) {
        struct slice text = text_of(c, value);
        int64_t ns;

        if (text.len == 0 || slice_eq(text, SLICE("off")) || duration_parse(text, &ns) < 0 || ns <= 0)
                return NSEC_NEVER;
        return (uint64_t) ns;
}

static uint8_t log_level(struct config *c) {
        static const char *const levels[] = { "debug", "info", "warn", "error" };

        for (uint8_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
                if (slice_eq(text_of(c, c->root->log.level), slice_of(levels[i])))
                        return i;
        return 1;
}

static void compile_settings(struct config *c) {
        struct policy_compiled *to = c->compiled;
        const struct policy_scope *scopes = list_of(c, to->scopes, struct policy_scope);

        to->request_timeout_ns = duration_or_off(c, c->root->upstream.request_timeout);
        to->tunnel_idle_ns = duration_or_off(c, c->root->upstream.tunnel_idle_timeout);
        to->default_scope = scope_named(c, text_of(c, c->root->clients.default_profile));
        to->deny_verbose = slice_eq(text_of(c, c->root->response.deny_verbosity), SLICE("verbose"));
        to->compat_active = c->compat_active;
        to->limits_active = c->root->clients.global_concurrency.n != 0;
        for (uint32_t i = 0; i < to->scopes.n; i++)
                to->limits_active |= scopes[i].flags & POLICY_SCOPE_LIMITED;
        to->buildkit_configured_root = scopes[0].flags & POLICY_SCOPE_BUILDKIT;
        to->log_level = log_level(c);
        to->log_text = slice_eq(text_of(c, c->root->log.format), SLICE("text"));
}

/* A signed policy must not be put in force by who does not look at the signature. */
static void check_signed(struct config *c) {
        struct opt_policy_bundle *b = &c->root->policy_bundle;

        if (b->enabled && b->allowed_keyless.n)
                complain(c, &b->allowed_keyless, "policies are signed with keys: list them in allowed_signing_keys");
        if (b->enabled && !c->source.bundle_verified)
                complain(c, &b->enabled, "only run and serve verify a signed policy, so nothing else puts it in force");
}

static void step_compile(struct config *c) {
        check_signed(c);
        if (c->problems.n_errors)
                return;
        effective_apply(c);
        compile_listeners(c);
        compile_endpoints(c);
        compile_settings(c);
        seccomp_compile(c, (struct policy_header *) c->blob.base);
        c->finished = true;
}

int config_compile(struct config *c, uint64_t generation, struct slice *ret_image) {
        struct policy_header *h = (struct policy_header *) c->blob.base;
        int r = c->finished ? 0 : config_guarded(c, step_compile);

        if (r < 0)
                return r;
        *h = (struct policy_header){
                .magic = POLICY_IMAGE_MAGIC,
                .format = POLICY_IMAGE_FORMAT,
                .header_size = sizeof(*h),
                .size = c->blob.used,
                .layout = policy_layout(),
                .generation = generation,
                .root = builder_off(&c->blob, c->root),
                .compiled = builder_off(&c->blob, c->compiled),
                .seccomp = h->seccomp,
        };
        config_sha256(c, h->source_sha256);
        h->checksum = policy_checksum(c->blob.base + POLICY_CHECKSUM_FROM, c->blob.used - POLICY_CHECKSUM_FROM);
        *ret_image = slice_make((const char *) c->blob.base, c->blob.used);
        return 0;
}
