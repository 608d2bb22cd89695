/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of a measurement (relay.py is what runs it): a daemon that costs next to nothing, and clients that measure.
 *
 *   relay serve SOCKET              answers /_ping, sends, receives and echoes streams
 *   relay keepalive SOCKET N        N requests on one connection; prints median, p99 in us
 *   relay fresh SOCKET N GAP_US     N connections of one request each, GAP_US apart; prints median, p99 in us
 *   relay down SOCKET BYTES MODE    a response of BYTES; MODE is length or chunked; prints MB/s
 *   relay up SOCKET BYTES           a request body of BYTES; prints MB/s
 *   relay hijack SOCKET BYTES       BYTES each way after a 101, at once; prints MB/s of one way
 *   relay spawn N PROGRAM ARG...    runs the program N times with a request on stdin; prints the median of its time in
 * us
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/slice.h"

#define BLOCK (256 * 1024)

extern char **environ;
static char zeros[BLOCK];

static _Noreturn void fail(const char *what) {
        perror(what);
        exit(1);
}

static void send_all(int fd, const char *at, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, at, n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        pthread_exit(NULL);
                at += k;
                n -= (size_t) k;
        }
}

static void send_text(int fd, const char *text) {
        send_all(fd, text, strlen(text));
}

static void send_zeros(int fd, uint64_t n) {
        while (n > 0) {
                size_t k = n < BLOCK ? (size_t) n : BLOCK;

                send_all(fd, zeros, k);
                n -= k;
        }
}

static void send_chunks(int fd, uint64_t n) {
        static const size_t size = 32768; /* what the engine's own copy loop makes */
        char line[32];

        for (; n >= size; n -= size) {
                send_all(fd, line, (size_t) snprintf(line, sizeof(line), "%zx\r\n", size));
                send_all(fd, zeros, size);
                send_all(fd, "\r\n", 2);
        }
        send_text(fd, "0\r\n\r\n");
}

static void receive(int fd, uint64_t n) {
        static __thread char buf[BLOCK];

        while (n > 0) {
                ssize_t k = read(fd, buf, n < BLOCK ? (size_t) n : BLOCK);

                if (k <= 0)
                        fail("the stream ended early");
                n -= (uint64_t) k;
        }
}

/* One head, and nothing behind it: nobody here sends more before he has an answer. */
static size_t read_head(int fd, char *buf, size_t room) {
        size_t n = 0;

        for (;;) {
                ssize_t k = read(fd, buf + n, room - 1 - n);

                if (k <= 0)
                        return 0;
                n += (size_t) k;
                buf[n] = '\0';
                if (strstr(buf, "\r\n\r\n"))
                        return n;
        }
}

/* ---- the daemon ---- */

static uint64_t number_after(const char *text, const char *key) {
        const char *at = strcasestr(text, key);

        return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

struct both {
        int fd;
        uint64_t n;
};

static void *send_side(void *arg) {
        const struct both *b = arg;

        send_zeros(b->fd, b->n);
        return NULL;
}

static void exchange_streams(int fd, uint64_t n) {
        struct both b = { fd, n };
        pthread_t t;

        if (pthread_create(&t, NULL, send_side, &b) != 0)
                fail("pthread_create");
        receive(fd, n);
        pthread_join(t, NULL);
}

static void *serve_connection(void *arg) {
        int fd = (int) (intptr_t) arg;
        char head[8192], line[128];
        size_t size;

        while ((size = read_head(fd, head, sizeof(head))) > 0) {
                uint64_t n = number_after(head, "?n=");

                if (strstr(head, "/containers/x/attach")) {
                        send_text(fd, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
                        exchange_streams(fd, n);
                        break;
                }
                if (strstr(head, "/containers/x/export")) {
                        snprintf(line, sizeof(line), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
                                 (unsigned long long) n);
                        send_text(fd, line);
                        send_zeros(fd, n);
                } else if (strstr(head, "/images/get")) {
                        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                        send_chunks(fd, n);
                } else if (strstr(head, "/upload")) {
                        size_t body = size - (size_t) (strstr(head, "\r\n\r\n") + 4 - head); /* zeros: no text */

                        receive(fd, number_after(head, "Content-Length: ") - body);
                        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                } else
                        send_text(fd,
                                  "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                  "Date: Wed, 25 Nov 2026 10:00:00 GMT\r\nContent-Length: 2\r\n\r\nOK");
        }
        close(fd);
        return NULL;
}

static int unix_socket(const char *path, struct sockaddr_un *ret) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        strncpy(ret->sun_path, path, sizeof(ret->sun_path) - 1);
        if (fd < 0)
                fail("socket");
        return fd;
}

static int serve(const char *path) {
        struct sockaddr_un sa;
        int fd = unix_socket(path, &sa);

        unlink(path);
        if (bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(fd, 4096) < 0)
                fail(path);
        for (;;) {
                int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
                pthread_t t;

                if (c >= 0 && pthread_create(&t, NULL, serve_connection, (void *) (intptr_t) c) == 0)
                        pthread_detach(t);
        }
}

/* ---- the clients ---- */

static int dial(const char *path) {
        struct sockaddr_un sa;
        int fd = unix_socket(path, &sa);

        if (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                fail(path);
        return fd;
}

static int by_value(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

static void print_times(uint64_t *ns, size_t n) {
        qsort(ns, n, sizeof(*ns), by_value);
        printf("%.1f %.1f\n", (double) ns[n / 2] / 1000.0, (double) ns[n * 99 / 100] / 1000.0);
}

static uint64_t *times(size_t n) {
        uint64_t *t = calloc(n + 1, sizeof(*t));

        if (!t)
                fail("calloc");
        return t;
}

static const char ping[] = "GET /_ping HTTP/1.1\r\nHost: docker\r\nUser-Agent: Docker-Client/20.10\r\n\r\n";

static void ask(int fd) {
        char buf[8192];

        send_text(fd, ping);
        /* The two bytes of the body come in the same write, or right behind. */
        for (size_t n = read_head(fd, buf, sizeof(buf)), end; n > 0;
             n += (size_t) read(fd, buf + n, sizeof(buf) - 1 - n)) {
                buf[n] = '\0';
                end = (size_t) (strstr(buf, "\r\n\r\n") - buf) + 4;
                if (memcmp(buf, "HTTP/1.1 200", 12) != 0)
                        break;
                if (n >= end + 2)
                        return;
        }
        fprintf(stderr, "%.100s\n", buf);
        fail("no good answer");
}

static void keepalive(const char *path, size_t n) {
        uint64_t *t = times(n);
        int fd = dial(path);

        for (size_t i = 0; i < n / 10; i++)
                ask(fd);
        for (size_t i = 0; i < n; i++) {
                uint64_t from = now_ns();

                ask(fd);
                t[i] = now_ns() - from;
        }
        print_times(t, n);
}

static void fresh(const char *path, size_t n, unsigned gap_us) {
        uint64_t *t = times(n);

        for (size_t i = 0; i < n; i++) {
                uint64_t from = now_ns();
                int fd = dial(path);

                ask(fd);
                t[i] = now_ns() - from;
                close(fd);
                if (gap_us)
                        usleep(gap_us);
        }
        print_times(t, n);
}

static void print_rate(uint64_t bytes, uint64_t ns) {
        printf("%.0f\n", (double) bytes * 1000.0 / (double) ns);
}

static void down(const char *path, uint64_t bytes, bool chunked) {
        char head[256], buf[BLOCK];
        int fd = dial(path);
        uint64_t from = now_ns(), got = 0, want = bytes;
        size_t n;

        snprintf(head, sizeof(head), "GET %s?n=%llu HTTP/1.1\r\nHost: docker\r\n\r\n",
                 chunked ? "/images/get" : "/containers/x/export", (unsigned long long) bytes);
        send_text(fd, head);
        n = read_head(fd, buf, sizeof(buf));
        if (n == 0 || memcmp(buf, "HTTP/1.1 200", 12) != 0)
                fail("no good answer");
        got = n - (size_t) ((char *) memmem(buf, n, "\r\n\r\n", 4) - buf) - 4;
        if (chunked) { /* framing is a thousandth: until the last chunk has come */
                char tail[8] = { 0 };

                for (;;) {
                        size_t m = n < 5 ? n : 5;

                        memmove(tail, tail + m, 5 - m);
                        memcpy(tail + 5 - m, buf + n - m, m);
                        if (memcmp(tail, "0\r\n\r\n", 5) == 0)
                                break;
                        n = (size_t) read(fd, buf, sizeof(buf));
                        if ((ssize_t) n <= 0)
                                fail("the stream ended early");
                }
        } else
                receive(fd, want - got);
        print_rate(bytes, now_ns() - from);
}

static void up(const char *path, uint64_t bytes) {
        char head[256], buf[4096];
        int fd = dial(path);
        uint64_t from = now_ns();

        snprintf(head, sizeof(head), "POST /upload HTTP/1.1\r\nHost: docker\r\nContent-Length: %llu\r\n\r\n",
                 (unsigned long long) bytes);
        send_text(fd, head);
        send_zeros(fd, bytes);
        if (read_head(fd, buf, sizeof(buf)) == 0 || memcmp(buf, "HTTP/1.1 200", 12) != 0)
                fail("no good answer");
        print_rate(bytes, now_ns() - from);
}

static void hijack(const char *path, uint64_t bytes) {
        char head[256], buf[4096];
        int fd = dial(path);
        uint64_t from = now_ns(), got;
        struct both b = { fd, bytes };
        pthread_t t;
        size_t n;

        snprintf(head, sizeof(head),
                 "POST /containers/x/attach?n=%llu HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                 "Content-Length: 0\r\n\r\n",
                 (unsigned long long) bytes);
        send_text(fd, head);
        n = read_head(fd, buf, sizeof(buf));
        if (n == 0 || memcmp(buf, "HTTP/1.1 101", 12) != 0)
                fail("not upgraded");
        got = n - (size_t) ((char *) memmem(buf, n, "\r\n\r\n", 4) - buf) - 4;
        if (pthread_create(&t, NULL, send_side, &b) != 0)
                fail("pthread_create");
        receive(fd, bytes - got);
        pthread_join(t, NULL);
        print_rate(bytes, now_ns() - from);
}

/* From the start of the program to the first byte of its output, which must be there; then it may end. */
static void spawn_times(size_t n, char **argv) {
        uint64_t *t = times(n);

        for (size_t i = 0; i < n; i++) {
                posix_spawn_file_actions_t a;
                int in[2], out[2];
                char buf[4096];
                uint64_t from;
                pid_t pid;

                if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
                        fail("pipe2");
                posix_spawn_file_actions_init(&a);
                posix_spawn_file_actions_adddup2(&a, in[0], 0);
                posix_spawn_file_actions_adddup2(&a, out[1], 1);
                posix_spawn_file_actions_addopen(&a, 2, "/dev/null", O_WRONLY, 0);
                from = now_ns();
                if (posix_spawn(&pid, argv[0], &a, NULL, argv, environ) != 0)
                        fail(argv[0]);
                close(in[0]);
                close(out[1]);
                send_text(in[1], "GET /nothing HTTP/1.1\r\nHost: docker\r\n\r\n");
                close(in[1]);
                if (read(out[0], buf, sizeof(buf)) <= 0)
                        fail("no output");
                t[i] = now_ns() - from;
                while (read(out[0], buf, sizeof(buf)) > 0)
                        ;
                close(out[0]);
                waitpid(pid, NULL, 0);
                posix_spawn_file_actions_destroy(&a);
        }
        print_times(t, n);
}

int main(int argc, char **argv) {
        signal(SIGPIPE, SIG_IGN);
        if (argc == 3 && !strcmp(argv[1], "serve"))
                return serve(argv[2]);
        if (argc == 4 && !strcmp(argv[1], "keepalive"))
                keepalive(argv[2], strtoul(argv[3], NULL, 10));
        else if (argc == 5 && !strcmp(argv[1], "fresh"))
                fresh(argv[2], strtoul(argv[3], NULL, 10), (unsigned) strtoul(argv[4], NULL, 10));
        else if (argc == 5 && !strcmp(argv[1], "down"))
                down(argv[2], strtoull(argv[3], NULL, 10), !strcmp(argv[4], "chunked"));
        else if (argc == 4 && !strcmp(argv[1], "up"))
                up(argv[2], strtoull(argv[3], NULL, 10));
        else if (argc == 4 && !strcmp(argv[1], "hijack"))
                hijack(argv[2], strtoull(argv[3], NULL, 10));
        else if (argc >= 4 && !strcmp(argv[1], "spawn"))
                spawn_times(strtoul(argv[2], NULL, 10), argv + 3);
        else
                return 2;
        return 0;
}
