/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/companion.h"
#include "limits/bucket.h"
#include "limits/lease.h"

/*
 * The runtime directory: `policy` (the image in force), `state` and `leases` (limits/state.h), `control`. Filters run
 * by systemd under their own user share the companion's group: files are 0660 in a directory of mode 0750.
 */

/* The state file was cut short under us by somebody who may write it: the page is gone, and so is the trust in it. */
static volatile sig_atomic_t state_lost;

static void on_sigbus(int number, siginfo_t *si, void *context) {
        uintptr_t page = (uintptr_t) si->si_addr & ~(uintptr_t) 4095;

        (void) number;
        (void) context;
        state_lost = 1;
        /* A private page of zeroes lets the access that failed go on; the next tick replaces the file. */
        if (mmap((void *) page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            MAP_FAILED)
                _exit(1);
}

static void guard_state(void) {
        struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

        (void) sigaction(SIGBUS, &sa, NULL);
}

static int make_directory(struct companion *c, struct error *e) {
        struct stat st;

        if (mkdir(c->dir, 0750) < 0 && errno != EEXIST)
                return error_errno(e, -errno, "cannot make the runtime directory %s", c->dir);
        if (stat(c->dir, &st) < 0)
                return error_errno(e, -errno, "cannot look at the runtime directory %s", c->dir);
        if (!S_ISDIR(st.st_mode))
                return error_set(e, -ENOTDIR, "the runtime directory %s is not a directory", c->dir);
        if (st.st_mode & S_IWOTH)
                return error_set(e, -EPERM, "everybody may write into the runtime directory %s: chmod o-w it", c->dir);
        return 0;
}

/*
 * The generation that filters may have mapped: the image's, which only we can write. The state's follows it, and
 * anybody who shares the state may have put anything there; it counts only when there is no image.
 */
static uint64_t newest_generation(struct companion *c) {
        uint64_t newest = state_get(&c->state.map->h.generation);
        struct policy p;
        struct error e;
        char path[300];
        int fd;

        snprintf(path, sizeof(path), "%s/policy", c->dir);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && policy_image_map(fd, &p, &e) == 0) {
                newest = p.header->generation;
                policy_image_unmap(&p);
        }
        if (fd >= 0)
                close(fd);
        return newest < UINT64_MAX / 2 ? newest : 0;
}

static int open_state(struct companion *c, struct error *e) {
        struct error why = { "" };
        bool adopted;
        int r = state_create(c->dir, c->mode, &c->state, &adopted, &why);

        if (r < 0) {
                *e = why;
                return r;
        }
        if (!adopted && why.text[0])
                c->rebuilt = why;
        state_set(&c->state.map->h.draining, 0);
        c->generation = newest_generation(c);
        /* Taken over with the state, once; from then on it is the companion's own. */
        if (c->version == 0)
                c->version = state_get(&c->state.map->h.policy_version);
        return 0;
}

void publish_note_rebuilt(struct companion *c) {
        if (c->rebuilt.text[0])
                ctl_note(LEVEL_WARN, "shared state was rebuilt", "error", c->rebuilt.text);
        c->rebuilt.text[0] = '\0';
}

int publish_open(struct companion *c, struct error *e) {
        int r = make_directory(c, e);

        if (r < 0)
                return r;
        guard_state();
        return open_state(c, e);
}

/* ---- what the policy in force has in the state ---- */

static const struct opt_limits *limits_of(const struct companion *c, uint32_t i) {
        return &(policy_list(&c->policy, c->policy.root->clients.profiles, struct opt_profile) + i)->limits;
}

/* *ret_slots: of the policy's profiles, in their order. */
static int assign_names(struct companion *c, const struct policy *p, uint64_t generation,
                        uint16_t ret_slots[STATE_PROFILES], struct error *e) {
        struct state_map *m = c->state.map;
        const struct opt_profile *profiles = policy_list(p, p->root->clients.profiles, struct opt_profile);
        const struct policy_listener *listeners = policy_list(p, p->compiled->listeners, struct policy_listener);

        for (uint32_t i = 0; i < p->root->clients.profiles.n; i++) {
                int slot = i < STATE_PROFILES
                                   ? state_profile_assign(m, policy_str(p, profiles[i].name), (uint32_t) generation)
                                   : -ENOSPC;

                if (slot < 0)
                        return error_set(e, -ENOSPC, "more than %u profiles", STATE_PROFILES - 1);
                ret_slots[i] = (uint16_t) slot;
        }
        for (uint32_t i = 0; i < p->compiled->listeners.n; i++)
                if (state_listener_assign(m, policy_str(p, listeners[i].name)) < 0)
                        return error_set(
                                e, -ENOSPC,
                                "more listeners than the shared state has room for: remove %s/state and start again",
                                c->dir);
        return state_listener_assign(m, SLICE("admin")) < 0
                       ? error_set(e, -ENOSPC, "no room for the admin listener in %s/state", c->dir)
                       : 0;
}

/* A bucket keeps its tokens over a reload, but no more than its new size; a gauge without a cap goes away. */
static void settle_limits(struct companion *c) {
        struct state_map *m = c->state.map;
        const struct policy *p = &c->policy;
        bool used[STATE_PROFILES] = { false };
        uint32_t now = (uint32_t) state_now_ms();

        for (uint32_t i = 0; i < p->root->clients.profiles.n; i++) {
                const struct opt_limits *l = limits_of(c, i);
                uint32_t slot = c->profile_slots[i];
                struct state_profile *s = &m->profiles[slot];

                used[slot] = l->concurrency.n != 0;
                state_set(&s->cap,
                          l->concurrency.n
                                  ? (uint64_t) policy_list(p, l->concurrency, struct opt_concurrency)->max_inflight
                                  : 0);
                state_set(&s->rate, 0);
                if (l->rate.n) {
                        const struct opt_rate *rate = policy_list(p, l->rate, struct opt_rate);
                        struct bucket_rate r = bucket_rate_of(rate->tokens_per_second, rate->burst);

                        state_set(&s->rate, r.rate);
                        state_set(&s->burst, r.cap);
                        bucket_touch(r, &s->bucket, now);
                }
        }
        for (uint32_t i = 0; i < STATE_PROFILES; i++)
                if (!used[i]) {
                        state_set(&m->profiles[i].admitted, 0);
                        state_set(&m->profiles[i].cap, 0);
                }
}

int publish_policy(struct companion *c, const struct work_result *r, struct error *e) {
        struct state_map *m = c->state.map;
        char next[300], path[300];
        uint16_t slots[STATE_PROFILES];
        struct policy p;
        int fd, k;

        snprintf(next, sizeof(next), "%s/.policy.next", c->dir);
        snprintf(path, sizeof(path), "%s/policy", c->dir);
        fd = open(next, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return error_errno(e, -errno, "cannot open %s", next);
        if (fchmod(fd, c->mode & 0640) < 0) {
                k = error_errno(e, -errno, "cannot set the mode of %s", next);
                close(fd);
                return k;
        }
        k = policy_image_map(fd, &p, e);
        close(fd);
        if (k < 0)
                return k;
        k = assign_names(c, &p, p.header->generation, slots, e);
        if (k == 0 && rename(next, path) < 0)
                k = error_errno(e, -errno, "cannot rename %s to %s", next, path);
        if (k < 0) {
                policy_image_unmap(&p);
                unlink(next);
                return k;
        }
        if (c->policy.base)
                policy_image_unmap(&c->policy);
        c->policy = p;
        c->generation = p.header->generation;
        c->summary = *r;
        memcpy(c->profile_slots, slots, sizeof(c->profile_slots));

        /* From here on the next request of every filter runs under it; then the version, so that who reads it gets it.
         */
        atomic_store_explicit(&m->h.generation, c->generation, memory_order_release);
        settle_limits(c);
        c->loaded_ns = clock_ns(CLOCK_REALTIME);
        c->version++;
        state_set(&m->h.loaded_ns, c->loaded_ns);
        state_set(&m->h.policy_version, c->version);
        board_fill(c);
        return 0;
}

/* ---- once a second ---- */

static void count_dead(const struct state_lease *lease, void *arg) {
        struct companion *c = arg;

        state_add(&c->state.map->h.aborted, 1);
        if (c->policy.base)
                dead_record(c, lease);
}

/*
 * Every filter can write everything in the state, and one of them may have been taken over. What is the companion's to
 * say is said again: then the others look for their policy, their profile and their state where these are.
 */
static void reassert(struct companion *c) {
        struct state_map *m = c->state.map;
        const struct policy *p = &c->policy;
        const struct opt_profile *profiles = policy_list(p, p->root->clients.profiles, struct opt_profile);

        state_set(&m->h.retired, 0);
        state_set(&m->h.draining, c->stopping && c->serve);
        state_set(&m->h.policy_version, c->version);
        state_set(&m->h.loaded_ns, c->loaded_ns);
        if (state_get(&m->h.generation) != c->generation)
                atomic_store_explicit(&m->h.generation, c->generation, memory_order_release);
        for (uint32_t i = 0; i < p->root->clients.profiles.n && i < STATE_PROFILES; i++)
                state_profile_restore(m, c->profile_slots[i], policy_str(p, profiles[i].name));
}

int publish_rebuild_state(struct companion *c, struct error *e) {
        int r;

        state_set(&c->state.map->h.retired, 1);
        state_detach(&c->state);
        state_lost = 0;
        r = open_state(c, e);
        if (r < 0)
                return r;
        r = assign_names(c, &c->policy, c->policy.header->generation, c->profile_slots, e);
        if (r < 0)
                return r;
        atomic_store_explicit(&c->state.map->h.generation, c->policy.header->generation, memory_order_release);
        c->generation = c->policy.header->generation;
        settle_limits(c);
        reassert(c);
        board_fill(c);
        return 0;
}

/* Does the name still lead to the file that we have mapped, in full? */
static bool state_in_place(struct companion *c) {
        struct stat st;
        char path[300];

        snprintf(path, sizeof(path), "%s/state", c->dir);
        return stat(path, &st) == 0 && st.st_size == (off_t) sizeof(struct state_map) && state_is_intact(c->state.map);
}

int publish_tick(struct companion *c) {
        struct state_map *m = c->state.map;
        struct error e;
        static unsigned ticks;

        if (state_lost || !state_in_place(c)) {
                int r;

                ctl_note(LEVEL_ERROR, "shared state was removed, cut short or overwritten; rebuilding it", "path",
                         c->dir);
                r = publish_rebuild_state(c, &e);
                if (r < 0)
                        ctl_note(LEVEL_ERROR, "shared state cannot be rebuilt", "error", e.text);
                publish_note_rebuilt(c);
                return r;
        }
        if (c->policy.base)
                reassert(c);
        lease_reap(&c->state, count_dead, c);
        if (lease_audit(&c->state, LEASE_COUNTER_GLOBAL) == 1)
                ctl_note(LEVEL_WARN, "the count of running requests was wrong and has been repaired", NULL, NULL);
        if (c->policy.base && ++ticks % 8 == 0) {
                for (uint32_t i = 0; i < STATE_PROFILES; i++)
                        if (lease_count(state_get(&m->profiles[i].inflight)) != 0 && lease_audit(&c->state, i) == 1)
                                ctl_note(LEVEL_WARN,
                                         "a profile's count of running requests was wrong and has been repaired", NULL,
                                         NULL);
                /* Buckets that nobody asks would seem to go back in time after 24 days. */
                settle_limits(c);
        }
        state_add(&m->h.log_dropped, ctl_log_lost());
        state_set(&m->h.beat_ms, state_now_ms());
        return 0;
}
