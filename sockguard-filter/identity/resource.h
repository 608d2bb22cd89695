/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_IDENTITY_RESOURCE_H
#define SOCKGUARD_IDENTITY_RESOURCE_H

#include "base/json.h"
#include "http/exchange.h"

/*
 * Whose is it: the inspects that ownership and visibility make on their own behalf (chapter 05, 2.8). Nothing is
 * cached; names and tags can be bound anew between two requests.
 */

enum resource_kind {
        RESOURCE_CONTAINER,
        RESOURCE_IMAGE,
        RESOURCE_NETWORK,
        RESOURCE_VOLUME,
        RESOURCE_SERVICE,
        RESOURCE_TASK,
        RESOURCE_SECRET,
        RESOURCE_CONFIG,
        RESOURCE_NODE,
        RESOURCE_SWARM,          /* has no identifier */
        RESOURCE_POD,            /* libpod: asked under the client's version prefix */
        RESOURCE_LIBPOD_NETWORK, /* the same */
        RESOURCE_LIBPOD_IMAGE,   /* the same */
        RESOURCE_REPOSITORY,     /* every image whose name differs only in its tag: resource_images() lists them */
        RESOURCE_KIND_MAX_,
};

/* "container", "image", ... for messages. */
const char *resource_kind_name(enum resource_kind kind);

/*
 * Asks the daemon. 0 with its description of the resource, an object or null (arena memory); -ENOENT: it answered 404;
 * -EIO: it could not be asked, answered with another status, or with something that is not a description.
 */
int resource_inspect(struct exchange *x, enum resource_kind kind, struct slice id, struct json_value *ret);

/*
 * The labels in a description: an object whose values are texts or null, or JSON_ABSENT. 0; -EIO: what stands where
 * labels should is something else.
 */
int resource_labels(enum resource_kind kind, struct json_value root, struct json_value *ret);

/* The container an exec instance belongs to. As above; an instance without a container is -EIO. */
int resource_exec_container(struct exchange *x, struct slice exec_id, struct slice *ret_container_id);

/*
 * Image names as the daemon's lists spell them (chapter 05, 2.7: what a name without a tag stands for is for the call
 * to say). The repository: no tag, no digest, and none of the forms of Docker Hub's own prefix.
 */
struct slice image_repository(struct slice name);

/* The name as it is written, without tag and digest. */
struct slice image_without_tag(struct slice name);

/* Does the name choose one image of its repository, by tag or digest? */
bool image_is_chosen(struct slice name);

/*
 * The daemon's list of images. As resource_inspect(); what comes back is an array of objects. Their labels stand at the
 * top.
 */
int resource_images(struct exchange *x, struct json_value *ret);

/* Is an entry of that list tagged, or known by a digest, in this repository? */
bool image_entry_is_of(struct json_value entry, struct slice repository, struct arena *a);

/* The value of a label, key byte-exact. False when there is none; null counts as the empty text. */
bool resource_label(struct json_value labels, struct slice key, struct arena *a, struct slice *ret);

#endif
