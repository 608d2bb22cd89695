/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/registry.h"
#include "tests/fuzz/fuzz.h"

/* An image reference. What is read from it must be part of it, and reading it again from its parts must give the same.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct image_reference ref, again;
        struct slice host, text = slice_make((const char *) data, size);
        struct arena a;

        if (size > 4096)
                return 0;
        arena_init(&a, 1u << 20, NULL);
        if (reference_parse(text, &a, &ref) == 0) {
                FUZZ_ASSERT(ref.registry.len > 0 && ref.repository.len > 0 && ref.repository.len <= size);
                FUZZ_ASSERT(slice_find(ref.registry, '/') < 0 && slice_find(ref.repository, '@') < 0);
                FUZZ_ASSERT(!slice_starts(ref.repository, SLICE("/")) && !slice_ends(ref.repository, SLICE("/")));
                FUZZ_ASSERT(!ref.official || slice_eq(ref.registry, SLICE("docker.io")));
                host = registry_normalize(ref.registry, &a);
                FUZZ_ASSERT(slice_eq(host, ref.registry));
                for (size_t i = 0; i < ref.repository.len; i++)
                        FUZZ_ASSERT((unsigned char) ref.repository.at[i] > ' ');
                /* A host that is one for its capitals only is no longer seen in its normal form, and a second colon
                 * would be a tag's. */
                if ((slice_find(ref.registry, '.') >= 0 || slice_find(ref.registry, ':') >= 0) &&
                    slice_find(ref.repository, ':') < 0) {
                        FUZZ_ASSERT(reference_parse(arena_printf(&a, "%.*s/%.*s", SLICE_ARG(ref.registry),
                                                                 SLICE_ARG(ref.repository)),
                                                    &a, &again) == 0);
                        FUZZ_ASSERT(slice_eq(again.registry, ref.registry) &&
                                    slice_eq(ref.repository, again.repository));
                }
        }
        arena_free(&a);
        return 0;
}
