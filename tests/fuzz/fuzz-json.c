/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "tests/fuzz/fuzz.h"

/*
 * What was validated can be walked, decoded and edited without a further look at its syntax; what the walk finds is
 * what look-up finds; and a text that is refused for a duplicate only is fine when duplicates are allowed.
 */

struct leaf {
        struct slice text;
        int64_t number;
        bool flag;
        struct json_strings list;
        struct json_string_map map;
        struct json_opt_int64 maybe;
};

struct tree {
        struct leaf leaf;
        struct leaf *pointer;
        struct json_list leaves;
        struct json_struct_map by_name;
        struct json_string_lists lists;
        struct json_value any;
};

static const struct json_field leaf_fields[] = {
        JSON_FIELD(struct leaf, text, "Text", JSON_K_STRING),
        JSON_FIELD(struct leaf, number, "Number", JSON_K_INT64),
        JSON_FIELD(struct leaf, flag, "Flag", JSON_K_BOOL),
        JSON_FIELD(struct leaf, list, "List", JSON_K_STRINGS),
        JSON_FIELD(struct leaf, map, "Labels", JSON_K_STRING_MAP),
        JSON_FIELD(struct leaf, maybe, "Maybe", JSON_K_OPT_INT64),
};

static const struct json_field tree_fields[] = {
        JSON_NESTED(struct tree, leaf, "Leaf", JSON_K_STRUCT, struct leaf, leaf_fields),
        JSON_NESTED(struct tree, pointer, "Pointer", JSON_K_OPT_STRUCT, struct leaf, leaf_fields),
        JSON_NESTED(struct tree, leaves, "Leaves", JSON_K_STRUCTS, struct leaf, leaf_fields),
        JSON_NESTED(struct tree, by_name, "ByName", JSON_K_STRUCT_MAP, struct leaf, leaf_fields),
        JSON_FIELD(struct tree, lists, "Lists", JSON_K_STRING_LISTS),
        JSON_FIELD(struct tree, any, "Any", JSON_K_VALUE),
};

static size_t walk(struct json_value v, struct slice whole, struct arena *a, unsigned depth) {
        struct json_iter it = json_iter_of(v);
        struct json_value child;
        struct slice name;
        size_t n = 1;

        FUZZ_ASSERT(v.text.at >= whole.at && v.text.at + v.text.len <= whole.at + whole.len && v.text.len > 0);
        if (v.type == JSON_STRING)
                (void) json_string(v, a);
        if (depth == 0)
                return n;
        while (json_next(&it, &name, &child)) {
                if (v.type == JSON_OBJECT && depth > 60) {
                        struct slice text = json_name(name, a);

                        FUZZ_ASSERT(json_name_folds_to(name, text) && json_name_is(name, text));
                        FUZZ_ASSERT(json_member_exact(v, text).text.at == child.text.at);
                }
                n += walk(child, whole, a, depth - 1);
        }
        return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct slice text = slice_make((const char *) data, size);
        struct json_error e = { 0 };
        struct tree tree = { 0 };
        struct arena a;
        size_t before;
        int r;

        if (size > 16 * 1024)
                return 0;
        arena_init(&a, 64 * 1024 * 1024, NULL);
        before = a.used;
        r = json_validate(text, 0, JSON_DEPTH_MAX, &a, &e);
        FUZZ_ASSERT(a.used == before);
        if (r < 0) {
                FUZZ_ASSERT(e.what && e.offset <= size);
                if (slice_eq(slice_of(e.what), SLICE("duplicate member")))
                        (void) json_validate(text, JSON_ALLOW_DUPLICATES, JSON_DEPTH_MAX, &a, NULL);
        } else {
                struct json_value root = json_root(text);
                struct json_edit edit = { .at = (size_t) (root.text.at - text.at),
                                          .del = root.text.len,
                                          .insert = SLICE("null") };

                FUZZ_ASSERT(json_validate(text, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES,
                                          JSON_DEPTH_MAX, &a, NULL) == 0);
                (void) walk(root, text, &a, 64);
                (void) JSON_DECODE(root, tree_fields, &tree, &a, NULL);
                FUZZ_ASSERT(json_validate(json_apply_edits(text, &edit, 1, &a), 0, 1, &a, NULL) == 0);
        }
        arena_free(&a);
        return 0;
}
