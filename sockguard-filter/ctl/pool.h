/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_CTL_POOL_H
#define SOCKGUARD_CTL_POOL_H

#include "ctl/companion.h"

/*
 * The filters of one listening socket. Plaintext: one child, `sockguard-filter --pool`, which keeps a number of filters
 * waiting in accept(2) (filter/pool.h); it is started anew when it dies, ever more slowly. TLS: `sockguard-tls --pool`,
 * which becomes the same, each filter with a terminator that waits in accept(2) in its place.
 */
struct filter_pool;

/* Starts it; l->pool is set. `idle` filters are kept ready, `most` exist at a time. 0 or negative errno with *e. */
int pool_start(struct companion *c, struct listener *l, unsigned idle, unsigned most, struct error *e);

/* Takes no more connections; what runs may finish. */
void pool_drain(struct filter_pool *p);

/* Has everything ended? */
bool pool_idle(const struct filter_pool *p);

/* Kills what is left. NULL is allowed. */
void pool_free(struct filter_pool *p);

#endif
