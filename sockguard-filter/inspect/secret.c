/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/judge.h"

/*
 * Secrets and configs: POST /secrets/create, /configs/create, /libpod/secrets/create (chapter 04, 8 and 14.7). The data
 * itself is neither decoded nor kept.
 */

#define BODY_MAX (1024u * 1024)

struct templating {
        struct slice name;
};

struct secret {
        struct json_value driver;
        struct slice template_driver;
        struct templating templating;
};

static const struct json_field templating_fields[] = {
        JSON_FIELD(struct templating, name, "Name", JSON_K_STRING),
};

static const struct json_field secret_fields[] = {
        JSON_FIELD(struct secret, driver, "Driver", JSON_K_VALUE),
        JSON_FIELD(struct secret, template_driver, "TemplateDriver", JSON_K_STRING),
        JSON_NESTED(struct secret, templating, "Templating", JSON_K_STRUCT, struct templating, templating_fields),
};

/* A text, or what the engine itself reads: an object with a Name. False: neither, *r filled in. */
static bool driver_name(const struct inspect_input *in, struct json_value driver, struct slice *ret,
                        struct inspect_result *r) {
        struct templating named = { 0 };

        *ret = (struct slice){ 0 };
        switch (driver.type) {
        case JSON_ABSENT:
        case JSON_NULL:
                return true;
        case JSON_STRING:
                *ret = unicode_trim(json_string(driver, in->arena));
                return true;
        case JSON_OBJECT:
                if (!judge_decode_value(in, driver, "/Driver", templating_fields, 1, &named, r))
                        return false;
                *ret = unicode_trim(named.name);
                return true;
        default:
                inspect_deny(in, r, "/Driver", (struct slice){ 0 }, NULL, "/Driver is neither a string nor an object");
                return false;
        }
}

static void judge_drivers(const struct inspect_input *in, const char *key, bool custom, bool templates,
                          struct inspect_result *r) {
        struct secret s = { 0 };
        struct slice driver, template;

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, secret_fields, &s) || !driver_name(in, s.driver, &driver, r))
                return;
        if ((driver.len > 0 || s.driver.type == JSON_OBJECT) && !custom) {
                inspect_deny(in, r, "/Driver", driver,
                             arena_printf(in->arena, "request_body.%s.allow_custom_drivers", key).at,
                             "a %s driver is not allowed", key);
                return;
        }
        template = unicode_trim(s.template_driver);
        if (template.len == 0)
                template = unicode_trim(s.templating.name);
        if (template.len > 0 && !templates)
                inspect_deny(in, r, "/Templating/Name", template,
                             arena_printf(in->arena, "request_body.%s.allow_template_drivers", key).at,
                             "a %s template is not allowed", key);
}

static void inspect_secret(const struct inspect_input *in, struct inspect_result *r) {
        judge_drivers(in, "secret", in->options->secret.allow_custom_drivers,
                      in->options->secret.allow_template_drivers, r);
}

static void inspect_config(const struct inspect_input *in, struct inspect_result *r) {
        judge_drivers(in, "config", in->options->config.allow_custom_drivers,
                      in->options->config.allow_template_drivers, r);
}

/* Podman takes everything but the data from the query. */
static void inspect_libpod_secret(const struct inspect_input *in, struct inspect_result *r) {
        struct slice driver, options;

        if (!judge_parameter(in, "driver", &driver, r) || !judge_parameter(in, "driveropts", &options, r))
                return;
        if (in->options->libpod_secret.allow_custom_drivers)
                return;
        if (driver.len > 0)
                inspect_deny(in, r, "?driver", driver, "request_body.libpod_secret.allow_custom_drivers",
                             "choosing a secret driver is not allowed");
        else if (options.len > 0)
                inspect_deny(in, r, "?driveropts", (struct slice){ 0 },
                             "request_body.libpod_secret.allow_custom_drivers",
                             "options of a secret driver are not allowed");
}

const struct inspector inspect_secret_rows[] = {
        { HTTP_POST, "/secrets/create", INSPECT_JSON, BODY_MAX, inspect_secret, .name = "secret" },
        { HTTP_POST, "/configs/create", INSPECT_JSON, BODY_MAX, inspect_config, .name = "config" },
        { HTTP_POST, "/libpod/secrets/create", INSPECT_NO_BODY, 0, inspect_libpod_secret, .name = "libpod_secret" },
        { 0 },
};
