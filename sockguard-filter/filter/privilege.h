/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_PRIVILEGE_H
#define SOCKGUARD_FILTER_PRIVILEGE_H

#include "base/error.h"
#include "policy/image.h"

/*
 * Gives up, for good, everything that serving a connection does not need: new privileges through exec, capabilities,
 * core dumps, more than a few descriptors, every file but the few that privilege.c lists (where the kernel has
 * Landlock), and every system call that the image's filter does not list. Called after start-up and before the first
 * byte of the client is looked at. `p` NULL: there is no policy, so no system call filter either; such a filter only
 * says 503.
 *
 * `runtime` are the directories of the policy and of the shared state, ended by NULL; none: this filter looks at no
 * file any more. 0; or negative errno, and then the connection must not be served.
 */
int privilege_drop(const struct policy *p, const char *const *runtime, struct error *e);

/* Where a body that does not fit memory goes, as a file without a name. NULL after the last. */
const char *privilege_spool_dir(unsigned i);

#endif
