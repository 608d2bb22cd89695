/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"
#include "trust/bundle.h"

/* The key that signed "rules: []\n" in the seeds, and nothing else ever: its other half was thrown away. */
static const char key[] =
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAXXBvhcptyOAzqNtIitgzx2yX03oxgrbhNt+uq54hqh8=\n-----END PUBLIC "
        "KEY-----\n";

/* No bundle makes another text signed, whatever it says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct slice in = slice_make((const char *) data, size), pems[] = { slice_make(key, sizeof(key) - 1) };
        struct bundle_verdict v;
        struct arena a;
        struct error e;

        if (size > 64 * 1024)
                return 0;
        arena_init(&a, 64 * 1024 * 1024, NULL);
        (void) bundle_verify(SLICE("rules: []\n"), in, pems, 1, &a, &v, &e);
        FUZZ_ASSERT(bundle_verify(SLICE("rules: [] \n"), in, pems, 1, &a, &v, &e) < 0);
        /* The bundle as a key, too: a PEM text is somebody's input. */
        FUZZ_ASSERT(bundle_verify(SLICE("rules: [] \n"), SLICE("{}"), &in, 1, &a, &v, &e) < 0);
        arena_free(&a);
        return 0;
}
