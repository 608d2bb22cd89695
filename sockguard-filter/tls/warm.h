/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_WARM_H
#define SOCKGUARD_TLS_WARM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A terminator is forked and then waits. Each page of the keeper that it writes to is copied at the first write, and each part of a
 * library that it runs is mapped at the first call: some 130 faults in a handshake, while the client waits. Here they are taken before
 * there is a client. Where the kernel cannot (before Linux 5.14) nothing happens.
 */
#define WARM_MOST 96u /* mappings; the program and a dozen libraries have about 80 */

struct warm {
        size_t n;
        struct {
                void *at;
                size_t size;
                bool write;
        } mappings[WARM_MOST];
};

/* Reads /proc/self/maps: before the sandbox, in the process that will be forked. */
void warm_learn(struct warm *ret);

/* In a child of it. */
void warm_up(const struct warm *w);

#endif
