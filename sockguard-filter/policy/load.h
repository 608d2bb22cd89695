/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_LOAD_H
#define SOCKGUARD_POLICY_LOAD_H

#include "policy/image.h"
#include "policy/problem.h"

/*
 * From a configuration text to a policy image, in the steps that a start, a reload and an admin candidate share
 * (chapter 01, 1.1 and 4.1):
 *
 *         config_load()      file or memory, then environment, then flags        reject_load
 *         config_diff()      against the running one                             reject_immutable
 *         config_check()     section variables, all of validation, the guards    reject_validation
 *         config_compile()   the image                                           ok
 *
 * Every step reports into the same list of problems. Programs of the compiler only.
 */

#define CONFIG_DEFAULT_PATH SOCKGUARD_SYSCONFDIR "/sockguard/sockguard.yaml"
#define CONFIG_TEXT_MAX (4u * 1024 * 1024) /* bytes of a configuration text */

/* The five flags of `serve`; NULL means not given. An empty text overrides with the empty text. */
struct config_flags {
        const char *listen_socket, *upstream_socket, *log_level, *log_format, *deny_verbosity;
};

struct config_source {
        /* What is read: `text` when from_memory, else the file. `path` names it in messages either way. */
        const char *path;
        bool path_given; /* by -c/--config: the file must then exist. Otherwise a missing file is an empty one */
        bool must_exist; /* `match` never judges by silent defaults */
        bool from_memory;
        struct slice text; /* kept alive by the caller until config_free() */

        /* NULL-terminated "NAME=value" list, kept alive likewise; NULL: none of the environment is looked at. */
        char *const *environment;
        bool overlay;  /* SOCKGUARD_* and the aliases SOCKET_PATH and LOG_LEVEL apply; not for candidates and bundles */
        bool sections; /* CONTAINERS=1 and the like may replace the default rules; not for bundles */
        bool docker_host; /* DOCKER_HOST may name the daemon: `serve` and `run` only */

        const struct config_flags *flags; /* NULL: none */
        bool no_files; /* files that the configuration names are not opened: who sent it must not learn about them */
        bool allow_unknown_keys; /* unknown keys are warnings (also by SOCKGUARD_ALLOW_UNKNOWN_KEYS=true) */
        bool bundle_verified; /* the caller has verified the signature of a signed policy, or does not mean to run it */
        bool unusable_keys_ok; /* a signing key that is none is a warning: what needs it is refused at run time */
};

struct config;

/*
 * Reads, decodes and merges. *ret is set whenever the result is 0 or -EBADMSG, so that its problems can be printed;
 * free it with config_free(). -EBADMSG: it has errors; config_check() may still be called for what else is wrong.
 * -ENOMEM.
 */
int config_load(const struct config_source *source, struct config **ret);

/*
 * Replaces the default rules by the section variables' when they apply, validates everything, compiles the rules and
 * runs the guards. 0, or -EBADMSG with errors in the list, those of config_load() included. Once per configuration.
 */
int config_check(struct config *c);

/*
 * Works out the effective values and finishes the image with this generation. *ret_image is a view of memory that the
 * configuration owns. After config_check() returned 0. May be called again with another generation.
 * 0; -EBADMSG when it would be too large (in the list); -ENOMEM.
 */
int config_compile(struct config *c, uint64_t generation, struct slice *ret_image);

/*
 * As `sockguard-ctl compile`: a temporary file beside `path`, fsynced, renamed over it. Mode 0640 (it holds what the
 * configuration holds, exec environment values included).
 */
int config_publish(struct slice image, const char *path, struct error *e);

void config_free(struct config *c);
static inline void config_freep(struct config **c) {
        config_free(*c);
}
#define _cleanup_config_ __attribute__((cleanup(config_freep)))

const struct problems *config_problems(const struct config *c);

/*
 * A line of the text that was read, from 1, without its end; empty when there is none. Never to be logged: it may hold
 * secrets.
 */
struct slice config_line(const struct config *c, uint32_t line);

/*
 * The merged options, valid after config_load() returned 0 and until config_free(); after config_compile() the
 * effective ones.
 */
const struct opt_root *config_root(const struct config *c);

/* For policy_str() and policy_list() on config_root() and, after config_check(), policy_decide(). */
const struct policy *config_policy(struct config *c);

/* The section variables replaced the rules. */
bool config_compat_active(const struct config *c);

/* SHA-256 of a canonical dump of the options: equal effective configurations, equal sums. After config_compile(). */
void config_sha256(struct config *c, uint8_t ret[32]);

/*
 * The immutable settings in which `next` differs from `running`, as chapter 01, 4.1 names and orders them, joined with
 * ",". Both loaded (config_load() returned 0), neither compiled. The number of names; 0: the reload may go on.
 */
size_t config_diff(struct config *running, struct config *next, struct strbuf *ret_names);

/* ---- where a value came from ---- */

enum config_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_FLAG };

struct config_place {
        enum config_origin origin;
        struct slice name;     /* file, variable or flag */
        uint32_t line, column; /* ORIGIN_FILE */
};

/* Of a field of config_root() or of what its lists hold: `&root->log.level`. */
struct config_place config_place_of(const struct config *c, const void *field);

#endif
