/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_LIMITS_STATE_H
#define SOCKGUARD_LIMITS_STATE_H

#include <stdatomic.h>

#include "base/error.h"
#include "http/reason.h"

/*
 * What the filters of one policy share: one file `state` in the companion's runtime directory, mapped read-write by all
 * of them. sockguard-ctl makes it; filters attach. Everything has a fixed place and a fixed size, nothing in it is a
 * pointer or a length that anybody walks by, every word is a C11 atomic, and nobody ever waits for anybody.
 *
 * Why a file and not a sealed memfd handed out over the control socket. It is not for speed: attaching by name (two
 * opens, fstat, mmap) and receiving a descriptor from an idle companion both cost some 10 us (tests/bench/state.c). It
 * is that a filter which starts while the companion is down still has its state, that a restarted companion takes the
 * file over by its name, and that nothing on the way of a connection waits for the companion. The price is that a file
 * can be truncated by whoever may write it. So it is allocated in full, the companion survives SIGBUS and replaces the
 * file within a second (ctl/publish.c), and a filter that meets one dies, which denies.
 *
 * Beside it lies `leases`, empty: its bytes are what filters lock (lease.h).
 */

#define STATE_MAGIC "SGSTATE"
#define STATE_LAYOUT 2u

#define STATE_PROFILES 1024u   /* slot 0 is "no profile" */
#define STATE_LISTENERS 40u    /* 32 main ones, admin, room for a restart with others; slot 0 is "unknown" */
#define STATE_LEASES 4096u     /* connections at a time that can be counted */
#define STATE_ROUTES 1024u     /* route templates; slot 0 is "{other}" */
#define STATE_COUNTERS 8192u   /* series of counters */
#define STATE_HISTOGRAMS 2048u /* series of the latency histogram */
#define STATE_ENDPOINTS 32u    /* daemons to choose from */
#define STATE_REASONS 128u     /* reason codes, with room */
#define STATE_BUCKETS 12u      /* of the histogram, +Inf included */

#define STATE_LINE __attribute__((aligned(64)))

typedef _Atomic(uint64_t) state_word;

/* Results of a reload, in the order of the chapter. */
enum reload_result {
        RELOAD_OK,
        RELOAD_REJECT_LOAD,
        RELOAD_REJECT_VALIDATION,
        RELOAD_REJECT_IMMUTABLE,
        RELOAD_REJECT_SIGNATURE,
        RELOAD_RESULT_MAX_
};

enum throttle_gate { GATE_BUCKET, GATE_GLOBAL, GATE_CAP, GATE_MAX_ };

struct state_header {
        char magic[8];
        uint32_t layout;
        uint32_t header_size;
        uint64_t size;            /* of the file, bytes */
        uint64_t fingerprint;     /* of the tables whose numbers are stored: another build's state is refused */
        uint8_t boot_id[16];      /* the boottime clock of the buckets starts again at every boot */
        uint64_t created_ns;      /* wall clock: sockguard_start_time_seconds */
        uint64_t created_boot_ms; /* boottime: a file from the future is one from before this boot */
        uint64_t checksum;        /* of the fields above */

        state_word generation STATE_LINE; /* of the policy in force; written last by the companion */
        state_word draining;              /* not 0: idle filters go away at their next look */
        state_word retired;               /* not 0: another file has this one's name now; attach again */
        state_word beat_ms;               /* boottime of the companion's last sign of life */

        state_word global STATE_LINE; /* the priority gate's counter (lease.h) */

        state_word high_water STATE_LINE;  /* leases above it were never used */
        state_word lease_overflow;         /* requests served uncounted because the table was full */
        state_word series_overflow;        /* samples that found no series of their own */
        state_word log_dropped;            /* records that no sink took */
        state_word aborted;                /* requests whose filter died */
        state_word decisions[4];           /* finished requests by enum metric_decision */
        state_word reasons[STATE_REASONS]; /* ... of denials, by enum reason_code */

        /* Written by the companion alone; here so that a restarted one goes on counting. */
        state_word policy_version STATE_LINE;
        state_word loaded_ns; /* wall clock of the last activation */
        state_word reloads[RELOAD_RESULT_MAX_];
        state_word reload_success_ns;                       /* wall clock, 0 never */
        state_word watchdog_checks[2], readiness_checks[2]; /* [0] bad, [1] good */
        state_word watchdog_up, readiness_up;               /* 0 unknown, 1 down, 2 up */
};

struct state_profile {
        state_word name_hash;               /* 0: slot unused; written after the rest */
        uint32_t name_len;                  /* bytes of `name` that count */
        uint32_t last_used;                 /* generation in which the policy had it, low 32 bits; companion only */
        char name[128];                     /* cut when longer; the hash is of the whole */
        state_word bucket STATE_LINE;       /* bucket.h */
        state_word inflight;                /* the cap's counter (lease.h) */
        state_word throttled_ms[GATE_MAX_]; /* when the last throttle record was written, boottime ms */
        state_word admitted;                /* not 0: the in-flight gauge has a series */
        state_word cap, rate, burst;        /* of the policy in force, for status; companion only */
};

struct state_name {
        state_word name_hash;
        uint32_t name_len;
        uint32_t spare_;
        char name[104];
        state_word seen_ms; /* boottime ms at which a request last came through it */
};

struct state_route {
        state_word hash; /* 0: free. Claimed by one compare-and-swap; the text is rewritten by whoever finds it wrong */
        char text[120];
};

struct state_lease {
        state_word owner;     /* pid of the filter, 0: free. A hint: the lock on byte <slot> of `leases` is the truth */
        state_word global;    /* what this connection counts in header.global */
        state_word profile;   /* ... and in a profile's inflight */
        state_word active_ms; /* boottime ms at which the running request began, low bit set; 0: idle */
        state_word connected_ms;
        state_word requests;   /* finished */
        state_word who;        /* uid << 32 | profile slot << 8 | listener slot */
        state_word generation; /* of the policy this filter has mapped */
        state_word last;       /* status << 8 | decision of the last finished request */
        state_word route;      /* method << 16 | route slot of the running or last request */
        char client[48];       /* printable; as the log's `client` */
        /* Of the running request, for the record that the companion writes when its filter dies. */
        state_word verdict; /* rule + 1 << 16 | enum reason_code << 8 | enum decision, as far as it has come */
        state_word caller;  /* gid << 32 | pid of the client; 0 unknown */
        char request_id[32], trace_id[32];
        char path[112]; /* decoded, cut; a NUL ends it */
};

struct state_counter {
        state_word key, value;
};

struct state_histogram {
        state_word key, sum_ns;
        state_word bucket[STATE_BUCKETS]; /* not cumulative: a sample is one addition */
        state_word spare_[2];
};

struct state_endpoint {
        state_word health;       /* enum endpoint_health | (boottime ms of the change << 8) */
        state_word probe_wanted; /* not 0: a filter failed to reach it */
};

enum endpoint_health { ENDPOINT_UNKNOWN, ENDPOINT_DOWN, ENDPOINT_UP };

struct state_map {
        struct state_header h STATE_LINE;
        struct state_endpoint endpoints[STATE_ENDPOINTS] STATE_LINE; /* by position in policy->compiled->endpoints */
        struct state_name listeners[STATE_LISTENERS] STATE_LINE;
        struct state_profile profiles[STATE_PROFILES] STATE_LINE;
        struct state_route routes[STATE_ROUTES] STATE_LINE;
        struct state_counter counters[STATE_COUNTERS] STATE_LINE;
        struct state_histogram histograms[STATE_HISTOGRAMS] STATE_LINE;
        struct state_lease leases[STATE_LEASES] STATE_LINE;
};

/* A process's view. A filter has one for its connection; it is there, with `map` NULL, even when attaching failed. */
struct state {
        struct state_map *map;
        int lock_fd;        /* of `leases`; the locks are this open file's, so it is never shared by two processes */
        int lease;          /* our slot, or -1 */
        bool optional;      /* --limits-optional: serve without limits when there is no state */
        char dir[256];      /* the runtime directory: `control` is there too */
        uint64_t lost_told; /* records lost by this process that log_dropped has already */

        /* Slots of the names in the policy we look at, found once a generation. */
        const void *cached_policy;
        uint64_t cached_generation;
        uint32_t scope_slots[64];
        uint32_t listener_slot;
};

/*
 * Attaches to DIR/state, read-write, trusting nothing: magic, layout, fingerprint, size and boot are checked. Always
 * leaves *ret usable (map NULL on failure). 0; -ENOENT when there is none; -EBADMSG when it is not a state of this
 * build and boot; another negative errno. `e` says which file and why.
 */
int state_attach(const char *dir, struct state *ret, struct error *e);

/*
 * In a process that was forked from one that attached: the mapping is good for both, the locks are not. Opens a lock
 * file of its own; without one the state is given up (map NULL), as if there were none. 0 or negative errno.
 */
int state_attach_forked(struct state *s, struct error *e);

/* Gives the lease back and unmaps. */
void state_detach(struct state *s);

/*
 * Between two requests: changes over to the file that has taken this one's place, if one has. The old mapping stays,
 * because others may hold pointers into it; that a file is replaced is rare. `map` is NULL afterwards if the new one is
 * no good.
 */
void state_refresh(struct state *s);

/*
 * The companion's side. Adopts a good DIR/state (*ret_adopted), or replaces a bad one by a new one (the old is marked
 * retired, so that filters that live on it change over) and says why in `e`. The file is allocated in full, so that a
 * full disk is an error here and not a SIGBUS later. Takes the lock that makes this the only companion of the
 * directory: -EBUSY when there is another.
 */
int state_create(const char *dir, mode_t mode, struct state *ret, bool *ret_adopted, struct error *e);

/* Is the header what state_create() wrote? For the owner of a mapping that others may write. */
bool state_is_intact(const struct state_map *m);

/*
 * Puts a profile's name back into the slot it was given, should somebody have changed it: others find their limits by
 * it. What it counts stays.
 */
void state_profile_restore(struct state_map *m, uint32_t slot, struct slice name);

/* The generation in force, one relaxed load; 0 without state. */
static inline uint64_t state_generation(const struct state *s) {
        return s && s->map ? atomic_load_explicit(&s->map->h.generation, memory_order_acquire) : 0;
}

static inline bool state_draining(const struct state *s) {
        return s && s->map && atomic_load_explicit(&s->map->h.draining, memory_order_relaxed) != 0;
}

/* Has the companion put another file in this one's place? Then detach and attach again between two requests. */
static inline bool state_retired(const struct state *s) {
        return s && s->map && atomic_load_explicit(&s->map->h.retired, memory_order_relaxed) != 0;
}

/* FNV-1a, 64 bits, never 0. */
uint64_t state_hash(struct slice s);

/* Slot of a profile / listener name; 0 when it has none. Reading side. */
uint32_t state_profile_slot(const struct state_map *m, struct slice name);
uint32_t state_listener_slot(const struct state_map *m, struct slice name);

/* The companion gives a name its slot, the old one if it had one. A slot number, or -ENOSPC. */
int state_profile_assign(struct state_map *m, struct slice name, uint32_t generation);
int state_listener_assign(struct state_map *m, struct slice name);

/* Slot of a route template, given one if it is new; 0 ("{other}") when it is too long or the table is full. */
uint32_t state_route_slot(struct state_map *m, struct slice text);
/* Its text; "{other}" for slot 0 and for what is not (yet) a whole text. The result is a view of the map: copy before
 * use. */
struct slice state_route_text(const struct state_map *m, uint32_t slot, char buffer[128]);

/* The clock of everything shared: milliseconds since boot, sleep included. */
uint64_t state_now_ms(void);

static inline uint64_t state_get(const state_word *w) {
        return atomic_load_explicit(w, memory_order_relaxed);
}
static inline void state_set(state_word *w, uint64_t v) {
        atomic_store_explicit(w, v, memory_order_relaxed);
}
static inline void state_add(state_word *w, uint64_t v) {
        atomic_fetch_add_explicit(w, v, memory_order_relaxed);
}

#endif
