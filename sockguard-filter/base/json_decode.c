/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>

#include "base/json_text.h"
#include "base/unicode.h"

/*
 * Decoding by field tables, one pass over validated text. Arrays and maps of known members are counted before they are
 * allocated. What a body can make us allocate is bounded by its own size: a list of a hundred thousand empty mounts is
 * no mistake of an honest client.
 */

#define BUDGET_BASE (64u * 1024)

struct decoder {
        struct arena *arena;
        const char *end;
        size_t budget; /* bytes of lists, maps and structures still allowed */
        struct json_decode_error *err;
};

static int decode_object(struct decoder *d, const char **p, const struct json_field *fields, size_t n_fields,
                         char *out);
static int decode_field(struct decoder *d, const char **p, const struct json_field *f, char *at);

/* `p` is at the value that is none of what is wanted. */
static int wrong(struct decoder *d, const char *p, const char *wanted) {
        d->err->pointer = SLICE("");
        d->err->value = json_value_at(p, d->end).text;
        d->err->wanted = wanted;
        return -EBADMSG;
}

/* Puts a token in front of the pointer on the way out. */
static int within(struct decoder *d, struct slice token, int r) {
        struct slice head = json_pointer(d->arena, SLICE(""), token);

        d->err->pointer = arena_printf(d->arena, "%.*s%.*s", SLICE_ARG(head), SLICE_ARG(d->err->pointer));
        return r;
}

static int within_index(struct decoder *d, size_t i, int r) {
        return within(d, arena_printf(d->arena, "%zu", i), r);
}

static void *take(struct decoder *d, size_t n, size_t size) {
        size_t total;

        if (__builtin_mul_overflow(n, size, &total) || total > d->budget)
                return NULL;
        d->budget -= total;
        return arena_alloc(d->arena, total);
}

static bool is_null(const char *p) {
        return *p == 'n';
}

/* Elements or members of the container that starts at p. */
static size_t count(const char *p, const char *end) {
        size_t n = 0, depth = 0;
        bool any = false;

        for (; p < end; p++) {
                switch (*p) {
                case '"':
                        any = true;
                        p = json_skip_string(p, end) - 1;
                        break;
                case '{':
                case '[':
                        any = any || depth > 0;
                        depth++;
                        break;
                case '}':
                case ']':
                        if (--depth == 0)
                                return any ? n + 1 : 0;
                        break;
                case ',':
                        n += depth == 1;
                        break;
                default:
                        any = any || !json_is_space(*p);
                }
        }
        return 0;
}

/* Behind the comma, or at the closing bracket: more to come? p is behind a value, and afterwards at the next or behind
 * the bracket. */
static bool another(struct decoder *d, const char **p) {
        bool comma;

        *p = json_skip_space(*p, d->end);
        comma = **p == ',';
        *p = comma ? json_skip_space(*p + 1, d->end) : *p + 1;
        return comma;
}

/* p is at the opening bracket. True: p is at the first element; false: p is behind the empty container. */
static bool enter(struct decoder *d, const char **p) {
        *p = json_skip_space(*p + 1, d->end);
        if (**p != ']' && **p != '}')
                return true;
        (*p)++;
        return false;
}

static struct slice take_name(struct decoder *d, const char **p) {
        const char *from = *p;
        struct slice s;

        *p = json_skip_string(*p, d->end);
        s = slice_make(from, (size_t) (*p - from));
        *p = json_skip_space(*p, d->end);
        *p = json_skip_space(*p + 1, d->end);
        return s;
}

/* What a quoted text says; a copy of it counts. */
static struct slice decoded(struct decoder *d, struct slice quoted) {
        size_t before = d->arena->used, spent;
        struct slice s = json_name(quoted, d->arena);

        spent = d->arena->used - before; /* 0 for a view */
        d->budget -= spent < d->budget ? spent : d->budget;
        return s;
}

static struct slice take_text(struct decoder *d, const char **p) {
        const char *from = *p;

        *p = json_skip_string(*p, d->end);
        return decoded(d, slice_make(from, (size_t) (*p - from)));
}

static void skip(struct decoder *d, const char **p) {
        *p = json_skip_value(*p, d->end);
}

/*
 * A list or map of a known member starts at p. 1: p is still at its bracket, and it has *ret_n elements; 0: it is null,
 * and p is behind that; -EBADMSG.
 */
static int begin(struct decoder *d, const char **p, char bracket, const char *wanted, size_t *ret_n) {
        *ret_n = 0;
        if (is_null(*p)) {
                skip(d, p);
                return 0;
        }
        if (**p != bracket)
                return wrong(d, *p, wanted);
        *ret_n = count(*p, d->end);
        return 1;
}

/* The same for an array, with room for its elements. */
static int begin_array(struct decoder *d, const char **p, const char *wanted, size_t size, void *ret_at) {
        size_t n;
        void *at = NULL;
        int r = begin(d, p, '[', wanted, &n);

        if (r > 0) {
                at = take(d, n, size);
                if (!at)
                        return wrong(d, *p, "fewer elements");
        }
        if (r >= 0)
                memcpy(ret_at, &at, sizeof(at));
        return r;
}

/* The same for an object, with room for names and values. */
static int begin_map(struct decoder *d, const char **p, const char *wanted, size_t size, struct slice **ret_names,
                     void *ret_values) {
        size_t n;
        void *values = NULL;
        int r = begin(d, p, '{', wanted, &n);

        if (r > 0) {
                *ret_names = take(d, n, sizeof(**ret_names));
                values = *ret_names ? take(d, n, size) : NULL;
                if (!values)
                        return wrong(d, *p, "fewer members");
        }
        if (r >= 0)
                memcpy(ret_values, &values, sizeof(values));
        return r;
}

static int decode_strings(struct decoder *d, const char **p, struct json_strings *ret) {
        struct json_strings list = { 0 };
        int r = begin_array(d, p, "array of strings", sizeof(*list.at), &list.at);

        if (r < 0)
                return r;
        list.set = r > 0;
        for (bool more = list.set && enter(d, p); more; more = another(d, p), list.n++) {
                if (**p == '"') {
                        list.at[list.n] = take_text(d, p);
                } else if (is_null(*p)) {
                        list.at[list.n] = SLICE("");
                        skip(d, p);
                } else {
                        return within_index(d, list.n, wrong(d, *p, "string"));
                }
        }
        *ret = list;
        return 0;
}

static int decode_string_lists(struct decoder *d, const char **p, struct json_string_lists *ret) {
        struct json_string_lists lists = { 0 };
        int r = begin_array(d, p, "array of arrays of strings", sizeof(*lists.at), &lists.at);

        if (r < 0)
                return r;
        lists.set = r > 0;
        for (bool more = lists.set && enter(d, p); more; more = another(d, p), lists.n++) {
                r = decode_strings(d, p, &lists.at[lists.n]);
                if (r < 0)
                        return within_index(d, lists.n, r);
        }
        *ret = lists;
        return 0;
}

static int decode_string_map(struct decoder *d, const char **p, struct json_string_map *ret) {
        struct json_string_map map = { 0 };
        int r = begin_map(d, p, "object of strings", sizeof(*map.values), &map.names, &map.values);

        if (r < 0)
                return r;
        map.set = r > 0;
        for (bool more = map.set && enter(d, p); more; more = another(d, p), map.n++) {
                map.names[map.n] = decoded(d, take_name(d, p));
                if (**p == '"')
                        map.values[map.n] = take_text(d, p);
                else if (is_null(*p))
                        skip(d, p);
                else
                        return within(d, map.names[map.n], wrong(d, *p, "string"));
        }
        *ret = map;
        return 0;
}

/* A pointer to a structure; null makes it NULL. */
static int decode_opt_struct(struct decoder *d, const char **p, const struct json_field *f, void *at) {
        void *inner = NULL;
        int r;

        if (is_null(*p)) {
                skip(d, p);
        } else {
                inner = take(d, 1, f->size);
                if (!inner)
                        return wrong(d, *p, "fewer members");
                r = decode_object(d, p, f->fields, f->n_fields, inner);
                if (r < 0)
                        return r;
        }
        memcpy(at, &inner, sizeof(inner));
        return 0;
}

static int decode_struct_map(struct decoder *d, const char **p, const struct json_field *f,
                             struct json_struct_map *ret) {
        struct json_struct_map map = { 0 };
        int r = begin_map(d, p, "object", sizeof(*map.values), &map.names, &map.values);

        if (r < 0)
                return r;
        map.set = r > 0;
        for (bool more = map.set && enter(d, p); more; more = another(d, p), map.n++) {
                map.names[map.n] = decoded(d, take_name(d, p));
                r = decode_opt_struct(d, p, f, &map.values[map.n]);
                if (r < 0)
                        return within(d, map.names[map.n], r);
        }
        *ret = map;
        return 0;
}

static int decode_structs(struct decoder *d, const char **p, const struct json_field *f, struct json_list *ret) {
        struct json_list list = { 0 };
        int r = begin_array(d, p, "array of objects", f->size, &list.at);

        if (r < 0)
                return r;
        list.set = r > 0;
        for (bool more = list.set && enter(d, p); more; more = another(d, p), list.n++) {
                if (is_null(*p)) {
                        skip(d, p);
                        continue;
                }
                r = decode_object(d, p, f->fields, f->n_fields, (char *) list.at + list.n * f->size);
                if (r < 0)
                        return within_index(d, list.n, r);
        }
        *ret = list;
        return 0;
}

/* The number that starts at p; p moves behind it. False when it is none or does not fit. */
static bool take_int(struct decoder *d, const char **p, bool is_signed, void *ret) {
        struct json_value v = json_value_at(*p, d->end);

        *p += v.text.len;
        return (is_signed ? json_int64(v, ret) : json_uint64(v, ret)) == 0;
}

/* p is at the value. The kinds for which null means "leave it" come to nothing here when it is null. */
static int decode_field(struct decoder *d, const char **p, const struct json_field *f, char *at) {
        const char *start = *p;
        bool null = is_null(*p), truth = **p == 't';
        char bracket;

        switch ((enum json_kind) f->kind) {
        case JSON_K_STRING:
                if (**p == '"')
                        *(struct slice *) (void *) at = take_text(d, p);
                else if (null)
                        skip(d, p);
                else
                        return wrong(d, *p, "string");
                return 0;
        case JSON_K_BOOL:
                if (!null && !truth && **p != 'f')
                        return wrong(d, *p, "boolean");
                if (!null)
                        *(bool *) at = truth;
                skip(d, p);
                return 0;
        case JSON_K_OPT_BOOL:
                if (!null && !truth && **p != 'f')
                        return wrong(d, *p, "boolean");
                *(struct json_opt_bool *) at = (struct json_opt_bool){ .set = !null, .value = truth };
                skip(d, p);
                return 0;
        case JSON_K_INT64:
        case JSON_K_UINT64:
                if (null) {
                        skip(d, p);
                        return 0;
                }
                return take_int(d, p, f->kind == JSON_K_INT64, at) ? 0 : wrong(d, start, "integer");
        case JSON_K_OPT_INT64: {
                struct json_opt_int64 n = { .set = !null };

                if (null)
                        skip(d, p);
                else if (!take_int(d, p, true, &n.value))
                        return wrong(d, start, "integer");
                *(struct json_opt_int64 *) (void *) at = n;
                return 0;
        }
        case JSON_K_STRINGS:
                return decode_strings(d, p, (void *) at);
        case JSON_K_STRING_LISTS:
                return decode_string_lists(d, p, (void *) at);
        case JSON_K_STRING_MAP:
                return decode_string_map(d, p, (void *) at);
        case JSON_K_STRUCT_MAP:
                return decode_struct_map(d, p, f, (void *) at);
        case JSON_K_STRUCTS:
                return decode_structs(d, p, f, (void *) at);
        case JSON_K_OPT_STRUCT:
                return decode_opt_struct(d, p, f, at);
        case JSON_K_STRUCT:
                if (!null)
                        return decode_object(d, p, f->fields, f->n_fields, at);
                skip(d, p);
                return 0;
        case JSON_K_VALUE:
        case JSON_K_ARRAY:
        case JSON_K_OBJECT: {
                struct json_value v = json_value_at(*p, d->end);

                bracket = f->kind == JSON_K_ARRAY ? '[' : '{';
                if (f->kind != JSON_K_VALUE && !null && **p != bracket)
                        return wrong(d, *p, bracket == '[' ? "array" : "object");
                *p += v.text.len;
                if (v.type == JSON_NULL && f->kind != JSON_K_VALUE)
                        v = (struct json_value){ .type = JSON_ABSENT };
                *(struct json_value *) (void *) at = v;
                return 0;
        }
        case JSON_K_OTHERS: /* nothing is called so: decode_object() */
                break;
        }
        return wrong(d, *p, "known kind");
}

/*
 * The field that the quoted name means; a table has no two that fold to the same name. Clients write members in
 * Docker's order, and tables mostly follow it: the search starts at *hint, behind what was found last.
 */
static const struct json_field *find_field(struct slice quoted, const struct json_field *fields, size_t n,
                                           size_t *hint) {
        struct slice name;
        bool plain = json_plain_name(quoted, &name);

        for (size_t k = 0, i = *hint; k < n; k++, i++) {
                struct slice field;

                if (i >= n)
                        i = 0;
                field = slice_make(fields[i].name, fields[i].name_len);
                if (plain ? json_plain_same(name, field) : json_name_folds_to(quoted, field)) {
                        *hint = i + 1;
                        return &fields[i];
                }
        }
        return NULL;
}

static int decode_object(struct decoder *d, const char **p, const struct json_field *fields, size_t n_fields,
                         char *out) {
        void (*other)(void *, struct slice, struct json_value) = n_fields ? fields[n_fields - 1].other : NULL;
        size_t hint = 0;
        int r;

        if (**p != '{')
                return wrong(d, *p, "object");
        if (!enter(d, p))
                return 0;
        do {
                struct slice name = take_name(d, p);
                const struct json_field *f = find_field(name, fields, n_fields, &hint);
                const char *value = *p;

                if (!f) {
                        skip(d, p);
                        if (other)
                                other(out, name, json_value_of(value, *p));
                        continue;
                }
                r = decode_field(d, p, f, out + f->offset);
                if (r < 0)
                        return within(d, slice_make(f->name, f->name_len), r);
        } while (another(d, p));
        return 0;
}

int json_decode(struct json_value v, const struct json_field *fields, size_t n_fields, void *out, struct arena *a,
                struct json_decode_error *ret_err) {
        struct json_decode_error unused;
        struct decoder d = {
                .arena = a,
                .end = v.text.at + v.text.len,
                .budget = BUDGET_BASE + v.text.len,
                .err = ret_err ? ret_err : &unused,
        };
        const char *p = v.text.at;

        if (v.type == JSON_NULL)
                return 0;
        if (v.type != JSON_OBJECT)
                return wrong(&d, p, "object");
        return decode_object(&d, &p, fields, n_fields, out);
}
