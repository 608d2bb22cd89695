/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inspect/facts.h"
#include "tests/fuzz/fuzz.h"
#include "unpack/walk.h"

/*
 * An upload, after one byte of flags: 1 the header checksums are made right first, so that changed headers are looked
 * into; 2 a body that is no archive is handed over; 4 contents are limited to 100 bytes. What the walk reports must be
 * what the filter's reader takes, and must not depend on whether the archive came through gzip.
 */

enum { FIX_CHECKSUMS = 1, RAW = 2, SHORT_CONTENT = 4 };

static struct walk *w;
static int report_fd = -1;

static void fix_checksums(unsigned char *at, size_t n) {
        for (; n >= TAR_BLOCK; at += TAR_BLOCK, n -= TAR_BLOCK) {
                unsigned sum = 0;
                char text[8];

                if (memcmp(at + 257, "ustar", 5) != 0)
                        continue;
                memset(at + 148, ' ', 8);
                for (size_t i = 0; i < TAR_BLOCK; i++)
                        sum += at[i];
                snprintf(text, sizeof(text), "%06o", sum & 0777777);
                memcpy(at + 148, text, 7);
        }
}

/* Deflates without compressing, so that what the fuzzer learned of the archive's bytes stays true. The caller frees. */
static struct slice gzip(struct slice body) {
        uLong room = compressBound(body.len) + 64;
        unsigned char *to = malloc(room);
        z_stream z = { .next_in = (z_const Bytef *) (uintptr_t) body.at,
                       .avail_in = (uInt) body.len,
                       .next_out = to,
                       .avail_out = (uInt) room };

        FUZZ_ASSERT(to != NULL && deflateInit2(&z, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        FUZZ_ASSERT(deflate(&z, Z_FINISH) == Z_STREAM_END && deflateEnd(&z) == Z_OK);
        return slice_make((char *) to, z.total_out);
}

/* The facts about a body; `text` is what they point into. */
static struct facts walk(struct slice body, const struct walk_request *q, char *text, size_t room) {
        struct facts f;
        ssize_t n;

        (void) madvise(w, sizeof(*w), MADV_DONTNEED); /* zero again, without touching 30 MB */
        walk_run(w, q, body);
        FUZZ_ASSERT(ftruncate(report_fd, 0) == 0 && lseek(report_fd, 0, SEEK_SET) == 0 &&
                    walk_report(w, report_fd) == 0);
        n = pread(report_fd, text, room, 0);
        FUZZ_ASSERT(n > 0 && (size_t) n < room);
        FUZZ_ASSERT(facts_parse(slice_make(text, (size_t) n), q->n_watch, &f) == 0);
        return f;
}

static void compare(const struct facts *a, const struct facts *b) {
        FUZZ_ASSERT(a->status == b->status && a->entries == b->entries);
        FUZZ_ASSERT(a->trailing == b->trailing || a->status != FACTS_S_END);
        for (size_t i = 0; i < FACTS_P_MAX_; i++)
                FUZZ_ASSERT(a->first[i].index == b->first[i].index && slice_eq(a->first[i].name, b->first[i].name));
        for (size_t i = 0; i < a->n_watch; i++) {
                const struct facts_watch *x = &a->watch[i], *y = &b->watch[i];

                FUZZ_ASSERT(x->count == y->count && x->regular == y->regular && x->odd == y->odd &&
                            x->parent == y->parent);
                FUZZ_ASSERT(x->has_content == y->has_content && slice_eq(x->content, y->content));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char text[FACTS_MAX], other[FACTS_MAX];
        struct walk_request q = { .gzip = true,
                                  .output_limit = 1u << 20,
                                  .content_limit = FACTS_CONTENT_MAX,
                                  .n_watch = 3,
                                  .watch = { SLICE("Dockerfile"), SLICE("sub/D"), SLICE("manifest.json") } };
        struct facts f, g;
        struct slice zipped;
        unsigned char *body;

        if (size < 1 || size > 256 * 1024)
                return 0;
        if (!w) {
                w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                report_fd = memfd_create("facts", MFD_CLOEXEC);
                FUZZ_ASSERT(w != MAP_FAILED && report_fd >= 0);
        }
        /* A buffer of exactly this size, so that a sanitizer sees a read past the end. */
        body = malloc(size);
        FUZZ_ASSERT(body != NULL);
        memcpy(body, data + 1, size - 1);
        size--;
        q.raw = data[0] & RAW;
        if (data[0] & SHORT_CONTENT)
                q.content_limit = 100;
        if (data[0] & FIX_CHECKSUMS)
                fix_checksums(body, size);
        f = walk(slice_make((char *) body, size), &q, text, sizeof(text));
        FUZZ_ASSERT(f.status != FACTS_S_END || f.container != FACTS_PLAIN || f.entries <= size / TAR_BLOCK);
        for (size_t i = 0; i < q.n_watch; i++)
                FUZZ_ASSERT(f.watch[i].content.len <= q.content_limit && f.watch[i].regular <= f.watch[i].count &&
                            (!f.watch[i].has_content || f.watch[i].regular > 0));
        if (f.container == FACTS_PLAIN) {
                zipped = gzip(slice_make((char *) body, size));
                g = walk(zipped, &q, other, sizeof(other));
                FUZZ_ASSERT(g.container == FACTS_GZIP && !g.has_raw);
                compare(&f, &g);
                free((void *) (uintptr_t) zipped.at);
        }
        free(body);
        return 0;
}
