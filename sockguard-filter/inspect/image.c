/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/facts.h"
#include "inspect/judge.h"
#include "inspect/registry.h"

/* Images that come in: pull, import and load, Docker's and Podman's (chapter 04, 3, 4 and 14). */

#define BODY_MAX (512ull * 1024 * 1024)

static struct registry_policy pull_policy(const struct inspect_input *in) {
        const struct opt_image_pull *o = &in->options->image_pull;

        return (struct registry_policy){ "request_body.image_pull", o->allow_all_registries, o->allow_official,
                                         o->allowed_registries };
}

/* ---- POST /images/create: pull, or import ---- */

static bool judge_import(const struct inspect_input *in, const char *pointer, struct slice source,
                         struct inspect_result *r) {
        if (in->options->image_pull.allow_imports)
                return true;
        inspect_deny(in, r, pointer, source, "request_body.image_pull.allow_imports",
                     "importing images is not allowed");
        return false;
}

static void inspect_create(const struct inspect_input *in, struct inspect_result *r) {
        const struct registry_policy policy = pull_policy(in);
        struct slice source, image, name;

        if (!registry_auth_check(in, &policy, r) || !judge_parameter(in, "fromSrc", &source, r) ||
            !judge_parameter(in, "fromImage", &image, r) || !judge_parameter(in, "repo", &name, r))
                return;
        if (source.len > 0) {
                /* The name that an import gets is what the next `docker run` finds under it without asking a registry.
                 */
                if (judge_import(in, "?fromSrc", source, r))
                        (void) registry_check(in, &policy, name, "?repo", r);
                return;
        }
        (void) registry_check(in, &policy, image, "?fromImage", r);
}

/* ---- POST /images/load ---- */

enum { WATCH_MANIFEST, WATCH_INDEX, WATCH_REPOSITORIES, WATCH_MAX_ };
static const char *const load_names[WATCH_MAX_] = { "manifest.json", "index.json", "repositories" };

static bool uninspected(const struct inspect_input *in) {
        return slice_starts(in->path, SLICE("/libpod/")) && in->options->libpod_uninspected;
}

static void precheck_load(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_image_load *o = &in->options->image_load;

        if (!o->allow_untagged && !o->allow_all_registries && !o->allow_official && o->allowed_registries.n == 0 &&
            !uninspected(in))
                inspect_deny(in, r, NULL, SLICE(""), "request_body.image_load.allowed_registries",
                             "loading images is not allowed");
}

static bool load_arguments(const struct inspect_input *in, const char **argv, size_t room) {
        size_t n = 0;

        if (uninspected(in) || room < WATCH_MAX_ + 4)
                return false;
        argv[n++] = "-g";
        argv[n++] = "2147483648";
        argv[n++] = "--";
        for (size_t i = 0; i < WATCH_MAX_; i++)
                argv[n++] = load_names[i];
        argv[n] = NULL;
        return true;
}

static void load_failed(struct inspect_result *r, const char *why) {
        *r = (struct inspect_result){ .outcome = INSPECT_FAILED, .reason = slice_of(why) };
}

/* One name that the archive gives to an image. */
static bool judge_tag(const struct inspect_input *in, struct slice tag, const char *pointer, struct inspect_result *r) {
        const struct opt_image_load *o = &in->options->image_load;
        const struct registry_policy policy = { "request_body.image_load", o->allow_all_registries, o->allow_official,
                                                o->allowed_registries };
        struct image_reference ref;

        tag = unicode_trim(tag);
        if (tag.len == 0 || slice_eq(tag, SLICE("<none>:<none>"))) {
                if (o->allow_untagged)
                        return true;
                inspect_deny(in, r, pointer, tag, "request_body.image_load.allow_untagged",
                             "loading an image without a name is not allowed");
                return false;
        }
        if (reference_parse(tag, in->arena, &ref) < 0) {
                inspect_deny(in, r, pointer, tag, NULL, "an image's name is no reference");
                return false;
        }
        return registry_check(in, &policy, tag, pointer, r);
}

static bool valid_json(const struct inspect_input *in, struct slice text, struct json_value *ret,
                       bool *ret_duplicates) {
        *ret_duplicates = false;
        if (json_validate(text, 0, 64, in->arena, NULL) < 0) {
                if (json_validate(text, JSON_ALLOW_DUPLICATES, 64, in->arena, NULL) < 0)
                        return false;
                *ret_duplicates = true;
        }
        *ret = json_root(text);
        return true;
}

struct manifest_image {
        struct json_strings tags;
};

static const struct json_field manifest_fields[] = {
        JSON_FIELD(struct manifest_image, tags, "RepoTags", JSON_K_STRINGS),
};

/* manifest.json of `docker save`: [{"RepoTags": [...]}, ...]. False: *r is filled in. */
static bool judge_manifest(const struct inspect_input *in, struct slice text, struct inspect_result *r) {
        struct json_value root, image;
        struct json_iter it;
        bool duplicates;
        size_t n_tags = 0;

        if (!valid_json(in, text, &root, &duplicates) || (root.type != JSON_ARRAY && root.type != JSON_NULL)) {
                load_failed(r, "manifest.json could not be read");
                return false;
        }
        if (duplicates) {
                inspect_deny(in, r, "manifest.json", SLICE(""), NULL, "manifest.json holds a member twice");
                return false;
        }
        for (it = json_iter_of(root); json_next(&it, NULL, &image);) {
                struct manifest_image m = { 0 };

                if (json_decode(image, manifest_fields, 1, &m, in->arena, NULL) < 0) {
                        load_failed(r, "manifest.json could not be read");
                        return false;
                }
                n_tags += m.tags.n;
                for (size_t i = 0; i < m.tags.n; i++)
                        if (!judge_tag(in, m.tags.at[i], "manifest.json/RepoTags", r))
                                return false;
        }
        if (n_tags > 0 || in->options->image_load.allow_untagged)
                return true;
        inspect_deny(in, r, "manifest.json", SLICE(""), "request_body.image_load.allow_untagged",
                     "loading an image without a name is not allowed");
        return false;
}

static bool unreadable(const struct inspect_input *in, const char *name, struct inspect_result *r) {
        inspect_deny(in, r, name, SLICE(""), NULL, "%s could not be read", name);
        return false;
}

/* index.json of an OCI layout: engines with a containerd store take the names from its annotations. */
static bool judge_index(const struct inspect_input *in, struct slice text, struct inspect_result *r) {
        struct json_value root, manifests, one;
        struct json_iter it;
        bool duplicates;

        if (!valid_json(in, text, &root, &duplicates) || duplicates || root.type != JSON_OBJECT)
                return unreadable(in, "index.json", r);
        manifests = json_member(root, SLICE("manifests"));
        if (manifests.type != JSON_ARRAY && !judge_absent(manifests))
                return unreadable(in, "index.json", r);
        for (it = json_iter_of(manifests); json_next(&it, NULL, &one);) {
                struct json_value notes = json_member(one, SLICE("annotations"));
                struct json_value name = json_member_exact(notes, SLICE("io.containerd.image.name"));
                struct json_value ref = json_member_exact(notes, SLICE("org.opencontainers.image.ref.name"));

                if (one.type != JSON_OBJECT || (notes.type != JSON_OBJECT && !judge_absent(notes)) ||
                    (name.type != JSON_STRING && !judge_absent(name)) ||
                    (ref.type != JSON_STRING && !judge_absent(ref)))
                        return unreadable(in, "index.json", r);
                /* The second one counts only without the first; it may be no more than a tag. */
                if (name.type != JSON_STRING || json_string(name, in->arena).len == 0)
                        name = ref;
                if (name.type == JSON_STRING &&
                    !judge_tag(in, json_string(name, in->arena), "index.json/manifests/annotations", r))
                        return false;
        }
        return true;
}

/* The file `repositories` of old archives: {"name": {"tag": "id"}}. */
static bool judge_repositories(const struct inspect_input *in, struct slice text, struct inspect_result *r) {
        struct json_value root, tags, id;
        struct json_iter it, inner;
        struct slice name, tag;
        bool duplicates;

        if (!valid_json(in, text, &root, &duplicates) || duplicates ||
            (root.type != JSON_OBJECT && root.type != JSON_NULL))
                return unreadable(in, "repositories", r);
        for (it = json_iter_of(root); json_next(&it, &name, &tags);) {
                struct slice repository = json_name(name, in->arena);

                if (tags.type != JSON_OBJECT && tags.type != JSON_NULL)
                        return unreadable(in, "repositories", r);
                if (!judge_tag(in, repository, "repositories", r))
                        return false;
                for (inner = json_iter_of(tags); json_next(&inner, &tag, &id);) {
                        struct slice t = json_name(tag, in->arena);

                        if (!judge_tag(in, arena_printf(in->arena, "%.*s:%.*s", SLICE_ARG(repository), SLICE_ARG(t)),
                                       "repositories", r))
                                return false;
                }
        }
        return true;
}

/*
 * An engine unpacks the archive first and looks afterwards: of two entries with one name the last one stays, a link
 * leads elsewhere, and an entry below a link lands where the link points. So the files that name the image must be
 * there once, as plain files, and nothing may be reached through a link.
 */
static bool judge_shape(const struct inspect_input *in, const struct facts *f, struct inspect_result *r) {
        for (size_t i = 0; i < WATCH_MAX_; i++) {
                const struct facts_watch *w = &f->watch[i];

                if (w->odd || w->parent || w->count > 1) {
                        inspect_deny(in, r, load_names[i], SLICE(""), NULL,
                                     "%s is in the archive more than once, or is no plain file", load_names[i]);
                        return false;
                }
        }
        if (f->first[FACTS_P_THROUGH_LINK].index) {
                inspect_deny(in, r, NULL, f->first[FACTS_P_THROUGH_LINK].name, NULL,
                             "an entry is reached through a symbolic link of the same archive");
                return false;
        }
        return true;
}

static void inspect_load(const struct inspect_input *in, struct inspect_result *r) {
        const struct facts_watch *w;
        struct facts f;

        if (in->facts.len == 0 || !facts_read(in, WATCH_MAX_, &f, r))
                return;
        if (f.status == FACTS_S_NONE) {
                load_failed(r, "the upload's compression is not looked into here");
                return;
        }
        if (f.status != FACTS_S_END) {
                facts_fail(in, &f, r);
                return;
        }
        if (!judge_shape(in, &f, r))
                return;
        w = f.watch;
        if (!w[WATCH_MANIFEST].has_content && f.container == FACTS_GZIP) {
                load_failed(r, "the archive holds no manifest.json");
                return;
        }
        if (!w[WATCH_MANIFEST].has_content && !in->options->image_load.allow_untagged) {
                inspect_deny(in, r, "manifest.json", SLICE(""), "request_body.image_load.allow_untagged",
                             "the archive holds no manifest.json");
                return;
        }
        if (w[WATCH_MANIFEST].has_content && !judge_manifest(in, w[WATCH_MANIFEST].content, r))
                return;
        if (w[WATCH_INDEX].has_content && !judge_index(in, w[WATCH_INDEX].content, r))
                return;
        if (w[WATCH_REPOSITORIES].has_content)
                (void) judge_repositories(in, w[WATCH_REPOSITORIES].content, r);
}

/* ---- Podman ---- */

/* Podman reads these in front of a colon as where to take the image from: files, other stores. They look like names
 * with a tag. */
static bool names_transport(struct slice reference) {
        static const char *const transports[] = {
                "dir",    "oci", "oci-archive", "docker-archive", "docker-daemon", "containers-storage",
                "ostree", "sif", "tarball",     "atomic",
        };
        struct slice transport, rest;

        if (!slice_cut(reference, ':', &transport, &rest))
                return false;
        for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
                if (slice_case_eq(transport, slice_of(transports[i])))
                        return true;
        return false;
}

/* POST /libpod/images/pull: ?reference= in any of Podman's transports; only registries are a policy's business. */
static void inspect_libpod_pull(const struct inspect_input *in, struct inspect_result *r) {
        const struct registry_policy policy = pull_policy(in);
        struct slice reference, verify;

        if (in->options->libpod_uninspected)
                return;
        if (!registry_auth_check(in, &policy, r) || !judge_parameter(in, "reference", &reference, r) ||
            !judge_parameter(in, "tlsVerify", &verify, r))
                return;
        if (slice_starts(reference, SLICE("docker://")))
                reference = slice_from(reference, sizeof("docker://") - 1);
        else if (names_transport(reference)) {
                inspect_deny(in, r, "?reference", reference, NULL,
                             "pulling from elsewhere than a registry is not allowed");
                return;
        }
        if (verify.len > 0 && !http_query_truth(verify) && !policy.allow_all) {
                inspect_deny(in, r, "?tlsVerify", verify, "request_body.image_pull.allow_all_registries",
                             "pulling without verifying the registry's certificate is not allowed");
                return;
        }
        (void) registry_check(in, &policy, reference, "?reference", r);
}

/* POST /libpod/images/import: an archive, or ?url=, becomes an image named ?reference=. */
static void inspect_libpod_import(const struct inspect_input *in, struct inspect_result *r) {
        const struct registry_policy policy = pull_policy(in);
        struct slice url, reference;

        if (in->options->libpod_uninspected || !judge_parameter(in, "url", &url, r) ||
            !judge_parameter(in, "reference", &reference, r))
                return;
        if (judge_import(in, url.len > 0 ? "?url" : NULL, url, r))
                (void) registry_check(in, &policy, reference, "?reference", r);
}

const struct inspector inspect_image_rows[] = {
        { HTTP_POST, "/images/create", INSPECT_NO_BODY, 0, inspect_create, .name = "image_pull" },
        { HTTP_POST, "/images/load", INSPECT_ARCHIVE, BODY_MAX, inspect_load, .precheck = precheck_load,
          .unpack_arguments = load_arguments, .name = "image_load" },
        { HTTP_POST, "/libpod/images/pull", INSPECT_NO_BODY, 0, inspect_libpod_pull, .name = "image_pull" },
        { HTTP_POST, "/libpod/images/import", INSPECT_NO_BODY, 0, inspect_libpod_import, .name = "image_pull" },
        { HTTP_POST, "/libpod/images/load", INSPECT_ARCHIVE, BODY_MAX, inspect_load, .precheck = precheck_load,
          .unpack_arguments = load_arguments, .name = "image_load" },
        { 0 },
};
