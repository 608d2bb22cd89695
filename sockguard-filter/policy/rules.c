/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include "policy/glob.h"

struct search {
        const struct policy *p;
        const struct rule *rules;
        uint32_t n_rules;
        const struct rule_bucket *buckets;
        uint32_t n_buckets;
        enum http_method method;
        struct slice method_text, path;
        uint32_t best; /* n_rules: none yet */
};

static bool method_matches(const struct search *s, const struct rule *rule) {
        const struct pstr *other;

        if (rule->any_method)
                return true;
        if (s->method != HTTP_METHOD_OTHER)
                return rule->methods >> s->method & 1;
        other = policy_list(s->p, rule->other, struct pstr);
        for (uint32_t i = 0; i < rule->other.n; i++)
                if (slice_case_eq(policy_str(s->p, other[i]), s->method_text))
                        return true;
        return false;
}

/* Improves s->best by the rules of the bucket (prefix, last, literal), if there is one. */
static void search_bucket(struct search *s, uint64_t hash, struct slice prefix, const struct slice *last,
                          bool literal) {
        uint32_t mask = s->n_buckets - 1, at = (uint32_t) hash & mask;

        for (uint32_t probes = 0; probes < s->n_buckets; probes++, at = (at + 1) & mask) {
                const struct rule_bucket *b = s->buckets + at;
                const uint32_t *index;

                if (b->rules.n == 0)
                        return;
                if (b->literal != literal || b->has_last != (last != NULL) ||
                    !slice_eq(policy_str(s->p, b->prefix), prefix) ||
                    (last && !slice_eq(policy_str(s->p, b->last), *last)))
                        continue;
                index = policy_list(s->p, b->rules, uint32_t);
                for (uint32_t i = 0; i < b->rules.n && index[i] < s->best; i++) {
                        const struct rule *rule = s->rules + index[i];

                        /* index[i] < best <= n_rules, so the rule is inside the image */
                        if (method_matches(s, rule) &&
                            (rule->literal || glob_match_rule(policy_str(s->p, rule->path), s->path))) {
                                s->best = index[i];
                                return;
                        }
                }
                return;
        }
}

void policy_decide(const struct policy *p, uint32_t scope, enum http_method method, struct slice method_text,
                   struct slice path, struct rule_verdict *ret) {
        const struct rule_set *set = policy_at(p, policy_scope(p, scope)->rules, 1, sizeof(*set));
        struct search s = {
                .p = p,
                .rules = policy_list(p, set->rules, struct rule),
                .n_rules = set->rules.n,
                .buckets = policy_list(p, set->buckets, struct rule_bucket),
                .n_buckets = set->buckets.n,
                .method = method,
                .method_text = method_text,
                .path = path,
                .best = set->rules.n,
        };
        ssize_t slash = slice_rfind(path, '/');
        struct slice last = slice_from(path, (size_t) (slash + 1));
        uint64_t last_hash = rule_hash(RULE_HASH_START, last), h = RULE_HASH_START;

        if (s.n_buckets & (s.n_buckets - 1))
                policy_image_corrupt();
        for (size_t i = 0; s.n_buckets && i <= path.len && i <= set->longest_prefix; i++) {
                if (i == 0 || i == path.len || path.at[i] == '/') {
                        struct slice prefix = slice_upto(path, i);

                        search_bucket(&s, rule_slot(h, 0, false), prefix, NULL, false);
                        search_bucket(&s, rule_slot(h, last_hash, false), prefix, &last, false);
                }
                if (i == path.len)
                        search_bucket(&s, rule_slot(h, 0, true), path, NULL, true);
                else
                        h = rule_hash(h, slice_make(path.at + i, 1));
        }

        if (s.best == s.n_rules) {
                *ret = (struct rule_verdict){ .rule = -1,
                                              .code = REASON_no_matching_allow_rule,
                                              .reason = SLICE(REASON_TEXT_NO_MATCH) };
                return;
        }
        *ret = (struct rule_verdict){
                .allow = s.rules[s.best].allow,
                .rule = (int) s.best,
                .code = REASON_matched_deny_rule,
                .reason = policy_str(p, s.rules[s.best].reason),
        };
        if (ret->allow)
                ret->code = REASON_matched_allow_rule;
        else if (slice_eq(ret->reason, SLICE(REASON_TEXT_NO_MATCH)))
                ret->code = REASON_no_matching_allow_rule;
}
