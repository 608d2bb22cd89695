/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/unicode.h"
#include "inspect/judge.h"
#include "inspect/registry.h"

/* POST /services/create and /services/{id}/update (chapter 04, 9). The CPU guard of 9.4 is inspect/guard.c. */

#define BODY_MAX (1024u * 1024)

struct volume_options {
        struct inspect_driver_config *driver;
};

struct service_mount {
        struct slice type, source;
        struct volume_options *volume;
};

struct profile_mode {
        struct slice mode;
        struct json_value profile;
};

struct selinux {
        bool disable;
        struct slice user, role, type, level;
};

struct privileges {
        bool no_new_privileges;
        struct profile_mode *seccomp, *apparmor;
        struct selinux *selinux;
        struct json_value credential_spec;
};

struct container_spec {
        struct slice image, user, isolation;
        struct json_list mounts; /* of struct service_mount */
        struct json_strings cap_add, cap_drop, hosts;
        struct json_string_map sysctls;
        bool read_only;
        struct privileges *privileges;
        struct json_value ulimits;
};

struct network_target {
        struct slice target;
};

struct task_template {
        struct container_spec container;
        struct json_list networks; /* of struct network_target */
        struct slice runtime;
        struct json_value plugin, attachment;
};

struct service {
        struct task_template task;
        struct json_list networks;
};

static const struct json_field volume_options_fields[] = {
        JSON_NESTED(struct volume_options, driver, "DriverConfig", JSON_K_OPT_STRUCT, struct inspect_driver_config,
                    inspect_driver_config_fields),
};

static const struct json_field mount_fields[] = {
        JSON_FIELD(struct service_mount, type, "Type", JSON_K_STRING),
        JSON_FIELD(struct service_mount, source, "Source", JSON_K_STRING),
        JSON_NESTED(struct service_mount, volume, "VolumeOptions", JSON_K_OPT_STRUCT, struct volume_options,
                    volume_options_fields),
};

static const struct json_field seccomp_fields[] = {
        JSON_FIELD(struct profile_mode, mode, "Mode", JSON_K_STRING),
        JSON_FIELD(struct profile_mode, profile, "Profile", JSON_K_VALUE),
};

static const struct json_field apparmor_fields[] = {
        JSON_FIELD(struct profile_mode, mode, "Mode", JSON_K_STRING),
};

static const struct json_field selinux_fields[] = {
        JSON_FIELD(struct selinux, disable, "Disable", JSON_K_BOOL),
        JSON_FIELD(struct selinux, user, "User", JSON_K_STRING),
        JSON_FIELD(struct selinux, role, "Role", JSON_K_STRING),
        JSON_FIELD(struct selinux, type, "Type", JSON_K_STRING),
        JSON_FIELD(struct selinux, level, "Level", JSON_K_STRING),
};

static const struct json_field privileges_fields[] = {
        JSON_FIELD(struct privileges, no_new_privileges, "NoNewPrivileges", JSON_K_BOOL),
        JSON_NESTED(struct privileges, seccomp, "Seccomp", JSON_K_OPT_STRUCT, struct profile_mode, seccomp_fields),
        JSON_NESTED(struct privileges, apparmor, "AppArmor", JSON_K_OPT_STRUCT, struct profile_mode, apparmor_fields),
        JSON_NESTED(struct privileges, selinux, "SELinuxContext", JSON_K_OPT_STRUCT, struct selinux, selinux_fields),
        JSON_FIELD(struct privileges, credential_spec, "CredentialSpec", JSON_K_VALUE),
};

static const struct json_field container_fields[] = {
        JSON_FIELD(struct container_spec, image, "Image", JSON_K_STRING),
        JSON_FIELD(struct container_spec, user, "User", JSON_K_STRING),
        JSON_FIELD(struct container_spec, isolation, "Isolation", JSON_K_STRING),
        JSON_NESTED(struct container_spec, mounts, "Mounts", JSON_K_STRUCTS, struct service_mount, mount_fields),
        JSON_FIELD(struct container_spec, cap_add, "CapabilityAdd", JSON_K_STRINGS),
        JSON_FIELD(struct container_spec, cap_drop, "CapabilityDrop", JSON_K_STRINGS),
        JSON_FIELD(struct container_spec, hosts, "Hosts", JSON_K_STRINGS),
        JSON_FIELD(struct container_spec, sysctls, "Sysctls", JSON_K_STRING_MAP),
        JSON_FIELD(struct container_spec, read_only, "ReadOnly", JSON_K_BOOL),
        JSON_NESTED(struct container_spec, privileges, "Privileges", JSON_K_OPT_STRUCT, struct privileges,
                    privileges_fields),
        JSON_FIELD(struct container_spec, ulimits, "Ulimits", JSON_K_ARRAY),
};

static const struct json_field target_fields[] = {
        JSON_FIELD(struct network_target, target, "Target", JSON_K_STRING),
};

static const struct json_field task_fields[] = {
        JSON_NESTED(struct task_template, container, "ContainerSpec", JSON_K_STRUCT, struct container_spec,
                    container_fields),
        JSON_NESTED(struct task_template, networks, "Networks", JSON_K_STRUCTS, struct network_target, target_fields),
        JSON_FIELD(struct task_template, runtime, "Runtime", JSON_K_STRING),
        JSON_FIELD(struct task_template, plugin, "PluginSpec", JSON_K_VALUE),
        JSON_FIELD(struct task_template, attachment, "NetworkAttachmentSpec", JSON_K_VALUE),
};

static const struct json_field service_fields[] = {
        JSON_NESTED(struct service, task, "TaskTemplate", JSON_K_STRUCT, struct task_template, task_fields),
        JSON_NESTED(struct service, networks, "Networks", JSON_K_STRUCTS, struct network_target, target_fields),
};

#define KEY(name) "request_body.service." name
#define SPEC "/TaskTemplate/ContainerSpec"

/*
 * Docker takes a network's id, or the front of it, where it takes a name; its command line turns the name "host" into
 * the id. So the daemon is asked for the ids of its host network. 1: this is one; 0: it is not; -EBADMSG: the daemon's
 * answer says nothing.
 */
static int is_host_network(const struct inspect_input *in, struct slice target) {
        target = unicode_trim(target);
        if (inspect_is_host(target))
                return 1;
        for (size_t i = 0; i < INSPECT_HOST_NETWORKS && in->host_networks && target.len > 0; i++) {
                const struct lookup *answer = &in->host_networks[i];
                struct json_value id;

                if (answer->status == 404)
                        continue;
                if (answer->status != 200 || json_validate(answer->body, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8,
                                                           JSON_DEPTH_MAX, in->arena, NULL) < 0)
                        return -EBADMSG;
                id = json_member(json_root(answer->body), SLICE("Id"));
                if (id.type != JSON_STRING)
                        return -EBADMSG;
                if (slice_starts(json_string(id, in->arena), target))
                        return 1;
        }
        return 0;
}

static bool judge_networks(const struct inspect_input *in, const struct json_list *networks, const char *at,
                           struct inspect_result *r) {
        const struct network_target *t = networks->at;

        for (size_t i = 0; i < networks->n && !in->options->service.allow_host_network; i++) {
                int host = is_host_network(in, t[i].target);

                if (host == 0)
                        continue;
                inspect_deny(in, r, inspect_under(in, inspect_at(in, at, i), SLICE("Target")), t[i].target,
                             KEY("allow_host_network"),
                             host > 0 ? "the host's network is not allowed"
                                      : "the daemon does not say which network is the host's");
                if (host < 0)
                        r->outcome = INSPECT_FAILED;
                return false;
        }
        return true;
}

/*
 * The swarm reads a type that it does not know, and one that is not there, as a bind. So a missing one is judged as a
 * bind, and an unknown one, or one with blanks around it, is refused.
 */
static bool known_mount_type(struct slice type) {
        static const char *const known[] = { "", "bind", "volume", "tmpfs", "image" };

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (unicode_fold_eq(type, slice_of(known[i])))
                        return true;
        return false;
}

static bool judge_mount(const struct inspect_input *in, const struct service_mount *m, size_t i,
                        struct inspect_result *r) {
        const struct opt_service *o = &in->options->service;
        const char *at = inspect_at(in, SPEC "/Mounts", i);

        if (!known_mount_type(m->type)) {
                inspect_deny(in, r, inspect_under(in, at, SLICE("Type")), m->type, NULL,
                             "mounts of this type are not allowed");
                return false;
        }
        if ((m->type.len == 0 || unicode_fold_eq(m->type, SLICE("bind"))) && m->source.len > 0 &&
            !inspect_path_allowed(in, m->source, o->allowed_bind_mounts)) {
                inspect_deny(in, r, inspect_under(in, at, SLICE("Source")), m->source, KEY("allowed_bind_mounts"),
                             "this bind mount is not allowed");
                return false;
        }
        if (unicode_fold_eq(m->type, SLICE("image")) && inspect_trust_enforced(in, &o->image_trust)) {
                inspect_deny(in, r, inspect_under(in, at, SLICE("Type")), m->type, KEY("image_trust.mode"),
                             "a mounted image would not be verified");
                return false;
        }
        return !m->volume || !m->volume->driver ||
               inspect_driver_config_allowed(in, r, m->volume->driver, SPEC "/Mounts", i,
                                             "/VolumeOptions/DriverConfig");
}

static bool judge_mounts(const struct inspect_input *in, const struct json_list *mounts, struct inspect_result *r) {
        const struct service_mount *m = mounts->at;

        for (size_t i = 0; i < mounts->n; i++)
                if (!judge_mount(in, &m[i], i, r))
                        return false;
        return true;
}

static bool judge_hardening(const struct inspect_input *in, const struct container_spec *c, struct inspect_result *r) {
        static const struct privileges no_privileges;
        static const struct profile_mode no_profile;
        static const struct selinux no_selinux;
        const struct opt_service *o = &in->options->service;
        const struct privileges *p = c->privileges ? c->privileges : &no_privileges;
        const struct profile_mode *seccomp = p->seccomp ? p->seccomp : &no_profile,
                                  *apparmor = p->apparmor ? p->apparmor : &no_profile;
        const struct selinux *selinux = p->selinux ? p->selinux : &no_selinux;
        bool custom = inspect_word_is(seccomp->mode, SLICE("custom")) ||
                      (inspect_is_blank(seccomp->mode) && !judge_absent(seccomp->profile));
        const struct gate gates[] = {
                { !p->no_new_privileges, !o->require_no_new_privileges, SPEC "/Privileges/NoNewPrivileges",
                  KEY("require_no_new_privileges"), "no-new-privileges is required" },
                { inspect_user_is_root(c->user), !o->require_non_root_user, SPEC "/User", KEY("require_non_root_user"),
                  "a user other than root is required" },
                { !c->read_only, !o->require_readonly_rootfs, SPEC "/ReadOnly", KEY("require_readonly_rootfs"),
                  "a read-only root file system is required" },
                { !inspect_strings_have_word(&c->cap_drop, SLICE("ALL")), !o->require_drop_all_capabilities,
                  SPEC "/CapabilityDrop", KEY("require_drop_all_capabilities"),
                  "dropping all capabilities is required" },
                { inspect_word_is(seccomp->mode, SLICE("unconfined")), !o->deny_unconfined_seccomp,
                  SPEC "/Privileges/Seccomp/Mode", KEY("deny_unconfined_seccomp"),
                  "running without seccomp is not allowed" },
                { custom, !o->deny_custom_seccomp_profiles, SPEC "/Privileges/Seccomp",
                  KEY("deny_custom_seccomp_profiles"), "seccomp profiles of one's own are not allowed" },
                { inspect_word_is(apparmor->mode, SLICE("disabled")), !o->deny_unconfined_apparmor,
                  SPEC "/Privileges/AppArmor/Mode", KEY("deny_unconfined_apparmor"),
                  "running without AppArmor is not allowed" },
                { selinux->disable, !o->deny_selinux_disable, SPEC "/Privileges/SELinuxContext/Disable",
                  KEY("deny_selinux_disable"), "running without SELinux is not allowed" },
                { !inspect_is_blank(selinux->user) || !inspect_is_blank(selinux->role) ||
                          !inspect_is_blank(selinux->type) || !inspect_is_blank(selinux->level),
                  !o->deny_selinux_label_override, SPEC "/Privileges/SELinuxContext",
                  KEY("deny_selinux_label_override"), "SELinux labels of one's own are not allowed" },
        };

        return JUDGE_GATES(in, gates, r);
}

/* What the reference does not look at. */
static bool judge_rest(const struct inspect_input *in, const struct task_template *t, struct inspect_result *r) {
        const struct opt_service *o = &in->options->service;
        const struct container_spec *c = &t->container;
        const struct gate gates[] = {
                { (!inspect_is_blank(t->runtime) && !inspect_word_is(t->runtime, SLICE("container"))) ||
                          !judge_absent(t->plugin),
                  o->allow_plugin_tasks, "/TaskTemplate/Runtime", KEY("allow_plugin_tasks"),
                  "a task that is no container (a plugin) is not allowed" },
                { !judge_absent(t->attachment), o->allow_network_attachments, "/TaskTemplate/NetworkAttachmentSpec",
                  KEY("allow_network_attachments"), "attaching containers to networks by a task is not allowed" },
                { !judge_absent(c->privileges ? c->privileges->credential_spec : (struct json_value){ 0 }),
                  o->allow_credential_spec, SPEC "/Privileges/CredentialSpec", KEY("allow_credential_spec"),
                  "a credential specification is not allowed" },
                { !inspect_is_blank(c->isolation) && !inspect_word_is(c->isolation, SLICE("default")),
                  o->allow_isolation, SPEC "/Isolation", KEY("allow_isolation"),
                  "choosing the isolation is not allowed" },
                { judge_not_empty(c->ulimits), o->allow_ulimits, SPEC "/Ulimits", KEY("allow_ulimits"),
                  "resource limits of one's own are not allowed" },
                { c->hosts.n > 0, o->allow_extra_hosts, SPEC "/Hosts", KEY("allow_extra_hosts"),
                  "extra host names are not allowed" },
        };

        return JUDGE_GATES(in, gates, r);
}

static void judge_service(const struct inspect_input *in, const struct service *s, struct inspect_result *r) {
        const struct opt_service *o = &in->options->service;
        const struct container_spec *c = &s->task.container;
        const struct registry_policy registry = { "request_body.service", o->allow_all_registries, o->allow_official,
                                                  o->allowed_registries };
        size_t at;

        if (!judge_networks(in, &s->networks, "/Networks", r) ||
            !judge_networks(in, &s->task.networks, "/TaskTemplate/Networks", r) || !judge_mounts(in, &c->mounts, r) ||
            !judge_hardening(in, c, r))
                return;
        if (!o->allow_all_capabilities &&
            !inspect_capabilities_allowed(in, &c->cap_add, o->allowed_capabilities, true, &at)) {
                inspect_deny(in, r, inspect_at(in, SPEC "/CapabilityAdd", at), c->cap_add.at[at],
                             KEY("allowed_capabilities"), "this capability is not allowed");
                return;
        }
        if (c->sysctls.n > 0 && !o->allow_sysctls) {
                inspect_deny(in, r, SPEC "/Sysctls", c->sysctls.names[0], KEY("allow_sysctls"),
                             "kernel parameters are not allowed");
                return;
        }
        if (!registry_check(in, &registry, c->image, SPEC "/Image", r) || !judge_rest(in, &s->task, r))
                return;
        if (inspect_trust_ready(in, r, &o->image_trust, SPEC "/Image", KEY("image_trust.mode")))
                (void) inspect_trust_image(in, r, &o->image_trust, c->image, SPEC "/Image", KEY("image_trust.mode"));
}

static void inspect_service(const struct inspect_input *in, struct inspect_result *r) {
        struct service s = { 0 };

        if (in->body.len > 0 && INSPECT_DECODE(in, r, service_fields, &s))
                judge_service(in, &s, r);
}

/* ---- ?rollback=previous: the daemon applies the specification that it keeps, and ignores the body ---- */

static bool rolls_back(const struct inspect_input *in) {
        for (size_t i = 0; i < in->query->n; i++)
                if (slice_eq(in->query->at[i].name, SLICE("rollback")) &&
                    inspect_word_is(in->query->at[i].value, SLICE("previous")))
                        return true;
        return false;
}

static bool names_network(const struct json_list *networks) {
        const struct network_target *t = networks->at;

        for (size_t i = 0; i < networks->n; i++)
                if (!inspect_is_blank(t[i].target) && !inspect_is_host(t[i].target))
                        return true;
        return false;
}

/* A body that cannot be decoded is refused without asking. */
static bool needs_host_networks(const struct inspect_input *in) {
        struct service s = { 0 };

        if (in->options->service.allow_host_network)
                return false;
        if (rolls_back(in))
                return true;
        return in->body.len > 0 && json_validate(in->body, 0, JSON_DEPTH_MAX, in->arena, NULL) == 0 &&
               JSON_DECODE(json_root(in->body), service_fields, &s, in->arena, NULL) == 0 &&
               (names_network(&s.networks) || names_network(&s.task.networks));
}

static bool update_lookup(const struct inspect_input *in, struct slice *ret_path_and_query) {
        const struct slice prefix = SLICE("/services/"), suffix = SLICE("/update");
        struct slice id;

        if (!rolls_back(in))
                return false;
        id = slice_make(in->path.at + prefix.len, in->path.len - prefix.len - suffix.len);
        id = path_escape_segment(id, in->arena);
        *ret_path_and_query = arena_printf(in->arena, "/services/%.*s", SLICE_ARG(id));
        return true;
}

static void inspect_previous(const struct inspect_input *in, struct inspect_result *r) {
        struct service s = { 0 };
        struct json_value previous;

        if (in->lookup->status == 404)
                return;
        /* Where the guard is on, it makes the same look-up, and its answer says more. */
        if (in->lookup->status != 200 || json_validate(in->lookup->body, JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8,
                                                       JSON_DEPTH_MAX, in->arena, NULL) < 0) {
                if (!in->options->service.require_cpu_limit && !in->options->service.require_cpu_limit_hard)
                        *r = (struct inspect_result){
                                .outcome = INSPECT_FAILED,
                                .reason = SLICE("the service's previous specification could not be read")
                        };
                return;
        }
        previous = json_member(json_root(in->lookup->body), SLICE("PreviousSpec"));
        if (judge_absent(previous))
                return;
        if (judge_decode_value(in, previous, "/PreviousSpec", service_fields,
                               sizeof(service_fields) / sizeof(service_fields[0]), &s, r))
                judge_service(in, &s, r);
}

static void inspect_update(const struct inspect_input *in, struct inspect_result *r) {
        inspect_service(in, r);
        if (r->outcome == INSPECT_PASS && in->lookup && rolls_back(in))
                inspect_previous(in, r);
}

const struct inspector inspect_service_rows[] = {
        { HTTP_POST, "/services/create", INSPECT_JSON, BODY_MAX, inspect_service,
          .needs_host_networks = needs_host_networks, .name = "service" },
        { HTTP_POST, "/services/{}/update", INSPECT_JSON, BODY_MAX, inspect_update, .lookup = update_lookup,
          .needs_host_networks = needs_host_networks, .name = "service" },
        { 0 },
};
