/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

/*
 * The other half of oracle.go: the same texts, the same answers. A text that we refuse for what Docker's decoder
 * accepts (duplicate names, NUL, invalid UTF-8, too many elements) is "refused: why", which the driver accepts only
 * where the text has it.
 */

struct leaf {
        struct slice text;
        int64_t number;
        bool flag;
        struct json_strings list;
        struct json_string_map labels;
        struct json_opt_int64 maybe;
};

struct tree {
        struct leaf host;
        struct leaf *pointer;
        struct json_list leaves;
        bool skip;
};

static const struct json_field leaf_fields[] = {
        JSON_FIELD(struct leaf, text, "Text", JSON_K_STRING),
        JSON_FIELD(struct leaf, number, "Number", JSON_K_INT64),
        JSON_FIELD(struct leaf, flag, "Flag", JSON_K_BOOL),
        JSON_FIELD(struct leaf, list, "List", JSON_K_STRINGS),
        JSON_FIELD(struct leaf, labels, "Labels", JSON_K_STRING_MAP),
        JSON_FIELD(struct leaf, maybe, "Maybe", JSON_K_OPT_INT64),
};

static const struct json_field tree_fields[] = {
        JSON_NESTED(struct tree, host, "HostConfig", JSON_K_STRUCT, struct leaf, leaf_fields),
        JSON_NESTED(struct tree, pointer, "Pointer", JSON_K_OPT_STRUCT, struct leaf, leaf_fields),
        JSON_NESTED(struct tree, leaves, "Leaves", JSON_K_STRUCTS, struct leaf, leaf_fields),
        JSON_FIELD(struct tree, skip, "Skip", JSON_K_BOOL),
};

static void show_hex(struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                printf("%02x", (unsigned) (unsigned char) s.at[i]);
}

static void show(const struct leaf *l) {
        size_t sum = 0;

        if (!l) {
                putchar('-');
                return;
        }
        show_hex(l->text);
        printf(",%lld,%s,[", (long long) l->number, l->flag ? "true" : "false");
        for (size_t i = 0; i < l->list.n; i++) {
                if (i)
                        putchar(' ');
                show_hex(l->list.at[i]);
        }
        for (size_t i = 0; i < l->labels.n; i++)
                sum += l->labels.names[i].len * 31 + l->labels.values[i].len;
        printf("],%zu:%zu,", l->labels.n, sum);
        if (l->maybe.set)
                printf("%lld", (long long) l->maybe.value);
        else
                putchar('-');
}

static void answer(struct slice text) {
        struct json_error e = { 0 };
        struct tree t = { 0 };
        struct json_value root;
        struct arena a;

        arena_init(&a, 64u << 20, NULL);
        if (json_validate(text, 0, JSON_DEPTH_MAX, &a, &e) < 0) {
                bool lenient = json_validate(text, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES,
                                             JSON_DEPTH_MAX, &a, NULL) == 0;

                printf(lenient ? "refused: %s\n" : "invalid\n", e.what);
                arena_free(&a);
                return;
        }
        root = json_root(text);
        printf("valid utf8 ");
        if (JSON_DECODE(root, tree_fields, &t, &a, NULL) < 0) {
                puts("type");
        } else {
                const struct leaf *leaves = t.leaves.at;

                show(&t.host);
                putchar('|');
                show(t.pointer);
                putchar('|');
                for (size_t i = 0; i < t.leaves.n; i++) {
                        if (i)
                                putchar(';');
                        show(&leaves[i]);
                }
                putchar('\n');
        }
        arena_free(&a);
}

int main(void) {
        char line[32];

        while (fgets(line, sizeof(line), stdin)) {
                size_t n = strtoul(line, NULL, 10);
                char *text = malloc(n ? n : 1);

                if (!text || fread(text, 1, n, stdin) != n)
                        return 1;
                answer(slice_make(text, n));
                free(text);
        }
        return 0;
}
