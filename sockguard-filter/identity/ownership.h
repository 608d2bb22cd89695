/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_IDENTITY_OWNERSHIP_H
#define SOCKGUARD_IDENTITY_OWNERSHIP_H

#include "identity/resource.h"

/* The parts of the ownership stage (chapter 05, part 2) that are worth testing by themselves. */

#define OWNERSHIP_BODY_MAX (1024u * 1024) /* bytes of a body that is rewritten or searched for references */

/* The resource that a request's path names. */
struct owned_path {
        enum resource_kind kind;
        struct slice id;
        bool exec;       /* `id` is an exec instance: its container counts */
        bool unowned_ok; /* a resource without an owner may be used: it is claimed, or it is an image and the policy says so */
};

/*
 * False when the path names none. A word like `create` counts as a call only where it is all of the rest and the method is
 * not one that the daemon would apply to a resource of that name; elsewhere it is a name like any other (2.7, Better a).
 * `strict` adds libpod's images, and takes back that whoever updates an unowned node or swarm claims it.
 */
bool owned_path_of(enum http_method method, struct slice path, bool unowned_images_ok, bool strict, struct owned_path *ret);

/* Where the owner label goes. */
struct stamp_row {
        const char *pattern;
        const char *labels[2][3]; /* member names from the root of the body; all NULL: the query parameter `labels` */
};

/* The row for a path, or NULL. */
const struct stamp_row *stamp_find(struct slice path);

/*
 * The body with the label set wherever the row says, by splices: every other byte stays. `text` is one validated JSON object.
 * 0; -EBADMSG: a label map, or what leads to it, is there and is no object.
 */
int stamp_body(const struct stamp_row *row, struct slice text, struct slice key, struct slice owner, struct arena *a, struct slice *ret);

/* The JSON of a `labels` parameter with the label set. 0; -EBADMSG: it is no object of texts. */
int stamp_labels(struct slice text, struct slice key, struct slice owner, struct arena *a, struct slice *ret);

#endif
