/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_ANSWER_H
#define SOCKGUARD_FILTER_ANSWER_H

#include "base/strbuf.h"
#include "http/exchange.h"

/* Answers that the filter gives itself. All of them are built whole into a buffer, so that they leave in one write. */

/* The standard phrase of a status, "Error" for one that has none here. */
const char *answer_phrase(int status);

/*
 * A refusal below the policy layer (chapter 02, 3.1): plain text, no date, no ids, the connection closes. `why` is
 * appended to the phrase, if not empty.
 */
void answer_refusal(struct strbuf *out, int status, struct slice why);

/* 417 for an expectation that we do not know: no body. */
void answer_expectation_failed(struct strbuf *out);

/*
 * x->verdict as an answer. `close` announces that the connection ends with it. HEAD gets the head only. Returns the
 * number of body bytes, for the log.
 */
size_t answer_verdict(struct strbuf *out, struct exchange *x, bool close);

/* The body alone, as answer_verdict() sends it: --dry-run and tests. */
void answer_body(struct strbuf *out, const struct exchange *x);

/* "Date: ...\r\n" with the current time (RFC 9110, 6.6.1). */
void answer_date(struct strbuf *out);

/* X-Request-Id and Traceparent of the exchange, as fields. */
void answer_ids(struct strbuf *out, const struct exchange *x);

/* The path that a verbose denial shows: decoded, without the names of secrets (chapter 02, 7.4). */
struct slice answer_path(const struct exchange *x);

#endif
