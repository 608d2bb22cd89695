/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules as the filter looks them up (policy/rules.h says how the index works).
 */
#include "base/unicode.h"
#include "http/head.h"
#include "policy/config.h"
#include "policy/rules.h"

/*
 * The methods of one rule: split on commas, trimmed, blanks dropped, upper-cased; a "*" anywhere means all (chapter
 * 01, 4.2).
 */
static void compile_methods(struct config *c, struct slice text, struct rule *rule) {
        size_t n = 0, room = 1;
        struct slice rest = text, item, *others;

        for (size_t i = 0; i < text.len; i++)
                room += text.at[i] == ',';
        others = arena_new_array(&c->arena, struct slice, room);
        for (bool more = true; more;) {
                enum http_method m;

                more = slice_cut(rest, ',', &item, &rest);
                item = unicode_trim(item);
                if (item.len == 0)
                        continue;
                if (slice_eq(item, SLICE("*"))) {
                        rule->any_method = true;
                        continue;
                }
                item = arena_dup(&c->arena, item);
                for (size_t i = 0; i < item.len; i++)
                        if (item.at[i] >= 'a' && item.at[i] <= 'z')
                                ((char *) (uintptr_t) item.at)[i] = (char) (item.at[i] - 32);
                m = http_method_of(item);
                if (m != HTTP_METHOD_OTHER)
                        rule->methods |= 1u << m;
                else
                        others[n++] = item;
        }
        if (n) {
                struct pstr *at = builder_list(&c->blob, n, struct pstr, &rule->other);

                for (size_t i = 0; i < n; i++)
                        at[i] = builder_str(&c->blob, others[i]);
        }
}

/* Where a pattern belongs in the index. */
struct place {
        struct slice prefix, last;
        bool has_last, literal;
        uint32_t slot;
};

static struct place place_of(struct slice pattern) {
        ssize_t star = slice_find(pattern, '*'), slash;
        struct place p = { 0 };

        if (star < 0)
                return (struct place){ .prefix = pattern, .literal = true };
        /*
         * Up to the last slash before the first star. When that slash belongs to slash-and-two-stars it may match
         * nothing, and what follows then touches the segment before it (slash, three stars behind "/a" match "/ab"):
         * one segment less.
         */
        slash = slice_rfind(slice_upto(pattern, (size_t) star), '/');
        if (slash >= 0 && slash == star - 1 && slice_starts(slice_from(pattern, (size_t) star), SLICE("**")) &&
            (size_t) star + 2 < pattern.len && pattern.at[star + 2] != '/')
                slash = slice_rfind(slice_upto(pattern, (size_t) slash), '/');
        p.prefix = slice_upto(pattern, slash < 0 ? 0 : (size_t) slash);
        slash = slice_rfind(pattern, '/');
        if (slash > star) {
                p.last = slice_from(pattern, (size_t) slash + 1);
                p.has_last = slice_find(p.last, '*') < 0;
        }
        return p;
}

/* Finds the slot of the place, taking a free one when it is new. */
static uint32_t slot_of(struct place *slots, bool *taken, uint32_t n, const struct place *p) {
        uint64_t h = rule_slot(rule_hash(RULE_HASH_START, p->prefix),
                               p->has_last ? rule_hash(RULE_HASH_START, p->last) : 0, p->literal);
        uint32_t at = (uint32_t) h & (n - 1);

        for (; taken[at]; at = (at + 1) & (n - 1))
                if (slots[at].literal == p->literal && slots[at].has_last == p->has_last &&
                    slice_eq(slots[at].prefix, p->prefix) && (!p->has_last || slice_eq(slots[at].last, p->last)))
                        return at;
        taken[at] = true;
        slots[at] = *p;
        return at;
}

static void compile_index(struct config *c, struct rule_set *set, const struct rule *rules, uint32_t n) {
        uint32_t room = 4, *slot_of_rule, *filled;
        struct rule_bucket *buckets;
        struct place *slots;
        bool *taken;

        while (room < n * 2)
                room *= 2;
        slots = arena_new_array(&c->arena, struct place, room);
        taken = arena_new_array(&c->arena, bool, room);
        filled = arena_new_array(&c->arena, uint32_t, room);
        slot_of_rule = arena_new_array(&c->arena, uint32_t, n);
        buckets = builder_list(&c->blob, room, struct rule_bucket, &set->buckets);
        for (uint32_t i = 0; i < n; i++) {
                struct place p = place_of(text_of(c, rules[i].path));

                slot_of_rule[i] = slot_of(slots, taken, room, &p);
                buckets[slot_of_rule[i]].rules.n++;
                if (p.prefix.len > set->longest_prefix)
                        set->longest_prefix = (uint32_t) p.prefix.len;
        }
        for (uint32_t s = 0; s < room; s++) {
                struct rule_bucket *b = buckets + s;

                if (!taken[s])
                        continue;
                b->prefix = builder_str(&c->blob, slots[s].prefix);
                b->last = builder_str(&c->blob, slots[s].last);
                b->has_last = slots[s].has_last;
                b->literal = slots[s].literal;
                builder_list(&c->blob, b->rules.n, uint32_t, &b->rules);
        }
        for (uint32_t i = 0; i < n; i++) {
                uint32_t s = slot_of_rule[i];

                list_of(c, buckets[s].rules, uint32_t)[filled[s]++] = i;
        }
}

void compile_rules(struct config *c, struct plist list, struct policy_scope *scope) {
        const struct opt_rule *from = list_of(c, list, struct opt_rule);
        struct rule_set *set = builder_new(&c->blob, struct rule_set);
        struct rule *rules = builder_list(&c->blob, list.n, struct rule, &set->rules);

        for (uint32_t i = 0; i < list.n; i++) {
                rules[i].path = from[i].match.path;
                rules[i].reason = from[i].reason;
                rules[i].allow = slice_eq(text_of(c, from[i].action), SLICE("allow"));
                rules[i].literal = slice_find(text_of(c, from[i].match.path), '*') < 0;
                compile_methods(c, text_of(c, from[i].match.method), rules + i);
        }
        compile_index(c, set, rules, list.n);
        scope->rules = builder_off(&c->blob, set);
        scope->n_rules = list.n;
}
