/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_GLOB_H
#define SOCKGUARD_POLICY_GLOB_H

#include "base/slice.h"

/*
 * The pattern language (chapter 02, 7.2): `*` a run without '/', `**` a run of anything, slash and `**` optionally "/"
 * and anything, all else literal. Never exponential: O(pattern x text) at worst, whatever the input.
 */

/*
 * The rule dialect: five shapes with their differences (segment-wise `*`, literal prefix). "Anything" matches every
 * byte.
 */
bool glob_match_rule(struct slice pattern, struct slice path);

/*
 * The bare, anchored expression: endpoint costs, visibility patterns, exec argument templates. `newline_stops` is how
 * exec templates read `**` and the tail of `/` + `**`: a line feed is not matched (chapter 03, 5.1).
 */
bool glob_match_plain(struct slice pattern, struct slice text, bool newline_stops);

#endif
