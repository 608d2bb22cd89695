/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/verb.h"
#include "ctl/view.h"

/* sockguard-ctl top: the connections of this moment, the longest-running request first, again every few seconds. */

enum { FLAG_DIR, FLAG_DELAY, FLAG_COUNT };

static const struct verb_flag flags[] = {
        [FLAG_DIR] = { .name = "runtime-dir", .value = "DIR", .help = "of the companion (default /run/sockguard)" },
        [FLAG_DELAY] = { .name = "delay", .letter = 'd', .value = "SECONDS", .help = "between two looks (default 2)" },
        [FLAG_COUNT] = { .name = "iterations", .letter = 'n', .value = "N", .help = "end after N looks (default: on Ctrl-C)" },
};

struct row {
        uint64_t pid, active_ms, connected_ms, requests, who, last, route;
        char client[32];
};

/* Running ones first, the oldest on top; then by what they have asked for. */
static int by_weight(const void *a, const void *b) {
        const struct row *x = a, *y = b;

        if ((x->active_ms != 0) != (y->active_ms != 0))
                return x->active_ms != 0 ? -1 : 1;
        if (x->active_ms != y->active_ms)
                return x->active_ms < y->active_ms ? -1 : 1;
        return x->requests > y->requests ? -1 : x->requests < y->requests;
}

static size_t collect(const struct state_map *m, struct row *rows) {
        uint64_t high = state_get(&m->h.high_water);
        size_t n = 0;

        for (uint64_t i = 0; i < high && i < STATE_LEASES; i++) {
                const struct state_lease *l = &m->leases[i];
                struct row *r = &rows[n];

                r->pid = state_get(&l->owner);
                if (r->pid == 0)
                        continue;
                r->active_ms = state_get(&l->active_ms);
                r->connected_ms = state_get(&l->connected_ms);
                r->requests = state_get(&l->requests);
                r->who = state_get(&l->who);
                r->last = state_get(&l->last);
                r->route = state_get(&l->route);
                view_text(r->client, sizeof(r->client), slice_make(l->client, strnlen(l->client, sizeof(l->client))));
                n++;
        }
        qsort(rows, n, sizeof(*rows), by_weight);
        return n;
}

static void print_rows(const struct state_map *m, const struct row *rows, size_t n, size_t most) {
        uint64_t now = state_now_ms();

        printf("%8s %7s %-22s %-16s %-12s %8s %8s %9s %-11s %s\n", "PID", "UID", "CLIENT", "PROFILE", "LISTENER", "AGE", "REQUESTS", "RUNNING",
               "LAST", "ROUTE");
        for (size_t i = 0; i < n && i < most; i++) {
                const struct row *r = &rows[i];
                uint32_t uid = (uint32_t) (r->who >> 32);
                char profile[VIEW_NAME], listener[VIEW_NAME], route[VIEW_NAME], age[VIEW_NAME], running[VIEW_NAME], user[16], last[24];

                snprintf(user, sizeof(user), uid == UINT32_MAX ? "-" : "%u", uid);
                snprintf(last, sizeof(last), r->requests ? "%u %s" : "-", (unsigned) (r->last >> 8) % 1000, view_decision(r->last & 0xff));
                printf("%8llu %7s %-22.22s %-16.16s %-12.12s %8s %8llu %9s %-11.11s %s %s\n", (unsigned long long) r->pid, user, r->client,
                       view_profile(m, (uint32_t) (r->who >> 8) & 0xffff, profile), view_listener(m, (uint32_t) (r->who & 0xff), listener),
                       view_age(age, now - r->connected_ms), (unsigned long long) r->requests,
                       r->active_ms ? view_age(running, now - r->active_ms) : "-", last, r->requests ? view_method((uint32_t) (r->route >> 16)) : "",
                       r->requests ? view_route(m, (uint32_t) (r->route & 0xffff), route) : "");
        }
        if (n > most)
                printf("... and %zu more\n", n - most);
}

static void print_rates(const struct view_totals *now, const struct view_totals *before, double seconds) {
        printf("sockguard: %llu connections, %llu running;", (unsigned long long) now->connections, (unsigned long long) now->active);
        for (int i = 0; i < 4; i++)
                printf(" %s %.1f/s", view_decision((uint64_t) i), seconds > 0 ? (double) (now->decisions[i] - before->decisions[i]) / seconds : 0.0);
        putchar('\n');
}

static size_t screen_rows(void) {
        struct winsize w;

        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 5 ? w.ws_row - 4u : 1000;
}

static void pause_for(double seconds) {
        struct timespec ts = { .tv_sec = (time_t) seconds, .tv_nsec = (long) ((seconds - (double) (time_t) seconds) * 1e9) };

        (void) nanosleep(&ts, NULL);
}

static int run(const struct verb_args *args) {
        const char *dir = args->value[FLAG_DIR] ? args->value[FLAG_DIR] : "/run/sockguard";
        double delay = args->value[FLAG_DELAY] ? strtod(args->value[FLAG_DELAY], NULL) : 2;
        long count = args->value[FLAG_COUNT] ? strtol(args->value[FLAG_COUNT], NULL, 10) : -1;
        static struct row rows[STATE_LEASES];
        struct view_totals before, now;
        bool tty = isatty(STDOUT_FILENO);
        uint64_t since = now_ns();
        struct state s;

        if (!(delay >= 0.1 && delay <= 3600))
                return verb_fail("--delay is between 0.1 and 3600 seconds");
        if (args->value[FLAG_COUNT] && count < 1)
                return verb_fail("--iterations is at least 1");
        if (view_attach(dir, &s) != 0)
                return 1;
        view_totals(s.map, &before);
        for (long i = 0; count < 0 || i < count; i++) {
                uint64_t at;

                if (i > 0)
                        pause_for(delay);
                if (state_retired(&s)) {
                        state_detach(&s);
                        if (view_attach(dir, &s) != 0)
                                return 1;
                }
                at = now_ns();
                view_totals(s.map, &now);
                if (tty)
                        fputs("\033[H\033[J", stdout);
                else if (i > 0)
                        putchar('\n');
                print_rates(&now, &before, (double) (at - since) / 1e9);
                print_rows(s.map, rows, collect(s.map, rows), tty ? screen_rows() : STATE_LEASES);
                fflush(stdout);
                before = now;
                since = at;
        }
        state_detach(&s);
        return 0;
}

const struct verb verb_top = {
        .name = "top", .summary = "the connections of this moment, live", VERB_FLAGS(flags), .run = run
};
