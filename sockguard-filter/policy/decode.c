/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the document's nodes to the structures of options.h, driven by the rows of options.def: one function a kind of
 * row.
 */
#include <math.h>
#include <stdlib.h>

#include "policy/config.h"

#define ROWS_MAX 128u /* of one block */

static void wrong(struct config *c, const struct node *n, const struct path *path, const char *expected) {
        struct slice value = { 0 };

        if (n->kind == NODE_SCALAR)
                value = n->tagged ? n->scalar->text : n->text;
        complain_at(c, false, path, n->line, n->column, value, (struct slice){ 0 }, "%s", expected);
}

static void put(struct config *c, void *field, const struct node *n) {
        mark_set(c, field, false, n->line, n->column);
}

static bool get_text(struct config *c, const struct node *n, bool strict, struct slice *ret) {
        struct scalar s;

        if (n->kind != NODE_SCALAR)
                return false;
        s = node_scalar(n);
        if (strict && s.type != SCALAR_STR && s.type != SCALAR_NULL)
                return false;
        return scalar_to_text(&s, &c->arena, ret) == 0;
}

static void decode_str(struct config *c, struct pstr *field, const struct node *n, const struct path *path,
                       bool strict) {
        struct slice text;

        if (!get_text(c, n, strict, &text))
                return wrong(c, n, path,
                             n->kind == NODE_SCALAR && !strict  ? "a text is wanted, not a date; write it in quotes"
                             : strict && n->kind == NODE_SCALAR ? "a text is wanted; write it in quotes"
                                                                : "a text is wanted");
        *field = builder_str(&c->blob, text);
        put(c, field, n);
}

static void decode_bool(struct config *c, bool *field, const struct node *n, const struct path *path) {
        struct scalar s;

        if (n->kind != NODE_SCALAR)
                return wrong(c, n, path, "true or false is wanted");
        s = node_scalar(n);
        if (scalar_to_bool(&s, field) < 0)
                return wrong(c, n, path, "true or false is wanted (yes, no, on and off are texts in YAML 1.2)");
        put(c, field, n);
}

/* The number itself; reports and returns false when it is none or outside [min, max]. */
static bool get_int(struct config *c, const struct node *n, const struct path *path, int64_t min, int64_t max,
                    int64_t *ret) {
        struct scalar s;
        int r = -EINVAL;

        if (n->kind == NODE_SCALAR) {
                s = node_scalar(n);
                r = scalar_to_int(&s, ret);
        }
        if (r == 0 && (*ret < min || *ret > max))
                r = -ERANGE;
        if (r == -ERANGE) {
                complain_at(c, false, path, n->line, n->column, n->tagged ? n->scalar->text : n->text,
                            (struct slice){ 0 }, "a number from %lld to %lld is wanted", (long long) min,
                            (long long) max);
                return false;
        }
        if (r < 0)
                wrong(c, n, path, "a whole number is wanted");
        return r == 0;
}

static void decode_float(struct config *c, double *field, const struct node *n, const struct path *path) {
        struct scalar s;

        if (n->kind != NODE_SCALAR)
                return wrong(c, n, path, "a number is wanted");
        s = node_scalar(n);
        if (scalar_to_float(&s, field) < 0)
                return wrong(c, n, path, "a number is wanted");
        put(c, field, n);
}

/* Pieces of a text between commas, blanks kept (chapter 01, 2.2); none for an empty text. */
static size_t count_pieces(struct slice text) {
        size_t n = text.len != 0;

        for (size_t i = 0; i < text.len; i++)
                n += text.at[i] == ',';
        return n;
}

static void split_into(struct config *c, struct slice text, const struct node *n, struct plist *ret) {
        size_t count = count_pieces(text);
        struct pstr *at = builder_list(&c->blob, count, struct pstr, ret);

        for (size_t i = 0; i < count; i++) {
                struct slice piece;

                slice_cut(text, ',', &piece, &text);
                at[i] = builder_str(&c->blob, piece);
                put(c, at + i, n);
        }
}

static void decode_strs(struct config *c, struct plist *field, const struct node *n, const struct path *path,
                        bool strict) {
        struct plist list = { 0 };
        struct pstr *at;

        if (n->kind == NODE_SCALAR) {
                struct scalar s = node_scalar(n);
                struct slice text;

                if (strict || scalar_to_text(&s, &c->arena, &text) < 0)
                        return wrong(c, n, path, "a list of texts is wanted");
                if (s.type == SCALAR_STR) {
                        split_into(c, text, n, &list);
                } else {
                        at = builder_list(&c->blob, 1, struct pstr, &list);
                        *at = builder_str(&c->blob, text);
                        put(c, at, n);
                }
        } else if (n->kind == NODE_MAP) {
                if (n->n || strict)
                        return wrong(c, n, path, "a list of texts is wanted, not a mapping");
        } else {
                at = builder_list(&c->blob, n->n, struct pstr, &list);
                for (uint32_t i = 0; i < n->n; i++)
                        decode_str(c, at + i, n->items[i], &(struct path){ .up = path, .index = i }, strict);
        }
        *field = list;
        put(c, field, n);
}

static void decode_argvs(struct config *c, struct plist *field, const struct node *n, const struct path *path) {
        struct plist list = { 0 }, *at;

        if (n->kind == NODE_SCALAR) {
                struct scalar s = node_scalar(n);
                struct slice text, piece;
                size_t count;

                if (scalar_to_text(&s, &c->arena, &text) < 0)
                        return wrong(c, n, path, "a list of lists of texts is wanted");
                /* A text is a list of one-word lists: "a b,c" is [["a b"], ["c"]]. */
                count = s.type == SCALAR_STR ? count_pieces(text) : 1;
                at = builder_list(&c->blob, count, struct plist, &list);
                for (size_t i = 0; i < count; i++) {
                        slice_cut(text, ',', &piece, &text);
                        split_into(c, piece, n, at + i);
                        put(c, at + i, n);
                }
        } else if (n->kind == NODE_MAP) {
                if (n->n)
                        return wrong(c, n, path, "a list of lists of texts is wanted, not a mapping");
        } else {
                at = builder_list(&c->blob, n->n, struct plist, &list);
                for (uint32_t i = 0; i < n->n; i++) {
                        put(c, at + i, n->items[i]);
                        if (!node_is_null(n->items[i]))
                                decode_strs(c, at + i, n->items[i], &(struct path){ .up = path, .index = i }, false);
                }
        }
        *field = list;
        put(c, field, n);
}

/* Lists of uint32_t or int32_t: both are four bytes, and the range says which. */
static void decode_numbers(struct config *c, struct plist *field, const struct node *n, const struct path *path,
                           bool is_signed) {
        struct node piece = { .kind = NODE_SCALAR, .line = n->line, .column = n->column };
        struct plist list = { 0 };
        struct slice text = { 0 };
        size_t count = 1;
        bool split = false;
        uint32_t *at;

        if (n->kind == NODE_MAP) {
                if (n->n)
                        return wrong(c, n, path, "a list of numbers is wanted, not a mapping");
                count = 0;
        } else if (n->kind == NODE_LIST) {
                count = n->n;
        } else if (node_scalar(n).type == SCALAR_STR) {
                text = node_scalar(n).text;
                split = true;
                count = count_pieces(text);
        }
        at = builder_list(&c->blob, count, uint32_t, &list);
        for (uint32_t i = 0; i < count; i++) {
                const struct node *one = n->kind == NODE_LIST ? n->items[i] : n;
                int64_t v = 0;

                if (split) {
                        slice_cut(text, ',', &piece.text, &text);
                        one = &piece;
                }
                if (get_int(c, one, &(struct path){ .up = path, .index = i }, is_signed ? INT32_MIN : 0,
                            is_signed ? INT32_MAX : UINT32_MAX, &v)) {
                        at[i] = (uint32_t) v;
                        put(c, at + i, one);
                }
        }
        *field = list;
        put(c, field, n);
}

static const struct config *sorting; /* qsort has no argument for it; one compilation at a time */

static int compare_map(const void *a, const void *b) {
        const struct pmap_entry *x = a, *y = b;

        return slice_cmp(text_of(sorting, x->key), text_of(sorting, y->key));
}

static void decode_map(struct config *c, struct plist *field, const struct node *n, const struct path *path) {
        struct plist list = { 0 };
        struct pmap_entry *at;

        if (n->kind != NODE_MAP)
                return wrong(c, n, path, "a mapping of texts to texts is wanted");
        at = builder_list(&c->blob, n->n, struct pmap_entry, &list);
        for (uint32_t i = 0; i < n->n; i++) {
                struct slice key = node_key(n->entries + i);
                struct path below = { .up = path, .key = key.at };

                at[i].key = builder_str(&c->blob, key);
                decode_str(c, &at[i].value, n->entries[i].value, &below, true);
        }
        if (list.n) {
                sorting = c;
                qsort(at, list.n, sizeof(*at), compare_map);
        }
        *field = list;
        put(c, field, n);
}

static void decode_element(struct config *c, const struct opt_block *inner, void *base, const struct node *n,
                           const struct path *path, bool strict) {
        mark_set(c, base, true, n->line, n->column);
        if (node_is_null(n))
                return;
        if (n->kind != NODE_MAP)
                return wrong(c, n, path, "a mapping is wanted");
        decode_block(c, inner, base, n, path, strict);
}

static void decode_list(struct config *c, const struct opt_row *row, struct plist *field, const struct node *n,
                        const struct path *path, bool strict) {
        struct node *only = (struct node *) (uintptr_t) n, *const *items = &only;
        struct plist list = { 0 };
        uint32_t count = 1;
        unsigned char *at;

        if (n->kind == NODE_LIST) {
                items = n->items;
                count = n->n;
        } else if (strict ||
                   (n->kind == NODE_SCALAR && (node_scalar(n).type != SCALAR_STR || node_scalar(n).text.len))) {
                return wrong(c, n, path, "a list of mappings is wanted");
        } else if (n->kind == NODE_SCALAR || n->n == 0) {
                count = 0;
        }
        at = builder_array(&c->blob, count, row->inner->size, &list);
        for (uint32_t i = 0; i < count; i++)
                decode_element(c, row->inner, at + (size_t) i * row->inner->size, items[i],
                               &(struct path){ .up = path, .index = i }, strict);
        *field = list;
        put(c, field, n);
}

static bool below_list(const struct path *path) {
        for (; path; path = path->up)
                if (!path->key)
                        return true;
        return false;
}

/* Does a mapping set anything? null and empty mappings do not count (chapter 01, 2.6). */
static bool holds_value(const struct node *map) {
        for (uint32_t i = 0; i < map->n; i++) {
                const struct node *v = map->entries[i].value;

                if (!node_is_null(v) && !(v->kind == NODE_MAP && v->n == 0))
                        return true;
        }
        return false;
}

static void decode_optional(struct config *c, const struct opt_row *row, struct plist *field, const struct node *n,
                            const struct path *path, bool strict) {
        void *at;

        if (n->kind != NODE_MAP)
                return wrong(c, n, path, "a mapping is wanted");
        /* Outside lists a mapping without values is as good as none. */
        if (!below_list(path) && !holds_value(n))
                return;
        at = builder_array(&c->blob, 1, row->inner->size, field);
        put(c, field, n);
        decode_element(c, row->inner, at, n, path, strict);
}

void decode_value(struct config *c, const struct opt_row *row, void *base, const struct node *value,
                  const struct path *path, bool strict) {
        void *field = (unsigned char *) base + row->offset;
        int64_t v;

        switch (row->kind) {
        case OPT_K_STR:
                return decode_str(c, field, value, path, strict);
        case OPT_K_BOOL:
                return decode_bool(c, field, value, path);
        case OPT_K_INT:
                if (get_int(c, value, path, INT64_MIN, INT64_MAX, &v)) {
                        *(int64_t *) field = v;
                        put(c, field, value);
                }
                return;
        case OPT_K_OPTINT:
                if (value->kind == NODE_MAP && value->n == 0 && !below_list(path))
                        return; /* an empty mapping does not count as written (chapter 01, 2.6) */
                if (get_int(c, value, path, INT64_MIN, INT64_MAX, &v)) {
                        *(struct opt_int *) field = (struct opt_int){ .value = v, .set = true };
                        put(c, field, value);
                }
                return;
        case OPT_K_FLOAT:
                return decode_float(c, field, value, path);
        case OPT_K_STRS:
                return decode_strs(c, field, value, path, strict);
        case OPT_K_ARGVS:
                return decode_argvs(c, field, value, path);
        case OPT_K_U32S:
                return decode_numbers(c, field, value, path, false);
        case OPT_K_I32S:
                return decode_numbers(c, field, value, path, true);
        case OPT_K_MAP:
                return decode_map(c, field, value, path);
        case OPT_K_SUB:
                if (value->kind != NODE_MAP)
                        return wrong(c, value, path, "a mapping is wanted");
                mark_set(c, field, true, value->line, value->column);
                return decode_block(c, row->inner, field, value, path, strict);
        case OPT_K_LIST:
                return decode_list(c, row, field, value, path, strict);
        case OPT_K_OPT:
                return decode_optional(c, row, field, value, path, strict);
        }
}

static void unknown_key(struct config *c, const struct opt_block *block, const struct entry *e, const struct path *up,
                        bool strict) {
        struct slice names[ROWS_MAX], key = node_key(e), nearest;
        bool warning = c->source.allow_unknown_keys && !strict;
        struct path path = { .up = up, .key = key.at };

        if (slice_find(key, '.') >= 0) {
                complain_at(c, false, &path, e->key->line, e->key->column, (struct slice){ 0 }, (struct slice){ 0 },
                            "keys with dots are not read; write one mapping inside the other");
                return;
        }
        for (uint32_t i = 0; i < block->n_rows; i++)
                names[i] = slice_of(block->rows[i].key);
        nearest = problem_nearest(key, names, block->n_rows);
        complain_at(c, warning, &path, e->key->line, e->key->column, (struct slice){ 0 }, nearest, "%s",
                    warning ? "unknown key, ignored" : "unknown key");
        if (warning)
                return;
        /* It was meant to be the nearest, or, when none is near, anything beside it. */
        path.key = arena_dup(&c->arena, nearest).at;
        misread_add(c, path_text(c, nearest.len ? &path : up));
}

void decode_block(struct config *c, const struct opt_block *block, void *base, const struct node *map,
                  const struct path *path, bool strict) {
        bool seen[ROWS_MAX] = { false };

        for (uint32_t i = 0; i < map->n; i++) {
                const struct entry *e = map->entries + i;
                struct slice key = node_key(e);
                const struct opt_row *row = NULL;
                struct path below = { .up = path };

                for (uint32_t k = 0; k < block->n_rows && !row; k++)
                        if (slice_case_eq(key, slice_of(block->rows[k].key)))
                                row = block->rows + k;
                /* At the top, x-anything is a place to keep anchors, as compose files have it. */
                if (!row && !path && key.len > 2 && slice_case_eq(slice_upto(key, 2), SLICE("x-")))
                        continue;
                if (!row) {
                        unknown_key(c, block, e, path, strict);
                        continue;
                }
                below.key = row->key;
                if (seen[row - block->rows]) {
                        complain_at(c, false, &below, e->key->line, e->key->column, key, (struct slice){ 0 },
                                    "this key stands twice in one mapping (letter case does not count)");
                        continue;
                }
                seen[row - block->rows] = true;
                /* null leaves the default, or in a list the zero value, as if the key were absent */
                if (node_is_null(e->value))
                        continue;
                decode_value(c, row, base, e->value, &below,
                             strict || (row->kind == OPT_K_SUB && strcmp(row->inner->name, "mutations") == 0));
        }
}

void decode_defaults(struct config *c, const struct opt_block *block, void *base) {
        for (uint32_t i = 0; i < block->n_rows; i++) {
                const struct opt_row *row = block->rows + i;
                void *field = (unsigned char *) base + row->offset;

                if (row->kind == OPT_K_SUB) {
                        decode_defaults(c, row->inner, field);
                        continue;
                }
                if (!row->default_text || !row->default_text[0])
                        continue;
                if (row->kind == OPT_K_STR)
                        *(struct pstr *) field = builder_str(&c->blob, slice_of(row->default_text));
                else if (row->kind == OPT_K_BOOL)
                        *(bool *) field = strcmp(row->default_text, "true") == 0;
                else if (row->kind == OPT_K_INT)
                        *(int64_t *) field = strtoll(row->default_text, NULL, 10);
                else if (row->kind == OPT_K_FLOAT)
                        *(double *) field = strtod(row->default_text, NULL);
        }
}
