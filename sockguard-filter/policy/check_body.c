/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_body, of the root and of profiles (chapter 01, 3.11).
 */
#include "base/unicode.h"
#include "policy/check.h"
#include "policy/constraint.h"

static void check_commands(struct config *c, struct plist argvs) {
        struct plist *argv = list_of(c, argvs, struct plist);

        for (uint32_t i = 0; i < argvs.n; i++) {
                struct pstr *token = list_of(c, argv[i], struct pstr);

                if (argv[i].n == 0)
                        complain(c, argv + i, "a command needs at least one word");
                for (uint32_t k = 0; k < argv[i].n; k++)
                        if (unicode_trim(text_of(c, token[k])).len == 0) {
                                complain(c, token + k, "a word of a command must not be blank");
                                break;
                        }
        }
}

static void check_device_requests(struct config *c, struct plist requests) {
        struct opt_device_request *at = list_of(c, requests, struct opt_device_request);

        for (uint32_t i = 0; i < requests.n; i++) {
                struct plist *sets = list_of(c, at[i].allowed_capabilities, struct plist);

                for (uint32_t k = 0; k < at[i].allowed_capabilities.n; k++)
                        if (sets[k].n == 0)
                                complain(c, sets + k, "a set of capabilities must not be empty");
        }
}

static void check_image_trust(struct config *c, struct opt_image_trust *t) {
        static const char *const modes[] = { "off", "warn", "enforce", NULL };
        struct slice mode = text_of(c, t->mode);

        if (mode.len == 0 || slice_eq(mode, SLICE("off")))
                return;
        if (check_word(c, &t->mode, modes))
                check_trust_roots(c, t->allowed_signing_keys, t->allowed_keyless, &t->verify_timeout, &t->mode);
}

static const struct opt_block *block_request_body(void) {
        for (uint32_t i = 0; i < opt_block_root.n_rows; i++)
                if (strcmp(opt_block_root.rows[i].key, "request_body") == 0)
                        return opt_block_root.rows[i].inner;
        __builtin_unreachable(); /* options.def has it */
}

void check_request_body(struct config *c, struct opt_request_body *b) {
        constraints_check(c, block_request_body(), b);
        check_device_requests(c, b->container_create.allowed_device_requests);
        check_image_trust(c, &b->container_create.image_trust);
        check_image_trust(c, &b->libpod_container_create.image_trust);
        check_commands(c, b->exec.allowed_commands);
        check_image_trust(c, &b->service.image_trust);
}

bool buildkit_configured(struct config *c, const struct opt_buildkit *b) {
        const struct opt_buildkit_control *o = &b->control;
        const struct opt_buildkit_session *s = &b->session;

        (void) c;
        return o->allow_info || o->allow_list_workers || o->allow_status || o->solve.allow ||
               o->solve.allowed_cache_import_types.n || o->solve.allowed_cache_export_types.n ||
               o->solve.allowed_cache_registries.n || o->solve.allowed_exporters.n ||
               o->solve.allowed_exporter_registries.n || s->health || s->auth.allow || s->auth.allowed_registries.n ||
               s->auth.allowed_realms.n || s->auth.allowed_scopes.n || s->secrets.allow || s->secrets.allowed_ids.n ||
               s->ssh.allow || s->ssh.allowed_ids.n || s->file_sync.allow || s->file_send.allow || s->upload.allow;
}

void check_exclusions(struct config *c) {
        struct opt_root *r = c->root;
        struct opt_profile *profiles = list_of(c, r->clients.profiles, struct opt_profile);
        bool *tunnels = &r->insecure_accept_opaque_buildkit_tunnels;

        if (r->request_body.network.allow_endpoint_config && c->endpoint_config_explicit)
                complain(c, &r->request_body.network.allow_endpoint_config,
                         "allows everything that endpoint_config would decide: keep one of them");
        if (!*tunnels)
                return;
        if (buildkit_configured(c, &r->request_body.buildkit))
                complain(c, tunnels, "lets tunnels pass that request_body.buildkit would judge: keep one of them");
        for (uint32_t i = 0; i < r->clients.profiles.n; i++)
                if (buildkit_configured(c, &profiles[i].request_body.buildkit))
                        complain(c, tunnels,
                                 "lets tunnels pass that request_body.buildkit of profile %.*s would judge: keep one "
                                 "of them",
                                 SLICE_ARG(text_of(c, profiles[i].name)));
}
