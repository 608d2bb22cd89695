/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/common.h"

#include "base/unicode.h"
#include "policy/glob.h"

/* Exec create and exec start, Docker's and Podman's spelling (chapter 03, section 5). */

#define EXEC_LIMIT 65536u

#define OPTION(key) "request_body.exec." key

/* What is judged, at create and again at start. */
struct exec {
        struct json_strings argv;
        bool privileged;
        struct slice user;
        struct json_strings env;
};

/* Where the parts stand, for explain. */
struct exec_pointers {
        const char *command, *privileged, *user;
};

/* ---- environment ---- */

/* allowed_env_values pins names: *ret_pinned when the name has entries, true when the whole entry is one of them. */
static bool value_allowed(const struct inspect_input *in, struct slice entry, struct slice name, bool *ret_pinned) {
        struct plist list = in->options->exec.allowed_env_values;
        const struct pstr *values = policy_list(in->policy, list, struct pstr);
        bool equal = false;

        *ret_pinned = false;
        for (uint32_t i = 0; i < list.n; i++) {
                struct slice value = policy_str(in->policy, values[i]), pinned, rest;

                (void) slice_cut(value, '=', &pinned, &rest);
                if (!slice_eq(pinned, name))
                        continue;
                *ret_pinned = true;
                equal = equal || slice_eq(value, entry);
        }
        return equal;
}

static bool env_allowed(const struct inspect_input *in, struct inspect_result *r, const struct json_strings *env) {
        const struct opt_exec *o = &in->options->exec;

        for (size_t i = 0; i < env->n && (o->allowed_env_vars.n || o->denied_env_vars.n || o->allowed_env_values.n);
             i++) {
                struct slice name, rest;
                const char *option = NULL;
                bool pinned;

                (void) slice_cut(env->at[i], '=', &name, &rest);
                if (inspect_list_has(in, o->denied_env_vars, name))
                        option = OPTION("denied_env_vars");
                else if (o->allowed_env_vars.n && !inspect_list_has(in, o->allowed_env_vars, name))
                        option = OPTION("allowed_env_vars");
                else if (!value_allowed(in, env->at[i], name, &pinned) && pinned)
                        option = OPTION("allowed_env_values");
                if (option) {
                        inspect_deny(in, r, inspect_at(in, "/Env", i), name, option,
                                     "this environment variable is not allowed");
                        return false;
                }
        }
        return true;
}

/* ---- commands ---- */

/* Is one of the path's segments ".."? */
static bool climbs(struct slice path) {
        struct slice segment, rest = path;

        for (bool more = true; more;) {
                more = slice_cut(rest, '/', &segment, &rest);
                if (slice_eq(segment, SLICE("..")))
                        return true;
        }
        return false;
}

static bool template_matches(const struct inspect_input *in, struct plist template, const struct json_strings *argv) {
        const struct pstr *tokens = policy_list(in->policy, template, struct pstr);

        if (template.n != argv->n || argv->n == 0)
                return false;
        for (size_t i = 0; i < argv->n; i++) {
                struct slice token = policy_str(in->policy, tokens[i]), arg = argv->at[i];

                if (!glob_match_plain(token, arg, true))
                        return false;
                if (i > 0 || slice_eq(token, arg))
                        continue;
                /*
                 * A relative command means what the working directory makes of it, and the client chooses that; and a
                 * pattern for a directory does not mean what is reached by leaving it. Arguments are texts.
                 */
                if (slice_find(arg, '/') > 0 || (slice_find(token, '/') >= 0 && climbs(arg)))
                        return false;
        }
        return true;
}

static bool command_allowed(const struct inspect_input *in, const struct json_strings *argv) {
        struct plist list = in->options->exec.allowed_commands;
        const struct plist *templates = policy_list(in->policy, list, struct plist);

        for (uint32_t i = 0; i < list.n; i++)
                if (template_matches(in, templates[i], argv))
                        return true;
        return false;
}

static void judge(const struct inspect_input *in, struct inspect_result *r, const struct exec *e,
                  const struct exec_pointers *at) {
        const struct opt_exec *o = &in->options->exec;
        struct slice command = e->argv.n ? e->argv.at[0] : SLICE("");

        if (o->allowed_commands.n == 0 && !in->blind_writes)
                inspect_deny(in, r, at->command, command, OPTION("allowed_commands"), "no exec command is allowed");
        else if (e->privileged && !o->allow_privileged)
                inspect_deny(in, r, at->privileged, SLICE("true"), OPTION("allow_privileged"),
                             "a privileged exec is not allowed");
        else if (!o->allow_root_user && inspect_user_is_root(e->user))
                inspect_deny(in, r, at->user, e->user, OPTION("allow_root_user"), "an exec as root is not allowed");
        else if (!env_allowed(in, r, &e->env))
                return;
        else if (o->allowed_commands.n && !command_allowed(in, &e->argv))
                inspect_deny(in, r, at->command, command, OPTION("allowed_commands"),
                             "this exec command is not allowed");
}

/* ---- create ---- */

struct exec_create {
        struct json_value cmd;
        bool privileged;
        struct slice user;
        struct json_strings env;
};

static const struct json_field create_fields[] = {
        JSON_FIELD(struct exec_create, cmd, "Cmd", JSON_K_VALUE),
        JSON_FIELD(struct exec_create, privileged, "Privileged", JSON_K_BOOL),
        JSON_FIELD(struct exec_create, user, "User", JSON_K_STRING),
        JSON_FIELD(struct exec_create, env, "Env", JSON_K_STRINGS),
};

/* An array of strings, or one string that is split on white space. False: something else, or nothing. */
static bool take_argv(const struct inspect_input *in, struct json_value cmd, struct json_strings *ret) {
        struct json_strings argv = { .set = true };
        struct json_iter it = json_iter_of(cmd);
        struct json_value v;
        struct slice text, field;

        if (cmd.type == JSON_ARRAY) {
                while (json_next(&it, NULL, &v)) {
                        if (v.type != JSON_STRING) /* null too: engines read it as whatever was there before */
                                return false;
                        argv.n++;
                }
                argv.at = arena_new_array(in->arena, struct slice, argv.n);
                it = json_iter_of(cmd);
                for (size_t i = 0; json_next(&it, NULL, &v); i++)
                        argv.at[i] = json_string(v, in->arena);
        } else if (cmd.type == JSON_STRING) {
                text = json_string(cmd, in->arena);
                for (struct slice rest = text; unicode_field(&rest, &field);)
                        argv.n++;
                argv.at = arena_new_array(in->arena, struct slice, argv.n);
                for (size_t i = 0; unicode_field(&text, &field); i++)
                        argv.at[i] = field;
        }
        if (argv.n == 0)
                return false;
        *ret = argv;
        return true;
}

static void inspect_exec_create(const struct inspect_input *in, struct inspect_result *r) {
        static const struct exec_pointers pointers = { "/Cmd", "/Privileged", "/User" };
        struct exec_create c = { 0 };
        struct exec e;

        if (!INSPECT_DECODE(in, r, create_fields, &c))
                return;
        e = (struct exec){ .privileged = c.privileged, .user = c.user, .env = c.env };
        if (!take_argv(in, c.cmd, &e.argv)) {
                inspect_deny(in, r, "/Cmd", SLICE(""), NULL, "the exec names no command");
                return;
        }
        judge(in, r, &e, &pointers);
}

/* ---- start: the stored exec is asked for, and judged as the daemon will run it ---- */

struct process_config {
        struct slice entrypoint, user;
        struct json_strings arguments;
        bool privileged;
};

struct exec_state {
        struct process_config process;
};

static const struct json_field process_fields[] = {
        JSON_FIELD(struct process_config, entrypoint, "entrypoint", JSON_K_STRING),
        JSON_FIELD(struct process_config, user, "user", JSON_K_STRING),
        JSON_FIELD(struct process_config, arguments, "arguments", JSON_K_STRINGS),
        JSON_FIELD(struct process_config, privileged, "privileged", JSON_K_BOOL),
};

static const struct json_field state_fields[] = {
        JSON_NESTED(struct exec_state, process, "ProcessConfig", JSON_K_STRUCT, struct process_config, process_fields),
};

static bool lookup_exec(const struct inspect_input *in, struct slice *ret) {
        bool libpod = slice_starts(in->path, SLICE("/libpod/"));
        struct slice prefix = libpod ? SLICE("/libpod/exec/") : SLICE("/exec/"), id = slice_from(in->path, prefix.len);

        id.len -= sizeof("/start") - 1;
        id = path_escape_segment(id, in->arena);
        *ret = arena_printf(in->arena, "%.*s%.*s/json", SLICE_ARG(prefix), SLICE_ARG(id));
        return true;
}

static void fail(struct inspect_result *r, struct slice reason) {
        *r = (struct inspect_result){ .outcome = INSPECT_FAILED, .reason = reason };
}

static void inspect_exec_start(const struct inspect_input *in, struct inspect_result *r) {
        static const struct exec_pointers pointers = { "/ProcessConfig/entrypoint", "/ProcessConfig/privileged",
                                                       "/ProcessConfig/user" };
        static const unsigned lenient =
                JSON_ALLOW_NUL | JSON_ALLOW_BAD_UTF8 | JSON_ALLOW_DUPLICATES; /* the daemon's own text */
        struct exec_state state = { 0 };
        struct process_config *p = &state.process;
        struct slice *argv;
        struct exec e;

        if (!in->lookup) {
                fail(r, SLICE("the exec could not be looked up"));
                return;
        }
        if (in->lookup->status == 404)
                return; /* so will the daemon say */
        if (in->lookup->status != 200 ||
            json_validate(in->lookup->body, lenient, JSON_DEPTH_MAX, in->arena, NULL) < 0 ||
            JSON_DECODE(json_root(in->lookup->body), state_fields, &state, in->arena, NULL) < 0) {
                fail(r, SLICE("the daemon's description of the exec could not be read"));
                return;
        }
        argv = arena_new_array(in->arena, struct slice, p->arguments.n + 1);
        e = (struct exec){ .argv = { .set = true, .at = argv }, .privileged = p->privileged, .user = p->user };
        if (p->entrypoint.len)
                argv[e.argv.n++] = p->entrypoint;
        for (size_t i = 0; i < p->arguments.n; i++)
                argv[e.argv.n++] = p->arguments.at[i];
        judge(in, r, &e, &pointers);
}

const struct inspector inspect_exec_rows[] = {
        { HTTP_POST, "/containers/{}/exec", INSPECT_JSON, EXEC_LIMIT, inspect_exec_create, .refuse_large = true,
          .name = "exec create" },
        { HTTP_POST, "/libpod/containers/{}/exec", INSPECT_JSON, EXEC_LIMIT, inspect_exec_create, .refuse_large = true,
          .name = "libpod exec create" },
        { HTTP_POST, "/exec/{}/start", INSPECT_NO_BODY, 0, inspect_exec_start, .lookup = lookup_exec,
          .name = "exec start" },
        { HTTP_POST, "/libpod/exec/{}/start", INSPECT_NO_BODY, 0, inspect_exec_start, .lookup = lookup_exec,
          .name = "libpod exec start" },
        { .pattern = NULL },
};
