/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_OPTIONS_H
#define SOCKGUARD_POLICY_OPTIONS_H

#include "base/slice.h"

/*
 * The configuration as structures, generated from options.def. The same structures are the policy image: nothing in
 * them is a pointer. A string or a list is an offset from the start of the image, so that the file can be mapped
 * anywhere and read in place. They are read through policy_str() and policy_list() (policy/image.h), which check
 * bounds.
 */

struct pstr {
        uint32_t off, len; /* bytes */
};

struct plist {
        uint32_t off, n; /* n elements of the type that the row says; OPT_OPT: n is 0 (absent) or 1 */
};

struct pmap_entry {
        struct pstr key, value;
};

struct opt_int {
        int64_t value;
        bool set;
};

#define OPT_C_STR struct pstr
#define OPT_C_BOOL bool
#define OPT_C_INT int64_t
#define OPT_C_FLOAT double
#define OPT_C_OPTINT struct opt_int
#define OPT_C_STRS struct plist  /* of struct pstr */
#define OPT_C_ARGVS struct plist /* of struct plist of struct pstr */
#define OPT_C_U32S struct plist  /* of uint32_t */
#define OPT_C_I32S struct plist  /* of int32_t */
#define OPT_C_MAP struct plist   /* of struct pmap_entry, sorted by key */

#define OPT_BLOCK(block) struct opt_##block {
#define OPT(block, kind, key, default_, reload, allowed, help) OPT_C_##kind key;
#define OPT_SUB(block, key, inner, reload) struct opt_##inner key;
#define OPT_LIST(block, key, inner, reload) struct plist key; /* of struct opt_<inner> */
#define OPT_OPT(block, key, inner, reload) struct plist key;  /* none or one struct opt_<inner> */
#define OPT_END(block) \
        } \
        ;
#include "policy/options.def"
#undef OPT_BLOCK
#undef OPT
#undef OPT_SUB
#undef OPT_LIST
#undef OPT_OPT
#undef OPT_END

/* ---- the same rows as data ---- */

enum opt_kind {
        OPT_K_STR,
        OPT_K_BOOL,
        OPT_K_INT,
        OPT_K_FLOAT,
        OPT_K_OPTINT,
        OPT_K_STRS,
        OPT_K_ARGVS,
        OPT_K_U32S,
        OPT_K_I32S,
        OPT_K_MAP,
        OPT_K_SUB,
        OPT_K_LIST,
        OPT_K_OPT,
};

struct opt_block;

struct opt_row {
        const char *key; /* as written in YAML */
        enum opt_kind kind;
        uint32_t offset;          /* in the block's structure */
        char reload;              /* 'I' or 'M' */
        const char *default_text; /* of scalars; "" is the zero value */
        const char *allowed, *help;
        const struct opt_block *inner; /* OPT_K_SUB, OPT_K_LIST, OPT_K_OPT */
};

struct opt_block {
        const char *name;
        uint32_t size; /* of the structure */
        const struct opt_row *rows;
        uint32_t n_rows;
};

/* The root mapping; every other block is reached from it. Programs of the compiler only: the filter does not link it.
 */
extern const struct opt_block opt_block_root;

#endif
