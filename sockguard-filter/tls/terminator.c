/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/terminator.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "filter/wire.h"
#include "identity/peer.h"
#include "tls/handover.h"
#include "tls/sandbox.h"

int terminator_complain(bool quiet, const char *what, const struct error *e) {
        const char *colon = e ? ": " : "", *why = e ? e->text : "";

        if (quiet)
                syslog(LOG_DAEMON | LOG_ERR, "sockguard-tls: %s%s%s", what, colon, why);
        else
                fprintf(stderr, "sockguard-tls: %s%s%s\n", what, colon, why);
        return EXIT_FAILURE;
}

/* A log file that we created as root would be none that the filter can write to. */
static int open_reports(const char *user, int connection, struct slice listener, struct terminator *t,
                        struct error *e) {
        const struct passwd *pw = user && geteuid() == 0 ? getpwnam(user) : NULL;
        gid_t gid = getegid();
        int r;

        if (user && geteuid() == 0 && !pw)
                return error_set(e, -ESRCH, "there is no user %s", user);
        if (pw && (setegid(pw->pw_gid) < 0 || seteuid(pw->pw_uid) < 0))
                return error_errno(e, -errno, "become %s", user);
        r = report_open(&t->policy, listener, connection, &t->report, e);
        if (pw && (seteuid(0) < 0 || setegid(gid) < 0))
                return error_errno(e, -errno, "become root again");
        return r;
}

int terminator_load(int image, struct slice listener, const char *user, int connection, struct terminator *ret,
                    struct error *e) {
        int r;

        r = policy_image_map(image, &ret->policy, e);
        if (r >= 0)
                r = tls_server_load(&ret->policy, listener, &ret->server, e);
        if (r >= 0)
                r = open_reports(user, connection, listener, ret, e);
        return r;
}

static int accept_one(int listening, int *ret_fd, struct error *e) {
        for (;;) {
                int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                struct pollfd pfd = { .fd = listening, .events = POLLIN };

                if (fd >= 0) {
                        *ret_fd = fd;
                        return 0;
                }
                switch (errno) {
                case EAGAIN: /* a non-blocking listening socket, or somebody else was faster */
                        (void) poll(&pfd, 1, -1);
                        break;
                case EINTR:
                case ECONNABORTED:
                case EPROTO:
                case ENETDOWN:
                case ENOPROTOOPT:
                case EHOSTDOWN:
                case EHOSTUNREACH:
                case ENETUNREACH:
                case ENONET:
                        break; /* accept(2): errors of the connection that was about to be, not ours */
                default:
                        return error_errno(e, -errno, "accept");
                }
        }
}

static void out_of_memory(struct arena *a) {
        (void) a;
        _exit(1);
}

/* The handshake is done: plaintext and identity to the filter, and then bytes. The exit status. */
static int hand_over_and_relay(struct terminator *t, struct tls_stream *stream, const struct peer *peer, int channel) {
        _cleanup_strbuf_ struct strbuf record;
        struct relay *relay = NULL;
        int pair[2];

        strbuf_init(&record, PEER_RECORD_MAX);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0)
                relay = tls_relay_start(stream, pair[0]);
        if (!relay || peer_record_format(peer, &record) < 0 ||
            handover_send(channel, pair[1], strbuf_view(&record)) < 0) {
                report_refused(&t->report, peer, "tls_handover_failed",
                               "the connection could not be handed to a filter");
                return 1;
        }
        close(pair[1]);
        close(channel);
        tls_relay_run(relay);
        return 0;
}

/* From here on there are the logs, which are open. */
static int give_up(struct terminator *t, const char *event, const struct error *e) {
        report_event(&t->report, LEVEL_ERROR, event, e ? slice_of(e->text) : SLICE(""));
        return EXIT_FAILURE;
}

int terminator_run(struct terminator *t, int fd, bool listening, int channel) {
        static struct tls_stream stream;
        struct peer_certificate certificate;
        struct tls_refusal why;
        struct error e = {};
        struct arena arena;
        struct peer peer;
        uint64_t deadline = deadline_in(HANDSHAKE_NS);

        arena_init(&arena, 1024 * 1024, out_of_memory);
        if (sandbox_enter(&e) < 0)
                return give_up(t, "the sandbox cannot be closed", &e);
        if (tls_server_prepare(&t->server, &stream) < 0)
                return give_up(t, "no memory for a session", NULL);
        pages_take(&t->pages);

        if (listening) {
                int connection = -1;

                if (accept_one(fd, &connection, &e) < 0)
                        return give_up(t, "no connection from the listening socket", &e);
                if (handover_accepted(channel) < 0)
                        return 1; /* the filter is gone */
                close(fd);
                fd = connection;
                deadline = deadline_in(HANDSHAKE_NS);
        } else if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
                return give_up(t, "the connection cannot be used", NULL);
        /* Who stops the pool, or renews the certificate, means those that wait. The handshake has its deadline; then
         * the filter's end ends us. */
        (void) signal(SIGTERM, SIG_IGN);
        peer_capture(fd, &peer);
        peer.tls = true;
        wire_tune_tcp(fd);

        if (tls_server_accept(&t->server, fd, &peer, deadline, &arena, &stream, &certificate, &why) < 0) {
                report_refused(&t->report, &peer, why.code, why.why);
                return 0;
        }
        peer.certificate = &certificate;
        return hand_over_and_relay(t, &stream, &peer, channel);
}
