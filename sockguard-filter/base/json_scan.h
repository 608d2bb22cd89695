/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_JSON_SCAN_H
#define SOCKGUARD_BASE_JSON_SCAN_H

#include "base/slice.h"

/*
 * Finds where a JSON object or array ends, without looking at more of it than that takes: brackets and strings. Whether
 * what lies between is JSON is json_validate()'s to say. The text may come in pieces of any size.
 */
struct json_scan {
        unsigned depth; /* brackets open */
        bool in_string, escaped;
};

/*
 * Goes on at `i`; the first call starts at the opening bracket with a zeroed state. Returns the index behind the
 * closing bracket and *ret_ended true, or in.len and false when the value goes on in the next piece.
 */
size_t json_scan(struct json_scan *s, struct slice in, size_t i, bool *ret_ended);

/*
 * The first value of `text` when that is an object or an array, from its bracket to its last byte; *ret_rest is what
 * follows. White space before it is skipped. False: the text begins with something else, or ends before the value does.
 */
bool json_first_value(struct slice text, struct slice *ret_value, struct slice *ret_rest);

#endif
