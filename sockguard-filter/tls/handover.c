/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/slice.h"
#include "tls/handover.h"

#define HANDOVER_WORD "SGHAND01"

union control {
        struct cmsghdr align;
        char room[CMSG_SPACE(2 * sizeof(int))];
};

int handover_send(int channel, int plain, int record) {
        char word[8] = HANDOVER_WORD;
        const int fds[2] = { plain, record };
        union control control = {};
        struct iovec iov = { .iov_base = word, .iov_len = sizeof(word) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        ssize_t n;

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(fds));
        memcpy(CMSG_DATA(c), fds, sizeof(fds));
        do
                n = sendmsg(channel, &m, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

int handover_receive(int channel, int *ret_plain, int *ret_record) {
        char word[8];
        int fds[2] = { -1, -1 };
        union control control = {};
        struct iovec iov = { .iov_base = word, .iov_len = sizeof(word) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        struct cmsghdr *c;
        ssize_t n;

        do {
                m.msg_controllen = sizeof(control);
                n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
        } while ((n < 0 && errno == EINTR) || n == 1); /* 1: handover_accepted(), which not everybody waits for */
        if (n < 0)
                return -errno;
        c = CMSG_FIRSTHDR(&m);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fds)))
                memcpy(fds, CMSG_DATA(c), sizeof(fds));
        if (fds[1] < 0 || n != sizeof(word) || memcmp(word, HANDOVER_WORD, sizeof(word)) != 0 || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
                for (int i = 0; i < 2; i++)
                        if (fds[i] >= 0)
                                close(fds[i]);
                return n == 0 ? -ECONNRESET : -EBADMSG;
        }
        *ret_plain = fds[0];
        *ret_record = fds[1];
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
        union control control = {};
        char word = 't';
        struct iovec iov = { .iov_base = &word, .iov_len = 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(sizeof(int)) };
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        int pair[2], r = 0;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &pair[1], sizeof(int));
        if (sendmsg(keeper, &m, MSG_NOSIGNAL) < 0)
                r = -errno;
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
