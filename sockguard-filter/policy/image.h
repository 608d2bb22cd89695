/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_IMAGE_H
#define SOCKGUARD_POLICY_IMAGE_H

#include "base/error.h"
#include "http/head.h"
#include "http/reason.h"
#include "policy/options.h"

/*
 * The policy image: one contiguous blob, written by the compiler and mapped read-only by filters. All positions are
 * offsets from its start.
 */

#define POLICY_IMAGE_MAGIC "SGPOLICY"
#define POLICY_IMAGE_FORMAT 1u /* raised with every change of layout; options.def's shape is in `layout` as well */
#define POLICY_IMAGE_MAX (64u * 1024 * 1024)

struct policy_header {
        char magic[8];
        uint32_t format;
        uint32_t header_size;
        uint64_t size;             /* of the whole image, bytes */
        uint64_t layout;           /* fingerprint of all structures: an image of another build is refused */
        uint64_t checksum;         /* over everything after this field */
        uint64_t generation;       /* 1 at the first compile of a running companion, 0 from `sockguard-ctl compile` */
        uint8_t source_sha256[32]; /* of the effective configuration's canonical dump */
        uint32_t root;             /* struct opt_root */
        uint32_t compiled;         /* struct policy_compiled */
        struct plist seccomp;      /* of struct sock_filter; n 0: none */
};

enum rollout_mode {
        MODE_NONE, /* no profile selected: everything is enforced */
        MODE_ENFORCE,
        MODE_WARN,
        MODE_AUDIT,
};

/* Scope 0 is the top-level policy, scope i+1 is clients.profiles[i]. */
#define POLICY_SCOPE_ROOT 0u

struct policy_scope {
        struct pstr name;      /* profile name; empty for the root */
        uint32_t mode;         /* enum rollout_mode */
        uint32_t request_body; /* offset of the struct opt_request_body in force */
        uint32_t rules;        /* offset of the compiled rules (policy/rules.h) */
        uint32_t n_rules;
        uint32_t flags;       /* POLICY_SCOPE_* below */
        uint32_t limits_slot; /* number of this scope in shared state: 0 the root, profile i has i + 1 */
};

#define POLICY_SCOPE_BUILDKIT (1u << 0) /* request_body.buildkit is configured (chapter 01, 3.11) */
#define POLICY_SCOPE_LIMITED (1u << 1)  /* takes part in throttling (chapter 06, 1.1) */

/* What the compiler worked out so that a filter need not. */
struct policy_compiled {
        struct plist scopes;         /* of struct policy_scope */
        struct plist listeners;      /* of struct policy_listener: the effective main listeners */
        uint64_t request_timeout_ns; /* UINT64_MAX: off */
        uint64_t tunnel_idle_ns;     /* the same */
        uint32_t default_scope;      /* scope of clients.default_profile, or POLICY_SCOPE_ROOT */
        bool listeners_explicit;     /* `listeners:` was used: listener admission applies */
        bool deny_verbose;
        bool compat_active; /* the Tecnativa environment replaced the rules */
        bool limits_active; /* some limit is configured: stage 11 exists */
        bool buildkit_configured_root;
        bool starts_unpack;     /* some rule lets an upload in that sockguard-unpack looks into */
        uint8_t log_level;      /* 0 debug .. 3 error */
        uint8_t log_text;       /* log.format is text */
        struct plist endpoints; /* of struct policy_endpoint: where the daemon is, in order of preference */
        struct plist extra;     /* of struct policy_extra: tables that other rooms' compilers add (policy/compile.h) */
};

struct policy_listener {
        struct pstr name;
        struct pstr socket, address; /* one of them is empty */
        bool any_profile;            /* allowed_profiles is ["*"] */
        struct plist allowed_scopes; /* of uint32_t */
        bool tls;
};

enum endpoint_kind { ENDPOINT_UNIX, ENDPOINT_TCP, ENDPOINT_TLS };

struct policy_endpoint {
        uint32_t kind;
        struct pstr path;       /* unix */
        struct pstr host, port; /* tcp, tls */
        struct pstr server_name;
        struct pstr ca_file, cert_file, key_file;
        bool skip_verify;
        struct pstr display; /* unix://..., tcp://..., tcp+tls://... for logs */
};

struct policy_extra {
        uint32_t key; /* enum policy_extra_key */
        uint32_t off, n;
};

/* A mapped image. */
struct policy {
        const unsigned char *base;
        size_t size;
        const struct policy_header *header;
        const struct opt_root *root;
        const struct policy_compiled *compiled;
};

/*
 * Maps the image behind `fd` (which may be closed afterwards) and checks magic, format, layout, size and checksum.
 * 0; -EBADMSG with a sentence that says what to run in *e; or another negative errno.
 */
int policy_image_map(int fd, struct policy *ret, struct error *e);

/* As above for memory that the caller keeps alive (tests, sockguard-ctl). */
int policy_image_view(const void *at, size_t size, struct policy *ret, struct error *e);

void policy_image_unmap(struct policy *p);

/* An offset points outside the image: the image lies although its checksum was right. Never returns; the connection is
 * closed by the end of the process, which denies. */
void policy_image_corrupt(void) __attribute__((noreturn, cold));

static inline const void *policy_at(const struct policy *p, uint32_t off, size_t n, size_t size) {
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes) || off > p->size || bytes > p->size - off)
                policy_image_corrupt();
        return p->base + off;
}

static inline struct slice policy_str(const struct policy *p, struct pstr s) {
        return slice_make(policy_at(p, s.off, s.len, 1), s.len);
}

/* The elements of a list: `const struct opt_rule *rules = policy_list(p, root->rules, struct opt_rule)`. */
#define policy_list(p, list, type) ((const type *) policy_at((p), (list).off, (list).n, sizeof(type)))

/* Is `s` an element of a list of strings (byte-exact)? */
bool policy_strs_have(const struct policy *p, struct plist list, struct slice s);

/* Copies a text that has to be a C string, such as a file name. 0; -ENAMETOOLONG when it does not fit, or has a NUL in
 * it. */
int policy_str_copy(const struct policy *p, struct pstr s, char *text, size_t room);

static inline uint32_t policy_n_scopes(const struct policy *p) {
        return p->compiled->scopes.n;
}

/* `scope` must be below policy_n_scopes(). */
const struct policy_scope *policy_scope(const struct policy *p, uint32_t scope);
const struct opt_request_body *policy_request_body(const struct policy *p, uint32_t scope);

/* The scope of a profile by name, or -ENOENT. */
int policy_scope_find(const struct policy *p, struct slice profile);

#endif
