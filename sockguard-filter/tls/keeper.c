/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tls/sandbox.h"

#define LOOK_NS (2 * NSEC_PER_SEC) /* how often the files are looked at; they are taken when two looks agree */

/* 1 with a channel for a new terminator; 0 nothing came in time; -ECONNRESET the pool has ended. */
static int next_request(int control, uint64_t until, int *ret_channel) {
        struct pollfd pfd = { .fd = control, .events = POLLIN };
        union {
                struct cmsghdr align;
                char room[CMSG_SPACE(sizeof(int))];
        } buffer;
        char word;
        struct iovec iov = { .iov_base = &word, .iov_len = 1 };
        struct msghdr m = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &buffer, .msg_controllen = sizeof(buffer)
        };
        struct cmsghdr *c;
        ssize_t n;

        if (poll(&pfd, 1, deadline_poll_ms(until)) <= 0)
                return 0;
        n = recvmsg(control, &m, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        c = CMSG_FIRSTHDR(&m);
        if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
                return 0;
        memcpy(ret_channel, CMSG_DATA(c), sizeof(int));
        return 1;
}

/* Those of our process group that have no client yet; the others ignore the signal (terminator_run). */
static void let_the_waiting_go(void) {
        const struct timespec now = {};
        sigset_t term, old;

        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &term, &old);
        (void) kill(0, SIGTERM);
        (void) sigtimedwait(&term, NULL, &now); /* our own */
        (void) sigprocmask(SIG_SETMASK, &old, NULL);
}

struct watch {
        struct tls_files taken, last;
        uint64_t next;
};

static void renew(struct terminator *t, struct slice listener, struct watch *w) {
        struct tls_server fresh;
        struct error e = {};

        int r = tls_server_load(&t->policy, listener, &fresh, &e);

        w->taken = fresh.files; /* also when they are no good: that is said once */
        if (r < 0) {
                report_event(&t->report, LEVEL_ERROR, "the renewed TLS files cannot be used, the old ones stay",
                             slice_of(e.text));
                return;
        }
        fresh.hints = t->server.hints;
        tls_server_unload(&t->server);
        t->server = fresh;
        pages_learn(&t->pages);
        let_the_waiting_go();
        report_event(&t->report, LEVEL_INFO, "TLS files renewed", SLICE(""));
}

/* Files that are being written one after the other are left alone until they have come to rest. */
static void look(struct terminator *t, struct slice listener, struct watch *w) {
        struct tls_files now;

        if (now_ns() < w->next)
                return;
        w->next = deadline_in(LOOK_NS);
        if (tls_files_look(&t->server, &now) < 0)
                return; /* one is missing: it will be back */
        if (!tls_files_same(&now, &w->taken) && tls_files_same(&now, &w->last))
                renew(t, listener, w);
        w->last = now;
}

int keeper_run(struct terminator *t, struct slice listener, int listening, int control, pid_t parent) {
        struct watch w = { .taken = t->server.files, .last = t->server.files, .next = deadline_in(LOOK_NS) };
        struct error e = {};

        t->server.hints = hints_new();
        pages_learn(&t->pages);
        if (sandbox_drop(true, &e) < 0) {
                report_event(&t->report, LEVEL_ERROR, "the keeper of the key cannot give up its privileges",
                             slice_of(e.text));
                return EXIT_FAILURE;
        }
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || setpgid(0, 0) < 0 ||
            signal(SIGCHLD, SIG_IGN) == SIG_ERR)
                return EXIT_FAILURE;
        for (;;) {
                int channel = -1, r = next_request(control, w.next, &channel);
                pid_t keeper = getpid(), pid;

                if (r < 0)
                        return 0;
                look(t, listener, &w);
                if (r == 0)
                        continue;
                pid = fork();
                if (pid == 0) {
                        close(control);
                        if (getppid() != keeper)
                                _exit(0);
                        _exit(terminator_run(t, listening, true, channel));
                }
                close(channel); /* also when there is no process: the filter then hears that nobody is there */
        }
}
