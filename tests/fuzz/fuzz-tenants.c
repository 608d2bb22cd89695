/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include "base/json.h"
#include "identity/list_filter.h"
#include "identity/ownership.h"
#include "identity/references.h"
#include "tests/unit/tenants.h"

#define KEY SLICE("com.sockguard.owner")
#define OWNER SLICE("alice")

/* What the daemon would read: member names fold, the last of several wins. */
static bool labelled(struct json_value v, const char *const names[3]) {
        struct json_value label;
        struct arena a;
        bool yes;

        for (int i = 0; i < 3 && names[i]; i++)
                v = json_member(v, slice_of(names[i]));
        label = json_member_exact(v, KEY);
        arena_init(&a, 1u << 24, NULL);
        yes = label.type == JSON_STRING && slice_eq(json_string(label, &a), OWNER);
        arena_free(&a);
        return yes;
}

/* A filter that was accepted asks for the owner's label, and asks for nothing else about that label. */
static void narrow(struct fake *f, struct slice text) {
        struct label_selector owner = { .key = KEY, .value = OWNER, .has_value = true };
        struct slice filters = SLICE(""), entry;
        struct json_value labels, v;
        struct json_iter it;
        bool asked = false;

        fake_request(f, "GET /containers/json");
        http_query_set(exchange_query(&f->x), SLICE("filters"), text, &f->arena);
        if (list_filter_narrow(&f->x, SLICE("label"), &owner, 1, text.len % 2) < 0)
                return;
        http_query_get(&f->x.query, SLICE("filters"), &filters);
        FUZZ_ASSERT(json_validate(filters, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES, JSON_DEPTH_MAX,
                                  &f->arena, NULL) == 0);
        labels = json_member_exact(json_root(filters), SLICE("label"));
        it = json_iter_of(labels);
        while (json_next(&it, labels.type == JSON_OBJECT ? &entry : NULL, &v)) {
                struct slice one = labels.type == JSON_OBJECT ? json_name(entry, &f->arena) : json_string(v, &f->arena);

                if (slice_eq(one, SLICE("com.sockguard.owner=alice")))
                        asked = true;
                else
                        FUZZ_ASSERT(!slice_starts(one, KEY) || (one.len > KEY.len && one.at[KEY.len] != '='));
        }
        FUZZ_ASSERT(asked);
        f->x.query_changed = false;
        FUZZ_ASSERT(list_filter_narrow(&f->x, SLICE("label"), &owner, 1, false) == 0 && !f->x.query_changed);
}

/* A body that was accepted carries the label wherever the row says, and is stamped once. */
static void stamp(struct fake *f, const char *path, struct slice text) {
        const struct stamp_row *row = stamp_find(slice_of(path), false);
        struct references refs = { .arena = &f->arena };
        struct slice once, twice;

        if (json_validate(text, 0, JSON_DEPTH_MAX, &f->arena, NULL) < 0 || json_root(text).type != JSON_OBJECT)
                return;
        text = json_root(text).text;
        references_of_body(slice_of(path), json_root(text), true, &refs);
        FUZZ_ASSERT(refs.n <= REFERENCES_MAX);
        for (size_t i = 0; i < refs.n; i++)
                FUZZ_ASSERT(refs.at[i].id.len > 0);
        if (stamp_body(row, text, KEY, OWNER, &f->arena, &once) < 0)
                return;
        FUZZ_ASSERT(json_validate(once, 0, JSON_DEPTH_MAX + 4, &f->arena, NULL) == 0);
        for (int i = 0; i < 2 && row->labels[i][0]; i++)
                FUZZ_ASSERT(labelled(json_root(once), row->labels[i]));
        FUZZ_ASSERT(stamp_body(row, once, KEY, OWNER, &f->arena, &twice) == 0 && slice_eq(once, twice));
}

static void labels(struct fake *f, struct slice text) {
        static const char *const root[3] = { NULL };
        struct slice out;

        if (stamp_labels(text, KEY, OWNER, &f->arena, &out) < 0)
                return;
        FUZZ_ASSERT(json_validate(out, JSON_ALLOW_NUL | JSON_ALLOW_DUPLICATES, JSON_DEPTH_MAX, &f->arena, NULL) == 0);
        FUZZ_ASSERT(labelled(json_root(out), root));
}

/* The first byte says what the rest is: a `filters` parameter, a `labels` parameter, or a body of one of these paths.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const paths[] = { "/containers/create", "/services/create", "/libpod/containers/create",
                                             "/libpod/pods/create", "/volumes/create" };
        static struct fake f;
        struct slice text;

        if (size < 1 || size > 64 * 1024)
                return 0;
        fake_init(&f);
        text = slice_make((const char *) data + 1, size - 1);
        if (data[0] == 'f')
                narrow(&f, text);
        else if (data[0] == 'l')
                labels(&f, text);
        else
                stamp(&f, paths[data[0] % 5], text);
        fake_done(&f);
        return 0;
}
