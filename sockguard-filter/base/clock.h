/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_CLOCK_H
#define SOCKGUARD_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_NEVER UINT64_MAX

static inline uint64_t clock_ns(clockid_t id) {
        struct timespec ts;

        clock_gettime(id, &ts);
        return (uint64_t) ts.tv_sec * NSEC_PER_SEC + (uint64_t) ts.tv_nsec;
}

/* Every deadline and bucket runs on this clock; the wall clock is only for what is printed (DECISIONS 13). */
static inline uint64_t now_ns(void) {
        return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t deadline_in(uint64_t ns) {
        uint64_t n = now_ns();

        return ns > NSEC_NEVER - n ? NSEC_NEVER : n + ns;
}

/* Milliseconds for poll(2) until `deadline`, rounded up; 0 when it has passed, -1 for NSEC_NEVER. */
static inline int deadline_poll_ms(uint64_t deadline) {
        uint64_t n, left;

        if (deadline == NSEC_NEVER)
                return -1;
        n = now_ns();
        if (n >= deadline)
                return 0;
        left = (deadline - n + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
        return left > 1000000000 ? 1000000000 : (int) left;
}

#endif
