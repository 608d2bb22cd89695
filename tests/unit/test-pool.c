/* SPDX-License-Identifier: Apache-2.0 */
/* The pool with members that do next to nothing: who serves, who replaces whom, and how it all ends. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "filter/connection.h"
#include "filter/pool.h"

static struct {
        struct sockaddr_un at;
        int listening;
        char dir[64], marks[80];
} here;

/* Commands of a client: 'p' says our process id, 's' sleeps a second and then says it, 'c' crashes. */
static int member(void *arg) {
        char command = 0, text[32];
        int fd;

        (void) arg;
        fd = pool_wait(here.listening, NULL, NULL);
        if (fd < 0)
                return 1;
        pool_settle();
        if (read(fd, &command, 1) == 1 && command == 'c') {
                (void) signal(SIGSEGV, SIG_DFL);
                (void) raise(SIGSEGV);
        }
        for (uint64_t until = deadline_in(NSEC_PER_SEC); command == 's' && now_ns() < until;)
                (void) poll(NULL, 0, 10); /* signals interrupt it */
        return write(fd, text, (size_t) snprintf(text, sizeof(text), "%d", getpid())) > 0 ? 0 : 1;
}

static void prepare(void *arg) {
        (void) arg;
}

static void report(void *arg, const char *what, long number) {
        int fd = open(here.marks, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

        (void) arg;
        dprintf(fd, "%s %ld\n", what, number);
        (void) close(fd);
}

/* What the pool executes after a crash is this program again; that it has is all that there is to see. */
static __attribute__((constructor)) void notice_exec(void) {
        if (getenv("SOCKGUARD_POOL_FDS"))
                _exit(0);
}

static pid_t start(unsigned idle, unsigned low, unsigned most) {
        static char *argv[] = { (char *) "anew", NULL };
        const struct pool_config config = { .idle = idle,
                                            .low = low,
                                            .most = most,
                                            .argv = argv,
                                            .prepare = prepare,
                                            .member = member,
                                            .report = report };
        pid_t pid = fork();

        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(pool_run(&config, here.listening));
        }
        return pid;
}

static int dial(void) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        CHECK_INT(connect(fd, (struct sockaddr *) &here.at, sizeof(here.at)), 0);
        return fd;
}

static void say(int fd, char command) {
        CHECK_INT(write(fd, &command, 1), 1);
}

/* The process id that answers, 0 when none does. */
static int answer(int fd) {
        char text[32] = "";
        ssize_t n = read(fd, text, sizeof(text) - 1);

        (void) close(fd);
        return n > 0 ? atoi(text) : 0;
}

static int ask(char command) {
        int fd = dial();

        say(fd, command);
        return answer(fd);
}

static bool ends_within(pid_t pid, unsigned ms) {
        for (unsigned i = 0; i < ms; i += 10) {
                int status;

                if (waitpid(pid, &status, WNOHANG) == pid)
                        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
                (void) poll(NULL, 0, 10);
        }
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return false;
}

static void every_connection_gets_a_process_of_its_own(void) {
        pid_t pool = start(4, 2, 16);
        int seen[40];

        for (size_t i = 0; i < 40; i++) {
                seen[i] = ask('p');
                CHECK(seen[i] > 0 && seen[i] != pool);
                for (size_t k = 0; k < i; k++)
                        CHECK(seen[k] != seen[i]);
        }
        (void) kill(pool, SIGTERM);
        CHECK(ends_within(pool, 3000));
}

static void more_connections_than_members_wait_their_turn(void) {
        pid_t pool = start(2, 1, 3);
        int fds[7];

        for (size_t i = 0; i < 7; i++) {
                fds[i] = dial();
                say(fds[i], 's');
        }
        for (size_t i = 0; i < 7; i++)
                CHECK(answer(fds[i]) > 0);
        (void) kill(pool, SIGTERM);
        CHECK(ends_within(pool, 3000));
}

static void a_busy_member_finishes_when_the_pool_is_stopped(void) {
        pid_t pool = start(2, 1, 8);
        int fd = dial();
        uint64_t from = now_ns();

        say(fd, 's');
        (void) poll(NULL, 0, 200);
        (void) kill(pool, SIGTERM);
        CHECK(answer(fd) > 0);
        CHECK(now_ns() - from > 900 * NSEC_PER_MSEC);
        CHECK(ends_within(pool, 3000));
}

static void a_busy_member_outlives_a_killed_pool(void) {
        pid_t pool = start(2, 1, 8);
        int fd = dial();

        say(fd, 's');
        (void) poll(NULL, 0, 200);
        (void) kill(pool, SIGKILL);
        (void) waitpid(pool, NULL, 0);
        CHECK(answer(fd) > 0);
}

static void after_a_crash_the_pool_executes_itself_anew(void) {
        pid_t pool = start(2, 1, 8);
        char text[200] = "";
        ssize_t n;
        int fd;

        (void) poll(NULL, 0, 1200); /* not within the first second: a pool that always crashes must not spin */
        (void) ask('c');
        CHECK(ends_within(pool, 3000)); /* with the status of notice_exec() */
        fd = open(here.marks, O_RDONLY | O_CLOEXEC);
        n = read(fd, text, sizeof(text) - 1);
        (void) close(fd);
        CHECK(n > 0 && strstr(text, "died of a signal 11"));
}

static void set_up(void) {
        strcpy(here.dir, "/tmp/test-pool-XXXXXX");
        CHECK(mkdtemp(here.dir) != NULL);
        here.at.sun_family = AF_UNIX;
        snprintf(here.at.sun_path, sizeof(here.at.sun_path), "%s/s", here.dir);
        snprintf(here.marks, sizeof(here.marks), "%s/marks", here.dir);
        here.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_INT(bind(here.listening, (struct sockaddr *) &here.at, sizeof(here.at)), 0);
        CHECK_INT(listen(here.listening, 64), 0);
}

static void clean_up(void) {
        (void) unlink(here.at.sun_path);
        (void) unlink(here.marks);
        CHECK_INT(rmdir(here.dir), 0);
}

CHECK_MAIN(CHECK_TEST(set_up), CHECK_TEST(every_connection_gets_a_process_of_its_own),
           CHECK_TEST(more_connections_than_members_wait_their_turn),
           CHECK_TEST(a_busy_member_finishes_when_the_pool_is_stopped),
           CHECK_TEST(a_busy_member_outlives_a_killed_pool), CHECK_TEST(after_a_crash_the_pool_executes_itself_anew),
           CHECK_TEST(clean_up))
