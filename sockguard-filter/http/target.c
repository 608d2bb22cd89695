/* SPDX-License-Identifier: Apache-2.0 */
#include "http/target.h"

#include <errno.h>

#include "http/head.h"

/*
 * Request targets. The raw path is what the daemon gets, the normalised path is what every check sees; whatever the two
 * could be read differently from each other is refused here, before any rule (chapter 02, sections 3.7, 5 and 6.1).
 */

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

int http_percent_decode(struct slice s, struct arena *a, struct slice *ret) {
        size_t n = 0;
        char *out;

        if (slice_find(s, '%') < 0) {
                *ret = s;
                return 0;
        }
        out = arena_alloc(a, s.len);
        for (size_t i = 0; i < s.len; i++) {
                int hi, lo;

                if (s.at[i] != '%') {
                        out[n++] = s.at[i];
                        continue;
                }
                if (s.len - i < 3)
                        return -EBADMSG;
                hi = hex_digit(s.at[i + 1]);
                lo = hex_digit(s.at[i + 2]);
                if (hi < 0 || lo < 0)
                        return -EBADMSG;
                out[n++] = (char) (hi << 4 | lo);
                i += 2;
        }
        *ret = slice_make(out, n);
        return 0;
}

/* ---- paths ---- */

static bool is_dot(struct slice segment) {
        return slice_eq(segment, SLICE("."));
}

static bool is_dot_dot(struct slice segment) {
        return slice_eq(segment, SLICE(".."));
}

/* Would cleaning leave the rooted path as it is? The common case, decided in one pass without a copy. */
static bool is_clean(struct slice path) {
        if (path.len == 0)
                return true;
        if (path.at[0] != '/')
                return false;
        if (path.len == 1)
                return true;
        if (path.at[path.len - 1] == '/')
                return false;
        for (size_t i = 0; i + 1 < path.len; i++) {
                size_t left;

                if (path.at[i] != '/')
                        continue;
                if (path.at[i + 1] == '/')
                        return false;
                if (path.at[i + 1] != '.')
                        continue;
                left = path.len - i - 2; /* what follows the dot */
                if (left == 0 || path.at[i + 2] == '/' ||
                    (path.at[i + 2] == '.' && (left == 1 || path.at[i + 3] == '/')))
                        return false;
        }
        return true;
}

struct slice path_clean(struct slice path, bool relative, struct arena *a) {
        bool rooted = path.len > 0 && path.at[0] == '/';
        size_t n = 0, floor; /* below `floor` nothing is taken back: the root, or leading ".." */
        struct slice rest, segment;
        char *out;

        if (is_clean(path) && !(relative && path.len == 0))
                return path;
        out = arena_alloc(a, path.len + 1);
        if (rooted)
                out[n++] = '/';
        floor = n;
        rest = path;
        do {
                slice_cut(rest, '/', &segment, &rest);
                if (segment.len == 0 || is_dot(segment))
                        continue;
                if (is_dot_dot(segment)) {
                        if (n > floor) {
                                while (n > floor && out[n - 1] != '/')
                                        n--;
                                if (n > floor)
                                        n--; /* the slash before the segment that went */
                                continue;
                        }
                        if (rooted || !relative)
                                continue;
                }
                if (n > 0 && out[n - 1] != '/')
                        out[n++] = '/';
                memcpy(out + n, segment.at, segment.len);
                n += segment.len;
                if (is_dot_dot(segment))
                        floor = n;
        } while (rest.len > 0);
        if (n == 0 && relative)
                return SLICE(".");
        return slice_make(out, n);
}

enum version_prefix {
        VERSION_NONE,
        VERSION_GOOD,      /* v + one to three numbers with dots between, and more path behind it */
        VERSION_MALFORMED, /* some engine takes it for a version, another does not */
};

/*
 * Judges the first segment of a clean path. Docker routes "v" + any run of digits and dots; Podman "v" + a digit + any
 * run of letters, digits, dots and dashes. What either would strip, and we would not, must not be judged with the
 * prefix on.
 */
static enum version_prefix version_prefix(struct slice path, size_t *ret_len) {
        struct slice segment;
        ssize_t end;
        size_t i = 0;
        unsigned numbers = 0;
        bool docker = true, podman;

        if (path.len < 3 || path.at[0] != '/' || path.at[1] != 'v')
                return VERSION_NONE;
        end = slice_find(slice_from(path, 1), '/');
        if (end < 0)
                return VERSION_NONE;
        segment = slice_make(path.at + 2, (size_t) end - 1);
        *ret_len = segment.len + 2;
        if (segment.len == 0)
                return VERSION_NONE;
        podman = segment.at[0] >= '0' && segment.at[0] <= '9';
        for (size_t k = 0; k < segment.len; k++) {
                char c = segment.at[k];
                bool digit = c >= '0' && c <= '9', letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

                docker = docker && (digit || c == '.');
                podman = podman && (digit || letter || c == '.' || c == '-');
        }
        if (!docker && !podman)
                return VERSION_NONE;
        for (;;) {
                size_t start = i;

                while (i < segment.len && segment.at[i] >= '0' && segment.at[i] <= '9')
                        i++;
                if (i == start)
                        return VERSION_MALFORMED;
                numbers++;
                if (i == segment.len)
                        return numbers <= 3 ? VERSION_GOOD : VERSION_MALFORMED;
                if (segment.at[i++] != '.')
                        return VERSION_MALFORMED;
        }
}

struct slice path_normalize(struct slice path, struct arena *a) {
        struct slice clean = path_clean(path, false, a);
        size_t n;

        return version_prefix(clean, &n) == VERSION_GOOD ? slice_from(clean, n) : clean;
}

static bool unreserved(char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.' || c == '~';
}

static void put_escaped(char *out, size_t *n, char c) {
        static const char digits[] = "0123456789ABCDEF";
        unsigned char u = (unsigned char) c;

        out[(*n)++] = '%';
        out[(*n)++] = digits[u >> 4];
        out[(*n)++] = digits[u & 15];
}

struct slice path_escape_segment(struct slice s, struct arena *a) {
        char *out = arena_array(a, s.len, 3);
        size_t n = 0;

        for (size_t i = 0; i < s.len; i++) {
                if (unreserved(s.at[i]) || (s.at[i] != '\0' && strchr("$&+=:@", s.at[i]) != NULL))
                        out[n++] = s.at[i];
                else
                        put_escaped(out, &n, s.at[i]);
        }
        return slice_make(out, n);
}

/* Bytes that must not stand unescaped in a path (RFC 3986, 3.3), among those that the head parser lets through. */
static bool illegal_in_path(char c) {
        return (unsigned char) c >= 0x80 || strchr("\"#<>\\^`{|}", c) != NULL;
}

/* The path as the daemon gets it: as received, save that bytes which have no business there unescaped are escaped. */
static struct slice forwardable(struct slice raw, struct arena *a) {
        size_t bad = 0, n = 0;
        char *out;

        for (size_t i = 0; i < raw.len; i++)
                bad += illegal_in_path(raw.at[i]);
        if (bad == 0)
                return raw;
        out = arena_alloc(a, raw.len + 2 * bad);
        for (size_t i = 0; i < raw.len; i++) {
                if (illegal_in_path(raw.at[i]))
                        put_escaped(out, &n, raw.at[i]);
                else
                        out[n++] = raw.at[i];
        }
        return slice_make(out, n);
}

/*
 * Do engines disagree about this path? Docker decodes and then routes, Podman routes and then decodes. A dot segment
 * that only exists after decoding, or one that would take back a segment with an encoded slash in it, leads them to
 * different places. NUL, CR and LF are in no name that an engine knows, and every text tool behind us trips over them.
 */
static int ambiguous(struct slice raw, struct slice decoded, struct arena *a) {
        bool literal_dots = false, encoded_slash = false;
        struct slice rest = raw, segment;

        for (size_t i = 0; i < decoded.len; i++)
                if (decoded.at[i] == '\0' || decoded.at[i] == '\n' || decoded.at[i] == '\r')
                        return -EACCES;
        if (decoded.at == raw.at)
                return 0; /* nothing was escaped */
        do {
                struct slice parts, part;

                slice_cut(rest, '/', &segment, &rest);
                if (slice_find(segment, '%') < 0) {
                        literal_dots = literal_dots || is_dot(segment) || is_dot_dot(segment);
                        continue;
                }
                if (http_percent_decode(segment, a, &parts) < 0)
                        return -EACCES;
                encoded_slash = encoded_slash || slice_find(parts, '/') >= 0;
                do {
                        slice_cut(parts, '/', &part, &parts);
                        if (is_dot(part) || is_dot_dot(part))
                                return -EACCES;
                } while (parts.len > 0);
        } while (rest.len > 0);
        return literal_dots && encoded_slash ? -EACCES : 0;
}

/* "host", "host:port", "[v6]:port", each with "user@" before it. Nothing of it is used: Docker is reached elsewhere. */
static bool authority_ok(struct slice s) {
        ssize_t at = slice_rfind(s, '@'), colon;
        struct slice port;

        if (at >= 0) {
                if (!http_is_host(slice_upto(s, (size_t) at)))
                        return false;
                s = slice_from(s, (size_t) at + 1);
        }
        if (!http_is_host(s))
                return false;
        if (s.len > 0 && s.at[0] == '[') {
                ssize_t close = slice_find(s, ']');

                if (close < 0)
                        return false;
                s = slice_from(s, (size_t) close + 1);
                if (s.len > 0 && s.at[0] != ':')
                        return false;
        }
        colon = slice_rfind(s, ':');
        if (colon < 0)
                return true;
        port = slice_from(s, (size_t) colon + 1);
        for (size_t i = 0; i < port.len; i++)
                if (port.at[i] < '0' || port.at[i] > '9')
                        return false;
        return port.len <= 5;
}

/* Cuts "http://authority" off; *rest is then "/path?query" or empty or "?query". */
static int absolute_form(struct slice target, struct slice *ret_rest, struct slice *ret_authority,
                         const char **ret_why) {
        struct slice scheme, rest;
        size_t n = 0;

        if (!slice_cut(target, ':', &scheme, &rest) ||
            !(slice_case_eq(scheme, SLICE("http")) || slice_case_eq(scheme, SLICE("https")))) {
                *ret_why = "request target is neither a path nor an http URL";
                return -EBADMSG;
        }
        if (slice_starts(rest, SLICE("//"))) {
                rest = slice_from(rest, 2);
                while (n < rest.len && rest.at[n] != '/' && rest.at[n] != '?')
                        n++;
                *ret_authority = slice_upto(rest, n);
                rest = slice_from(rest, n);
                if (!authority_ok(*ret_authority)) {
                        *ret_why = "malformed authority in the request target";
                        return -EBADMSG;
                }
        } else if (!slice_starts(rest, SLICE("/"))) {
                *ret_why = "opaque URL as request target";
                return -EBADMSG;
        }
        *ret_rest = rest;
        return 0;
}

int http_target_parse(struct slice target, bool options_asterisk_ok, struct arena *a, struct http_target *ret,
                      enum reason_code *ret_reason, const char **ret_why) {
        struct slice path, rest = target;
        size_t n = 0;

        *ret = (struct http_target){ 0 };
        if (options_asterisk_ok && slice_eq(target, SLICE("*"))) {
                ret->raw_path = ret->decoded = ret->cleaned = ret->normalized = target;
                return 0;
        }
        if (!slice_starts(target, SLICE("/"))) {
                int r = absolute_form(target, &rest, &ret->authority, ret_why);

                if (r < 0)
                        return r;
        }
        ret->has_query = slice_cut(rest, '?', &path, &ret->query);
        if (path.len == 0)
                path = SLICE("/");
        if (http_percent_decode(path, a, &ret->decoded) < 0) {
                *ret_why = "malformed percent escape in the path";
                return -EBADMSG;
        }
        ret->raw_path = forwardable(path, a);
        ret->cleaned = ret->normalized = path_clean(ret->decoded, false, a);
        switch (version_prefix(ret->cleaned, &n)) {
        case VERSION_GOOD:
                ret->version = slice_upto(ret->cleaned, n);
                ret->normalized = slice_from(ret->cleaned, n);
                break;
        case VERSION_MALFORMED:
                *ret_reason = REASON_malformed_api_version;
                *ret_why = "malformed API version in the path";
                return -EACCES;
        case VERSION_NONE:
                break;
        }
        if (ambiguous(path, ret->decoded, a) < 0) {
                *ret_reason = REASON_ambiguous_path;
                *ret_why = "path that engines read differently";
                return -EACCES;
        }
        return 0;
}
