/* SPDX-License-Identifier: Apache-2.0 */
#include "limits/lease.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"

/*
 * Counter word: count:20 | slot + 1:14 | seq:30. Slot word: state:2 | counter:16 | seq:30. A seq is the slot's own,
 * goes up with every change and skips 0, so that a word names one change.
 */
#define SEQ_MASK ((1u << 30) - 1)

/*
 * Everybody who shares the state can change every word of it. Fair contention is over after a few tries; whoever still
 * finds another value after so many gives up, and what then is one too many in a count is found by lease_audit().
 */
#define TRIES 10000u

struct counter {
        uint32_t count, slot1, seq;
};
struct holding {
        enum lease_state state;
        uint32_t counter, seq;
};

static struct counter counter_of(uint64_t w) {
        return (struct counter){ (uint32_t) (w >> 44), (uint32_t) (w >> 30) & 0x3fff, (uint32_t) w & SEQ_MASK };
}
static uint64_t counter_word(uint32_t count, uint32_t slot, uint32_t seq) {
        return (uint64_t) count << 44 | (uint64_t) (slot + 1) << 30 | seq;
}
static struct holding holding_of(uint64_t w) {
        return (struct holding){ (enum lease_state)(w >> 62), (uint32_t) (w >> 30) & 0xffff, (uint32_t) w & SEQ_MASK };
}
static uint64_t holding_word(enum lease_state state, uint32_t counter, uint32_t seq) {
        return (uint64_t) state << 62 | (uint64_t) (counter & 0xffff) << 30 | seq;
}
static uint32_t next_seq(uint32_t seq) {
        seq = (seq + 1) & SEQ_MASK;
        return seq ? seq : 1;
}

static state_word *counter_at(struct state_map *m, uint32_t counter) {
        return counter == LEASE_COUNTER_GLOBAL ? &m->h.global : &m->profiles[counter % STATE_PROFILES].inflight;
}
static state_word *holding_at(struct state_map *m, uint32_t slot, uint32_t counter) {
        struct state_lease *l = &m->leases[slot % STATE_LEASES];

        return counter == LEASE_COUNTER_GLOBAL ? &l->global : &l->profile;
}

static int lock_slot(int fd, uint32_t slot, short type) {
        struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1 };

        return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* Completes the change that the counter names. */
static void help(struct state_map *m, uint32_t counter, struct counter c) {
        state_word *w;
        uint64_t seen;
        struct holding h;

        if (c.slot1 == 0 || c.slot1 > STATE_LEASES)
                return;
        w = holding_at(m, c.slot1 - 1, counter);
        seen = atomic_load(w);
        h = holding_of(seen);
        if (h.seq != c.seq)
                return;
        if (h.state == LEASE_PLUS)
                atomic_compare_exchange_strong(w, &seen, holding_word(LEASE_HELD, h.counter, h.seq));
        else if (h.state == LEASE_MINUS)
                atomic_compare_exchange_strong(w, &seen, holding_word(LEASE_FREE, h.counter, h.seq));
}

/* Step 2 of taking one away, and step 3: the slot word says MINUS seq, and the counter does not name it yet. */
static void subtract(struct state_map *m, uint32_t counter, uint32_t slot, uint32_t seq) {
        state_word *word = counter_at(m, counter), *w = holding_at(m, slot, counter);
        uint64_t seen = atomic_load(word), mine = holding_word(LEASE_MINUS, counter, seq);

        for (unsigned i = 0; i < TRIES; i++) {
                struct counter c = counter_of(seen);

                help(m, counter, c);
                if (atomic_compare_exchange_weak(word, &seen, counter_word(c.count ? c.count - 1 : 0, slot, seq)))
                        break;
        }
        atomic_compare_exchange_strong(w, &mine, holding_word(LEASE_FREE, counter, seq));
}

/* Frees what the slot holds in one kind of counter. The caller owns the slot (its lock), so nobody else changes its
 * words except by completing them. */
static void give_back(struct state_map *m, uint32_t slot, bool global) {
        state_word *w = holding_at(m, slot, global ? LEASE_COUNTER_GLOBAL : 0);

        for (unsigned i = 0; i < TRIES; i++) {
                uint64_t seen = atomic_load(w);
                struct holding h = holding_of(seen);
                uint32_t counter = global ? LEASE_COUNTER_GLOBAL : h.counter, seq;
                struct counter c = counter_of(atomic_load(counter_at(m, counter)));
                bool named = c.slot1 == slot + 1 && c.seq == h.seq;

                switch (h.state) {
                case LEASE_FREE:
                        return;
                case LEASE_PLUS: /* begun: it counts only if the counter says so */
                        if (atomic_compare_exchange_strong(
                                    w, &seen, holding_word(named ? LEASE_HELD : LEASE_FREE, h.counter, h.seq)) &&
                            !named)
                                return;
                        break;
                case LEASE_HELD:
                        seq = next_seq(h.seq);
                        if (!atomic_compare_exchange_strong(w, &seen, holding_word(LEASE_MINUS, h.counter, seq)))
                                break;
                        subtract(m, counter, slot, seq);
                        return;
                case LEASE_MINUS:
                        if (named)
                                atomic_compare_exchange_strong(w, &seen, holding_word(LEASE_FREE, h.counter, h.seq));
                        else if (holding_of(atomic_load(w)).state == LEASE_MINUS)
                                subtract(m, counter, slot, h.seq);
                        break;
                }
        }
}

/* Makes a slot whose lock we hold as good as new. */
static void clean_slot(struct state_map *m, uint32_t slot) {
        struct state_lease *l = &m->leases[slot];

        give_back(m, slot, true);
        give_back(m, slot, false);
        state_set(&l->active_ms, 0);
        state_set(&l->requests, 0);
        state_set(&l->who, 0);
        state_set(&l->last, 0);
        state_set(&l->route, 0);
        state_set(&l->verdict, 0);
        atomic_store_explicit(&l->owner, 0, memory_order_release);
}

static void raise_high_water(struct state_map *m, uint32_t slot) {
        uint64_t seen = state_get(&m->h.high_water);

        while (seen <= slot && !atomic_compare_exchange_weak(&m->h.high_water, &seen, (uint64_t) slot + 1))
                ;
}

int lease_take(struct state *s) {
        struct state_map *m = s->map;

        if (s->lease >= 0)
                return 0;
        if (!m)
                return -ENOSPC;
        /*
         * First the slots that look free, lowest first so that scans stay short; then those whose owner may have died
         * between two requests; last those in which a request died, of which the companion has yet to speak.
         */
        for (int pass = 0; pass < 3; pass++)
                for (uint32_t i = 0; i < STATE_LEASES; i++) {
                        struct state_lease *l = &m->leases[i];

                        if ((state_get(&l->owner) == 0 ? 0 : state_get(&l->active_ms) == 0 ? 1 : 2) != pass)
                                continue;
                        if (lock_slot(s->lock_fd, i, F_WRLCK) < 0)
                                continue;
                        raise_high_water(m, i);
                        clean_slot(m, i);
                        state_set(&l->generation, 0);
                        state_set(&l->connected_ms, state_now_ms());
                        memset(l->client, 0, sizeof(l->client));
                        atomic_store_explicit(&l->owner, (uint64_t) getpid(), memory_order_release);
                        s->lease = (int) i;
                        return 0;
                }
        return -ENOSPC;
}

void lease_drop(struct state *s) {
        if (s->lease < 0)
                return;
        clean_slot(s->map, (uint32_t) s->lease);
        lock_slot(s->lock_fd, (uint32_t) s->lease, F_UNLCK);
        s->lease = -1;
}

/* Behind the slots' bytes and the companion's. */
static uint32_t turn_byte(uint64_t hash) {
        return 1u << 21 | (uint32_t) (hash % LEASE_TURNS);
}

int lease_take_turn(struct state *s, uint64_t hash, uint64_t wait_ns) {
        uint64_t deadline = deadline_in(wait_ns);

        for (uint64_t pause = NSEC_PER_MSEC;; pause = pause < 16 * NSEC_PER_MSEC ? pause * 2 : pause) {
                struct timespec ts = { .tv_nsec = (long) pause };
                int r = lock_slot(s->lock_fd, turn_byte(hash), F_WRLCK);

                if (r != -EAGAIN && r != -EACCES)
                        return r;
                if (now_ns() >= deadline)
                        return -ETIMEDOUT;
                (void) nanosleep(&ts, NULL);
        }
}

void lease_end_turn(struct state *s, uint64_t hash) {
        (void) lock_slot(s->lock_fd, turn_byte(hash), F_UNLCK);
}

bool lease_alive(const struct state *s, uint32_t slot) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1 };

        if (s->lease >= 0 && (uint32_t) s->lease == slot)
                return true;
        return fcntl(s->lock_fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

/* Cleans the slot if its owner is gone. */
static bool reap_slot(struct state *s, uint32_t slot, void (*visit)(const struct state_lease *l, void *arg),
                      void *arg) {
        struct state_lease *l = &s->map->leases[slot];
        bool was_active;

        if ((s->lease >= 0 && (uint32_t) s->lease == slot) || lock_slot(s->lock_fd, slot, F_WRLCK) < 0)
                return false;
        was_active = state_get(&l->owner) != 0 && state_get(&l->active_ms) != 0;
        if (was_active && visit)
                visit(l, arg);
        clean_slot(s->map, slot);
        lock_slot(s->lock_fd, slot, F_UNLCK);
        return was_active;
}

static uint32_t high_water(const struct state_map *m) {
        uint64_t n = state_get(&m->h.high_water);

        return n > STATE_LEASES ? STATE_LEASES : (uint32_t) n;
}

unsigned lease_reap(struct state *s, void (*visit)(const struct state_lease *l, void *arg), void *arg) {
        unsigned n = 0;

        for (uint32_t i = 0, end = high_water(s->map); i < end; i++) {
                struct state_lease *l = &s->map->leases[i];

                if (state_get(&l->owner) != 0 || holding_of(atomic_load(&l->global)).state != LEASE_FREE ||
                    holding_of(atomic_load(&l->profile)).state != LEASE_FREE)
                        n += reap_slot(s, i, visit, arg);
        }
        return n;
}

/* Dead holders of one counter only: what stands between a request and its admission. */
static void reap_counter(struct state *s, uint32_t counter) {
        for (uint32_t i = 0, end = high_water(s->map); i < end; i++) {
                struct holding h = holding_of(atomic_load(holding_at(s->map, i, counter)));

                /* The request that died in it is for the companion to count: it reaps what is still marked active. */
                if (h.state == LEASE_FREE || (counter != LEASE_COUNTER_GLOBAL && h.counter != counter) ||
                    (s->lease >= 0 && (uint32_t) s->lease == i) || lock_slot(s->lock_fd, i, F_WRLCK) < 0)
                        continue;
                give_back(s->map, i, counter == LEASE_COUNTER_GLOBAL);
                lock_slot(s->lock_fd, i, F_UNLCK);
        }
}

bool lease_acquire(struct state *s, uint32_t counter, uint32_t limit, bool always, uint32_t *ret_count) {
        struct state_map *m = s->map;
        uint32_t slot = (uint32_t) s->lease;
        state_word *word = counter_at(m, counter), *w = holding_at(m, slot, counter);
        uint32_t seq = next_seq(holding_of(atomic_load(w)).seq);
        uint64_t seen, mine = holding_word(LEASE_PLUS, counter, seq);
        bool reaped = false;

        atomic_store(w, mine);
        seen = atomic_load(word);
        for (unsigned i = 0;; i++) {
                struct counter c = counter_of(seen);

                help(m, counter, c);
                if (c.count >= limit && !reaped) {
                        reap_counter(s, counter);
                        reaped = true;
                        seen = atomic_load(word);
                        continue;
                }
                if ((c.count >= limit && !always) || c.count >= (1u << 20) - 1 || i >= TRIES) {
                        atomic_store(w, holding_word(LEASE_FREE, counter, seq));
                        *ret_count = c.count;
                        return false;
                }
                if (atomic_compare_exchange_weak(word, &seen, counter_word(c.count + 1, slot, seq))) {
                        *ret_count = c.count + 1;
                        break;
                }
        }
        atomic_compare_exchange_strong(w, &mine, holding_word(LEASE_HELD, counter, seq));
        return true;
}

bool lease_is_full(struct state *s, uint32_t counter, uint32_t limit) {
        state_word *word = counter_at(s->map, counter);

        if (lease_count(atomic_load(word)) < limit)
                return false;
        reap_counter(s, counter);
        return lease_count(atomic_load(word)) >= limit;
}

void lease_release(struct state *s, uint32_t counter) {
        if (s->lease >= 0)
                give_back(s->map, (uint32_t) s->lease, counter == LEASE_COUNTER_GLOBAL);
}

int lease_audit(struct state *s, uint32_t counter) {
        struct state_map *m = s->map;
        state_word *word = counter_at(m, counter);

        for (int attempt = 0; attempt < 3; attempt++) {
                uint64_t seen = atomic_load(word);
                struct counter c = counter_of(seen);
                uint32_t held = 0;

                for (uint32_t i = 0; i < STATE_LEASES; i++) {
                        struct holding h = holding_of(atomic_load(holding_at(m, i, counter)));
                        bool named = c.slot1 == i + 1 && c.seq == h.seq;

                        if (counter != LEASE_COUNTER_GLOBAL && h.counter != counter)
                                continue;
                        held += h.state == LEASE_HELD || (h.state == LEASE_PLUS && named) ||
                                (h.state == LEASE_MINUS && !named);
                }
                if (atomic_load(word) != seen)
                        continue;
                if (held == c.count)
                        return 0;
                if (atomic_compare_exchange_strong(word, &seen, (uint64_t) held << 44 | (seen & ((1ull << 44) - 1))))
                        return 1;
        }
        return -EAGAIN;
}
