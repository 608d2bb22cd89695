/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "identity/peer.h"

static void a_unix_peer_is_known_by_its_credentials(void) {
        struct peer p;
        int fds[2];

        CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        peer_capture(fds[0], &p);
        CHECK_INT(p.kind, PEER_UNIX);
        CHECK_INT(p.cred_error, 0);
        CHECK_INT(p.uid, geteuid());
        CHECK_INT(p.gid, getegid());
        CHECK_INT(p.pid, getpid());
        CHECK(!p.has_ip);
        CHECK(peer_pid_alive(&p));
        CHECK_STR(slice_of(p.text), "@");
        close(fds[0]);
        close(fds[1]);
        if (p.pidfd >= 0)
                close(p.pidfd);
}

static void a_unix_socket_without_a_peer_has_no_credentials(void) {
        struct peer p;
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        peer_capture(fd, &p);
        CHECK_INT(p.kind, PEER_UNIX);
        CHECK(p.cred_error != 0);
        close(fd);
}

static void a_bound_unix_peer_is_named_without_control_bytes(void) {
        struct sockaddr_un at = { .sun_family = AF_UNIX }, mine = { .sun_family = AF_UNIX };
        int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), fd;
        char want[64];
        struct peer p;

        snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/sg-peer-%d", (int) getpid());
        unlink(at.sun_path);
        CHECK_INT(bind(l, (struct sockaddr *) &at, sizeof(at)), 0);
        CHECK_INT(listen(l, 1), 0);
        /* An abstract name with an escape sequence in it. */
        memcpy(mine.sun_path, "\0evil\x1b[2J", 10);
        snprintf(mine.sun_path + 10, sizeof(mine.sun_path) - 10, "%d", (int) getpid());
        CHECK_INT(bind(c, (struct sockaddr *) &mine,
                       (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 10 + strlen(mine.sun_path + 10))),
                  0);
        CHECK_INT(connect(c, (struct sockaddr *) &at, sizeof(at)), 0);
        fd = accept(l, NULL, NULL);
        peer_capture(fd, &p);
        snprintf(want, sizeof(want), "@evil?[2J?%d", (int) getpid());
        want[9] = '?'; /* the byte after J is the NUL of the literal */
        CHECK_STR(slice_of(p.text), want);
        unlink(at.sun_path);
        close(l);
        close(c);
        close(fd);
}

static void the_pid_of_a_process_that_ended_is_no_identity(void) {
        struct sockaddr_un at = { .sun_family = AF_UNIX };
        int l = socket(AF_UNIX, SOCK_STREAM, 0), fd, known;
        socklen_t size = sizeof(known);
        struct peer p;
        pid_t child;

        snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/sg-peer-%d", (int) getpid());
        unlink(at.sun_path);
        CHECK_INT(bind(l, (struct sockaddr *) &at, sizeof(at)), 0);
        CHECK_INT(listen(l, 1), 0);
        child = fork();
        if (child == 0) {
                int c = socket(AF_UNIX, SOCK_STREAM, 0);

                _exit(connect(c, (struct sockaddr *) &at, sizeof(at)) < 0);
        }
        fd = accept(l, NULL, NULL);
        waitpid(child, NULL, 0);
        peer_capture(fd, &p);
        CHECK_INT(p.pid, child);
        /* Only where the kernel has the option. */
        if (getsockopt(fd, SOL_SOCKET, 77, &known, &size) == 0 || errno != ENOPROTOOPT)
                CHECK(!peer_pid_alive(&p));
        unlink(at.sun_path);
        close(fd);
        close(l);
}

static int tcp_pair(int family, const char *listen_at, const char *from, int *ret_client) {
        struct sockaddr_storage ss = {};
        struct sockaddr_in *in = (struct sockaddr_in *) &ss;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &ss;
        socklen_t len = family == AF_INET ? sizeof(*in) : sizeof(*in6);
        int l = socket(family, SOCK_STREAM, 0), c, fd;
        struct sockaddr_in to = { .sin_family = AF_INET }, source = { .sin_family = AF_INET };

        ss.ss_family = (sa_family_t) family;
        inet_pton(family, listen_at, family == AF_INET ? (void *) &in->sin_addr : (void *) &in6->sin6_addr);
        if (bind(l, (struct sockaddr *) &ss, len) < 0 || listen(l, 1) < 0)
                return -1;
        getsockname(l, (struct sockaddr *) &ss, &len);
        to.sin_port = family == AF_INET ? in->sin_port : in6->sin6_port;
        inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
        inet_pton(AF_INET, from, &source.sin_addr);
        c = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(c, (struct sockaddr *) &source, sizeof(source)) < 0 ||
            connect(c, (struct sockaddr *) &to, sizeof(to)) < 0)
                return -1;
        fd = accept(l, NULL, NULL);
        close(l);
        *ret_client = c;
        return fd;
}

static void a_tcp_peer_is_its_source_address(void) {
        struct sockaddr_in in = {};
        socklen_t len = sizeof(in);
        struct ip_address ip;
        char want[64];
        struct peer p;
        int c, fd = tcp_pair(AF_INET, "127.0.0.1", "127.0.0.7", &c);

        CHECK(fd >= 0);
        getsockname(c, (struct sockaddr *) &in, &len);
        peer_capture(fd, &p);
        CHECK_INT(p.kind, PEER_TCP);
        CHECK(p.has_ip && p.ip_is_v4 && !p.ip_has_zone);
        CHECK_INT(p.ip[15], 7);
        snprintf(want, sizeof(want), "127.0.0.7:%u", ntohs(in.sin_port));
        CHECK_STR(slice_of(p.text), want);
        CHECK(peer_address(&p, &ip) && ip.v4 && ip.at[12] == 127);
        close(c);
        close(fd);
}

static void an_ipv4_peer_of_a_dual_stack_listener_is_ipv4(void) {
        struct peer p;
        int c, fd = tcp_pair(AF_INET6, "::", "127.0.0.8", &c);

        if (fd < 0)
                return; /* no IPv6 here */
        peer_capture(fd, &p);
        CHECK(p.has_ip && p.ip_is_v4);
        CHECK(strncmp(p.text, "127.0.0.8:", 10) == 0);
        close(c);
        close(fd);
}

static void a_pipe_is_nobody(void) {
        struct ip_address ip;
        struct peer p;
        int fds[2];

        CHECK_INT(pipe(fds), 0);
        peer_capture(fds[0], &p);
        CHECK_INT(p.kind, PEER_PIPE);
        CHECK(!p.has_ip && !p.certificate && !p.tls);
        CHECK(!peer_address(&p, &ip));
        CHECK_STR(slice_of(p.text), "pipe");
        close(fds[0]);
        close(fds[1]);
}

CHECK_MAIN(CHECK_TEST(a_unix_peer_is_known_by_its_credentials),
           CHECK_TEST(a_unix_socket_without_a_peer_has_no_credentials),
           CHECK_TEST(a_bound_unix_peer_is_named_without_control_bytes),
           CHECK_TEST(the_pid_of_a_process_that_ended_is_no_identity), CHECK_TEST(a_tcp_peer_is_its_source_address),
           CHECK_TEST(an_ipv4_peer_of_a_dual_stack_listener_is_ipv4), CHECK_TEST(a_pipe_is_nobody))
