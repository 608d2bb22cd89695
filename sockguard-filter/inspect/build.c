/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unicode.h"
#include "inspect/build.h"
#include "inspect/dockerfile.h"
#include "inspect/facts.h"
#include "inspect/judge.h"
#include "inspect/registry.h"

/*
 * POST /build and /libpod/build (chapter 04, 5). While RUN is not allowed, the context is spooled, the Dockerfile
 * looked for as the daemon would find it, and read; otherwise the context streams through.
 */

#define BODY_MAX (512ull * 1024 * 1024)
#define NAME_MAX_ 4096u /* bytes of a Dockerfile's path */
#define KEY(name) "request_body.build." name

static const char frontend_reason[] = "the build asks for a frontend, which may give the Dockerfile another meaning";

static bool is_libpod(const struct inspect_input *in) {
        return slice_starts(in->path, SLICE("/libpod/"));
}

static bool uninspected(const struct inspect_input *in) {
        return is_libpod(in) && in->options->libpod_uninspected;
}

/* One leading slash off, then clean; nothing left is the default. */
static struct slice normalize_name(const struct inspect_input *in, struct slice name) {
        name = unicode_trim(name);
        if (slice_starts(name, SLICE("/")))
                name = slice_from(name, 1);
        if (name.len == 0)
                return SLICE("Dockerfile");
        name = inspect_clean(in, name);
        return slice_eq(name, SLICE(".")) ? SLICE("Dockerfile") : name;
}

struct dockerfiles {
        size_t n;
        bool any; /* one of them will do: Podman's two default names */
        struct slice names[FACTS_WATCH_MAX];
};

/*
 * ?dockerfile=: a path, or with Podman also a JSON array of them, or nothing: then it takes Containerfile before
 * Dockerfile. False: cannot be followed.
 */
static bool dockerfile_names(const struct inspect_input *in, struct dockerfiles *ret) {
        struct slice value = { 0 };
        struct json_value v;
        struct json_iter it;

        *ret = (struct dockerfiles){ 0 };
        (void) http_query_get(in->query, SLICE("dockerfile"), &value);
        value = unicode_trim(value);
        if (is_libpod(in) && value.len == 0) {
                *ret = (struct dockerfiles){ .n = 2,
                                             .any = true,
                                             .names = { SLICE("Containerfile"), SLICE("Dockerfile") } };
                return true;
        }
        if (!is_libpod(in) && slice_starts(value, SLICE("[")) && json_validate(value, 0, 16, in->arena, NULL) == 0)
                return false; /* a name to Docker, a list to Podman */
        if (is_libpod(in) && slice_starts(value, SLICE("["))) {
                if (json_validate(value, 0, 16, in->arena, NULL) < 0)
                        return false;
                for (it = json_iter_of(json_root(value)); json_next(&it, NULL, &v);) {
                        if (v.type != JSON_STRING || ret->n == FACTS_WATCH_MAX)
                                return false;
                        ret->names[ret->n++] = json_string(v, in->arena);
                }
        }
        if (ret->n == 0)
                ret->names[ret->n++] = value;
        for (size_t i = 0; i < ret->n; i++) {
                /* Podman fetches what looks like a URL. */
                if (ret->names[i].len > 0 && memmem(ret->names[i].at, ret->names[i].len, "://", 3))
                        return false;
                ret->names[i] = normalize_name(in, normalize_name(in, ret->names[i]));
                if (ret->names[i].len > NAME_MAX_ || memchr(ret->names[i].at, 0, ret->names[i].len))
                        return false;
        }
        return true;
}

/* ---- parameters ---- */

/* A parameter that must not say anything. */
static bool judge_unset(const struct inspect_input *in, const char *name, bool allowed, const char *option,
                        struct inspect_result *r) {
        for (size_t i = 0; i < in->query->n && !allowed; i++) {
                struct slice value = unicode_trim(in->query->at[i].value);

                if (!slice_eq(in->query->at[i].name, slice_of(name)) || value.len == 0 ||
                    slice_eq(value, SLICE("[]")) || slice_eq(value, SLICE("{}")) || slice_eq(value, SLICE("null")) ||
                    slice_eq(value, SLICE("[\"\"]")))
                        continue;
                inspect_deny(in, r, arena_printf(in->arena, "?%s", name).at, value, option,
                             "the build parameter %s is not allowed", name);
                return false;
        }
        return true;
}

struct namespace_option {
        struct slice name, path;
        bool host;
};

static const struct json_field namespace_fields[] = {
        JSON_FIELD(struct namespace_option, name, "Name", JSON_K_STRING),
        JSON_FIELD(struct namespace_option, host, "Host", JSON_K_BOOL),
        JSON_FIELD(struct namespace_option, path, "Path", JSON_K_STRING),
};

/* Podman's nsoptions: [{"Name", "Host", "Path"}]. The user namespace is the host's for every build of a root service.
 */
static bool judge_namespaces(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_build *o = &in->options->build;
        struct json_value v;
        struct json_iter it;
        struct slice text;

        if (!judge_parameter(in, "nsoptions", &text, r))
                return false;
        if (text.len == 0 || o->allow_libpod_host_options)
                return true;
        if (json_validate(text, 0, 16, in->arena, NULL) < 0 ||
            (json_root(text).type != JSON_ARRAY && json_root(text).type != JSON_NULL)) {
                inspect_deny(in, r, "?nsoptions", text, NULL, "nsoptions is not a list");
                return false;
        }
        for (it = json_iter_of(json_root(text)); json_next(&it, NULL, &v);) {
                struct namespace_option n = { 0 };
                bool network;

                if (!judge_decode_value(in, v, "?nsoptions", namespace_fields,
                                        sizeof(namespace_fields) / sizeof(namespace_fields[0]), &n, r))
                        return false;
                network = inspect_word_is(n.name, SLICE("network"));
                if (inspect_is_blank(n.path)
                            ? !n.host || inspect_word_is(n.name, SLICE("user")) || (network && o->allow_host_network)
                            : false)
                        continue;
                inspect_deny(in, r, "?nsoptions", n.name,
                             network ? KEY("allow_host_network") : KEY("allow_libpod_host_options"),
                             "building in a namespace of the host is not allowed");
                return false;
        }
        return true;
}

/* Podman reads these on Docker's path as well, where no client of Docker's sends them; the last two Docker has, too. */
static bool judge_host_options(const struct inspect_input *in, struct inspect_result *r) {
        static const char *const podman[] = { "volume",      "volumes", "device",
                                              "devices",     "addcaps", "additionalbuildcontexts",
                                              "securityopt", "outputs" };
        static const char *const docker[] = { "cgroupparent", "securityopt", "extrahosts" };
        const struct opt_build *o = &in->options->build;
        size_t n = sizeof(podman) / sizeof(podman[0]) - (is_libpod(in) ? 0 : 2);

        for (size_t i = 0; i < n; i++)
                if (!judge_unset(in, podman[i], o->allow_libpod_host_options, KEY("allow_libpod_host_options"), r))
                        return false;
        for (size_t i = 0; i < sizeof(docker) / sizeof(docker[0]); i++)
                if (!judge_unset(in, docker[i], !o->deny_host_options, KEY("deny_host_options"), r))
                        return false;
        return judge_namespaces(in, r);
}

/* With restrict_images: the names that the result gets, and the images whose layers are trusted as a cache. */
static bool judge_image_parameters(const struct inspect_input *in, struct inspect_result *r) {
        const struct registry_policy policy = build_image_policy(in);
        struct json_value v;
        struct json_iter it;

        if (!in->options->build.restrict_images)
                return true;
        for (size_t i = 0; i < in->query->n; i++) {
                const struct http_param *p = &in->query->at[i];

                if (slice_eq(p->name, SLICE("t")) && !registry_check(in, &policy, p->value, "?t", r))
                        return false;
                if (!slice_eq(p->name, SLICE("cachefrom")) || inspect_is_blank(p->value))
                        continue;
                if (json_validate(p->value, 0, 16, in->arena, NULL) < 0) {
                        inspect_deny(in, r, "?cachefrom", p->value, NULL, "cachefrom is not a list");
                        return false;
                }
                for (it = json_iter_of(json_root(p->value)); json_next(&it, NULL, &v);)
                        if (!registry_check(in, &policy, json_string(v, in->arena), "?cachefrom", r))
                                return false;
        }
        return true;
}

/* Does the verdict need the Dockerfile? */
static bool needs_dockerfile(const struct inspect_input *in) {
        const struct opt_build *o = &in->options->build;

        return !o->allow_run_instructions || o->restrict_images || o->deny_remote_add ||
               (build_is_owned(in) && in->policy->root->ownership.strict);
}

/* The build argument BUILDKIT_SYNTAX names a frontend, like a syntax directive. What is no JSON object the engine
 * refuses itself. */
static bool judge_build_arguments(const struct inspect_input *in, struct inspect_result *r) {
        const unsigned lenient = JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES;
        struct json_value v;
        struct json_iter it;
        struct slice name;

        for (size_t i = 0; i < in->query->n && needs_dockerfile(in); i++) {
                const struct http_param *p = &in->query->at[i];

                if (!slice_eq(p->name, SLICE("buildargs")) ||
                    json_validate(p->value, lenient, 64, in->arena, NULL) < 0 ||
                    json_root(p->value).type != JSON_OBJECT)
                        continue;
                for (it = json_iter_of(json_root(p->value)); json_next(&it, &name, &v);) {
                        if (judge_absent(v) || !slice_eq(json_name(name, in->arena), SLICE("BUILDKIT_SYNTAX")))
                                continue;
                        inspect_deny(in, r, "?buildargs", SLICE("BUILDKIT_SYNTAX"), KEY("allow_run_instructions"), "%s",
                                     frontend_reason);
                        return false;
                }
        }
        return true;
}

static void precheck_build(const struct inspect_input *in, struct inspect_result *r) {
        const struct opt_build *o = &in->options->build;
        struct slice mode, remote, name;

        if (uninspected(in))
                return;
        if (!registry_config_check(in, r) || !judge_parameter(in, "networkmode", &mode, r))
                return;
        if (inspect_is_host(mode) && !o->allow_host_network) {
                inspect_deny(in, r, "?networkmode", mode, KEY("allow_host_network"),
                             "building in the host's network is not allowed");
                return;
        }
        if (!judge_parameter(in, "remote", &remote, r))
                return;
        if (remote.len > 0 && !o->allow_remote_context) {
                inspect_deny(in, r, "?remote", remote, KEY("allow_remote_context"), "a remote context is not allowed");
                return;
        }
        if (remote.len > 0 && needs_dockerfile(in)) {
                inspect_deny(in, r, "?remote", remote, KEY("allow_run_instructions"),
                             "a remote context cannot be inspected");
                return;
        }
        if (!judge_host_options(in, r) || !judge_image_parameters(in, r) || !judge_build_arguments(in, r))
                return;
        if (needs_dockerfile(in))
                (void) judge_parameter(in, "dockerfile", &name, r);
}

static bool build_arguments(const struct inspect_input *in, const char **argv, size_t room) {
        struct dockerfiles d;
        size_t n = 0;

        if (uninspected(in) || !needs_dockerfile(in) || room < FACTS_WATCH_MAX + 6)
                return false;
        argv[n++] = "-g";
        argv[n++] = "1073741824";
        argv[n++] = "-r";
        argv[n++] = "--";
        if (dockerfile_names(in, &d))
                for (size_t i = 0; i < d.n; i++)
                        argv[n++] = arena_dup(in->arena, d.names[i]).at;
        argv[n] = NULL;
        return true;
}

/* ---- the Dockerfile ---- */

static void judge_dockerfile(const struct inspect_input *in, struct slice text, struct inspect_result *r) {
        const struct opt_build *o = &in->options->build;
        const char *why = NULL;

        switch (dockerfile_scan(text, in->arena)) {
        case DOCKERFILE_CLEAN:
                break;
        case DOCKERFILE_RUN:
                why = o->allow_run_instructions ? NULL : "RUN is not allowed";
                break;
        case DOCKERFILE_FRONTEND:
                why = frontend_reason;
                break;
        case DOCKERFILE_NUL:
                why = "the Dockerfile holds a NUL byte";
                break;
        case DOCKERFILE_AMBIGUOUS:
                why = "the Dockerfile cannot be read with certainty";
                break;
        }
        if (why)
                inspect_deny(in, r, NULL, SLICE(""), KEY("allow_run_instructions"), "%s", why);
        else
                build_judge_sources(in, text, r);
}

/*
 * Podman runs a file named *.in through cpp(1) first, which drops comments and acts on directives: what it makes of
 * such a text is not what stands here.
 */
static bool is_preprocessed(struct slice name, struct slice text) {
        static const char *const directives[] = { "include", "include_next", "import", "define", "undef", "if",
                                                  "ifdef",   "ifndef",       "elif",   "else",   "endif" };
        struct slice line, word, rest = text;

        if (!slice_ends(name, SLICE(".in")))
                return false;
        if (text.len > 0 && memmem(text.at, text.len, "/*", 2))
                return true;
        while (rest.len > 0) {
                slice_cut(rest, '\n', &line, &rest);
                line = unicode_trim(line);
                if (!slice_starts(line, SLICE("#")))
                        continue;
                line = slice_from(line, 1);
                if (!unicode_field(&line, &word))
                        continue;
                for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
                        if (slice_starts(word, slice_of(directives[i])))
                                return true;
        }
        return false;
}

static void not_found(const struct inspect_input *in, struct slice name, struct inspect_result *r) {
        inspect_deny(in, r, "?dockerfile", name, KEY("allow_run_instructions"),
                     "the context does not hold the Dockerfile exactly once, as a plain file");
}

/*
 * What is left when a body is no archive from its first block on. One shorter than a block may be an archive that was
 * cut off: its text can only make the refusal clearer.
 */
static void judge_raw(const struct inspect_input *in, const struct facts *f, struct slice name,
                      struct inspect_result *r) {
        const struct http_field *type = http_head_find(in->head, HTTP_F_CONTENT_TYPE);
        bool as_text = type && slice_starts(unicode_lower(in->arena, unicode_trim(type->value)), SLICE("text/plain"));

        if (unicode_trim(f->raw).len == 0 || (!as_text && !dockerfile_looks_like_one(f->raw)))
                not_found(in, name, r);
        else
                judge_dockerfile(in, f->raw, r);
        if (r->outcome == INSPECT_PASS && f->raw.len < 512)
                facts_fail(in, f, r);
}

static void inspect_build(const struct inspect_input *in, struct inspect_result *r) {
        struct dockerfiles d;
        struct facts f;

        if (in->facts.len == 0)
                return;
        if (!dockerfile_names(in, &d)) {
                inspect_deny(in, r, "?dockerfile", SLICE(""), NULL, "the Dockerfile's path cannot be followed");
                return;
        }
        if (!facts_read(in, d.n, &f, r) || !facts_refuse_compression(in, &f, false, r))
                return;
        if (f.has_raw) {
                judge_raw(in, &f, d.names[0], r);
                return;
        }
        if (f.status == FACTS_S_HDR || f.status == FACTS_S_GZIP ||
            (f.status == FACTS_S_NOT_TAR && f.container == FACTS_GZIP)) {
                not_found(in, d.names[0], r);
                return;
        }
        if (f.status != FACTS_S_END) {
                facts_fail(in, &f, r);
                return;
        }
        if (f.first[FACTS_P_THROUGH_LINK].index) {
                inspect_deny(
                        in, r, NULL, f.first[FACTS_P_THROUGH_LINK].name, KEY("allow_run_instructions"),
                        "an entry is reached through a symbolic link of the context: it may replace the Dockerfile");
                return;
        }
        if (d.any && f.watch[0].count == 0 && !f.watch[0].odd && !f.watch[0].parent) {
                d.names[0] = d.names[1];
                f.watch[0] = f.watch[1];
                d.n = 1;
        } else if (d.any)
                d.n = 1;
        for (size_t i = 0; i < d.n && r->outcome == INSPECT_PASS; i++) {
                const struct facts_watch *w = &f.watch[i];

                if (w->count != 1 || w->regular != 1 || w->odd || w->parent || !w->has_content)
                        not_found(in, d.names[i], r);
                else if (is_preprocessed(d.names[i], w->content))
                        inspect_deny(in, r, "?dockerfile", d.names[i], KEY("allow_run_instructions"),
                                     "a preprocessor may make another Dockerfile of this one");
                else
                        judge_dockerfile(in, w->content, r);
        }
}

const struct inspector inspect_build_rows[] = {
        { HTTP_POST, "/build", INSPECT_ARCHIVE, BODY_MAX, inspect_build, .precheck = precheck_build,
          .unpack_arguments = build_arguments, .name = "build" },
        { HTTP_POST, "/libpod/build", INSPECT_ARCHIVE, BODY_MAX, inspect_build, .precheck = precheck_build,
          .unpack_arguments = build_arguments, .name = "build" },
        { 0 },
};
