/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>

#include "base/json_text.h"
#include "base/unicode.h"

/* `p` is at a number or a word. */
static const char *skip_scalar(const char *p, const char *end) {
        if (*p == 'f')
                return p + 5;
        if (*p == 't' || *p == 'n')
                return p + 4;
        while (p < end && *p != ',' && *p != '}' && *p != ']' && !json_is_space(*p))
                p++;
        return p;
}

const char *json_skip_value(const char *p, const char *end) {
        size_t depth = 0;

        if (*p == '"')
                return json_skip_string(p, end);
        if (*p != '{' && *p != '[')
                return skip_scalar(p, end);
        while (p < end) {
                switch (*p) {
                case '"':
                        p = json_skip_string(p, end);
                        break;
                case '{':
                case '[':
                        depth++;
                        p++;
                        break;
                case '}':
                case ']':
                        p++;
                        if (--depth == 0)
                                return p;
                        break;
                default: /* between values, or in one that is neither string nor container */
                        p++;
                }
        }
        return p;
}

struct json_value json_value_of(const char *p, const char *behind) {
        struct json_value v = { .text = slice_make(p, (size_t) (behind - p)) };

        switch (*p) {
        case '{':
                v.type = JSON_OBJECT;
                break;
        case '[':
                v.type = JSON_ARRAY;
                break;
        case '"':
                v.type = JSON_STRING;
                break;
        case 't':
                v.type = JSON_TRUE;
                break;
        case 'f':
                v.type = JSON_FALSE;
                break;
        case 'n':
                v.type = JSON_NULL;
                break;
        default:
                v.type = JSON_NUMBER;
        }
        return v;
}

struct json_value json_value_at(const char *p, const char *end) {
        return json_value_of(p, json_skip_value(p, end));
}

struct json_value json_root(struct slice text) {
        const char *p = text.at, *end = p + text.len;

        if (text.len == 0)
                return (struct json_value){ .type = JSON_ABSENT };
        p = json_skip_space(p, end);
        while (end > p && json_is_space(end[-1])) /* the text is one value: no need to walk through it */
                end--;
        return p < end ? json_value_of(p, end) : (struct json_value){ .type = JSON_ABSENT };
}

struct json_iter json_iter_of(struct json_value v) {
        if (v.type != JSON_OBJECT && v.type != JSON_ARRAY)
                return (struct json_iter){ NULL, NULL };
        return (struct json_iter){ v.text.at, v.text.at + v.text.len };
}

bool json_next(struct json_iter *it, struct slice *ret_name, struct json_value *ret) {
        const char *p = it->at, *end = it->end;
        bool object;

        if (!p)
                return false;
        /* `at` is at the opening bracket or at the comma; the last byte is the closing bracket. */
        object = end[-1] == '}';
        p = json_skip_space(p + 1, end);
        if (p >= end - 1)
                goto over;
        if (object) {
                const char *name = p;

                p = json_skip_string(p, end);
                if (ret_name)
                        *ret_name = slice_make(name, (size_t) (p - name));
                p = json_skip_space(p, end);
                p = json_skip_space(p + 1, end);
        }
        *ret = json_value_at(p, end);
        p = json_skip_space(p + ret->text.len, end);
        it->at = p < end && *p == ',' ? p : NULL;
        return true;
over:
        it->at = NULL;
        return false;
}

static uint32_t hex4(const char *p) {
        uint32_t v = 0;

        for (int i = 0; i < 4; i++) {
                unsigned char c = (unsigned char) p[i];

                v = v << 4 | ((uint32_t) (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10));
        }
        return v;
}

uint32_t json_take_escape(const char **p, const char *end) {
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        char c = *(*p)++;
        uint32_t cp;

        if (c != 'u') {
                const char *at = memchr(from, c, sizeof(from) - 1);

                return (unsigned char) (at ? to[at - from] : c);
        }
        cp = hex4(*p);
        *p += 4;
        if (cp >= 0xd800 && cp < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
                uint32_t low = hex4(*p + 2);

                if (low >= 0xdc00 && low < 0xe000) {
                        *p += 6;
                        return 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
                }
        }
        return cp >= 0xd800 && cp < 0xe000 ? 0xfffd : cp;
}

/* Decodes the inside of quotes into `out`, which has three bytes of room for each byte; returns the length. */
static size_t decode(struct slice s, char *out) {
        const char *p = s.at, *end = p + s.len;
        size_t n = 0;

        while (p < end) {
                if (*p == '\\') {
                        p++;
                        n += unicode_encode(json_take_escape(&p, end), out + n);
                } else {
                        uint32_t cp;
                        size_t taken = unicode_decode(slice_make(p, (size_t) (end - p)), &cp);

                        n += unicode_encode(taken ? cp : 0xfffd, out + n);
                        p += taken ? taken : 1;
                }
        }
        return n;
}

struct slice json_name(struct slice quoted, struct arena *a) {
        struct slice s;
        bool bad;
        char *out;

        if (json_plain_name(quoted, &s))
                return s;
        bad = !unicode_valid(s);
        if (!bad && slice_find(s, '\\') < 0)
                return s;
        /* An escape is never shorter than what it stands for; a bad byte becomes three. */
        out = arena_alloc(a, bad ? s.len * 3 + 1 : s.len + 1);
        return slice_make(out, decode(s, out));
}

struct slice json_string(struct json_value v, struct arena *a) {
        return v.type == JSON_STRING ? json_name(v.text, a) : (struct slice){ NULL, 0 };
}

static bool name_matches(struct slice quoted, struct slice text, bool fold) {
        const char *p = quoted.at + 1, *end = quoted.at + quoted.len - 1;
        struct slice name;

        /* Nearly every name is ASCII without escapes. Then another length is another name: no ASCII text folds to a
         * longer one. */
        if (json_plain_name(quoted, &name) && json_plain_end(text.at, text.at + text.len) == text.at + text.len)
                return name.len == text.len && (fold ? slice_case_eq(name, text) : slice_eq(name, text));
        for (size_t i = 0; i < text.len;) {
                uint32_t cp, want;
                size_t n;

                if (p == end)
                        return false;
                if (*p == '\\') {
                        p++;
                        cp = json_take_escape(&p, end);
                } else if ((unsigned char) *p < 0x80) {
                        cp = (unsigned char) *p++;
                } else {
                        n = unicode_decode(slice_make(p, (size_t) (end - p)), &cp);
                        if (n == 0)
                                cp = 0xfffd;
                        p += n ? n : 1;
                }
                n = unicode_decode(slice_from(text, i), &want);
                if (n == 0)
                        return false;
                if (cp != want && !(fold && unicode_to_fold(cp) == unicode_to_fold(want)))
                        return false;
                i += n;
        }
        return p == end;
}

bool json_name_is(struct slice name, struct slice text) {
        return name_matches(name, text, false);
}

bool json_name_folds_to(struct slice name, struct slice text) {
        return name_matches(name, text, true);
}

static struct json_value find_member(struct json_value object, struct slice name, bool fold) {
        struct json_value v, found = { .type = JSON_ABSENT };
        struct json_iter it;
        struct slice member;

        if (object.type != JSON_OBJECT)
                return found;
        it = json_iter_of(object);
        while (json_next(&it, &member, &v))
                if (name_matches(member, name, fold))
                        found = v;
        return found;
}

struct json_value json_member(struct json_value object, struct slice name) {
        return find_member(object, name, true);
}

struct json_value json_member_exact(struct json_value object, struct slice name) {
        return find_member(object, name, false);
}

int json_uint64(struct json_value v, uint64_t *ret) {
        uint64_t n;

        if (v.type != JSON_NUMBER || slice_parse_u64(v.text, &n) < 0)
                return -EINVAL;
        *ret = n;
        return 0;
}

int json_int64(struct json_value v, int64_t *ret) {
        bool negative = v.type == JSON_NUMBER && v.text.len && v.text.at[0] == '-';
        uint64_t n;

        if (v.type != JSON_NUMBER || slice_parse_u64(slice_from(v.text, negative), &n) < 0)
                return -EINVAL;
        if (n > (uint64_t) INT64_MAX + negative)
                return -EINVAL;
        *ret = negative ? (int64_t) (0 - n) : (int64_t) n;
        return 0;
}

struct slice json_apply_edits(struct slice text, const struct json_edit *edits, size_t n, struct arena *a) {
        size_t size = text.len, from = 0;
        char *out, *p;

        for (size_t i = 0; i < n; i++)
                size += edits[i].insert.len - edits[i].del;
        p = out = arena_alloc(a, size + 1);
        for (size_t i = 0; i < n; i++) {
                memcpy(p, text.at + from, edits[i].at - from);
                p += edits[i].at - from;
                if (edits[i].insert.len)
                        memcpy(p, edits[i].insert.at, edits[i].insert.len);
                p += edits[i].insert.len;
                from = edits[i].at + edits[i].del;
        }
        memcpy(p, text.at + from, text.len - from);
        return slice_make(out, size);
}

struct slice json_pointer(struct arena *a, struct slice parent, struct slice token) {
        size_t extra = 0, n = 0;
        char *out;

        for (size_t i = 0; i < token.len; i++)
                extra += token.at[i] == '~' || token.at[i] == '/';
        out = arena_alloc(a, parent.len + 1 + token.len + extra + 1);
        if (parent.len)
                memcpy(out, parent.at, parent.len);
        n = parent.len;
        out[n++] = '/';
        for (size_t i = 0; i < token.len; i++) {
                char c = token.at[i];

                if (c == '~' || c == '/') {
                        out[n++] = '~';
                        c = c == '~' ? '0' : '1';
                }
                out[n++] = c;
        }
        return slice_make(out, n);
}
