/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/libpod.h"

#include "base/unicode.h"

/* POST /libpod/containers/create (chapter 04, 14.1 and 14.2; chapter 03, 8), and the table of Podman's own endpoints.
 */

#define BODY_MAX (1024u * 1024)
#define KEY(name) "request_body.libpod_container_create." name

struct id_map {
        int64_t container_id, host_id, size;
};

struct id_mappings {
        struct json_list uids, gids; /* of struct id_map */
        bool host_uid, host_gid, automatic;
};

struct cpu_limits {
        uint64_t period, shares;
        int64_t quota;
};

struct memory_limits {
        int64_t limit, swap;
};

struct pids_limits {
        int64_t limit;
};

struct resource_limits {
        struct cpu_limits cpu;
        struct memory_limits memory;
        struct pids_limits pids;
};

struct log_configuration {
        struct slice path;
};

struct libpod_container {
        struct slice name, image, user, apparmor, seccomp, systemd;
        struct json_string_map labels, sysctl, annotations;
        bool privileged, read_only;
        struct libpod_namespace netns, pidns, ipcns, userns, utsns, cgroupns;
        struct json_list mounts, volumes, overlays, devices;
        struct json_strings cap_add, cap_drop, selinux, groups;
        struct id_mappings idmappings;
        struct resource_limits limits;
        /* What the reference does not look at. */
        struct json_list host_devices;
        struct json_value image_volumes, artifact_volumes, devices_from, device_rules, unmask, procfs, volumes_from,
                secrets, env_secrets, hostusers, rootfs_overlay;
        struct slice rootfs, pod, cgroup_parent, cgroups_mode, conmon_pid_file, pid_file, init_path, oci_runtime;
        bool env_host;
        struct log_configuration log;
};

static const struct json_field id_map_fields[] = {
        JSON_FIELD(struct id_map, container_id, "container_id", JSON_K_INT64),
        JSON_FIELD(struct id_map, host_id, "host_id", JSON_K_INT64),
        JSON_FIELD(struct id_map, size, "size", JSON_K_INT64),
};

static const struct json_field id_mappings_fields[] = {
        JSON_NESTED(struct id_mappings, uids, "UIDMap", JSON_K_STRUCTS, struct id_map, id_map_fields),
        JSON_NESTED(struct id_mappings, gids, "GIDMap", JSON_K_STRUCTS, struct id_map, id_map_fields),
        JSON_FIELD(struct id_mappings, host_uid, "HostUIDMapping", JSON_K_BOOL),
        JSON_FIELD(struct id_mappings, host_gid, "HostGIDMapping", JSON_K_BOOL),
        JSON_FIELD(struct id_mappings, automatic, "AutoUserNs", JSON_K_BOOL),
};

static const struct json_field cpu_fields[] = {
        JSON_FIELD(struct cpu_limits, period, "period", JSON_K_UINT64),
        JSON_FIELD(struct cpu_limits, quota, "quota", JSON_K_INT64),
        JSON_FIELD(struct cpu_limits, shares, "shares", JSON_K_UINT64),
};

static const struct json_field memory_fields[] = {
        JSON_FIELD(struct memory_limits, limit, "limit", JSON_K_INT64),
        JSON_FIELD(struct memory_limits, swap, "swap", JSON_K_INT64),
};

static const struct json_field pids_fields[] = {
        JSON_FIELD(struct pids_limits, limit, "limit", JSON_K_INT64),
};

static const struct json_field limits_fields[] = {
        JSON_NESTED(struct resource_limits, cpu, "cpu", JSON_K_STRUCT, struct cpu_limits, cpu_fields),
        JSON_NESTED(struct resource_limits, memory, "memory", JSON_K_STRUCT, struct memory_limits, memory_fields),
        JSON_NESTED(struct resource_limits, pids, "pids", JSON_K_STRUCT, struct pids_limits, pids_fields),
};

static const struct json_field log_fields[] = {
        JSON_FIELD(struct log_configuration, path, "path", JSON_K_STRING),
};

#define NAMESPACE(member) \
        JSON_NESTED(struct libpod_container, member, #member, JSON_K_STRUCT, struct libpod_namespace, \
                    libpod_namespace_fields)
#define LIST(member, name, type, fields) \
        JSON_NESTED(struct libpod_container, member, name, JSON_K_STRUCTS, type, fields)
#define VALUE(member, name) JSON_FIELD(struct libpod_container, member, name, JSON_K_VALUE)
#define TEXT(member, name) JSON_FIELD(struct libpod_container, member, name, JSON_K_STRING)

static const struct json_field container_fields[] = {
        TEXT(name, "name"),
        TEXT(image, "image"),
        TEXT(user, "user"),
        TEXT(apparmor, "apparmor_profile"),
        TEXT(seccomp, "seccomp_profile_path"),
        TEXT(systemd, "systemd"),
        JSON_FIELD(struct libpod_container, labels, "labels", JSON_K_STRING_MAP),
        JSON_FIELD(struct libpod_container, sysctl, "sysctl", JSON_K_STRING_MAP),
        JSON_FIELD(struct libpod_container, annotations, "annotations", JSON_K_STRING_MAP),
        JSON_FIELD(struct libpod_container, privileged, "privileged", JSON_K_BOOL),
        JSON_FIELD(struct libpod_container, read_only, "read_only_filesystem", JSON_K_BOOL),
        NAMESPACE(netns),
        NAMESPACE(pidns),
        NAMESPACE(ipcns),
        NAMESPACE(userns),
        NAMESPACE(utsns),
        NAMESPACE(cgroupns),
        LIST(mounts, "mounts", struct libpod_mount, libpod_mount_fields),
        LIST(volumes, "volumes", struct libpod_volume, libpod_volume_fields),
        LIST(overlays, "overlay_volumes", struct libpod_overlay, libpod_overlay_fields),
        LIST(devices, "devices", struct libpod_device, libpod_device_fields),
        LIST(host_devices, "host_device_list", struct libpod_device, libpod_device_fields),
        JSON_FIELD(struct libpod_container, cap_add, "cap_add", JSON_K_STRINGS),
        JSON_FIELD(struct libpod_container, cap_drop, "cap_drop", JSON_K_STRINGS),
        JSON_FIELD(struct libpod_container, selinux, "selinux_opts", JSON_K_STRINGS),
        JSON_FIELD(struct libpod_container, groups, "groups", JSON_K_STRINGS),
        JSON_NESTED(struct libpod_container, idmappings, "idmappings", JSON_K_STRUCT, struct id_mappings,
                    id_mappings_fields),
        JSON_NESTED(struct libpod_container, limits, "resource_limits", JSON_K_STRUCT, struct resource_limits,
                    limits_fields),
        VALUE(image_volumes, "image_volumes"),
        VALUE(artifact_volumes, "artifact_volumes"),
        VALUE(devices_from, "devices_from"),
        VALUE(device_rules, "device_cgroup_rule"),
        VALUE(unmask, "unmask"),
        VALUE(procfs, "procfs_opts"),
        VALUE(volumes_from, "volumes_from"),
        VALUE(secrets, "secrets"),
        VALUE(env_secrets, "secret_env"),
        VALUE(hostusers, "hostusers"),
        VALUE(rootfs_overlay, "rootfs_overlay"),
        TEXT(rootfs, "rootfs"),
        TEXT(pod, "pod"),
        TEXT(cgroup_parent, "cgroup_parent"),
        TEXT(cgroups_mode, "cgroups_mode"),
        TEXT(conmon_pid_file, "conmon_pid_file"),
        TEXT(pid_file, "pid_file"),
        TEXT(init_path, "init_path"),
        TEXT(oci_runtime, "oci_runtime"),
        JSON_FIELD(struct libpod_container, env_host, "env_host", JSON_K_BOOL),
        JSON_NESTED(struct libpod_container, log, "log_configuration", JSON_K_STRUCT, struct log_configuration,
                    log_fields),
};

/* 2 to 6: whose namespaces it lives in. */
static bool judge_namespaces(const struct inspect_input *in, const struct libpod_container *c,
                             struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        const struct libpod_namespace_row rows[] = {
                { &c->netns, "netns", KEY("allow_host_network"), o->allow_host_network, true },
                { &c->pidns, "pidns", KEY("allow_host_pid"), o->allow_host_pid, true },
                { &c->ipcns, "ipcns", KEY("allow_host_ipc"), o->allow_host_ipc, true },
                { &c->userns, "userns", KEY("allow_host_userns"), o->allow_host_userns, true },
                { &c->utsns, "utsns", KEY("allow_host_uts"), o->allow_host_uts, true },
                { &c->cgroupns, "cgroupns", KEY("allow_host_cgroupns"), o->allow_host_cgroupns, false },
        };

        return libpod_namespaces_check(in, rows, sizeof(rows) / sizeof(rows[0]), r);
}

/* A profile that may be forbidden by name, or must be one of a list; none is "default". */
static bool judge_profile(const struct inspect_input *in, struct slice profile, bool deny_unconfined,
                          struct plist allowed, const char *pointer, const char *deny_option, const char *list_option,
                          struct inspect_result *r) {
        struct slice name = unicode_trim(profile);

        if (deny_unconfined && unicode_fold_eq(name, SLICE("unconfined"))) {
                inspect_deny(in, r, pointer, name, deny_option, "running unconfined is not allowed");
                return false;
        }
        if (allowed.n == 0 || inspect_list_has(in, allowed, name.len > 0 ? name : SLICE("default")))
                return true;
        inspect_deny(in, r, pointer, name, list_option, "this profile is not allowed");
        return false;
}

/* 10 to 16: how it is confined. */
static bool judge_hardening(const struct inspect_input *in, const struct libpod_container *c,
                            struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        bool disable = inspect_strings_have_word(&c->selinux, SLICE("disable"));
        const struct gate gates[] = {
                { disable, !o->deny_selinux_disable, "/selinux_opts", KEY("deny_selinux_disable"),
                  "running without SELinux is not allowed" },
                { c->selinux.n > 0 && !disable, !o->deny_selinux_label_override, "/selinux_opts",
                  KEY("deny_selinux_label_override"), "SELinux labels of one's own are not allowed" },
                { inspect_user_is_root(c->user), !o->require_non_root_user, "/user", KEY("require_non_root_user"),
                  "a user other than root is required" },
                { !c->read_only, !o->require_readonly_rootfs, "/read_only_filesystem", KEY("require_readonly_rootfs"),
                  "a read-only root file system is required" },
        };

        return judge_profile(in, c->seccomp, o->deny_unconfined_seccomp, o->allowed_seccomp_profiles,
                             "/seccomp_profile_path", KEY("deny_unconfined_seccomp"), KEY("allowed_seccomp_profiles"),
                             r) &&
               judge_profile(in, c->apparmor, o->deny_unconfined_apparmor, o->allowed_apparmor_profiles,
                             "/apparmor_profile", KEY("deny_unconfined_apparmor"), KEY("allowed_apparmor_profiles"),
                             r) &&
               JUDGE_GATES(in, gates, r);
}

/* 17 to 23. */
static bool judge_limits(const struct inspect_input *in, const struct libpod_container *c, struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        const struct cpu_limits *cpu = &c->limits.cpu;
        const struct gate gates[] = {
                { c->limits.memory.limit <= 0, !o->require_memory_limit, "/resource_limits/memory/limit",
                  KEY("require_memory_limit"), "a memory limit is required" },
                { cpu->quota <= 0 && cpu->period == 0 && cpu->shares == 0, !o->require_cpu_limit,
                  "/resource_limits/cpu", KEY("require_cpu_limit"), "a CPU limit is required" },
                { cpu->quota <= 0, !o->require_cpu_limit_hard, "/resource_limits/cpu/quota",
                  KEY("require_cpu_limit_hard"), "a CPU quota is required" },
                { c->limits.pids.limit <= 0, !o->require_pids_limit, "/resource_limits/pids/limit",
                  KEY("require_pids_limit"), "a limit of processes is required" },
                { c->sysctl.n > 0, o->allow_sysctls, "/sysctl", KEY("allow_sysctls"),
                  "kernel parameters are not allowed" },
                { !inspect_word_is(c->systemd, SLICE("false")), o->allow_systemd_mode, "/systemd",
                  KEY("allow_systemd_mode"), "systemd mode is not allowed; it must be switched off" },
                { c->idmappings.uids.n > 0 || c->idmappings.gids.n > 0 || c->idmappings.automatic,
                  o->allow_custom_id_mappings, "/idmappings", KEY("allow_custom_id_mappings"),
                  "user id mappings of one's own are not allowed" },
        };

        return JUDGE_GATES(in, gates, r);
}

static bool says_something(struct json_value v) {
        return !judge_absent(v) &&
               (v.type == JSON_ARRAY || v.type == JSON_OBJECT ? judge_not_empty(v) : v.type != JSON_FALSE);
}

static bool steers_runtime(const struct libpod_container *c, struct arena *a) {
        for (size_t i = 0; i < c->annotations.n; i++)
                if (slice_starts(unicode_lower(a, unicode_trim(c->annotations.names[i])), SLICE("run.oci.")))
                        return true;
        return !inspect_is_blank(c->oci_runtime);
}

/* 14.2: what else reaches the host. */
static bool judge_rest(const struct inspect_input *in, const struct libpod_container *c, struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        bool verified = inspect_trust_enforced(in, &o->image_trust);
        const struct gate gates[] = {
                { !inspect_is_blank(c->rootfs) || says_something(c->rootfs_overlay), o->allow_rootfs && !verified,
                  "/rootfs", KEY("allow_rootfs"), "a directory of the host as root file system is not allowed" },
                { says_something(c->image_volumes) || says_something(c->artifact_volumes),
                  o->allow_image_volumes && !verified, "/image_volumes", KEY("allow_image_volumes"),
                  "images as volumes are not allowed" },
                { says_something(c->volumes_from), o->allow_volumes_from, "/volumes_from", KEY("allow_volumes_from"),
                  "the volumes of another container are not allowed" },
                { says_something(c->devices_from), o->allow_all_devices, "/devices_from", KEY("allow_all_devices"),
                  "the devices of another container are not allowed" },
                { says_something(c->device_rules), o->allow_all_devices, "/device_cgroup_rule",
                  KEY("allow_all_devices"), "device rules of one's own are not allowed" },
                { says_something(c->unmask) || says_something(c->procfs), o->allow_unmasked_paths, "/unmask",
                  KEY("allow_unmasked_paths"), "unmasking paths of the kernel is not allowed" },
                { !inspect_is_blank(c->cgroup_parent), o->allow_cgroup_parent, "/cgroup_parent",
                  KEY("allow_cgroup_parent"), "choosing the parent cgroup is not allowed" },
                { !inspect_is_blank(c->cgroups_mode) && !inspect_word_is(c->cgroups_mode, SLICE("enabled")) &&
                          !inspect_word_is(c->cgroups_mode, SLICE("default")),
                  o->allow_cgroup_parent, "/cgroups_mode", KEY("allow_cgroup_parent"),
                  "this cgroups mode is not allowed" },
                { !inspect_is_blank(c->log.path) || !inspect_is_blank(c->conmon_pid_file) ||
                          !inspect_is_blank(c->pid_file) || !inspect_is_blank(c->init_path),
                  o->allow_host_files, "/log_configuration/path", KEY("allow_host_files"),
                  "naming files of the host is not allowed" },
                { steers_runtime(c, in->arena), o->allow_oci_runtime, "/oci_runtime", KEY("allow_oci_runtime"),
                  "choosing or steering the OCI runtime is not allowed" },
                { c->env_host || says_something(c->hostusers) ||
                          inspect_strings_have_word(&c->groups, SLICE("keep-groups")),
                  o->allow_host_identity, "/env_host", KEY("allow_host_identity"),
                  "the service's environment, users and groups are not for containers" },
                { says_something(c->secrets) || says_something(c->env_secrets), o->allow_secrets, "/secrets",
                  KEY("allow_secrets"), "secrets are not allowed" },
                { !inspect_is_blank(c->pod), o->allow_pod, "/pod", KEY("allow_pod"), "joining a pod is not allowed" },
        };

        return JUDGE_GATES(in, gates, r);
}

static void inspect_container(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        struct libpod_container *c = arena_new(in->arena, struct libpod_container);
        size_t at;

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, container_fields, c))
                return;
        if (c->privileged && !o->allow_privileged) {
                inspect_deny(in, r, "/privileged", SLICE("true"), KEY("allow_privileged"),
                             "privileged containers are not allowed");
                return;
        }
        if (!judge_namespaces(in, c, r) || !libpod_mounts_check(in, &c->mounts, r) ||
            !libpod_volumes_check(in, &c->volumes, &c->overlays, r) ||
            !libpod_devices_check(in, &c->devices, "/devices", r) ||
            !libpod_devices_check(in, &c->host_devices, "/host_device_list", r))
                return;
        if (!o->allow_all_capabilities &&
            !inspect_capabilities_allowed(in, &c->cap_add, o->allowed_capabilities, true, &at)) {
                inspect_deny(in, r, inspect_at(in, "/cap_add", at), c->cap_add.at[at], KEY("allowed_capabilities"),
                             "this capability is not allowed");
                return;
        }
        if (!judge_hardening(in, c, r) || !judge_limits(in, c, r) || !judge_rest(in, c, r))
                return;
        (void) inspect_trust_image(in, r, &o->image_trust, c->image, "/image", KEY("image_trust.mode"));
}

static void precheck_container(const struct inspect_input *in, struct inspect_result *r) {
        (void) inspect_trust_ready(in, r, &in->options->libpod_container_create.image_trust, "/image",
                                   KEY("image_trust.mode"));
}

/* Documents of a YAML stream: what stands between lines of "---", when it is more than blanks and comments. */
static uint32_t count_documents(struct slice text) {
        bool open = false;
        uint32_t n = 0;

        while (text.len > 0) {
                struct slice line;

                slice_cut(text, '\n', &line, &text);
                if (slice_starts(line, SLICE("---"))) {
                        open = false;
                        line = slice_from(line, 3);
                }
                line = unicode_trim(line);
                if (line.len == 0 || line.at[0] == '#' || open)
                        continue;
                open = true;
                n++;
        }
        return n;
}

/*
 * Kubernetes YAML is never parsed: a policy that lets it through has accepted that (chapter 04, 13.1). It is read all
 * the same, so that it is bounded, and its documents are counted for the log.
 */
static void inspect_kube(const struct inspect_input *in, struct inspect_result *r) {
        r->documents = count_documents(in->body);
}

const struct inspector inspect_libpod_rows[] = {
        { HTTP_POST, "/libpod/containers/create", INSPECT_JSON, BODY_MAX, inspect_container,
          .precheck = precheck_container, .name = "libpod_container_create" },
        { HTTP_POST, "/libpod/pods/create", INSPECT_JSON, BODY_MAX, inspect_libpod_pod, .name = "libpod_pod_create" },
        { HTTP_POST, "/libpod/play/kube", INSPECT_RAW, BODY_MAX, inspect_kube, .name = "libpod_kube" },
        { HTTP_POST, "/libpod/kube/play", INSPECT_RAW, BODY_MAX, inspect_kube, .name = "libpod_kube" },
        { HTTP_POST, "/libpod/kube/apply", INSPECT_RAW, BODY_MAX, inspect_kube, .name = "libpod_kube" },
        { 0 },
};
