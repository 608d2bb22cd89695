/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for the Docker Engine, for the quick start on a machine without one: answers a few read requests on a unix
 * socket, one process a connection. It is no test double: those are in tests/e2e.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct {
        const char *path, *type, *body;
} answers[] = {
        { "/_ping", "text/plain", "OK" },
        { "/version", "application/json", "{\"Version\":\"stand-in\",\"ApiVersion\":\"1.41\",\"Os\":\"linux\"}\n" },
        { "/containers/json", "application/json", "[]\n" },
};

static void answer(int fd, const char *method, const char *path) {
        const char *type = "application/json", *body = "{\"message\":\"page not found\"}\n";
        int status = 404;

        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
                if (strcmp(path, answers[i].path) == 0) {
                        type = answers[i].type;
                        body = answers[i].body;
                        status = 200;
                }
        dprintf(fd, "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", status, type, strlen(body),
                strcmp(method, "HEAD") == 0 ? "" : body);
}

static void serve(int fd) {
        FILE *in = fdopen(fd, "r");
        char line[8192], method[16], path[4096];

        while (in && fgets(line, sizeof(line), in)) {
                long length = 0;

                if (sscanf(line, "%15s %4095[^ ?]", method, path) != 2)
                        return;
                while (fgets(line, sizeof(line), in) && strcmp(line, "\r\n") != 0)
                        if (strncasecmp(line, "content-length:", 15) == 0)
                                length = strtol(line + 15, NULL, 10);
                while (length-- > 0)
                        if (fgetc(in) == EOF)
                                return;
                answer(fd, method, path);
        }
}

int main(int argc, char **argv) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int s;

        if (argc != 2 || strlen(argv[1]) >= sizeof(sa.sun_path)) {
                fprintf(stderr, "usage: standin SOCKET\n");
                return 2;
        }
        memcpy(sa.sun_path, argv[1], strlen(argv[1]) + 1);
        signal(SIGCHLD, SIG_IGN);
        s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s < 0 || bind(s, (struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(s, 64) < 0) {
                fprintf(stderr, "standin: %s: %s\n", argv[1], strerror(errno));
                return 1;
        }
        for (;;) {
                int c = accept(s, NULL, NULL);

                if (c < 0)
                        continue;
                if (fork() == 0) {
                        close(s);
                        serve(c);
                        _exit(0);
                }
                close(c);
        }
}
