/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path_pattern.h"
#include "identity/ownership.h"

#define BIT(m) (1u << HTTP_##m)
#define READS (BIT(GET) | BIT(HEAD))
#define CALLS (READS | BIT(POST) | BIT(PUT) | BIT(DELETE)) /* that the daemon has routes for */

/* Collections in the order of chapter 05, 2.7: the identifier is the first segment behind the prefix. */
static const struct collection {
        const char *prefix;
        enum resource_kind kind;
        bool exec;
        const char *const *words; /* calls of the collection, unless one of `by_name` makes them a name */
        unsigned by_name;         /* methods that the daemon has a route for with nothing behind the name */
        bool slashes; /* names with slashes exist: networks, and the names that legacy links give to containers */
} collections[] = {
        { "/containers/", RESOURCE_CONTAINER, false, (const char *const[]){ "create", "json", "prune", NULL },
          BIT(DELETE), true },
        { "/exec/", RESOURCE_CONTAINER, true, NULL, 0 },
        { "/networks/", RESOURCE_NETWORK, false, (const char *const[]){ "create", "prune", NULL }, READS | BIT(DELETE),
          true },
        { "/volumes/", RESOURCE_VOLUME, false, (const char *const[]){ "create", "prune", NULL },
          READS | BIT(DELETE) | BIT(PUT), true },
        { "/services/", RESOURCE_SERVICE, false, (const char *const[]){ "create", NULL }, READS | BIT(DELETE) },
        { "/tasks/", RESOURCE_TASK, false, NULL, 0 },
        { "/secrets/", RESOURCE_SECRET, false, (const char *const[]){ "create", NULL }, READS | BIT(DELETE) },
        { "/configs/", RESOURCE_CONFIG, false, (const char *const[]){ "create", NULL }, READS | BIT(DELETE) },
        { "/nodes/", RESOURCE_NODE, false, NULL, 0 },
        { "/libpod/containers/", RESOURCE_CONTAINER, false, (const char *const[]){ "create", "json", "prune", NULL },
          BIT(DELETE) },
        { "/libpod/exec/", RESOURCE_CONTAINER, true, NULL, 0 },
        { "/libpod/pods/", RESOURCE_POD, false, (const char *const[]){ "create", "json", "prune", "stats", NULL },
          BIT(DELETE) },
        { "/libpod/networks/", RESOURCE_NETWORK, false, (const char *const[]){ "create", "json", "prune", NULL },
          BIT(DELETE) },
        { "/libpod/volumes/", RESOURCE_VOLUME, false, (const char *const[]){ "create", "json", "prune", NULL },
          BIT(DELETE) },
        { "/libpod/secrets/", RESOURCE_SECRET, false, (const char *const[]){ "create", "json", NULL }, BIT(DELETE) },
};

static bool is_word(const char *const *words, struct slice s) {
        for (; words && *words; words++)
                if (slice_eq(s, slice_of(*words)))
                        return true;
        return false;
}

/* What may stand behind an image's name, and the methods for which it is not part of the name (2.7, Better b). */
static const struct image_suffix {
        const char *text;
        unsigned methods;
        bool libpod_only;
        bool all_tags; /* without a tag, the call is for every image of the repository */
} image_suffixes[] = {
        { "/json", READS, false },     { "/history", READS, false },   { "/push", BIT(POST), false, true },
        { "/tag", BIT(POST), false },  { "/get", READS, false, true }, { "/attestations", READS, false },
        { "/exists", READS, true },    { "/tree", READS, true },       { "/changes", READS, true },
        { "/untag", BIT(POST), true }, { "/resolve", READS, true },
};

static const char *const image_words[] = { "json", "create", "search", "get", "load", "prune", NULL };
static const char *const libpod_image_words[] = { "json",  "load",   "import", "pull", "export",
                                                  "prune", "search", "remove", NULL };

static bool image_of(enum http_method method, struct slice rest, bool libpod, struct owned_path *ret) {
        if (rest.len == 0)
                return false;
        if (is_word(libpod ? libpod_image_words : image_words, rest)) {
                /* DELETE /libpod/images/remove is a call, all other names can be deleted. */
                if (method != HTTP_DELETE || (libpod && slice_eq(rest, SLICE("remove"))))
                        return false;
                ret->id = rest;
                return true;
        }
        for (size_t i = 0; i < sizeof(image_suffixes) / sizeof(image_suffixes[0]); i++) {
                struct slice suffix = slice_of(image_suffixes[i].text);

                if ((image_suffixes[i].libpod_only && !libpod) || !(image_suffixes[i].methods & (1u << method)) ||
                    !slice_ends(rest, suffix) || rest.len == suffix.len)
                        continue;
                rest.len -= suffix.len;
                ret->all_tags = image_suffixes[i].all_tags && !libpod;
                break;
        }
        ret->id = rest;
        return true;
}

/* The name as the daemon reads it: the whole rest, or all before the call's own words at the end. */
static struct slice whole_name(struct slice rest, bool by_name) {
        if (by_name)
                return rest;
        if (slice_ends(rest, SLICE("/attach/ws")))
                return slice_upto(rest, rest.len - strlen("/attach/ws"));
        return slice_upto(rest, (size_t) slice_rfind(rest, '/'));
}

bool owned_path_of(enum http_method method, struct slice path, bool unowned_images_ok, bool strict,
                   struct owned_path *ret) {
        static const char images[] = "/images/", libpod_images[] = "/libpod/images/";

        if (slice_starts(path, slice_of(images))) {
                *ret = (struct owned_path){ .kind = RESOURCE_IMAGE, .unowned_ok = unowned_images_ok };
                return image_of(method, slice_from(path, strlen(images)), false, ret);
        }
        if (strict && slice_starts(path, slice_of(libpod_images))) {
                *ret = (struct owned_path){ .kind = RESOURCE_LIBPOD_IMAGE, .unowned_ok = unowned_images_ok };
                return image_of(method, slice_from(path, strlen(libpod_images)), true, ret);
        }
        if (slice_eq(path, SLICE("/swarm")) || slice_eq(path, SLICE("/swarm/update"))) {
                *ret = (struct owned_path){ .kind = RESOURCE_SWARM,
                                            .unowned_ok = !strict && path.len > strlen("/swarm") };
                return true;
        }
        for (size_t i = 0; i < sizeof(collections) / sizeof(collections[0]); i++) {
                const struct collection *c = &collections[i];
                struct slice rest = slice_from(path, strlen(c->prefix)), id, behind;
                bool more;

                if (!slice_starts(path, slice_of(c->prefix)) || rest.len == 0)
                        continue;
                more = slice_cut(rest, '/', &id, &behind);
                if (!more && is_word(c->words, id) && !(c->by_name & (1u << method)))
                        return false;
                *ret = (struct owned_path){
                        .kind = c->kind,
                        .id = id,
                        .exec = c->exec,
                        .unowned_ok =
                                !strict && c->kind == RESOURCE_NODE && path_pattern_match("/nodes/{1}/update", path),
                };
                if (c->slashes && more && (CALLS & (1u << method)))
                        ret->whole = whole_name(rest, c->by_name & (1u << method));
                return true;
        }
        return false;
}
