/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/container.h"

#include "base/json_text.h"
#include "base/unicode.h"

/* POST /containers/create and /containers/{id}/start (chapter 03, sections 2 and 11). */

#define CREATE_LIMIT (1024u * 1024)

#define OPTION(key) "request_body.container_create." key

/* ---- the fields ---- */

static const struct json_field subpath_fields[] = {
        JSON_FIELD(struct subpath_options, subpath, "Subpath", JSON_K_STRING),
};

static const struct json_field volume_fields[] = {
        JSON_FIELD(struct volume_options, subpath, "Subpath", JSON_K_STRING),
        { .name = "DriverConfig",
          .name_len = sizeof("DriverConfig") - 1,
          .kind = JSON_K_OPT_STRUCT,
          .offset = offsetof(struct volume_options, driver),
          .size = sizeof(struct inspect_driver_config),
          .fields = inspect_driver_config_fields,
          .n_fields = INSPECT_DRIVER_CONFIG_FIELDS },
};

static const struct json_field tmpfs_fields[] = {
        JSON_FIELD(struct tmpfs_options, options, "Options", JSON_K_STRING_LISTS),
};

static const struct json_field mount_fields[] = {
        JSON_FIELD(struct create_mount, type, "Type", JSON_K_STRING),
        JSON_FIELD(struct create_mount, source, "Source", JSON_K_STRING),
        JSON_NESTED(struct create_mount, volume, "VolumeOptions", JSON_K_OPT_STRUCT, struct volume_options,
                    volume_fields),
        JSON_NESTED(struct create_mount, image, "ImageOptions", JSON_K_OPT_STRUCT, struct subpath_options,
                    subpath_fields),
        JSON_NESTED(struct create_mount, tmpfs, "TmpfsOptions", JSON_K_OPT_STRUCT, struct tmpfs_options, tmpfs_fields),
        JSON_FIELD(struct create_mount, bind, "BindOptions", JSON_K_VALUE),
};

static const struct json_field device_fields[] = {
        JSON_FIELD(struct create_device, path, "PathOnHost", JSON_K_STRING),
};

static const struct json_field device_request_fields[] = {
        JSON_FIELD(struct device_request, driver, "Driver", JSON_K_STRING),
        JSON_FIELD(struct device_request, count, "Count", JSON_K_INT64),
        JSON_FIELD(struct device_request, ids, "DeviceIDs", JSON_K_STRINGS),
        JSON_FIELD(struct device_request, capabilities, "Capabilities", JSON_K_STRING_LISTS),
        JSON_FIELD(struct device_request, options, "Options", JSON_K_STRING_MAP),
};

static const struct json_field host_fields[] = {
        /* In the order of the command line's bodies. */
        JSON_FIELD(struct host_config, binds, "Binds", JSON_K_STRINGS),
        JSON_FIELD(struct host_config, network_mode, "NetworkMode", JSON_K_STRING),
        JSON_FIELD(struct host_config, volume_driver, "VolumeDriver", JSON_K_STRING),
        JSON_FIELD(struct host_config, volumes_from, "VolumesFrom", JSON_K_STRINGS),
        JSON_NESTED(struct host_config, mounts, "Mounts", JSON_K_STRUCTS, struct create_mount, mount_fields),
        JSON_FIELD(struct host_config, cap_add, "CapAdd", JSON_K_STRINGS),
        JSON_FIELD(struct host_config, cap_drop, "CapDrop", JSON_K_STRINGS),
        JSON_FIELD(struct host_config, cgroupns_mode, "CgroupnsMode", JSON_K_STRING),
        JSON_FIELD(struct host_config, extra_hosts, "ExtraHosts", JSON_K_STRINGS),
        JSON_FIELD(struct host_config, group_add, "GroupAdd", JSON_K_STRINGS),
        JSON_FIELD(struct host_config, ipc_mode, "IpcMode", JSON_K_STRING),
        JSON_FIELD(struct host_config, links, "Links", JSON_K_STRINGS),
        JSON_FIELD(struct host_config, pid_mode, "PidMode", JSON_K_STRING),
        JSON_FIELD(struct host_config, privileged, "Privileged", JSON_K_BOOL),
        JSON_FIELD(struct host_config, readonly_rootfs, "ReadonlyRootfs", JSON_K_BOOL),
        JSON_FIELD(struct host_config, security_opt, "SecurityOpt", JSON_K_STRINGS),
        JSON_FIELD(struct host_config, tmpfs, "Tmpfs", JSON_K_STRING_MAP),
        JSON_FIELD(struct host_config, uts_mode, "UTSMode", JSON_K_STRING),
        JSON_FIELD(struct host_config, userns_mode, "UsernsMode", JSON_K_STRING),
        JSON_FIELD(struct host_config, sysctls, "Sysctls", JSON_K_STRING_MAP),
        JSON_FIELD(struct host_config, runtime, "Runtime", JSON_K_STRING),
        JSON_FIELD(struct host_config, limits.cpu_shares, "CpuShares", JSON_K_INT64),
        JSON_FIELD(struct host_config, limits.memory, "Memory", JSON_K_INT64),
        JSON_FIELD(struct host_config, limits.nano_cpus, "NanoCpus", JSON_K_INT64),
        JSON_FIELD(struct host_config, cgroup_parent, "CgroupParent", JSON_K_STRING),
        JSON_FIELD(struct host_config, limits.cpu_period, "CpuPeriod", JSON_K_INT64),
        JSON_FIELD(struct host_config, limits.cpu_quota, "CpuQuota", JSON_K_INT64),
        JSON_NESTED(struct host_config, devices, "Devices", JSON_K_STRUCTS, struct create_device, device_fields),
        JSON_FIELD(struct host_config, device_cgroup_rules, "DeviceCgroupRules", JSON_K_STRINGS),
        JSON_NESTED(struct host_config, device_requests, "DeviceRequests", JSON_K_STRUCTS, struct device_request,
                    device_request_fields),
        JSON_FIELD(struct host_config, memory_reservation, "MemoryReservation", JSON_K_INT64),
        JSON_FIELD(struct host_config, limits.pids, "PidsLimit", JSON_K_OPT_INT64),
        JSON_FIELD(struct host_config, masked_paths, "MaskedPaths", JSON_K_STRINGS),
        JSON_FIELD(struct host_config, readonly_paths, "ReadonlyPaths", JSON_K_STRINGS),
};

static const struct json_field networking_fields[] = {
        { .name = "EndpointsConfig",
          .name_len = sizeof("EndpointsConfig") - 1,
          .kind = JSON_K_STRUCT_MAP,
          .offset = offsetof(struct networking_config, endpoints),
          .size = sizeof(struct inspect_endpoint),
          .fields = inspect_endpoint_fields,
          .n_fields = INSPECT_ENDPOINT_FIELDS },
};

/* ---- members in the wrong place ---- */

/*
 * Docker 20.10 embeds HostConfig in the create body: without a `HostConfig` member, these are taken at the top level
 * (chapter 03, section 11, item 18). All members of HostConfig and its Resources up to API 1.52; none is a member of
 * Config.
 */
static bool is_host_config_member(struct slice quoted) {
        static const struct slice members[] = {
#define M(name) { name, sizeof(name) - 1 }
                /* clang-format off */
                M("Dns"), M("Init"), M("Binds"), M("Links"), M("Tmpfs"), M("CapAdd"), M("Cgroup"), M("Cpuset"),
                M("Memory"), M("Mounts"), M("CapDrop"), M("Devices"), M("IpcMode"), M("PidMode"), M("Runtime"),
                M("ShmSize"), M("Sysctls"), M("Ulimits"), M("UTSMode"), M("CpuCount"), M("CpuQuota"),
                M("GroupAdd"), M("NanoCpus"), M("AutoRemove"), M("CpuPeriod"), M("CpuShares"), M("DnsSearch"),
                M("Isolation"), M("LogConfig"), M("PidsLimit"), M("CpuPercent"), M("CpusetCpus"), M("CpusetMems"),
                M("DnsOptions"), M("ExtraHosts"), M("MemorySwap"), M("Privileged"), M("StorageOpt"),
                M("UsernsMode"), M("Annotations"), M("BlkioWeight"), M("ConsoleSize"), M("MaskedPaths"),
                M("NetworkMode"), M("OomScoreAdj"), M("SecurityOpt"), M("VolumesFrom"), M("Capabilities"),
                M("CgroupParent"), M("CgroupnsMode"), M("KernelMemory"), M("PortBindings"), M("VolumeDriver"),
                M("ReadonlyPaths"), M("RestartPolicy"), M("DeviceRequests"), M("OomKillDisable"),
                M("ReadonlyRootfs"), M("ContainerIDFile"), M("KernelMemoryTCP"), M("PublishAllPorts"),
                M("BlkioWeightDevice"), M("DeviceCgroupRules"), M("MemoryReservation"), M("MemorySwappiness"),
                M("CpuRealtimePeriod"), M("CpuRealtimeRuntime"), M("BlkioDeviceReadBps"), M("BlkioDeviceReadIOps"),
                M("BlkioDeviceWriteBps"), M("BlkioDeviceWriteIOps"), M("IOMaximumIOps"), M("IOMaximumBandwidth"),
                M("Resources"),
        /* clang-format on */
#undef M
        };
        static uint32_t lengths[32]; /* by the first letter: which lengths occur */
        const size_t n = sizeof(members) / sizeof(members[0]);
        struct slice name;
        bool plain = json_plain_name(quoted, &name);

        if (!lengths['D' & 31])
                for (size_t i = 0; i < n; i++)
                        lengths[members[i].at[0] & 31] |= 1u << members[i].len;
        if (plain && (name.len == 0 || name.len > 31 || !(lengths[name.at[0] & 31] >> name.len & 1)))
                return false;
        for (size_t i = 0; i < n; i++)
                if (plain ? json_plain_same(name, members[i]) : json_name_folds_to(quoted, members[i]))
                        return true;
        return false;
}

/* Keeps the first of them. */
static void note_stray(void *out, struct slice quoted, struct json_value v) {
        struct container_create *c = out;

        if (c->stray_name.len == 0 && v.type != JSON_NULL && is_host_config_member(quoted)) {
                c->stray_name = quoted;
                c->stray = v;
        }
}

static const struct json_field create_fields[] = {
        JSON_FIELD(struct container_create, image, "Image", JSON_K_STRING),
        JSON_FIELD(struct container_create, user, "User", JSON_K_STRING),
        JSON_FIELD(struct container_create, mac, "MacAddress", JSON_K_STRING),
        JSON_FIELD(struct container_create, labels, "Labels", JSON_K_STRING_MAP),
        JSON_NESTED(struct container_create, networking, "NetworkingConfig", JSON_K_STRUCT, struct networking_config,
                    networking_fields),
        JSON_NESTED(struct container_create, host, "HostConfig", JSON_K_STRUCT, struct host_config, host_fields),
        JSON_FIELD(struct container_create, top_runtime, "Runtime", JSON_K_VALUE),
        { .kind = JSON_K_OTHERS, .other = note_stray },
};

static bool check_top_level(const struct inspect_input *in, const struct container_create *c,
                            struct inspect_result *r) {
        struct slice name = SLICE("Runtime"), value = unicode_trim(json_string(c->top_runtime, in->arena));
        struct json_value stray = c->top_runtime;

        /* docker-py writes the runtime here as well as there. */
        if (stray.type == JSON_STRING &&
            (value.len == 0 || inspect_list_has(in, in->options->container_create.allowed_runtimes, value)))
                stray.type = JSON_ABSENT;
        if (stray.type <= JSON_NULL && c->stray_name.len) {
                name = json_name(c->stray_name, in->arena);
                stray = c->stray;
        }
        if (stray.type <= JSON_NULL)
                return true;
        inspect_deny(in, r, inspect_under(in, "", name),
                     stray.type == JSON_STRING ? json_string(stray, in->arena) : stray.text, NULL,
                     "host configuration outside of HostConfig is not allowed");
        return false;
}

/* ---- namespaces ---- */

static bool check_host_modes(const struct inspect_input *in, const struct container_create *c,
                             struct inspect_result *r) {
        const struct opt_container_create *o = &in->options->container_create;
        const struct host_config *h = &c->host;
        const struct {
                bool denied;
                struct slice value;
                const char *pointer, *option, *what;
        } rows[] = {
                { h->privileged && !o->allow_privileged, SLICE("true"), "/HostConfig/Privileged",
                  OPTION("allow_privileged"), "privileged containers are not allowed" },
                { inspect_is_host(h->network_mode) && !o->allow_host_network, h->network_mode,
                  "/HostConfig/NetworkMode", OPTION("allow_host_network"), "the host's network is not allowed" },
                { inspect_is_host(h->pid_mode) && !o->allow_host_pid, h->pid_mode, "/HostConfig/PidMode",
                  OPTION("allow_host_pid"), "the host's process namespace is not allowed" },
                { inspect_is_host(h->ipc_mode) && !o->allow_host_ipc, h->ipc_mode, "/HostConfig/IpcMode",
                  OPTION("allow_host_ipc"), "the host's IPC namespace is not allowed" },
                { inspect_is_host(h->userns_mode) && !o->allow_host_userns, h->userns_mode, "/HostConfig/UsernsMode",
                  OPTION("allow_host_userns"), "the host's user namespace is not allowed" },
                { inspect_is_host(h->cgroupns_mode) && !o->allow_host_cgroupns, h->cgroupns_mode,
                  "/HostConfig/CgroupnsMode", OPTION("allow_host_cgroupns"),
                  "the host's cgroup namespace is not allowed" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (rows[i].denied) {
                        inspect_deny(in, r, rows[i].pointer, rows[i].value, rows[i].option, "%s", rows[i].what);
                        return false;
                }
        return true;
}

/* The <ref> of "container:<ref>", empty when the mode is something else. */
static struct slice shared_with(struct slice mode) {
        static const size_t n = sizeof("container:") - 1;
        struct slice t = unicode_trim(mode);

        if (t.len <= n || !unicode_fold_eq(slice_upto(t, n), SLICE("container:")))
                return SLICE("");
        return unicode_trim(slice_from(t, n));
}

static bool check_namespace_sharing(const struct inspect_input *in, const struct container_create *c,
                                    struct inspect_result *r) {
        const struct opt_container_create *o = &in->options->container_create;
        const struct {
                const char *pointer;
                struct slice mode;
        } rows[] = {
                { "/HostConfig/NetworkMode", c->host.network_mode }, { "/HostConfig/PidMode", c->host.pid_mode },
                { "/HostConfig/IpcMode", c->host.ipc_mode },         { "/HostConfig/UTSMode", c->host.uts_mode },
                { "/HostConfig/UsernsMode", c->host.userns_mode },
        };

        for (size_t i = 0; o->restrict_namespace_sharing && i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct slice ref = shared_with(rows[i].mode);

                if (ref.len && !inspect_list_has(in, o->allowed_namespace_sharing_containers, ref)) {
                        inspect_deny(in, r, rows[i].pointer, rows[i].mode,
                                     OPTION("allowed_namespace_sharing_containers"),
                                     "sharing a namespace with this container is not allowed");
                        return false;
                }
        }
        if (o->deny_namespace_path_mode &&
            slice_case_eq(slice_upto(unicode_trim(c->host.network_mode), 3), SLICE("ns:"))) {
                inspect_deny(in, r, "/HostConfig/NetworkMode", c->host.network_mode, OPTION("deny_namespace_path_mode"),
                             "network namespaces by path are not allowed");
                return false;
        }
        return true;
}

/* ---- what no option opens, or one option does ---- */

/* What a denial shows of a list: nothing, or its first element. */
static struct slice first_of(const struct json_strings *list) {
        return list->n ? list->at[0] : SLICE("");
}

static bool check_host_surface(const struct inspect_input *in, const struct container_create *c,
                               struct inspect_result *r) {
        const struct opt_container_create *o = &in->options->container_create;
        const struct host_config *h = &c->host;
        struct slice runtime = unicode_trim(h->runtime);
        const struct {
                bool denied;
                const char *pointer;
                struct slice value;
                const char *option, *what;
        } rows[] = {
                { h->sysctls.n && !o->allow_sysctls, "/HostConfig/Sysctls",
                  h->sysctls.n ? h->sysctls.names[0] : SLICE(""), OPTION("allow_sysctls"),
                  "kernel parameters are not allowed" },
                { h->volumes_from.n, "/HostConfig/VolumesFrom", first_of(&h->volumes_from), NULL,
                  "volumes of other containers are not allowed" },
                { inspect_is_host(h->uts_mode), "/HostConfig/UTSMode", h->uts_mode, NULL,
                  "the host's UTS namespace is not allowed" },
                { !inspect_is_blank(h->cgroup_parent), "/HostConfig/CgroupParent", h->cgroup_parent, NULL,
                  "a parent cgroup is not allowed" },
                { h->group_add.n, "/HostConfig/GroupAdd", first_of(&h->group_add), NULL,
                  "additional groups are not allowed" },
                { h->extra_hosts.n, "/HostConfig/ExtraHosts", first_of(&h->extra_hosts), NULL,
                  "additional host names are not allowed" },
                { runtime.len && !inspect_list_has(in, o->allowed_runtimes, runtime), "/HostConfig/Runtime", runtime,
                  OPTION("allowed_runtimes"), "this runtime is not allowed" },
                { h->links.n && !in->options->network.allow_endpoint_config, "/HostConfig/Links", first_of(&h->links),
                  "request_body.network.allow_endpoint_config", "links are not allowed" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (rows[i].denied) {
                        inspect_deny(in, r, rows[i].pointer, rows[i].value, rows[i].option, "%s", rows[i].what);
                        return false;
                }
        return true;
}

static bool check_endpoints(const struct inspect_input *in, const struct container_create *c,
                            struct inspect_result *r) {
        const struct opt_network *o = &in->options->network;
        const struct json_struct_map *map = &c->networking.endpoints;

        for (size_t i = 0; i < map->n; i++)
                if (map->values[i] &&
                    !inspect_endpoint_allowed(in, r, map->values[i], o, "network",
                                              inspect_under(in, "/NetworkingConfig/EndpointsConfig", map->names[i])))
                        return false;
        if (inspect_is_blank(c->mac) || o->allow_endpoint_config || o->endpoint_config.allow_mac_pinning)
                return true;
        inspect_deny(in, r, "/MacAddress", c->mac, "request_body.network.endpoint_config.allow_mac_pinning",
                     "fixed MAC addresses are not allowed");
        return false;
}

static bool check_readonly_rootfs(const struct inspect_input *in, const struct container_create *c,
                                  struct inspect_result *r) {
        if (!in->options->container_create.require_readonly_rootfs || c->host.readonly_rootfs)
                return true;
        inspect_deny(in, r, "/HostConfig/ReadonlyRootfs", SLICE(""), OPTION("require_readonly_rootfs"),
                     "the root file system must be read-only");
        return false;
}

static bool check_limits(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        static const struct {
                const char *violation, *pointer, *option;
        } rows[] = {
                { "memory", "/HostConfig/Memory", OPTION("require_memory_limit") },
                { "cpu", "/HostConfig/NanoCpus", OPTION("require_cpu_limit") },
                { "hard_cpu", "/HostConfig/NanoCpus", OPTION("require_cpu_limit_hard") },
                { "pids", "/HostConfig/PidsLimit", OPTION("require_pids_limit") },
        };
        const struct opt_container_create *o = &in->options->container_create;
        const struct inspect_required_limits want = { o->require_memory_limit, o->require_cpu_limit,
                                                      o->require_cpu_limit_hard, o->require_pids_limit };
        const char *violation = inspect_limits_violation(&c->host.limits, &want);

        for (size_t i = 0; violation && i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strcmp(rows[i].violation, violation) == 0)
                        inspect_deny(in, r, rows[i].pointer, SLICE(""), rows[i].option, "a %s limit is required",
                                     violation);
        return !violation;
}

static bool check_required_labels(const struct inspect_input *in, const struct container_create *c,
                                  struct inspect_result *r) {
        struct plist list = in->options->container_create.required_labels;
        const struct pstr *keys = policy_list(in->policy, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++) {
                struct slice key = unicode_trim(policy_str(in->policy, keys[i]));
                bool found = key.len == 0;

                for (size_t j = 0; j < c->labels.n && !found; j++)
                        found = slice_eq(c->labels.names[j], key) && !inspect_is_blank(c->labels.values[j]);
                if (!found) {
                        inspect_deny(in, r, inspect_under(in, "/Labels", key), SLICE(""), OPTION("required_labels"),
                                     "a required label is missing");
                        return false;
                }
        }
        return true;
}

static bool check_image(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        return inspect_trust_image(in, r, &in->options->container_create.image_trust, c->image, "/Image",
                                   OPTION("image_trust.mode"));
}

/* ---- the order ---- */

static container_check *const create_checks[] = {
        check_top_level,
        check_host_modes,
        check_namespace_sharing,
        check_host_surface,
        check_device_requests,
        check_device_cgroup_rules,
        check_devices,
        check_binds,
        check_mount_types,
        check_mount_drivers,
        check_mount_subpaths,
        check_tmpfs,
        check_endpoints,
        check_security_options,
        check_system_paths,
        check_capabilities,
        check_no_new_privileges,
        check_non_root,
        check_readonly_rootfs,
        check_drop_all,
        check_limits,
        check_required_labels,
        check_image,
};

static void inspect_create(const struct inspect_input *in, struct inspect_result *r) {
        struct container_create c = { 0 };

        if (!INSPECT_DECODE(in, r, create_fields, &c))
                return;
        for (size_t i = 0; i < sizeof(create_checks) / sizeof(create_checks[0]); i++)
                if (!create_checks[i](in, &c, r))
                        return;
}

static void precheck_create(const struct inspect_input *in, struct inspect_result *r) {
        (void) inspect_trust_ready(in, r, &in->options->container_create.image_trust, "/Image",
                                   OPTION("image_trust.mode"));
}

/*
 * Below API 1.24 the body of a start is a HostConfig. Some clients always send an empty object, which says nothing: it
 * goes no further than here.
 */
static void inspect_start(const struct inspect_input *in, struct inspect_result *r) {
        if (in->body.len == 0)
                return;
        if (slice_eq(unicode_trim(in->body), SLICE("{}"))) {
                r->has_new_body = true;
                r->new_body = SLICE("");
                return;
        }
        inspect_deny(in, r, "", SLICE(""), NULL, "starting a container with a body is not allowed");
}

const struct inspector inspect_container_rows[] = {
        { HTTP_POST, "/containers/create", INSPECT_JSON, CREATE_LIMIT, inspect_create, .precheck = precheck_create,
          .refuse_large = true, .name = "container create" },
        { HTTP_POST, "/containers/{}/start", INSPECT_RAW, CREATE_LIMIT, inspect_start, .name = "container start" },
        { HTTP_POST, "/containers/{}/update", INSPECT_JSON, CREATE_LIMIT, inspect_container_update,
          .refuse_large = true, .name = "container update" },
        { HTTP_POST, "/libpod/containers/{}/update", INSPECT_RAW, CREATE_LIMIT, inspect_libpod_update,
          .name = "libpod container update" },
        { .pattern = NULL },
};
