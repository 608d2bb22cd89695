/* SPDX-License-Identifier: Apache-2.0 */
#include "http/target.h"
#include "tests/fuzz/fuzz.h"

/* What the checks saw is what a re-encoded query says, parameter for parameter. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct slice in = slice_make((const char *) data, size), text;
        struct http_query q, again;
        struct arena a;

        if (size > 64 * 1024)
                return 0;
        arena_init(&a, 64 * 1024 * 1024, NULL);
        http_query_parse(in, &a, &q);
        text = http_query_encode(&q, &a);
        http_query_parse(text, &a, &again);
        FUZZ_ASSERT(!again.dropped && again.n == q.n);
        if (q.n < 200) {
                for (size_t i = 0; i < q.n; i++) {
                        struct slice first = { 0 }, first_again = { 0 };

                        FUZZ_ASSERT(http_query_get(&q, q.at[i].name, &first) &&
                                    http_query_get(&again, q.at[i].name, &first_again));
                        FUZZ_ASSERT(slice_eq(first, first_again));
                        FUZZ_ASSERT(http_query_count(&q, q.at[i].name) == http_query_count(&again, q.at[i].name));
                        (void) http_query_truth(q.at[i].value);
                }
        }
        http_query_set(&q, SLICE("filters"), in, &a);
        FUZZ_ASSERT(http_query_count(&q, SLICE("filters")) == 1);
        arena_free(&a);
        return 0;
}
