/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "policy/load.h"

/* The rule whose pattern a warning quotes, "-" when there is none. */
static const char *warned(const char *options, const char *rules) {
        static char found[64];
        static char text[2048];
        struct config_source source = { .path = "t.yaml", .from_memory = true, .overlay = true, .sections = true };
        const struct problems *list;
        struct config *c = NULL;

        snprintf(text, sizeof(text), "listen: {socket: /tmp/s}\n%s\nrules: [%s]\n", options, rules);
        source.text = slice_of(text);
        config_load(&source, &c);
        config_check(c);
        snprintf(found, sizeof(found), "-");
        list = config_problems(c);
        for (size_t i = 0; i < list->n; i++) {
                _cleanup_strbuf_ struct strbuf line = { 0 };
                const char *quote;

                strbuf_init(&line, 4096);
                problem_format(list->at + i, &line);
                strbuf_addc(&line, '\0');
                if (list->at[i].warning && strstr(line.at, "lets some of") && (quote = strchr(line.at, '"')) &&
                    strcmp(found, "-") == 0)
                        snprintf(found, sizeof(found), "%.*s", (int) strcspn(quote + 1, "\""), quote + 1);
        }
        config_free(c);
        return found;
}

#define ALLOW(path) "{match: {method: GET, path: \"" path "\"}, action: allow}"
#define POST(path) "{match: {method: POST, path: \"" path "\"}, action: allow}"
#define DENY(path) "{match: {method: \"*\", path: \"" path "\"}, action: deny}"

static void rules_that_reach_reads_by_some_names_are_warned_of(void) {
        static const struct {
                const char *rules, *want;
        } rows[] = {
                { ALLOW("/containers/web/logs"), "/containers/web/logs" },
                { ALLOW("/containers/web/**"), "/containers/web/**" },
                { ALLOW("/containers/w*b/export"), "/containers/w*b/export" },
                { ALLOW("/images/a/b/get"), "/images/a/b/get" },
                { ALLOW("/services/x*/l*"), "/services/x*/l*" },
                { ALLOW("/containers/json") "," ALLOW("/images/json") "," ALLOW("/_ping"), "-" },
                { ALLOW("/containers/*/json"), "-" },
                { ALLOW("/containers/web/attach"), "-" },
                { ALLOW("/images/**/json"), "-" },
                { DENY("/containers/*/logs") "," ALLOW("/containers/web/logs"), "-" },
                { DENY("/containers/db/logs") "," ALLOW("/containers/web/logs"), "/containers/web/logs" },
                { "{match: {method: POST, path: /containers/web/logs}, action: deny}," ALLOW("/containers/web/logs"),
                  "/containers/web/logs" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const char *got = warned("", rows[i].rules);

                if (strcmp(got, rows[i].want))
                        fprintf(stderr, "%s\n", rows[i].rules);
                CHECK_STR(slice_of(got), rows[i].want);
        }
}

static void rules_that_reach_writes_that_nothing_judges_are_warned_of(void) {
        static const struct {
                const char *options, *rules, *want;
        } rows[] = {
                { "", POST("/containers/web/exec"), "/containers/web/exec" },
                { "", DENY("/containers/sockguard-test/exec") "," POST("/containers/*/exec"), "/containers/*/exec" },
                { "request_body: {exec: {allowed_commands: [[id]]}}", POST("/containers/web/exec"), "-" },
                { "insecure_allow_body_blind_writes: true", POST("/containers/web/exec"), "-" },
                { "", POST("/exec/abc*/start"), "/exec/abc*/start" },
                { "", POST("/plugins/vieux/sshfs/set"), "/plugins/vieux/sshfs/set" },
                { "request_body: {plugin: {allowed_set_env_prefixes: [A=]}}", POST("/plugins/vieux/sshfs/set"), "-" },
                { "", "{match: {method: PUT, path: /libpod/manifests/mine}, action: allow}", "/libpod/manifests/mine" },
                { "", POST("/moby.buildkit.v1.Control/Prune"), "/moby.buildkit.v1.Control/Prune" },
                { "insecure_accept_opaque_buildkit_tunnels: true", POST("/moby.buildkit.v1.Control/Prune"), "-" },
                { "", POST("/containers/create"), "-" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const char *got = warned(rows[i].options, rows[i].rules);

                if (strcmp(got, rows[i].want))
                        fprintf(stderr, "%s\n", rows[i].rules);
                CHECK_STR(slice_of(got), rows[i].want);
        }
}

CHECK_MAIN(CHECK_TEST(rules_that_reach_reads_by_some_names_are_warned_of),
           CHECK_TEST(rules_that_reach_writes_that_nothing_judges_are_warned_of))
