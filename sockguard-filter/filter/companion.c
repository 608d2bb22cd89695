/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/companion.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

int control_memfd(struct slice bytes) {
        int fd = memfd_create("sockguard-message", MFD_CLOEXEC | MFD_ALLOW_SEALING), r = 0;

        if (fd < 0)
                return -errno;
        for (size_t done = 0; r == 0 && done < bytes.len;) {
                ssize_t n = write(fd, bytes.at + done, bytes.len - done);

                if (n < 0 && errno != EINTR)
                        r = -errno;
                else if (n > 0)
                        done += (size_t) n;
        }
        if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
                r = -errno;
        if (r < 0) {
                close(fd);
                return r;
        }
        return fd;
}

int control_read_memfd(int fd, uint64_t size, struct arena *a, struct slice *ret) {
        struct stat st;
        int seals = fcntl(fd, F_GET_SEALS);
        char *at;

        /* Sealed against shrinking and writing, it cannot change while we read it, nor make us wait. */
        if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE) ||
            fstat(fd, &st) < 0 || st.st_size < 0 || (uint64_t) st.st_size != size || size > CONTROL_BODY_MAX)
                return -EPROTO;
        at = arena_alloc(a, size);
        for (uint64_t done = 0; done < size;) {
                ssize_t n = pread(fd, at + done, size - done, (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return -EPROTO;
                done += (uint64_t) n;
        }
        *ret = slice_make(at, size);
        return 0;
}

int control_send(int sock, const void *head, size_t head_size, struct slice tail, int fd) {
        struct iovec iov[2] = { { .iov_base = (void *) (uintptr_t) head, .iov_len = head_size },
                                { .iov_base = (void *) (uintptr_t) tail.at, .iov_len = tail.len } };
        union {
                char room[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = { { 0 } };
        struct msghdr m = { .msg_iov = iov, .msg_iovlen = tail.len ? 2 : 1 };

        if (fd >= 0) {
                struct cmsghdr *c;

                m.msg_control = control.room;
                m.msg_controllen = sizeof(control.room);
                c = CMSG_FIRSTHDR(&m);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(c), &fd, sizeof(int));
        }
        while (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

ssize_t control_receive(int sock, void *at, size_t room, int *ret_fd) {
        struct iovec iov = { .iov_base = at, .iov_len = room };
        union {
                char room[CMSG_SPACE(sizeof(int)) * 4];
                struct cmsghdr align;
        } control;
        struct msghdr m = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)
        };
        ssize_t n;

        *ret_fd = -1;
        do
                n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
                size_t count = c->cmsg_len < CMSG_LEN(0) ? 0 : (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < count; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (*ret_fd < 0)
                                *ret_fd = fd;
                        else
                                close(fd);
                }
        }
        if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
                if (*ret_fd >= 0)
                        close(*ret_fd);
                *ret_fd = -1;
                return -EPROTO;
        }
        return n;
}

static int dial(const char *dir) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd, n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/control", dir);

        if (n < 0 || (size_t) n >= sizeof(a.sun_path))
                return -ENAMETOOLONG;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* A full backlog is EAGAIN at once: the companion is not keeping up, which is as good as not there. */
        if (connect(fd, (struct sockaddr *) &a, sizeof(a)) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        return fd;
}

static int wait_for(int fd, short events, uint64_t deadline) {
        for (;;) {
                struct pollfd p = { .fd = fd, .events = events };
                int r = poll(&p, 1, deadline_poll_ms(deadline));

                if (r > 0)
                        return 0;
                if (r == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

/* A fixed text field of the other side, which may have forgotten its NUL. */
static struct slice field(struct arena *a, const char *at, size_t room) {
        return arena_dup(a, slice_make(at, strnlen(at, room)));
}

static int read_answer(int sock, uint64_t deadline, struct arena *a, struct companion_answer *ret) {
        size_t room = sizeof(struct control_answer) + CONTROL_INLINE;
        struct control_answer *h = arena_alloc(a, room);
        ssize_t n;
        int fd, r = wait_for(sock, POLLIN, deadline);

        if (r < 0)
                return r;
        n = control_receive(sock, h, room, &fd);
        if (n < 0)
                return (int) n;
        r = 0;
        if ((size_t) n < sizeof(*h) || h->magic != CONTROL_MAGIC || h->status < 100 || h->status > 599 ||
            (size_t) n != sizeof(*h) + h->inline_size)
                r = -EPROTO;
        else if (h->body_size == h->inline_size && fd < 0)
                ret->body = slice_make(h->body, h->inline_size);
        else
                r = fd >= 0 && h->inline_size == 0 ? control_read_memfd(fd, h->body_size, a, &ret->body) : -EPROTO;
        if (fd >= 0)
                close(fd);
        if (r < 0)
                return r;
        ret->status = (int) h->status;
        ret->code = field(a, h->code, sizeof(h->code));
        ret->content_type = field(a, h->content_type, sizeof(h->content_type));
        ret->reason = field(a, h->reason, sizeof(h->reason));
        return 0;
}

int companion_ask(const char *dir, enum control_op op, uint32_t flags, struct slice body, uint64_t deadline,
                  struct arena *a, struct companion_answer *ret) {
        struct control_request h = { .magic = CONTROL_MAGIC, .op = op, .flags = flags, .body_size = body.len };
        int memfd = -1, sock, r = 0;

        sock = dial(dir);
        if (sock < 0)
                return sock;
        if (body.len > CONTROL_INLINE) {
                memfd = control_memfd(body);
                r = memfd < 0 ? memfd : 0;
                body = SLICE("");
        } else
                h.inline_size = (uint32_t) body.len;
        r = r < 0 ? r : control_send(sock, &h, sizeof(h), body, memfd);
        if (memfd >= 0)
                close(memfd);
        if (r == 0)
                r = read_answer(sock, deadline, a, ret);
        close(sock);
        return r;
}
