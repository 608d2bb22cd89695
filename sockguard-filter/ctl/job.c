/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 4096u

int job_write(int fd, const void *at, size_t n) {
        for (size_t done = 0; done < n;) {
                ssize_t r = write(fd, (const char *) at + done, n - done);

                if (r < 0 && errno == EINTR)
                        continue;
                if (r < 0)
                        return -errno;
                done += (size_t) r;
        }
        return 0;
}

static int spawn(struct job *j) {
        sigset_t none;
        int fds[2];

        strbuf_init(&j->got, j->room + 2 * BLOCK);
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        (void) fflush(NULL);
        j->pid = fork();
        if (j->pid < 0) {
                int r = -errno;

                close(fds[0]);
                close(fds[1]);
                return r;
        }
        if (j->pid == 0) {
                close(fds[0]);
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                signal(SIGPIPE, SIG_DFL);
                signal(SIGBUS, SIG_DFL);
                j->run(j, fds[1]);
                _exit(0);
        }
        close(fds[1]);
        j->fd = fds[0];
        return 0;
}

/* Takes what is there. True at the end of the stream. */
static bool take(struct job *j) {
        for (;;) {
                char spare[BLOCK], *at = strbuf_reserve(&j->got, BLOCK);
                ssize_t n = read(j->fd, at ? at : spare, BLOCK);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno != EAGAIN;
                if (n == 0)
                        return true;
                if (at)
                        j->got.len += (size_t) n;
        }
}

static void forget(struct job *j) {
        j->io = sd_event_source_disable_unref(j->io);
        j->child = sd_event_source_disable_unref(j->child);
        j->limit = sd_event_source_disable_unref(j->limit);
        close(j->fd);
        j->fd = -1;
}

static void finish(struct job *j) {
        struct strbuf got = j->got;

        forget(j);
        j->got = (struct strbuf){ 0 };
        j->done(j, got.failed || got.len > j->room ? SLICE("") : strbuf_view(&got));
        strbuf_free(&got);
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *arg) {
        (void) fd;
        (void) events;
        /* The end of the stream is not the end of the child: that is what counts. */
        if (take(arg))
                sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *arg) {
        (void) s;
        (void) si;
        (void) take(arg);
        finish(arg);
        return 0;
}

static int on_limit(sd_event_source *s, uint64_t usec, void *arg) {
        struct job *j = arg;

        (void) s;
        (void) usec;
        (void) kill(j->pid, SIGKILL);
        return 0;
}

int job_start(sd_event *event, struct job *j) {
        int r = spawn(j);

        if (r < 0)
                return r;
        (void) fcntl(j->fd, F_SETFL, O_NONBLOCK);
        r = sd_event_add_child(event, &j->child, j->pid, WEXITED, on_child, j);
        if (r >= 0)
                r = sd_event_add_io(event, &j->io, j->fd, EPOLLIN, on_io, j);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &j->limit, CLOCK_MONOTONIC, j->seconds * 1000000ull, 1000,
                                               on_limit, j);
        if (r >= 0)
                return 0;
        (void) kill(j->pid, SIGKILL);
        forget(j);
        while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        strbuf_free(&j->got);
        return r;
}

int job_now(struct job *j) {
        int r = spawn(j);

        if (r < 0)
                return r;
        while (!take(j))
                ;
        while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        finish(j);
        return 0;
}
