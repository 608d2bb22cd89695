/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_DOCKERFILE_H
#define SOCKGUARD_INSPECT_DOCKERFILE_H

#include "inspect/inspect.h"

/*
 * Is there a RUN in this Dockerfile, or may there be one for some builder? Builders differ, and have differed, in what continues
 * a line, so the text is read in every way that is known, and one reading that finds a RUN is enough. A "no" therefore holds
 * for all of them.
 */

enum dockerfile_verdict {
        DOCKERFILE_CLEAN,
        DOCKERFILE_NUL,       /* holds a NUL byte */
        DOCKERFILE_FRONTEND,  /* asks for another frontend: what its text means is not ours to say */
        DOCKERFILE_RUN,
        DOCKERFILE_AMBIGUOUS, /* continuation lines and heredocs past what is followed */
};

/* `text` is the whole file, at most 1 MiB. `a` gives as much memory as the text is long. */
enum dockerfile_verdict dockerfile_scan(struct slice text, struct arena *a);

/* Does a body that is no archive look like a Dockerfile: is the first word that is no comment an instruction's name? */
bool dockerfile_looks_like_one(struct slice text);

/*
 * The logical lines as BuildKit reads them, for checks of single instructions. `handler` gets the instruction's name as written
 * and the rest of its line, and returns false to stop. Returns false when it did.
 */
bool dockerfile_each(struct slice text, struct arena *a, bool (*handler)(void *arg, struct slice name, struct slice rest), void *arg);

#endif
