/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_CTL_COMMON_H
#define SOCKGUARD_CTL_COMMON_H

#include <stdio.h>

#include "ctl/verb.h"
#include "policy/load.h"

/* What the verbs that read a configuration share. */

#define ALLOW_UNKNOWN_KEYS_FLAG \
        { .name = "allow-unknown-keys", .help = "unknown keys are warnings, for a migration" }

/* The sources of `validate`, `match`, `compile` and `config`: file, environment, section variables. */
struct config_source ctl_source(const struct verb_args *args, bool allow_unknown_keys);

/* Writes warnings, or everything, one a line, each behind `prefix`. */
void ctl_print_problems(FILE *out, const struct problems *list, bool errors_too, const char *prefix);

/* The error of a failed step, for `Error: %s`: the only problem, or how many there are and one `  - ` line each. */
void ctl_describe(const struct problems *list, struct strbuf *out);

/* The same, each with its line and a mark below its column: for a terminal, since lines may hold secrets. */
void ctl_describe_with_lines(const struct config *c, struct strbuf *out);

struct error;
struct stat;

/*
 * A whole regular file of at most `most` bytes, malloc'ed, and what fstat(2) says of it. Never waits for a FIFO. 0 or
 * negative errno with *e.
 */
int ctl_read_file(const char *path, size_t most, struct stat *ret_stat, char **ret, size_t *ret_len, struct error *e);

#endif
