/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/slice.h"
#include "tls/pages.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* asm-generic/mman-common.h of Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

#define WRITE_MOST (512u << 10) /* larger anonymous mappings are buffers, of which a handshake needs little */

/* What a handshake runs much of. The other libraries are a third of the pages, and touched here and there. */
static bool is_busy(struct slice path) {
        static const char *const names[] = { "sockguard-tls", "libgnutls.", "libnettle.",
                                             "libhogweed.",   "libgmp.",    "libtasn1." };
        struct slice name = slice_from(path, (size_t) (slice_rfind(path, '/') + 1));

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (slice_starts(name, slice_of(names[i])))
                        return true;
        return false;
}

/* "from-to perms offset device inode  path" (proc_pid_maps(5)). False: not worth populating. */
static bool worth_it(const char *line, struct pages *p) {
        unsigned long from, to;
        char perms[5], path[256] = "";

        if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %255s", &from, &to, perms, path) < 3 || perms[0] != 'r' ||
            perms[3] != 'p')
                return false;
        if (path[0] == '[' && strcmp(path, "[heap]") != 0 && strcmp(path, "[stack]") != 0)
                return false; /* the kernel's own */
        p->mappings[p->n].at = (void *) (uintptr_t) from;
        p->mappings[p->n].size = to - from;
        p->mappings[p->n].write = perms[1] == 'w';
        return perms[1] == 'w' ? to - from <= WRITE_MOST : is_busy(slice_of(path));
}

void pages_learn(struct pages *ret) {
        FILE *f = fopen("/proc/self/maps", "re");
        char line[512];

        ret->n = 0;
        if (!f)
                return;
        while (ret->n < PAGES_MOST && fgets(line, sizeof(line), f))
                if (worth_it(line, ret))
                        ret->n++;
        fclose(f);
}

void pages_take(const struct pages *p) {
        for (size_t i = 0; i < p->n; i++)
                (void) madvise(p->mappings[i].at, p->mappings[i].size,
                               p->mappings[i].write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}
