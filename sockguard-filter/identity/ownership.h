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
        struct slice whole; /* when the daemon may read a longer name, with slashes: that one, to be checked as well;
                               else empty */
        bool exec;          /* `id` is an exec instance: its container counts */
        bool all_tags;      /* `id` is an image; named without a tag it stands for every image of its repository */
        bool unowned_ok;    /* a resource without an owner may be used: it is claimed, or it is an image and the policy
                               says so */
};

/*
 * False when the path names none. A word like `create` counts as a call only where it is all of the rest and the method
 * is not one that the daemon would apply to a resource of that name; elsewhere it is a name like any other (2.7, Better
 * a). `strict` adds libpod's images, and takes back that whoever updates an unowned node or swarm claims it.
 */
bool owned_path_of(enum http_method method, struct slice path, bool unowned_images_ok, bool strict,
                   struct owned_path *ret);

/* Where the owner label goes. */
struct stamp_row {
        const char *pattern;
        const char *labels[2][3]; /* member names from the root of the body; all NULL: the query parameter `labels` */
};

/* The row for a path, or NULL. `strict`: also those that only ownership.strict stamps. */
const struct stamp_row *stamp_find(struct slice path, bool strict);

/* Where the body of a commit may set labels. */
extern const struct stamp_row commit_row;

/*
 * The body with the label set wherever the row says, by splices: every other byte stays. `text` is one validated JSON
 * object. 0; -EBADMSG: a label map, or what leads to it, is there and is no object.
 */
int stamp_body(const struct stamp_row *row, struct slice text, struct slice key, struct slice owner, struct arena *a,
               struct slice *ret);

/* The JSON of a `labels` parameter with the label set. 0; -EBADMSG: it is no object of texts. */
int stamp_labels(struct slice text, struct slice key, struct slice owner, struct arena *a, struct slice *ret);

/*
 * The parameters `changes` of a commit or an import are lines of a Dockerfile, in which the client could label the
 * image with another owner. One more line at the end takes that back; `always` adds it even if there is no other.
 * *ret_changed: a line was added. 0; -EBADMSG: a line continues into the next, or the label cannot be written in one
 * without quoting.
 */
int stamp_changes(struct http_query *q, struct slice key, struct slice owner, bool always, struct arena *a,
                  bool *ret_changed);

/* Does a body, a validated object, say what the label in its map `Labels` is to be? */
bool body_sets_label(struct json_value root, struct slice key);

#endif
