/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

        do
                n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
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
