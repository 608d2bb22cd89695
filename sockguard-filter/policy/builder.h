/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_BUILDER_H
#define SOCKGUARD_POLICY_BUILDER_H

#include "policy/image.h"

/*
 * The policy image while it grows: one reservation of address space of POLICY_IMAGE_MAX bytes that the kernel fills
 * with pages as they are touched. It never moves, so pointers into it stay good; what is stored in it are offsets.
 */
struct builder {
        unsigned char *base;
        size_t used;                  /* bytes; a multiple of 8 after every allocation */
        void (*exhausted)(void *arg); /* must not return; called when the image would become too large */
        void *arg;
};

/* 0 or -ENOMEM. The first sizeof(struct policy_header) bytes are reserved and zero. */
int builder_init(struct builder *b, void (*exhausted)(void *arg), void *arg);
void builder_free(struct builder *b);

/*
 * Zeroed memory for n elements, aligned to 8; *ret_list (may be NULL) describes it. n 0 gives a valid pointer and an
 * empty list.
 */
void *builder_array(struct builder *b, size_t n, size_t size, struct plist *ret_list);

#define builder_new(b, type) ((type *) builder_array((b), 1, sizeof(type), NULL))
#define builder_list(b, n, type, ret_list) ((type *) builder_array((b), (n), sizeof(type), (ret_list)))

/* A copy of the text, followed by a NUL that does not count, so that file names can be used in place. */
struct pstr builder_str(struct builder *b, struct slice s);

static inline uint32_t builder_off(const struct builder *b, const void *at) {
        return (uint32_t) ((const unsigned char *) at - b->base);
}

static inline void *builder_at(const struct builder *b, uint32_t off) {
        return b->base + off;
}

static inline struct slice builder_text(const struct builder *b, struct pstr s) {
        return slice_make((const char *) b->base + s.off, s.len);
}

#endif
