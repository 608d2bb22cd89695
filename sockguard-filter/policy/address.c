/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/address.h"

#include <errno.h>

#include "base/unicode.h"

int host_port_split(struct slice text, struct slice *ret_host, struct slice *ret_port) {
        ssize_t colon = slice_rfind(text, ':');
        struct slice host;

        if (colon < 0)
                return -EINVAL;
        host = slice_upto(text, (size_t) colon);
        if (host.len && host.at[0] == '[') {
                if (host.at[host.len - 1] != ']')
                        return -EINVAL;
                host = slice_make(host.at + 1, host.len - 2);
                if (slice_find(host, ']') >= 0)
                        return -EINVAL;
        } else if (slice_find(host, ':') >= 0) {
                return -EINVAL; /* an IPv6 literal without brackets */
        }
        if (slice_find(host, '[') >= 0 || (text.at[0] != '[' && slice_find(host, ']') >= 0))
                return -EINVAL;
        *ret_host = host;
        *ret_port = slice_from(text, (size_t) colon + 1);
        if (slice_find(*ret_port, '[') >= 0 || slice_find(*ret_port, ']') >= 0)
                return -EINVAL;
        return 0;
}

bool port_valid(struct slice port) {
        uint64_t n;

        return port.len <= 5 && slice_parse_u64(port, &n) == 0 && n <= 65535;
}

bool host_port_is_loopback(struct slice text) {
        struct slice host, port;
        struct ip_address ip;

        if (host_port_split(text, &host, &port) < 0)
                return false;
        return slice_eq(host, SLICE("localhost")) || (ip_parse(host, &ip) == 0 && ip_is_loopback(&ip));
}

static bool is_alpha(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
        return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* No control byte, no blank, and every % starts an escape. */
static bool uri_bytes_valid(struct slice s) {
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char) s.at[i];

                if (c <= ' ' || c == 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' || c == '`')
                        return false;
                if (c == '%' && (i + 2 >= s.len || !is_hex(s.at[i + 1]) || !is_hex(s.at[i + 2])))
                        return false;
        }
        return true;
}

/* The authority of a URI without user info: host, "[v6]", each with an optional port of digits. */
static bool authority_valid(struct slice a) {
        struct slice rest = a;
        ssize_t close;

        if (a.len && a.at[0] == '[') {
                struct ip_address ip;

                close = slice_find(a, ']');
                if (close < 0 || ip_parse(slice_make(a.at + 1, (size_t) close - 1), &ip) < 0)
                        return false;
                rest = slice_from(a, (size_t) close + 1);
                if (rest.len && rest.at[0] != ':')
                        return false;
        } else {
                ssize_t colon = slice_find(a, ':');

                if (slice_find(a, '[') >= 0 || slice_find(a, ']') >= 0)
                        return false;
                rest = colon < 0 ? (struct slice){ 0 } : slice_from(a, (size_t) colon);
        }
        for (size_t i = 1; i < rest.len; i++)
                if (!is_digit(rest.at[i]))
                        return false;
        return true;
}

/* Cuts a scheme off. */
static bool scheme_cut(struct slice text, struct slice *ret_scheme, struct slice *ret_rest) {
        if (!slice_cut(text, ':', ret_scheme, ret_rest) || ret_scheme->len == 0 || !is_alpha(ret_scheme->at[0]))
                return false;
        for (size_t i = 1; i < ret_scheme->len; i++)
                if (!is_alpha(ret_scheme->at[i]) && !is_digit(ret_scheme->at[i]) && !strchr("+-.", ret_scheme->at[i]))
                        return false;
        return true;
}

static struct slice authority_cut(struct slice rest, struct slice *ret_path) {
        size_t n = 0;

        while (n < rest.len && rest.at[n] != '/' && rest.at[n] != '?' && rest.at[n] != '#')
                n++;
        *ret_path = slice_from(rest, n);
        return slice_upto(rest, n);
}

/* Query and fragment dropped. */
static void drop_query(struct slice *path) {
        for (size_t i = 0; i < path->len; i++)
                if (path->at[i] == '?' || path->at[i] == '#')
                        path->len = i;
}

static bool has_escaped_nul(struct slice s) {
        for (; s.len; s = slice_from(s, 1))
                if (slice_starts(s, SLICE("%00")))
                        return true;
        return false;
}

static struct slice without_user(struct slice authority) {
        ssize_t at = slice_rfind(authority, '@');

        return slice_from(authority, (size_t) (at + 1));
}

bool uri_valid(struct slice text) {
        struct slice scheme, rest, path;

        if (!uri_bytes_valid(text) || !scheme_cut(text, &scheme, &rest))
                return false;
        if (!slice_starts(rest, SLICE("//")))
                return true;
        return authority_valid(without_user(authority_cut(slice_from(rest, 2), &path)));
}

const char *upstream_address_parse(struct slice text, struct upstream_address *ret) {
        struct slice scheme, rest, authority, path;

        *ret = (struct upstream_address){ 0 };
        if (text.len == 0)
                return "must not be empty";
        if (slice_starts(text, SLICE("/")) || slice_starts(text, SLICE("./")) || slice_starts(text, SLICE("../"))) {
                ret->is_unix = true;
                ret->path = text;
                return NULL;
        }
        if (!scheme_cut(text, &scheme, &rest) || !slice_starts(rest, SLICE("//")))
                return "must be a path that starts with /, ./ or ../, or an address with unix://, tcp://, http:// or "
                       "https://";
        for (size_t i = 0; i < text.len; i++)
                if ((unsigned char) text.at[i] <= ' ' || text.at[i] == 0x7f)
                        return "must not hold blanks or control characters";
        rest = slice_from(rest, 2);
        if (slice_case_eq(scheme, SLICE("unix"))) {
                if (rest.len == 0)
                        return "must name a socket: unix:///path";
                if (rest.at[0] != '/')
                        return "must not name a host: unix:///path has three slashes";
                drop_query(&rest);
                if (!uri_bytes_valid(rest) || has_escaped_nul(rest))
                        return "has a broken % escape";
                ret->is_unix = ret->escaped = true;
                ret->path = rest;
                return NULL;
        }
        if (!slice_case_eq(scheme, SLICE("tcp")) && !slice_case_eq(scheme, SLICE("http")) &&
            !slice_case_eq(scheme, SLICE("https")))
                return "must start with unix://, tcp://, http:// or https://";
        authority = without_user(authority_cut(rest, &path));
        if (!uri_bytes_valid(path))
                return "is not a URL";
        if (authority.len == 0)
                return "must name a host";
        if (host_port_split(authority, &ret->host, &ret->port) < 0 || ret->port.len == 0)
                return "must name a host and a port";
        if (!authority_valid(authority) || slice_find(ret->host, '%') >= 0 || !uri_bytes_valid(ret->host) ||
            !port_valid(ret->port))
                return "must name a host and a port from 0 to 65535";
        ret->authority = authority;
        return NULL;
}

bool pin_valid(struct slice text) {
        text = unicode_trim(text);
        if (slice_case_eq(slice_upto(text, 7), SLICE("sha256:")))
                text = slice_from(text, 7);
        if (text.len != 64)
                return false;
        for (size_t i = 0; i < text.len; i++)
                if (!is_hex(text.at[i]))
                        return false;
        return true;
}
