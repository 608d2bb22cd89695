/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_PATH_PATTERN_H
#define SOCKGUARD_BASE_PATH_PATTERN_H

#include "base/slice.h"

/*
 * The patterns of tables that are keyed by the Docker API's paths: literal text, "{1}" for exactly one segment, and at
 * most one
 * "{}" for one or more segments, behind which only literal text may stand. `path` is a normalised path.
 */
bool path_pattern_match(const char *pattern, struct slice path);

#endif
