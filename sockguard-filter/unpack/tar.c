/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include "unpack/tar.h"

/* Header fields: offset and length (POSIX.1-1988; the GNU and star extensions reuse the prefix area). */
enum {
        F_NAME = 0,
        F_NAME_LEN = 100,
        F_MODE = 100,
        F_UID = 108,
        F_GID = 116,
        F_SMALL_LEN = 8,
        F_SIZE = 124,
        F_MTIME = 136,
        F_NUMBER_LEN = 12,
        F_CHECKSUM = 148,
        F_TYPE = 156,
        F_LINK = 157,
        F_LINK_LEN = 100,
        F_MAGIC = 257,
        F_DEVMAJOR = 329,
        F_DEVMINOR = 337,
        F_PREFIX = 345,
        F_PREFIX_LEN = 155,
        F_STAR_PREFIX_LEN = 131,
        F_STAR_ATIME = 476,
        F_STAR_CTIME = 488,
        F_STAR_TRAILER = 508,
        F_GNU_ATIME = 345,
        F_GNU_CTIME = 357,
        F_GNU_SPARSE = 386,
        F_GNU_EXTENDED = 482,
        F_GNU_REALSIZE = 483,
};

enum format { FORMAT_NONE, FORMAT_V7, FORMAT_USTAR, FORMAT_STAR, FORMAT_GNU };

static struct slice field(const struct tar *t, size_t at, size_t len) {
        return slice_make((const char *) t->block + at, len);
}

/* Text up to the first NUL. */
static struct slice text_field(struct slice s) {
        const char *nul = s.len > 0 ? memchr(s.at, 0, s.len) : NULL;

        return nul ? slice_make(s.at, (size_t) (nul - s.at)) : s;
}

static struct slice trim_padding(struct slice s) {
        while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == 0))
                s = slice_from(s, 1);
        while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == 0))
                s.len--;
        return s;
}

static int octal(struct slice s, int64_t *ret) {
        uint64_t v = 0;

        s = trim_padding(s);
        if (s.len == 0) {
                *ret = 0;
                return 0;
        }
        s = text_field(s);
        if (s.len == 0)
                return UNPACK_E_HDR;
        for (size_t i = 0; i < s.len; i++) {
                if (s.at[i] < '0' || s.at[i] > '7' || v >> 60)
                        return UNPACK_E_HDR;
                v = v << 3 | (uint64_t) (s.at[i] - '0');
        }
        *ret = (int64_t) v;
        return 0;
}

/* Octal, or base-256 when the first bit is set: two's complement, big endian, that bit not counted. */
static int numeric(struct slice s, int64_t *ret) {
        unsigned char first = (unsigned char) s.at[0], invert;
        uint64_t v = 0;

        if (!(first & 0x80))
                return octal(s, ret);
        invert = first & 0x40 ? 0xff : 0;
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char) s.at[i] ^ invert;

                if (i == 0)
                        c &= 0x7f;
                if (v >> 56)
                        return UNPACK_E_HDR;
                v = v << 8 | c;
        }
        if (v >> 63)
                return UNPACK_E_HDR;
        *ret = invert ? (int64_t) ~v : (int64_t) v;
        return 0;
}

/* Decimal with an optional sign, as PAX records hold it. */
static int decimal(struct slice s, int64_t *ret) {
        bool negative = s.len > 0 && s.at[0] == '-';
        uint64_t v, limit = (uint64_t) INT64_MAX + negative;

        if (s.len > 0 && (s.at[0] == '-' || s.at[0] == '+'))
                s = slice_from(s, 1);
        if (slice_parse_u64(s, &v) < 0 || v > limit)
                return UNPACK_E_HDR;
        *ret = negative ? (int64_t) (0 - v) : (int64_t) v;
        return 0;
}

/* Seconds with an optional fraction. */
static int pax_time(struct slice s) {
        struct slice whole, fraction;
        int64_t ignored;

        slice_cut(s, '.', &whole, &fraction);
        for (size_t i = 0; i < fraction.len; i++)
                if (fraction.at[i] < '0' || fraction.at[i] > '9')
                        return UNPACK_E_HDR;
        return decimal(whole, &ignored);
}

static enum format header_format(const struct tar *t) {
        int64_t want, signed_sum = 0, unsigned_sum = 0;

        for (size_t i = 0; i < TAR_BLOCK; i++) {
                unsigned char c = i >= F_CHECKSUM && i < F_CHECKSUM + F_SMALL_LEN ? ' ' : t->block[i];

                unsigned_sum += c;
                signed_sum += (signed char) c;
        }
        if (octal(field(t, F_CHECKSUM, F_SMALL_LEN), &want) < 0 || (want != unsigned_sum && want != signed_sum))
                return FORMAT_NONE;
        if (memcmp(t->block + F_MAGIC, "ustar", 6) == 0)
                return memcmp(t->block + F_STAR_TRAILER, "tar", 4) == 0 ? FORMAT_STAR : FORMAT_USTAR;
        if (memcmp(t->block + F_MAGIC, "ustar  ", 8) == 0)
                return FORMAT_GNU;
        return FORMAT_V7;
}

static bool is_zero_block(const struct tar *t) {
        for (size_t i = 0; i < TAR_BLOCK; i++)
                if (t->block[i])
                        return false;
        return true;
}

/* A whole block: 1; the input ends before it: 0; negative. */
static int read_block(struct tar *t) {
        int64_t n = stream_read(t->in, t->block, TAR_BLOCK);

        if (n < 0)
                return (int) n;
        return n == 0 ? 0 : n == TAR_BLOCK ? 1 : UNPACK_E_IO;
}

void tar_init(struct tar *t, struct stream *in) {
        t->in = in;
        t->data_left = 0;
        t->pad = 0;
}

int64_t tar_read(struct tar *t, void *to, size_t n) {
        uint64_t want = n < t->data_left ? n : t->data_left;
        int64_t got = stream_read(t->in, to, want);

        if (got < 0)
                return got;
        t->data_left -= (uint64_t) got;
        return (uint64_t) got < want ? UNPACK_E_IO : got;
}

/* The rest of an entry and its padding. Padding that is cut short at the end of the input is no error but the end: 0.
 */
static int skip_rest(struct tar *t) {
        int64_t n = stream_read(t->in, NULL, t->data_left);

        if (n < 0)
                return (int) n;
        if ((uint64_t) n < t->data_left)
                return UNPACK_E_IO;
        t->data_left = 0;
        n = stream_read(t->in, NULL, t->pad);
        if (n < 0)
                return (int) n;
        if (n < (int64_t) t->pad)
                return 0;
        t->pad = 0;
        return 1;
}

static bool header_only(char type) {
        return type >= '1' && type <= '6';
}

static int set_data(struct tar *t, char type, int64_t size) {
        if (header_only(type))
                size = 0;
        if (size < 0)
                return UNPACK_E_HDR;
        t->data_left = (uint64_t) size;
        t->pad = (uint32_t) (-(uint64_t) size & (TAR_BLOCK - 1));
        return 0;
}

struct header {
        enum format format;
        char type;
        struct slice name, link;
        int64_t size, mode;
};

static void join_prefix(struct tar *t, struct slice prefix, struct header *h) {
        size_t n = prefix.len;

        if (n == 0)
                return;
        memmove(t->field_name + n + 1, t->field_name, h->name.len);
        memcpy(t->field_name, prefix.at, n);
        t->field_name[n] = '/';
        h->name = slice_make(t->field_name, n + 1 + h->name.len);
}

static bool is_ascii(struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                if ((unsigned char) s.at[i] >= 0x80)
                        return false;
        return true;
}

/* What lies in the area after the V7 fields depends on the format. */
static int format_fields(struct tar *t, struct header *h) {
        int64_t number;
        struct slice prefix = { 0 };

        if (h->format == FORMAT_V7)
                return 0;
        if (numeric(field(t, F_DEVMAJOR, F_SMALL_LEN), &number) < 0 ||
            numeric(field(t, F_DEVMINOR, F_SMALL_LEN), &number) < 0)
                return UNPACK_E_HDR;
        switch (h->format) {
        case FORMAT_USTAR:
                prefix = text_field(field(t, F_PREFIX, F_PREFIX_LEN));
                break;
        case FORMAT_STAR:
                prefix = text_field(field(t, F_PREFIX, F_STAR_PREFIX_LEN));
                if (numeric(field(t, F_STAR_ATIME, F_NUMBER_LEN), &number) < 0 ||
                    numeric(field(t, F_STAR_CTIME, F_NUMBER_LEN), &number) < 0)
                        return UNPACK_E_HDR;
                break;
        default:
                /* GNU keeps times here; archives of an old writer hold a USTAR prefix instead, which engines apply. */
                if ((t->block[F_GNU_ATIME] && numeric(field(t, F_GNU_ATIME, F_NUMBER_LEN), &number) < 0) ||
                    (t->block[F_GNU_CTIME] && numeric(field(t, F_GNU_CTIME, F_NUMBER_LEN), &number) < 0)) {
                        prefix = text_field(field(t, F_PREFIX, F_PREFIX_LEN));
                        if (!is_ascii(prefix))
                                prefix = (struct slice){ 0 };
                }
        }
        join_prefix(t, prefix, h);
        return 0;
}

/* 1 a header; 0 the end; negative. */
static int read_header(struct tar *t, struct header *h) {
        int64_t number;
        int r = read_block(t);

        if (r <= 0)
                return r;
        if (is_zero_block(t)) {
                r = read_block(t);
                if (r <= 0)
                        return r;
                return is_zero_block(t) ? 0 : UNPACK_E_HDR;
        }
        h->format = header_format(t);
        if (h->format == FORMAT_NONE)
                return UNPACK_E_HDR;
        h->type = (char) t->block[F_TYPE];
        h->name = text_field(field(t, F_NAME, F_NAME_LEN));
        memcpy(t->field_name, h->name.at, h->name.len);
        h->name.at = t->field_name;
        h->link = text_field(field(t, F_LINK, F_LINK_LEN));
        memcpy(t->field_link, h->link.at, h->link.len);
        h->link.at = t->field_link;
        if (numeric(field(t, F_SIZE, F_NUMBER_LEN), &h->size) < 0 ||
            numeric(field(t, F_MODE, F_SMALL_LEN), &h->mode) < 0 ||
            numeric(field(t, F_UID, F_SMALL_LEN), &number) < 0 || numeric(field(t, F_GID, F_SMALL_LEN), &number) < 0 ||
            numeric(field(t, F_MTIME, F_NUMBER_LEN), &number) < 0)
                return UNPACK_E_HDR;
        r = format_fields(t, h);
        return r < 0 ? r : 1;
}

/* The data of a special entry, whole, into `to` (TAR_SPECIAL_MAX bytes of room). Its length, or negative. */
static int64_t read_special(struct tar *t, char *to) {
        if (t->data_left > TAR_SPECIAL_MAX)
                return UNPACK_E_LONG;
        return tar_read(t, to, (size_t) t->data_left);
}

static bool has_nul(struct slice s) {
        return s.len > 0 && memchr(s.at, 0, s.len);
}

#define PAX(key, member) \
        { key, offsetof(struct tar_pax, member) }
static const struct pax_key {
        const char *key;
        size_t offset;
} pax_keys[] = {
        PAX("path", path),
        PAX("linkpath", linkpath),
        PAX("uid", uid),
        PAX("gid", gid),
        PAX("size", size),
        PAX("mtime", mtime),
        PAX("atime", atime),
        PAX("ctime", ctime),
        PAX("SCHILY.xattr.security.capability", capability),
        PAX("GNU.sparse.major", sparse_major),
        PAX("GNU.sparse.minor", sparse_minor),
        PAX("GNU.sparse.map", sparse_map),
        PAX("GNU.sparse.name", sparse_name),
        PAX("GNU.sparse.size", sparse_size),
        PAX("GNU.sparse.realsize", sparse_realsize),
        PAX("GNU.sparse.numblocks", sparse_blocks),
};

static bool is_text(struct slice s, const char *text) {
        return slice_eq(s, slice_of(text));
}

/* Sparse format 0.0 spreads its map over records whose order counts; they are joined to the form of 0.1. */
static int pax_pair(struct tar *t, struct slice key, struct slice value) {
        bool offset = is_text(key, "GNU.sparse.offset");

        if (!offset && !is_text(key, "GNU.sparse.numbytes"))
                return 0;
        if (offset != (t->pax.n_pairs % 2 == 0) || slice_find(value, ',') >= 0)
                return UNPACK_E_HDR;
        if (t->pax.n_pairs++ > 0)
                t->map_text[t->pax.map_len++] = ',';
        /* Each value is shorter than its record, so that together they fit where the records fitted. */
        memcpy(t->map_text + t->pax.map_len, value.at, value.len);
        t->pax.map_len += value.len;
        return 1;
}

/* One "length key=value\n" record off the front of *text. */
static int pax_record(struct tar *t, struct slice *text) {
        struct slice digits, rest, record, key, value;
        uint64_t n;
        int r;

        if (!slice_cut(*text, ' ', &digits, &rest) || slice_parse_u64(digits, &n) < 0 || n < 5 || n > text->len ||
            n <= digits.len + 1)
                return UNPACK_E_HDR;
        n -= digits.len + 1;
        if (rest.at[n - 1] != '\n')
                return UNPACK_E_HDR;
        record = slice_upto(rest, (size_t) n - 1);
        *text = slice_from(rest, (size_t) n);
        if (!slice_cut(record, '=', &key, &value) || key.len == 0)
                return UNPACK_E_HDR;
        if (is_text(key, "path") || is_text(key, "linkpath") || is_text(key, "uname") || is_text(key, "gname")) {
                if (has_nul(value))
                        return UNPACK_E_HDR;
        } else if (has_nul(key))
                return UNPACK_E_HDR;
        r = pax_pair(t, key, value);
        if (r != 0)
                return r < 0 ? r : 0;
        for (size_t i = 0; i < sizeof(pax_keys) / sizeof(pax_keys[0]); i++)
                if (is_text(key, pax_keys[i].key))
                        *(struct slice *) (void *) ((char *) &t->pax + pax_keys[i].offset) = value;
        return 0;
}

static int read_pax(struct tar *t) {
        int64_t n = read_special(t, t->pax_text);
        struct slice text;
        int r;

        if (n < 0)
                return (int) n;
        t->pax = (struct tar_pax){ 0 };
        for (text = slice_make(t->pax_text, (size_t) n); text.len > 0;) {
                r = pax_record(t, &text);
                if (r < 0)
                        return r;
        }
        if (t->pax.n_pairs > 0)
                t->pax.sparse_map = slice_make(t->map_text, t->pax.map_len);
        return 0;
}

/* An empty record keeps the header's value. */
static int apply_pax(const struct tar *t, struct header *h) {
        const struct tar_pax *p = &t->pax;
        int64_t number;

        if (p->path.len > 0)
                h->name = p->path;
        if (p->linkpath.len > 0)
                h->link = p->linkpath;
        if ((p->uid.len > 0 && decimal(p->uid, &number) < 0) || (p->gid.len > 0 && decimal(p->gid, &number) < 0) ||
            (p->mtime.len > 0 && pax_time(p->mtime) < 0) || (p->atime.len > 0 && pax_time(p->atime) < 0) ||
            (p->ctime.len > 0 && pax_time(p->ctime) < 0) || (p->size.len > 0 && decimal(p->size, &h->size) < 0))
                return UNPACK_E_HDR;
        return 0;
}

/* ---- sparse maps: regions in order, not overlapping, inside the file ---- */

struct sparse {
        int64_t size; /* of the whole file */
        int64_t end;  /* of the region before */
};

static int sparse_region(struct sparse *s, int64_t offset, int64_t length) {
        int64_t end;

        if (offset < 0 || length < 0 || __builtin_add_overflow(offset, length, &end) || end > s->size ||
            s->end > offset)
                return UNPACK_E_HDR;
        s->end = end;
        return 0;
}

/* `n` slots of 24 bytes: offset and length. */
static int sparse_slots(const struct tar *t, size_t at, size_t n, struct sparse *s) {
        for (size_t i = 0; i < n; i++, at += 24) {
                int64_t offset, length;

                if (t->block[at] == 0)
                        break;
                if (numeric(field(t, at, F_NUMBER_LEN), &offset) < 0 ||
                    numeric(field(t, at + F_NUMBER_LEN, F_NUMBER_LEN), &length) < 0)
                        return UNPACK_E_HDR;
                if (sparse_region(s, offset, length) < 0)
                        return UNPACK_E_HDR;
        }
        return 0;
}

/* The old GNU form: four slots in the header, 21 in each extension block. */
static int sparse_gnu(struct tar *t, enum format format) {
        struct sparse s = { 0 };
        size_t total = 4 * 24 + 1;
        bool more;

        if (format != FORMAT_GNU || numeric(field(t, F_GNU_REALSIZE, F_NUMBER_LEN), &s.size) < 0 || s.size < 0)
                return UNPACK_E_HDR;
        if (sparse_slots(t, F_GNU_SPARSE, 4, &s) < 0)
                return UNPACK_E_HDR;
        for (more = t->block[F_GNU_EXTENDED] != 0; more; more = t->block[504] != 0) {
                int r = read_block(t);

                if (r <= 0)
                        return r < 0 ? r : UNPACK_E_IO;
                if (sparse_slots(t, 0, 21, &s) < 0)
                        return UNPACK_E_HDR;
                total += TAR_BLOCK;
                if (total >= TAR_SPECIAL_MAX)
                        return UNPACK_E_LONG;
        }
        return 0;
}

/* GNU.sparse.map of formats 0.0 and 0.1: numbers between commas, twice as many as numblocks says. */
static int sparse_list(const struct tar *t, struct sparse *s) {
        struct slice rest = t->pax.sparse_map, one;
        int64_t blocks, offset = 0, number, n = 0;
        bool more = rest.len > 0;

        if (decimal(t->pax.sparse_blocks, &blocks) < 0 || blocks < 0)
                return UNPACK_E_HDR;
        while (more) {
                more = slice_cut(rest, ',', &one, &rest);
                if (decimal(one, &number) < 0)
                        return UNPACK_E_HDR;
                if (n++ % 2 == 0)
                        offset = number;
                else if (sparse_region(s, offset, number) < 0)
                        return UNPACK_E_HDR;
        }
        return n % 2 == 0 && n / 2 == blocks ? 0 : UNPACK_E_HDR;
}

/* Format 1.0 keeps its map in the first blocks of the data: a count, then offsets and lengths, a line each. */
struct sparse_lines {
        struct tar *t;
        size_t at, len, total; /* in t->map_text; bytes read so far */
};

static int sparse_line(struct sparse_lines *l, int64_t *ret) {
        char *newline;

        while (!(newline = memchr(l->t->map_text + l->at, '\n', l->len - l->at))) {
                int64_t n;

                if (l->total + TAR_BLOCK > TAR_SPECIAL_MAX)
                        return UNPACK_E_LONG;
                n = tar_read(l->t, l->t->map_text + l->len, TAR_BLOCK);
                if (n < 0)
                        return (int) n;
                if (n < TAR_BLOCK)
                        return UNPACK_E_IO;
                l->len += TAR_BLOCK;
                l->total += TAR_BLOCK;
        }
        if (decimal(slice_make(l->t->map_text + l->at, (size_t) (newline - l->t->map_text) - l->at), ret) < 0)
                return UNPACK_E_HDR;
        l->at = (size_t) (newline - l->t->map_text) + 1;
        return 0;
}

static int sparse_data(struct tar *t, struct sparse *s) {
        struct sparse_lines l = { .t = t };
        int64_t n, offset, length;
        int r = sparse_line(&l, &n);

        if (r < 0)
                return r;
        if (n < 0 || n > INT64_MAX / 2)
                return UNPACK_E_HDR;
        for (int64_t i = 0; i < n; i++) {
                if ((r = sparse_line(&l, &offset)) < 0 || (r = sparse_line(&l, &length)) < 0)
                        return r;
                if (sparse_region(s, offset, length) < 0)
                        return UNPACK_E_HDR;
        }
        return 0;
}

/* 1: the PAX records make this a sparse file; 0: they do not; negative. */
static int sparse_pax(struct tar *t, struct header *h) {
        const struct tar_pax *p = &t->pax;
        bool zero = is_text(p->sparse_major, "0") && (is_text(p->sparse_minor, "0") || is_text(p->sparse_minor, "1"));
        bool one = is_text(p->sparse_major, "1") && is_text(p->sparse_minor, "0");
        struct slice size = p->sparse_size.len > 0 ? p->sparse_size : p->sparse_realsize;
        struct sparse s = { .size = h->size };
        int r;

        if (!zero && !one) {
                if (p->sparse_major.len > 0 || p->sparse_minor.len > 0 || p->sparse_map.len == 0)
                        return 0;
        }
        if (p->sparse_name.len > 0)
                h->name = p->sparse_name;
        if (size.len > 0 && decimal(size, &s.size) < 0)
                return UNPACK_E_HDR;
        r = one ? sparse_data(t, &s) : sparse_list(t, &s);
        if (r < 0)
                return r;
        return s.size < 0 || header_only(h->type) ? UNPACK_E_HDR : 1;
}

static void forget_specials(struct tar *t) {
        t->pax = (struct tar_pax){ 0 };
        t->long_name_len = t->long_link_len = 0;
}

/* A file, link, directory or the like, with the special headers before it applied. */
static int finish_entry(struct tar *t, struct header *h, struct tar_entry *ret) {
        int r = apply_pax(t, h);

        if (r < 0)
                return r;
        if (t->long_name_len > 0)
                h->name = slice_make(t->long_name, t->long_name_len);
        if (t->long_link_len > 0)
                h->link = slice_make(t->long_link, t->long_link_len);
        if (h->type == 0)
                h->type = slice_ends(h->name, SLICE("/")) ? '5' : '0';
        r = set_data(t, h->type, h->size);
        if (r < 0)
                return r;
        *ret = (struct tar_entry){ .type = h->type, .size = t->data_left, .mode = (uint64_t) h->mode };
        r = h->type == 'S' ? sparse_gnu(t, h->format) : sparse_pax(t, h);
        if (r < 0)
                return r;
        ret->sparse = r > 0 || h->type == 'S';
        ret->name = h->name;
        ret->link = h->link;
        ret->capability = t->pax.capability.len > 0;
        return 1;
}

static int read_long(struct tar *t, char *to, size_t *ret_len) {
        int64_t n = read_special(t, to);

        if (n < 0)
                return (int) n;
        *ret_len = text_field(slice_make(to, (size_t) n)).len;
        return 0;
}

int tar_next(struct tar *t, struct tar_entry *ret) {
        struct header h;
        int r;

        forget_specials(t);
        for (;;) {
                r = skip_rest(t);
                if (r <= 0)
                        return r;
                r = read_header(t, &h);
                if (r <= 0)
                        return r;
                r = set_data(t, h.type, h.size);
                if (r < 0)
                        return r;
                switch (h.type) {
                case 'x':
                        r = read_pax(t);
                        break;
                case 'g':
                        r = read_pax(t);
                        if (r < 0)
                                return r;
                        *ret = (struct tar_entry){ .type = 'g', .name = t->pax.path.len > 0 ? t->pax.path : h.name };
                        return 1;
                case 'L':
                        r = read_long(t, t->long_name, &t->long_name_len);
                        break;
                case 'K':
                        r = read_long(t, t->long_link, &t->long_link_len);
                        break;
                default:
                        return finish_entry(t, &h, ret);
                }
                if (r < 0)
                        return r;
        }
}
