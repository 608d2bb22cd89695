/* SPDX-License-Identifier: Apache-2.0 */
#include "response/redact.h"

#include <errno.h>

#include "base/path_pattern.h"
#include "base/unicode.h"

#define REDACTED "<redacted>"

struct walk {
        const char *copied; /* everything before it went to `out` already */
        struct strbuf *out;
        unsigned toggles;
        struct arena *scratch;
        const char *why;
};

/* Takes the original up to the value, then leaves the value's place to the caller, who appends what comes instead. */
static void replace(struct walk *w, struct json_value v) {
        strbuf_add(w->out, slice_make(w->copied, (size_t) (v.text.at - w->copied)));
        w->copied = v.text.at + v.text.len;
}

static void replace_by(struct walk *w, struct json_value v, struct slice text) {
        replace(w, v);
        strbuf_add(w->out, text);
}

static bool wrong(struct walk *w, const char *why) {
        w->why = why;
        return false;
}

static bool name_matches(struct slice quoted, const char *name) {
        size_t n = strlen(name);

        /* Escapes only make a name longer: the common spelling is decided without decoding. */
        if (quoted.len == n + 2)
                return memcmp(quoted.at + 1, name, n) == 0;
        return quoted.len > n + 2 && memchr(quoted.at, '\\', quoted.len) && json_name_is(quoted, slice_make(name, n));
}

static bool walk_object(struct walk *w, struct json_value object, const struct redact_step *steps);

static bool walk_each(struct walk *w, struct json_value array, const struct redact_step *steps, bool only_objects) {
        struct json_iter it = json_iter_of(array);
        struct json_value v;

        if (array.type != JSON_ARRAY)
                return wrong(w, "a list is not an array");
        while (json_next(&it, NULL, &v)) {
                if (v.type != JSON_OBJECT) {
                        if (!only_objects)
                                continue;
                        return wrong(w, "an element of a list is not an object");
                }
                if (!walk_object(w, v, steps))
                        return false;
        }
        return true;
}

static bool walk_map(struct walk *w, struct json_value map, const struct redact_step *step) {
        struct json_iter it = json_iter_of(map);
        struct slice name;
        struct json_value v;

        if (map.type != JSON_OBJECT)
                return wrong(w, "a map is not an object");
        while (json_next(&it, &name, &v)) {
                if (step->op == REDACT_MAP) {
                        if (v.type != JSON_OBJECT)
                                return wrong(w, "an entry of a map is not an object");
                        if (!walk_object(w, v, step->inside))
                                return false;
                } else if (v.type != JSON_NULL && !walk_each(w, v, step->inside, true))
                        return false;
        }
        return true;
}

static bool is_drive(struct slice s) {
        return s.len >= 3 && ((s.at[0] | 0x20) >= 'a' && (s.at[0] | 0x20) <= 'z') && s.at[1] == ':' &&
               (s.at[2] == '\\' || s.at[2] == '/');
}

/* Bytes of a bind's source: up to the colon that separates it from the target, a drive's own colon not counted. */
static size_t bind_source_length(struct slice text) {
        size_t skip = is_drive(text) ? 2 : 0;
        ssize_t colon = slice_find(slice_from(text, skip), ':');

        return colon < 0 ? text.len : skip + (size_t) colon;
}

static bool bind_is_sensitive(struct slice source) {
        struct slice s = unicode_trim(source);

        return slice_starts(s, SLICE("/")) || slice_starts(s, SLICE("\\\\")) || is_drive(s);
}

/* Lists of texts of which a part goes: binds lose their source, environment entries their value. */
static bool walk_texts(struct walk *w, struct json_value array, enum redact_op op) {
        struct json_iter it = json_iter_of(array);
        struct json_value v;

        if (array.type != JSON_ARRAY)
                return wrong(w, "a list of texts is not an array");
        while (json_next(&it, NULL, &v)) {
                struct slice text, before = SLICE(""), after = SLICE("");
                _cleanup_strbuf_ struct strbuf b = { 0 };

                if (v.type != JSON_STRING)
                        return wrong(w, "an element of a list of texts is not a string");
                text = json_string(v, w->scratch);
                if (op == REDACT_BINDS) {
                        size_t n = bind_source_length(text);

                        if (!bind_is_sensitive(slice_upto(text, n)))
                                continue;
                        after = slice_from(text, n);
                } else {
                        ssize_t eq = slice_find(text, '=');

                        if (eq >= 0)
                                before = slice_upto(text, (size_t) eq + 1);
                }
                strbuf_init(&b, before.len + after.len + sizeof(REDACTED));
                strbuf_add(&b, before);
                strbuf_adds(&b, REDACTED);
                strbuf_add(&b, after);
                if (b.failed)
                        return wrong(w, "out of memory");
                replace(w, v);
                strbuf_add_json(w->out, strbuf_view(&b), JSON_ESCAPE_LOG);
        }
        return true;
}

static bool apply(struct walk *w, struct json_value v, const struct redact_step *step) {
        switch ((enum redact_op) step->op) {
        case REDACT_STR:
                if (v.type != JSON_NULL)
                        replace_by(w, v, SLICE("\"" REDACTED "\""));
                return true;
        case REDACT_NUM:
                if (v.type == JSON_NUMBER)
                        replace_by(w, v, SLICE("0"));
                return true;
        case REDACT_ARR:
                if (v.type == JSON_ARRAY)
                        replace_by(w, v, SLICE("[]"));
                return true;
        case REDACT_ANY:
                if (v.type == JSON_STRING)
                        replace_by(w, v, SLICE("\"" REDACTED "\""));
                else if (v.type == JSON_ARRAY)
                        replace_by(w, v, SLICE("[]"));
                else if (v.type == JSON_OBJECT)
                        replace_by(w, v, SLICE("{}"));
                return true;
        case REDACT_SOME:
                return v.type != JSON_ARRAY || walk_each(w, v, step->inside, false);
        case REDACT_SET_ARR:
                replace_by(w, v, SLICE("[]"));
                return true;
        default:
                break;
        }
        /* What is left has a kind it must be of; null means that there is nothing to hide. */
        if (v.type == JSON_NULL)
                return true;
        switch ((enum redact_op) step->op) {
        case REDACT_LIST:
                if (v.type != JSON_ARRAY)
                        return wrong(w, "a list is not an array");
                replace_by(w, v, SLICE("[]"));
                return true;
        case REDACT_OBJ:
                if (v.type != JSON_OBJECT)
                        return wrong(w, "a structure is not an object");
                replace_by(w, v, SLICE("{}"));
                return true;
        case REDACT_INTO:
                if (v.type != JSON_OBJECT)
                        return wrong(w, "a structure is not an object");
                return walk_object(w, v, step->inside);
        case REDACT_EACH:
                return walk_each(w, v, step->inside, true);
        case REDACT_MAP:
        case REDACT_MAP_EACH:
                return walk_map(w, v, step);
        case REDACT_BINDS:
        case REDACT_ENVS:
                return walk_texts(w, v, step->op);
        default:
                return wrong(w, "unknown redaction");
        }
}

static bool walk_object(struct walk *w, struct json_value object, const struct redact_step *steps) {
        struct json_iter it = json_iter_of(object);
        uint64_t seen = 0; /* by index of the step; no list of steps is longer than 64 */
        bool empty = true;
        struct slice name;
        struct json_value v;

        while (json_next(&it, &name, &v)) {
                empty = false;
                for (size_t i = 0; steps[i].name; i++) {
                        if (!redact_active(steps[i].when, w->toggles) || !name_matches(name, steps[i].name))
                                continue;
                        seen |= 1ull << i;
                        if (!apply(w, v, &steps[i]))
                                return false;
                        break;
                }
        }
        for (size_t i = 0; steps[i].name; i++) {
                const char *brace = object.text.at + object.text.len - 1;

                if (steps[i].op != REDACT_SET_ARR || (seen & (1ull << i)) || !redact_active(steps[i].when, w->toggles))
                        continue;
                if (w->copied < brace) {
                        strbuf_add(w->out, slice_make(w->copied, (size_t) (brace - w->copied)));
                        w->copied = brace;
                }
                strbuf_addf(w->out, "%s\"%s\":[]", empty ? "" : ",", steps[i].name);
                empty = false;
        }
        return true;
}

int redact_value(const struct redact_step *steps, unsigned toggles, struct json_value value, struct arena *scratch,
                 struct strbuf *out, const char **ret_why) {
        struct walk w = { .copied = value.text.at, .out = out, .toggles = toggles, .scratch = scratch };

        if (value.type != JSON_OBJECT && value.type != JSON_NULL) {
                *ret_why = "the answer is not what the endpoint answers";
                return -EBADMSG;
        }
        if (value.type == JSON_OBJECT && !walk_object(&w, value, steps)) {
                *ret_why = w.why;
                return -EBADMSG;
        }
        strbuf_add(out, slice_make(w.copied, (size_t) (value.text.at + value.text.len - w.copied)));
        return out->failed ? -ENOBUFS : 0;
}

const struct redact_row *redact_find(struct slice path, unsigned toggles) {
        for (const struct redact_row *r = redact_rows; r->pattern; r++)
                if (redact_active(r->when, toggles) && path_pattern_match(r->pattern, path))
                        return r;
        return NULL;
}
