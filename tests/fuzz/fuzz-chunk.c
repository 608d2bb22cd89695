/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "http/chunk.h"
#include "tests/fuzz/fuzz.h"

struct outcome {
        int result;     /* HTTP_CHUNK_END, -EBADMSG, or HTTP_CHUNK_MORE when the input ran out */
        size_t used;    /* bytes of input, with HTTP_CHUNK_END */
        uint64_t bytes; /* of data */
        uint64_t sum;   /* of their values, each with its place */
};

/* Takes the coding off while at most `step` more bytes arrive at a time. */
static struct outcome run(struct slice in, size_t step) {
        struct outcome o = { HTTP_CHUNK_MORE, 0, 0, 0 };
        size_t start = 0, end = 0;
        struct http_chunk c;

        http_chunk_init(&c);
        for (;;) {
                struct slice held = slice_make(in.at + start, end - start), data;
                size_t used = 0;

                o.result = http_chunk_next(&c, held, &used, &data);
                if (o.result < 0) {
                        FUZZ_ASSERT(o.result == -EBADMSG);
                        FUZZ_ASSERT(http_chunk_next(&c, held, &used, &data) == -EBADMSG);
                        return o;
                }
                FUZZ_ASSERT(used <= held.len);
                start += used;
                if (o.result == HTTP_CHUNK_END) {
                        o.used = start;
                        return o;
                }
                if (o.result == HTTP_CHUNK_DATA) {
                        FUZZ_ASSERT(data.at == in.at + start && data.len > 0 && data.len <= end - start);
                        for (size_t i = 0; i < data.len; i++)
                                o.sum = o.sum * 31 + (unsigned char) data.at[i];
                        o.bytes += data.len;
                        http_chunk_skip(&c, data.len);
                        start += data.len;
                        continue;
                }
                if (end == in.len)
                        return o;
                end = in.len - end < step ? in.len : end + step;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct slice in = slice_make((const char *) data, size);
        struct outcome whole = run(in, size + 1), bytewise = run(in, 1), sevens = run(in, 7);

        FUZZ_ASSERT(whole.result == bytewise.result && whole.result == sevens.result);
        FUZZ_ASSERT(whole.bytes == bytewise.bytes && whole.sum == bytewise.sum && whole.used == bytewise.used);
        FUZZ_ASSERT(whole.bytes == sevens.bytes && whole.sum == sevens.sum && whole.used == sevens.used);
        return 0;
}
