/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

#define LISTEN_FD 3
#define BACKOFF_MIN_NS (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS (10 * NSEC_PER_SEC)
#define STEADY_NS (30 * NSEC_PER_SEC) /* who lived that long starts with a clean record */
#define GIVE_UP 10u                   /* deaths in a row after which the listener counts as failed */

struct child {
        struct filter_pool *of;
        pid_t pid;
        sd_event_source *source;
        struct child *next;
};

struct filter_pool {
        struct companion *c;
        struct listener *l;
        unsigned idle, most, n_children, deaths;
        bool draining;
        uint64_t started_ns;
        struct child *children;
        sd_event_source *again;
};

static const char *program(const char *variable, const char *otherwise) {
        const char *path = getenv(variable);

        return path && path[0] == '/' ? path : otherwise;
}

static const char *tls_program(char buffer[512]) {
        snprintf(buffer, 512, "%s/sockguard-tls", program("SOCKGUARD_LIBEXEC", SOCKGUARD_LIBEXECDIR));
        return buffer;
}

/* In the child: descriptor 3 is the socket, and says so by the protocol of sd_listen_fds(3). */
static void __attribute__((noreturn)) become(const char *path, char *const *argv, int fd, const char *name) {
        char pid[32];
        sigset_t none;
        int flags;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        if (fd == LISTEN_FD) {
                flags = fcntl(fd, F_GETFD);
                (void) fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
        } else if (dup2(fd, LISTEN_FD) < 0)
                _exit(127);
        snprintf(pid, sizeof(pid), "%ld", (long) getpid());
        if (setenv("LISTEN_FDS", "1", 1) < 0 || setenv("LISTEN_PID", pid, 1) < 0 ||
            setenv("LISTEN_FDNAMES", name, 1) < 0 || unsetenv("NOTIFY_SOCKET") < 0 || unsetenv("WATCHDOG_USEC") < 0)
                _exit(127);
        /* Whoever kills us must not leave somebody behind who goes on listening. */
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        /* Nothing else of ours goes along. */
        (void) close_range(LISTEN_FD + 1, ~0u, 0);
        execve(path, argv, environ);
        fprintf(stderr, "sockguard-ctl: cannot execute %s: %s\n", path, strerror(errno));
        _exit(127);
}

static void forget(struct child *k) {
        struct filter_pool *p = k->of;

        for (struct child **at = &p->children; *at; at = &(*at)->next)
                if (*at == k) {
                        *at = k->next;
                        break;
                }
        p->n_children--;
        k->source = sd_event_source_disable_unref(k->source);
        free(k);
}

static int start_filters(struct filter_pool *p);

static int on_again(sd_event_source *s, uint64_t usec, void *arg) {
        struct filter_pool *p = arg;

        (void) s;
        (void) usec;
        if (!p->draining && start_filters(p) < 0)
                companion_stop(p->c, 1);
        return 0;
}

/* The parent of the waiting filters is gone. Connections wait in the backlog until there is a new one. */
static void pool_died(struct filter_pool *p, const siginfo_t *si) {
        uint64_t wait = BACKOFF_MIN_NS;
        struct log *l = ctl_log(LEVEL_ERROR, "the filters of a listener ended");

        if (l) {
                log_str(l, "listener", slice_of(p->l->name));
                log_int(l, si->si_code == CLD_EXITED ? "status" : "signal", si->si_status);
                log_end(l);
        }
        if (now_ns() - p->started_ns > STEADY_NS)
                p->deaths = 0;
        if (++p->deaths > GIVE_UP) {
                p->l->state = BOARD_FAILED;
                ctl_note(LEVEL_ERROR, "a listener's filters do not stay alive; stopping", "listener", p->l->name);
                companion_stop(p->c, 1);
                return;
        }
        for (unsigned i = 1; i < p->deaths && wait < BACKOFF_MAX_NS; i++)
                wait *= 2;
        p->again = sd_event_source_disable_unref(p->again);
        if (sd_event_add_time_relative(p->c->event, &p->again, CLOCK_MONOTONIC, wait / 1000, 1000, on_again, p) < 0)
                companion_stop(p->c, 1);
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *arg) {
        struct child *k = arg;
        struct filter_pool *p = k->of;

        (void) s;
        forget(k);
        if (p->draining) {
                if (p->c->stopping && p->c->serve && p->c->serve->idle(p->c))
                        (void) sd_event_exit(p->c->event, p->c->exit_code);
        } else
                pool_died(p, si);
        return 0;
}

static int start_child(struct filter_pool *p, const char *path, char *const *argv, int fd) {
        struct child *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        (void) fflush(NULL);
        k->of = p;
        k->pid = fork();
        if (k->pid < 0) {
                r = -errno;
                free(k);
                return r;
        }
        if (k->pid == 0)
                become(path, argv, fd, p->l->name);
        r = sd_event_add_child(p->c->event, &k->source, k->pid, WEXITED, on_child, k);
        if (r < 0) {
                (void) kill(k->pid, SIGKILL);
                (void) waitpid(k->pid, NULL, 0);
                free(k);
                return r;
        }
        k->next = p->children;
        p->children = k;
        p->n_children++;
        return 0;
}

static int start_filters(struct filter_pool *p) {
        char tls[512], policy[300], idle[16], most[16];
        const char *path =
                p->l->tls ? tls_program(tls) : program("SOCKGUARD_FILTER", SOCKGUARD_BINDIR "/sockguard-filter");
        const char *argv[] = { path,     "--policy", policy,       "--listener", p->l->name,
                               "--pool", idle,       "--pool-max", most,         NULL };

        snprintf(policy, sizeof(policy), "%s/policy", p->c->dir);
        snprintf(idle, sizeof(idle), "%u", p->idle);
        snprintf(most, sizeof(most), "%u", p->most);
        p->started_ns = now_ns();
        return start_child(p, path, (char *const *) argv, p->l->fd);
}

int pool_start(struct companion *c, struct listener *l, unsigned idle, unsigned most, struct error *e) {
        struct filter_pool *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return error_errno(e, -ENOMEM, "listener %s", l->name);
        *p = (struct filter_pool){ .c = c, .l = l, .idle = idle, .most = most };
        l->pool = p;
        r = start_filters(p);
        return r < 0 ? error_errno(e, r, "cannot start the filters of listener %s", l->name) : 0;
}

void pool_drain(struct filter_pool *p) {
        p->draining = true;
        p->again = sd_event_source_disable_unref(p->again);
        for (struct child *k = p->children; k; k = k->next)
                (void) kill(k->pid, SIGTERM);
}

bool pool_idle(const struct filter_pool *p) {
        return p->n_children == 0;
}

void pool_free(struct filter_pool *p) {
        if (!p)
                return;
        for (struct child *k = p->children, *next; k; k = next) {
                next = k->next;
                (void) kill(k->pid, SIGKILL);
                (void) waitpid(k->pid, NULL, 0);
                k->source = sd_event_source_disable_unref(k->source);
                free(k);
        }
        p->again = sd_event_source_disable_unref(p->again);
        free(p);
}
