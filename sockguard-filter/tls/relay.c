/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/socket.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "tls/relay.h"

#define LINGER_NS (500 * NSEC_PER_MSEC) /* for the peer's end once there is nobody to deliver to */
#define STALL_NS (30 * NSEC_PER_SEC)    /* for the peer to take the last bytes of a filter that has gone */

/* ---- the socket's side ---- */

static ssize_t pull(gnutls_transport_ptr_t arg, void *to, size_t size) {
        struct tls_stream *t = arg;

        if (t->in_start == t->in_end) {
                ssize_t n;

                if (t->closed)
                        return 0;
                do
                        n = recv(t->fd, t->in, sizeof(t->in), 0);
                while (n < 0 && errno == EINTR);
                if (n < 0) {
                        gnutls_transport_set_errno(t->session, errno);
                        return -1;
                }
                t->closed = n == 0;
                t->in_start = 0;
                t->in_end = (size_t) n;
        }
        if (size > t->in_end - t->in_start)
                size = t->in_end - t->in_start;
        memcpy(to, t->in + t->in_start, size);
        t->in_start += size;
        t->taken += size;
        return (ssize_t) size;
}

int tls_stream_flush(struct tls_stream *t) {
        while (t->out_start < t->out_end) {
                ssize_t n = send(t->fd, t->out + t->out_start, t->out_end - t->out_start, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
                t->out_start += (size_t) n;
        }
        t->out_start = t->out_end = 0;
        return 0;
}

static ssize_t push(gnutls_transport_ptr_t arg, const giovec_t *iov, int n) {
        struct tls_stream *t = arg;
        size_t total = 0;

        for (int i = 0; i < n; i++)
                total += iov[i].iov_len;
        if (total > sizeof(t->out) - t->out_end) {
                int r = tls_stream_flush(t);

                if (r < 0 || total > sizeof(t->out)) {
                        gnutls_transport_set_errno(t->session, r < 0 ? -r : EMSGSIZE);
                        return -1;
                }
        }
        for (int i = 0; i < n; i++) {
                memcpy(t->out + t->out_end, iov[i].iov_base, iov[i].iov_len);
                t->out_end += iov[i].iov_len;
        }
        return (ssize_t) total;
}

/* GnuTLS asks this only where it has a timeout of its own; ours are outside. */
static int always_ready(gnutls_transport_ptr_t arg, unsigned ms) {
        (void) arg;
        (void) ms;
        return 1;
}

void tls_stream_attach(struct tls_stream *t, gnutls_session_t session, int fd) {
        t->session = session;
        t->fd = fd;
        t->direct = t->closed = false;
        t->in_start = t->in_end = t->out_start = t->out_end = 0;
        gnutls_transport_set_ptr(session, t);
        gnutls_transport_set_pull_function(session, pull);
        gnutls_transport_set_pull_timeout_function(session, always_ready);
        gnutls_transport_set_vec_push_function(session, push);
}

void tls_stream_attach_direct(struct tls_stream *t, gnutls_session_t session, int fd) {
        t->session = session;
        t->fd = fd;
        t->direct = true;
        t->closed = false;
        t->in_start = t->in_end = t->out_start = t->out_end = 0;
        gnutls_transport_set_int(session, fd);
}

bool tls_kernel_offers(void) {
        char text[256];
        int fd = open("/proc/sys/net/ipv4/tcp_available_ulp", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
        struct slice rest, word;
        bool more = true;

        if (fd >= 0)
                close(fd);
        rest = slice_make(text, n > 0 ? (size_t) n : 0);
        while (more) {
                more = slice_cut(rest, ' ', &word, &rest);
                if (word.len > 0 && word.at[word.len - 1] == '\n')
                        word.len--;
                if (slice_eq(word, SLICE("tls")))
                        return true;
        }
        return false;
}

void tls_stream_settle(struct tls_stream *t) {
        if (t->direct && gnutls_transport_is_ktls_enabled(t->session) != GNUTLS_KTLS_DUPLEX)
                tls_stream_attach(t, t->session, t->fd);
}

/* ---- handshake ---- */

static int wait_for(int fd, short events, uint64_t deadline) {
        struct pollfd pfd = { .fd = fd, .events = events };
        int r;

        do
                r = poll(&pfd, 1, deadline_poll_ms(deadline));
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

/*
 * GnuTLS may come back after one record that was not all it needs, or that was for itself (a session ticket). Is there
 * more of what we have received already? Not if it did not take anything, or we would go round and round.
 */
static bool has_more(const struct tls_stream *t, uint64_t before) {
        return t->in_start < t->in_end && t->taken > before;
}

/* What is said last: for a moment, not for as long as the peer likes. */
static void flush_farewell(struct tls_stream *t) {
        uint64_t deadline = deadline_in(LINGER_NS);

        while (tls_stream_flush(t) == -EAGAIN && wait_for(t->fd, POLLOUT, deadline) == 0)
                ;
}

int tls_stream_handshake(struct tls_stream *t, uint64_t deadline, void (*idle)(void *arg), void *arg, int *ret_error) {
        bool said = false;

        *ret_error = 0;
        for (;;) {
                uint64_t before = t->taken;
                int e = gnutls_handshake(t->session), flushed, r;

                said |= t->direct || t->out_end > 0;
                flushed = tls_stream_flush(t);
                if (e == GNUTLS_E_SUCCESS && flushed == 0)
                        return 0;
                if (flushed < 0 && flushed != -EAGAIN) {
                        *ret_error = GNUTLS_E_PUSH_ERROR;
                        return -EPROTO;
                }
                if (e < 0 && gnutls_error_is_fatal(e)) {
                        *ret_error = e;
                        (void) gnutls_alert_send_appropriate(t->session, e);
                        flush_farewell(t);
                        return -EPROTO;
                }
                if ((e < 0 && e != GNUTLS_E_AGAIN) ||
                    has_more(t, before)) /* interrupted, a warning alert, or one record of several: the clock goes on */
                        r = deadline_poll_ms(deadline) == 0 ? -ETIMEDOUT : 0;
                else if (flushed == -EAGAIN || (t->direct && gnutls_record_get_direction(t->session) == 1))
                        r = wait_for(t->fd, POLLOUT, deadline);
                else {
                        if (idle && said) {
                                idle(arg);
                                idle = NULL;
                        }
                        r = wait_for(t->fd, POLLIN, deadline);
                }
                if (r < 0)
                        return r;
        }
}

/* ---- relay ---- */

struct relay {
        struct tls_stream *t;
        int plain;
        bool secure_ready, plain_ready; /* worth asking: poll said so, or nobody has asked yet */
        bool secure_eof, plain_eof;     /* that side has finished sending */
        bool secure_ended, plain_ended; /* ... and the other side was told */
        bool finished;                  /* our last byte to the peer is out, and its end too */
        bool deaf;                      /* nobody takes what the peer sends any more */
        bool want_out;                  /* GnuTLS waits for the socket to take more */
        uint64_t give_up;               /* when the filter has gone: how long the peer may still take */
        bool broken;                    /* the session ended without close_notify */
        size_t up_start, up_end;        /* from the peer to the filter */
        size_t down_start, down_end;    /* from the filter to the peer */
        char up[RELAY_BLOCK], down[RELAY_BLOCK];
};

/* 0, or negative errno: the session is over. */
static int take_from_peer(struct relay *r) {
        ssize_t n = 0;

        while (r->secure_ready && !r->secure_eof && r->up_end < sizeof(r->up)) {
                uint64_t before = r->t->taken;

                n = gnutls_record_recv(r->t->session, r->up + r->up_end, sizeof(r->up) - r->up_end);
                if (n > 0) {
                        r->up_end += (size_t) n;
                        /* A whole block in one go, but only of what is here: the filter should not wait for the rest.
                         */
                        if (r->t->in_start == r->t->in_end && gnutls_record_check_pending(r->t->session) == 0)
                                break;
                } else if (n == 0)
                        r->secure_eof = true;
                else if (n == GNUTLS_E_AGAIN)
                        r->secure_ready = has_more(r->t, before);
                else if (n != GNUTLS_E_INTERRUPTED && gnutls_error_is_fatal((int) n))
                        return -ECONNABORTED;
        }
        return 0;
}

static int give_to_filter(struct relay *r) {
        int moved = 0;

        while (r->up_start < r->up_end) {
                ssize_t n = r->deaf ? (ssize_t) (r->up_end - r->up_start)
                                    : send(r->plain, r->up + r->up_start, r->up_end - r->up_start,
                                           MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                        return moved;
                if (n < 0) {
                        r->deaf = true; /* the filter reads no more; what it has said still goes out */
                        continue;
                }
                r->up_start += (size_t) n;
                moved = 1;
        }
        r->up_start = r->up_end = 0;
        if (r->secure_eof && !r->secure_ended) {
                (void) shutdown(r->plain, SHUT_WR);
                r->secure_ended = true;
        }
        return moved;
}

static int take_from_filter(struct relay *r) {
        ssize_t n;

        if (!r->plain_ready || r->plain_eof || r->down_start < r->down_end)
                return 0;
        do
                n = recv(r->plain, r->down, sizeof(r->down), MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
                r->plain_ready = false;
                return 0;
        }
        if (n <= 0)
                r->plain_eof = true; /* an error is an end too: the filter is gone */
        else
                r->down_end = (size_t) n;
        return 1;
}

static int give_to_peer(struct relay *r) {
        int moved = 0, e;

        r->want_out = false;
        while (r->down_start < r->down_end) {
                ssize_t n = gnutls_record_send(r->t->session, r->down + r->down_start, r->down_end - r->down_start);

                if (n == GNUTLS_E_INTERRUPTED)
                        continue;
                if (n == GNUTLS_E_AGAIN) {
                        r->want_out = true;
                        break;
                }
                if (n < 0)
                        return -ECONNABORTED;
                r->down_start += (size_t) n;
                moved = 1;
        }
        if (r->down_start == r->down_end)
                r->down_start = r->down_end = 0;
        if (r->plain_eof && r->down_end == 0 && !r->plain_ended) {
                e = gnutls_bye(r->t->session, GNUTLS_SHUT_WR); /* close_notify; our reading goes on */
                if (e != GNUTLS_E_AGAIN && e != GNUTLS_E_INTERRUPTED)
                        r->plain_ended = true;
                else
                        r->want_out = true;
        }
        e = tls_stream_flush(r->t);
        if (e < 0 && e != -EAGAIN)
                return e;
        if (r->plain_ended && e == 0 && !r->finished) {
                (void) shutdown(r->t->fd, SHUT_WR);
                r->finished = true;
        }
        return moved;
}

static bool all_sent(const struct relay *r) {
        return r->plain_ended && r->t->out_start == r->t->out_end;
}

/* Waits until there is something to do. False: it is over. */
static bool wait_for_work(struct relay *r) {
        bool sending = r->t->out_start < r->t->out_end || r->want_out;
        struct pollfd fds[2] = {
                { .fd = r->t->fd,
                  .events = (short) ((sending ? POLLOUT : 0) | (!r->secure_eof && r->up_end == 0 ? POLLIN : 0)) },
                { .fd = r->plain,
                  .events =
                          (short) ((r->up_end > 0 ? POLLOUT : 0) | (!r->plain_eof && r->down_end == 0 ? POLLIN : 0)) },
        };
        int n;

        /*
         * A filter that half-closed and still listens sets its own limits. When it has gone, the peer gets a moment to
         * take what is left, and another one to close, so that our close does not destroy what is still on its way (RFC
         * 9112, 9.6).
         */
        if (r->plain_eof && (!all_sent(r) || r->deaf)) {
                if (r->give_up == NSEC_NEVER)
                        r->give_up = deadline_in(all_sent(r) ? LINGER_NS : STALL_NS);
        } else
                r->give_up = NSEC_NEVER;

        /* poll(2) reports errors and ends also of what nobody asked about: do not ask again about what is known. */
        if (fds[0].events == 0)
                fds[0].fd = -1;
        if (fds[1].events == 0 && (!r->plain_eof || r->deaf))
                fds[1].fd = -1;
        do
                n = poll(fds, 2, deadline_poll_ms(r->give_up));
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return false;

        if (fds[0].revents)
                r->secure_ready = true;
        if (fds[1].revents & (POLLIN | POLLERR | POLLHUP))
                r->plain_ready = true;
        /* Of a stream socket pair this says that both directions have ended: the filter's process is over. */
        if (fds[1].revents & (POLLHUP | POLLERR) && r->plain_eof)
                r->deaf = true;
        return true;
}

struct relay *tls_relay_start(struct tls_stream *t, int plain) {
        static struct relay r; /* zero, and its buffers are not touched before they are used */

        r.t = t;
        r.plain = plain;
        r.secure_ready = r.plain_ready = true;
        r.give_up = NSEC_NEVER;
        r.broken = take_from_peer(&r) < 0;
        if (!r.broken)
                (void) give_to_filter(&r);
        return &r;
}

void tls_relay_run(struct relay *r) {
        while (!r->broken) {
                int up, taken, down;

                up = give_to_filter(r);
                taken = take_from_filter(r);
                down = give_to_peer(r);
                if (down < 0 || (all_sent(r) && (r->secure_ended || r->secure_eof)))
                        break;
                if (up + taken + down == 0 && !wait_for_work(r))
                        break;
                r->broken = take_from_peer(r) < 0;
        }
        close(r->plain);
        close(r->t->fd);
}
