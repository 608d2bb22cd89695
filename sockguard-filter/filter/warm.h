/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_WARM_H
#define SOCKGUARD_FILTER_WARM_H

#include "filter/connection.h"

/*
 * A forked process has no page of its own yet: each it touches first costs a fault, and the first request of a
 * connection would pay for all of them. A member of a pool touches them while nobody waits. Nothing depends on it: what
 * the kernel refuses is not done.
 */
void warm_up(struct connection *c);

#endif
