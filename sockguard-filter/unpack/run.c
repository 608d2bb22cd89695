/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "unpack/facts.h"

#define ARGUMENTS_MAX 32u

const char *unpack_path(char *buffer, size_t size) {
        const char *dir = getenv("SOCKGUARD_LIBEXEC");
        int n;

        if (!dir || dir[0] != '/')
                dir = SOCKGUARD_LIBEXECDIR;
        n = snprintf(buffer, size, "%s/sockguard-unpack", dir);
        return n > 0 && (size_t) n < size ? buffer : NULL;
}

/* In the child of a vfork(): nothing here may touch the parent's memory or return. */
static void become_unpack(const char *path, char *const *argv, int spool, int out) __attribute__((noreturn));

static void become_unpack(const char *path, char *const *argv, int spool, int out) {
        static char *const no_environment[] = { NULL };

        /* Everything else is close-on-exec. A descriptor that is in its place already would stay so, too. */
        if ((spool == STDIN_FILENO ? fcntl(spool, F_SETFD, 0) : dup2(spool, STDIN_FILENO)) >= 0 &&
            dup2(out, STDOUT_FILENO) >= 0)
                (void) execve(path, argv, no_environment);
        _exit(127);
}

static pid_t start(const char *path, const char *const *arguments, int spool, int out) {
        const char *argv[ARGUMENTS_MAX + 2] = { "sockguard-unpack" };
        pid_t pid;

        for (size_t i = 0; arguments[i]; i++) {
                if (i == ARGUMENTS_MAX)
                        return -E2BIG;
                argv[i + 1] = arguments[i];
        }
        pid = vfork();
        if (pid == 0)
                become_unpack(path, (char *const *) (uintptr_t) argv, spool, out);
        return pid < 0 ? -errno : pid;
}

/* Everything up to the end of the pipe, until `deadline`. */
static int collect(int fd, uint64_t deadline, struct strbuf *to) {
        for (;;) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                int r = poll(&p, 1, deadline_poll_ms(deadline));
                char *at;
                ssize_t n;

                if (r < 0 && errno == EINTR)
                        continue;
                if (r <= 0)
                        return r < 0 ? -errno : -ETIMEDOUT;
                at = strbuf_reserve(to, 65536);
                if (!at)
                        return to->len + 65536 > to->limit ? -EFBIG : -ENOMEM;
                n = read(fd, at, 65536);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                to->len += (size_t) n;
        }
}

static int wait_for(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
}

int unpack_run(int spool, const char *const *argv, uint64_t deadline, struct arena *a, struct slice *ret_facts) {
        _cleanup_strbuf_ struct strbuf text;
        char path[PATH_MAX];
        int pipe_fds[2], r, e;
        pid_t pid;

        strbuf_init(&text, FACTS_MAX + 2 * 65536);
        if (!unpack_path(path, sizeof(path)))
                return -ENAMETOOLONG;
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        pid = start(path, argv, spool, pipe_fds[1]);
        (void) close(pipe_fds[1]);
        if (pid < 0) {
                (void) close(pipe_fds[0]);
                return pid;
        }
        r = collect(pipe_fds[0], deadline, &text);
        (void) close(pipe_fds[0]);
        if (r < 0)
                (void) kill(pid, SIGKILL);
        e = wait_for(pid);
        if (r < 0 || e < 0)
                return r < 0 ? r : e;
        *ret_facts = arena_dup(a, strbuf_view(&text));
        return 0;
}
