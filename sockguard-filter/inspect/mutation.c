/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"
#include "base/unicode.h"
#include "inspect/common.h"

/*
 * Admission mutations (chapter 03, section 3): labels that every container gets, and images that come from somewhere
 * else. Rules act on a model of the two members they can touch; what enforce rules changed becomes splices in the
 * client's text, and every other byte stays as it was.
 */

#define MUTATION_DEPTH_MAX 128u /* arrays and objects, the root included */

struct label {
        struct slice name, value;
};

/* What rules see: the document as it came, and what earlier rules did to it. */
struct model {
        enum json_type labels_type;
        struct label *set; /* labels that were absent or different */
        size_t n_set, room;
        enum json_type image_type;
        struct slice image; /* decoded */
        bool image_changed;
};

struct document {
        struct slice text;
        struct slice labels_name, image_name; /* quoted, in the text; empty when absent */
        struct json_value root, labels, image;
};

static const struct {
        enum mutation_surface surface;
        enum http_method method;
        const char *pattern;
        const char *word; /* as mutations.rules[].surfaces has it */
} surfaces[] = {
        { MUTATE_CONTAINER_CREATE, HTTP_POST, "/containers/create", "container_create" },
        { MUTATE_SERVICE_CREATE, HTTP_POST, "/services/create", "service_create" },
        { MUTATE_SERVICE_UPDATE, HTTP_POST, "/services/{}/update", "service_update" },
};

static bool rule_targets(const struct policy *p, const struct opt_mutation_rule *rule, enum mutation_surface surface) {
        const struct pstr *names = policy_list(p, rule->surfaces, struct pstr);

        for (size_t i = 0; i < sizeof(surfaces) / sizeof(surfaces[0]); i++)
                for (uint32_t j = 0; surfaces[i].surface == surface && j < rule->surfaces.n; j++)
                        if (slice_eq(unicode_trim(policy_str(p, names[j])), slice_of(surfaces[i].word)))
                                return true;
        return false;
}

enum mutation_surface inspect_mutation_surface(const struct policy *p, enum http_method method, struct slice path) {
        struct plist rules = p->root->mutations.rules;
        const struct opt_mutation_rule *rule = policy_list(p, rules, struct opt_mutation_rule);
        enum mutation_surface surface = MUTATE_NOTHING;

        if (rules.n == 0)
                return MUTATE_NOTHING;
        for (size_t i = 0; i < sizeof(surfaces) / sizeof(surfaces[0]); i++)
                if (surfaces[i].method == method && inspect_path_matches(surfaces[i].pattern, path))
                        surface = surfaces[i].surface;
        for (uint32_t i = 0; surface != MUTATE_NOTHING && i < rules.n; i++)
                if (rule_targets(p, &rule[i], surface))
                        return surface;
        return MUTATE_NOTHING;
}

static void refuse(const struct inspect_input *in, struct inspect_result *r, enum reason_code code, int status,
                   const char *pointer, const char *what) {
        inspect_deny(in, r, pointer, SLICE(""), NULL, "%s", what);
        r->outcome = INSPECT_OTHER;
        r->code = code;
        r->status = status;
}

/* A member and the name it was written with. */
static struct json_value member_and_name(struct json_value object, struct slice name, struct slice *ret_name) {
        struct json_iter it = json_iter_of(object);
        struct json_value v;
        struct slice quoted;

        while (object.type == JSON_OBJECT && json_next(&it, &quoted, &v))
                if (json_name_folds_to(quoted, name)) {
                        *ret_name = quoted;
                        return v;
                }
        *ret_name = SLICE("");
        return (struct json_value){ .type = JSON_ABSENT };
}

static void read_document(const struct inspect_input *in, enum mutation_surface surface, struct document *d) {
        struct json_value holder;

        *d = (struct document){ .text = in->body, .root = json_root(in->body) };
        d->labels = member_and_name(d->root, SLICE("Labels"), &d->labels_name);
        holder = d->root;
        if (surface != MUTATE_CONTAINER_CREATE)
                holder = json_member(json_member(d->root, SLICE("TaskTemplate")), SLICE("ContainerSpec"));
        d->image = member_and_name(holder, SLICE("Image"), &d->image_name);
}

/* ---- one rule on one model: true if it changed something; *ret_failure when it cannot apply ---- */

static bool already_set(const struct model *m, const struct document *d, struct slice name, struct slice value,
                        struct arena *a) {
        struct json_iter it = json_iter_of(d->labels);
        struct json_value v;
        struct slice quoted;

        for (size_t i = m->n_set; i-- > 0;)
                if (slice_eq(m->set[i].name, name))
                        return slice_eq(m->set[i].value, value);
        while (d->labels.type == JSON_OBJECT && json_next(&it, &quoted, &v))
                if (json_name_is(quoted, name))
                        return v.type == JSON_STRING && slice_eq(json_string(v, a), value);
        return false;
}

static bool inject(const struct inspect_input *in, const struct document *d, struct model *m,
                   const struct opt_inject_labels *rule, const char **ret_failure) {
        const struct pmap_entry *labels = policy_list(in->policy, rule->labels, struct pmap_entry);
        bool changed = false;

        if (m->labels_type != JSON_ABSENT && m->labels_type != JSON_NULL && m->labels_type != JSON_OBJECT) {
                *ret_failure = "Labels is no object";
                return false;
        }
        for (uint32_t i = 0; i < rule->labels.n; i++) {
                struct slice name = policy_str(in->policy, labels[i].key),
                             value = policy_str(in->policy, labels[i].value);

                if (already_set(m, d, name, value, in->arena))
                        continue;
                if (m->n_set == m->room) {
                        *ret_failure = "too many labels";
                        return false;
                }
                m->set[m->n_set++] = (struct label){ name, value };
                changed = true;
        }
        return changed;
}

static bool remap(const struct inspect_input *in, struct model *m, const struct opt_remap_image *rule,
                  const char **ret_failure) {
        struct slice from = policy_str(in->policy, rule->from), to = policy_str(in->policy, rule->to), current, result;

        if (m->image_type == JSON_ABSENT)
                return false;
        if (m->image_type != JSON_STRING) {
                *ret_failure = "Image is no string";
                return false;
        }
        current = unicode_trim(m->image);
        if (slice_case_eq(unicode_trim(policy_str(in->policy, rule->match)), SLICE("exact"))) {
                if (!slice_eq(current, from))
                        return false;
                result = to;
        } else {
                char *joined;

                if (!slice_starts(current, from))
                        return false;
                joined = arena_alloc(in->arena, to.len + current.len - from.len + 1);
                if (to.len)
                        memcpy(joined, to.at, to.len);
                if (current.len > from.len)
                        memcpy(joined + to.len, current.at + from.len, current.len - from.len);
                result = slice_make(joined, to.len + current.len - from.len);
        }
        if (inspect_is_blank(result) || !inspect_image_reference_valid(result)) {
                *ret_failure = "the remapped image is no valid reference";
                return false;
        }
        if (slice_eq(result, m->image))
                return false;
        m->image = result;
        m->image_changed = true;
        return true;
}

static struct model model_of(const struct document *d, const struct inspect_input *in, size_t room) {
        struct model m = { .labels_type = d->labels.type, .image_type = d->image.type, .room = room };

        m.set = arena_new_array(in->arena, struct label, room);
        if (d->image.type == JSON_STRING)
                m.image = json_string(d->image, in->arena);
        return m;
}

/* ---- from the model back to text ---- */

struct edits {
        struct json_edit *at;
        size_t n;
};

/* Replaces `old`, a piece of the text; an empty piece is a place to insert at. */
static void replace(struct edits *e, const struct document *d, struct slice old, struct slice new) {
        e->at[e->n++] = (struct json_edit){ .at = (size_t) (old.at - d->text.at), .del = old.len, .insert = new };
}

static struct slice quote(struct arena *a, struct slice s) {
        struct slice text;
        struct strbuf b;

        strbuf_init(&b, 6 * s.len + 2);
        strbuf_add_json(&b, s, JSON_ESCAPE_HTML);
        text = arena_dup(a, strbuf_view(&b));
        strbuf_free(&b);
        return text;
}

/* From a member's name to its value's end. */
static struct slice whole_member(struct slice name, struct json_value v) {
        return slice_make(name.at, (size_t) (v.text.at + v.text.len - name.at));
}

static void edit_labels(struct edits *e, const struct document *d, const struct model *m, struct arena *a) {
        struct slice new = SLICE(""); /* members that were not there */

        for (size_t i = 0; i < m->n_set; i++) {
                struct json_value old = json_member_exact(d->labels, m->set[i].name);
                struct slice value = quote(a, m->set[i].value), name;

                if (old.type != JSON_ABSENT) {
                        replace(e, d, old.text, value);
                        continue;
                }
                name = quote(a, m->set[i].name);
                new = arena_printf(a, "%.*s%s%.*s:%.*s", SLICE_ARG(new), new.len ? "," : "", SLICE_ARG(name),
                                   SLICE_ARG(value));
        }
        if (d->labels.type == JSON_OBJECT) {
                if (!slice_eq(d->labels_name, SLICE("\"Labels\"")))
                        replace(e, d, d->labels_name, SLICE("\"Labels\""));
                if (new.len && inspect_object_has_members(d->labels))
                        new = arena_printf(a, ",%.*s", SLICE_ARG(new));
                replace(e, d, slice_make(d->labels.text.at + d->labels.text.len - 1, 0), new);
        } else if (d->labels.type == JSON_NULL) {
                replace(e, d, whole_member(d->labels_name, d->labels),
                        arena_printf(a, "\"Labels\":{%.*s}", SLICE_ARG(new)));
        } else {
                replace(e, d, slice_make(d->root.text.at + 1, 0),
                        arena_printf(a, "\"Labels\":{%.*s}%s", SLICE_ARG(new),
                                     inspect_object_has_members(d->root) ? "," : ""));
        }
}

static struct slice write_back(const struct inspect_input *in, const struct document *d, const struct model *m) {
        struct edits e = { .at = arena_new_array(in->arena, struct json_edit, m->n_set + 3) };

        if (m->n_set)
                edit_labels(&e, d, m, in->arena);
        if (m->image_changed)
                replace(&e, d, whole_member(d->image_name, d->image),
                        arena_printf(in->arena, "\"Image\":%.*s", SLICE_ARG(quote(in->arena, m->image))));
        for (size_t i = 1; i < e.n; i++) /* by position */
                for (size_t j = i; j > 0 && e.at[j - 1].at > e.at[j].at; j--) {
                        struct json_edit t = e.at[j];

                        e.at[j] = e.at[j - 1];
                        e.at[j - 1] = t;
                }
        return json_apply_edits(d->text, e.at, e.n, in->arena);
}

/* ---- all of it ---- */

static const char *mode_word(const struct policy *p, const struct opt_mutation_rule *rule) {
        struct slice mode = unicode_trim(policy_str(p, rule->mode));

        return slice_case_eq(mode, SLICE("warn")) ? "warn" : slice_case_eq(mode, SLICE("audit")) ? "audit" : "enforce";
}

struct mutation_entry *inspect_mutation_entries(const struct policy *p, struct arena *a) {
        return arena_new_array(a, struct mutation_entry, p->root->mutations.rules.n);
}

void inspect_mutate(const struct inspect_input *in, enum mutation_surface surface, struct inspect_result *ret,
                    struct mutation_record *ret_record) {
        struct plist list = in->policy->root->mutations.rules;
        const struct opt_mutation_rule *rules = policy_list(in->policy, list, struct opt_mutation_rule);
        struct mutation_record record = { .entries = ret_record->entries };
        struct json_error e = { 0 };
        struct model real, shadow;
        struct document d;
        size_t labels = 0;
        bool changed = false;

        *ret = (struct inspect_result){ .outcome = INSPECT_PASS };
        if (json_validate(in->body, 0, MUTATION_DEPTH_MAX, in->arena, &e) < 0) {
                refuse(in, ret, REASON_mutation_request_invalid, 400, NULL,
                       arena_printf(in->arena, "the request body cannot be rewritten: %s at byte %zu", e.what, e.offset)
                               .at);
                return;
        }
        read_document(in, surface, &d);
        if (d.root.type != JSON_OBJECT) {
                refuse(in, ret, REASON_mutation_request_invalid, 400, "",
                       "the request body cannot be rewritten: it is no object");
                return;
        }
        for (uint32_t i = 0; i < list.n; i++)
                if (rules[i].inject_labels.n)
                        labels += policy_list(in->policy, rules[i].inject_labels, struct opt_inject_labels)->labels.n;
        real = model_of(&d, in, labels);
        shadow = model_of(&d, in, labels);

        for (uint32_t i = 0; i < list.n; i++) {
                const struct opt_mutation_rule *rule = &rules[i];
                const char *mode = mode_word(in->policy, rule), *failure = NULL, *type, *pointer;
                bool enforce = *mode == 'e', did;
                struct model *m = enforce ? &real : &shadow;

                if (!rule_targets(in->policy, rule, surface))
                        continue;
                if (rule->inject_labels.n) {
                        type = "inject_labels";
                        pointer = "/Labels";
                        did = inject(in, &d, m, policy_list(in->policy, rule->inject_labels, struct opt_inject_labels),
                                     &failure);
                } else if (rule->remap_image.n) {
                        type = "remap_image";
                        pointer = surface == MUTATE_CONTAINER_CREATE ? "/Image" : "/TaskTemplate/ContainerSpec/Image";
                        did = remap(in, m, policy_list(in->policy, rule->remap_image, struct opt_remap_image),
                                    &failure);
                } else {
                        continue;
                }
                if (failure && enforce) {
                        refuse(in, ret, REASON_mutation_apply_failed, 400, pointer,
                               arena_printf(in->arena, "a mutation rule cannot apply: %s", failure).at);
                        ret->option = arena_printf(in->arena, "mutations.rules[id=%.*s]",
                                                   SLICE_ARG(policy_str(in->policy, rule->id)))
                                              .at;
                        return;
                }
                record.entries[record.n++] = (struct mutation_entry){
                        .id = policy_str(in->policy, rule->id),
                        .type = type,
                        .mode = mode,
                        .outcome = failure   ? "failed"
                                   : enforce ? did ? "applied" : "noop"
                                   : did     ? "would_apply"
                                             : "would_noop",
                };
                record.warn_rule = record.warn_rule || *mode == 'w';
                changed = changed || (enforce && did);
        }
        record.changed = changed;
        if (changed) {
                ret->new_body = write_back(in, &d, &real);
                if (json_validate(ret->new_body, 0, MUTATION_DEPTH_MAX, in->arena, &e) < 0) {
                        refuse(in, ret, REASON_mutation_postcondition_failed, 500, NULL,
                               "the rewritten request body is not well-formed");
                        return;
                }
                ret->has_new_body = true;
        }
        *ret_record = record;
}
