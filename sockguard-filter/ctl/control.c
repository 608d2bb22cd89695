/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/companion.h"
#include "filter/companion.h"

/*
 * The socket on which filters ask. One message in, one out. Whoever asks is untrusted: at most so many at a time, a
 * second to say what he wants, bodies only as sealed memfds, and nothing he sends is parsed here (a candidate goes to a
 * child).
 */

#define CLIENTS_MAX 128u
#define CANDIDATES_MAX 2u
#define QUESTION_LIMIT_US 1000000u

struct client {
        struct companion *of;
        int fd;
        sd_event_source *io, *limit;
        struct arena arena;
        bool waiting_health, waiting_candidate, gone;
};

static void client_end(struct client *k) {
        struct companion *c = k->of;

        k->io = sd_event_source_disable_unref(k->io);
        k->limit = sd_event_source_disable_unref(k->limit);
        if (k->fd >= 0)
                close(k->fd);
        k->fd = -1;
        if (k->waiting_health)
                health_forget(c, k);
        k->waiting_health = false;
        if (k->waiting_candidate) {
                /* The child will be told when it ends. */
                k->gone = true;
                return;
        }
        arena_free(&k->arena);
        c->n_clients--;
        free(k);
}

static void put(char *to, size_t room, struct slice s) {
        if (s.len >= room)
                s.len = room - 1;
        memcpy(to, s.at, s.len);
}

static void answer(struct client *k, int status, const char *content_type, struct slice code, struct slice reason,
                   struct slice body) {
        struct control_answer h = { .magic = CONTROL_MAGIC, .status = (uint32_t) status, .body_size = body.len };
        int memfd = -1;

        put(h.code, sizeof(h.code), code);
        put(h.reason, sizeof(h.reason), reason);
        put(h.content_type, sizeof(h.content_type), slice_of(content_type));
        if (body.len > CONTROL_INLINE) {
                memfd = control_memfd(body);
                if (memfd < 0)
                        return client_end(k);
                body = SLICE("");
        }
        h.inline_size = (uint32_t) body.len;
        (void) control_send(k->fd, &h, sizeof(h), body, memfd);
        if (memfd >= 0)
                close(memfd);
        client_end(k);
}

#define JSON "application/json"

static void on_health(void *arg, int status, struct slice body) {
        struct client *k = arg;

        k->waiting_health = false;
        answer(k, status, JSON, SLICE(""), SLICE(""), body);
}

static void ask_health(struct client *k, enum probe_kind kind) {
        k->waiting_health = true;
        health_ask(k->of, kind, on_health, k);
}

static void give_metrics(struct client *k, uint32_t flags) {
        bool open = (flags & CONTROL_OPENMETRICS) != 0;
        _cleanup_strbuf_ struct strbuf page;

        strbuf_init(&page, CONTROL_BODY_MAX);
        page_render(k->of, open, &page);
        if (page.failed)
                answer(k, 503, JSON, SLICE(""), SLICE("not enough memory"),
                       SLICE("{\"message\":\"not enough memory\"}\n"));
        else
                answer(k, 200,
                       open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                            : "text/plain; version=0.0.4; charset=utf-8",
                       SLICE(""), SLICE(""), strbuf_view(&page));
}

static void add_time(struct strbuf *out, uint64_t ns) {
        time_t t = (time_t) (ns / NSEC_PER_SEC);
        char digits[16];
        struct tm tm;
        int n = snprintf(digits, sizeof(digits), "%09llu", (unsigned long long) (ns % NSEC_PER_SEC));

        gmtime_r(&t, &tm);
        strbuf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                    tm.tm_min, tm.tm_sec);
        while (n > 0 && digits[n - 1] == '0')
                n--;
        if (n > 0)
                strbuf_addf(out, ".%.*s", n, digits);
        strbuf_addc(out, 'Z');
}

static void add_signature(struct strbuf *b, const struct signed_by *s) {
        const char *slash = strrchr(s->path, '/');

        if (!s->on)
                return;
        strbuf_adds(b, ",\"bundle_source\":");
        strbuf_add_json(b, slice_of(slash ? slash + 1 : s->path), JSON_ESCAPE_HTML);
        strbuf_adds(b, ",\"bundle_signer\":");
        strbuf_add_json(b, slice_of(s->signer), JSON_ESCAPE_HTML);
        strbuf_adds(b, ",\"bundle_digest\":\"");
        strbuf_add_hex(b, s->digest, sizeof(s->digest));
        strbuf_addc(b, '"');
}

static void give_version(struct client *k) {
        struct companion *c = k->of;
        _cleanup_strbuf_ struct strbuf b;

        if (!c->policy.base)
                return answer(k, 503, JSON, SLICE("admin_policy_version_unavailable"),
                              SLICE("no policy has been published yet"), SLICE(""));
        strbuf_init(&b, 4096);
        strbuf_addf(&b, "{\"version\":%llu,\"loaded_at\":\"", (unsigned long long) c->version);
        add_time(&b, c->loaded_ns);
        strbuf_addf(&b, "\",\"rules\":%u,\"profiles\":%u,\"compat_active\":%s,\"source\":\"%s\",\"config_sha256\":\"",
                    c->summary.rules, c->summary.profiles, c->summary.compat ? "true" : "false",
                    c->reloaded ? "reload" : "startup");
        strbuf_add_hex(&b, c->summary.sha256, sizeof(c->summary.sha256));
        strbuf_addc(&b, '"');
        add_signature(&b, &c->summary.bundle);
        strbuf_adds(&b, "}\n");
        answer(k, 200, JSON, SLICE(""), SLICE(""), strbuf_view(&b));
}

/* ---- candidates ---- */

static void candidate_body(const struct work_result *r, struct slice text, struct strbuf *b) {
        if (r->outcome == WORK_OK) {
                strbuf_adds(b, "{\"ok\":true");
                if (r->rules)
                        strbuf_addf(b, ",\"rules\":%u", r->rules);
                if (r->profiles)
                        strbuf_addf(b, ",\"profiles\":%u", r->profiles);
        } else {
                strbuf_adds(b, "{\"ok\":false,\"errors\":[");
                if (r->outcome == WORK_LOAD || r->outcome == WORK_DIED) {
                        /* A text that is no configuration is one error, whatever was found in it. */
                        _cleanup_strbuf_ struct strbuf one;

                        strbuf_init(&one, WORK_TEXT_MAX + 16);
                        strbuf_adds(&one, "parse: ");
                        strbuf_add(&one, text);
                        for (size_t i = 0; i < one.len; i++)
                                if (one.at[i] == '\n')
                                        one.at[i] = ';';
                        strbuf_add_json(b, strbuf_view(&one), JSON_ESCAPE_HTML);
                } else
                        for (struct slice line, rest = text; rest.len;) {
                                (void) slice_cut(rest, '\n', &line, &rest);
                                strbuf_add_json(b, line, JSON_ESCAPE_HTML);
                                if (rest.len)
                                        strbuf_addc(b, ',');
                        }
                strbuf_addc(b, ']');
        }
        if (r->compat)
                strbuf_adds(b, ",\"compat_active\":true");
        strbuf_adds(b, "}\n");
}

static void candidate_done(struct companion *c, struct work *w, const struct work_result *r, struct slice text) {
        struct client *k = w->arg;
        _cleanup_strbuf_ struct strbuf b;
        bool ok = r->outcome == WORK_OK;

        c->n_candidates--;
        k->waiting_candidate = false;
        free(w);
        if (k->gone)
                return client_end(k);
        strbuf_init(&b, 8 * WORK_TEXT_MAX);
        candidate_body(r, text, &b);
        answer(k, ok ? 200 : 422, JSON, ok ? SLICE("") : SLICE("admin_validation_failed"),
               ok ? SLICE("") : SLICE("the candidate is not valid"), strbuf_view(&b));
}

static void ask_candidate(struct client *k, uint32_t flags, struct slice body) {
        struct companion *c = k->of;
        struct work *w;

        if (c->n_candidates >= CANDIDATES_MAX)
                return answer(k, 503, JSON, SLICE(""), SLICE("other candidates are being validated"), SLICE(""));
        w = calloc(1, sizeof(*w));
        if (!w)
                return client_end(k);
        w->kind = WORK_CANDIDATE;
        w->text = body;
        w->hide_files = !(flags & CONTROL_DEDICATED);
        w->done = candidate_done;
        w->arg = k;
        if (work_start(c, w) < 0) {
                free(w);
                return answer(k, 503, JSON, SLICE(""), SLICE("the candidate cannot be validated now"), SLICE(""));
        }
        c->n_candidates++;
        k->waiting_candidate = true;
        k->limit = sd_event_source_disable_unref(k->limit);
}

/* ---- questions ---- */

static void dispatch(struct client *k, const struct control_request *q, struct slice body) {
        switch (q->op) {
        case CONTROL_HEALTH:
                return ask_health(k, PROBE_CONNECT);
        case CONTROL_READY:
                return ask_health(k, PROBE_READY);
        case CONTROL_METRICS:
                return give_metrics(k, q->flags);
        case CONTROL_VALIDATE:
                return ask_candidate(k, q->flags, body);
        case CONTROL_VERSION:
                return give_version(k);
        default:
                return answer(k, 400, JSON, SLICE(""), SLICE("unknown question"), SLICE(""));
        }
}

static void read_question(struct client *k) {
        size_t room = sizeof(struct control_request) + CONTROL_INLINE;
        struct control_request *q = arena_alloc(&k->arena, room);
        struct slice body;
        int fd, r = 0;
        ssize_t n = control_receive(k->fd, q, room, &fd);

        if (n == -EAGAIN)
                return;
        k->io = sd_event_source_disable_unref(k->io);
        if (n < 0 || (size_t) n < sizeof(*q) || q->magic != CONTROL_MAGIC || (size_t) n != sizeof(*q) + q->inline_size)
                r = -EPROTO;
        else if (q->body_size == q->inline_size && fd < 0)
                body = slice_make(q->body, q->inline_size);
        else
                r = fd >= 0 && q->inline_size == 0 && k->of->policy.base &&
                                    q->body_size <= (uint64_t) k->of->policy.root->admin.max_request_bytes
                            ? control_read_memfd(fd, q->body_size, &k->arena, &body)
                            : -EPROTO;
        if (fd >= 0)
                close(fd);
        if (r < 0)
                return client_end(k);
        dispatch(k, q, body);
}

static int on_client(sd_event_source *s, int fd, uint32_t events, void *arg) {
        (void) s;
        (void) fd;
        (void) events;
        read_question(arg);
        return 0;
}

static int on_client_limit(sd_event_source *s, uint64_t usec, void *arg) {
        (void) s;
        (void) usec;
        client_end(arg);
        return 0;
}

/* The socket's mode has let him in already; this is the second look: root, ourselves, or somebody of our group. */
static bool may_ask(int fd) {
        struct ucred u;
        socklen_t n = sizeof(u);
        gid_t groups[256], own = getegid();

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) < 0)
                return false;
        if (u.uid == 0 || u.uid == geteuid() || u.gid == own)
                return true;
        n = sizeof(groups);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
                return false;
        for (size_t i = 0; i < n / sizeof(groups[0]); i++)
                if (groups[i] == own)
                        return true;
        return false;
}

static int on_accept(sd_event_source *s, int listening, uint32_t events, void *arg) {
        struct companion *c = arg;
        struct client *k;
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        (void) s;
        (void) events;
        if (fd < 0)
                return 0;
        k = c->n_clients < CLIENTS_MAX && may_ask(fd) ? calloc(1, sizeof(*k)) : NULL;
        if (!k) {
                close(fd);
                return 0;
        }
        *k = (struct client){ .of = c, .fd = fd };
        c->n_clients++;
        arena_init(&k->arena, CONTROL_BODY_MAX + (1u << 20), NULL);
        if (sd_event_add_io(c->event, &k->io, fd, EPOLLIN, on_client, k) < 0 ||
            sd_event_add_time_relative(c->event, &k->limit, CLOCK_MONOTONIC, QUESTION_LIMIT_US, 1000, on_client_limit,
                                       k) < 0)
                client_end(k);
        return 0;
}

int control_open(struct companion *c, struct error *e) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd, r = 0, n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/control", c->dir);

        c->control_fd = -1;
        if (n < 0 || (size_t) n >= sizeof(a.sun_path))
                return error_set(e, -ENAMETOOLONG, "runtime directory %s: the name is too long for a socket in it",
                                 c->dir);
        /* The lock on `leases` makes us the only companion here: what lies there is a dead one's. */
        if (unlink(a.sun_path) < 0 && errno != ENOENT)
                return error_errno(e, -errno, "cannot remove %s", a.sun_path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_errno(e, -errno, "cannot make the control socket");
        {
                mode_t old = umask(0777 & ~c->mode);

                if (bind(fd, (struct sockaddr *) &a, sizeof(a)) < 0 || listen(fd, 128) < 0)
                        r = error_errno(e, -errno, "cannot listen at %s", a.sun_path);
                umask(old);
        }
        if (r == 0)
                r = sd_event_add_io(c->event, &c->control, fd, EPOLLIN, on_accept, c);
        if (r < 0) {
                close(fd);
                return r;
        }
        c->control_fd = fd;
        return 0;
}

void control_close(struct companion *c) {
        char path[300];

        c->control = sd_event_source_disable_unref(c->control);
        if (c->control_fd >= 0) {
                close(c->control_fd);
                snprintf(path, sizeof(path), "%s/control", c->dir);
                unlink(path);
        }
        c->control_fd = -1;
}
