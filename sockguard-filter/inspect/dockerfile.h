/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_DOCKERFILE_H
#define SOCKGUARD_INSPECT_DOCKERFILE_H

#include "inspect/inspect.h"

/*
 * Is there a RUN in this Dockerfile, or may there be one for some builder? Builders differ, and have differed, in what
 * continues a line, so the text is read in every way that is known, and one reading that finds a RUN is enough. A "no"
 * therefore holds for all of them.
 */

enum dockerfile_verdict {
        DOCKERFILE_CLEAN,
        DOCKERFILE_NUL,      /* holds a NUL byte */
        DOCKERFILE_FRONTEND, /* asks for another frontend: what its text means is not ours to say */
        DOCKERFILE_RUN,
        DOCKERFILE_AMBIGUOUS, /* continuation lines and heredocs past what is followed */
};

/* `text` is the whole file, at most 1 MiB. `a` gives as much memory as the text is long. */
enum dockerfile_verdict dockerfile_scan(struct slice text, struct arena *a);

/* Does a body that is no archive look like a Dockerfile: is the first word that is no comment an instruction's name? */
bool dockerfile_looks_like_one(struct slice text);

/* One way to read a file: what continues a line, and whether heredocs are known. */
struct dockerfile_reading {
        char escape;
        bool heredocs;
};

#define DOCKERFILE_READINGS_MAX 4u

/* The ways that builders there are, and were, may read this text; BuildKit's own first. Their number, at least 1. */
size_t dockerfile_readings(struct slice text, struct dockerfile_reading *ret);

/*
 * The logical lines of a reading, for checks of single instructions. `handler` gets the instruction's name as written
 * and the rest of its line, and returns false to stop. 0; -ECANCELED when it stopped; -ENODATA: a heredoc has no end,
 * so that a builder with this reading refuses the file, too; -EBADMSG: where the instructions are cannot be told.
 */
int dockerfile_each(struct slice text, const struct dockerfile_reading *reading, struct arena *a,
                    bool (*handler)(void *arg, struct slice name, struct slice rest), void *arg);

/* 1: a builder may read it like this; 0: it would refuse the file, because a word is no instruction; negative: see
 * above. */
int dockerfile_reading_possible(struct slice text, const struct dockerfile_reading *reading, struct arena *a);

#endif
