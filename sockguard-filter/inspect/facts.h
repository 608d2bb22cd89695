/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_FACTS_H
#define SOCKGUARD_INSPECT_FACTS_H

#include "inspect/inspect.h"
#include "unpack/facts.h"

/* What sockguard-unpack said (unpack/facts.h), read back. It read a hostile upload: what it says is not trusted to be
 * well-formed. */

enum facts_container { FACTS_PLAIN, FACTS_GZIP, FACTS_BZIP2, FACTS_XZ, FACTS_ZSTD, FACTS_CONTAINER_MAX_ };

struct facts_watch {
        uint64_t count, regular;
        bool odd, parent, has_content;
        struct slice content;
};

struct facts {
        enum facts_container container;
        enum facts_status status;
        uint64_t entries;
        bool trailing;
        struct {
                uint64_t index; /* 0: no entry has the property */
                struct slice name;
        } first[FACTS_P_MAX_];
        size_t n_watch;
        struct facts_watch watch[FACTS_WATCH_MAX];
        bool has_raw;
        struct slice raw;
};

/* 0; -EBADMSG when the text is not complete and exact, or speaks of more or fewer than `n_watch` names. */
int facts_parse(struct slice text, size_t n_watch, struct facts *ret);

/* The same; on failure *r says that the upload could not be inspected, and the result is false. */
bool facts_read(const struct inspect_input *in, size_t n_watch, struct facts *ret, struct inspect_result *r);

/*
 * Denies what every engine would unpack by itself but we do not read. True: none of those.
 */
bool facts_refuse_compression(const struct inspect_input *in, const struct facts *f, bool gzip_too,
                              struct inspect_result *r);

/* The outcome for a walk that did not end well, FACTS_S_HDR and FACTS_S_NOT_TAR included: fills in *r. */
void facts_fail(const struct inspect_input *in, const struct facts *f, struct inspect_result *r);

#endif
