/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/slice.h"
#include "filter/connection.h"
#include "tls/handover.h"

#define RESUME_ENV "SOCKGUARD_POOL_FDS" /* "PAGE:WAKE": descriptors that our former self left open */
#define LOOK_MS 1000                    /* how often the parent looks for members that ended */
#define FULL_LOOK_MS 20                 /* the same, while connections wait for one to end */
#define TEND_S 60
#define GRACE_NS (35 * NSEC_PER_SEC)
#define BACKOFF_MIN_NS (100 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS (10 * NSEC_PER_SEC)

enum member_state { MEMBER_NONE, MEMBER_STARTING, MEMBER_IDLE, MEMBER_BUSY };

struct member {
        _Atomic(int32_t) pid;
        _Atomic(uint32_t) state;
};

/* Shared by the parent and all members; a memfd, so that it outlives an exec of the parent. */
struct page {
        _Atomic(int32_t) ready;  /* a hint: members starting or idle */
        _Atomic(uint32_t) woken; /* the parent has been woken and has not looked yet */
        uint32_t low, most;
        struct member members[POOL_MOST];
};

static struct {
        struct page *page;
        int page_fd, wake;
        struct member *self; /* in a member */
        volatile sig_atomic_t stop;
} pool;

static void on_stop(int number) {
        (void) number;
        pool.stop = 1;
}

static int open_page(const struct pool_config *config) {
        const char *resume = getenv(RESUME_ENV);
        struct slice a, b;
        uint64_t page_fd, wake;
        struct stat st;

        if (resume && slice_cut(slice_of(resume), ':', &a, &b) && slice_parse_u64(a, &page_fd) == 0 &&
            slice_parse_u64(b, &wake) == 0 && fstat((int) page_fd, &st) == 0 &&
            st.st_size == (off_t) sizeof(struct page)) {
                pool.page_fd = (int) page_fd;
                pool.wake = (int) wake;
        } else {
                pool.page_fd = memfd_create("sockguard-pool", 0);
                pool.wake = eventfd(0, EFD_NONBLOCK);
                if (pool.page_fd < 0 || pool.wake < 0 || ftruncate(pool.page_fd, sizeof(struct page)) < 0)
                        return -errno;
        }
        (void) unsetenv(RESUME_ENV);
        if (resume)
                (void) prctl(PR_SET_NAME, "sockguard-filter"); /* the exec went through /proc/self/exe */
        pool.page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, pool.page_fd, 0);
        if (pool.page == MAP_FAILED)
                return -errno;
        pool.page->low = config->low;
        pool.page->most = config->most < POOL_MOST ? config->most : POOL_MOST;
        return 0;
}

/* ---- the parent ---- */

struct census {
        unsigned ready, all;
};

static struct census count_members(void) {
        struct census n = { 0 };

        for (unsigned i = 0; i < pool.page->most; i++)
                switch (atomic_load(&pool.page->members[i].state)) {
                case MEMBER_STARTING:
                case MEMBER_IDLE:
                        n.ready++;
                        n.all++;
                        break;
                case MEMBER_BUSY:
                        n.all++;
                        break;
                case MEMBER_NONE:
                default:
                        break;
                }
        return n;
}

static struct member *member_of(pid_t pid) {
        for (unsigned i = 0; i < pool.page->most; i++)
                if (atomic_load(&pool.page->members[i].pid) == pid)
                        return &pool.page->members[i];
        return NULL;
}

static bool is_memory_error(int signal_number) {
        return signal_number == SIGSEGV || signal_number == SIGABRT || signal_number == SIGBUS ||
               signal_number == SIGILL || signal_number == SIGFPE || signal_number == SIGSYS;
}

/* Buries the dead. *ret_crashed: one died of what an attack may look like. Returns how many never got as far as a
 * connection. */
static unsigned reap(const struct pool_config *config, bool *ret_crashed) {
        unsigned failed = 0;
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                struct member *m = member_of(pid);

                if (m) {
                        if (atomic_load(&m->state) != MEMBER_BUSY &&
                            !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM))
                                failed++;
                        atomic_store(&m->state, MEMBER_NONE);
                        atomic_store(&m->pid, 0);
                }
                if (WIFSIGNALED(status) && is_memory_error(WTERMSIG(status))) {
                        *ret_crashed = true;
                        config->report(config->arg, "a filter died of a signal", WTERMSIG(status));
                }
        }
        return failed;
}

static void signal_members(int number, bool idle_only) {
        for (unsigned i = 0; i < pool.page->most; i++) {
                struct member *m = &pool.page->members[i];
                int32_t pid = atomic_load(&m->pid);
                uint32_t state = atomic_load(&m->state);

                if (pid > 0 && (!idle_only || state == MEMBER_IDLE || state == MEMBER_STARTING))
                        (void) kill(pid, number);
        }
}

/* A new address space layout for everyone who comes. Members that are at work keep theirs, and stay our children. */
static void execute_anew(const struct pool_config *config) {
        char text[64];

        signal_members(SIGTERM, true);
        snprintf(text, sizeof(text), "%d:%d", pool.page_fd, pool.wake);
        if (setenv(RESUME_ENV, text, 1) < 0)
                return;
        (void) execv("/proc/self/exe", config->argv);
        (void) unsetenv(RESUME_ENV);
        config->report(config->arg, "cannot execute the pool anew", errno);
}

static _Noreturn void become_member(const struct pool_config *config, struct member *m, pid_t parent) {
        pool.self = m;
        /* The parent's death takes the idle along; who serves a connection has said that it does not mind (pool_wait).
         */
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
                _exit(0);
        (void) close(pool.page_fd);
        connection_catch_signals();
        if (pool.stop)
                _exit(0); /* told to while the parent's handler was still ours */
        _exit(config->member(config->arg));
}

static void refill(const struct pool_config *config, unsigned wanted) {
        pid_t parent = getpid();

        for (unsigned i = 0; i < pool.page->most && wanted > 0; i++) {
                struct member *m = &pool.page->members[i];
                pid_t pid;

                if (atomic_load(&m->state) != MEMBER_NONE)
                        continue;
                atomic_store(&m->state, MEMBER_STARTING);
                pid = fork();
                if (pid == 0)
                        become_member(config, m, parent);
                if (pid < 0) {
                        atomic_store(&m->state, MEMBER_NONE);
                        config->report(config->arg, "cannot start a filter", errno);
                        return;
                }
                atomic_store(&m->pid, pid);
                wanted--;
        }
}

static int shut_down(const struct pool_config *config) {
        uint64_t deadline = deadline_in(GRACE_NS);
        bool crashed = false;

        signal_members(SIGTERM, false);
        while (now_ns() < deadline) {
                (void) reap(config, &crashed);
                if (count_members().all == 0)
                        return EXIT_SUCCESS;
                (void) poll(NULL, 0, 20);
        }
        signal_members(SIGKILL, false);
        return EXIT_FAILURE;
}

int pool_run(const struct pool_config *config, int listen_fd) {
        struct sigaction stop = { .sa_handler = on_stop }, ignore = { .sa_handler = SIG_IGN };
        uint64_t backoff = 0, not_before = 0, last_exec = now_ns();
        bool full_reported = false;
        int r;

        r = open_page(config);
        if (r < 0) {
                config->report(config->arg, "cannot set the pool up", -r);
                return EXIT_FAILURE;
        }
        (void) sigaction(SIGTERM, &stop, NULL);
        (void) sigaction(SIGINT, &stop, NULL);
        (void) sigaction(SIGHUP, &ignore, NULL);
        (void) sigaction(SIGPIPE, &ignore, NULL);

        while (!pool.stop) {
                struct pollfd p = { .fd = pool.wake, .events = POLLIN };
                uint64_t now = now_ns(), drained;
                bool crashed = false;
                struct census n;

                if (read(pool.wake, &drained, sizeof(drained)) < 0 && errno != EAGAIN)
                        (void) poll(NULL, 0, LOOK_MS);
                atomic_store(&pool.page->woken, 0);
                /* Filters that do not even start (no policy directory, no memory) must not be started in a circle. */
                if (reap(config, &crashed) > 0) {
                        backoff = backoff ? (backoff * 2 < BACKOFF_MAX_NS ? backoff * 2 : BACKOFF_MAX_NS)
                                          : BACKOFF_MIN_NS;
                        not_before = now + backoff;
                }
                if (crashed && now - last_exec > NSEC_PER_SEC)
                        execute_anew(config);
                n = count_members();
                if (n.ready < config->low && now >= not_before) {
                        unsigned room = pool.page->most - n.all, wanted = config->idle - n.ready;

                        if (room < wanted && !full_reported)
                                config->report(config->arg, "as many filters as allowed are at work", (long) n.all);
                        full_reported = room < wanted;
                        config->prepare(config->arg);
                        refill(config, wanted < room ? wanted : room);
                        n = count_members();
                        if (n.ready >= config->low && now - not_before > BACKOFF_MAX_NS)
                                backoff = 0;
                }
                atomic_store(&pool.page->ready, (int32_t) n.ready);
                /* What was taken while we counted: the next who takes one wakes us, or we look in a second. */
                (void) poll(&p, 1,
                            now < not_before ? deadline_poll_ms(not_before)
                            : full_reported  ? FULL_LOOK_MS
                                             : LOOK_MS);
        }
        /* Members at work may take their time; who comes meanwhile must find nobody listening, and a new pool must be
         * able to. */
        (void) close(listen_fd);
        return shut_down(config);
}

/* ---- a member ---- */

/* From here on a member is idle: SIGALRM interrupts its waiting, SIGTERM ends it. */
static void begin_waiting(void) {
        if (pool.self)
                atomic_store(&pool.self->state, MEMBER_IDLE);
        connection_signals.idle = 1;
        if (connection_signals.stopping)
                _exit(0);
}

/* There is a connection: this member is ready no more. What can wait until its first answer is in pool_settle(). */
static void end_waiting(void) {
        connection_signals.idle = 0;
        if (pool.self) {
                int32_t ready;

                atomic_store(&pool.self->state, MEMBER_BUSY);
                ready = atomic_fetch_sub(&pool.page->ready, 1) - 1;
                if (ready < (int32_t) pool.page->low && !atomic_exchange(&pool.page->woken, 1)) {
                        const uint64_t one = 1;

                        if (write(pool.wake, &one, sizeof(one)) < 0)
                                atomic_store(&pool.page->woken, 0);
                }
        }
}

void pool_settle(void) {
        (void) alarm(0);
        if (pool.self)
                (void) prctl(PR_SET_PDEATHSIG, 0);
}

int pool_wait(int listen_fd, void (*tend)(void *arg), void *arg) {
        int fd;

        begin_waiting();
        for (;;) {
                (void) alarm(TEND_S);
                fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
                if (fd >= 0)
                        break;
                if (errno == EINTR)
                        tend(arg);
                else if (errno == EAGAIN) {
                        /* The listening socket is non-blocking: somebody else set it so. */
                        struct pollfd p = { .fd = listen_fd, .events = POLLIN };

                        (void) poll(&p, 1, TEND_S * 1000);
                } else if (errno != ECONNABORTED && errno != EPROTO)
                        return -errno;
        }
        end_waiting();
        return fd;
}

int pool_wait_handover(int channel, void (*tend)(void *arg), void *arg, char *record, size_t room, size_t *ret_len,
                       int *ret_plain) {
        int r;

        begin_waiting();
        do {
                (void) alarm(TEND_S);
                r = terminator_wait(channel);
                if (r == -EINTR)
                        tend(arg);
        } while (r == -EINTR);
        if (r < 0)
                return r;
        end_waiting();
        return handover_receive(channel, record, room, ret_len, ret_plain);
}
