/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_UNPACK_TAR_H
#define SOCKGUARD_UNPACK_TAR_H

#include "unpack/stream.h"

/*
 * A tar reader that accepts what container engines accept and nothing else (chapter 04, 1.6 and section 16; chapter
 * 03, 7.2): V7, USTAR, PAX, GNU and STAR headers, octal and base-256 numbers, PAX records, GNU long names, sparse maps.
 * It is not libarchive because that one is made to get something out of every file: what it forgives is not what the
 * engine forgives, and each difference would be a way to show us one archive and the engine another.
 *
 * Nothing is allocated: the structure holds room for the longest extended header.
 */

#define TAR_BLOCK 512u
#define TAR_SPECIAL_MAX (1024u * 1024) /* bytes of one PAX header, GNU long name or sparse map */

struct tar_entry {
        char type;       /* as in the header; NUL was turned into '0' or '5' */
        bool sparse;     /* has holes: its content is not what lies in the archive */
        bool capability; /* carries a security.capability attribute */
        struct slice name, link;
        uint64_t mode; /* 0 for a PAX global header */
        uint64_t size; /* bytes of data in the archive */
};

struct tar_pax {
        struct slice path, linkpath, uid, gid, size, mtime, atime, ctime, capability;
        struct slice sparse_major, sparse_minor, sparse_map, sparse_name, sparse_size, sparse_realsize, sparse_blocks;
        size_t n_pairs; /* GNU sparse 0.0: offset and numbytes records, in turns */
        size_t map_len;
};

struct tar {
        struct stream *in;
        uint64_t data_left; /* of the current entry */
        uint32_t pad;
        unsigned char block[TAR_BLOCK];
        struct tar_pax pax;
        size_t long_name_len, long_link_len;
        char field_name[360], field_link[104];
        char pax_text[TAR_SPECIAL_MAX], map_text[TAR_SPECIAL_MAX];
        char long_name[TAR_SPECIAL_MAX], long_link[TAR_SPECIAL_MAX];
};

void tar_init(struct tar *t, struct stream *in);

/*
 * The next entry, whatever is left of the one before skipped. 1; 0 at the end (two zero blocks, or the end of the input
 * at a block boundary); negative enum unpack_error. The names are valid until the next call.
 */
int tar_next(struct tar *t, struct tar_entry *ret);

/* Up to `n` bytes of the current entry's data. As stream_read(), but data that ends early is UNPACK_E_IO. */
int64_t tar_read(struct tar *t, void *to, size_t n);

#endif
