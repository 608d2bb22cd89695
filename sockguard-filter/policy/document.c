/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/document.h"

#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#define SMALL_MAP 12u /* up to this many keys are compared pairwise, more are sorted */

struct anchor {
        struct slice name;
        struct node *node;
};

struct composer {
        struct arena *arena;
        struct problems *problems;
        struct slice file, text;
        yaml_parser_t parser;
        struct node **stack; /* values waiting for their collection to end */
        size_t n_stack, stack_room;
        struct anchor *anchors;
        size_t n_anchors, anchors_room;
        uint64_t merged; /* entries that merge keys copied so far */
        bool aliases;
};

static int refuse(struct composer *c, yaml_mark_t mark, struct slice value, const char *expected) {
        problems_add(c->problems, &(struct problem){
                                          .file = c->file,
                                          .line = (uint32_t) mark.line + 1,
                                          .column = (uint32_t) mark.column + 1,
                                          .value = value,
                                          .expected = slice_of(expected),
                                  });
        return -EBADMSG;
}

/* Where a byte stands: the reader reports offsets only. Bytes count as columns here, the text being invalid anyway. */
static yaml_mark_t mark_of_offset(const struct composer *c, size_t offset) {
        yaml_mark_t m = { 0 };

        for (size_t i = 0; i < offset && i < c->text.len; i++) {
                m.column++;
                if (c->text.at[i] == '\n') {
                        m.line++;
                        m.column = 0;
                }
        }
        return m;
}

/* Does a tab stand at the place, with nothing but blanks before it? Columns are bytes there. */
static bool indents_by_tab(const struct composer *c, yaml_mark_t at) {
        struct slice line = { 0 }, rest = c->text;

        for (size_t i = 0; i <= at.line; i++)
                if (!slice_cut(rest, '\n', &line, &rest) && i < at.line)
                        return false;
        for (size_t i = 0; i < at.column && i < line.len; i++)
                if (line.at[i] != ' ' && line.at[i] != '\t')
                        return false;
        return at.column < line.len && line.at[at.column] == '\t';
}

static int refuse_syntax(struct composer *c) {
        const yaml_parser_t *p = &c->parser;
        yaml_mark_t at = p->problem_mark;
        struct slice what;

        if (p->error == YAML_MEMORY_ERROR)
                return refuse(c, at, (struct slice){ 0 }, "not enough memory to read it");
        if (p->error == YAML_READER_ERROR)
                at = mark_of_offset(c, p->problem_offset);
        else if (p->error == YAML_SCANNER_ERROR && indents_by_tab(c, at))
                return refuse(c, at, (struct slice){ 0 }, "a tab cannot indent in YAML: use blanks");
        what = arena_printf(c->arena, "not valid YAML: %s%s%s", p->context ? p->context : "", p->context ? ", " : "",
                            p->problem ? p->problem : "syntax error");
        return refuse(c, at, (struct slice){ 0 }, what.at);
}

static void push(struct composer *c, struct node *n) {
        c->stack = arena_more(c->arena, c->stack, c->n_stack, &c->stack_room, sizeof(*c->stack));
        c->stack[c->n_stack++] = n;
}

static struct node *new_node(struct composer *c, enum document_kind kind, const yaml_event_t *ev) {
        struct node *n = arena_new(c->arena, struct node);

        n->kind = kind;
        n->line = (uint32_t) ev->start_mark.line + 1;
        n->column = (uint32_t) ev->start_mark.column + 1;
        n->weight = 1;
        return n;
}

static int set_anchor(struct composer *c, const yaml_event_t *ev, const yaml_char_t *name, struct node *n) {
        if (!name)
                return 0;
        if (c->n_anchors == DOCUMENT_ANCHORS_MAX)
                return refuse(c, ev->start_mark, (struct slice){ 0 }, "there are too many anchors");
        c->anchors = arena_more(c->arena, c->anchors, c->n_anchors, &c->anchors_room, sizeof(*c->anchors));
        c->anchors[c->n_anchors++] =
                (struct anchor){ .name = arena_dup(c->arena, slice_of((const char *) name)), .node = n };
        return 0;
}

/* The latest anchor of that name counts. */
static int find_alias(struct composer *c, const yaml_event_t *ev, struct node **ret) {
        struct slice name = slice_of((const char *) ev->data.alias.anchor);

        for (size_t i = c->n_anchors; i > 0; i--) {
                struct node *n = c->anchors[i - 1].node;

                if (!slice_eq(c->anchors[i - 1].name, name))
                        continue;
                if (n->open)
                        return refuse(c, ev->start_mark, arena_dup(c->arena, name),
                                      "an anchor must not contain an alias to itself");
                c->aliases = true;
                *ret = n;
                return 0;
        }
        return refuse(c, ev->start_mark, arena_dup(c->arena, name), "no anchor of this name stands before the alias");
}

static bool has_nul(struct slice text) {
        return slice_find(text, '\0') >= 0;
}

static int new_scalar(struct composer *c, const yaml_event_t *ev, struct node **ret) {
        struct slice text = slice_make((const char *) ev->data.scalar.value, ev->data.scalar.length);
        struct node *n = new_node(c, NODE_SCALAR, ev);

        if (has_nul(text))
                return refuse(c, ev->start_mark, (struct slice){ 0 }, "a NUL character is not allowed");
        text = arena_dup(c->arena, text);
        n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        n->text = text;
        if (ev->data.scalar.tag) {
                struct scalar *s = arena_new(c->arena, struct scalar);

                if (scalar_tagged(slice_of((const char *) ev->data.scalar.tag), text, n->plain, c->arena, s) < 0)
                        return refuse(c, ev->start_mark, text, "is no value of the type that its tag names");
                if (has_nul(s->text))
                        return refuse(c, ev->start_mark, (struct slice){ 0 }, "a NUL character is not allowed");
                n->scalar = s;
                n->tagged = true;
                n->plain = false;
        }
        *ret = n;
        return 0;
}

static uint32_t add_weight(uint32_t a, uint32_t b) {
        return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void end_list(struct composer *c, struct node *n, size_t from) {
        n->n = (uint32_t) (c->n_stack - from);
        n->items = arena_new_array(c->arena, struct node *, n->n);
        if (n->n)
                memcpy(n->items, c->stack + from, n->n * sizeof(*n->items));
        for (uint32_t i = 0; i < n->n; i++)
                n->weight = add_weight(n->weight, n->items[i]->weight);
}

/* Sorting entries by key, the earlier first among equal keys. */
struct ranked {
        const struct entry *entry;
        uint32_t rank;
};

static int compare_ranked(const void *a, const void *b) {
        const struct ranked *x = a, *y = b;
        int r = slice_cmp(node_key(x->entry), node_key(y->entry));

        return r ? r : x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* An entry whose key an earlier one has already, or NULL. */
static const struct entry *find_duplicate(struct composer *c, const struct entry *at, uint32_t n) {
        struct ranked *sorted;

        if (n <= SMALL_MAP) {
                for (uint32_t i = 1; i < n; i++)
                        for (uint32_t j = 0; j < i; j++)
                                if (slice_eq(node_key(at + i), node_key(at + j)))
                                        return at + i;
                return NULL;
        }
        sorted = arena_new_array(c->arena, struct ranked, n);
        for (uint32_t i = 0; i < n; i++)
                sorted[i] = (struct ranked){ .entry = at + i, .rank = i };
        qsort(sorted, n, sizeof(*sorted), compare_ranked);
        for (uint32_t i = 1; i < n; i++)
                if (slice_eq(node_key(sorted[i].entry), node_key(sorted[i - 1].entry)))
                        return sorted[i].entry;
        return NULL;
}

static bool is_merge(const struct entry *e) {
        return e->key->plain && slice_eq(e->key->text, SLICE("<<"));
}

static yaml_mark_t mark_of(const struct node *n) {
        return (yaml_mark_t){ .line = n->line - 1, .column = n->column - 1 };
}

/* Replaces `<<` by what it merges: explicit keys win, then earlier mappings of a merge list. */
static int apply_merge(struct composer *c, struct node *map, const struct entry *merge) {
        struct node *one = merge->value, *const *sources = &one;
        uint32_t n_sources = 1, n = 0, kept = 0;
        struct ranked *all;
        uint64_t total = map->n;

        if (one->kind == NODE_LIST) {
                sources = one->items;
                n_sources = one->n;
        }
        for (uint32_t i = 0; i < n_sources; i++) {
                if (sources[i]->kind != NODE_MAP)
                        return refuse(c, mark_of(sources[i]), (struct slice){ 0 },
                                      "<< takes a mapping, an alias of one, or a list of them");
                total += sources[i]->n;
        }
        c->merged += total;
        if (c->merged > DOCUMENT_WEIGHT_MAX)
                return refuse(c, mark_of(map), (struct slice){ 0 }, "merge keys make it too large");
        all = arena_new_array(c->arena, struct ranked, total);
        for (uint32_t i = 0; i < map->n; i++)
                if (map->entries + i != merge) {
                        all[n] = (struct ranked){ .entry = map->entries + i, .rank = n };
                        n++;
                }
        for (uint32_t s = 0; s < n_sources; s++)
                for (uint32_t i = 0; i < sources[s]->n; i++, n++)
                        all[n] = (struct ranked){ .entry = sources[s]->entries + i, .rank = n };
        qsort(all, n, sizeof(*all), compare_ranked);
        map->entries = arena_new_array(c->arena, struct entry, n);
        for (uint32_t i = 0; i < n; i++)
                if (i == 0 || !slice_eq(node_key(all[i].entry), node_key(all[i - 1].entry)))
                        map->entries[kept++] = *all[i].entry;
        map->n = kept;
        return 0;
}

static int end_map(struct composer *c, struct node *map, size_t from) {
        const struct entry *duplicate, *merge = NULL;

        map->n = (uint32_t) ((c->n_stack - from) / 2);
        map->entries = arena_new_array(c->arena, struct entry, map->n);
        for (uint32_t i = 0; i < map->n; i++) {
                struct node *key = c->stack[from + 2 * i];

                if (key->kind != NODE_SCALAR)
                        return refuse(c, mark_of(key), (struct slice){ 0 },
                                      "a key must be a text, not a list or a mapping");
                map->entries[i] = (struct entry){ .key = key, .value = c->stack[from + 2 * i + 1] };
                map->weight = add_weight(map->weight, add_weight(map->entries[i].value->weight, 1));
        }
        duplicate = find_duplicate(c, map->entries, map->n);
        if (duplicate)
                return refuse(c, mark_of(duplicate->key), node_key(duplicate), "this key stands twice in one mapping");
        for (uint32_t i = 0; i < map->n && !merge; i++)
                if (is_merge(map->entries + i))
                        merge = map->entries + i;
        return merge ? apply_merge(c, map, merge) : 0;
}

/* One collection that is being read. */
struct frame {
        struct node *node;
        size_t from; /* where its children start on the stack */
};

static int handle(struct composer *c, const yaml_event_t *ev, struct frame *frames, size_t *depth) {
        struct node *n = NULL;
        int r = 0;

        switch (ev->type) {
        case YAML_DOCUMENT_START_EVENT:
                /* The dialect is fixed (chapter 01, 2.1): a text that asks for another may mean other values. */
                if (ev->data.document_start.version_directive && ev->data.document_start.version_directive->minor != 1)
                        return refuse(c, ev->start_mark, (struct slice){ 0 },
                                      "the %YAML line asks for another version; leave it out");
                return 0;
        case YAML_ALIAS_EVENT:
                r = find_alias(c, ev, &n);
                if (r == 0)
                        push(c, n);
                return r;
        case YAML_SCALAR_EVENT:
                r = new_scalar(c, ev, &n);
                if (r < 0)
                        return r;
                push(c, n);
                return set_anchor(c, ev, ev->data.scalar.anchor, n);
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT:
                if (*depth == DOCUMENT_DEPTH_MAX)
                        return refuse(c, ev->start_mark, (struct slice){ 0 },
                                      "lists and mappings are nested too deeply");
                n = new_node(c, ev->type == YAML_SEQUENCE_START_EVENT ? NODE_LIST : NODE_MAP, ev);
                n->open = true;
                push(c, n);
                frames[(*depth)++] = (struct frame){ .node = n, .from = c->n_stack };
                return set_anchor(c, ev,
                                  ev->type == YAML_SEQUENCE_START_EVENT ? ev->data.sequence_start.anchor
                                                                        : ev->data.mapping_start.anchor,
                                  n);
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT: {
                struct frame *f = frames + --*depth;

                if (f->node->kind == NODE_LIST)
                        end_list(c, f->node, f->from);
                else
                        r = end_map(c, f->node, f->from);
                c->n_stack = f->from;
                f->node->open = false;
                if (r == 0 && c->aliases && f->node->weight > DOCUMENT_WEIGHT_MAX)
                        return refuse(c, mark_of(f->node), (struct slice){ 0 }, "aliases make it too large");
                return r;
        }
        default:
                return 0;
        }
}

static int compose(struct composer *c, struct node **ret) {
        struct frame *frames = arena_new_array(c->arena, struct frame, DOCUMENT_DEPTH_MAX);
        size_t depth = 0;

        *ret = NULL;
        for (;;) {
                yaml_event_t ev;
                yaml_event_type_t type;
                int r;

                if (!yaml_parser_parse(&c->parser, &ev))
                        return refuse_syntax(c);
                type = ev.type;
                r = handle(c, &ev, frames, &depth);
                yaml_event_delete(&ev);
                if (r < 0)
                        return r;
                /* The rest of the text is not even looked at. */
                if (type == YAML_DOCUMENT_END_EVENT || type == YAML_STREAM_END_EVENT)
                        break;
        }
        if (c->n_stack)
                *ret = c->stack[0];
        return 0;
}

/*
 * Lines that start with a percent sign. libyaml compares each %TAG with all before it: tens of thousands keep it busy
 * for minutes. In UTF-16 a NUL stands beside each of these characters.
 */
static size_t count_directives(struct slice text) {
        char last = '\n';
        size_t n = 0;

        for (size_t i = 0; i < text.len; i++) {
                if (text.at[i] == '\0')
                        continue;
                n += text.at[i] == '%' && (last == '\n' || last == '\r');
                last = text.at[i];
        }
        return n;
}

int document_parse(struct slice text, struct slice file, struct arena *a, struct problems *problems,
                   struct node **ret) {
        struct composer c = { .arena = a, .problems = problems, .file = file, .text = text };
        int r;

        if (count_directives(text) > DOCUMENT_DIRECTIVES_MAX)
                return refuse(&c, (yaml_mark_t){ 0 }, (struct slice){ 0 },
                              "there are too many lines that start with %");
        if (!yaml_parser_initialize(&c.parser))
                return -ENOMEM;
        yaml_parser_set_input_string(&c.parser, (const unsigned char *) (text.at ? text.at : ""), text.len);
        r = compose(&c, ret);
        yaml_parser_delete(&c.parser);
        return r;
}

struct slice node_key(const struct entry *e) {
        return e->key->tagged ? e->key->scalar->text : e->key->text;
}

struct scalar node_scalar(const struct node *n) {
        if (n->tagged)
                return *n->scalar;
        if (n->plain)
                return scalar_resolve(n->text);
        return (struct scalar){ .type = SCALAR_STR, .text = n->text };
}

bool node_is_null(const struct node *n) {
        return n->kind == NODE_SCALAR && node_scalar(n).type == SCALAR_NULL;
}
