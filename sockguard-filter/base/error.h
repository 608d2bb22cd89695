/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_ERROR_H
#define SOCKGUARD_BASE_ERROR_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/*
 * What went wrong, for a person: what was tried, on what, and why it failed. Functions that can explain themselves take
 * a `struct error *` (may be NULL), return a negative errno and fill it in; outer callers prefix it with what they were
 * doing. Fixed size, so that reporting an error cannot fail.
 */
struct error {
        char text[512];
};

/* Sets the message and returns `r` (a negative errno), so that `return error_set(e, -EINVAL, "...")` reads well. */
int error_set(struct error *e, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As error_set, and appends ": strerror(-r)". */
int error_errno(struct error *e, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the message that is there. Returns `r`. */
int error_prefix(struct error *e, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
