/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_ADDRESS_H
#define SOCKGUARD_BASE_ADDRESS_H

#include "base/slice.h"

/*
 * IP addresses and prefixes as policy and peers use them. An address is sixteen bytes; IPv4 is kept in the v4-mapped
 * form
 * (::ffff:a.b.c.d, RFC 4291 2.5.5.2), and `v4` says that it is one.
 */
struct ip_address {
        uint8_t at[16];
        bool v4;
};

#define IP_TEXT_MAX 46 /* INET6_ADDRSTRLEN */

/*
 * Parses an address literal, strictly: no leading zeros in IPv4 octets, no zone, no brackets, no outer blanks. An
 * IPv4-mapped IPv6 literal comes back as it was written (v4 false); ip_unmap() makes it IPv4. 0 or -EINVAL.
 */
int ip_parse(struct slice s, struct ip_address *ret);

/* Reduces an IPv4-mapped IPv6 address to IPv4. */
void ip_unmap(struct ip_address *ip);

static inline bool ip_eq(const struct ip_address *a, const struct ip_address *b) {
        return a->v4 == b->v4 && memcmp(a->at, b->at, sizeof(a->at)) == 0;
}

/* 127.0.0.0/8, ::1, or the first in its mapped form. */
bool ip_is_loopback(const struct ip_address *ip);

/* Writes the canonical text, NUL-terminated. Returns its length. */
size_t ip_format(const struct ip_address *ip, char text[IP_TEXT_MAX]);

struct ip_prefix {
        struct ip_address ip;
        uint8_t bits; /* 0..32 with ip.v4, else 0..128 */
};

/*
 * "address/bits", outer blanks dropped; bits are decimal without sign or leading zeros. Host bits may be set, they do
 * not count. A prefix written in IPv4-mapped form stays IPv6, and so contains no (unmapped) address. 0 or -EINVAL.
 */
int ip_prefix_parse(struct slice s, struct ip_prefix *ret);

/* Is the address inside? The families must be the same. */
bool ip_prefix_has(const struct ip_prefix *p, const struct ip_address *ip);

#endif
