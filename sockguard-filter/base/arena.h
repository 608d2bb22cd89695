/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_ARENA_H
#define SOCKGUARD_BASE_ARENA_H

#include "base/slice.h"

/*
 * Memory that lives as long as one request (or one compilation) and is given back all at once. Bounded: what a hostile
 * body can make us allocate is `limit` and no more. Allocation never returns NULL. When the limit or the system's
 * memory is exhausted `exhausted` is called, which must not return (the filter logs and closes the connection, which
 * denies whatever was being decided; ctl longjmps out of the parse).
 */
struct arena_block;

struct arena {
        struct arena_block *blocks;         /* newest first; the oldest is kept across arena_reset() */
        size_t used;                        /* bytes handed out since the last reset, padding included */
        size_t limit;                       /* bytes */
        void (*exhausted)(struct arena *a); /* must not return */
        void *exhausted_arg;
};

/* `exhausted` NULL means abort(). No memory is taken before the first allocation. */
void arena_init(struct arena *a, size_t limit, void (*exhausted)(struct arena *a));

/* Zeroed memory, aligned for any type. `size` 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(2)));

/* As arena_alloc for n elements; an overflowing product counts as exhaustion. */
void *arena_array(struct arena *a, size_t n, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(2, 3)));

/*
 * Room for one more element behind n: `at` itself while n is below *room, else a copy with twice the room. The old
 * array stays in the arena.
 */
void *arena_more(struct arena *a, void *at, size_t n, size_t *room, size_t size);

/* A copy of the bytes, followed by one NUL that is not counted. */
struct slice arena_dup(struct arena *a, struct slice s);

/* printf into the arena. The result is NUL-terminated, the NUL not counted. */
struct slice arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Scratch that is given back before the request ends: what was handed out after arena_mark() becomes invalid with
 * arena_rewind(). Marks nest.
 */
struct arena_mark {
        struct arena_block *block;
        size_t block_used, used;
};

struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark m);

/* Everything handed out becomes invalid; one block is kept for the next request. */
void arena_reset(struct arena *a);

/* Gives all memory back. The arena may be used again. */
void arena_free(struct arena *a);

#define arena_new(a, type) ((type *) arena_alloc((a), sizeof(type)))
#define arena_new_array(a, type, n) ((type *) arena_array((a), (n), sizeof(type)))

#endif
