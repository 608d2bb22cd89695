/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_CONSTRAINT_H
#define SOCKGUARD_POLICY_CONSTRAINT_H

#include "policy/config.h"

struct constraint {
        bool (*text_holds)(
                struct slice s); /* of a text or of each entry of a list; NULL: checked elsewhere, or a number */
        int64_t min;             /* numbers: the smallest */
        bool above;              /* it must be more than `min`; for the schema */
        int64_t max;             /* for the schema; 0: none */
        bool number;
        const char *expected;
        const char *pattern;      /* for the schema: the same as an ECMA 262 expression, escaped for JSON */
        const char *const *words; /* or the words that are possible, NULL-terminated */
};

/* The constraint of a row, or NULL. *ret_required (may be NULL): entries of lists must have the key. */
const struct constraint *constraint_of(const struct opt_block *block, const struct opt_row *row, bool *ret_required);

/* Applies the constraints of a block and of the blocks held in it by value or in lists, in the order of the rows. */
void constraints_check(struct config *c, const struct opt_block *block, void *base);

#endif
