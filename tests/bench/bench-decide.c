/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/exchange.h"
#include "policy/rules.h"
#include "telemetry/access.h"
#include "telemetry/trace.h"

/*
 * What the filter's own work on one request costs, without any socket: bench-decide IMAGE [ROUNDS]. Each line is the
 * best of five runs, in nanoseconds a request.
 */

static const char request[] =
        "GET /v1.45/containers/json?all=1&filters=%7B%22label%22%3A%7B%22a%22%3Atrue%7D%7D HTTP/1.1\r\n"
        "Host: api.moby.localhost\r\nUser-Agent: Docker-Client/27.3.1 (linux)\r\n"
        "Accept-Encoding: gzip\r\nX-Meta-Source-Client: cli\r\n\r\n";

static struct http_field fields[HTTP_FIELDS_MAX];
static struct policy policy;
static struct arena arena;
static struct exchange x;
static struct log sink;
static struct peer peer = { .kind = PEER_UNIX, .text = "@" };

static void do_head(void) {
        size_t scanned = 0;

        x.head = (struct http_head){ .fields = fields, .fields_room = HTTP_FIELDS_MAX };
        if (http_request_parse(slice_make(request, sizeof(request) - 1), &scanned, &x.head) <= 0)
                abort();
}

static void do_target(void) {
        enum reason_code reason;
        const char *why;

        arena_reset(&arena);
        if (http_target_parse(x.head.target, false, &arena, &x.target, &reason, &why) < 0)
                abort();
}

static void do_query(void) {
        struct http_query q;

        arena_reset(&arena);
        http_query_parse(x.target.query, &arena, &q);
        if (q.n != 2)
                abort();
}

static void do_decide(void) {
        struct rule_verdict v;

        policy_decide(&policy, POLICY_SCOPE_ROOT, x.head.method, x.head.method_text, x.target.normalized, &v);
        x.verdict.rule = v.rule;
}

static void do_trace(void) {
        trace_begin(&x);
}

static void do_record(void) {
        x.status = 200;
        x.normalized_computed = true;
        access_record(&sink, &x);
}

static void do_all(void) {
        do_head();
        trace_begin(&x);
        do_target();
        do_decide();
        do_record();
}

static const struct {
        const char *name;
        void (*run)(void);
} benches[] = {
        { "parse the head", do_head },         { "take the target apart", do_target },
        { "parse the query", do_query },       { "decide by the rules", do_decide },
        { "request id and trace", do_trace },  { "write the access record to /dev/null", do_record },
        { "all of it but the query", do_all },
};

int main(int argc, char *argv[]) {
        unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 200000;
        struct error e;
        int fd;

        fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0 || policy_image_map(fd, &policy, &e) < 0) {
                fprintf(stderr, "usage: bench-decide IMAGE [ROUNDS]   (IMAGE from `sockguard-ctl compile`)\n");
                return 2;
        }
        arena_init(&arena, 1024 * 1024, NULL);
        if (log_open(&sink, SLICE("/dev/null"), NULL, 0, &e) < 0)
                return 1;
        x.arena = &arena;
        x.policy = &policy;
        x.peer = &peer;
        x.listener_name = SLICE("default");
        do_head();
        do_target();
        for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
                uint64_t best = UINT64_MAX;

                for (unsigned run = 0; run < 5; run++) {
                        uint64_t start = now_ns(), took;

                        for (unsigned long k = 0; k < rounds; k++)
                                benches[i].run();
                        took = now_ns() - start;
                        best = took < best ? took : best;
                }
                printf("%-40s %8.1f ns\n", benches[i].name, (double) best / (double) rounds);
        }
        return 0;
}
