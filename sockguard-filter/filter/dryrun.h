/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_DRYRUN_H
#define SOCKGUARD_FILTER_DRYRUN_H

#include "base/strbuf.h"
#include "http/exchange.h"

/*
 * --dry-run: instead of an answer, what was decided and why, as one line of JSON. `r` is what the pipeline said; a
 * check that would have had to ask the daemon has failed, and says so.
 */
void dryrun_verdict(struct strbuf *out, struct exchange *x, enum stage_result r);

/* The same for what is no request at all. */
void dryrun_malformed(struct strbuf *out, const struct http_head *head, int status, struct slice why);

#endif
