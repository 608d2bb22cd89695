/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "check.h"
#include "filter/deadlines.h"

enum { CLOCK = 0, FREE = 1, HIJACKS = 2, UPGRADES = 4 };

static struct relay_kind kind_of(struct arena *a, const char *method, const char *target) {
        struct exchange x = { .arena = a };
        enum reason_code refused;
        struct relay_kind k;
        const char *why;

        x.head.method = http_method_of(slice_of(method));
        CHECK_INT(http_target_parse(slice_of(target), false, a, &x.target, &refused, &why), 0);
        relay_kind_of(&x, &k);
        return k;
}

static void only_requests_with_an_end_have_a_deadline(void) {
        static const struct {
                const char *method, *target;
                int want;
        } rows[] = {
                { "GET", "/containers/json", CLOCK },
                { "GET", "/v1.45/events?since=1", FREE },
                { "POST", "/events", CLOCK },
                { "GET", "/containers/x/logs", CLOCK },
                { "GET", "/containers/x/logs?follow=1", FREE },
                { "GET", "/containers/x/logs?follow=%20TRUE%20", FREE },
                { "GET", "/containers/x/logs?follow=0&follow=1", CLOCK },
                { "GET", "/containers/x/logs?follow=none", CLOCK },
                { "GET", "/containers/x/y/logs?follow=1", CLOCK },
                { "GET", "/containers//logs?follow=1", CLOCK },
                { "GET", "/services/x/logs?follow=yes", FREE },
                { "GET", "/tasks/x/logs?follow=yes", FREE },
                { "GET", "/containers/x/stats", FREE },
                { "GET", "/containers/x/stats?stream=false", CLOCK },
                { "GET", "/containers/x/stats?stream=", CLOCK },
                { "GET", "/libpod/containers/stats", FREE },
                { "GET", "/containers/x/export", FREE },
                { "GET", "/containers/x/archive?path=/", FREE },
                { "PUT", "/containers/x/archive?path=/", FREE },
                { "POST", "/containers/x/archive", CLOCK },
                { "GET", "/images/get", FREE },
                { "GET", "/images/a/b/get", FREE },
                { "GET", "/images/x/history", CLOCK },
                { "POST", "/build", FREE },
                { "POST", "/libpod/build", FREE },
                { "POST", "/libpod/images/pull", FREE },
                { "POST", "/images/reg/x/push", FREE },
                { "POST", "/plugins/a/b/upgrade", FREE },
                { "POST", "/containers/x/wait", FREE },
                { "POST", "/commit", FREE },
                { "GET", "/containers/x/attach/ws", FREE | UPGRADES },
                { "POST", "/session", FREE | UPGRADES },
                { "POST", "/grpc", FREE | UPGRADES },
                { "GET", "/grpc", CLOCK },
                { "POST", "/containers/x/attach", HIJACKS | UPGRADES },
                { "POST", "/libpod/containers/x/attach", HIJACKS | UPGRADES },
                { "POST", "/exec/x/start", HIJACKS | UPGRADES },
                { "POST", "/libpod/exec/x/start", HIJACKS | UPGRADES },
                { "POST", "/exec/x/y/start", CLOCK },
                { "POST", "/containers/x/attach/y", CLOCK },
                { "GET", "/containers/x/attach", CLOCK },
                { "POST", "/libpodx/containers/x/attach", CLOCK },
        };
        struct arena a;

        arena_init(&a, 1u << 20, NULL);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct relay_kind k = kind_of(&a, rows[i].method, rows[i].target);
                int got = (k.no_deadline ? FREE : 0) | (k.hijack ? HIJACKS : 0) | (k.may_upgrade ? UPGRADES : 0);

                if (got != rows[i].want)
                        fprintf(stderr, "%s %s\n", rows[i].method, rows[i].target);
                CHECK_INT(got, rows[i].want);
                arena_reset(&a);
        }
        arena_free(&a);
}

static void what_a_client_asks_a_stop_to_take_is_added(void) {
        struct arena a;

        arena_init(&a, 1u << 20, NULL);
        CHECK_INT(kind_of(&a, "POST", "/containers/x/stop?t=300").extra_ns, 300 * NSEC_PER_SEC);
        CHECK_INT(kind_of(&a, "POST", "/libpod/containers/x/stop?timeout=7").extra_ns, 7 * NSEC_PER_SEC);
        CHECK_INT(kind_of(&a, "POST", "/containers/x/restart?t=-1").extra_ns, 86400 * NSEC_PER_SEC);
        CHECK_INT(kind_of(&a, "POST", "/containers/x/stop?t=99999999999999999999").extra_ns, 0);
        CHECK_INT(kind_of(&a, "POST", "/containers/x/stop?t=999999999").extra_ns, 86400 * NSEC_PER_SEC);
        CHECK_INT(kind_of(&a, "POST", "/containers/x/start?t=300").extra_ns, 0);
        arena_free(&a);
}

CHECK_MAIN(CHECK_TEST(only_requests_with_an_end_have_a_deadline),
           CHECK_TEST(what_a_client_asks_a_stop_to_take_is_added))
