/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_CONFIG_H
#define SOCKGUARD_POLICY_CONFIG_H

#include <setjmp.h>

#include "policy/builder.h"
#include "policy/document.h"
#include "policy/load.h"
#include "policy/set.h"

/* What the steps of policy/load.h share; private to the compiler's files. */

#define CONFIG_ARENA_MAX (512u * 1024 * 1024)

struct mark {
        uint32_t key; /* offset of the field * 2 + 1 for a block's own mark; 0: free */
        enum config_origin origin;
        struct slice name;
        uint32_t line, column;
};

struct config {
        struct config_source source;
        struct slice name; /* of the file, for messages */
        struct slice text; /* what was read; empty: nothing */
        struct arena arena;
        struct problems problems;
        struct builder blob;
        struct opt_root *root;            /* in the blob */
        struct policy_compiled *compiled; /* in the blob; NULL before config_check() */
        struct policy view;
        struct region *regions; /* of all lists, by where they lie (config.c); NULL: not collected yet */
        size_t n_regions;
        struct mark *marks; /* open addressing; a power of two */
        uint32_t n_marks, marks_room;
        jmp_buf give_up; /* the arena or the image is full */
        int give_up_with;

        /* who is being decoded */
        enum config_origin origin;
        struct slice origin_name;

        bool listen_explicit, endpoint_config_explicit, upstream_socket_explicit; /* chapter 01, 2.6 */
        /*
         * What could not be read while loading, as paths: that these, or something below them, are absent is not
         * complained about.
         */
        struct slice *misread;
        size_t n_misread, misread_room;
        bool loaded;
        bool rules_in_file;
        bool defaulted_rules; /* the built-in rules stand in root->rules */
        bool compat_active;
        struct text_set profile_names; /* filled by check_values() */
        bool finished;                 /* config_compile() has run once */
        struct slice compat_variable;  /* the first that was found */
};

/* ---- marks: where a value came from ---- */
void mark_set(struct config *c, const void *field, bool block, uint32_t line, uint32_t column);
/* NULL: a default. */
const struct mark *mark_find(const struct config *c, const void *field, bool block);

/* ---- policy/decode.c ---- */

/* Where we are, for messages. */
struct path {
        const struct path *up;
        const char *key; /* NULL: an index */
        uint32_t index;
};

struct slice path_text(struct config *c, const struct path *path);
void decode_defaults(struct config *c, const struct opt_block *block, void *base);
void decode_block(struct config *c, const struct opt_block *block, void *base, const struct node *map,
                  const struct path *path, bool strict);
void decode_value(struct config *c, const struct opt_row *row, void *base, const struct node *value,
                  const struct path *path, bool strict);

/* ---- policy/environment.c ---- */
const char *environment_get(const struct config *c, const char *name);
bool environment_has(const struct config *c, const char *name);
void environment_apply(struct config *c);
void flags_apply(struct config *c);

/* ---- policy/sections.c ---- */
void rules_default(struct config *c);
void sections_apply(struct config *c);

/* ---- problems with a place ---- */

/*
 * Reports that the value of `field` (a member of an options structure in the blob, or an element of one of its lists)
 * is wrong. Its path, place and value are worked out from its address.
 */
void complain(struct config *c, const void *field, const char *format, ...) __attribute__((format(printf, 3, 4)));
void complain_near(struct config *c, const void *field, const struct slice *candidates, size_t n, const char *format,
                   ...) __attribute__((format(printf, 5, 6)));
void warn(struct config *c, const void *field, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Notes that the value of a path, and whatever stands below it, may be absent because it was misread. */
void misread_add(struct config *c, struct slice path);

/* Of something that is no field. `line` 0: no place. */
void complain_at(struct config *c, bool warning, const struct path *path, uint32_t line, uint32_t column,
                 struct slice value, struct slice nearest, const char *format, ...)
        __attribute__((format(printf, 8, 9)));

static inline struct slice text_of(const struct config *c, struct pstr s) {
        return builder_text(&c->blob, s);
}

/* The elements of a list in the blob: writable. */
#define list_of(c, list, type) ((type *) builder_at(&(c)->blob, (list).off))

/* ---- validation ---- */
void check_values(struct config *c);   /* check.c: everything of 3.1 to 3.12, in order */
bool check_guards(struct config *c);   /* guard.c: 3.13 to 3.16; false at the first failing one */
void check_warnings(struct config *c); /* warn.c: what is allowed but probably not meant */

/* ---- compilation ---- */

/* The TCP address that DOCKER_HOST names, where it is looked at (chapter 01, 3.4): upstream.endpoints wins over it. */
struct upstream_address;
bool docker_host(const struct config *c, struct upstream_address *ret);
void compile_rules(struct config *c, struct plist rules, struct policy_scope *scope);
void compile_scopes(struct config *c);
void effective_apply(struct config *c);

/* Is anything of the block but its numeric caps set (chapter 01, 3.11)? */
bool buildkit_configured(struct config *c, const struct opt_buildkit *b);

/*
 * Runs a step with somewhere to land when the arena or the image is full. 0, -EBADMSG with problems in the list,
 * -ENOMEM.
 */
int config_guarded(struct config *c, void (*step)(struct config *));

#endif
