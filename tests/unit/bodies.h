/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TESTS_BODIES_H
#define SOCKGUARD_TESTS_BODIES_H

#include <stdio.h>
#include <stdlib.h>

#include "inspect/inspect.h"
#include "tenants.h"

/* One request put to its inspector: nothing but memory. */

static inline struct opt_request_body *bodies_options(struct fake *f) {
        return &f->image.root.request_body;
}

/* `fields` are "Name: value" texts; NULL ends them. Empty facts: the upload is empty. */
static inline struct inspect_result bodies_judge_with(struct fake *f, const char *line, const char *const *fields,
                                                      struct slice body, struct slice facts,
                                                      const struct lookup *lookup, const struct lookup *networks) {
        static struct http_field room[8];
        struct inspect_result r = { 0 };
        struct inspect_input in;
        const struct inspector *row;
        static struct http_query query;
        size_t n = 0;

        fake_request(f, line);
        for (; fields && fields[n] && n < 8; n++) {
                struct slice name, value;

                slice_cut(slice_of(fields[n]), ':', &name, &value);
                room[n] = (struct http_field){ .name = name, .value = slice_trim_ows(value), .id = HTTP_F_OTHER };
#define HTTP_FIELD(id_, text) \
        if (slice_case_eq(name, SLICE(text))) \
                room[n].id = HTTP_F_##id_;
#include "http/fields.def"
#undef HTTP_FIELD
        }
        f->x.head.fields = room;
        f->x.head.n_fields = n;
        http_query_parse(f->x.target.query, &f->arena, &query);
        row = inspect_find(f->x.head.method, f->x.target.normalized);
        if (!row) {
                fprintf(stderr, "no inspector for %s\n", line);
                exit(1);
        }
        in = (struct inspect_input){
                .policy = &f->policy,
                .options = bodies_options(f),
                .method = f->x.head.method,
                .path = f->x.target.normalized,
                .version = f->x.target.version,
                .query = &query,
                .head = &f->x.head,
                .body = body,
                .facts = facts,
                .lookup = lookup,
                .host_networks = networks,
                .arena = &f->arena,
        };
        inspect_run(row, &in, &r);
        return r;
}

static inline struct inspect_result bodies_judge(struct fake *f, const char *line, const char *const *fields,
                                                 struct slice body, struct slice facts, const struct lookup *lookup) {
        return bodies_judge_with(f, line, fields, body, facts, lookup, NULL);
}

static inline struct inspect_result bodies_judge_networks(struct fake *f, const char *line, struct slice body,
                                                          const struct lookup *networks) {
        return bodies_judge_with(f, line, NULL, body, (struct slice){ 0 }, NULL, networks);
}

static inline enum inspect_outcome bodies_json(struct fake *f, const char *line, const char *body) {
        return bodies_judge(f, line, NULL, slice_of(body), (struct slice){ 0 }, NULL).outcome;
}

#endif
