/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_RESPONSE_FILTER_H
#define SOCKGUARD_RESPONSE_FILTER_H

#include "base/strbuf.h"
#include "http/exchange.h"

/*
 * What stands between the daemon's answer and the client: redaction (chapter 05, part 4) and the lists that name and
 * image patterns thin out (part 3.4), in one pass.
 *
 * stage_response(), the last stage before dialling, knows from method, path, scope and policy whether the answer will
 * be looked at, and if so leaves a filter in x->response_filter. NULL there means that the relay may splice the answer.
 * With a filter, the relay
 *
 *   1. sends `Accept-Encoding: identity` in place of the client's, and no Range, If-Range or TE field;
 *   2. calls response_filter_head() once, with the final (non-1xx) head, or with a 101;
 *   3. on RESPONSE_FILTER takes the transfer coding off and feeds the body to response_filter_data(), then calls
 *      response_filter_end(); after each call it sends response_filter_output() and empties it, except while held;
 *   4. frames the answer anew: Content-Length when it is still held after the end, otherwise chunked, or
 *      until-close for HTTP/1.0. Trailers are dropped, and so is every field that response_filter_drops() names;
 *   5. on -EBADMSG calls response_filter_verdict(): while nothing was sent the answer is that verdict's 502, afterwards
 * the client's connection is cut before the end of the body so that it sees the truncation.
 *
 * Memory is bounded by one element of a list, or by one object; never by the length of a list.
 */

#define RESPONSE_VALUE_MAX (8u * 1024 * 1024) /* bytes of one list element, or of an object answer */
#define RESPONSE_HOLD_MAX \
        (256u * 1024) /* bytes of a list that are kept back, so that a broken small one is a clean 502 */
#define RESPONSE_DEPTH_MAX 512u

enum response_action {
        RESPONSE_PASS,   /* relay head and body as they are */
        RESPONSE_FILTER, /* feed the body */
        RESPONSE_BARE, /* HEAD of a list that is thinned out: relay the head without Content-Length, there is no body */
        RESPONSE_REJECT, /* send the verdict's 502; the body is not to be relayed */
};

struct response_filter;

/* Allocates from x->arena; buffers have memory of their own, given back by response_filter_free(x->response_filter). */
enum stage_result stage_response(struct exchange *x);

/* Judges the head of the daemon's answer. */
enum response_action response_filter_head(struct response_filter *f, const struct http_head *head);

/* Is this field of the daemon's answer dropped because the body is no longer the one it describes? */
bool response_filter_drops(const struct http_field *field);

/*
 * Feeds decoded body bytes in pieces of any size. 0; -EBADMSG: the answer may not reach the client, or no more of it.
 * After an error every further call gives the same error.
 */
int response_filter_data(struct response_filter *f, struct slice in);

/* The daemon's body is complete (`complete`), or broke off. Errors as above; a body that broke off is always one. */
int response_filter_end(struct response_filter *f, bool complete);

/* Bytes that go to the client, to be emptied with strbuf_reset() once they are sent. */
struct strbuf *response_filter_output(struct response_filter *f);

/* Nothing may be sent yet, not even the head. */
bool response_filter_held(const struct response_filter *f);

/* After RESPONSE_REJECT or -EBADMSG: writes code, reason, status and body kind into x->verdict. */
void response_filter_verdict(const struct response_filter *f, struct exchange *x);

/* NULL is fine. */
void response_filter_free(struct response_filter *f);

#endif
