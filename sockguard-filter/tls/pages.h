/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_PAGES_H
#define SOCKGUARD_TLS_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A terminator is forked and then waits. Each page of the keeper that it writes to is copied at the first write, and
 * each part of a library that it runs is mapped at the first call: some 130 faults in a handshake, while the client
 * waits. Here they are taken before there is a client. Where the kernel cannot (before Linux 5.14) nothing happens.
 */
#define PAGES_MOST 64u /* mappings; about 45 are worth it */

struct pages {
        size_t n;
        struct {
                void *at;
                size_t size;
                bool write;
        } mappings[PAGES_MOST];
};

/* Reads /proc/self/maps: before the sandbox, in the process that will be forked. */
void pages_learn(struct pages *ret);

/* In a child of it. */
void pages_take(const struct pages *p);

#endif
