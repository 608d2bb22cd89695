/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockguard-tls: one TLS connection. It reads the key, gives up everything, shakes hands, and only then lets a filter
 * be started, which gets plaintext and the verified identity and never sees the key.
 *
 *      systemd, inetd or the pool
 *              |  connection, or listening socket
 *        sockguard-tls ---- fork ----> terminator: key, no privileges, sandbox
 *              |  waits                     |  accept, handshake
 *              |<------ plaintext socket, sealed record of the peer
 *        exec sockguard-filter              |  relay
 *
 * The process that waits holds no key and reads nothing from the client. It keeps the privileges that the filter needs
 * for the daemon's socket, and the process id that systemd knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter/source.h"
#include "tls/client.h"
#include "tls/handover.h"
#include "tls/keeper.h"
#include "tls/terminator.h"

/* Descriptors that a filter inherits. */
#define LISTEN_FD 3 /* sd_listen_fds(3): the plaintext, or the listening socket of a pool */
#define RECORD_FD 4 /* who the peer is; in a pool the channel to the keeper of the key */
#define POLICY_FD 5 /* an image that was compiled here */

struct options {
        const char *policy, *listener, *user;
        const char *pool, *pool_max; /* of a pool; else NULL */
        bool upstream;
        int image;    /* the policy */
        bool inherit; /* it was compiled here, and the filter is to have it */
        bool quiet;   /* stderr is the client's connection */
        char **rest;  /* for the filter */
};

/* systemd passes the connection, or a listening socket, as descriptor 3 (sd_listen_fds(3)); inetd the connection as 0,
 * 1, maybe 2. */
static int find_socket(bool *ret_inetd) {
        const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
        uint64_t v;

        *ret_inetd = false;
        if (pid && n && slice_parse_u64(slice_of(pid), &v) == 0 && v == (uint64_t) getpid() &&
            slice_parse_u64(slice_of(n), &v) == 0 && v == 1)
                return LISTEN_FD;
        *ret_inetd = true;
        return STDIN_FILENO;
}

static int socket_option(int fd, int option) {
        int v = 0;
        socklen_t size = sizeof(v);

        return getsockopt(fd, SOL_SOCKET, option, &v, &size) < 0 ? -1 : v;
}

/* The policy, read as root if that is who we are. A configuration is compiled once, for us and for the filter. */
static int open_policy(struct options *o, struct error *e) {
        if (policy_is_yaml(o->policy)) {
                o->image = policy_compile_file(o->policy, o->quiet, e);
                if (o->image < 0)
                        return o->image;
                if (o->image != POLICY_FD && dup3(o->image, POLICY_FD, O_CLOEXEC) < 0)
                        return error_errno(e, -errno, "arrange descriptors");
                o->image = POLICY_FD;
                o->policy = "/proc/self/fd/5";
                o->inherit = true;
                return 0;
        }
        o->image = open(o->policy, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        return o->image < 0 ? error_errno(e, -errno, "open %s", o->policy) : 0;
}

/* Nothing but what the filter is meant to have goes along. */
static void close_others(const struct options *o) {
        if (o->inherit)
                (void) fcntl(POLICY_FD, F_SETFD, 0);
        close_range(o->inherit ? POLICY_FD + 1 : RECORD_FD + 1, ~0u, 0);
}

static const char *filter_program(void) {
        const char *path = getenv("SOCKGUARD_FILTER");

        return path && path[0] == '/' ? path : SOCKGUARD_BINDIR "/sockguard-filter";
}

static int become_filter(const struct options *o, int plain, struct slice record) {
        const char *argv[64] = { "sockguard-filter", "--policy", o->policy, "--listener", o->listener };
        size_t n = 5;
        struct error e = {};
        char text[32];
        int a, b = -1, sealed;

        for (char **arg = o->rest; *arg && n < sizeof(argv) / sizeof(argv[0]) - 1; arg++)
                argv[n++] = *arg;

        /* Out of the way first, so that neither lands on the other's place. */
        a = fcntl(plain, F_DUPFD_CLOEXEC, 10);
        if (peer_record_seal(record, &sealed) >= 0)
                b = fcntl(sealed, F_DUPFD_CLOEXEC, 10);
        if (a < 0 || b < 0 || dup2(a, LISTEN_FD) < 0 || dup2(b, RECORD_FD) < 0)
                return terminator_complain(o->quiet, "arrange descriptors for the filter", NULL);
        /* The filter knows by this that its stderr is the client, and logs elsewhere. */
        if (o->quiet && dup2(a, STDERR_FILENO) < 0)
                return terminator_complain(o->quiet, "arrange descriptors for the filter", NULL);
        close_others(o);

        snprintf(text, sizeof(text), "%d", (int) getpid());
        setenv("LISTEN_PID", text, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", "connection", 1);
        snprintf(text, sizeof(text), "%d", RECORD_FD);
        setenv(PEER_FD_ENV, text, 1);
        execv(filter_program(), (char *const *) (uintptr_t) argv);
        (void) error_errno(&e, -errno, "run %s", filter_program());
        return terminator_complain(o->quiet, "cannot start the filter", &e);
}

static int exit_status_of(const struct options *o, pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_FAILURE;
        if (WIFEXITED(status))
                return WEXITSTATUS(status);
        /* SIGSYS is the sandbox's: what was tried is in the kernel's audit log. SIGTERM is an ordinary end. */
        if (WTERMSIG(status) != SIGTERM)
                (void) terminator_complain(o->quiet, strsignal(WTERMSIG(status)), NULL);
        return EXIT_FAILURE;
}

/*
 * As a user for good, as s6-setuidgid(8) does. The supplementary groups stay (the unit's SupplementaryGroups= is what
 * opens the daemon's socket), except root's.
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

/* Becomes --user, if there is one. 0, or the exit status. */
static int drop_to_user(const struct options *o) {
        struct error e = {};
        int r = o->user ? become_user(o->user) : 0;

        if (r >= 0)
                return 0;
        (void) error_errno(&e, r, "become %s", o->user);
        return terminator_complain(o->quiet, "cannot start", &e);
}

/* Between the client's socket and the filter that inetd's descriptors 0 to 2 would be. */
static int forget_connection(const struct options *o, int fd, bool inetd) {
        int null;

        if (!inetd) {
                close(fd);
                return 0;
        }
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
            (o->quiet && dup2(null, STDERR_FILENO) < 0))
                return EXIT_FAILURE;
        return 0;
}

static int serve(struct options *o) {
        static char record[PEER_RECORD_MAX];
        bool inetd, listening;
        struct error e = {};
        int channel[2], fd, plain, r;
        struct stat a, b;
        size_t len;
        pid_t pid;

        fd = find_socket(&inetd);
        o->quiet = fstat(fd, &a) == 0 && fstat(STDERR_FILENO, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
        if (socket_option(fd, SO_TYPE) != SOCK_STREAM)
                return terminator_complain(o->quiet && S_ISSOCK(a.st_mode),
                                           "neither descriptor 3 (LISTEN_FDS=1) nor stdin is a stream socket", NULL);
        (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
        listening = socket_option(fd, SO_ACCEPTCONN) == 1;
        if (open_policy(o, &e) < 0)
                return terminator_complain(o->quiet, "cannot start", &e);

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
                return terminator_complain(o->quiet, "channel to the terminator", NULL);
        pid = fork();
        if (pid < 0)
                return terminator_complain(o->quiet, "fork", NULL);
        if (pid == 0) {
                static struct terminator t;

                close(channel[0]);
                if (terminator_load(o->image, slice_of(o->listener), o->user, fd, &t, &e) < 0)
                        _exit(terminator_complain(o->quiet, "cannot start", &e));
                _exit(terminator_run(&t, fd, listening, channel[1]));
        }

        /* From here on the client's socket is the terminator's alone: its end is the client's end. */
        close(channel[1]);
        r = drop_to_user(o);
        if (r == 0)
                r = forget_connection(o, fd, inetd);
        if (r != 0) {
                (void) kill(pid, SIGKILL);
                return r;
        }
        if (handover_receive(channel[0], record, sizeof(record), &len, &plain) < 0)
                return exit_status_of(o, pid);
        return become_filter(o, plain, slice_make(record, len));
}

/* The parent of the pool's filters, which has neither key nor client; with a keeper of the key beside it. */
static int serve_pool(struct options *o) {
        const char *argv[64] = { "sockguard-filter", "--policy", o->policy,    "--listener", o->listener,
                                 "--pool",           o->pool,    "--pool-max", o->pool_max };
        size_t n = 9;
        pid_t parent = getpid(), pid;
        struct error e = {};
        int control[2], r;
        bool inetd;
        char text[16];

        if (find_socket(&inetd) != LISTEN_FD || socket_option(LISTEN_FD, SO_ACCEPTCONN) != 1)
                return terminator_complain(
                        o->quiet,
                        "--pool needs a listening socket as descriptor 3 (an Accept=no unit, or sockguard-ctl serve)",
                        NULL);
        (void) fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC);
        if (open_policy(o, &e) < 0)
                return terminator_complain(o->quiet, "cannot start", &e);
        argv[2] = o->policy;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
                return terminator_complain(o->quiet, "channel to the keeper of the key", NULL);
        pid = fork();
        if (pid < 0)
                return terminator_complain(o->quiet, "fork", NULL);
        if (pid == 0) {
                static struct terminator t;

                close(control[0]);
                if (terminator_load(o->image, slice_of(o->listener), o->user, LISTEN_FD, &t, &e) < 0)
                        _exit(terminator_complain(o->quiet, "cannot start", &e));
                _exit(keeper_run(&t, slice_of(o->listener), LISTEN_FD, control[1], parent));
        }
        close(control[1]);
        r = drop_to_user(o);
        if (r != 0)
                return r; /* the keeper hears of it */
        for (char **arg = o->rest; *arg && n < sizeof(argv) / sizeof(argv[0]) - 1; arg++)
                argv[n++] = *arg;
        if (control[0] != RECORD_FD && dup2(control[0], RECORD_FD) < 0)
                return terminator_complain(o->quiet, "arrange descriptors for the filter", NULL);
        (void) fcntl(RECORD_FD, F_SETFD, 0);
        (void) fcntl(LISTEN_FD, F_SETFD, 0);
        close_others(o);
        snprintf(text, sizeof(text), "%d", RECORD_FD);
        setenv(TERMINATOR_FD_ENV, text, 1);
        execv(filter_program(), (char *const *) (uintptr_t) argv);
        (void) error_errno(&e, -errno, "run %s", filter_program());
        return terminator_complain(o->quiet, "cannot start the filter", &e);
}

static void usage(FILE *to) {
        fputs("Usage: sockguard-tls [--policy PATH] [--listener NAME] [--user USER] [--pool N [--pool-max N]] [-- "
              "FILTER-ARGUMENT...]\n"
              "       sockguard-tls --upstream\n"
              "\n"
              "Terminates the TLS of one connection (descriptor 3 or stdin, or the next one of a listening socket) and "
              "runs\n"
              "sockguard-filter on the plaintext. PATH is a policy image, or a .yaml configuration. With --upstream it "
              "dials TLS\n"
              "daemons for a filter; only filters start it so.\n",
              to);
}

int main(int argc, char **argv) {
        static const struct option table[] = {
                { "policy", required_argument, NULL, 'c' },   { "config", required_argument, NULL, 'c' },
                { "listener", required_argument, NULL, 'l' }, { "user", required_argument, NULL, 'U' },
                { "pool", required_argument, NULL, 'P' },     { "pool-max", required_argument, NULL, 'M' },
                { "upstream", no_argument, NULL, 'u' },       { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },        {},
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
