/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "http/head.h"
#include "tests/fuzz/fuzz.h"

static struct http_field fields[HTTP_FIELDS_MAX];

static bool inside(struct slice part, struct slice whole) {
        return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

/* Whole, or in two pieces: the same. A head that is accepted has no byte that could end a line early. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct slice in = slice_make((const char *) data, size);
        struct http_head h = { .fields = fields, .fields_room = HTTP_FIELDS_MAX };
        size_t scanned = 0, cut = size / 2;
        ssize_t whole = http_request_parse(in, &scanned, &h), r;
        enum http_framing framing = h.framing;

        if (whole > 0) {
                FUZZ_ASSERT((size_t) whole <= size && h.size == (size_t) whole);
                FUZZ_ASSERT(inside(h.target, in) && inside(h.method_text, in) && inside(h.host, in) &&
                            h.target.len > 0);
                FUZZ_ASSERT(http_is_token(h.method_text));
                for (size_t i = 0; i < h.n_fields; i++) {
                        FUZZ_ASSERT(inside(h.fields[i].name, in) && inside(h.fields[i].value, in));
                        FUZZ_ASSERT(http_is_token(h.fields[i].name) && http_is_field_value(h.fields[i].value));
                }
                FUZZ_ASSERT(!(http_head_count(&h, HTTP_F_CONTENT_LENGTH) > 1));
        } else if (whole < 0) {
                FUZZ_ASSERT(whole == -EBADMSG);
                FUZZ_ASSERT(h.status == 400 || h.status == 431 || h.status == 501 || h.status == 505);
        }
        scanned = 0;
        h = (struct http_head){ .fields = fields, .fields_room = HTTP_FIELDS_MAX };
        r = http_request_parse(slice_upto(in, cut), &scanned, &h);
        if (r == 0)
                r = http_request_parse(in, &scanned, &h);
        FUZZ_ASSERT(r == whole && (whole <= 0 || h.framing == framing));

        for (unsigned m = 0; m < 2; m++) {
                scanned = 0;
                h = (struct http_head){ .fields = fields, .fields_room = HTTP_FIELDS_MAX };
                r = http_response_parse(in, &scanned, m ? HTTP_HEAD : HTTP_GET, &h);
                FUZZ_ASSERT(r <= (ssize_t) size);
                if (r > 0)
                        FUZZ_ASSERT(h.status >= 100 && h.status <= 999 && inside(h.status_text, in));
        }
        return 0;
}
