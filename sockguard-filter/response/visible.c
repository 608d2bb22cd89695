/* SPDX-License-Identifier: Apache-2.0 */
#include "response/visible.h"

#include <errno.h>

#include "policy/glob.h"

void visible_patterns_of(const struct policy *p, uint32_t scope, struct visible_patterns *ret) {
        struct visible_patterns vp = { .policy = p };
        const struct plist root[VISIBLE_AXIS_MAX_] = { p->root->response.name_patterns,
                                                       p->root->response.image_patterns };

        for (int axis = 0; axis < VISIBLE_AXIS_MAX_; axis++) {
                vp.lists[axis][0] = policy_list(p, root[axis], struct pstr);
                vp.n[axis][0] = root[axis].n;
        }
        if (scope != POLICY_SCOPE_ROOT && scope - 1 < p->root->clients.profiles.n) {
                const struct opt_profile *profile =
                        policy_list(p, p->root->clients.profiles, struct opt_profile) + (scope - 1);
                const struct plist own[VISIBLE_AXIS_MAX_] = { profile->response.name_patterns,
                                                              profile->response.image_patterns };

                for (int axis = 0; axis < VISIBLE_AXIS_MAX_; axis++) {
                        vp.lists[axis][1] = policy_list(p, own[axis], struct pstr);
                        vp.n[axis][1] = own[axis].n;
                }
        }
        for (int axis = 0; axis < VISIBLE_AXIS_MAX_; axis++)
                vp.any = vp.any || vp.n[axis][0] || vp.n[axis][1];
        *ret = vp;
}

static bool axis_set(const struct visible_patterns *vp, enum visible_axis axis) {
        return vp->n[axis][0] || vp->n[axis][1];
}

static bool axis_matches(const struct visible_patterns *vp, enum visible_axis axis, struct slice text) {
        for (int from = 0; from < 2; from++)
                for (uint32_t i = 0; i < vp->n[axis][from]; i++)
                        if (glob_match_plain(policy_str(vp->policy, vp->lists[axis][from][i]), text, false))
                                return true;
        return false;
}

static struct slice without_slash(struct slice name) {
        return slice_starts(name, SLICE("/")) ? slice_from(name, 1) : name;
}

struct container_entry {
        struct json_strings names;
        struct slice image;
};

static const struct json_field container_entry_fields[] = {
        JSON_FIELD(struct container_entry, names, "Names", JSON_K_STRINGS),
        JSON_FIELD(struct container_entry, image, "Image", JSON_K_STRING),
};

int visible_container_entry(const struct visible_patterns *vp, struct json_value v, struct arena *a) {
        struct json_decode_error why;
        struct container_entry c = { 0 };

        if (JSON_DECODE(v, container_entry_fields, &c, a, &why) < 0)
                return -EBADMSG;
        if (axis_set(vp, VISIBLE_NAME) &&
            !axis_matches(vp, VISIBLE_NAME, c.names.n ? without_slash(c.names.at[0]) : SLICE("")))
                return 0;
        return !axis_set(vp, VISIBLE_IMAGE) || axis_matches(vp, VISIBLE_IMAGE, c.image);
}

struct container_inspect_config {
        struct slice image;
};

struct container_inspect {
        struct json_strings names;
        struct slice name, image;
        struct container_inspect_config config;
};

static const struct json_field container_config_fields[] = {
        JSON_FIELD(struct container_inspect_config, image, "Image", JSON_K_STRING),
};

static const struct json_field container_inspect_fields[] = {
        JSON_FIELD(struct container_inspect, names, "Names", JSON_K_STRINGS),
        JSON_FIELD(struct container_inspect, name, "Name", JSON_K_STRING),
        JSON_FIELD(struct container_inspect, image, "Image", JSON_K_STRING),
        JSON_NESTED(struct container_inspect, config, "Config", JSON_K_STRUCT, struct container_inspect_config,
                    container_config_fields),
};

int visible_container_inspect(const struct visible_patterns *vp, struct json_value v, struct arena *a) {
        struct json_decode_error why;
        struct container_inspect c = { 0 };

        if (JSON_DECODE(v, container_inspect_fields, &c, a, &why) < 0)
                return -EBADMSG;
        if (axis_set(vp, VISIBLE_NAME) &&
            !axis_matches(vp, VISIBLE_NAME, without_slash(c.names.n ? c.names.at[0] : c.name)))
                return 0;
        /* The list shows the reference, the inspect an id at the top and the reference in Config: either may match
         * (3.5). */
        return !axis_set(vp, VISIBLE_IMAGE) || axis_matches(vp, VISIBLE_IMAGE, c.config.image) ||
               axis_matches(vp, VISIBLE_IMAGE, c.image);
}

struct image_entry {
        struct json_strings tags;
};

static const struct json_field image_fields[] = {
        JSON_FIELD(struct image_entry, tags, "RepoTags", JSON_K_STRINGS),
};

int visible_image(const struct visible_patterns *vp, struct json_value v, struct arena *a) {
        bool name_ok = !axis_set(vp, VISIBLE_NAME), image_ok = !axis_set(vp, VISIBLE_IMAGE);
        struct json_decode_error why;
        struct image_entry image = { 0 };

        if (JSON_DECODE(v, image_fields, &image, a, &why) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < image.tags.n && !(name_ok && image_ok); i++) {
                struct slice tag = image.tags.at[i];
                ssize_t slash = slice_rfind(tag, '/');

                name_ok = name_ok || axis_matches(vp, VISIBLE_NAME, slice_from(tag, (size_t) (slash + 1)));
                image_ok = image_ok || axis_matches(vp, VISIBLE_IMAGE, tag);
        }
        return name_ok && image_ok;
}
