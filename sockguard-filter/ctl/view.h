/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_CTL_VIEW_H
#define SOCKGUARD_CTL_VIEW_H

#include <stdio.h>

#include "limits/metrics.h"

/*
 * The shared state as people look at it: `status` and `top`. What is in the file was written by filters, which face
 * hostile clients: every text is made printable, every number that chooses a slot is bounded.
 */

#define VIEW_NAME 64u

/* Copies at most room - 1 bytes; what is not printable ASCII becomes '?'. Returns `to`. */
char *view_text(char *to, size_t room, struct slice s);

char *view_profile(const struct state_map *m, uint32_t slot, char to[VIEW_NAME]);
char *view_listener(const struct state_map *m, uint32_t slot, char to[VIEW_NAME]);
char *view_route(const struct state_map *m, uint32_t slot, char to[VIEW_NAME]);
const char *view_method(uint32_t method);
const char *view_decision(uint64_t decision);

/* Columns of the screen that stdout is; 0 when it is none: nothing is cut then. COLUMNS overrides. */
unsigned view_width(void);

/* One line of at most `width` columns (0: no limit) to `out`, its end cut, with a line feed. The text is printable
 * ASCII. */
void view_line(FILE *out, unsigned width, struct slice text);

/* "3d4h", "12m", "5s". */
char *view_age(char to[VIEW_NAME], uint64_t ms);

struct view_totals {
        uint64_t decisions[4], connections, active;
};
void view_totals(const struct state_map *m, struct view_totals *ret);

/* Attaches read-write as a filter does, but never takes a lease. 0, or prints `Error: ` and returns 1. */
int view_attach(const char *dir, struct state *ret);

#endif
