/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/load.h"
#include "policy/rules.h"
#include "tests/fuzz/fuzz.h"

/*
 * A configuration from a stranger, as an admin candidate is one: it is loaded, checked and compiled without any file,
 * and what compiles must be an image that its own reader takes and that decides. Lines "NAME=VALUE" in front, up to a
 * line "...", are the environment of a start; without such a line there is none.
 */

#define VARIABLES_MAX 16

/* Cuts the environment off; its texts live in `copy`. */
static struct slice take_environment(struct slice text, char *copy, char **ret_environment) {
        size_t n = 0;
        char *end;

        memcpy(copy, text.at, text.len);
        copy[text.len] = 0;
        end = strstr(copy, "\n...\n");
        if (!end)
                return text;
        *end = 0;
        for (char *line = strtok(copy, "\n"); line && n < VARIABLES_MAX; line = strtok(NULL, "\n"))
                if (strchr(line, '='))
                        ret_environment[n++] = line;
        return slice_from(text, (size_t) (end - copy) + 5);
}

static void look_at(struct config *c) {
        struct strbuf out;

        strbuf_init(&out, 1u << 24);
        problems_format_json(config_problems(c), &out);
        for (size_t i = 0; i < config_problems(c)->n; i++)
                problem_format(config_problems(c)->at + i, &out);
        strbuf_free(&out);
}

static void decide(struct slice image) {
        static const char *const paths[] = { "/containers/a/json", "/", "", "/v1.45/a//b", "/images/a/b/c/json" };
        struct rule_verdict v;
        struct policy p;

        FUZZ_ASSERT(policy_image_view(image.at, image.len, &p, NULL) == 0);
        for (uint32_t scope = 0; scope < policy_n_scopes(&p); scope++)
                for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                        policy_decide(&p, scope, i & 1 ? HTTP_POST : HTTP_GET, i & 1 ? SLICE("POST") : SLICE("GET"),
                                      slice_of(paths[i]), &v);
                        FUZZ_ASSERT(v.rule >= -1);
                }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *copy = malloc(size + 1), *environment[VARIABLES_MAX + 1] = { NULL };
        struct config_source source = {
                .path = "candidate", .from_memory = true, .no_files = true, .allow_unknown_keys = size & 1
        };
        struct config *c = NULL, *again = NULL;
        struct strbuf names;
        struct slice image;
        int r;

        if (!copy)
                return 0;
        source.text = take_environment(slice_make((const char *) data, size), copy, environment);
        source.environment = environment;
        source.overlay = source.sections = environment[0] != NULL;
        r = config_load(&source, &c);
        FUZZ_ASSERT(c != NULL && (r == 0 || r == -EBADMSG));
        FUZZ_ASSERT((r == 0) == (config_problems(c)->n_errors == 0));
        if (r == 0) {
                /* what is read twice is the same twice */
                FUZZ_ASSERT(config_load(&source, &again) == 0);
                strbuf_init(&names, 1u << 16);
                FUZZ_ASSERT(config_diff(c, again, &names) == 0);
                strbuf_free(&names);
                config_free(again);
        }
        r = config_check(c);
        FUZZ_ASSERT((r == 0) == (config_problems(c)->n_errors == 0));
        look_at(c);
        if (r == 0 && config_compile(c, 1, &image) == 0)
                decide(image);
        config_free(c);
        free(copy);
        return 0;
}
