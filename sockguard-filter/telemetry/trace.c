/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry/trace.h"

#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

#define POOL 240 /* bytes: six requests' worth; up to 256 bytes getrandom(2) is never interrupted half-way */

static struct {
        unsigned char at[POOL];
        size_t used;
        bool guarded;
} pool = { .used = POOL };

/* Two processes must never hand out the same bytes: a child starts with an empty pool. */
static void forget_pool(void) {
        pool.used = POOL;
}

/* Before the kernel has gathered entropy: unique is what matters for an id, so time, process and a counter must do. */
static void fill_without_entropy(unsigned char *at, size_t n) {
        static uint64_t counter;
        uint64_t x = clock_ns(CLOCK_REALTIME) ^ (uint64_t) getpid() << 40;

        for (size_t i = 0; i < n; i++) {
                if (i % 8 == 0)
                        x = (x ^ ++counter) * UINT64_C(0x9e3779b97f4a7c15) + (x >> 29);
                at[i] = (unsigned char) (x >> (i % 8 * 8));
        }
}

void trace_random(void *buf, size_t n) {
        unsigned char *out = buf;

        if (!pool.guarded)
                pool.guarded = pthread_atfork(NULL, NULL, forget_pool) == 0;
        while (n > 0) {
                size_t k;

                if (pool.used == POOL) {
                        if (getrandom(pool.at, POOL, GRND_NONBLOCK) != POOL)
                                fill_without_entropy(pool.at, POOL);
                        pool.used = 0;
                }
                k = POOL - pool.used < n ? POOL - pool.used : n;
                memcpy(out, pool.at + pool.used, k);
                explicit_bzero(pool.at + pool.used, k);
                pool.used += k;
                out += k;
                n -= k;
        }
}

/* `n` random bytes as NUL-terminated hex, of which not all are zero. */
static void put_hex(char *text, const unsigned char *bytes, size_t n) {
        static const char digits[] = "0123456789abcdef";
        unsigned char any = 0;

        for (size_t i = 0; i < n; i++) {
                any |= bytes[i];
                text[2 * i] = digits[bytes[i] >> 4];
                text[2 * i + 1] = digits[bytes[i] & 15];
        }
        text[2 * n] = '\0';
        if (any == 0)
                text[2 * n - 1] = '1';
}

/* Lower-case hex; *ret_zero when all digits are 0. */
static bool is_hex(struct slice s, bool *ret_zero) {
        *ret_zero = true;
        for (size_t i = 0; i < s.len; i++) {
                char c = s.at[i];

                if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
                        return false;
                *ret_zero = *ret_zero && c == '0';
        }
        return true;
}

/* W3C Trace Context, version 00 and exactly that. */
static bool read_traceparent(struct slice s, struct trace_context *ret) {
        struct slice trace = slice_make(s.at + 3, 32), parent = slice_make(s.at + 36, 16),
                     flags = slice_make(s.at + 53, 2);
        bool zero;

        if (s.len != 55 || s.at[0] != '0' || s.at[1] != '0' || s.at[2] != '-' || s.at[35] != '-' || s.at[52] != '-')
                return false;
        if (!is_hex(flags, &zero) || !is_hex(trace, &zero) || zero || !is_hex(parent, &zero) || zero)
                return false;
        memcpy(ret->trace_id, trace.at, 32);
        memcpy(ret->parent_id, parent.at, 16);
        memcpy(ret->flags, flags.at, 2);
        ret->inherited = true;
        ret->sampled = (flags.at[1] <= '9' ? flags.at[1] - '0' : flags.at[1] - 'a' + 10) & 1;
        return true;
}

/* The first field with the id, named by Connection or not: what the client sent is a fact whatever becomes of it. */
static struct slice first_value(const struct http_head *h, enum http_field_id id) {
        for (size_t i = 0; i < h->n_fields; i++)
                if (h->fields[i].id == id)
                        return h->fields[i].value;
        return (struct slice){ NULL, 0 };
}

void trace_begin(struct exchange *x) {
        struct slice parent = first_value(&x->head, HTTP_F_TRACEPARENT);
        unsigned char bytes[16 + 16 + 8];

        trace_random(bytes, sizeof(bytes));
        put_hex(x->request_id, bytes, 16);
        x->client_request_id = first_value(&x->head, HTTP_F_X_REQUEST_ID);
        x->trace = (struct trace_context){ .flags = "00" };
        if (parent.len != 55 || !read_traceparent(parent, &x->trace))
                put_hex(x->trace.trace_id, bytes + 16, 16);
        put_hex(x->trace.span_id, bytes + 32, 8);
}
