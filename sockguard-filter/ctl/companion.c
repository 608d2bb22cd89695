/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/companion.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "policy/address.h"

extern char **environ;

#define DRAIN_SECONDS 30u
#define REACH_NS (5 * NSEC_PER_SEC)
#define REACH_ALL_NS (10 * NSEC_PER_SEC)

/* ---- the first policy ---- */

static void first_done(struct companion *c, struct work *w, const struct work_result *r, struct slice text) {
        struct error *e = w->arg;

        c->summary = *r;
        if (r->outcome != WORK_OK)
                (void) error_set(e, -EINVAL, "%s%.*s", r->outcome == WORK_SIGNATURE ? "policy bundle: " : "",
                                 SLICE_ARG(text));
        c->signed_only = r->bundle.on != 0;
}

/*
 * Compiles what is configured and puts it in force. The bytes are read before and after, so that what reloads are
 * compared with is what the child has read.
 */
static int first_policy(struct companion *c, struct error *e) {
        for (int attempt = 0; attempt < 5; attempt++) {
                struct work w = { .kind = WORK_POLICY,
                                  .from_file = true,
                                  .generation = c->generation + 1,
                                  .done = first_done,
                                  .arg = e };
                struct error ignored;
                char *before = NULL, *after = NULL;
                size_t n_before = 0, n_after = 0;
                bool same;
                int r;

                (void) reload_read(c->config_path, &before, &n_before, &ignored);
                r = work_now(c, &w);
                if (r < 0)
                        r = error_errno(e, r, "cannot start a child to read %s", c->config_path);
                else if (c->summary.outcome != WORK_OK)
                        r = -EINVAL;
                else {
                        (void) reload_read(c->config_path, &after, &n_after, &ignored);
                        same = n_before == n_after && (n_before == 0 || memcmp(before, after, n_before) == 0);
                        free(before);
                        before = after;
                        if (!same) {
                                free(before);
                                continue;
                        }
                        r = publish_policy(c, &c->summary, e);
                }
                if (r < 0) {
                        free(before);
                        return r;
                }
                c->running = before;
                c->running_len = n_after;
                return 0;
        }
        return error_set(e, -EAGAIN, "%s changes all the time", c->config_path);
}

/* ---- the end ---- */

static int on_drained(sd_event_source *s, uint64_t usec, void *arg) {
        struct companion *c = arg;

        (void) s;
        (void) usec;
        return sd_event_exit(c->event, c->exit_code);
}

void companion_stop(struct companion *c, int exit_code) {
        if (c->stopping)
                return;
        c->stopping = true;
        c->exit_code = exit_code;
        (void) sd_notify(0, "STOPPING=1\nSTATUS=Finishing running requests");
        reload_stop(c);
        if (!c->serve) {
                /* The filters are systemd's, not ours: they go on without us. */
                (void) sd_event_exit(c->event, exit_code);
                return;
        }
        state_set(&c->state.map->h.draining, 1);
        c->serve->drain(c);
        if (c->serve->idle(c) || sd_event_add_time_relative(c->event, NULL, CLOCK_MONOTONIC, DRAIN_SECONDS * 1000000ull,
                                                            1000, on_drained, c) < 0)
                (void) sd_event_exit(c->event, exit_code);
}

static int on_term(sd_event_source *s, const struct signalfd_siginfo *si, void *arg) {
        (void) s;
        ctl_note(LEVEL_INFO, "signal", "signal", si->ssi_signo == SIGINT ? "interrupt" : "terminated");
        if (((struct companion *) arg)->stopping)
                return sd_event_exit(((struct companion *) arg)->event, 0);
        companion_stop(arg, 0);
        return 0;
}

static int on_tick(sd_event_source *s, uint64_t usec, void *arg) {
        struct companion *c = arg;

        struct error e;

        (void) usec;
        /* By now a socket unit that has the admin port holds it. */
        if (!c->serve && ++c->ticks == 2 && listeners_admin(c, true, &e) < 0)
                ctl_note(LEVEL_ERROR, "the admin listener cannot be opened", "error", e.text);
        if (publish_tick(c) < 0) {
                ctl_note(LEVEL_ERROR,
                         "shared state cannot be kept; stopping, filters with limits deny until the next start", NULL,
                         NULL);
                companion_stop(c, 1);
        }
        (void) sd_event_source_set_time_relative(s, 1000000);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* ---- the beginning ---- */

static void note_started(struct companion *c) {
        const struct policy *p = &c->policy;
        struct log *l = ctl_log(LEVEL_INFO, c->serve ? "started" : "companion started");
        uint64_t timeout = p->compiled->request_timeout_ns;
        char text[48], names[LISTENERS_MAX][256];
        struct slice list[LISTENERS_MAX];

        if (!l)
                return;
        for (size_t i = 0; i < c->n_listeners; i++) {
                const struct listener *at = &c->listeners[i];

                snprintf(names[i], sizeof(names[i]), "%s %s%s", at->name, at->tcp ? "tcp://" : "unix:", at->address);
                list[i] = slice_of(names[i]);
        }
        log_str(l, "version", SLICE(PACKAGE_VERSION));
        log_list(l, "listeners", list, c->n_listeners);
        if (p->compiled->endpoints.n)
                log_str(l, "upstream",
                        policy_str(p, policy_list(p, p->compiled->endpoints, struct policy_endpoint)->display));
        log_u64(l, "rules", c->summary.rules);
        log_str(l, "log_level", policy_str(p, p->root->log.level));
        log_str(l, "upstream_request_timeout", timeout == UINT64_MAX ? SLICE("off") : ctl_duration(text, timeout));
        log_str(l, "runtime_dir", slice_of(c->dir));
        log_end(l);
}

/* The dedicated admin listener: where it is, and whether everybody on a network may ask there. */
static void note_admin(struct companion *c) {
        const struct opt_admin *o = &c->policy.root->admin;
        const struct listener *at = NULL;
        struct log *l;

        for (size_t i = 0; i < c->n_listeners; i++)
                if (c->listeners[i].admin)
                        at = &c->listeners[i];
        if (!at)
                return;
        l = ctl_log(LEVEL_INFO, "admin listener started");
        if (l) {
                char listen[256];

                snprintf(listen, sizeof(listen), "%s%s", at->tcp ? "tcp://" : "unix:", at->address);
                log_str(l, "listen", slice_of(listen));
                log_str(l, "validate_path", policy_str(&c->policy, o->path));
                log_str(l, "policy_version_path", policy_str(&c->policy, o->policy_version_path));
                log_end(l);
        }
        if (at->tcp && !at->tls && !host_port_is_loopback(slice_of(at->address)) &&
            c->policy.root->clients.allowed_cidrs.n == 0)
                ctl_note(LEVEL_WARN, "the admin listener is plaintext for every address", "address", at->address);
}

static int block_signals(struct companion *c) {
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGHUP);
        sigaddset(&mask, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
                return -errno;
        (void) c;
        return 0;
}

static int begin(struct companion *c, struct error *e) {
        const struct policy *p = &c->policy;
        int r = block_signals(c);

        if (r < 0 || (r = sd_event_default(&c->event)) < 0)
                return error_errno(e, r, "cannot make the event loop");
        r = publish_open(c, e);
        if (r < 0)
                return r;
        r = first_policy(c, e);
        if (r < 0)
                return r;
        r = ctl_log_setup((enum level) p->compiled->log_level, p->compiled->log_text,
                          policy_str(p, p->root->log.output), e);
        if (r == 0 && p->root->log.audit.enabled)
                r = ctl_audit_setup(policy_str(p, p->root->log.audit.output), e);
        if (r < 0)
                return r;
        publish_note_rebuilt(c);
        if (c->signed_only)
                signed_note(&c->summary.bundle);
        if (c->serve) {
                bool several = p->compiled->endpoints.n > 1;

                r = health_reach(c, several ? REACH_ALL_NS : REACH_NS, e);
                if (r < 0)
                        return error_prefix(e, r, "upstream");
                r = c->serve->open(c, e);
                if (r < 0)
                        return r;
        }
        r = control_open(c, e);
        if (r < 0)
                return r;
        r = health_start(c, e);
        if (r < 0)
                return r;
        r = reload_start(c, e);
        if (r < 0)
                return r;
        r = c->serve ? c->serve->start(c, e) : listeners_admin(c, false, e);
        if (r < 0)
                return r;
        if (sd_event_add_signal(c->event, NULL, SIGTERM, on_term, c) < 0 ||
            sd_event_add_signal(c->event, NULL, SIGINT, on_term, c) < 0 ||
            sd_event_add_time_relative(c->event, &c->tick, CLOCK_MONOTONIC, 0, 1000, on_tick, c) < 0)
                return error_set(e, -ENOMEM, "cannot set up the event loop");
        (void) sd_event_set_watchdog(c->event, true);
        reload_warnings(c);
        note_started(c);
        note_admin(c);
        (void) sd_notifyf(0, "READY=1\nSTATUS=Policy version %llu in force", (unsigned long long) c->version);
        return 0;
}

static void finish(struct companion *c) {
        control_close(c);
        listeners_close(c);
        reload_stop(c);
        state_detach(&c->state);
        ctl_note(LEVEL_INFO, "stopped", NULL, NULL);
}

int companion_main(const struct companion_options *o) {
        static struct companion c; /* large, and there is one */
        struct error e = { "" };
        int r;

        c = (struct companion){ .config_path = o->config_path,
                                .config_given = o->config_given,
                                .serve = o->serve,
                                .flags = o->flags,
                                .trust_file = o->trust_file,
                                .allow_unknown_keys = o->allow_unknown_keys,
                                .environment = environ,
                                .mode = 0660,
                                .control_fd = -1,
                                .started_ns = now_ns() };
        c.state.lock_fd = c.state.lease = -1;
        if (strlen(o->runtime_dir) >= sizeof(c.dir)) {
                fprintf(stderr, "Error: runtime directory %s: the name is too long\n", o->runtime_dir);
                return 1;
        }
        snprintf(c.dir, sizeof(c.dir), "%s", o->runtime_dir);
        r = begin(&c, &e);
        if (r < 0) {
                fprintf(stderr, "Error: %s\n", e.text);
                (void) sd_notifyf(0, "STATUS=%.400s\nERRNO=%d", e.text, -r);
                if (c.state.map)
                        control_close(&c);
                listeners_close(&c);
                return 1;
        }
        r = sd_event_loop(c.event);
        finish(&c);
        return r < 0 ? 1 : r;
}
