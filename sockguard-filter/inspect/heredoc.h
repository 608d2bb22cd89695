/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_HEREDOC_H
#define SOCKGUARD_INSPECT_HEREDOC_H

#include "base/arena.h"

/* A document that follows an ADD, COPY or RUN line of a Dockerfile, up to a line that is its name ("<<NAME",
 * "0<<-'NAME'"). */
struct heredoc {
        struct slice name; /* unquoted, in the arena */
        bool tabs;         /* "<<-": the last line may have tabs in front */
};

#define HEREDOC_MAX 32u /* documents of one line */

/*
 * The documents that a logical line asks for, read as BuildKit's shell words (its escape there is always the
 * backslash). The number of them, at most HEREDOC_MAX; -EBADMSG when that cannot be said with certainty: a substitution
 * with a modifier, bytes that are no UTF-8, more documents than are followed.
 */
int heredoc_find(struct slice line, struct arena *a, struct heredoc *ret);

/* Is this physical line, LF and CR at its end or not, the document's end? */
bool heredoc_ends(const struct heredoc *h, struct slice line);

#endif
