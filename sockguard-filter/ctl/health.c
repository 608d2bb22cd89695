/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/companion.h"
#include "filter/endpoint.h"
#include "http/head.h"
#include "policy/scalar.h"

/*
 * Is the daemon there? The watchdog connects, the readiness probe asks for a list, the failover loop tries every
 * endpoint. Each probe is a child (job.h), so that a daemon that hangs, or the TLS in front of it, never stops the
 * companion.
 */

#define FRESH_UP_NS (2 * NSEC_PER_SEC)
#define FRESH_DOWN_NS (100 * NSEC_PER_MSEC)
#define CONNECT_TIMEOUT_NS (3 * NSEC_PER_SEC)
#define WAIT_US 900000u /* the filter that asked gives up after a second */

/* What a child says: errno and a sentence. */
struct verdict_of_probe {
        int32_t error;
        char text[156];
};

static uint64_t duration(const struct policy *p, struct pstr s, uint64_t otherwise) {
        int64_t ns;

        return s.len && duration_parse(policy_str(p, s), &ns) == 0 && ns > 0 ? (uint64_t) ns : otherwise;
}

/* ---- in the child ---- */

static int wait_for(int fd, short events, uint64_t deadline) {
        struct pollfd p = { .fd = fd, .events = events };
        int r;

        do
                r = poll(&p, 1, deadline_poll_ms(deadline));
        while (r < 0 && errno == EINTR);
        return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

/* Reads the answer to its end, bounded; 2xx is 0. */
static int read_status(int fd, uint64_t deadline, struct error *e) {
        static char buffer[256 * 1024];
        static struct http_field fields[256];
        struct http_head h = { .fields = fields, .fields_room = 256 };
        size_t n = 0, scanned = 0;

        for (;;) {
                ssize_t got;
                int r = wait_for(fd, POLLIN, deadline);

                if (r < 0)
                        return error_errno(e, r, "no answer");
                got = recv(fd, buffer + n, sizeof(buffer) - n, 0);
                if (got <= 0)
                        return error_errno(e, got < 0 ? -errno : -ECONNRESET, "no answer");
                n += (size_t) got;
                got = http_response_parse(slice_make(buffer, n), &scanned, HTTP_GET, &h);
                if (got < 0 || n == sizeof(buffer))
                        return error_set(e, -EBADMSG, "the answer is not HTTP");
                if (got > 0)
                        break;
        }
        /* The rest is read so that the daemon does not see its client hang up, but not kept, and not for ever. */
        for (size_t drained = 0; drained < 64u << 20 && wait_for(fd, POLLIN, deadline) == 0;) {
                ssize_t got = recv(fd, buffer, sizeof(buffer), 0);

                if (got <= 0)
                        break;
                drained += (size_t) got;
        }
        return h.status >= 200 && h.status < 300 ? 0 : error_set(e, -EPROTO, "the daemon answered %d", h.status);
}

static int ask_list(struct companion *c, uint64_t deadline, struct error *e) {
        static const char question[] =
                "GET /containers/json?limit=1 HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
        struct endpoint_set set = ENDPOINT_SET_INIT;
        unsigned which;
        int fd, r = endpoints_open(&set, &c->policy, c->state.map, e);

        if (r < 0)
                return r;
        r = endpoints_dial(&set, deadline, &fd, &which, e);
        if (r < 0)
                return r;
        if (send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) != (ssize_t) sizeof(question) - 1)
                return error_errno(e, -errno, "cannot ask the daemon");
        return read_status(fd, deadline, e);
}

static int connect_active(struct companion *c, uint64_t deadline, struct error *e) {
        struct endpoint_set set = ENDPOINT_SET_INIT;
        unsigned which;
        int fd, r = endpoints_open(&set, &c->policy, c->state.map, e);

        return r < 0 ? r : endpoints_dial(&set, deadline, &fd, &which, e);
}

struct probe_arg {
        struct companion *c;
        enum probe_kind kind;
};

static void run_probe(struct job *j, int fd) {
        const struct probe_arg *a = j->arg;
        struct verdict_of_probe v = { 0 };
        struct error e = { "" };
        uint64_t deadline = deadline_in(a->c->health.timeout_ns[a->kind]);

        v.error = a->kind == PROBE_READY ? ask_list(a->c, deadline, &e) : connect_active(a->c, deadline, &e);
        snprintf(v.text, sizeof(v.text), "%.155s", e.text);
        (void) job_write(fd, &v, sizeof(v));
}

/* ---- answers ---- */

struct waiter {
        struct waiter *next;
        struct companion *c;
        enum probe_kind kind;
        void (*done)(void *arg, int status, struct slice body);
        void *arg;
        sd_event_source *limit;
};

static bool listeners_good(struct companion *c) {
        board_refresh(c);
        for (size_t i = 0; i < c->n_listeners; i++)
                if (c->listeners[i].state != BOARD_SERVING && c->listeners[i].state != BOARD_DRAINING)
                        return false;
        return true;
}

static void body_of(struct companion *c, enum probe_kind kind, bool up, bool listening, struct strbuf *b) {
        const char *state = !up ? "unreachable" : kind == PROBE_READY ? "ready" : "connected";
        const char *error = !up ? "upstream unreachable" : "listener not serving";

        strbuf_addf(b, "{\"status\":\"%s\",\"upstream\":\"%s\"", up && listening ? "healthy" : "unhealthy", state);
        if (!up || !listening)
                strbuf_addf(b, ",\"error\":\"%s\"", error);
        strbuf_addf(b, ",\"version\":\"%s\",\"uptime_seconds\":%llu,\"listeners\":[", PACKAGE_VERSION,
                    (unsigned long long) ((now_ns() - c->started_ns) / NSEC_PER_SEC));
        for (size_t i = 0; i < c->n_listeners; i++) {
                const struct listener *l = &c->listeners[i];

                strbuf_add(b, i ? SLICE(",{\"name\":") : SLICE("{\"name\":"));
                strbuf_add_json(b, slice_of(l->name), JSON_ESCAPE_HTML);
                strbuf_addf(b, ",\"role\":\"%s\",\"network\":\"%s\",\"state\":\"%s\"}", l->admin ? "admin" : "main",
                            l->tcp ? "tcp" : "unix", board_state_name(l->state));
        }
        strbuf_adds(b, "]}\n");
}

/* What is wrong, and with what: the daemon's address, or the listeners that do not serve. */
static void note_unhealthy(struct companion *c, enum probe_kind kind, bool up) {
        struct slice names[LISTENERS_MAX];
        struct log *l = ctl_log(LEVEL_WARN, "health check failed");
        size_t n = 0;

        if (!l)
                return;
        if (!up) {
                log_str(l, "error",
                        slice_of(c->health.last[kind].error[0] ? c->health.last[kind].error : "upstream unreachable"));
                log_str(l, "upstream_socket", policy_str(&c->policy, c->policy.root->upstream.socket));
        } else {
                for (size_t i = 0; i < c->n_listeners; i++)
                        if (c->listeners[i].state != BOARD_SERVING && c->listeners[i].state != BOARD_DRAINING)
                                names[n++] = slice_of(c->listeners[i].name);
                log_str(l, "error", SLICE("listener not serving"));
                log_list(l, "listeners", names, n);
        }
        log_end(l);
}

static void give(struct companion *c, enum probe_kind kind, bool up,
                 void (*done)(void *arg, int status, struct slice body), void *arg) {
        bool listening = listeners_good(c);
        _cleanup_strbuf_ struct strbuf b;

        strbuf_init(&b, 64 * 1024);
        body_of(c, kind, up, listening, &b);
        if (!up || !listening)
                note_unhealthy(c, kind, up);
        done(arg, up && listening ? 200 : 503, strbuf_view(&b));
}

static struct waiter *take_waiter(struct companion *c, enum probe_kind kind, const void *arg) {
        for (struct waiter **w = &c->health.waiters; *w; w = &(*w)->next)
                if (arg ? (*w)->arg == arg : (*w)->kind == kind) {
                        struct waiter *found = *w;

                        *w = found->next;
                        found->limit = sd_event_source_disable_unref(found->limit);
                        return found;
                }
        return NULL;
}

static void wake(struct companion *c, enum probe_kind kind) {
        struct waiter *w;

        while ((w = take_waiter(c, kind, NULL))) {
                give(c, kind, c->health.last[kind].up, w->done, w->arg);
                free(w);
        }
}

static int on_wait_limit(sd_event_source *s, uint64_t usec, void *arg) {
        struct waiter *w = arg;

        (void) s;
        (void) usec;
        w = take_waiter(w->c, w->kind, w->arg);
        if (w) {
                give(w->c, w->kind, false, w->done, w->arg);
                free(w);
        }
        return 0;
}

void health_forget(struct companion *c, void *arg) {
        free(take_waiter(c, PROBE_CONNECT, arg));
}

/* ---- probes ---- */

static void note_result(struct companion *c, enum probe_kind kind, const struct verdict_of_probe *v) {
        struct probe_result *last = &c->health.last[kind];
        bool was_known = last->known, was_up = last->up, up = v->error == 0;
        struct state_header *h = &c->state.map->h;
        struct log *l;

        *last = (struct probe_result){ .known = true, .up = up, .at_ns = now_ns() };
        snprintf(last->error, sizeof(last->error), "%.155s", v->text);
        if (c->health.interval_ns[kind] == 0)
                return;
        state_add(kind == PROBE_READY ? &h->readiness_checks[up] : &h->watchdog_checks[up], 1);
        state_set(kind == PROBE_READY ? &h->readiness_up : &h->watchdog_up, up ? 2 : 1);
        if (!was_known || was_up == up)
                return;
        l = ctl_log(up ? LEVEL_INFO : LEVEL_WARN,
                    kind == PROBE_READY ? "readiness state changed" : "upstream socket watchdog state changed");
        if (!l)
                return;
        log_str(l, "upstream_socket", policy_str(&c->policy, c->policy.root->upstream.socket));
        log_str(l, "upstream_status",
                up ? (kind == PROBE_READY ? SLICE("ready") : SLICE("connected")) : SLICE("unreachable"));
        log_bool(l, "up", up);
        if (!up)
                log_str(l, "error", slice_of(last->error));
        log_end(l);
}

static void probe_done(struct job *j, struct slice got) {
        struct probe_arg *a = j->arg;
        struct companion *c = a->c;
        enum probe_kind kind = a->kind;
        struct verdict_of_probe v = { .error = -ETIMEDOUT, .text = "no answer in time" };

        if (got.len == sizeof(v)) {
                memcpy(&v, got.at, sizeof(v));
                v.text[sizeof(v.text) - 1] = '\0';
        }
        c->health.running[kind] = NULL;
        free(a);
        free(j);
        note_result(c, kind, &v);
        wake(c, kind);
}

static void probe_start(struct companion *c, enum probe_kind kind) {
        struct probe_arg *a;
        struct job *j;

        if (c->health.running[kind] || !c->policy.base)
                return;
        a = calloc(1, sizeof(*a));
        j = calloc(1, sizeof(*j));
        if (a && j) {
                *a = (struct probe_arg){ c, kind };
                *j = (struct job){ .run = run_probe,
                                   .done = probe_done,
                                   .arg = a,
                                   .room = sizeof(struct verdict_of_probe),
                                   .seconds = (unsigned) (c->health.timeout_ns[kind] / NSEC_PER_SEC + 2) };
                if (job_start(c->event, j) == 0) {
                        c->health.running[kind] = j;
                        return;
                }
        }
        free(a);
        free(j);
}

void health_ask(struct companion *c, enum probe_kind kind, void (*done)(void *arg, int status, struct slice body),
                void *arg) {
        const struct probe_result *last = &c->health.last[kind];
        uint64_t age = now_ns() - last->at_ns;
        struct waiter *w;

        /* What a loop keeps fresh is the answer; otherwise an answer is good for a moment only: a daemon may die any
         * time. */
        if (last->known && (c->health.interval_ns[kind] || age < (last->up ? FRESH_UP_NS : FRESH_DOWN_NS)))
                return give(c, kind, last->up, done, arg);
        w = calloc(1, sizeof(*w));
        if (!w)
                return give(c, kind, false, done, arg);
        *w = (struct waiter){ .next = c->health.waiters, .c = c, .kind = kind, .done = done, .arg = arg };
        c->health.waiters = w;
        probe_start(c, kind);
        if (!c->health.running[kind] ||
            sd_event_add_time_relative(c->event, &w->limit, CLOCK_MONOTONIC, WAIT_US, 1000, on_wait_limit, w) < 0) {
                free(take_waiter(c, kind, arg));
                give(c, kind, false, done, arg);
        }
}

static int again(sd_event_source *s, uint64_t ns) {
        sd_event_source_set_time_relative(s, ns / 1000);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_connect_timer(sd_event_source *s, uint64_t usec, void *arg) {
        struct companion *c = arg;

        (void) usec;
        probe_start(c, PROBE_CONNECT);
        return again(s, c->health.interval_ns[PROBE_CONNECT]);
}

static int on_ready_timer(sd_event_source *s, uint64_t usec, void *arg) {
        struct companion *c = arg;

        (void) usec;
        probe_start(c, PROBE_READY);
        return again(s, c->health.interval_ns[PROBE_READY]);
}

/* ---- failover: every endpoint, for the words that filters choose by ---- */

struct endpoints_result {
        uint8_t up[STATE_ENDPOINTS];
};

static void run_endpoints(struct job *j, int fd) {
        struct companion *c = j->arg;
        struct endpoints_result r = { { 0 } };
        struct error e;
        pid_t pids[STATE_ENDPOINTS];
        uint32_t n =
                c->policy.compiled->endpoints.n < STATE_ENDPOINTS ? c->policy.compiled->endpoints.n : STATE_ENDPOINTS;

        /* All at once: one that does not answer must not delay what is known of the others. */
        for (uint32_t i = 0; i < n; i++)
                if ((pids[i] = fork()) == 0)
                        _exit(endpoint_probe(&c->policy, i, deadline_in(c->health.endpoints_timeout_ns), &e) == 0 ? 0
                                                                                                                  : 1);
        for (uint32_t i = 0; i < n; i++) {
                siginfo_t si = { 0 };

                if (pids[i] > 0 && waitid(P_PID, (id_t) pids[i], &si, WEXITED) == 0)
                        r.up[i] = si.si_code == CLD_EXITED && si.si_status == 0;
        }
        (void) job_write(fd, &r, sizeof(r));
}

static void endpoints_done(struct job *j, struct slice got) {
        struct companion *c = j->arg;
        const struct policy_endpoint *at =
                policy_list(&c->policy, c->policy.compiled->endpoints, struct policy_endpoint);

        c->health.endpoints_running = NULL;
        free(j);
        if (got.len != sizeof(struct endpoints_result))
                return;
        for (uint32_t i = 0; i < c->policy.compiled->endpoints.n && i < STATE_ENDPOINTS; i++) {
                struct state_endpoint *s = &c->state.map->endpoints[i];
                uint64_t was = state_get(&s->health) & 0xff,
                         is = ((const uint8_t *) got.at)[i] ? ENDPOINT_UP : ENDPOINT_DOWN;
                struct log *l;

                state_set(&s->probe_wanted, 0);
                if (was == is)
                        continue;
                state_set(&s->health, state_now_ms() << 8 | is);
                l = ctl_log(is == ENDPOINT_UP ? LEVEL_INFO : LEVEL_WARN, "upstream endpoint health changed");
                if (!l)
                        continue;
                log_str(l, "endpoint", policy_str(&c->policy, at[i].display));
                log_bool(l, "healthy", is == ENDPOINT_UP);
                log_end(l);
        }
}

static void endpoints_start(struct companion *c) {
        struct job *j;

        if (c->health.endpoints_running)
                return;
        j = calloc(1, sizeof(*j));
        if (!j)
                return;
        *j = (struct job){ .run = run_endpoints,
                           .done = endpoints_done,
                           .arg = c,
                           .room = sizeof(struct endpoints_result),
                           .seconds = (unsigned) (c->health.endpoints_timeout_ns / NSEC_PER_SEC + 2) };
        if (job_start(c->event, j) == 0)
                c->health.endpoints_running = j;
        else
                free(j);
}

static bool probe_wanted(struct companion *c) {
        for (uint32_t i = 0; i < STATE_ENDPOINTS; i++)
                if (state_get(&c->state.map->endpoints[i].probe_wanted))
                        return true;
        return false;
}

/* Looks four times a second whether a filter asks for a probe; the regular round comes at its interval. */
static int on_endpoints_timer(sd_event_source *s, uint64_t usec, void *arg) {
        struct companion *c = arg;
        static uint64_t last;

        (void) usec;
        if (probe_wanted(c) || last == 0 ||
            (c->health.endpoints_interval_ns && now_ns() - last >= c->health.endpoints_interval_ns)) {
                last = now_ns();
                endpoints_start(c);
        }
        return again(s, 250 * NSEC_PER_MSEC);
}

int health_reach(struct companion *c, uint64_t timeout_ns, struct error *e) {
        uint64_t deadline = deadline_in(timeout_ns);
        int r = -ENOENT;

        for (uint32_t i = 0; i < c->policy.compiled->endpoints.n && i < STATE_ENDPOINTS; i++) {
                r = endpoint_probe(&c->policy, i, deadline, e);
                if (r == 0)
                        return 0;
        }
        return r;
}

int health_start(struct companion *c, struct error *e) {
        const struct policy *p = &c->policy;
        const struct opt_health *h = &p->root->health;
        const struct opt_failover *f = &p->root->upstream.failover;
        int64_t ns;
        int r = 0;

        c->health.timeout_ns[PROBE_CONNECT] = CONNECT_TIMEOUT_NS;
        c->health.timeout_ns[PROBE_READY] = duration(p, h->readiness.timeout, 5 * NSEC_PER_SEC);
        c->health.interval_ns[PROBE_CONNECT] =
                h->watchdog.enabled ? duration(p, h->watchdog.interval, 5 * NSEC_PER_SEC) : 0;
        c->health.interval_ns[PROBE_READY] =
                h->readiness.enabled ? duration(p, h->readiness.interval, 10 * NSEC_PER_SEC) : 0;
        c->health.endpoints_timeout_ns = duration(p, f->health_timeout, 2 * NSEC_PER_SEC);
        c->health.endpoints_interval_ns = duration(p, f->health_interval, 5 * NSEC_PER_SEC);
        if (f->health_interval.len && duration_parse(policy_str(p, f->health_interval), &ns) == 0 && ns < 0)
                c->health.endpoints_interval_ns = 0; /* one probe at the start, and those that filters ask for */

        if (c->health.interval_ns[PROBE_CONNECT])
                r = sd_event_add_time_relative(c->event, &c->health.timer[PROBE_CONNECT], CLOCK_MONOTONIC, 0, 1000,
                                               on_connect_timer, c);
        if (r >= 0 && c->health.interval_ns[PROBE_READY])
                r = sd_event_add_time_relative(c->event, &c->health.timer[PROBE_READY], CLOCK_MONOTONIC, 0, 1000,
                                               on_ready_timer, c);
        if (r >= 0 && p->compiled->endpoints.n > 1)
                r = sd_event_add_time_relative(c->event, &c->health.endpoints_timer, CLOCK_MONOTONIC, 0, 1000,
                                               on_endpoints_timer, c);
        return r < 0 ? error_errno(e, r, "cannot start the health probes") : 0;
}
