/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_CTL_MIGRATE_H
#define SOCKGUARD_CTL_MIGRATE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/strbuf.h"

/* From another socket proxy's settings to a policy of ours: `sockguard-ctl migrate`. */

/* ---- ctl/migrate_regex.c ---- */

struct migrate_globs {
        struct slice *at;
        size_t n;
        bool wider; /* some pattern admits more than the expression did */
};

/*
 * A path pattern (our rule dialect, policy/glob.h) or several that admit what the anchored regular expression admits on
 * paths as an engine serves them. A leading API version, spelled out or as a group, is left out: ours is removed before
 * rules are asked. 0 (no pattern at all: it admits no path); -EINVAL when the expression has no such form (*ret_why
 * says which part). Memory from `a`.
 */
int migrate_regex(struct slice regex, struct arena *a, struct migrate_globs *ret, const char **ret_why);

/* ---- ctl/migrate.c ---- */

enum migrate_from {
        MIGRATE_AUTO,
        MIGRATE_SECTIONS,   /* CONTAINERS=1 POST=1: Tecnativa's and LinuxServer's docker-socket-proxy */
        MIGRATE_WOLLOMATIC, /* -allowGET=REGEX, SP_ALLOW_GET=REGEX, labels socket-proxy.allow.get=REGEX */
};

struct migrate_label {
        struct slice service, key, value;
};

struct migrate_input {
        enum migrate_from from;
        struct slice origin;       /* what the settings were read from, for the header */
        struct slice *environment; /* NAME=value */
        size_t n_environment;
        struct slice *flags; /* -name=value, or -name and its value behind it */
        size_t n_flags;
        const struct migrate_label *labels; /* of the services that use the proxy */
        size_t n_labels;
};

/*
 * Writes the policy, with notes as comments, to *out, and one line to *warnings for each setting that could not be
 * carried over: it is left closed, or, where the old proxy told clients apart and rules cannot, wider and said to be. 0
 * or the number of these; -EINVAL with *e when nothing sensible can be written.
 */
int migrate_write(const struct migrate_input *in, struct arena *a, struct strbuf *out, struct strbuf *warnings,
                  struct error *e);

#endif
