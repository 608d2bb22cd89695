/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "http/head.h"
#include "http/target.h"
#include "tests/fuzz/fuzz.h"

/* What Docker's router takes off a clean path: "/v", digits and dots, before a slash. */
static struct slice engine_strip(struct slice clean) {
        size_t n = 2;

        if (!slice_starts(clean, SLICE("/v")))
                return clean;
        while (n < clean.len && ((clean.at[n] >= '0' && clean.at[n] <= '9') || clean.at[n] == '.'))
                n++;
        return n > 2 && n < clean.len && clean.at[n] == '/' ? slice_from(clean, n) : clean;
}

static void check_clean(struct slice p) {
        FUZZ_ASSERT(p.len > 0 && p.at[0] == '/');
        FUZZ_ASSERT(p.len == 1 || p.at[p.len - 1] != '/');
        for (size_t i = 0; i < p.len; i++) {
                struct slice rest = slice_from(p, i);

                FUZZ_ASSERT(!slice_starts(rest, SLICE("//")) && !slice_starts(rest, SLICE("/./")) &&
                            !slice_starts(rest, SLICE("/../")));
                FUZZ_ASSERT(!slice_eq(rest, SLICE("/.")) && !slice_eq(rest, SLICE("/..")));
        }
}

/* What is judged is what the daemon will route: by its own decoding, its own cleaning and its own version grammar. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct slice in = slice_make((const char *) data, size), again;
        enum reason_code reason = REASON_NONE, reason2 = REASON_NONE;
        const char *why = NULL;
        struct http_target t, t2;
        struct arena a;
        int r;

        if (size > 64 * 1024)
                return 0;
        for (size_t i = 0; i < size; i++)
                if ((unsigned char) in.at[i] <= ' ' || in.at[i] == 0x7f)
                        return 0; /* the head parser lets none of these through */
        arena_init(&a, 16 * 1024 * 1024, NULL);
        r = http_target_parse(in, false, &a, &t, &reason, &why);
        FUZZ_ASSERT(r == 0 || (r == -EBADMSG && why != NULL) || (r == -EACCES && reason != REASON_NONE));
        if (r != -EBADMSG)
                check_clean(t.cleaned);
        if (r == 0) {
                FUZZ_ASSERT(http_percent_decode(t.raw_path, &a, &again) == 0 && slice_eq(again, t.decoded));
                FUZZ_ASSERT(slice_eq(engine_strip(t.cleaned), t.normalized));
                FUZZ_ASSERT(slice_eq(path_normalize(t.decoded, &a), t.normalized));
                FUZZ_ASSERT(http_target_parse(t.raw_path, false, &a, &t2, &reason2, &why) == 0);
                FUZZ_ASSERT(slice_eq(t2.normalized, t.normalized) && slice_eq(t2.raw_path, t.raw_path));
                for (size_t i = 0; i < t.raw_path.len; i++)
                        FUZZ_ASSERT((unsigned char) t.raw_path.at[i] > ' ' && (unsigned char) t.raw_path.at[i] < 0x7f);
        }
        arena_free(&a);
        return 0;
}
