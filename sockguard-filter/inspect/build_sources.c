/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/build.h"

#include <errno.h>

#include "base/strbuf.h"
#include "base/unicode.h"
#include "inspect/dockerfile.h"

#define KEY(name) "request_body.build." name
#define STAGES_MAX 64u
#define ARGS_MAX 64u
#define VALUE_MAX 4096u /* bytes of an ARG's value once variables are put in */

/* An ARG before the first FROM: only those are known to FROM. */
struct build_arg {
        struct slice name, value;
        bool has_value;
};

struct sources {
        const struct inspect_input *in;
        struct inspect_result *r;
        struct slice stages[STAGES_MAX]; /* names that FROM ... AS gave */
        size_t n_stages;
        struct build_arg args[ARGS_MAX];
        size_t n_args;
        bool args_unclear; /* some ARG was not understood: no variable can be put in */
        bool from_seen;
        struct json_value build_args; /* the parameter `buildargs`; JSON_ABSENT: none */
};

bool build_is_owned(const struct inspect_input *in) {
        return in->policy->root->ownership.owner.len > 0;
}

struct registry_policy build_image_policy(const struct inspect_input *in) {
        const struct opt_image_pull *o = &in->options->image_pull;

        return (struct registry_policy){ "request_body.image_pull", o->allow_all_registries, o->allow_official,
                                         o->allowed_registries };
}

/* ---- variables ---- */

static bool has_quoting(struct slice s) {
        return slice_find(s, '"') >= 0 || slice_find(s, '\'') >= 0 || slice_find(s, '\\') >= 0 ||
               slice_find(s, '`') >= 0;
}

static size_t name_length(struct slice s) {
        size_t n = 0;

        while (n < s.len && ((s.at[n] >= 'a' && s.at[n] <= 'z') || (s.at[n] >= 'A' && s.at[n] <= 'Z') ||
                             s.at[n] == '_' || (n > 0 && s.at[n] >= '0' && s.at[n] <= '9')))
                n++;
        return n;
}

/* False: not declared, so that builders differ in what it is. */
static bool find_arg(const struct sources *m, struct slice name, struct slice *ret, bool *ret_has_value) {
        for (size_t i = 0; i < m->n_args; i++)
                if (slice_eq(m->args[i].name, name)) {
                        *ret = m->args[i].value;
                        *ret_has_value = m->args[i].has_value;
                        return true;
                }
        return false;
}

/* One variable at the start of *rest, behind its dollar sign: NAME, {NAME}, {NAME:-word} or {NAME:+word}. */
static bool put_in(const struct sources *m, struct slice *rest, struct strbuf *out) {
        bool braces = slice_starts(*rest, SLICE("{")), has_value = false;
        struct slice s = slice_from(*rest, braces), name = slice_upto(s, name_length(s)), value = { 0 }, word;
        ssize_t end;

        if (name.len == 0 || !find_arg(m, name, &value, &has_value))
                return false;
        s = slice_from(s, name.len);
        *rest = s;
        if (braces) {
                end = slice_find(s, '}');
                if (end < 0)
                        return false;
                *rest = slice_from(s, (size_t) end + 1);
                word = slice_upto(s, (size_t) end);
                if (word.len) {
                        bool instead = slice_starts(word, SLICE(":+"));

                        if (!instead && !slice_starts(word, SLICE(":-")))
                                return false;
                        word = slice_from(word, 2);
                        if (slice_find(word, '$') >= 0 || slice_find(word, '{') >= 0)
                                return false;
                        if (instead == (value.len > 0))
                                value = word;
                        has_value = true;
                }
        }
        strbuf_add(out, value);
        return has_value;
}

/* The text with variables put in. False: it cannot be told what a builder makes of it. */
static bool expand(const struct sources *m, struct slice text, struct slice *ret) {
        _cleanup_strbuf_ struct strbuf out = { 0 };

        if (has_quoting(text))
                return false;
        if (slice_find(text, '$') < 0) {
                *ret = text;
                return true;
        }
        if (m->args_unclear)
                return false;
        strbuf_init(&out, VALUE_MAX);
        while (text.len) {
                struct slice before = text;
                ssize_t dollar = slice_find(text, '$');

                if (dollar >= 0)
                        before = slice_upto(text, (size_t) dollar);
                strbuf_add(&out, before);
                text = slice_from(text, before.len);
                if (text.len == 0)
                        break;
                text = slice_from(text, 1);
                if (!put_in(m, &text, &out))
                        return false;
        }
        if (out.failed)
                return false;
        *ret = arena_dup(m->in->arena, strbuf_view(&out));
        return true;
}

static void set_arg(struct sources *m, struct slice name, struct slice value, bool has_value) {
        struct build_arg arg = { .name = arena_dup(m->in->arena, name),
                                 .value = arena_dup(m->in->arena, value),
                                 .has_value = has_value };

        for (size_t i = 0; i < m->n_args; i++)
                if (slice_eq(m->args[i].name, name)) {
                        m->args[i] = arg;
                        return;
                }
        if (m->n_args == ARGS_MAX)
                m->args_unclear = true;
        else
                m->args[m->n_args++] = arg;
}

static void note_args(struct sources *m, struct slice rest) {
        struct slice field, name, value;

        if (has_quoting(rest)) {
                m->args_unclear = true;
                return;
        }
        while (unicode_field(&rest, &field)) {
                bool has_value = slice_cut(field, '=', &name, &value);
                struct json_value given = { .type = JSON_ABSENT };

                if (name.len == 0 || name_length(name) != name.len) {
                        m->args_unclear = true;
                        return;
                }
                if (m->build_args.type == JSON_OBJECT)
                        given = json_member_exact(m->build_args, name);
                if (given.type == JSON_STRING)
                        set_arg(m, name, json_string(given, m->in->arena), true);
                else if (!has_value)
                        set_arg(m, name, SLICE(""), false);
                else if (expand(m, value, &value))
                        set_arg(m, name, value, true);
                else
                        m->args_unclear = true;
        }
}

/* Several of them, or one that is no map, leave open which the builder reads. */
static void read_build_args(struct sources *m) {
        const struct http_query *q = m->in->query;
        bool seen = false;

        for (size_t i = 0; i < q->n; i++) {
                struct slice value = unicode_trim(q->at[i].value);

                if (!unicode_fold_eq(q->at[i].name, SLICE("buildargs")))
                        continue;
                m->args_unclear = m->args_unclear || seen;
                seen = true;
                if (value.len == 0)
                        continue;
                if (json_validate(value, 0, 16, m->in->arena, NULL) < 0) {
                        m->args_unclear = true;
                        continue;
                }
                m->build_args = json_root(value);
                if (m->build_args.type != JSON_OBJECT && m->build_args.type != JSON_NULL)
                        m->args_unclear = true;
        }
}

/* ---- images ---- */

static bool unclear(struct sources *m, struct slice image, const char *option) {
        inspect_deny(m->in, m->r, NULL, image, option,
                     "an image of the build is named in a way that cannot be read with certainty");
        return false;
}

/* A stage of this build, by name or, where the builder reads one, by number, is no image. */
static bool is_stage(const struct sources *m, struct slice name, bool by_number) {
        uint64_t number;

        if (unicode_fold_eq(name, SLICE("scratch")) || (by_number && slice_parse_u64(name, &number) == 0))
                return true;
        for (size_t i = 0; i < m->n_stages; i++)
                if (slice_case_eq(m->stages[i], name))
                        return true;
        return false;
}

/* Remembers the image for the owner check. */
static bool note_image(struct sources *m, struct slice image) {
        if (!build_is_owned(m->in))
                return true;
        if (m->r->n_images == INSPECT_IMAGES_MAX) {
                inspect_deny(m->in, m->r, NULL, image, NULL, "the Dockerfile names too many images");
                return false;
        }
        if (!m->r->images)
                m->r->images = arena_new_array(m->in->arena, struct slice, INSPECT_IMAGES_MAX);
        m->r->images[m->r->n_images++] = arena_dup(m->in->arena, image);
        return true;
}

/* `readable`: the name is what the builder will use; otherwise it has quoting or variables that nobody put in. */
static bool judge_image(struct sources *m, struct slice image, bool readable, bool by_number) {
        const struct registry_policy policy = build_image_policy(m->in);
        bool restricted = m->in->options->build.restrict_images && !policy.allow_all;

        if (readable && is_stage(m, image, by_number))
                return true;
        if (!readable && (restricted || build_is_owned(m->in)))
                return unclear(m, image, restricted ? KEY("restrict_images") : NULL);
        return note_image(m, image) && (!restricted || registry_check(m->in, &policy, image, NULL, m->r));
}

/*
 * The next option of an instruction, as builders cut them: quotes and backslashes are taken off wherever they stand,
 * and a quoted blank ends nothing. False: what follows is no option.
 */
static bool next_option(struct arena *a, struct slice *rest, struct slice *ret) {
        struct slice s = unicode_trim(*rest);
        char *word = arena_alloc(a, s.len + 1), quote = 0;
        size_t n = 0, i = 0;

        if (!slice_starts(s, SLICE("--")))
                return false;
        for (; i < s.len; i++) {
                char c = s.at[i];
                uint32_t cp;

                if (quote ? c == quote : c == '"' || c == '\'') {
                        quote = quote ? 0 : c;
                        continue;
                }
                if (!quote && unicode_decode(slice_from(s, i), &cp) > 0 && unicode_is_space(cp))
                        break;
                if (c == '\\' && i + 1 < s.len)
                        c = s.at[++i];
                else if (c == '\\')
                        break;
                word[n++] = c;
        }
        *rest = slice_from(s, i);
        *ret = slice_make(word, n);
        return n > 2;
}

static bool judge_from(struct sources *m, struct slice rest) {
        struct slice image = { 0 }, field, name;
        bool readable;

        m->from_seen = true;
        while (next_option(m->in->arena, &rest, &field))
                ;
        unicode_field(&rest, &image);
        readable = expand(m, image, &image);
        if (!judge_image(m, image, readable, false))
                return false;
        if (unicode_field(&rest, &field) && unicode_fold_eq(field, SLICE("AS")) && unicode_field(&rest, &name)) {
                if (m->n_stages == STAGES_MAX) {
                        inspect_deny(m->in, m->r, NULL, name, NULL, "the Dockerfile has too many stages");
                        return false;
                }
                m->stages[m->n_stages++] = arena_dup(m->in->arena, name);
        }
        return true;
}

/* "from=" of COPY --from, and of mounts and the like in any option. The value of a mount is a line of CSV, which has
 * quotes, too. */
static bool judge_options(struct sources *m, struct slice rest) {
        struct slice field, part, value, key;

        while (next_option(m->in->arena, &rest, &field)) {
                field = slice_from(field, 2);
                if (slice_cut(field, '=', &part, &value) && unicode_fold_eq(part, SLICE("mount"))) {
                        field = value;
                        if (slice_find(field, '"') >= 0 && build_is_owned(m->in))
                                return unclear(m, field, NULL);
                }
                for (bool more = true; more;) {
                        more = slice_cut(field, ',', &part, &field);
                        if (!slice_cut(part, '=', &key, &value) || !unicode_fold_eq(unicode_trim(key), SLICE("from")))
                                continue;
                        if (!judge_image(m, unicode_trim(value), slice_find(value, '$') < 0 && !has_quoting(value),
                                         true))
                                return false;
                }
        }
        return true;
}

/* ---- ADD ---- */

static bool is_remote_source(struct slice s) {
        static const char *const signs[] = { "://", "git@", ".git" };

        for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
                if (s.len > 0 && memmem(s.at, s.len, signs[i], strlen(signs[i])))
                        return true;
        return slice_find(s, '$') >= 0;
}

static bool judge_add(struct sources *m, struct slice rest) {
        struct slice field;

        while (unicode_field(&rest, &field)) {
                if (slice_starts(field, SLICE("--")) || !is_remote_source(field))
                        continue;
                inspect_deny(m->in, m->r, NULL, field, KEY("deny_remote_add"),
                             "ADD from elsewhere than the context is not allowed");
                return false;
        }
        return true;
}

static bool judge_instruction(void *arg, struct slice name, struct slice rest) {
        struct sources *m = arg;
        const struct opt_build *o = &m->in->options->build;

        if (!m->from_seen && unicode_fold_eq(name, SLICE("ARG")))
                note_args(m, rest);
        while (unicode_fold_eq(name, SLICE("ONBUILD")))
                if (!unicode_field(&rest, &name))
                        return true;
        if (o->restrict_images || build_is_owned(m->in)) {
                bool from = unicode_fold_eq(name, SLICE("FROM"));

                if (from ? !judge_from(m, rest) : !judge_options(m, rest))
                        return false;
        }
        return !o->deny_remote_add || !unicode_fold_eq(name, SLICE("ADD")) || judge_add(m, rest);
}

/*
 * Where a heredoc or an escape directive lets builders read the file in different ways, it is judged in each that some
 * builder would not refuse anyhow, with the stages and variables of that reading.
 */
void build_judge_sources(const struct inspect_input *in, struct slice text, struct inspect_result *r) {
        const struct opt_build *o = &in->options->build;
        struct dockerfile_reading readings[DOCKERFILE_READINGS_MAX];
        size_t n;

        if (!o->restrict_images && !o->deny_remote_add && !build_is_owned(in))
                return;
        n = dockerfile_readings(text, readings);
        for (size_t i = 0; i < n && r->outcome == INSPECT_PASS; i++) {
                struct sources m = { .in = in, .r = r };
                int possible = i == 0 ? 1 : dockerfile_reading_possible(text, &readings[i], in->arena);

                if (possible == 1) {
                        read_build_args(&m);
                        possible = dockerfile_each(text, &readings[i], in->arena, judge_instruction, &m);
                }
                if (possible == -EBADMSG)
                        inspect_deny(in, r, NULL, SLICE(""), NULL,
                                     "the Dockerfile's heredocs cannot be read with certainty");
        }
}
