/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "limits/bucket.h"

/* Chapter 06, 1.3: each row is one attempt on the bucket the previous row left. */
static void a_bucket_counts_in_16_16_fixed_point_and_truncates(void) {
        static const struct {
                const char *what;
                double rate, burst, cost;
                uint32_t at_ms;
                bool fresh, granted;
                uint64_t tokens_or_retry;
        } rows[] = {
                { "full at first", 2, 5, 1, 1000, true, true, 4 * 65536 },
                { "no time, no refill", 2, 5, 1, 1000, false, true, 3 * 65536 },
                { "two a second: one millisecond is 131 units", 2, 5, 1, 1001, false, true, 2 * 65536 + 131 },
                { "a cost of three", 2, 5, 3, 1001, false, false, 1 },
                { "refused costs nothing: 500 ms later there is one more", 2, 5, 3, 1501, false, true,
                  131 + 65536 - 65536 },
                { "cost below one counts as one", 1, 1, 0.25, 9, true, true, 0 },
                { "default burst is the rate", 3, 0, 3, 7, true, true, 0 },
                { "retry is a whole second at least", 3, 0, 1, 8, false, false, 1 },
                { "slow refill: ceil((65536-0)/655)", 0.01, 1, 1, 5, true, true, 0 },
                { "...", 0.01, 1, 1, 5, false, false, (65536 + 654) / 655 },
                { "a rate that truncates to nothing is one unit a second", 0.000001, 1, 1, 5, true, true, 0 },
                { "...", 0.000001, 1, 1, 5, false, false, 65536 },
                { "never above the cap", 10, 20, 1, 10, true, true, 19 * 65536 },
                { "...", 10, 20, 1, 4000000, false, true, 19 * 65536 },
                { "a clock that steps back does not drain", 10, 20, 1, 3999000, false, true, 18 * 65536 },
                { "the millisecond counter wraps", 1, 10, 9, UINT32_MAX, true, true, 65536 },
                { "...", 1, 10, 2, 999, false, true, 65536 + 65536 - 131072 },
                { "a fractional cost", 1, 10, 2.5, 1, true, true, 491520 },
        };
        uint64_t word = 0;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct bucket_rate r = bucket_rate_of(rows[i].rate, rows[i].burst);
                uint64_t next = 0, retry = 0;
                bool granted;

                if (rows[i].fresh)
                        word = 0;
                granted = bucket_step(r, word, bucket_cost_of(rows[i].cost), rows[i].at_ms, &next, &retry);
                if (granted != rows[i].granted) {
                        fprintf(stderr, "row %zu (%s): granted %d\n", i, rows[i].what, granted);
                        check_failures_++;
                        continue;
                }
                if ((granted ? (uint32_t) next : retry) != rows[i].tokens_or_retry) {
                        fprintf(stderr, "row %zu (%s): got %llu want %llu\n", i, rows[i].what,
                                (unsigned long long) (granted ? (uint32_t) next : retry),
                                (unsigned long long) rows[i].tokens_or_retry);
                        check_failures_++;
                }
                if (granted)
                        word = next;
        }
}

static void touching_clamps_to_a_new_cap_and_refills_only_what_is_old(void) {
        state_word word = (uint64_t) 1000 << 32 | 50 * 65536;

        bucket_touch(bucket_rate_of(1, 5), &word, 1000);
        CHECK_INT((uint32_t) atomic_load(&word), 5 * 65536);
        /* A slow bucket is not robbed of its fractions by touching it often. */
        for (uint32_t ms = 1001; ms < 3000; ms++)
                bucket_touch(bucket_rate_of(0.001, 10), &word, ms);
        CHECK_INT(atomic_load(&word), (uint64_t) 1000 << 32 | 5 * 65536);
        bucket_touch(bucket_rate_of(1, 100000), &word, 1000 + 13 * 3600 * 1000);
        CHECK_INT((uint32_t) atomic_load(&word), UINT32_C(46805) * 65536);
        atomic_store(&word, 0);
        bucket_touch(bucket_rate_of(1, 10), &word, 3000);
        CHECK_INT(atomic_load(&word), 0);
}

static void absurd_numbers_stay_defined(void) {
        struct bucket_rate r = bucket_rate_of(1e300, 1e300);
        uint64_t next, retry;

        CHECK_INT(r.cap, UINT32_MAX);
        CHECK(bucket_step(r, 1, 65536, 0x7fffffff, &next, &retry));
        r = bucket_rate_of(-1, -1);
        CHECK_INT(r.cap, 0);
        CHECK(!bucket_step(r, 0, 65536, 5, &next, &retry));
        CHECK(bucket_cost_of(1e300) > 0);
}

CHECK_MAIN(CHECK_TEST(a_bucket_counts_in_16_16_fixed_point_and_truncates),
           CHECK_TEST(touching_clamps_to_a_new_cap_and_refills_only_what_is_old),
           CHECK_TEST(absurd_numbers_stay_defined))
