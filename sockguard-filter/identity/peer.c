/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "identity/peer.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* asm-generic/socket.h of Linux 6.5 */
#endif

/* Room for the longest of our texts: "[" address "%" scope "]:" port. */
_Static_assert(sizeof(((struct peer *) NULL)->text) >= IP_TEXT_MAX + 10 + 10, "peer text too short");

/* A client chooses the name that its socket is bound to: bytes that a terminal would obey are not repeated. */
static void text_of_unix(const struct sockaddr_un *sa, socklen_t len, char *text, size_t room) {
        size_t n = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;
        size_t out = 0, i = 0;

        if (n > sizeof(sa->sun_path))
                n = sizeof(sa->sun_path);
        if (n == 0 || sa->sun_path[0] == '\0') {
                text[out++] = '@'; /* unnamed, or of the abstract name space */
                i = 1;
        } else
                n = strnlen(sa->sun_path, n);
        for (; i < n && out < room - 1; i++) {
                unsigned char c = (unsigned char) sa->sun_path[i];

                text[out++] = (char) (c < 0x20 || c >= 0x7f ? '?' : c);
        }
        text[out] = '\0';
}

static void capture_unix(int fd, const struct sockaddr_un *sa, socklen_t len, struct peer *p) {
        struct ucred cred = {};
        socklen_t size = sizeof(cred);

        p->kind = PEER_UNIX;
        text_of_unix(sa, len, p->text, sizeof(p->text));

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                p->cred_error = errno;
        else if (size != sizeof(cred))
                p->cred_error = EPROTO;
        else if (cred.uid == (uid_t) -1)
                p->cred_error = ENODATA; /* what the kernel says of a socket that was never connected */
        if (p->cred_error != 0)
                return;
        p->uid = cred.uid;
        p->gid = cred.gid;
        p->pid = cred.pid;

        size = sizeof(p->pidfd);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &p->pidfd, &size) < 0) {
                /*
                 * A kernel that knows the option (6.5) and has no pidfd to give: the process is gone, and its number
                 * may be somebody else's by now (ESRCH, EINVAL, ENODATA), or nothing can be told (EMFILE). Either way
                 * the number says nothing.
                 */
                p->pid_gone = errno != ENOPROTOOPT;
                p->pidfd = -1;
        }
}

static void capture_ip(const struct sockaddr_storage *ss, struct peer *p) {
        struct ip_address ip = {};
        char text[IP_TEXT_MAX];
        uint32_t scope = 0;

        if (ss->ss_family == AF_INET) {
                const struct sockaddr_in *in = (const struct sockaddr_in *) ss;

                ip.at[10] = ip.at[11] = 0xff;
                memcpy(ip.at + 12, &in->sin_addr, 4);
                ip.v4 = true;
                p->port = ntohs(in->sin_port);
        } else {
                const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) ss;

                memcpy(ip.at, &in6->sin6_addr, 16);
                ip_unmap(&ip);
                p->port = ntohs(in6->sin6_port);
                scope = in6->sin6_scope_id;
        }

        p->kind = PEER_TCP;
        p->has_ip = true;
        memcpy(p->ip, ip.at, sizeof(p->ip));
        p->ip_is_v4 = ip.v4;
        p->ip_has_zone = scope != 0;

        ip_format(&ip, text);
        if (ip.v4)
                snprintf(p->text, sizeof(p->text), "%s:%u", text, p->port);
        else if (scope == 0)
                snprintf(p->text, sizeof(p->text), "[%s]:%u", text, p->port);
        else /* by number: the name would take a socket, which a sandbox does not give */
                snprintf(p->text, sizeof(p->text), "[%s%%%u]:%u", text, scope, p->port);
}

void peer_capture(int fd, struct peer *ret) {
        struct sockaddr_storage ss = {};
        socklen_t len = sizeof(ss), size = sizeof(int);
        int family = AF_UNSPEC;

        *ret = (struct peer){
                .kind = PEER_PIPE, .uid = getuid(), .gid = getgid(), .pid = getppid(), .pidfd = -1, .text = "pipe"
        };

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
                return;
        if (family == AF_UNIX) {
                /* The credentials do not depend on the peer still being connected; its name does. */
                if (getpeername(fd, (struct sockaddr *) &ss, &len) < 0)
                        len = 0;
                capture_unix(fd, (const struct sockaddr_un *) &ss, len, ret);
        } else if (family == AF_INET || family == AF_INET6) {
                if (getpeername(fd, (struct sockaddr *) &ss, &len) < 0 ||
                    (ss.ss_family != AF_INET && ss.ss_family != AF_INET6)) {
                        /* Gone already: a TCP peer without an address, which no prefix contains. */
                        ret->kind = PEER_TCP;
                        snprintf(ret->text, sizeof(ret->text), "unknown");
                        return;
                }
                capture_ip(&ss, ret);
        }
}

bool peer_address(const struct peer *p, struct ip_address *ret) {
        if (!p->has_ip)
                return false;
        memcpy(ret->at, p->ip, sizeof(ret->at));
        ret->v4 = p->ip_is_v4;
        return true;
}

bool peer_pid_alive(const struct peer *p) {
        struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };

        if (p->pid_gone)
                return false;
        if (p->pidfd < 0)
                return true;
        /* A pidfd becomes readable when its process has ended (pidfd_open(2)). An error counts as ended. */
        return poll(&pfd, 1, 0) == 0;
}
