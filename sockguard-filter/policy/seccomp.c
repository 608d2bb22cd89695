/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sockguard-filter may ask of the kernel once it has its policy: everything else ends the process. The list is all
 * that there is to edit here.
 */
#include "policy/seccomp.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/check.h"

static const char *const allowed[] = {
        /* the two streams */
        "read",
        "write",
        "writev",
        "pread64",
        "recvfrom",
        "recvmsg",
        "sendto",
        "sendmsg",
        "splice",
        "shutdown",
        "close",
        "poll",
        "ppoll",
        "pipe2",
        "fcntl",
        "lseek",
        "dup",
        /* the daemon and the companion */
        "connect",
        "getsockopt",
        "setsockopt",
        "getpeername",
        "accept4",
        "memfd_create",
        /* a new policy, a spooled body, shared state (openat: below) */
        "fstat",
        "newfstatat",
        "munmap",
        "mremap",
        "madvise",
        /* where a bind source leads (inspect/beneath.c) */
        "openat2",
        "readlink",
        "readlinkat",
        /* memory, time, signals, the end */
        "brk",
        "futex",
        "alarm",
        "setitimer",
        "clock_gettime",
        "clock_nanosleep",
        "gettimeofday",
        "getrandom",
        "getpid",
        "getppid",
        "gettid",
        "getuid",
        "geteuid",
        "getgid",
        "getegid",
        "rt_sigreturn",
        "rt_sigaction",
        "rt_sigprocmask",
        "restart_syscall",
        "tgkill",
        "exit",
        "exit_group",
};

/*
 * What starting sockguard-unpack takes, and what that program and its loader do before it closes its own sandbox. Only
 * in policies with a rule that lets an upload in: all other filters cannot start a program.
 */
static const char *const unpacking[] = {
        "vfork",
        "dup2",
        "dup3",
        "clone",
        "clone3",
        "execve",
        "wait4",
        "waitid",
        "kill",
        "arch_prctl",
        "set_tid_address",
        "set_robust_list",
        "rseq",
        "prlimit64",
        "setrlimit",
        "getrlimit",
        "access",
        "faccessat",
        "faccessat2",
        "readlink",
        "readlinkat",
        "uname",
        "seccomp",
        "prctl",
        "mmap",
        "mprotect",
#ifdef SOCKGUARD_SANITIZED
        "open",
        "sigaltstack",
        "sched_getaffinity",
        "sysinfo",
        "personality",
#endif
};

/* Where uploads go that sockguard-unpack looks into (inspect/: INSPECT_ARCHIVE). */
static const char *const uploads[] = {
        "/build",
        "/libpod/build",
        "/images/load",
        "/libpod/images/load",
        "/images/create",
        "/libpod/images/import",
        "/plugins/create",
        "/containers/*/archive",
        "/libpod/containers/*/archive",
};

static bool lets_uploads_in(struct config *c, struct plist rules) {
        const struct opt_rule *at = list_of(c, rules, struct opt_rule);

        for (uint32_t i = 0; i < rules.n; i++)
                for (size_t k = 0; k < sizeof(uploads) / sizeof(uploads[0]); k++)
                        if (slice_eq(text_of(c, at[i].action), SLICE("allow")) &&
                            patterns_meet(text_of(c, at[i].match.path), slice_of(uploads[k])))
                                return true;
        return false;
}

static bool needs_unpack(struct config *c) {
        const struct plist profiles = c->root->clients.profiles;
        const struct opt_profile *at = list_of(c, profiles, struct opt_profile);

        if (lets_uploads_in(c, c->root->rules))
                return true;
        /* In another mode than enforce a request that the rules deny is looked into all the same. */
        for (uint32_t i = 0; i < profiles.n; i++)
                if (lets_uploads_in(c, at[i].rules) || at[i].mode.len > 0)
                        return true;
        return false;
}

/* Calls that are fine with some arguments only: (value of argument `n` & mask) == want. */
static const struct {
        const char *name;
        unsigned n;
        uint64_t mask, want;
        bool unpacking; /* where programs are started, too; the others are in that list as they are */
} narrowed[] = {
#ifdef SOCKGUARD_INSTRUMENTED
        { "openat", 2, 0, 0, true }, /* gcov and the sanitizers write files of their own */
#else
        /* No file of any name comes into being, or loses what it has. Which may be opened: filter/landlock.c. */
        { "openat", 2, O_CREAT | O_TRUNC, 0, true },
#endif
        { "socket", 0, UINT64_MAX, AF_UNIX, true },
        { "socket", 0, UINT64_MAX, AF_INET, true },
        { "socket", 0, UINT64_MAX, AF_INET6, true },
        { "prctl", 0, UINT64_MAX, PR_SET_PDEATHSIG,
          false },                          /* a pool's member that has got its connection outlives the pool */
        { "mmap", 2, PROT_EXEC, 0, false }, /* no code comes into being */
        { "mprotect", 2, PROT_EXEC, 0, false },
};

static int allow(scmp_filter_ctx ctx, const char *const *names, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                int number = seccomp_syscall_resolve_name(names[i]);

                if (number >= 0) /* others do not exist on this architecture */
                        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
        }
        return r;
}

static int build(scmp_filter_ctx ctx, bool unpack, int fd) {
        int r = unpack ? allow(ctx, unpacking, sizeof(unpacking) / sizeof(unpacking[0])) : 0;

        for (size_t i = 0; i < sizeof(narrowed) / sizeof(narrowed[0]) && r == 0; i++) {
                int number = seccomp_syscall_resolve_name(narrowed[i].name);

                if (number >= 0 && (!unpack || narrowed[i].unpacking))
                        r = seccomp_rule_add(
                                ctx, SCMP_ACT_ALLOW, number, 1,
                                SCMP_CMP(narrowed[i].n, SCMP_CMP_MASKED_EQ, narrowed[i].mask, narrowed[i].want));
        }

        if (r == 0)
                r = allow(ctx, allowed, sizeof(allowed) / sizeof(allowed[0]));
        if (r == 0)
                r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE,
                                     2); /* a binary tree: the cost does not grow with the list */
        return r == 0 ? seccomp_export_bpf(ctx, fd) : r;
}

void seccomp_compile(struct config *c, struct policy_header *header) {
        scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
        int fd = memfd_create("seccomp", MFD_CLOEXEC), r = -ENOMEM;
        struct stat st = { 0 };

        c->compiled->starts_unpack = needs_unpack(c);
        if (ctx && fd >= 0)
                r = build(ctx, c->compiled->starts_unpack, fd);
        if (r == 0 && fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < 65536) {
                size_t n = (size_t) st.st_size / sizeof(struct sock_filter);
                struct sock_filter *at = builder_list(&c->blob, n, struct sock_filter, &header->seccomp);

                if (pread(fd, at, n * sizeof(*at), 0) != (ssize_t) (n * sizeof(*at)))
                        header->seccomp.n = 0;
        }
        if (header->seccomp.n == 0)
                problems_add(
                        &c->problems,
                        &(struct problem){
                                .warning = true,
                                .expected = SLICE(
                                        "no system call filter could be compiled; filters will run without one") });
        if (ctx)
                seccomp_release(ctx);
        if (fd >= 0)
                close(fd);
}
