/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_PROBLEM_H
#define SOCKGUARD_POLICY_PROBLEM_H

#include "base/arena.h"
#include "base/strbuf.h"

/*
 * What is wrong with a configuration, as a list: everything is reported in one go, each with where it stands, what was
 * found, what was expected and, where one is near, the key or value that was probably meant.
 */

#define PROBLEMS_MAX 500u /* further ones are counted, not kept */

struct problem {
        bool warning;
        struct slice file;     /* name of the file, or of the environment variable or flag; empty: a default */
        uint32_t line, column; /* 1-based; 0: it has no place in a file */
        struct slice path;     /* "clients.profiles[2].rules[0].match.path"; empty: the document as a whole */
        struct slice value;    /* as written, shortened, never a secret; a null `at`: there is none to show */
        struct slice expected; /* one plain sentence fragment: "must be allow or deny" */
        struct slice nearest;  /* did you mean; empty: nothing near */
};

struct problems {
        struct arena *arena; /* the list and its texts live here */
        struct problem *at;
        size_t n, room;
        size_t n_errors, n_warnings; /* dropped ones included */
};

/* Appends a copy of `p` (its slices are not copied). */
void problems_add(struct problems *list, const struct problem *p);

/* One line, absent parts left out, no newline: `file:line:column: path: "value": expected (did you mean "nearest"?)` */
void problem_format(const struct problem *p, struct strbuf *out);

/* An array of objects {severity, file, line, column, key, value, expected, nearest}; absent members are left out. */
void problems_format_json(const struct problems *list, struct strbuf *out);

/*
 * The candidate nearest to `text` by edit distance, if it is near enough to be a typo of it (a third of its length at
 * most, letter case ignored), else the first that begins with it, else an empty slice.
 */
struct slice problem_nearest(struct slice text, const struct slice *candidates, size_t n);

#endif
