/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/json_scan.h"
#include "base/path_pattern.h"
#include "base/strbuf.h"
#include "base/unicode.h"
#include "identity/ownership.h"

static const struct stamp_row stamp_rows[] = {
        { "/containers/create", { { "Labels" } } },
        { "/networks/create", { { "Labels" } } },
        { "/volumes/create", { { "Labels" } } },
        { "/secrets/create", { { "Labels" } } },
        { "/configs/create", { { "Labels" } } },
        { "/services/create", { { "Labels" }, { "TaskTemplate", "ContainerSpec", "Labels" } } },
        { "/services/{1}/update", { { "Labels" }, { "TaskTemplate", "ContainerSpec", "Labels" } } },
        { "/nodes/{1}/update", { { "Labels" } } },
        { "/swarm/update", { { "Labels" } } },
        { "/build", { { NULL } } },
        { "/libpod/build", { { NULL } } },
        { "/libpod/containers/create", { { "labels" } } },
        { "/libpod/pods/create", { { "labels" } } },
        { "/libpod/networks/create", { { "labels" } } },
        { "/libpod/volumes/create", { { "Labels" } } },
        { "/libpod/secrets/create", { { NULL } } },
};

/* Updates that the reference lets the owner's label get lost in; with ownership.strict it stays. */
static const struct stamp_row strict_rows[] = {
        { "/secrets/{1}/update", { { "Labels" } } },
        { "/configs/{1}/update", { { "Labels" } } },
};

const struct stamp_row commit_row = { "/commit", { { "Labels" } } };

const struct stamp_row *stamp_find(struct slice path, bool strict) {
        for (size_t i = 0; i < sizeof(stamp_rows) / sizeof(stamp_rows[0]); i++)
                if (path_pattern_match(stamp_rows[i].pattern, path))
                        return &stamp_rows[i];
        for (size_t i = 0; i < sizeof(strict_rows) / sizeof(strict_rows[0]) && strict; i++)
                if (path_pattern_match(strict_rows[i].pattern, path))
                        return &strict_rows[i];
        return NULL;
}

/* The one member that folds to `name`: validation refused a second. */
static bool find_folded(struct json_value object, const char *name, struct slice *ret_name, struct json_value *ret) {
        struct json_iter it = json_iter_of(object);

        while (json_next(&it, ret_name, ret))
                if (json_name_folds_to(*ret_name, slice_of(name)))
                        return true;
        return false;
}

static bool find_exact(struct json_value object, struct slice name, struct json_value *ret) {
        struct json_iter it = json_iter_of(object);
        struct slice found;

        while (json_next(&it, &found, ret))
                if (json_name_is(found, name))
                        return true;
        return false;
}

static bool is_empty(struct json_value object) {
        struct json_iter it = json_iter_of(object);
        struct json_value v;
        struct slice name;

        return !json_next(&it, &name, &v);
}

static size_t offset_of(struct slice text, const char *p) {
        return (size_t) (p - text.at);
}

/* Appends the edit that puts `inner` right behind an object's opening brace. */
static void insert_member(struct slice text, struct json_value object, struct strbuf *inner, struct json_edit *edit) {
        if (!is_empty(object))
                strbuf_addc(inner, ',');
        *edit = (struct json_edit){ .at = offset_of(text, object.text.at + 1), .insert = strbuf_view(inner) };
}

#define EDITS_MAX 4 /* a name a level, and the label */

/*
 * The edits, in order, that set key = owner in the map at `names` below `object`. What is missing on the way is
 * created; what is there under another spelling gets the table's.
 */
static int stamp_edits(struct slice text, struct json_value object, const char *const names[3], struct slice key,
                       struct slice owner, struct strbuf *b, struct json_edit edits[EDITS_MAX], size_t *ret_n) {
        struct json_value v = object, entry;
        struct slice name;
        int depth = 0;

        *ret_n = 0;
        for (;; depth++) {
                bool last = depth == 2 || !names[depth + 1];
                bool found = find_folded(object, names[depth], &name, &v);
                struct slice spelled = slice_of(names[depth]);

                if (found && v.type != JSON_NULL && v.type != JSON_OBJECT)
                        return -EBADMSG;
                if (found && !slice_eq(slice_make(name.at + 1, name.len - 2), spelled)) {
                        edits[(*ret_n)++] = (struct json_edit){
                                .at = offset_of(text, name.at + 1),
                                .del = name.len - 2,
                                .insert = spelled,
                        };
                }
                if (found && v.type == JSON_OBJECT) {
                        object = v;
                        if (last)
                                break;
                        continue;
                }
                /* Build what is missing from here down, as the value of this member or as a new member. */
                if (!found)
                        strbuf_addf(b, "\"%s\":", names[depth]);
                for (int i = depth + 1; i < 3 && names[i]; i++)
                        strbuf_addf(b, "{\"%s\":", names[i]);
                strbuf_addc(b, '{');
                strbuf_add_json(b, key, JSON_ESCAPE_LOG);
                strbuf_addc(b, ':');
                strbuf_add_json(b, owner, JSON_ESCAPE_LOG);
                strbuf_addc(b, '}');
                for (int i = depth + 1; i < 3 && names[i]; i++)
                        strbuf_addc(b, '}');
                if (found)
                        edits[(*ret_n)++] = (struct json_edit){
                                .at = offset_of(text, v.text.at),
                                .del = v.text.len,
                                .insert = strbuf_view(b),
                        };
                else
                        insert_member(text, object, b, &edits[(*ret_n)++]);
                return 0;
        }
        if (find_exact(object, key, &entry)) {
                strbuf_add_json(b, owner, JSON_ESCAPE_LOG);
                edits[(*ret_n)++] = (struct json_edit){
                        .at = offset_of(text, entry.text.at),
                        .del = entry.text.len,
                        .insert = strbuf_view(b),
                };
                return 0;
        }
        strbuf_add_json(b, key, JSON_ESCAPE_LOG);
        strbuf_addc(b, ':');
        strbuf_add_json(b, owner, JSON_ESCAPE_LOG);
        insert_member(text, object, b, &edits[(*ret_n)++]);
        return 0;
}

int stamp_body(const struct stamp_row *row, struct slice text, struct slice key, struct slice owner, struct arena *a,
               struct slice *ret) {
        for (int i = 0; i < 2 && row->labels[i][0]; i++) {
                _cleanup_strbuf_ struct strbuf b = { 0 };
                struct json_edit edits[EDITS_MAX];
                size_t n;
                int r;

                strbuf_init(&b, 8 * (key.len + owner.len) + 256);
                r = stamp_edits(text, json_root(text), row->labels[i], key, owner, &b, edits, &n);
                if (r < 0 || b.failed)
                        return -EBADMSG;
                text = json_apply_edits(text, edits, n, a);
        }
        *ret = text;
        return 0;
}

int stamp_labels(struct slice text, struct slice key, struct slice owner, struct arena *a, struct slice *ret) {
        struct json_value root = { .type = JSON_NULL }, v;
        _cleanup_strbuf_ struct strbuf b = { 0 };
        struct slice value, rest, name;
        struct json_iter it;

        if (text.len) {
                if (!json_first_value(text, &value, &rest))
                        value = text;
                if (json_validate(value, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES, JSON_DEPTH_MAX,
                                  a, NULL) < 0)
                        return -EBADMSG;
                root = json_root(value);
        }
        if (root.type != JSON_OBJECT && root.type != JSON_NULL)
                return -EBADMSG;
        strbuf_init(&b, 8u * 1024 * 1024);
        strbuf_addc(&b, '{');
        it = json_iter_of(root);
        while (root.type == JSON_OBJECT && json_next(&it, &name, &v)) {
                if (v.type != JSON_STRING && v.type != JSON_NULL)
                        return -EBADMSG;
                if (json_name_is(name, key))
                        continue;
                strbuf_add_json(&b, json_name(name, a), JSON_ESCAPE_LOG);
                strbuf_addc(&b, ':');
                strbuf_add_json(&b, v.type == JSON_STRING ? json_string(v, a) : SLICE(""), JSON_ESCAPE_LOG);
                strbuf_addc(&b, ',');
        }
        strbuf_add_json(&b, key, JSON_ESCAPE_LOG);
        strbuf_addc(&b, ':');
        strbuf_add_json(&b, owner, JSON_ESCAPE_LOG);
        strbuf_addc(&b, '}');
        if (b.failed)
                return -EBADMSG;
        *ret = arena_dup(a, strbuf_view(&b));
        return 0;
}

/* A word that no reader of Dockerfiles takes for anything but itself. */
static bool is_plain(struct slice s) {
        for (size_t i = 0; i < s.len; i++) {
                char c = s.at[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
                    (c == 0 || !strchr("._/:@+-", c)))
                        return false;
        }
        return true;
}

/* A backslash, or after a directive a backtick, makes the next line, which will be ours, part of this one. */
static bool continues(struct slice text) {
        struct slice line;
        bool more;

        do {
                more = slice_cut(text, '\n', &line, &text);
                line = unicode_trim(line);
                if (line.len && strchr("\\`", line.at[line.len - 1]))
                        return true;
        } while (more);
        return false;
}

int stamp_changes(struct http_query *q, struct slice key, struct slice owner, bool always, struct arena *a,
                  bool *ret_changed) {
        struct http_param *at = arena_new_array(a, struct http_param, q->n + 1);
        bool any = always;

        for (size_t i = 0; i < q->n; i++) {
                at[i] = q->at[i];
                if (!unicode_fold_eq(at[i].name, SLICE("changes")) || unicode_trim(at[i].value).len == 0)
                        continue;
                if (continues(at[i].value))
                        return -EBADMSG;
                /* Podman reads the name in any case, and values under the same name in their order. */
                at[i].name = SLICE("changes");
                any = true;
        }
        *ret_changed = any;
        if (!any)
                return 0;
        if (!is_plain(key) || !is_plain(owner))
                return -EBADMSG;
        at[q->n] = (struct http_param){ .name = SLICE("changes"),
                                        .value = arena_printf(a, "LABEL %.*s=%.*s", SLICE_ARG(key), SLICE_ARG(owner)) };
        q->at = at;
        q->n++;
        return 0;
}

bool body_sets_label(struct json_value root, struct slice key) {
        struct json_value labels, v;
        struct slice name;

        return root.type == JSON_OBJECT && find_folded(root, "Labels", &name, &labels) && labels.type == JSON_OBJECT &&
               find_exact(labels, key, &v);
}
