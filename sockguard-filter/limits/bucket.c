/* SPDX-License-Identifier: Apache-2.0 */
#include "limits/bucket.h"

#define HALF_DAY_MS (12u * 3600 * 1000)

static uint64_t fixed(double v) {
        /* The configuration was validated (finite, burst at most 65535); a damaged image must still not be undefined.
         */
        if (!(v > 0))
                return 0;
        return v >= 4294967296.0 ? UINT64_C(1) << 48 : (uint64_t) (v * 65536.0);
}

struct bucket_rate bucket_rate_of(double tokens_per_second, double burst) {
        uint64_t rate = fixed(tokens_per_second), cap = fixed(burst == 0 ? tokens_per_second : burst);

        if (rate > UINT32_MAX)
                rate = UINT32_MAX;
        return (struct bucket_rate){ rate ? rate : 1, cap > UINT32_MAX ? UINT32_MAX : (uint32_t) cap };
}

uint64_t bucket_cost_of(double cost) {
        return cost > 1 ? fixed(cost) : 65536;
}

static uint64_t refill(struct bucket_rate r, uint64_t word, uint32_t now_ms) {
        uint32_t tokens = (uint32_t) word, last = (uint32_t) (word >> 32);
        int32_t elapsed = (int32_t) (now_ms - last);
        uint64_t t;

        if (word == 0)
                return (uint64_t) now_ms << 32 | r.cap;
        /* A clock that seems to step back neither refills nor drains. */
        if (elapsed <= 0)
                return word;
        t = tokens + (uint64_t) elapsed * r.rate / 1000;
        return (uint64_t) now_ms << 32 | (t > r.cap ? r.cap : t);
}

bool bucket_step(struct bucket_rate r, uint64_t word, uint64_t cost, uint32_t now_ms, uint64_t *ret,
                 uint64_t *ret_retry) {
        uint64_t filled = refill(r, word, now_ms);
        uint32_t tokens = (uint32_t) filled;

        if (tokens < cost) {
                *ret_retry = (cost - tokens + r.rate - 1) / r.rate;
                return false;
        }
        *ret = filled - cost;
        /* 0 means "full": an empty bucket at that very millisecond is one unit off instead. */
        if (*ret == 0)
                *ret = 1;
        return true;
}

bool bucket_take(struct bucket_rate r, state_word *word, uint64_t cost, uint32_t now_ms, uint64_t *ret_retry) {
        uint64_t seen = atomic_load_explicit(word, memory_order_acquire), next;

        while (bucket_step(r, seen, cost, now_ms, &next, ret_retry))
                if (atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acq_rel,
                                                          memory_order_acquire))
                        return true;
        return false;
}

uint32_t bucket_level(struct bucket_rate r, uint64_t word, uint32_t now_ms) {
        return (uint32_t) refill(r, word, now_ms);
}

void bucket_touch(struct bucket_rate r, state_word *word, uint32_t now_ms) {
        uint64_t seen = atomic_load(word);

        while (seen != 0) {
                /* Every refill rounds down: done too often, a slow bucket would never fill. */
                bool old = (int32_t) (now_ms - (uint32_t) (seen >> 32)) > (int32_t) HALF_DAY_MS;
                uint64_t next = old ? refill(r, seen, now_ms) : seen;

                if ((uint32_t) next > r.cap)
                        next = (next & ~UINT64_C(0xffffffff)) | r.cap;
                if (next == 0)
                        next = 1;
                if (next == seen || atomic_compare_exchange_weak(word, &seen, next))
                        return;
        }
}
