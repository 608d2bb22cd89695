/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "identity/certificate.h"
#include "tests/fuzz/fuzz.h"

/* What a terminator hands over, read by a filter: a record that is accepted says the same when it is written again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct slice record = slice_make((const char *) data, size);
        struct peer first = { .cred_error = 7 }, second;
        struct strbuf again;
        int r;

        r = peer_record_parse(record, &first);
        if (r < 0) {
                FUZZ_ASSERT(r == -EBADMSG && first.cred_error == 7);
                return 0;
        }
        FUZZ_ASSERT(first.kind == PEER_TCP && first.tls && first.pidfd == -1 &&
                    memchr(first.text, '\0', sizeof(first.text)));
        strbuf_init(&again, PEER_RECORD_MAX);
        FUZZ_ASSERT(peer_record_format(&first, &again) == 0);
        FUZZ_ASSERT(peer_record_parse(strbuf_view(&again), &second) == 0);
        FUZZ_ASSERT(!first.certificate == !second.certificate && first.has_ip == second.has_ip &&
                    first.port == second.port);
        if (first.certificate) {
                const struct peer_certificate *a = first.certificate, *b = second.certificate;

                FUZZ_ASSERT(slice_eq(a->common_name, b->common_name) && a->n_dns_names == b->n_dns_names &&
                            a->n_uri_sans == b->n_uri_sans && a->n_ip_addresses == b->n_ip_addresses &&
                            strlen(a->spki_sha256) == 64);
                for (size_t i = 0; i < a->n_dns_names; i++)
                        FUZZ_ASSERT(slice_eq(a->dns_names[i], b->dns_names[i]));
                for (size_t i = 0; i < a->n_uri_sans; i++)
                        FUZZ_ASSERT(slice_eq(a->uri_sans[i], b->uri_sans[i]));
        }
        peer_record_release(&first);
        peer_record_release(&second);
        strbuf_free(&again);
        return 0;
}
