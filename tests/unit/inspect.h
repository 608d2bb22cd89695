/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TESTS_INSPECT_H
#define SOCKGUARD_TESTS_INSPECT_H

#include "check.h"
#include "inspect/inspect.h"
#include "policy/load.h"

/* Inspectors are pure: a policy text, a request, a result. No socket, no filter. */
struct judge {
        struct config *config;
        struct policy policy;
        struct arena arena;
        struct inspect_result result;
};

static struct judge judge_;

/* `text` is what stands in the configuration besides a listener and rules. Exits when it is refused: the test is wrong
 * then. */
static void judge_policy(const char *text) {
        static char whole[65536];
        struct config_source source = { .path = "test", .from_memory = true };
        struct slice image;
        struct error e = { "" };

        snprintf(whole, sizeof(whole),
                 "listen: {socket: /run/x, socket_mode: \"0600\"}\ninsecure_allow_read_exfiltration: true\n"
                 "rules:\n  - {match: {method: GET, path: /_ping}, action: allow}\n%s\n",
                 text);
        config_free(judge_.config);
        arena_free(&judge_.arena);
        arena_init(&judge_.arena, 64u << 20, NULL);
        source.text = slice_of(whole);
        if (config_load(&source, &judge_.config) < 0 || config_check(judge_.config) < 0 ||
            config_compile(judge_.config, 1, &image) < 0 ||
            policy_image_view(image.at, image.len, &judge_.policy, &e) < 0) {
                fprintf(stderr, "this policy is refused (%s):\n%s\n", e.text, whole);
                exit(1);
        }
}

static struct inspect_input judge_input(enum http_method method, const char *path, struct slice body) {
        static const struct http_query no_query;
        static struct http_head head;

        head = (struct http_head){ .method = method,
                                   .framing = body.len ? HTTP_BODY_LENGTH : HTTP_BODY_NONE,
                                   .content_length = body.len };
        return (struct inspect_input){
                .policy = &judge_.policy,
                .options = policy_request_body(&judge_.policy, POLICY_SCOPE_ROOT),
                .blind_writes = judge_.policy.root->insecure_allow_body_blind_writes,
                .method = method,
                .path = slice_of(path),
                .query = &no_query,
                .head = &head,
                .body = body,
                .arena = &judge_.arena,
        };
}

static inline enum inspect_outcome judge_request(enum http_method method, const char *path, struct slice body) {
        const struct inspector *row = inspect_find(method, slice_of(path));
        struct inspect_input in = judge_input(method, path, body);

        judge_.result = (struct inspect_result){ .outcome = INSPECT_PASS };
        if (!row) {
                fprintf(stderr, "no inspector for %s\n", path);
                exit(1);
        }
        inspect_run(row, &in, &judge_.result);
        return judge_.result.outcome;
}

/* The JSON pointer that is denied; "ok" when nothing is; "failed" and the like otherwise. Single quotes stand for
 * double ones. */
static inline const char *judge_body(enum http_method method, const char *path, const char *body) {
        static char text[65536], answer[256];
        size_t n = 0;

        for (; body[n] && n < sizeof(text); n++)
                text[n] = body[n] == '\'' ? '"' : body[n];
        switch (judge_request(method, path, slice_make(text, n))) {
        case INSPECT_PASS:
                return "ok";
        case INSPECT_DENY:
                snprintf(answer, sizeof(answer), "%.*s", SLICE_ARG(judge_.result.pointer));
                return answer;
        default:
                return "failed";
        }
}

struct judge_row {
        const char *policy; /* NULL: as the row before */
        const char *body;
        const char *want; /* as judge_body() */
};

static inline void judge_rows(enum http_method method, const char *path, const struct judge_row *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const char *got;

                if (rows[i].policy)
                        judge_policy(rows[i].policy);
                got = judge_body(method, path, rows[i].body);
                if (strcmp(got, rows[i].want) != 0) {
                        fprintf(stderr, "%s\n  is denied at \"%s\" (%.*s), want \"%s\"\n", rows[i].body, got,
                                SLICE_ARG(judge_.result.reason), rows[i].want);
                        check_failures_++;
                }
        }
}

#define JUDGE(method, path, rows) judge_rows((method), (path), (rows), sizeof(rows) / sizeof((rows)[0]))

#endif
