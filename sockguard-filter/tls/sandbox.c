/* SPDX-License-Identifier: Apache-2.0 */
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tls/sandbox.h"

#define NOBODY 65534 /* when started as root: an identity that owns nothing */

/* The system calls of the handshake and of the relay. The list is all there is to edit here. */
static const int allowed[] = {
        /* the two streams and the channel */
        SYS_read,
        SYS_write,
        SYS_readv,
        SYS_writev,
        SYS_recvfrom,
        SYS_sendto,
        SYS_recvmsg,
        SYS_sendmsg,
        SYS_shutdown,
        SYS_close,
        SYS_ppoll,
        SYS_getsockopt,
        SYS_setsockopt,
        SYS_fcntl,
        SYS_accept4,
        SYS_getpeername,
#ifdef SYS_poll
        SYS_poll,
#endif
        /* the hand-over: a pair of sockets, which cannot reach anybody else */
        SYS_socketpair,
        /* memory, time, randomness, the end */
        SYS_mmap,
        SYS_munmap,
        SYS_mremap,
        SYS_mprotect,
        SYS_madvise,
        SYS_brk,
        SYS_futex,
        SYS_clock_gettime,
        SYS_gettimeofday,
        SYS_getrandom,
        SYS_getpid,
        SYS_getppid,
        SYS_gettid,
        SYS_getrusage,
        SYS_getuid,
        SYS_geteuid,
        SYS_getgid,
        SYS_getegid,
        SYS_rt_sigaction,
        SYS_rt_sigprocmask,
        SYS_rt_sigreturn,
        SYS_restart_syscall,
        SYS_setitimer,
        SYS_exit,
        SYS_exit_group,
#ifdef SYS_alarm
        SYS_alarm,
#endif
#ifdef SYS_time
        SYS_time,
#endif
#ifdef SOCKGUARD_SANITIZED
        /* what AddressSanitizer does at exit */
        SYS_openat,
        SYS_sigaltstack,
        SYS_readlink,
        SYS_fstat,
        SYS_newfstatat,
        SYS_prctl,
        SYS_clone,
        SYS_wait4,
        SYS_sched_yield,
        SYS_tgkill,
        SYS_set_robust_list,
        SYS_rseq,
        SYS_ptrace,
        SYS_getdents64,
        SYS_sched_getaffinity,
        SYS_getrusage,
        SYS_prlimit64,
        SYS_process_vm_readv,
#endif
};
#define N_ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define OUR_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define OUR_ARCH AUDIT_ARCH_S390X
#else
#error "name this architecture's AUDIT_ARCH"
#endif

static int filter_system_calls(void) {
        struct sock_filter code[N_ALLOWED + 8];
        struct sock_fprog program = { .filter = code };
        size_t n = 0;

        code[n++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
        code[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        for (size_t i = 0; i < N_ALLOWED; i++)
                code[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) allowed[i],
                                                          (uint8_t) (N_ALLOWED - i), 0);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
        code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        _Static_assert(N_ALLOWED < 250, "jumps are one byte");

        program.len = (unsigned short) n;
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static int become_nobody(void) {
        if (geteuid() != 0)
                return 0;
        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return -errno;
        return setuid(0) == 0 ? -EPERM : 0; /* it must not come back */
}

/* Without any capability, or with one. The set of what we may have at most shrinks with the user id already, unless it
 * is kept for this. */
static int drop_capabilities(bool reader) {
        struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct have[2] = {}, want[2] = {};

        (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if (reader && syscall(SYS_capget, &head, have) == 0)
                want[0].permitted = want[0].effective = have[0].permitted & 1u << CAP_DAC_READ_SEARCH;
        return syscall(SYS_capset, &head, want) < 0 ? -errno : 0;
}

static int limit(int resource, rlim_t value) {
        const struct rlimit l = { value, value };

        return setrlimit((__rlimit_resource_t) resource, &l) < 0 ? -errno : 0;
}

int sandbox_drop(bool reader, struct error *err) {
        int r;

        if (reader && prctl(PR_SET_KEEPCAPS, 1) < 0)
                return error_errno(err, -errno, "prctl");
        r = become_nobody();
        if (r >= 0)
                r = drop_capabilities(reader);
        if (r < 0)
                return error_errno(err, r, "give up privileges");
        /* No core file, no ptrace(2) by anybody with our user id: the key is in this memory. */
        if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_errno(err, -errno, "prctl");
        r = limit(RLIMIT_CORE, 0);
        if (r < 0)
                return error_errno(err, r, "setrlimit");
        return 0;
}

int sandbox_enter(struct error *err) {
        int r;

        r = sandbox_drop(false, err);
        if (r < 0)
                return r;
        /* A change of user id clears it, so after that. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
                return error_errno(err, -errno, "prctl");
        r = limit(RLIMIT_NPROC, 0);
        if (r < 0)
                return error_errno(err, r, "setrlimit");
        r = filter_system_calls();
        if (r < 0)
                return error_errno(err, r, "install the system call filter");
        return 0;
}
