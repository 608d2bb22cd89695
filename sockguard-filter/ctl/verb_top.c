/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/verb.h"
#include "ctl/view.h"

/*
 * sockguard-ctl top: the connections of this moment, the longest-running request first, again every few seconds. On a
 * terminal the screen is drawn over and q ends it; elsewhere one look follows the other, so that it can be piped.
 */

enum { FLAG_DIR, FLAG_DELAY, FLAG_COUNT };

static const struct verb_flag flags[] = {
        [FLAG_DIR] = { .name = "runtime-dir", .value = "DIR", .help = "of the companion (default /run/sockguard)" },
        [FLAG_DELAY] = { .name = "delay", .letter = 'd', .value = "SECONDS", .help = "between two looks (default 2)" },
        [FLAG_COUNT] = { .name = "iterations",
                         .letter = 'n',
                         .value = "N",
                         .help = "end after N looks (default: on q or Ctrl-C)" },
};

struct row {
        uint64_t pid, active_ms, connected_ms, requests, who, last, route, verdict, caller;
        char client[48], path[112];
};

/* Running ones first, the oldest on top; then by what they have asked for. */
static int by_weight(const void *a, const void *b) {
        const struct row *x = a, *y = b;

        if ((x->active_ms != 0) != (y->active_ms != 0))
                return x->active_ms != 0 ? -1 : 1;
        if (x->active_ms != y->active_ms)
                return x->active_ms < y->active_ms ? -1 : 1;
        if (x->requests != y->requests)
                return x->requests > y->requests ? -1 : 1;
        return x->pid < y->pid ? -1 : x->pid > y->pid;
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
                r->verdict = state_get(&l->verdict);
                r->caller = state_get(&l->caller);
                view_text(r->client, sizeof(r->client), slice_make(l->client, strnlen(l->client, sizeof(l->client))));
                view_text(r->path, sizeof(r->path), slice_make(l->path, strnlen(l->path, sizeof(l->path))));
                n++;
        }
        qsort(rows, n, sizeof(*rows), by_weight);
        return n;
}

/* ---- columns ---- */

struct cell_arg {
        const struct state_map *m;
        const struct row *r;
        uint64_t now;
};

#define CELL 160u

static void cell_pid(const struct cell_arg *a, char to[CELL]) {
        snprintf(to, CELL, "%llu", (unsigned long long) a->r->pid);
}

/* Who asks: an address, or the process and user on a unix socket. */
static void cell_client(const struct cell_arg *a, char to[CELL]) {
        uint32_t uid = (uint32_t) (a->r->who >> 32), pid = (uint32_t) a->r->caller;

        if (uid == UINT32_MAX)
                snprintf(to, CELL, "%s", a->r->client);
        else
                snprintf(to, CELL, "uid %u pid %u", uid, pid);
}

static void cell_profile(const struct cell_arg *a, char to[CELL]) {
        char name[VIEW_NAME];

        snprintf(to, CELL, "%s", view_profile(a->m, (uint32_t) (a->r->who >> 8) & 0xffff, name));
}

static void cell_listener(const struct cell_arg *a, char to[CELL]) {
        char name[VIEW_NAME];

        snprintf(to, CELL, "%s", view_listener(a->m, (uint32_t) (a->r->who & 0xff), name));
}

static void put_age(uint64_t now, uint64_t since, char to[CELL]) {
        char age[VIEW_NAME];

        snprintf(to, CELL, "%s", view_age(age, now > since ? now - since : 0));
}

static void cell_age(const struct cell_arg *a, char to[CELL]) {
        put_age(a->now, a->r->connected_ms, to);
}

static void cell_requests(const struct cell_arg *a, char to[CELL]) {
        snprintf(to, CELL, "%llu", (unsigned long long) a->r->requests + (a->r->active_ms != 0));
}

static void cell_running(const struct cell_arg *a, char to[CELL]) {
        if (a->r->active_ms)
                put_age(a->now, a->r->active_ms, to);
        else
                snprintf(to, CELL, "-");
}

/* Of the running request what was decided; of the last one that, and the status. */
static void cell_verdict(const struct cell_arg *a, char to[CELL]) {
        static const char *const running[] = { "...", "allow", "deny", "would_deny" };
        const struct row *r = a->r;

        if (r->active_ms)
                snprintf(to, CELL, "%s", running[r->verdict & 3]);
        else if (r->requests)
                snprintf(to, CELL, "%s %u", view_decision(r->last & 0xff), (unsigned) (r->last >> 8) % 1000);
        else
                snprintf(to, CELL, "-");
}

static void cell_request(const struct cell_arg *a, char to[CELL]) {
        if (a->r->active_ms || a->r->requests)
                snprintf(to, CELL, "%s %s", view_method((uint32_t) (a->r->route >> 16)), a->r->path);
        else
                snprintf(to, CELL, "-");
}

static const struct column {
        const char *title;
        int width;     /* negative: to the left; 0: the rest of the line */
        unsigned from; /* shown on screens that have so many columns */
        void (*cell)(const struct cell_arg *a, char to[CELL]);
} columns[] = {
        { "PID", 7, 0, cell_pid },
        { "CLIENT", -21, 60, cell_client },
        { "PROFILE", -14, 84, cell_profile },
        { "LISTENER", -10, 120, cell_listener },
        { "AGE", 7, 100, cell_age },
        { "ASKED", 7, 72, cell_requests },
        { "RUNNING", 7, 0, cell_running },
        { "VERDICT", -14, 40, cell_verdict },
        { "REQUEST", 0, 0, cell_request },
};

#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* One line of cells; `a` NULL: the titles. */
static void print_cells(const struct cell_arg *a, unsigned width) {
        char text[1024], cell[CELL];
        size_t n = 0;

        for (size_t i = 0; i < N_COLUMNS; i++) {
                const struct column *c = &columns[i];
                int room = abs(c->width);

                if (width && width < c->from)
                        continue;
                if (a)
                        c->cell(a, cell);
                else
                        snprintf(cell, sizeof(cell), "%s", c->title);
                if (room && strlen(cell) > (size_t) room)
                        snprintf(cell + room - 1, 2, ">");
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%*s", n ? " " : "", c->width, cell);
        }
        view_line(stdout, width, slice_make(text, n));
}

/* ---- the head ---- */

static void put_line(unsigned width, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_line(unsigned width, const char *format, ...) {
        char text[512];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        view_line(stdout, width,
                  slice_make(text, n < 0                       ? 0
                                   : (size_t) n < sizeof(text) ? (size_t) n
                                                               : sizeof(text) - 1));
}

static void print_head(const struct state_map *m, const struct view_totals *now, const struct view_totals *before,
                       double seconds, unsigned width) {
        uint64_t beat = state_get(&m->h.beat_ms), clock = state_now_ms();
        double rate[4];
        char age[VIEW_NAME];

        for (int i = 0; i < 4; i++)
                rate[i] = seconds > 0 && now->decisions[i] >= before->decisions[i]
                                  ? (double) (now->decisions[i] - before->decisions[i]) / seconds
                                  : 0;
        put_line(width, "sockguard  policy %llu, %llu connections, %llu running%s%s",
                 (unsigned long long) state_get(&m->h.policy_version), (unsigned long long) now->connections,
                 (unsigned long long) now->active, clock > beat + 5000 ? "; COMPANION SILENT FOR " : "",
                 clock > beat + 5000 ? view_age(age, clock - beat) : "");
        put_line(width, "per second  %.1f allowed, %.1f denied, %.1f would be denied, %.1f errors", rate[METRIC_ALLOW],
                 rate[METRIC_DENY], rate[METRIC_WOULD_DENY], rate[METRIC_ERROR]);
        view_line(stdout, width, SLICE(""));
}

#define HEAD_LINES 5u

/* Lines for rows; 0: as many as there are. */
static unsigned screen_rows(void) {
        struct winsize w;

        if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_row == 0)
                return 0;
        return w.ws_row > HEAD_LINES + 1 ? w.ws_row - HEAD_LINES : 1;
}

/* ---- the keyboard ---- */

static struct termios saved;
static bool raw;
static volatile sig_atomic_t asked_to_end;

static void restore(void) {
        if (raw)
                (void) tcsetattr(STDIN_FILENO, TCSANOW, &saved);
        raw = false;
}

static void on_end(int number) {
        (void) number;
        asked_to_end = 1;
}

static void on_resize(int number) {
        (void) number;
}

static void take_keyboard(void) {
        struct sigaction end = { .sa_handler = on_end }, resize = { .sa_handler = on_resize };
        struct termios t;

        (void) sigaction(SIGWINCH, &resize, NULL);
        (void) sigaction(SIGINT, &end, NULL);
        (void) sigaction(SIGTERM, &end, NULL);
        if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved) < 0)
                return;
        t = saved;
        t.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        raw = tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

/* False when the user wants to leave. A key or a new size of the screen ends the wait. */
static bool wait_for(double seconds) {
        struct pollfd p = { .fd = raw ? STDIN_FILENO : -1, .events = POLLIN };
        char key;

        if (poll(&p, 1, (int) (seconds * 1000)) == 1)
                return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q';
        return !asked_to_end;
}

static void show(const struct state_map *m, const struct view_totals *now, const struct view_totals *before,
                 double seconds) {
        static struct row rows[STATE_LEASES];
        unsigned width = view_width(), room = screen_rows();
        size_t n = collect(m, rows);

        print_head(m, now, before, seconds, width);
        print_cells(NULL, width);
        for (size_t i = 0; i < n && (!room || i < room); i++)
                print_cells(&(struct cell_arg){ m, &rows[i], state_now_ms() }, width);
        if (n == 0)
                put_line(width, "        nobody is connected");
        if (room && n > room)
                put_line(width, "        and %zu more", n - room);
        fflush(stdout);
}

static int run(const struct verb_args *args) {
        const char *dir = args->value[FLAG_DIR] ? args->value[FLAG_DIR] : "/run/sockguard",
                   *d = args->value[FLAG_DELAY];
        char *end = NULL;
        double delay = d ? strtod(d, &end) : 2;
        bool tty = isatty(STDOUT_FILENO);
        struct view_totals before, now;
        uint64_t since = now_ns(), count = UINT64_MAX;
        struct state s;

        if ((d && (end == d || *end)) || !isfinite(delay) || delay < 0.1 || delay > 3600)
                return verb_fail("--delay is between 0.1 and 3600 seconds");
        if (args->value[FLAG_COUNT] && (slice_parse_u64(slice_of(args->value[FLAG_COUNT]), &count) < 0 || count < 1))
                return verb_fail("--iterations is at least 1");
        if (view_attach(dir, &s) != 0)
                return 1;
        if (tty)
                take_keyboard();
        view_totals(s.map, &before);
        for (uint64_t i = 0; i < count; i++) {
                uint64_t at;

                if (i > 0 && !wait_for(delay))
                        break;
                if (state_retired(&s)) {
                        state_detach(&s);
                        if (view_attach(dir, &s) != 0) {
                                restore();
                                return 1;
                        }
                }
                at = now_ns();
                view_totals(s.map, &now);
                if (tty)
                        fputs("\033[H\033[J", stdout);
                else if (i > 0)
                        putchar('\n');
                show(s.map, &now, &before, i > 0 ? (double) (at - since) / 1e9 : 0);
                before = now;
                since = at;
        }
        restore();
        state_detach(&s);
        return ferror(stdout) ? 1 : 0;
}

const struct verb verb_top = {
        .name = "top", .summary = "the connections of this moment, live", VERB_FLAGS(flags), .run = run
};
