/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/judge.h"

#include "base/unicode.h"

bool judge_absolute(const struct inspect_input *in, struct slice path, struct slice *ret) {
        if (path.len == 0 || path.at[0] != '/')
                return false;
        *ret = inspect_clean(in, path);
        return true;
}

bool judge_parameter(const struct inspect_input *in, const char *name, struct slice *ret, struct inspect_result *r) {
        struct slice value = { 0 };

        if (http_query_count(in->query, slice_of(name)) > 1) {
                inspect_deny(in, r, arena_printf(in->arena, "?%s", name).at, SLICE(""), NULL,
                             "parameter %s is given more than once", name);
                return false;
        }
        (void) http_query_get(in->query, slice_of(name), &value);
        *ret = unicode_trim(value);
        return true;
}

bool judge_decode_value(const struct inspect_input *in, struct json_value v, const char *at,
                        const struct json_field *fields, size_t n_fields, void *out, struct inspect_result *r) {
        struct json_decode_error e = { 0 };
        const char *pointer;

        if (json_decode(v, fields, n_fields, out, in->arena, &e) == 0)
                return true;
        pointer = arena_printf(in->arena, "%s%.*s", at, SLICE_ARG(e.pointer)).at;
        inspect_deny(in, r, pointer, e.value, NULL, "the request body is malformed: %s expected at \"%s\"",
                     e.wanted ? e.wanted : "object", pointer);
        return false;
}

bool judge_gates(const struct inspect_input *in, const struct gate *gates, size_t n, struct inspect_result *r) {
        for (size_t i = 0; i < n; i++)
                if (gates[i].hit && !gates[i].allowed) {
                        inspect_deny(in, r, gates[i].pointer, SLICE(""), gates[i].option, "%s", gates[i].reason);
                        return false;
                }
        return true;
}

bool judge_not_empty(struct json_value v) {
        struct json_iter it = json_iter_of(v);
        struct json_value one;

        return json_next(&it, NULL, &one);
}

/*
 * Beside the device there are file systems that find more of the host by themselves: an overlay its layers, others a
 * log or a second device in their options. Both are words of mount(8): "type", and "o" with a list of options.
 */
static bool names_more_paths(struct slice name, struct slice value) {
        if (inspect_word_is(name, SLICE("type")))
                return inspect_word_is(value, SLICE("overlay")) || inspect_word_is(value, SLICE("aufs"));
        return inspect_word_is(name, SLICE("o")) && slice_find(value, '/') >= 0;
}

/*
 * The local driver hands these to mount(2): with `device` any directory or block device of the host becomes a volume.
 */
bool judge_volume_options(const struct inspect_input *in, const struct opt_volume *policy, const char *block,
                          const struct json_string_map *options, const char *at, struct inspect_result *r) {
        if (options->n == 0)
                return true;
        if (!policy->allow_driver_opts) {
                inspect_deny(in, r, at, options->names[0],
                             arena_printf(in->arena, "request_body.%s.allow_driver_opts", block).at,
                             "volume driver options are not allowed");
                return false;
        }
        if (policy->allowed_devices.n == 0)
                return true;
        for (size_t i = 0; i < options->n; i++) {
                struct slice cleaned;

                if (inspect_word_is(options->names[i], SLICE("device"))
                            ? judge_absolute(in, options->values[i], &cleaned) &&
                                      inspect_within(in, cleaned, policy->allowed_devices)
                            : !names_more_paths(options->names[i], options->values[i]))
                        continue;
                inspect_deny(in, r, at, options->values[i],
                             arena_printf(in->arena, "request_body.%s.allowed_devices", block).at,
                             "the volume's device is not in the list");
                return false;
        }
        return true;
}
