/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/registry.h"

#include "base/base64.h"
#include "base/unicode.h"

#define HEADER_MAX 8192u /* bytes of a credential field, encoded and decoded */

struct slice registry_normalize(struct slice host, struct arena *a) {
        host = unicode_lower(a, unicode_trim(host));
        if (host.len == 0 || slice_find(host, '/') >= 0)
                return (struct slice){ 0 };
        return slice_eq(host, SLICE("index.docker.io")) ? SLICE("docker.io") : host;
}

/* What ends a name early for some reader, or for a person. */
static bool has_reference_characters_only(struct slice s) {
        while (s.len > 0) {
                uint32_t cp;
                size_t n = unicode_decode(s, &cp);

                if (n == 0 || cp <= ' ' || cp == 0x7f || unicode_is_space(cp) ||
                    (cp < 0x80 && strchr("?#%\\", (int) cp)))
                        return false;
                s = slice_from(s, n);
        }
        return true;
}

/*
 * Engines take the first component for a host when it holds a dot or a colon, is "localhost", or holds an upper-case
 * letter (which no repository may).
 */
static bool is_host(struct slice component, struct arena *a) {
        return slice_find(component, '.') >= 0 || slice_find(component, ':') >= 0 ||
               unicode_fold_eq(component, SLICE("localhost")) || !slice_eq(unicode_lower(a, component), component);
}

int reference_parse(struct slice text, struct arena *a, struct image_reference *ret) {
        struct slice name, digest, first, rest, part;
        ssize_t colon, slash;

        text = unicode_trim(text);
        if (text.len == 0)
                return -ENOENT;
        if (!has_reference_characters_only(text))
                return -EINVAL;
        *ret = (struct image_reference){ 0 };
        ret->digest = slice_cut(text, '@', &name, &digest);
        colon = slice_rfind(name, ':');
        slash = slice_rfind(name, '/');
        if (colon >= 0 && colon > slash)
                name.len = (size_t) colon;

        ret->registry = SLICE("docker.io");
        ret->repository = name;
        if (slice_cut(name, '/', &first, &rest) && is_host(first, a)) {
                ret->registry = registry_normalize(first, a);
                ret->repository = rest;
        }
        for (rest = ret->repository;;) {
                bool more = slice_cut(rest, '/', &part, &rest);

                if (part.len == 0)
                        return -EINVAL;
                if (!more)
                        break;
        }
        if (slice_eq(ret->registry, SLICE("docker.io"))) {
                bool nested = slice_cut(ret->repository, '/', &first, &rest);

                ret->official = !nested || (slice_eq(first, SLICE("library")) && slice_find(rest, '/') < 0);
        }
        return 0;
}

enum registry_verdict registry_judge(const struct inspect_input *in, const struct registry_policy *p,
                                     struct slice reference) {
        struct image_reference ref;
        int r;

        if (p->allow_all)
                return REGISTRY_ALLOWED;
        r = reference_parse(reference, in->arena, &ref);
        if (r == -ENOENT)
                return REGISTRY_ALLOWED;
        if (r < 0)
                return REGISTRY_UNPARSED;
        if ((p->allow_official && ref.official) || policy_strs_have(in->policy, p->allowed, ref.registry))
                return REGISTRY_ALLOWED;
        return REGISTRY_DENIED;
}

bool registry_check(const struct inspect_input *in, const struct registry_policy *p, struct slice reference,
                    const char *pointer, struct inspect_result *r) {
        struct image_reference ref = { 0 };

        switch (registry_judge(in, p, reference)) {
        case REGISTRY_ALLOWED:
                return true;
        case REGISTRY_UNPARSED:
                inspect_deny(in, r, pointer, reference, NULL, "this is not an image reference");
                return false;
        default:
                (void) reference_parse(reference, in->arena, &ref);
                inspect_deny(in, r, pointer, reference, arena_printf(in->arena, "%s.allowed_registries", p->block).at,
                             "registry %.*s is not allowed", SLICE_ARG(ref.registry));
                return false;
        }
}

/* ---- credential fields ---- */

/*
 * Takes a credential field apart as far as its JSON. 1: *ret is the root, an object or null; 0: there is no field;
 * -EBADMSG: *r is filled in. Values never appear in a reason.
 */
static int credential_field(const struct inspect_input *in, enum http_field_id id, const char *name,
                            struct json_value *ret, struct inspect_result *r) {
        static const struct {
                bool url, padded;
        } ways[] = { { false, true }, { true, true }, { false, false }, { true, false } };
        const struct http_field *f = http_head_find(in->head, id);
        struct slice text, decoded = { 0 };
        bool ok = false;

        if (!f)
                return 0;
        if (http_head_count(in->head, id) > 1) {
                inspect_deny(in, r, name, (struct slice){ 0 }, NULL, "%s is sent more than once", name);
                return -EBADMSG;
        }
        text = unicode_trim(f->value);
        if (text.len == 0)
                return 0;
        if (text.len > HEADER_MAX) {
                inspect_deny(in, r, name, (struct slice){ 0 }, NULL, "%s is longer than %u bytes", name, HEADER_MAX);
                return -EBADMSG;
        }
        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && !ok; i++)
                ok = base64_decode(text, ways[i].url, ways[i].padded, in->arena, &decoded);
        if (!ok || decoded.len > HEADER_MAX || json_validate(decoded, 0, 64, in->arena, NULL) < 0) {
                inspect_deny(in, r, name, (struct slice){ 0 }, NULL, "%s is not a JSON object in base64", name);
                return -EBADMSG;
        }
        *ret = json_root(decoded);
        if (ret->type != JSON_OBJECT && ret->type != JSON_NULL) {
                inspect_deny(in, r, name, (struct slice){ 0 }, NULL, "%s is not a JSON object in base64", name);
                return -EBADMSG;
        }
        return 1;
}

struct credential {
        struct slice server;
};

static const struct json_field credential_fields[] = {
        JSON_FIELD(struct credential, server, "serveraddress", JSON_K_STRING),
};

bool registry_auth_check(const struct inspect_input *in, const struct registry_policy *p, struct inspect_result *r) {
        const char *name = "X-Registry-Auth";
        struct json_value root;
        struct credential c = { 0 };
        struct slice server, host;
        int k = credential_field(in, HTTP_F_X_REGISTRY_AUTH, name, &root, r);

        if (k <= 0)
                return k == 0;
        if (JSON_DECODE(root, credential_fields, &c, in->arena, NULL) < 0) {
                inspect_deny(in, r, name, (struct slice){ 0 }, NULL,
                             "%s names its server by something else than a text", name);
                return false;
        }
        server = unicode_trim(c.server);
        if (p->allow_all || p->allowed.n == 0 || server.len == 0)
                return true;
        for (size_t i = 0; i + 3 <= server.len; i++)
                if (memcmp(server.at + i, "://", 3) == 0) {
                        server = slice_from(server, i + 3);
                        break;
                }
        slice_cut(server, '/', &host, &server);
        host = registry_normalize(host, in->arena);
        if (host.len > 0 && policy_strs_have(in->policy, p->allowed, host))
                return true;
        inspect_deny(in, r, name, host, arena_printf(in->arena, "%s.allowed_registries", p->block).at,
                     "credentials for a registry that is not allowed");
        return false;
}

bool registry_config_check(const struct inspect_input *in, struct inspect_result *r) {
        struct json_value root;

        return credential_field(in, HTTP_F_X_REGISTRY_CONFIG, "X-Registry-Config", &root, r) >= 0;
}
