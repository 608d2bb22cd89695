/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_JUDGE_H
#define SOCKGUARD_INSPECT_JUDGE_H

#include "inspect/common.h"

/* Small judgements that the families beside containers share, in addition to inspect/common.h. */

/* The lexically cleaned form of an absolute path; false when `path` is empty or does not start with a slash (no
 * trimming). */
bool judge_absolute(const struct inspect_input *in, struct slice path, struct slice *ret);

/*
 * The value of a query parameter, trimmed; empty when there is none. A parameter that occurs twice is denied, because
 * who reads it next may take the other one: false, *r filled in.
 */
bool judge_parameter(const struct inspect_input *in, const char *name, struct slice *ret, struct inspect_result *r);

/* As INSPECT_DECODE for a value inside the body; `at` is its pointer. False, *r filled in: a wrong type. */
bool judge_decode_value(const struct inspect_input *in, struct json_value v, const char *at,
                        const struct json_field *fields, size_t n_fields, void *out, struct inspect_result *r);

/* One condition of a table: when `hit` and not `allowed`, the request is denied. */
struct gate {
        bool hit, allowed;
        const char *pointer, *option, *reason;
};

/* The gates in their order; false, *r filled in, at the first that holds the request. */
bool judge_gates(const struct inspect_input *in, const struct gate *gates, size_t n, struct inspect_result *r);
#define JUDGE_GATES(in, gates, r) judge_gates((in), (gates), sizeof(gates) / sizeof((gates)[0]), (r))

/* A JSON null or nothing at all. */
static inline bool judge_absent(struct json_value v) {
        return v.type == JSON_ABSENT || v.type == JSON_NULL;
}

/* An array or object with something in it. */
bool judge_not_empty(struct json_value v);

/*
 * The driver options of a volume against a volume block: none allowed, any, or only those whose device is in a list.
 * `block` names the policy in the reason. True: fine.
 */
bool judge_volume_options(const struct inspect_input *in, const struct opt_volume *policy, const char *block,
                          const struct json_string_map *options, const char *at, struct inspect_result *r);

#endif
