/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_CTL_UNITS_H
#define SOCKGUARD_CTL_UNITS_H

#include "base/error.h"
#include "base/strbuf.h"
#include "policy/image.h"

/* The first line of every file that `sockguard-ctl units` writes: what does not start with it is not ours to touch. */
#define UNITS_MARK "# Written by `sockguard-ctl units`; edit the configuration or use a drop-in instead of this file.\n"

/* What the text of a unit depends on besides the policy. */
struct unit_choice {
        const char *image;                /* where the companion publishes the policy */
        const char *user;                 /* whose process a filter is */
        const char *group;                /* supplementary group that may use the daemon's socket; "" none */
        bool pool;                        /* Accept=no: idle filters wait; else one instance a connection */
        unsigned connections, per_source; /* limits of a socket unit */
};

/* "sockguard" for the listener of a policy without `listeners:`, else "sockguard-NAME". `ret` has room for 128 bytes.
 */
void unit_stem(const struct policy *p, struct slice listener, char ret[128]);

/*
 * The .socket and .service text of listener number `i` of the policy. 0; -EINVAL when systemd cannot listen there (*e
 * says why).
 */
int unit_socket(const struct policy *p, uint32_t i, const struct unit_choice *choice, struct strbuf *ret,
                struct error *e);
int unit_service(const struct policy *p, uint32_t i, const struct unit_choice *choice, struct strbuf *ret,
                 struct error *e);

/* Appends the difference of two texts, line by line, with three lines of context, as `diff -u` prints it. */
void text_diff(struct slice old_text, struct slice new_text, const char *name, struct strbuf *out);

#endif
