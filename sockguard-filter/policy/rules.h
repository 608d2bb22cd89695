/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_RULES_H
#define SOCKGUARD_POLICY_RULES_H

#include "policy/image.h"

struct rule_verdict {
        bool allow;
        int rule; /* 0-based index, -1: none matched */
        enum reason_code code;
        struct slice reason; /* the rule's text, a view of the image; "no matching allow rule" when none matched */
};

/*
 * First match wins, over an index: the cost depends on the path's length and on how many rules share its literal
 * segments, not on the number of rules. `method_text` counts when `method` is HTTP_METHOD_OTHER; both are compared
 * after ASCII upper-casing. `path` is the normalised path and may hold any byte.
 */
void policy_decide(const struct policy *p, uint32_t scope, enum http_method method, struct slice method_text,
                   struct slice path, struct rule_verdict *ret);

/* ---- the compiled form, written by policy/compile_rules.c ---- */

struct rule {
        struct pstr path; /* the pattern as written */
        struct pstr reason;
        struct plist other; /* of struct pstr: method names without a number, upper case */
        uint32_t methods;   /* bit 1 << enum http_method */
        bool any_method;
        bool allow;
        bool literal; /* no star: equality is the whole match */
};

/*
 * A pattern that can match a path at all agrees with it in two places: in the whole literal segments before the first
 * star
 * (`prefix`), and, when its last segment has no star, in that segment (`last`). Rules that share both stand in one
 * bucket of a hash table; a path asks for each of its own prefixes, once with its last segment and once without. A
 * pattern without a star has the whole path as its prefix and no `last`.
 */
struct rule_bucket {
        struct pstr prefix, last;
        bool has_last;
        bool literal;       /* holds only rules without a star: looked up once, with the whole path */
        struct plist rules; /* of uint32_t: indexes, ascending */
};

struct rule_set {
        struct plist rules; /* of struct rule, in the order of the configuration */
        struct plist
                buckets; /* of struct rule_bucket; a power of two, open addressing, prefix.off 0 and rules.n 0: free */
        uint32_t longest_prefix; /* bytes: no bucket has a longer one */
};

/* Continues a hash (start with RULE_HASH_START) over more bytes. */
#define RULE_HASH_START 0xcbf29ce484222325ull
static inline uint64_t rule_hash(uint64_t h, struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                h = (h ^ (unsigned char) s.at[i]) * 0x100000001b3ull; /* FNV-1a */
        return h;
}

/* The table position of a prefix's hash combined with a last segment's (0: none) and the kind of bucket. */
static inline uint64_t rule_slot(uint64_t prefix, uint64_t last, bool literal) {
        uint64_t h = prefix ^ (last + literal) * 0x9e3779b97f4a7c15ull;

        return h ^ h >> 29;
}

#endif
