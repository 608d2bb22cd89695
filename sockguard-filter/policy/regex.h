/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_REGEX_H
#define SOCKGUARD_POLICY_REGEX_H

#include "base/slice.h"

/*
 * Is the text a regular expression of RE2's syntax (github.com/google/re2/wiki/Syntax): no look-around, no back
 * references, counts up to 1000, at most 500 groups deep? NULL, or a static text that says what is wrong with it.
 */
const char *regex_check(struct slice pattern);

#endif
