/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/view.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/verb.h"

char *view_text(char *to, size_t room, struct slice s) {
        size_t n = s.len < room - 1 ? s.len : room - 1;

        for (size_t i = 0; i < n; i++)
                to[i] = s.at[i] >= ' ' && s.at[i] <= '~' ? s.at[i] : '?';
        to[n] = '\0';
        return to;
}

static struct slice bounded(const char *at, uint32_t len, size_t room) {
        return slice_make(at, len < room ? len : room);
}

char *view_profile(const struct state_map *m, uint32_t slot, char to[VIEW_NAME]) {
        const struct state_profile *p = &m->profiles[slot % STATE_PROFILES];

        return view_text(to, VIEW_NAME, slot == 0 ? SLICE("-") : bounded(p->name, p->name_len, sizeof(p->name)));
}

char *view_listener(const struct state_map *m, uint32_t slot, char to[VIEW_NAME]) {
        const struct state_name *l = &m->listeners[slot % STATE_LISTENERS];

        return view_text(to, VIEW_NAME,
                         slot == 0 || slot >= STATE_LISTENERS ? SLICE("-")
                                                              : bounded(l->name, l->name_len, sizeof(l->name)));
}

char *view_route(const struct state_map *m, uint32_t slot, char to[VIEW_NAME]) {
        char text[128];

        return view_text(to, VIEW_NAME, state_route_text(m, slot, text));
}

const char *view_method(uint32_t method) {
        static const char *const names[] = { "GET",   "HEAD",    "POST",    "PUT",  "DELETE",
                                             "PATCH", "OPTIONS", "CONNECT", "TRACE" };

        return method < sizeof(names) / sizeof(names[0]) ? names[method] : "OTHER";
}

const char *view_decision(uint64_t decision) {
        static const char *const names[] = { "allow", "deny", "would_deny", "error" };

        return names[decision & 3];
}

unsigned view_width(void) {
        const char *columns = getenv("COLUMNS");
        struct winsize w;
        uint64_t n;

        if (!isatty(STDOUT_FILENO))
                return 0;
        if (columns && slice_parse_u64(slice_of(columns), &n) == 0 && n > 0 && n < 10000)
                return (unsigned) n;
        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

void view_line(FILE *out, unsigned width, struct slice text) {
        bool cut = width > 1 && text.len > width;

        text = slice_upto(text, cut ? width - 1 : text.len);
        while (!cut && text.len && text.at[text.len - 1] == ' ')
                text.len--;
        fprintf(out, "%.*s%s\n", SLICE_ARG(text), cut ? ">" : "");
}

char *view_age(char to[VIEW_NAME], uint64_t ms) {
        uint64_t s = ms / 1000;

        if (s < 60)
                snprintf(to, VIEW_NAME, "%llus", (unsigned long long) s);
        else if (s < 3600)
                snprintf(to, VIEW_NAME, "%llum%llus", (unsigned long long) (s / 60), (unsigned long long) (s % 60));
        else if (s < 86400)
                snprintf(to, VIEW_NAME, "%lluh%llum", (unsigned long long) (s / 3600),
                         (unsigned long long) (s / 60 % 60));
        else
                snprintf(to, VIEW_NAME, "%llud%lluh", (unsigned long long) (s / 86400),
                         (unsigned long long) (s / 3600 % 24));
        return to;
}

void view_totals(const struct state_map *m, struct view_totals *ret) {
        uint64_t high = state_get(&m->h.high_water);

        *ret = (struct view_totals){ 0 };
        for (int i = 0; i < 4; i++)
                ret->decisions[i] = state_get(&m->h.decisions[i]);
        for (uint64_t i = 0; i < high && i < STATE_LEASES; i++)
                if (state_get(&m->leases[i].owner)) {
                        ret->connections++;
                        ret->active += state_get(&m->leases[i].active_ms) != 0;
                }
}

int view_attach(const char *dir, struct state *ret) {
        struct error e;

        if (state_attach(dir, ret, &e) == 0)
                return 0;
        (void) verb_fail("%s; is `sockguard-ctl run` running there?", e.text);
        return 1;
}
