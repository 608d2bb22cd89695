/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_JSON_H
#define SOCKGUARD_BASE_JSON_H

#include "base/arena.h"

/*
 * JSON as text: validated once, then read in place. No tree is built, so memory does not depend on what a client sends
 * in members nobody looks at, and every value knows where its bytes are, so that an edit is a splice and never a
 * re-serialisation.
 *
 * Two steps. json_validate() decides whether the text is one JSON value by RFC 8259 and by the stricter rules that its
 * flags name. Everything below it takes only text that passed, and cannot fail on syntax.
 */

enum json_flags {
        JSON_ALLOW_NUL = 1 << 0,      /* accept the escape \u0000 (refused otherwise) */
        JSON_ALLOW_BAD_UTF8 = 1 << 1, /* accept invalid UTF-8 in strings, read as U+FFFD a byte (refused otherwise) */
        JSON_ALLOW_DUPLICATES =
                1 << 2, /* accept repeated member names (refused otherwise: exact duplicates anywhere, and
                           names that fold to the same name, except inside the data maps of chapter 03, 1.5) */
};

#define JSON_DEPTH_MAX 10000u /* arrays and objects open at once; Docker's decoder stops there too */

struct json_error {
        size_t offset;    /* byte where validation stopped */
        const char *what; /* static text: "duplicate member", "control character in string", ... */
};

/*
 * Validates exactly one value with optional JSON white space around it. Depth above `max_depth` is an error.
 * `scratch` holds the names of open objects while duplicates are looked for (at most 8 bytes a member and an open
 * object); it is as before when the call returns. 0; -EBADMSG for anything refused, with *ret_err filled in (may be
 * NULL).
 */
int json_validate(struct slice text, unsigned flags, unsigned max_depth, struct arena *scratch,
                  struct json_error *ret_err);

enum json_type {
        JSON_ABSENT, /* not there: what looking up a missing member gives */
        JSON_NULL,
        JSON_FALSE,
        JSON_TRUE,
        JSON_NUMBER,
        JSON_STRING,
        JSON_ARRAY,
        JSON_OBJECT,
};

struct json_value {
        enum json_type type;
        struct slice text; /* the value's own bytes, from its first to its last */
};

/* The root of validated text. */
struct json_value json_root(struct slice text);

struct json_iter {
        const char *at, *end;
};

/* Starts at the first element or member. A value that is neither array nor object has none. */
struct json_iter json_iter_of(struct json_value v);

/*
 * The next element (ret_name may be NULL) or member (*ret_name is the name with its quotes, still escaped). False at
 * the end.
 */
bool json_next(struct json_iter *it, struct slice *ret_name, struct json_value *ret);

/* Does the escaped, quoted `name` decode to exactly `text` / to something fold-equal to the ASCII `text` (chapter
 * 03, 1.4)? */
bool json_name_is(struct slice name, struct slice text);
bool json_name_folds_to(struct slice name, struct slice text);

/* The member whose name is fold-equal / byte-equal; the last one wins. JSON_ABSENT when there is none or v is no
 * object. */
struct json_value json_member(struct json_value object, struct slice name);
struct json_value json_member_exact(struct json_value object, struct slice name);

/* The decoded content of a JSON string (quotes and escapes resolved); a view of the text when nothing is escaped. */
struct slice json_string(struct json_value v, struct arena *a);
struct slice json_name(struct slice quoted_name, struct arena *a);

/* Numbers by Docker's rules: `-?digits` in range, nothing with a fraction or an exponent. 0 or -EINVAL. */
int json_int64(struct json_value v, int64_t *ret);
int json_uint64(struct json_value v, uint64_t *ret);

/* ---- decoding into structures (the type rules of chapter 03, 1.4, item 8) ---- */

enum json_kind {
        JSON_K_STRING,       /* struct slice; null leaves it */
        JSON_K_BOOL,         /* bool; null leaves it */
        JSON_K_INT64,        /* int64_t; null leaves it */
        JSON_K_UINT64,       /* uint64_t; null leaves it */
        JSON_K_OPT_INT64,    /* struct json_opt_int64: pointer to int64; null = absent */
        JSON_K_OPT_BOOL,     /* struct json_opt_bool: pointer to bool; null = absent */
        JSON_K_STRINGS,      /* struct json_strings: list of string; null list = absent; null element = "" */
        JSON_K_STRING_LISTS, /* struct json_string_lists: list of list of string */
        JSON_K_STRING_MAP, /* struct json_string_map: object of strings, null value = "" ; keys exact, in document order
                            */
        JSON_K_VALUE,      /* struct json_value: any type, kept as it is (absent stays JSON_ABSENT) */
        JSON_K_STRUCT,     /* nested structure held by value at the offset; null leaves it; `fields` describes it */
        JSON_K_OPT_STRUCT, /* pointer to an arena-allocated structure of `size`; null = NULL */
        JSON_K_STRUCTS,    /* struct json_list of structures of `size`; null element = zero structure */
        JSON_K_STRUCT_MAP, /* struct json_struct_map: object name -> structure pointer (null = NULL), in document order
                            */
        JSON_K_ARRAY,      /* struct json_value that must be an array or null (null = absent): "array of any" */
        JSON_K_OBJECT,     /* struct json_value that must be an object or null (null = absent): "object of any" */
        JSON_K_OTHERS,     /* last of a table: told of each member that no other field means (`other`) */
};

struct json_opt_int64 {
        bool set;
        int64_t value;
};
struct json_opt_bool {
        bool set, value;
};
struct json_strings {
        bool set;
        size_t n;
        struct slice *at;
}; /* set: present and not null */
struct json_string_lists {
        bool set;
        size_t n;
        struct json_strings *at;
};
struct json_string_map {
        bool set;
        size_t n;
        struct slice *names, *values;
};
struct json_list {
        bool set;
        size_t n;
        void *at;
}; /* n structures of the field's `size` */
struct json_struct_map {
        bool set;
        size_t n;
        struct slice *names;
        void **values;
};

struct json_field {
        const char *name; /* as Docker spells it; matched by folding, inside maps exactly */
        uint8_t name_len;
        uint8_t kind; /* enum json_kind */
        uint8_t n_fields;
        uint16_t offset;                 /* offsetof() in the structure decoded into */
        uint16_t size;                   /* of a nested structure */
        const struct json_field *fields; /* of a nested structure */
        void (*other)(void *out, struct slice quoted_name, struct json_value v); /* JSON_K_OTHERS */
};

#define JSON_FIELD(type, member, json, kind_) \
        { .name = json, .name_len = sizeof(json) - 1, .kind = kind_, .offset = offsetof(type, member) }
#define JSON_NESTED(type, member, json, kind_, inner, table) \
        { \
                .name = json, .name_len = sizeof(json) - 1, .kind = kind_, .offset = offsetof(type, member), \
                .size = sizeof(inner), .fields = table, .n_fields = sizeof(table) / sizeof((table)[0]) \
        }

struct json_decode_error {
        struct slice pointer; /* RFC 6901, of the member whose type is wrong; in the arena */
        struct slice value;   /* its text, in the text that was decoded */
        const char *wanted;   /* static: "string", "boolean", "integer", ... */
};

/*
 * Decodes an object (or null: everything absent) into `out`, which the caller zeroed. Unknown members are skipped.
 * Decoded strings live in `a` or in the text. 0; -EBADMSG when the root is no object, or a known member has a wrong
 * type, or the lists and maps of known members would take more memory than 64 KiB plus the length of the text (tens of
 * thousands of empty elements). Two members that fold to the same known field were refused by json_validate(); with
 * JSON_ALLOW_DUPLICATES the last wins.
 */
int json_decode(struct json_value v, const struct json_field *fields, size_t n_fields, void *out, struct arena *a,
                struct json_decode_error *ret_err);

#define JSON_DECODE(v, table, out, a, err) \
        json_decode((v), (table), sizeof(table) / sizeof((table)[0]), (out), (a), (err))

/* ---- editing by splice ---- */

struct json_edit {
        size_t at, del;      /* byte range of the original text that goes */
        struct slice insert; /* what comes in its place */
};

/*
 * Applies edits, which must be sorted by `at` and must not overlap, to `text`. The result is one arena allocation.
 */
struct slice json_apply_edits(struct slice text, const struct json_edit *edits, size_t n, struct arena *a);

/* ---- a walk used where order and every variant matter ---- */

/* Appends "/token" (RFC 6901 escaped) to a pointer. */
struct slice json_pointer(struct arena *a, struct slice parent, struct slice token);

#endif
