/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Younger than the headers that we are built with may be. */
#define ACCESS_REFER (1ull << 13)          /* ABI 2 */
#define ACCESS_TRUNCATE (1ull << 14)       /* ABI 3 */
#define ACCESS_IOCTL_DEV (1ull << 15)      /* ABI 5 */
#define SCOPE_ABSTRACT_SOCKETS (1ull << 0) /* ABI 6 */
#define SCOPE_SIGNALS (1ull << 1)

struct attributes {
        uint64_t fs, net, scoped;
};

/* All that the kernel can forbid. */
static struct attributes everything(long abi) {
        struct attributes a = { .fs = ACCESS_REFER - 1 };

        if (abi >= 2)
                a.fs |= ACCESS_REFER;
        if (abi >= 3)
                a.fs |= ACCESS_TRUNCATE;
        if (abi >= 5)
                a.fs |= ACCESS_IOCTL_DEV;
        if (abi >= 6)
                a.scoped = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
        return a;
}

static uint64_t accesses(unsigned use) {
        return (use & LANDLOCK_READ ? LANDLOCK_ACCESS_FS_READ_FILE : 0) |
               (use & LANDLOCK_WRITE ? LANDLOCK_ACCESS_FS_WRITE_FILE : 0) |
               (use & LANDLOCK_EXECUTE ? LANDLOCK_ACCESS_FS_EXECUTE : 0);
}

static int add(int ruleset, const struct landlock_row *row) {
        struct landlock_path_beneath_attr a = { .allowed_access = accesses(row->use) };
        int r = 0;

        a.parent_fd = open(row->path, O_PATH | O_CLOEXEC);
        if (a.parent_fd < 0)
                return 0; /* what is not there needs no permission */
        if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &a, 0) < 0)
                r = -errno;
        (void) close(a.parent_fd);
        return r;
}

int landlock_confine(const struct landlock_row *rows, unsigned n) {
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        struct attributes a = everything(abi);
        int ruleset, r = 0;

        if (abi < 1)
                return -EOPNOTSUPP; /* not built in, not turned on, or refused by a container's system call filter */
        ruleset = (int) syscall(SYS_landlock_create_ruleset, &a, abi >= 6 ? sizeof(a) : sizeof(a.fs), 0);
        if (ruleset < 0)
                return -errno;
        for (unsigned i = 0; i < n && r == 0; i++)
                r = add(ruleset, &rows[i]);
        if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                r = -errno;
        (void) close(ruleset);
        return r;
}
