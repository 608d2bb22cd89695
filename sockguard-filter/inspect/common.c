/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/common.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/unicode.h"
#include "inspect/judge.h"

#define VALUE_SHOWN 64u /* bytes of an offending value that explain and --dry-run print */

void inspect_deny(const struct inspect_input *in, struct inspect_result *r, const char *pointer, struct slice value,
                  const char *option, const char *reason_format, ...) {
        char text[512];
        va_list ap;

        va_start(ap, reason_format);
        vsnprintf(text, sizeof(text), reason_format, ap);
        va_end(ap);
        *r = (struct inspect_result){
                .outcome = INSPECT_DENY,
                .reason = arena_dup(in->arena, slice_of(text)),
                .option = option,
                .value = arena_dup(in->arena, slice_upto(value, VALUE_SHOWN)),
        };
        if (pointer)
                r->pointer = arena_dup(in->arena, slice_of(pointer));
}

bool inspect_decode(const struct inspect_input *in, struct inspect_result *r, const struct json_field *fields,
                    size_t n_fields, void *out) {
        struct json_decode_error e = { 0 };
        const char *pointer;

        if (json_decode(in->json, fields, n_fields, out, in->arena, &e) == 0)
                return true;
        pointer = arena_printf(in->arena, "%.*s", SLICE_ARG(e.pointer)).at;
        inspect_deny(in, r, pointer, e.value, NULL, "the request body is malformed: %s expected at \"%s\"", e.wanted,
                     pointer);
        return false;
}

const char *inspect_at(const struct inspect_input *in, const char *parent, size_t index) {
        return arena_printf(in->arena, "%s/%zu", parent, index).at;
}

const char *inspect_under(const struct inspect_input *in, const char *parent, struct slice token) {
        return arena_dup(in->arena, json_pointer(in->arena, slice_of(parent), token)).at;
}

bool inspect_word_is(struct slice s, struct slice word) {
        return unicode_fold_eq(unicode_trim(s), word);
}

bool inspect_is_host(struct slice s) {
        return inspect_word_is(s, SLICE("host"));
}

bool inspect_object_has_members(struct json_value v) {
        struct json_iter it = json_iter_of(v);
        struct json_value first;

        return v.type == JSON_OBJECT && json_next(&it, NULL, &first);
}

bool inspect_is_blank(struct slice s) {
        return unicode_trim(s).len == 0;
}

bool inspect_list_has(const struct inspect_input *in, struct plist list, struct slice s) {
        const struct pstr *entries = policy_list(in->policy, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++)
                if (slice_eq(unicode_trim(policy_str(in->policy, entries[i])), s))
                        return true;
        return false;
}

struct slice inspect_clean(const struct inspect_input *in, struct slice path) {
        return path_clean(path, true, in->arena);
}

bool inspect_within(const struct inspect_input *in, struct slice path, struct plist list) {
        const struct pstr *entries = policy_list(in->policy, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++) {
                struct slice e = policy_str(in->policy, entries[i]);

                if (slice_eq(e, SLICE("/")) || slice_eq(e, path))
                        return true;
                if (e.len && slice_starts(path, e) && path.at[e.len] == '/')
                        return true;
        }
        return false;
}

bool inspect_path_allowed(const struct inspect_input *in, struct slice path, struct plist list) {
        return path.len && path.at[0] == '/' && inspect_within(in, inspect_clean(in, path), list);
}

bool inspect_path_escapes(const struct inspect_input *in, struct slice path) {
        struct slice clean;

        if (path.len && path.at[0] == '/')
                return true;
        clean = inspect_clean(in, path);
        return slice_eq(clean, SLICE("..")) || slice_starts(clean, SLICE("../"));
}

bool inspect_user_is_root(struct slice user) {
        struct slice name, group;
        size_t i;

        (void) slice_cut(unicode_trim(user), ':', &name, &group);
        name = unicode_trim(name);
        if (name.len == 0 || unicode_fold_eq(name, SLICE("root")))
                return true;
        i = name.at[0] == '+' || name.at[0] == '-';
        if (i == name.len)
                return false;
        while (i < name.len && name.at[i] == '0')
                i++;
        return i == name.len;
}

struct slice inspect_capability(const struct inspect_input *in, struct slice s, bool strip) {
        struct slice c = unicode_upper(in->arena, unicode_trim(s));

        return strip && slice_starts(c, SLICE("CAP_")) ? slice_from(c, 4) : c;
}

bool inspect_capabilities_allowed(const struct inspect_input *in, const struct json_strings *caps, struct plist allowed,
                                  bool strip, size_t *ret_index) {
        const struct pstr *entries = policy_list(in->policy, allowed, struct pstr);

        for (size_t i = 0; i < caps->n; i++) {
                struct slice c = inspect_capability(in, caps->at[i], strip);
                bool found = c.len == 0;

                for (uint32_t j = 0; j < allowed.n && !found; j++)
                        found = slice_eq(c, inspect_capability(in, policy_str(in->policy, entries[j]), strip));
                if (!found) {
                        *ret_index = i;
                        return false;
                }
        }
        return true;
}

bool inspect_strings_have_word(const struct json_strings *s, struct slice word) {
        for (size_t i = 0; i < s->n; i++)
                if (inspect_word_is(s->at[i], word))
                        return true;
        return false;
}

/* ---- mounts ---- */

const struct json_field inspect_driver_config_fields[INSPECT_DRIVER_CONFIG_FIELDS] = {
        JSON_FIELD(struct inspect_driver_config, name, "Name", JSON_K_STRING),
        JSON_FIELD(struct inspect_driver_config, options, "Options", JSON_K_STRING_MAP),
};

bool inspect_volume_driver_allowed(const struct inspect_input *in, struct inspect_result *r, struct slice name,
                                   const char *pointer) {
        if (name.len == 0 || slice_eq(name, SLICE("local")) || in->options->volume.allow_custom_drivers)
                return true;
        inspect_deny(in, r, pointer, name, "request_body.volume.allow_custom_drivers",
                     "volume drivers other than local are not allowed");
        return false;
}

bool inspect_driver_config_allowed(const struct inspect_input *in, struct inspect_result *r,
                                   const struct inspect_driver_config *c, const char *list, size_t i,
                                   const char *member) {
        if (c->options.n && !judge_volume_options(in, &in->options->volume, "volume", &c->options,
                                                  arena_printf(in->arena, "%s/%zu%s/Options", list, i, member).at, r))
                return false;
        if (inspect_volume_driver_allowed(in, r, c->name, ""))
                return true;
        r->pointer = arena_printf(in->arena, "%s/%zu%s/Name", list, i, member);
        return false;
}

bool inspect_tmpfs_option_is_privileged(const struct inspect_input *in, struct slice option) {
        struct slice k = unicode_lower(in->arena, unicode_trim(option));

        return slice_eq(k, SLICE("exec")) || slice_eq(k, SLICE("dev")) || slice_eq(k, SLICE("suid"));
}

/* ---- endpoints ---- */

static const struct json_field ipam_fields[] = {
        JSON_FIELD(struct inspect_ipam, ipv4, "IPv4Address", JSON_K_STRING),
        JSON_FIELD(struct inspect_ipam, ipv6, "IPv6Address", JSON_K_STRING),
        JSON_FIELD(struct inspect_ipam, link_local, "LinkLocalIPs", JSON_K_STRINGS),
};

const struct json_field inspect_endpoint_fields[INSPECT_ENDPOINT_FIELDS] = {
        JSON_NESTED(struct inspect_endpoint, ipam, "IPAMConfig", JSON_K_OPT_STRUCT, struct inspect_ipam, ipam_fields),
        JSON_FIELD(struct inspect_endpoint, links, "Links", JSON_K_STRINGS),
        JSON_FIELD(struct inspect_endpoint, aliases, "Aliases", JSON_K_STRINGS),
        JSON_FIELD(struct inspect_endpoint, gateway, "Gateway", JSON_K_STRING),
        JSON_FIELD(struct inspect_endpoint, ip_address, "IPAddress", JSON_K_STRING),
        JSON_FIELD(struct inspect_endpoint, ipv6_gateway, "IPv6Gateway", JSON_K_STRING),
        JSON_FIELD(struct inspect_endpoint, global_ipv6, "GlobalIPv6Address", JSON_K_STRING),
        JSON_FIELD(struct inspect_endpoint, mac, "MacAddress", JSON_K_STRING),
        JSON_FIELD(struct inspect_endpoint, ip_prefix, "IPPrefixLen", JSON_K_INT64),
        JSON_FIELD(struct inspect_endpoint, global_ipv6_prefix, "GlobalIPv6PrefixLen", JSON_K_INT64),
        JSON_FIELD(struct inspect_endpoint, gw_priority, "GwPriority", JSON_K_INT64),
        JSON_FIELD(struct inspect_endpoint, driver_opts, "DriverOpts", JSON_K_OBJECT),
};

static const char *option_name(const struct inspect_input *in, const char *network, const char *key) {
        return arena_printf(in->arena, "request_body.%s.%s", network, key).at;
}

/* The first member, in Docker's spelling, that fixes an address; NULL when none does. */
static const char *static_address(const struct inspect_endpoint *e) {
        if (e->ipam && !inspect_is_blank(e->ipam->ipv4))
                return "/IPAMConfig/IPv4Address";
        if (e->ipam && !inspect_is_blank(e->ipam->ipv6))
                return "/IPAMConfig/IPv6Address";
        if (!inspect_is_blank(e->gateway))
                return "/Gateway";
        if (!inspect_is_blank(e->ip_address))
                return "/IPAddress";
        if (!inspect_is_blank(e->ipv6_gateway))
                return "/IPv6Gateway";
        if (!inspect_is_blank(e->global_ipv6))
                return "/GlobalIPv6Address";
        if (e->ip_prefix)
                return "/IPPrefixLen";
        return e->global_ipv6_prefix ? "/GlobalIPv6PrefixLen" : NULL;
}

bool inspect_endpoint_allowed(const struct inspect_input *in, struct inspect_result *r,
                              const struct inspect_endpoint *e, const struct opt_network *options, const char *network,
                              const char *pointer) {
        const struct opt_endpoint_config *granular = &options->endpoint_config;
        const char *fixed = static_address(e);
        const struct {
                bool denied;
                const char *member, *key, *what;
        } rows[] = {
                { fixed && !granular->allow_static_addressing, fixed, "endpoint_config.allow_static_addressing",
                  "static addresses" },
                { e->ipam && e->ipam->link_local.n && !granular->allow_link_local_ips, "/IPAMConfig/LinkLocalIPs",
                  "endpoint_config.allow_link_local_ips", "link-local addresses" },
                { !inspect_is_blank(e->mac) && !granular->allow_mac_pinning, "/MacAddress",
                  "endpoint_config.allow_mac_pinning", "fixed MAC addresses" },
                { e->links.n, "/Links", "allow_endpoint_config", "links" },
                { inspect_object_has_members(e->driver_opts), "/DriverOpts", "allow_endpoint_config",
                  "driver options" },
                { e->gw_priority && !granular->allow_gw_priority, "/GwPriority", "endpoint_config.allow_gw_priority",
                  "gateway priorities" },
                { e->aliases.n && !granular->allow_aliases, "/Aliases", "endpoint_config.allow_aliases", "aliases" },
        };

        if (options->allow_endpoint_config)
                return true;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                if (!rows[i].denied)
                        continue;
                inspect_deny(in, r, arena_printf(in->arena, "%s%s", pointer, rows[i].member).at, SLICE(""),
                             option_name(in, network, rows[i].key), "%s of a network endpoint are not allowed",
                             rows[i].what);
                return false;
        }
        return true;
}

/* ---- limits ---- */

const char *inspect_limits_violation(const struct inspect_limits *have, const struct inspect_required_limits *want) {
        if (want->memory && have->memory <= 0)
                return "memory";
        if (want->cpu && have->nano_cpus <= 0 && have->cpu_quota <= 0 && have->cpu_period <= 0 && have->cpu_shares <= 0)
                return "cpu";
        if (want->cpu_hard && have->nano_cpus <= 0 && have->cpu_quota <= 0)
                return "hard_cpu";
        if (want->pids && (!have->pids.set || have->pids.value <= 0))
                return "pids";
        return NULL;
}

const char *inspect_limits_text(const struct inspect_input *in, const struct inspect_required_limits *want) {
        struct slice s = arena_printf(in->arena, "%s%s%s%s", want->memory ? ",memory" : "", want->cpu ? ",cpu" : "",
                                      want->cpu_hard ? ",hard_cpu" : "", want->pids ? ",pids" : "");

        return s.len ? s.at + 1 : "";
}

/* ---- image trust ---- */

static bool trust_is(const struct inspect_input *in, const struct opt_image_trust *trust, struct slice mode) {
        return slice_eq(policy_str(in->policy, trust->mode), mode);
}

static bool trust_is_off(const struct inspect_input *in, const struct opt_image_trust *trust) {
        return trust->mode.len == 0 || trust_is(in, trust, SLICE("off"));
}

bool inspect_trust_enforced(const struct inspect_input *in, const struct opt_image_trust *trust) {
        return trust_is(in, trust, SLICE("enforce"));
}

bool inspect_trust_ready(const struct inspect_input *in, struct inspect_result *r, const struct opt_image_trust *trust,
                         const char *pointer, const char *option) {
        const struct opt_signing_key *keys =
                policy_list(in->policy, trust->allowed_signing_keys, struct opt_signing_key);
        bool usable = trust->allowed_keyless.n == 0 && trust->allowed_signing_keys.n > 0;

        for (uint32_t i = 0; i < trust->allowed_signing_keys.n; i++)
                usable = usable && keys[i].pem.len > 0; /* the compiler empties a key that is none */
        if (usable || trust_is_off(in, trust))
                return true;
        inspect_deny(in, r, pointer, SLICE(""), option, "images must be verified and who may sign them cannot be told");
        return false;
}

bool inspect_trust_image(const struct inspect_input *in, struct inspect_result *r, const struct opt_image_trust *trust,
                         struct slice image, const char *pointer, const char *option) {
        struct slice name = unicode_trim(image);

        if (trust_is_off(in, trust))
                return true;
        if (name.len && trust_is(in, trust, SLICE("warn"))) {
                r->unverified = name;
                return true;
        }
        inspect_deny(in, r, pointer, image, option,
                     name.len ? "the image's signature cannot be verified"
                              : "an image must be named, so that it can be verified");
        return false;
}
