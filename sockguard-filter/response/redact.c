/* SPDX-License-Identifier: Apache-2.0 */
#include "response/redact.h"

#include <errno.h>

#include "base/json_text.h"
#include "base/path_pattern.h"
#include "base/unicode.h"

#define REDACTED "<redacted>"

/*
 * One pass over validated text: each function takes a pointer to the first byte of a value and returns the one behind
 * its last, or NULL when what is there cannot be redacted.
 */
struct walk {
        const char *end;    /* of the text */
        const char *copied; /* everything before it went to `out` already */
        struct strbuf *out;
        unsigned toggles;
        struct arena *scratch;
        const char *why;
};

static const char *wrong(struct walk *w, const char *why) {
        w->why = why;
        return NULL;
}

static const char *skip(struct walk *w, const char *p) {
        return json_skip_value(p, w->end);
}

/* Takes the original up to the value at `p`; what comes instead of it is the caller's to append. */
static const char *leave_out(struct walk *w, const char *p) {
        strbuf_add(w->out, slice_make(w->copied, (size_t) (p - w->copied)));
        w->copied = skip(w, p);
        return w->copied;
}

static const char *replace_by(struct walk *w, const char *p, struct slice text) {
        const char *behind = leave_out(w, p);

        strbuf_add(w->out, text);
        return behind;
}

static bool name_matches(struct slice quoted, const struct redact_step *step) {
        size_t n = step->name_len;

        /* Escapes only make a name longer: the common spelling is decided without decoding. */
        if (quoted.len == n + 2)
                return memcmp(quoted.at + 1, step->name, n) == 0;
        return quoted.len > n + 2 && memchr(quoted.at, '\\', quoted.len) &&
               json_name_is(quoted, slice_make(step->name, n));
}

static const char *walk_object(struct walk *w, const char *p, const struct redact_step *steps);

/* Behind a comma, at the next element or name; or behind the closing bracket with *ret_more false. */
static const char *next(struct walk *w, const char *p, bool *ret_more) {
        p = json_skip_space(p, w->end);
        *ret_more = *p == ',';
        return *ret_more ? json_skip_space(p + 1, w->end) : p + 1;
}

/* At the first element or name; or behind the closing bracket with *ret_more false. */
static const char *first(struct walk *w, const char *p, bool *ret_more) {
        p = json_skip_space(p + 1, w->end);
        *ret_more = *p != ']' && *p != '}';
        return *ret_more ? p : p + 1;
}

static const char *walk_each(struct walk *w, const char *p, const struct redact_step *steps, bool only_objects) {
        bool more;

        if (*p != '[')
                return wrong(w, "a list is not an array");
        for (p = first(w, p, &more); more; p = next(w, p, &more)) {
                if (*p == '{')
                        p = walk_object(w, p, steps);
                else if (only_objects)
                        return wrong(w, "an element of a list is not an object");
                else
                        p = skip(w, p);
                if (!p)
                        return NULL;
        }
        return p;
}

/* From the quote of a name to the value behind it. */
static const char *to_value(struct walk *w, const char *p, struct slice *ret_name) {
        const char *behind = json_skip_string(p, w->end);

        *ret_name = slice_make(p, (size_t) (behind - p));
        return json_skip_space(json_skip_space(behind, w->end) + 1, w->end);
}

static const char *walk_map(struct walk *w, const char *p, const struct redact_step *step) {
        struct slice name;
        bool more;

        if (*p != '{')
                return wrong(w, "a map is not an object");
        for (p = first(w, p, &more); more; p = next(w, p, &more)) {
                p = to_value(w, p, &name);
                if (step->op == REDACT_MAP_EACH)
                        p = *p == 'n' ? skip(w, p) : walk_each(w, p, step->inside, true);
                else
                        p = *p == '{' ? walk_object(w, p, step->inside)
                                      : wrong(w, "an entry of a map is not an object");
                if (!p)
                        return NULL;
        }
        return p;
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
static const char *walk_texts(struct walk *w, const char *p, enum redact_op op) {
        bool more;

        if (*p != '[')
                return wrong(w, "a list of texts is not an array");
        for (p = first(w, p, &more); more; p = next(w, p, &more)) {
                struct slice text, before = SLICE(""), after = SLICE("");
                _cleanup_strbuf_ struct strbuf b = { 0 };

                if (*p != '"')
                        return wrong(w, "an element of a list of texts is not a string");
                text = json_string(json_value_at(p, w->end), w->scratch);
                if (op == REDACT_BINDS) {
                        size_t n = bind_source_length(text);

                        if (!bind_is_sensitive(slice_upto(text, n))) {
                                p = skip(w, p);
                                continue;
                        }
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
                p = leave_out(w, p);
                strbuf_add_json(w->out, strbuf_view(&b), JSON_ESCAPE_LOG);
        }
        return p;
}

/* What stands for a value of this kind that is taken out; nothing for kinds that tell nothing. */
static struct slice emptied(char first_byte) {
        switch (first_byte) {
        case '"':
                return SLICE("\"" REDACTED "\"");
        case '[':
                return SLICE("[]");
        case '{':
                return SLICE("{}");
        default:
                return SLICE("");
        }
}

static const char *apply(struct walk *w, const char *p, const struct redact_step *step) {
        bool null = *p == 'n';

        switch ((enum redact_op) step->op) {
        case REDACT_STR:
                return null ? skip(w, p) : replace_by(w, p, emptied('"'));
        case REDACT_NUM:
                return *p == '-' || (*p >= '0' && *p <= '9') ? replace_by(w, p, SLICE("0")) : skip(w, p);
        case REDACT_ARR:
                return *p == '[' ? replace_by(w, p, emptied('[')) : skip(w, p);
        case REDACT_ANY:
                return emptied(*p).len ? replace_by(w, p, emptied(*p)) : skip(w, p);
        case REDACT_SOME:
                return *p == '[' ? walk_each(w, p, step->inside, false) : skip(w, p);
        case REDACT_SET_ARR:
                return replace_by(w, p, emptied('['));
        default:
                break;
        }
        /* What is left has a kind it must be of; null means that there is nothing to hide. */
        if (null)
                return skip(w, p);
        switch ((enum redact_op) step->op) {
        case REDACT_LIST:
                return *p == '[' ? replace_by(w, p, emptied('[')) : wrong(w, "a list is not an array");
        case REDACT_OBJ:
                return *p == '{' ? replace_by(w, p, emptied('{')) : wrong(w, "a structure is not an object");
        case REDACT_INTO:
                return *p == '{' ? walk_object(w, p, step->inside) : wrong(w, "a structure is not an object");
        case REDACT_EACH:
                return walk_each(w, p, step->inside, true);
        case REDACT_MAP:
        case REDACT_MAP_EACH:
                return walk_map(w, p, step);
        case REDACT_BINDS:
        case REDACT_ENVS:
                return walk_texts(w, p, step->op);
        default:
                return wrong(w, "unknown redaction");
        }
}

static const char *walk_object(struct walk *w, const char *p, const struct redact_step *steps) {
        uint64_t seen = 0; /* by index of the step; no list of steps is longer than 64 */
        bool more, empty;
        struct slice name;

        p = first(w, p, &more);
        empty = !more;
        for (; more; p = next(w, p, &more)) {
                const struct redact_step *step = NULL;

                p = to_value(w, p, &name);
                for (size_t i = 0; steps[i].name && !step; i++)
                        if (redact_active(steps[i].when, w->toggles) && name_matches(name, &steps[i])) {
                                step = &steps[i];
                                seen |= 1ull << i;
                        }
                p = step ? apply(w, p, step) : skip(w, p);
                if (!p)
                        return NULL;
        }
        for (size_t i = 0; steps[i].name; i++) {
                const char *brace = p - 1;

                if (steps[i].op != REDACT_SET_ARR || (seen & (1ull << i)) || !redact_active(steps[i].when, w->toggles))
                        continue;
                if (w->copied < brace) {
                        strbuf_add(w->out, slice_make(w->copied, (size_t) (brace - w->copied)));
                        w->copied = brace;
                }
                strbuf_addf(w->out, "%s\"%s\":[]", empty ? "" : ",", steps[i].name);
                empty = false;
        }
        return p;
}

int redact_value(const struct redact_step *steps, unsigned toggles, struct json_value value, struct arena *scratch,
                 struct strbuf *out, const char **ret_why) {
        const char *end = value.text.at + value.text.len;
        struct walk w = { .end = end, .copied = value.text.at, .out = out, .toggles = toggles, .scratch = scratch };

        if (value.type != JSON_OBJECT && value.type != JSON_NULL) {
                *ret_why = "the answer is not what the endpoint answers";
                return -EBADMSG;
        }
        if (value.type == JSON_OBJECT && !walk_object(&w, value.text.at, steps)) {
                *ret_why = w.why;
                return -EBADMSG;
        }
        strbuf_add(out, slice_make(w.copied, (size_t) (end - w.copied)));
        return out->failed ? -ENOBUFS : 0;
}

const struct redact_row *redact_find(struct slice path, bool read, unsigned toggles) {
        for (const struct redact_row *r = redact_rows; r->pattern; r++)
                if ((read || !r->reads) && redact_active(r->when, toggles) && path_pattern_match(r->pattern, path))
                        return r;
        return NULL;
}
