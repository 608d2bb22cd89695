/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effective values of chapter 01, 4.2: lists as the inspectors compare with them, so that a request costs no
 * trimming.
 */
#include "base/unicode.h"
#include "http/target.h"
#include "policy/config.h"
#include "policy/set.h"

enum shape {
        SHAPE_TRIM,     /* trimmed; blanks and duplicates dropped */
        SHAPE_REGISTRY, /* trimmed, lower case, index.docker.io is docker.io; duplicates dropped */
        SHAPE_HOST,     /* the same, and what is no host dropped */
        SHAPE_PATH,     /* lexically cleaned; duplicates dropped */
        SHAPE_LOWER,    /* trimmed, lower case; blanks and duplicates dropped */
};

static struct slice shaped(struct config *c, struct slice s, enum shape shape) {
        if (shape == SHAPE_PATH)
                return path_clean(s, false, &c->arena);
        s = unicode_trim(s);
        if (shape == SHAPE_TRIM)
                return s;
        s = unicode_lower(&c->arena, s);
        if (shape == SHAPE_HOST && slice_find(s, '/') >= 0)
                return SLICE("");
        if ((shape == SHAPE_REGISTRY || shape == SHAPE_HOST) && slice_eq(s, SLICE("index.docker.io")))
                return SLICE("docker.io");
        return s;
}

/* Values that did not change stay where they are. */
static void shape_list(struct config *c, struct plist *list, enum shape shape) {
        struct pstr *at = list_of(c, *list, struct pstr);
        struct text_set seen;
        uint32_t kept = 0;

        if (list->n == 0)
                return;
        text_set_init(&seen, &c->arena, list->n);

        for (uint32_t i = 0; i < list->n; i++) {
                struct slice was = text_of(c, at[i]), now = shaped(c, was, shape);
                struct pstr s = at[i];

                if (now.len == 0 || !text_set_add(&seen, now))
                        continue;
                if (!slice_eq(was, now))
                        s = builder_str(&c->blob, now);
                at[kept++] = s;
        }
        list->n = kept;
}

static void shape_word(struct config *c, struct pstr *word) {
        *word = builder_str(&c->blob, unicode_lower(&c->arena, unicode_trim(text_of(c, *word))));
}

/* Which lists take which shape: one row each, by block and key, so that a new list is one row here. */
#define ROW(block, key, shape) \
        { #block, offsetof(struct opt_##block, key), shape }
static const struct {
        const char *block;
        size_t offset;
        enum shape shape;
} rows[] = {
        ROW(container_create, allowed_bind_mounts, SHAPE_PATH),
        ROW(container_create, allowed_devices, SHAPE_PATH),
        ROW(container_create, allowed_device_cgroup_rules, SHAPE_TRIM),
        ROW(container_create, allowed_capabilities, SHAPE_TRIM),
        ROW(container_create, allowed_seccomp_profiles, SHAPE_TRIM),
        ROW(container_create, allowed_apparmor_profiles, SHAPE_TRIM),
        ROW(container_create, allowed_namespace_sharing_containers, SHAPE_TRIM),
        ROW(container_create, required_labels, SHAPE_TRIM),
        ROW(container_create, allowed_runtimes, SHAPE_TRIM),
        ROW(libpod_container_create, allowed_bind_mounts, SHAPE_PATH),
        ROW(libpod_container_create, allowed_devices, SHAPE_PATH),
        ROW(libpod_container_create, allowed_capabilities, SHAPE_TRIM),
        ROW(libpod_container_create, allowed_seccomp_profiles, SHAPE_TRIM),
        ROW(libpod_container_create, allowed_apparmor_profiles, SHAPE_TRIM),
        ROW(libpod_container_create, allowed_namespace_sharing_containers, SHAPE_TRIM),
        ROW(exec, allowed_env_vars, SHAPE_TRIM),
        ROW(exec, denied_env_vars, SHAPE_TRIM),
        ROW(image_pull, allowed_registries, SHAPE_REGISTRY),
        ROW(image_load, allowed_registries, SHAPE_HOST),
        ROW(volume, allowed_devices, SHAPE_PATH),
        ROW(service, allowed_bind_mounts, SHAPE_PATH),
        ROW(service, allowed_registries, SHAPE_REGISTRY),
        ROW(service, allowed_capabilities, SHAPE_TRIM),
        ROW(swarm, allowed_join_remote_addrs, SHAPE_LOWER),
        ROW(node, allowed_label_keys, SHAPE_TRIM),
        ROW(plugin, allowed_bind_mounts, SHAPE_PATH),
        ROW(plugin, allowed_devices, SHAPE_PATH),
        ROW(plugin, allowed_capabilities, SHAPE_TRIM),
        ROW(plugin, allowed_registries, SHAPE_REGISTRY),
        ROW(plugin, allowed_set_env_prefixes, SHAPE_TRIM),
        ROW(buildkit_control_solve, allowed_cache_registries, SHAPE_REGISTRY),
        ROW(buildkit_control_solve, allowed_exporter_registries, SHAPE_REGISTRY),
        ROW(buildkit_auth, allowed_registries, SHAPE_REGISTRY),
        ROW(libpod_pod_create, allowed_infra_image_registries, SHAPE_REGISTRY),
        ROW(response, visible_resource_labels, SHAPE_TRIM),
        ROW(profile_response, visible_resource_labels, SHAPE_TRIM),
        ROW(clients, allowed_cidrs, SHAPE_TRIM),
        ROW(source_ip_profile, cidrs, SHAPE_TRIM),
        ROW(client_certificate_profile, common_names, SHAPE_TRIM),
        ROW(client_certificate_profile, dns_names, SHAPE_TRIM),
        ROW(client_certificate_profile, ip_addresses, SHAPE_TRIM),
        ROW(client_certificate_profile, uri_sans, SHAPE_TRIM),
        ROW(client_certificate_profile, spiffe_ids, SHAPE_TRIM),
        ROW(client_certificate_profile, public_key_sha256_pins, SHAPE_LOWER),
        ROW(tls, common_names, SHAPE_TRIM),
        ROW(tls, dns_names, SHAPE_TRIM),
        ROW(tls, ip_addresses, SHAPE_TRIM),
        ROW(tls, uri_sans, SHAPE_TRIM),
        ROW(tls, public_key_sha256_pins, SHAPE_LOWER),
};

static const struct {
        const char *block;
        size_t offset;
} words[] = {
        { "profile", offsetof(struct opt_profile, mode) },
        { "limits", offsetof(struct opt_limits, priority) },
        { "mutation_rule", offsetof(struct opt_mutation_rule, mode) },
        { "remap_image", offsetof(struct opt_remap_image, match) },
};

static void shape_block(struct config *c, const struct opt_block *block, unsigned char *base) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (rows[i].block[0] == block->name[0] && strcmp(rows[i].block, block->name) == 0)
                        shape_list(c, (struct plist *) (base + rows[i].offset), rows[i].shape);
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strcmp(words[i].block, block->name) == 0)
                        shape_word(c, (struct pstr *) (base + words[i].offset));
        for (uint32_t i = 0; i < block->n_rows; i++) {
                const struct opt_row *row = block->rows + i;

                if (row->kind == OPT_K_SUB) {
                        shape_block(c, row->inner, base + row->offset);
                } else if (row->kind == OPT_K_LIST || row->kind == OPT_K_OPT) {
                        const struct plist *list = (const struct plist *) (base + row->offset);

                        for (uint32_t k = 0; k < list->n; k++)
                                shape_block(c, row->inner,
                                            list_of(c, *list, unsigned char) + (size_t) k * row->inner->size);
                }
        }
}

/*
 * In a device request, driver and capabilities are compared in lower case; the sets without duplicates (chapter
 * 03, 2.3).
 */
static void shape_device_requests(struct config *c, struct plist list) {
        struct opt_device_request *at = list_of(c, list, struct opt_device_request);

        for (uint32_t i = 0; i < list.n; i++) {
                struct plist *sets = list_of(c, at[i].allowed_capabilities, struct plist);

                shape_word(c, &at[i].driver);
                for (uint32_t k = 0; k < at[i].allowed_capabilities.n; k++)
                        shape_list(c, sets + k, SHAPE_LOWER);
        }
}

void effective_apply(struct config *c) {
        struct opt_profile *profiles = list_of(c, c->root->clients.profiles, struct opt_profile);

        shape_block(c, &opt_block_root, (unsigned char *) c->root);
        shape_device_requests(c, c->root->request_body.container_create.allowed_device_requests);
        for (uint32_t i = 0; i < c->root->clients.profiles.n; i++)
                shape_device_requests(c, profiles[i].request_body.container_create.allowed_device_requests);
}
