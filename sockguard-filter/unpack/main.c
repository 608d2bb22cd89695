/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unpack/walk.h"

/*
 * sockguard-unpack [-g BYTES] [-c BYTES] [-r] [--] [NAME...]
 *
 * Reads the upload on descriptor 0 (a file, from its start, its offset left alone) and writes facts about it to
 * descriptor 1 (unpack/facts.h).
 *
 *      -g BYTES  read gzip, at most so much output      -c BYTES  longest watched entry or raw body
 *      -r        hand over a body that is no archive     NAME      report this entry's content
 *
 * Exit status: 0 the facts are complete; 1 they are not; 2 wrong arguments. Run by sockguard-filter, for one upload.
 * The upload is hostile: before its first byte is looked at, all that is left to this process is write(2) to descriptor
 * 1 and to end.
 */

#define CPU_SECONDS 30 /* the filter waits no longer for the whole upload */

#if defined(__x86_64__) && !defined(__ILP32__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__i386__)
#define NATIVE_ARCH AUDIT_ARCH_I386
#elif defined(__arm__)
#define NATIVE_ARCH AUDIT_ARCH_ARM
#else
#error "add the AUDIT_ARCH_ constant of this architecture: there is no running without the sandbox"
#endif

static int limit(__rlimit_resource_t which, rlim_t most) {
        struct rlimit l = { most, most };

        return setrlimit(which, &l);
}

/* Returns 0, or -1 when the process is not confined as it must be. */
static int confine(void) {
        if (limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_CPU, CPU_SECONDS) < 0 || limit(RLIMIT_NOFILE, 0) < 0 ||
            limit(RLIMIT_FSIZE, 0) < 0 || limit(RLIMIT_MEMLOCK, 0) < 0)
                return -1;
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -1;
#ifndef SOCKGUARD_SANITIZED
        {
                struct sock_filter code[] = {
                        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 0, 5),
                        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 4, 0),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 2),
                        /* The low half is at the front on the little-endian machines above; a descriptor is an int. */
                        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STDOUT_FILENO, 1, 0),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                };
                struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

                if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
                        return -1;
        }
#endif
        return 0;
}

static int number(const char *text, uint64_t most, uint64_t *ret) {
        return text && slice_parse_u64(slice_of(text), ret) == 0 && *ret <= most ? 0 : -1;
}

static int read_arguments(char **argv, struct walk_request *q) {
        uint64_t v;

        q->content_limit = FACTS_CONTENT_MAX;
        for (argv++; *argv && argv[0][0] == '-'; argv++) {
                if (strcmp(*argv, "--") == 0) {
                        argv++;
                        break;
                }
                if (strcmp(*argv, "-r") == 0)
                        q->raw = true;
                else if (strcmp(*argv, "-g") == 0) {
                        if (number(*++argv, INT64_MAX, &q->output_limit) < 0)
                                return -1;
                        q->gzip = true;
                } else if (strcmp(*argv, "-c") == 0) {
                        if (number(*++argv, FACTS_CONTENT_MAX, &v) < 0)
                                return -1;
                        q->content_limit = (uint32_t) v;
                } else
                        return -1;
        }
        for (; *argv; argv++) {
                if (q->n_watch == FACTS_WATCH_MAX || **argv == 0)
                        return -1;
                q->watch[q->n_watch++] = slice_of(*argv);
        }
        return 0;
}

static int complain(const char *what, int status) {
        struct slice s = slice_of(what);

        if (write(STDERR_FILENO, s.at, s.len) < 0)
                return status;
        return status;
}

int main(int argc, char **argv) {
        static struct walk_request request;
        static struct walk w;
        struct slice body = { 0 };
        struct stat st;

        if (argc < 1 || read_arguments(argv, &request) < 0)
                return complain(
                        "sockguard-unpack: wrong arguments (it is run by sockguard-filter; see sockguard-filter(8))\n",
                        2);
        if (fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
                return complain("sockguard-unpack: standard input must be the upload, in a file\n", 2);
        if (st.st_size > 0) {
                void *at = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);

                if (at == MAP_FAILED)
                        return complain("sockguard-unpack: cannot map the upload\n", 1);
                (void) madvise(at, (size_t) st.st_size, MADV_SEQUENTIAL);
                body = slice_make(at, (size_t) st.st_size);
        }
        if (confine() < 0)
                return complain("sockguard-unpack: cannot confine itself, so it does not read the upload\n", 1);
        walk_run(&w, &request, body);
        syscall(SYS_exit_group, walk_report(&w, STDOUT_FILENO) < 0 ? 1 : 0);
        __builtin_unreachable();
}
