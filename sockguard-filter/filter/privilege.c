/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/privilege.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
        __rlimit_resource_t what;
        rlim_t most;
} limits[] = {
        { RLIMIT_CORE, 0 },                     /* memory holds other people's secrets */
        { RLIMIT_NOFILE, 64 },
        { RLIMIT_FSIZE, 16ull << 30 },          /* a spooled archive; its own limit is lower */
#ifndef SOCKGUARD_SANITIZED
        { RLIMIT_AS, 2ull << 30 },              /* the sanitizers' shadow is terabytes of address space */
#endif
        { RLIMIT_STACK, 8u << 20 },
};

static int lower_limits(struct error *e) {
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
                struct rlimit l = { limits[i].most, limits[i].most }, was;

                if (getrlimit(limits[i].what, &was) == 0 && was.rlim_max < l.rlim_max)
                        l.rlim_cur = l.rlim_max = was.rlim_max;
                if (setrlimit(limits[i].what, &l) < 0)
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

int privilege_drop(const struct policy *p, struct error *e) {
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_errno(e, -errno, "cannot set no_new_privs");
        r = lower_limits(e);
        if (r < 0)
                return r;
        r = drop_capabilities(e);
        if (r < 0)
                return r;
        return p ? install_filter(p, e) : 0;
}
