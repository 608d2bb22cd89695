/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_CONSTRAINT_H
#define SOCKGUARD_POLICY_CONSTRAINT_H

#include "policy/config.h"

struct constraint {
        bool (*text_holds)(struct slice s); /* of a text or of each entry of a list; NULL: the option is a number */
        int64_t min;                        /* numbers */
        const char *expected;
        const char *pattern;                /* the same as an ECMA 262 expression, for the schema; NULL: `min` says it */
};

/* The constraint of a row, or NULL. */
const struct constraint *constraint_of(const struct opt_block *block, const struct opt_row *row);

/* Applies the constraints of a block and of the blocks held in it by value or in lists, in the order of the rows. */
void constraints_check(struct config *c, const struct opt_block *block, void *base);

#endif
