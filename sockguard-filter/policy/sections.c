/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The built-in rules, and the rules that the environment of the Tecnativa and LinuxServer socket proxies stands for
 * (chapter 01, 5).
 */
#include "policy/config.h"

struct text_rule {
        const char *method, *path;
        bool allow;
        const char *reason;
};

static const struct text_rule default_rules[] = {
        { "GET", "/_ping", true, "" },
        { "HEAD", "/_ping", true, "" },
        { "GET", "/version", true, "" },
        { "GET", "/events", true, "" },
        { "*", "/**", false, REASON_TEXT_NO_MATCH },
};

#define N_DEFAULT_RULES (sizeof(default_rules) / sizeof(default_rules[0]))

/* A variable opens the path for GET and HEAD, for every method when POST is on. */
static const struct {
        const char *variable, *path;
        bool on; /* unless it is set */
} sections[] = {
        { "PING", "/_ping", true },
        { "VERSION", "/version", true },
        { "EVENTS", "/events", true },
        { "AUTH", "/auth/**", false },
        { "BUILD", "/build/**", false },
        { "COMMIT", "/commit/**", false },
        { "CONFIGS", "/configs/**", false },
        { "CONTAINERS", "/containers/**", false },
        { "DISTRIBUTION", "/distribution/**", false },
        { "EXEC", "/exec/**", false },
        { "EXEC", "/containers/*/exec", false },
        { "GRPC", "/grpc/**", false },
        { "IMAGES", "/images/**", false },
        { "INFO", "/info", false },
        { "NETWORKS", "/networks/**", false },
        { "NODES", "/nodes/**", false },
        { "PLUGINS", "/plugins/**", false },
        { "SECRETS", "/secrets/**", false },
        { "SERVICES", "/services/**", false },
        { "SESSION", "/session/**", false },
        { "SWARM", "/swarm/**", false },
        { "SYSTEM", "/system/**", false },
        { "TASKS", "/tasks/**", false },
        { "VOLUMES", "/volumes/**", false },
};

/* Single operations, each opened by any of its variables, whatever POST says. */
static const struct {
        const char *variables[3], *method, *path;
} operations[] = {
        { { "ALLOW_CREATE" }, "POST", "/containers/create" },
        { { "ALLOW_DELETE" }, "DELETE", "/containers/*" },
        { { "ALLOW_EXEC" }, "POST", "/containers/*/exec" },
        { { "ALLOW_KILL", "ALLOW_RESTARTS", "ALLOW_RESTART" }, "POST", "/containers/*/kill" },
        { { "ALLOW_PAUSE" }, "POST", "/containers/*/pause" },
        { { "ALLOW_PRUNE" }, "POST", "/containers/prune" },
        { { "ALLOW_RESTARTS", "ALLOW_RESTART" }, "POST", "/containers/*/restart" },
        { { "ALLOW_START" }, "POST", "/containers/*/start" },
        { { "ALLOW_STOP", "ALLOW_RESTARTS", "ALLOW_RESTART" }, "POST", "/containers/*/stop" },
        { { "ALLOW_UNPAUSE" }, "POST", "/containers/*/unpause" },
};

#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))
#define N_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void put_rule(struct config *c, struct opt_rule *to, const struct text_rule *from) {
        to->match.method = builder_str(&c->blob, slice_of(from->method));
        to->match.path = builder_str(&c->blob, slice_of(from->path));
        to->action = builder_str(&c->blob, from->allow ? SLICE("allow") : SLICE("deny"));
        to->reason = builder_str(&c->blob, slice_of(from->reason));
}

void rules_default(struct config *c) {
        struct opt_rule *at;

        if (c->root->rules.n)
                return;
        at = builder_list(&c->blob, N_DEFAULT_RULES, struct opt_rule, &c->root->rules);
        for (size_t i = 0; i < N_DEFAULT_RULES; i++)
                put_rule(c, at + i, default_rules + i);
        c->defaulted_rules = true;
}

static bool rules_are_default(const struct config *c) {
        const struct opt_rule *at = list_of(c, c->root->rules, struct opt_rule);

        if (c->root->rules.n != N_DEFAULT_RULES)
                return false;
        for (size_t i = 0; i < N_DEFAULT_RULES; i++)
                if (!slice_eq(text_of(c, at[i].match.method), slice_of(default_rules[i].method)) ||
                    !slice_eq(text_of(c, at[i].match.path), slice_of(default_rules[i].path)) ||
                    !slice_eq(text_of(c, at[i].action), default_rules[i].allow ? SLICE("allow") : SLICE("deny")) ||
                    !slice_eq(text_of(c, at[i].reason), slice_of(default_rules[i].reason)))
                        return false;
        return true;
}

/* The value of a switch; anything but the six words is off, with a warning. */
static bool is_on(struct config *c, const char *variable, bool default_) {
        static const char *const on[] = { "1", "true", "yes" }, *const off[] = { "0", "false", "no" };
        const char *value = environment_get(c, variable);

        if (!value)
                return default_;
        for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
                if (slice_case_eq(slice_of(value), slice_of(on[i])))
                        return true;
                if (slice_case_eq(slice_of(value), slice_of(off[i])))
                        return false;
        }
        c->origin = ORIGIN_ENVIRONMENT;
        c->origin_name = slice_of(variable);
        complain_at(c, true, NULL, 0, 0, slice_of(value), (struct slice){ 0 },
                    "is neither on (1, true, yes) nor off (0, false, no); taken as off");
        return false;
}

static const char *first_variable(const struct config *c) {
        if (environment_has(c, "POST"))
                return "POST";
        for (size_t i = 0; i < N_SECTIONS; i++)
                if (environment_has(c, sections[i].variable))
                        return sections[i].variable;
        for (size_t i = 0; i < N_OPERATIONS; i++)
                for (size_t k = 0; k < 3 && operations[i].variables[k]; k++)
                        if (environment_has(c, operations[i].variables[k]))
                                return operations[i].variables[k];
        return NULL;
}

void sections_apply(struct config *c) {
        struct text_rule rules[N_SECTIONS + N_OPERATIONS + 1];
        bool post, tunnels = false;
        struct opt_rule *at;
        const char *first;
        size_t n = 0;

        if (!c->source.sections || !rules_are_default(c))
                return;
        first = first_variable(c);
        if (!first)
                return;
        c->compat_active = true;
        c->compat_variable = slice_of(first);
        c->origin = ORIGIN_ENVIRONMENT;
        c->origin_name = c->compat_variable;
        complain_at(c, true, &(struct path){ .key = "rules" }, 0, 0, (struct slice){ 0 }, (struct slice){ 0 },
                    "is set, so the rules come from the Tecnativa-style variables of the environment");

        post = is_on(c, "POST", false);
        for (size_t i = 0; i < N_SECTIONS; i++) {
                /* EXEC stands twice in a row and is asked, and warned about, once */
                bool again = i && sections[i].variable == sections[i - 1].variable;
                bool on = again ? n && strcmp(rules[n - 1].path, sections[i - 1].path) == 0
                                : is_on(c, sections[i].variable, sections[i].on);

                if (!on)
                        continue;
                rules[n++] = (struct text_rule){ post ? "*" : "GET,HEAD", sections[i].path, true, "" };
                tunnels |= strcmp(sections[i].variable, "GRPC") == 0 || strcmp(sections[i].variable, "SESSION") == 0;
        }
        for (size_t i = 0; i < N_OPERATIONS; i++) {
                bool on = false;

                for (size_t k = 0; k < 3 && operations[i].variables[k]; k++)
                        on |= is_on(c, operations[i].variables[k], false);
                if (on)
                        rules[n++] = (struct text_rule){ operations[i].method, operations[i].path, true, "" };
        }
        rules[n++] = default_rules[N_DEFAULT_RULES - 1];

        at = builder_list(&c->blob, n, struct opt_rule, &c->root->rules);
        for (size_t i = 0; i < n; i++)
                put_rule(c, at + i, rules + i);
        if (tunnels && !c->root->insecure_accept_opaque_buildkit_tunnels) {
                c->root->insecure_accept_opaque_buildkit_tunnels = true;
                c->origin_name = environment_has(c, "GRPC") ? SLICE("GRPC") : SLICE("SESSION");
                complain_at(c, true, &(struct path){ .key = "insecure_accept_opaque_buildkit_tunnels" }, 0, 0,
                            (struct slice){ 0 }, (struct slice){ 0 },
                            "switched on by GRPC or SESSION: BuildKit tunnels pass uninspected (deprecated)");
        }
}
