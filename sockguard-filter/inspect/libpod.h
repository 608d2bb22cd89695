/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_LIBPOD_H
#define SOCKGUARD_INSPECT_LIBPOD_H

#include "inspect/judge.h"

/* What Podman's containers and pods have in common (chapter 04, 14; members are lower case on the wire). */

struct libpod_namespace {
        struct slice mode, value;
};

struct libpod_mount {
        struct slice type, source, destination;
        struct json_strings options;
};

struct libpod_volume {
        struct slice name, dest, sub_path;
        struct json_strings options;
        bool anonymous;
};

struct libpod_overlay {
        struct slice source, destination;
        struct json_strings options;
};

struct libpod_device {
        struct slice path, type;
        int64_t major, minor;
};

#define LIBPOD_NAMESPACE_FIELDS 2
#define LIBPOD_MOUNT_FIELDS 4
#define LIBPOD_VOLUME_FIELDS 5
#define LIBPOD_OVERLAY_FIELDS 3
#define LIBPOD_DEVICE_FIELDS 4
extern const struct json_field libpod_namespace_fields[LIBPOD_NAMESPACE_FIELDS];
extern const struct json_field libpod_mount_fields[LIBPOD_MOUNT_FIELDS];
extern const struct json_field libpod_volume_fields[LIBPOD_VOLUME_FIELDS];
extern const struct json_field libpod_overlay_fields[LIBPOD_OVERLAY_FIELDS];
extern const struct json_field libpod_device_fields[LIBPOD_DEVICE_FIELDS];

/* Each judges by the libpod_container_create block. True: fine. */
bool libpod_mounts_check(const struct inspect_input *in, const struct json_list *mounts, struct inspect_result *r);
bool libpod_volumes_check(const struct inspect_input *in, const struct json_list *volumes,
                          const struct json_list *overlays, struct inspect_result *r);
bool libpod_devices_check(const struct inspect_input *in, const struct json_list *devices, const char *at,
                          struct inspect_result *r);
bool libpod_device_check(const struct inspect_input *in, struct slice device, const char *at, size_t i,
                         const char *member, struct inspect_result *r);

/* A namespace, the name of its member, and whether it may be the host's (and by which option). */
struct libpod_namespace_row {
        const struct libpod_namespace *n;
        const char *name, *option;
        bool host;
        bool shareable; /* with a container: restrict_namespace_sharing applies */
};

/*
 * In this order, over all rows: the host's own where it may not be; another container's that is not in the list; one
 * named by a file of the host's, or a pod's.
 */
bool libpod_namespaces_check(const struct inspect_input *in, const struct libpod_namespace_row *rows, size_t n,
                             struct inspect_result *r);

void inspect_libpod_pod(const struct inspect_input *in, struct inspect_result *r);

#endif
