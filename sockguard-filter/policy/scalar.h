/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_SCALAR_H
#define SOCKGUARD_POLICY_SCALAR_H

#include "base/arena.h"

/* The scalars of the YAML dialect (chapter 01, 2.1) and what becomes of them where another type is wanted (2.2). */

enum scalar_type {
        SCALAR_NULL,
        SCALAR_BOOL,
        SCALAR_INT,  /* fits int64 */
        SCALAR_UINT, /* fits only uint64 */
        SCALAR_FLOAT,
        SCALAR_DATE,
        SCALAR_STR,
};

struct scalar {
        enum scalar_type type;
        bool boolean;
        int64_t integer;
        uint64_t unsigned_;
        double real;
        struct slice text; /* as written, escapes resolved; decoded when it was !!binary */
};

/* What an unquoted text means. */
struct scalar scalar_resolve(struct slice text);

/*
 * What a tag forces it to mean; `tag` is the long form. 0, or -EINVAL when the text is no such value. Unknown tags: as
 * without.
 */
int scalar_tagged(struct slice tag, struct slice text, bool plain, struct arena *a, struct scalar *ret);

/* Where a text is wanted: 0 or -EINVAL (a date). */
int scalar_to_text(const struct scalar *s, struct arena *a, struct slice *ret);

/* Where a boolean is wanted. */
int scalar_to_bool(const struct scalar *s, bool *ret);

/* Where an integer is wanted: 0, -EINVAL, or -ERANGE. */
int scalar_to_int(const struct scalar *s, int64_t *ret);

/* Where a number is wanted. */
int scalar_to_float(const struct scalar *s, double *ret);

/* Digits with a sign, a base prefix (0x 0o 0b, or a leading 0 for octal) and single underscores between digits. */
int integer_parse(struct slice text, bool loose_underscores, int64_t *ret);

/*
 * A duration: a sign, then numbers with units (chapter 01, 2.3). 0 with nanoseconds; -EINVAL; -ERANGE beyond 2^63 ns.
 */
int duration_parse(struct slice text, int64_t *ret_ns);

#endif
