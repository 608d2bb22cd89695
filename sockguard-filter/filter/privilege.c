/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/privilege.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter/landlock.h"
#include "unpack/run.h"

static const struct {
        __rlimit_resource_t what;
        rlim_t most;
} limits[] = {
        { RLIMIT_CORE, 0 },                                        /* memory holds other people's secrets */
        { RLIMIT_NOFILE, 64 },      { RLIMIT_FSIZE, 16ull << 30 }, /* a spooled archive; its own limit is lower */
#ifndef SOCKGUARD_SANITIZED
        { RLIMIT_AS, 2ull << 30 }, /* the sanitizers' shadow is terabytes of address space */
#endif
        { RLIMIT_STACK, 8u << 20 },
};

static int lower_limits(struct error *e) {
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
                struct rlimit l = { limits[i].most, limits[i].most }, was;
                int r = prlimit(0, limits[i].what, &l, &was);

                /* EPERM: who started us has set it lower already; a privileged process has raised it then, and takes
                 * that back. */
                if (r == 0 && was.rlim_max < l.rlim_max)
                        r = setrlimit(limits[i].what, &was);
                if (r < 0 && errno != EPERM)
                        return error_errno(e, -errno, "cannot lower a resource limit");
        }
        return 0;
}

static int drop_capabilities(struct error *e) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

        /* No exec follows that could bring any back: no_new_privs is set. */
        if (syscall(SYS_capset, &header, none) < 0)
                return error_errno(e, -errno, "cannot drop capabilities");
        return 0;
}

static int install_filter(const struct policy *p, struct error *e) {
        const struct plist list = p->header->seccomp;
        struct sock_fprog program;

        if (list.n == 0)
                return 0; /* the compiler has warned */
        if (list.n > BPF_MAXINSNS)
                return error_set(e, -EBADMSG, "the policy's system call filter has %u instructions", list.n);
        program.len = (unsigned short) list.n;
        program.filter = (struct sock_filter *) policy_list(p, list, struct sock_filter);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                return error_errno(e, -errno, "cannot install the system call filter");
        return 0;
}

const char *privilege_spool_dir(unsigned i) {
        const char *dirs[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
        unsigned n = 0;

        for (size_t k = 0; k < sizeof(dirs) / sizeof(dirs[0]); k++)
                if (dirs[k] && dirs[k][0] == '/' && n++ == i)
                        return dirs[k];
        return NULL;
}

#ifdef SOCKGUARD_INSTRUMENTED
static int confine_files(const struct policy *p, const char *const *runtime, struct error *e) {
        (void) p, (void) runtime, (void) e;
        return 0; /* gcov and the sanitizers write and read files of their own */
}
#else

#define RUNTIME_MAX 3
#define ROWS_MAX (RUNTIME_MAX + 3 + 5)

/* What may still be opened: a new policy and the shared state, bodies on their way, and the program that looks into
 * uploads. */
static int confine_files(const struct policy *p, const char *const *runtime, struct error *e) {
        struct landlock_row rows[ROWS_MAX];
        char libexec[PATH_MAX];
        unsigned n = 0;
        const char *dir;
        int r;

        for (; *runtime && n < RUNTIME_MAX; runtime++)
                rows[n++] = (struct landlock_row){ *runtime, LANDLOCK_READ | LANDLOCK_WRITE };
        /* Only uploads are spooled. A filter that obeys a later policy which lets them in refuses them: it cannot start
         * the program either. */
        if (p && p->compiled->starts_unpack) {
                static const char *const loaded[] = { "/usr", "/lib", "/lib64", "/etc/ld.so.cache" };

                for (unsigned i = 0; (dir = privilege_spool_dir(i)) != NULL; i++)
                        rows[n++] = (struct landlock_row){ dir, LANDLOCK_READ | LANDLOCK_WRITE };
                for (size_t i = 0; i < sizeof(loaded) / sizeof(loaded[0]); i++)
                        rows[n++] = (struct landlock_row){ loaded[i], LANDLOCK_READ | LANDLOCK_EXECUTE };
                if (unpack_path(libexec, sizeof(libexec)))
                        rows[n++] = (struct landlock_row){ libexec, LANDLOCK_READ | LANDLOCK_EXECUTE };
        }
        r = landlock_confine(rows, n);
        return r < 0 && r != -EOPNOTSUPP ? error_errno(e, r, "cannot confine the filter to its files") : 0;
}
#endif

int privilege_drop(const struct policy *p, const char *const *runtime, struct error *e) {
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_errno(e, -errno, "cannot set no_new_privs");
        r = lower_limits(e);
        if (r < 0)
                return r;
        r = confine_files(p, runtime, e);
        if (r < 0)
                return r;
        r = drop_capabilities(e);
        if (r < 0)
                return r;
        return p ? install_filter(p, e) : 0;
}
