/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/resource.h"

#include <errno.h>

#include "base/json_scan.h"

/* Where an inspect is and where its answer keeps the labels; the first place that holds any is the one that counts. */
static const struct kind_row {
        const char *name, *prefix, *suffix;
        bool libpod;              /* real Podman answers these only below the version prefix (2.7, item c) */
        const char *labels[2][3]; /* member names from the root; NULL ends */
} kind_rows[RESOURCE_KIND_MAX_] = {
        [RESOURCE_CONTAINER] = { "container", "/containers/", "/json", false, { { "Config", "Labels" } } },
        [RESOURCE_IMAGE] = { "image",
                             "/images/",
                             "/json",
                             false,
                             { { "Config", "Labels" }, { "ContainerConfig", "Labels" } } },
        [RESOURCE_NETWORK] = { "network", "/networks/", "", false, { { "Labels" } } },
        [RESOURCE_VOLUME] = { "volume", "/volumes/", "", false, { { "Labels" } } },
        [RESOURCE_SERVICE] = { "service", "/services/", "", false, { { "Spec", "Labels" } } },
        [RESOURCE_TASK] = { "task", "/tasks/", "", false, { { "Labels" }, { "Spec", "ContainerSpec", "Labels" } } },
        [RESOURCE_SECRET] = { "secret", "/secrets/", "", false, { { "Spec", "Labels" } } },
        [RESOURCE_CONFIG] = { "config", "/configs/", "", false, { { "Spec", "Labels" } } },
        [RESOURCE_NODE] = { "node", "/nodes/", "", false, { { "Spec", "Labels" } } },
        [RESOURCE_SWARM] = { "swarm", "/swarm", NULL, false, { { "Spec", "Labels" } } },
        [RESOURCE_POD] = { "pod", "/libpod/pods/", "/json", true, { { "Labels" } } },
        [RESOURCE_LIBPOD_NETWORK] = { "network", "/libpod/networks/", "/json", true, { { "labels" } } },
        [RESOURCE_LIBPOD_IMAGE] = { "image",
                                    "/libpod/images/",
                                    "/json",
                                    true,
                                    { { "Labels" }, { "Config", "Labels" } } },
        [RESOURCE_REPOSITORY] = { "image", "/images/json", NULL, false, { { "Labels" } } },
};

const char *resource_kind_name(enum resource_kind kind) {
        return kind_rows[kind].name;
}

/* The answer's first value, validated; what follows it is not looked at. -ENOENT, -EIO as in the header. */
static int ask(struct exchange *x, struct slice path, struct json_value *ret) {
        struct slice value, rest;
        struct lookup answer;

        if (x->ops->lookup(x, path, LOOKUP_LIMIT, &answer) < 0)
                return -EIO;
        if (answer.status == 404)
                return -ENOENT;
        if (answer.status != 200)
                return -EIO;
        if (!json_first_value(answer.body, &value, &rest))
                value = answer.body;
        if (json_validate(value, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES, JSON_DEPTH_MAX, x->arena,
                          NULL) < 0)
                return -EIO;
        *ret = json_root(value);
        return 0;
}

/* Follows member names; null and absent end the way, any other kind than an object is an error. */
static int follow(struct json_value from, const char *const names[3], struct json_value *ret) {
        struct json_value v = from;

        for (int i = 0; i < 3 && names[i]; i++) {
                if (v.type != JSON_OBJECT)
                        return -EIO;
                v = json_member(v, slice_of(names[i]));
                if (v.type == JSON_ABSENT || v.type == JSON_NULL) {
                        *ret = (struct json_value){ .type = JSON_ABSENT };
                        return 0;
                }
        }
        *ret = v;
        return 0;
}

static int check_labels(struct json_value labels, bool *ret_any) {
        struct json_iter it = json_iter_of(labels);
        struct json_value v;
        struct slice name;

        *ret_any = false;
        if (labels.type == JSON_ABSENT)
                return 0;
        if (labels.type != JSON_OBJECT)
                return -EIO;
        while (json_next(&it, &name, &v)) {
                if (v.type != JSON_STRING && v.type != JSON_NULL)
                        return -EIO;
                *ret_any = true;
        }
        return 0;
}

/* Old libpod wraps a network in an array: exactly one element is the network, anything else is no answer. */
static int unwrap(struct json_value v, struct json_value *ret) {
        struct json_iter it = json_iter_of(v);
        struct json_value more;

        if (!json_next(&it, NULL, ret) || json_next(&it, NULL, &more) || ret->type != JSON_OBJECT)
                return -EIO;
        return 0;
}

int resource_inspect(struct exchange *x, enum resource_kind kind, struct slice id, struct json_value *ret) {
        const struct kind_row *row = &kind_rows[kind];
        struct slice version = row->libpod ? x->target.version : SLICE(""), escaped, path;
        struct json_value root;
        int r;

        if (row->suffix) {
                escaped = path_escape_segment(id, x->arena);
                path = arena_printf(x->arena, "%.*s%s%.*s%s", SLICE_ARG(version), row->prefix, SLICE_ARG(escaped),
                                    row->suffix);
        } else
                path = slice_of(row->prefix);
        r = ask(x, path, &root);
        if (r < 0)
                return r;
        if (kind == RESOURCE_LIBPOD_NETWORK) {
                if (root.type == JSON_NULL)
                        return -EIO;
                if (root.type == JSON_ARRAY && (r = unwrap(root, &root)) < 0)
                        return r;
        }
        if (root.type != JSON_OBJECT && root.type != JSON_NULL)
                return -EIO;
        *ret = root;
        return 0;
}

int resource_labels(enum resource_kind kind, struct json_value root, struct json_value *ret) {
        const struct kind_row *row = &kind_rows[kind];
        struct json_value found = { .type = JSON_ABSENT };
        int r;

        for (int i = 0; i < 2 && row->labels[i][0] && root.type == JSON_OBJECT; i++) {
                struct json_value labels;
                bool any;

                if ((r = follow(root, row->labels[i], &labels)) < 0 || (r = check_labels(labels, &any)) < 0)
                        return r;
                if (any && found.type == JSON_ABSENT)
                        found = labels;
        }
        *ret = found;
        return 0;
}

int resource_exec_container(struct exchange *x, struct slice exec_id, struct slice *ret_container_id) {
        struct slice escaped = path_escape_segment(exec_id, x->arena), id;
        struct json_value root, v;
        int r;

        r = ask(x, arena_printf(x->arena, "/exec/%.*s/json", SLICE_ARG(escaped)), &root);
        if (r < 0)
                return r;
        if (root.type != JSON_OBJECT)
                return -EIO;
        v = json_member(root, SLICE("ContainerID"));
        if (v.type != JSON_STRING)
                return -EIO;
        id = json_string(v, x->arena);
        if (id.len == 0)
                return -EIO;
        *ret_container_id = id;
        return 0;
}

/* ---- images by name ---- */

bool image_is_chosen(struct slice name) {
        ssize_t colon = slice_rfind(name, ':');

        return slice_find(name, '@') >= 0 || (colon >= 0 && colon > slice_rfind(name, '/'));
}

struct slice image_without_tag(struct slice name) {
        struct slice digest;
        ssize_t colon;

        slice_cut(name, '@', &name, &digest);
        colon = slice_rfind(name, ':');
        if (colon >= 0 && colon > slice_rfind(name, '/'))
                name.len = (size_t) colon;
        return name;
}

struct slice image_repository(struct slice name) {
        static const struct slice hub[] = { { "index.docker.io/", 16 }, { "docker.io/", 10 } };
        static const struct slice official = { "library/", 8 };

        name = image_without_tag(name);
        for (size_t i = 0; i < sizeof(hub) / sizeof(hub[0]); i++)
                if (slice_starts(name, hub[i])) {
                        name = slice_from(name, hub[i].len);
                        break;
                }
        if (slice_starts(name, official) && slice_find(slice_from(name, official.len), '/') < 0)
                name = slice_from(name, official.len);
        return name;
}

int resource_images(struct exchange *x, struct json_value *ret) {
        struct json_value root, each;
        struct json_iter it;
        int r;

        r = ask(x, slice_of(kind_rows[RESOURCE_REPOSITORY].prefix), &root);
        if (r < 0)
                return -EIO;
        if (root.type != JSON_ARRAY)
                return -EIO;
        for (it = json_iter_of(root); json_next(&it, NULL, &each);)
                if (each.type != JSON_OBJECT)
                        return -EIO;
        *ret = root;
        return 0;
}

bool image_entry_is_of(struct json_value entry, struct slice repository, struct arena *a) {
        static const char *const lists[] = { "RepoTags", "RepoDigests" };

        for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
                struct json_value names = json_member(entry, slice_of(lists[i])), name;
                struct json_iter it = json_iter_of(names);

                while (names.type == JSON_ARRAY && json_next(&it, NULL, &name))
                        if (name.type == JSON_STRING && slice_eq(image_repository(json_string(name, a)), repository))
                                return true;
        }
        return false;
}

bool resource_label(struct json_value labels, struct slice key, struct arena *a, struct slice *ret) {
        struct json_value v = json_member_exact(labels, key);

        if (v.type == JSON_ABSENT)
                return false;
        *ret = v.type == JSON_STRING ? json_string(v, a) : SLICE("");
        return true;
}
