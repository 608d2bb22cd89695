/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/ownership.h"

#include <errno.h>

#include "base/json_scan.h"
#include "base/path_pattern.h"
#include "base/unicode.h"
#include "identity/list_filter.h"
#include "identity/references.h"

/*
 * Several tenants, one daemon (chapter 05, part 2): what a tenant makes carries its label, lists show only that, and
 * nothing else can be named, neither in a path nor in a parameter nor in a body.
 */

struct ownership {
        struct slice owner, key;
        bool unowned_images_ok, namespaces, strict;
        const struct opt_ownership *options;
};

/* Lists, prunes and events whose `filters` parameter the engine obeys. */
static const char *const filtered[] = {
        "/events",
        "/containers/json",
        "/containers/prune",
        "/images/json",
        "/images/prune",
        "/networks",
        "/networks/prune",
        "/volumes",
        "/volumes/prune",
        "/services",
        "/tasks",
        "/secrets",
        "/configs",
        "/nodes",
        "/libpod/containers/json",
        "/libpod/pods/json",
        "/libpod/networks/json",
        "/libpod/volumes/json",
        "/libpod/secrets/json",
        "/libpod/images/json",
        "/libpod/events",
        "/libpod/containers/prune",
        "/libpod/networks/prune",
        "/libpod/volumes/prune",
        "/libpod/images/prune",
};

/* Calls that reach into everybody's things and know no filter by label. */
enum shared_use { SHARED_PRUNE, SHARED_USAGE, SHARED_STRICT };

static const struct shared_row {
        const char *pattern;
        enum shared_use use;
        const char *option;
} shared_rows[] = {
        { "/build/prune", SHARED_PRUNE, "ownership.allow_unfiltered_prune" },
        { "/libpod/pods/prune", SHARED_PRUNE, "ownership.allow_unfiltered_prune" },
        { "/libpod/system/prune", SHARED_PRUNE, "ownership.allow_unfiltered_prune" },
        { "/system/df", SHARED_USAGE, "ownership.allow_disk_usage" },
        { "/libpod/system/df", SHARED_USAGE, "ownership.allow_disk_usage" },
        { "/swarm/init", SHARED_STRICT, "ownership.strict" },
        { "/swarm/join", SHARED_STRICT, "ownership.strict" },
        { "/swarm/leave", SHARED_STRICT, "ownership.strict" },
        { "/swarm/unlock", SHARED_STRICT, "ownership.strict" },
        { "/swarm/unlockkey", SHARED_STRICT, "ownership.strict" },
        { "/plugins", SHARED_STRICT, "ownership.strict" },
        { "/plugins/{}", SHARED_STRICT, "ownership.strict" },
        { "/distribution/{}", SHARED_STRICT, "ownership.strict" },
        { "/build/cancel", SHARED_STRICT, "ownership.strict" },
        { "/session", SHARED_STRICT, "ownership.strict" },
        { "/grpc", SHARED_STRICT, "ownership.strict" },
        { "/moby.buildkit.v1.Control/{}", SHARED_STRICT, "ownership.strict" },
        { "/images/load", SHARED_STRICT, "ownership.strict" },
        { "/libpod/images/load", SHARED_STRICT, "ownership.strict" },
        { "/libpod/images/import", SHARED_STRICT, "ownership.strict" },
        { "/libpod/images/scp/{}", SHARED_STRICT, "ownership.strict" },
        { "/libpod/artifacts/{}", SHARED_STRICT, "ownership.strict" },
        { "/libpod/quadlets/{}", SHARED_STRICT, "ownership.strict" },
        { "/libpod/local/{}", SHARED_STRICT, "ownership.strict" },
        { "/libpod/manifests/{}", SHARED_STRICT, "ownership.strict" },
        { "/libpod/play/kube", SHARED_STRICT, "ownership.strict" },
        { "/libpod/kube/{}", SHARED_STRICT, "ownership.strict" },
        { "/libpod/generate/{}", SHARED_STRICT, "ownership.strict" },
        { "/libpod/containers/stats", SHARED_STRICT, "ownership.strict" },
        { "/libpod/containers/showmounted", SHARED_STRICT, "ownership.strict" },
        { "/libpod/pods/stats", SHARED_STRICT, "ownership.strict" },
};

static bool shared_allowed(const struct ownership *o, enum shared_use use) {
        switch (use) {
        case SHARED_PRUNE:
                return o->options->allow_unfiltered_prune;
        case SHARED_USAGE:
                return o->options->allow_disk_usage;
        case SHARED_STRICT:
                return !o->strict;
        }
        return false;
}

static const char *libpod_word(const struct exchange *x) {
        return slice_starts(x->target.normalized, SLICE("/libpod/")) ? "libpod " : "";
}

static enum stage_result invalid(struct exchange *x, const char *why) {
        return exchange_deny(x, REASON_owner_request_invalid, 400, ANSWER_MESSAGE, "%s", why);
}

static enum stage_result lookup_failed(struct exchange *x, enum resource_kind kind) {
        return exchange_deny(x, REASON_owner_policy_lookup_failed, 502, ANSWER_MESSAGE,
                             "unable to inspect the %s%s for the owner policy", libpod_word(x),
                             resource_kind_name(kind));
}

/*
 * The log says whose it is and what; the client, unless verbosity was asked for, learns only that it may not: an answer
 * that repeats the name of a foreign resource confirms it.
 */
static enum stage_result denied(struct exchange *x, const char *what, struct slice id) {
        bool verbose = x->policy->compiled->deny_verbose && x->scope == POLICY_SCOPE_ROOT;

        x->verdict.value = slice_upto(id, 128);
        x->verdict.body = SLICE("{\"message\":\"access to a resource of another owner is not allowed\"}\n");
        return exchange_deny(x, REASON_owner_policy_denied_access, 403, verbose ? ANSWER_MESSAGE : ANSWER_JSON,
                             "%s%s %.*s does not belong to this owner", libpod_word(x), what,
                             SLICE_ARG(slice_upto(id, 256)));
}

/* 1 ours, 0 not ours, -EIO. */
static int judge_labels(struct exchange *x, const struct ownership *o, enum resource_kind kind, struct json_value root,
                        bool unowned_ok) {
        struct json_value labels;
        struct slice value;

        if (resource_labels(kind, root, &labels) < 0)
                return -EIO;
        if (!resource_label(labels, o->key, x->arena, &value) || value.len == 0)
                return unowned_ok;
        return slice_eq(value, o->owner);
}

/* Whose are all images of a repository? As above. */
static int check_repository(struct exchange *x, const struct ownership *o, struct slice repository, bool unowned_ok) {
        struct json_value images, each;
        struct json_iter it;
        int r;

        r = resource_images(x, &images);
        if (r < 0)
                return r;
        for (it = json_iter_of(images); json_next(&it, NULL, &each);) {
                if (!image_entry_is_of(each, repository, x->arena))
                        continue;
                r = judge_labels(x, o, RESOURCE_REPOSITORY, each, unowned_ok);
                if (r <= 0)
                        return r;
        }
        return 1;
}

/* 1 ours, 0 not ours, -ENOENT, -EIO. */
static int check(struct exchange *x, const struct ownership *o, enum resource_kind kind, struct slice id,
                 bool unowned_ok) {
        struct json_value root;
        int r;

        if (kind == RESOURCE_REPOSITORY)
                return check_repository(x, o, id, unowned_ok);
        r = resource_inspect(x, kind, id, &root);
        return r < 0 ? r : judge_labels(x, o, kind, root, unowned_ok);
}

/* Does an ONBUILD instruction take something from another image, whatever quoting hides the word? */
static bool trigger_takes_from(struct slice text, struct arena *a) {
        static const char word[] = "from";
        char *bare = arena_alloc(a, text.len + 1);
        size_t n = 0;

        for (size_t i = 0; i < text.len; i++)
                if (!strchr("\"'\\`", text.at[i]))
                        bare[n++] = text.at[i] >= 'A' && text.at[i] <= 'Z' ? (char) (text.at[i] | 0x20) : text.at[i];
        return memmem(bare, n, word, strlen(word)) != NULL;
}

/* An image that a build uses: what it triggers runs in the build, and could take from images that nobody checked. As
 * check(). */
static int check_base(struct exchange *x, const struct ownership *o, struct slice id, bool unowned_ok) {
        struct json_value root, triggers, each;
        struct json_iter it;
        int r;

        r = resource_inspect(x, RESOURCE_IMAGE, id, &root);
        if (r < 0 || (r = judge_labels(x, o, RESOURCE_IMAGE, root, unowned_ok)) <= 0)
                return r;
        triggers = json_member(json_member(root, SLICE("Config")), SLICE("OnBuild"));
        if (triggers.type == JSON_ABSENT || triggers.type == JSON_NULL)
                return 1;
        if (triggers.type != JSON_ARRAY)
                return -EIO;
        for (it = json_iter_of(triggers); json_next(&it, NULL, &each);)
                if (each.type != JSON_STRING || trigger_takes_from(json_string(each, x->arena), x->arena))
                        return 0;
        return 1;
}

/* Builds that fetch their images anew use others than those that were checked. */
static bool pulls_anew(const struct http_query *q, struct arena *a) {
        static const struct slice harmless[] = { { "", 0 },     { "0", 1 },     { "no", 2 },     { "false", 5 },
                                                 { "none", 4 }, { "never", 5 }, { "missing", 7 } };

        for (size_t i = 0; i < q->n; i++) {
                struct slice value = unicode_lower(a, unicode_trim(q->at[i].value));
                bool ok = false;

                if (!unicode_fold_eq(q->at[i].name, SLICE("pull")) &&
                    !unicode_fold_eq(q->at[i].name, SLICE("pullpolicy")))
                        continue;
                for (size_t j = 0; j < sizeof(harmless) / sizeof(harmless[0]); j++)
                        ok = ok || slice_eq(value, harmless[j]);
                if (!ok)
                        return true;
        }
        return false;
}

/* ---- rewriting ---- */

/* The body, validated, without what may follow its first value. */
static int read_body(struct exchange *x, struct slice *ret, const char **ret_why) {
        struct slice value, rest;

        if (x->ops->body_buffer(x, OWNERSHIP_BODY_MAX) < 0 || x->body.len > OWNERSHIP_BODY_MAX) {
                *ret_why = "the request body cannot be read or is larger than the owner policy reads";
                return -EBADMSG;
        }
        if (!json_first_value(x->body, &value, &rest) || value.at[0] != '{' ||
            json_validate(value, 0, JSON_DEPTH_MAX, x->arena, NULL) < 0) {
                *ret_why = "the request body is not a JSON object without repeated members";
                return -EBADMSG;
        }
        *ret = value;
        return 0;
}

static int stamp(struct exchange *x, const struct ownership *o, const struct stamp_row *row, const char **ret_why) {
        struct arena_mark mark;
        struct slice text;
        int r;

        if (!row->labels[0][0]) {
                struct http_query *query = exchange_query(x);
                struct slice labels = SLICE("");

                http_query_unify(query, SLICE("labels"), x->arena);
                http_query_get(query, SLICE("labels"), &labels);
                r = stamp_labels(labels, o->key, o->owner, x->arena, &text);
                if (r < 0) {
                        *ret_why = "the labels parameter is not an object of texts";
                        return r;
                }
                http_query_set(query, SLICE("labels"), text, x->arena);
                x->query_changed = true;
                return 0;
        }
        mark = arena_mark(x->arena);
        r = read_body(x, &text, ret_why);
        if (r < 0)
                return r;
        r = stamp_body(row, text, o->key, o->owner, x->arena, &text);
        if (r < 0) {
                *ret_why = "labels in the request body are not an object";
                return r;
        }
        exchange_replace_body(x, text);
        if (x->body.at != text.at)
                arena_rewind(x->arena, mark); /* what it took to make it, and a second copy */
        return 0;
}

/*
 * A commit inherits the labels of its container, an import has none: neither may give the image to somebody else. With
 * ownership.strict an import gets the owner's label, too.
 */
static int keep_image_label(struct exchange *x, const struct ownership *o, const char **ret_why) {
        struct slice path = x->target.normalized, from, text;
        bool commit = slice_eq(path, SLICE("/commit")) || slice_eq(path, SLICE("/libpod/commit"));
        bool import = slice_eq(path, SLICE("/libpod/images/import")) ||
                      (slice_eq(path, SLICE("/images/create")) &&
                       http_query_get(exchange_query(x), SLICE("fromSrc"), &from) && from.len > 0);
        bool changed;
        int r;

        if (!commit && !import)
                return 0;
        r = stamp_changes(exchange_query(x), o->key, o->owner, import && o->strict, x->arena, &changed);
        if (r < 0) {
                *ret_why = "the changes parameter could hide or change the owner's label";
                return r;
        }
        x->query_changed = x->query_changed || changed;

        if (!commit || x->body_state == BODY_NONE ||
            (x->ops->body_buffer(x, OWNERSHIP_BODY_MAX) == 0 && x->body.len == 0))
                return 0;
        r = read_body(x, &text, ret_why);
        if (r < 0 || !body_sets_label(json_root(text), o->key))
                return r;
        r = stamp_body(&commit_row, text, o->key, o->owner, x->arena, &text);
        if (r < 0)
                *ret_why = "labels in the request body are not an object";
        else
                exchange_replace_body(x, text);
        return r;
}

static bool is_filtered(struct slice path) {
        for (size_t i = 0; i < sizeof(filtered) / sizeof(filtered[0]); i++)
                if (slice_eq(path, slice_of(filtered[i])))
                        return true;
        return false;
}

/* ---- references ---- */

static bool is_image(enum resource_kind kind) {
        return kind == RESOURCE_IMAGE || kind == RESOURCE_REPOSITORY;
}

static enum stage_result check_references(struct exchange *x, const struct ownership *o, const struct references *refs,
                                          bool *ret_denied) {
        *ret_denied = false;
        for (size_t i = 0; i < refs->n; i++) {
                const struct reference *ref = &refs->at[i];
                bool unowned_ok = ref->use == REFERENCE_PULLED || (ref->use == REFERENCE_TARGET && !o->strict) ||
                                  (ref->use <= REFERENCE_CACHE && is_image(ref->kind) && o->unowned_images_ok);
                bool absent_ok = ref->use != REFERENCE_EMBEDDED && !(ref->use == REFERENCE_BASE && o->strict);
                struct arena_mark mark = arena_mark(x->arena);
                int r = ref->use == REFERENCE_BASE ? check_base(x, o, ref->id, unowned_ok)
                                                   : check(x, o, ref->kind, ref->id, unowned_ok);

                if (r == -EIO)
                        return lookup_failed(x, ref->kind);
                if (r <= 0 && !(r == -ENOENT && absent_ok)) {
                        *ret_denied = true;
                        return denied(x, resource_kind_name(ref->kind), ref->id);
                }
                arena_rewind(x->arena, mark); /* one description at a time, however many are asked for */
        }
        return STAGE_NEXT;
}

static enum stage_result judge_references(struct exchange *x, const struct ownership *o, bool *ret_denied) {
        struct slice path = x->target.normalized, text;
        struct references refs = { .arena = x->arena };
        const char *why;

        *ret_denied = false;
        if (o->strict && (slice_eq(path, SLICE("/build")) || slice_eq(path, SLICE("/libpod/build"))) &&
            pulls_anew(exchange_query(x), x->arena)) {
                x->verdict.option = "ownership.strict";
                *ret_denied = true;
                return denied(x, "image that is pulled anew for a build", SLICE("pull"));
        }
        references_of_query(path, exchange_query(x), o->namespaces, o->strict, &refs);
        for (size_t i = 0; i < x->n_used_images; i++)
                references_add_base(&refs, x->used_images[i]);
        if (references_in_body(path) && x->body_state != BODY_NONE) {
                if (x->ops->body_buffer(x, OWNERSHIP_BODY_MAX) == 0 && x->body.len == 0)
                        ; /* nothing is named */
                else if (read_body(x, &text, &why) < 0)
                        return invalid(x, why);
                else
                        references_of_body(path, json_root(text), o->namespaces, &refs);
        }
        if (refs.too_many)
                return invalid(x, "the request refers to more resources than the owner policy checks");
        return check_references(x, o, &refs, ret_denied);
}

/*
 * What the call is for besides the image in the path: a push takes the tag from a parameter, and without any tag a push
 * or an export takes all of them. As check(); a tag that is not there passes.
 */
static int check_tags(struct exchange *x, const struct ownership *o, const struct owned_path *p) {
        const struct http_query *query = exchange_query(x);
        bool tagged = image_is_chosen(p->id);
        int r;

        for (size_t i = 0; i < query->n && x->head.method == HTTP_POST; i++) {
                struct slice tag = query->at[i].value, name = image_without_tag(p->id);

                if (tag.len == 0 || !unicode_fold_eq(query->at[i].name, SLICE("tag")))
                        continue;
                tagged = true;
                r = check(x, o, RESOURCE_IMAGE, arena_printf(x->arena, "%.*s:%.*s", SLICE_ARG(name), SLICE_ARG(tag)),
                          p->unowned_ok);
                if (r <= 0 && r != -ENOENT)
                        return r;
        }
        return tagged ? 1 : check(x, o, RESOURCE_REPOSITORY, image_repository(p->id), p->unowned_ok);
}

static enum stage_result judge_path(struct exchange *x, const struct ownership *o, const struct owned_path *p) {
        struct slice id = p->id;
        int r;

        if (p->exec) {
                r = resource_exec_container(x, p->id, &id);
                if (r == -ENOENT)
                        return STAGE_NEXT;
                if (r < 0)
                        return lookup_failed(x, p->kind);
        }
        r = check(x, o, p->kind, id, p->unowned_ok);
        if (p->all_tags && (r > 0 || r == -ENOENT))
                r = check_tags(x, o, p);
        if (p->whole.len > id.len && !p->exec && (r > 0 || r == -ENOENT))
                r = check(x, o, p->kind, p->whole, p->unowned_ok);
        if (r == -EIO)
                return lookup_failed(x, p->kind);
        if (r == 0)
                return denied(x, resource_kind_name(p->kind), id);
        return STAGE_NEXT; /* ours, or not there, which the daemon will say itself */
}

enum stage_result stage_ownership(struct exchange *x) {
        const struct opt_ownership *options = &x->policy->root->ownership;
        const struct ownership o = {
                .owner = policy_str(x->policy, options->owner),
                .key = policy_str(x->policy, options->label_key),
                .unowned_images_ok = options->allow_unowned_images,
                .namespaces = !options->allow_cross_owner_namespace_sharing,
                .strict = options->strict,
                .options = options,
        };
        struct slice path = x->target.normalized;
        const struct stamp_row *row;
        struct owned_path owned;
        enum stage_result result;
        bool names_one, denied_one;
        const char *why;

        if (o.owner.len == 0)
                return STAGE_NEXT;

        for (size_t i = 0; i < sizeof(shared_rows) / sizeof(shared_rows[0]); i++) {
                if (!path_pattern_match(shared_rows[i].pattern, path) || shared_allowed(&o, shared_rows[i].use))
                        continue;
                x->verdict.option = shared_rows[i].option;
                return denied(x, "call", path);
        }

        names_one = owned_path_of(x->head.method, path, o.unowned_images_ok, o.strict, &owned);
        row = stamp_find(path, o.strict);
        /* `GET /volumes/create` asks for a volume of that name: it is checked, not stamped. An update is both. */
        if (row && (!names_one || slice_ends(path, SLICE("/update")))) {
                if (stamp(x, &o, row, &why) < 0)
                        return invalid(x, why);
        } else if (!names_one && is_filtered(path)) {
                const struct label_selector owner = { .key = o.key, .value = o.owner, .has_value = true };

                if (list_filter_narrow(x, list_filter_key(path), &owner, 1, true) < 0)
                        return invalid(x, "the filters parameter is not a filter");
        }

        if (keep_image_label(x, &o, &why) < 0)
                return invalid(x, why);

        result = judge_references(x, &o, &denied_one);
        if (result != STAGE_NEXT || denied_one)
                return result;
        return names_one ? judge_path(x, &o, &owned) : STAGE_NEXT;
}
