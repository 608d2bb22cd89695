/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_CTL_LOG_H
#define SOCKGUARD_CTL_LOG_H

#include "telemetry/log.h"

/*
 * The companion's own records (chapter 06, 5.8). One stream a process; until a configuration is known: text on stderr,
 * info and up.
 *
 *         struct log *l = ctl_log(LEVEL_INFO, "watcher started");
 *         if (l) {
 *                 log_str(l, "path", path);
 *                 log_end(l);
 *         }
 */

/* Level, format and output (as log.output) of what follows. 0 or negative errno with *e. */
int ctl_log_setup(enum level least, bool text, struct slice output, struct error *e);

/* The audit stream, once ctl_audit_setup() has opened it (0 or negative errno with *e); NULL before. */
int ctl_audit_setup(struct slice output, struct error *e);
struct log *ctl_audit(void);

/* Records that the streams could not take since the last call. */
uint64_t ctl_log_lost(void);

/* Begins a record; NULL when its level is not wanted. */
struct log *ctl_log(enum level level, const char *message);

/* A whole record with at most one text field (key NULL: none). */
void ctl_note(enum level level, const char *message, const char *key, const char *value);

/* "1m30s", "250ms", "0s": a duration as the configuration writes it. */
struct slice ctl_duration(char buffer[48], uint64_t ns);

#endif
