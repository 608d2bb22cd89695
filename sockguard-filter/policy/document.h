/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_DOCUMENT_H
#define SOCKGUARD_POLICY_DOCUMENT_H

#include "policy/problem.h"
#include "policy/scalar.h"

/*
 * A YAML text as a tree whose nodes know where they stand: the first document, aliases resolved (a node may have
 * several parents), merge keys applied, keys unique. Bounded in depth and in what aliases may blow it up to.
 */

#define DOCUMENT_DEPTH_MAX 1000u
#define DOCUMENT_ANCHORS_MAX 1000u
#define DOCUMENT_DIRECTIVES_MAX 100u
#define DOCUMENT_WEIGHT_MAX 1000000u /* nodes after expansion of aliases, when there are any */

enum document_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
        enum document_kind kind;
        bool plain;            /* scalars: unquoted and untagged */
        bool open;             /* still being read: an alias to it would contain itself */
        bool tagged;           /* scalars: `scalar` was set by a tag */
        uint32_t line, column; /* 1-based */
        uint32_t weight;       /* nodes below it and itself, aliases counted each time; saturates */
        uint32_t n;            /* elements or entries */
        union {
                struct slice text;
                const struct scalar *scalar;
                struct node **items;
                struct entry *entries;
        };
};

struct entry {
        const struct node *key; /* a scalar */
        struct node *value;
};

/* The text of a key. */
struct slice node_key(const struct entry *e);

/* The value of a scalar node. */
struct scalar node_scalar(const struct node *n);

bool node_is_null(const struct node *n);

/*
 * 0 with *ret (NULL when the text holds no document); -EBADMSG with one problem added. Nodes live in `a`.
 */
int document_parse(struct slice text, struct slice file, struct arena *a, struct problems *problems, struct node **ret);

#endif
