/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_CTL_VERB_H
#define SOCKGUARD_CTL_VERB_H

#include <stdbool.h>
#include <stddef.h>

/* A flag of a verb. Long flags take `--name value` and `--name=value`, short ones `-x value` and `-xvalue`. */
struct verb_flag {
        const char *name;  /* without the dashes */
        char letter;       /* 0: none */
        const char *value; /* placeholder of the argument in the usage text; NULL: a switch */
        const char *help;
};

#define VERB_FLAGS_MAX 16

/*
 * What the command line gave. `value[i]` belongs to the verb's i-th flag: NULL when absent, the argument, or "" for a
 * switch that is set. The last occurrence counts.
 */
struct verb_args {
        const char *value[VERB_FLAGS_MAX];
        const char *config; /* -c/--config, or the default path */
        bool config_given;
        int argc; /* what is left: positional arguments */
        char **argv;
};

struct verb {
        const char *name, *summary;
        const struct verb_flag *flags;
        size_t n_flags;
        /*
         * 0 or 1: the exit status. A verb that fails prints `Error: ...` to stderr first; when it returns VERB_USAGE
         * the caller prints the verb's usage behind it and exits 1.
         */
        int (*run)(const struct verb_args *args);
        bool hidden;
};

#define VERB_USAGE 2

#define VERB_FLAGS(table) .flags = (table), .n_flags = sizeof(table) / sizeof((table)[0])

/* One a file: ctl/verb_NAME.c. ctl/main.c lists them. */
extern const struct verb verb_run, verb_serve, verb_status, verb_top, verb_doctor, verb_compile, verb_validate,
        verb_match, verb_explain, verb_migrate, verb_version, verb_config, verb_schema, verb_units;

/* Looks for "-h" or an unknown flag is not a verb's business: main does it. Prints `Error: ` + the message; returns
 * VERB_USAGE. */
int verb_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
