/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* A pipe that poll(2) calls writable takes this much without blocking (pipe(7): PIPE_BUF). */
#define PIPE_ATOMIC 4096u

static int set_flag(int fd, bool nonblocking) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0)
                return -errno;
        if (!(flags & O_NONBLOCK) == !nonblocking)
                return 0;
        return fcntl(fd, F_SETFL, flags ^ O_NONBLOCK) < 0 ? -errno : 0;
}

int wire_open(struct wire *w, int in, int out, char *buf, size_t room) {
        struct stat st;
        int r;

        if (fstat(in, &st) < 0)
                return -errno;
        *w = (struct wire){ .in = in, .out = out, .buf = buf, .room = room };
        w->is_socket = S_ISSOCK(st.st_mode) && in == out;
        w->can_splice = w->is_socket;
        if (!w->is_socket)
                return 0; /* the caller's own terminal or pipe: its flags are not ours to change */
        r = set_flag(in, false);
        if (r < 0)
                *w = (struct wire) WIRE_INIT;
        return r;
}

int wire_set_nonblocking(struct wire *w) {
        int r = w->nonblocking || !w->is_socket ? 0 : set_flag(w->out, true);

        w->nonblocking = r == 0;
        return r;
}

void wire_close(struct wire *w) {
        if (w->in >= 0)
                (void) close(w->in);
        if (w->out >= 0 && w->out != w->in)
                (void) close(w->out);
        w->in = w->out = -1;
        w->start = w->end = w->pin = 0;
        w->eof = w->gone = false;
}

void wire_consume(struct wire *w, size_t n) {
        w->start += n;
        if (w->start == w->end)
                w->start = w->end = w->pin;
}

void wire_pin(struct wire *w, size_t n) {
        /* A head is always parsed at the front of the buffer: wire_unpin() has moved everything there. */
        w->start += n;
        w->pin = w->start;
}

void wire_unpin(struct wire *w) {
        if (w->pin == 0)
                return;
        w->pin = 0;
        if (w->start < w->end && w->start > 0)
                memmove(w->buf, w->buf + w->start, w->end - w->start);
        w->end -= w->start;
        w->start = 0;
}

void wire_trim(struct wire *w) {
        const size_t keep = 2 * WIRE_BLOCK;
        uintptr_t from, to;

        if (w->high <= keep || w->end > keep)
                return;
        from = ((uintptr_t) w->buf + keep + 4095) & ~(uintptr_t) 4095;
        to = ((uintptr_t) w->buf + w->room) & ~(uintptr_t) 4095;
        if (to > from)
                (void) madvise((void *) from, to - from, MADV_DONTNEED);
        w->high = w->end;
}

static bool poll_now(int fd, short events) {
        struct pollfd p = { .fd = fd, .events = events };

        return poll(&p, 1, 0) > 0;
}

/* Room for received bytes: how many, or 0. */
static size_t make_room(struct wire *w, size_t max) {
        if (w->end == w->room && w->start > w->pin) {
                memmove(w->buf + w->pin, w->buf + w->start, w->end - w->start);
                w->end -= w->start - w->pin;
                w->start = w->pin;
        }
        return max < w->room - w->end ? max : w->room - w->end;
}

/* What a read returned, or failed with. */
static ssize_t received(struct wire *w, ssize_t n) {
        if (n < 0)
                return errno == EWOULDBLOCK ? -EAGAIN : -errno;
        if (n == 0) {
                w->eof = true;
                return 0;
        }
        w->end += (size_t) n;
        if (w->end > w->high)
                w->high = w->end;
        return n;
}

ssize_t wire_fill(struct wire *w, size_t max) {
        ssize_t n;

        if (w->eof)
                return 0;
        if (w->in < 0)
                return -EBADF;
        max = make_room(w, max);
        if (max == 0)
                return -ENOBUFS;
        do {
                if (w->is_socket)
                        n = recv(w->in, w->buf + w->end, max, MSG_DONTWAIT);
                else if (!poll_now(w->in, POLLIN))
                        return -EAGAIN;
                else
                        n = read(w->in, w->buf + w->end, max);
        } while (n < 0 && errno == EINTR);
        return received(w, n);
}

int wire_set_patience(struct wire *w, uint64_t ns) {
        struct timeval tv = { .tv_sec = (time_t) (ns / NSEC_PER_SEC),
                              .tv_usec = (suseconds_t) (ns % NSEC_PER_SEC / 1000) };

        if (w->patience == ns)
                return 0;
        if (setsockopt(w->in, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0)
                return -errno;
        w->patience = ns;
        return 0;
}

ssize_t wire_receive(struct wire *w, size_t max, uint64_t ns) {
        ssize_t n;
        int r;

        if (ns < NSEC_PER_MSEC)
                ns = NSEC_PER_MSEC; /* a zero timeout would be none */
        if (w->eof || !w->is_socket || w->nonblocking || wire_set_patience(w, ns) < 0) {
                r = wire_wait(w, deadline_in(ns));
                return r < 0 ? r : wire_fill(w, max);
        }
        max = make_room(w, max);
        if (max == 0)
                return -ENOBUFS;
        n = received(w, recv(w->in, w->buf + w->end, max, 0));
        return n == -EAGAIN ? -ETIMEDOUT : n;
}

ssize_t wire_writev(struct wire *w, const struct iovec *iov, int n, bool more) {
        ssize_t r;

        if (w->out < 0)
                return -EPIPE;
        do {
                if (w->is_socket) {
                        struct msghdr m = { .msg_iov = (struct iovec *) iov, .msg_iovlen = (size_t) n };
                        int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);

                        r = n == 1 ? send(w->out, iov->iov_base, iov->iov_len, flags) : sendmsg(w->out, &m, flags);
                } else if (!poll_now(w->out, POLLOUT))
                        return -EAGAIN;
                else {
                        /* One element, and no more of it than surely fits. */
                        while (n > 1 && iov->iov_len == 0)
                                iov++, n--;
                        r = write(w->out, iov->iov_base, iov->iov_len < PIPE_ATOMIC ? iov->iov_len : PIPE_ATOMIC);
                }
        } while (r < 0 && errno == EINTR);
        if (r < 0) {
                if (errno == EAGAIN || errno == EWOULDBLOCK)
                        return -EAGAIN;
                w->gone = true;
                return -errno;
        }
        return r;
}

static int wait_fd(int fd, short events, uint64_t deadline) {
        struct pollfd p = { .fd = fd, .events = events };
        int left = deadline_poll_ms(deadline), r;

        /* Who has let his time pass is too late even if a byte is there now: bytes that trickle in must not move a
         * deadline. */
        if (left == 0)
                return -ETIMEDOUT;
        r = poll(&p, 1, left);
        if (r < 0)
                return -errno;
        return r > 0 ? 1 : -ETIMEDOUT;
}

int wire_send(struct wire *w, struct slice s, uint64_t deadline) {
        while (s.len > 0) {
                struct iovec iov = { (void *) s.at, s.len };
                ssize_t n = wire_writev(w, &iov, 1, false);

                if (n == -EAGAIN) {
                        int r = wait_fd(w->out, POLLOUT, deadline);

                        if (r < 0 && r != -EINTR)
                                return r;
                        continue;
                }
                if (n < 0)
                        return (int) n;
                s = slice_from(s, (size_t) n);
        }
        return 0;
}

int wire_wait(struct wire *w, uint64_t deadline) {
        if (w->eof)
                return 1;
        return wait_fd(w->in, POLLIN, deadline);
}

#define KEEP_ALIVE_IDLE_S 60 /* silence before the first probe */
#define KEEP_ALIVE_EVERY_S 20
#define KEEP_ALIVE_TIMES 6

void wire_tune_tcp(int fd) {
        static const struct {
                int level, name, value;
        } options[] = {
                { IPPROTO_TCP, TCP_NODELAY, 1 },
                { SOL_SOCKET, SO_KEEPALIVE, 1 },
                { IPPROTO_TCP, TCP_KEEPIDLE, KEEP_ALIVE_IDLE_S },
                { IPPROTO_TCP, TCP_KEEPINTVL, KEEP_ALIVE_EVERY_S },
                { IPPROTO_TCP, TCP_KEEPCNT, KEEP_ALIVE_TIMES },
        };

        for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
                (void) setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

void wire_shutdown(struct wire *w) {
        if (w->out < 0)
                return;
        if (w->in == w->out)
                (void) shutdown(w->out, SHUT_WR);
        else {
                (void) close(w->out);
                w->out = -1;
        }
}

int wire_poll_fds(const struct wire *w, bool want_in, bool want_out, struct pollfd *ret) {
        int n = 0;

        want_in = want_in && !w->eof;
        if (w->in == w->out) {
                if (w->in < 0)
                        return 0;
                ret[0] = (struct pollfd){ .fd = w->in,
                                          .events = (short) ((want_in ? POLLIN : 0) | (want_out ? POLLOUT : 0)) };
                return 1;
        }
        /* A pipe whose writer has finished is POLLHUP for ever: it is listed only while its bytes are wanted. */
        if (w->in >= 0 && want_in)
                ret[n++] = (struct pollfd){ .fd = w->in, .events = POLLIN };
        if (w->out >= 0)
                ret[n++] = (struct pollfd){ .fd = w->out, .events = want_out ? POLLOUT : 0 };
        return n;
}

struct wire_events wire_poll_events(const struct wire *w, const struct pollfd *fds, int n) {
        struct wire_events e = { 0 };

        for (int i = 0; i < n; i++) {
                if (fds[i].fd == w->in && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)))
                        e.readable = true;
                if (fds[i].fd == w->out) {
                        if (fds[i].revents & POLLOUT)
                                e.writable = true;
                        if (fds[i].revents & (POLLHUP | POLLERR | POLLNVAL))
                                e.vanished = true;
                }
        }
        return e;
}
