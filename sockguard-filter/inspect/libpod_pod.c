/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/libpod.h"
#include "inspect/registry.h"

/*
 * POST /libpod/pods/create (chapter 04, 14.4). What a pod shares with its containers is judged by the block for
 * containers: a pod would otherwise be the way around it.
 */

#define KEY(name) "request_body.libpod_pod_create." name
#define CONTAINER_KEY(name) "request_body.libpod_container_create." name

struct libpod_pod {
        struct libpod_namespace netns, pidns, ipcns, utsns, userns;
        struct json_strings shared;
        struct slice infra_image, infra_pid_file, cgroup_parent;
        struct json_list mounts, volumes, overlays;
        struct json_strings devices, security;
        struct json_value image_volumes, volumes_from;
        struct json_string_map sysctl;
};

#define NAMESPACE(member) \
        JSON_NESTED(struct libpod_pod, member, #member, JSON_K_STRUCT, struct libpod_namespace, libpod_namespace_fields)

static const struct json_field pod_fields[] = {
        NAMESPACE(netns),
        NAMESPACE(pidns),
        NAMESPACE(ipcns),
        NAMESPACE(utsns),
        NAMESPACE(userns),
        JSON_FIELD(struct libpod_pod, shared, "shared_namespaces", JSON_K_STRINGS),
        JSON_FIELD(struct libpod_pod, infra_image, "infra_image", JSON_K_STRING),
        JSON_FIELD(struct libpod_pod, infra_pid_file, "infra_conmon_pid_file", JSON_K_STRING),
        JSON_FIELD(struct libpod_pod, cgroup_parent, "cgroup_parent", JSON_K_STRING),
        JSON_NESTED(struct libpod_pod, mounts, "mounts", JSON_K_STRUCTS, struct libpod_mount, libpod_mount_fields),
        JSON_NESTED(struct libpod_pod, volumes, "volumes", JSON_K_STRUCTS, struct libpod_volume, libpod_volume_fields),
        JSON_NESTED(struct libpod_pod, overlays, "overlay_volumes", JSON_K_STRUCTS, struct libpod_overlay,
                    libpod_overlay_fields),
        JSON_FIELD(struct libpod_pod, devices, "pod_devices", JSON_K_STRINGS),
        JSON_FIELD(struct libpod_pod, security, "security_opt", JSON_K_STRINGS),
        JSON_FIELD(struct libpod_pod, image_volumes, "image_volumes", JSON_K_VALUE),
        JSON_FIELD(struct libpod_pod, volumes_from, "volumes_from", JSON_K_VALUE),
        JSON_FIELD(struct libpod_pod, sysctl, "sysctl", JSON_K_STRING_MAP),
};

static bool judge_namespaces(const struct inspect_input *in, const struct libpod_pod *p, struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        const struct libpod_namespace_row rows[] = {
                { &p->netns, "netns", KEY("allow_host_network"), in->options->libpod_pod_create.allow_host_network,
                  true },
                { &p->pidns, "pidns", CONTAINER_KEY("allow_host_pid"), o->allow_host_pid, true },
                { &p->ipcns, "ipcns", CONTAINER_KEY("allow_host_ipc"), o->allow_host_ipc, true },
                { &p->utsns, "utsns", CONTAINER_KEY("allow_host_uts"), o->allow_host_uts, true },
                { &p->userns, "userns", CONTAINER_KEY("allow_host_userns"), o->allow_host_userns, true },
        };

        return libpod_namespaces_check(in, rows, sizeof(rows) / sizeof(rows[0]), r);
}

static bool judge_infra_image(const struct inspect_input *in, struct slice image, struct inspect_result *r) {
        const struct registry_policy policy = { "request_body.libpod_pod_create", false, false,
                                                in->options->libpod_pod_create.allowed_infra_image_registries };

        if (registry_judge(in, &policy, image) == REGISTRY_ALLOWED)
                return true;
        inspect_deny(in, r, "/infra_image", image, KEY("allowed_infra_image_registries"),
                     "the infra image's registry is not allowed");
        return false;
}

static bool judge_devices(const struct inspect_input *in, const struct json_strings *devices,
                          struct inspect_result *r) {
        for (size_t i = 0; i < devices->n; i++)
                if (!libpod_device_check(in, devices->at[i], "/pod_devices", i, "", r))
                        return false;
        return true;
}

/* security_opt is free text ("label=disable", "seccomp=unconfined", "unmask=ALL"): only what is not there is known to
 * be harmless. */
static bool loosens(const struct json_strings *options) {
        for (size_t i = 0; i < options->n; i++)
                if (!inspect_is_blank(options->at[i]) && !inspect_word_is(options->at[i], SLICE("no-new-privileges")))
                        return true;
        return false;
}

void inspect_libpod_pod(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_libpod_container_create *o = &in->options->libpod_container_create;
        const struct opt_libpod_pod_create *op = &in->options->libpod_pod_create;
        struct libpod_pod *p = arena_new(in->arena, struct libpod_pod);

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, pod_fields, p))
                return;
        if (!judge_namespaces(in, p, r))
                return;
        if (inspect_strings_have_word(&p->shared, SLICE("pid")) && !op->allow_shared_pid_namespace) {
                inspect_deny(in, r, "/shared_namespaces", SLICE("pid"), KEY("allow_shared_pid_namespace"),
                             "sharing processes in a pod is not allowed");
                return;
        }
        if (!judge_infra_image(in, p->infra_image, r) || !libpod_mounts_check(in, &p->mounts, r) ||
            !libpod_volumes_check(in, &p->volumes, &p->overlays, r) || !judge_devices(in, &p->devices, r))
                return;
        const struct gate gates[] = {
                { p->sysctl.n > 0, o->allow_sysctls, "/sysctl", CONTAINER_KEY("allow_sysctls"),
                  "kernel parameters are not allowed" },
                { loosens(&p->security), o->allow_privileged, "/security_opt", CONTAINER_KEY("allow_privileged"),
                  "security options of a pod are not allowed" },
                { !inspect_is_blank(p->infra_pid_file), o->allow_host_files, "/infra_conmon_pid_file",
                  CONTAINER_KEY("allow_host_files"), "naming files of the host is not allowed" },
                { !inspect_is_blank(p->cgroup_parent), o->allow_cgroup_parent, "/cgroup_parent",
                  CONTAINER_KEY("allow_cgroup_parent"), "choosing the parent cgroup is not allowed" },
                { judge_not_empty(p->image_volumes), o->allow_image_volumes, "/image_volumes",
                  CONTAINER_KEY("allow_image_volumes"), "images as volumes are not allowed" },
                { judge_not_empty(p->volumes_from), o->allow_volumes_from, "/volumes_from",
                  CONTAINER_KEY("allow_volumes_from"), "the volumes of another container are not allowed" },
        };

        (void) JUDGE_GATES(in, gates, r);
}
