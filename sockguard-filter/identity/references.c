/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/references.h"

#include <stdlib.h>

#include "base/path_pattern.h"
#include "base/unicode.h"

static void add_as_written(struct references *refs, enum resource_kind kind, enum reference_use use, struct slice id) {
        if (id.len == 0 || refs->too_many)
                return;
        for (size_t i = 0; i < refs->n; i++)
                if (refs->at[i].kind == kind && refs->at[i].use == use && slice_eq(refs->at[i].id, id))
                        return;
        if (refs->n == REFERENCES_MAX) {
                refs->too_many = true;
                return;
        }
        if (refs->n == refs->room) {
                size_t room = refs->room ? refs->room * 2 : 16;
                struct reference *more = arena_new_array(refs->arena, struct reference, room);

                if (refs->n)
                        memcpy(more, refs->at, refs->n * sizeof(*more));
                refs->at = more;
                refs->room = room;
        }
        refs->at[refs->n++] = (struct reference){ .kind = kind, .use = use, .id = id };
}

static void add(struct references *refs, enum resource_kind kind, enum reference_use use, struct slice id) {
        add_as_written(refs, kind, use, unicode_trim(id));
}

static bool starts_folded(struct slice s, struct slice prefix) {
        return s.len >= prefix.len && slice_case_eq(slice_upto(s, prefix.len), prefix);
}

/* "container:NAME", as the engine reads it. */
static bool container_mode(struct slice text, struct slice *ret_name) {
        struct slice s = unicode_trim(text);

        if (!starts_folded(s, SLICE("container:")))
                return false;
        *ret_name = unicode_trim(slice_from(s, strlen("container:")));
        return ret_name->len > 0;
}

static const struct slice builtin_networks[] = {
        { "default", 7 }, { "bridge", 6 }, { "host", 4 }, { "none", 4 }, { "ingress", 7 }, { "docker_gwbridge", 15 },
};

/* A network that somebody made, as opposed to the engine's own and to the modes that are no network. */
static bool custom_network(struct slice text) {
        struct slice s = unicode_trim(text), container;

        if (s.len == 0 || container_mode(s, &container) || starts_folded(s, SLICE("ns:")))
                return false;
        for (size_t i = 0; i < sizeof(builtin_networks) / sizeof(builtin_networks[0]); i++)
                if (slice_case_eq(s, builtin_networks[i]))
                        return false;
        return true;
}

/* ---- what a value at a row's place refers to ---- */

typedef void take_fn(struct references *refs, enum resource_kind kind, struct json_value v);

/* Calls `take` for every member whose name folds to `name`. */
static void each_member(struct references *refs, struct json_value object, const char *name, enum resource_kind kind,
                        take_fn *take) {
        struct json_iter it = json_iter_of(object);
        struct json_value v;
        struct slice found;

        if (object.type != JSON_OBJECT)
                return;
        while (json_next(&it, &found, &v))
                if (json_name_folds_to(found, slice_of(name)))
                        take(refs, kind, v);
}

static void take_text(struct references *refs, enum resource_kind kind, struct json_value v) {
        if (v.type == JSON_STRING)
                add(refs, kind, REFERENCE_EMBEDDED, json_string(v, refs->arena));
}

static void take_target(struct references *refs, enum resource_kind kind, struct json_value v) {
        if (v.type == JSON_STRING)
                add(refs, kind, REFERENCE_TARGET, json_string(v, refs->arena));
}

/*
 * The engine compares its own words byte by byte and trims nothing: " host" and "Bridge" are networks that somebody may
 * have made. What we read as a word of its own must therefore not be somebody else's network.
 */
static void add_network(struct references *refs, enum resource_kind kind, struct slice text) {
        bool custom = custom_network(text);

        if (custom)
                add(refs, kind, REFERENCE_EMBEDDED, text);
        if (custom && slice_eq(unicode_trim(text), text))
                return;
        for (size_t i = 0; i < sizeof(builtin_networks) / sizeof(builtin_networks[0]); i++)
                if (slice_eq(text, builtin_networks[i]))
                        return;
        if (!slice_starts(text, SLICE("container:")))
                add_as_written(refs, kind, REFERENCE_TARGET, text);
}

static void take_network(struct references *refs, enum resource_kind kind, struct json_value v) {
        if (v.type == JSON_STRING)
                add_network(refs, kind, json_string(v, refs->arena));
}

/* "volume:/path": without a colon it is an anonymous volume, with a slash in front a path of the host. */
static void take_bind(struct references *refs, enum resource_kind kind, struct json_value v) {
        struct slice source, rest;

        if (v.type != JSON_STRING || !slice_cut(json_string(v, refs->arena), ':', &source, &rest))
                return;
        source = unicode_trim(source);
        if (!slice_starts(source, SLICE("/")))
                add(refs, kind, REFERENCE_EMBEDDED, source);
}

/* "container:alias", "container:ro". */
static void take_before_colon(struct references *refs, enum resource_kind kind, struct json_value v) {
        struct slice name, rest;

        if (v.type != JSON_STRING)
                return;
        slice_cut(json_string(v, refs->arena), ':', &name, &rest);
        add(refs, kind, REFERENCE_EMBEDDED, name);
}

static void take_links(struct references *refs, enum resource_kind kind, struct json_value v) {
        struct json_iter it = json_iter_of(v);
        struct json_value each;

        while (v.type == JSON_ARRAY && json_next(&it, NULL, &each))
                take_before_colon(refs, kind, each);
}

static void take_mount(struct references *refs, enum resource_kind kind, struct json_value v) {
        static const struct {
                struct slice type;
                enum resource_kind kind;
        } types[] = {
                { { "volume", 6 }, RESOURCE_VOLUME },
                { { "cluster", 7 }, RESOURCE_VOLUME },
                { { "image", 5 }, RESOURCE_IMAGE },
        };
        struct json_iter it = json_iter_of(v);
        struct json_value type;
        struct slice name;

        (void) kind;
        if (v.type != JSON_OBJECT)
                return;
        while (json_next(&it, &name, &type)) {
                if (type.type != JSON_STRING || !json_name_folds_to(name, SLICE("Type")))
                        continue;
                for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                        if (unicode_fold_eq(unicode_trim(json_string(type, refs->arena)), types[i].type))
                                each_member(refs, v, "Source", types[i].kind, take_text);
        }
}

struct named {
        struct slice name;
        struct json_value value;
};

static int by_name(const void *a, const void *b) {
        return slice_cmp(((const struct named *) a)->name, ((const struct named *) b)->name);
}

/* A map whose names are networks, taken in byte order; an entry may name one more by id. */
static void take_network_map(struct references *refs, enum resource_kind kind, struct json_value v) {
        struct json_iter it = json_iter_of(v);
        struct named *members;
        struct json_value each;
        struct slice name;
        size_t n = 0;

        if (v.type != JSON_OBJECT)
                return;
        while (json_next(&it, &name, &each))
                n++;
        members = arena_new_array(refs->arena, struct named, n);
        n = 0;
        it = json_iter_of(v);
        while (json_next(&it, &name, &each))
                members[n++] = (struct named){ json_name(name, refs->arena), each };
        if (n)
                qsort(members, n, sizeof(*members), by_name);
        for (size_t i = 0; i < n; i++) {
                add_network(refs, kind, members[i].name);
                each_member(refs, members[i].value, "NetworkID", kind, take_text);
                each_member(refs, members[i].value, "Links", RESOURCE_CONTAINER, take_links);
        }
}

/* The same for libpod, whose own default network belongs to nobody; old clients send a list of names. */
static void take_libpod_networks(struct references *refs, enum resource_kind kind, struct json_value v) {
        struct json_iter it = json_iter_of(v);
        struct json_value each;
        struct slice name;

        if (v.type == JSON_OBJECT)
                while (json_next(&it, &name, &each)) {
                        struct slice network = json_name(name, refs->arena);

                        if (custom_network(network) && !slice_eq(network, SLICE("podman")))
                                add(refs, kind, REFERENCE_EMBEDDED, network);
                }
        else if (v.type == JSON_ARRAY)
                while (json_next(&it, NULL, &each))
                        take_network(refs, kind, each);
}

static void take_map_values(struct references *refs, enum resource_kind kind, struct json_value v) {
        struct json_iter it = json_iter_of(v);
        struct json_value each;
        struct slice name;

        if (v.type == JSON_OBJECT)
                while (json_next(&it, &name, &each))
                        take_text(refs, kind, each);
}

/* By id; by name only when no id was given. */
static void take_id_or_name(struct references *refs, enum resource_kind kind, struct json_value v, const char *id,
                            const char *name) {
        bool has_id = false;
        struct json_iter it = json_iter_of(v);
        struct json_value each;
        struct slice found;

        if (v.type != JSON_OBJECT)
                return;
        while (json_next(&it, &found, &each))
                has_id = has_id || (each.type == JSON_STRING && json_name_folds_to(found, slice_of(id)) &&
                                    unicode_trim(json_string(each, refs->arena)).len > 0);
        each_member(refs, v, id, kind, take_text);
        if (!has_id)
                each_member(refs, v, name, kind, take_text);
}

static void take_secret(struct references *refs, enum resource_kind kind, struct json_value v) {
        take_id_or_name(refs, kind, v, "SecretID", "SecretName");
}

static void take_config(struct references *refs, enum resource_kind kind, struct json_value v) {
        take_id_or_name(refs, kind, v, "ConfigID", "ConfigName");
}

static void take_namespace(struct references *refs, enum resource_kind kind, struct json_value v) {
        struct slice name;

        if (v.type == JSON_STRING && container_mode(json_string(v, refs->arena), &name))
                add(refs, kind, REFERENCE_NAMESPACE, name);
}

static void take_libpod_namespace(struct references *refs, enum resource_kind kind, struct json_value v) {
        struct json_iter it = json_iter_of(v), values;
        struct json_value mode, value;
        struct slice name;

        if (v.type != JSON_OBJECT)
                return;
        while (json_next(&it, &name, &mode)) {
                if (mode.type != JSON_STRING || !json_name_folds_to(name, SLICE("nsmode")) ||
                    !slice_case_eq(unicode_trim(json_string(mode, refs->arena)), SLICE("container")))
                        continue;
                values = json_iter_of(v);
                while (json_next(&values, &name, &value))
                        if (value.type == JSON_STRING && json_name_folds_to(name, SLICE("value")))
                                add(refs, kind, REFERENCE_NAMESPACE, json_string(value, refs->arena));
        }
}

/* ---- where they stand: member names from the root, "*" for the elements of an array ---- */

struct place {
        const char *path[5];
        enum resource_kind kind;
        take_fn *take;
};

static const struct place docker_namespaces[] = {
        { { "HostConfig", "NetworkMode" }, RESOURCE_CONTAINER, take_namespace },
        { { "HostConfig", "PidMode" }, RESOURCE_CONTAINER, take_namespace },
        { { "HostConfig", "IpcMode" }, RESOURCE_CONTAINER, take_namespace },
        { { "HostConfig", "UTSMode" }, RESOURCE_CONTAINER, take_namespace },
        { { "HostConfig", "UsernsMode" }, RESOURCE_CONTAINER, take_namespace },
        { { NULL }, 0, NULL },
};

static const struct place libpod_namespaces[] = {
        { { "netns" }, RESOURCE_CONTAINER, take_libpod_namespace },
        { { "pidns" }, RESOURCE_CONTAINER, take_libpod_namespace },
        { { "ipcns" }, RESOURCE_CONTAINER, take_libpod_namespace },
        { { "userns" }, RESOURCE_CONTAINER, take_libpod_namespace },
        { { "utsns" }, RESOURCE_CONTAINER, take_libpod_namespace },
        { { NULL }, 0, NULL },
};

static const struct place container_places[] = {
        { { "Image" }, RESOURCE_IMAGE, take_text },
        { { "HostConfig", "Binds", "*" }, RESOURCE_VOLUME, take_bind },
        { { "HostConfig", "Mounts", "*" }, RESOURCE_VOLUME, take_mount },
        { { "HostConfig", "NetworkMode" }, RESOURCE_NETWORK, take_network },
        { { "NetworkingConfig", "EndpointsConfig" }, RESOURCE_NETWORK, take_network_map },
        { { "HostConfig", "VolumesFrom" }, RESOURCE_CONTAINER, take_links },
        { { "HostConfig", "Links" }, RESOURCE_CONTAINER, take_links },
        { { NULL }, 0, NULL },
};

static const struct place service_places[] = {
        { { "TaskTemplate", "ContainerSpec", "Image" }, RESOURCE_IMAGE, take_text },
        { { "TaskTemplate", "ContainerSpec", "Mounts", "*" }, RESOURCE_VOLUME, take_mount },
        { { "TaskTemplate", "ContainerSpec", "Secrets", "*" }, RESOURCE_SECRET, take_secret },
        { { "TaskTemplate", "ContainerSpec", "Configs", "*" }, RESOURCE_CONFIG, take_config },
        { { "Networks", "*", "Target" }, RESOURCE_NETWORK, take_network },
        { { "TaskTemplate", "Networks", "*", "Target" }, RESOURCE_NETWORK, take_network },
        { { "TaskTemplate", "ContainerSpec", "Privileges", "CredentialSpec", "Config" }, RESOURCE_CONFIG, take_text },
        { { "TaskTemplate", "NetworkAttachmentSpec", "ContainerID" }, RESOURCE_CONTAINER, take_text },
        { { NULL }, 0, NULL },
};

/* A network whose configuration is copied. */
static const struct place network_places[] = {
        { { "ConfigFrom", "Network" }, RESOURCE_NETWORK, take_target },
        { { NULL }, 0, NULL },
};

static const struct place attach_places[] = {
        { { "Container" }, RESOURCE_CONTAINER, take_text },
        { { "EndpointConfig", "Links" }, RESOURCE_CONTAINER, take_links },
        { { NULL }, 0, NULL },
};

/* Creating a volume that exists answers with that volume. */
static const struct place volume_places[] = {
        { { "Name" }, RESOURCE_VOLUME, take_target },
        { { "ClusterVolumeSpec", "Secrets", "*", "Secret" }, RESOURCE_SECRET, take_text },
        { { NULL }, 0, NULL },
};

static const struct place libpod_container_places[] = {
        { { "image" }, RESOURCE_IMAGE, take_text },
        { { "pod" }, RESOURCE_POD, take_text },
        { { "volumes", "*", "Name" }, RESOURCE_VOLUME, take_text },
        { { "Networks" }, RESOURCE_NETWORK, take_libpod_networks },
        { { "cni_networks" }, RESOURCE_NETWORK, take_libpod_networks },
        { { "secrets", "*", "Source" }, RESOURCE_SECRET, take_text },
        { { "secret_env" }, RESOURCE_SECRET, take_map_values },
        { { "volumes_from" }, RESOURCE_CONTAINER, take_links },
        { { "dependencyContainers", "*" }, RESOURCE_CONTAINER, take_text },
        { { "image_volumes", "*", "Source" }, RESOURCE_IMAGE, take_text },
        { { NULL }, 0, NULL },
};

static const struct place libpod_pod_places[] = {
        { { "infra_image" }, RESOURCE_IMAGE, take_text },
        { { "volumes", "*", "Name" }, RESOURCE_VOLUME, take_text },
        { { "Networks" }, RESOURCE_NETWORK, take_libpod_networks },
        { { "cni_networks" }, RESOURCE_NETWORK, take_libpod_networks },
        { { "volumes_from" }, RESOURCE_CONTAINER, take_links },
        { { "image_volumes", "*", "Source" }, RESOURCE_IMAGE, take_text },
        { { NULL }, 0, NULL },
};

static const struct body_row {
        const char *pattern;
        const struct place *namespaces, *places;
} body_rows[] = {
        { "/containers/create", docker_namespaces, container_places },
        { "/services/create", NULL, service_places },
        { "/services/{1}/update", NULL, service_places },
        { "/networks/create", NULL, network_places },
        { "/networks/{}/connect", NULL, attach_places },
        { "/networks/{}/disconnect", NULL, attach_places },
        { "/volumes/create", NULL, volume_places },
        { "/libpod/containers/create", libpod_namespaces, libpod_container_places },
        { "/libpod/pods/create", libpod_namespaces, libpod_pod_places },
        { "/libpod/networks/{1}/connect", NULL, attach_places },
        { "/libpod/networks/{1}/disconnect", NULL, attach_places },
        { "/libpod/volumes/create", NULL, volume_places },
};

static const struct body_row *find_body_row(struct slice path) {
        for (size_t i = 0; i < sizeof(body_rows) / sizeof(body_rows[0]); i++)
                if (path_pattern_match(body_rows[i].pattern, path))
                        return &body_rows[i];
        return NULL;
}

static void descend(struct references *refs, const struct place *place, int depth, struct json_value v) {
        const char *step = depth < 5 ? place->path[depth] : NULL;
        struct json_iter it = json_iter_of(v);
        struct json_value each;
        struct slice name;

        if (!step)
                place->take(refs, place->kind, v);
        else if (strcmp(step, "*") == 0) {
                if (v.type == JSON_ARRAY)
                        while (json_next(&it, NULL, &each))
                                descend(refs, place, depth + 1, each);
        } else if (v.type == JSON_OBJECT)
                while (json_next(&it, &name, &each))
                        if (json_name_folds_to(name, slice_of(step)))
                                descend(refs, place, depth + 1, each);
}

bool references_in_body(struct slice path) {
        return find_body_row(path) != NULL;
}

void references_of_body(struct slice path, struct json_value root, bool namespaces, struct references *ret) {
        const struct body_row *row = find_body_row(path);

        if (!row)
                return;
        for (const struct place *p = namespaces ? row->namespaces : NULL; p && p->take; p++)
                descend(ret, p, 0, root);
        for (const struct place *p = row->places; p->take; p++)
                descend(ret, p, 0, root);
}

/* ---- parameters ---- */

void references_add_base(struct references *ret, struct slice image) {
        add(ret, RESOURCE_IMAGE, REFERENCE_BASE, image);
}

enum parameter_form {
        PARAMETER_NAME,    /* each value is a name */
        PARAMETER_NAMES,   /* a JSON array of names */
        PARAMETER_EXPORT,  /* the name of an image; without a tag, of every image of its repository */
        PARAMETER_IMAGE,   /* the name of an image that is about to point elsewhere */
        PARAMETER_NETWORK, /* a network mode: a network, or a container whose namespace is shared */
};

static const struct parameter_row {
        const char *pattern, *name;
        enum resource_kind kind;
        enum reference_use use;
        enum parameter_form form;
        bool strict, tag; /* only ownership.strict checks it; the parameter `tag` may hold the tag */
} parameter_rows[] = {
        { "/images/get", "names", RESOURCE_IMAGE, REFERENCE_EMBEDDED, PARAMETER_EXPORT, false, false },
        { "/commit", "container", RESOURCE_CONTAINER, REFERENCE_EMBEDDED, PARAMETER_NAME, false, false },
        { "/commit", "repo", RESOURCE_IMAGE, REFERENCE_TARGET, PARAMETER_IMAGE, false, true },
        { "/images/{}/tag", "repo", RESOURCE_IMAGE, REFERENCE_TARGET, PARAMETER_IMAGE, false, true },
        { "/images/create", "fromImage", RESOURCE_IMAGE, REFERENCE_PULLED, PARAMETER_IMAGE, false, true },
        { "/images/create", "repo", RESOURCE_IMAGE, REFERENCE_TARGET, PARAMETER_IMAGE, false, true },
        { "/build", "t", RESOURCE_IMAGE, REFERENCE_TARGET, PARAMETER_IMAGE, false, false },
        { "/build", "cachefrom", RESOURCE_IMAGE, REFERENCE_CACHE, PARAMETER_NAMES, false, false },
        { "/build", "networkmode", RESOURCE_NETWORK, REFERENCE_EMBEDDED, PARAMETER_NETWORK, false, false },
        { "/libpod/commit", "container", RESOURCE_CONTAINER, REFERENCE_EMBEDDED, PARAMETER_NAME, false, false },
        { "/libpod/build", "t", RESOURCE_IMAGE, REFERENCE_TARGET, PARAMETER_IMAGE, false, false },
        { "/libpod/build", "cachefrom", RESOURCE_IMAGE, REFERENCE_CACHE, PARAMETER_NAMES, false, false },
        { "/libpod/build", "networkmode", RESOURCE_NETWORK, REFERENCE_EMBEDDED, PARAMETER_NETWORK, false, false },
        { "/libpod/images/{}/tag", "repo", RESOURCE_IMAGE, REFERENCE_TARGET, PARAMETER_IMAGE, false, true },
        { "/libpod/images/export", "references", RESOURCE_IMAGE, REFERENCE_EMBEDDED, PARAMETER_NAME, true, false },
        { "/libpod/images/remove", "images", RESOURCE_IMAGE, REFERENCE_EMBEDDED, PARAMETER_NAME, true, false },
        { "/libpod/images/pull", "reference", RESOURCE_IMAGE, REFERENCE_PULLED, PARAMETER_IMAGE, true, false },
};

/* The image that gets the name, once for every tag that some engine may read; Podman takes the last of several. */
static void take_image_name(struct references *refs, const struct parameter_row *row, const struct http_query *query,
                            struct slice name) {
        bool tagged = false;

        name = unicode_trim(name);
        if (name.len == 0)
                return;
        for (size_t i = 0; i < query->n && row->tag; i++) {
                struct slice tag = query->at[i].value;

                if (tag.len == 0 || !unicode_fold_eq(query->at[i].name, SLICE("tag")))
                        continue;
                tagged = true;
                /* A digest in its place moves no tag. */
                if (slice_find(tag, ':') < 0)
                        add(refs, row->kind, row->use,
                            arena_printf(refs->arena, "%.*s:%.*s", SLICE_ARG(image_without_tag(name)), SLICE_ARG(tag)));
        }
        if (tagged)
                return;
        add(refs, row->kind, row->use, name);
        if (row->use == REFERENCE_PULLED && !image_is_chosen(name)) /* every tag of it is pulled */
                add(refs, RESOURCE_REPOSITORY, row->use, image_repository(name));
}

static void take_parameter(struct references *refs, const struct parameter_row *row, const struct http_query *query,
                           struct slice value, bool namespaces) {
        struct slice container;
        struct json_value each;
        struct json_iter it;

        switch (row->form) {
        case PARAMETER_NAMES:
                if (value.len == 0 || json_validate(value, 0, 16, refs->arena, NULL) < 0)
                        return; /* the daemon takes no names from it either */
                for (it = json_iter_of(json_root(value));
                     json_root(value).type == JSON_ARRAY && json_next(&it, NULL, &each);)
                        if (each.type == JSON_STRING)
                                add(refs, row->kind, row->use, json_string(each, refs->arena));
                return;
        case PARAMETER_NAME:
                add(refs, row->kind, row->use, value);
                return;
        case PARAMETER_EXPORT:
                add(refs, row->kind, row->use, value);
                if (!image_is_chosen(unicode_trim(value)))
                        add(refs, RESOURCE_REPOSITORY, row->use, image_repository(unicode_trim(value)));
                return;
        case PARAMETER_NETWORK:
                if (container_mode(value, &container)) {
                        if (namespaces)
                                add(refs, RESOURCE_CONTAINER, REFERENCE_NAMESPACE, container);
                }
                add_network(refs, row->kind, value);
                return;
        case PARAMETER_IMAGE:
                take_image_name(refs, row, query, value);
                return;
        }
}

void references_of_query(struct slice path, const struct http_query *query, bool namespaces, bool strict,
                         struct references *ret) {
        for (size_t i = 0; i < sizeof(parameter_rows) / sizeof(parameter_rows[0]); i++) {
                const struct parameter_row *row = &parameter_rows[i];

                if ((row->strict && !strict) || !path_pattern_match(row->pattern, path))
                        continue;
                for (size_t j = 0; j < query->n; j++)
                        if (unicode_fold_eq(query->at[j].name, slice_of(row->name)))
                                take_parameter(ret, row, query, query->at[j].value, namespaces);
        }
}
