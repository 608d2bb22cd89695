/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tls/dialler.h"

static const char *program(void) {
        static char path[4096];
        const char *dir = getenv("SOCKGUARD_LIBEXEC");

        if (!dir || dir[0] != '/')
                return SOCKGUARD_LIBEXECDIR "/sockguard-tls";
        if (snprintf(path, sizeof(path), "%s/sockguard-tls", dir) >= (int) sizeof(path))
                return SOCKGUARD_LIBEXECDIR "/sockguard-tls";
        return path;
}

/* The image as a descriptor: the child must decide by exactly the policy that we do, whatever is on disk by now. */
static int image_fd(const struct policy *p) {
        size_t done = 0;
        int fd = memfd_create("sockguard-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

        if (fd < 0)
                return -errno;
        while (done < p->size) {
                ssize_t n = write(fd, p->base + done, p->size - done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        r = n < 0 ? -errno : -EIO;
                        close(fd);
                        return r;
                }
                done += (size_t) n;
        }
        (void) fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        return fd;
}

/*
 * Between fork and exec: only what is async-signal-safe. The client's connection may be 0, 1 and 2 (inetd): the dialler
 * gets none of it, and says what it has to say over the channel.
 */
static void __attribute__((noreturn)) become_dialler(int channel, int image) {
        static const char *const argv[] = { "sockguard-tls", "--upstream", NULL };
        int a, b, null;

        /* Out of the way first, so that neither lands on the other's place. */
        a = fcntl(channel, F_DUPFD, 10);
        b = fcntl(image, F_DUPFD, 10);
        null = open("/dev/null", O_RDWR);
        if (a < 0 || b < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
            dup2(a, DIALLER_FD) < 0 || dup2(b, DIALLER_POLICY_FD) < 0)
                _exit(127);
        close_range(DIALLER_POLICY_FD + 1, ~0u, 0);
        execv(program(), (char *const *) (uintptr_t) argv);
        _exit(127);
}

int dialler_start(const struct policy *p, int *ret_channel, int *ret_pid, struct error *err) {
        int pair[2], image, r;
        pid_t pid;

        image = image_fd(p);
        if (image < 0)
                return error_errno(err, image, "copy the policy for sockguard-tls");
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                r = -errno;
                close(image);
                return error_errno(err, r, "channel to sockguard-tls");
        }
        (void) program(); /* not after fork: getenv */
        pid = fork();
        r = -errno;
        if (pid == 0)
                become_dialler(pair[1], image);
        close(image);
        close(pair[1]);
        if (pid < 0) {
                close(pair[0]);
                return error_errno(err, r, "start sockguard-tls");
        }
        *ret_channel = pair[0];
        *ret_pid = pid;
        return 0;
}

static int receive(int channel, struct dial_answer *ret, int *ret_fd) {
        union {
                struct cmsghdr align;
                char room[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
        struct msghdr m = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        struct cmsghdr *c;
        ssize_t n;

        *ret_fd = -1;
        do
                n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        c = CMSG_FIRSTHDR(&m);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
                memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
        if (n != sizeof(*ret) || (ret->error == 0) != (*ret_fd >= 0)) {
                if (*ret_fd >= 0)
                        close(*ret_fd);
                *ret_fd = -1;
                return n == 0 ? -ECONNRESET : -EBADMSG;
        }
        ret->text[sizeof(ret->text) - 1] = '\0';
        return 0;
}

/* The answer to this request; one to an earlier request, which we no longer waited for, is dropped with its connection.
 */
static int await(int channel, uint32_t serial, uint64_t deadline, struct dial_answer *ret, int *ret_fd) {
        struct pollfd pfd = { .fd = channel, .events = POLLIN };
        int r;

        for (;;) {
                do
                        r = poll(&pfd, 1, deadline_poll_ms(deadline));
                while (r < 0 && errno == EINTR);
                if (r <= 0)
                        return r < 0 ? -errno : -ETIMEDOUT;
                r = receive(channel, ret, ret_fd);
                if (r < 0 || ret->serial == serial)
                        return r;
                if (*ret_fd >= 0)
                        close(*ret_fd);
        }
}

int dialler_dial(int channel, unsigned endpoint, uint64_t deadline, int *ret_fd, struct error *err) {
        static uint32_t serial;
        struct dial_request q = { .serial = ++serial, .endpoint = endpoint };
        struct dial_answer a = {};
        int ms = deadline_poll_ms(deadline), r;

        if (channel < 0)
                return error_set(err, -ENOTCONN, "sockguard-tls is not running");
        q.timeout_ms = ms < 0 ? 60000 : (uint32_t) ms;
        if (send(channel, &q, sizeof(q), MSG_NOSIGNAL) != (ssize_t) sizeof(q))
                return error_errno(err, -errno, "sockguard-tls has ended (is it installed?)");
        /* The dialler keeps the time; we wait a little longer, for its answer and for its start. */
        r = await(channel, q.serial, deadline_in((q.timeout_ms + 500) * NSEC_PER_MSEC), &a, ret_fd);
        if (r == -ETIMEDOUT)
                return error_set(err, r, "sockguard-tls does not answer");
        if (r < 0)
                return error_errno(err, r, "answer of sockguard-tls");
        if (a.error != 0)
                return error_set(err, a.error < 0 ? a.error : -EPROTO, "%s", a.text);
        return 0;
}

int dialler_probe(const struct policy *p, unsigned endpoint, uint64_t deadline, struct error *err) {
        int channel, pid, fd, r;

        r = dialler_start(p, &channel, &pid, err);
        if (r < 0)
                return r;
        r = dialler_dial(channel, endpoint, deadline, &fd, err);
        if (r >= 0)
                close(fd);
        close(channel);
        if (r == -ETIMEDOUT)
                kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}
