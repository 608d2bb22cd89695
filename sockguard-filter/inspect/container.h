/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_CONTAINER_H
#define SOCKGUARD_INSPECT_CONTAINER_H

#include "inspect/common.h"

/*
 * What container create looks at, decoded (chapter 03, section 2). Everything else in the body may be of any type.
 * Private to inspect/container*.c.
 */

struct subpath_options {
        struct slice subpath;
};

struct volume_options {
        struct slice subpath;
        struct inspect_driver_config *driver;
};

struct tmpfs_options {
        struct json_string_lists options;
};

struct create_mount {
        struct slice type, source;
        struct volume_options *volume;
        struct subpath_options *image;
        struct tmpfs_options *tmpfs;
        struct json_value bind; /* BindOptions; any type */
};

struct create_device {
        struct slice path;
};

struct device_request {
        struct slice driver;
        int64_t count;
        struct json_strings ids;
        struct json_string_lists capabilities;
        struct json_string_map options;
};

struct host_config {
        bool privileged, readonly_rootfs;
        struct slice network_mode, pid_mode, ipc_mode, userns_mode, cgroupns_mode, uts_mode;
        struct slice cgroup_parent, runtime, volume_driver;
        struct json_strings binds, volumes_from, group_add, extra_hosts, device_cgroup_rules, security_opt, cap_add,
                cap_drop, links;
        struct json_strings masked_paths, readonly_paths;
        struct json_string_map sysctls, tmpfs;
        struct json_list mounts, devices, device_requests;
        struct inspect_limits limits;
        int64_t memory_reservation;
};

struct networking_config {
        struct json_struct_map endpoints; /* struct inspect_endpoint */
};

struct container_create {
        struct slice image, user, mac;
        struct json_string_map labels;
        struct networking_config networking;
        struct host_config host;
        struct json_value top_runtime; /* "Runtime" beside HostConfig; any type */
        struct slice stray_name;       /* quoted: the first other member of HostConfig that stands beside it, */
        struct json_value stray;       /* ... and its value */
};

/* A check: false with *r filled in when it denies. */
typedef bool container_check(const struct inspect_input *in, const struct container_create *c,
                             struct inspect_result *r);

/* inspect/container_mounts.c: what of the host a container gets to see. */
container_check check_binds, check_mount_types, check_mount_subpaths, check_mount_drivers, check_tmpfs, check_devices,
        check_device_requests, check_device_cgroup_rules;

/* inspect/container_hardening.c: what confines a container. */
container_check check_security_options, check_system_paths, check_no_new_privileges, check_non_root, check_capabilities,
        check_drop_all;

#endif
