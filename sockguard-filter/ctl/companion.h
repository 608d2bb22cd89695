/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_CTL_COMPANION_H
#define SOCKGUARD_CTL_COMPANION_H

#include <systemd/sd-event.h>

#include "ctl/job.h"
#include "ctl/log.h"
#include "ctl/verb.h"
#include "limits/state.h"
#include "policy/image.h"
#include "policy/load.h"

/*
 * The companion: one long-lived process a policy (`sockguard-ctl run`), or that and the listeners and filters too
 * (`serve`). It never parses YAML itself: whatever reads a configuration, its own or a candidate's, runs in a forked
 * child with limits (worker.h) that leaves an image behind; the companion maps the image as filters do.
 */

struct companion;

/* ---- what a child made of a configuration ---- */

enum work_outcome { WORK_OK, WORK_LOAD, WORK_IMMUTABLE, WORK_VALIDATION, WORK_SIGNATURE, WORK_DIED };

/* What a signed policy was found to be signed with (chapter 07, B). */
struct signed_by {
        uint32_t on; /* 0: the policy is not a signed one, and the rest is nothing */
        uint32_t elapsed_ms;
        uint8_t digest[32]; /* SHA-256 of the file's bytes */
        char signer[80], path[256];
};

/* Comes through a pipe from a child that has read hostile text: fixed size, every field checked. */
struct work_result {
        uint32_t outcome; /* enum work_outcome */
        uint32_t rules, profiles;
        uint32_t compat; /* the section variables replaced the rules */
        uint8_t sha256[32];
        struct signed_by bundle;
        uint32_t text_size; /* bytes of text behind: problems, one a line; or changed_fields */
};

#define WORK_TEXT_MAX (64u * 1024)

struct work {
        enum { WORK_POLICY, WORK_CANDIDATE } kind;
        /* WORK_POLICY: the file's bytes, or NULL to let the child open the file (first start); what runs now, or a null
         * `at`. The image is left in DIR/.policy.next. WORK_CANDIDATE: the body. */
        struct slice text, running;
        bool from_file;
        uint64_t generation;
        bool hide_files; /* files that it names are not opened (4.3) */
        void (*done)(struct companion *c, struct work *w, const struct work_result *r, struct slice text);
        void *arg;

        /* worker.c's own */
        struct companion *of;
        struct job job;
};

/* Starts a child. `w` is the caller's until `done`, which frees it. 0 or negative errno (then `done` is not called). */
int work_start(struct companion *c, struct work *w);

/* The same, waiting for the end; for the first start, before the loop runs. */
int work_now(struct companion *c, struct work *w);

/* ---- listeners ---- */

enum board_state { BOARD_BOUND, BOARD_SERVING, BOARD_DRAINING, BOARD_STOPPED, BOARD_FAILED };

#define LISTENERS_MAX 33u

struct listener {
        char name[64];
        bool admin, tcp, tls;
        char address[108 + 16]; /* path, or host:port */
        uint32_t slot;          /* in shared state */
        enum board_state state;
        int fd;         /* `serve`: the listening socket, else -1 */
        bool inherited; /* systemd made it: not ours to remove */
        dev_t dev;      /* of the socket file we made */
        ino_t ino;
        struct filter_pool *pool;
};

/* ---- health ---- */

enum probe_kind { PROBE_CONNECT, PROBE_READY, PROBE_KIND_MAX_ };

struct probe_result {
        bool known, up;
        uint64_t at_ns; /* CLOCK_MONOTONIC */
        char error[160];
};

struct waiter;

struct health {
        struct probe_result last[PROBE_KIND_MAX_];
        struct job *running[PROBE_KIND_MAX_];
        struct waiter *waiters;
        sd_event_source *timer[PROBE_KIND_MAX_], *endpoints_timer;
        uint64_t interval_ns[PROBE_KIND_MAX_]; /* 0: no loop */
        uint64_t timeout_ns[PROBE_KIND_MAX_];
        uint64_t endpoints_interval_ns, endpoints_timeout_ns;
        struct job *endpoints_running;
};

/* ---- the whole ---- */

struct companion {
        sd_event *event;
        const char *config_path;
        bool config_given, allow_unknown_keys;
        const char *trust_file;        /* keys from outside the policy, or NULL */
        bool signed_only;              /* a signed policy is in force: from now on every one is */
        const struct serve_ops *serve; /* NULL: `run` */
        struct config_flags flags;
        char *const *environment;
        char dir[256];
        mode_t mode; /* of the files in it */

        struct state state;
        struct error rebuilt; /* why the state could not be taken over; "" it was, or there was none */
        struct policy policy; /* in force, mapped; base NULL before the first */
        uint64_t generation;
        uint64_t version, loaded_ns;            /* the shared state has copies */
        uint16_t profile_slots[STATE_PROFILES]; /* in the state, of the policy's profiles */
        char *running;                          /* text that `policy` was made of */
        size_t running_len;
        struct work_result summary;
        bool reloaded;       /* source is `reload` */
        uint64_t started_ns; /* CLOCK_MONOTONIC */
        bool stopping;
        int exit_code;
        unsigned ticks;

        struct listener listeners[LISTENERS_MAX];
        size_t n_listeners;
        struct health health;

        /* control.c */
        int control_fd;
        sd_event_source *control;
        unsigned n_clients;
        unsigned n_candidates;

        /* reload.c */
        bool reload_enabled, reload_running, reload_again;
        uint64_t debounce_ns, poll_ns, debounce_since;
        sd_event_source *debounce, *poll, *tick;
        struct watch *watch, *watch_signature;
};

/* publish.c */
int publish_open(struct companion *c, struct error *e); /* the runtime directory and the state in it */
int publish_policy(struct companion *c, const struct work_result *r,
                   struct error *e);            /* DIR/.policy.next comes into force */
int publish_tick(struct companion *c);          /* once a second: leases, audits, sign of life */
void publish_note_rebuilt(struct companion *c); /* says why the state is a new one, if it is; once there is a log */
int publish_rebuild_state(struct companion *c, struct error *e);

/* dead.c: the records and the sample of a request whose filter died in it; the lease is its, and its lock is held. */
void dead_record(struct companion *c, const struct state_lease *lease);

/* control.c */
int control_open(struct companion *c, struct error *e);
void control_close(struct companion *c);

/* health.c */
int health_start(struct companion *c, struct error *e);
struct strbuf;
/* Calls `done` with the answer's status and body, now or later (at most 0.9 s). */
void health_ask(struct companion *c, enum probe_kind kind, void (*done)(void *arg, int status, struct slice body),
                void *arg);
/* The asker has gone. */
void health_forget(struct companion *c, void *arg);
/* One connect to the daemon now, for `serve` before it listens. */
int health_reach(struct companion *c, uint64_t timeout_ns, struct error *e);

/* page.c */
void page_render(struct companion *c, bool openmetrics, struct strbuf *out);

/* board.c */
void board_fill(struct companion *c);    /* the listeners of the policy in force */
void board_refresh(struct companion *c); /* `run`: are the sockets of others listening? */
const char *board_state_name(enum board_state s);
bool board_listens(const struct listener *l); /* is somebody listening there, as far as /proc can tell? */

/* What `serve` does besides (listeners.c). */
struct serve_ops {
        int (*open)(struct companion *c, struct error *e);  /* binds all listeners or none */
        int (*start)(struct companion *c, struct error *e); /* starts the filters */
        void (*drain)(struct companion *c);                 /* no new connections; filters finish what they have */
        bool (*idle)(const struct companion *c);            /* no filter is left */
        void (*close)(struct companion *c);                 /* ends what is left, removes our socket files */
};
extern const struct serve_ops serve_ops;

/*
 * `run`: opens the dedicated admin listener of that kind and starts its filter, unless somebody else listens there
 * already. 0 also when there is nothing to do.
 */
int listeners_admin(struct companion *c, bool tcp, struct error *e);
void listeners_close(struct companion *c);

/* reload.c */
int reload_start(struct companion *c, struct error *e);
void reload_trigger(struct companion *c); /* arms the debounce timer */
void reload_stop(struct companion *c);
/* A whole configuration file, bounded, malloc'ed. 0 or negative errno with *e. */
int reload_read(const char *path, char **ret, size_t *ret_len, struct error *e);
void reload_warnings(struct companion *c); /* records about the policy in force that start and reload write */

/* signed.c, for the child. Is a policy with these two readings, by the file alone and with the environment, to be a
 * signed one? */
bool signed_wanted(const struct companion *c, const struct config *alone, const struct config *overlaid);
/*
 * Verifies `text` by the signature that `candidate` names: with the keys of the trust file, else those of `running`,
 * else (the first start) the candidate's own. 0 with *ret, or negative errno with *e.
 */
int signed_verify(const struct companion *c, struct slice text, struct config *candidate, struct config *running,
                  struct signed_by *ret, struct error *e);
/* Record: which signature was found good. */
void signed_note(const struct signed_by *s);

/* watch.c: is called back when the configuration file may have become another one. */
struct watch;
int watch_new(struct companion *c, const char *path, void (*changed)(struct companion *c), struct watch **ret,
              struct error *e);
void watch_free(struct watch *w);
/* Has the file changed since the last call (or watch_new)? For polling. */
bool watch_poll(struct watch *w);
const char *watch_path(const struct watch *w);

/* companion.c */
struct companion_options {
        const char *config_path, *runtime_dir, *trust_file;
        bool config_given, allow_unknown_keys;
        const struct serve_ops *serve;
        struct config_flags flags;
};
/* Begins the end: drains, then leaves the loop with this exit code. */
void companion_stop(struct companion *c, int exit_code);
int companion_main(const struct companion_options *o);

/* verb_run.c: what `run` and `serve` share. */

#define COMPANION_FLAGS 8
extern const struct verb_flag companion_flags[COMPANION_FLAGS];
int companion_verb(const struct verb_args *args, const struct serve_ops *serve);

#endif
