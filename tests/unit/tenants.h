/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TESTS_TENANTS_H
#define SOCKGUARD_TESTS_TENANTS_H

#include <stdio.h>
#include <stdlib.h>

#include "http/exchange.h"

/*
 * An exchange without sockets, and a policy without a compiler: the root structure with its texts behind it, as in an
 * image.
 */
struct fake {
        _Alignas(8) union {
                struct opt_root root;
                unsigned char bytes[sizeof(struct opt_root) + 8192];
        } image;
        size_t used;
        struct policy policy;
        struct policy_compiled compiled;
        struct arena arena;
        struct exchange x;
};

static inline void fake_init(struct fake *f) {
        memset(f, 0, sizeof(*f));
        f->used = (sizeof(struct opt_root) + 7) & ~(size_t) 7;
        f->policy = (struct policy){
                .base = f->image.bytes, .size = sizeof(f->image), .root = &f->image.root, .compiled = &f->compiled
        };
        arena_init(&f->arena, 64u * 1024 * 1024, NULL);
        f->x.policy = &f->policy;
        f->x.arena = &f->arena;
        f->x.spool_fd = -1;
}

static inline struct pstr fake_str(struct fake *f, const char *text) {
        struct pstr s = { .off = (uint32_t) f->used, .len = (uint32_t) strlen(text) };

        memcpy(f->image.bytes + f->used, text, s.len);
        f->used += s.len;
        return s;
}

/* A list of texts from one text that a '|' divides; NULL is the empty list. */
static inline struct plist fake_strs(struct fake *f, const char *texts) {
        struct slice rest = slice_of(texts), each;
        struct pstr at[16];
        struct plist l = { 0 };

        while (texts && l.n < 16) {
                bool more = slice_cut(rest, '|', &each, &rest);
                char text[256];

                snprintf(text, sizeof(text), "%.*s", SLICE_ARG(each));
                at[l.n++] = fake_str(f, text);
                if (!more)
                        break;
        }
        f->used = (f->used + 7) & ~(size_t) 7;
        l.off = (uint32_t) f->used;
        memcpy(f->image.bytes + f->used, at, l.n * sizeof(at[0]));
        f->used += l.n * sizeof(at[0]);
        return l;
}

/* "GET /path?query", with an optional API version prefix. */
static inline void fake_request(struct fake *f, const char *line) {
        struct slice method, target;
        enum reason_code code;
        const char *why;

        arena_reset(&f->arena);
        slice_cut(slice_of(line), ' ', &method, &target);
        f->x.head = (struct http_head){ .method_text = method, .method = http_method_of(method), .target = target };
        f->x.query_parsed = f->x.query_changed = f->x.body_changed = false;
        f->x.verdict = (struct verdict){ 0 };
        if (http_target_parse(target, true, &f->arena, &f->x.target, &code, &why) < 0) {
                fprintf(stderr, "bad request line in a test: %s\n", line);
                exit(1);
        }
}

static inline void fake_done(struct fake *f) {
        arena_free(&f->arena);
}

#endif
