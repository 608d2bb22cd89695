/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SOCKGUARD_* variables, the two aliases, and the flags of `serve`: the layers above the file (chapter
 * 01, 1.1, 2.4, 5.4).
 */
#include <stdlib.h>

#include "base/unicode.h"
#include "policy/config.h"

#define PREFIX "SOCKGUARD_"
#define NAME_MAX_ 200u

const char *environment_get(const struct config *c, const char *name) {
        size_t n = strlen(name);

        for (char *const *e = c->source.environment; e && *e; e++)
                if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
                        return *e + n + 1;
        return NULL;
}

bool environment_has(const struct config *c, const char *name) {
        return environment_get(c, name) != NULL;
}

/* Sets one field from a text that has no place in a file. */
static void set_text(struct config *c, enum config_origin origin, struct slice name, const struct opt_row *row,
                     void *base, const struct path *path, struct slice text) {
        struct node n = { .kind = NODE_SCALAR, .text = text, .weight = 1 };

        c->origin = origin;
        c->origin_name = name;
        decode_value(c, row, base, &n, path, false);
}

static void complain_variable(struct config *c, bool warning, const struct path *path, struct slice name,
                              const char *value, const char *expected) {
        c->origin = ORIGIN_ENVIRONMENT;
        c->origin_name = name;
        complain_at(c, warning, path, 0, 0, slice_of(value), (struct slice){ 0 }, "%s", expected);
}

/* Is any SOCKGUARD_ variable set at all? Mostly not, and then nothing is looked up. */
static bool any_variable(const struct config *c) {
        for (char *const *e = c->source.environment; e && *e; e++)
                if (strncmp(*e, PREFIX, sizeof(PREFIX) - 1) == 0)
                        return true;
        return false;
}

/* The variables that name something, for those that name nothing. */
struct names {
        struct slice *at;
        size_t n, room;
};

static void names_add(struct config *c, struct names *names, struct slice name) {
        names->at = arena_more(&c->arena, names->at, names->n, &names->room, sizeof(*names->at));
        names->at[names->n++] = name;
}

static void apply_optional(struct config *c, const struct opt_row *row, struct plist *field, const struct path *path,
                           struct strbuf *name, struct names *names);

static void apply_block(struct config *c, const struct opt_block *block, void *base, const struct path *path,
                        struct strbuf *name, struct names *names) {
        size_t prefix = name->len;

        for (uint32_t i = 0; i < block->n_rows; i++) {
                const struct opt_row *row = block->rows + i;
                void *field = (unsigned char *) base + row->offset;
                struct path below = { .up = path, .key = row->key };
                const char *value;
                struct slice variable;

                name->len = prefix;
                if (prefix > sizeof(PREFIX) - 1)
                        strbuf_addc(name, '_');
                for (const char *k = row->key; *k; k++)
                        strbuf_addc(name, *k >= 'a' && *k <= 'z' ? (char) (*k - 32) : *k);
                strbuf_addc(name, 0);
                name->len--;
                if (name->failed)
                        return;
                value = environment_get(c, name->at);
                if (value && !*value)
                        value = NULL;
                variable = arena_dup(&c->arena, strbuf_view(name));
                names_add(c, names, variable);
                switch (row->kind) {
                case OPT_K_SUB:
                        if (value && strcmp(row->inner->name, "mutations") == 0)
                                complain_variable(c, false, &below, variable, value,
                                                  "this block cannot be set by the environment");
                        else if (value)
                                complain_variable(c, true, &below, variable, value,
                                                  "names a block of options, not an option; ignored");
                        apply_block(c, row->inner, field, &below, name, names);
                        break;
                case OPT_K_OPT:
                        if (value)
                                complain_variable(c, true, &below, variable, value,
                                                  "names a block of options, not an option; ignored");
                        apply_optional(c, row, field, &below, name, names);
                        break;
                case OPT_K_LIST:
                        if (value && block == &opt_block_root && strcmp(row->key, "rules") == 0 && !c->rules_in_file)
                                complain_variable(c, true, &below, variable, value,
                                                  "rules cannot be set by the environment; ignored");
                        else if (value)
                                complain_variable(c, false, &below, variable, value,
                                                  "this list of mappings cannot be set by the environment");
                        break;
                default:
                        if (value)
                                set_text(c, ORIGIN_ENVIRONMENT, variable, row, base, &below, slice_of(value));
                }
        }
        name->len = prefix;
}

/* A variable of a field inside brings the block into being. */
static void apply_optional(struct config *c, const struct opt_row *row, struct plist *field, const struct path *path,
                           struct strbuf *name, struct names *names) {
        void *at = field->n ? (void *) list_of(c, *field, char) : builder_array(&c->blob, 1, row->inner->size, NULL);
        bool any = false;

        apply_block(c, row->inner, at, path, name, names);
        for (uint32_t i = 0; i < row->inner->n_rows; i++) {
                const struct mark *m = mark_find(c, (unsigned char *) at + row->inner->rows[i].offset, false);

                any |= m && m->origin == ORIGIN_ENVIRONMENT;
        }
        if (any && !field->n) {
                *field = (struct plist){ .off = builder_off(&c->blob, at), .n = 1 };
                mark_set(c, field, false, 0, 0);
        }
}

/* A row of the root by its two keys, for the aliases and flags. */
static void set_by_name(struct config *c, enum config_origin origin, const char *name, const char *block,
                        const char *key, struct slice text) {
        for (uint32_t i = 0; i < opt_block_root.n_rows; i++) {
                const struct opt_row *outer = opt_block_root.rows + i;
                struct path up = { .key = block };

                if (outer->kind != OPT_K_SUB || strcmp(outer->key, block) != 0)
                        continue;
                for (uint32_t k = 0; k < outer->inner->n_rows; k++)
                        if (strcmp(outer->inner->rows[k].key, key) == 0)
                                set_text(c, origin, slice_of(name), outer->inner->rows + k,
                                         (unsigned char *) c->root + outer->offset,
                                         &(struct path){ .up = &up, .key = key }, text);
        }
}

static void apply_aliases(struct config *c) {
        static const struct {
                const char *syslog, *ours;
        } levels[] = {
                { "notice", "info" }, { "warning", "warn" }, { "err", "error" },
                { "crit", "error" },  { "alert", "error" },  { "emerg", "error" },
        };
        const char *value = environment_get(c, "SOCKET_PATH");

        if (value && !environment_has(c, "SOCKGUARD_UPSTREAM_SOCKET")) {
                struct slice path = unicode_trim(slice_of(value));

                if (path.len)
                        set_by_name(c, ORIGIN_ENVIRONMENT, "SOCKET_PATH", "upstream", "socket", path);
        }
        value = environment_get(c, "LOG_LEVEL");
        if (value && !environment_has(c, "SOCKGUARD_LOG_LEVEL")) {
                struct slice level = unicode_lower(&c->arena, unicode_trim(slice_of(value)));

                for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
                        if (slice_eq(level, slice_of(levels[i].syslog)))
                                level = slice_of(levels[i].ours);
                set_by_name(c, ORIGIN_ENVIRONMENT, "LOG_LEVEL", "log", "level", level);
        }
}

static bool is_ours(struct slice name) {
        /*
         * Read elsewhere: where programs find each other. And what Kubernetes sets in every pod beside a service of
         * this name.
         */
        static const char *const exact[] = { "ALLOW_UNKNOWN_KEYS", "CTL", "FILTER", "LIBEXEC", "PORT", NULL };
        static const char *const prefixes[] = { "SERVICE_HOST", "SERVICE_PORT", "PORT_", NULL };

        name = slice_from(name, sizeof(PREFIX) - 1);
        for (size_t i = 0; exact[i]; i++)
                if (slice_eq(name, slice_of(exact[i])))
                        return true;
        for (size_t i = 0; prefixes[i]; i++)
                if (slice_starts(name, slice_of(prefixes[i])))
                        return true;
        return false;
}

/* A misspelt variable has no effect, and says so. */
static void warn_unknown(struct config *c, const struct names *names) {
        for (char *const *e = c->source.environment; e && *e; e++) {
                struct slice name, value;
                bool known = false;

                if (strncmp(*e, PREFIX, sizeof(PREFIX) - 1) != 0 || !slice_cut(slice_of(*e), '=', &name, &value) ||
                    is_ours(name))
                        continue;
                for (size_t i = 0; i < names->n && !known; i++)
                        known = slice_eq(names->at[i], name);
                if (known)
                        continue;
                c->origin = ORIGIN_ENVIRONMENT;
                c->origin_name = arena_dup(&c->arena, name);
                complain_at(c, true, NULL, 0, 0, (struct slice){ 0 }, problem_nearest(name, names->at, names->n),
                            "no option has this variable; ignored");
        }
}

void environment_apply(struct config *c) {
        struct names names = { 0 };
        struct strbuf name;

        if (any_variable(c)) {
                strbuf_init(&name, NAME_MAX_);
                strbuf_adds(&name, PREFIX);
                apply_block(c, &opt_block_root, c->root, NULL, &name, &names);
                strbuf_free(&name);
                warn_unknown(c, &names);
        }
        apply_aliases(c);
}

void flags_apply(struct config *c) {
        const struct config_flags *f = c->source.flags;
        const struct {
                const char *value, *name, *block, *key;
        } all[] = {
                { f->listen_socket, "--listen-socket", "listen", "socket" },
                { f->upstream_socket, "--upstream-socket", "upstream", "socket" },
                { f->log_level, "--log-level", "log", "level" },
                { f->log_format, "--log-format", "log", "format" },
                { f->deny_verbosity, "--deny-verbosity", "response", "deny_verbosity" },
        };

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                if (all[i].value)
                        set_by_name(c, ORIGIN_FLAG, all[i].name, all[i].block, all[i].key, slice_of(all[i].value));
}
