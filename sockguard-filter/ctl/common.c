/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/common.h"

#include <unistd.h>

struct config_source ctl_source(const struct verb_args *args, bool allow_unknown_keys) {
        return (struct config_source) {
                .path = args->config,
                .path_given = args->config_given,
                .environment = environ,
                .overlay = true,
                .sections = true,
                .bundle_verified = true, /* most verbs only look at a policy */
                .allow_unknown_keys = allow_unknown_keys,
        };
}

void ctl_print_problems(FILE *out, const struct problems *list, bool errors_too, const char *prefix) {
        struct strbuf line;

        strbuf_init(&line, 16384);
        for (size_t i = 0; i < list->n; i++) {
                if (!list->at[i].warning && !errors_too)
                        continue;
                strbuf_reset(&line);
                problem_format(list->at + i, &line);
                fprintf(out, "%s%.*s\n", prefix, SLICE_ARG(strbuf_view(&line)));
        }
        strbuf_free(&line);
}

void ctl_describe(const struct problems *list, struct strbuf *out) {
        if (list->n_errors > 1)
                strbuf_addf(out, "%zu problems:", list->n_errors);
        for (size_t i = 0; i < list->n; i++) {
                if (list->at[i].warning)
                        continue;
                if (list->n_errors > 1)
                        strbuf_adds(out, "\n  - ");
                problem_format(list->at + i, out);
        }
        if (list->n_errors > PROBLEMS_MAX)
                strbuf_addf(out, "\n  - and more");
}
