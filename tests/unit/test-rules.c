/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "policy/glob.h"
#include "policy/load.h"
#include "policy/rules.h"

#define RULES 12

static uint32_t state = 1;

static uint32_t random_below(uint32_t n) {
        state = state * 1664525u + 1013904223u;
        return (state >> 8) % n;
}

/* A pattern or path of up to seven pieces. */
static void random_text(char *out, size_t size, const char *const *pieces, uint32_t n) {
        size_t len = 0;

        out[0] = 0;
        for (uint32_t i = random_below(7) + 1; i > 0; i--)
                len += (size_t) snprintf(out + len, size - len, "%s", pieces[random_below(n)]);
}

/* The index finds the rule that a look at every rule in turn would find. */
static void the_index_decides_as_the_rules_in_order_do(void) {
        static const char *const in_patterns[] = { "/", "/",  "/a",  "/b", "a",    "b",
                                                   "*", "/*", "/**", "**", "/a/*", "/b/**" };
        static const char *const in_paths[] = { "/a", "/b", "/", "a", "b", "/ab", "/a/b" };
        unsigned allowed = 0, denied = 0, none = 0;

        for (unsigned round = 0; round < 400; round++) {
                char patterns[RULES][64], text[4096];
                size_t n = (size_t) snprintf(
                        text, sizeof(text),
                        "insecure_allow_read_exfiltration: true\ninsecure_allow_body_blind_writes: true\n"
                        "insecure_accept_opaque_buildkit_tunnels: true\nrules:\n");
                struct config_source source = { .path = "t.yaml", .from_memory = true };
                struct config *c = NULL;
                struct slice image;
                struct policy p;

                for (unsigned i = 0; i < RULES; i++) {
                        random_text(patterns[i], sizeof(patterns[i]), in_patterns,
                                    sizeof(in_patterns) / sizeof(in_patterns[0]));
                        n += (size_t) snprintf(text + n, sizeof(text) - n,
                                               "  - {match: {method: GET, path: \"%s\"}, action: %s}\n", patterns[i],
                                               i % 3 ? "deny" : "allow");
                }
                source.text = slice_of(text);
                CHECK_INT(config_load(&source, &c), 0);
                CHECK_INT(config_check(c), 0);
                CHECK_INT(config_compile(c, 1, &image), 0);
                CHECK_INT(policy_image_view(image.at, image.len, &p, NULL), 0);
                for (unsigned k = 0; k < 100; k++) {
                        struct rule_verdict v;
                        char path[64];
                        int want = -1;

                        random_text(path, sizeof(path), in_paths, sizeof(in_paths) / sizeof(in_paths[0]));
                        for (int i = 0; i < RULES && want < 0; i++)
                                if (glob_match_rule(slice_of(patterns[i]), slice_of(path)))
                                        want = i;
                        policy_decide(&p, POLICY_SCOPE_ROOT, HTTP_GET, SLICE("GET"), slice_of(path), &v);
                        if (v.rule != want)
                                fprintf(stderr, "%s: rule %d, want %d (%s)\n", path, v.rule, want,
                                        want < 0 ? "none" : patterns[want]);
                        CHECK_INT(v.rule, want);
                        CHECK_INT(v.allow, want >= 0 && want % 3 == 0);
                        *(want < 0 ? &none : v.allow ? &allowed : &denied) += 1;
                }
                config_free(c);
        }
        CHECK(allowed > 1000 && denied > 1000 && none > 1000);
}

CHECK_MAIN(CHECK_TEST(the_index_decides_as_the_rules_in_order_do))
