/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_REGISTRY_H
#define SOCKGUARD_INSPECT_REGISTRY_H

#include "inspect/inspect.h"

/* An image reference, read for the one thing a registry policy wants to know: which host it names (chapter 04, 2). */
struct image_reference {
        struct slice registry; /* lower case, with its port; "docker.io" when none is named */
        struct slice repository;
        bool official; /* docker.io, one component, or "library/" and one */
        bool digest;   /* names its content by digest */
};

/*
 * Parses `text`, outer white space trimmed. 0; -ENOENT when it is empty; -EINVAL when it is no reference: a blank
 * component, a control character, white space, bad UTF-8, or one of `?#%\`, which would end the name early for some
 * reader.
 */
int reference_parse(struct slice text, struct arena *a, struct image_reference *ret);

/* A registry host as lists hold it: trimmed, lower case, index.docker.io is docker.io. Empty when it is none. */
struct slice registry_normalize(struct slice host, struct arena *a);

struct registry_policy {
        const char *block; /* "request_body.image_pull", for the reason */
        bool allow_all, allow_official;
        struct plist allowed;
};

enum registry_verdict { REGISTRY_ALLOWED, REGISTRY_DENIED, REGISTRY_UNPARSED };

/* May this reference be used? An empty one may: the daemon has to say what it means. */
enum registry_verdict registry_judge(const struct inspect_input *in, const struct registry_policy *p,
                                     struct slice reference);

/* Applies registry_judge() and fills in *r; true: allowed. `pointer` is where the reference was found. */
bool registry_check(const struct inspect_input *in, const struct registry_policy *p, struct slice reference,
                    const char *pointer, struct inspect_result *r);

/* The X-Registry-Auth field (chapter 04, 2.1): its shape, and the server it names against the list. True: fine. */
bool registry_auth_check(const struct inspect_input *in, const struct registry_policy *p, struct inspect_result *r);

/* The X-Registry-Config field (2.2): its shape only. True: fine. */
bool registry_config_check(const struct inspect_input *in, struct inspect_result *r);

#endif
