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

#define READ_MOST (4u << 20)  /* larger files, such as libunistring's tables, are looked at in few places */
#define WRITE_MOST (512u << 10) /* larger anonymous mappings are buffers, of which a handshake needs little */

/* "from-to perms offset device inode  path" (proc_pid_maps(5)). False: not worth populating. */
static bool worth_it(const char *line, struct pages *w) {
        unsigned long from, to;
        char perms[5], path[256] = "";

        if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %255s", &from, &to, perms, path) < 3 || perms[0] != 'r' || perms[3] != 'p')
                return false;
        if (path[0] == '[' && !slice_eq(slice_of(path), SLICE("[heap]")) && !slice_eq(slice_of(path), SLICE("[stack]")))
                return false; /* the kernel's own */
        w->mappings[w->n].at = (void *) (uintptr_t) from;
        w->mappings[w->n].size = to - from;
        w->mappings[w->n].write = perms[1] == 'w';
        return to - from <= (perms[1] == 'w' ? WRITE_MOST : READ_MOST);
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

void pages_take(const struct pages *w) {
        for (size_t i = 0; i < w->n; i++)
                (void) madvise(w->mappings[i].at, w->mappings[i].size, w->mappings[i].write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}
