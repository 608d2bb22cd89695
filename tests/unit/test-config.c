/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to image: the YAML dialect, coercion, errors with places, layers, and the gate of a reload.
 */
#include "check.h"

#include "policy/glob.h"
#include "policy/load.h"
#include "policy/rules.h"
#include "policy/scalar.h"

static struct config *load_env(const char *text, char *const *environment) {
        struct config_source source = { .path = "t.yaml",
                                        .from_memory = true,
                                        .text = slice_of(text),
                                        .environment = environment,
                                        .overlay = true,
                                        .sections = true };
        struct config *c = NULL;

        config_load(&source, &c);
        return c;
}

static struct config *load(const char *text) {
        return load_env(text, NULL);
}

/* The first problem as one line, "" when there is none. */
static const char *complaint(struct config *c) {
        static struct strbuf line;
        const struct problems *list = config_problems(c);

        strbuf_free(&line);
        strbuf_init(&line, 4096);
        for (size_t i = 0; i < list->n; i++)
                if (!list->at[i].warning) {
                        problem_format(list->at + i, &line);
                        break;
                }
        strbuf_addc(&line, 0);
        return line.at;
}

#define CHECK_COMPLAINT(text, want) \
        do { \
                struct config *c_ = load(text); \
                config_check(c_); \
                CHECK_STR(slice_of(complaint(c_)), want); \
                config_free(c_); \
        } while (0)

static struct slice text(struct config *c, struct pstr s) {
        return policy_str(config_policy(c), s);
}

static void an_empty_text_is_all_defaults(void) {
        static const char *const texts[] = { "", "# nothing\n", "---\n", "null\n", "~", "\xef\xbb\xbf" };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct config *c = load(texts[i]);

                CHECK_INT(config_problems(c)->n_errors, 0);
                CHECK_STR(text(c, config_root(c)->listen.address), "127.0.0.1:2375");
                CHECK_INT(config_root(c)->rules.n, 5);
                CHECK(config_root(c)->request_body.image_pull.allow_official);
                config_free(c);
        }
}

static void problems_say_where_what_and_what_was_meant(void) {
        CHECK_COMPLAINT("log:\n  levl: info\n", "t.yaml:2:3: log.levl: unknown key (did you mean \"level\"?)");
        CHECK_COMPLAINT(
                "log: {level: inof}\n",
                "t.yaml:1:14: log.level: \"inof\": must be debug, info, warn or error (did you mean \"info\"?)");
        CHECK_COMPLAINT("log: {access_log: yes}\n", "t.yaml:1:19: log.access_log: \"yes\": true or false is wanted "
                                                    "(yes, no, on and off are texts in YAML 1.2)");
        CHECK_COMPLAINT(
                "log: {level: info, LEVEL: warn}\n",
                "t.yaml:1:20: log.level: \"LEVEL\": this key stands twice in one mapping (letter case does not count)");
        CHECK_COMPLAINT("a: &a [*a]\n", "t.yaml:1:8: \"a\": an anchor must not contain an alias to itself");
        CHECK_COMPLAINT("rules: [{match: {method: GET, path: /a}, action: allow}, {match: {method: GET, path: "
                        "\"/%61\"}, action: deny}]\n",
                        "t.yaml:1:86: rules[1].match.path: \"/%61\": must not hold %: patterns are compared with the "
                        "decoded path");
        CHECK_COMPLAINT(
                "clients: {unix_peer_profiles: [{profile: p, uids: [-1]}]}\n",
                "t.yaml:1:52: clients.unix_peer_profiles[0].uids[0]: \"-1\": a number from 0 to 4294967295 is wanted");
        CHECK_COMPLAINT("log.level: debug\n",
                        "t.yaml:1:1: log.level: keys with dots are not read; write one mapping inside the other");
}

static void an_empty_mapping_does_not_count_as_a_number(void) {
        struct config *c =
                load("listen: {socket_uid: {}, socket_gid: {}}\nclients: {global_concurrency: {max_inflight: {}}}\n");

        CHECK_INT(config_check(c), 0);
        CHECK(!config_root(c)->listen.socket_uid.set);
        CHECK_INT(config_root(c)->clients.global_concurrency.n, 0);
        config_free(c);
        CHECK_COMPLAINT(
                "listeners: [{name: a, socket: /a, socket_mode: '0600', socket_uid: {}, allowed_profiles: ['*']}]\n",
                "t.yaml:1:68: listeners[0].socket_uid: a whole number is wanted");
}

static void a_tab_that_indents_is_named(void) {
        CHECK_COMPLAINT("log:\n\tlevel: info\n", "t.yaml:2:1: a tab cannot indent in YAML: use blanks");
        CHECK_COMPLAINT("log:\n  \tlevel: info\n", "t.yaml:2:3: a tab cannot indent in YAML: use blanks");
        CHECK_COMPLAINT("log: {level:\tinfo}\n", "");
}

static void another_version_of_yaml_is_refused(void) {
        CHECK_COMPLAINT("%YAML 1.1\n---\nlog: {level: info}\n", "");
        CHECK_COMPLAINT("%YAML 1.2\n---\nlog: {level: info}\n",
                        "t.yaml:1:1: the %YAML line asks for another version; leave it out");
}

/* The first warning as one line, "" when there is none. */
static const char *warning_of(const char *text, char *const *environment, bool serving) {
        static struct strbuf line;
        struct config_source source = {
                .path = "t.yaml",
                .from_memory = true,
                .text = slice_of(text),
                .environment = environment,
                .overlay = true,
                .sections = true,
                .docker_host = serving,
        };
        struct config *c = NULL;

        config_load(&source, &c);
        config_check(c);
        strbuf_free(&line);
        strbuf_init(&line, 4096);
        for (size_t i = 0; i < config_problems(c)->n && line.len == 0; i++)
                if (config_problems(c)->at[i].warning)
                        problem_format(config_problems(c)->at + i, &line);
        strbuf_addc(&line, 0);
        config_free(c);
        return line.at;
}

static void misspelt_variables_are_warned_of(void) {
        static const struct {
                const char *variable, *want;
        } rows[] = {
                { "SOCKGUARD_LOG_LEVLE=debug", "SOCKGUARD_LOG_LEVLE: warning: no option has this variable; ignored "
                                               "(did you mean \"SOCKGUARD_LOG_LEVEL\"?)" },
                { "SOCKGUARD_REQUEST_BODY_CONTAINER_CREATE_DENY_UNCONFINED_SECOMP=true",
                  "SOCKGUARD_REQUEST_BODY_CONTAINER_CREATE_DENY_UNCONFINED_SECOMP: warning: no option has this "
                  "variable; ignored "
                  "(did you mean \"SOCKGUARD_REQUEST_BODY_CONTAINER_CREATE_DENY_UNCONFINED_SECCOMP\"?)" },
                { "SOCKGUARD_LOG=x",
                  "SOCKGUARD_LOG: warning: log: \"x\": names a block of options, not an option; ignored" },
                { "SOCKGUARD_LOG_LEVEL=debug", "" },
                { "SOCKGUARD_LISTENERS=", "" },
                { "SOCKGUARD_CTL=/x", "" },
                { "SOCKGUARD_SERVICE_HOST=10.0.0.1", "" },
                { "SOCKGUARD_PORT_2375_TCP_PROTO=tcp", "" },
                { "SOCKGUARDLOG=x", "" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char variable[100], *environment[] = { variable, NULL };

                snprintf(variable, sizeof(variable), "%s", rows[i].variable);
                CHECK_STR(slice_of(warning_of("", environment, false)), rows[i].want);
        }
}

static void docker_host_that_loses_is_warned_of(void) {
        char host[] = "DOCKER_HOST=tcp://10.0.0.1:2375", path[] = "SOCKET_PATH=/x", certs[] = "DOCKER_CERT_PATH=/c",
             verify[] = "DOCKER_TLS_VERIFY=1", local[] = "DOCKER_HOST=unix:///x";
        char *alone[] = { host, NULL }, *aliased[] = { host, path, NULL }, *unverified[] = { host, certs, NULL },
             *verified[] = { host, certs, verify, NULL }, *locally[] = { local, path, NULL };
        static const char loses[] =
                "DOCKER_HOST: warning: \"10.0.0.1:2375\": not used: upstream.socket is set and wins; unset one of them";

        CHECK_STR(slice_of(warning_of("upstream: {socket: /s}\n", alone, true)), loses);
        CHECK_STR(slice_of(warning_of("", aliased, true)), loses);
        CHECK_STR(slice_of(warning_of("upstream: {socket: /s}\n", alone, false)), "");
        CHECK_STR(slice_of(warning_of("", alone, true)),
                  "DOCKER_HOST: warning: \"10.0.0.1:2375\": the way to the daemon is not encrypted");
        CHECK_STR(slice_of(warning_of("", unverified, true)),
                  "DOCKER_HOST: warning: \"10.0.0.1:2375\": the daemon's certificate is not verified");
        CHECK_STR(slice_of(warning_of("", verified, true)), "");
        CHECK_STR(slice_of(warning_of("", locally, true)), "");
        CHECK_STR(slice_of(warning_of("upstream: {endpoints: [{address: /e}]}\n", alone, true)), "");
}

static void paths_of_our_own_differ_as_they_arrive(void) {
        CHECK_COMPLAINT("admin: {enabled: true, path: /a, policy_version_path: /a/}\n",
                        "t.yaml:1:55: admin.policy_version_path: \"/a/\": must differ from admin.path");
        CHECK_COMPLAINT("admin: {enabled: true, path: /a/../b, policy_version_path: /b}\n",
                        "t.yaml:1:60: admin.policy_version_path: \"/b\": must differ from admin.path");
        CHECK_COMPLAINT("admin: {enabled: true, path: /./health}\n",
                        "t.yaml:1:30: admin.path: \"/./health\": must differ from health.path");
        CHECK_COMPLAINT("admin: {enabled: true, path: //ready}\nhealth: {readiness: {enabled: true}}\n",
                        "t.yaml:2:21: health.readiness.path: \"/ready\": must differ from admin.path");
}

/* validate takes it, for it does not run it; who would, without having looked at the signature, is refused. */
static void a_signed_policy_is_not_compiled_unseen(void) {
        static const char text[] =
                "policy_bundle: {enabled: true, signature_path: /s, allowed_signing_keys: [{pem: \"-----BEGIN PUBLIC "
                "KEY-----\\n"
                "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\\n-----END PUBLIC KEY-----\"}]}\n";
        struct config_source source = { .path = "t.yaml", .from_memory = true, .text = slice_of(text) };
        struct config *c = NULL;
        struct slice image;

        for (int verified = 0; verified < 2; verified++) {
                source.bundle_verified = verified != 0;
                CHECK_INT(config_load(&source, &c), 0);
                CHECK_INT(config_check(c), 0);
                CHECK_INT(config_compile(c, 1, &image), verified ? 0 : -EBADMSG);
                CHECK_INT(config_compile(c, 2, &image), verified ? 0 : -EBADMSG);
                config_free(c);
        }
}

static void all_problems_are_reported_in_one_go(void) {
        struct config *c = load("log: {level: x, format: y}\nresponse: {deny_verbosity: z}\nadmn: {}\n");

        config_check(c);
        CHECK_INT(config_problems(c)->n_errors, 4);
        config_free(c);
        /* a misread key explains that what it meant is absent, and nothing else is explained by it */
        c = load("clients: {profiles: [{name: a, ruels: []}, {name: b}]}\nlisteners: [{nmae: x, socket: /s}]\n");
        config_check(c);
        CHECK_INT(config_problems(c)->n_errors, 5);
        config_free(c);
        CHECK_COMPLAINT("request_body: {exec: {allow_root: true}}\n",
                        "t.yaml:1:23: request_body.exec.allow_root: unknown key (did you mean \"allow_root_user\"?)");
}

/* Steps of the filter's sandbox under one rule; a filter that starts sockguard-unpack needs another than one that never
 * does. */
static uint32_t sandbox_of(const char *method, const char *path) {
        char text[300];
        struct slice image;
        struct config *c;
        struct policy p;
        uint32_t n;

        snprintf(text, sizeof(text), "rules: [{match: {method: %s, path: \"%s\"}, action: allow}]\n", method, path);
        c = load(text);
        CHECK_INT(config_check(c), 0);
        CHECK_INT(config_compile(c, 1, &image), 0);
        CHECK_INT(policy_image_view(image.at, image.len, &p, NULL), 0);
        n = p.header->seccomp.n;
        config_free(c);
        return n;
}

static void uploads_to_one_container_may_be_unpacked(void) {
        uint32_t with = sandbox_of("PUT", "/containers/*/archive"), without = sandbox_of("GET", "/_ping");

        CHECK(with != without);
        CHECK_INT(sandbox_of("PUT", "/containers/web/archive"), with);
        CHECK_INT(sandbox_of("PUT", "/containers/w*/archive"), with);
        CHECK_INT(sandbox_of("PUT", "/libpod/containers/web/arch*"), with);
        CHECK_INT(sandbox_of("POST", "/images/load"), with);
        CHECK_INT(sandbox_of("GET", "/containers/*/json"), without);
}

static void a_key_that_is_let_through_explains_nothing(void) {
        char allow[] = "SOCKGUARD_ALLOW_UNKNOWN_KEYS=true", *environment[] = { allow, NULL };
        struct config *c = load_env("clients: {profiles: [{name: a, ruels: []}]}\n", environment);

        CHECK_INT(config_check(c), -EBADMSG);
        config_free(c);
}

static void trust_roots_count_only_while_trust_is_on(void) {
        CHECK_COMPLAINT("request_body: {service: {image_trust: {mode: off, allowed_signing_keys: [{pem: ''}]}}}\n", "");
        CHECK_COMPLAINT("request_body: {service: {image_trust: {mode: warn, allowed_signing_keys: [{pem: ''}]}}}\n",
                        "t.yaml:1:81: request_body.service.image_trust.allowed_signing_keys[0].pem: a signing key "
                        "needs its PEM text");
}

static void scalars_are_what_the_dialect_says(void) {
        static const struct {
                const char *text;
                enum scalar_type type;
                const char *as_text;
        } rows[] = {
                { "0600", SCALAR_INT, "384" },    { "0800", SCALAR_FLOAT, "800" },
                { "0x10", SCALAR_INT, "16" },     { "0o17", SCALAR_INT, "15" },
                { "0b11", SCALAR_INT, "3" },      { "1_000", SCALAR_INT, "1000" },
                { "1.50", SCALAR_FLOAT, "1.5" },  { "1e3", SCALAR_FLOAT, "1000" },
                { ".5", SCALAR_FLOAT, "0.5" },    { "0.001", SCALAR_FLOAT, "0.001" },
                { "0.5", SCALAR_FLOAT, "0.5" },   { "no", SCALAR_STR, "no" },
                { "True", SCALAR_BOOL, "1" },     { "tRUE", SCALAR_STR, "tRUE" },
                { "~", SCALAR_NULL, "" },         { "-", SCALAR_STR, "-" },
                { "1.2.3", SCALAR_STR, "1.2.3" }, { "9223372036854775808", SCALAR_UINT, "9223372036854775808" },
                { "0x", SCALAR_STR, "0x" },
        };
        struct arena a;
        struct scalar s;
        struct slice t;

        arena_init(&a, 1u << 20, NULL);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                s = scalar_resolve(slice_of(rows[i].text));
                CHECK_INT(s.type, rows[i].type);
                CHECK_INT(scalar_to_text(&s, &a, &t), 0);
                CHECK_STR(t, rows[i].as_text);
        }
        s = scalar_resolve(SLICE("2024-01-01"));
        CHECK(scalar_to_text(&s, &a, &t) < 0);
        arena_free(&a);
}

static void durations_have_units(void) {
        static const struct {
                const char *text;
                int64_t ns;
        } good[] = {
                { "0", 0 },
                { "1ns", 1 },
                { "1.5s", 1500000000 },
                { ".5s", 500000000 },
                { "1h30m", 5400000000000 },
                { "-1s", -1000000000 },
                { "+5s", 5000000000 },
                { "1\xc2\xb5s", 1000 },
                { "2562047h47m16.854775807s", INT64_MAX },
        };
        static const char *const bad[] = {
                "", "30", "1 s", "s", ".s", "5.", "1d", "1e3s", "2562047h47m16.854775808s", "1,5s"
        };
        int64_t ns;

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                CHECK_INT(duration_parse(slice_of(good[i].text), &ns), 0);
                CHECK_INT(ns, good[i].ns);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                CHECK(duration_parse(slice_of(bad[i]), &ns) < 0);
}

static void the_environment_beats_the_file_and_names_itself(void) {
        char *const environment[] = { (char *) "SOCKGUARD_LOG_LEVEL=warn",
                                      (char *) "SOCKGUARD_LISTEN_SOCKET_GID=7",
                                      (char *) "SOCKGUARD_RESPONSE_NAME_PATTERNS=a*,b",
                                      (char *) "SOCKGUARD_LOG_FORMAT=",
                                      (char *) "SOCKGUARD_CLIENTS_GLOBAL_CONCURRENCY_MAX_INFLIGHT=3",
                                      (char *) "SOCKET_PATH= /run/d.sock ",
                                      NULL };
        struct config *c = load_env("log: {level: debug, format: text}\nupstream: {socket: /x}\n", environment);
        const struct opt_root *r = config_root(c);

        CHECK_STR(text(c, r->log.level), "warn");
        CHECK_STR(text(c, r->log.format), "text");
        CHECK_INT(r->listen.socket_gid.value, 7);
        CHECK_INT(r->response.name_patterns.n, 2);
        CHECK_STR(text(c, r->upstream.socket), "/run/d.sock");
        CHECK_INT(r->clients.global_concurrency.n, 1);
        CHECK_INT(config_place_of(c, &r->log.level).origin, ORIGIN_ENVIRONMENT);
        CHECK_STR(config_place_of(c, &r->log.level).name, "SOCKGUARD_LOG_LEVEL");
        CHECK_INT(config_place_of(c, &r->log.format).line, 1);
        CHECK_INT(config_place_of(c, &r->log.output).origin, ORIGIN_DEFAULT);
        config_free(c);
}

static void a_variable_that_names_a_block_changes_nothing(void) {
        char *const environment[] = { (char *) "SOCKGUARD_OWNERSHIP=x", NULL };
        struct config *c = load_env("ownership: {owner: me}\n", environment);

        CHECK_STR(text(c, config_root(c)->ownership.owner), "me");
        CHECK_INT(config_problems(c)->n_warnings, 1);
        config_free(c);
}

static void list_entries_start_from_zero_not_from_defaults(void) {
        struct config *c =
                load("clients: {profiles: [{name: p, rules: [{match: {method: GET, path: /a}, action: allow}]}]}\n");
        const struct opt_profile *p =
                policy_list(config_policy(c), config_root(c)->clients.profiles, struct opt_profile);

        CHECK_INT(config_check(c), 0);
        CHECK(!p->request_body.image_pull.allow_official);
        CHECK(!p->request_body.network.endpoint_config.allow_aliases);
        config_free(c);
}

static void merge_keys_yield_to_what_is_written(void) {
        struct config *c = load("x-log: &l {level: warn, format: text}\nlog: {level: debug, <<: *l}\n");

        CHECK_STR(text(c, config_root(c)->log.level), "debug");
        CHECK_STR(text(c, config_root(c)->log.format), "text");
        config_free(c);
}

static void an_alias_bomb_is_refused(void) {
        struct config *c = load("x-a: &a [1,1,1,1,1,1,1,1,1,1]\nx-b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nx-c: &c "
                                "[*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                                "x-d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\nx-e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
                                "x-f: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n");

        CHECK_INT(config_problems(c)->n_errors, 1);
        CHECK_STR(config_problems(c)->at[0].expected, "aliases make it too large");
        config_free(c);
}

static void an_image_reads_back_and_a_damaged_one_does_not(void) {
        struct config *c = load("rules: [{match: {method: 'get, REPORT', path: /a/**}, action: allow}]\n");
        struct slice image;
        struct policy p;
        struct rule_verdict v;
        struct error e;
        char *copy;

        CHECK_INT(config_check(c), 0);
        CHECK_INT(config_compile(c, 3, &image), 0);
        CHECK_INT(policy_image_view(image.at, image.len, &p, &e), 0);
        CHECK_INT(p.header->generation, 3);
        policy_decide(&p, 0, HTTP_GET, SLICE("GET"), SLICE("/a/b"), &v);
        CHECK(v.allow);
        policy_decide(&p, 0, HTTP_METHOD_OTHER, SLICE("REPORT"), SLICE("/a"), &v);
        CHECK(v.allow);
        policy_decide(&p, 0, HTTP_POST, SLICE("POST"), SLICE("/a"), &v);
        CHECK(!v.allow && v.rule == -1);

        copy = malloc(image.len);
        for (size_t i = 0; i < image.len; i += 37) {
                memcpy(copy, image.at, image.len);
                copy[i] = (char) (copy[i] ^ 0x40);
                /* Only the sum itself and what it covers can differ; either is noticed. */
                CHECK_INT(policy_image_view(copy, image.len, &p, &e), -EBADMSG);
        }
        CHECK_INT(policy_image_view(image.at, image.len - 1, &p, &e), -EBADMSG);
        CHECK_INT(policy_image_view(image.at, 10, &p, &e), -EBADMSG);
        free(copy);
        config_free(c);
}

static void the_index_decides_as_a_scan_of_the_rules_would(void) {
        static const char *const pieces[] = { "a", "b", "*", "**", "a*", "*b", "***", "a**b", "", "ab" };
        static const char *const paths[] = { "/",      "/a",        "/ab", "/a/b", "/a/a/b", "/b/a",  "/b",
                                             "/aab/b", "/a/ab/a/b", "",    "*",    "/a//b",  "/ab/ab" };
        char pattern[64], yaml[256];

        /*
         * Every pattern of up to three pieces stands alone in a policy: the index must find it exactly when its glob
         * matches.
         */
        for (size_t n = 0; n < 1000; n++) {
                struct config *c;

                snprintf(pattern, sizeof(pattern), "/%s%s%s%s%s", pieces[n % 10], n >= 10 ? "/" : "",
                         n >= 10 ? pieces[n / 10 % 10] : "", n >= 100 ? "/" : "", n >= 100 ? pieces[n / 100] : "");
                snprintf(yaml, sizeof(yaml), "rules: [{match: {method: '*', path: '%s'}, action: deny}]\n", pattern);
                c = load(yaml);
                CHECK_INT(config_check(c), 0);
                for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                        struct rule_verdict v;
                        bool want = strchr(pattern, '*') ? glob_match_rule(slice_of(pattern), slice_of(paths[i]))
                                                         : strcmp(pattern, paths[i]) == 0;

                        policy_decide(config_policy(c), 0, HTTP_GET, SLICE("GET"), slice_of(paths[i]), &v);
                        if ((v.rule == 0) != want)
                                fprintf(stderr, "pattern %s, path %s\n", pattern, paths[i]);
                        CHECK((v.rule == 0) == want);
                }
                config_free(c);
        }
}

static void rules_for_what_nobody_can_inspect_need_an_acknowledgment(void) {
        static const struct {
                const char *path, *more;
                bool ok;
        } rows[] = {
                { "/libpod/local/**", "", false },
                { "/libpod/local/build", "", false },
                { "/libpod/images/scp/**", "", false },
                { "/libpod/artifacts/add", "", false },
                { "/libpod/quadlets", "", false },
                { "/libpod/containers/*/restore", "", false },
                { "/libpod/containers/*/re*", "", true }, /* refused when one comes */
                { "/libpod/containers/*/restore", "insecure_allow_body_blind_writes: true\n", true },
                { "/libpod/local/build", "request_body: {libpod_uninspected: true}\n", true },
                { "/libpod/build", "", true },
        };
        char text[512];

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct config *c;

                snprintf(text, sizeof(text), "rules: [{match: {method: POST, path: \"%s\"}, action: allow}]\n%s",
                         rows[i].path, rows[i].more);
                c = load(text);
                if ((config_check(c) == 0) != rows[i].ok)
                        fprintf(stderr, "%s: %s\n", text, complaint(c));
                CHECK_INT(config_check(c) == 0, rows[i].ok);
                config_free(c);
        }
}

static void the_first_rule_wins_across_buckets(void) {
        struct config *c =
                load("rules:\n- {match: {method: GET, path: /a/*/c}, action: deny}\n- {match: {method: '*', path: "
                     "/**}, action: allow}\n"
                     "- {match: {method: GET, path: /a/b/c}, action: deny}\ninsecure_allow_read_exfiltration: true\n"
                     "insecure_allow_body_blind_writes: true\ninsecure_accept_opaque_buildkit_tunnels: true\n");
        struct rule_verdict v;

        CHECK_INT(config_check(c), 0);
        policy_decide(config_policy(c), 0, HTTP_GET, SLICE("GET"), SLICE("/a/b/c"), &v);
        CHECK_INT(v.rule, 0);
        policy_decide(config_policy(c), 0, HTTP_HEAD, SLICE("HEAD"), SLICE("/a/b/c"), &v);
        CHECK_INT(v.rule, 1);
        config_free(c);
}

static size_t difference(const char *a, const char *b, struct strbuf *names) {
        struct config *x = load(a), *y = load(b);
        size_t n;

        strbuf_reset(names);
        n = config_diff(x, y, names);
        config_free(x);
        config_free(y);
        return n;
}

static void a_reload_names_what_it_may_not_change(void) {
        struct strbuf names;

        strbuf_init(&names, 4096);
        CHECK_INT(difference("log: {level: info}\n",
                             "# the default, spelled out\nresponse: {deny_verbosity: verbose}\n", &names),
                  0);
        CHECK_INT(
                difference("{}",
                           "log: {level: warn}\nreload: {debounce: 1s}\nupstream: {request_timeout: 1s, socket: /y}\n",
                           &names),
                3);
        CHECK_STR(strbuf_view(&names), "upstream.socket,log,reload.debounce");
        CHECK_INT(difference("listeners: [{name: b, socket: /b}, {name: a, address: '1:1'}]\n",
                             "listeners: [{name: a, address: '1:2', tls: {cert_file: x}, allowed_profiles: [p]}, "
                             "{name: c, socket: /b}]\n",
                             &names),
                  4);
        CHECK_STR(strbuf_view(&names),
                  "listeners.a.address,listeners.a.tls.cert_file,listeners.b: removed,listeners.c: added");
        CHECK_INT(difference("{}", "listeners: [{name: a, socket: /b}]\n", &names), 1);
        strbuf_free(&names);
}

static void equal_configurations_have_equal_sums(void) {
        static const char *const texts[] = { "log: {level: info}\n", "# a comment\n", "ownership: {owner: me}\n" };
        uint8_t sums[3][32];

        for (size_t i = 0; i < 3; i++) {
                struct config *c = load(texts[i]);
                struct slice image;

                CHECK_INT(config_check(c), 0);
                CHECK_INT(config_compile(c, i, &image), 0);
                config_sha256(c, sums[i]);
                config_free(c);
        }
        CHECK(memcmp(sums[0], sums[1], 32) == 0);
        CHECK(memcmp(sums[0], sums[2], 32) != 0);
}

static void section_variables_replace_the_default_rules_only(void) {
        char *const environment[] = { (char *) "INFO=1", (char *) "POST=0", NULL };
        struct config *c = load_env("", environment);

        CHECK_INT(config_check(c), 0);
        CHECK(config_compat_active(c));
        CHECK_INT(config_root(c)->rules.n, 5);
        config_free(c);
        c = load_env("rules: [{match: {method: GET, path: /a}, action: allow}]\n", environment);
        CHECK_INT(config_check(c), 0);
        CHECK(!config_compat_active(c));
        config_free(c);
}

CHECK_MAIN(CHECK_TEST(an_empty_text_is_all_defaults), CHECK_TEST(problems_say_where_what_and_what_was_meant),
           CHECK_TEST(an_empty_mapping_does_not_count_as_a_number), CHECK_TEST(another_version_of_yaml_is_refused),
           CHECK_TEST(a_tab_that_indents_is_named), CHECK_TEST(misspelt_variables_are_warned_of),
           CHECK_TEST(docker_host_that_loses_is_warned_of), CHECK_TEST(uploads_to_one_container_may_be_unpacked),
           CHECK_TEST(paths_of_our_own_differ_as_they_arrive), CHECK_TEST(a_signed_policy_is_not_compiled_unseen),
           CHECK_TEST(a_key_that_is_let_through_explains_nothing), CHECK_TEST(all_problems_are_reported_in_one_go),
           CHECK_TEST(trust_roots_count_only_while_trust_is_on), CHECK_TEST(scalars_are_what_the_dialect_says),
           CHECK_TEST(durations_have_units), CHECK_TEST(the_environment_beats_the_file_and_names_itself),
           CHECK_TEST(a_variable_that_names_a_block_changes_nothing),
           CHECK_TEST(list_entries_start_from_zero_not_from_defaults), CHECK_TEST(merge_keys_yield_to_what_is_written),
           CHECK_TEST(an_alias_bomb_is_refused), CHECK_TEST(an_image_reads_back_and_a_damaged_one_does_not),
           CHECK_TEST(the_index_decides_as_a_scan_of_the_rules_would),
           CHECK_TEST(rules_for_what_nobody_can_inspect_need_an_acknowledgment),
           CHECK_TEST(the_first_rule_wins_across_buckets), CHECK_TEST(a_reload_names_what_it_may_not_change),
           CHECK_TEST(equal_configurations_have_equal_sums),
           CHECK_TEST(section_variables_replace_the_default_rules_only))
