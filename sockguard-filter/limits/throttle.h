/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_LIMITS_THROTTLE_H
#define SOCKGUARD_LIMITS_THROTTLE_H

#include "limits/state.h"

/*
 * May a throttle record be written now (chapter 06, 1.9)? At most one a second for each client and gate, over all
 * filters. The first always may.
 */
bool throttle_sample(struct state_map *m, uint32_t profile_slot, enum throttle_gate gate, uint64_t now_ms);

#endif
