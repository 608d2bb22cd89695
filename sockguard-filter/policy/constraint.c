/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/constraint.h"

#include "base/unicode.h"

static bool is_absolute(struct slice s) {
        return slice_starts(s, SLICE("/"));
}

static bool is_not_blank(struct slice s) {
        return unicode_trim(s).len != 0;
}

static bool has_no_outer_blanks(struct slice s) {
        return s.len && unicode_trim(s).len == s.len;
}

static bool has_inner_blank(struct slice s) {
        uint32_t cp;

        while (s.len) {
                size_t n = unicode_decode(s, &cp);

                if (n && unicode_is_space(cp))
                        return true;
                s = slice_from(s, n ? n : 1);
        }
        return false;
}

static bool is_env_name(struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                if (strchr("= \t\r\n", s.at[i]))
                        return false;
        return s.len != 0;
}

static bool is_env_assignment(struct slice s) {
        struct slice name, value;

        return slice_cut(s, '=', &name, &value) && is_env_name(name);
}

static bool is_env_prefix(struct slice s) {
        s = unicode_trim(s);
        return slice_find(s, '=') >= 0 && !has_inner_blank(s);
}

/* A bare host, with or without a port. */
static bool is_registry(struct slice s) {
        s = unicode_trim(s);
        return s.len && slice_find(s, '/') < 0 && !has_inner_blank(s);
}

enum { ABSOLUTE_PATH, NOT_BLANK, NO_OUTER_BLANKS, ENV_NAME, ENV_ASSIGNMENT, ENV_PREFIX, REGISTRY, JOIN_ADDRESS, NOT_NEGATIVE, MINUS_ONE_OR_MORE };

static const struct constraint constraints[] = {
        [ABSOLUTE_PATH] = { .text_holds = is_absolute, .expected = "must be a path that starts with /", .pattern = "^/" },
        [NOT_BLANK] = { .text_holds = is_not_blank, .expected = "must not be blank", .pattern = "\\\\S" },
        [NO_OUTER_BLANKS] = { .text_holds = has_no_outer_blanks, .expected = "must not be empty, nor start or end with a blank",
                              .pattern = "^\\\\S(.*\\\\S)?$" },
        [ENV_NAME] = { .text_holds = is_env_name, .expected = "must be the bare name of a variable", .pattern = "^[^= \\\\t\\\\r\\\\n]+$" },
        [ENV_ASSIGNMENT] = { .text_holds = is_env_assignment, .expected = "must be NAME=VALUE", .pattern = "^[^= \\\\t\\\\r\\\\n]+=" },
        [ENV_PREFIX] = { .text_holds = is_env_prefix, .expected = "must hold a = and no blanks, such as DEBUG=",
                         .pattern = "^\\\\s*\\\\S*=\\\\S*\\\\s*$" },
        [REGISTRY] = { .text_holds = is_registry, .expected = "must be a bare registry host, such as docker.io or registry.example:5000",
                       .pattern = "^\\\\s*[^/\\\\s]+\\\\s*$" },
        [JOIN_ADDRESS] = { .text_holds = is_registry, .expected = "must be HOST or HOST:PORT", .pattern = "^\\\\s*[^/\\\\s]+\\\\s*$" },
        [NOT_NEGATIVE] = { .min = 0, .expected = "must not be negative" },
        [MINUS_ONE_OR_MORE] = { .min = -1, .expected = "must be -1 (no limit) or more" },
};

#define CONSTRAINT(block, key, constraint) { #block, #key, constraint },
static const struct {
        const char *block, *key;
        int constraint;
} rows[] = {
#include "policy/constraints.def"
};
#undef CONSTRAINT

const struct constraint *constraint_of(const struct opt_block *block, const struct opt_row *row) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strcmp(rows[i].block, block->name) == 0 && strcmp(rows[i].key, row->key) == 0)
                        return constraints + rows[i].constraint;
        return NULL;
}

static void check_row(struct config *c, const struct constraint *k, const struct opt_row *row, void *field) {
        struct plist *list = field;

        if (row->kind == OPT_K_STR && !k->text_holds(text_of(c, *(struct pstr *) field)))
                complain(c, field, "%s", k->expected);
        for (uint32_t i = 0; row->kind == OPT_K_STRS && i < list->n; i++)
                if (!k->text_holds(text_of(c, list_of(c, *list, struct pstr)[i])))
                        complain(c, list_of(c, *list, struct pstr) + i, "%s", k->expected);
        if ((row->kind == OPT_K_INT && *(int64_t *) field < k->min) ||
            (row->kind == OPT_K_OPTINT && ((struct opt_int *) field)->set && ((struct opt_int *) field)->value < k->min))
                complain(c, field, "%s", k->expected);
}

/* Most rows hold nothing: those have nothing to check, and finding out is cheaper than finding their constraint. */
static bool holds_something(const struct opt_row *row, const void *field) {
        switch (row->kind) {
        case OPT_K_STR:
                return true;
        case OPT_K_STRS:
                return ((const struct plist *) field)->n != 0;
        case OPT_K_INT:
                return *(const int64_t *) field != 0;
        case OPT_K_OPTINT:
                return ((const struct opt_int *) field)->set;
        default:
                return false;
        }
}

void constraints_check(struct config *c, const struct opt_block *block, void *base) {
        for (uint32_t i = 0; i < block->n_rows; i++) {
                const struct opt_row *row = block->rows + i;
                void *field = (unsigned char *) base + row->offset;
                const struct plist *list = field;
                const struct constraint *k;

                if (row->kind == OPT_K_SUB) {
                        constraints_check(c, row->inner, field);
                } else if (row->kind == OPT_K_LIST || row->kind == OPT_K_OPT) {
                        for (uint32_t n = 0; n < list->n; n++)
                                constraints_check(c, row->inner, list_of(c, *list, unsigned char) + (size_t) n * row->inner->size);
                } else if (holds_something(row, field) && (k = constraint_of(block, row))) {
                        check_row(c, k, row, field);
                }
        }
}
