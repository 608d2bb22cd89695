/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/inspect.h"

#include "inspect/build.h"

/* The images of a Dockerfile, with `|` between them; "denied" when some cannot be read. */
static const char *images_of(const char *build_args, const char *dockerfile) {
        struct inspect_input in = judge_input(HTTP_POST, "/build", SLICE(""));
        struct http_param param = { SLICE("buildargs"), slice_of(build_args) };
        struct http_query query = { .at = &param, .n = build_args ? 1 : 0 };
        struct inspect_result r = { .outcome = INSPECT_PASS };
        static char answer[512];
        size_t n = 0;

        in.query = &query;
        answer[0] = 0;
        build_judge_sources(&in, slice_of(dockerfile), &r);
        if (r.outcome != INSPECT_PASS)
                return "denied";
        for (size_t i = 0; i < r.n_images; i++)
                n += (size_t) snprintf(answer + n, sizeof(answer) - n, "%s%.*s", i ? "|" : "", SLICE_ARG(r.images[i]));
        return answer;
}

static void images_are_read_as_builders_read_them(void) {
        static const struct {
                const char *build_args, *dockerfile, *want;
        } rows[] = {
                { NULL, "FROM a\n", "a" },
                { NULL, "FROM --platform=linux/arm64 a:1 AS x\nFROM x\nFROM b", "a:1|b" },
                { NULL, "FROM scratch\nCOPY --from=0 / /\nCOPY --from=b / /\n", "b" },
                { NULL, "FROM a\nRUN --mount=type=bind,from=b,target=/x y\n", "a|b" },
                { NULL, "FROM a\nRUN --mount=type=bind,\"from=b\",target=/x y\n", "a|b" },
                { NULL, "FROM a\nRUN --mount='type=bind,\"from=b\"' y\n", "denied" },
                { NULL, "FROM a\nONBUILD COPY --from=b / /\n", "a|b" },
                /* quotes and backslashes: taken off in options, unclear in names */
                { NULL, "FROM a\nCOPY --fr\"om\"=b / /\n", "a|b" },
                { NULL, "FROM a\nCOPY --chown=\"x y\" --from=b / /\n", "a|b" },
                { NULL, "FROM a\nCOPY --chown='x --from=c' --from=b / /\n", "a|b" },
                { NULL, "FROM a\nCOPY --fr\\om=b / /\n", "a|b" },
                { NULL, "FROM --platform=\"a b\" c\n", "c" },
                { NULL, "FROM \"a\"\n", "denied" },
                { NULL, "FROM a\\b\n", "denied" },
                { NULL, "FROM 'a'\n", "denied" },
                /* variables */
                { NULL, "ARG B=a\nFROM $B\n", "a" },
                { NULL, "ARG B=a\nFROM ${B}:1\n", "a:1" },
                { NULL, "ARG A=a B=b\nFROM $A/${B}\n", "a/b" },
                { NULL, "ARG A=a\nARG B=$A:1\nFROM $B\n", "a:1" },
                { NULL, "ARG B\nFROM ${B:-a}\n", "a" },
                { NULL, "ARG B=\nFROM ${B:-a}\n", "a" },
                { NULL, "ARG B=x\nFROM a${B:+b}\n", "ab" },
                { NULL, "ARG B=x\nFROM ${B:-a}\n", "x" },
                { NULL, "ARG B=x\nARG B=y\nFROM $B\n", "y" },
                { NULL, "ARG B=x\nFROM a\nARG B=y\nFROM $B\n", "a|x" },
                { "{\"B\":\"y\"}", "ARG B=x\nFROM $B\n", "y" },
                { "{\"B\":\"y\"}", "ARG B\nFROM $B\n", "y" },
                { "{\"B\":null}", "ARG B=x\nFROM $B\n", "x" },
                { "{\"B\":\"$C\"}", "ARG C=z\nARG B=x\nFROM $B\n", "$C" },
                { NULL, "FROM $B\n", "denied" },
                { NULL, "ARG B\nFROM $B\n", "denied" },
                { "{\"B\":\"y\"}", "FROM $B\n", "denied" },
                { "[]", "ARG B=x\nFROM $B\n", "denied" },
                { "{\"B\":\"x\",\"B\":\"y\"}", "ARG B=x\nFROM $B\n", "denied" },
                { NULL, "ARG B='x'\nFROM $B\n", "denied" },
                { NULL, "ARG B=x\nFROM ${B#y}\n", "denied" },
                { NULL, "ARG B=x\nFROM ${B:-${B}}\n", "denied" },
                { NULL, "ARG B=x\nFROM $1\n", "denied" },
                { NULL, "FROM a\nARG B=b\nCOPY --from=$B / /\n", "denied" },
                { NULL,
                  "ARG A=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nARG "
                  "B=$A$A$A$A$A$A$A$A$A$A$A$A$A$A$A$A\n"
                  "ARG C=$B$B$B$B$B$B$B$B$B$B$B$B$B$B$B$B\nFROM $C\n",
                  "denied" },
        };

        judge_policy("ownership: {owner: alice}\nrequest_body: {build: {allow_run_instructions: true}}");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const char *got = images_of(rows[i].build_args, rows[i].dockerfile);

                if (strcmp(got, rows[i].want) != 0)
                        fprintf(stderr, "%s: %s, want %s\n", rows[i].dockerfile, got, rows[i].want);
                CHECK(strcmp(got, rows[i].want) == 0);
        }
}

static void registries_are_judged_with_variables_put_in(void) {
        judge_policy("request_body: {build: {restrict_images: true}, image_pull: {allow_official: false, "
                     "allowed_registries: [reg.example]}}");
        CHECK(strcmp(images_of(NULL, "ARG R=reg.example\nFROM $R/a\n"), "") == 0);
        CHECK(strcmp(images_of("{\"R\":\"evil.example\"}", "ARG R=reg.example\nFROM $R/a\n"), "denied") == 0);
        CHECK(strcmp(images_of(NULL, "FROM reg.example/a\nCOPY --fr\"om\"=evil.example/b / /\n"), "denied") == 0);
}

CHECK_MAIN(CHECK_TEST(images_are_read_as_builders_read_them), CHECK_TEST(registries_are_judged_with_variables_put_in))
