/* SPDX-License-Identifier: Apache-2.0 */
#include "base/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define MOST 16u

/* What the child says, in one write: less than a pipe takes at once (pipe(7), PIPE_BUF). */
struct answer {
        int gai;
        unsigned n;
        struct resolved at[MOST];
};
_Static_assert(sizeof(struct answer) <= 4096, "an answer is one atomic write");

static int ask(const char *host, const char *port, int flags, struct answer *ret) {
        const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags };
        struct addrinfo *list = NULL;

        memset(ret, 0, sizeof(*ret));
        ret->gai = getaddrinfo(host, port, &hints, &list);
        if (ret->gai != 0)
                return ret->gai;
        for (const struct addrinfo *ai = list; ai && ret->n < MOST; ai = ai->ai_next) {
                if (ai->ai_addrlen > sizeof(ret->at[0].at))
                        continue;
                memcpy(&ret->at[ret->n].at, ai->ai_addr, ai->ai_addrlen);
                ret->at[ret->n++].len = ai->ai_addrlen;
        }
        freeaddrinfo(list);
        return 0;
}

static void __attribute__((noreturn)) be_asked(const char *host, const char *port, int out, pid_t parent) {
        static struct answer a;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(0);
        (void) ask(host, port, AI_ADDRCONFIG, &a);
        _exit(write(out, &a, sizeof(a)) == (ssize_t) sizeof(a) ? 0 : 1);
}

/* 0 with the child's answer; negative errno. */
static int ask_in_child(const char *host, const char *port, uint64_t deadline, struct answer *ret) {
        pid_t parent = getpid(), pid;
        struct pollfd pfd = { .events = POLLIN };
        int pipe_fds[2], r;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        r = -errno;
        if (pid == 0)
                be_asked(host, port, pipe_fds[1], parent);
        (void) close(pipe_fds[1]);
        if (pid > 0) {
                pfd.fd = pipe_fds[0];
                do
                        r = poll(&pfd, 1, deadline_poll_ms(deadline));
                while (r < 0 && errno == EINTR);
                if (r > 0)
                        r = read(pipe_fds[0], ret, sizeof(*ret)) == (ssize_t) sizeof(*ret) ? 0 : -EIO;
                else
                        r = r == 0 ? -ETIMEDOUT : -errno;
                if (r < 0)
                        (void) kill(pid, SIGKILL);
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        (void) close(pipe_fds[0]);
        return r;
}

int resolve_host(const char *host, const char *port, uint64_t deadline, struct resolved *ret, unsigned most,
                 struct error *e) {
        struct answer a;
        int r;

        /* A literal must work also on a host that has only the other family configured: no AI_ADDRCONFIG. */
        if (ask(host, port, AI_NUMERICHOST, &a) == EAI_NONAME) {
                r = ask_in_child(host, port, deadline, &a);
                if (r == -ETIMEDOUT)
                        return error_set(e, r, "the resolver does not answer for %s", host);
                if (r < 0)
                        return error_errno(e, r, "resolve %s", host);
        }
        if (a.gai != 0 || a.n == 0 || a.n > MOST)
                return error_set(e, -EHOSTUNREACH, "resolve %s: %s", host,
                                 a.gai != 0 ? gai_strerror(a.gai) : "no address");
        if (a.n > most)
                a.n = most;
        memcpy(ret, a.at, a.n * sizeof(a.at[0]));
        return (int) a.n;
}

int resolved_connect(int fd, const struct resolved *to, uint64_t deadline) {
        struct pollfd pfd = { .fd = fd, .events = POLLOUT };
        socklen_t size = sizeof(int);
        int failed = 0, r;

        if (connect(fd, (const struct sockaddr *) &to->at, to->len) == 0)
                return 0;
        if (errno != EINPROGRESS && errno != EINTR)
                return -errno;
        do
                r = poll(&pfd, 1, deadline_poll_ms(deadline));
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return -errno;
        if (r == 0)
                return -ETIMEDOUT;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0)
                return -errno;
        return -failed;
}
