/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effective configuration, one option a line, each with where its value comes from.
 */
#include <string.h>

#include "ctl/common.h"
#include "policy/options.h"

enum { FLAG_FORMAT, FLAG_CHANGED, FLAG_UNKNOWN };

static const struct verb_flag flags[] = {
        [FLAG_FORMAT] = { .name = "format", .value = "FORMAT", .help = "text (default) or json" },
        [FLAG_CHANGED] = { .name = "changed", .help = "leave out what has its default" },
        [FLAG_UNKNOWN] = ALLOW_UNKNOWN_KEYS_FLAG,
};

struct listing {
        struct config *c;
        struct strbuf path, value;
        bool json, changed_only, any;
};

static const unsigned char *elements(const struct listing *l, struct plist list, size_t size) {
        return policy_at(config_policy(l->c), list.off, list.n, size);
}

/* Values of variables may be passwords: only the name is shown. */
static void add_text(struct listing *l, const struct opt_row *row, struct pstr s) {
        struct slice text = policy_str(config_policy(l->c), s), name, secret;

        if (strcmp(row->key, "allowed_env_values") == 0 && slice_cut(text, '=', &name, &secret)) {
                strbuf_adds(&l->value, "\"");
                strbuf_add(&l->value, name);
                strbuf_adds(&l->value, "=********\"");
                return;
        }
        strbuf_add_json(&l->value, text, JSON_ESCAPE_LOG);
}

static void add_texts(struct listing *l, const struct opt_row *row, struct plist list) {
        const struct pstr *at = (const struct pstr *) elements(l, list, sizeof(*at));

        strbuf_addc(&l->value, '[');
        for (uint32_t i = 0; i < list.n; i++) {
                if (i)
                        strbuf_adds(&l->value, ", ");
                add_text(l, row, at[i]);
        }
        strbuf_addc(&l->value, ']');
}

/* The value as JSON, which is YAML too. */
static void format_value(struct listing *l, const struct opt_row *row, const void *field) {
        const struct plist *list = field;
        const unsigned char *at;

        strbuf_reset(&l->value);
        switch (row->kind) {
        case OPT_K_STR:
                return add_text(l, row, *(const struct pstr *) field);
        case OPT_K_BOOL:
                return strbuf_add(&l->value, *(const bool *) field ? SLICE("true") : SLICE("false"));
        case OPT_K_INT:
                return strbuf_add_i64(&l->value, *(const int64_t *) field);
        case OPT_K_FLOAT:
                return strbuf_addf(&l->value, "%.17g", *(const double *) field);
        case OPT_K_OPTINT:
                if (((const struct opt_int *) field)->set)
                        return strbuf_add_i64(&l->value, ((const struct opt_int *) field)->value);
                return strbuf_adds(&l->value, "null");
        case OPT_K_STRS:
                return add_texts(l, row, *list);
        case OPT_K_ARGVS:
                at = elements(l, *list, sizeof(struct plist));
                strbuf_addc(&l->value, '[');
                for (uint32_t i = 0; i < list->n; i++) {
                        if (i)
                                strbuf_adds(&l->value, ", ");
                        add_texts(l, row, ((const struct plist *) at)[i]);
                }
                return strbuf_addc(&l->value, ']');
        case OPT_K_U32S:
        case OPT_K_I32S:
                at = elements(l, *list, sizeof(uint32_t));
                strbuf_addc(&l->value, '[');
                for (uint32_t i = 0; i < list->n; i++) {
                        if (i)
                                strbuf_adds(&l->value, ", ");
                        strbuf_add_i64(&l->value, row->kind == OPT_K_U32S ? (int64_t) ((const uint32_t *) at)[i]
                                                                          : ((const int32_t *) at)[i]);
                }
                return strbuf_addc(&l->value, ']');
        case OPT_K_MAP:
                at = elements(l, *list, sizeof(struct pmap_entry));
                strbuf_addc(&l->value, '{');
                for (uint32_t i = 0; i < list->n; i++) {
                        if (i)
                                strbuf_adds(&l->value, ", ");
                        add_text(l, row, ((const struct pmap_entry *) at)[i].key);
                        strbuf_adds(&l->value, ": ");
                        add_text(l, row, ((const struct pmap_entry *) at)[i].value);
                }
                return strbuf_addc(&l->value, '}');
        case OPT_K_SUB:
        case OPT_K_LIST:
        case OPT_K_OPT:
                return;
        }
}

static void print_origin(const struct config_place *p) {
        switch (p->origin) {
        case ORIGIN_DEFAULT:
                fputs("default", stdout);
                return;
        case ORIGIN_FILE:
                printf("%.*s:%u", SLICE_ARG(p->name), p->line);
                return;
        case ORIGIN_ENVIRONMENT:
        case ORIGIN_FLAG:
                printf("%.*s", SLICE_ARG(p->name));
                return;
        }
}

static void print_json(struct listing *l, const struct config_place *p) {
        static const char *const origins[] = { [ORIGIN_DEFAULT] = "default",
                                               [ORIGIN_FILE] = "file",
                                               [ORIGIN_ENVIRONMENT] = "environment",
                                               [ORIGIN_FLAG] = "flag" };
        struct strbuf line;

        strbuf_init(&line, 1u << 24);
        strbuf_addf(&line, "%s\n{\"key\":", l->any ? "," : "");
        strbuf_add_json(&line, strbuf_view(&l->path), JSON_ESCAPE_LOG);
        strbuf_adds(&line, ",\"value\":");
        strbuf_add(&line, strbuf_view(&l->value));
        strbuf_addf(&line, ",\"source\":\"%s\"", origins[p->origin]);
        if (p->name.len) {
                strbuf_adds(&line, ",\"name\":");
                strbuf_add_json(&line, p->name, JSON_ESCAPE_LOG);
        }
        if (p->line)
                strbuf_addf(&line, ",\"line\":%u,\"column\":%u", p->line, p->column);
        strbuf_addc(&line, '}');
        fwrite(line.at, 1, line.len, stdout);
        strbuf_free(&line);
}

static void list_field(struct listing *l, const struct opt_row *row, const void *field) {
        struct config_place p = config_place_of(l->c, field);

        if (l->changed_only && p.origin == ORIGIN_DEFAULT)
                return;
        format_value(l, row, field);
        if (l->json) {
                print_json(l, &p);
        } else {
                printf("%.*s: %.*s  # ", SLICE_ARG(strbuf_view(&l->path)), SLICE_ARG(strbuf_view(&l->value)));
                print_origin(&p);
                putchar('\n');
        }
        l->any = true;
}

static void list_block(struct listing *l, const struct opt_block *block, const unsigned char *base) {
        size_t prefix = l->path.len;

        for (uint32_t i = 0; i < block->n_rows; i++) {
                const struct opt_row *row = block->rows + i;
                const unsigned char *field = base + row->offset;
                const struct plist *list = (const struct plist *) field;
                size_t here;

                l->path.len = prefix;
                strbuf_addf(&l->path, "%s%s", prefix ? "." : "", row->key);
                here = l->path.len;
                if (row->kind == OPT_K_SUB) {
                        list_block(l, row->inner, field);
                } else if (row->kind == OPT_K_LIST || row->kind == OPT_K_OPT) {
                        const unsigned char *at = elements(l, *list, row->inner->size);

                        for (uint32_t k = 0; k < list->n; k++) {
                                l->path.len = here;
                                if (row->kind == OPT_K_LIST)
                                        strbuf_addf(&l->path, "[%u]", k);
                                list_block(l, row->inner, at + (size_t) k * row->inner->size);
                        }
                } else {
                        list_field(l, row, field);
                }
        }
        l->path.len = prefix;
}

static int run(const struct verb_args *args) {
        struct config_source source = ctl_source(args, args->value[FLAG_UNKNOWN] != NULL);
        const char *format = args->value[FLAG_FORMAT] ? args->value[FLAG_FORMAT] : "text";
        struct listing l = { .json = strcmp(format, "json") == 0, .changed_only = args->value[FLAG_CHANGED] != NULL };
        _cleanup_config_ struct config *c = NULL;
        _cleanup_strbuf_ struct strbuf text;
        struct slice image;
        int r;

        strbuf_init(&text, 1u << 20);
        if (!l.json && strcmp(format, "text") != 0)
                return verb_fail("--format must be text or json, not \"%s\"", format);
        source.unusable_keys_ok = true;
        r = config_load(&source, &c);
        if (c)
                r = config_check(c);
        if (r == 0)
                r = config_compile(c, 0, &image);
        if (r < 0) {
                if (c)
                        ctl_describe(config_problems(c), &text);
                verb_fail("%.*s", c ? (int) text.len : (int) strlen(strerror(-r)), c ? text.at : strerror(-r));
                return 1;
        }
        ctl_print_problems(stderr, config_problems(c), false, "");
        l.c = c;
        strbuf_init(&l.path, 4096);
        strbuf_init(&l.value, 1u << 24);
        if (l.json)
                putchar('[');
        list_block(&l, &opt_block_root, (const unsigned char *) config_root(c));
        if (l.json)
                puts("\n]");
        strbuf_free(&l.path);
        strbuf_free(&l.value);
        return 0;
}

const struct verb verb_config = { .name = "config",
                                  .summary = "show the effective options and where each value comes from",
                                  VERB_FLAGS(flags),
                                  .run = run };
