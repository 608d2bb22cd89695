/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockguard-tls: one TLS connection. It reads the key, gives up everything, shakes hands, and only then lets a filter be started, which
 * gets plaintext and the verified identity and never sees the key.
 *
 *      systemd, inetd or the pool
 *              |  connection, or listening socket
 *        sockguard-tls ---- fork ----> terminator: key, no privileges, sandbox
 *              |  waits                     |  accept, handshake
 *              |<------ plaintext socket, sealed record of the peer
 *        exec sockguard-filter              |  relay
 *
 * The process that waits holds no key and reads nothing from the client. It keeps the privileges that the filter needs for the daemon's
 * socket, and the process id that systemd knows.
 */
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "identity/peer.h"
#include "tls/client.h"
#include "tls/handover.h"
#include "tls/report.h"
#include "tls/sandbox.h"
#include "tls/server.h"
#include "tls/warm.h"

#define LISTEN_FD 3 /* sd_listen_fds(3) */
#define RECORD_FD 4

struct options {
        const char *policy, *listener, *user;
        const char *pool, *pool_max; /* of a pool; else NULL */
        bool upstream;
        char **rest; /* for the filter */
};

static int fail(const char *what, const struct error *e) {
        struct stat in, err;

        /* Under inetd descriptor 2 may be the client. */
        if (fstat(STDIN_FILENO, &in) == 0 && fstat(STDERR_FILENO, &err) == 0 && S_ISSOCK(err.st_mode) && in.st_ino == err.st_ino)
                return EXIT_FAILURE;
        fprintf(stderr, "sockguard-tls: %s%s%s\n", what, e ? ": " : "", e ? e->text : "");
        return EXIT_FAILURE;
}

/* ---- the terminator ---- */

static int map_policy(const char *path, struct policy *ret, struct error *e) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

        if (fd < 0)
                return error_errno(e, -errno, "open %s", path);
        r = policy_image_map(fd, ret, e);
        close(fd);
        return r < 0 ? error_prefix(e, r, "%s", path) : 0;
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
                case EINTR: case ECONNABORTED: case EPROTO: case ENETDOWN: case ENOPROTOOPT: case EHOSTDOWN: case EHOSTUNREACH:
                case ENETUNREACH: case ENONET:
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

/* What is read before the sandbox. */
struct prepared {
        struct policy policy;
        struct tls_server server;
        struct report report;
        struct warm warm; /* of a pool */
};

static int prepare(const struct options *o, int fd, struct prepared *ret, struct error *e) {
        int r;

        r = map_policy(o->policy, &ret->policy, e);
        if (r >= 0)
                r = tls_server_load(&ret->policy, slice_of(o->listener), &ret->server, e);
        if (r >= 0)
                report_open(&ret->policy, slice_of(o->listener), fd, &ret->report);
        return r;
}

/* From the sandbox to the last byte. The exit status is the process's: 0 also for a client that was refused. */
static int terminate(const struct prepared *have, int fd, bool listening, int channel) {
        static struct tls_stream stream;
        struct peer_certificate certificate;
        struct tls_refusal why;
        struct error e = {};
        struct arena arena;
        struct peer peer;
        uint64_t deadline = deadline_in(HANDSHAKE_NS);
        _cleanup_strbuf_ struct strbuf record;
        struct relay *relay;
        int pair[2], one = 1;

        arena_init(&arena, 1024 * 1024, out_of_memory);
        strbuf_init(&record, PEER_RECORD_MAX);
        if (sandbox_enter(&e) < 0)
                return fail("sandbox", &e);

        if (tls_server_prepare(&have->server, &stream) < 0)
                return fail("no memory for a session", NULL);
        warm_up(&have->warm);

        if (listening) {
                int connection = -1;

                if (accept_one(fd, &connection, &e) < 0)
                        return fail("listening socket", &e);
                if (handover_accepted(channel) < 0)
                        return 1; /* the filter is gone */
                close(fd);
                fd = connection;
                deadline = deadline_in(HANDSHAKE_NS);
        } else if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
                return fail("connection", NULL);
        peer_capture(fd, &peer);
        peer.tls = true;
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));

        if (tls_server_accept(&have->server, fd, &peer, deadline, &arena, &stream, &certificate, &why) < 0) {
                report_refused(&have->report, &peer, why.code, why.why);
                return 0;
        }
        peer.certificate = &certificate;

        relay = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? NULL : tls_relay_start(&stream, pair[0]);
        if (!relay || peer_record_format(&peer, &record) < 0 ||
            handover_send(channel, pair[1], strbuf_view(&record)) < 0) {
                report_refused(&have->report, &peer, "tls_handover_failed", "the connection could not be handed to a filter");
                return 1;
        }
        close(pair[1]);
        close(channel);
        (void) signal(SIGTERM, SIG_IGN); /* the filter's end ends us, after its last byte is out */
        tls_relay_run(relay);
        return 0;
}

/* ---- the process that becomes the filter ---- */

/* systemd passes the connection, or a listening socket, as descriptor 3 (sd_listen_fds(3)); inetd the connection as 0, 1, maybe 2. */
static int find_socket(bool *ret_inetd) {
        const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
        uint64_t v;

        *ret_inetd = false;
        if (pid && n && slice_parse_u64(slice_of(pid), &v) == 0 && v == (uint64_t) getpid() && slice_parse_u64(slice_of(n), &v) == 0 && v == 1)
                return LISTEN_FD;
        *ret_inetd = true;
        return STDIN_FILENO;
}

static int socket_option(int fd, int option) {
        int v = 0;
        socklen_t size = sizeof(v);

        return getsockopt(fd, SOL_SOCKET, option, &v, &size) < 0 ? -1 : v;
}

/* ---- the keeper of the key, in a pool ---- */

#define LOOK_MS 5000 /* how often the keeper looks whether the certificate has been renewed */

/* 1 with a channel for a new terminator; 0 the time is up; -ECONNRESET the pool has ended. */
static int next_request(int control, int *ret_channel) {
        struct pollfd pfd = { .fd = control, .events = POLLIN };
        union {
                struct cmsghdr align;
                char room[CMSG_SPACE(sizeof(int))];
        } buffer;
        char word;
        struct iovec iov = { .iov_base = &word, .iov_len = 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &buffer, .msg_controllen = sizeof(buffer) };
        struct cmsghdr *c;
        ssize_t n;

        if (poll(&pfd, 1, LOOK_MS) <= 0)
                return 0;
        n = recvmsg(control, &m, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -ECONNRESET;
        c = CMSG_FIRSTHDR(&m);
        if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
                return 0;
        memcpy(ret_channel, CMSG_DATA(c), sizeof(int));
        return 1;
}

/*
 * Reads the key once and makes terminators of itself, one for each filter that asks. It reads nothing from a client, and is nobody. When
 * the certificate is another one it ends; the pool ends with it, and whoever keeps the pool starts both anew.
 */
static int keep_key(const struct options *o, int listening, int control, pid_t parent) {
        static struct prepared have;
        struct stat was, now;
        struct error e = {};
        bool watch;

        if (prepare(o, listening, &have, &e) < 0)
                return fail("cannot start", &e);
        watch = stat(have.server.certificate_path, &was) == 0;
        have.server.hints = hints_new();
        warm_learn(&have.warm);
        if (sandbox_drop(&e) < 0)
                return fail("sandbox", &e);
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || signal(SIGCHLD, SIG_IGN) == SIG_ERR)
                return EXIT_FAILURE;
        for (;;) {
                int channel = -1, r = next_request(control, &channel);
                pid_t keeper = getpid(), pid;

                if (r < 0)
                        return 0;
                if (r == 0) {
                        if (watch && stat(have.server.certificate_path, &now) == 0 && (now.st_ino != was.st_ino || now.st_mtime != was.st_mtime))
                                return 0;
                        continue;
                }
                pid = fork();
                if (pid == 0) {
                        close(control);
                        if (getppid() != keeper)
                                _exit(0);
                        _exit(terminate(&have, listening, true, channel));
                }
                close(channel); /* also when there is no process: the filter then hears that nobody is there */
        }
}

static const char *filter_program(void) {
        const char *path = getenv("SOCKGUARD_FILTER");

        return path && path[0] == '/' ? path : SOCKGUARD_BINDIR "/sockguard-filter";
}

static int become_filter(const struct options *o, int plain, struct slice record, bool stderr_is_client) {
        const char *argv[64] = { "sockguard-filter", "--policy", o->policy, "--listener", o->listener };
        size_t n = 5;
        char text[32];
        int a, b = -1, sealed;

        for (char **arg = o->rest; *arg && n < sizeof(argv) / sizeof(argv[0]) - 1; arg++)
                argv[n++] = *arg;

        a = fcntl(plain, F_DUPFD_CLOEXEC, 10);
        if (peer_record_seal(record, &sealed) >= 0)
                b = fcntl(sealed, F_DUPFD_CLOEXEC, 10);
        if (a < 0 || b < 0 || dup2(a, LISTEN_FD) < 0 || dup2(b, RECORD_FD) < 0)
                return fail("arrange descriptors for the filter", NULL);
        /* The filter knows by this that its stderr is the client, and logs elsewhere. */
        if (stderr_is_client && dup2(a, STDERR_FILENO) < 0)
                return fail("arrange descriptors for the filter", NULL);
        close_range(RECORD_FD + 1, ~0u, 0);

        snprintf(text, sizeof(text), "%d", (int) getpid());
        setenv("LISTEN_PID", text, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", "connection", 1);
        snprintf(text, sizeof(text), "%d", RECORD_FD);
        setenv(PEER_FD_ENV, text, 1);
        execv(filter_program(), (char *const *) (uintptr_t) argv);
        fprintf(stderr, "sockguard-tls: run %s: %s\n", filter_program(), strerror(errno));
        return EXIT_FAILURE;
}

static int exit_status_of(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_FAILURE;
        if (WIFEXITED(status))
                return WEXITSTATUS(status);
        /* SIGSYS is the sandbox's: what was tried is in the kernel's audit log. SIGTERM is an ordinary end. */
        if (WTERMSIG(status) != SIGTERM)
                (void) fail(strsignal(WTERMSIG(status)), NULL);
        return EXIT_FAILURE;
}

/*
 * As a user for good, as s6-setuidgid(8) does. The supplementary groups stay (the unit's SupplementaryGroups= is what opens the daemon's
 * socket), except root's.
 */
static int become_user(const char *name) {
        const struct passwd *pw = getpwnam(name);
        gid_t groups[64], kept[64];
        int n, k = 0;

        if (!pw || pw->pw_uid == 0)
                return -ESRCH;
        n = getgroups(64, groups);
        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++)
                if (groups[i] != 0)
                        kept[k++] = groups[i];
        if (setgroups((size_t) k, kept) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
            setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
                return -errno;
        return setuid(0) == 0 ? -EPERM : 0;
}

static int serve(const struct options *o) {
        bool inetd, listening, stderr_is_client = false;
        static char record[PEER_RECORD_MAX];
        int channel[2], fd, null, plain, r;
        size_t len;
        struct stat a, b;
        pid_t pid;

        fd = find_socket(&inetd);
        if (socket_option(fd, SO_TYPE) != SOCK_STREAM)
                return fail("neither descriptor 3 (LISTEN_FDS=1) nor stdin is a stream socket", NULL);
        listening = socket_option(fd, SO_ACCEPTCONN) == 1;
        if (inetd)
                stderr_is_client = fstat(fd, &a) == 0 && fstat(STDERR_FILENO, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
                return fail("channel to the terminator", NULL);
        pid = fork();
        if (pid < 0)
                return fail("fork", NULL);
        if (pid == 0) {
                static struct prepared have;
                struct error e = {};

                close(channel[0]);
                if (prepare(o, fd, &have, &e) < 0)
                        _exit(fail("cannot start", &e));
                _exit(terminate(&have, fd, listening, channel[1]));
        }

        /* From here on the client's socket is the terminator's alone: its end is the client's end. */
        close(channel[1]);
        if (o->user) {
                r = become_user(o->user);
                if (r < 0) {
                        (void) kill(pid, SIGKILL);
                        fprintf(stderr, "sockguard-tls: become %s: %s\n", o->user, strerror(-r));
                        return EXIT_FAILURE;
                }
        }
        if (inetd) {
                null = open("/dev/null", O_RDWR | O_CLOEXEC);
                if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
                        return fail("open /dev/null", NULL);
                if (stderr_is_client && dup2(null, STDERR_FILENO) < 0)
                        return EXIT_FAILURE;
        } else
                close(fd);

        r = handover_receive(channel[0], record, sizeof(record), &len, &plain);
        if (r < 0)
                return exit_status_of(pid);
        return become_filter(o, plain, slice_make(record, len), stderr_is_client);
}

/* A pool: filters that have done their start-up, each with a terminator that has done its own. */
static int serve_pool(const struct options *o) {
        const char *argv[64] = { "sockguard-filter", "--policy", o->policy, "--listener", o->listener, "--pool", o->pool, "--pool-max", o->pool_max };
        size_t n = 9;
        pid_t parent = getpid(), pid;
        int control[2], r;
        bool inetd;
        char text[16];

        if (find_socket(&inetd) != LISTEN_FD || socket_option(LISTEN_FD, SO_ACCEPTCONN) != 1)
                return fail("--pool needs a listening socket as descriptor 3 (an Accept=no unit, or sockguard-ctl serve)", NULL);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
                return fail("channel to the keeper of the key", NULL);
        pid = fork();
        if (pid < 0)
                return fail("fork", NULL);
        if (pid == 0) {
                close(control[0]);
                _exit(keep_key(o, LISTEN_FD, control[1], parent));
        }
        close(control[1]);
        if (o->user) {
                r = become_user(o->user);
                if (r < 0) {
                        fprintf(stderr, "sockguard-tls: become %s: %s\n", o->user, strerror(-r));
                        return EXIT_FAILURE;
                }
        }
        for (char **arg = o->rest; *arg && n < sizeof(argv) / sizeof(argv[0]) - 1; arg++)
                argv[n++] = *arg;
        if (control[0] != RECORD_FD && dup2(control[0], RECORD_FD) < 0)
                return fail("arrange descriptors for the filter", NULL);
        (void) fcntl(RECORD_FD, F_SETFD, 0);
        (void) fcntl(LISTEN_FD, F_SETFD, 0);
        close_range(RECORD_FD + 1, ~0u, 0);
        snprintf(text, sizeof(text), "%d", RECORD_FD);
        setenv(TERMINATOR_FD_ENV, text, 1);
        execv(filter_program(), (char *const *) (uintptr_t) argv);
        fprintf(stderr, "sockguard-tls: run %s: %s\n", filter_program(), strerror(errno));
        return EXIT_FAILURE;
}

static void usage(FILE *to) {
        fputs("Usage: sockguard-tls [--policy IMAGE] [--listener NAME] [--user USER] [--pool N [--pool-max N]] [-- FILTER-ARGUMENT...]\n"
              "       sockguard-tls --upstream\n"
              "\n"
              "Terminates the TLS of one connection (descriptor 3 or stdin, or the next one of a listening socket) and runs\n"
              "sockguard-filter on the plaintext. With --upstream it dials TLS daemons for a filter; only filters start it so.\n",
              to);
}

int main(int argc, char **argv) {
        static const struct option table[] = {
                { "policy", required_argument, NULL, 'c' },
                { "config", required_argument, NULL, 'c' },
                { "listener", required_argument, NULL, 'l' },
                { "user", required_argument, NULL, 'U' },
                { "pool", required_argument, NULL, 'P' },
                { "pool-max", required_argument, NULL, 'M' },
                { "upstream", no_argument, NULL, 'u' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },
                {},
        };
        struct options o = { .policy = "/run/sockguard/policy", .listener = "default", .pool_max = "512" };
        int c;

        while ((c = getopt_long(argc, argv, "c:h", table, NULL)) >= 0)
                switch (c) {
                case 'c':
                        o.policy = optarg;
                        break;
                case 'l':
                        o.listener = optarg;
                        break;
                case 'P':
                        o.pool = optarg;
                        break;
                case 'M':
                        o.pool_max = optarg;
                        break;
                case 'U':
                        o.user = optarg;
                        break;
                case 'u':
                        o.upstream = true;
                        break;
                case 'h':
                        usage(stdout);
                        return 0;
                case 'V':
                        puts("sockguard-tls " PACKAGE_VERSION);
                        return 0;
                default:
                        usage(stderr);
                        return EXIT_FAILURE;
                }
        o.rest = argv + optind;
        return o.upstream ? tls_client_main() : o.pool ? serve_pool(&o) : serve(&o);
}
