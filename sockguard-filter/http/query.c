/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/unicode.h"
#include "http/target.h"

/* Query strings: one parsed view for the checks and for the daemon (chapter 02, 6.1). */

#define QUERY_PARTS_MAX 10000u

/* Form decoding: '+' is a blank, %XX a byte. -EBADMSG for a malformed escape. */
static int form_decode(struct slice s, struct arena *a, struct slice *ret) {
        struct slice decoded;
        char *out;
        int r;

        if (slice_find(s, '+') < 0)
                return http_percent_decode(s, a, ret);
        out = arena_alloc(a, s.len);
        for (size_t i = 0; i < s.len; i++)
                out[i] = s.at[i] == '+' ? ' ' : s.at[i];
        r = http_percent_decode(slice_make(out, s.len), a, &decoded);
        if (r < 0)
                return r;
        *ret = decoded;
        return 0;
}

void http_query_parse(struct slice raw, struct arena *a, struct http_query *ret) {
        size_t parts = 1;
        struct slice rest = raw, part;

        *ret = (struct http_query){ 0 };
        if (raw.len == 0)
                return;
        for (size_t i = 0; i < raw.len; i++)
                parts += raw.at[i] == '&';
        if (parts > QUERY_PARTS_MAX) {
                ret->dropped = true;
                return;
        }
        ret->at = arena_new_array(a, struct http_param, parts);
        do {
                struct http_param *p = &ret->at[ret->n];
                struct slice name, value;

                slice_cut(rest, '&', &part, &rest);
                if (part.len == 0)
                        continue;
                slice_cut(part, '=', &name, &value);
                if (slice_find(part, ';') >= 0 || form_decode(name, a, &p->name) < 0 ||
                    form_decode(value, a, &p->value) < 0) {
                        ret->dropped = true;
                        continue;
                }
                ret->n++;
        } while (rest.len > 0);
}

bool http_query_get(const struct http_query *q, struct slice name, struct slice *ret) {
        for (size_t i = 0; i < q->n; i++) {
                if (slice_eq(q->at[i].name, name)) {
                        *ret = q->at[i].value;
                        return true;
                }
        }
        return false;
}

size_t http_query_count(const struct http_query *q, struct slice name) {
        size_t n = 0;

        for (size_t i = 0; i < q->n; i++)
                n += slice_eq(q->at[i].name, name);
        return n;
}

void http_query_set(struct http_query *q, struct slice name, struct slice value, struct arena *a) {
        struct http_param *at = arena_new_array(a, struct http_param, q->n + 1);
        size_t n = 0;
        bool put = false;

        for (size_t i = 0; i < q->n; i++) {
                if (!slice_eq(q->at[i].name, name)) {
                        at[n++] = q->at[i];
                } else if (!put) {
                        at[n++] = (struct http_param){ name, value };
                        put = true;
                }
        }
        if (!put)
                at[n++] = (struct http_param){ name, value };
        q->at = at;
        q->n = n;
}

bool http_query_unify(struct http_query *q, struct slice name, struct arena *a) {
        struct http_param *at = arena_new_array(a, struct http_param, q->n);
        bool seen = false, any = false;
        size_t n = 0;

        for (size_t i = 0; i < q->n; i++) {
                bool exact = slice_eq(q->at[i].name, name);

                if ((exact && seen) || (!exact && unicode_fold_eq(q->at[i].name, name))) {
                        any = true;
                        continue;
                }
                seen = seen || exact;
                at[n++] = q->at[i];
        }
        q->at = at;
        q->n = n;
        return any;
}

/* By name, then by position: the order of the elements is the order of their addresses. */
static int compare_params(const void *left, const void *right) {
        const struct http_param *l = *(const struct http_param *const *) left,
                                *r = *(const struct http_param *const *) right;
        int c = slice_cmp(l->name, r->name);

        return c != 0 ? c : (l > r) - (l < r);
}

static size_t put_form(char *out, struct slice s) {
        static const char digits[] = "0123456789ABCDEF";
        size_t n = 0;

        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char) s.at[i];

                if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_' || c == '.' || c == '~') {
                        out[n++] = (char) c;
                } else if (c == ' ') {
                        out[n++] = '+';
                } else {
                        out[n++] = '%';
                        out[n++] = digits[c >> 4];
                        out[n++] = digits[c & 15];
                }
        }
        return n;
}

struct slice http_query_encode(const struct http_query *q, struct arena *a) {
        const struct http_param **sorted;
        size_t room = 0, n = 0;
        char *out;

        if (q->n == 0)
                return SLICE("");
        sorted = arena_array(a, q->n, sizeof(*sorted));
        for (size_t i = 0; i < q->n; i++) {
                sorted[i] = &q->at[i];
                room += 3 * (q->at[i].name.len + q->at[i].value.len) + 2;
        }
        qsort(sorted, q->n, sizeof(*sorted), compare_params);
        out = arena_alloc(a, room);
        for (size_t i = 0; i < q->n; i++) {
                if (i > 0)
                        out[n++] = '&';
                n += put_form(out + n, sorted[i]->name);
                out[n++] = '=';
                n += put_form(out + n, sorted[i]->value);
        }
        return slice_make(out, n);
}

/* White space as Docker's decoder trims it: ASCII's six, and the two of Latin-1 in UTF-8. */
static struct slice trim(struct slice s) {
        for (;;) {
                if (s.len > 0 && strchr("\t\n\v\f\r ", s.at[0]) != NULL && s.at[0] != '\0')
                        s = slice_from(s, 1);
                else if (slice_starts(s, SLICE("\xc2\x85")) || slice_starts(s, SLICE("\xc2\xa0")))
                        s = slice_from(s, 2);
                else
                        break;
        }
        for (;;) {
                if (s.len > 0 && strchr("\t\n\v\f\r ", s.at[s.len - 1]) != NULL && s.at[s.len - 1] != '\0')
                        s.len--;
                else if (slice_ends(s, SLICE("\xc2\x85")) || slice_ends(s, SLICE("\xc2\xa0")))
                        s.len -= 2;
                else
                        break;
        }
        return s;
}

bool http_query_truth(struct slice value) {
        static const struct slice no[] = { { "", 0 }, { "0", 1 }, { "no", 2 }, { "false", 5 }, { "none", 4 } };

        value = trim(value);
        for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
                if (slice_case_eq(value, no[i]))
                        return false;
        return true;
}
