/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/list_filter.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/unicode.h"

struct entries {
        struct slice key;
        struct slice *at;
        size_t n;
};

struct filter {
        struct entries *at;
        size_t n;
};

static int by_bytes(const void *a, const void *b) {
        return slice_cmp(*(const struct slice *) a, *(const struct slice *) b);
}

static size_t count(struct json_value v) {
        struct json_iter it = json_iter_of(v);
        struct json_value each;
        struct slice name;
        size_t n = 0;

        while (json_next(&it, v.type == JSON_OBJECT ? &name : NULL, &each))
                n++;
        return n;
}

/* One member of the filter object. The map form becomes the sorted list of its keys, true and false alike. */
static int read_entries(struct json_value v, struct arena *a, struct entries *ret) {
        bool map = v.type == JSON_OBJECT;
        struct json_iter it = json_iter_of(v);
        struct json_value each;
        struct slice name;

        if (v.type != JSON_ARRAY && !map)
                return -EBADMSG;
        ret->at = arena_new_array(a, struct slice, count(v));
        while (json_next(&it, map ? &name : NULL, &each)) {
                if (map ? each.type != JSON_TRUE && each.type != JSON_FALSE : each.type != JSON_STRING)
                        return -EBADMSG;
                ret->at[ret->n++] = map ? json_name(name, a) : json_string(each, a);
        }
        if (map && ret->n) {
                size_t kept = 1;

                qsort(ret->at, ret->n, sizeof(*ret->at), by_bytes);
                for (size_t i = 1; i < ret->n; i++)
                        if (!slice_eq(ret->at[i], ret->at[kept - 1]))
                                ret->at[kept++] = ret->at[i];
                ret->n = kept;
        }
        return 0;
}

static struct entries *find(struct filter *f, struct slice key) {
        for (size_t i = 0; i < f->n; i++)
                if (slice_eq(f->at[i].key, key))
                        return &f->at[i];
        return NULL;
}

/* Room for one key more than the client sent is left. */
static int read_filter(struct slice text, struct arena *a, struct filter *ret) {
        struct json_value root, v;
        struct json_iter it;
        struct slice name;
        int r;

        *ret = (struct filter){ 0 };
        if (text.len == 0) {
                ret->at = arena_new_array(a, struct entries, 1);
                return 0;
        }
        if (text.len > LIST_FILTER_MAX ||
            json_validate(text, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES, JSON_DEPTH_MAX, a, NULL) <
                    0)
                return -EBADMSG;
        root = json_root(text);
        if (root.type != JSON_OBJECT && root.type != JSON_NULL)
                return -EBADMSG;
        ret->at = arena_new_array(a, struct entries, count(root) + 1);
        it = json_iter_of(root);
        while (json_next(&it, &name, &v)) {
                struct slice key = json_name(name, a);
                struct entries e = { .key = key }, *earlier = find(ret, key);

                r = read_entries(v, a, &e);
                if (r < 0)
                        return r;
                if (earlier)
                        *earlier = e; /* the last duplicate wins */
                else
                        ret->at[ret->n++] = e;
        }
        return 0;
}

static struct slice write_filter(const struct filter *f, struct arena *a) {
        _cleanup_strbuf_ struct strbuf b = { 0 };

        strbuf_init(&b, 16u * LIST_FILTER_MAX);
        strbuf_addc(&b, '{');
        for (size_t i = 0; i < f->n; i++) {
                if (i)
                        strbuf_addc(&b, ',');
                strbuf_add_json(&b, f->at[i].key, JSON_ESCAPE_LOG);
                strbuf_adds(&b, ":[");
                for (size_t j = 0; j < f->at[i].n; j++) {
                        if (j)
                                strbuf_addc(&b, ',');
                        strbuf_add_json(&b, f->at[i].at[j], JSON_ESCAPE_LOG);
                }
                strbuf_addc(&b, ']');
        }
        strbuf_addc(&b, '}');
        return b.failed ? SLICE("") : arena_dup(a, strbuf_view(&b));
}

struct slice list_filter_key(struct slice path) {
        return slice_eq(path, SLICE("/nodes")) ? SLICE("node.label") : SLICE("label");
}

static struct slice selector_text(const struct label_selector *s, struct arena *a) {
        char *p;

        if (!s->has_value)
                return s->key;
        p = arena_alloc(a, s->key.len + 1 + s->value.len);
        memcpy(p, s->key.at, s->key.len);
        p[s->key.len] = '=';
        if (s->value.len)
                memcpy(p + s->key.len + 1, s->value.at, s->value.len);
        return slice_make(p, s->key.len + 1 + s->value.len);
}

/* Is the entry about the label of a selector, without being that selector? */
static bool contradicts(struct slice entry, const struct label_selector *selectors, const struct slice *texts,
                        size_t n) {
        struct slice key, value;
        bool about = false;

        slice_cut(entry, '=', &key, &value);
        for (size_t i = 0; i < n; i++) {
                if (slice_eq(entry, texts[i]))
                        return false;
                about = about || slice_eq(unicode_trim(key), selectors[i].key);
        }
        return about;
}

int list_filter_narrow(struct exchange *x, struct slice key, const struct label_selector *selectors, size_t n,
                       bool anew) {
        struct slice *texts = arena_new_array(x->arena, struct slice, n), *merged, text = SLICE(""), written;
        struct http_query *query = exchange_query(x);
        struct entries *labels;
        struct filter filter;
        bool changed = anew;
        size_t kept = 0;
        int r;

        if (http_query_unify(query, SLICE("filters"), x->arena))
                x->query_changed = true;
        http_query_get(query, SLICE("filters"), &text);
        r = read_filter(text, x->arena, &filter);
        if (r < 0)
                return r;
        labels = find(&filter, key);
        if (!labels) {
                labels = &filter.at[filter.n++];
                *labels = (struct entries){ .key = key };
        }
        for (size_t i = 0; i < n; i++)
                texts[i] = selector_text(&selectors[i], x->arena);
        merged = arena_new_array(x->arena, struct slice, labels->n + n);
        for (size_t i = 0; i < labels->n; i++) {
                if (contradicts(labels->at[i], selectors, texts, n))
                        changed = true;
                else
                        merged[kept++] = labels->at[i];
        }
        for (size_t i = 0; i < n; i++) {
                bool there = false;

                for (size_t j = 0; j < kept; j++)
                        there = there || slice_eq(merged[j], texts[i]);
                if (there)
                        continue;
                merged[kept++] = texts[i];
                changed = true;
        }
        if (!changed)
                return 0;
        labels->at = merged;
        labels->n = kept;
        written = write_filter(&filter, x->arena);
        if (written.len == 0)
                return -EBADMSG;
        http_query_set(query, SLICE("filters"), written, x->arena);
        x->query_changed = true;
        return 0;
}
