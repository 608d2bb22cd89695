/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/check.h"

#include "base/unicode.h"

bool check_word(struct config *c, struct pstr *field, const char *const *words) {
        struct slice candidates[8], all = { 0 };
        size_t n = 0;

        for (; words[n] && n < sizeof(candidates) / sizeof(candidates[0]); n++) {
                candidates[n] = slice_of(words[n]);
                if (slice_eq(text_of(c, *field), candidates[n]))
                        return true;
                all = arena_printf(&c->arena, "%.*s%s%s", SLICE_ARG(all),
                                   n == 0         ? ""
                                   : words[n + 1] ? ", "
                                                  : " or ",
                                   words[n][0] ? words[n] : "empty");
        }
        complain_near(c, field, candidates, n, "must be %.*s", SLICE_ARG(all));
        return false;
}

bool check_word_loosely(struct config *c, struct pstr *field, const char *const *words) {
        struct slice text = unicode_lower(&c->arena, unicode_trim(text_of(c, *field)));

        for (size_t i = 0; words[i]; i++)
                if (slice_eq(text, slice_of(words[i])))
                        return true;
        return check_word(c, field, words);
}

void check_duration(struct config *c, struct pstr *field, bool empty_ok, enum duration_range range) {
        struct slice text = text_of(c, *field);
        int64_t ns;
        int r;

        if (text.len == 0 && empty_ok)
                return;
        r = duration_parse(text, &ns);
        if (r < 0)
                complain(c, field,
                         r == -ERANGE ? "is a duration beyond 292 years"
                                      : "must be a duration, such as 30s, 1m30s or 250ms");
        else if (range == DURATION_POSITIVE && ns <= 0)
                complain(c, field, "must be a duration above zero");
        else if (range == DURATION_NOT_NEGATIVE && ns < 0)
                complain(c, field, "must not be negative");
        else if (range == DURATION_NOT_ZERO && ns == 0)
                complain(c, field, "must not be zero");
}

bool path_starts_with_slash(struct config *c, struct pstr *field) {
        if (slice_starts(text_of(c, *field), SLICE("/")))
                return true;
        complain(c, field, "must be a path that starts with /");
        return false;
}

/*
 * Profile names are trimmed once, so that what validates is what a request finds (chapter 05, 1.1). What refers to them
 * is not: a reference with outer blanks names nothing (chapter 01, 3.12).
 */
static void trim_profile_names(struct config *c) {
        struct opt_profile *at = list_of(c, c->root->clients.profiles, struct opt_profile);

        text_set_init(&c->profile_names, &c->arena, c->root->clients.profiles.n);
        for (uint32_t i = 0; i < c->root->clients.profiles.n; i++) {
                struct slice name = text_of(c, at[i].name), trimmed = unicode_trim(name);

                at[i].name.off += (uint32_t) (trimmed.len ? trimmed.at - name.at : 0);
                at[i].name.len = (uint32_t) trimmed.len;
                text_set_add(&c->profile_names, text_of(c, at[i].name));
        }
}

void check_values(struct config *c) {
        struct opt_root *r = c->root;

        trim_profile_names(c);
        check_listeners(c);
        check_upstream(c);
        check_log(c);
        check_visible_labels(c, r->response.visible_resource_labels);
        check_patterns(c, r->response.name_patterns, r->response.image_patterns);
        check_health(c);
        if (r->admin.enabled)
                check_admin(c);
        if (r->reload.enabled)
                check_reload(c);
        if (r->policy_bundle.enabled)
                check_bundle(c);
        check_request_body(c, &r->request_body);
        check_exclusions(c);
        check_clients(c);
        check_ownership(c);
        check_mutations(c);
        check_rules(c, r->rules);
}
