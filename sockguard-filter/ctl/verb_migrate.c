/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/migrate.h"
#include "ctl/verb.h"
#include "policy/document.h"
#include "policy/load.h"

/*
 * sockguard-ctl migrate [FILE | NAME=VALUE... | -- FLAG...]: reads the settings of another socket proxy from a compose
 * file, a file of environment variables, or the command line, and writes a policy that admits the same.
 */

enum { FLAG_SERVICE, FLAG_FROM, FLAG_OUTPUT };

static const struct verb_flag flags[] = {
        [FLAG_SERVICE] = { .name = "service",
                           .value = "NAME",
                           .help = "the proxy's service in the compose file (default: by its image)" },
        [FLAG_FROM] = { .name = "from",
                        .value = "KIND",
                        .help = "tecnativa, linuxserver or wollomatic (default: by the settings)" },
        [FLAG_OUTPUT] = { .name = "output",
                          .letter = 'o',
                          .value = "PATH",
                          .help = "write there, a new file, instead of to standard output" },
};

#define SETTINGS_MAX 4096u
#define LABELS_MAX 4096u

/* Something is wrong with the input, not with the command line. Returns 1. */
static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *format, ...) {
        va_list ap;

        fputs("Error: ", stderr);
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        return 1;
}

/* What has been gathered so far. */
struct gathered {
        struct arena a;
        struct slice environment[SETTINGS_MAX], flags[SETTINGS_MAX];
        struct migrate_label labels[LABELS_MAX];
        struct migrate_input in;
        bool full;
};

static void add_environment(struct gathered *g, struct slice s) {
        if (g->in.n_environment == SETTINGS_MAX)
                g->full = true;
        else
                g->environment[g->in.n_environment++] = s;
}

static void add_flag(struct gathered *g, struct slice s) {
        if (g->in.n_flags == SETTINGS_MAX)
                g->full = true;
        else
                g->flags[g->in.n_flags++] = s;
}

/* ---- compose files ---- */

static struct node *member(const struct node *map, const char *key) {
        if (map == NULL || map->kind != NODE_MAP)
                return NULL;
        for (uint32_t i = 0; i < map->n; i++)
                if (slice_eq(node_key(&map->entries[i]), slice_of(key)))
                        return map->entries[i].value;
        return NULL;
}

static struct slice scalar_text(const struct node *n) {
        return n != NULL && n->kind == NODE_SCALAR && !n->tagged && !node_is_null(n) ? n->text : SLICE("");
}

static bool is_name(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/*
 * Compose's variables: $$ is a dollar; ${NAME:-default} and ${NAME-default} are what the environment says, else the
 * default; $NAME and ${NAME} likewise, else empty, as compose has it.
 */
static struct slice interpolate(struct gathered *g, struct slice s) {
        struct strbuf b;
        struct slice result;

        if (slice_find(s, '$') < 0)
                return s;
        strbuf_init(&b, 64 * 1024);
        for (size_t i = 0; i < s.len; i++) {
                struct slice name, fallback = SLICE("");
                const char *value;
                size_t n = 0;
                bool braces;

                if (s.at[i] != '$' || i + 1 == s.len) {
                        strbuf_addc(&b, s.at[i]);
                        continue;
                }
                if (s.at[i + 1] == '$') {
                        strbuf_addc(&b, '$');
                        i++;
                        continue;
                }
                braces = s.at[i + 1] == '{';
                name = slice_from(s, i + 1 + braces);
                while (n < name.len && is_name(name.at[n]))
                        n++;
                if (n == 0) {
                        strbuf_addc(&b, '$');
                        continue;
                }
                if (braces) {
                        ssize_t end = slice_find(name, '}');
                        struct slice rest;

                        if (end < 0) {
                                strbuf_addc(&b, '$');
                                continue;
                        }
                        rest = slice_make(name.at + n, (size_t) end - n);
                        i += 2 + (size_t) end;
                        if (slice_starts(rest, SLICE(":-")))
                                fallback = slice_from(rest, 2);
                        else if (slice_starts(rest, SLICE("-")))
                                fallback = slice_from(rest, 1);
                } else {
                        i += n;
                }
                value = getenv(arena_dup(&g->a, slice_upto(name, n)).at);
                strbuf_add(&b, value != NULL && *value != '\0' ? slice_of(value) : fallback);
        }
        result = arena_dup(&g->a, strbuf_view(&b));
        strbuf_free(&b);
        return result;
}

/* A command line in one string, split at blanks; quotes hold words together. */
static void split_command(struct gathered *g, struct slice s) {
        char *word = arena_alloc(&g->a, s.len + 1);
        size_t n = 0;
        char quote = '\0';
        bool in_word = false;

        for (size_t i = 0; i <= s.len; i++) {
                char c = i < s.len ? s.at[i] : ' ';

                if (quote != '\0' && i < s.len) {
                        if (c == quote)
                                quote = '\0';
                        else
                                word[n++] = c;
                } else if (c == '\'' || c == '"') {
                        quote = c;
                        in_word = true;
                } else if (c == '\\' && i + 1 < s.len) {
                        word[n++] = s.at[++i];
                        in_word = true;
                } else if (c == ' ' || c == '\t' || c == '\n') {
                        if (in_word)
                                add_flag(g, arena_dup(&g->a, slice_make(word, n)));
                        n = 0;
                        in_word = false;
                } else {
                        word[n++] = c;
                        in_word = true;
                }
        }
}

static void read_command(struct gathered *g, const struct node *command) {
        if (command == NULL)
                return;
        if (command->kind == NODE_SCALAR)
                split_command(g, interpolate(g, scalar_text(command)));
        for (uint32_t i = 0; command->kind == NODE_LIST && i < command->n; i++)
                add_flag(g, interpolate(g, scalar_text(command->items[i])));
}

static void read_environment(struct gathered *g, const struct node *env) {
        if (env == NULL)
                return;
        for (uint32_t i = 0; env->kind == NODE_LIST && i < env->n; i++)
                add_environment(g, interpolate(g, scalar_text(env->items[i])));
        for (uint32_t i = 0; env->kind == NODE_MAP && i < env->n; i++) {
                struct slice key = node_key(&env->entries[i]),
                             value = interpolate(g, scalar_text(env->entries[i].value));

                add_environment(g, arena_printf(&g->a, "%.*s=%.*s", SLICE_ARG(key), SLICE_ARG(value)));
        }
}

static void read_labels(struct gathered *g, struct slice service, const struct node *labels) {
        for (uint32_t i = 0; labels != NULL && labels->kind != NODE_SCALAR && i < labels->n; i++) {
                struct migrate_label l = { .service = service };

                if (labels->kind == NODE_MAP) {
                        l.key = node_key(&labels->entries[i]);
                        l.value = interpolate(g, scalar_text(labels->entries[i].value));
                } else {
                        (void) slice_cut(interpolate(g, scalar_text(labels->items[i])), '=', &l.key, &l.value);
                }
                if (!slice_starts(l.key, SLICE("socket-proxy.allow.")))
                        continue;
                if (g->in.n_labels == LABELS_MAX) {
                        g->full = true;
                        return;
                }
                g->labels[g->in.n_labels++] = l;
        }
}

static const struct {
        const char *part; /* of the image's name */
        enum migrate_from from;
} images[] = {
        { "docker-socket-proxy", MIGRATE_SECTIONS },
        { "linuxserver/socket-proxy", MIGRATE_SECTIONS },
        { "wollomatic/socket-proxy", MIGRATE_WOLLOMATIC },
};

static int read_compose(struct gathered *g, const struct node *services, const char *wanted) {
        const struct node *found = NULL;
        struct slice name = SLICE("");

        for (uint32_t i = 0; i < services->n; i++) {
                const struct node *service = services->entries[i].value;
                struct slice key = node_key(&services->entries[i]), image = scalar_text(member(service, "image"));

                read_labels(g, key, member(service, "labels"));
                for (size_t k = 0; k < sizeof(images) / sizeof(images[0]); k++) {
                        bool by_image = image.len > 0 &&
                                        memmem(image.at, image.len, images[k].part, strlen(images[k].part)) != NULL;

                        if (wanted != NULL ? !slice_eq(key, slice_of(wanted)) : !by_image)
                                continue;
                        if (found != NULL && found != service)
                                return fail(
                                        "services %.*s and %.*s both look like a socket proxy: name one with --service",
                                        SLICE_ARG(name), SLICE_ARG(key));
                        found = service;
                        name = key;
                        if (by_image && g->in.from == MIGRATE_AUTO)
                                g->in.from = images[k].from;
                }
        }
        if (found == NULL)
                return wanted != NULL ? fail("no service \"%s\" in the compose file", wanted)
                                      : fail("no service of the compose file runs a socket proxy that this knows: name "
                                             "it with --service");
        g->in.origin = arena_printf(&g->a, "%.*s, service %.*s", SLICE_ARG(g->in.origin), SLICE_ARG(name));
        read_environment(g, member(found, "environment"));
        read_command(g, member(found, "command"));
        if (member(found, "env_file") != NULL)
                fputs("Warning: env_file of the service is not read; give its content as another file\n", stderr);
        return 0;
}

/* ---- files of NAME=VALUE lines ---- */

static void read_lines(struct gathered *g, struct slice text) {
        struct slice line, rest = text;

        do {
                (void) slice_cut(rest, '\n', &line, &rest);
                if (slice_ends(line, SLICE("\r")))
                        line.len--;
                line = slice_trim_ows(line);
                if (slice_starts(line, SLICE("export ")))
                        line = slice_trim_ows(slice_from(line, 7));
                if (line.len == 0 || line.at[0] == '#')
                        continue;
                if (line.at[0] == '-') {
                        add_flag(g, line);
                        continue;
                }
                if (slice_find(line, '=') > 0) {
                        struct slice key, value;

                        (void) slice_cut(line, '=', &key, &value);
                        if (value.len >= 2 && (value.at[0] == '"' || value.at[0] == '\'') &&
                            value.at[value.len - 1] == value.at[0])
                                value = slice_make(value.at + 1, value.len - 2);
                        add_environment(g, arena_printf(&g->a, "%.*s=%.*s", SLICE_ARG(key), SLICE_ARG(value)));
                }
        } while (rest.len > 0);
}

static int read_all(int fd, struct strbuf *ret) {
        for (;;) {
                char *p = strbuf_reserve(ret, 16 * 1024);
                ssize_t n = p ? read(fd, p, 16 * 1024) : -1;

                if (n < 0)
                        return p ? -errno : -EFBIG;
                if (n == 0)
                        return 0;
                ret->len += (size_t) n;
        }
}

static int read_file(struct gathered *g, const char *path, const char *service) {
        bool is_stdin = strcmp(path, "-") == 0;
        int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), r;
        struct problems problems = { .arena = &g->a };
        struct node *root = NULL, *services;
        struct strbuf text;
        struct slice content;

        if (fd < 0)
                return fail("%s: %s", path, strerror(errno));
        strbuf_init(&text, CONFIG_TEXT_MAX);
        r = read_all(fd, &text);
        if (!is_stdin)
                (void) close(fd);
        content = arena_dup(&g->a, strbuf_view(&text));
        strbuf_free(&text);
        if (r < 0)
                return fail("%s: %s", path, strerror(-r));
        g->in.origin = slice_of(is_stdin ? "standard input" : path);
        r = document_parse(content, slice_of(path), &g->a, &problems, &root);
        services = r == 0 ? member(root, "services") : NULL;
        if (services != NULL && services->kind == NODE_MAP)
                return read_compose(g, services, service);
        if (r == 0 && root != NULL && root->kind == NODE_MAP)
                return fail("%s: neither a compose file (it has no services) nor a list of NAME=VALUE lines", path);
        read_lines(g, content);
        if (g->in.n_environment == 0 && g->in.n_flags == 0)
                return fail("%s: neither a compose file nor a list of NAME=VALUE lines", path);
        return 0;
}

/* ---- the verb ---- */

static void out_of_memory(struct arena *a) {
        (void) a;
        fputs("Error: the settings are too large\n", stderr);
        exit(1);
}

static int gather(struct gathered *g, const struct verb_args *args) {
        const char *from = args->value[FLAG_FROM];

        g->in.origin = SLICE("the command line");
        if (from != NULL) {
                if (strcmp(from, "wollomatic") == 0)
                        g->in.from = MIGRATE_WOLLOMATIC;
                else if (strcmp(from, "tecnativa") == 0 || strcmp(from, "linuxserver") == 0)
                        g->in.from = MIGRATE_SECTIONS;
                else
                        return verb_fail("--from must be tecnativa, linuxserver or wollomatic, not \"%s\"", from);
        }
        for (int i = 0; i < args->argc; i++) {
                struct slice arg = slice_of(args->argv[i]);
                ssize_t equals = slice_find(arg, '=');

                if (arg.len > 1 && arg.at[0] == '-') {
                        add_flag(g, arg);
                } else if (equals > 0 && slice_find(slice_upto(arg, (size_t) equals), '/') < 0) {
                        add_environment(g, arg);
                } else {
                        int r = read_file(g, args->argv[i], args->value[FLAG_SERVICE]);

                        if (r != 0)
                                return r;
                }
        }
        if (args->argc == 0)
                return verb_fail(
                        "a compose file, a file of variables, NAME=VALUE arguments or, behind --, flags are needed");
        if (g->full)
                return fail("more than %u settings", SETTINGS_MAX);
        g->in.environment = g->environment;
        g->in.flags = g->flags;
        g->in.labels = g->labels;
        return 0;
}

static int write_out(const char *path, struct slice text) {
        int fd;

        if (path == NULL)
                return fwrite(text.at, 1, text.len, stdout) == text.len ? 0 : -EIO;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        while (text.len > 0) {
                ssize_t n = write(fd, text.at, text.len);

                if (n < 0) {
                        int r = -errno;

                        (void) close(fd);
                        return r;
                }
                text = slice_from(text, (size_t) n);
        }
        return close(fd) < 0 ? -errno : 0;
}

static int run(const struct verb_args *args) {
        struct gathered *g = calloc(1, sizeof(*g));
        struct strbuf out, warnings;
        struct error e = { "" };
        int r;

        if (g == NULL)
                return fail("out of memory");
        arena_init(&g->a, 64u * 1024 * 1024, out_of_memory);
        strbuf_init(&out, CONFIG_TEXT_MAX);
        strbuf_init(&warnings, CONFIG_TEXT_MAX);
        r = gather(g, args);
        if (r == 0) {
                r = migrate_write(&g->in, &g->a, &out, &warnings, &e);
                if (warnings.len > 0)
                        (void) fwrite(warnings.at, 1, warnings.len, stderr);
                if (r < 0) {
                        fprintf(stderr, "Error: %s\n", e.text);
                        r = 1;
                } else {
                        int w = write_out(args->value[FLAG_OUTPUT], strbuf_view(&out));

                        if (w < 0)
                                fprintf(stderr, "Error: %s: %s\n",
                                        args->value[FLAG_OUTPUT] ? args->value[FLAG_OUTPUT] : "standard output",
                                        strerror(-w));
                        r = w < 0 || r > 0 ? 1 : 0;
                }
        }
        strbuf_free(&out);
        strbuf_free(&warnings);
        arena_free(&g->a);
        free(g);
        return r;
}

const struct verb verb_migrate = { .name = "migrate",
                                   .summary = "write a policy from the settings of another socket proxy",
                                   VERB_FLAGS(flags),
                                   .run = run };
