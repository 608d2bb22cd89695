/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/stream.h"

#define GZIP_TEXT_MAX 511u /* bytes of a file name or comment in a header; other readers give up there too */

enum { FLAG_HCRC = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAG_RESERVED = 0xe0 };

static bool starts_with(struct slice s, const char *magic, size_t n) {
        return s.len >= n && memcmp(s.at, magic, n) == 0;
}

enum stream_kind stream_detect(struct slice body) {
        if (starts_with(body, "\x1f\x8b\x08", 3))
                return STREAM_GZIP;
        if (starts_with(body, "BZh", 3))
                return STREAM_BZIP2;
        if (starts_with(body,
                        "\xfd"
                        "7zXZ\0",
                        6))
                return STREAM_XZ;
        if (starts_with(body, "\x28\xb5\x2f\xfd", 4))
                return STREAM_ZSTD;
        /* A skippable frame may precede the first real one (RFC 8878, 3.1.2). */
        if (body.len >= 4 && ((unsigned char) body.at[0] & 0xf0) == 0x50 && memcmp(body.at + 1, "\x2a\x4d\x18", 3) == 0)
                return STREAM_ZSTD;
        return STREAM_PLAIN;
}

/* zlib's memory comes from the stream itself: after the sandbox closes there is no brk() and no mmap(). */
static voidpf pool_alloc(voidpf arg, uInt items, uInt size) {
        struct stream *s = arg;
        size_t n;

        if (__builtin_mul_overflow((size_t) items, (size_t) size, &n) || n > STREAM_POOL)
                return Z_NULL;
        n = (n + 15) & ~(size_t) 15;
        if (n > STREAM_POOL - s->pool_used)
                return Z_NULL;
        s->pool_used += n;
        return s->pool + s->pool_used - n;
}

static void pool_free(voidpf arg, voidpf p) {
        (void) arg;
        (void) p;
}

void stream_plain(struct stream *s, struct slice body) {
        s->in = body;
        s->at = 0;
        s->gzip = false;
        s->ended = false;
        s->out = 0;
        s->limit = UINT64_MAX;
        s->error = 0;
}

static int header_byte(struct stream *s) {
        return s->at < s->in.len ? (unsigned char) s->in.at[s->at++] : UNPACK_E_IO;
}

static int header_text(struct stream *s) {
        int c;

        for (unsigned n = 0; n <= GZIP_TEXT_MAX; n++) {
                c = header_byte(s);
                if (c <= 0)
                        return c;
        }
        return UNPACK_E_GZIP;
}

/* RFC 1952, 2.3. 0, UNPACK_E_IO cut short, UNPACK_E_GZIP none. */
static int member_header(struct stream *s) {
        size_t start = s->at;
        const unsigned char *h = (const unsigned char *) s->in.at + start;
        int r, lo, hi;

        if (s->in.len - start < 10)
                return UNPACK_E_IO;
        if (h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 || h[3] & FLAG_RESERVED)
                return UNPACK_E_GZIP;
        s->at += 10;
        if (h[3] & FLAG_EXTRA) {
                lo = header_byte(s);
                hi = header_byte(s);
                if (lo < 0 || hi < 0 || s->in.len - s->at < (size_t) (lo | hi << 8))
                        return UNPACK_E_IO;
                s->at += (size_t) (lo | hi << 8);
        }
        if (h[3] & FLAG_NAME && (r = header_text(s)) < 0)
                return r;
        if (h[3] & FLAG_COMMENT && (r = header_text(s)) < 0)
                return r;
        if (h[3] & FLAG_HCRC) {
                uLong sum = crc32(0, h, (uInt) (s->at - start)) & 0xffff;

                lo = header_byte(s);
                hi = header_byte(s);
                if (lo < 0 || hi < 0)
                        return UNPACK_E_IO;
                if (sum != (uLong) (lo | hi << 8))
                        return UNPACK_E_GZIP;
        }
        s->crc = crc32(0, NULL, 0);
        s->member_out = 0;
        return 0;
}

int stream_gunzip(struct stream *s, struct slice body, uint64_t limit) {
        int r;

        stream_plain(s, body);
        r = member_header(s);
        if (r < 0)
                return s->error = r;
        s->gzip = true;
        s->limit = limit;
        s->pool_used = 0;
        s->z = (z_stream){ .zalloc = pool_alloc, .zfree = pool_free, .opaque = s };
        if (inflateInit2(&s->z, -MAX_WBITS) != Z_OK)
                return s->error = UNPACK_E_IO;
        return 0;
}

/* Checks the trailer of a member and opens the next one, if there is one. */
static int member_end(struct stream *s) {
        const unsigned char *t;
        uint32_t crc, size;
        int r;

        if (s->in.len - s->at < 8)
                return UNPACK_E_IO;
        t = (const unsigned char *) s->in.at + s->at;
        s->at += 8;
        crc = (uint32_t) t[0] | (uint32_t) t[1] << 8 | (uint32_t) t[2] << 16 | (uint32_t) t[3] << 24;
        size = (uint32_t) t[4] | (uint32_t) t[5] << 8 | (uint32_t) t[6] << 16 | (uint32_t) t[7] << 24;
        if (crc != (uint32_t) s->crc || size != (uint32_t) s->member_out)
                return UNPACK_E_IO;
        if (s->at == s->in.len) {
                s->ended = true;
                return 0;
        }
        r = member_header(s);
        if (r < 0)
                return UNPACK_E_IO;
        return inflateReset2(&s->z, -MAX_WBITS) == Z_OK ? 0 : UNPACK_E_IO;
}

/* Up to `n` bytes of output; 0 at the end. */
static int inflate_some(struct stream *s, unsigned char *to, size_t n) {
        while (!s->ended) {
                size_t in = s->in.len - s->at, got;
                int r;

                if (in > 1u << 30)
                        in = 1u << 30;
                s->z.next_in = (z_const Bytef *) (uintptr_t) (s->in.at + s->at);
                s->z.avail_in = (uInt) in;
                s->z.next_out = to;
                s->z.avail_out = (uInt) n;
                r = inflate(&s->z, Z_NO_FLUSH);
                s->at += in - s->z.avail_in;
                got = n - s->z.avail_out;
                s->crc = crc32(s->crc, to, (uInt) got);
                s->member_out += got;
                s->out += got;
                if (s->out > s->limit)
                        return UNPACK_E_OUTPUT;
                if (r == Z_STREAM_END) {
                        r = member_end(s);
                        if (r < 0)
                                return r;
                } else if (r != Z_OK || (got == 0 && s->z.avail_in == 0))
                        return UNPACK_E_IO; /* Z_BUF_ERROR is "more input needed", and there is none */
                if (got > 0)
                        return (int) got;
        }
        return 0;
}

int64_t stream_read(struct stream *s, void *to, uint64_t n) {
        static unsigned char dropped[64 * 1024];
        uint64_t done = 0;

        if (s->error)
                return s->error;
        if (!s->gzip) {
                size_t left = s->in.len - s->at, m = n < left ? (size_t) n : left;

                if (to && m > 0)
                        memcpy(to, s->in.at + s->at, m);
                s->at += m;
                return (int64_t) m;
        }
        while (done < n) {
                uint64_t m = n - done;
                unsigned char *at = to ? (unsigned char *) to + done : dropped;
                int r;

                if (m > sizeof(dropped))
                        m = sizeof(dropped);
                r = inflate_some(s, at, (size_t) m);
                if (r < 0)
                        return s->error = r;
                if (r == 0)
                        break;
                done += (uint64_t) r;
        }
        return (int64_t) done;
}
