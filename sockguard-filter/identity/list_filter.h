/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_IDENTITY_LIST_FILTER_H
#define SOCKGUARD_IDENTITY_LIST_FILTER_H

#include "http/exchange.h"

/*
 * The `filters` parameter of lists, prunes and events, in both forms that Docker reads: {"key": ["value"]} and the
 * older
 * {"key": {"value": true}} (chapter 05, 2.4 and 3.3).
 */

#define LIST_FILTER_MAX 65536u /* bytes of the decoded parameter */

/* A label that the answer must be narrowed to. */
struct label_selector {
        struct slice key, value;
        bool has_value;
};

/* The filter key under which the engine looks for labels in lists of this path. */
struct slice list_filter_key(struct slice path);

/*
 * Makes every selector an entry of the filter `key`. The client's entries stay, except those for a selector's label
 * key: swarm lists keep one entry a label key, at random, and the engine would AND them. Of several parameters, and of
 * those that differ in case, the first exact one stays. With `anew` the parameter is always written, in the array form;
 * else only if something changed. 0; -EBADMSG: the parameter is not a filter.
 */
int list_filter_narrow(struct exchange *x, struct slice key, const struct label_selector *selectors, size_t n,
                       bool anew);

#endif
