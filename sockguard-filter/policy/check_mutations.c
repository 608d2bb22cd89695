/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutations (chapter 01, 3.12; chapter 03, 3).
 */
#include "base/unicode.h"
#include "policy/check.h"

#define RULES_MAX 64u
#define LABELS_MAX 32u
#define LABELS_TOTAL_MAX 256u
#define LABEL_KEY_MAX 128u
#define TEXT_MAX 4096u

static const char *const surfaces[] = { "container_create", "service_create", "service_update", NULL };

static bool id_valid(struct slice id) {
        for (size_t i = 0; i < id.len; i++) {
                char ch = id.at[i];
                bool alnum = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');

                if (!alnum && (i == 0 || !strchr("._-", ch)))
                        return false;
        }
        return id.len > 0 && id.len <= 64;
}

static bool has_control(struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                if ((unsigned char) s.at[i] < 0x20 || s.at[i] == 0x7f)
                        return true;
        return false;
}

static bool rule_has_surface(struct config *c, const struct opt_mutation_rule *r, const char *surface) {
        const struct pstr *at = list_of(c, r->surfaces, struct pstr);

        for (uint32_t i = 0; i < r->surfaces.n; i++)
                if (slice_eq(text_of(c, at[i]), slice_of(surface)))
                        return true;
        return false;
}

static bool share_surface(struct config *c, const struct opt_mutation_rule *a, const struct opt_mutation_rule *b) {
        for (size_t i = 0; surfaces[i]; i++)
                if (rule_has_surface(c, a, surfaces[i]) && rule_has_surface(c, b, surfaces[i]))
                        return true;
        return false;
}

static void check_surfaces(struct config *c, struct opt_mutation_rule *r) {
        struct pstr *at = list_of(c, r->surfaces, struct pstr);

        if (r->surfaces.n == 0)
                complain(c, &r->surfaces,
                         "a mutation needs surfaces: container_create, service_create or service_update");
        for (uint32_t i = 0; i < r->surfaces.n; i++) {
                bool again = false;

                if (!check_word(c, at + i, surfaces))
                        continue;
                for (uint32_t k = 0; k < i && !again; k++)
                        again = slice_eq(text_of(c, at[k]), text_of(c, at[i]));
                if (again)
                        complain(c, at + i, "stands twice");
        }
}

/* ---- labels ---- */

static const char *label_wrong(struct config *c, const struct pmap_entry *e) {
        struct slice key = text_of(c, e->key), value = text_of(c, e->value);

        if (unicode_trim(key).len == 0)
                return "a label's name must not be blank";
        if (key.len > LABEL_KEY_MAX)
                return "a label's name is at most 128 bytes long";
        if (value.len > TEXT_MAX)
                return "a label's value is at most 4096 bytes long";
        if (unicode_trim(value).len == 0)
                return "a label's value must not be blank";
        if (has_control(key) || has_control(value))
                return "a label must not hold control characters";
        if (c->root->ownership.owner.len && slice_eq(key, text_of(c, c->root->ownership.label_key)))
                return "is the label that ownership sets";
        return NULL;
}

static void check_labels(struct config *c, struct opt_mutation_rule *r) {
        struct opt_inject_labels *inject = list_of(c, r->inject_labels, struct opt_inject_labels);
        struct pmap_entry *at = list_of(c, inject->labels, struct pmap_entry);

        if (rule_has_surface(c, r, "service_update"))
                complain(c, &r->surfaces, "labels cannot be injected into service_update");
        if (inject->labels.n == 0 || inject->labels.n > LABELS_MAX)
                complain(c, &inject->labels, "must hold 1 to %u labels", LABELS_MAX);
        for (uint32_t i = 0; i < inject->labels.n; i++) {
                const char *wrong = label_wrong(c, at + i);

                if (wrong)
                        complain(c, &at[i].value, "%s", wrong);
        }
}

/* Two rules that set one label on one surface. */
static void check_label_overlap(struct config *c, struct opt_mutation_rule *a, struct opt_mutation_rule *b) {
        struct plist x, y;

        if (!a->inject_labels.n || !b->inject_labels.n || !share_surface(c, a, b))
                return;
        x = list_of(c, a->inject_labels, struct opt_inject_labels)->labels;
        y = list_of(c, b->inject_labels, struct opt_inject_labels)->labels;
        if (x.n > LABELS_MAX || y.n > LABELS_MAX)
                return; /* complained about already */
        for (uint32_t i = 0; i < x.n; i++)
                for (uint32_t k = 0; k < y.n; k++) {
                        struct pmap_entry *e = list_of(c, x, struct pmap_entry) + i,
                                          *f = list_of(c, y, struct pmap_entry) + k;

                        if (slice_eq(text_of(c, e->key), text_of(c, f->key)) && !label_wrong(c, e) &&
                            !label_wrong(c, f))
                                complain(c, &f->value, "rule %.*s sets this label on the same surface",
                                         SLICE_ARG(text_of(c, a->id)));
                }
}

/* ---- images ---- */

static bool tag_valid(struct slice tag) {
        for (size_t i = 0; i < tag.len; i++) {
                char ch = tag.at[i];

                if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
                      strchr("_.-", ch)))
                        return false;
        }
        return tag.len >= 1 && tag.len <= 128;
}

static bool base_valid(struct slice base) {
        struct slice first, repository;

        if (slice_cut(base, '/', &first, &repository) &&
            (slice_eq(first, SLICE("localhost")) || slice_find(first, '.') >= 0 || slice_find(first, ':') >= 0)) {
                if (first.len == 0)
                        return false;
        } else {
                repository = base;
        }
        for (size_t i = 0; i < repository.len; i++) {
                char ch = repository.at[i];

                if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || strchr("_.-/", ch)))
                        return false;
        }
        return repository.len >= 2 && repository.len <= 255;
}

static bool tagged_valid(struct slice text) {
        ssize_t colon = slice_rfind(text, ':');

        if (colon >= 0 && slice_find(slice_from(text, (size_t) colon), '/') < 0)
                return tag_valid(slice_from(text, (size_t) colon + 1)) && base_valid(slice_upto(text, (size_t) colon));
        return base_valid(text);
}

/* The weak grammar of chapter 03, 3.3. */
static bool image_valid(struct slice text) {
        struct slice name, digest;

        if (!slice_cut(text, '@', &name, &digest))
                return tagged_valid(text);
        if (!slice_starts(digest, SLICE("sha256:")) || digest.len != 7 + 64)
                return false;
        for (size_t i = 7; i < digest.len; i++)
                if (!((digest.at[i] >= '0' && digest.at[i] <= '9') || (digest.at[i] >= 'a' && digest.at[i] <= 'f')))
                        return false;
        return tagged_valid(name);
}

static bool is_exact(struct config *c, const struct opt_remap_image *m) {
        return slice_eq(unicode_lower(&c->arena, unicode_trim(text_of(c, m->match))), SLICE("exact"));
}

static void check_image_text(struct config *c, struct pstr *field, bool exact) {
        struct slice text = text_of(c, *field);

        if (unicode_trim(text).len == 0)
                complain(c, field, "must not be blank");
        else if (text.len > TEXT_MAX)
                complain(c, field, "is longer than %u bytes", TEXT_MAX);
        else if (has_control(text))
                complain(c, field, "must not hold control characters");
        else if (exact && !image_valid(text))
                complain(c, field, "is no image reference");
}

static void check_remap(struct config *c, struct opt_mutation_rule *r) {
        static const char *const matches[] = { "exact", "prefix", NULL };
        struct opt_remap_image *m = list_of(c, r->remap_image, struct opt_remap_image);

        check_word_loosely(c, &m->match, matches);
        check_image_text(c, &m->from, is_exact(c, m));
        check_image_text(c, &m->to, is_exact(c, m));
}

static void check_remap_overlap(struct config *c, struct opt_mutation_rule *a, struct opt_mutation_rule *b) {
        struct opt_remap_image *x, *y;
        struct slice from_x, from_y;
        bool overlap;

        if (!a->remap_image.n || !b->remap_image.n || !share_surface(c, a, b))
                return;
        x = list_of(c, a->remap_image, struct opt_remap_image);
        y = list_of(c, b->remap_image, struct opt_remap_image);
        from_x = text_of(c, x->from);
        from_y = text_of(c, y->from);
        if (is_exact(c, x) && is_exact(c, y))
                overlap = slice_eq(from_x, from_y);
        else
                overlap = (!is_exact(c, x) && slice_starts(from_y, from_x)) ||
                          (!is_exact(c, y) && slice_starts(from_x, from_y));
        if (overlap && from_x.len && from_y.len)
                complain(c, &y->from, "overlaps with rule %.*s on the same surface", SLICE_ARG(text_of(c, a->id)));
}

void check_mutations(struct config *c) {
        static const char *const modes[] = { "", "enforce", "warn", "audit", NULL };
        struct plist rules = c->root->mutations.rules;
        struct opt_mutation_rule *at = list_of(c, rules, struct opt_mutation_rule);
        size_t labels = 0;

        if (rules.n > RULES_MAX)
                complain(c, &c->root->mutations.rules, "there are %u mutations, at most %u are possible", rules.n,
                         RULES_MAX);
        for (uint32_t i = 0; i < rules.n && i <= RULES_MAX; i++) {
                bool again = false;

                for (uint32_t k = 0; k < i; k++)
                        again |= slice_eq(text_of(c, at[k].id), text_of(c, at[i].id));
                if (!id_valid(text_of(c, at[i].id)))
                        complain(c, &at[i].id,
                                 "a mutation needs an id of A-Z, a-z, 0-9, '.', '_' and '-', at most 64 long");
                else if (again)
                        complain(c, &at[i].id, "another mutation has this id");
                check_word_loosely(c, &at[i].mode, modes);
                check_surfaces(c, at + i);
                if (!at[i].inject_labels.n == !at[i].remap_image.n)
                        complain(c, &at[i].id, "a mutation needs exactly one of inject_labels and remap_image");
                if (at[i].inject_labels.n) {
                        check_labels(c, at + i);
                        labels += list_of(c, at[i].inject_labels, struct opt_inject_labels)->labels.n;
                }
                if (at[i].remap_image.n)
                        check_remap(c, at + i);
                for (uint32_t k = 0; k < i; k++) {
                        check_label_overlap(c, at + k, at + i);
                        check_remap_overlap(c, at + k, at + i);
                }
        }
        if (labels > LABELS_TOTAL_MAX)
                complain(c, &c->root->mutations.rules, "there are %zu labels in all, at most %u are possible", labels,
                         LABELS_TOTAL_MAX);
}
