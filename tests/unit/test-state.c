/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "limits/state.h"

#include <fcntl.h>
#include <unistd.h>

static char dir[64];

static void in_fresh_dir(void) {
        snprintf(dir, sizeof(dir), "/tmp/test-state-XXXXXX");
        CHECK(mkdtemp(dir));
}

static const char *file(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        return path;
}

static void gone(void) {
        unlink(file("state"));
        unlink(file("leases"));
        rmdir(dir);
}

static void a_filter_attaches_to_what_the_companion_made(void) {
        struct state ctl, f;
        struct error e;
        bool adopted;

        in_fresh_dir();
        CHECK_INT(state_attach(dir, &f, &e), -ENOENT);
        CHECK(f.map == NULL);
        CHECK_INT(state_create(dir, 0600, &ctl, &adopted, &e), 0);
        CHECK(!adopted);
        CHECK_INT(state_attach(dir, &f, &e), 0);
        state_set(&ctl.map->h.generation, 7);
        CHECK_INT(state_generation(&f), 7);
        state_detach(&f);
        state_detach(&ctl);
        gone();
}

static void there_is_one_companion_a_directory(void) {
        struct state a, b;
        struct error e;
        bool adopted;

        in_fresh_dir();
        CHECK_INT(state_create(dir, 0600, &a, &adopted, &e), 0);
        CHECK_INT(state_create(dir, 0600, &b, &adopted, &e), -EBUSY);
        state_set(&a.map->h.policy_version, 3);
        state_detach(&a);
        CHECK_INT(state_create(dir, 0600, &b, &adopted, &e), 0);
        CHECK(adopted);
        CHECK_INT(state_get(&b.map->h.policy_version), 3);
        state_detach(&b);
        gone();
}

static void a_damaged_state_is_never_trusted_and_filters_change_over(void) {
        static const struct {
                const char *what;
                off_t at;
        } rows[] = {
                { "magic", 0 },    { "layout", 8 },   { "size", 16 },     { "fingerprint", 24 },
                { "boot id", 32 }, { "created", 48 }, { "checksum", 64 },
        };
        struct state ctl, f, g;
        struct error e;
        bool adopted;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                unsigned char byte;
                int fd;

                in_fresh_dir();
                CHECK_INT(state_create(dir, 0600, &ctl, &adopted, &e), 0);
                CHECK_INT(state_attach(dir, &f, &e), 0);
                state_detach(&ctl);
                fd = open(file("state"), O_RDWR);
                CHECK_INT(pread(fd, &byte, 1, rows[i].at), 1);
                byte ^= 0x5a;
                CHECK_INT(pwrite(fd, &byte, 1, rows[i].at), 1);
                close(fd);
                CHECK_INT(state_attach(dir, &g, &e), -EBADMSG);
                CHECK(!state_retired(&f));
                CHECK_INT(state_create(dir, 0600, &ctl, &adopted, &e), 0);
                CHECK(!adopted);
                CHECK(e.text[0] != '\0');
                CHECK(state_retired(&f));
                CHECK_INT(state_attach(dir, &g, &e), 0);
                state_detach(&f);
                state_detach(&g);
                state_detach(&ctl);
                gone();
        }
}

static void a_short_or_foreign_file_is_refused_and_replaced(void) {
        struct state ctl, f;
        struct error e;
        bool adopted;
        int fd;

        in_fresh_dir();
        fd = open(file("state"), O_RDWR | O_CREAT, 0600);
        CHECK_INT(write(fd, "hello", 5), 5);
        close(fd);
        CHECK_INT(state_attach(dir, &f, &e), -EBADMSG);
        CHECK_INT(state_create(dir, 0600, &ctl, &adopted, &e), 0);
        CHECK_INT(state_attach(dir, &f, &e), 0);
        state_detach(&f);
        state_detach(&ctl);
        unlink(file("state"));
        CHECK_INT(symlink("/etc/passwd", file("state")), 0);
        CHECK(state_attach(dir, &f, &e) < 0);
        gone();
}

static void names_keep_their_slots(void) {
        struct state ctl;
        struct error e;
        bool adopted;
        char name[16];
        int slot;

        in_fresh_dir();
        CHECK_INT(state_create(dir, 0600, &ctl, &adopted, &e), 0);
        CHECK_INT(state_profile_slot(ctl.map, SLICE("_anonymous")), 0);
        slot = state_profile_assign(ctl.map, SLICE("ci"), 1);
        CHECK(slot > 0);
        CHECK_INT(state_profile_assign(ctl.map, SLICE("ci"), 2), slot);
        CHECK_INT(state_profile_slot(ctl.map, SLICE("ci")), slot);
        CHECK_INT(state_profile_slot(ctl.map, SLICE("cj")), 0);
        /* Ten thousand reloads that each rename every profile: old slots are used again, the table never fills. */
        for (uint32_t i = 0; i < 5000; i++) {
                snprintf(name, sizeof(name), "p%u", i);
                if (state_profile_assign(ctl.map, slice_of(name), 3 + i) < 0) {
                        CHECK(false);
                        break;
                }
        }
        /* But not while a living filter may still run the policy that had it. */
        atomic_store(&ctl.map->h.high_water, 1);
        atomic_store(&ctl.map->leases[0].owner, 1);
        atomic_store(&ctl.map->leases[0].generation, 1);
        for (uint32_t i = 0; i < STATE_PROFILES; i++) {
                snprintf(name, sizeof(name), "q%u", i);
                slot = state_profile_assign(ctl.map, slice_of(name), 9000);
        }
        CHECK_INT(slot, -ENOSPC);
        state_detach(&ctl);
        gone();
}

static void routes_are_interned_and_bounded(void) {
        struct state ctl;
        struct error e;
        bool adopted;
        char name[32], buffer[128];
        uint32_t slot, last = 1;

        in_fresh_dir();
        CHECK_INT(state_create(dir, 0600, &ctl, &adopted, &e), 0);
        slot = state_route_slot(ctl.map, SLICE("/containers/{id}/json"));
        CHECK(slot != 0);
        CHECK_INT(state_route_slot(ctl.map, SLICE("/containers/{id}/json")), slot);
        CHECK_STR(state_route_text(ctl.map, slot, buffer), "/containers/{id}/json");
        /* The writer died half-way: the next one finishes the text. */
        ctl.map->routes[slot].text[3] = '!';
        CHECK_STR(state_route_text(ctl.map, slot, buffer), "{other}");
        CHECK_INT(state_route_slot(ctl.map, SLICE("/containers/{id}/json")), slot);
        CHECK_STR(state_route_text(ctl.map, slot, buffer), "/containers/{id}/json");
        for (int i = 0; i < 3000; i++) {
                snprintf(name, sizeof(name), "/r%d", i);
                last = state_route_slot(ctl.map, slice_of(name));
        }
        CHECK_INT(last, 0);
        CHECK_STR(state_route_text(ctl.map, 0, buffer), "{other}");
        CHECK_STR(state_route_text(ctl.map, 1u << 20, buffer), "{other}");
        state_detach(&ctl);
        gone();
}

static void a_changed_name_is_put_back_and_a_changed_header_is_noticed(void) {
        struct state ctl;
        struct error e;
        bool adopted;
        int slot;

        in_fresh_dir();
        CHECK_INT(state_create(dir, 0600, &ctl, &adopted, &e), 0);
        slot = state_profile_assign(ctl.map, SLICE("ci"), 1);
        CHECK(slot > 0);
        state_set(&ctl.map->profiles[slot].bucket, 77);
        memcpy(ctl.map->profiles[slot].name, "xx", 2);
        CHECK_INT(state_profile_slot(ctl.map, SLICE("ci")), 0);
        state_profile_restore(ctl.map, (uint32_t) slot, SLICE("ci"));
        CHECK_INT(state_profile_slot(ctl.map, SLICE("ci")), slot);
        CHECK_INT(state_get(&ctl.map->profiles[slot].bucket), 77);
        CHECK(state_is_intact(ctl.map));
        ctl.map->h.size++;
        CHECK(!state_is_intact(ctl.map));
        state_detach(&ctl);
        gone();
}

CHECK_MAIN(CHECK_TEST(a_changed_name_is_put_back_and_a_changed_header_is_noticed),
           CHECK_TEST(a_filter_attaches_to_what_the_companion_made), CHECK_TEST(there_is_one_companion_a_directory),
           CHECK_TEST(a_damaged_state_is_never_trusted_and_filters_change_over),
           CHECK_TEST(a_short_or_foreign_file_is_refused_and_replaced), CHECK_TEST(names_keep_their_slots),
           CHECK_TEST(routes_are_interned_and_bounded))
