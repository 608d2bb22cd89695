/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_UNPACK_STREAM_H
#define SOCKGUARD_UNPACK_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "base/slice.h"

/*
 * The bytes of an upload, as they are or through gzip (RFC 1952). The upload is in memory (a private read-only mapping
 * of the spool); what comes out of gzip is bounded by `limit`.
 */

/* Why a stream or an archive ended badly. The two first ones decide reason codes (chapter 04, 1.6). */
enum unpack_error {
        UNPACK_E_HDR = -1,     /* this is not a tar header */
        UNPACK_E_IO = -2,      /* it ends too early, or a gzip stream is damaged */
        UNPACK_E_OUTPUT = -3,  /* gzip output over the limit */
        UNPACK_E_LONG = -4,    /* an extended header or a sparse map over 1 MiB */
        UNPACK_E_COUNT = -5,   /* too many entries or links */
        UNPACK_E_CONTENT = -6, /* a wanted entry is over the content limit */
        UNPACK_E_GZIP = -7,    /* the gzip magic is there, but the header is not one that is accepted */
};

#define STREAM_POOL (96u * 1024) /* what inflate() takes: 7 KiB of state and a 32 KiB window */

struct stream {
        struct slice in;
        size_t at; /* in `in` */
        bool gzip, ended;
        uint64_t out, limit;
        uint64_t member_out; /* bytes of the current gzip member */
        uLong crc;
        int error; /* enum unpack_error, sticky */
        z_stream z;
        size_t pool_used;
        _Alignas(16) unsigned char pool[STREAM_POOL];
};

enum stream_kind { STREAM_PLAIN, STREAM_GZIP, STREAM_BZIP2, STREAM_XZ, STREAM_ZSTD };

/* What the first bytes say, the way container engines detect compression. */
enum stream_kind stream_detect(struct slice body);

/* Reads `body` as it is. */
void stream_plain(struct stream *s, struct slice body);

/*
 * Reads `body` through gzip; at most `limit` bytes come out, one more is UNPACK_E_OUTPUT. 0; UNPACK_E_IO when the first
 * member's header is cut short; UNPACK_E_GZIP when it is none (method, flags, header checksum, a name over 511 bytes).
 */
int stream_gunzip(struct stream *s, struct slice body, uint64_t limit);

/* Up to `n` bytes into `to` (NULL: dropped). Fewer than `n` only at the end. Negative: enum unpack_error. */
int64_t stream_read(struct stream *s, void *to, uint64_t n);

#endif
