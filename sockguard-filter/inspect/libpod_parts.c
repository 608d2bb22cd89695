/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/libpod.h"

#define KEY(name) "request_body.libpod_container_create." name

const struct json_field libpod_namespace_fields[LIBPOD_NAMESPACE_FIELDS] = {
        JSON_FIELD(struct libpod_namespace, mode, "nsmode", JSON_K_STRING),
        JSON_FIELD(struct libpod_namespace, value, "value", JSON_K_STRING),
};

const struct json_field libpod_mount_fields[LIBPOD_MOUNT_FIELDS] = {
        JSON_FIELD(struct libpod_mount, type, "type", JSON_K_STRING),
        JSON_FIELD(struct libpod_mount, source, "source", JSON_K_STRING),
        JSON_FIELD(struct libpod_mount, destination, "destination", JSON_K_STRING),
        JSON_FIELD(struct libpod_mount, options, "options", JSON_K_STRINGS),
};

const struct json_field libpod_volume_fields[LIBPOD_VOLUME_FIELDS] = {
        JSON_FIELD(struct libpod_volume, name, "Name", JSON_K_STRING),
        JSON_FIELD(struct libpod_volume, dest, "Dest", JSON_K_STRING),
        JSON_FIELD(struct libpod_volume, sub_path, "SubPath", JSON_K_STRING),
        JSON_FIELD(struct libpod_volume, options, "Options", JSON_K_STRINGS),
        JSON_FIELD(struct libpod_volume, anonymous, "IsAnonymous", JSON_K_BOOL),
};

const struct json_field libpod_overlay_fields[LIBPOD_OVERLAY_FIELDS] = {
        JSON_FIELD(struct libpod_overlay, source, "source", JSON_K_STRING),
        JSON_FIELD(struct libpod_overlay, destination, "destination", JSON_K_STRING),
        JSON_FIELD(struct libpod_overlay, options, "options", JSON_K_STRINGS),
};

const struct json_field libpod_device_fields[LIBPOD_DEVICE_FIELDS] = {
        JSON_FIELD(struct libpod_device, path, "path", JSON_K_STRING),
        JSON_FIELD(struct libpod_device, type, "type", JSON_K_STRING),
        JSON_FIELD(struct libpod_device, major, "major", JSON_K_INT64),
        JSON_FIELD(struct libpod_device, minor, "minor", JSON_K_INT64),
};

/*
 * The OCI runtime binds whatever has the option bind or rbind, and a mount without a type is a bind for Podman; `glob`
 * binds all that matches. Only these types are what they say they are.
 */
static bool is_plain_type(struct slice type) {
        static const char *const plain[] = { "tmpfs", "ramfs",  "devpts", "mqueue", "proc",
                                             "sysfs", "cgroup", "volume", "image" };

        for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
                if (unicode_fold_eq(type, slice_of(plain[i])))
                        return true;
        return false;
}

static bool judge_bind(const struct inspect_input *in, struct slice source, const char *at, struct inspect_result *r) {
        if (inspect_path_allowed(in, source, in->options->libpod_container_create.allowed_bind_mounts))
                return true;
        inspect_deny(in, r, at, source, KEY("allowed_bind_mounts"), "this bind mount is not allowed");
        return false;
}

bool libpod_mounts_check(const struct inspect_input *in, const struct json_list *mounts, struct inspect_result *r) {
        const struct libpod_mount *m = mounts->at;

        for (size_t i = 0; i < mounts->n; i++) {
                bool binds = unicode_fold_eq(m[i].type, SLICE("bind")) ||
                             inspect_strings_have_word(&m[i].options, SLICE("bind")) ||
                             inspect_strings_have_word(&m[i].options, SLICE("rbind"));

                if (binds &&
                    !judge_bind(in, m[i].source, inspect_under(in, inspect_at(in, "/mounts", i), SLICE("source")), r))
                        return false;
                if (binds || is_plain_type(m[i].type))
                        continue;
                inspect_deny(in, r, inspect_under(in, inspect_at(in, "/mounts", i), SLICE("type")), m[i].type, NULL,
                             "mounts of this type are not allowed");
                return false;
        }
        return true;
}

bool libpod_volumes_check(const struct inspect_input *in, const struct json_list *volumes,
                          const struct json_list *overlays, struct inspect_result *r) {
        const struct libpod_volume *v = volumes->at;
        const struct libpod_overlay *o = overlays->at;

        /* A name has no slash; what has one is a path of the host's. */
        for (size_t i = 0; i < volumes->n; i++)
                if (slice_find(v[i].name, '/') >= 0 &&
                    !judge_bind(in, v[i].name, inspect_under(in, inspect_at(in, "/volumes", i), SLICE("Name")), r))
                        return false;
        for (size_t i = 0; i < overlays->n; i++)
                if ((slice_find(o[i].source, '/') >= 0 || slice_starts(o[i].source, SLICE("."))) &&
                    !judge_bind(in, o[i].source,
                                inspect_under(in, inspect_at(in, "/overlay_volumes", i), SLICE("source")), r))
                        return false;
        return true;
}

/* "/dev/x", "/dev/x:/dev/y:rwm"; `member` is "" where the list holds texts. */
bool libpod_device_check(const struct inspect_input *in, struct slice device, const char *at, size_t i,
                         const char *member, struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        struct slice host, rest;

        slice_cut(device, ':', &host, &rest);
        if (o->allow_all_devices || inspect_path_allowed(in, host, o->allowed_devices))
                return true;
        inspect_deny(in, r, arena_printf(in->arena, "%s/%zu%s", at, i, member).at, device, KEY("allowed_devices"),
                     "this device is not allowed");
        return false;
}

bool libpod_devices_check(const struct inspect_input *in, const struct json_list *devices, const char *at,
                          struct inspect_result *r) {
        const struct libpod_device *d = devices->at;

        for (size_t i = 0; i < devices->n; i++)
                if (!libpod_device_check(in, d[i].path, at, i, "/path", r))
                        return false;
        return true;
}

static void deny_namespace(const struct inspect_input *in, const struct libpod_namespace_row *row, const char *member,
                           struct slice value, const char *option, const char *why, struct inspect_result *r) {
        inspect_deny(in, r, arena_printf(in->arena, "/%s/%s", row->name, member).at, value, option, "%s", why);
}

static bool judge_host(const struct inspect_input *in, const struct libpod_namespace_row *row,
                       struct inspect_result *r) {
        if (row->host || !inspect_is_host(row->n->mode))
                return true;
        deny_namespace(in, row, "nsmode", row->n->mode, row->option, "a namespace of the host is not allowed", r);
        return false;
}

static bool judge_sharing(const struct inspect_input *in, const struct libpod_namespace_row *row,
                          struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        struct slice other = unicode_trim(row->n->value);

        if (!o->restrict_namespace_sharing || !row->shareable || !inspect_word_is(row->n->mode, SLICE("container")) ||
            other.len == 0 || inspect_list_has(in, o->allowed_namespace_sharing_containers, other))
                return true;
        deny_namespace(in, row, "value", other, KEY("allowed_namespace_sharing_containers"),
                       "sharing this container's namespaces is not allowed", r);
        return false;
}

static bool judge_path(const struct inspect_input *in, const struct libpod_namespace_row *row,
                       struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        bool path = inspect_word_is(row->n->mode, SLICE("path")) || inspect_word_is(row->n->mode, SLICE("ns"));

        if (path ? o->allow_namespace_paths : !inspect_word_is(row->n->mode, SLICE("pod")) || o->allow_pod)
                return true;
        if (path)
                deny_namespace(in, row, "nsmode", row->n->mode, KEY("allow_namespace_paths"),
                               "a namespace named by a file is not allowed", r);
        else
                deny_namespace(in, row, "nsmode", row->n->mode, KEY("allow_pod"),
                               "the namespaces of a pod are not allowed", r);
        return false;
}

bool libpod_namespaces_check(const struct inspect_input *in, const struct libpod_namespace_row *rows, size_t n,
                             struct inspect_result *r) {
        static bool (*const checks[])(const struct inspect_input *in, const struct libpod_namespace_row *row,
                                      struct inspect_result *r) = {
                judge_host,
                judge_sharing,
                judge_path,
        };

        for (size_t c = 0; c < sizeof(checks) / sizeof(checks[0]); c++)
                for (size_t i = 0; i < n; i++)
                        if (!checks[c](in, &rows[i], r))
                                return false;
        return true;
}
