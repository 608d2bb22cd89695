/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/unicode.h"
#include "ctl/common.h"
#include "ctl/companion.h"
#include "limits/bucket.h"
#include "policy/scalar.h"

/*
 * Hot reload (chapter 06, 3): whatever happens on the way, the policy in force stays in force until a better one is in
 * its place as a whole.
 */

#define DEBOUNCE_NS (250 * NSEC_PER_MSEC)
#define DEBOUNCE_LONGEST_NS \
        (10 * NSEC_PER_SEC) /* a file that is written without end is read now and then all the same */

static const char *const result_names[] = {
        [RELOAD_OK] = "ok",
        [RELOAD_REJECT_LOAD] = "reject_load",
        [RELOAD_REJECT_VALIDATION] = "reject_validation",
        [RELOAD_REJECT_IMMUTABLE] = "reject_immutable",
        [RELOAD_REJECT_SIGNATURE] = "reject_signature",
};

/* ---- the text ---- */

int reload_read(const char *path, char **ret, size_t *ret_len, struct error *e) {
        struct stat st;

        return ctl_read_file(path, CONFIG_TEXT_MAX, &st, ret, ret_len, e);
}

/* ---- records ---- */

static void rejected(struct companion *c, enum reload_result result, const char *key, struct slice why) {
        struct log *l = ctl_log(LEVEL_WARN, "reload rejected");

        state_add(&c->state.map->h.reloads[result], 1);
        if (!l)
                return;
        log_str(l, "result", slice_of(result_names[result]));
        log_str(l, "path", slice_of(c->config_path));
        if (result == RELOAD_REJECT_SIGNATURE)
                log_str(l, "signature_path", policy_str(&c->policy, c->policy.root->policy_bundle.signature_path));
        log_str(l, key, why);
        log_end(l);
}

static void applied(struct companion *c) {
        struct log *l = ctl_log(LEVEL_INFO, "reload applied");

        if (!l)
                return;
        log_str(l, "result", SLICE("ok"));
        log_str(l, "path", slice_of(c->config_path));
        log_u64(l, "rules", c->summary.rules);
        log_u64(l, "profiles", c->summary.profiles);
        log_u64(l, "policy_version", c->version);
        log_end(l);
}

/* ---- warnings about the policy in force ---- */

static bool takes_part(const struct policy *p, const struct opt_profile *o) {
        struct slice priority = unicode_trim(policy_str(p, o->limits.priority));

        return o->limits.rate.n || o->limits.concurrency.n ||
               (priority.len && !slice_case_eq(priority, SLICE("normal")));
}

static void warn_profile(const struct policy *p, const struct opt_profile *o, const char *message,
                         const char *recommendation) {
        struct log *l = ctl_log(LEVEL_WARN, message);

        if (!l)
                return;
        log_str(l, "profile", policy_str(p, o->name));
        log_str(l, "recommendation", slice_of(recommendation));
        log_end(l);
}

static bool assigned(const struct policy *p, struct slice name) {
        const struct opt_clients *c = &p->root->clients;
        const struct opt_source_ip_profile *ip = policy_list(p, c->source_ip_profiles, struct opt_source_ip_profile);
        const struct opt_client_certificate_profile *certificate =
                policy_list(p, c->client_certificate_profiles, struct opt_client_certificate_profile);
        const struct opt_unix_peer_profile *peer = policy_list(p, c->unix_peer_profiles, struct opt_unix_peer_profile);

        if (slice_eq(policy_str(p, c->default_profile), name))
                return true;
        for (uint32_t i = 0; i < c->source_ip_profiles.n; i++)
                if (slice_eq(policy_str(p, ip[i].profile), name))
                        return true;
        for (uint32_t i = 0; i < c->client_certificate_profiles.n; i++)
                if (slice_eq(policy_str(p, certificate[i].profile), name))
                        return true;
        for (uint32_t i = 0; i < c->unix_peer_profiles.n; i++)
                if (slice_eq(policy_str(p, peer[i].profile), name))
                        return true;
        return false;
}

void reload_warnings(struct companion *c) {
        const struct policy *p = &c->policy;
        const struct opt_profile *at = policy_list(p, p->root->clients.profiles, struct opt_profile);
        int64_t gate =
                p->root->clients.global_concurrency.n
                        ? policy_list(p, p->root->clients.global_concurrency, struct opt_concurrency)->max_inflight
                        : 0;

        for (uint32_t i = 0; i < p->root->clients.profiles.n; i++) {
                struct slice mode = unicode_trim(policy_str(p, at[i].mode)),
                             priority = unicode_trim(policy_str(p, at[i].limits.priority));
                bool low = slice_case_eq(priority, SLICE("low")), high = slice_case_eq(priority, SLICE("high"));

                if (mode.len && !slice_case_eq(mode, SLICE("enforce")))
                        warn_profile(p, &at[i], "profile does not enforce its policy",
                                     "set mode: enforce once its would_deny records are understood");
                if (p->compiled->limits_active && assigned(p, policy_str(p, at[i].name)) && !takes_part(p, &at[i]))
                        warn_profile(p, &at[i], "profile has no limits",
                                     "give it limits.rate, limits.concurrency or limits.priority");
                if (gate > 0 && !high && (low ? gate / 2 : gate - (gate + 4) / 5) == 0)
                        warn_profile(p, &at[i], "profile is always refused by the global gate",
                                     "raise clients.global_concurrency.max_inflight or the profile's priority");
        }
        if (gate == 1 && p->root->clients.default_profile.len == 0)
                ctl_note(LEVEL_WARN, "clients without a profile are always refused by the global gate",
                         "recommendation",
                         "raise clients.global_concurrency.max_inflight or set clients.default_profile");
}

/* The signature's file counts as the configuration's does: who writes one first and then the other must not be left
 * with neither. */
static void watch_for_signature(struct companion *c) {
        struct slice named = policy_str(&c->policy, c->policy.root->policy_bundle.signature_path);
        struct error why;
        char path[256];

        if (!c->signed_only || !c->reload_enabled || named.len >= sizeof(path))
                return;
        snprintf(path, sizeof(path), "%.*s", SLICE_ARG(named));
        watch_free(c->watch_signature);
        c->watch_signature = NULL;
        if (watch_new(c, path, reload_trigger, &c->watch_signature, &why) < 0)
                ctl_note(LEVEL_ERROR, "the signature's file cannot be watched", "error", why.text);
}

/* ---- one reload ---- */

static int start(struct companion *c);

static void next_one(struct companion *c) {
        c->reload_running = false;
        if (c->reload_again) {
                c->reload_again = false;
                (void) start(c);
        } else if (!c->stopping)
                (void) sd_notifyf(0, "READY=1\nSTATUS=Policy version %llu in force", (unsigned long long) c->version);
}

static void finished(struct companion *c, struct work *w, const struct work_result *r, struct slice text) {
        struct error e = { "" };
        char *candidate = w->arg;
        size_t len = w->text.len;

        free(w);
        switch (r->outcome) {
        case WORK_OK:
                if (publish_policy(c, r, &e) < 0) {
                        rejected(c, RELOAD_REJECT_LOAD, "error", slice_of(e.text));
                        break;
                }
                free(c->running);
                c->running = candidate;
                c->running_len = len;
                candidate = NULL;
                c->reloaded = true;
                if (r->bundle.on)
                        signed_note(&r->bundle);
                applied(c);
                watch_for_signature(c);
                reload_warnings(c);
                state_add(&c->state.map->h.reloads[RELOAD_OK], 1);
                state_set(&c->state.map->h.reload_success_ns, clock_ns(CLOCK_REALTIME));
                break;
        case WORK_SIGNATURE:
                rejected(c, RELOAD_REJECT_SIGNATURE, "error", text);
                break;
        case WORK_IMMUTABLE:
                rejected(c, RELOAD_REJECT_IMMUTABLE, "changed_fields", text);
                break;
        case WORK_VALIDATION:
                rejected(c, RELOAD_REJECT_VALIDATION, "error", text);
                break;
        default:
                rejected(c, RELOAD_REJECT_LOAD, "error", text);
                break;
        }
        free(candidate);
        next_one(c);
}

static int start(struct companion *c) {
        struct error e = { "" };
        struct work *w;
        char *text;
        size_t len;
        int r = reload_read(c->config_path, &text, &len, &e);

        /* Missing or empty is not "the defaults" once something runs: it is a mistake. */
        if (r == 0 && len == 0) {
                free(text);
                r = error_set(&e, -EINVAL, "%s is empty", c->config_path);
        }
        if (r < 0) {
                rejected(c, c->signed_only ? RELOAD_REJECT_SIGNATURE : RELOAD_REJECT_LOAD, "error", slice_of(e.text));
                return r;
        }
        w = calloc(1, sizeof(*w));
        if (!w) {
                free(text);
                return -ENOMEM;
        }
        *w = (struct work){ .kind = WORK_POLICY,
                            .text = slice_make(text, len),
                            .generation = c->generation + 1,
                            .running = slice_make(c->running ? c->running : "", c->running_len),
                            .done = finished,
                            .arg = text };
        r = work_start(c, w);
        if (r < 0) {
                rejected(c, RELOAD_REJECT_LOAD, "error", SLICE("cannot start a child to read it"));
                free(w);
                free(text);
                return r;
        }
        c->reload_running = true;
        return 0;
}

static int on_debounce(sd_event_source *s, uint64_t usec, void *arg) {
        struct companion *c = arg;

        (void) s;
        (void) usec;
        c->debounce_since = 0;
        if (c->reload_running)
                c->reload_again = true;
        else
                (void) start(c);
        return 0;
}

void reload_trigger(struct companion *c) {
        uint64_t now = now_ns();

        if (!c->debounce)
                return;
        if (c->debounce_since == 0)
                c->debounce_since = now;
        else if (now - c->debounce_since > DEBOUNCE_LONGEST_NS)
                return; /* the timer runs: let it */
        sd_event_source_set_time_relative(c->debounce, c->debounce_ns / 1000);
        sd_event_source_set_enabled(c->debounce, SD_EVENT_ONESHOT);
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *arg) {
        struct companion *c = arg;

        (void) s;
        (void) si;
        ctl_note(LEVEL_INFO, "signal", "signal", "hangup");
        if (!c->reload_enabled) {
                ctl_note(LEVEL_WARN, "reload is off (reload.enabled): the signal is ignored", NULL, NULL);
                return 0;
        }
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) (now_ns() / 1000));
        reload_trigger(c);
        return 0;
}

static int on_poll(sd_event_source *s, uint64_t usec, void *arg) {
        struct companion *c = arg;
        bool policy = c->watch && watch_poll(c->watch),
             signature = c->watch_signature && watch_poll(c->watch_signature);

        (void) usec;
        if (policy || signature) {
                ctl_note(LEVEL_INFO, policy ? "configuration file changed" : "the signature's file changed", "path",
                         watch_path(policy ? c->watch : c->watch_signature));
                reload_trigger(c);
        }
        sd_event_source_set_time_relative(s, c->poll_ns / 1000);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static uint64_t duration(const struct policy *p, struct pstr s) {
        int64_t ns;

        return s.len && duration_parse(policy_str(p, s), &ns) == 0 && ns > 0 ? (uint64_t) ns : 0;
}

/* Between the reading of the file and the watch there was a moment in which nobody looked. */
static void catch_up(struct companion *c) {
        struct error ignored;
        char *text;
        size_t len;

        if (reload_read(c->config_path, &text, &len, &ignored) < 0)
                return;
        if (len != c->running_len || (len > 0 && memcmp(text, c->running, len) != 0))
                reload_trigger(c);
        free(text);
}

int reload_start(struct companion *c, struct error *e) {
        const struct opt_reload *o = &c->policy.root->reload;
        char debounce[48], poll[48];
        struct error why;
        struct log *l;
        int r;

        /* The handler first: with reload on, or off, or half-working, a hang-up never ends the companion. */
        r = sd_event_add_signal(c->event, NULL, SIGHUP, on_hangup, c);
        if (r < 0)
                return error_errno(e, r, "cannot handle SIGHUP");
        c->reload_enabled = o->enabled;
        if (!o->enabled)
                return 0;
        c->debounce_ns = duration(&c->policy, o->debounce);
        if (c->debounce_ns == 0)
                c->debounce_ns = DEBOUNCE_NS;
        c->poll_ns = duration(&c->policy, o->poll_interval);
        r = sd_event_add_time_relative(c->event, &c->debounce, CLOCK_MONOTONIC, UINT64_MAX / 4, 1000, on_debounce, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->debounce, SD_EVENT_OFF);
        if (r < 0)
                return error_errno(e, r, "cannot make a timer");
        if (watch_new(c, c->config_path, reload_trigger, &c->watch, &why) < 0) {
                l = ctl_log(LEVEL_ERROR, "reload watcher could not start; SIGHUP and polling still work");
                if (l) {
                        log_str(l, "error", slice_of(why.text));
                        log_str(l, "path", slice_of(c->config_path));
                        log_end(l);
                }
        }
        watch_for_signature(c);
        catch_up(c);
        if (c->poll_ns) {
                r = sd_event_add_time_relative(c->event, &c->poll, CLOCK_MONOTONIC, c->poll_ns / 1000, 1000, on_poll,
                                               c);
                if (r < 0)
                        return error_errno(e, r, "cannot make a timer");
        }
        l = ctl_log(LEVEL_INFO, "reload watcher started");
        if (l) {
                log_str(l, "path", slice_of(c->watch ? watch_path(c->watch) : c->config_path));
                log_str(l, "debounce", ctl_duration(debounce, c->debounce_ns));
                log_str(l, "poll_interval", ctl_duration(poll, c->poll_ns));
                log_end(l);
        }
        return 0;
}

void reload_stop(struct companion *c) {
        c->debounce = sd_event_source_disable_unref(c->debounce);
        c->poll = sd_event_source_disable_unref(c->poll);
        watch_free(c->watch);
        watch_free(c->watch_signature);
        c->watch = c->watch_signature = NULL;
}
