/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guards of chapter 01, 3.13 to 3.16: rules that open what no inspector can judge, or that let data out, need an
 * acknowledgment. Each asks the compiled rules about literal probe requests.
 */
#include "base/unicode.h"
#include "http/head.h"
#include "policy/config.h"
#include "policy/rules.h"

#define T "sockguard-test"

struct probe {
        enum http_method method;
        const char *path;
};

enum inspected { NEVER, BY_EXEC, BY_SWARM_JOIN, BY_PLUGIN_SET, UNLESS_UNINSPECTED };

static const struct {
        struct probe probe;
        enum inspected by;
} blind_probes[] = {
        { { HTTP_POST, "/containers/" T "/exec" }, BY_EXEC },
        { { HTTP_POST, "/exec/" T "/start" }, BY_EXEC },
        { { HTTP_POST, "/swarm/join" }, BY_SWARM_JOIN },
        { { HTTP_POST, "/plugins/" T "/set" }, BY_PLUGIN_SET },
        { { HTTP_POST, "/libpod/containers/" T "/exec" }, BY_EXEC },
        { { HTTP_POST, "/libpod/exec/" T "/start" }, BY_EXEC },
        { { HTTP_POST, "/libpod/play/kube" }, NEVER },
        { { HTTP_POST, "/libpod/kube/play" }, NEVER },
        { { HTTP_POST, "/libpod/kube/apply" }, NEVER },
        { { HTTP_POST, "/libpod/manifests/create" }, NEVER },
        { { HTTP_POST, "/libpod/manifests/" T }, NEVER },
        { { HTTP_PUT, "/libpod/manifests/" T }, NEVER },
        /* What takes images, containers and units from files and archives past every inspector (chapter 04, 14). */
        { { HTTP_POST, "/libpod/local/build" }, UNLESS_UNINSPECTED },
        { { HTTP_POST, "/libpod/local/images/load" }, UNLESS_UNINSPECTED },
        { { HTTP_POST, "/libpod/local/artifacts/add" }, UNLESS_UNINSPECTED },
        { { HTTP_POST, "/libpod/artifacts/add" }, UNLESS_UNINSPECTED },
        { { HTTP_POST, "/libpod/artifacts/local/add" }, UNLESS_UNINSPECTED },
        { { HTTP_POST, "/libpod/images/scp/" T }, UNLESS_UNINSPECTED },
        { { HTTP_POST, "/libpod/quadlets" }, UNLESS_UNINSPECTED },
};

/*
 * Rules for containers in general are common and let this through, too; it is refused at run time then. A rule of its
 * own is a mistake.
 */
static const struct probe restore_probe = { HTTP_POST, "/libpod/containers/" T "/restore" };

static const struct probe read_probes[] = {
        { HTTP_GET, "/containers/" T "/archive" },
        { HTTP_GET, "/containers/" T "/export" },
        { HTTP_GET, "/containers/" T "/logs" },
        { HTTP_GET, "/containers/" T "/attach/ws" },
        { HTTP_GET, "/services/" T "/logs" },
        { HTTP_GET, "/tasks/" T "/logs" },
        { HTTP_POST, "/containers/" T "/attach" },
        { HTTP_GET, "/images/get" },
        { HTTP_GET, "/images/" T "/get" },
        { HTTP_POST, "/images/" T "/push" },
        { HTTP_POST, "/plugins/" T "/push" },
        { HTTP_GET, "/libpod/containers/" T "/archive" },
        { HTTP_GET, "/libpod/containers/" T "/export" },
        { HTTP_GET, "/libpod/containers/" T "/logs" },
        { HTTP_POST, "/libpod/containers/" T "/attach" },
        { HTTP_GET, "/libpod/images/export" },
        { HTTP_GET, "/libpod/images/" T "/get" },
        { HTTP_POST, "/libpod/images/" T "/push" },
        { HTTP_GET, "/libpod/generate/kube" },
        { HTTP_POST, "/libpod/manifests/" T "/registry/" T },
        { HTTP_POST, "/libpod/manifests/" T "/push" },
};

static const struct probe tunnel_probes[] = {
        { HTTP_POST, "/session" },
        { HTTP_POST, "/grpc" },
        { HTTP_POST, "/moby.buildkit.v1.Control/Solve" },
};

struct exposure {
        struct config *c;
        uint32_t scope;
        struct strbuf list;
        int first_rule;
        size_t n;
};

static struct plist rules_of(const struct exposure *e) {
        const struct opt_root *root = e->c->root;

        return e->scope ? list_of(e->c, root->clients.profiles, struct opt_profile)[e->scope - 1].rules : root->rules;
}

static struct pstr *path_of_rule(const struct exposure *e, int rule) {
        return &list_of(e->c, rules_of(e), struct opt_rule)[rule].match.path;
}

/* `suffix`: counts only when the rule's own path ends like this; NULL: whatever the rule. */
static void probe(struct exposure *e, const struct probe *p, const char *suffix) {
        static const char *const names[] = { [HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_PUT] = "PUT" };
        struct rule_verdict v;

        policy_decide(config_policy(e->c), e->scope, p->method, slice_of(names[p->method]), slice_of(p->path), &v);
        if (!v.allow ||
            (suffix && !slice_ends(unicode_trim(text_of(e->c, *path_of_rule(e, v.rule))), slice_of(suffix))))
                return;
        if (e->n++ == 0)
                e->first_rule = v.rule;
        else
                strbuf_adds(&e->list, ", ");
        strbuf_addf(&e->list, "%s %s", names[p->method], p->path);
}

static bool is_inspected(const struct opt_request_body *b, enum inspected by) {
        switch (by) {
        case BY_EXEC:
                return b->exec.allowed_commands.n != 0;
        case BY_SWARM_JOIN:
                return b->swarm.allowed_join_remote_addrs.n != 0;
        case BY_PLUGIN_SET:
                return b->plugin.allowed_set_env_prefixes.n != 0;
        case UNLESS_UNINSPECTED:
                return b->libpod_uninspected; /* the operator wants Podman's endpoints as they are */
        case NEVER:
                break;
        }
        return false;
}

/* Reports at the rule that let the first probe through; true when nothing was exposed. */
static bool report(struct exposure *e, const char *what, const char *remedy) {
        if (e->n)
                complain(e->c, path_of_rule(e, e->first_rule), "the rules allow %s (%.*s)%s", what,
                         (int) (e->list.len < 200 ? e->list.len : 200), e->list.at, remedy);
        strbuf_free(&e->list);
        return e->n == 0;
}

static struct exposure exposure_of(struct config *c, uint32_t scope) {
        struct exposure e = { .c = c, .scope = scope };

        strbuf_init(&e.list, 8192);
        return e;
}

static bool guard_blind_writes(struct config *c, uint32_t scope) {
        struct exposure e = exposure_of(c, scope);
        const struct opt_request_body *b = policy_request_body(config_policy(c), scope);

        for (size_t i = 0; i < sizeof(blind_probes) / sizeof(blind_probes[0]); i++)
                if (!is_inspected(b, blind_probes[i].by))
                        probe(&e, &blind_probes[i].probe, NULL);
        if (!b->libpod_uninspected)
                probe(&e, &restore_probe, "/restore");
        return report(&e, "writes whose bodies nothing judges",
                      "; list what they may do under request_body, or set insecure_allow_body_blind_writes: true");
}

static bool guard_reads(struct config *c, uint32_t scope) {
        struct exposure e = exposure_of(c, scope);

        for (size_t i = 0; i < sizeof(read_probes) / sizeof(read_probes[0]); i++)
                probe(&e, read_probes + i, NULL);
        return report(&e, "reading files, logs or images out of the engine",
                      "; narrow the rule, or set insecure_allow_read_exfiltration: true");
}

static bool guard_tunnels(struct config *c, uint32_t scope) {
        struct exposure e = exposure_of(c, scope);

        for (size_t i = 0; i < sizeof(tunnel_probes) / sizeof(tunnel_probes[0]); i++)
                probe(&e, tunnel_probes + i, NULL);
        return report(&e, "BuildKit tunnels that nothing judges",
                      "; configure request_body.buildkit, or set insecure_accept_opaque_buildkit_tunnels: true");
}

bool check_guards(struct config *c) {
        const struct opt_root *r = c->root;

        for (uint32_t scope = 0; scope < c->compiled->scopes.n; scope++) {
                const struct policy_scope *s = list_of(c, c->compiled->scopes, struct policy_scope) + scope;

                if (!r->insecure_allow_body_blind_writes && !guard_blind_writes(c, scope))
                        return false;
                if (!r->insecure_allow_read_exfiltration && !guard_reads(c, scope))
                        return false;
                if (!r->insecure_accept_opaque_buildkit_tunnels && !(s->flags & POLICY_SCOPE_BUILDKIT) &&
                    !guard_tunnels(c, scope))
                        return false;
        }
        return true;
}
