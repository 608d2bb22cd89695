/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_SET_H
#define SOCKGUARD_POLICY_SET_H

#include "base/arena.h"

/*
 * A set of texts, to find duplicates and names in time that grows with their number: a candidate of half a megabyte
 * holds tens of thousands of them.
 */
struct text_set {
        struct slice *at; /* open addressing; a null `at` is free */
        size_t room;      /* a power of two, at least twice the texts */
};

/* Room for n texts in `a`. */
void text_set_init(struct text_set *set, struct arena *a, size_t n);

/* Adds a text, which must stay where it is. False when it was in the set already. At most n times. */
bool text_set_add(struct text_set *set, struct slice text);

bool text_set_has(const struct text_set *set, struct slice text);

#endif
