/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_HTTP_HEAD_H
#define SOCKGUARD_HTTP_HEAD_H

#include "base/slice.h"

#define HTTP_HEAD_MAX (1024u * 1024 + 4096) /* bytes of a request head, blank line included (chapter 02, 3.1) */
#define HTTP_FIELDS_MAX 1000u               /* header fields; more is 431 */
#define HTTP_RESPONSE_HEAD_MAX (256u * 1024)

/* Methods that have a number; the bit set of a rule is 1 << number. Others are HTTP_METHOD_OTHER, compared as text. */
enum http_method {
        HTTP_GET,
        HTTP_HEAD,
        HTTP_POST,
        HTTP_PUT,
        HTTP_DELETE,
        HTTP_PATCH,
        HTTP_OPTIONS,
        HTTP_CONNECT,
        HTTP_TRACE,
        HTTP_METHOD_OTHER,
        HTTP_METHOD_MAX_
};

enum http_method http_method_of(struct slice name);

/* Fields that somebody looks at have a number, so that nobody compares names twice. */
enum http_field_id {
        HTTP_F_OTHER,
#define HTTP_FIELD(id, name) HTTP_F_##id,
#include "http/fields.def"
#undef HTTP_FIELD
        HTTP_F_MAX_
};

struct http_field {
        struct slice name, value; /* value without outer blanks; both views of the receive buffer */
        enum http_field_id id;
        bool hop; /* hop-by-hop: by RFC 9110 7.6.1, or named by Connection */
};

/* How the message's body ends (RFC 9112, 6). */
enum http_framing {
        HTTP_BODY_NONE,   /* no body follows */
        HTTP_BODY_LENGTH, /* content_length bytes */
        HTTP_BODY_CHUNKED,
        HTTP_BODY_CLOSE, /* responses only: until the connection ends */
};

struct http_head {
        struct slice method_text; /* requests */
        enum http_method method;
        struct slice target; /* requests: as received */
        int status;          /* responses */
        struct slice status_text;
        int minor; /* HTTP/1.<minor> */

        struct http_field *fields; /* owned by the caller: a fixed array of HTTP_FIELDS_MAX or fewer */
        size_t n_fields, fields_room;

        enum http_framing framing;
        uint64_t content_length; /* with HTTP_BODY_LENGTH; also of a HEAD answer */
        bool has_content_length;
        bool keep_alive; /* may the connection carry another message, by version and Connection field? */
        bool expect_continue;
        bool expect_other;       /* Expect present and not 100-continue: 417 */
        bool upgrade;            /* Connection names "upgrade" and Upgrade is present and printable */
        struct slice upgrade_to; /* the Upgrade value */
        struct slice host;
        size_t size; /* bytes of the head in the buffer */
};

/*
 * Parses a request head at the start of `in`, strictly (RFC 9112 and chapter 02, section 3). `scanned` is where the
 * previous call stopped looking for the blank line (0 at first), so that a head that trickles in is not re-read.
 *
 * > 0        its size; *ret is filled in, all slices are views of `in`
 * 0          incomplete: call again with more bytes (ret->status is not set)
 * -EBADMSG   refused: ret->status is 400, 431, 501 or 505 and ret->status_text says why in one plain sentence
 */
ssize_t http_request_parse(struct slice in, size_t *scanned, struct http_head *ret);

/*
 * The same for a response of the daemon to a request with method `request_method`. -EBADMSG: not HTTP (502 for the
 * client).
 */
ssize_t http_response_parse(struct slice in, size_t *scanned, enum http_method request_method, struct http_head *ret);

/*
 * The first field with this id; NULL when there is none. A field that Connection names does not count, because it is
 * not handed on either; fields that are hop-by-hop by nature (Upgrade, TE, ...) do.
 */
const struct http_field *http_head_find(const struct http_head *h, enum http_field_id id);

/* How many fields have this id (hop-by-hop ones not counted). */
size_t http_head_count(const struct http_head *h, enum http_field_id id);

/* Walks a comma list: the next non-empty item without outer blanks, or false at the end. *rest is advanced. */
bool http_list_next(struct slice *rest, struct slice *ret);

/* Does the comma list in the field's value contain the token (ASCII case-insensitively)? */
bool http_list_has(struct slice value, struct slice token);

/* Syntax: a token (RFC 9110, 5.6.2; not empty); a field value; the text of a Host field (chapter 02, 20.6; may be
 * empty). */
bool http_is_token(struct slice s);
bool http_is_field_value(struct slice s);
bool http_is_host(struct slice s);

#endif
