/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/facts.h"
#include "inspect/judge.h"
#include "inspect/registry.h"

/* Plugins: pull, upgrade, set, create (chapter 04, 12). Capabilities are compared with their CAP_ here. */

#define BODY_MAX (1024u * 1024)
#define ARCHIVE_MAX (512ull * 1024 * 1024)
#define CONFIG_MAX "65536"
#define KEY(name) "request_body.plugin." name

static struct registry_policy plugin_policy(const struct inspect_input *in) {
        const struct opt_plugin *o = &in->options->plugin;

        return (struct registry_policy){ "request_body.plugin", o->allow_all_registries, o->allow_official,
                                         o->allowed_registries };
}

/* ---- pull and upgrade: the privileges that the client grants ---- */

struct privilege {
        struct slice name, description;
        struct json_strings value;
};

static const struct json_field privilege_fields[] = {
        JSON_FIELD(struct privilege, name, "Name", JSON_K_STRING),
        JSON_FIELD(struct privilege, description, "Description", JSON_K_STRING),
        JSON_FIELD(struct privilege, value, "Value", JSON_K_STRINGS),
};

static bool is_host(const struct inspect_input *in, struct slice value) {
        (void) in;
        return inspect_is_host(value);
}

static bool is_true(const struct inspect_input *in, struct slice value) {
        value = unicode_lower(in->arena, unicode_trim(value));
        return value.len > 0 && !slice_eq(value, SLICE("false")) && !slice_eq(value, SLICE("0"));
}

/* An empty value asks for nothing; a relative one for something nobody can name. */
static bool is_foreign_mount(const struct inspect_input *in, struct slice value) {
        return value.len > 0 && !inspect_path_allowed(in, value, in->options->plugin.allowed_bind_mounts);
}

static bool is_foreign_device(const struct inspect_input *in, struct slice value) {
        return value.len > 0 && !inspect_path_allowed(in, value, in->options->plugin.allowed_devices);
}

static bool is_foreign_capability(const struct inspect_input *in, struct slice value) {
        struct json_strings one = { .n = 1, .at = &value };
        size_t at;

        return !inspect_capabilities_allowed(in, &one, in->options->plugin.allowed_capabilities, false, &at);
}

static bool judge_privilege(const struct inspect_input *in, const struct privilege *p, const char *at,
                            struct inspect_result *r) {
        const struct opt_plugin *o = &in->options->plugin;
        const struct {
                const char *name;
                bool allowed;
                bool (*denied)(const struct inspect_input *in, struct slice value);
                const char *option, *reason;
        } known[] = {
                { "network", o->allow_host_network, is_host, KEY("allow_host_network"),
                  "a plugin in the host's network is not allowed" },
                { "mount", false, is_foreign_mount, KEY("allowed_bind_mounts"),
                  "a plugin with this mount is not allowed" },
                { "device", o->allow_all_devices, is_foreign_device, KEY("allowed_devices"),
                  "a plugin with this device is not allowed" },
                { "capabilities", o->allow_all_capabilities, is_foreign_capability, KEY("allowed_capabilities"),
                  "a plugin with this capability is not allowed" },
                { "allow-all-devices", o->allow_all_devices, is_true, KEY("allow_all_devices"),
                  "a plugin with all devices is not allowed" },
                { "host ipc namespace", o->allow_host_ipc, is_true, KEY("allow_host_ipc"),
                  "a plugin in the host's IPC namespace is not allowed" },
                { "ipchost", o->allow_host_ipc, is_true, KEY("allow_host_ipc"),
                  "a plugin in the host's IPC namespace is not allowed" },
                { "host pid namespace", o->allow_host_pid, is_true, KEY("allow_host_pid"),
                  "a plugin in the host's PID namespace is not allowed" },
                { "pidhost", o->allow_host_pid, is_true, KEY("allow_host_pid"),
                  "a plugin in the host's PID namespace is not allowed" },
        };
        struct slice name = unicode_lower(in->arena, unicode_trim(p->name));

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                if (!slice_eq(name, slice_of(known[i].name)))
                        continue;
                for (size_t j = 0; j < p->value.n && !known[i].allowed; j++)
                        if (known[i].denied(in, p->value.at[j])) {
                                inspect_deny(in, r, inspect_at(in, arena_printf(in->arena, "%s/Value", at).at, j),
                                             p->value.at[j], known[i].option, "%s", known[i].reason);
                                return false;
                        }
                return true;
        }
        inspect_deny(in, r, inspect_under(in, at, SLICE("Name")), p->name, NULL,
                     "this plugin privilege is not known here");
        return false;
}

static void precheck_pull(const struct inspect_input *in, struct inspect_result *r) {
        const struct registry_policy policy = plugin_policy(in);
        struct slice remote;

        if (registry_auth_check(in, &policy, r) && judge_parameter(in, "remote", &remote, r))
                (void) registry_check(in, &policy, remote, "?remote", r);
}

/* An array, or null for an empty one. */
static bool is_list(const struct inspect_input *in, struct inspect_result *r) {
        if (in->json.type == JSON_ARRAY || in->json.type == JSON_NULL)
                return true;
        inspect_deny(in, r, "", SLICE(""), NULL, "the request body is malformed: it is no list");
        return false;
}

static void inspect_pull(const struct inspect_input *in, struct inspect_result *r) {
        struct json_iter it;
        struct json_value v;
        size_t i = 0;

        if (in->body.len == 0 || !is_list(in, r))
                return;
        /* Types first: a body that is half understood is not judged by that half. */
        for (it = json_iter_of(in->json); json_next(&it, NULL, &v); i++) {
                struct privilege p = { 0 };

                if (!judge_decode_value(in, v, inspect_at(in, "", i), privilege_fields,
                                        sizeof(privilege_fields) / sizeof(privilege_fields[0]), &p, r))
                        return;
        }
        for (i = 0, it = json_iter_of(in->json); json_next(&it, NULL, &v); i++) {
                struct privilege p = { 0 };

                (void) json_decode(v, privilege_fields, sizeof(privilege_fields) / sizeof(privilege_fields[0]), &p,
                                   in->arena, NULL);
                if (!judge_privilege(in, &p, inspect_at(in, "", i), r))
                        return;
        }
}

/* ---- set: settings of an installed plugin, "key=value" ---- */

enum setting { SETTING_OTHER, SETTING_MOUNT, SETTING_DEVICE };

static enum setting classify_setting(const struct inspect_input *in, struct slice key, struct slice value) {
        struct slice lower = unicode_lower(in->arena, key);
        bool absolute = value.len > 0 && value.at[0] == '/';

        if (key.len == 0 || value.len == 0)
                return SETTING_OTHER;
        if (slice_ends(lower, SLICE(".source")))
                return absolute ? SETTING_MOUNT : SETTING_OTHER;
        if (slice_ends(lower, SLICE(".path")))
                return absolute ? SETTING_DEVICE : SETTING_OTHER;
        if (slice_eq(unicode_upper(in->arena, key), key))
                return SETTING_OTHER; /* an environment variable */
        if (slice_starts(value, SLICE("/dev/")))
                return SETTING_DEVICE;
        return absolute ? SETTING_MOUNT : SETTING_OTHER;
}

static bool has_allowed_prefix(const struct inspect_input *in, struct slice setting) {
        struct plist list = in->options->plugin.allowed_set_env_prefixes;
        const struct pstr *at = policy_list(in->policy, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++) {
                struct slice prefix = unicode_trim(policy_str(in->policy, at[i]));

                if (prefix.len > 0 && slice_starts(setting, prefix))
                        return true;
        }
        return false;
}

static bool judge_setting(const struct inspect_input *in, struct slice setting, const char *at,
                          struct inspect_result *r) {
        const struct opt_plugin *o = &in->options->plugin;
        struct slice key, value;

        if (!slice_cut(setting, '=', &key, &value)) {
                inspect_deny(in, r, at, setting, NULL, "a plugin setting is not of the form key=value");
                return false;
        }
        key = unicode_trim(key);
        value = unicode_trim(value);
        switch (classify_setting(in, key, value)) {
        case SETTING_MOUNT:
                if (inspect_path_allowed(in, value, o->allowed_bind_mounts))
                        return true;
                inspect_deny(in, r, at, value, KEY("allowed_bind_mounts"), "setting this mount is not allowed");
                return false;
        case SETTING_DEVICE:
                if (inspect_path_allowed(in, value, o->allowed_devices))
                        return true;
                inspect_deny(in, r, at, value, KEY("allowed_devices"), "setting this device is not allowed");
                return false;
        default:
                if (has_allowed_prefix(in, setting))
                        return true;
                inspect_deny(in, r, at, key, KEY("allowed_set_env_prefixes"), "this plugin setting is not allowed");
                return false;
        }
}

static void inspect_set(const struct inspect_input *in, struct inspect_result *r) {
        struct json_iter it;
        struct json_value v;
        size_t i = 0;

        if (in->body.len == 0 || !is_list(in, r))
                return;
        for (it = json_iter_of(in->json); json_next(&it, NULL, &v); i++)
                if (v.type != JSON_STRING && v.type != JSON_NULL) {
                        inspect_deny(in, r, inspect_at(in, "", i), SLICE(""), NULL,
                                     "the request body is malformed: a setting is no string");
                        return;
                }
        for (i = 0, it = json_iter_of(in->json); json_next(&it, NULL, &v); i++)
                if (!judge_setting(in, v.type == JSON_STRING ? json_string(v, in->arena) : SLICE(""),
                                   inspect_at(in, "", i), r))
                        return;
}

/* ---- create: a tar with config.json ---- */

struct config_mount {
        struct slice source;
};

struct config_device {
        struct slice path;
};

struct config_network {
        struct slice type;
};

struct config_linux {
        struct json_strings capabilities;
        bool all_devices;
        struct json_list devices; /* of struct config_device */
};

struct plugin_config {
        struct config_network network;
        bool ipc_host, pid_host;
        struct slice propagated_mount;
        struct json_list mounts; /* of struct config_mount */
        struct config_linux linux_;
};

static const struct json_field config_mount_fields[] = { JSON_FIELD(struct config_mount, source, "Source",
                                                                    JSON_K_STRING) };
static const struct json_field config_device_fields[] = { JSON_FIELD(struct config_device, path, "Path",
                                                                     JSON_K_STRING) };
static const struct json_field config_network_fields[] = { JSON_FIELD(struct config_network, type, "Type",
                                                                      JSON_K_STRING) };

static const struct json_field config_linux_fields[] = {
        JSON_FIELD(struct config_linux, capabilities, "Capabilities", JSON_K_STRINGS),
        JSON_FIELD(struct config_linux, all_devices, "AllowAllDevices", JSON_K_BOOL),
        JSON_NESTED(struct config_linux, devices, "Devices", JSON_K_STRUCTS, struct config_device,
                    config_device_fields),
};

static const struct json_field plugin_config_fields[] = {
        JSON_NESTED(struct plugin_config, network, "Network", JSON_K_STRUCT, struct config_network,
                    config_network_fields),
        JSON_FIELD(struct plugin_config, ipc_host, "IpcHost", JSON_K_BOOL),
        JSON_FIELD(struct plugin_config, pid_host, "PidHost", JSON_K_BOOL),
        JSON_FIELD(struct plugin_config, propagated_mount, "PropagatedMount", JSON_K_STRING),
        JSON_NESTED(struct plugin_config, mounts, "Mounts", JSON_K_STRUCTS, struct config_mount, config_mount_fields),
        JSON_NESTED(struct plugin_config, linux_, "Linux", JSON_K_STRUCT, struct config_linux, config_linux_fields),
};

static void judge_config(const struct inspect_input *in, const struct plugin_config *c, struct inspect_result *r) {
        const struct opt_plugin *o = &in->options->plugin;
        const struct config_mount *mounts = c->mounts.at;
        const struct config_device *devices = c->linux_.devices.at;
        bool foreign_mount = is_foreign_mount(in, c->propagated_mount), foreign_device = false;
        size_t at;

        for (size_t i = 0; i < c->mounts.n; i++)
                foreign_mount |= is_foreign_mount(in, mounts[i].source);
        for (size_t i = 0; i < c->linux_.devices.n; i++)
                foreign_device |= is_foreign_device(in, devices[i].path);
        const struct gate gates[] = {
                { inspect_is_host(c->network.type), o->allow_host_network, "config.json/Network/Type",
                  KEY("allow_host_network"), "a plugin in the host's network is not allowed" },
                { c->ipc_host, o->allow_host_ipc, "config.json/IpcHost", KEY("allow_host_ipc"),
                  "a plugin in the host's IPC namespace is not allowed" },
                { c->pid_host, o->allow_host_pid, "config.json/PidHost", KEY("allow_host_pid"),
                  "a plugin in the host's PID namespace is not allowed" },
                { foreign_mount, false, "config.json/Mounts", KEY("allowed_bind_mounts"),
                  "a plugin with this mount is not allowed" },
                { !inspect_capabilities_allowed(in, &c->linux_.capabilities, o->allowed_capabilities, false, &at),
                  o->allow_all_capabilities, "config.json/Linux/Capabilities", KEY("allowed_capabilities"),
                  "a plugin with this capability is not allowed" },
                { c->linux_.all_devices, o->allow_all_devices, "config.json/Linux/AllowAllDevices",
                  KEY("allow_all_devices"), "a plugin with all devices is not allowed" },
                { foreign_device, o->allow_all_devices, "config.json/Linux/Devices", KEY("allowed_devices"),
                  "a plugin with this device is not allowed" },
        };

        (void) JUDGE_GATES(in, gates, r);
}

static void precheck_create(const struct inspect_input *in, struct inspect_result *r) {
        struct slice name;

        (void) judge_parameter(in, "name", &name, r);
}

static bool create_arguments(const struct inspect_input *in, const char **argv, size_t room) {
        (void) in;
        if (room < 7)
                return false;
        argv[0] = "-g";
        argv[1] = "4294967296";
        argv[2] = "-c";
        argv[3] = CONFIG_MAX;
        argv[4] = "--";
        argv[5] = "config.json";
        argv[6] = NULL;
        return true;
}

/*
 * The engine reads a tar, whatever Content-Type says, so a multipart body is no plugin. As with images, one plain
 * config.json is wanted, for the last one in the archive is what an engine keeps.
 */
static void inspect_create(const struct inspect_input *in, struct inspect_result *r) {
        const struct facts_watch *w;
        struct plugin_config c = { 0 };
        struct facts f;

        if (in->facts.len == 0 || !facts_read(in, 1, &f, r))
                return;
        w = &f.watch[0];
        if (w->odd || w->parent || w->count > 1 || f.first[FACTS_P_THROUGH_LINK].index) {
                inspect_deny(in, r, "config.json", SLICE(""), NULL,
                             "config.json is in the archive more than once, or is no plain file");
                return;
        }
        if (f.status == FACTS_S_HDR || f.status == FACTS_S_NOT_TAR || f.status == FACTS_S_GZIP ||
            f.status == FACTS_S_NONE || (f.status == FACTS_S_END && !w->has_content)) {
                inspect_deny(in, r, "config.json", SLICE(""), NULL, "the archive holds no config.json");
                return;
        }
        if (f.status != FACTS_S_END) {
                facts_fail(in, &f, r);
                return;
        }
        if (json_validate(w->content, 0, JSON_DEPTH_MAX, in->arena, NULL) < 0) {
                inspect_deny(in, r, "config.json", SLICE(""), NULL, "config.json is not valid JSON");
                return;
        }
        if (judge_decode_value(in, json_root(w->content), "config.json", plugin_config_fields,
                               sizeof(plugin_config_fields) / sizeof(plugin_config_fields[0]), &c, r))
                judge_config(in, &c, r);
}

const struct inspector inspect_plugin_rows[] = {
        { HTTP_POST, "/plugins/pull", INSPECT_JSON, BODY_MAX, inspect_pull, .precheck = precheck_pull,
          .name = "plugin" },
        { HTTP_POST, "/plugins/create", INSPECT_ARCHIVE, ARCHIVE_MAX, inspect_create, .precheck = precheck_create,
          .unpack_arguments = create_arguments, .name = "plugin" },
        { HTTP_POST, "/plugins/upgrade", INSPECT_JSON, BODY_MAX, inspect_pull, .precheck = precheck_pull,
          .name = "plugin" },
        { HTTP_POST, "/plugins/{}/upgrade", INSPECT_JSON, BODY_MAX, inspect_pull, .precheck = precheck_pull,
          .name = "plugin" },
        { HTTP_POST, "/plugins/set", INSPECT_JSON, BODY_MAX, inspect_set, .name = "plugin" },
        { HTTP_POST, "/plugins/{}/set", INSPECT_JSON, BODY_MAX, inspect_set, .name = "plugin" },
        { 0 },
};
