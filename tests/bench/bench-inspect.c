/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What inspecting a create body costs: bench-inspect FILTER IMAGE.
 *
 *   1 MB     validation and all checks of a create, against cJSON parsing the same bytes into its tree and freeing it
 *   2 KB     a create through a filter, against the same bytes to an endpoint without an inspector, on kept-alive
 * connections with a stand-in daemon behind, the two taken in turns
 *
 * IMAGE is a policy that allows all paths, with upstream.socket /tmp/bench-inspect.sock. Best of several runs.
 */
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/inspect.h"

#define UPSTREAM "/tmp/bench-inspect.sock"
#define ROUNDS 2000
#define TURNS 9

/* A create body as the Docker command line sends it, filled up to about `size` bytes by its environment. */
static char *create_body(size_t size, size_t *ret_len) {
        char *text = malloc(size + 4096);
        size_t n = (size_t) sprintf(text, "%s",
                                    "{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"1000\",\"AttachStdin\":false,"
                                    "\"AttachStdout\":true,\"AttachStderr\":true,"
                                    "\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":[\"A=b\"");

        for (int i = 0; n + 1200 < size; i++)
                n += (size_t) sprintf(
                        text + n, ",\"VARIABLE_%d=some value of a usual length, with a \\\"quote\\\" now and then %d\"",
                        i, i * 7);
        n += (size_t) sprintf(text + n, "%s",
                              "],\"Cmd\":[\"sleep\",\"60\"],\"Image\":\"busybox:latest\",\"Volumes\":{},\"WorkingDir\":"
                              "\"\",\"Entrypoint\":null,\"OnBuild\":null,"
                              "\"Labels\":{\"com.example.team\":\"x\",\"com.docker.compose.project\":\"p\"},"
                              "\"HostConfig\":{\"Binds\":null,\"ContainerIDFile\":\"\","
                              "\"LogConfig\":{\"Type\":\"\",\"Config\":{}},\"NetworkMode\":\"default\","
                              "\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}]},"
                              "\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},\"AutoRemove\":false,"
                              "\"VolumeDriver\":\"\",\"VolumesFrom\":null,\"CapAdd\":null,"
                              "\"CapDrop\":[\"ALL\"],\"Dns\":[],\"DnsOptions\":[],\"DnsSearch\":[],\"ExtraHosts\":null,"
                              "\"GroupAdd\":null,\"IpcMode\":\"\",\"Links\":null,"
                              "\"PidMode\":\"\",\"Privileged\":false,\"PublishAllPorts\":false,\"ReadonlyRootfs\":"
                              "false,\"SecurityOpt\":null,\"UTSMode\":\"\",\"ShmSize\":0,"
                              "\"CpuShares\":0,\"Memory\":67108864,\"NanoCpus\":0,\"CgroupParent\":\"\",\"Devices\":[],"
                              "\"PidsLimit\":100,\"Ulimits\":null,\"MaskedPaths\":null,"
                              "\"ReadonlyPaths\":null},\"NetworkingConfig\":{\"EndpointsConfig\":{}}}");
        *ret_len = n;
        return text;
}

static uint64_t best_of(uint64_t best, uint64_t from) {
        uint64_t took = now_ns() - from;

        return took < best ? took : best;
}

/* The best of `rounds` inspections of a body of `size` bytes, and of cJSON's reading of it, in turns. */
static size_t measure(size_t size, int rounds, uint64_t *ret_ours, uint64_t *ret_cjson) {
        size_t n;
        char *text = create_body(size, &n);

        *ret_ours = *ret_cjson = UINT64_MAX;
        judge_policy("request_body: {volume: {allow_custom_drivers: true}}");
        for (int i = 0; i < rounds; i++) {
                uint64_t from = now_ns();
                cJSON *tree;

                if (judge_request(HTTP_POST, "/containers/create", slice_make(text, n)) != INSPECT_PASS)
                        abort();
                *ret_ours = best_of(*ret_ours, from);
                arena_reset(&judge_.arena);
                from = now_ns();
                tree = cJSON_ParseWithLength(text, n);
                if (!tree)
                        abort();
                cJSON_Delete(tree);
                *ret_cjson = best_of(*ret_cjson, from);
        }
        free(text);
        return n;
}

static int bench_large(void) {
        uint64_t ours, cjson;
        size_t n = measure(1024 * 1024, 30, &ours, &cjson);

        printf("1 MB create: inspected %.2f ms (%.0f MB/s), cJSON %.2f ms (%.0f MB/s): %.2f of its throughput\n",
               (double) ours / 1e6, (double) n * 1e3 / (double) ours, (double) cjson / 1e6,
               (double) n * 1e3 / (double) cjson, (double) cjson / (double) ours);
        if (cjson * 2 < ours)
                return 1;
        n = measure(2048, 20000, &ours, &cjson);
        printf("%zu byte create: inspected %.2f us, cJSON %.2f us\n", n, (double) ours / 1e3, (double) cjson / 1e3);
        return 0;
}

/* ---- 2 KB through a filter ---- */

static void stand_in(int listener) {
        static const char answer[] =
                "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"Id\":\"abc\"}";
        static char buffer[65536];

        for (;;) {
                int c = accept(listener, NULL, NULL);
                size_t have = 0;

                if (c < 0)
                        _exit(0);
                if (fork() > 0) {
                        close(c);
                        continue;
                }
                for (;;) {
                        char *end = memmem(buffer, have, "\r\n\r\n", 4),
                             *length = end ? memmem(buffer, (size_t) (end - buffer), "ontent-Length: ", 15) : NULL;
                        size_t want = length ? (size_t) (end + 4 - buffer) + strtoul(length + 15, NULL, 10) : SIZE_MAX;
                        ssize_t r;

                        if (have >= want) {
                                memmove(buffer, buffer + want, have - want);
                                have -= want;
                                if (write(c, answer, sizeof(answer) - 1) < 0)
                                        _exit(0);
                                continue;
                        }
                        r = read(c, buffer + have, sizeof(buffer) - have);
                        if (r <= 0)
                                _exit(0);
                        have += (size_t) r;
                }
        }
}

static int start_filter(const char *filter, const char *image) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
                abort();
        if (fork() == 0) {
                char pid[16];

                dup2(pair[1], 3);
                if (pair[0] != 3)
                        close(pair[0]);
                snprintf(pid, sizeof(pid), "%d", (int) getpid());
                setenv("LISTEN_PID", pid, 1);
                setenv("LISTEN_FDS", "1", 1);
                if (!freopen("/dev/null", "w", stderr))
                        _exit(1);
                execl(filter, filter, "--policy", image, (char *) NULL);
                _exit(1);
        }
        close(pair[1]);
        return pair[0];
}

static uint64_t exchange_once(int fd, const char *request, size_t n) {
        uint64_t from = now_ns();
        char answer[4096];
        ssize_t r;

        if (write(fd, request, n) != (ssize_t) n)
                abort();
        r = read(fd, answer, sizeof(answer));
        if (r <= 0 || memcmp(answer, "HTTP/1.1 201", 12) != 0) {
                fprintf(stderr, "%.*s\n", (int) (r > 0 ? r : 0), answer);
                exit(1);
        }
        while (!memmem(answer, (size_t) r, "{\"Id\":\"abc\"}", 12)) {
                ssize_t more = read(fd, answer + r, sizeof(answer) - (size_t) r);

                if (more <= 0)
                        exit(1);
                r += more;
        }
        return now_ns() - from;
}

static int by_size(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return (x > y) - (x < y);
}

/* What a quarter of the exchanges did not take longer than: others' work on the machine does not count. */
static uint64_t run(int fd, const char *path, const char *body, size_t n_body) {
        char request[8192];
        int head =
                snprintf(request, sizeof(request),
                         "POST %s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                         path, n_body);
        static uint64_t took[ROUNDS];

        memcpy(request + head, body, n_body);
        for (int i = 0; i < ROUNDS; i++)
                took[i] = exchange_once(fd, request, (size_t) head + n_body);
        qsort(took, ROUNDS, sizeof(took[0]), by_size);
        return took[ROUNDS / 4];
}

static int bench_small(const char *filter, const char *image) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = UPSTREAM };
        uint64_t inspected = UINT64_MAX, relayed = UINT64_MAX;
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
        pid_t daemon;
        size_t n;
        char *body = create_body(2048, &n);

        unlink(UPSTREAM);
        if (bind(listener, (struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(listener, 16) < 0)
                abort();
        signal(SIGCHLD, SIG_IGN);
        daemon = fork();
        if (daemon == 0)
                stand_in(listener);
        fd = start_filter(filter, image);
        for (int i = 0; i < TURNS; i++) {
                uint64_t t = run(fd, "/v1.41/containers/create?name=x", body, n);

                inspected = t < inspected ? t : inspected;
                t = run(fd, "/v1.41/containers/x/rename?name=y", body, n);
                relayed = t < relayed ? t : relayed;
        }
        close(fd);
        kill(daemon, SIGTERM);
        unlink(UPSTREAM);
        printf("%zu byte create: inspected %.1f us, relayed %.1f us: %.2f times\n", n, (double) inspected / 1e3,
               (double) relayed / 1e3, (double) inspected / (double) relayed);
        free(body);
        return (double) inspected > 1.3 * (double) relayed;
}

int main(int argc, char **argv) {
        int r;

        if (argc != 3) {
                fputs("usage: bench-inspect FILTER IMAGE\n", stderr);
                return 2;
        }
        r = bench_large();
        return bench_small(argv[1], argv[2]) || r;
}
