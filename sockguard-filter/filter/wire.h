/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_WIRE_H
#define SOCKGUARD_FILTER_WIRE_H

#include <poll.h>

#include "base/clock.h"
#include "base/slice.h"

/*
 * One end of a byte stream: a socket, or two descriptors (stdin and stdout), with a receive buffer. Nothing here blocks
 * except the two functions that take a deadline.
 *
 * The first `pin` bytes of the buffer are a message head that slices point into: nothing moves them until the pin is
 * taken off. Received bytes that nobody consumed yet are buf[start..end).
 */
struct wire {
        int in, out;    /* equal for a socket; -1 when closed */
        bool is_socket; /* then calls say themselves whether they block; else poll(2) is asked before every call */
        bool can_splice;
        bool nonblocking;  /* O_NONBLOCK is set: splice(2) into a socket has no other way to say it */
        uint64_t patience; /* SO_RCVTIMEO as it was last set, ns; 0 none */
        bool eof;          /* the other end has finished sending */
        bool gone;         /* the other end has vanished: nothing can be delivered any more */
        char *buf;
        size_t room, start, end, pin;
        size_t high; /* highest `end` since wire_trim() */
};

#define WIRE_BLOCK (64u * 1024) /* bytes that are taken from a stream at a time, at most */
#define WIRE_INIT \
        { .in = -1, .out = -1 }

/*
 * Takes over the descriptors. `buf` stays the caller's. `in` and `out` may be the same. O_NONBLOCK is cleared on
 * sockets, so that wire_receive() may wait in the kernel. 0 or negative errno.
 */
int wire_open(struct wire *w, int in, int out, char *buf, size_t room);

void wire_close(struct wire *w);

static inline struct slice wire_view(const struct wire *w) {
        return slice_make(w->buf + w->start, w->end - w->start);
}

static inline size_t wire_held(const struct wire *w) {
        return w->end - w->start;
}

static inline bool wire_is_open(const struct wire *w) {
        return w->in >= 0;
}

void wire_consume(struct wire *w, size_t n);

/* The next `n` unconsumed bytes are a head: consumed, and kept where they are until wire_unpin(). */
void wire_pin(struct wire *w, size_t n);
void wire_unpin(struct wire *w);

/* Gives the pages of a buffer that was once large back to the system. Only between messages. */
void wire_trim(struct wire *w);

/*
 * Receives up to `max` bytes behind the unconsumed ones. > 0 their number; 0 the other end has finished sending;
 * -EAGAIN nothing there; -ENOBUFS the buffer is full; other negative errno: the stream is broken.
 */
ssize_t wire_fill(struct wire *w, size_t max);

/*
 * The same, but waits up to `ns` for the first byte: one system call instead of three, on a socket. The kernel keeps
 * the time in ticks of some milliseconds, so this is for limits that are no promise. -ETIMEDOUT nothing came; -EINTR a
 * signal did.
 */
ssize_t wire_receive(struct wire *w, size_t max, uint64_t ns);

/* Sets the limit of a coming wire_receive() beforehand, where a system call costs nobody time. 0 or negative errno. */
int wire_set_patience(struct wire *w, uint64_t ns);

/* From here on wire_receive() cannot wait in recv(2), and splice(2) into this socket does not block. 0 or negative
 * errno. */
int wire_set_nonblocking(struct wire *w);

/* Sends what goes out at once. > 0 bytes sent; -EAGAIN; other negative errno (-EPIPE: nobody reads any more). */
struct iovec;
ssize_t wire_writev(struct wire *w, const struct iovec *iov, int n, bool more);

/* Sends everything. 0; -ETIMEDOUT; other negative errno. */
int wire_send(struct wire *w, struct slice s, uint64_t deadline);

/*
 * Waits until there is something to receive. 1 there is (or an end, or an error: wire_fill tells); -ETIMEDOUT; -EINTR a
 * signal arrived.
 */
int wire_wait(struct wire *w, uint64_t deadline);

/* What every TCP connection of ours gets: small messages leave at once, and a peer that vanished without a word is
 * noticed in minutes. */
void wire_tune_tcp(int fd);

/* Ends our direction; the other one goes on. For two descriptors that is close(out). */
void wire_shutdown(struct wire *w);

/* poll(2) interest of a wire: up to two rows. Returns how many were written. */
int wire_poll_fds(const struct wire *w, bool want_in, bool want_out, struct pollfd *ret);

/* What poll said about these rows. */
struct wire_events {
        bool readable, writable, vanished;
};
struct wire_events wire_poll_events(const struct wire *w, const struct pollfd *fds, int n);

#endif
