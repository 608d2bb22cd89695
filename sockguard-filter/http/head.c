/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include <errno.h>

/*
 * Message heads (RFC 9112), read in one pass over the receive buffer and refused at the first doubt: a head that two
 * parties could read in two ways is how requests are smuggled. Lines end in CRLF and nothing else, there is no folding,
 * and framing fields mean one thing or the message is refused.
 */

enum {
        C_TOKEN = 1 << 0,  /* RFC 9110, 5.6.2 */
        C_VALUE = 1 << 1,  /* field-vchar, SP, HTAB, obs-text */
        C_TARGET = 1 << 2, /* what may stand in a request target: everything but controls, SP and DEL */
        C_HOST = 1 << 3,   /* chapter 02, 20.6 */
};

#define ALNUM_CLASSES (C_TOKEN | C_VALUE | C_TARGET | C_HOST)

static const uint8_t classes[256] = {
        ['\t'] = C_VALUE,
        [' '] = C_VALUE,
        ['!'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        ['"'] = C_VALUE | C_TARGET,
        ['#'] = C_TOKEN | C_VALUE | C_TARGET,
        ['$'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        ['%'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        ['&'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        ['\''] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        ['('] = C_VALUE | C_TARGET | C_HOST,
        [')'] = C_VALUE | C_TARGET | C_HOST,
        ['*'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        ['+'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        [','] = C_VALUE | C_TARGET | C_HOST,
        ['-'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        ['.'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        ['/'] = C_VALUE | C_TARGET,
        ['0' ... '9'] = ALNUM_CLASSES,
        [':'] = C_VALUE | C_TARGET | C_HOST,
        [';'] = C_VALUE | C_TARGET | C_HOST,
        ['<'] = C_VALUE | C_TARGET,
        ['='] = C_VALUE | C_TARGET | C_HOST,
        ['>'] = C_VALUE | C_TARGET,
        ['?'] = C_VALUE | C_TARGET,
        ['@'] = C_VALUE | C_TARGET,
        ['A' ... 'Z'] = ALNUM_CLASSES,
        ['['] = C_VALUE | C_TARGET | C_HOST,
        ['\\'] = C_VALUE | C_TARGET,
        [']'] = C_VALUE | C_TARGET | C_HOST,
        ['^'] = C_TOKEN | C_VALUE | C_TARGET,
        ['_'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        ['`'] = C_TOKEN | C_VALUE | C_TARGET,
        ['a' ... 'z'] = ALNUM_CLASSES,
        ['{'] = C_VALUE | C_TARGET,
        ['|'] = C_TOKEN | C_VALUE | C_TARGET,
        ['}'] = C_VALUE | C_TARGET,
        ['~'] = C_TOKEN | C_VALUE | C_TARGET | C_HOST,
        [0x80 ... 0xff] = C_VALUE | C_TARGET,
};

/* Length of the longest prefix of `s` whose bytes all are in the class. */
static size_t span(struct slice s, uint8_t class) {
        size_t i = 0;

        while (i < s.len && (classes[(unsigned char) s.at[i]] & class))
                i++;
        return i;
}

bool http_is_token(struct slice s) {
        return s.len > 0 && span(s, C_TOKEN) == s.len;
}

bool http_is_field_value(struct slice s) {
        return span(s, C_VALUE) == s.len;
}

bool http_is_host(struct slice s) {
        return span(s, C_HOST) == s.len;
}

static const struct slice method_names[HTTP_METHOD_OTHER] = {
        [HTTP_GET] = { "GET", 3 },         [HTTP_HEAD] = { "HEAD", 4 },       [HTTP_POST] = { "POST", 4 },
        [HTTP_PUT] = { "PUT", 3 },         [HTTP_DELETE] = { "DELETE", 6 },   [HTTP_PATCH] = { "PATCH", 5 },
        [HTTP_OPTIONS] = { "OPTIONS", 7 }, [HTTP_CONNECT] = { "CONNECT", 7 }, [HTTP_TRACE] = { "TRACE", 5 },
};

enum http_method http_method_of(struct slice name) {
        for (unsigned m = 0; m < HTTP_METHOD_OTHER; m++)
                if (slice_eq(name, method_names[m]))
                        return (enum http_method) m;
        return HTTP_METHOD_OTHER;
}

/* ---- fields ---- */

static const struct slice field_names[HTTP_F_MAX_] = {
        [HTTP_F_OTHER] = { "", 0 },
#define HTTP_FIELD(id, name) [HTTP_F_##id] = { name, sizeof(name) - 1 },
#include "http/fields.def"
#undef HTTP_FIELD
};

/* Fields that belong to one connection and are never handed on (RFC 9110, 7.6.1; chapter 02, 6.2). */
static bool always_hop(enum http_field_id id) {
        switch (id) {
        case HTTP_F_CONNECTION:
        case HTTP_F_KEEP_ALIVE:
        case HTTP_F_PROXY_CONNECTION:
        case HTTP_F_PROXY_AUTHENTICATE:
        case HTTP_F_PROXY_AUTHORIZATION:
        case HTTP_F_TE:
        case HTTP_F_TRAILER:
        case HTTP_F_TRANSFER_ENCODING:
        case HTTP_F_UPGRADE:
                return true;
        default:
                return false;
        }
}

static enum http_field_id field_id(struct slice name) {
        for (unsigned id = 1; id < HTTP_F_MAX_; id++)
                /* Bit 5 set is lower case for letters: a cheap first comparison before the full one. */
                if (field_names[id].len == name.len && field_names[id].at[0] == (name.at[0] | 0x20) &&
                    slice_case_eq(field_names[id], name))
                        return (enum http_field_id) id;
        return HTTP_F_OTHER;
}

const struct http_field *http_head_find(const struct http_head *h, enum http_field_id id) {
        for (size_t i = 0; i < h->n_fields; i++)
                if (h->fields[i].id == id && (!h->fields[i].hop || always_hop(id)))
                        return &h->fields[i];
        return NULL;
}

size_t http_head_count(const struct http_head *h, enum http_field_id id) {
        size_t n = 0;

        for (size_t i = 0; i < h->n_fields; i++)
                n += h->fields[i].id == id && !h->fields[i].hop;
        return n;
}

bool http_list_next(struct slice *rest, struct slice *ret) {
        while (rest->len > 0) {
                struct slice item, tail;

                slice_cut(*rest, ',', &item, &tail);
                *rest = tail;
                item = slice_trim_ows(item);
                if (item.len > 0) {
                        *ret = item;
                        return true;
                }
        }
        return false;
}

bool http_list_has(struct slice value, struct slice token) {
        struct slice item;

        while (http_list_next(&value, &item))
                if (slice_case_eq(item, token))
                        return true;
        return false;
}

/* ---- refusals ---- */

static ssize_t refuse(struct http_head *h, int status, const char *why) {
        h->status = status;
        h->status_text = slice_of(why);
        return -EBADMSG;
}

/*
 * Looks for the blank line that ends the head, from where the previous call stopped. Every LF must follow a CR; a line
 * that starts the message empty is refused here as well, so that garbage is answered at its first line end.
 * > 0 the head's size; 0 not there yet; -EBADMSG refused.
 */
static ssize_t find_end(struct slice in, size_t *scanned, size_t limit, struct http_head *h) {
        size_t from = *scanned;

        while (from < in.len) {
                const char *lf = memchr(in.at + from, '\n', in.len - from);
                size_t i;

                if (lf == NULL)
                        break;
                i = (size_t) (lf - in.at);
                if (i >= limit)
                        break;
                if (i == 0 || in.at[i - 1] != '\r')
                        return refuse(h, 400, "line does not end in CRLF");
                if (i == 1)
                        return refuse(h, 400, "empty line before the start line");
                if (i >= 3 && in.at[i - 2] == '\n') {
                        *scanned = i + 1;
                        return (ssize_t) (i + 1);
                }
                from = i + 1;
        }
        *scanned = in.len;
        if (in.len >= limit)
                return refuse(h, 431, "message head too large");
        return 0;
}

/* One line without its CRLF; the caller knows that there is one. */
static struct slice take_line(struct slice *rest) {
        const char *lf = memchr(rest->at, '\n', rest->len);
        size_t n = (size_t) (lf - rest->at);
        struct slice line = slice_make(rest->at, n - 1);

        *rest = slice_from(*rest, n + 1);
        return line;
}

static ssize_t parse_field(struct slice line, struct http_head *h) {
        struct http_field *f;
        size_t n;

        if (line.at[0] == ' ' || line.at[0] == '\t')
                return refuse(h, 400, "folded header line");
        n = span(line, C_TOKEN);
        if (n == line.len)
                return refuse(h, 400, "header line without a colon");
        if (n == 0 || line.at[n] != ':')
                return refuse(h, 400, "invalid character in a header name");
        if (h->n_fields == h->fields_room)
                return refuse(h, 431, "too many header fields");
        f = &h->fields[h->n_fields];
        f->name = slice_upto(line, n);
        f->value = slice_trim_ows(slice_from(line, n + 1));
        if (span(f->value, C_VALUE) != f->value.len)
                return refuse(h, 400, "invalid character in a header value");
        f->id = field_id(f->name);
        f->hop = always_hop(f->id);
        h->n_fields++;
        return 0;
}

/* Options one message may name in Connection; each is compared with every field, so their product must stay small. */
#define CONNECTION_OPTIONS_MAX 64

struct connection {
        bool close, keep_alive, upgrade;
};

/* Marks the fields that Connection names, and reads the options that mean something to us. */
static ssize_t apply_connection(struct http_head *h, struct connection *ret) {
        unsigned n = 0;

        for (size_t i = 0; i < h->n_fields; i++) {
                struct slice rest, option;

                if (h->fields[i].id != HTTP_F_CONNECTION)
                        continue;
                rest = h->fields[i].value;
                while (http_list_next(&rest, &option)) {
                        if (++n > CONNECTION_OPTIONS_MAX)
                                return refuse(h, 400, "too many options in Connection");
                        if (slice_case_eq(option, SLICE("close")))
                                ret->close = true;
                        else if (slice_case_eq(option, SLICE("keep-alive")))
                                ret->keep_alive = true;
                        else if (slice_case_eq(option, SLICE("upgrade")))
                                ret->upgrade = true;
                        for (size_t k = 0; k < h->n_fields; k++)
                                if (slice_case_eq(h->fields[k].name, option))
                                        h->fields[k].hop = true;
                }
        }
        return 0;
}

static bool printable(struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                if (s.at[i] < 0x20 || s.at[i] > 0x7e)
                        return false;
        return s.len > 0;
}

static void read_upgrade(struct http_head *h, const struct connection *c) {
        const struct http_field *f = http_head_find(h, HTTP_F_UPGRADE);

        if (!c->upgrade || f == NULL)
                return;
        h->upgrade_to = f->value;
        h->upgrade = printable(f->value);
}

/*
 * What both kinds of head have in common: the lines, and what Connection says. Everything in *h but the caller's array
 * starts from nothing. > 0 the head's size; 0 incomplete; -EBADMSG refused.
 */
static ssize_t parse_head(struct slice in, size_t *scanned, size_t limit,
                          ssize_t (*start_line)(struct slice line, struct http_head *h), struct http_head *h) {
        struct connection c = { 0 };
        struct slice rest;
        ssize_t size;

        *h = (struct http_head){ .fields = h->fields, .fields_room = h->fields_room };
        size = find_end(in, scanned, limit, h);
        if (size <= 0)
                return size;
        rest = slice_upto(in, (size_t) size - 2);
        if (start_line(take_line(&rest), h) < 0)
                return -EBADMSG;
        while (rest.len > 0)
                if (parse_field(take_line(&rest), h) < 0)
                        return -EBADMSG;
        if (apply_connection(h, &c) < 0)
                return -EBADMSG;
        h->keep_alive = !c.close && (h->minor > 0 || c.keep_alive);
        read_upgrade(h, &c);
        h->size = (size_t) size;
        return size;
}

/* What both kinds of head know about their framing fields. */
struct framing {
        unsigned n_lengths, n_codings;
        bool lengths_equal; /* byte for byte: 17 and 017 are two opinions */
        struct slice length, coding;
};

static void collect_framing(const struct http_head *h, struct framing *ret) {
        *ret = (struct framing){ .lengths_equal = true };
        for (size_t i = 0; i < h->n_fields; i++) {
                const struct http_field *f = &h->fields[i];

                if (f->id == HTTP_F_CONTENT_LENGTH) {
                        if (ret->n_lengths++ == 0)
                                ret->length = f->value;
                        else if (!slice_eq(ret->length, f->value))
                                ret->lengths_equal = false;
                } else if (f->id == HTTP_F_TRANSFER_ENCODING) {
                        ret->n_codings++;
                        ret->coding = f->value;
                }
        }
}

static int parse_length(struct slice s, uint64_t *ret) {
        int r = slice_parse_u64(s, ret);

        return r < 0 ? r : *ret > INT64_MAX ? -ERANGE : 0;
}

static ssize_t request_framing(struct http_head *h) {
        struct framing f;

        collect_framing(h, &f);
        if (f.n_codings > 0 && h->minor > 0) {
                if (f.n_codings > 1 || !slice_case_eq(f.coding, SLICE("chunked")))
                        return refuse(h, 501, "Unsupported transfer encoding");
                if (f.n_lengths > 0)
                        return refuse(h, 400, "both Transfer-Encoding and Content-Length");
                h->framing = HTTP_BODY_CHUNKED;
                return 0;
        }
        if (f.n_codings > 0)
                /* HTTP/1.0 has no transfer codings. Whatever the sender meant, nothing after this message can be
                 * trusted to start where we think (RFC 9112, 6.1). */
                h->keep_alive = false;
        if (f.n_lengths > 1)
                return refuse(h, 400, "more than one Content-Length");
        if (f.n_lengths == 0)
                return 0;
        if (parse_length(f.length, &h->content_length) < 0)
                return refuse(h, 400, "invalid Content-Length");
        h->has_content_length = true;
        h->framing = h->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
        return 0;
}

/* Trailer fields that would change how the message was read are refused when they are announced. */
static ssize_t check_trailer(struct http_head *h) {
        for (size_t i = 0; i < h->n_fields; i++) {
                struct slice v = h->fields[i].value;

                if (h->fields[i].id != HTTP_F_TRAILER)
                        continue;
                if (http_list_has(v, SLICE("content-length")) || http_list_has(v, SLICE("transfer-encoding")) ||
                    http_list_has(v, SLICE("trailer")))
                        return refuse(h, 400, "Trailer announces a framing field");
        }
        return 0;
}

static ssize_t check_host(struct http_head *h) {
        size_t n = 0;

        for (size_t i = 0; i < h->n_fields; i++) {
                if (h->fields[i].id != HTTP_F_HOST)
                        continue;
                n++;
                h->host = h->fields[i].value;
                if (!http_is_host(h->host))
                        return refuse(h, 400, "invalid character in Host");
        }
        if (n > 1)
                return refuse(h, 400, "more than one Host header");
        if (n == 0 && h->minor > 0)
                return refuse(h, 400, "missing Host header");
        return 0;
}

static void read_expect(struct http_head *h) {
        if (h->minor == 0)
                return; /* HTTP/1.0 has no expectations: ignored (RFC 9110, 10.1.1) */
        for (size_t i = 0; i < h->n_fields; i++) {
                const struct http_field *f = &h->fields[i];

                if (f->id != HTTP_F_EXPECT || f->value.len == 0)
                        continue;
                if (slice_case_eq(f->value, SLICE("100-continue")))
                        h->expect_continue = true;
                else
                        h->expect_other = true;
        }
}

/* "HTTP/1.1" exactly: *ret_major and *ret_minor, or false. */
static bool parse_version(struct slice v, int *ret_major, int *ret_minor) {
        if (v.len != 8 || memcmp(v.at, "HTTP/", 5) != 0 || v.at[6] != '.')
                return false;
        if (v.at[5] < '0' || v.at[5] > '9' || v.at[7] < '0' || v.at[7] > '9')
                return false;
        *ret_major = v.at[5] - '0';
        *ret_minor = v.at[7] - '0';
        return true;
}

static ssize_t parse_request_line(struct slice line, struct http_head *h) {
        struct slice rest = line;
        size_t n = span(rest, C_TOKEN);
        int major;

        if (n == 0 || n == rest.len || rest.at[n] != ' ')
                return refuse(h, 400, "malformed method in the request line");
        h->method_text = slice_upto(rest, n);
        rest = slice_from(rest, n + 1);
        n = span(rest, C_TARGET);
        if (n == 0 || n == rest.len || rest.at[n] != ' ')
                return refuse(h, 400, "malformed target in the request line");
        h->target = slice_upto(rest, n);
        rest = slice_from(rest, n + 1);
        if (!parse_version(rest, &major, &h->minor))
                return refuse(h, 400, "malformed protocol version");
        if (major != 1)
                return refuse(h, 505, "protocol version not supported");
        /* Methods are case-sensitive tokens. One with a lower-case letter is no method of any engine, but a check that
         * folds case and a relay that does not would disagree about it. */
        for (size_t i = 0; i < h->method_text.len; i++)
                if (h->method_text.at[i] >= 'a' && h->method_text.at[i] <= 'z')
                        return refuse(h, 400, "lower-case letter in the method");
        h->method = http_method_of(h->method_text);
        return 0;
}

ssize_t http_request_parse(struct slice in, size_t *scanned, struct http_head *ret) {
        ssize_t size = parse_head(in, scanned, HTTP_HEAD_MAX, parse_request_line, ret);

        if (size <= 0)
                return size;
        if (check_host(ret) < 0 || request_framing(ret) < 0 || check_trailer(ret) < 0)
                return -EBADMSG;
        read_expect(ret);
        return size;
}

/* ---- responses ---- */

static ssize_t parse_status_line(struct slice line, struct http_head *h) {
        struct slice text;
        int major, status = 0;

        if (line.len < 12 || !parse_version(slice_upto(line, 8), &major, &h->minor) || major != 1 || line.at[8] != ' ')
                return refuse(h, 502, "malformed status line");
        for (size_t i = 9; i < 12; i++) {
                if (line.at[i] < '0' || line.at[i] > '9')
                        return refuse(h, 502, "malformed status code");
                status = status * 10 + (line.at[i] - '0');
        }
        text = slice_from(line, 12);
        if (status < 100 || (text.len > 0 && text.at[0] != ' ') || span(text, C_VALUE) != text.len)
                return refuse(h, 502, "malformed status line");
        h->status = status;
        h->status_text = slice_from(text, 1);
        return 0;
}

static ssize_t response_framing(struct http_head *h, enum http_method request_method) {
        struct framing f;

        collect_framing(h, &f);
        if (f.n_lengths > 0) {
                if (!f.lengths_equal || parse_length(f.length, &h->content_length) < 0)
                        return refuse(h, 502, "contradictory or invalid Content-Length");
                h->has_content_length = true;
        }
        if (f.n_codings > 0) {
                if (h->minor == 0 || f.n_codings > 1 || !slice_case_eq(f.coding, SLICE("chunked")))
                        return refuse(h, 502, "unsupported transfer encoding");
                if (f.n_lengths > 0)
                        return refuse(h, 502, "both Transfer-Encoding and Content-Length");
        }
        if (request_method == HTTP_HEAD || h->status < 200 || h->status == 204 || h->status == 304)
                h->framing = HTTP_BODY_NONE;
        else if (f.n_codings > 0)
                h->framing = HTTP_BODY_CHUNKED;
        else if (f.n_lengths > 0)
                h->framing = h->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
        else {
                h->framing = HTTP_BODY_CLOSE;
                h->keep_alive = false;
        }
        return 0;
}

ssize_t http_response_parse(struct slice in, size_t *scanned, enum http_method request_method, struct http_head *ret) {
        ssize_t size = parse_head(in, scanned, HTTP_RESPONSE_HEAD_MAX, parse_status_line, ret);

        if (size <= 0)
                return size;
        return response_framing(ret, request_method) < 0 ? -EBADMSG : size;
}
