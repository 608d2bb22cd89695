/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "filter/connection.h"
#include "filter/pool.h"
#include "filter/privilege.h"
#include "filter/warm.h"
#include "identity/certificate.h"
#include "identity/peer.h"
#include "telemetry/trace.h"
#include "tls/handover.h"

/*
 * sockguard-filter: one client connection to the Docker daemon, judged request by request.
 */

#define EXIT_DENIED 3 /* --dry-run: a request was not allowed */
#define LISTEN_FD 3   /* sd_listen_fds(3): SD_LISTEN_FDS_START */

struct options {
        const char *policy_path;
        const char *listener;
        bool limits_optional;
        bool dry_run;
        unsigned pool, pool_low, pool_most; /* pool 0: none */
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
              "      --dry-run          read requests from stdin, print the verdicts as JSON, dial nothing; status 3 "
              "if one is denied\n"
              "      --pool N           descriptor 3 listens: keep N filters waiting on it\n"
              "      --pool-low N       start more when fewer than N wait (default: a quarter of them)\n"
              "      --pool-max N       filters at a time, busy ones included (default 512)\n"
              "  -V, --version          print the version\n"
              "  -h, --help             this text\n"
              "\n"
              "The connection is descriptor 3 (LISTEN_FDS), or descriptors 0 and 1. See sockguard-filter(8).\n",
              to);
}

static bool parse_count(const char *s, unsigned *ret) {
        uint64_t v;

        if (slice_parse_u64(slice_of(s), &v) < 0 || v == 0 || v > POOL_MOST)
                return false;
        *ret = (unsigned) v;
        return true;
}

/* -1: go on; otherwise the exit status. */
static int parse_options(int argc, char **argv, struct options *ret) {
        enum { OPTION_LIMITS_OPTIONAL = 256, OPTION_DRY_RUN, OPTION_POOL, OPTION_POOL_LOW, OPTION_POOL_MAX };
        static const struct option long_options[] = {
                { "policy", required_argument, NULL, 'p' },
                { "config", required_argument, NULL, 'c' },
                { "listener", required_argument, NULL, 'l' },
                { "limits-optional", no_argument, NULL, OPTION_LIMITS_OPTIONAL },
                { "dry-run", no_argument, NULL, OPTION_DRY_RUN },
                { "pool", required_argument, NULL, OPTION_POOL },
                { "pool-low", required_argument, NULL, OPTION_POOL_LOW },
                { "pool-max", required_argument, NULL, OPTION_POOL_MAX },
                { "version", no_argument, NULL, 'V' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        bool bad = false;
        int k;

        *ret = (struct options){ .policy_path = POLICY_DEFAULT_PATH, .pool_most = 512 };
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
                case OPTION_DRY_RUN:
                        ret->dry_run = true;
                        break;
                case OPTION_POOL:
                        bad = bad || !parse_count(optarg, &ret->pool);
                        break;
                case OPTION_POOL_LOW:
                        bad = bad || !parse_count(optarg, &ret->pool_low);
                        break;
                case OPTION_POOL_MAX:
                        bad = bad || !parse_count(optarg, &ret->pool_most);
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
        if (ret->pool > 0 && ret->pool_low == 0)
                ret->pool_low = ret->pool / 4 + 1;
        if (ret->pool > ret->pool_most || ret->pool_low > ret->pool)
                bad = true;
        if (bad || optind < argc) {
                usage(stderr);
                return 2;
        }
        return -1;
}

/* sd_listen_fds(3), the part of it that one descriptor needs. The name is the first of LISTEN_FDNAMES. */
static bool inherited_descriptor(const char **ret_name) {
        const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID"), *names = getenv("LISTEN_FDNAMES");
        uint64_t value;

        /* exec keeps the process id, so a pool that executes itself anew finds its own. */
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

/* The directory that the policy lies in has the shared state and the control socket. */
static void attach_state(struct connection *c, const struct options *o) {
        struct slice path = slice_of(o->policy_path);
        ssize_t slash = slice_rfind(path, '/');
        char dir[sizeof(c->state.dir)];
        struct error e;

        if (slash < 0 || (size_t) slash >= sizeof(dir)) {
                c->state = (struct state){ .lock_fd = -1, .lease = -1 };
                return;
        }
        memcpy(dir, path.at, (size_t) slash);
        dir[slash] = '\0';
        (void) state_attach(slash > 0 ? dir : "/", &c->state, &e);
        c->state.optional = o->limits_optional;
}

/* ---- start-up, in the two parts that a pool needs ---- */

/* What a pool's members may inherit: the policy, and where the records go. 0; or negative errno with a message in *e.
 */
static int prepare(struct connection *c, const struct options *o, const char *fd_name, const int *client,
                   size_t n_client, bool quiet, struct error *e) {
        c->up = (struct upstream) UPSTREAM_INIT(c->upstream_buf);
        c->client = (struct wire) WIRE_INIT;
        c->state = (struct state){ .lock_fd = -1, .lease = -1 };
        arena_init(&c->arena, ARENA_MAX, NULL);
        strbuf_init(&c->out, CLIENT_BUFFER);
        strbuf_init(&c->body, WIRE_BLOCK);
        (void) policy_source_open(&c->source, o->policy_path, quiet, NULL);
        c->listener_name = listener_name(o, fd_name, &c->source);
        return telemetry_open(&c->telemetry, c->source.loaded ? &c->source.policy : NULL, client, n_client, e);
}

/* What a pool's members would all find out, each for itself: where the state is, and where the daemon is. */
static void prepare_for_all(struct connection *c, const struct options *o) {
        struct error e;

        if (c->state.map)
                state_refresh(&c->state);
        else
                attach_state(c, o);
        if (c->state.lock_fd >= 0)
                (void) close(c->state.lock_fd); /* whoever holds a lease has the file open for himself */
        c->state.lock_fd = -1;
        if (c->source.loaded && c->up.set.n == 0 && endpoints_all_local(&c->source.policy))
                (void) endpoints_open(&c->up.set, &c->source.policy, NULL, &e); /* members see the failure, and tell */
}

/* The end of our privileges. What a later policy needs, and the state beside it, stays within reach. */
static int confine(struct connection *c, const struct options *o, struct error *e) {
        const char *runtime[3] = { NULL };
        char real[PATH_MAX];
        struct stat st;

        /* A policy that this process compiled itself never changes, and has no state beside it. */
        if (!c->source.compiled_here) {
                runtime[0] = c->state.dir[0] ? c->state.dir : ".";
                if (lstat(o->policy_path, &st) == 0 && S_ISLNK(st.st_mode) && realpath(o->policy_path, real)) {
                        char *slash = strrchr(real, '/');

                        slash[slash == real] = '\0';
                        runtime[1] = real;
                }
        }
        return privilege_drop(c->source.loaded ? &c->source.policy : NULL, runtime, e);
}

/* What every process does for itself, and then the end of its privileges. */
static int enter(struct connection *c, const struct options *o, struct error *e) {
        int r;

        if (c->state.map)
                (void) state_attach_forked(&c->state, e);
        else
                attach_state(c, o);
        if (c->source.loaded && c->up.set.n == 0) {
                r = endpoints_open(&c->up.set, &c->source.policy, c->state.map, e);
                if (r < 0)
                        return r;
        }
        c->up.set.shared = c->state.map;
        return confine(c, o, e);
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

static int serve(struct connection *c, int in, int out, struct error *e) {
        int r;

        c->accepted_ns = now_ns();
        if (c->listener_is_tcp)
                wire_tune_tcp(in);
        r = wire_open(&c->client, in, out, c->client_buf, CLIENT_BUFFER);
        if (r < 0) {
                (void) error_errno(e, r, "cannot use the client's connection");
                return complain(c, e);
        }
        connection_serve(c);
        return EXIT_SUCCESS;
}

/* ---- the pool ---- */

struct pool_context {
        struct connection *c;
        const struct options *o;
};

/* The daemon connection was dialled beforehand; if the daemon has closed it since, it is dialled again. */
static void tend(void *arg) {
        struct connection *c = arg;

        if (c->source.loaded)
                upstream_ready(&c->up);
}

/* Whatever the first request would otherwise wait for. */
static void get_ready(struct connection *c) {
        char byte;

        tend(c);
        warm_up(c);
        trace_random(&byte, 1); /* fetches a store of them */
        c->settle = pool_settle;
}

/* A member behind TLS: its terminator is asked for before the sandbox closes; without the keeper of the key the pool is
 * at its end. */
static int serve_handed_over(struct connection *c, const struct options *o, int keeper) {
        static char record[PEER_RECORD_MAX];
        int channel, plain = -1, r;
        struct error e;
        size_t len = 0;

        (void) close(LISTEN_FD);
        channel = terminator_request(keeper);
        (void) close(keeper);
        if (channel < 0) {
                (void) kill(getppid(), SIGTERM);
                (void) error_errno(&e, channel, "the terminator's parent has ended");
                return complain(c, &e);
        }
        r = enter(c, o, &e);
        if (r < 0)
                return complain(c, &e);
        get_ready(c);
        r = pool_wait_handover(channel, tend, c, record, sizeof(record), &len, &plain);
        if (r < 0)
                return EXIT_SUCCESS; /* refused, and recorded there */
        (void) close(channel);
        r = peer_record_parse(slice_make(record, len), &c->peer);
        if (r < 0) {
                (void) error_errno(&e, r, "the peer's identity was handed over but cannot be read");
                return complain(c, &e);
        }
        c->listener_is_tcp = true;
        return serve(c, plain, plain, &e);
}

static int serve_accepted(struct connection *c, const struct options *o) {
        struct error e;
        int fd, r;

        fd = terminator_keeper();
        if (fd >= 0)
                return serve_handed_over(c, o, fd);
        r = enter(c, o, &e);
        if (r < 0)
                return complain(c, &e);
        get_ready(c);
        fd = pool_wait(LISTEN_FD, tend, c);
        if (fd < 0) {
                (void) error_errno(&e, fd, "cannot accept a connection");
                return complain(c, &e);
        }
        (void) close(LISTEN_FD);
        r = identify(c, fd, &e);
        return r < 0 ? complain(c, &e) : serve(c, fd, fd, &e);
}

static int pool_member(void *arg) {
        struct pool_context *p = arg;

        return serve_accepted(p->c, p->o);
}

static void pool_prepare(void *arg) {
        struct pool_context *p = arg;

        (void) policy_source_refresh(&p->c->source, NULL);
        prepare_for_all(p->c, p->o);
}

static void pool_report(void *arg, const char *what, long number) {
        struct pool_context *p = arg;
        struct log *l = &p->c->telemetry.main;

        if (log_begin(l, LEVEL_WARN, what)) {
                log_int(l, "number", number);
                (void) log_end(l);
        }
}

static int keep_pool(struct connection *c, const struct options *o, char **argv) {
        struct pool_context context = { c, o };
        const struct pool_config config = {
                .idle = o->pool,
                .low = o->pool_low,
                .most = o->pool_most,
                .argv = argv,
                .prepare = pool_prepare,
                .member = pool_member,
                .report = pool_report,
                .arg = &context,
        };

        /* An exec of ourselves finds the socket where it is, whatever the process id says. */
        (void) fcntl(LISTEN_FD, F_SETFD, 0);
        return pool_run(&config, LISTEN_FD);
}

/* ---- main ---- */

/* Further names of the client's connection would keep it open, and be written to by mistake. */
static void forget_other_names(enum way_in way, bool stderr_too) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0)
                return;
        if (way == WAY_INETD)
                (void) dup2(null, 1);
        if (stderr_too)
                (void) dup2(null, 2);
        (void) close(null);
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
        connection_catch_signals();
        way = o.dry_run ? WAY_PIPE : find_way_in(&fd_name);
        if (way == WAY_CONNECTION || way == WAY_LISTENER)
                in = out = LISTEN_FD;
        else if (way == WAY_PIPE)
                out = 1;
        client[0] = in;
        client[1] = out;
        quiet = same_file(2, in) || (out != in && same_file(2, out));

        r = prepare(c, &o, fd_name, client, 2, quiet, &e);
        if (r < 0)
                return complain(c, &e);
        if (o.pool > 0 && way != WAY_LISTENER) {
                (void) error_set(&e, -ENOTSOCK,
                                 "--pool needs a listening socket (an Accept=no unit, or sockguard-ctl serve)");
                return complain(c, &e);
        }
        if (way == WAY_LISTENER)
                return o.pool > 0 ? keep_pool(c, &o, argv) : serve_accepted(c, &o);

        if (way == WAY_INETD || quiet)
                forget_other_names(way, quiet);
        r = identify(c, in, &e);
        if (r == 0 && o.dry_run) {
                c->dry_run = true;
                c->state.optional = true;
                r = privilege_drop(c->source.loaded ? &c->source.policy : NULL, &(const char *const){ NULL }, &e);
        } else if (r == 0)
                r = enter(c, &o, &e);
        if (r < 0)
                return complain(c, &e);
        r = serve(c, in, out, &e);
        return r == EXIT_SUCCESS && c->denied ? EXIT_DENIED : r;
}
