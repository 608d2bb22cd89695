/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TESTS_FUZZ_H
#define SOCKGUARD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/*
 * A fuzz target: always 0. It aborts when the code under test breaks its contract, besides what sanitizers find. To add
 * one, write tests/fuzz/fuzz-NAME.c and seeds in tests/fuzz/seeds/NAME/, and name both in tests/fuzz/local.mk.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ASSERT(condition) \
        do { \
                if (!(condition)) \
                        abort(); \
        } while (0)

#endif
