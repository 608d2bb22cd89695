/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/container.h"

#include "base/unicode.h"

/* What of the host a container gets to see: bind mounts, volumes, devices (chapter 03, 2.3 to 2.9). */

#define OPTION(key) "request_body.container_create." key

/* ---- bind mounts ---- */

/* Where a source stands; its JSON pointer is built when something is denied. */
struct place {
        const char *list; /* "/HostConfig/Binds" */
        size_t i;
        const char *member; /* "/Source", "" */
};

static bool deny_at(const struct inspect_input *in, struct inspect_result *r, struct place at, struct slice value,
                    const char *option, const char *what) {
        inspect_deny(in, r, arena_printf(in->arena, "%s/%zu%s", at.list, at.i, at.member).at, value, option, "%s",
                     what);
        return false;
}

/* A bind source as the client wrote it. One without a slash names a volume, where the syntax lets it. */
static bool source_allowed(const struct inspect_input *in, struct inspect_result *r, struct place at,
                           struct slice source, bool may_name_volume) {
        const struct opt_container_create *o = &in->options->container_create;

        if (source.len == 0)
                return true;
        if (source.at[0] != '/') {
                if (may_name_volume && slice_find(source, '/') < 0 && !slice_eq(source, SLICE(".")) &&
                    !slice_eq(source, SLICE("..")))
                        return true;
                return deny_at(in, r, at, source, NULL, "bind mounts need an absolute source");
        }
        if (!inspect_path_allowed(in, source, o->allowed_bind_mounts))
                return deny_at(in, r, at, source, OPTION("allowed_bind_mounts"),
                               "binding this host path is not allowed");
        if (in->resolves_within && !in->resolves_within(in, inspect_clean(in, source), o->allowed_bind_mounts,
                                                        o->require_resolved_bind_mounts))
                return deny_at(in, r, at, source, OPTION("allowed_bind_mounts"),
                               "this host path leads out of the allowed ones");
        return true;
}

static bool propagation_allowed(const struct inspect_input *in, struct inspect_result *r, struct place at,
                                struct slice propagation) {
        if (!in->options->container_create.deny_shared_propagation ||
            (!inspect_word_is(propagation, SLICE("shared")) && !inspect_word_is(propagation, SLICE("rshared"))))
                return true;
        return deny_at(in, r, at, propagation, OPTION("deny_shared_propagation"),
                       "mounts that propagate to the host are not allowed");
}

static bool check_bind(const struct inspect_input *in, struct inspect_result *r, struct place at, struct slice bind) {
        struct slice source, rest, option;

        if (!slice_cut(bind, ':', &source, &rest))
                return true; /* an anonymous volume */
        if (!source_allowed(in, r, at, source, true))
                return false;
        (void) slice_cut(rest, ':', &option, &rest);
        while (rest.len) {
                (void) slice_cut(rest, ',', &option, &rest);
                if (!propagation_allowed(in, r, at, option))
                        return false;
        }
        return true;
}

bool check_binds(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        const struct json_strings *binds = &c->host.binds;
        const struct create_mount *mounts = c->host.mounts.at;

        for (size_t i = 0; i < binds->n; i++)
                if (!check_bind(in, r, (struct place){ "/HostConfig/Binds", i, "" }, binds->at[i]))
                        return false;
        for (size_t i = 0; i < c->host.mounts.n; i++) {
                /* Any spelling that could mean bind: the type check refuses all but one later. */
                if (!inspect_word_is(mounts[i].type, SLICE("bind")))
                        continue;
                if (!source_allowed(in, r, (struct place){ "/HostConfig/Mounts", i, "/Source" }, mounts[i].source,
                                    false))
                        return false;
                if (!propagation_allowed(in, r, (struct place){ "/HostConfig/Mounts", i, "/BindOptions/Propagation" },
                                         json_string(json_member(mounts[i].bind, SLICE("Propagation")), in->arena)))
                        return false;
        }
        return true;
}

/* ---- other mounts ---- */

bool check_mount_types(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        static const char *const types[] = { "bind", "volume", "tmpfs", "image" };
        const struct create_mount *mounts = c->host.mounts.at;
        bool verified = inspect_trust_enforced(in, &in->options->container_create.image_trust);

        for (size_t i = 0; i < c->host.mounts.n && verified; i++)
                if (unicode_fold_eq(mounts[i].type, SLICE("image")))
                        return deny_at(in, r, (struct place){ "/HostConfig/Mounts", i, "/Type" }, mounts[i].type,
                                       OPTION("image_trust.mode"), "a mounted image would not be verified");
        for (size_t i = 0; i < c->host.mounts.n; i++) {
                bool known = false;

                for (size_t j = 0; j < sizeof(types) / sizeof(types[0]); j++)
                        known = known || slice_eq(mounts[i].type, slice_of(types[j]));
                if (!known) {
                        inspect_deny(in, r, inspect_under(in, inspect_at(in, "/HostConfig/Mounts", i), SLICE("Type")),
                                     mounts[i].type, NULL, "mounts of this type are not allowed");
                        return false;
                }
        }
        return true;
}

bool check_mount_drivers(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        const struct create_mount *mounts = c->host.mounts.at;

        if (!inspect_volume_driver_allowed(in, r, c->host.volume_driver, "/HostConfig/VolumeDriver"))
                return false;
        for (size_t i = 0; i < c->host.mounts.n; i++)
                if (mounts[i].volume && mounts[i].volume->driver &&
                    !inspect_driver_config_allowed(in, r, mounts[i].volume->driver, "/HostConfig/Mounts", i,
                                                   "/VolumeOptions/DriverConfig"))
                        return false;
        return true;
}

bool check_mount_subpaths(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        const struct create_mount *mounts = c->host.mounts.at;

        for (size_t i = 0; i < c->host.mounts.n; i++) {
                const struct {
                        struct slice path;
                        const char *member;
                } rows[] = {
                        { mounts[i].volume ? mounts[i].volume->subpath : SLICE(""), "VolumeOptions" },
                        { mounts[i].image ? mounts[i].image->subpath : SLICE(""), "ImageOptions" },
                };

                for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++)
                        if (rows[j].path.len && inspect_path_escapes(in, rows[j].path)) {
                                inspect_deny(
                                        in, r,
                                        arena_printf(in->arena, "/HostConfig/Mounts/%zu/%s/Subpath", i, rows[j].member)
                                                .at,
                                        rows[j].path, NULL, "a subpath must stay inside the volume");
                                return false;
                        }
        }
        return true;
}

static bool deny_tmpfs(const struct inspect_input *in, struct inspect_result *r, const char *pointer,
                       struct slice option) {
        inspect_deny(in, r, pointer, option, OPTION("allow_tmpfs_privileged_options"),
                     "this option of a tmpfs is not allowed");
        return false;
}

bool check_tmpfs(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        bool privileged = in->options->container_create.allow_tmpfs_privileged_options;
        const struct create_mount *mounts = c->host.mounts.at;
        const struct json_string_map *legacy = &c->host.tmpfs;

        for (size_t i = 0; i < c->host.mounts.n; i++) {
                const struct tmpfs_options *t = mounts[i].tmpfs;

                for (size_t j = 0; t && j < t->options.n; j++) {
                        const struct json_strings *option = &t->options.at[j];

                        if (option->n == 0 || option->n > 2 || inspect_is_blank(option->at[0])) {
                                inspect_deny(
                                        in, r,
                                        arena_printf(in->arena, "/HostConfig/Mounts/%zu/TmpfsOptions/Options/%zu", i, j)
                                                .at,
                                        SLICE(""), NULL, "a malformed option of a tmpfs");
                                return false;
                        }
                        if (!privileged && inspect_tmpfs_option_is_privileged(in, option->at[0]))
                                return deny_tmpfs(
                                        in, r,
                                        arena_printf(in->arena, "/HostConfig/Mounts/%zu/TmpfsOptions/Options/%zu", i, j)
                                                .at,
                                        option->at[0]);
                }
        }
        for (size_t i = 0; !privileged && i < legacy->n; i++) {
                struct slice rest = legacy->values[i], option;

                while (rest.len) {
                        (void) slice_cut(rest, ',', &option, &rest);
                        if (inspect_tmpfs_option_is_privileged(in, option))
                                return deny_tmpfs(in, r, inspect_under(in, "/HostConfig/Tmpfs", legacy->names[i]),
                                                  option);
                }
        }
        return true;
}

/* ---- devices ---- */

bool check_devices(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        const struct opt_container_create *o = &in->options->container_create;
        const struct create_device *devices = c->host.devices.at;

        for (size_t i = 0; !o->allow_all_devices && i < c->host.devices.n; i++)
                if (!inspect_path_allowed(in, unicode_trim(devices[i].path), o->allowed_devices)) {
                        inspect_deny(in, r,
                                     inspect_under(in, inspect_at(in, "/HostConfig/Devices", i), SLICE("PathOnHost")),
                                     devices[i].path, OPTION("allowed_devices"), "this device is not allowed");
                        return false;
                }
        return true;
}

/* Trims and lowers the words of a request, once: every entry is compared with them. */
static void canonicalise(const struct inspect_input *in, const struct json_string_lists *sets) {
        for (size_t i = 0; i < sets->n; i++)
                for (size_t j = 0; j < sets->at[i].n; j++)
                        sets->at[i].at[j] = unicode_lower(in->arena, unicode_trim(sets->at[i].at[j]));
}

/* Is `capability` in the entry's set? */
static bool set_has(const struct inspect_input *in, struct plist set, struct slice capability) {
        const struct pstr *members = policy_list(in->policy, set, struct pstr);

        for (uint32_t i = 0; i < set.n; i++)
                if (slice_eq(policy_str(in->policy, members[i]), capability))
                        return true;
        return false;
}

static bool is_subset(const struct inspect_input *in, const struct json_strings *wanted, struct plist set) {
        for (size_t i = 0; i < wanted->n; i++)
                if (wanted->at[i].len && !set_has(in, set, wanted->at[i]))
                        return false;
        return true;
}

static bool is_empty_set(const struct json_strings *set) {
        for (size_t i = 0; i < set->n; i++)
                if (set->at[i].len)
                        return false;
        return true;
}

static bool request_matches(const struct inspect_input *in, const struct device_request *d, struct slice driver,
                            const struct opt_device_request *e) {
        const struct plist *sets = policy_list(in->policy, e->allowed_capabilities, struct plist);
        struct slice entry = policy_str(in->policy, e->driver); /* as canonical as the request's */

        if (entry.len == 0 || !slice_eq(driver, entry))
                return false;
        if (e->max_count.set) {
                int64_t most = e->max_count.value;

                if (d->count == -1 ? most != -1 : d->count > most)
                        return false;
                /* Devices can be named instead of counted. */
                if (most >= 0 && d->ids.n > (uint64_t) most)
                        return false;
        }
        for (size_t i = 0; i < d->capabilities.n; i++) {
                bool covered = is_empty_set(&d->capabilities.at[i]);

                for (uint32_t j = 0; j < e->allowed_capabilities.n && !covered; j++)
                        covered = is_subset(in, &d->capabilities.at[i], sets[j]);
                if (!covered)
                        return false;
        }
        if (e->allowed_capabilities.n == 0)
                return true;
        for (size_t i = 0; i < d->capabilities.n; i++)
                if (!is_empty_set(&d->capabilities.at[i]))
                        return true;
        return false; /* an entry with sets wants to see at least one */
}

bool check_device_requests(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        const struct opt_container_create *o = &in->options->container_create;
        const struct opt_device_request *entries =
                policy_list(in->policy, o->allowed_device_requests, struct opt_device_request);
        const struct device_request *requests = c->host.device_requests.at;

        for (size_t i = 0; !o->allow_device_requests && i < c->host.device_requests.n; i++) {
                struct slice driver = unicode_lower(in->arena, unicode_trim(requests[i].driver));
                bool matched = false;

                canonicalise(in, &requests[i].capabilities);
                for (uint32_t j = 0;
                     j < o->allowed_device_requests.n && driver.len && requests[i].count >= -1 && !matched; j++)
                        matched = request_matches(in, &requests[i], driver, &entries[j]);
                if (!matched) {
                        inspect_deny(in, r, inspect_at(in, "/HostConfig/DeviceRequests", i), requests[i].driver,
                                     OPTION("allowed_device_requests"),
                                     driver.len ? "this device request is not allowed"
                                                : "a device request must name its driver");
                        return false;
                }
        }
        return true;
}

/* ---- device cgroup rules ---- */

enum { ACCESS_R = 1, ACCESS_W = 2, ACCESS_M = 4 };

struct cgroup_rule {
        char type;
        struct slice major, minor;
        unsigned access;
};

static bool is_number(struct slice s) {
        if (slice_eq(s, SLICE("*")))
                return true;
        for (size_t i = 0; i < s.len; i++)
                if (s.at[i] < '0' || s.at[i] > '9')
                        return false;
        return s.len > 0;
}

static bool parse_rule(struct slice text, struct cgroup_rule *ret) {
        struct slice fields[3], extra;

        for (size_t i = 0; i < 3; i++)
                if (!unicode_field(&text, &fields[i]))
                        return false;
        if (unicode_field(&text, &extra) || fields[0].len != 1 || !memchr("abc", fields[0].at[0], 3))
                return false;
        *ret = (struct cgroup_rule){ .type = fields[0].at[0] };
        if (!slice_cut(fields[1], ':', &ret->major, &ret->minor) || !is_number(ret->major) || !is_number(ret->minor))
                return false;
        for (size_t i = 0; i < fields[2].len; i++) {
                switch (fields[2].at[i]) {
                case 'r':
                        ret->access |= ACCESS_R;
                        break;
                case 'w':
                        ret->access |= ACCESS_W;
                        break;
                case 'm':
                        ret->access |= ACCESS_M;
                        break;
                default:
                        return false;
                }
        }
        return ret->access != 0;
}

static bool number_covers(struct slice entry, struct slice wanted) {
        return slice_eq(entry, SLICE("*")) || slice_eq(entry, wanted);
}

bool inspect_device_cgroup_rule_allowed(const struct inspect_input *in, struct slice rule, struct plist allowed) {
        const struct pstr *entries = policy_list(in->policy, allowed, struct pstr);
        struct cgroup_rule want, have;

        if (!parse_rule(rule, &want))
                return false;
        for (uint32_t i = 0; i < allowed.n; i++)
                if (parse_rule(policy_str(in->policy, entries[i]), &have) && have.type == want.type &&
                    have.access == want.access && number_covers(have.major, want.major) &&
                    number_covers(have.minor, want.minor))
                        return true;
        return false;
}

bool check_device_cgroup_rules(const struct inspect_input *in, const struct container_create *c,
                               struct inspect_result *r) {
        const struct opt_container_create *o = &in->options->container_create;
        const struct json_strings *rules = &c->host.device_cgroup_rules;

        for (size_t i = 0; !o->allow_device_cgroup_rules && i < rules->n; i++)
                if (!inspect_device_cgroup_rule_allowed(in, rules->at[i], o->allowed_device_cgroup_rules)) {
                        inspect_deny(in, r, inspect_at(in, "/HostConfig/DeviceCgroupRules", i), rules->at[i],
                                     OPTION("allowed_device_cgroup_rules"), "this device cgroup rule is not allowed");
                        return false;
                }
        return true;
}
