/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/common.h"

/*
 * POST /containers/{id}/update (chapter 03, 6.1): what a client mentions at all needs its permission, whatever the
 * value. The limits that must remain in force are the guard's business (inspect/guard.c).
 */

#define OPTION(key) "request_body.container_update." key

enum group { PRIVILEGED, DEVICES, CAPABILITIES, RESTART, RESOURCES, GROUP_MAX_ };

static const struct {
        const char *member;
        enum group group;
} members[] = {
        { "Privileged", PRIVILEGED },
        { "Devices", DEVICES },
        { "DeviceCgroupRules", DEVICES },
        { "DeviceRequests", DEVICES },
        { "CapAdd", CAPABILITIES },
        { "CapDrop", CAPABILITIES },
        { "Capabilities", CAPABILITIES },
        { "NoNewPrivileges", CAPABILITIES },
        { "SecurityOpt", CAPABILITIES },
        { "RestartPolicy", RESTART },
        { "BlkioDeviceReadBps", RESOURCES },
        { "BlkioDeviceReadIOps", RESOURCES },
        { "BlkioDeviceWriteBps", RESOURCES },
        { "BlkioDeviceWriteIOps", RESOURCES },
        { "BlkioWeight", RESOURCES },
        { "BlkioWeightDevice", RESOURCES },
        { "CgroupParent", RESOURCES },
        { "CgroupnsMode", RESOURCES },
        { "CpuCount", RESOURCES },
        { "CpuPercent", RESOURCES },
        { "CpuPeriod", RESOURCES },
        { "CpuQuota", RESOURCES },
        { "CpuRealtimePeriod", RESOURCES },
        { "CpuRealtimeRuntime", RESOURCES },
        { "CpuShares", RESOURCES },
        { "CpusetCpus", RESOURCES },
        { "CpusetMems", RESOURCES },
        { "IOMaximumBandwidth", RESOURCES },
        { "IOMaximumIOps", RESOURCES },
        { "KernelMemory", RESOURCES },
        { "KernelMemoryTCP", RESOURCES },
        { "Memory", RESOURCES },
        { "MemoryReservation", RESOURCES },
        { "MemorySwap", RESOURCES },
        { "MemorySwappiness", RESOURCES },
        { "NanoCpus", RESOURCES },
        { "OomKillDisable", RESOURCES },
        { "PidsLimit", RESOURCES },
        { "Resources", RESOURCES },
        { "Ulimits", RESOURCES },
};

/* The first mention of each group. */
struct mentions {
        struct {
                const char *object; /* JSON pointer of the object, NULL: not mentioned */
                struct slice name;  /* quoted */
                struct json_value value;
        } of[GROUP_MAX_];
};

static void collect(struct mentions *m, struct json_value object, const char *pointer) {
        struct json_iter it = json_iter_of(object);
        struct json_value v;
        struct slice name;

        while (object.type == JSON_OBJECT && json_next(&it, &name, &v))
                for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                        if (m->of[members[i].group].object || !json_name_folds_to(name, slice_of(members[i].member)))
                                continue;
                        m->of[members[i].group].object = pointer;
                        m->of[members[i].group].name = name;
                        m->of[members[i].group].value = v;
                }
}

void inspect_container_update(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_container_update *o = &in->options->container_update;
        const struct {
                bool allowed;
                const char *option, *what;
        } groups[GROUP_MAX_] = {
                [PRIVILEGED] = { o->allow_privileged, OPTION("allow_privileged"),
                                 "changing privileges is not allowed" },
                [DEVICES] = { o->allow_all_devices, OPTION("allow_all_devices"), "changing devices is not allowed" },
                [CAPABILITIES] = { o->allow_capabilities, OPTION("allow_capabilities"),
                                   "changing capabilities is not allowed" },
                [RESTART] = { o->allow_restart_policy, OPTION("allow_restart_policy"),
                              "changing the restart policy is not allowed" },
                [RESOURCES] = { o->allow_resource_updates, OPTION("allow_resource_updates"),
                                "changing resources is not allowed" },
        };
        struct json_value host = json_member(in->json, SLICE("HostConfig"));
        struct mentions m = { 0 };

        if (in->json.type != JSON_OBJECT && in->json.type != JSON_NULL) {
                inspect_deny(in, r, "", SLICE(""), NULL, "the request body is malformed: an object is expected");
                return;
        }
        collect(&m, in->json, "");
        collect(&m, host, "/HostConfig");
        collect(&m, json_member(in->json, SLICE("Resources")), "/Resources");
        collect(&m, json_member(host, SLICE("Resources")), "/HostConfig/Resources");
        for (size_t i = 0; i < GROUP_MAX_; i++)
                if (m.of[i].object && !groups[i].allowed) {
                        inspect_deny(in, r, inspect_under(in, m.of[i].object, json_name(m.of[i].name, in->arena)),
                                     m.of[i].value.text, groups[i].option, "%s", groups[i].what);
                        return;
                }
}

/* Podman's update takes OCI structures, devices among them, and the guard does not know them: all or nothing. */
void inspect_libpod_update(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_container_update *o = &in->options->container_update;

        if (o->allow_privileged && o->allow_all_devices && o->allow_capabilities && o->allow_restart_policy &&
            o->allow_resource_updates && !o->require_memory_limit && !o->require_cpu_limit &&
            !o->require_cpu_limit_hard && !o->require_pids_limit)
                return;
        inspect_deny(in, r, NULL, SLICE(""), OPTION("allow_resource_updates"),
                     "updating a container through the Podman API is not allowed");
}
