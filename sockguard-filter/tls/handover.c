/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slice.h"
#include "tls/handover.h"

union control {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
};

/* One message with one descriptor. */
static int send_with(int channel, struct slice text, int fd) {
        union control control = {};
        struct iovec iov = { .iov_base = (void *) (uintptr_t) text.at, .iov_len = text.len };
        struct msghdr m = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        ssize_t n;

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
        do
                n = sendmsg(channel, &m, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

int handover_send(int channel, int plain, struct slice record) {
        return send_with(channel, record, plain);
}

int handover_receive(int channel, char *record, size_t room, size_t *ret_len, int *ret_plain) {
        union control control = {};
        struct iovec iov = { .iov_base = record, .iov_len = room };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
        struct cmsghdr *c;
        int fd = -1;
        ssize_t n;

        do {
                m.msg_controllen = sizeof(control);
                n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
        } while ((n < 0 && errno == EINTR) || n == 1); /* 1: handover_accepted(), which not everybody waits for */
        if (n < 0)
                return -errno;
        c = CMSG_FIRSTHDR(&m);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fd)))
                memcpy(&fd, CMSG_DATA(c), sizeof(fd));
        if (fd < 0)
                return n == 0 ? -ECONNRESET : -EBADMSG;
        if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
                close(fd);
                return -EBADMSG;
        }
        *ret_len = (size_t) n;
        *ret_plain = fd;
        return 0;
}

int handover_accepted(int channel) {
        return send(channel, "a", 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* ---- the pool ---- */

int terminator_keeper(void) {
        const char *text = getenv(TERMINATOR_FD_ENV);
        uint64_t fd;

        return text && slice_parse_u64(slice_of(text), &fd) == 0 && fd > 3 && fd < 1024 ? (int) fd : -1;
}

int terminator_request(int keeper) {
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        r = send_with(keeper, SLICE("t"), pair[1]);
        close(pair[1]);
        if (r < 0) {
                close(pair[0]);
                return r;
        }
        return pair[0];
}

int terminator_wait(int channel) {
        char word;
        ssize_t n = recv(channel, &word, 1, 0);

        return n == 1 ? 0 : n < 0 ? -errno : -ECONNRESET;
}
