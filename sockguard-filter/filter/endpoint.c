/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/resolve.h"
#include "filter/endpoint.h"
#include "filter/wire.h"
#include "limits/state.h"
#include "tls/dialler.h"

#define RESOLVE_NS (3 * NSEC_PER_SEC) /* for all host names of a policy, when a filter starts */

struct endpoint {
        enum endpoint_kind kind;
        enum endpoint_health health; /* own knowledge, where no state is shared */
        unsigned n_addresses;
        struct error unresolved; /* why there are no addresses */
        struct resolved addresses[ENDPOINT_ADDRESSES_MAX];
};

static const struct policy_endpoint *configured(const struct policy *p, unsigned i) {
        return &policy_list(p, p->compiled->endpoints, struct policy_endpoint)[i];
}

/* ---- what is known ---- */

static enum endpoint_health health_of(const struct endpoint_set *e, unsigned i) {
        if (!e->shared)
                return e->at[i].health;
        return (enum endpoint_health)(state_get(&e->shared->endpoints[i].health) & 0xff);
}

static void set_health(struct endpoint_set *e, unsigned i, enum endpoint_health health) {
        uint64_t was, now;

        e->at[i].health = health;
        if (!e->shared)
                return;
        /* Only a change is written: the word carries the time of the change, and a shared line that nobody writes stays
         * shared. */
        was = state_get(&e->shared->endpoints[i].health);
        now = (uint64_t) health | state_now_ms() << 8;
        if ((was & 0xff) != (uint64_t) health)
                atomic_compare_exchange_strong(&e->shared->endpoints[i].health, &was, now);
        if (health == ENDPOINT_DOWN && state_get(&e->shared->endpoints[i].probe_wanted) == 0)
                state_set(&e->shared->endpoints[i].probe_wanted, 1);
}

/* The best endpoint that `tried` (a bit set) does not hold; -1 when all were. */
static int choose(const struct endpoint_set *e, uint32_t tried) {
        static const enum endpoint_health order[] = { ENDPOINT_UP, ENDPOINT_UNKNOWN, ENDPOINT_DOWN };

        for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++)
                for (unsigned i = 0; i < e->n; i++)
                        if (!(tried & 1u << i) && health_of(e, i) == order[k])
                                return (int) i;
        return -1;
}

/* ---- addresses ---- */

static int resolve_unix(const struct policy *p, const struct policy_endpoint *c, struct endpoint *ret) {
        struct sockaddr_un *un = (struct sockaddr_un *) &ret->addresses[0].at;
        int r;

        un->sun_family = AF_UNIX;
        r = policy_str_copy(p, c->path, un->sun_path, sizeof(un->sun_path));
        if (r < 0)
                return r;
        ret->addresses[0].len = sizeof(*un);
        ret->n_addresses = 1;
        return 0;
}

static int resolve_tcp(const struct policy *p, const struct policy_endpoint *c, uint64_t deadline,
                       struct endpoint *ret) {
        char host[256], port[16];
        int r;

        if (policy_str_copy(p, c->host, host, sizeof(host)) < 0 || policy_str_copy(p, c->port, port, sizeof(port)) < 0)
                return -ENAMETOOLONG;
        r = resolve_host(host, port, deadline, ret->addresses, ENDPOINT_ADDRESSES_MAX, &ret->unresolved);
        if (r > 0)
                ret->n_addresses = (unsigned) r;
        return 0;
}

/* A host name that does not resolve until `deadline` is no error here. */
static int resolve(const struct policy *p, unsigned i, uint64_t deadline, struct endpoint *ret) {
        const struct policy_endpoint *c = configured(p, i);

        *ret = (struct endpoint){ .kind = (enum endpoint_kind) c->kind, .health = ENDPOINT_UNKNOWN };
        switch (ret->kind) {
        case ENDPOINT_UNIX:
                return resolve_unix(p, c, ret);
        case ENDPOINT_TCP:
                return resolve_tcp(p, c, deadline, ret);
        case ENDPOINT_TLS:
                return 0; /* the dialler's business */
        }
        return -EINVAL;
}

/* Each of n attempts gets an equal part of what is left, so that one that is silent leaves time for the others. */
static uint64_t share_of(uint64_t deadline, unsigned n) {
        uint64_t now = now_ns();

        if (deadline == NSEC_NEVER || deadline <= now)
                return deadline;
        return now + (deadline - now) / (n ? n : 1);
}

int endpoints_open(struct endpoint_set *e, const struct policy *p, struct state_map *shared, struct error *err) {
        unsigned n = p->compiled->endpoints.n;
        uint64_t deadline = deadline_in(RESOLVE_NS);
        bool tls = false;
        int r;

        *e = (struct endpoint_set) ENDPOINT_SET_INIT;
        if (n == 0 || n > ENDPOINTS_MAX)
                return error_set(err, -EINVAL,
                                 n == 0 ? "the policy names no daemon" : "the policy names more than %u daemons",
                                 ENDPOINTS_MAX);
        _Static_assert(ENDPOINTS_MAX <= STATE_ENDPOINTS, "shared state has too few endpoint words");

        e->at = calloc(n, sizeof(*e->at));
        if (!e->at)
                return error_set(err, -ENOMEM, "no memory");
        e->policy = p;
        e->shared = shared;
        e->n = n;
        for (unsigned i = 0; i < n; i++) {
                r = resolve(p, i, share_of(deadline, n - i), &e->at[i]);
                if (r < 0) {
                        endpoints_close(e);
                        return error_errno(err, r, "upstream endpoint %u", i);
                }
                tls |= e->at[i].kind == ENDPOINT_TLS;
        }
        if (tls) {
                r = dialler_start(p, &e->dialler, &e->dialler_pid, err);
                if (r < 0) {
                        endpoints_close(e);
                        return r;
                }
        }
        return 0;
}

bool endpoints_all_local(const struct policy *p) {
        for (unsigned i = 0; i < p->compiled->endpoints.n; i++)
                if (configured(p, i)->kind != ENDPOINT_UNIX)
                        return false;
        return true;
}

void endpoints_close(struct endpoint_set *e) {
        if (e->dialler >= 0)
                close(e->dialler);
        free(e->at);
        *e = (struct endpoint_set) ENDPOINT_SET_INIT;
}

/* ---- dialling ---- */

/* A nonblocking connect(2) to a unix socket whose queue is full fails at once; a blocking one waits, for SO_SNDTIMEO at
 * most. */
static int connect_unix(int fd, const struct sockaddr *at, socklen_t len, uint64_t deadline) {
        uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;
        struct timeval tv = { .tv_sec = (time_t) (left / NSEC_PER_SEC),
                              .tv_usec = (suseconds_t) (left % NSEC_PER_SEC / 1000) };
        int flags;

        if (tv.tv_sec == 0 && tv.tv_usec == 0)
                return -ETIMEDOUT;
        if (deadline != NSEC_NEVER && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
                return -errno;
        if (connect(fd, at, len) < 0)
                return errno == EAGAIN || errno == EINPROGRESS ? -ETIMEDOUT : -errno;
        flags = fcntl(fd, F_GETFL);
        return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static int connect_one(const struct endpoint *ep, unsigned k, uint64_t deadline, int *ret_fd) {
        const struct sockaddr *at = (const struct sockaddr *) &ep->addresses[k].at;
        bool local = at->sa_family == AF_UNIX;
        int fd, r;

        fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | (local ? 0 : SOCK_NONBLOCK), 0);
        if (fd < 0)
                return -errno;
        if (local)
                r = connect_unix(fd, at, ep->addresses[k].len, deadline);
        else {
                wire_tune_tcp(fd);
                r = resolved_connect(fd, &ep->addresses[k], deadline);
        }
        if (r < 0) {
                close(fd);
                return r;
        }
        *ret_fd = fd;
        return 0;
}

static int dial_endpoint(const struct endpoint *ep, int dialler, unsigned i, uint64_t deadline, int *ret_fd,
                         struct error *err) {
        int r = -EHOSTUNREACH;

        if (ep->kind == ENDPOINT_TLS)
                return dialler_dial(dialler, i, deadline, ret_fd, err);
        if (ep->n_addresses == 0)
                return error_set(err, r, "%s", ep->unresolved.text);
        for (unsigned k = 0; k < ep->n_addresses; k++) {
                r = connect_one(ep, k, share_of(deadline, ep->n_addresses - k), ret_fd);
                if (r >= 0)
                        return 0;
        }
        return error_errno(err, r, "connect");
}

int endpoints_dial(struct endpoint_set *e, uint64_t deadline, int *ret_fd, unsigned *ret_endpoint, struct error *err) {
        uint32_t tried = 0;
        int i, r = -EHOSTUNREACH;

        while ((i = choose(e, tried)) >= 0) {
                unsigned at = (unsigned) i;

                r = dial_endpoint(&e->at[at], e->dialler, at,
                                  share_of(deadline, e->n - (unsigned) __builtin_popcount(tried)), ret_fd, err);
                if (r >= 0) {
                        set_health(e, at, ENDPOINT_UP);
                        *ret_endpoint = at;
                        return 0;
                }
                error_prefix(err, r, "%.*s", SLICE_ARG(endpoints_name(e, at)));
                tried |= 1u << at;
                endpoints_failed(e, at);
                if (deadline_poll_ms(deadline) == 0)
                        return -ETIMEDOUT;
        }
        return r;
}

void endpoints_failed(struct endpoint_set *e, unsigned endpoint) {
        if (e->n > 1 && endpoint < e->n)
                set_health(e, endpoint, ENDPOINT_DOWN);
}

unsigned endpoints_active(const struct endpoint_set *e) {
        int i = choose(e, 0);

        return i < 0 ? 0 : (unsigned) i;
}

struct slice endpoints_name(const struct endpoint_set *e, unsigned endpoint) {
        return endpoint < e->n ? policy_str(e->policy, configured(e->policy, endpoint)->display) : SLICE("");
}

int endpoint_probe(const struct policy *p, unsigned endpoint, uint64_t deadline, struct error *err) {
        struct endpoint ep;
        int fd = -1, r;

        if (endpoint >= p->compiled->endpoints.n)
                return error_set(err, -EINVAL, "no such endpoint");
        r = resolve(p, endpoint, deadline, &ep);
        if (r < 0)
                return error_errno(err, r, "upstream endpoint %u", endpoint);
        if (ep.kind == ENDPOINT_TLS)
                return dialler_probe(p, endpoint, deadline, err);
        r = dial_endpoint(&ep, -1, endpoint, deadline, &fd, err);
        if (r < 0)
                return r;
        close(fd);
        return 0;
}
