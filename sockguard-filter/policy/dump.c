/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options compared and summed: the immutable-field gate of a reload and the fingerprint of a configuration. Both walk
 * the rows, so that a new option takes part without a line here.
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "policy/config.h"

/* ---- the fingerprint ---- */

/* Values are small and many: they are handed over by the block. */
struct sum {
        gnutls_hash_hd_t hash;
        size_t n;
        unsigned char block[4096];
};

static void sum(struct sum *h, const void *at, size_t n) {
        if (n > sizeof(h->block) - h->n) {
                gnutls_hash(h->hash, h->block, h->n);
                h->n = 0;
        }
        if (n > sizeof(h->block)) {
                gnutls_hash(h->hash, at, n);
        } else if (n) {
                memcpy(h->block + h->n, at, n);
                h->n += n;
        }
}

static void sum_number(struct sum *h, uint64_t v) {
        sum(h, &v, sizeof(v));
}

/* Length first, so that no two sequences of texts read alike. */
static void sum_text(struct sum *h, const struct config *c, struct pstr s) {
        sum_number(h, s.len);
        sum(h, text_of(c, s).at, s.len);
}

static void sum_block(struct sum *h, const struct config *c, const struct opt_block *block, const unsigned char *base);

static void sum_strs(struct sum *h, const struct config *c, struct plist list) {
        sum_number(h, list.n);
        for (uint32_t i = 0; i < list.n; i++)
                sum_text(h, c, list_of(c, list, struct pstr)[i]);
}

static void sum_row(struct sum *h, const struct config *c, const struct opt_row *row, const unsigned char *field) {
        const struct plist *list = (const struct plist *) field;

        /* The walk is always the same and every value tells where it ends: names need not be summed. */
        switch (row->kind) {
        case OPT_K_STR:
                return sum_text(h, c, *(const struct pstr *) field);
        case OPT_K_BOOL:
                return sum(h, field, sizeof(bool));
        case OPT_K_INT:
        case OPT_K_FLOAT:
                return sum(h, field, 8);
        case OPT_K_OPTINT:
                sum_number(h, ((const struct opt_int *) field)->set);
                return sum_number(h, (uint64_t) ((const struct opt_int *) field)->value);
        case OPT_K_STRS:
                return sum_strs(h, c, *list);
        case OPT_K_ARGVS:
                sum_number(h, list->n);
                for (uint32_t i = 0; i < list->n; i++)
                        sum_strs(h, c, list_of(c, *list, struct plist)[i]);
                return;
        case OPT_K_U32S:
        case OPT_K_I32S:
                sum_number(h, list->n);
                return sum(h, list_of(c, *list, uint32_t), list->n * sizeof(uint32_t));
        case OPT_K_MAP:
                sum_number(h, list->n);
                for (uint32_t i = 0; i < list->n; i++) {
                        sum_text(h, c, list_of(c, *list, struct pmap_entry)[i].key);
                        sum_text(h, c, list_of(c, *list, struct pmap_entry)[i].value);
                }
                return;
        case OPT_K_SUB:
                return sum_block(h, c, row->inner, field);
        case OPT_K_LIST:
        case OPT_K_OPT:
                sum_number(h, list->n);
                for (uint32_t i = 0; i < list->n; i++)
                        sum_block(h, c, row->inner, list_of(c, *list, unsigned char) + (size_t) i * row->inner->size);
                return;
        }
}

static void sum_block(struct sum *h, const struct config *c, const struct opt_block *block, const unsigned char *base) {
        for (uint32_t i = 0; i < block->n_rows; i++)
                sum_row(h, c, block->rows + i, base + block->rows[i].offset);
}

void config_sha256(struct config *c, uint8_t ret[32]) {
        struct sum h = { .n = 0 };

        memset(ret, 0, 32);
        if (gnutls_hash_init(&h.hash, GNUTLS_DIG_SHA256) < 0)
                return; /* only without memory or in a broken FIPS mode; a zero sum equals no other's */
        sum_block(&h, c, &opt_block_root, (const unsigned char *) c->root);
        sum(&h, &c->compat_active, sizeof(c->compat_active));
        gnutls_hash(h.hash, h.block, h.n);
        gnutls_hash_deinit(h.hash, ret);
}

/* ---- the immutable-field gate ---- */

static bool blocks_equal(const struct config *a, const unsigned char *x, const struct config *b, const unsigned char *y,
                         const struct opt_block *block);

static bool strs_equal(const struct config *a, struct plist x, const struct config *b, struct plist y) {
        if (x.n != y.n)
                return false;
        for (uint32_t i = 0; i < x.n; i++)
                if (!slice_eq(text_of(a, list_of(a, x, struct pstr)[i]), text_of(b, list_of(b, y, struct pstr)[i])))
                        return false;
        return true;
}

static bool rows_equal(const struct config *a, const unsigned char *x, const struct config *b, const unsigned char *y,
                       const struct opt_row *row) {
        const struct plist *p = (const struct plist *) x, *q = (const struct plist *) y;

        switch (row->kind) {
        case OPT_K_STR:
                return slice_eq(text_of(a, *(const struct pstr *) x), text_of(b, *(const struct pstr *) y));
        case OPT_K_BOOL:
                return *(const bool *) x == *(const bool *) y;
        case OPT_K_INT:
        case OPT_K_FLOAT:
                return memcmp(x, y, 8) == 0;
        case OPT_K_OPTINT:
                return ((const struct opt_int *) x)->set == ((const struct opt_int *) y)->set &&
                       ((const struct opt_int *) x)->value == ((const struct opt_int *) y)->value;
        case OPT_K_STRS:
                return strs_equal(a, *p, b, *q);
        case OPT_K_ARGVS:
                if (p->n != q->n)
                        return false;
                for (uint32_t i = 0; i < p->n; i++)
                        if (!strs_equal(a, list_of(a, *p, struct plist)[i], b, list_of(b, *q, struct plist)[i]))
                                return false;
                return true;
        case OPT_K_U32S:
        case OPT_K_I32S:
                return p->n == q->n && memcmp(list_of(a, *p, char), list_of(b, *q, char), p->n * sizeof(uint32_t)) == 0;
        case OPT_K_MAP:
                if (p->n != q->n)
                        return false;
                for (uint32_t i = 0; i < p->n; i++) {
                        const struct pmap_entry *e = list_of(a, *p, struct pmap_entry) + i,
                                                *f = list_of(b, *q, struct pmap_entry) + i;

                        if (!slice_eq(text_of(a, e->key), text_of(b, f->key)) ||
                            !slice_eq(text_of(a, e->value), text_of(b, f->value)))
                                return false;
                }
                return true;
        case OPT_K_SUB:
                return blocks_equal(a, x, b, y, row->inner);
        case OPT_K_LIST:
        case OPT_K_OPT:
                if (p->n != q->n)
                        return false;
                for (uint32_t i = 0; i < p->n; i++)
                        if (!blocks_equal(a, list_of(a, *p, unsigned char) + (size_t) i * row->inner->size, b,
                                          list_of(b, *q, unsigned char) + (size_t) i * row->inner->size, row->inner))
                                return false;
                return true;
        }
        return false;
}

static bool blocks_equal(const struct config *a, const unsigned char *x, const struct config *b, const unsigned char *y,
                         const struct opt_block *block) {
        for (uint32_t i = 0; i < block->n_rows; i++)
                if (!rows_equal(a, x + block->rows[i].offset, b, y + block->rows[i].offset, block->rows + i))
                        return false;
        return true;
}

struct names {
        struct strbuf *out;
        size_t n;
};

static void __attribute__((format(printf, 2, 3))) name(struct names *to, const char *format, ...) {
        char text[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (to->n++)
                strbuf_addc(to->out, ',');
        strbuf_add(to->out, slice_of(text));
}

static const struct opt_row *row_named(const struct opt_block *block, const char *key) {
        for (uint32_t i = 0; i < block->n_rows; i++)
                if (strcmp(block->rows[i].key, key) == 0)
                        return block->rows + i;
        abort(); /* options.def lost a row that this file names */
}

/* Names every immutable field of `block` that differs; nested blocks are named by their fields. */
static void diff_fields(struct names *to, const struct config *a, const unsigned char *x, const struct config *b,
                        const unsigned char *y, const struct opt_block *block, const char *prefix) {
        /* chapter 01, 4.1 puts the owner before the rest; the rows' order puts it behind `tls` */
        static const char *const order[] = { "socket", "address", "socket_mode", "socket_uid", "socket_gid", NULL };
        char below[300];

        for (size_t k = 0; block == row_named(&opt_block_root, "listeners")->inner && order[k]; k++) {
                const struct opt_row *row = row_named(block, order[k]);

                if (!rows_equal(a, x + row->offset, b, y + row->offset, row))
                        name(to, "%s.%s", prefix, row->key);
        }
        for (uint32_t i = 0; i < block->n_rows; i++) {
                const struct opt_row *row = block->rows + i;
                bool named = strcmp(row->key, "name") == 0 || strcmp(row->key, "allowed_profiles") == 0;

                for (size_t k = 0; order[k]; k++)
                        named |= strcmp(row->key, order[k]) == 0;
                if (named || rows_equal(a, x + row->offset, b, y + row->offset, row))
                        continue;
                snprintf(below, sizeof(below), "%s.%s", prefix, row->key);
                if (row->kind == OPT_K_SUB)
                        diff_fields(to, a, x + row->offset, b, y + row->offset, row->inner, below);
                else
                        name(to, "%s", below);
        }
}

static const struct opt_listener *listener_named(const struct config *c, struct slice wanted) {
        const struct opt_listener *at = list_of(c, c->root->listeners, struct opt_listener);

        for (uint32_t i = 0; i < c->root->listeners.n; i++)
                if (slice_eq(text_of(c, at[i].name), wanted))
                        return at + i;
        return NULL;
}

static int compare_slices(const void *a, const void *b) {
        return slice_cmp(*(const struct slice *) a, *(const struct slice *) b);
}

static void diff_listeners(struct names *to, struct config *a, struct config *b) {
        uint32_t n = a->root->listeners.n, m = b->root->listeners.n;
        struct slice *all = arena_new_array(&b->arena, struct slice, (size_t) n + m);

        for (uint32_t i = 0; i < n; i++)
                all[i] = text_of(a, list_of(a, a->root->listeners, struct opt_listener)[i].name);
        for (uint32_t i = 0; i < m; i++)
                all[n + i] = text_of(b, list_of(b, b->root->listeners, struct opt_listener)[i].name);
        qsort(all, (size_t) n + m, sizeof(*all), compare_slices);
        for (uint32_t i = 0; i < n + m; i++) {
                const struct opt_listener *x = listener_named(a, all[i]), *y = listener_named(b, all[i]);
                char prefix[128];

                if (i && slice_eq(all[i], all[i - 1]))
                        continue;
                snprintf(prefix, sizeof(prefix), "listeners.%.*s", (int) (all[i].len < 100 ? all[i].len : 100),
                         all[i].at ? all[i].at : "");
                if (!x || !y)
                        name(to, "%s: %s", prefix, x ? "removed" : "added");
                else
                        diff_fields(to, a, (const unsigned char *) x, b, (const unsigned char *) y,
                                    row_named(&opt_block_root, "listeners")->inner, prefix);
        }
}

/* The rest, in the order in which changes are reported; a second key names a field of the block. */
static const struct {
        const char *block, *key;
} immutable[] = {
        { "upstream", "socket" },
        { "upstream", "endpoints" },
        { "upstream", "failover" },
        { "log", NULL },
        { "health", NULL },
        { "metrics", NULL },
        { "admin", NULL },
        { "policy_bundle", "enabled" },
        { "policy_bundle", "allowed_signing_keys" },
        { "policy_bundle", "allowed_keyless" },
        { "policy_bundle", "require_rekor_inclusion" },
        { "policy_bundle", "verify_timeout" },
        { "reload", "enabled" },
        { "reload", "debounce" },
        { "reload", "poll_interval" },
};

size_t config_diff(struct config *running, struct config *next, struct strbuf *ret_names) {
        const unsigned char *x = (const unsigned char *) running->root, *y = (const unsigned char *) next->root;
        struct names to = { .out = ret_names };

        if ((running->root->listeners.n == 0) != (next->root->listeners.n == 0)) {
                name(&to, "listeners: switching between legacy listen: and explicit listeners: requires a restart");
        } else if (running->root->listeners.n) {
                diff_listeners(&to, running, next);
        } else {
                const struct opt_row *row = row_named(&opt_block_root, "listen");

                if (!rows_equal(running, x + row->offset, next, y + row->offset, row))
                        name(&to, "listen");
        }
        for (size_t i = 0; i < sizeof(immutable) / sizeof(immutable[0]); i++) {
                const struct opt_row *row = row_named(&opt_block_root, immutable[i].block);
                size_t offset = row->offset;

                if (immutable[i].key) {
                        row = row_named(row->inner, immutable[i].key);
                        offset += row->offset;
                }
                if (rows_equal(running, x + offset, next, y + offset, row))
                        continue;
                if (immutable[i].key)
                        name(&to, "%s.%s", immutable[i].block, immutable[i].key);
                else
                        name(&to, "%s", immutable[i].block);
        }
        return to.n;
}
