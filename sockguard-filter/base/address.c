/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>

#include "base/address.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

int ip_parse(struct slice s, struct ip_address *ret) {
        struct ip_address ip = {};
        char text[IP_TEXT_MAX];

        /* inet_pton(3) wants a C string: a NUL inside must not shorten what we compare. */
        if (s.len == 0 || s.len >= sizeof(text) || slice_find(s, '\0') >= 0)
                return -EINVAL;
        memcpy(text, s.at, s.len);
        text[s.len] = '\0';

        if (slice_find(s, ':') >= 0) {
                if (inet_pton(AF_INET6, text, ip.at) != 1)
                        return -EINVAL;
        } else {
                memcpy(ip.at, mapped, sizeof(mapped));
                if (inet_pton(AF_INET, text, ip.at + sizeof(mapped)) != 1)
                        return -EINVAL;
                ip.v4 = true;
        }
        *ret = ip;
        return 0;
}

void ip_unmap(struct ip_address *ip) {
        if (memcmp(ip->at, mapped, sizeof(mapped)) == 0)
                ip->v4 = true;
}

bool ip_is_loopback(const struct ip_address *ip) {
        static const uint8_t one[16] = { [15] = 1 };

        if (memcmp(ip->at, mapped, sizeof(mapped)) == 0)
                return ip->at[12] == 127;
        return memcmp(ip->at, one, sizeof(one)) == 0;
}

size_t ip_format(const struct ip_address *ip, char text[IP_TEXT_MAX]) {
        if (ip->v4)
                inet_ntop(AF_INET, ip->at + sizeof(mapped), text, IP_TEXT_MAX);
        else
                inet_ntop(AF_INET6, ip->at, text, IP_TEXT_MAX);
        return strlen(text);
}

int ip_prefix_parse(struct slice s, struct ip_prefix *ret) {
        struct slice address, bits;
        struct ip_prefix p;
        uint64_t n;
        int r;

        if (!slice_cut(slice_trim_ows(s), '/', &address, &bits))
                return -EINVAL;
        r = ip_parse(address, &p.ip);
        if (r < 0)
                return r;
        if (bits.len == 0 || bits.len > 3 || (bits.len > 1 && bits.at[0] == '0') || slice_parse_u64(bits, &n) < 0)
                return -EINVAL;
        if (n > (p.ip.v4 ? 32 : 128))
                return -EINVAL;

        p.bits = (uint8_t) n;
        *ret = p;
        return 0;
}

bool ip_prefix_has(const struct ip_prefix *p, const struct ip_address *ip) {
        size_t bits, whole, rest;

        if (p->ip.v4 != ip->v4)
                return false;
        bits = p->bits + (ip->v4 ? 96u : 0u);
        whole = bits / 8;
        rest = bits % 8;
        if (memcmp(p->ip.at, ip->at, whole) != 0)
                return false;
        return rest == 0 || ((p->ip.at[whole] ^ ip->at[whole]) >> (8 - rest)) == 0;
}
