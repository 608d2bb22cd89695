/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/image.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/layout.h"

#define MIX 0x9e3779b97f4a7c15ull /* 2^64 divided by the golden ratio: odd, no pattern in its bits */
#define REMEDY "run `sockguard-ctl compile` again"

static inline uint64_t mix(uint64_t h, uint64_t v) {
        h = (h ^ v) * MIX;
        return h ^ h >> 32;
}

uint64_t policy_layout(void) {
        uint64_t h = POLICY_IMAGE_FORMAT;

        /* Name, kind, place and size of each option: reordering, renaming or retyping one changes the fingerprint. */
#define FIELD(block, kind, key) \
        h = mix(h, (uint64_t) offsetof(struct opt_##block, key) << 32 | \
                           sizeof(((struct opt_##block *) NULL)->key) << 8 | (unsigned char) #kind[0]); \
        h = mix(h, (uint64_t) (unsigned char) #key[0] << 16 | (uint64_t) (unsigned char) #key[sizeof(#key) - 2] << 8 | \
                           sizeof(#key));
#define OPT_BLOCK(block) h = mix(h, sizeof(struct opt_##block));
#define OPT(block, kind, key, default_, reload, allowed, help) FIELD(block, kind, key)
#define OPT_SUB(block, key, inner, reload) FIELD(block, SUB, key)
#define OPT_LIST(block, key, inner, reload) FIELD(block, LIST, key)
#define OPT_OPT(block, key, inner, reload) FIELD(block, OPT, key)
#define OPT_END(block)
#include "policy/options.def"
        h = mix(h, sizeof(struct policy_header) << 16 | sizeof(struct policy_compiled));
        h = mix(h, sizeof(struct policy_scope) << 32 | sizeof(struct policy_listener) << 16 |
                           sizeof(struct policy_endpoint));
        h = mix(h, sizeof(struct rule_set) << 32 | sizeof(struct rule) << 16 | sizeof(struct rule_bucket));
        return h;
}

uint64_t policy_checksum(const void *at, size_t n) {
        const unsigned char *p = at;
        uint64_t lane[4] = { MIX, ~MIX, MIX << 1, n }, tail = 0;

        for (; n >= 32; n -= 32, p += 32)
                for (size_t i = 0; i < 4; i++) {
                        uint64_t v;

                        memcpy(&v, p + 8 * i, 8);
                        lane[i] = mix(lane[i], v);
                }
        for (; n >= 8; n -= 8, p += 8) {
                uint64_t v;

                memcpy(&v, p, 8);
                lane[0] = mix(lane[0], v);
        }
        if (n)
                memcpy(&tail, p, n);
        return mix(mix(mix(mix(lane[0], tail), lane[1]), lane[2]), lane[3]);
}

void policy_image_corrupt(void) {
        static const char text[] = "sockguard: the policy image points outside itself; " REMEDY "\n";

        /* stderr may be the client's connection (inetd): then silence is the better answer. */
        if (isatty(STDERR_FILENO))
                (void) !write(STDERR_FILENO, text, sizeof(text) - 1);
        _exit(1);
}

static int check_region(size_t size, uint32_t off, uint64_t n, size_t each) {
        uint64_t bytes;

        if (__builtin_mul_overflow(n, (uint64_t) each, &bytes) || off > size || bytes > size - off || off % 8)
                return -EBADMSG;
        return 0;
}

int policy_image_view(const void *at, size_t size, struct policy *ret, struct error *e) {
        const struct policy_header *h = at;
        const struct policy_compiled *c;

        if (size < sizeof(*h) || memcmp(h->magic, POLICY_IMAGE_MAGIC, sizeof(h->magic)) != 0)
                return error_set(e, -EBADMSG, "this is not a policy image; " REMEDY);
        if (h->format != POLICY_IMAGE_FORMAT || h->header_size != sizeof(*h) || h->layout != policy_layout())
                return error_set(e, -EBADMSG, "the policy image was written by another build of sockguard; " REMEDY);
        if (h->size != size)
                return error_set(e, -EBADMSG, "the policy image is truncated (%zu bytes of %llu); " REMEDY, size,
                                 (unsigned long long) h->size);
        if (h->checksum !=
            policy_checksum((const unsigned char *) at + POLICY_CHECKSUM_FROM, size - POLICY_CHECKSUM_FROM))
                return error_set(e, -EBADMSG, "the policy image is damaged (its checksum does not match); " REMEDY);
        /*
         * From here on the image is what our compiler wrote, or somebody's who can compute a sum: stay within it
         * anyway.
         */
        if (check_region(size, h->root, 1, sizeof(struct opt_root)) < 0 ||
            check_region(size, h->compiled, 1, sizeof(struct policy_compiled)) < 0)
                return error_set(e, -EBADMSG, "the policy image points outside itself; " REMEDY);
        c = (const struct policy_compiled *) ((const unsigned char *) at + h->compiled);
        if (c->scopes.n == 0 || check_region(size, c->scopes.off, c->scopes.n, sizeof(struct policy_scope)) < 0 ||
            c->default_scope >= c->scopes.n)
                return error_set(e, -EBADMSG, "the policy image has no scopes; " REMEDY);
        *ret = (struct policy){
                .base = at,
                .size = size,
                .header = h,
                .root = (const struct opt_root *) ((const unsigned char *) at + h->root),
                .compiled = c,
        };
        return 0;
}

int policy_image_map(int fd, struct policy *ret, struct error *e) {
        struct stat st;
        void *at;
        int r;

        if (fstat(fd, &st) < 0)
                return error_errno(e, -errno, "cannot look at the policy image");
        if (!S_ISREG(st.st_mode) || st.st_size < (off_t) sizeof(struct policy_header))
                return error_set(e, -EBADMSG, "this is not a policy image; " REMEDY);
        if (st.st_size > (off_t) POLICY_IMAGE_MAX)
                return error_set(e, -EBADMSG, "the policy image is larger than %u bytes", POLICY_IMAGE_MAX);
        /*
         * Populated, so that a decision waits for no disk. Images are renamed into place and never changed: whoever
         * cuts one short all the same ends the processes that have it mapped, and the connection with them.
         */
        at = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (at == MAP_FAILED)
                return error_errno(e, -errno, "cannot map the policy image");
        r = policy_image_view(at, (size_t) st.st_size, ret, e);
        if (r < 0)
                munmap(at, (size_t) st.st_size);
        return r;
}

void policy_image_unmap(struct policy *p) {
        if (p->base)
                munmap((void *) (uintptr_t) p->base, p->size);
        *p = (struct policy){ 0 };
}

bool policy_strs_have(const struct policy *p, struct plist list, struct slice s) {
        const struct pstr *at = policy_list(p, list, struct pstr);

        for (uint32_t i = 0; i < list.n; i++)
                if (slice_eq(policy_str(p, at[i]), s))
                        return true;
        return false;
}

int policy_str_copy(const struct policy *p, struct pstr s, char *text, size_t room) {
        struct slice v = policy_str(p, s);

        if (v.len >= room || slice_find(v, '\0') >= 0)
                return -ENAMETOOLONG;
        memcpy(text, v.at, v.len);
        text[v.len] = '\0';
        return 0;
}

const struct policy_scope *policy_scope(const struct policy *p, uint32_t scope) {
        if (scope >= p->compiled->scopes.n)
                policy_image_corrupt();
        return policy_list(p, p->compiled->scopes, struct policy_scope) + scope;
}

const struct opt_request_body *policy_request_body(const struct policy *p, uint32_t scope) {
        return policy_at(p, policy_scope(p, scope)->request_body, 1, sizeof(struct opt_request_body));
}

int policy_scope_find(const struct policy *p, struct slice profile) {
        for (uint32_t i = 1; i < policy_n_scopes(p); i++)
                if (slice_eq(policy_str(p, policy_scope(p, i)->name), profile))
                        return (int) i;
        return -ENOENT;
}
