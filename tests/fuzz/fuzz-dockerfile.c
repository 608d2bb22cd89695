/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/unicode.h"
#include "inspect/dockerfile.h"
#include "tests/fuzz/fuzz.h"

/* A Dockerfile. Whatever a reading of it finds, the scan must have found: a RUN, above all. */

struct seen {
        size_t bytes;
        bool run;
};

static bool look(void *arg, struct slice name, struct slice rest) {
        struct seen *s = arg;

        FUZZ_ASSERT(name.len > 0);
        s->bytes += name.len + rest.len;
        while (unicode_fold_eq(name, SLICE("ONBUILD")))
                if (!unicode_field(&rest, &name))
                        return true;
        s->run |= unicode_fold_eq(name, SLICE("RUN"));
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct dockerfile_reading readings[DOCKERFILE_READINGS_MAX];
        enum dockerfile_verdict verdict;
        struct slice text;
        struct arena a;
        size_t n;
        char *copy;

        if (size > 64 * 1024)
                return 0;
        copy = malloc(size ? size : 1);
        FUZZ_ASSERT(copy != NULL);
        for (size_t i = 0; i < size; i++)
                copy[i] = (char) data[i];
        text = slice_make(copy, size);
        arena_init(&a, 16u << 20, NULL);
        verdict = dockerfile_scan(text, &a);
        n = dockerfile_readings(text, readings);
        FUZZ_ASSERT(n >= 1 && n <= DOCKERFILE_READINGS_MAX);
        for (size_t i = 0; i < n; i++) {
                struct seen s = { 0 };
                int r = dockerfile_each(text, &readings[i], &a, look, &s);

                FUZZ_ASSERT(r == 0 || r == -ENODATA || r == -EBADMSG);
                FUZZ_ASSERT(s.bytes <= size);
                FUZZ_ASSERT(!s.run || verdict != DOCKERFILE_CLEAN);
        }
        (void) dockerfile_looks_like_one(text);
        arena_free(&a);
        free(copy);
        return 0;
}
