/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TESTS_CHECK_H
#define SOCKGUARD_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

/*
 * A test program is functions whose names read as the sentence they prove, and one CHECK_MAIN. It prints "ok - name" or
 * "not ok - name" a test and ends with 1 if one failed.
 */
static int check_failures_;

#define CHECK(condition) \
        do { \
                if (!(condition)) { \
                        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
                        check_failures_++; \
                } \
        } while (0)

#define CHECK_INT(got, want) \
        do { \
                long long g_ = (long long) (got), w_ = (long long) (want); \
                if (g_ != w_) { \
                        fprintf(stderr, "%s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__, #got, g_, w_); \
                        check_failures_++; \
                } \
        } while (0)

/* As CHECK_SLICE, with a note of which row of a table failed. */
#define CHECK_SLICE(got, want) \
        do { \
                struct slice g_ = (got), w_ = (want); \
                if (!slice_eq(g_, w_)) { \
                        fprintf(stderr, "%s:%d: %s is \"%.*s\" (%zu), want \"%.*s\" (%zu)\n", __FILE__, __LINE__, \
                                #got, SLICE_ARG(g_), g_.len, SLICE_ARG(w_), w_.len); \
                        check_failures_++; \
                } \
        } while (0)

#define CHECK_STR(got, literal) CHECK_SLICE((got), slice_of(literal))

struct check_test {
        const char *name;
        void (*run)(void);
};

#define CHECK_TEST(function) \
        { #function, function }

static inline int check_run_(const struct check_test *tests, size_t n) {
        int failed = 0;

        for (size_t i = 0; i < n; i++) {
                check_failures_ = 0;
                tests[i].run();
                printf("%s - %s\n", check_failures_ ? "not ok" : "ok", tests[i].name);
                failed += check_failures_ != 0;
        }
        return failed ? 1 : 0;
}

#define CHECK_MAIN(...) \
        int main(void) { \
                static const struct check_test tests_[] = { __VA_ARGS__ }; \
                return check_run_(tests_, sizeof(tests_) / sizeof(tests_[0])); \
        }

#endif
