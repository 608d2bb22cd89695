/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"
#include "identity/certificate.h"

static bool any_name(const struct policy *p, struct plist wanted, const struct slice *have, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (policy_strs_have(p, wanted, have[i]))
                        return true;
        return false;
}

static bool any_address(const struct policy *p, struct plist wanted, const struct peer_certificate *c) {
        const struct pstr *at = policy_list(p, wanted, struct pstr);

        for (uint32_t i = 0; i < wanted.n; i++) {
                struct ip_address ip;

                if (ip_parse(policy_str(p, at[i]), &ip) < 0)
                        continue;
                /* Both sides in mapped form, so that 10.0.0.1 and ::ffff:10.0.0.1 are one address. */
                for (size_t k = 0; k < c->n_ip_addresses; k++)
                        if (memcmp(ip.at, c->ip_addresses[k], sizeof(ip.at)) == 0)
                                return true;
        }
        return false;
}

static unsigned char lower(unsigned char c) {
        return c >= 'A' && c <= 'Z' ? (unsigned char) (c | 0x20) : c;
}

/* RFC 3986 3.1: schemes are case-insensitive; the rest is compared as it is. */
static bool uri_eq(struct slice a, struct slice b) {
        ssize_t colon;

        if (a.len != b.len || a.len == 0)
                return false;
        colon = slice_find(a, ':');
        if (colon != slice_find(b, ':'))
                return false;
        for (size_t i = 0; (ssize_t) i < colon; i++)
                if (lower((unsigned char) a.at[i]) != lower((unsigned char) b.at[i]))
                        return false;
        return slice_eq(slice_from(a, colon < 0 ? 0 : (size_t) colon), slice_from(b, colon < 0 ? 0 : (size_t) colon));
}

static bool any_uri(const struct policy *p, struct plist wanted, const struct peer_certificate *c) {
        const struct pstr *at = policy_list(p, wanted, struct pstr);

        for (uint32_t i = 0; i < wanted.n; i++)
                for (size_t k = 0; k < c->n_uri_sans; k++)
                        if (uri_eq(policy_str(p, at[i]), c->uri_sans[k]))
                                return true;
        return false;
}

/* Constant time over all pins: neither which pin nor how many of its digits were right can be measured. */
static bool any_pin(const struct policy *p, struct plist wanted, const struct peer_certificate *c) {
        const struct pstr *at = policy_list(p, wanted, struct pstr);
        unsigned found = 0;

        for (uint32_t i = 0; i < wanted.n; i++) {
                struct slice pin = policy_str(p, at[i]);
                unsigned different = 0;

                if (pin.len == 64 + 7 && slice_starts(pin, SLICE("sha256:")))
                        pin = slice_from(pin, 7);
                if (pin.len != 64)
                        continue;
                for (size_t k = 0; k < 64; k++)
                        different |= (unsigned) ((unsigned char) pin.at[k] ^ (unsigned char) c->spki_sha256[k]);
                found |= different - 1;
        }
        return found >> 31;
}

enum certificate_match certificate_match(const struct policy *p, const struct certificate_selectors *s,
                                         const struct peer_certificate *c) {
        if (!c)
                return CERTIFICATE_MISMATCH;
        if (s->common_names.n + s->dns_names.n + s->ip_addresses.n + s->uri_sans.n + s->spiffe_ids.n +
                    s->public_key_sha256_pins.n ==
            0)
                return CERTIFICATE_UNSELECTIVE;

        if ((s->common_names.n > 0 && !any_name(p, s->common_names, &c->common_name, c->common_name.len > 0)) ||
            (s->dns_names.n > 0 && !any_name(p, s->dns_names, c->dns_names, c->n_dns_names)) ||
            (s->ip_addresses.n > 0 && !any_address(p, s->ip_addresses, c)) ||
            (s->uri_sans.n > 0 && !any_uri(p, s->uri_sans, c)) ||
            (s->spiffe_ids.n > 0 && !any_uri(p, s->spiffe_ids, c)) ||
            (s->public_key_sha256_pins.n > 0 && !any_pin(p, s->public_key_sha256_pins, c)))
                return CERTIFICATE_MISMATCH;
        return CERTIFICATE_MATCH;
}
