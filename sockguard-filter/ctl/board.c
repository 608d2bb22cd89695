/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ctl/companion.h"

/* Which listeners there are and what became of them: /health, sockguard_listener_up, status. */

const char *board_state_name(enum board_state s) {
        static const char *const names[] = { "bound", "serving", "draining", "stopped", "failed" };

        return names[s];
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const struct listener *) a)->name, ((const struct listener *) b)->name);
}

static void copy(char *to, size_t room, struct slice s) {
        if (s.len >= room)
                s.len = room - 1;
        memcpy(to, s.at, s.len);
        to[s.len] = '\0';
}

static void add(struct companion *c, struct slice name, bool admin, struct slice socket, struct slice address,
                bool tls) {
        struct listener *l;

        for (size_t i = 0; i < c->n_listeners; i++)
                if (slice_eq(slice_of(c->listeners[i].name), name)) {
                        c->listeners[i].slot = state_listener_slot(c->state.map, name);
                        return;
                }
        if (c->n_listeners == LISTENERS_MAX)
                return;
        l = &c->listeners[c->n_listeners++];
        *l = (struct listener){ .admin = admin, .tcp = socket.len == 0, .tls = tls, .fd = -1, .state = BOARD_BOUND };
        copy(l->name, sizeof(l->name), name);
        copy(l->address, sizeof(l->address), socket.len ? socket : address);
        l->slot = state_listener_slot(c->state.map, name);
}

void board_fill(struct companion *c) {
        const struct policy *p = &c->policy;
        const struct policy_listener *at = policy_list(p, p->compiled->listeners, struct policy_listener);
        const struct opt_admin *admin = &p->root->admin;

        /* Listeners are immutable over reloads: after the first policy this finds them all there. */
        for (uint32_t i = 0; i < p->compiled->listeners.n; i++)
                add(c, policy_str(p, at[i].name), false, policy_str(p, at[i].socket), policy_str(p, at[i].address),
                    at[i].tls);
        if (admin->enabled && (admin->listen.socket.len || admin->listen.address.len))
                add(c, SLICE("admin"), true, policy_str(p, admin->listen.socket), policy_str(p, admin->listen.address),
                    admin->listen.tls.cert_file.len && admin->listen.tls.key_file.len &&
                            admin->listen.tls.client_ca_file.len);
        /* Listeners keep pointers to themselves once they serve: sorted before that, by the first policy. */
        if (c->n_listeners && c->listeners[0].pool == NULL)
                qsort(c->listeners, c->n_listeners, sizeof(c->listeners[0]), by_name);
}

/* ---- whose sockets are not ours ---- */

/* Is a line of /proc/net/unix a listening socket with this path? */
static bool unix_listens(const char *path) {
        char line[512];
        FILE *f = fopen("/proc/net/unix", "re");
        bool found = false;

        if (!f)
                return false;
        while (!found && fgets(line, sizeof(line), f)) {
                unsigned long flags;
                int at = 0;

                /* Num: RefCount Protocol Flags Type St Inode Path */
                if (sscanf(line, "%*s %*s %*s %lx %*s %*s %*s %n", &flags, &at) < 1 || at == 0 || !(flags & 0x10000))
                        continue;
                line[strcspn(line, "\n")] = '\0';
                found = strcmp(line + at, path) == 0;
        }
        fclose(f);
        return found;
}

static bool tcp_listens_in(const char *table, unsigned port) {
        char line[512];
        FILE *f = fopen(table, "re");
        bool found = false;

        if (!f)
                return false;
        while (!found && fgets(line, sizeof(line), f)) {
                unsigned local, state;

                if (sscanf(line, "%*s %*[0-9A-Fa-f]:%x %*s %x", &local, &state) == 2)
                        found = local == port && state == 0x0a;
        }
        fclose(f);
        return found;
}

bool board_listens(const struct listener *l) {
        const char *colon;

        if (!l->tcp)
                return unix_listens(l->address);
        colon = strrchr(l->address, ':');
        if (!colon)
                return false;
        return tcp_listens_in("/proc/net/tcp", (unsigned) strtoul(colon + 1, NULL, 10)) ||
               tcp_listens_in("/proc/net/tcp6", (unsigned) strtoul(colon + 1, NULL, 10));
}

/*
 * A listener that a socket unit holds under another path, or in another network namespace, cannot be seen in /proc;
 * that a request came through it a moment ago says as much. Never by connecting: each attempt would start a filter.
 */
static bool heard_of(const struct companion *c, const struct listener *l) {
        uint64_t seen = state_get(&c->state.map->listeners[l->slot].seen_ms);

        return seen != 0 && state_now_ms() - seen < 60000;
}

void board_refresh(struct companion *c) {
        if (c->serve)
                return;
        for (size_t i = 0; i < c->n_listeners; i++) {
                struct listener *l = &c->listeners[i];

                l->state = board_listens(l) || (l->slot && heard_of(c, l)) ? BOARD_SERVING : BOARD_BOUND;
        }
}
