/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_SOURCE_H
#define SOCKGUARD_FILTER_SOURCE_H

#include <sys/stat.h>

#include "limits/state.h"
#include "policy/image.h"

#define POLICY_DEFAULT_PATH "/run/sockguard/policy"

/*
 * Where the policy comes from, and the one in force. A filter looks at it before every request, so that a kept-alive
 * connection obeys a reload from its next request on; a request in progress keeps what it has.
 */
struct policy_source {
        const char *path;
        bool quiet;         /* our stderr is the client's connection: the compiler must not have it */
        bool compiled_here; /* a YAML file: compiled at the start, and never again */
        bool loaded;        /* `policy` is valid */
        struct policy policy;
        const unsigned char *first; /* base of the image that was loaded first; never unmapped */
        uint64_t generation;        /* of the shared state when `policy` was looked for last */
        struct stat seen;           /* of the file then */
        struct error why;           /* when not loaded: what is wrong, and what to run */
};

/* Is this a configuration that has to be compiled first? */
bool policy_is_yaml(const char *path);

/*
 * Compiles a configuration into a memfd, by sockguard-ctl, and seals it against any change. `quiet`: stderr is the
 * client's connection, the compiler must not have it. The close-on-exec descriptor; or negative errno with a sentence
 * in *e.
 */
int policy_compile_file(const char *path, bool quiet, struct error *e);

/*
 * Maps the image at `path`; a file that ends in .yaml or .yml is compiled by sockguard-ctl first. 0 or negative errno;
 * then s->why says what to do and s->loaded is false, which makes every request a 503.
 */
int policy_source_open(struct policy_source *s, const char *path, bool quiet, const struct state *state);

/*
 * Maps the image again if there is a newer one: by the shared generation where there is shared state, by the file's
 * identity otherwise. Returns true when s->policy is another one now (or none any more).
 */
bool policy_source_refresh(struct policy_source *s, const struct state *state);

#endif
