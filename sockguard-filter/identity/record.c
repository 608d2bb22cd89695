/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "identity/certificate.h"

#define RECORD_MAGIC "SGPEER01"
#define RECORD_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* What precedes the names; the two programs are of one build, so the machine's own layout is fine. */
struct record_head {
        char magic[8];
        uint32_t size; /* of the whole record, bytes */
        uint32_t n_dns_names, n_uri_sans, n_ip_addresses;
        uint16_t port;
        bool has_ip, ip_is_v4, ip_has_zone, has_certificate;
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

static int write_all(int fd, struct slice s) {
        while (s.len > 0) {
                ssize_t n = write(fd, s.at, s.len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                s = slice_from(s, (size_t) n);
        }
        return 0;
}

int peer_record_write(const struct peer *p, int *ret_fd) {
        const struct peer_certificate *c = p->certificate;
        struct record_head h = { .magic = RECORD_MAGIC, .port = p->port, .has_ip = p->has_ip, .ip_is_v4 = p->ip_is_v4,
                                 .ip_has_zone = p->ip_has_zone, .has_certificate = c != NULL };
        _cleanup_strbuf_ struct strbuf b;
        int fd, r;

        strbuf_init(&b, PEER_RECORD_MAX);
        memcpy(h.ip, p->ip, sizeof(h.ip));
        memcpy(h.text, p->text, sizeof(h.text));
        if (c) {
                if (c->n_dns_names > PEER_NAMES_MAX || c->n_uri_sans > PEER_NAMES_MAX || c->n_ip_addresses > PEER_NAMES_MAX)
                        return -E2BIG;
                h.n_dns_names = (uint32_t) c->n_dns_names;
                h.n_uri_sans = (uint32_t) c->n_uri_sans;
                h.n_ip_addresses = (uint32_t) c->n_ip_addresses;
                memcpy(h.spki_sha256, c->spki_sha256, sizeof(h.spki_sha256));
        }
        strbuf_add(&b, slice_make((const char *) &h, sizeof(h)));
        if (c) {
                strbuf_add(&b, slice_make((const char *) c->ip_addresses, c->n_ip_addresses * 16));
                add_name(&b, c->common_name);
                for (size_t i = 0; i < c->n_dns_names; i++)
                        add_name(&b, c->dns_names[i]);
                for (size_t i = 0; i < c->n_uri_sans; i++)
                        add_name(&b, c->uri_sans[i]);
        }
        if (b.failed)
                return -E2BIG;
        h.size = (uint32_t) b.len;
        memcpy(b.at, &h, sizeof(h));

        fd = memfd_create("sockguard-peer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        r = write_all(fd, strbuf_view(&b));
        if (r >= 0 && fcntl(fd, F_ADD_SEALS, RECORD_SEALS) < 0)
                r = -errno;
        if (r < 0) {
                close(fd);
                return r;
        }
        *ret_fd = fd;
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
        struct slice names[2 * PEER_NAMES_MAX];
        uint8_t addresses[PEER_NAMES_MAX][16];
};

static int read_certificate(const struct record_head *h, struct slice rest, struct adopted *a) {
        struct peer_certificate *c = &a->certificate;

        if (h->n_dns_names > PEER_NAMES_MAX || h->n_uri_sans > PEER_NAMES_MAX || h->n_ip_addresses > PEER_NAMES_MAX ||
            rest.len < h->n_ip_addresses * 16u)
                return -EBADMSG;
        memcpy(a->addresses, rest.at, h->n_ip_addresses * 16u);
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
        c->ip_addresses = a->addresses;
        c->n_ip_addresses = h->n_ip_addresses;
        memcpy(c->spki_sha256, h->spki_sha256, sizeof(c->spki_sha256));
        c->spki_sha256[sizeof(c->spki_sha256) - 1] = '\0';
        return 0;
}

static int read_record(int fd, struct peer *ret) {
        struct record_head h;
        struct adopted *a = NULL;
        struct stat st;
        const char *at;
        size_t size;
        int seals, r;

        /* Only a memfd has seals; sealed, nobody changes it while we read. Whose it is says nothing: its author has given up its user. */
        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & RECORD_SEALS) != RECORD_SEALS || fstat(fd, &st) < 0)
                return -EPERM;
        if (st.st_size < (off_t) sizeof(h) || st.st_size > (off_t) PEER_RECORD_MAX)
                return -EBADMSG;
        size = (size_t) st.st_size;
        at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
                return -errno;

        memcpy(&h, at, sizeof(h));
        r = memcmp(h.magic, RECORD_MAGIC, sizeof(h.magic)) == 0 && h.size == size && memchr(h.text, '\0', sizeof(h.text)) ? 0 : -EBADMSG;
        if (r >= 0 && h.has_certificate) {
                a = calloc(1, sizeof(*a));
                r = a ? read_certificate(&h, slice_make(at + sizeof(h), size - sizeof(h)), a) : -ENOMEM;
        }
        if (r < 0) {
                free(a);
                munmap((void *) (uintptr_t) at, size);
                return r;
        }

        *ret = (struct peer) { .kind = PEER_TCP, .pidfd = -1, .has_ip = h.has_ip, .ip_is_v4 = h.ip_is_v4, .ip_has_zone = h.ip_has_zone,
                               .port = h.port, .tls = true, .certificate = a ? &a->certificate : NULL };
        memcpy(ret->ip, h.ip, sizeof(ret->ip));
        memcpy(ret->text, h.text, sizeof(ret->text));
        return 0;
}

int peer_record_read(int fd, struct peer *ret) {
        int r = read_record(fd, ret);

        close(fd);
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
        r = peer_record_read((int) fd, ret);
        return r < 0 ? r : 1;
}
