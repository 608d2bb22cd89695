/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_LIMITS_BUCKET_H
#define SOCKGUARD_LIMITS_BUCKET_H

#include "limits/state.h"

/*
 * The token bucket of chapter 06, 1.3: one 64-bit word, last << 32 | tokens, tokens in 16.16 fixed point, last in
 * boottime milliseconds modulo 2^32. A word of 0 is a bucket nobody has asked yet: full.
 */
struct bucket_rate {
        uint64_t rate; /* 16.16 tokens a second, at least 1 */
        uint32_t cap;  /* 16.16 */
};

struct bucket_rate bucket_rate_of(double tokens_per_second, double burst);

/* 16.16, at least one token. */
uint64_t bucket_cost_of(double cost);

/* What one attempt makes of a state. true: granted, *ret is the new word. false: refused, *ret_retry whole seconds. */
bool bucket_step(struct bucket_rate r, uint64_t word, uint64_t cost, uint32_t now_ms, uint64_t *ret,
                 uint64_t *ret_retry);

/* The same on the shared word. */
bool bucket_take(struct bucket_rate r, state_word *word, uint64_t cost, uint32_t now_ms, uint64_t *ret_retry);

/* Tokens in it at `now_ms`, 16.16; for status and tests. */
uint32_t bucket_level(struct bucket_rate r, uint64_t word, uint32_t now_ms);

/*
 * What the companion does to every bucket, now and then and after a reload: no more tokens than the cap, which may be a
 * new one; and one that nobody has asked for half a day is brought up to date, so that it does not look, after the
 * clock's half turn (24.8 days), as if time ran backwards.
 */
void bucket_touch(struct bucket_rate r, state_word *word, uint32_t now_ms);

#endif
