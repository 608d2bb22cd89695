/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/unicode.h"
#include "http/exchange.h"
#include "identity/list_filter.h"
#include "identity/resource.h"
#include "response/visible.h"

/*
 * What a client may read (chapter 05, part 3). Lists are narrowed by label selectors in the query, and by patterns when
 * the answer passes (response/filter.c); single resources are inspected first. Only GET and HEAD are judged: what a
 * client may do to a hidden resource is for rules.
 */

struct selectors {
        struct label_selector *at;
        size_t n;
};

/* How the identifier stands in a path. */
enum shape {
        SHAPE_ONE,    /* prefix, one segment */
        SHAPE_REST,   /* prefix, everything behind it: the daemon takes slashes for part of the name */
        SHAPE_SUFFIX, /* prefix, anything that is not empty, one of the suffixes at the end */
        SHAPE_INNER,  /* prefix, one segment, one of the suffixes */
        SHAPE_EXACT,  /* the prefix alone */
};

static const char *const container_suffixes[] = { "/json",   "/logs",    "/stats",     "/top", "/changes",
                                                  "/export", "/archive", "/attach/ws", NULL };
static const char *const image_suffixes[] = { "/json", "/history", "/get", "/attestations", NULL };
static const char *const logs[] = { "/logs", NULL };
static const char *const json[] = { "/json", NULL };
static const char *const create[] = { "create", NULL };
static const char *const create_prune[] = { "create", "prune", NULL };

/* Rows of 3.5, in its order; the first that fits decides. */
static const struct visible_row {
        enum shape shape;
        const char *prefix;
        const char *const *suffixes;
        const char *const *except; /* words that are calls, not identifiers */
        enum resource_kind kind;
        bool exec; /* the identifier is an exec instance: its container counts */
        bool patterns;
} visible_rows[] = {
        { SHAPE_SUFFIX, "/containers/", container_suffixes, NULL, RESOURCE_CONTAINER, false, true },
        { SHAPE_SUFFIX, "/images/", image_suffixes, NULL, RESOURCE_IMAGE, false, true },
        { SHAPE_REST, "/networks/", NULL, create_prune, RESOURCE_NETWORK, false, false },
        { SHAPE_REST, "/volumes/", NULL, create_prune, RESOURCE_VOLUME, false, false },
        { SHAPE_ONE, "/services/", NULL, create, RESOURCE_SERVICE, false, false },
        { SHAPE_INNER, "/services/", logs, NULL, RESOURCE_SERVICE, false, false },
        { SHAPE_ONE, "/tasks/", NULL, NULL, RESOURCE_TASK, false, false },
        { SHAPE_INNER, "/tasks/", logs, NULL, RESOURCE_TASK, false, false },
        { SHAPE_ONE, "/secrets/", NULL, create, RESOURCE_SECRET, false, false },
        { SHAPE_ONE, "/configs/", NULL, create, RESOURCE_CONFIG, false, false },
        { SHAPE_ONE, "/nodes/", NULL, NULL, RESOURCE_NODE, false, false },
        { SHAPE_EXACT, "/swarm", NULL, NULL, RESOURCE_SWARM, false, false },
        { SHAPE_INNER, "/exec/", json, NULL, RESOURCE_CONTAINER, true, false },
        { SHAPE_SUFFIX, "/libpod/containers/", container_suffixes, NULL, RESOURCE_CONTAINER, false, false },
        { SHAPE_INNER, "/libpod/pods/", json, NULL, RESOURCE_POD, false, false },
        { SHAPE_INNER, "/libpod/networks/", json, NULL, RESOURCE_LIBPOD_NETWORK, false, false },
        { SHAPE_INNER, "/libpod/volumes/", json, NULL, RESOURCE_VOLUME, false, false },
        { SHAPE_INNER, "/libpod/secrets/", json, NULL, RESOURCE_SECRET, false, false },
};

static bool is_list(struct slice path) {
        static const char *const lists[] = {
                "/events",
                "/containers/json",
                "/images/json",
                "/networks",
                "/volumes",
                "/services",
                "/tasks",
                "/secrets",
                "/configs",
                "/nodes",
                "/libpod/containers/json",
                "/libpod/pods/json",
                "/libpod/networks/json",
                "/libpod/volumes/json",
                "/libpod/secrets/json",
        };

        for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
                if (slice_eq(path, slice_of(lists[i])))
                        return true;
        return false;
}

static bool strip_suffix(struct slice *id, const char *const *suffixes) {
        for (; *suffixes; suffixes++) {
                struct slice s = slice_of(*suffixes);

                if (id->len > s.len && slice_ends(*id, s)) {
                        id->len -= s.len;
                        return true;
                }
        }
        return false;
}

static bool row_matches(const struct visible_row *row, struct slice path, struct slice *ret_id) {
        struct slice id = slice_from(path, strlen(row->prefix));

        if (!slice_starts(path, slice_of(row->prefix)))
                return false;
        if (row->shape == SHAPE_EXACT) {
                *ret_id = SLICE("");
                return id.len == 0;
        }
        if (row->suffixes && !strip_suffix(&id, row->suffixes))
                return false;
        if (id.len == 0 || (row->shape != SHAPE_SUFFIX && row->shape != SHAPE_REST && slice_find(id, '/') >= 0))
                return false;
        for (const char *const *word = row->except; word && *word; word++)
                if (slice_eq(id, slice_of(*word)))
                        return false;
        *ret_id = id;
        return true;
}

static void add_selectors(const struct policy *p, struct plist list, struct selectors *s) {
        const struct pstr *texts = policy_list(p, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++) {
                struct label_selector *to = &s->at[s->n++];

                to->has_value = slice_cut(unicode_trim(policy_str(p, texts[i])), '=', &to->key, &to->value);
                to->key = unicode_trim(to->key);
                to->value = unicode_trim(to->value);
        }
}

static struct selectors selectors_of(struct exchange *x) {
        const struct policy *p = x->policy;
        struct plist root = p->root->response.visible_resource_labels, own = { 0 };
        struct selectors s = { 0 };

        if (x->scope != POLICY_SCOPE_ROOT && x->scope - 1 < p->root->clients.profiles.n)
                own = policy_list(p, p->root->clients.profiles, struct opt_profile)[x->scope - 1]
                              .response.visible_resource_labels;
        s.at = arena_new_array(x->arena, struct label_selector, (size_t) root.n + own.n);
        add_selectors(p, root, &s);
        add_selectors(p, own, &s);
        return s;
}

/* 1 all selectors match, 0 one does not, -EIO. Without selectors the labels are not looked at. */
static int labels_match(enum resource_kind kind, struct json_value root, const struct selectors *s, struct arena *a) {
        struct json_value labels;

        if (s->n == 0)
                return 1;
        if (resource_labels(kind, root, &labels) < 0)
                return -EIO;
        for (size_t i = 0; i < s->n; i++) {
                struct slice value;

                if (!resource_label(labels, s->at[i].key, a, &value) ||
                    (s->at[i].has_value && !slice_eq(value, s->at[i].value)))
                        return 0;
        }
        return 1;
}

/* By labels and patterns. 1 visible, 0 hidden, negative: cannot be told. */
static int judge_description(struct exchange *x, enum resource_kind kind, struct json_value root,
                             const struct selectors *s, const struct visible_patterns *patterns) {
        int visible = labels_match(kind, root, s, x->arena);

        if (visible <= 0 || !patterns)
                return visible;
        return kind == RESOURCE_CONTAINER ? visible_container_inspect(patterns, root, x->arena)
                                          : visible_image(patterns, root, x->arena);
}

static enum stage_result answer(struct exchange *x, enum resource_kind kind, int visible) {
        if (visible < 0)
                return exchange_deny(x, REASON_visibility_policy_lookup_failed, 502, ANSWER_MESSAGE,
                                     "unable to inspect the %s for the visibility policy", resource_kind_name(kind));
        if (visible > 0)
                return STAGE_NEXT;
        return exchange_deny(x, REASON_visibility_policy_hid_resource, 404, ANSWER_MESSAGE, "%s not found",
                             resource_kind_name(kind));
}

/* One inspect answers for labels and patterns alike. STAGE_NEXT: visible, or not there, which the daemon will say
 * itself. */
static enum stage_result judge(struct exchange *x, enum resource_kind kind, struct slice id, const struct selectors *s,
                               const struct visible_patterns *patterns) {
        struct json_value root;
        int r;

        r = resource_inspect(x, kind, id, &root);
        if (r == -ENOENT)
                return STAGE_NEXT;
        return answer(x, kind, r < 0 ? r : judge_description(x, kind, root, s, patterns));
}

/* An image that is exported: by a name without a tag it is every image of the repository. */
static enum stage_result judge_export(struct exchange *x, struct slice name, const struct selectors *s,
                                      const struct visible_patterns *patterns) {
        enum stage_result result = judge(x, RESOURCE_IMAGE, name, s, patterns);
        struct json_value images, each;
        struct json_iter it;
        int r;

        if (result != STAGE_NEXT || image_is_chosen(name))
                return result;
        r = resource_images(x, &images);
        if (r < 0)
                return answer(x, RESOURCE_REPOSITORY, r);
        for (it = json_iter_of(images); json_next(&it, NULL, &each);) {
                if (!image_entry_is_of(each, image_repository(name), x->arena))
                        continue;
                r = judge_description(x, RESOURCE_REPOSITORY, each, s, patterns);
                if (r <= 0)
                        return answer(x, RESOURCE_REPOSITORY, r);
        }
        return STAGE_NEXT;
}

static enum stage_result judge_exec(struct exchange *x, struct slice exec_id, const struct selectors *s) {
        struct slice container;
        int r = resource_exec_container(x, exec_id, &container);

        if (r == -ENOENT)
                return STAGE_NEXT;
        if (r < 0)
                return exchange_deny(x, REASON_visibility_policy_lookup_failed, 502, ANSWER_MESSAGE,
                                     "unable to inspect the exec instance for the visibility policy");
        return judge(x, RESOURCE_CONTAINER, container, s, NULL);
}

/* GET /images/get exports every image that `names` lists. */
static enum stage_result judge_names(struct exchange *x, const struct selectors *s,
                                     const struct visible_patterns *patterns) {
        const struct http_query *q = exchange_query(x);

        for (size_t i = 0; i < q->n; i++) {
                enum stage_result r;

                if (!slice_eq(q->at[i].name, SLICE("names")) || q->at[i].value.len == 0)
                        continue;
                r = judge_export(x, q->at[i].value, s, patterns);
                if (r != STAGE_NEXT)
                        return r;
        }
        return STAGE_NEXT;
}

enum stage_result stage_visibility(struct exchange *x) {
        struct slice path = x->target.normalized, id;
        struct visible_patterns patterns;
        struct selectors s;

        if (x->head.method != HTTP_GET && x->head.method != HTTP_HEAD)
                return STAGE_NEXT;
        s = selectors_of(x);
        visible_patterns_of(x->policy, x->scope, &patterns);
        if (s.n == 0 && !patterns.any)
                return STAGE_NEXT;
        if (is_list(path)) {
                if (s.n && list_filter_narrow(x, list_filter_key(path), s.at, s.n, false) < 0)
                        return exchange_deny(x, REASON_visibility_filter_invalid, 400, ANSWER_MESSAGE,
                                             "the filters parameter is not a filter");
                return STAGE_NEXT;
        }
        if (slice_eq(path, SLICE("/images/get")))
                return judge_names(x, &s, patterns.any ? &patterns : NULL);
        for (size_t i = 0; i < sizeof(visible_rows) / sizeof(visible_rows[0]); i++) {
                const struct visible_row *row = &visible_rows[i];

                if (!row_matches(row, path, &id))
                        continue;
                if (s.n == 0 && !row->patterns)
                        return STAGE_NEXT;
                if (row->exec)
                        return judge_exec(x, id, &s);
                if (row->kind == RESOURCE_IMAGE && slice_ends(path, SLICE("/get")))
                        return judge_export(x, id, &s, patterns.any ? &patterns : NULL);
                return judge(x, row->kind, id, &s, row->patterns && patterns.any ? &patterns : NULL);
        }
        return STAGE_NEXT;
}
