/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/warm.h"

#include <link.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define STACK_USED (24u * 1024) /* what judging and recording a request take of the stack */
#define BUFFER_USED 4096u       /* of each buffer: a request that is longer can afford a fault */

static void populate(const void *at, size_t n, int advice) {
        uintptr_t from = (uintptr_t) at & ~(uintptr_t) 4095, to = ((uintptr_t) at + n + 4095) & ~(uintptr_t) 4095;

        (void) madvise((void *) from, to - from, advice);
}

/* Our own code: shared pages, but each process maps them for itself. What of libc is needed the start-up has touched.
 */
static int populate_code(struct dl_phdr_info *info, size_t size, void *arg) {
        (void) size;
        (void) arg;
        for (unsigned i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *h = &info->dlpi_phdr[i];

                if (h->p_type == PT_LOAD && (h->p_flags & PF_X))
                        populate((const void *) (info->dlpi_addr + h->p_vaddr), h->p_memsz, MADV_POPULATE_READ);
        }
        return 1; /* the first object is the program: no further one */
}

static __attribute__((noinline)) void touch_stack(void) {
        volatile char room[STACK_USED];

        for (size_t i = 0; i < sizeof(room); i += 4096)
                room[i] = 0;
}

void warm_up(struct connection *c) {
        (void) dl_iterate_phdr(populate_code, NULL);
        populate(c, offsetof(struct connection, request_fields), MADV_POPULATE_WRITE);
        populate(c->request_fields, BUFFER_USED, MADV_POPULATE_WRITE);
        populate(c->answer_fields, BUFFER_USED, MADV_POPULATE_WRITE);
        populate(c->client_buf, BUFFER_USED, MADV_POPULATE_WRITE);
        populate(c->upstream_buf, BUFFER_USED, MADV_POPULATE_WRITE);
        touch_stack();
        /* The buffers that a request grows, as far as most grow them. */
        (void) strbuf_reserve(&c->out, 2048);
        (void) arena_alloc(&c->arena, 64);
        arena_reset(&c->arena);
}
