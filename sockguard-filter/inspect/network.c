/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/judge.h"

/* Networks, Docker's and Podman's (chapter 04, 7 and 14.6). */

#define BODY_MAX (1024u * 1024)

static const char *const known_drivers[] = { "bridge", "host", "ipvlan", "macvlan", "none", "null", "overlay" };

static bool is_known_driver(struct slice driver, struct arena *a) {
        driver = unicode_lower(a, unicode_trim(driver));
        if (driver.len == 0)
                return true;
        for (size_t i = 0; i < sizeof(known_drivers) / sizeof(known_drivers[0]); i++)
                if (slice_eq(driver, slice_of(known_drivers[i])))
                        return true;
        return false;
}

/* ---- create ---- */

struct ipam {
        struct slice driver;
        struct json_value config, options;
};

struct config_from {
        struct slice network;
};

struct network {
        struct slice driver, scope;
        bool ingress, attachable, config_only;
        struct config_from *config_from;
        struct ipam *ipam;
        struct json_value options;
        struct json_opt_bool enable_ipv4;
};

static const struct json_field ipam_fields[] = {
        JSON_FIELD(struct ipam, driver, "Driver", JSON_K_STRING),
        JSON_FIELD(struct ipam, config, "Config", JSON_K_ARRAY),
        JSON_FIELD(struct ipam, options, "Options", JSON_K_OBJECT),
};

static const struct json_field config_from_fields[] = {
        JSON_FIELD(struct config_from, network, "Network", JSON_K_STRING),
};

static const struct json_field network_fields[] = {
        JSON_FIELD(struct network, driver, "Driver", JSON_K_STRING),
        JSON_FIELD(struct network, scope, "Scope", JSON_K_STRING),
        JSON_FIELD(struct network, ingress, "Ingress", JSON_K_BOOL),
        JSON_FIELD(struct network, attachable, "Attachable", JSON_K_BOOL),
        JSON_FIELD(struct network, config_only, "ConfigOnly", JSON_K_BOOL),
        JSON_NESTED(struct network, config_from, "ConfigFrom", JSON_K_OPT_STRUCT, struct config_from,
                    config_from_fields),
        JSON_NESTED(struct network, ipam, "IPAM", JSON_K_OPT_STRUCT, struct ipam, ipam_fields),
        JSON_FIELD(struct network, options, "Options", JSON_K_OBJECT),
        JSON_FIELD(struct network, enable_ipv4, "EnableIPv4", JSON_K_OPT_BOOL),
};

static void inspect_network_create(const struct inspect_input *in, struct inspect_result *r) {
        static const struct ipam no_ipam;
        const struct opt_network *o = &in->options->network;
        const struct ipam *ipam;
        struct network n = { 0 };
        struct slice ipam_driver;

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, network_fields, &n))
                return;
        ipam = n.ipam ? n.ipam : &no_ipam;
        ipam_driver = unicode_lower(in->arena, unicode_trim(ipam->driver));
        const struct gate gates[] = {
                { !is_known_driver(n.driver, in->arena), o->allow_custom_drivers, "/Driver",
                  "request_body.network.allow_custom_drivers", "network driver is not allowed" },
                { unicode_fold_eq(unicode_trim(n.scope), SLICE("swarm")), o->allow_swarm_scope, "/Scope",
                  "request_body.network.allow_swarm_scope", "networks of the swarm are not allowed" },
                { n.ingress, o->allow_ingress, "/Ingress", "request_body.network.allow_ingress",
                  "ingress networks are not allowed" },
                { n.attachable, o->allow_attachable, "/Attachable", "request_body.network.allow_attachable",
                  "attachable networks are not allowed" },
                { n.config_only, o->allow_config_only, "/ConfigOnly", "request_body.network.allow_config_only",
                  "configuration-only networks are not allowed" },
                { n.config_from, o->allow_config_from, "/ConfigFrom", "request_body.network.allow_config_from",
                  "taking the configuration of another network is not allowed" },
                { ipam_driver.len > 0 && !slice_eq(ipam_driver, SLICE("default")) &&
                          !slice_eq(ipam_driver, SLICE("null")),
                  o->allow_custom_ipam_drivers, "/IPAM/Driver", "request_body.network.allow_custom_ipam_drivers",
                  "IPAM driver is not allowed" },
                { judge_not_empty(ipam->config), o->allow_custom_ipam_config, "/IPAM/Config",
                  "request_body.network.allow_custom_ipam_config", "choosing address ranges is not allowed" },
                { judge_not_empty(ipam->options), o->allow_ipam_options, "/IPAM/Options",
                  "request_body.network.allow_ipam_options", "IPAM options are not allowed" },
                { judge_not_empty(n.options), o->allow_driver_options, "/Options",
                  "request_body.network.allow_driver_options", "network driver options are not allowed" },
                { n.enable_ipv4.set && !n.enable_ipv4.value, o->allow_disable_ipv4, "/EnableIPv4",
                  "request_body.network.allow_disable_ipv4", "networks without IPv4 are not allowed" },
        };

        (void) JUDGE_GATES(in, gates, r);
}

/* ---- connect and disconnect ---- */

struct connect {
        struct inspect_endpoint *endpoint;
};

static const struct json_field connect_fields[] = {
        JSON_NESTED(struct connect, endpoint, "EndpointConfig", JSON_K_OPT_STRUCT, struct inspect_endpoint,
                    inspect_endpoint_fields),
};

static void inspect_connect(const struct inspect_input *in, struct inspect_result *r) {
        struct connect c = { 0 };

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, connect_fields, &c))
                return;
        if (c.endpoint)
                (void) inspect_endpoint_allowed(in, r, c.endpoint, &in->options->network, "network", "/EndpointConfig");
}

struct disconnect {
        bool force;
};

static const struct json_field disconnect_fields[] = {
        JSON_FIELD(struct disconnect, force, "Force", JSON_K_BOOL),
};

static void inspect_disconnect(const struct inspect_input *in, struct inspect_result *r) {
        struct disconnect d = { 0 };

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, disconnect_fields, &d))
                return;
        if (d.force && !in->options->network.allow_disconnect_force)
                inspect_deny(in, r, "/Force", (struct slice){ 0 }, "request_body.network.allow_disconnect_force",
                             "forcing a container off its network is not allowed");
}

/* ---- Podman ---- */

struct libpod_network {
        struct slice driver;
        struct json_string_map options, ipam_options;
        struct json_value subnets, routes, dns_servers;
        struct slice network_interface;
};

static const struct json_field libpod_network_fields[] = {
        JSON_FIELD(struct libpod_network, driver, "driver", JSON_K_STRING),
        JSON_FIELD(struct libpod_network, options, "options", JSON_K_STRING_MAP),
        JSON_FIELD(struct libpod_network, subnets, "subnets", JSON_K_ARRAY),
        JSON_FIELD(struct libpod_network, ipam_options, "ipam_options", JSON_K_STRING_MAP),
        JSON_FIELD(struct libpod_network, routes, "routes", JSON_K_ARRAY),
        JSON_FIELD(struct libpod_network, network_interface, "network_interface", JSON_K_STRING),
        JSON_FIELD(struct libpod_network, dns_servers, "network_dns_servers", JSON_K_ARRAY),
};

static void inspect_libpod_network(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_network *o = &in->options->libpod_network;
        struct libpod_network n = { 0 };

        if (in->body.len == 0 || !INSPECT_DECODE(in, r, libpod_network_fields, &n))
                return;
        const struct gate gates[] = {
                { !is_known_driver(n.driver, in->arena), o->allow_custom_drivers, "/driver",
                  "request_body.libpod_network.allow_custom_drivers", "network driver is not allowed" },
                { n.options.n > 0, o->allow_driver_options, "/options",
                  "request_body.libpod_network.allow_driver_options", "network driver options are not allowed" },
                { judge_not_empty(n.subnets), o->allow_custom_ipam_config, "/subnets",
                  "request_body.libpod_network.allow_custom_ipam_config", "choosing address ranges is not allowed" },
                { n.ipam_options.n > 0, o->allow_ipam_options, "/ipam_options",
                  "request_body.libpod_network.allow_ipam_options", "IPAM options are not allowed" },
                /* A route, a bridge of the host's and a name server reach beyond the new network as address ranges do.
                 */
                { judge_not_empty(n.routes), o->allow_custom_ipam_config, "/routes",
                  "request_body.libpod_network.allow_custom_ipam_config", "routes are not allowed" },
                { unicode_trim(n.network_interface).len > 0, o->allow_driver_options, "/network_interface",
                  "request_body.libpod_network.allow_driver_options", "choosing the host's interface is not allowed" },
                { judge_not_empty(n.dns_servers), o->allow_custom_ipam_config, "/network_dns_servers",
                  "request_body.libpod_network.allow_custom_ipam_config", "name servers of one's own are not allowed" },
        };

        (void) JUDGE_GATES(in, gates, r);
}

/* Flat, unlike Docker's: the members of an endpoint are at the top. */
struct libpod_connect {
        struct json_strings static_ips, aliases;
        struct slice static_mac, interface_name;
        struct json_value options;
};

static const struct json_field libpod_connect_fields[] = {
        JSON_FIELD(struct libpod_connect, static_ips, "static_ips", JSON_K_STRINGS),
        JSON_FIELD(struct libpod_connect, aliases, "aliases", JSON_K_STRINGS),
        JSON_FIELD(struct libpod_connect, static_mac, "static_mac", JSON_K_STRING),
        JSON_FIELD(struct libpod_connect, interface_name, "interface_name", JSON_K_STRING),
        JSON_FIELD(struct libpod_connect, options, "options", JSON_K_OBJECT),
};

static void inspect_libpod_connect(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_network *o = &in->options->libpod_network;
        const struct opt_endpoint_config *oe = &o->endpoint_config;
        struct libpod_connect c = { 0 };

        if (in->body.len == 0 || o->allow_endpoint_config || in->options->libpod_uninspected)
                return;
        if (!INSPECT_DECODE(in, r, libpod_connect_fields, &c))
                return;
        const struct gate gates[] = {
                { c.static_ips.n > 0, oe->allow_static_addressing, "/static_ips",
                  "request_body.libpod_network.endpoint_config.allow_static_addressing",
                  "choosing an endpoint's address is not allowed" },
                { unicode_trim(c.static_mac).len > 0, oe->allow_mac_pinning, "/static_mac",
                  "request_body.libpod_network.endpoint_config.allow_mac_pinning",
                  "choosing a MAC address is not allowed" },
                { unicode_trim(c.interface_name).len > 0, false, "/interface_name",
                  "request_body.libpod_network.allow_endpoint_config", "choosing an interface's name is not allowed" },
                { judge_not_empty(c.options), false, "/options", "request_body.libpod_network.allow_endpoint_config",
                  "an endpoint's driver options are not allowed" },
                { c.aliases.n > 0, oe->allow_aliases, "/aliases",
                  "request_body.libpod_network.endpoint_config.allow_aliases", "aliases are not allowed" },
        };

        (void) JUDGE_GATES(in, gates, r);
}

static void inspect_libpod_disconnect(const struct inspect_input *in, struct inspect_result *r) {
        struct disconnect d = { 0 };

        if (in->body.len == 0 || in->options->libpod_uninspected || !INSPECT_DECODE(in, r, disconnect_fields, &d))
                return;
        if (d.force && !in->options->libpod_network.allow_disconnect_force)
                inspect_deny(in, r, "/Force", (struct slice){ 0 }, "request_body.libpod_network.allow_disconnect_force",
                             "forcing a container off its network is not allowed");
}

const struct inspector inspect_network_rows[] = {
        { HTTP_POST, "/networks/create", INSPECT_JSON, BODY_MAX, inspect_network_create, .name = "network" },
        { HTTP_POST, "/networks/{}/connect", INSPECT_JSON, BODY_MAX, inspect_connect, .name = "network" },
        { HTTP_POST, "/networks/{}/disconnect", INSPECT_JSON, BODY_MAX, inspect_disconnect, .name = "network" },
        { HTTP_POST, "/libpod/networks/create", INSPECT_JSON, BODY_MAX, inspect_libpod_network,
          .name = "libpod_network" },
        { HTTP_POST, "/libpod/networks/{}/connect", INSPECT_JSON, BODY_MAX, inspect_libpod_connect,
          .name = "libpod_network" },
        { HTTP_POST, "/libpod/networks/{}/disconnect", INSPECT_JSON, BODY_MAX, inspect_libpod_disconnect,
          .name = "libpod_network" },
        { 0 },
};
