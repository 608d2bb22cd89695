/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "policy/load.h"

/* The rule whose pattern a warning of reads quotes, "-" when there is none. */
static const char *warned(const char *rules) {
        static char found[64];
        static char text[2048];
        struct config_source source = { .path = "t.yaml", .from_memory = true, .overlay = true, .sections = true };
        const struct problems *list;
        struct config *c = NULL;

        snprintf(text, sizeof(text), "listen: {socket: /tmp/s}\nrules: [%s]\n", rules);
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
                if (list->at[i].warning && strstr(line.at, "lets some of") && (quote = strchr(line.at, '"')) && strcmp(found, "-") == 0)
                        snprintf(found, sizeof(found), "%.*s", (int) strcspn(quote + 1, "\""), quote + 1);
        }
        config_free(c);
        return found;
}

#define ALLOW(path) "{match: {method: GET, path: \"" path "\"}, action: allow}"
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
                { "{match: {method: POST, path: /containers/web/logs}, action: deny}," ALLOW("/containers/web/logs"), "/containers/web/logs" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const char *got = warned(rows[i].rules);

                if (strcmp(got, rows[i].want))
                        fprintf(stderr, "%s\n", rows[i].rules);
                CHECK_STR(slice_of(got), rows[i].want);
        }
}

CHECK_MAIN(CHECK_TEST(rules_that_reach_reads_by_some_names_are_warned_of))
