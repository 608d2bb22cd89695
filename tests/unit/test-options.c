/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chapter 01 held against every row of the options table, and sentence by sentence where a sentence is about one
 * option.
 */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/load.h"
#include "policy/options.h"

static struct config *load(const char *text, char *const *environment, const struct config_flags *flags) {
        struct config_source source = {
                .path = "t.yaml",
                .from_memory = true,
                .text = slice_of(text),
                .environment = environment,
                .overlay = environment != NULL,
                .sections = environment != NULL,
                .flags = flags,
        };
        struct config *c = NULL;

        config_load(&source, &c);
        return c;
}

/* ---- every row ---- */

struct walk {
        char path[200], variable[200];
        void (*visit)(const struct walk *w, const struct opt_row *row, size_t offset);
        unsigned n;
};

static void walk_block(struct walk *w, const struct opt_block *block, size_t base) {
        size_t path = strlen(w->path), variable = strlen(w->variable);

        for (uint32_t i = 0; i < block->n_rows; i++) {
                const struct opt_row *row = block->rows + i;
                size_t n;

                snprintf(w->path + path, sizeof(w->path) - path, "%s%s", path ? "." : "", row->key);
                n = (size_t) snprintf(w->variable + variable, sizeof(w->variable) - variable, "_%s", row->key);
                for (size_t k = variable; k < variable + n; k++)
                        if (w->variable[k] >= 'a' && w->variable[k] <= 'z')
                                w->variable[k] = (char) (w->variable[k] - 32);
                if (row->kind == OPT_K_SUB) {
                        walk_block(w, row->inner, base + row->offset);
                } else if (row->kind != OPT_K_LIST && row->kind != OPT_K_OPT && strncmp(w->path, "mutations", 9) != 0) {
                        w->n++;
                        w->visit(w, row, base + row->offset);
                }
                w->path[path] = w->variable[variable] = 0;
        }
}

static void walk_all(void (*visit)(const struct walk *w, const struct opt_row *row, size_t offset)) {
        struct walk w = { .variable = "SOCKGUARD", .visit = visit };

        walk_block(&w, &opt_block_root, 0);
        CHECK(w.n > 250);
}

static enum config_origin origin_of(struct config *c, size_t offset) {
        return config_place_of(c, (const char *) config_root(c) + offset).origin;
}

/* A text that every kind takes. */
static const char *sample(const struct opt_row *row) {
        switch (row->kind) {
        case OPT_K_BOOL:
                return "T";
        case OPT_K_STR:
        case OPT_K_STRS:
        case OPT_K_ARGVS:
                return "a,b";
        default:
                return "0x10";
        }
}

static void set_by_its_variable(const struct walk *w, const struct opt_row *row, size_t offset) {
        char line[300], empty[300], *environment[] = { line, NULL }, *unset[] = { empty, NULL };
        struct config *c;

        snprintf(line, sizeof(line), "%s=%s", w->variable, sample(row));
        snprintf(empty, sizeof(empty), "%s=", w->variable);
        c = load("", environment, NULL);
        if (origin_of(c, offset) != ORIGIN_ENVIRONMENT || config_problems(c)->n)
                fprintf(stderr, "%s\n", line);
        CHECK_INT(origin_of(c, offset), ORIGIN_ENVIRONMENT);
        CHECK_INT(config_problems(c)->n, 0);
        config_free(c);
        c = load("", unset, NULL);
        CHECK_INT(origin_of(c, offset), ORIGIN_DEFAULT);
        config_free(c);
}

static void every_option_is_set_by_its_variable_and_not_by_an_empty_one(void) {
        walk_all(set_by_its_variable);
}

/* "a.b.c" as YAML: {a: {b: {c: VALUE}}} */
static void nested(char *out, size_t size, const char *path, const char *value) {
        size_t n = 0, depth = 1;

        n += (size_t) snprintf(out, size, "{");
        for (; *path; path++) {
                if (*path == '.') {
                        n += (size_t) snprintf(out + n, size - n, ": {");
                        depth++;
                } else {
                        out[n++] = *path;
                }
        }
        n += (size_t) snprintf(out + n, size - n, ": %s", value);
        while (depth--)
                out[n++] = '}';
        out[n] = 0;
}

static void leaves_its_default(const struct walk *w, const struct opt_row *row, size_t offset) {
        char text[400];
        struct config *c;

        (void) row;
        nested(text, sizeof(text), w->path, "null");
        c = load(text, NULL, NULL);
        CHECK_INT(config_problems(c)->n, 0);
        CHECK_INT(origin_of(c, offset), ORIGIN_DEFAULT);
        config_free(c);
}

static void null_leaves_the_default_of_every_option(void) {
        walk_all(leaves_its_default);
}

static void refuses(const char *path, const char *value, const char *what) {
        char text[400];
        struct config *c;

        nested(text, sizeof(text), path, value);
        c = load(text, NULL, NULL);
        if (config_problems(c)->n_errors != 1)
                fprintf(stderr, "%s: %s\n", text, what);
        CHECK_INT(config_problems(c)->n_errors, 1);
        config_free(c);
}

static void takes_only_its_type(const struct walk *w, const struct opt_row *row, size_t offset) {
        (void) offset;
        switch (row->kind) {
        case OPT_K_BOOL:
                refuses(w->path, "yes", "a word that YAML 1.1 took for a truth");
                refuses(w->path, "[true]", "a list");
                break;
        case OPT_K_INT:
        case OPT_K_OPTINT:
                refuses(w->path, "x", "a word");
                refuses(w->path, "[1]", "a list");
                refuses(w->path, "9223372036854775808", "more than 64 bits");
                break;
        case OPT_K_STR:
                refuses(w->path, "[a]", "a list");
                refuses(w->path, "{}", "a mapping");
                refuses(w->path, "2024-01-01", "a date");
                break;
        case OPT_K_STRS:
                refuses(w->path, "{a: b}", "a mapping");
                refuses(w->path, "[[a]]", "a list in a list");
                break;
        default:
                break;
        }
}

static void every_option_takes_only_its_type(void) {
        walk_all(takes_only_its_type);
}

/* ---- sentence by sentence ---- */

#define RULES "rules: [{match: {method: GET, path: /a}, action: allow}]\n"
#define PROFILE(more) \
        "clients: {profiles: [{name: p, rules: [{match: {method: GET, path: /a}, action: allow}]" more "}]}\n"

/* What the first error says, "" when there is none. */
static const char *verdict(const char *text, char *const *environment, const struct config_flags *flags) {
        static char found[300];
        struct config *c = load(text, environment, flags);

        config_check(c);
        found[0] = 0;
        for (size_t i = 0; i < config_problems(c)->n && !found[0]; i++)
                if (!config_problems(c)->at[i].warning)
                        snprintf(found, sizeof(found), "%.*s: %.*s", SLICE_ARG(config_problems(c)->at[i].path),
                                 SLICE_ARG(config_problems(c)->at[i].expected));
        config_free(c);
        return found;
}

static void what_the_reference_lets_pass_is_refused(void) {
        static const struct {
                const char *text, *want; /* the beginning of the complaint */
        } rows[] = {
                /* 2.1 */
                { "log: {level: info}\nLOG: {format: text}\n", "log: this key stands twice" },
                { "ownership: {owner: \"a\\0b\"}\n", ": a NUL" },
                { "log: {x.y: 1}\n", "log.x.y: keys with dots" },
                /* 2.2: numbers do not wrap */
                { "listen: {socket: /s, socket_uid: 4294967295}\n", "listen.socket_uid: is no user id" },
                { "clients: {unix_peer_profiles: [{profile: p, gids: [4294967296]}]}\n",
                  "clients.unix_peer_profiles[0].gids[0]: a number from 0" },
                { "clients: {unix_peer_profiles: [{profile: p, uids: [1], pids: [2147483648]}]}\n",
                  "clients.unix_peer_profiles[0].pids[0]: a number" },
                /* 3.3 */
                { "listen: {address: '127.0.0.1:65536'}\n", "listen.address: must be HOST:PORT" },
                { "listen: {address: '127.0.0.1:x'}\n", "listen.address: must be HOST:PORT" },
                /* 3.4: the socket of the daemon is looked at here */
                { "upstream: {socket: docker.sock}\n", "upstream.socket: must be the path" },
                { "upstream: {socket: 'tcp://h:1'}\n", "upstream.socket: must be the path" },
                { "upstream: {socket: 'unix:///x'}\n", "upstream.socket: must be the path" },
                { "upstream: {socket: ../d.sock}\n", "" },
                /* 3.6 */
                { "health: {readiness: {enabled: true, path: /v}}\nadmin: {enabled: true, policy_version_path: /v}\n",
                  "admin.policy_version_path: must differ" },
                /* 3.8: an address that nobody listens on is free */
                { "listeners: [{name: a, socket: /s, socket_mode: '0600', allowed_profiles: ['*']}]\n"
                  "admin: {enabled: true, listen: {address: '127.0.0.1:2375'}}\n",
                  "" },
                /* 3.11 */
                { "request_body: {service: {image_trust: {mode: Warn}}}\n",
                  "request_body.service.image_trust.mode: must be" },
                { "request_body: {image_pull: {allowed_registries: ['a b']}}\n",
                  "request_body.image_pull.allowed_registries[0]: must be a bare" },
                { "request_body: {swarm: {allowed_join_remote_addrs: [\"a\\u00a0b\"]}}\n",
                  "request_body.swarm.allowed_join_remote_addrs[0]: must be HOST" },
                { "request_body: {container_create: {image_trust: {mode: warn, allowed_signing_keys: [{pem: "
                  "nonsense}]}}}\n",
                  "request_body.container_create.image_trust.allowed_signing_keys[0].pem: is not a public key" },
                /* 3.12 */
                { RULES PROFILE(", limits: {rate: {tokens_per_second: .nan}}"),
                  "clients.profiles[0].limits.rate.tokens_per_second: must be above zero" },
                { RULES PROFILE(", limits: {rate: {tokens_per_second: .inf}}"),
                  "clients.profiles[0].limits.rate.tokens_per_second: must be above zero" },
                { RULES PROFILE(", limits: {rate: {tokens_per_second: 2, endpoint_costs: [{path: /a, cost: .nan}]}}"),
                  "clients.profiles[0].limits.rate.endpoint_costs[0].cost: must be 1 or more" },
                { RULES "clients: {profiles: [{name: ' p ', rules: [{match: {method: GET, path: /a}, action: "
                        "allow}]}], default_profile: p}\n",
                  "" },
                { RULES "clients: {default_profile: ' p ', profiles: [{name: p, rules: [{match: {method: GET, path: "
                        "/a}, action: allow}]}]}\n",
                  "clients.default_profile: no such profile" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const char *got = verdict(rows[i].text, NULL, NULL);
                bool same = rows[i].want[0] ? strncmp(got, rows[i].want, strlen(rows[i].want)) == 0 : got[0] == 0;

                if (!same)
                        fprintf(stderr, "%swanted \"%s\", got \"%s\"\n", rows[i].text, rows[i].want, got);
                CHECK(same);
        }
}

static void layers_override_each_other(void) {
        static const struct {
                const char *file, *variables[3], *listen_socket, *want;
        } rows[] = {
                { "",
                  { "SOCKGUARD_LISTEN_SOCKET_MODE=0660", "SOCKGUARD_LISTEN_SOCKET=/s",
                    "SOCKGUARD_LISTEN_SOCKET_GID=0" },
                  NULL,
                  "" },
                { "",
                  { "SOCKGUARD_CLIENTS_GLOBAL_CONCURRENCY_MAX_INFLIGHT=0" },
                  NULL,
                  "clients.global_concurrency.max_inflight: must be above zero" },
                { "log: {level: nonsense}\n", { "SOCKGUARD_LOG_LEVEL=warn" }, NULL, "" },
                { "log: {level: nonsense}\n",
                  { "SOCKGUARD_LOG_LEVEL=" },
                  NULL,
                  "log.level: must be debug, info, warn or error" },
                { "log: {level: nonsense}\n", { "LOG_LEVEL= EMERG " }, NULL, "" },
                { "", { "LOG_LEVEL=" }, NULL, "log.level: must be debug, info, warn or error" },
                { "", { "LOG_LEVEL=nonsense", "SOCKGUARD_LOG_LEVEL=" }, NULL, "" },
                { "upstream: {socket: ''}\n", { "SOCKET_PATH= /d " }, NULL, "" },
                { "upstream: {socket: ''}\n",
                  { "SOCKET_PATH=/d", "SOCKGUARD_UPSTREAM_SOCKET=" },
                  NULL,
                  "upstream.socket: must be the path" },
                { "upstream: {socket: ''}\n", { "SOCKET_PATH=  " }, NULL, "upstream.socket: must be the path" },
                { "upstream: {request_timeout: ''}\n", { "SOCKGUARD_UPSTREAM_REQUEST_TIMEOUT=off" }, NULL, "" },
                { "", { "SOCKGUARD_LISTENERS=x" }, NULL, "listeners: this list of mappings cannot be set" },
                { "",
                  { "SOCKGUARD_UPSTREAM_ENDPOINTS=x" },
                  NULL,
                  "upstream.endpoints: this list of mappings cannot be set" },
                { "", { "SOCKGUARD_RULES=x" }, NULL, "" },
                { RULES, { "SOCKGUARD_RULES=x" }, NULL, "rules: this list of mappings cannot be set" },
                { "", { "SOCKGUARD_MUTATIONS=x" }, NULL, "mutations: this block cannot be set" },
                { "ownership: {owner: a}\n", { "SOCKGUARD_OWNERSHIP=x", "SOCKGUARD_OWNERSHIP_LABEL_KEY= " }, NULL, "" },
                { "listeners: [{name: a, socket: /s, socket_mode: '0600', allowed_profiles: ['*']}]\n",
                  { NULL },
                  "/t",
                  "listen.socket: cannot be given" },
                { "listeners: [{name: a, socket: /s, socket_mode: '0600', allowed_profiles: ['*']}]\n",
                  { "SOCKGUARD_LISTEN_SOCKET=/t" },
                  NULL,
                  "listeners: listen and listeners exclude each other" },
                { "", { "CONTAINERS=1" }, NULL, "rules[3].match.path: the rules allow reading files" },
                { RULES, { "CONTAINERS=1" }, NULL, "" },
                { "", { "CONTAINERS=1", "SOCKGUARD_INSECURE_ALLOW_READ_EXFILTRATION=true" }, NULL, "" },
                { "", { "SESSION=yes" }, NULL, "" },
                { "request_body: {buildkit: {session: {health: true}}}\n",
                  { "SESSION=yes" },
                  NULL,
                  "insecure_accept_opaque_buildkit_tunnels: lets tunnels" },
                { "", { "ALLOW_EXEC=1" }, NULL, "rules[3].match.path: the rules allow writes" },
                { "", { "ALLOW_EXEC=1", "SOCKGUARD_REQUEST_BODY_EXEC_ALLOWED_COMMANDS=id" }, NULL, "" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char copies[3][100], *environment[4] = { NULL };
                struct config_flags flags = { .listen_socket = rows[i].listen_socket };
                const char *got;

                for (size_t k = 0; k < 3 && rows[i].variables[k]; k++) {
                        snprintf(copies[k], sizeof(copies[k]), "%s", rows[i].variables[k]);
                        environment[k] = copies[k];
                }
                got = verdict(rows[i].file, environment, &flags);
                if (strncmp(got, rows[i].want, strlen(rows[i].want)) != 0 || (!rows[i].want[0] && got[0]))
                        fprintf(stderr, "%s%s: wanted \"%s\", got \"%s\"\n", rows[i].file,
                                rows[i].variables[0] ? rows[i].variables[0] : "", rows[i].want, got);
                CHECK(strncmp(got, rows[i].want, strlen(rows[i].want)) == 0 && (rows[i].want[0] || !got[0]));
        }
}

static void lists_hold_zero_values(void) {
        struct config *c = load(RULES PROFILE(", request_body: {exec: {}}"), NULL, NULL);
        const struct policy *p = config_policy(c);
        const struct opt_profile *profile = policy_list(p, config_root(c)->clients.profiles, struct opt_profile);
        const struct opt_request_body *mine = &profile->request_body, *root = &config_root(c)->request_body;

        CHECK(root->image_pull.allow_official && root->image_load.allow_official && root->service.allow_official &&
              root->plugin.allow_official);
        CHECK(root->network.endpoint_config.allow_aliases && root->libpod_network.endpoint_config.allow_aliases);
        CHECK(root->container_create.image_trust.require_rekor_inclusion &&
              root->service.image_trust.require_rekor_inclusion);
        CHECK(!mine->image_pull.allow_official && !mine->image_load.allow_official && !mine->service.allow_official &&
              !mine->plugin.allow_official);
        CHECK(!mine->network.endpoint_config.allow_aliases && !mine->libpod_network.endpoint_config.allow_aliases);
        CHECK(!mine->container_create.image_trust.require_rekor_inclusion &&
              !mine->service.image_trust.require_rekor_inclusion);
        config_free(c);
}

/*
 * `before`, then `each` with numbers in it, then `after`, about half a megabyte long: as large as an admin candidate
 * may be.
 */
static char *candidate(const char *before, const char *each, const char *after) {
        size_t room = 600 * 1024, n = (size_t) snprintf(NULL, 0, "%s", before);
        char *text = malloc(room);

        memcpy(text, before, n + 1);
        for (unsigned i = 0; n < 520 * 1024; i++)
                for (const char *p = each; *p; p++) {
                        if (*p == '#')
                                n += (size_t) snprintf(text + n, 12, "%u", i);
                        else
                                text[n++] = *p;
                }
        snprintf(text + n, room - n, "%s", after);
        return text;
}

/* Each of these took minutes, or would, by a loop in a loop. */
static void a_large_candidate_is_judged_in_time_that_grows_with_its_size(void) {
        static const struct {
                const char *before, *each, *after;
        } rows[] = {
                { "clients: {profiles: [", "{name: p#},", "]}" },
                { "rules: [", "{},", "]" },
                { "rules: [", "{match: {method: GET, path: /containers/x#/logs}, action: allow},", "]" },
                { "rules: [", "{match: {method: GET, path: /containers/x#/logs}, action: deny},", "]" },
                { "request_body: {container_create: {allowed_capabilities: [", "C#,", "]}}" },
                { "clients: {allowed_cidrs: [", "x#,", "]}" },
                { "listeners: [{name: a, socket: /a, socket_mode: '0600', allowed_profiles: [", "p#,", "]}]" },
                { "listeners: [", "{name: a#, socket: /a, allowed_profiles: ['*']},", "]" },
                { "mutations: {rules: [{id: m, surfaces: [", "container_create,",
                  "], inject_labels: {labels: {a: b}}}]}" },
                { "mutations: {rules: [{id: m, surfaces: [container_create], inject_labels: {labels: {", "k#: v,",
                  "}}}]}" },
                { "listen: {socket: /s}\nclients: {unix_peer_profiles: [", "{profile: p#, uids: [#]},", "]}" },
                { "x-a: [&a 1,", "*a,", "]" },
                { "x-a: [", "&a# 1,", "]" },
                { "{", "k#: 1,", "}" },
                { "", "%TAG !a#! tag:x#\n", "---\na: 1\n" },
        };

        alarm(120);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *text = candidate(rows[i].before, rows[i].each, rows[i].after);
                struct config *c = load(text, NULL, NULL);
                struct slice image;

                if (config_check(c) == 0)
                        CHECK_INT(config_compile(c, 1, &image), 0);
                config_free(c);
                free(text);
        }
        alarm(0);
}

CHECK_MAIN(CHECK_TEST(a_large_candidate_is_judged_in_time_that_grows_with_its_size),
           CHECK_TEST(every_option_is_set_by_its_variable_and_not_by_an_empty_one),
           CHECK_TEST(null_leaves_the_default_of_every_option), CHECK_TEST(every_option_takes_only_its_type),
           CHECK_TEST(what_the_reference_lets_pass_is_refused), CHECK_TEST(layers_override_each_other),
           CHECK_TEST(lists_hold_zero_values))
