/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/migrate.h"
#include "policy/load.h"
#include "policy/rules.h"
#include "tests/unit/check.h"

static struct arena arena;

/* ---- expressions ---- */

/* The patterns, joined with blanks; "!" and the reason when there are none. */
static struct slice globs(const char *regex) {
        struct migrate_globs g;
        const char *why = "";
        struct strbuf b;
        struct slice s;

        if (migrate_regex(slice_of(regex), &arena, &g, &why) < 0)
                return arena_printf(&arena, "!%s", why);
        strbuf_init(&b, 64 * 1024);
        for (size_t i = 0; i < g.n; i++) {
                if (i > 0)
                        strbuf_addc(&b, ' ');
                strbuf_add(&b, g.at[i]);
        }
        if (g.wider)
                strbuf_adds(&b, " ~");
        s = arena_dup(&arena, strbuf_view(&b));
        strbuf_free(&b);
        return s;
}

static void expressions_become_patterns_without_their_api_version(void) {
        static const char *const rows[][2] = {
                { "/v1\\..{1,2}/(version|containers/.*|events.*)", "/version /containers/** /events**" },
                { ".*", "/**" },
                { "/.*", "/**" },
                { "/v1.*", "/**" },
                { "^/_ping$", "/_ping" },
                { "(/v[\\d.]+)?/containers/json", "/containers/json" },
                { "/v1.24/info", "/info" },
                { "/v1\\.[0-9]{2}/networks(/.*)?", "/networks/**" },
                { "/containers/[^/]+/(start|stop)", "/containers/*/start /containers/*/stop" },
                { "/containers/[a-zA-Z0-9_.-]+/json", "/containers/*/json ~" },
                { "/containers/.*/json", "/containers/*/**/json" },
                { "/(?:images|volumes)", "/images /volumes" },
                { "/(?P<kind>images)", "/images" },
                { "/a[bc]", "/ab /ac" },
                { "/ab?c", "/ac /abc" },
                { "/a{2}", "/aa" },
                { "/a|/b", "/a /b" },
                { "version", "" },
                { "", "" },
                { "/version", "/version" },
                { "/volumes/x", "/volumes/x" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct slice got = globs(rows[i][0]);

                if (!slice_eq(got, slice_of(rows[i][1])))
                        fprintf(stderr, "%s\n", rows[i][0]);
                CHECK_STR(got, rows[i][1]);
        }
}

static void what_a_pattern_cannot_say_is_refused_and_never_guessed(void) {
        static const char *const rows[] = {
                "/a(bc)*", "/a+",          "(?i)/a",   "/a\\b",
                "/a\\1",   "(?=x)",        "(?<=x)y>", "(?<!x)y>",
                "/(a",     "/a)",          "/[a",      "/a\\",
                "*",       "/[[:alpha:]]", "/a^b",     "/a$b",
                "/100%",   "/a\\*",        "/[z-a]",   "/((((a|b)(a|b))((a|b)(a|b)))(((a|b)(a|b))((a|b)(a|b)))(a|b))",
                "/a{9}",   "/[]",          "/[^",
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct slice got = globs(rows[i]);

                if (got.len == 0 || got.at[0] != '!')
                        fprintf(stderr, "%s gave %.*s\n", rows[i], SLICE_ARG(got));
                CHECK(got.len > 1 && got.at[0] == '!');
        }
}

/* ---- whole policies ---- */

struct migrated {
        struct strbuf text, warnings;
        struct config *config;
        int result;
        struct error e;
};

static void migrate(struct migrated *m, const char *const *environment, const char *const *flags) {
        struct config_source source = { .path = "migrated", .from_memory = true };
        struct slice env[16], flag[16];
        struct migrate_input in = { .origin = SLICE("a test"), .environment = env, .flags = flag };

        for (; environment && environment[in.n_environment]; in.n_environment++)
                env[in.n_environment] = slice_of(environment[in.n_environment]);
        for (; flags && flags[in.n_flags]; in.n_flags++)
                flag[in.n_flags] = slice_of(flags[in.n_flags]);
        *m = (struct migrated){ 0 };
        strbuf_init(&m->text, 1024 * 1024);
        strbuf_init(&m->warnings, 1024 * 1024);
        m->result = migrate_write(&in, &arena, &m->text, &m->warnings, &m->e);
        if (m->result < 0)
                return;
        source.text = strbuf_view(&m->text);
        CHECK_INT(config_load(&source, &m->config), 0);
        CHECK_INT(config_check(m->config), 0);
}

static void done(struct migrated *m) {
        config_free(m->config);
        strbuf_free(&m->text);
        strbuf_free(&m->warnings);
}

static bool admits(const struct migrated *m, const char *method, const char *path) {
        struct rule_verdict v;

        policy_decide(config_policy(m->config), POLICY_SCOPE_ROOT, http_method_of(slice_of(method)), slice_of(method),
                      slice_of(path), &v);
        return v.allow;
}

static bool says(const struct migrated *m, const char *text) {
        return memmem(m->text.at, m->text.len, text, strlen(text)) != NULL;
}

static void section_variables_become_the_rules_they_stood_for(void) {
        struct migrated m;

        migrate(&m,
                (const char *const[]){ "CONTAINERS=1", "ALLOW_START=1", "EVENTS=0", "LOG_LEVEL=notice",
                                       "SOCKET_PATH=/run/d.sock", NULL },
                NULL);
        CHECK_INT(m.result, 0);
        CHECK(admits(&m, "GET", "/containers/json") && admits(&m, "HEAD", "/_ping") &&
              admits(&m, "POST", "/containers/x/start"));
        CHECK(!admits(&m, "POST", "/containers/create") && !admits(&m, "GET", "/events") &&
              !admits(&m, "GET", "/images/json"));
        CHECK(says(&m, "level: info") && says(&m, "socket: \"/run/d.sock\""));
        CHECK(says(&m, "\ninsecure_allow_read_exfiltration: true\n"));
        CHECK(!says(&m, "insecure_allow_body_blind_writes") && !says(&m, "opaque"));
        CHECK(says(&m, "GET /containers/c/archive reads any file"));
        CHECK(!says(&m, "POST /containers/create could"));
        done(&m);
}

static void no_more_is_acknowledged_than_the_guards_ask_for(void) {
        struct migrated m;

        migrate(&m, (const char *const[]){ "PING=1", "VERSION=yes", NULL }, NULL);
        CHECK(!says(&m, "insecure_"));
        done(&m);
        migrate(&m, (const char *const[]){ "CONTAINERS=1", "EXEC=1", "POST=1", "SESSION=1", NULL }, NULL);
        CHECK(says(&m, "insecure_allow_body_blind_writes: true") && says(&m, "insecure_allow_read_exfiltration: true"));
        CHECK(says(&m, "insecure_accept_opaque_buildkit_tunnels: true"));
        CHECK(says(&m, "POST /containers/create could ask for privileged"));
        done(&m);
}

static void flags_become_rules_and_settings(void) {
        struct migrated m;

        migrate(&m, NULL,
                (const char *const[]){ "-allowGET=/v1\\..{1,2}/(version|containers/.*|events.*)", "-allowHEAD=/_ping",
                                       "-allowfrom=10.0.0.0/8,192.168.1.5", "-listenip=0.0.0.0", "-loglevel=DEBUG",
                                       "-logjson", "-allowbindmountfrom=/var/log,/tmp", "-watchdoginterval=3600",
                                       "-allowPOST", "/v1\\..{1,2}/containers/create", NULL });
        CHECK_INT(m.result, 0);
        CHECK(admits(&m, "GET", "/containers/x/json") && admits(&m, "GET", "/events") && admits(&m, "HEAD", "/_ping"));
        CHECK(admits(&m, "POST", "/containers/create"));
        CHECK(!admits(&m, "GET", "/images/json") && !admits(&m, "POST", "/containers/x/start"));
        CHECK(says(&m, "allowed_cidrs: [\"10.0.0.0/8\", \"192.168.1.5/32\"]"));
        CHECK(says(&m, "address: \"0.0.0.0:2375\"") && says(&m, "insecure_allow_plain_tcp: true"));
        CHECK(says(&m, "level: debug\n  format: json"));
        CHECK(says(&m, "  container_create:\n    allowed_bind_mounts: [\"/var/log\", \"/tmp\"]"));
        CHECK(says(&m, "interval: 3600s"));
        done(&m);
}

static void variables_of_the_same_proxy_are_read_and_flags_win(void) {
        struct migrated m;

        migrate(&m,
                (const char *const[]){ "SP_ALLOW_GET=/version", "SP_ALLOW_GET_2=/_ping", "SP_ALLOW_HEAD=.*",
                                       "SP_PROXYSOCKETENDPOINT=/tmp/f.sock", NULL },
                (const char *const[]){ "-allowHEAD=/_ping", NULL });
        CHECK_INT(m.result, 0);
        CHECK(admits(&m, "GET", "/version") && admits(&m, "GET", "/_ping") && admits(&m, "HEAD", "/_ping") &&
              !admits(&m, "HEAD", "/version"));
        CHECK(says(&m, "socket: \"/tmp/f.sock\"") && !says(&m, "allowed_cidrs"));
        done(&m);
}

static void what_cannot_be_carried_over_stays_closed_and_is_told(void) {
        struct migrated m;

        migrate(&m, NULL,
                (const char *const[]){ "-allowGET=(?i)/INFO", "-allowHEAD=/_ping", "-allowfrom=traefik",
                                       "-frobnicate=1", NULL });
        CHECK_INT(m.result, 3);
        CHECK(!admits(&m, "GET", "/info"));
        CHECK(says(&m, "LEFT CLOSED: GET (?i)/INFO"));
        CHECK(says(&m, "allowed_cidrs: [\"127.0.0.1/32\"]"));
        CHECK(memmem(m.warnings.at, m.warnings.len, "traefik", 7) != NULL);
        done(&m);
}

static void labels_that_open_more_than_the_flags_are_said_to(void) {
        struct migrate_label label = { SLICE("dozzle"), SLICE("socket-proxy.allow.get.1"),
                                       SLICE("/v1\\..*/containers/.*") };
        struct slice flag = SLICE("-allowGET=/_ping");
        struct migrate_input in = { .from = MIGRATE_WOLLOMATIC,
                                    .origin = SLICE("x"),
                                    .flags = &flag,
                                    .n_flags = 1,
                                    .labels = &label,
                                    .n_labels = 1 };
        struct strbuf out, warnings;
        struct error e;

        strbuf_init(&out, 1024 * 1024);
        strbuf_init(&warnings, 1024 * 1024);
        CHECK_INT(migrate_write(&in, &arena, &out, &warnings, &e), 1);
        CHECK(memmem(out.at, out.len, "WIDER THAN BEFORE", 17) != NULL);
        CHECK(memmem(out.at, out.len, "com.sockguard.allow.GET: \"/containers/**\"", 40) != NULL);
        CHECK(memmem(out.at, out.len, "container_labels:\n    enabled: true", 35) != NULL);
        strbuf_free(&out);
        strbuf_free(&warnings);
}

static void hostile_values_stay_inside_their_quotes_and_comments(void) {
        struct migrated m;

        migrate(&m, NULL,
                (const char *const[]){ "-allowGET=/a\"\nrules: []", "-socketpath=/run/x\"\n  y: z",
                                       "-allowfrom=\x01\nlisten: {}", NULL });
        CHECK(m.result >= 0);
        CHECK(!says(&m, "\nlisten: {}") && !says(&m, "\nrules: []") && !says(&m, "\n  y: z"));
        done(&m);
}

static void nothing_to_migrate_is_an_error(void) {
        struct migrated m;

        migrate(&m, (const char *const[]){ "TZ=UTC", NULL }, NULL);
        CHECK(m.result < 0 && m.e.text[0] != '\0');
        done(&m);
}

int main(void) {
        static const struct check_test tests[] = {
                CHECK_TEST(expressions_become_patterns_without_their_api_version),
                CHECK_TEST(what_a_pattern_cannot_say_is_refused_and_never_guessed),
                CHECK_TEST(section_variables_become_the_rules_they_stood_for),
                CHECK_TEST(no_more_is_acknowledged_than_the_guards_ask_for),
                CHECK_TEST(flags_become_rules_and_settings),
                CHECK_TEST(variables_of_the_same_proxy_are_read_and_flags_win),
                CHECK_TEST(what_cannot_be_carried_over_stays_closed_and_is_told),
                CHECK_TEST(labels_that_open_more_than_the_flags_are_said_to),
                CHECK_TEST(hostile_values_stay_inside_their_quotes_and_comments),
                CHECK_TEST(nothing_to_migrate_is_an_error),
        };
        int r;

        arena_init(&arena, 64 * 1024 * 1024, NULL);
        r = check_run_(tests, sizeof(tests) / sizeof(tests[0]));
        arena_free(&arena);
        return r;
}
