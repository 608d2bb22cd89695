/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/builder.h"

#include <stdlib.h>
#include <sys/mman.h>

#define ALIGN 8u

int builder_init(struct builder *b, void (*exhausted)(void *arg), void *arg) {
        void *p = mmap(NULL, POLICY_IMAGE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                       0);

        if (p == MAP_FAILED)
                return -ENOMEM;
        *b = (struct builder){ .base = p, .exhausted = exhausted, .arg = arg };
        b->used = (sizeof(struct policy_header) + ALIGN - 1) & ~(size_t) (ALIGN - 1);
        return 0;
}

void builder_free(struct builder *b) {
        if (b->base)
                munmap(b->base, POLICY_IMAGE_MAX);
        *b = (struct builder){ 0 };
}

void *builder_array(struct builder *b, size_t n, size_t size, struct plist *ret_list) {
        size_t bytes;
        unsigned char *p;

        if (__builtin_mul_overflow(n, size, &bytes) || bytes > POLICY_IMAGE_MAX - ALIGN - b->used) {
                b->exhausted(b->arg);
                abort();
        }
        p = b->base + b->used;
        if (ret_list)
                *ret_list = n ? (struct plist){ .off = (uint32_t) b->used, .n = (uint32_t) n } : (struct plist){ 0 };
        b->used += (bytes + ALIGN - 1) & ~(size_t) (ALIGN - 1);
        return p;
}

struct pstr builder_str(struct builder *b, struct slice s) {
        struct pstr r;
        char *p;

        if (s.len == 0)
                return (struct pstr){ 0 };
        p = builder_array(b, s.len + 1, 1, NULL);
        memcpy(p, s.at, s.len);
        r.off = builder_off(b, p);
        r.len = (uint32_t) s.len;
        return r;
}
