/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_HTTP_TARGET_H
#define SOCKGUARD_HTTP_TARGET_H

#include "base/arena.h"
#include "http/reason.h"

/* A request target, taken apart as chapter 02, sections 3.7, 5 and 6.1 say. */
struct http_target {
        struct slice raw_path;   /* as received, or "/" when an absolute target had none: what goes to the daemon */
        struct slice query;      /* after the first '?', as received */
        bool has_query;          /* there was a '?' */
        struct slice decoded;    /* the path, percent-decoded once; may hold any byte */
        struct slice cleaned;    /* decoded, lexically cleaned */
        struct slice normalized; /* cleaned, one API version prefix removed: what every rule and check sees */
        struct slice version;    /* the prefix that was removed, with its slash ("/v1.45"), or empty */
        struct slice authority;  /* of an absolute target */
};

/*
 * 0; -EBADMSG: refused with 400 before any rule (*ret_why says why); -EACCES: well-formed but denied by policy whatever
 * the rules say (403), *ret_reason is malformed_api_version or ambiguous_path and *ret is filled in for the log.
 */
int http_target_parse(struct slice target, bool options_asterisk_ok, struct arena *a, struct http_target *ret,
                      enum reason_code *ret_reason, const char **ret_why);

/* Percent-decodes once. 0 or -EBADMSG (malformed escape). Plus stays plus. */
int http_percent_decode(struct slice s, struct arena *a, struct slice *ret);

/* Lexical cleaning of a '/'-separated path: the result of chapter 02, section 5, step 2. Also chapter 03, 1.7 with
 * relative = true (keeps leading "..", empty result "."). */
struct slice path_clean(struct slice path, bool relative, struct arena *a);

/* Cleans, then removes one version prefix: what `sockguard-ctl match` does with a literal path. */
struct slice path_normalize(struct slice path, struct arena *a);

/* Escapes as ONE path segment for a lookup: keeps A-Za-z0-9-_.~$&+=:@, %XX for all else (chapter 05, 2.8). */
struct slice path_escape_segment(struct slice s, struct arena *a);

/* One parameter of a parsed query. */
struct http_param {
        struct slice name, value; /* decoded, '+' is a blank */
};

struct http_query {
        struct http_param *at;
        size_t n;
        bool dropped; /* some part was unusable (';', bad escape, too many): the query must be re-encoded, not copied */
};

/* The parsed view that every check uses (chapter 02, 6.1). */
void http_query_parse(struct slice raw, struct arena *a, struct http_query *ret);

/* The first value of the name, byte-exact; `ret` is untouched and false returned when there is none. */
bool http_query_get(const struct http_query *q, struct slice name, struct slice *ret);
size_t http_query_count(const struct http_query *q, struct slice name);

/* Replaces all parameters of the name by one (added when there was none). */
void http_query_set(struct http_query *q, struct slice name, struct slice value, struct arena *a);

/*
 * Drops what only some engines read as this parameter: its name in another case, which Podman's decoder folds, and all
 * values but the first, where Podman takes the last. True when there was any.
 */
bool http_query_unify(struct http_query *q, struct slice name, struct arena *a);

/* key=value, keys sorted bytewise, values in order, form escaping. */
struct slice http_query_encode(const struct http_query *q, struct arena *a);

/* Docker's notion of truth: trimmed, lower-cased; false for "", 0, no, false, none. */
bool http_query_truth(struct slice value);

#endif
