/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_RESPONSE_VISIBLE_H
#define SOCKGUARD_RESPONSE_VISIBLE_H

#include "base/json.h"
#include "policy/image.h"

/*
 * Visibility by name and image patterns (chapter 05, 3.1, 3.4, 3.5): the root's patterns and the profile's are one
 * list, of which one must match; the axes are ANDed; an axis without patterns does not count.
 */

enum visible_axis { VISIBLE_NAME, VISIBLE_IMAGE, VISIBLE_AXIS_MAX_ };

struct visible_patterns {
        const struct policy *policy;
        const struct pstr *lists[VISIBLE_AXIS_MAX_][2]; /* root, profile */
        uint32_t n[VISIBLE_AXIS_MAX_][2];
        bool any; /* some axis has a pattern */
};

/* Reads the patterns in force for a scope. They are views of the image. */
void visible_patterns_of(const struct policy *p, uint32_t scope, struct visible_patterns *ret);

/*
 * Judges one element of GET /containers/json or /images/json, or the answer of an inspect. The value must have passed
 * json_validate(). 1 visible, 0 hidden, -EBADMSG when it has not the fields' types (null counts as an object without
 * members).
 */
int visible_container_entry(const struct visible_patterns *vp, struct json_value v, struct arena *a);
int visible_container_inspect(const struct visible_patterns *vp, struct json_value v, struct arena *a);
int visible_image(const struct visible_patterns *vp, struct json_value v,
                  struct arena *a); /* entries and inspects alike */

#endif
