/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/layout.h"
#include "policy/rules.h"
#include "tests/fuzz/fuzz.h"

/*
 * An image from a liar: the header is made right, so that everything behind the checksum is looked at. An offset that
 * points outside ends the process by design, so only the checks in front of that are driven here: whatever is taken has
 * its root and its scopes inside.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct policy_header *h;
        struct policy p;
        struct error e;
        /* aligned as a mapping is, and exactly as long, so that a sanitizer sees a read past the end */
        unsigned char *copy = malloc(size ? size : 1);

        if (!copy)
                return 0;
        memcpy(copy, data, size);
        (void) policy_image_view(copy, size, &p, &e);
        if (size >= sizeof(*h)) {
                h = (struct policy_header *) copy;
                memcpy(h->magic, POLICY_IMAGE_MAGIC, sizeof(h->magic));
                h->format = POLICY_IMAGE_FORMAT;
                h->header_size = sizeof(*h);
                h->size = size;
                h->layout = policy_layout();
                h->checksum = policy_checksum(copy + POLICY_CHECKSUM_FROM, size - POLICY_CHECKSUM_FROM);
                if (policy_image_view(copy, size, &p, &e) == 0) {
                        FUZZ_ASSERT((const unsigned char *) (p.root + 1) <= copy + size);
                        FUZZ_ASSERT((const unsigned char *) (p.compiled + 1) <= copy + size);
                        FUZZ_ASSERT(p.compiled->default_scope < policy_n_scopes(&p));
                        for (uint32_t i = 0; i < policy_n_scopes(&p); i++)
                                FUZZ_ASSERT((const unsigned char *) (policy_scope(&p, i) + 1) <= copy + size);
                }
        }
        free(copy);
        return 0;
}
