/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where values came from, and problems that know where they stand.
 */
#include "policy/config.h"

#include <stdlib.h>

#define VALUE_SHOWN_MAX 100u /* bytes of a value in a message */

static uint32_t mark_slot(uint32_t key, uint32_t room) {
        return key * 2654435769u >> 7 & (room - 1);
}

static struct mark *mark_slot_of(struct mark *marks, uint32_t room, uint32_t key) {
        uint32_t i = mark_slot(key, room);

        while (marks[i].key && marks[i].key != key)
                i = (i + 1) & (room - 1);
        return marks + i;
}

static void marks_grow(struct config *c) {
        uint32_t room = c->marks_room ? c->marks_room * 2 : 1024;
        struct mark *marks = arena_new_array(&c->arena, struct mark, room);

        for (uint32_t i = 0; i < c->marks_room; i++)
                if (c->marks[i].key)
                        *mark_slot_of(marks, room, c->marks[i].key) = c->marks[i];
        c->marks = marks;
        c->marks_room = room;
}

void mark_set(struct config *c, const void *field, bool block, uint32_t line, uint32_t column) {
        uint32_t key = builder_off(&c->blob, field) * 2 + block;
        struct mark *m;

        if (c->n_marks * 4 >= c->marks_room * 3)
                marks_grow(c);
        m = mark_slot_of(c->marks, c->marks_room, key);
        if (!m->key)
                c->n_marks++;
        *m = (struct mark){ .key = key, .origin = c->origin, .name = c->origin_name, .line = line, .column = column };
}

const struct mark *mark_find(const struct config *c, const void *field, bool block) {
        const struct mark *m;

        if (!c->marks_room)
                return NULL;
        m = mark_slot_of(c->marks, c->marks_room, builder_off(&c->blob, field) * 2 + block);
        return m->key ? m : NULL;
}

struct slice path_text(struct config *c, const struct path *path) {
        const struct path *p;
        size_t len = 0, n;
        char *at, *end;
        char index[16];

        for (p = path; p; p = p->up)
                len += p->key ? strlen(p->key) + 1 : sizeof(index);
        at = arena_alloc(&c->arena, len + 1);
        end = at + len;
        for (p = path; p; p = p->up) {
                if (p->key) {
                        n = strlen(p->key);
                        end -= n;
                        memcpy(end, p->key, n);
                        if (p->up)
                                *--end = '.';
                } else {
                        n = (size_t) snprintf(index, sizeof(index), "[%u]", p->index);
                        end -= n;
                        memcpy(end, index, n);
                }
        }
        return slice_make(end, (size_t) (at + len - end));
}

static struct slice shortened(struct config *c, struct slice value) {
        if (value.len <= VALUE_SHOWN_MAX)
                return value;
        return arena_printf(&c->arena, "%.*s...", (int) VALUE_SHOWN_MAX - 3, value.at);
}

static void add(struct config *c, bool warning, struct slice path, const struct mark *place, struct slice value,
                struct slice nearest, const char *format, va_list ap) {
        char text[400];

        vsnprintf(text, sizeof(text), format, ap);
        problems_add(&c->problems, &(struct problem){
                                           .warning = warning,
                                           .file = place ? place->name : (struct slice){ 0 },
                                           .line = place ? place->line : 0,
                                           .column = place ? place->column : 0,
                                           .path = path,
                                           .value = shortened(c, value),
                                           .nearest = nearest,
                                           .expected = arena_dup(&c->arena, slice_of(text)),
                                   });
}

void misread_add(struct config *c, struct slice path) {
        if (c->loaded || c->n_misread == PROBLEMS_MAX)
                return;
        c->misread = arena_more(&c->arena, c->misread, c->n_misread, &c->misread_room, sizeof(*c->misread));
        c->misread[c->n_misread++] = path;
}

/* May what was misread explain that this is absent? */
static bool explained(const struct config *c, struct slice path) {
        for (size_t i = 0; i < c->n_misread; i++) {
                struct slice m = c->misread[i];

                if (slice_starts(path, m) && (m.len == 0 || path.len == m.len || strchr(".[", path.at[m.len])))
                        return true;
        }
        return false;
}

void complain_at(struct config *c, bool warning, const struct path *path, uint32_t line, uint32_t column,
                 struct slice value, struct slice nearest, const char *format, ...) {
        struct mark place = { .name = c->origin_name, .line = line, .column = column };
        struct slice text = path ? path_text(c, path) : (struct slice){ 0 };
        va_list ap;

        if (!warning)
                misread_add(c, text);
        va_start(ap, format);
        add(c, warning, text, &place, value, nearest, format, ap);
        va_end(ap);
}

struct found {
        struct slice path, value;
        const struct opt_row *row;
        const struct mark *around; /* of the innermost block that has a place */
};

static struct slice value_text(struct config *c, enum opt_kind kind, const void *field) {
        switch (kind) {
        case OPT_K_STR:
                return text_of(c, *(const struct pstr *) field);
        case OPT_K_BOOL:
                return *(const bool *) field ? SLICE("true") : SLICE("false");
        case OPT_K_INT:
                return arena_printf(&c->arena, "%lld", (long long) *(const int64_t *) field);
        case OPT_K_OPTINT:
                return arena_printf(&c->arena, "%lld", (long long) ((const struct opt_int *) field)->value);
        case OPT_K_FLOAT:
                return arena_printf(&c->arena, "%g", *(const double *) field);
        case OPT_K_U32S:
                return arena_printf(&c->arena, "%u", *(const uint32_t *) field);
        case OPT_K_I32S:
                return arena_printf(&c->arena, "%d", *(const int32_t *) field);
        default:
                return (struct slice){ 0 };
        }
}

static size_t element_size(enum opt_kind kind) {
        switch (kind) {
        case OPT_K_STRS:
                return sizeof(struct pstr);
        case OPT_K_ARGVS:
                return sizeof(struct plist);
        case OPT_K_U32S:
        case OPT_K_I32S:
                return sizeof(uint32_t);
        case OPT_K_MAP:
                return sizeof(struct pmap_entry);
        default:
                return 0;
        }
}

/* The elements of one list: where they lie, and the field that points to them. */
struct region {
        uint32_t off, end, each; /* offsets in the blob; size of an element */
        uint32_t field;          /* offset of the struct plist */
        const struct opt_row *row;
        bool words; /* of a list in a list (OPT_K_ARGVS) */
};

struct regions {
        struct config *c;
        struct region *at;
        size_t n, room;
};

static void add_region(struct regions *to, const struct opt_row *row, const struct plist *list, size_t each,
                       bool words) {
        if (list->n == 0)
                return;
        to->at = arena_more(&to->c->arena, to->at, to->n, &to->room, sizeof(*to->at));
        to->at[to->n++] = (struct region){
                .off = list->off,
                .end = list->off + (uint32_t) (list->n * each),
                .each = (uint32_t) each,
                .field = builder_off(&to->c->blob, list),
                .row = row,
                .words = words,
        };
}

static void collect_regions(struct regions *to, const struct opt_block *block, const unsigned char *base) {
        for (uint32_t i = 0; i < block->n_rows; i++) {
                const struct opt_row *row = block->rows + i;
                const struct plist *list = (const struct plist *) (base + row->offset);

                if (row->kind == OPT_K_SUB) {
                        collect_regions(to, row->inner, base + row->offset);
                } else if (row->kind == OPT_K_LIST || row->kind == OPT_K_OPT) {
                        add_region(to, row, list, row->inner->size, false);
                        for (uint32_t k = 0; k < list->n; k++)
                                collect_regions(to, row->inner,
                                                list_of(to->c, *list, unsigned char) + (size_t) k * row->inner->size);
                } else if (element_size(row->kind)) {
                        add_region(to, row, list, element_size(row->kind), false);
                        for (uint32_t k = 0; row->kind == OPT_K_ARGVS && k < list->n; k++)
                                add_region(to, row, list_of(to->c, *list, struct plist) + k, sizeof(struct pstr), true);
                }
        }
}

static int compare_regions(const void *a, const void *b) {
        const struct region *x = a, *y = b;

        return x->off < y->off ? -1 : x->off > y->off;
}

/* The list that holds this place; NULL: it lies in the root. Built at the first complaint: no list moves then. */
static const struct region *region_of(struct config *c, uint32_t target) {
        size_t low = 0, high;

        if (!c->regions) {
                struct regions to = { .c = c };

                collect_regions(&to, &opt_block_root, (const unsigned char *) c->root);
                if (to.n)
                        qsort(to.at, to.n, sizeof(*to.at), compare_regions);
                else
                        to.at = arena_new(&c->arena, struct region);
                c->regions = to.at;
                c->n_regions = to.n;
        }
        for (high = c->n_regions; low < high;) {
                size_t middle = low + (high - low) / 2;

                if (c->regions[middle].end <= target)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < c->n_regions && c->regions[low].off <= target ? c->regions + low : NULL;
}

/* An element that is a value by itself. */
static void find_element(struct config *c, const struct region *r, uint32_t target, struct found *ret) {
        const void *at = builder_at(&c->blob, target);

        if (r->words || r->row->kind == OPT_K_STRS || r->row->kind == OPT_K_MAP) /* of a map, the key or the value */
                ret->value = text_of(c, *(const struct pstr *) at);
        else
                ret->value = value_text(c, r->row->kind, at);
        ret->row = r->row;
}

/* Path, row and value of what lies at an offset, and the places of the blocks around it. */
static void find_field(struct config *c, uint32_t target, struct found *ret) {
        const struct region *r = region_of(c, target);
        const struct opt_block *block = &opt_block_root;
        uint32_t base = builder_off(&c->blob, c->root);

        if (r) {
                uint32_t k = (target - r->off) / r->each;

                find_field(c, r->field, ret);
                if (r->row->kind != OPT_K_OPT)
                        ret->path = arena_printf(&c->arena, "%.*s[%u]", SLICE_ARG(ret->path), k);
                if (r->words || (r->row->kind != OPT_K_LIST && r->row->kind != OPT_K_OPT))
                        return find_element(c, r, target, ret);
                block = r->row->inner;
                base = r->off + k * r->each;
        }
        for (bool inner = true; inner;) {
                const struct mark *here = mark_find(c, builder_at(&c->blob, base), true);
                const struct opt_row *row = NULL;

                if (here)
                        ret->around = here;
                for (uint32_t i = 0; i < block->n_rows && base + block->rows[i].offset <= target; i++)
                        row = block->rows + i;
                if (!row)
                        return;
                ret->path =
                        arena_printf(&c->arena, "%.*s%s%s", SLICE_ARG(ret->path), ret->path.len ? "." : "", row->key);
                inner = row->kind == OPT_K_SUB;
                base += row->offset;
                block = row->inner;
                ret->row = row;
                ret->value = inner ? (struct slice){ 0 } : value_text(c, row->kind, builder_at(&c->blob, base));
        }
}

static void complain_v(struct config *c, bool warning, const void *field, const struct slice *candidates, size_t n,
                       const char *format, va_list ap) {
        struct found f = { 0 };
        const struct mark *place = mark_find(c, field, false);

        if (c->problems.n == PROBLEMS_MAX) { /* it is counted, not kept */
                problems_add(&c->problems, &(struct problem){ .warning = warning });
                return;
        }
        find_field(c, builder_off(&c->blob, field), &f);
        /* What a misread key left empty was complained about already. */
        if (!place && explained(c, f.path))
                return;
        if (f.row && (strcmp(f.row->key, "pem") == 0 || strcmp(f.row->key, "allowed_env_values") == 0))
                f.value = (struct slice){ 0 };
        add(c, warning, f.path, place ? place : f.around, f.value, problem_nearest(f.value, candidates, n), format, ap);
}

void complain(struct config *c, const void *field, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        complain_v(c, false, field, NULL, 0, format, ap);
        va_end(ap);
}

void complain_near(struct config *c, const void *field, const struct slice *candidates, size_t n, const char *format,
                   ...) {
        va_list ap;

        va_start(ap, format);
        complain_v(c, false, field, candidates, n, format, ap);
        va_end(ap);
}

void warn(struct config *c, const void *field, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        complain_v(c, true, field, NULL, 0, format, ap);
        va_end(ap);
}

struct config_place config_place_of(const struct config *c, const void *field) {
        const struct mark *m = mark_find(c, field, false);

        if (!m)
                return (struct config_place){ .origin = ORIGIN_DEFAULT };
        return (struct config_place){ .origin = m->origin, .name = m->name, .line = m->line, .column = m->column };
}
