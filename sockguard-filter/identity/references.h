/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_IDENTITY_REFERENCES_H
#define SOCKGUARD_IDENTITY_REFERENCES_H

#include "identity/resource.h"

/*
 * Everything of somebody's that a request names besides the resource in its path: images, volumes, networks, secrets,
 * configs and containers in bodies and parameters (chapter 05, 2.5 and 2.6).
 */

#define REFERENCES_MAX 512u /* distinct references of one request, an inspect each */

enum reference_use {
        REFERENCE_NAMESPACE, /* a namespace of that container is shared: what is not there passes, unowned does not */
        REFERENCE_EMBEDDED,  /* it is used: what is not there is refused, it would be made between check and use */
        REFERENCE_BASE,   /* a build uses it: what is not there is pulled, or, with ownership.strict, refused; and its
                             triggers count */
        REFERENCE_CACHE,  /* a build may take layers from it: what is not there is left out */
        REFERENCE_TARGET, /* the name is given to something new: what is there must not be somebody else's, nor, with
                             ownership.strict, nobody's: all tenants share it */
        REFERENCE_PULLED, /* the same, but what is nobody's may always be pulled anew */
};

struct reference {
        enum resource_kind kind;
        enum reference_use use;
        struct slice id; /* trimmed, not empty */
};

struct references {
        struct arena *arena;
        struct reference *at; /* in the order in which they are to be checked, without duplicates */
        size_t n, room;
        bool too_many;
};

/* Do bodies of requests for this path name resources? */
bool references_in_body(struct slice path);

/*
 * Adds what the body of a request for `path` names. `root` is a validated object. `namespaces` false leaves the shared
 * namespaces out. Names are matched as Docker folds them, every variant; a value of another kind than expected is
 * skipped.
 */
void references_of_body(struct slice path, struct json_value root, bool namespaces, struct references *ret);

/* Adds an image that a build uses. */
void references_add_base(struct references *ret, struct slice image);

/* Adds what parameters name. `strict`: also those that only ownership.strict checks. */
void references_of_query(struct slice path, const struct http_query *query, bool namespaces, bool strict,
                         struct references *ret);

#endif
