/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TESTS_TARBALL_H
#define SOCKGUARD_TESTS_TARBALL_H

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/slice.h"

/* Writes tar archives, good and bad, into memory. */
struct tarball {
        size_t n;
        unsigned char at[4 * 1024 * 1024];
};

static inline void tarball_checksum(unsigned char *h) {
        unsigned sum = 0;
        char text[16];

        memset(h + 148, ' ', 8);
        for (int i = 0; i < 512; i++)
                sum += h[i];
        snprintf(text, sizeof(text), "%06o", sum);
        memcpy(h + 148, text, 7);
}

/* One header; returns where it is, for a test that wants to spoil it (and then calls tarball_checksum()). */
static inline unsigned char *tarball_header(struct tarball *t, char type, const char *name, const char *link,
                                            unsigned mode, size_t size) {
        unsigned char *h = t->at + t->n;

        memset(h, 0, 512);
        memcpy(h, name, strlen(name));
        snprintf((char *) h + 100, 8, "%07o", mode);
        snprintf((char *) h + 108, 8, "%07o", 0u);
        snprintf((char *) h + 116, 8, "%07o", 0u);
        snprintf((char *) h + 124, 12, "%011o", (unsigned) size);
        snprintf((char *) h + 136, 12, "%011o", 0u);
        h[156] = (unsigned char) type;
        memcpy(h + 157, link, strlen(link));
        memcpy(h + 257,
               "ustar\0"
               "00",
               8);
        tarball_checksum(h);
        t->n += 512;
        return h;
}

static inline void tarball_data(struct tarball *t, struct slice data) {
        if (data.len > 0)
                memcpy(t->at + t->n, data.at, data.len);
        t->n += data.len;
        while (t->n % 512)
                t->at[t->n++] = 0;
}

static inline void tarball_entry(struct tarball *t, char type, const char *name, struct slice data) {
        tarball_header(t, type, name, "", 0644, data.len);
        tarball_data(t, data);
}

static inline void tarball_file(struct tarball *t, const char *name, const char *content) {
        tarball_entry(t, '0', name, slice_of(content));
}

static inline void tarball_link(struct tarball *t, char type, const char *name, const char *to) {
        tarball_header(t, type, name, to, 0777, 0);
}

/* One PAX record; the length counts itself. */
static inline void tarball_pax(struct tarball *t, const char *key, const char *value) {
        char text[1024];
        size_t rest = strlen(key) + strlen(value) + 3, n = rest + 1;

        while ((size_t) snprintf(NULL, 0, "%zu", n) + rest != n)
                n++;
        snprintf(text, sizeof(text), "%zu %s=%s\n", n, key, value);
        tarball_entry(t, 'x', "pax", slice_of(text));
}

static inline void tarball_end(struct tarball *t) {
        memset(t->at + t->n, 0, 1024);
        t->n += 1024;
}

static inline struct slice tarball_view(const struct tarball *t) {
        return slice_make((const char *) t->at, t->n);
}

static inline struct slice tarball_gzip(struct slice s) {
        static unsigned char out[4 * 1024 * 1024];
        z_stream z = { .next_in = (z_const Bytef *) (uintptr_t) s.at,
                       .avail_in = (uInt) s.len,
                       .next_out = out,
                       .avail_out = sizeof(out) };

        deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
        deflate(&z, Z_FINISH);
        deflateEnd(&z);
        return slice_make((const char *) out, sizeof(out) - z.avail_out);
}

#endif
