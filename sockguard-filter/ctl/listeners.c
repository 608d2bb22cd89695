/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/companion.h"
#include "ctl/pool.h"
#include "policy/options.h"

/*
 * `serve`: the listening sockets. All are bound before any serves; one that cannot be is the end of the start, and the
 * others are closed again (chapter 02, 2). Sockets that systemd passed take the place of ours, matched by
 * FileDescriptorName=.
 */

#define BACKLOG 512
#define STALE_PROBE_MS 200

/* Filters of a listener that wait for a connection, and that exist at a time. */
#define IDLE 8u
#define MOST 512u
#define ADMIN_IDLE 1u
#define ADMIN_MOST 16u

struct socket_options {
        mode_t mode;
        uid_t uid; /* (uid_t) -1: as it is */
        gid_t gid;
};

static mode_t mode_of(struct slice s) {
        return slice_eq(s, SLICE("0660")) ? 0660 : 0600;
}

static void owner_of(const struct opt_int *uid, const struct opt_int *gid, struct socket_options *ret) {
        ret->uid = uid->set ? (uid_t) uid->value : (uid_t) -1;
        ret->gid = gid->set ? (gid_t) gid->value : (gid_t) -1;
}

static struct socket_options options_of(const struct companion *c, const struct listener *l) {
        const struct policy *p = &c->policy;
        const struct opt_root *root = p->root;
        struct socket_options o = { 0600, (uid_t) -1, (gid_t) -1 };

        if (l->admin) {
                o.mode = mode_of(policy_str(p, root->admin.listen.socket_mode));
                owner_of(&root->admin.listen.socket_uid, &root->admin.listen.socket_gid, &o);
        } else if (root->listeners.n == 0) {
                o.mode = mode_of(policy_str(p, root->listen.socket_mode));
                owner_of(&root->listen.socket_uid, &root->listen.socket_gid, &o);
        } else {
                const struct opt_listener *at = policy_list(p, root->listeners, struct opt_listener);

                for (uint32_t i = 0; i < root->listeners.n; i++)
                        if (slice_eq(policy_str(p, at[i].name), slice_of(l->name))) {
                                o.mode = mode_of(policy_str(p, at[i].socket_mode));
                                owner_of(&at[i].socket_uid, &at[i].socket_gid, &o);
                        }
        }
        return o;
}

/* ---- unix ---- */

/* Does nobody answer behind this socket file? 0 yes, it is stale; negative errno: leave it alone. */
static int is_stale(const struct sockaddr_un *a, struct stat *ret) {
        struct pollfd p = { .events = POLLOUT };
        int fd, r, failed = 0;
        socklen_t n = sizeof(failed);

        if (lstat(a->sun_path, ret) < 0)
                return -errno;
        if (!S_ISSOCK(ret->st_mode))
                return -ENOTSOCK;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        r = connect(fd, (const struct sockaddr *) a, sizeof(*a)) < 0 ? -errno : 0;
        if (r == -EINPROGRESS) {
                p.fd = fd;
                r = poll(&p, 1, STALE_PROBE_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &n) == 0
                            ? -failed
                            : -ETIMEDOUT;
        }
        close(fd);
        /* Only a refusal is proof; silence, a full queue or no permission may all be a server at work. */
        return r == -ECONNREFUSED ? 0 : -EADDRINUSE;
}

static int bind_unix(struct listener *l, const struct socket_options *o, struct error *e) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        struct stat before, after;
        int fd, r;
        mode_t old;

        if (strlen(l->address) >= sizeof(a.sun_path))
                return error_set(e, -ENAMETOOLONG, "listener %s: the path %s is too long for a socket", l->name,
                                 l->address);
        memcpy(a.sun_path, l->address, strlen(l->address) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return error_errno(e, -errno, "listener %s: cannot make a socket", l->name);
        old = umask(0777 & ~o->mode);
        r = bind(fd, (struct sockaddr *) &a, sizeof(a)) < 0 ? -errno : 0;
        if (r == -EADDRINUSE) {
                r = is_stale(&a, &before);
                if (r == 0 && lstat(a.sun_path, &after) == 0 && before.st_dev == after.st_dev &&
                    before.st_ino == after.st_ino) {
                        r = unlink(a.sun_path) < 0 && errno != ENOENT ? -errno : 0;
                        if (r == 0)
                                r = bind(fd, (struct sockaddr *) &a, sizeof(a)) < 0 ? -errno : 0;
                } else if (r == 0)
                        r = -EADDRINUSE;
        }
        umask(old);
        if (r == 0 && lstat(a.sun_path, &after) == 0) {
                l->dev = after.st_dev;
                l->ino = after.st_ino;
                if ((o->uid != (uid_t) -1 || o->gid != (gid_t) -1) && lchown(a.sun_path, o->uid, o->gid) < 0)
                        r = -errno;
        }
        if (r == 0 && listen(fd, BACKLOG) < 0)
                r = -errno;
        if (r < 0) {
                close(fd);
                return error_errno(e, r, "listener %s: cannot listen at %s", l->name, l->address);
        }
        l->fd = fd;
        return 0;
}

/* ---- TCP ---- */

static int bind_tcp(struct listener *l, struct error *e) {
        struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *found = NULL;
        char host[128];
        const char *colon = strrchr(l->address, ':');
        size_t n = colon ? (size_t) (colon - l->address) : 0;
        const int on = 1, off = 0;
        int fd = -1, r;

        if (!colon || n >= sizeof(host))
                return error_set(e, -EINVAL, "listener %s: %s is not host:port", l->name, l->address);
        if (n >= 2 && l->address[0] == '[' && l->address[n - 1] == ']')
                snprintf(host, sizeof(host), "%.*s", (int) n - 2, l->address + 1);
        else
                snprintf(host, sizeof(host), "%.*s", (int) n, l->address);
        /* An empty host is both families: one IPv6 socket that takes IPv4 too, or IPv4 where there is no IPv6. */
        r = getaddrinfo(host[0] ? host : "::", colon + 1, &hints, &found);
        if (r != 0 && !host[0])
                r = getaddrinfo("0.0.0.0", colon + 1, &hints, &found);
        if (r != 0)
                return error_set(e, -EINVAL, "listener %s: %s: %s", l->name, l->address, gai_strerror(r));
        r = -EADDRNOTAVAIL;
        for (struct addrinfo *ai = found; ai && fd < 0; ai = ai->ai_next) {
                fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (fd < 0) {
                        r = -errno;
                        continue;
                }
                (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                if (ai->ai_family == AF_INET6)
                        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
                if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
                        r = -errno;
                        close(fd);
                        fd = -1;
                }
        }
        freeaddrinfo(found);
        if (fd < 0)
                return error_errno(e, r, "listener %s: cannot listen at %s", l->name, l->address);
        l->fd = fd;
        return 0;
}

/* ---- sockets that systemd opened ---- */

static struct listener *by_name(struct companion *c, const char *name) {
        for (size_t i = 0; i < c->n_listeners; i++)
                if (strcmp(c->listeners[i].name, name) == 0)
                        return &c->listeners[i];
        return NULL;
}

static int adopt(struct companion *c, struct error *e) {
        char **names = NULL;
        int n = sd_listen_fds_with_names(1, &names), r = 0;

        if (n < 0)
                return error_errno(e, n, "cannot take over the sockets of systemd");
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;
                /* A single socket without a name of its own is the single listener. */
                struct listener *l = by_name(c, names[i]);

                if (!l && n == 1 && c->n_listeners == 1)
                        l = &c->listeners[0];
                if (r == 0 && (!l || l->fd >= 0))
                        r = error_set(e, -EINVAL,
                                      "socket %d is called %s, and there is no such listener: set FileDescriptorName=",
                                      i, names[i]);
                if (r == 0 && sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
                        r = error_set(e, -EINVAL, "socket %s is not a listening stream socket", names[i]);
                if (r == 0) {
                        l->fd = fd;
                        l->inherited = true;
                        l->tcp = sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0;
                }
                free(names[i]);
        }
        free(names);
        return r;
}

/* ---- all of them ---- */

/* Removes the socket file if it is still the one we made. */
static void remove_file(const struct listener *l) {
        struct stat st;

        if (!l->tcp && !l->inherited && l->ino && lstat(l->address, &st) == 0 && st.st_dev == l->dev &&
            st.st_ino == l->ino)
                unlink(l->address);
}

static void close_listener(struct listener *l) {
        if (l->fd < 0)
                return;
        remove_file(l);
        close(l->fd);
        l->fd = -1;
}

static void serve_drain(struct companion *c) {
        for (size_t i = 0; i < c->n_listeners; i++) {
                struct listener *l = &c->listeners[i];

                l->state = BOARD_DRAINING;
                if (l->pool)
                        pool_drain(l->pool);
                close_listener(l);
        }
}

static bool serve_idle(const struct companion *c) {
        for (size_t i = 0; i < c->n_listeners; i++)
                if (c->listeners[i].pool && !pool_idle(c->listeners[i].pool))
                        return false;
        return true;
}

void listeners_close(struct companion *c) {
        for (size_t i = 0; i < c->n_listeners; i++) {
                struct listener *l = &c->listeners[i];

                pool_free(l->pool);
                l->pool = NULL;
                l->state = BOARD_STOPPED;
                close_listener(l);
        }
}

/*
 * A companion that was killed leaves filters that need a moment to notice, and until then they listen. The runtime
 * directory is ours alone, so whoever listens is either on his way out or has nothing to do with us: a second tells.
 */
static int bind_patiently(const struct companion *c, struct listener *l, struct error *e) {
        struct socket_options o = options_of(c, l);
        int r;

        for (unsigned i = 0;; i++) {
                r = l->tcp ? bind_tcp(l, e) : bind_unix(l, &o, e);
                if (r != -EADDRINUSE || i == 20)
                        return r;
                (void) poll(NULL, 0, 50);
        }
}

static int serve_open(struct companion *c, struct error *e) {
        int r = adopt(c, e);

        for (size_t i = 0; r == 0 && i < c->n_listeners; i++) {
                if (c->listeners[i].fd < 0)
                        r = bind_patiently(c, &c->listeners[i], e);
        }
        if (r < 0)
                listeners_close(c);
        return r;
}

static int serve_start(struct companion *c, struct error *e) {
        for (size_t i = 0; i < c->n_listeners; i++) {
                struct listener *l = &c->listeners[i];
                int r = pool_start(c, l, l->admin ? ADMIN_IDLE : IDLE, l->admin ? ADMIN_MOST : MOST, e);

                if (r < 0)
                        return r;
                c->listeners[i].state = BOARD_SERVING;
        }
        return 0;
}

/* ---- `run`: the dedicated admin listener, if no socket unit has it ---- */

static struct listener *admin_listener(struct companion *c) {
        for (size_t i = 0; i < c->n_listeners; i++)
                if (c->listeners[i].admin)
                        return &c->listeners[i];
        return NULL;
}

int listeners_admin(struct companion *c, bool tcp, struct error *e) {
        struct listener *l = admin_listener(c);
        int r;

        if (!l || l->fd >= 0 || l->tcp != tcp || board_listens(l))
                return 0;
        r = bind_patiently(c, l, e);
        if (r == 0)
                r = pool_start(c, l, ADMIN_IDLE, ADMIN_MOST, e);
        return r;
}

const struct serve_ops serve_ops = {
        .open = serve_open, .start = serve_start, .drain = serve_drain, .idle = serve_idle, .close = listeners_close
};
