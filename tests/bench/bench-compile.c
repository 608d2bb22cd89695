/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a large policy is compiled, and decided by: bench-compile CONFIG [ROUNDS]. Compares with what libyaml needs
 * to walk the same text, and with a ten-rule policy. Best of ROUNDS, in microseconds; decisions in nanoseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/clock.h"
#include "policy/load.h"
#include "policy/rules.h"

static struct slice text;

static uint64_t time_parse(void) {
        uint64_t from = now_ns();
        yaml_parser_t p;
        yaml_event_t e;
        bool end = false;

        if (!yaml_parser_initialize(&p))
                abort();
        yaml_parser_set_input_string(&p, (const unsigned char *) text.at, text.len);
        while (!end) {
                if (!yaml_parser_parse(&p, &e))
                        abort();
                end = e.type == YAML_STREAM_END_EVENT;
                yaml_event_delete(&e);
        }
        yaml_parser_delete(&p);
        return now_ns() - from;
}

static struct config *compile(struct slice t, struct slice *ret_image) {
        struct config_source source = { .path = "bench", .from_memory = true, .text = t };
        struct config *c;

        if (config_load(&source, &c) < 0 || config_check(c) < 0 || config_compile(c, 0, ret_image) < 0)
                abort();
        return c;
}

static uint64_t time_compile(struct slice *ret_image) {
        uint64_t from = now_ns(), took;
        struct config *c = compile(text, ret_image);

        took = now_ns() - from;
        config_free(c);
        return took;
}

/* Mean of many decisions on paths that hit early, late and nowhere. */
static uint64_t time_decide(const struct policy *p) {
        static const char *const paths[] = { "/_ping", "/containers/c999/json", "/containers/x/json", "/images/json",
                                             "/volumes/a/b/c/d" };
        uint64_t from = now_ns();
        unsigned n = 0;

        for (unsigned round = 0; round < 2000; round++)
                for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++, n++) {
                        struct rule_verdict v;

                        policy_decide(p, POLICY_SCOPE_ROOT, HTTP_GET, SLICE("GET"), slice_of(paths[i]), &v);
                }
        return (now_ns() - from) / n;
}

static void read_all(const char *path) {
        FILE *f = fopen(path, "rbe");
        char *at = malloc(CONFIG_TEXT_MAX);

        if (!f || !at)
                abort();
        text = slice_make(at, fread(at, 1, CONFIG_TEXT_MAX, f));
        fclose(f);
}

static uint64_t best(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

int main(int argc, char **argv) {
        static const char ten[] = "rules:\n"
                                  "- {match: {method: GET, path: /_ping}, action: allow}\n- {match: {method: GET, "
                                  "path: /version}, action: allow}\n"
                                  "- {match: {method: GET, path: /containers/c1/json}, action: allow}\n"
                                  "- {match: {method: GET, path: /containers/c2/*}, action: allow}\n"
                                  "- {match: {method: GET, path: /containers/*/top}, action: allow}\n"
                                  "- {match: {method: GET, path: /images/*/json}, action: allow}\n"
                                  "- {match: {method: GET, path: /networks/**}, action: allow}\n"
                                  "- {match: {method: GET, path: /volumes}, action: allow}\n- {match: {method: GET, "
                                  "path: /info}, action: allow}\n"
                                  "- {match: {method: '*', path: /**}, action: deny}\n";
        uint64_t parse = UINT64_MAX, whole = UINT64_MAX, large = UINT64_MAX, small = UINT64_MAX;
        int rounds = argc > 2 ? atoi(argv[2]) : 20;
        struct config *a, *b;
        struct slice image, image_ten;
        struct policy p, q;

        if (argc < 2)
                return 2;
        read_all(argv[1]);
        a = compile(text, &image);
        b = compile(slice_of(ten), &image_ten);
        if (policy_image_view(image.at, image.len, &p, NULL) < 0 ||
            policy_image_view(image_ten.at, image_ten.len, &q, NULL) < 0)
                abort();
        for (int i = 0; i < rounds; i++) {
                struct slice ignored;

                parse = best(parse, time_parse());
                whole = best(whole, time_compile(&ignored));
                large = best(large, time_decide(&p));
                small = best(small, time_decide(&q));
        }
        printf("text %zu bytes, image %zu bytes, ten-rule image %zu bytes\n", text.len, image.len, image_ten.len);
        printf("bare parse    %8.1f us\ncompile       %8.1f us  %.2fx of the parse\n", (double) parse / 1e3,
               (double) whole / 1e3, (double) whole / (double) parse);
        printf("decide, ten   %8llu ns\ndecide, large %8llu ns  %.2fx of ten rules\n", (unsigned long long) small,
               (unsigned long long) large, (double) large / (double) small);
        config_free(a);
        config_free(b);
        return 0;
}
