/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/inspect.h"

/*
 * BuildKit's endpoints (chapter 04, 5.4). With a buildkit block, /session and /grpc belong to the mediator; the methods
 * of the Control service as paths of their own never do.
 */

static bool any_of(struct plist a, struct plist b, struct plist c) {
        return a.n > 0 || b.n > 0 || c.n > 0;
}

/* Is anything in the block set? */
static bool is_configured(const struct opt_buildkit *o) {
        const struct opt_buildkit_control *c = &o->control;
        const struct opt_buildkit_session *s = &o->session;

        return c->allow_info || c->allow_list_workers || c->allow_status || c->solve.allow ||
               any_of(c->solve.allowed_cache_import_types, c->solve.allowed_cache_export_types,
                      c->solve.allowed_cache_registries) ||
               c->solve.allowed_exporters.n > 0 || c->solve.allowed_exporter_registries.n > 0 || s->health ||
               s->auth.allow || any_of(s->auth.allowed_registries, s->auth.allowed_realms, s->auth.allowed_scopes) ||
               s->secrets.allow || s->secrets.allowed_ids.n > 0 || s->ssh.allow || s->ssh.allowed_ids.n > 0 ||
               s->file_sync.allow || s->file_send.allow || s->upload.allow;
}

/* Without a mediator nobody looks into a tunnel, so none passes unless the operator took that upon himself. */
static void inspect_tunnel(const struct inspect_input *in, struct inspect_result *r) {
        if (is_configured(&in->options->buildkit))
                inspect_deny(in, r, NULL, SLICE(""), NULL, "the mediator for BuildKit tunnels is not available");
        else if (!in->policy->root->insecure_accept_opaque_buildkit_tunnels)
                inspect_deny(in, r, NULL, SLICE(""), "insecure_accept_opaque_buildkit_tunnels",
                             "nothing here looks into BuildKit tunnels");
}

static void inspect_control(const struct inspect_input *in, struct inspect_result *r) {
        if (is_configured(&in->options->buildkit))
                inspect_deny(in, r, NULL, SLICE(""), NULL, "BuildKit's control service is reached through /grpc only");
        else
                inspect_tunnel(in, r);
}

const struct inspector inspect_buildkit_rows[] = {
        { HTTP_POST, "/session", INSPECT_NO_BODY, 0, inspect_tunnel, .name = "buildkit" },
        { HTTP_POST, "/grpc", INSPECT_NO_BODY, 0, inspect_tunnel, .name = "buildkit" },
        { HTTP_POST, "/moby.buildkit.v1.Control/{}", INSPECT_NO_BODY, 0, inspect_control, .name = "buildkit" },
        { 0 },
};
