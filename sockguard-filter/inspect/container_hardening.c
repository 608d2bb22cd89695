/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/container.h"

#include "base/unicode.h"

/* What confines a container: security options, capabilities, users (chapter 03, 2.12 to 2.15). */

#define OPTION(key) "request_body.container_create." key

/* An entry of SecurityOpt: split at the first '=' or ':'. */
struct security_option {
        struct slice key;   /* untrimmed left part of the trimmed entry */
        struct slice value; /* trimmed */
        bool has_value;
};

static struct security_option split(struct slice entry) {
        struct security_option o = { .key = unicode_trim(entry) };
        struct slice e = o.key;

        for (size_t i = 0; i < e.len; i++)
                if (e.at[i] == '=' || e.at[i] == ':') {
                        o.key = slice_upto(e, i);
                        o.value = unicode_trim(slice_from(e, i + 1));
                        o.has_value = true;
                        break;
                }
        return o;
}

static bool lower_is(const struct inspect_input *in, struct slice s, struct slice word) {
        return slice_eq(unicode_lower(in->arena, s), word);
}

static bool deny_option(const struct inspect_input *in, struct inspect_result *r, size_t i, struct slice value,
                        const char *option, const char *what) {
        inspect_deny(in, r, inspect_at(in, "/HostConfig/SecurityOpt", i), value, option, "%s", what);
        return false;
}

/* A seccomp or AppArmor profile by name. */
struct profile_rule {
        const char *kind;
        bool deny_unconfined;
        struct plist allowed;
        const char *deny_option, *list_option, *unconfined, *other;
};

static bool profile_allowed(const struct inspect_input *in, struct inspect_result *r, size_t i, struct slice value,
                            const struct profile_rule *p) {
        if (p->deny_unconfined && unicode_fold_eq(value, SLICE("unconfined")))
                return deny_option(in, r, i, value, p->deny_option, p->unconfined);
        if (p->allowed.n && !inspect_list_has(in, p->allowed, value))
                return deny_option(in, r, i, value, p->list_option, p->other);
        return true;
}

/* Nothing said: the engine's default profile is used, so the list must contain it. */
static bool default_profile_allowed(const struct inspect_input *in, struct inspect_result *r,
                                    const struct profile_rule *p, const char *const *names, size_t n) {
        if (p->allowed.n == 0)
                return true;
        for (size_t i = 0; i < n; i++)
                if (inspect_list_has(in, p->allowed, slice_of(names[i])))
                        return true;
        inspect_deny(in, r, "/HostConfig/SecurityOpt", SLICE(""), p->list_option,
                     "a %s profile of the list must be chosen", p->kind);
        return false;
}

static bool writes_cgroups(struct slice value) {
        return !unicode_fold_eq(value, SLICE("false")) && !slice_eq(value, SLICE("0"));
}

bool check_security_options(const struct inspect_input *in, const struct container_create *c,
                            struct inspect_result *r) {
        static const char *const seccomp_default[] = { "default" };
        static const char *const apparmor_default[] = { "default", "docker-default", "runtime/default" };
        const struct opt_container_create *o = &in->options->container_create;
        const struct json_strings *options = &c->host.security_opt;
        const struct profile_rule seccomp = { "seccomp",
                                              o->deny_unconfined_seccomp,
                                              o->allowed_seccomp_profiles,
                                              OPTION("deny_unconfined_seccomp"),
                                              OPTION("allowed_seccomp_profiles"),
                                              "running without seccomp is not allowed",
                                              "this seccomp profile is not allowed" };
        const struct profile_rule apparmor = { "AppArmor",
                                               o->deny_unconfined_apparmor,
                                               o->allowed_apparmor_profiles,
                                               OPTION("deny_unconfined_apparmor"),
                                               OPTION("allowed_apparmor_profiles"),
                                               "running without AppArmor is not allowed",
                                               "this AppArmor profile is not allowed" };
        bool saw_seccomp = false, saw_apparmor = false;

        for (size_t i = 0; i < options->n; i++) {
                struct security_option s = split(options->at[i]);
                struct slice kind = unicode_lower(in->arena, unicode_trim(s.key));

                if (!s.has_value) {
                        /* The engine takes the bare word for label=disable. */
                        if (slice_eq(kind, SLICE("disable")) && o->deny_selinux_disable)
                                return deny_option(in, r, i, s.key, OPTION("deny_selinux_disable"),
                                                   "running without SELinux is not allowed");
                        if (slice_eq(kind, SLICE("writable-cgroups")) && !o->allow_writable_cgroups)
                                return deny_option(in, r, i, s.key, OPTION("allow_writable_cgroups"),
                                                   "writable cgroups are not allowed");
                        continue;
                }
                if (slice_eq(kind, SLICE("seccomp"))) {
                        saw_seccomp = true;
                        if (!profile_allowed(in, r, i, s.value, &seccomp))
                                return false;
                } else if (slice_eq(kind, SLICE("apparmor"))) {
                        saw_apparmor = true;
                        if (!profile_allowed(in, r, i, s.value, &apparmor))
                                return false;
                } else if (slice_eq(kind, SLICE("label"))) {
                        if (lower_is(in, s.value, SLICE("disable"))) {
                                if (o->deny_selinux_disable)
                                        return deny_option(in, r, i, s.value, OPTION("deny_selinux_disable"),
                                                           "running without SELinux is not allowed");
                        } else if (o->deny_selinux_label_override) {
                                return deny_option(in, r, i, s.value, OPTION("deny_selinux_label_override"),
                                                   "choosing SELinux labels is not allowed");
                        }
                } else if (slice_eq(kind, SLICE("systempaths"))) {
                        if (o->deny_unconfined_system_paths && lower_is(in, s.value, SLICE("unconfined")))
                                return deny_option(in, r, i, s.value, OPTION("deny_unconfined_system_paths"),
                                                   "unconfined system paths are not allowed");
                } else if (slice_eq(kind, SLICE("writable-cgroups"))) {
                        if (!o->allow_writable_cgroups && writes_cgroups(s.value))
                                return deny_option(in, r, i, s.value, OPTION("allow_writable_cgroups"),
                                                   "writable cgroups are not allowed");
                }
        }
        if (!saw_seccomp && !default_profile_allowed(in, r, &seccomp, seccomp_default, 1))
                return false;
        return saw_apparmor || default_profile_allowed(in, r, &apparmor, apparmor_default, 3);
}

/* Is every path of the engine's defaults in the client's list? Then nothing is opened. */
static bool covers(const struct json_strings *list, const char *const *defaults, size_t n) {
        for (size_t i = 0; i < n; i++) {
                bool found = false;

                for (size_t j = 0; j < list->n && !found; j++)
                        found = slice_eq(list->at[j], slice_of(defaults[i]));
                if (!found)
                        return false;
        }
        return true;
}

bool check_system_paths(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        static const char *const masked[] = { "/proc/asound",      "/proc/acpi",          "/proc/kcore",
                                              "/proc/keys",        "/proc/latency_stats", "/proc/timer_list",
                                              "/proc/timer_stats", "/proc/sched_debug",   "/proc/scsi",
                                              "/sys/firmware" };
        static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                                "/proc/sysrq-trigger" };
        const struct host_config *h = &c->host;
        const char *pointer = NULL;

        if (!in->options->container_create.deny_unconfined_system_paths)
                return true;
        if (h->masked_paths.set && !covers(&h->masked_paths, masked, sizeof(masked) / sizeof(masked[0])))
                pointer = "/HostConfig/MaskedPaths";
        else if (h->readonly_paths.set && !covers(&h->readonly_paths, readonly, sizeof(readonly) / sizeof(readonly[0])))
                pointer = "/HostConfig/ReadonlyPaths";
        if (!pointer)
                return true;
        inspect_deny(in, r, pointer, SLICE(""), OPTION("deny_unconfined_system_paths"),
                     "opening the engine's protected system paths is not allowed");
        return false;
}

bool check_no_new_privileges(const struct inspect_input *in, const struct container_create *c,
                             struct inspect_result *r) {
        const struct json_strings *options = &c->host.security_opt;
        bool on = false, off = false;

        for (size_t i = 0; i < options->n; i++) {
                struct security_option s = split(options->at[i]);

                if (!unicode_fold_eq(s.key, SLICE("no-new-privileges")))
                        continue;
                /* The engine lets the last one win; one that is not plainly on is no way to say it. */
                if (!s.has_value || unicode_fold_eq(s.value, SLICE("true")))
                        on = true;
                else
                        off = true;
        }
        if (!in->options->container_create.require_no_new_privileges || (on && !off))
                return true;
        inspect_deny(in, r, "/HostConfig/SecurityOpt", SLICE(""), OPTION("require_no_new_privileges"),
                     "no-new-privileges is required");
        return false;
}

bool check_non_root(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        if (!in->options->container_create.require_non_root_user || !inspect_user_is_root(c->user))
                return true;
        inspect_deny(in, r, "/User", c->user, OPTION("require_non_root_user"), "a user other than root is required");
        return false;
}

bool check_capabilities(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        const struct opt_container_create *o = &in->options->container_create;
        size_t i;

        if (o->allow_all_capabilities ||
            inspect_capabilities_allowed(in, &c->host.cap_add, o->allowed_capabilities, true, &i))
                return true;
        inspect_deny(in, r, inspect_at(in, "/HostConfig/CapAdd", i), c->host.cap_add.at[i],
                     OPTION("allowed_capabilities"), "this capability is not allowed");
        return false;
}

bool check_drop_all(const struct inspect_input *in, const struct container_create *c, struct inspect_result *r) {
        if (!in->options->container_create.require_drop_all_capabilities ||
            inspect_strings_have_word(&c->host.cap_drop, SLICE("ALL")))
                return true;
        inspect_deny(in, r, "/HostConfig/CapDrop", SLICE(""), OPTION("require_drop_all_capabilities"),
                     "all capabilities must be dropped");
        return false;
}
