/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/companion.h"
#include "ctl/verb.h"

/* `run` and more: listeners and the filters behind them, for a container or a host without systemd. */
static int run(const struct verb_args *args) {
        return companion_verb(args, &serve_ops);
}

const struct verb verb_serve = { .name = "serve",
                                 .summary = "listen, run filters, and be their companion",
                                 VERB_FLAGS(companion_flags),
                                 .run = run };
