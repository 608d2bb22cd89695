/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <sys/auxv.h>

#include "base/json_text.h"
#include "base/unicode.h"

/*
 * The validator: one strict pass over the text, no recursion. What is open is one bit a level (object or array), and,
 * while duplicates are looked for, the hash and the position of each name of the objects that are open. When an object
 * closes, its names are sorted by hash and those with equal hashes are compared.
 */

#define BITMAP_WORDS ((JSON_DEPTH_MAX + 64) / 64)

/* Names whose 32-bit hashes collide in one object. The hash is keyed, so more than a handful means that somebody knows
 * the key. */
#define COLLISIONS_MAX 64u

struct name_entry {
        uint32_t at; /* offset of the opening quote; of a marker: index of the enclosing object's marker */
        uint32_t hash;
};

struct validator {
        const char *start, *p, *end;
        unsigned flags;
        unsigned depth, max_depth;
        const char *what;
        struct name_entry *names;
        size_t n_names, marker;
        uint64_t is_object[BITMAP_WORDS];
        uint64_t is_data[BITMAP_WORDS]; /* names of this object are data: only exact duplicates count */
};

static bool bit(const uint64_t *words, unsigned i) {
        return words[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *words, unsigned i, bool on) {
        words[i / 64] = (words[i / 64] & ~(1ull << (i % 64))) | (uint64_t) on << (i % 64);
}

/* ---- names ---- */

/*
 * A keyed hash over 8-byte words (multiply and fold, 128 bits wide). The key is 16 bytes that the kernel draws for each
 * process (AT_RANDOM), so a client cannot prepare names that collide, and no system call is needed behind a seccomp
 * filter.
 */
struct name_hash {
        uint64_t state, word, key;
        unsigned n_bits;
        uint64_t length;
};

static const uint64_t *hash_key(void) {
        static uint64_t key[2];

        if (key[1] == 0) {
                unsigned long at = getauxval(AT_RANDOM);

                if (at)
                        memcpy(key, (const void *) at, sizeof(key));
                key[1] |= 1;
        }
        return key;
}

static uint64_t hash_mix(uint64_t state, uint64_t word, uint64_t key) {
        unsigned __int128 product = (unsigned __int128) (state ^ word) * (key ^ 0x9e3779b97f4a7c15ull);

        return (uint64_t) product ^ (uint64_t) (product >> 64) ^ word * 0xff51afd7ed558ccdull;
}

static void hash_byte(struct name_hash *h, unsigned char c) {
        h->word |= (uint64_t) c << h->n_bits;
        h->n_bits += 8;
        h->length++;
        if (h->n_bits == 64) {
                h->state = hash_mix(h->state, h->word, h->key);
                h->word = 0;
                h->n_bits = 0;
        }
}

static uint32_t hash_end(struct name_hash *h) {
        uint64_t x = hash_mix(h->state, h->word, h->key);

        x = hash_mix(x, h->length, h->key);
        return (uint32_t) (x ^ x >> 32);
}

/* 'A'-'Z' made lower case in all eight bytes, which must be ASCII. */
static uint64_t lower8(uint64_t w) {
        uint64_t from_a = w + JSON_ONES * (0x80 - 'A'), above_z = w + JSON_ONES * (0x7f - 'Z');

        return w + (((from_a ^ above_z) & JSON_HIGH) >> 2);
}

/* One code point of an escaped name; each byte that is not UTF-8 is U+FFFD. */
static uint32_t take_code_point(const char **p, const char *end) {
        uint32_t cp;
        size_t n;

        if (**p == '\\') {
                (*p)++;
                return json_take_escape(p, end);
        }
        n = unicode_decode(slice_make(*p, (size_t) (end - *p)), &cp);
        if (n == 0) {
                (*p)++;
                return 0xfffd;
        }
        *p += n;
        return cp;
}

/* `at` and `end` are the inside of the quotes. `plain`: ASCII without escapes. */
static uint32_t name_hash(const char *at, const char *end, bool plain, bool fold) {
        const uint64_t *key = hash_key();
        struct name_hash h = { .state = key[0], .key = key[1] };
        const char *p = at;

        if (plain) {
                for (; end - p >= 8; p += 8) {
                        uint64_t w = json_load8(p);

                        h.state = hash_mix(h.state, fold ? lower8(w) : w, h.key);
                }
                h.length = (uint64_t) (p - at);
                for (; p < end; p++) {
                        char c = *p;

                        hash_byte(&h, (unsigned char) (fold && c >= 'A' && c <= 'Z' ? c + 32 : c));
                }
                return hash_end(&h);
        }
        while (p < end) {
                char utf8[4];
                uint32_t cp = take_code_point(&p, end);
                size_t n = unicode_encode(fold ? unicode_to_fold(cp) : cp, utf8);

                for (size_t i = 0; i < n; i++)
                        hash_byte(&h, (unsigned char) utf8[i]);
        }
        return hash_end(&h);
}

static bool names_equal(const char *a, const char *b, const char *end, bool fold) {
        a++;
        b++;
        while (*a != '"' && *b != '"') {
                uint32_t ca = take_code_point(&a, end), cb = take_code_point(&b, end);

                if (ca != cb && !(fold && unicode_to_fold(ca) == unicode_to_fold(cb)))
                        return false;
        }
        return *a == *b;
}

/* Heapsort: lets what stands at `root` sink to its place. */
static void sift(struct name_entry *e, size_t root, size_t n) {
        struct name_entry t = e[root];

        for (size_t child; (child = 2 * root + 1) < n; root = child) {
                child += child + 1 < n && e[child].hash < e[child + 1].hash;
                if (t.hash >= e[child].hash)
                        break;
                e[root] = e[child];
        }
        e[root] = t;
}

/* By hash, in place and O(n log n) whatever the input; qsort() may allocate, or be quadratic. */
static void sort_names(struct name_entry *e, size_t n) {
        for (size_t root = n / 2; root-- > 0;)
                sift(e, root, n);
        for (size_t last = n; last-- > 1;) {
                struct name_entry top = e[0];

                e[0] = e[last];
                e[last] = top;
                sift(e, 0, last);
        }
}

static int refuse(struct validator *v, const char *at, const char *what) {
        v->p = at;
        v->what = what;
        return -EBADMSG;
}

#define FEW 48u /* names; nearly every object has no more */
#define FEW_SLOTS 128u

/* Are all hashes different? Then nothing needs to be sorted and compared. */
static bool all_differ(const struct name_entry *e, size_t n) {
        uint8_t slots[FEW_SLOTS] = { 0 }; /* index + 1 */

        for (size_t i = 0; i < n; i++) {
                uint32_t at = e[i].hash % FEW_SLOTS;

                for (; slots[at]; at = (at + 1) % FEW_SLOTS)
                        if (e[slots[at] - 1u].hash == e[i].hash)
                                return false;
                slots[at] = (uint8_t) (i + 1);
        }
        return true;
}

/* The object whose names start behind `v->marker` closes: are there two equal ones? */
static int check_duplicates(struct validator *v) {
        struct name_entry *e = v->names + v->marker + 1;
        size_t n = v->n_names - v->marker - 1;
        bool fold = !bit(v->is_data, v->depth);

        if (n <= 1 || (n <= FEW && all_differ(e, n)))
                n = 0;
        else
                sort_names(e, n);
        for (size_t i = 1; i < n; i++) {
                for (size_t j = i; j-- > 0 && e[j].hash == e[i].hash;) {
                        uint32_t later = e[i].at > e[j].at ? e[i].at : e[j].at;

                        if (i - j > COLLISIONS_MAX)
                                return refuse(v, v->start + later, "too many colliding member names");
                        if (names_equal(v->start + e[i].at, v->start + e[j].at, v->end, fold))
                                return refuse(v, v->start + later, "duplicate member");
                }
        }
        v->n_names = v->marker;
        v->marker = e[-1].at;
        return 0;
}

/*
 * Objects whose member names are the user's data, not Docker's (chapter 03, 1.5). A name inside one of them is not
 * Docker's either, so it exempts nothing.
 */
static bool is_data_map(const char *quoted, const char *end) {
        static const struct slice maps[] = {
#define MAP(name) { name, sizeof(name) - 1 }
                /* clang-format off */
                MAP("labels"), MAP("annotations"), MAP("volumes"), MAP("exposedports"), MAP("portbindings"),
                MAP("sysctls"), MAP("storageopt"), MAP("tmpfs"), MAP("endpointsconfig"), MAP("options"),
                MAP("driveropts"), MAP("opts"), MAP("config"), MAP("auxiliaryaddresses"),
        /* clang-format on */
#undef MAP
        };
        struct slice whole = slice_make(quoted, (size_t) (end - quoted)), name;
        bool plain = json_plain_name(whole, &name);

        for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
                if (plain ? json_plain_same(name, maps[i]) : json_name_folds_to(whole, maps[i]))
                        return true;
        return false;
}

/* ---- tokens ---- */

static int hex(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char) (c | 0x20);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* v->p is at the opening quote, and afterwards behind the closing one. *ret_plain: ASCII without escapes. */
static int scan_string(struct validator *v, bool *ret_plain) {
        const char *p = v->p + 1, *end = v->end;

        *ret_plain = true;
        for (;;) {
                p = json_plain_end(p, end);
                if (p == end)
                        return refuse(v, p, "unterminated string");
                if (*p == '"') {
                        v->p = p + 1;
                        return 0;
                }
                *ret_plain = false;
                if (*p == '\\') {
                        unsigned code = 0;

                        if (end - p < 2)
                                return refuse(v, p, "unterminated string");
                        if (p[1] != 'u') {
                                if (!memchr("\"\\/bfnrt", p[1], 8))
                                        return refuse(v, p, "unknown escape");
                                p += 2;
                                continue;
                        }
                        if (end - p < 6)
                                return refuse(v, p, "unterminated string");
                        for (int i = 2; i < 6; i++) {
                                int digit = hex(p[i]);

                                if (digit < 0)
                                        return refuse(v, p, "malformed escape");
                                code = code << 4 | (unsigned) digit;
                        }
                        if (code == 0 && !(v->flags & JSON_ALLOW_NUL))
                                return refuse(v, p, "NUL character in string");
                        p += 6;
                } else if ((unsigned char) *p < 0x20) {
                        return refuse(v, p, "control character in string");
                } else {
                        uint32_t cp;
                        size_t n = unicode_decode(slice_make(p, (size_t) (end - p)), &cp);

                        if (n == 0 && !(v->flags & JSON_ALLOW_BAD_UTF8))
                                return refuse(v, p, "invalid UTF-8");
                        p += n ? n : 1;
                }
        }
}

static bool is_digit(const char *p, const char *end) {
        return p < end && *p >= '0' && *p <= '9';
}

static int scan_number(struct validator *v) {
        const char *p = v->p, *end = v->end;

        if (*p != '-' && !is_digit(p, end))
                return refuse(v, p, "unexpected character");
        if (*p == '-')
                p++;
        if (!is_digit(p, end))
                return refuse(v, p, "malformed number");
        if (*p == '0')
                p++;
        else
                while (is_digit(p, end))
                        p++;
        if (p < end && *p == '.') {
                if (!is_digit(++p, end))
                        return refuse(v, p, "malformed number");
                while (is_digit(p, end))
                        p++;
        }
        if (p < end && (*p == 'e' || *p == 'E')) {
                p++;
                if (p < end && (*p == '+' || *p == '-'))
                        p++;
                if (!is_digit(p, end))
                        return refuse(v, p, "malformed number");
                while (is_digit(p, end))
                        p++;
        }
        v->p = p;
        return 0;
}

static int scan_word(struct validator *v, struct slice word) {
        if ((size_t) (v->end - v->p) < word.len || memcmp(v->p, word.at, word.len) != 0)
                return refuse(v, v->p, "unexpected character");
        v->p += word.len;
        return 0;
}

/* `name`..`name_end`: the quoted name of the member that is being opened, NULL for an element or the root. */
static int open_container(struct validator *v, bool object, const char *name, const char *name_end) {
        bool data;

        if (v->depth == v->max_depth)
                return refuse(v, v->p, "nested too deeply");
        data = object && name && !bit(v->is_data, v->depth) && is_data_map(name, name_end);
        v->depth++;
        set_bit(v->is_object, v->depth, object);
        set_bit(v->is_data, v->depth, data);
        v->p++;
        if (object && v->names) {
                v->names[v->n_names].at = (uint32_t) v->marker;
                v->marker = v->n_names++;
        }
        return 0;
}

static int close_container(struct validator *v) {
        if (bit(v->is_object, v->depth) && v->names) {
                int r = check_duplicates(v);

                if (r < 0)
                        return r;
        }
        v->depth--;
        v->p++;
        return 0;
}

/* v->p is at a member's name. Leaves it at the value. */
static int scan_name(struct validator *v, const char **ret_name, const char **ret_end) {
        bool plain;
        int r;

        if (v->p == v->end || *v->p != '"')
                return refuse(v, v->p, "member name expected");
        *ret_name = v->p;
        r = scan_string(v, &plain);
        if (r < 0)
                return r;
        *ret_end = v->p;
        if (v->names) {
                struct name_entry *e = &v->names[v->n_names++];

                e->at = (uint32_t) (*ret_name - v->start);
                e->hash = name_hash(*ret_name + 1, *ret_end - 1, plain, !bit(v->is_data, v->depth));
        }
        v->p = json_skip_space(v->p, v->end);
        if (v->p == v->end || *v->p != ':')
                return refuse(v, v->p, "':' expected");
        v->p = json_skip_space(v->p + 1, v->end);
        return 0;
}

static int validate(struct validator *v) {
        const char *name = NULL, *name_end = NULL;
        bool plain;
        int r;

        v->p = json_skip_space(v->p, v->end);
        for (;;) {
                /* A value. */
                if (v->p == v->end)
                        return refuse(v, v->p, "unexpected end");
                switch (*v->p) {
                case '{':
                        r = open_container(v, true, name, name_end);
                        if (r < 0)
                                return r;
                        v->p = json_skip_space(v->p, v->end);
                        if (v->p < v->end && *v->p == '}')
                                goto close;
                        r = scan_name(v, &name, &name_end);
                        if (r < 0)
                                return r;
                        continue;
                case '[':
                        r = open_container(v, false, name, name_end);
                        if (r < 0)
                                return r;
                        name = NULL;
                        v->p = json_skip_space(v->p, v->end);
                        if (v->p < v->end && *v->p == ']')
                                goto close;
                        continue;
                case '"':
                        r = scan_string(v, &plain);
                        break;
                case 't':
                        r = scan_word(v, SLICE("true"));
                        break;
                case 'f':
                        r = scan_word(v, SLICE("false"));
                        break;
                case 'n':
                        r = scan_word(v, SLICE("null"));
                        break;
                default:
                        r = scan_number(v);
                }
                if (r < 0)
                        return r;

                /* What follows it. */
                for (;;) {
                        v->p = json_skip_space(v->p, v->end);
                        if (v->depth == 0)
                                return v->p == v->end ? 0 : refuse(v, v->p, "data after the value");
                        if (v->p == v->end)
                                return refuse(v, v->p, "unexpected end");
                        if (*v->p == ',') {
                                v->p = json_skip_space(v->p + 1, v->end);
                                if (bit(v->is_object, v->depth)) {
                                        r = scan_name(v, &name, &name_end);
                                        if (r < 0)
                                                return r;
                                } else {
                                        name = NULL;
                                }
                                break;
                        }
                        if (*v->p != (bit(v->is_object, v->depth) ? '}' : ']'))
                                return refuse(v, v->p, "',' or closing bracket expected");
close:
                        r = close_container(v);
                        if (r < 0)
                                return r;
                }
        }
}

/* How many members `text` can have: each has a colon and is at least `"":0,` long. A short text is not worth counting.
 */
static size_t count_members(struct slice text) {
        size_t n = 0, most = text.len / 5 + 1;

        if (text.len < 4096)
                return most;
        for (const char *p = text.at, *end = p + text.len; p < end && (p = memchr(p, ':', (size_t) (end - p))); p++)
                if (++n >= most)
                        break;
        return n;
}

int json_validate(struct slice text, unsigned flags, unsigned max_depth, struct arena *scratch,
                  struct json_error *ret_err) {
        struct validator v = {
                .start = text.at,
                .p = text.at,
                .end = text.at + text.len,
                .flags = flags,
                .max_depth = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX,
        };
        struct arena_mark mark = arena_mark(scratch);
        int r;

        if (text.len == 0 || text.len >= UINT32_MAX) {
                r = refuse(&v, v.p, text.len ? "too large" : "unexpected end");
        } else {
                if (!(flags & JSON_ALLOW_DUPLICATES)) {
                        size_t n = count_members(text);

                        /* The names of open objects, and a marker for each of these; the innermost may still be empty.
                         */
                        v.names = arena_new_array(scratch, struct name_entry,
                                                  n + (n < v.max_depth ? n : v.max_depth) + 1);
                }
                r = validate(&v);
                arena_rewind(scratch, mark);
        }
        if (r < 0 && ret_err)
                *ret_err = (struct json_error){ .offset = (size_t) (v.p - v.start), .what = v.what };
        return r;
}
