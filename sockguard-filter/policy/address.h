/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_ADDRESS_H
#define SOCKGUARD_POLICY_ADDRESS_H

#include "base/address.h"

/* Addresses as the configuration writes them. */

struct upstream_address {
        bool is_unix;
        bool escaped;      /* the path has % escapes: it was a URL */
        struct slice path; /* unix */
        struct slice host, port,
                authority; /* tcp; host without brackets, may be empty; authority is "host:port" as written */
};

/*
 * Where a daemon is: a path that starts with /, ./ or ../, unix:///path, tcp://, http:// or https:// with host and port
 * (chapter 01, 3.4). NULL, or a static text that says what is wrong with it.
 */
const char *upstream_address_parse(struct slice text, struct upstream_address *ret);

/* "host:port", "[v6]:port", ":port". 0 or -EINVAL; brackets are taken off. */
int host_port_split(struct slice text, struct slice *ret_host, struct slice *ret_port);

/* "localhost", or an address literal that is loopback, with a port. */
bool host_port_is_loopback(struct slice text);

/* Is the port a number from 0 to 65535? */
bool port_valid(struct slice port);

/* An absolute URI (RFC 3986, 4.3) without control bytes, blanks, broken escapes, or a malformed host and port. */
bool uri_valid(struct slice text);

/* 64 hex digits behind an optional "sha256:", letter case free, outer blanks dropped. */
bool pin_valid(struct slice text);

#endif
