/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/common.h"
#include "ctl/companion.h"

enum { FLAG_DIR, FLAG_UNKNOWN, FLAG_LISTEN, FLAG_UPSTREAM, FLAG_LEVEL, FLAG_FORMAT, FLAG_VERBOSITY, FLAG_TRUST };

const struct verb_flag companion_flags[COMPANION_FLAGS] = {
        [FLAG_DIR] = { .name = "runtime-dir",
                       .value = "DIR",
                       .help = "where policy, state and control go (default /run/sockguard)" },
        [FLAG_UNKNOWN] = ALLOW_UNKNOWN_KEYS_FLAG,
        [FLAG_LISTEN] = { .name = "listen-socket", .value = "PATH", .help = "listen.socket" },
        [FLAG_UPSTREAM] = { .name = "upstream-socket", .value = "PATH", .help = "upstream.socket" },
        [FLAG_LEVEL] = { .name = "log-level", .value = "LEVEL", .help = "log.level" },
        [FLAG_FORMAT] = { .name = "log-format", .value = "FORMAT", .help = "log.format" },
        [FLAG_VERBOSITY] = { .name = "deny-verbosity", .value = "WORD", .help = "response.deny_verbosity" },
        [FLAG_TRUST] = { .name = "policy-trust-file",
                         .value = "PATH",
                         .help = "PEM keys: only a policy that one of them has signed comes into force" },
};

int companion_verb(const struct verb_args *args, const struct serve_ops *serve) {
        struct companion_options o = {
                .config_path = args->config,
                .config_given = args->config_given,
                .runtime_dir = args->value[FLAG_DIR] ? args->value[FLAG_DIR] : "/run/sockguard",
                .trust_file = args->value[FLAG_TRUST],
                .serve = serve,
                .allow_unknown_keys = args->value[FLAG_UNKNOWN] != NULL,
                .flags = {
                        .listen_socket = args->value[FLAG_LISTEN],
                        .upstream_socket = args->value[FLAG_UPSTREAM],
                        .log_level = args->value[FLAG_LEVEL],
                        .log_format = args->value[FLAG_FORMAT],
                        .deny_verbosity = args->value[FLAG_VERBOSITY],
                },
        };

        return companion_main(&o);
}

static int run(const struct verb_args *args) {
        return companion_verb(args, NULL);
}

const struct verb verb_run = { .name = "run",
                               .summary = "be the companion of filters that systemd or inetd starts",
                               VERB_FLAGS(companion_flags),
                               .run = run };
