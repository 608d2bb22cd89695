/* SPDX-License-Identifier: Apache-2.0 */
#include "limits/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "limits/lease.h"

_Static_assert(sizeof(struct state_profile) % 64 == 0, "slots of profiles share no cache line");
_Static_assert(sizeof(struct state_histogram) == 128, "a histogram is two cache lines");
_Static_assert(sizeof(struct state_lease) == 320, "a lease is five cache lines");
_Static_assert(REASON_MAX_ < STATE_REASONS, "every reason code has a counter");
_Static_assert(sizeof(struct state_route) == 128 && sizeof(struct state_name) == 128, "names are two cache lines");

#define COMPANION_LOCK_BYTE (1u << 20) /* of `leases`; above every slot's */

uint64_t state_hash(struct slice s) {
        uint64_t h = 0xcbf29ce484222325u;

        for (size_t i = 0; i < s.len; i++)
                h = (h ^ (unsigned char) s.at[i]) * 0x100000001b3u;
        return h ? h : 1;
}

uint64_t state_now_ms(void) {
        return clock_ns(CLOCK_BOOTTIME) / NSEC_PER_MSEC;
}

/* Numbers of reason codes and sizes of tables are in the file: a build with others must not read it. */
static uint64_t fingerprint(void) {
        uint64_t h = sizeof(struct state_map) * 0x9e3779b97f4a7c15u ^ offsetof(struct state_map, leases);

        for (int i = 0; i < REASON_MAX_; i++)
                h = (h ^ state_hash(reason_name((enum reason_code) i))) * 0x100000001b3u;
        return h;
}

static uint64_t header_checksum(const struct state_header *h) {
        return state_hash(slice_make((const char *) h, offsetof(struct state_header, checksum)));
}

static int boot_id(uint8_t ret[16]) {
        char text[64];
        ssize_t n;
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

        memset(ret, 0, 16);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text));
        close(fd);
        for (ssize_t i = 0, at = 0; i < n && at < 32; i++) {
                char c = text[i];
                int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

                if (v < 0)
                        continue;
                ret[at / 2] = (uint8_t) (ret[at / 2] << 4 | v);
                at++;
        }
        return 0;
}

static int path_in(char *ret, size_t room, const char *dir, const char *name, struct error *e) {
        int n = snprintf(ret, room, "%s/%s", dir, name);

        return n < 0 || (size_t) n >= room
                       ? error_set(e, -ENAMETOOLONG, "runtime directory %s: the name is too long", dir)
                       : 0;
}

/* Is the mapped file one of ours, of this build and this boot? */
static int header_check(const struct state_header *h, uint64_t size, struct error *e, const char *path) {

        if (memcmp(h->magic, STATE_MAGIC, sizeof(h->magic)) != 0)
                return error_set(e, -EBADMSG, "%s is not a state file", path);
        if (h->layout != STATE_LAYOUT || h->header_size != sizeof(struct state_header) || h->size != size ||
            h->fingerprint != fingerprint())
                return error_set(e, -EBADMSG, "%s was written by another version of sockguard-ctl", path);
        if (h->checksum != header_checksum(h))
                return error_set(e, -EBADMSG, "%s is damaged: its header does not match its checksum", path);
        /* The cheap half of the question; the companion asks the other half (same_boot) before it adopts a file. To a
         * filter an older boot's numbers could only refuse more: no clock goes forward in them, and their owners hold
         * no locks. */
        if (h->created_boot_ms > state_now_ms())
                return error_set(e, -EBADMSG, "%s was written before this boot", path);
        return 0;
}

bool state_is_intact(const struct state_map *m) {
        return memcmp(m->h.magic, STATE_MAGIC, sizeof(m->h.magic)) == 0 && m->h.layout == STATE_LAYOUT &&
               m->h.checksum == header_checksum(&m->h);
}

static bool same_boot(const struct state_header *h) {
        uint8_t boot[16];

        return boot_id(boot) < 0 || memcmp(boot, h->boot_id, 16) == 0;
}

static int map_file(int fd, const char *path, struct state_map **ret, struct error *e) {
        struct stat st;
        void *at;
        int r;

        if (fstat(fd, &st) < 0)
                return error_errno(e, -errno, "cannot stat %s", path);
        if (!S_ISREG(st.st_mode) || st.st_size != (off_t) sizeof(struct state_map))
                return error_set(e, -EBADMSG, "%s has %lld bytes, a state file has %zu", path, (long long) st.st_size,
                                 sizeof(struct state_map));
        at = mmap(NULL, sizeof(struct state_map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED)
                return error_errno(e, -errno, "cannot map %s", path);
        r = header_check(&((struct state_map *) at)->h, (uint64_t) st.st_size, e, path);
        if (r < 0) {
                munmap(at, sizeof(struct state_map));
                return r;
        }
        *ret = at;
        return 0;
}

static void state_init(struct state *s, const char *dir) {
        *s = (struct state){ .lock_fd = -1, .lease = -1 };
        snprintf(s->dir, sizeof(s->dir), "%s", dir);
}

int state_attach(const char *dir, struct state *ret, struct error *e) {
        struct state_map *map = NULL;
        char path[300];
        int fd, r;

        state_init(ret, dir);
        if (strlen(dir) >= sizeof(ret->dir))
                return error_set(e, -ENAMETOOLONG, "runtime directory %s: the name is too long", dir);
        r = path_in(path, sizeof(path), dir, "state", e);
        if (r < 0)
                return r;
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return error_errno(e, -errno, "cannot open %s", path);
        r = map_file(fd, path, &map, e);
        close(fd);
        if (r < 0)
                return r;

        ret->map = map;
        return state_attach_forked(ret, e);
}

int state_attach_forked(struct state *s, struct error *e) {
        char path[300];
        int r;

        s->lease = s->lock_fd = -1;
        if (!s->map)
                return 0;
        r = path_in(path, sizeof(path), s->dir, "leases", e);
        if (r == 0) {
                s->lock_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
                if (s->lock_fd < 0)
                        r = error_errno(e, -errno, "cannot open %s", path);
        }
        if (r < 0) {
                munmap(s->map, sizeof(struct state_map));
                s->map = NULL;
        }
        return r;
}

void state_detach(struct state *s) {
        if (s->map) {
                lease_drop(s);
                munmap(s->map, sizeof(struct state_map));
        }
        if (s->lock_fd >= 0)
                close(s->lock_fd);
        s->map = NULL;
        s->lock_fd = -1;
        s->cached_policy = NULL;
}

void state_refresh(struct state *s) {
        struct state next;
        struct error e;

        if (!state_retired(s))
                return;
        lease_drop(s);
        if (s->lock_fd >= 0)
                close(s->lock_fd);
        (void) state_attach(s->dir, &next, &e);
        next.optional = s->optional;
        *s = next;
}

/* ---- the companion's side ---- */

static int open_lock_file(const char *dir, mode_t mode, struct error *e) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = COMPANION_LOCK_BYTE, .l_len = 1 };
        char path[300];
        int fd, r = path_in(path, sizeof(path), dir, "leases", e);

        if (r < 0)
                return r;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
        if (fd < 0)
                return error_errno(e, -errno, "cannot create %s", path);
        if (fchmod(fd, mode) < 0) {
                r = error_errno(e, -errno, "cannot set the mode of %s", path);
                close(fd);
                return r;
        }
        if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
                r = errno == EAGAIN || errno == EACCES ? error_set(e, -EBUSY, "another sockguard-ctl owns %s", dir)
                                                       : error_errno(e, -errno, "cannot lock %s", path);
                close(fd);
                return r;
        }
        return fd;
}

static int write_new(const char *dir, mode_t mode, struct state_map **ret, struct error *e) {
        char path[300], temporary[300];
        struct state_map *m;
        int fd, r;

        r = path_in(path, sizeof(path), dir, "state", e);
        if (r == 0)
                r = path_in(temporary, sizeof(temporary), dir, ".state.new", e);
        if (r < 0)
                return r;
        if (unlink(temporary) < 0 && errno != ENOENT)
                return error_errno(e, -errno, "cannot remove %s", temporary);
        fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return error_errno(e, -errno, "cannot create %s", temporary);
        r = -posix_fallocate(fd, 0, sizeof(struct state_map));
        if (r == 0 && fchmod(fd, mode) < 0)
                r = -errno;
        if (r < 0) {
                r = error_errno(e, r, "cannot allocate %zu bytes for %s", sizeof(struct state_map), temporary);
                close(fd);
                unlink(temporary);
                return r;
        }
        m = mmap(NULL, sizeof(struct state_map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        r = m == MAP_FAILED ? error_errno(e, -errno, "cannot map %s", temporary) : 0;
        close(fd);
        if (r < 0) {
                unlink(temporary);
                return r;
        }
        memcpy(m->h.magic, STATE_MAGIC, sizeof(m->h.magic));
        m->h.layout = STATE_LAYOUT;
        m->h.header_size = sizeof(struct state_header);
        m->h.size = sizeof(struct state_map);
        m->h.fingerprint = fingerprint();
        boot_id(m->h.boot_id);
        m->h.created_ns = clock_ns(CLOCK_REALTIME);
        m->h.created_boot_ms = state_now_ms();
        m->h.checksum = header_checksum(&m->h);
        /* "No profile" is a profile of that name, so that whoever configures one limits the unprofiled (1.2). */
        if (state_profile_assign(m, SLICE("_anonymous"), 0) != 0)
                r = -EINVAL;
        if (r == 0 && rename(temporary, path) < 0)
                r = error_errno(e, -errno, "cannot rename %s to %s", temporary, path);
        if (r < 0) {
                munmap(m, sizeof(struct state_map));
                unlink(temporary);
                return r;
        }
        *ret = m;
        return 0;
}

/* Marks the file under the name as no longer the one, as far as it can be mapped at all. */
static void retire_old(int fd) {
        struct stat st;
        struct state_map *m;

        if (fstat(fd, &st) < 0 || st.st_size != (off_t) sizeof(struct state_map))
                return;
        m = mmap(NULL, sizeof(struct state_map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (m == MAP_FAILED)
                return;
        state_set(&m->h.retired, 1);
        munmap(m, sizeof(struct state_map));
}

int state_create(const char *dir, mode_t mode, struct state *ret, bool *ret_adopted, struct error *e) {
        struct error why = { "" };
        char path[300];
        int fd, r, lock_fd;

        *ret_adopted = false;
        state_init(ret, dir);
        if (strlen(dir) >= sizeof(ret->dir))
                return error_set(e, -ENAMETOOLONG, "runtime directory %s: the name is too long", dir);
        r = path_in(path, sizeof(path), dir, "state", e);
        if (r < 0)
                return r;
        lock_fd = open_lock_file(dir, mode, e);
        if (lock_fd < 0)
                return lock_fd;

        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0) {
                r = map_file(fd, path, &ret->map, &why);
                if (r == 0 && fchmod(fd, mode) < 0)
                        r = -errno;
                if (r == 0 && (state_get(&ret->map->h.retired) != 0 || !same_boot(&ret->map->h))) {
                        munmap(ret->map, sizeof(struct state_map));
                        ret->map = NULL;
                        r = error_set(&why, -EBADMSG, "%s was retired, or written before this boot", path);
                }
                if (r == 0)
                        *ret_adopted = true;
                else
                        retire_old(fd);
                close(fd);
        } else {
                r = error_errno(&why, -errno, "cannot open %s", path);
                if (r == -ENOENT)
                        why.text[0] = '\0';
        }
        if (!*ret_adopted)
                r = write_new(dir, mode, &ret->map, e);
        if (r < 0) {
                close(lock_fd);
                return r;
        }
        if (e)
                *e = why;
        ret->lock_fd = lock_fd;
        return 0;
}

/* ---- names ---- */

/* Both kinds of name slots begin alike; `n` slots of `size` bytes. */
struct name_slot {
        state_word name_hash;
        uint32_t name_len, other;
        char name[];
};

static const struct name_slot *slot_at(const void *table, size_t size, uint32_t i) {
        return (const struct name_slot *) ((const char *) table + size * i);
}

static bool slot_is(const struct name_slot *s, size_t room, struct slice name, uint64_t hash) {
        uint32_t len = s->name_len;

        if (atomic_load_explicit(&s->name_hash, memory_order_acquire) != hash)
                return false;
        if (name.len > room)
                name.len = room;
        return len == name.len && memcmp(s->name, name.at, len) == 0;
}

static uint32_t name_find(const void *table, size_t size, uint32_t n, size_t room, struct slice name, bool *ret_found) {
        uint64_t hash = state_hash(name);

        *ret_found = true;
        for (uint32_t i = 0; i < n; i++)
                if (slot_is(slot_at(table, size, i), room, name, hash))
                        return i;
        *ret_found = false;
        return 0;
}

static void name_write(void *table, size_t size, uint32_t i, size_t room, struct slice name) {
        struct name_slot *s = (struct name_slot *) ((char *) table + size * i);

        state_set(&s->name_hash, 0);
        s->name_len = (uint32_t) (name.len > room ? room : name.len);
        memset(s->name, 0, room);
        memcpy(s->name, name.at, s->name_len);
        atomic_store_explicit(&s->name_hash, state_hash(name), memory_order_release);
}

#define NAMES(m, table) (m)->table, sizeof((m)->table[0])
#define NAME_ROOM(type) sizeof(((struct type *) 0)->name)

uint32_t state_profile_slot(const struct state_map *m, struct slice name) {
        bool found;

        return name_find(NAMES(m, profiles), STATE_PROFILES, NAME_ROOM(state_profile), name, &found);
}

uint32_t state_listener_slot(const struct state_map *m, struct slice name) {
        bool found;

        return name_find(NAMES(m, listeners), STATE_LISTENERS, NAME_ROOM(state_name), name, &found);
}

/* Can nobody use the slot any more? No live filter runs a policy as old as the last one that had the profile. */
static bool profile_unused(const struct state_map *m, uint32_t slot, uint32_t generation) {
        const struct state_profile *p = &m->profiles[slot];
        uint64_t high = state_get(&m->h.high_water);

        if (p->last_used >= generation || lease_count(state_get(&p->inflight)) != 0)
                return false;
        for (uint64_t i = 0; i < high && i < STATE_LEASES; i++)
                if (state_get(&m->leases[i].owner) != 0 && state_get(&m->leases[i].generation) <= p->last_used)
                        return false;
        return true;
}

int state_profile_assign(struct state_map *m, struct slice name, uint32_t generation) {
        bool found;
        uint32_t slot = name_find(NAMES(m, profiles), STATE_PROFILES, NAME_ROOM(state_profile), name, &found);

        for (uint32_t i = 0; !found && i < STATE_PROFILES; i++)
                if (state_get(&m->profiles[i].name_hash) == 0) {
                        slot = i;
                        found = true;
                        name_write(NAMES(m, profiles), i, NAME_ROOM(state_profile), name);
                }
        for (uint32_t i = 1; !found && i < STATE_PROFILES; i++)
                if (profile_unused(m, i, generation)) {
                        struct state_profile *p = &m->profiles[i];

                        slot = i;
                        found = true;
                        name_write(NAMES(m, profiles), i, NAME_ROOM(state_profile), name);
                        state_set(&p->bucket, 0);
                        state_set(&p->admitted, 0);
                        for (int g = 0; g < GATE_MAX_; g++)
                                state_set(&p->throttled_ms[g], 0);
                }
        if (!found)
                return -ENOSPC;
        m->profiles[slot].last_used = generation;
        return (int) slot;
}

void state_profile_restore(struct state_map *m, uint32_t slot, struct slice name) {
        if (!slot_is(slot_at(NAMES(m, profiles), slot), NAME_ROOM(state_profile), name, state_hash(name)))
                name_write(NAMES(m, profiles), slot, NAME_ROOM(state_profile), name);
}

int state_listener_assign(struct state_map *m, struct slice name) {
        bool found;
        uint32_t slot = name_find(NAMES(m, listeners), STATE_LISTENERS, NAME_ROOM(state_name), name, &found);

        for (uint32_t i = 1; !found && i < STATE_LISTENERS; i++)
                if (state_get(&m->listeners[i].name_hash) == 0) {
                        slot = i;
                        found = true;
                        name_write(NAMES(m, listeners), i, NAME_ROOM(state_name), name);
                }
        return found ? (int) slot : -ENOSPC;
}

/* ---- routes ---- */

uint32_t state_route_slot(struct state_map *m, struct slice text) {
        uint64_t hash = state_hash(text);

        if (text.len == 0 || text.len >= sizeof(m->routes[0].text))
                return 0;
        for (uint32_t probe = 0, i = (uint32_t) hash; probe < 32; probe++, i++) {
                struct state_route *r = &m->routes[1 + i % (STATE_ROUTES - 1)];
                uint64_t seen = atomic_load_explicit(&r->hash, memory_order_acquire);

                if (seen == 0 && atomic_compare_exchange_strong(&r->hash, &seen, hash))
                        seen = hash;
                if (seen != hash)
                        continue;
                /* Whoever claimed the slot may have died before the text was whole; everybody would write the same. */
                if (memcmp(r->text, text.at, text.len) != 0 || r->text[text.len] != '\0') {
                        memcpy(r->text, text.at, text.len);
                        r->text[text.len] = '\0';
                }
                return 1 + i % (STATE_ROUTES - 1);
        }
        return 0;
}

struct slice state_route_text(const struct state_map *m, uint32_t slot, char buffer[128]) {
        struct slice s = { buffer, 0 };

        if (slot == 0 || slot >= STATE_ROUTES)
                return SLICE("{other}");
        memcpy(buffer, m->routes[slot].text, sizeof(m->routes[0].text));
        buffer[sizeof(m->routes[0].text)] = '\0';
        s.len = strlen(buffer);
        return state_hash(s) == state_get(&m->routes[slot].hash) ? s : SLICE("{other}");
}
