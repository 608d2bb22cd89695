/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/dockerfile.h"

#include <errno.h>

#include "check.h"

static enum dockerfile_verdict scan(struct slice text) {
        enum dockerfile_verdict v;
        struct arena a;

        arena_init(&a, 8u * 1024 * 1024, NULL);
        v = dockerfile_scan(text, &a);
        arena_free(&a);
        return v;
}

static void all_are(enum dockerfile_verdict want, const char *const *texts, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (scan(slice_of(texts[i])) != want) {
                        fprintf(stderr, "verdict %d, want %d, for:\n%s\n", scan(slice_of(texts[i])), want, texts[i]);
                        CHECK(false);
                }
}

#define ALL(want, ...) \
        do { \
                static const char *const texts_[] = { __VA_ARGS__ }; \
                all_are((want), texts_, sizeof(texts_) / sizeof(texts_[0])); \
        } while (0)

static void run_is_found_however_it_is_written(void) {
        ALL(DOCKERFILE_RUN, "FROM x\nRUN y\n", "from x\nrun y", "FROM x\r\nRUN y\r\n", "FROM x\n\v RUN\vy\n",
            "FROM x\n\xc2\xa0RUN y\n", "FROM x\nR\\\nUN y\n", "FROM x\nRUN\\\n y\n", "FROM x\nRUN \\\n\n y\n",
            "FROM x\nONBUILD RUN y\n", "FROM x\nONBUILD \\\n RUN y\n", "FROM x\nONBUILD ONBUILD RUN y\n",
            "FROM x\nONBUILD -- RUN y\n", "FROM x\nonbuild --x=\"a b\" run y\n", "\xef\xbb\xbfRUN y\n", "FROM x\nRUN",
            "FROM x\nRUN\t--mount=type=bind y");
}

static void readings_of_continuations_differ_and_all_are_tried(void) {
        ALL(DOCKERFILE_RUN, "FROM x\nR\\\n#c\nUN y\n", /* comments inside a continuation are dropped */
            "FROM x\nCOPY a b\\\\\nRUN y\n",           /* a doubled escape does not continue */
            "FROM x\nCOPY a b\\\v\nRUN y\n",           /* only SP and HTAB may follow the escape */
            "FROM x\nRUN\\\n echo\n",                  /* the indent of a continuation line stays */
            "# escape=`\nFROM x\nCOPY a c:\\\nRUN y\n", "# escape=`\nFROM x\nR`\nUN y\n",
            "#!/bin/x\n# escape=`\nFROM x\nR`\nUN y\n");
}

static void a_heredoc_hides_no_run(void) {
        ALL(DOCKERFILE_RUN, "FROM x\nCOPY <<'E\\' /x\nE\\\nRUN y\n", "FROM x\nCOPY <<E /x\nRUN\nE\n",
            "FROM x\nCOPY <<'E\\' /x\nE\\\nR\\\nUN y\n", "FROM x\nCOPY <<'E\\' /x\nE\\\nONBUILD ONBUILD \\\nRUN y\n");
}

static void a_file_without_run_is_clean(void) {
        ALL(DOCKERFILE_CLEAN, "", "FROM x\n", "FROM x\nCOPY a b\nENV RUN=1\nLABEL a=\"RUN\"\n", "FROM x\n# RUN y\n",
            "FROM x\nCOPY a \\\n  b\nCMD [\"x\"]\n", "FROM x\nRUN--mount\n", "FROM x\nCOPY <<E /x\nhello\nE\nCMD x\n",
            "FROM RUN\n", "# escape=`\nFROM x\nCOPY a c:\\\nCMD x\n",
            "FROM x\nENTRYPOINT [ \"sh\", \\\n \"-c\", \\\n \"RUN\" ]\n", "# syntax=\nFROM x\n",
            "FROM x\n# syntax=evil/x\n", "# no directive\n# syntax=x\nFROM x\n");
}

static void a_frontend_is_never_trusted(void) {
        ALL(DOCKERFILE_FRONTEND, "# syntax=evil/x\nFROM x\n", "#SYNTAX = evil/x\n", "\xef\xbb\xbf# syntax=evil/x\n",
            "#!x\n# syntax=evil/x\n", "# check=skip=all\n# syntax=evil/x\n", "//syntax=evil/x\n",
            "// syntax = evil/x\nFROM x\n", "{\"syntax\":\"evil/x\"}\n", " {\"a\":1}", "# escape=`\n# syntax=evil/x\n");
}

static void a_nul_is_refused(void) {
        CHECK_INT(scan(SLICE("FROM x\n\0RUN y\n")), DOCKERFILE_NUL);
}

/* Half a megabyte of continuation lines with a heredoc: quadratic for a naive reading. */
static void a_hostile_file_ends_in_bounded_work(void) {
        static char text[1024 * 1024];
        size_t n = 0;

        memcpy(text, "FROM x\nCOPY <<E /\n", 18);
        for (n = 18; n + 2 <= sizeof(text); n += 2)
                memcpy(text + n, "\\\n", 2);
        CHECK_INT(scan(slice_make(text, n)), DOCKERFILE_AMBIGUOUS);
        for (n = 18; n + 2 <= sizeof(text); n += 2)
                memcpy(text + n, " \n", 2);
        CHECK(scan(slice_make(text, n)) != DOCKERFILE_RUN);
}

static size_t n_lines;
static char lines[8][64];

static bool keep_line(void *arg, struct slice name, struct slice rest) {
        (void) arg;
        if (n_lines < 8)
                snprintf(lines[n_lines++], sizeof(lines[0]), "%.*s|%.*s", SLICE_ARG(name), SLICE_ARG(rest));
        return true;
}

/* Reads the text in its i-th way; the number of lines, or negative. */
static int read_in_way(const char *text, size_t i) {
        struct dockerfile_reading readings[DOCKERFILE_READINGS_MAX];
        struct arena a;
        int r;

        arena_init(&a, 1u << 20, NULL);
        n_lines = 0;
        CHECK(i < dockerfile_readings(slice_of(text), readings));
        r = dockerfile_each(slice_of(text), &readings[i], &a, keep_line, NULL);
        arena_free(&a);
        return r < 0 ? r : (int) n_lines;
}

static void a_heredoc_is_no_instruction_to_a_builder_that_knows_it(void) {
        static const char text[] = "FROM a\nCOPY <<E <<-'F G' /x\nFROM busybox AS evil\nE\nRUN \\\n\tF G\r\nFROM b\n";

        CHECK_INT(read_in_way(text, 0), 3);
        CHECK_STR(slice_of(lines[2]), "FROM| b");
        CHECK_INT(read_in_way(text, 1), 6);
        CHECK_STR(slice_of(lines[2]), "FROM| busybox AS evil");
        /* The document's name hides the line behind it from a reader that knows none. */
        CHECK_INT(read_in_way("FROM a\nCOPY <<'E\\' /x\nE\\\nFROM evil.io/x\n", 0), 3);
        CHECK_STR(slice_of(lines[2]), "FROM| evil.io/x");
        CHECK_INT(read_in_way("COPY <<E /x\nfoo\n", 0), -ENODATA);
        CHECK_INT(read_in_way("COPY <<${E:-F} /x\nE\nF\n", 0), -EBADMSG);
        CHECK_INT(read_in_way("COPY ${E} <<E /x\n$\nE\nFROM b\n", 0), 2);
        CHECK_INT(read_in_way("ENV a=<<E\nE\n", 0), 2);
        CHECK_INT(read_in_way("ONBUILD COPY 0<<\"E\" /x\nFROM a\nE\n", 0), 1);
        CHECK_INT(read_in_way("RUN echo 'x <<E'\nFROM b\n", 0), 2);
        CHECK_INT(read_in_way("RUN echo it's <<E\nFROM b\n", 0), 2); /* quotes without an end: no documents */
        CHECK_INT(read_in_way("# escape=`\nCOPY <<E` /x\nE`\nCOPY a `\n b\n", 0), 2);
}

static void a_raw_body_is_known_by_its_first_instruction(void) {
        CHECK(dockerfile_looks_like_one(SLICE("FROM x")));
        CHECK(dockerfile_looks_like_one(SLICE("\n# c\n  copy a b")));
        CHECK(dockerfile_looks_like_one(SLICE("\xef\xbb\xbf"
                                              "FROM x")));
        CHECK(!dockerfile_looks_like_one(SLICE("")));
        CHECK(!dockerfile_looks_like_one(SLICE("hello FROM")));
        CHECK(!dockerfile_looks_like_one(SLICE("ONBUILD COPY a b")));
}

CHECK_MAIN(CHECK_TEST(run_is_found_however_it_is_written),
           CHECK_TEST(readings_of_continuations_differ_and_all_are_tried), CHECK_TEST(a_heredoc_hides_no_run),
           CHECK_TEST(a_file_without_run_is_clean), CHECK_TEST(a_frontend_is_never_trusted),
           CHECK_TEST(a_nul_is_refused), CHECK_TEST(a_hostile_file_ends_in_bounded_work),
           CHECK_TEST(a_heredoc_is_no_instruction_to_a_builder_that_knows_it),
           CHECK_TEST(a_raw_body_is_known_by_its_first_instruction))
