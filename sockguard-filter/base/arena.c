/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGN _Alignof(max_align_t)
#define ARENA_BLOCK_MIN (16u * 1024 - 64)

struct arena_block {
        struct arena_block *older;
        size_t size, used;
        _Alignas(max_align_t) char data[];
};

static void __attribute__((noreturn)) arena_give_up(struct arena *a) {
        if (a->exhausted)
                a->exhausted(a);
        abort();
}

void arena_init(struct arena *a, size_t limit, void (*exhausted)(struct arena *a)) {
        *a = (struct arena){ .limit = limit, .exhausted = exhausted };
}

void *arena_alloc(struct arena *a, size_t size) {
        size_t need = size ? (size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1) : ARENA_ALIGN;
        struct arena_block *b = a->blocks;
        void *p;

        if (need < size || need > a->limit || a->used > a->limit - need)
                arena_give_up(a);
        if (!b || b->size - b->used < need) {
                size_t room = need > ARENA_BLOCK_MIN ? need : ARENA_BLOCK_MIN;

                b = malloc(sizeof(*b) + room);
                if (!b)
                        arena_give_up(a);
                b->size = room;
                b->used = 0;
                b->older = a->blocks;
                a->blocks = b;
        }
        p = b->data + b->used;
        b->used += need;
        a->used += need;
        memset(p, 0, need);
        return p;
}

void *arena_array(struct arena *a, size_t n, size_t size) {
        size_t total;

        if (__builtin_mul_overflow(n, size, &total))
                arena_give_up(a);
        return arena_alloc(a, total);
}

void *arena_more(struct arena *a, void *at, size_t n, size_t *room, size_t size) {
        void *more;

        if (n < *room)
                return at;
        *room = *room ? *room * 2 : 16;
        more = arena_array(a, *room, size);
        if (n > 0)
                memcpy(more, at, n * size);
        return more;
}

struct slice arena_dup(struct arena *a, struct slice s) {
        char *p = arena_alloc(a, s.len + 1);

        if (s.len)
                memcpy(p, s.at, s.len);
        return slice_make(p, s.len);
}

struct slice arena_printf(struct arena *a, const char *format, ...) {
        va_list ap;
        char *p;
        int n;

        va_start(ap, format);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n < 0)
                return SLICE("");
        p = arena_alloc(a, (size_t) n + 1);
        va_start(ap, format);
        n = vsnprintf(p, (size_t) n + 1, format, ap);
        va_end(ap);
        return slice_make(p, n < 0 ? 0 : (size_t) n);
}

struct arena_mark arena_mark(const struct arena *a) {
        return (struct arena_mark){ a->blocks, a->blocks ? a->blocks->used : 0, a->used };
}

void arena_rewind(struct arena *a, struct arena_mark m) {
        struct arena_block *b = a->blocks, *older;

        for (; b && b != m.block; b = older) {
                older = b->older;
                free(b);
        }
        a->blocks = b;
        a->used = m.used;
        if (b)
                b->used = m.block_used;
}

static void arena_drop(struct arena *a, struct arena_block *keep) {
        struct arena_block *b = a->blocks, *older;

        for (; b && b != keep; b = older) {
                older = b->older;
                free(b);
        }
        a->blocks = keep;
        a->used = 0;
        if (keep)
                keep->used = 0;
}

void arena_reset(struct arena *a) {
        struct arena_block *oldest = a->blocks;

        while (oldest && oldest->older)
                oldest = oldest->older;
        arena_drop(a, oldest && oldest->size <= ARENA_BLOCK_MIN ? oldest : NULL);
}

void arena_free(struct arena *a) {
        arena_drop(a, NULL);
}
