/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_UNPACK_WALK_H
#define SOCKGUARD_UNPACK_WALK_H

#include "unpack/facts.h"
#include "unpack/tar.h"

#define WALK_ENTRIES_MAX 2000000u /* entries of one archive */
#define WALK_LINKS_MAX 131072u    /* symbolic links, and link targets to look at again, of one archive */
#define WALK_LINKS_SLOTS (4 * WALK_LINKS_MAX)

/* What the filter wants to know. */
struct walk_request {
        bool gzip;              /* read gzip; otherwise only plain tar is walked */
        bool raw;               /* hand over a body that is no archive */
        uint64_t output_limit;  /* bytes of gzip output */
        uint32_t content_limit; /* bytes of a watched entry, and of a raw body */
        size_t n_watch;
        struct slice watch[FACTS_WATCH_MAX]; /* cleaned relative paths */
};

struct walk_watch {
        uint64_t count;   /* entries whose name an engine would unpack there */
        uint64_t regular; /* of them, plain files */
        bool odd;         /* one of them is a link, a directory, a sparse file, or spells the name strangely */
        bool parent;      /* a directory above the name is another kind of entry */
        bool has_content;
        size_t length;
        char content[FACTS_CONTENT_MAX];
};

struct walk_first {
        uint64_t index; /* from 1; 0: none has it */
        size_t length;
        char name[FACTS_NAME_MAX];
};

/* The links of an archive by a hash of their cleaned paths. Two paths with one hash count as the same: that denies
 * more. */
struct walk_links {
        size_t n_links, n_dots;
        uint64_t links[WALK_LINKS_SLOTS]; /* open addressing, 0 is free */
        uint64_t dots[WALK_LINKS_MAX];    /* paths that some link's target leaves by ".." */
};

struct walk {
        const struct walk_request *request;
        enum stream_kind kind;
        enum facts_status status;
        uint64_t entries;
        bool trailing;
        struct slice raw; /* into the body */
        struct walk_first first[FACTS_P_MAX_];
        struct walk_watch watch[FACTS_WATCH_MAX];
        struct walk_links links;
        struct stream stream;
        struct tar tar;
        char clean[TAR_SPECIAL_MAX + 512], target[2 * TAR_SPECIAL_MAX + 1024];
};

/* Walks `body`. `w` is big (20 MB) and zeroed: static memory, of which pages that are not needed are never touched. */
void walk_run(struct walk *w, const struct walk_request *request, struct slice body);

/* Writes the facts to `fd`. 0 or negative errno. */
int walk_report(const struct walk *w, int fd);

#endif
