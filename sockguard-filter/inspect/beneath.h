/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_BENEATH_H
#define SOCKGUARD_INSPECT_BENEATH_H

#include "inspect/inspect.h"

/*
 * Bind sources are compared as text; the daemon follows symbolic links. A link below an allowed directory that somebody
 * else can write to therefore leads anywhere. Where the filter sees the daemon's file system, it follows the links too.
 * It is a check before the daemon's own use of the path: who can swap a directory between the two still wins, so
 * allowed directories should not be writable by those who may bind them.
 *
 * Both are values for inspect_input.resolves_within.
 */

/* Asks this host's file system. What cannot be seen from here passes unless `require`. */
bool inspect_resolves_within(const struct inspect_input *in, struct slice path, struct plist list, bool require);

/* The daemon is on another host: nothing can be asked. */
bool inspect_resolves_nowhere(const struct inspect_input *in, struct slice path, struct plist list, bool require);

#endif
