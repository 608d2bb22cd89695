/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "limits/lease.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static struct state ctl;

static void begin(void) {
        struct error e;
        bool adopted;

        snprintf(dir, sizeof(dir), "/tmp/test-lease-XXXXXX");
        CHECK(mkdtemp(dir));
        CHECK_INT(state_create(dir, 0600, &ctl, &adopted, &e), 0);
}

static void end(void) {
        char path[128];

        state_detach(&ctl);
        snprintf(path, sizeof(path), "%s/state", dir);
        unlink(path);
        snprintf(path, sizeof(path), "%s/leases", dir);
        unlink(path);
        rmdir(dir);
}

static uint32_t global(void) {
        return lease_count(atomic_load(&ctl.map->h.global));
}

static uint32_t inflight(uint32_t slot) {
        return lease_count(atomic_load(&ctl.map->profiles[slot].inflight));
}

static void admission_stops_at_the_limit_and_resumes_after_a_release(void) {
        struct state a, b, c;
        struct error e;
        uint32_t n;

        begin();
        CHECK_INT(state_attach(dir, &a, &e), 0);
        CHECK_INT(state_attach(dir, &b, &e), 0);
        CHECK_INT(state_attach(dir, &c, &e), 0);
        CHECK_INT(lease_take(&a), 0);
        CHECK_INT(lease_take(&b), 0);
        CHECK_INT(lease_take(&c), 0);
        CHECK(a.lease != b.lease && b.lease != c.lease);
        CHECK(lease_acquire(&a, LEASE_COUNTER_GLOBAL, 2, false, &n));
        CHECK_INT(n, 1);
        CHECK(lease_acquire(&b, LEASE_COUNTER_GLOBAL, 2, false, &n));
        CHECK(!lease_acquire(&c, LEASE_COUNTER_GLOBAL, 2, false, &n));
        CHECK_INT(n, 2);
        CHECK(lease_acquire(&c, LEASE_COUNTER_GLOBAL, 2, true, &n));
        CHECK_INT(n, 3);
        lease_release(&c, LEASE_COUNTER_GLOBAL);
        lease_release(&c, LEASE_COUNTER_GLOBAL);
        CHECK_INT(global(), 2);
        CHECK(lease_acquire(&c, 5, 1, false, &n));
        CHECK_INT(inflight(5), 1);
        CHECK(!lease_acquire(&a, 5, 1, false, &n));
        lease_drop(&c);
        CHECK_INT(inflight(5), 0);
        lease_drop(&a);
        lease_drop(&b);
        CHECK_INT(global(), 0);
        state_detach(&a);
        state_detach(&b);
        state_detach(&c);
        end();
}

static void a_killed_holder_never_causes_a_refusal(void) {
        struct state s;
        struct error e;
        uint32_t n;
        int fds[2];
        char c;
        pid_t pid;

        begin();
        CHECK_INT(pipe(fds), 0);
        pid = fork();
        if (pid == 0) {
                state_attach(dir, &s, &e);
                lease_take(&s);
                lease_acquire(&s, LEASE_COUNTER_GLOBAL, 1, false, &n);
                lease_acquire(&s, 3, 1, false, &n);
                if (write(fds[1], "x", 1) != 1)
                        _exit(1);
                pause();
        }
        CHECK_INT(read(fds[0], &c, 1), 1);
        CHECK_INT(state_attach(dir, &s, &e), 0);
        CHECK_INT(lease_take(&s), 0);
        CHECK(!lease_acquire(&s, LEASE_COUNTER_GLOBAL, 1, false, &n));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        CHECK(lease_acquire(&s, LEASE_COUNTER_GLOBAL, 1, false, &n));
        CHECK(lease_acquire(&s, 3, 1, false, &n));
        CHECK_INT(global(), 1);
        state_detach(&s);
        CHECK_INT(global(), 0);
        close(fds[0]);
        close(fds[1]);
        end();
}

/* One worker of the storm: admissions as fast as they go, until it is shot. */
static void worker(unsigned seed) {
        struct state s;
        struct error e;
        uint32_t n;

        for (;;) {
                bool g, p;

                if (state_attach(dir, &s, &e) < 0 || lease_take(&s) < 0)
                        _exit(1);
                for (int i = 0; i < 200; i++) {
                        seed = seed * 1103515245 + 12345;
                        g = lease_acquire(&s, LEASE_COUNTER_GLOBAL, 6, (seed >> 16) % 7 == 0, &n);
                        p = lease_acquire(&s, 1 + (seed >> 20) % 3, 3, false, &n);
                        if (p && n > 3)
                                _exit(2);
                        if (p)
                                lease_release(&s, 1);
                        if (g)
                                lease_release(&s, LEASE_COUNTER_GLOBAL);
                }
                state_detach(&s);
        }
}

static void a_storm_of_kills_ends_with_all_counters_at_zero(void) {
        enum { WORKERS = 12, KILLS = 300 };
        pid_t pids[WORKERS];
        unsigned seed = 7;

        begin();
        for (int i = 0; i < WORKERS; i++)
                if ((pids[i] = fork()) == 0)
                        worker((unsigned) i * 77 + 1);
        for (int k = 0; k < KILLS; k++) {
                int i = k % WORKERS, status;

                seed = seed * 1103515245 + 12345;
                usleep((seed >> 16) % 700);
                kill(pids[i], SIGKILL);
                waitpid(pids[i], &status, 0);
                if (WIFEXITED(status)) {
                        fprintf(stderr, "a worker saw %d\n", WEXITSTATUS(status));
                        check_failures_++;
                }
                if (k % 16 == 0)
                        lease_reap(&ctl, NULL, NULL);
                if ((pids[i] = fork()) == 0)
                        worker((unsigned) k * 31 + 5);
        }
        /* While they still run, the counter and the slots agree. */
        for (int i = 0; i < 50; i++)
                CHECK(lease_audit(&ctl, LEASE_COUNTER_GLOBAL) != 1);
        for (int i = 0; i < WORKERS; i++) {
                kill(pids[i], SIGKILL);
                waitpid(pids[i], NULL, 0);
        }
        lease_reap(&ctl, NULL, NULL);
        CHECK_INT(global(), 0);
        for (uint32_t i = 0; i < 5; i++) {
                CHECK_INT(inflight(i), 0);
                CHECK_INT(lease_audit(&ctl, i), 0);
        }
        for (uint32_t i = 0; i < STATE_LEASES; i++)
                CHECK_INT(atomic_load(&ctl.map->leases[i].owner), 0);
        end();
}

static void an_audit_repairs_what_somebody_wrote(void) {
        struct state s;
        struct error e;
        uint32_t n;

        begin();
        CHECK_INT(state_attach(dir, &s, &e), 0);
        CHECK_INT(lease_take(&s), 0);
        CHECK(lease_acquire(&s, LEASE_COUNTER_GLOBAL, 9, false, &n));
        atomic_fetch_add(&ctl.map->h.global, 700ull << 44);
        CHECK_INT(lease_audit(&ctl, LEASE_COUNTER_GLOBAL), 1);
        CHECK_INT(global(), 1);
        atomic_store(&ctl.map->h.global, UINT64_MAX);
        CHECK_INT(lease_audit(&ctl, LEASE_COUNTER_GLOBAL), 1);
        CHECK_INT(global(), 1);
        state_detach(&s);
        CHECK_INT(global(), 0);
        end();
}

static void a_turn_is_had_by_one_and_outlives_nobody(void) {
        struct state a, b;
        struct error e;
        pid_t pid;

        begin();
        CHECK_INT(state_attach(dir, &a, &e), 0);
        CHECK_INT(state_attach(dir, &b, &e), 0);
        CHECK_INT(lease_take_turn(&a, 7, 0), 0);
        CHECK_INT(lease_take_turn(&b, 7, 3000000), -ETIMEDOUT);
        CHECK_INT(lease_take_turn(&b, 8, 0), 0); /* another object */
        lease_end_turn(&b, 8);
        CHECK(lease_take(&b) == 0 && lease_alive(&a, (uint32_t) b.lease)); /* nor does it meet the slots' locks */
        lease_end_turn(&a, 7);
        CHECK_INT(lease_take_turn(&b, 7, 0), 0);
        lease_end_turn(&b, 7);
        pid = fork();
        if (pid == 0) {
                struct state c;

                _exit(state_attach(dir, &c, &e) == 0 && lease_take_turn(&c, 7, 0) == 0 ? 0 : 1);
        }
        CHECK_INT(waitpid(pid, NULL, 0), pid);
        CHECK_INT(lease_take_turn(&a, 7, 0), 0);
        state_detach(&a);
        state_detach(&b);
        end();
}

CHECK_MAIN(CHECK_TEST(admission_stops_at_the_limit_and_resumes_after_a_release),
           CHECK_TEST(a_killed_holder_never_causes_a_refusal),
           CHECK_TEST(a_storm_of_kills_ends_with_all_counters_at_zero),
           CHECK_TEST(an_audit_repairs_what_somebody_wrote), CHECK_TEST(a_turn_is_had_by_one_and_outlives_nobody))
