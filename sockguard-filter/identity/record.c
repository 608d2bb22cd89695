/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/certificate.h"

#define RECORD_MAGIC "SGPEER02"
#define RECORD_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Bits of record_head.facts. */
enum { FACT_IP = 1, FACT_IPV4 = 2, FACT_ZONE = 4, FACT_CERTIFICATE = 8, FACTS_ALL = 15 };

/* What precedes the names; the two programs are of one build, so the machine's own layout is fine. */
struct record_head {
        char magic[8];
        uint32_t size; /* of the whole record, bytes */
        uint32_t n_dns_names, n_uri_sans, n_ip_addresses;
        uint16_t port;
        uint8_t facts;
        uint8_t ip[16];
        char text[sizeof(((struct peer *) NULL)->text)];
        char spki_sha256[65];
};
/* Then: the addresses, 16 bytes each; then common name, DNS names, URIs, each a 4-byte length and that many bytes. */

static void add_name(struct strbuf *b, struct slice s) {
        uint32_t len = (uint32_t) s.len;

        if (s.len > PEER_RECORD_MAX) {
                b->failed = true;
                return;
        }
        strbuf_add(b, slice_make((const char *) &len, sizeof(len)));
        strbuf_add(b, s);
}

int peer_record_format(const struct peer *p, struct strbuf *ret) {
        const struct peer_certificate *c = p->certificate;
        size_t start = ret->len;
        struct record_head h;

        memset(&h, 0, sizeof(h)); /* padding too: it goes to another process */
        memcpy(h.magic, RECORD_MAGIC, sizeof(h.magic));
        h.port = p->port;
        h.facts = (uint8_t) ((p->has_ip ? FACT_IP : 0) | (p->ip_is_v4 ? FACT_IPV4 : 0) |
                             (p->ip_has_zone ? FACT_ZONE : 0) | (c ? FACT_CERTIFICATE : 0));
        memcpy(h.ip, p->ip, sizeof(h.ip));
        memcpy(h.text, p->text, sizeof(h.text));
        if (c) {
                if (c->n_dns_names > PEER_NAMES_MAX || c->n_uri_sans > PEER_NAMES_MAX ||
                    c->n_ip_addresses > PEER_NAMES_MAX)
                        return -E2BIG;
                h.n_dns_names = (uint32_t) c->n_dns_names;
                h.n_uri_sans = (uint32_t) c->n_uri_sans;
                h.n_ip_addresses = (uint32_t) c->n_ip_addresses;
                memcpy(h.spki_sha256, c->spki_sha256, sizeof(h.spki_sha256));
        }
        strbuf_add(ret, slice_make((const char *) &h, sizeof(h)));
        if (c) {
                strbuf_add(ret, slice_make((const char *) c->ip_addresses, c->n_ip_addresses * 16));
                add_name(ret, c->common_name);
                for (size_t i = 0; i < c->n_dns_names; i++)
                        add_name(ret, c->dns_names[i]);
                for (size_t i = 0; i < c->n_uri_sans; i++)
                        add_name(ret, c->uri_sans[i]);
        }
        if (ret->failed || ret->len - start > PEER_RECORD_MAX)
                return -E2BIG;
        h.size = (uint32_t) (ret->len - start);
        memcpy(ret->at + start, &h, sizeof(h));
        return 0;
}

/* Takes the next name from *rest. False: the record is shorter than it says. */
static bool take_name(struct slice *rest, struct slice *ret) {
        uint32_t len;

        if (rest->len < sizeof(len))
                return false;
        memcpy(&len, rest->at, sizeof(len));
        *rest = slice_from(*rest, sizeof(len));
        if (len > rest->len)
                return false;
        *ret = slice_upto(*rest, len);
        *rest = slice_from(*rest, len);
        return true;
}

struct adopted {
        struct peer_certificate certificate;
        struct slice names[];
};

/* 0, or -EBADMSG. The names stay where they are in `rest`. */
static int fill_in(const struct record_head *h, struct slice rest, struct adopted *a) {
        struct peer_certificate *c = &a->certificate;

        if (rest.len < h->n_ip_addresses * 16u)
                return -EBADMSG;
        c->ip_addresses = (uint8_t(*)[16])(uintptr_t) rest.at;
        c->n_ip_addresses = h->n_ip_addresses;
        rest = slice_from(rest, h->n_ip_addresses * 16u);

        if (!take_name(&rest, &c->common_name))
                return -EBADMSG;
        for (uint32_t i = 0; i < h->n_dns_names + h->n_uri_sans; i++)
                if (!take_name(&rest, &a->names[i]))
                        return -EBADMSG;
        if (rest.len != 0)
                return -EBADMSG;
        c->dns_names = a->names;
        c->n_dns_names = h->n_dns_names;
        c->uri_sans = a->names + h->n_dns_names;
        c->n_uri_sans = h->n_uri_sans;

        if (memchr(h->spki_sha256, '\0', sizeof(h->spki_sha256)) != h->spki_sha256 + 64)
                return -EBADMSG;
        memcpy(c->spki_sha256, h->spki_sha256, sizeof(c->spki_sha256));
        return 0;
}

/* 0 with an allocated structure; -EBADMSG; -ENOMEM. */
static int read_certificate(const struct record_head *h, struct slice rest, struct adopted **ret) {
        struct adopted *a;
        int r;

        if (h->n_dns_names > PEER_NAMES_MAX || h->n_uri_sans > PEER_NAMES_MAX || h->n_ip_addresses > PEER_NAMES_MAX)
                return -EBADMSG;
        a = calloc(1, sizeof(*a) + (h->n_dns_names + h->n_uri_sans) * sizeof(a->names[0]));
        if (!a)
                return -ENOMEM;
        r = fill_in(h, rest, a);
        if (r < 0)
                free(a);
        else
                *ret = a;
        return r;
}

int peer_record_parse(struct slice record, struct peer *ret) {
        struct record_head h;
        struct adopted *a = NULL;
        int r;

        if (record.len < sizeof(h) || record.len > PEER_RECORD_MAX)
                return -EBADMSG;
        memcpy(&h, record.at, sizeof(h));
        if (memcmp(h.magic, RECORD_MAGIC, sizeof(h.magic)) != 0 || h.size != record.len ||
            !memchr(h.text, '\0', sizeof(h.text)) || (h.facts & ~FACTS_ALL) != 0)
                return -EBADMSG;
        record = slice_from(record, sizeof(h));
        if (h.facts & FACT_CERTIFICATE) {
                r = read_certificate(&h, record, &a);
                if (r < 0)
                        return r;
        } else if (record.len != 0 || h.n_dns_names + h.n_uri_sans + h.n_ip_addresses != 0)
                return -EBADMSG;

        *ret = (struct peer){ .kind = PEER_TCP,
                              .pidfd = -1,
                              .has_ip = h.facts & FACT_IP,
                              .ip_is_v4 = h.facts & FACT_IPV4,
                              .ip_has_zone = h.facts & FACT_ZONE,
                              .port = h.port,
                              .tls = true,
                              .certificate = a ? &a->certificate : NULL };
        memcpy(ret->ip, h.ip, sizeof(ret->ip));
        memcpy(ret->text, h.text, sizeof(ret->text));
        return 0;
}

void peer_record_release(struct peer *p) {
        free((void *) (uintptr_t) p->certificate); /* the first member of struct adopted */
        p->certificate = NULL;
}

/* ---- across an exec ---- */

int peer_record_seal(struct slice record, int *ret_fd) {
        int fd = memfd_create("sockguard-peer", MFD_CLOEXEC | MFD_ALLOW_SEALING), r = 0;

        if (fd < 0)
                return -errno;
        while (record.len > 0 && r == 0) {
                ssize_t n = write(fd, record.at, record.len);

                if (n > 0)
                        record = slice_from(record, (size_t) n);
                else if (n == 0 || errno != EINTR)
                        r = n == 0 ? -EIO : -errno;
        }
        if (r == 0 && fcntl(fd, F_ADD_SEALS, RECORD_SEALS) < 0)
                r = -errno;
        if (r < 0) {
                close(fd);
                return r;
        }
        *ret_fd = fd;
        return 0;
}

/* The mapping stays when the record is good: the certificate's names are in it. */
static int read_sealed(int fd, struct peer *ret) {
        struct stat st;
        const char *at;
        size_t size;
        int seals, r;

        /* Only a memfd has seals; sealed, nobody changes it while we read. Whose it is says nothing: its author has
         * given up its user. */
        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & RECORD_SEALS) != RECORD_SEALS || fstat(fd, &st) < 0)
                return -EPERM;
        if (st.st_size <= 0 || st.st_size > (off_t) PEER_RECORD_MAX)
                return -EBADMSG;
        size = (size_t) st.st_size;
        at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
                return -errno;
        r = peer_record_parse(slice_make(at, size), ret);
        if (r < 0)
                munmap((void *) (uintptr_t) at, size);
        return r;
}

int peer_record_inherited(struct peer *ret) {
        const char *text = getenv(PEER_FD_ENV);
        uint64_t fd;
        int r;

        if (!text)
                return 0;
        r = slice_parse_u64(slice_of(text), &fd);
        unsetenv(PEER_FD_ENV);
        if (r < 0 || fd < 3 || fd > INT32_MAX)
                return -EBADMSG;
        r = read_sealed((int) fd, ret);
        close((int) fd);
        return r < 0 ? r : 1;
}
