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
                all = arena_printf(&c->arena, "%.*s%s%s", SLICE_ARG(all), n == 0 ? "" : words[n + 1] ? ", " : " or ",
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

void check_values(struct config *c) {
        check_rules(c, c->root->rules);
}

void check_warnings(struct config *c) {
        (void) c;
}

bool buildkit_configured(struct config *c, const struct opt_buildkit *b) {
        const struct opt_buildkit_control *o = &b->control;
        const struct opt_buildkit_session *s = &b->session;

        (void) c;
        return o->allow_info || o->allow_list_workers || o->allow_status || o->solve.allow || o->solve.allowed_cache_import_types.n ||
               o->solve.allowed_cache_export_types.n || o->solve.allowed_cache_registries.n || o->solve.allowed_exporters.n ||
               o->solve.allowed_exporter_registries.n || s->health || s->auth.allow || s->auth.allowed_registries.n ||
               s->auth.allowed_realms.n || s->auth.allowed_scopes.n || s->secrets.allow || s->secrets.allowed_ids.n || s->ssh.allow ||
               s->ssh.allowed_ids.n || s->file_sync.allow || s->file_send.allow || s->upload.allow;
}
