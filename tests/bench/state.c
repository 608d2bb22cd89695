/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shared state costs: attaching by name against receiving a memfd over a socket, and each operation of a
 * request. Prints nanoseconds. Usage: bench-state [DIRECTORY]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "filter/companion.h"
#include "limits/bucket.h"
#include "limits/lease.h"
#include "limits/metrics.h"

static char dir[96];

static void report(const char *what, uint64_t started, unsigned n) {
        printf("%-58s %8.0f ns\n", what, (double) (now_ns() - started) / n);
}

static void bench_attach(void) {
        struct state s;
        struct error e;
        uint64_t t = now_ns();

        for (int i = 0; i < 20000; i++) {
                if (state_attach(dir, &s, &e) < 0)
                        exit(1);
                state_detach(&s);
        }
        report("attach by name and detach (open, map, unmap)", t, 20000);
}

/* The other way: a server that sends a descriptor to everybody who connects. */
static void bench_memfd(void) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd = memfd_create("x", MFD_CLOEXEC);
        uint64_t t;
        pid_t pid;

        snprintf(a.sun_path, sizeof(a.sun_path), "%s/bench", dir);
        if (bind(listening, (struct sockaddr *) &a, sizeof(a)) < 0 || listen(listening, 64) < 0 ||
            ftruncate(fd, sizeof(struct state_map)) < 0)
                exit(1);
        pid = fork();
        if (pid == 0)
                for (;;) {
                        int c = accept(listening, NULL, NULL);

                        (void) control_send(c, "x", 1, SLICE(""), fd);
                        close(c);
                }
        t = now_ns();
        for (int i = 0; i < 5000; i++) {
                int c = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), got;
                char byte;
                void *at;

                if (connect(c, (struct sockaddr *) &a, sizeof(a)) < 0 || control_receive(c, &byte, 1, &got) != 1 ||
                    got < 0)
                        exit(1);
                at = mmap(NULL, sizeof(struct state_map), PROT_READ | PROT_WRITE, MAP_SHARED, got, 0);
                if (at == MAP_FAILED || ((volatile char *) at)[0])
                        exit(1);
                munmap(at, sizeof(struct state_map));
                close(got);
                close(c);
        }
        report("the same from an idle server that sends a memfd", t, 5000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(fd);
        close(listening);
        unlink(a.sun_path);
}

static void bench_operations(void) {
        enum { N = 1000000, OTHERS = 500 };
        struct state s, *others = calloc(OTHERS, sizeof(*others));
        struct bucket_rate r = bucket_rate_of(60000, 65535);
        state_word word = 0;
        struct error e;
        uint64_t t, retry;
        uint32_t n;

        if (state_attach(dir, &s, &e) < 0)
                exit(1);
        t = now_ns();
        for (int i = 0; i < 20000; i++) {
                (void) lease_take(&s);
                lease_drop(&s);
        }
        report("take and drop a lease, nobody else there", t, 20000);
        for (int i = 0; i < OTHERS; i++)
                if (state_attach(dir, &others[i], &e) < 0 || lease_take(&others[i]) < 0)
                        exit(1);
        t = now_ns();
        for (int i = 0; i < 2000; i++) {
                (void) lease_take(&s);
                lease_drop(&s);
        }
        report("... with 500 others", t, 2000);
        (void) lease_take(&s);
        t = now_ns();
        for (int i = 0; i < N; i++)
                (void) bucket_take(r, &word, 65536, (uint32_t) state_now_ms(), &retry);
        report("ask the bucket", t, N);
        t = now_ns();
        for (int i = 0; i < N; i++) {
                (void) lease_acquire(&s, LEASE_COUNTER_GLOBAL, 100, false, &n);
                lease_release(&s, LEASE_COUNTER_GLOBAL);
        }
        report("acquire and release one counter", t, N);
        for (int i = 0; i < OTHERS; i++)
                state_detach(&others[i]);
        free(others);
        state_detach(&s);
}

int main(int argc, char **argv) {
        struct state ctl;
        struct error e;
        bool adopted;
        char path[256];

        snprintf(dir, sizeof(dir), "%s/bench-state-XXXXXX", argc > 1 ? argv[1] : "/tmp");
        if (!mkdtemp(dir) || state_create(dir, 0600, &ctl, &adopted, &e) < 0)
                return 1;
        bench_attach();
        bench_memfd();
        bench_operations();
        state_detach(&ctl);
        snprintf(path, sizeof(path), "%s/state", dir);
        unlink(path);
        snprintf(path, sizeof(path), "%s/leases", dir);
        unlink(path);
        rmdir(dir);
        return 0;
}
