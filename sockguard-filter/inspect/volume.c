/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/judge.h"

/* POST /volumes/create and /libpod/volumes/create (chapter 04, 6 and 14.5). */

#define BODY_MAX (1024u * 1024)

static bool driver_check(const struct inspect_input *in, const struct opt_volume *policy, const char *block,
                         struct slice driver, struct inspect_result *r) {
        if (inspect_is_blank(driver) || inspect_word_is(driver, SLICE("local")) || policy->allow_custom_drivers)
                return true;
        inspect_deny(in, r, "/Driver", driver,
                     arena_printf(in->arena, "request_body.%s.allow_custom_drivers", block).at,
                     "volume driver is not allowed");
        return false;
}

struct volume {
        struct slice driver;
        struct json_string_map driver_opts, opts;
        struct json_value cluster;
};

static const struct json_field docker_fields[] = {
        JSON_FIELD(struct volume, driver, "Driver", JSON_K_STRING),
        JSON_FIELD(struct volume, driver_opts, "DriverOpts", JSON_K_STRING_MAP),
        JSON_FIELD(struct volume, opts, "Opts", JSON_K_STRING_MAP),
        JSON_FIELD(struct volume, cluster, "ClusterVolumeSpec", JSON_K_VALUE),
};

static void inspect_volume(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_volume *policy = &in->options->volume;
        struct volume v = { 0 };

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, docker_fields, &v))
                return;
        if (!driver_check(in, policy, "volume", v.driver, r) ||
            !judge_volume_options(in, policy, "volume", &v.driver_opts, "/DriverOpts", r) ||
            !judge_volume_options(in, policy, "volume", &v.opts, "/Opts", r))
                return;
        if (!judge_absent(v.cluster) && !policy->allow_custom_drivers)
                inspect_deny(in, r, "/ClusterVolumeSpec", (struct slice){ 0 },
                             "request_body.volume.allow_custom_drivers",
                             "cluster volumes use a driver of their own, which is not allowed");
}

/* Podman calls the options Options; DriverOpts and ClusterVolumeSpec mean nothing to it. */
static const struct json_field libpod_fields[] = {
        JSON_FIELD(struct volume, driver, "Driver", JSON_K_STRING),
        JSON_FIELD(struct volume, opts, "Options", JSON_K_STRING_MAP),
};

static void inspect_libpod_volume(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_volume *policy = &in->options->libpod_volume;
        struct volume v = { 0 };

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, libpod_fields, &v))
                return;
        if (driver_check(in, policy, "libpod_volume", v.driver, r))
                (void) judge_volume_options(in, policy, "libpod_volume", &v.opts, "/Options", r);
}

const struct inspector inspect_volume_rows[] = {
        { HTTP_POST, "/volumes/create", INSPECT_JSON, BODY_MAX, inspect_volume, .name = "volume" },
        { HTTP_POST, "/libpod/volumes/create", INSPECT_JSON, BODY_MAX, inspect_libpod_volume, .name = "libpod_volume" },
        { 0 },
};
