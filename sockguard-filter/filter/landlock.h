/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_LANDLOCK_H
#define SOCKGUARD_FILTER_LANDLOCK_H

#include <stdint.h>

/*
 * Which part of the file system a process may still open (landlock(7)); everything else is as if its permissions
 * forbade it. Looking where a path leads (O_PATH, stat, readlink) and connecting to a socket by its path stay possible:
 * the kernel has no rule for them.
 */
enum landlock_use {
        LANDLOCK_READ = 1 << 0,
        LANDLOCK_WRITE = 1 << 1, /* files that exist, and files without a name (O_TMPFILE) */
        LANDLOCK_EXECUTE = 1 << 2,
};

struct landlock_row {
        const char *path; /* a directory and everything below it, or a file; what does not exist is skipped */
        unsigned use;     /* bits of enum landlock_use */
};

/*
 * Confines this process, and what it starts, to the rows. no_new_privs must be set. 0; -EOPNOTSUPP a kernel without
 * Landlock, which changes nothing; another negative errno.
 */
int landlock_confine(const struct landlock_row *rows, unsigned n);

#endif
