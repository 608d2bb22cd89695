/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/load.h"
#include "policy/rules.h"
#include "tests/fuzz/fuzz.h"

/*
 * A configuration from a stranger, as an admin candidate is one: it is loaded, checked and compiled without any file or
 * variable, and what compiles must be an image that its own reader takes and that decides.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct config_source source = {
                .path = "candidate", .from_memory = true, .text = slice_make((const char *) data, size), .allow_unknown_keys = size & 1
        };
        struct rule_verdict v;
        struct config *c = NULL;
        struct slice image;
        struct policy p;
        struct strbuf out;
        int r;

        r = config_load(&source, &c);
        FUZZ_ASSERT(c != NULL && (r == 0 || r == -EBADMSG));
        FUZZ_ASSERT((r == 0) == (config_problems(c)->n_errors == 0));
        r = config_check(c);
        FUZZ_ASSERT((r == 0) == (config_problems(c)->n_errors == 0));
        strbuf_init(&out, 1u << 24);
        problems_format_json(config_problems(c), &out);
        strbuf_free(&out);
        if (r == 0 && config_compile(c, 1, &image) == 0) {
                FUZZ_ASSERT(policy_image_view(image.at, image.len, &p, NULL) == 0);
                for (uint32_t scope = 0; scope < policy_n_scopes(&p); scope++) {
                        policy_decide(&p, scope, HTTP_GET, SLICE("GET"), SLICE("/containers/a/json"), &v);
                        FUZZ_ASSERT(v.rule >= -1);
                }
        }
        config_free(c);
        return 0;
}
