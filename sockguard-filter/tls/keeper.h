/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_KEEPER_H
#define SOCKGUARD_TLS_KEEPER_H

#include <sys/types.h>

#include "tls/terminator.h"

/*
 * In a pool: holds the key, and makes terminators of itself, one for each filter that asks for one over `control`
 * (terminator_request()). It reads nothing from a client and is nobody; what it keeps of root, if it was root, is the
 * right to read files. When certificate, key or client CA are other files than before, and fit together, terminators
 * from then on have them, and those that still wait are let go. When they do not fit, that is logged and the old ones
 * stay in use.
 *
 * Returns the exit status, when the pool has ended. `parent` is who keeps the pool.
 */
int keeper_run(struct terminator *t, struct slice listener, int listening, int control, pid_t parent);

#endif
