/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_DEADLINES_H
#define SOCKGUARD_FILTER_DEADLINES_H

#include "http/exchange.h"

/* What kind of endpoint this is, as far as clocks and upgrades go (chapter 02, 9.1, 9.4 and 11). */
struct relay_kind {
        bool hijack;       /* attach, exec start: the connection becomes two raw streams */
        bool may_upgrade;  /* the client's Upgrade is passed on */
        bool no_deadline;  /* neither the request deadline nor the 30 s for the answer's head apply */
        uint64_t extra_ns; /* added to both: the time that the client asked the daemon to take */
};

void relay_kind_of(struct exchange *x, struct relay_kind *ret);

#endif
