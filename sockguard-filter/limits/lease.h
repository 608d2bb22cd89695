/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_LIMITS_LEASE_H
#define SOCKGUARD_LIMITS_LEASE_H

#include "limits/state.h"

/*
 * Counting what connections hold, so that a filter killed at any instruction gives back exactly what it held.
 *
 * Each connection owns one slot of the lease table for its life. Owning means holding a write lock on byte <slot> of
 * the file `leases` (fcntl(2), F_OFD_SETLK): the kernel drops it when the process is gone, however it went, and nobody
 * else can take it before.
 *
 * A counter (the priority gate's, or a profile's) is one word: {count, slot, seq}, where slot and seq name the last
 * change and who made it. A slot has one word per counter it can be part of: {state, seq, counter}. A change goes
 *
 *      1. slot word := PLUS seq            I am about to add one
 *      2. counter: CAS {n, x} -> {n+1, slot seq}
 *      3. slot word := HELD seq
 *
 * and before anybody does step 2, he completes the change that the counter names (x) by moving that slot's word from
 * PLUS to HELD or from MINUS to FREE. So a slot word that says PLUS has been counted if and only if the counter still
 * names it; whoever cleans up after a dead owner can tell, and repeats or finishes the rest. No lock, no lost or
 * doubled count, and an admission is two compare-and-swaps.
 */

enum lease_state { LEASE_FREE, LEASE_PLUS, LEASE_HELD, LEASE_MINUS };

/* The count in a counter's word. */
static inline uint32_t lease_count(uint64_t counter) {
        return (uint32_t) (counter >> 44);
}

/*
 * Makes sure that this process owns a slot. 0, or -ENOSPC when all are in use. Costs two system calls the first time
 * and nothing later.
 */
int lease_take(struct state *s);

/* Gives up what the slot holds, and the slot. */
void lease_drop(struct state *s);

#define LEASE_COUNTER_GLOBAL UINT32_MAX /* otherwise a profile slot */

/*
 * Adds one to the counter on behalf of our slot unless it has reached `limit`; dead holders are cleaned up before that
 * is believed. `always`: add whatever the count (rollout pass-through). *ret_count is the count after (or, refused,
 * without) ours. true: counted; must be given back by lease_release(). Our slot must not hold in that counter's kind
 * already.
 */
bool lease_acquire(struct state *s, uint32_t counter, uint32_t limit, bool always, uint32_t *ret_count);

/* Would lease_acquire() refuse now? Dead holders are cleaned up before yes is said. Changes nothing else. */
bool lease_is_full(struct state *s, uint32_t counter, uint32_t limit);

/* Gives back what the slot holds in the counter's kind; nothing if it holds nothing. */
void lease_release(struct state *s, uint32_t counter);

/*
 * Cleans up all slots whose owner is dead. Returns how many requests were running in them. `visit` (may be NULL) is
 * called for each such request, before its slot is freed.
 */
unsigned lease_reap(struct state *s, void (*visit)(const struct state_lease *l, void *arg), void *arg);

/*
 * Does the counter agree with the slots? If not (somebody wrote into the file), sets it right. Exact even while filters
 * work. 0 agreed, 1 repaired, -EAGAIN it moved too fast to tell.
 */
int lease_audit(struct state *s, uint32_t counter);

/*
 * Mutual exclusion between filters for as long as a request lasts: a write lock on one of LEASE_TURNS bytes behind the
 * slots', chosen by `hash`, so that a filter killed meanwhile gives it back. Waits at most `wait_ns`. 0 taken;
 * -ETIMEDOUT; another negative errno. A process holds one at a time; lease_end_turn() gives it back.
 */
#define LEASE_TURNS 1024u
int lease_take_turn(struct state *s, uint64_t hash, uint64_t wait_ns);
void lease_end_turn(struct state *s, uint64_t hash);

/* Is somebody alive in the slot? Tests the lock; our own slot counts as alive. */
bool lease_alive(const struct state *s, uint32_t slot);

#endif
