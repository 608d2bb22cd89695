/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry/route.h"

#include <stdio.h>

#include "base/unicode.h"

enum shape {
        SHAPE_ALONE, /* /word, whatever follows */
        SHAPE_ID,    /* /word, a known second word, else the rule of identifiers */
        SHAPE_SWARM,
        SHAPE_PLUGINS,
};

/* The first segments that have a template of their own, and the second words that count as such. */
static const struct {
        const char *word;
        enum shape shape;
        const char *second[6];
} firsts[] = {
        { "_ping", SHAPE_ALONE, { NULL } },
        { "version", SHAPE_ALONE, { NULL } },
        { "events", SHAPE_ALONE, { NULL } },
        { "info", SHAPE_ALONE, { NULL } },
        { "build", SHAPE_ALONE, { NULL } },
        { "system", SHAPE_ID, { "df" } },
        { "containers", SHAPE_ID, { "json", "create", "prune" } },
        { "exec", SHAPE_ID, { NULL } },
        { "nodes", SHAPE_ID, { NULL } },
        { "images", SHAPE_ID, { "json", "create", "load", "prune", "search" } },
        { "volumes", SHAPE_ID, { "create" } },
        { "networks", SHAPE_ID, { "create" } },
        { "secrets", SHAPE_ID, { "create" } },
        { "configs", SHAPE_ID, { "create" } },
        { "services", SHAPE_ID, { "create" } },
        { "swarm", SHAPE_SWARM, { NULL } },
        { "plugins", SHAPE_PLUGINS, { "pull", "create", "privileges" } },
};

/* First segments that are known but have no template: "/word/...". Ours besides the engine's. */
static const char *const others[] = {
        "admin", "auth", "commit", "distribution", "grpc", "health", "libpod", "metrics", "ready", "session", "tasks",
};

/* Operations of the engine and of libpod: what may stand behind an identifier. */
static const char *const tails[] = {
        "apply",     "archive", "attach",     "ca",      "changes",     "checkpoint", "checkpoints", "commit",
        "connect",   "copy",    "create",     "df",      "disable",     "disconnect", "enable",      "exec",
        "exists",    "export",  "generate",   "get",     "healthcheck", "history",    "import",      "init",
        "inspect",   "join",    "json",       "kill",    "leave",       "load",       "logs",        "mount",
        "pause",     "play",    "privileges", "prune",   "pull",        "push",       "reload",      "remove",
        "rename",    "resize",  "restart",    "restore", "scp",         "search",     "set",         "showmounted",
        "start",     "stats",   "stop",       "tag",     "tasks",       "top",        "tree",        "unlock",
        "unlockkey", "unmount", "unpause",    "untag",   "update",      "upgrade",    "wait",        "ws",
};

static const char *known(const char *const *words, size_t n, struct slice s) {
        for (size_t i = 0; i < n; i++)
                if (words[i] && slice_eq(s, slice_of(words[i])))
                        return words[i];
        return NULL;
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *tail(struct slice s) {
        const char *word = known(tails, COUNT(tails), s);

        return word ? word : "{other}";
}

/* A first segment "v" and digits or dots is dropped, with everything before the next one. */
static struct slice without_version(struct slice path) {
        struct slice s = path, head, rest;

        if (s.len == 0 || s.at[0] != '/')
                return path;
        (void) slice_cut(slice_from(s, 1), '/', &head, &rest);
        if (head.len < 2 || head.at[0] != 'v')
                return path;
        for (size_t i = 1; i < head.len; i++)
                if (head.at[i] != '.' && (head.at[i] < '0' || head.at[i] > '9'))
                        return path;
        return slice_from(path, 1 + head.len);
}

static struct slice text(char buffer[ROUTE_MAX], int n) {
        return slice_make(buffer, n < 0 ? 0 : (size_t) n < ROUTE_MAX ? (size_t) n : ROUTE_MAX - 1);
}

struct slice route_template(struct slice path, char buffer[ROUTE_MAX]) {
        struct slice s = unicode_trim(path), first, second, last, rest;
        size_t segments = 1;
        ssize_t cut;

        if (s.len == 0)
                return SLICE("unknown");
        s = without_version(s);
        while (s.len > 0 && s.at[0] == '/')
                s = slice_from(s, 1);
        while (s.len > 0 && s.at[s.len - 1] == '/')
                s.len--;
        if (s.len == 0)
                return SLICE("/");

        for (size_t i = 0; i < s.len; i++)
                segments += s.at[i] == '/';
        (void) slice_cut(s, '/', &first, &rest);
        (void) slice_cut(rest, '/', &second, &last);
        cut = slice_rfind(s, '/');
        last = cut < 0 ? first : slice_from(s, (size_t) cut + 1);

        for (size_t i = 0; i < COUNT(firsts); i++) {
                const char *word = firsts[i].word, *two;

                if (!slice_eq(first, slice_of(word)))
                        continue;
                if (segments == 1 || firsts[i].shape == SHAPE_ALONE)
                        return text(buffer, snprintf(buffer, ROUTE_MAX, "/%s", word));
                if (firsts[i].shape == SHAPE_SWARM)
                        return text(buffer, snprintf(buffer, ROUTE_MAX, "/%s/%s", word, tail(second)));
                two = known(firsts[i].second, COUNT(firsts[i].second), second);
                if (two)
                        return text(buffer, snprintf(buffer, ROUTE_MAX, "/%s/%s", word, two));
                if (firsts[i].shape == SHAPE_PLUGINS) {
                        struct slice third;

                        (void) slice_cut(slice_from(s, first.len + 1 + second.len + 1), '/', &third, &rest);
                        return text(buffer, segments == 2
                                                    ? snprintf(buffer, ROUTE_MAX, "/%s/{name}", word)
                                                    : snprintf(buffer, ROUTE_MAX, "/%s/{name}/%s", word, tail(third)));
                }
                return text(buffer, segments == 2 ? snprintf(buffer, ROUTE_MAX, "/%s/{id}", word)
                                                  : snprintf(buffer, ROUTE_MAX, "/%s/{id}/%s", word, tail(last)));
        }
        {
                const char *word = known(others, COUNT(others), first);

                return text(buffer, snprintf(buffer, ROUTE_MAX, "/%s/...", word ? word : "{other}"));
        }
}
