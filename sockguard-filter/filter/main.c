/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "filter/connection.h"
#include "filter/privilege.h"
#include "identity/certificate.h"
#include "identity/peer.h"

/*
 * sockguard-filter: one client connection to the Docker daemon, judged request by request.
 */

#define LISTEN_FD 3 /* sd_listen_fds(3): SD_LISTEN_FDS_START */

struct options {
        const char *policy_path;
        const char *listener;
        bool limits_optional;
};

enum way_in {
        WAY_CONNECTION, /* fd 3 is the client: Accept=yes */
        WAY_LISTENER,   /* fd 3 listens: one of a pool */
        WAY_INETD,      /* fds 0 and 1 are the client's socket */
        WAY_PIPE,       /* fds 0 and 1 are two streams */
};

/* All zero pages until they are needed; a connection is a process. */
static struct connection the_connection;

static void usage(FILE *to) {
        fputs("Usage: sockguard-filter [--policy PATH] [--listener NAME] [--limits-optional]\n"
              "Serves one connection to the Docker daemon under a policy.\n"
              "\n"
              "  -p, --policy PATH      policy image, or a .yaml configuration (default " POLICY_DEFAULT_PATH ")\n"
              "  -c, --config PATH      the same\n"
              "  -l, --listener NAME    which of the policy's listeners the connection came through\n"
              "      --limits-optional  serve without rate and concurrency limits when there is no companion\n"
              "  -V, --version          print the version\n"
              "  -h, --help             this text\n"
              "\n"
              "The connection is descriptor 3 (LISTEN_FDS), or descriptors 0 and 1. See sockguard-filter(8).\n", to);
}

/* -1: go on; otherwise the exit status. */
static int parse_options(int argc, char **argv, struct options *ret) {
        enum { OPTION_LIMITS_OPTIONAL = 256 };
        static const struct option long_options[] = {
                { "policy", required_argument, NULL, 'p' },
                { "config", required_argument, NULL, 'c' },
                { "listener", required_argument, NULL, 'l' },
                { "limits-optional", no_argument, NULL, OPTION_LIMITS_OPTIONAL },
                { "version", no_argument, NULL, 'V' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        int k;

        *ret = (struct options) { .policy_path = POLICY_DEFAULT_PATH };
        while ((k = getopt_long(argc, argv, "p:c:l:Vh", long_options, NULL)) >= 0)
                switch (k) {
                case 'p':
                case 'c':
                        ret->policy_path = optarg;
                        break;
                case 'l':
                        ret->listener = optarg;
                        break;
                case OPTION_LIMITS_OPTIONAL:
                        ret->limits_optional = true;
                        break;
                case 'V':
                        puts("sockguard-filter " PACKAGE_VERSION);
                        return 0;
                case 'h':
                        usage(stdout);
                        return 0;
                default:
                        usage(stderr);
                        return 2;
                }
        if (optind < argc) {
                usage(stderr);
                return 2;
        }
        return -1;
}

/* sd_listen_fds(3), the part of it that one descriptor needs. The name is the first of LISTEN_FDNAMES. */
static bool inherited_descriptor(const char **ret_name) {
        const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID"), *names = getenv("LISTEN_FDNAMES");
        uint64_t value;

        if (!n || !pid || slice_parse_u64(slice_of(pid), &value) < 0 || value != (uint64_t) getpid())
                return false;
        if (slice_parse_u64(slice_of(n), &value) < 0 || value == 0)
                return false;
        *ret_name = names;
        (void) fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC);
        return true;
}

static bool is_listening(int fd) {
        int on = 0;
        socklen_t size = sizeof(on);

        return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on;
}

static bool same_file(int a, int b) {
        struct stat sa, sb;

        return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static enum way_in find_way_in(const char **ret_fd_name) {
        struct stat st;

        if (inherited_descriptor(ret_fd_name))
                return is_listening(LISTEN_FD) ? WAY_LISTENER : WAY_CONNECTION;
        return fstat(0, &st) == 0 && S_ISSOCK(st.st_mode) ? WAY_INETD : WAY_PIPE;
}

/* Descriptors 0 to 2 exist, so that nothing we open later is taken for one of them. */
static int keep_standard_streams(void) {
        for (int fd = 0; fd <= 2; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
                        return -EBADF;
        return 0;
}

/* What systemd calls a descriptor when nobody named it. */
static bool is_given_name(struct slice name) {
        return name.len > 0 && !slice_eq(name, SLICE("connection")) && !slice_eq(name, SLICE("unknown")) &&
               !slice_eq(name, SLICE("stored")) && !slice_ends(name, SLICE(".socket"));
}

/* Which listener this is: fixed by who started us, never by what the client says. */
static struct slice listener_name(const struct options *o, const char *fd_name, const struct policy_source *source) {
        struct slice name, rest;

        if (o->listener)
                return slice_of(o->listener);
        (void) slice_cut(slice_of(fd_name), ':', &name, &rest);
        if (is_given_name(name))
                return name;
        return source->loaded && source->policy.compiled->listeners_explicit ? SLICE("") : SLICE("default");
}

static void tune_tcp(int fd) {
        const int on = 1;

        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The directory that the policy lies in has the shared state and the control socket. */
static void attach_state(struct connection *c, const struct options *o) {
        struct slice path = slice_of(o->policy_path);
        ssize_t slash = slice_rfind(path, '/');
        char dir[sizeof(c->state.dir)];
        struct error e;

        if (slash < 0 || (size_t) slash >= sizeof(dir)) {
                c->state = (struct state) { .lock_fd = -1, .lease = -1 };
                return;
        }
        memcpy(dir, path.at, (size_t) slash);
        dir[slash] = '\0';
        (void) state_attach(slash > 0 ? dir : "/", &c->state, &e);
        c->state.optional = o->limits_optional;
}

/* Everything that can be done before there is a client, or before it is listened to. 0; or negative errno with a message in *e. */
static int start_up(struct connection *c, const struct options *o, const char *fd_name, const int *client, size_t n_client, bool quiet,
                    struct error *e) {
        int r;

        c->up = (struct upstream) UPSTREAM_INIT(c->upstream_buf);
        c->client = (struct wire) WIRE_INIT;
        arena_init(&c->arena, ARENA_MAX, NULL);
        strbuf_init(&c->out, CLIENT_BUFFER);
        strbuf_init(&c->body, WIRE_BLOCK);
        attach_state(c, o);
        (void) policy_source_open(&c->source, o->policy_path, quiet, &c->state);
        c->listener_name = listener_name(o, fd_name, &c->source);
        r = telemetry_open(&c->telemetry, c->source.loaded ? &c->source.policy : NULL, client, n_client, e);
        if (r < 0)
                return r;
        if (c->source.loaded) {
                r = endpoints_open(&c->up.set, &c->source.policy, c->state.map, e);
                if (r < 0)
                        return r;
        }
        return privilege_drop(c->source.loaded ? &c->source.policy : NULL, e);
}

static int identify(struct connection *c, int fd, struct error *e) {
        int r = peer_record_inherited(&c->peer);

        if (r < 0)
                return error_errno(e, r, "the peer's identity was announced but cannot be read");
        if (r == 0)
                peer_capture(fd, &c->peer);
        c->listener_is_tcp = c->peer.kind == PEER_TCP;
        return 0;
}

static int complain(struct connection *c, const struct error *e) {
        if (log_begin(&c->telemetry.main, LEVEL_ERROR, "the connection cannot be served")) {
                log_str(&c->telemetry.main, "error", slice_of(e->text));
                (void) log_end(&c->telemetry.main);
        }
        return EXIT_FAILURE;
}

int main(int argc, char **argv) {
        struct connection *c = &the_connection;
        struct options o;
        const char *fd_name = NULL;
        enum way_in way;
        struct error e;
        int in = 0, out = 0, client[2], r;
        bool quiet;

        r = parse_options(argc, argv, &o);
        if (r >= 0)
                return r;
        if (keep_standard_streams() < 0)
                return EXIT_FAILURE;
        c->accepted_ns = now_ns();
        connection_catch_signals();
        way = find_way_in(&fd_name);
        if (way == WAY_CONNECTION || way == WAY_LISTENER)
                in = out = LISTEN_FD;
        else if (way == WAY_PIPE)
                out = 1;
        client[0] = in;
        client[1] = out;
        quiet = same_file(2, in) || (out != in && same_file(2, out));

        r = identify(c, in, &e);
        if (r == 0)
                r = start_up(c, &o, fd_name, client, 2, quiet, &e);
        if (r < 0)
                return complain(c, &e);
        if (way == WAY_INETD || quiet) {
                /* Further names of the client's connection would keep it open, and be written to by mistake. */
                int null = open("/dev/null", O_RDWR | O_CLOEXEC);

                if (null >= 0 && way == WAY_INETD)
                        (void) dup2(null, 1);
                if (null >= 0 && quiet)
                        (void) dup2(null, 2);
        }
        if (c->listener_is_tcp)
                tune_tcp(in);
        r = wire_open(&c->client, in, out, c->client_buf, CLIENT_BUFFER);
        if (r < 0) {
                (void) error_errno(&e, r, "cannot use the client's connection");
                return complain(c, &e);
        }
        connection_serve(c);
        return EXIT_SUCCESS;
}
