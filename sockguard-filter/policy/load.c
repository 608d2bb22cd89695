/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/load.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unicode.h"
#include "policy/config.h"

static void __attribute__((noreturn)) arena_is_full(struct arena *a) {
        struct config *c = a->exhausted_arg;

        c->give_up_with = -ENOMEM;
        longjmp(c->give_up, 1);
}

static void __attribute__((noreturn)) image_is_full(void *arg) {
        struct config *c = arg;

        c->give_up_with = -EFBIG;
        longjmp(c->give_up, 1);
}

static void refuse(struct config *c, const char *expected) {
        problems_add(&c->problems, &(struct problem){ .file = c->name, .expected = slice_of(expected) });
}

static void refuse_errno(struct config *c, const char *what, int r) {
        problems_add(&c->problems,
                     &(struct problem){ .file = c->name,
                                        .expected = arena_printf(&c->arena, "%s: %s", what, strerror(-r)) });
}

/*
 * Runs one step with somewhere to land when the arena or the image is full. The step reports into the list; this turns
 * the list into a result.
 */
int config_guarded(struct config *c, void (*step)(struct config *)) {
        if (setjmp(c->give_up) != 0) {
                if (c->give_up_with == -ENOMEM)
                        return -ENOMEM; /* nothing more can be added to the list */
                refuse(c, "the compiled policy would be too large");
                return -EBADMSG;
        }
        step(c);
        return c->problems.n_errors ? -EBADMSG : 0;
}

/* ---- the text ---- */

static bool extension_known(struct config *c) {
        static const struct {
                const char *name, *why_not;
        } known[] = {
                { ".yaml", NULL },
                { ".yml", NULL },
                { ".json", NULL },
                { ".toml", "TOML is not read; write the same keys as YAML in a .yaml file" },
                { ".env",
                  "dotenv files are not read; write a .yaml file, or set the SOCKGUARD_ variables in the environment" },
                { ".dotenv",
                  "dotenv files are not read; write a .yaml file, or set the SOCKGUARD_ variables in the environment" },
        };
        ssize_t slash = slice_rfind(c->name, '/');
        struct slice base = slice_from(c->name, (size_t) (slash + 1));
        ssize_t dot = slice_rfind(base, '.');
        struct slice extension = dot < 0 ? (struct slice){ 0 } : slice_from(base, (size_t) dot);

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                if (!slice_eq(extension, slice_of(known[i].name)))
                        continue;
                if (known[i].why_not)
                        refuse(c, known[i].why_not);
                return !known[i].why_not;
        }
        refuse(c, "the name of a configuration file ends in .yaml, .yml or .json");
        return false;
}

/* The whole file into the arena; false when something was reported. */
static bool read_file(struct config *c, struct slice *ret) {
        int fd = open(c->source.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;
        char *at;
        size_t n = 0;

        if (fd < 0) {
                refuse_errno(c, "cannot be opened", -errno);
                return false;
        }
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                refuse(c, "is not a regular file");
                close(fd);
                return false;
        }
        at = arena_alloc(&c->arena, (size_t) (st.st_size > CONFIG_TEXT_MAX ? CONFIG_TEXT_MAX : st.st_size) + 1);
        for (;;) {
                size_t room = (size_t) (st.st_size > CONFIG_TEXT_MAX ? CONFIG_TEXT_MAX : st.st_size) + 1 - n;
                ssize_t r = room ? read(fd, at + n, room) : 0;

                if (r < 0 && errno == EINTR)
                        continue;
                if (r < 0) {
                        refuse_errno(c, "cannot be read", -errno);
                        close(fd);
                        return false;
                }
                if (r == 0)
                        break;
                n += (size_t) r;
        }
        close(fd);
        if (n > (size_t) st.st_size || n > CONFIG_TEXT_MAX) {
                refuse(c, n > CONFIG_TEXT_MAX ? "is larger than 4 MiB" : "grew while it was read");
                return false;
        }
        *ret = slice_make(at, n);
        return true;
}

/* False when something was reported. An absent default file is an empty text. */
static bool read_text(struct config *c, struct slice *ret) {
        struct stat st;

        *ret = (struct slice){ 0 };
        if (c->source.from_memory) {
                *ret = c->source.text;
                if (ret->len <= CONFIG_TEXT_MAX)
                        return true;
                refuse(c, "is larger than 4 MiB");
                return false;
        }
        if (unicode_trim(c->name).len == 0) {
                refuse(c, "--config needs the path of a file");
                return false;
        }
        if (stat(c->source.path, &st) < 0) {
                if (errno == ENOENT && !c->source.path_given && !c->source.must_exist)
                        return true;
                refuse_errno(c, "cannot be found", -errno);
                return false;
        }
        return extension_known(c) && read_file(c, ret);
}

/* ---- explicitness (chapter 01, 2.6) ---- */

static bool any_mark(const struct config *c, const struct opt_block *block, const void *base) {
        for (uint32_t i = 0; i < block->n_rows; i++) {
                const void *field = (const unsigned char *) base + block->rows[i].offset;
                const struct mark *m = mark_find(c, field, false);

                if (block->rows[i].kind == OPT_K_SUB ? any_mark(c, block->rows[i].inner, field)
                                                     : m && m->origin != ORIGIN_FLAG)
                        return true;
        }
        return false;
}

static bool written(const struct config *c, const char *outer, const char *inner, const char *innermost) {
        const struct opt_block *block = &opt_block_root;
        const unsigned char *base = (const unsigned char *) c->root;
        const char *const keys[] = { outer, inner, innermost };

        for (size_t k = 0; k < 3 && keys[k]; k++) {
                const struct opt_row *row = NULL;

                for (uint32_t i = 0; i < block->n_rows; i++)
                        if (strcmp(block->rows[i].key, keys[k]) == 0)
                                row = block->rows + i;
                if (!row || row->kind != OPT_K_SUB)
                        return false;
                base += row->offset;
                block = row->inner;
        }
        return any_mark(c, block, base);
}

/* ---- steps ---- */

static bool rules_key_present(const struct node *document) {
        for (uint32_t i = 0; document && i < document->n; i++)
                if (slice_case_eq(node_key(document->entries + i), SLICE("rules")))
                        return true;
        return false;
}

static void step_load(struct config *c) {
        struct node *document = NULL;
        struct slice text;

        c->origin = ORIGIN_FILE;
        c->origin_name = c->name;
        if (!read_text(c, &text))
                return;
        c->text = text;
        if (document_parse(text, c->name, &c->arena, &c->problems, &document) < 0)
                return;
        if (document && node_is_null(document))
                document = NULL;
        if (document && document->kind != NODE_MAP) {
                complain_at(c, false, NULL, document->line, document->column, (struct slice){ 0 }, (struct slice){ 0 },
                            "the top level must be a mapping");
                return;
        }
        c->root = builder_new(&c->blob, struct opt_root);
        decode_defaults(c, &opt_block_root, c->root);
        c->rules_in_file = rules_key_present(document);
        if (document)
                decode_block(c, &opt_block_root, c->root, document, NULL, false);
        if (c->source.environment && c->source.overlay)
                environment_apply(c);
        c->listen_explicit = written(c, "listen", NULL, NULL);
        c->endpoint_config_explicit = written(c, "request_body", "network", "endpoint_config");
        if (c->source.flags)
                flags_apply(c);
        c->upstream_socket_explicit = mark_find(c, &c->root->upstream.socket, false) != NULL;
        rules_default(c);
        c->loaded = true;
}

int config_load(const struct config_source *source, struct config **ret) {
        struct config *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->source = *source;
        c->name = slice_of(source->path ? source->path : "");
        arena_init(&c->arena, CONFIG_ARENA_MAX, arena_is_full);
        c->arena.exhausted_arg = c;
        c->problems.arena = &c->arena;
        if (source->overlay && source->environment) {
                struct scalar s = { .type = SCALAR_STR };
                const char *value = environment_get(c, "SOCKGUARD_ALLOW_UNKNOWN_KEYS");
                bool on = false;

                s.text = slice_of(value ? value : "");
                if (scalar_to_bool(&s, &on) == 0 && on)
                        c->source.allow_unknown_keys = true;
        }
        r = builder_init(&c->blob, image_is_full, c);
        if (r == 0)
                r = config_guarded(c, step_load);
        if (r < 0 && r != -EBADMSG) {
                config_free(c);
                return r;
        }
        *ret = c;
        return r;
}

static void step_check(struct config *c) {
        sections_apply(c);
        check_values(c);
        if (c->problems.n_errors)
                return;
        compile_scopes(c);
        if (!check_guards(c))
                return;
        check_warnings(c);
}

int config_check(struct config *c) {
        return c->root ? config_guarded(c, step_check) : -EBADMSG;
}

void config_free(struct config *c) {
        if (!c)
                return;
        builder_free(&c->blob);
        arena_free(&c->arena);
        free(c);
}

const struct problems *config_problems(const struct config *c) {
        return &c->problems;
}

struct slice config_line(const struct config *c, uint32_t line) {
        struct slice rest = c->text, at;
        bool more = true;

        for (uint32_t i = 1; i <= line && more; i++) {
                more = slice_cut(rest, '\n', &at, &rest);
                if (i == line)
                        return slice_ends(at, SLICE("\r")) ? slice_upto(at, at.len - 1) : at;
        }
        return (struct slice){ 0 };
}

const struct opt_root *config_root(const struct config *c) {
        return c->root;
}

const struct policy *config_policy(struct config *c) {
        c->view = (struct policy){
                .base = c->blob.base,
                .size = c->blob.used,
                .header = (const struct policy_header *) c->blob.base,
                .root = c->root,
                .compiled = c->compiled,
        };
        return &c->view;
}

bool config_compat_active(const struct config *c) {
        return c->compat_active;
}

int config_publish(struct slice image, const char *path, struct error *e) {
        size_t n = strlen(path) + sizeof(".XXXXXX");
        char *temporary = malloc(n);
        size_t done = 0;
        int fd, r = 0;

        if (!temporary)
                return error_errno(e, -ENOMEM, "cannot write %s", path);
        snprintf(temporary, n, "%s.XXXXXX", path);
        fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0) {
                r = error_errno(e, -errno, "cannot create a file beside %s", path);
                free(temporary);
                return r;
        }
        while (done < image.len && r == 0) {
                ssize_t w = write(fd, image.at + done, image.len - done);

                if (w >= 0)
                        done += (size_t) w;
                else if (errno != EINTR)
                        r = -errno;
        }
        if (r == 0 && (fchmod(fd, 0640) < 0 || fsync(fd) < 0))
                r = -errno;
        close(fd);
        if (r == 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r < 0) {
                unlink(temporary);
                error_errno(e, r, "cannot write %s", path);
        }
        free(temporary);
        return r;
}
