/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ctl/companion.h"

/*
 * Everything that reads YAML runs here, in a child: a candidate that finds a hole in a parser finds it in a process
 * that has a few seconds, little memory, no network and nothing to write to, and memory that a thousand reloads leave
 * behind is given back by exit.
 */

#define WORK_SECONDS 8u
#define WORK_MEMORY (1024ul * 1024 * 1024) /* address space: the image alone reserves 64 MiB */

static void limit(int what, rlim_t n) {
        struct rlimit l = { n, n };

        (void) setrlimit(what, &l);
}

/*
 * For a candidate, which is a stranger's text: no other program, no other process, no network, and no file changed,
 * whatever its reader is made to do. What it may is read, compute, and write down the pipe.
 */
static void shut_in(void) {
#ifndef SOCKGUARD_SANITIZED
        static const int calls[] = {
                SCMP_SYS(execve),
                SCMP_SYS(execveat),
                SCMP_SYS(fork),
                SCMP_SYS(vfork),
                SCMP_SYS(clone),
                SCMP_SYS(clone3),
                SCMP_SYS(ptrace),
                SCMP_SYS(process_vm_readv),
                SCMP_SYS(process_vm_writev),
                SCMP_SYS(kill),
                SCMP_SYS(pidfd_open),
                SCMP_SYS(pidfd_getfd),
                SCMP_SYS(pidfd_send_signal),
                SCMP_SYS(socket),
                SCMP_SYS(socketpair),
                SCMP_SYS(connect),
                SCMP_SYS(bind),
                SCMP_SYS(listen),
                SCMP_SYS(accept),
                SCMP_SYS(accept4),
                SCMP_SYS(sendto),
                SCMP_SYS(sendmsg),
                SCMP_SYS(sendmmsg),
                SCMP_SYS(creat),
                SCMP_SYS(openat2),
                SCMP_SYS(truncate),
                SCMP_SYS(unlink),
                SCMP_SYS(unlinkat),
                SCMP_SYS(rename),
                SCMP_SYS(renameat),
                SCMP_SYS(renameat2),
                SCMP_SYS(link),
                SCMP_SYS(linkat),
                SCMP_SYS(symlink),
                SCMP_SYS(symlinkat),
                SCMP_SYS(mkdir),
                SCMP_SYS(mkdirat),
                SCMP_SYS(rmdir),
                SCMP_SYS(mknod),
                SCMP_SYS(mknodat),
                SCMP_SYS(chmod),
                SCMP_SYS(fchmodat),
                SCMP_SYS(chown),
                SCMP_SYS(lchown),
                SCMP_SYS(fchownat),
                SCMP_SYS(setxattr),
                SCMP_SYS(utimensat),
                SCMP_SYS(mount),
                SCMP_SYS(umount2),
                SCMP_SYS(chroot),
                SCMP_SYS(pivot_root),
                SCMP_SYS(unshare),
                SCMP_SYS(setns),
                SCMP_SYS(bpf),
                SCMP_SYS(perf_event_open),
                SCMP_SYS(io_uring_setup),
                SCMP_SYS(keyctl),
                SCMP_SYS(init_module),
                SCMP_SYS(finit_module),
                SCMP_SYS(kexec_load),
                SCMP_SYS(reboot),
                SCMP_SYS(swapon),
                SCMP_SYS(setuid),
                SCMP_SYS(setgid),
                SCMP_SYS(setresuid),
                SCMP_SYS(setresgid),
        };
        static const unsigned modes[] = { O_WRONLY, O_RDWR };
        scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
        int r = f ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
                r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
        for (size_t i = 0; r == 0 && i < sizeof(modes) / sizeof(modes[0]); i++) {
                r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(open), 1,
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, modes[i]));
                if (r == 0)
                        r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 1,
                                             SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, modes[i]));
        }
        if (r == 0)
                r = seccomp_load(f);
        if (f)
                seccomp_release(f);
        if (r < 0)
                _exit(1); /* the candidate is then said to have had no reader */
#endif
}

/* Of what the companion has open a candidate's reader keeps the pipe: no lock, no client, and above all not the shared
 * state. */
static void let_go(const struct work *w, int fd) {
        (void) munmap(w->of->state.map, sizeof(*w->of->state.map));
        if (fd > 3)
                (void) close_range(3, (unsigned) fd - 1, 0);
        (void) close_range((unsigned) fd + 1, ~0u, 0);
}

static void confine(const struct work *w) {
        limit(RLIMIT_CPU, WORK_SECONDS);
        limit(RLIMIT_CORE, 0);
#ifndef SOCKGUARD_SANITIZED
        limit(RLIMIT_AS, WORK_MEMORY);
#endif
        if (w->kind == WORK_CANDIDATE)
                limit(RLIMIT_FSIZE, 1u << 20); /* the seccomp compiler goes through a memfd */
        (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (w->kind == WORK_CANDIDATE)
                shut_in();
}

/* The problems as lines, warnings left out. */
static void add_problems(const struct config *c, struct strbuf *out) {
        const struct problems *list = config_problems(c);

        for (size_t i = 0; i < list->n; i++) {
                const struct problem *p = &list->at[i];

                if (p->warning)
                        continue;
                if (out->len)
                        strbuf_addc(out, '\n');
                {
                        _cleanup_strbuf_ struct strbuf line;

                        strbuf_init(&line, 4096);
                        problem_format(p, &line);
                        for (size_t j = 0; j < line.len; j++)
                                if (line.at[j] == '\n')
                                        line.at[j] = ' ';
                        if (line.len + out->len < out->limit - 64)
                                strbuf_add(out, strbuf_view(&line));
                }
        }
        if (out->len == 0)
                strbuf_adds(out, "the configuration could not be read");
}

/* `alone`: by the text and the command line, without the environment; so a signed policy is read. */
static int load(const struct work *w, struct slice text, bool from_file, bool alone, struct config **ret) {
        struct companion *c = w->of;
        bool policy = w->kind == WORK_POLICY;
        struct config_source source = {
                .path = policy ? c->config_path : "candidate",
                .path_given = c->config_given,
                .from_memory = !from_file,
                .text = text,
                .environment = c->environment,
                .overlay = policy && !alone,
                .sections = !alone,
                .docker_host = policy && !alone,
                .bundle_verified = alone || !policy, /* what is only looked at is not run */
                .flags = policy ? &c->flags : NULL,
                .allow_unknown_keys = c->allow_unknown_keys,
                .no_files = w->hide_files,
        };

        return config_load(&source, ret);
}

/*
 * A signed policy is what its bytes say, no more: they are read once, verified, and parsed without the environment.
 * *next is, at first, the reading with it, which may be what asks for a signature.
 */
static uint32_t judge_signature(struct work *w, struct config **next, struct work_result *r, struct strbuf *out) {
        _cleanup_config_ struct config *alone = NULL, *running = NULL;
        const struct companion *c = w->of;
        struct slice text = w->text;
        struct error e = { "" };
        char *read = NULL;
        size_t n = 0;
        int k;

        if (w->kind != WORK_POLICY)
                return WORK_OK;
        if (w->from_file && reload_read(c->config_path, &read, &n, &e) == 0)
                text = slice_make(read, n); /* not freed: what is loaded points into it, and this process ends soon */
        k = text.at ? load(w, text, false, true, &alone) : -ENOENT;
        if (!signed_wanted(c, alone, *next))
                return WORK_OK;
        if (k < 0 || text.len == 0) {
                if (text.len == 0)
                        strbuf_adds(out, "there is no file to verify, or it is empty");
                else if (alone)
                        add_problems(alone, out);
                return c->signed_only ? WORK_SIGNATURE : WORK_LOAD;
        }
        if (w->running.at)
                (void) load(w, w->running, false, true, &running);
        if (signed_verify(c, text, alone, running, &r->bundle, &e) < 0) {
                strbuf_add(out, slice_of(e.text));
                return WORK_SIGNATURE;
        }
        config_free(*next);
        *next = alone;
        alone = NULL;
        return WORK_OK;
}

static uint32_t judge(struct work *w, struct work_result *r, struct strbuf *out) {
        _cleanup_config_ struct config *next = NULL, *running = NULL;
        struct slice image;
        struct error e;
        char path[300];
        int k = load(w, w->text, w->from_file, false, &next);
        uint32_t outcome = judge_signature(w, &next, r, out);

        if (outcome != WORK_OK)
                return outcome;
        if (k < 0 && !r->bundle.on) {
                if (!next)
                        strbuf_adds(out, "not enough memory");
                else
                        add_problems(next, out);
                return WORK_LOAD;
        }
        if (w->running.at && load(w, w->running, false, r->bundle.on != 0, &running) == 0 &&
            config_diff(running, next, out) > 0)
                return WORK_IMMUTABLE;
        k = config_check(next);
        r->compat = config_compat_active(next);
        if (k < 0 || config_compile(next, w->generation, &image) < 0) {
                add_problems(next, out);
                return WORK_VALIDATION;
        }
        r->rules = config_root(next)->rules.n;
        r->profiles = config_root(next)->clients.profiles.n;
        config_sha256(next, r->sha256);
        if (w->kind == WORK_CANDIDATE)
                return WORK_OK;
        snprintf(path, sizeof(path), "%s/.policy.next", w->of->dir);
        if (config_publish(image, path, &e) < 0) {
                strbuf_add(out, slice_of(e.text));
                return WORK_LOAD;
        }
        return WORK_OK;
}

static void run(struct job *j, int fd) {
        struct work *w = j->arg;
        struct work_result r = { .outcome = WORK_DIED };
        struct strbuf out;

        if (w->kind == WORK_CANDIDATE)
                let_go(w, fd);
        confine(w);
        strbuf_init(&out, WORK_TEXT_MAX);
        r.outcome = judge(w, &r, &out);
        r.text_size = (uint32_t) out.len;
        if (job_write(fd, &r, sizeof(r)) == 0)
                (void) job_write(fd, out.at, out.len);
}

static void done(struct job *j, struct slice got) {
        struct work *w = j->arg;
        struct work_result r = { .outcome = WORK_DIED };
        struct slice text = SLICE("its reader was stopped: too large, too deep or too slow");

        if (got.len >= sizeof(r)) {
                memcpy(&r, got.at, sizeof(r));
                r.bundle.signer[sizeof(r.bundle.signer) - 1] = r.bundle.path[sizeof(r.bundle.path) - 1] = '\0';
                if (r.outcome <= WORK_DIED && r.text_size == got.len - sizeof(r))
                        text = slice_from(got, sizeof(r));
                else
                        r = (struct work_result){ .outcome = WORK_DIED };
        }
        w->done(w->of, w, &r, text);
}

static void prepare(struct companion *c, struct work *w) {
        w->of = c;
        w->job = (struct job){ .run = run,
                               .done = done,
                               .arg = w,
                               .seconds = WORK_SECONDS + 2,
                               .room = sizeof(struct work_result) + WORK_TEXT_MAX };
}

int work_start(struct companion *c, struct work *w) {
        prepare(c, w);
        return job_start(c->event, &w->job);
}

int work_now(struct companion *c, struct work *w) {
        prepare(c, w);
        return job_now(&w->job);
}
