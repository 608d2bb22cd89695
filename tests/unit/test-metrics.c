/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "check.h"
#include "limits/metrics.h"
#include "telemetry/route.h"

static void a_route_is_made_of_the_engines_words_alone(void) {
        static const struct {
                const char *path, *route;
        } rows[] = {
                { "", "unknown" },
                { "  ", "unknown" },
                { "/", "/" },
                { "/v1.45", "/" },
                { "/v1.45/containers/json", "/containers/json" },
                { "/containers", "/containers" },
                { "/containers/abc", "/containers/{id}" },
                { "/containers/abc/json", "/containers/{id}/json" },
                { "/containers/json/x", "/containers/json" },
                { "/containers/abc/a/b/start", "/containers/{id}/start" },
                { "/containers/abc/evil", "/containers/{id}/{other}" },
                { "/exec", "/exec" },
                { "/exec/e/start", "/exec/{id}/start" },
                { "/images/library/busybox/json", "/images/{id}/json" },
                { "/images/load", "/images/load" },
                { "/volumes/prune", "/volumes/{id}" },
                { "/volumes/create", "/volumes/create" },
                { "/system/df", "/system/df" },
                { "/system", "/system" },
                { "/build/x/y", "/build" },
                { "/swarm", "/swarm" },
                { "/swarm/init/more", "/swarm/init" },
                { "/swarm/zzz", "/swarm/{other}" },
                { "/plugins/pull", "/plugins/pull" },
                { "/plugins/a", "/plugins/{name}" },
                { "/plugins/a/enable", "/plugins/{name}/enable" },
                { "/plugins/a/b/enable", "/plugins/{name}/{other}" },
                { "/health", "/health/..." },
                { "/libpod/containers/json", "/libpod/..." },
                { "/nobody/knows", "/{other}/..." },
                { "/\xff", "/{other}/..." },
                { "//containers//json//", "/containers/{id}/json" },
                { "/vx/containers", "/{other}/..." },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char buffer[ROUTE_MAX];

                CHECK_SLICE(route_template(slice_of(rows[i].path), buffer), slice_of(rows[i].route));
        }
}

static void a_key_holds_every_label_and_gives_it_back(void) {
        struct metric_key k = { .family = FAMILY_DENIED,
                                .decision = METRIC_ERROR,
                                .listener = 33,
                                .profile = STATE_PROFILES,
                                .route = 1023,
                                .method = HTTP_METHOD_OTHER,
                                .status = 599,
                                .reason = REASON_MAX_ - 1,
                                .mode = MODE_AUDIT };
        struct metric_key g = metric_key_unpack(metric_key_pack(&k));

        CHECK(memcmp(&k, &g, sizeof(k)) == 0);
        k = (struct metric_key){ .family = FAMILY_REQUESTS };
        CHECK(metric_key_pack(&k) != 0);
}

static void a_lost_request_counts_once_whatever_its_filter_wrote(void) {
        struct state_map *m = calloc(1, sizeof(*m));
        struct state_lease l = { 0 };
        uint64_t counted = 0, timed = 0;

        CHECK(m);
        /* All bits set: every number is past its table. */
        memset(&l, 0xff, sizeof(l));
        metrics_lost(m, &l, true);
        memset(&l, 0, sizeof(l));
        metrics_lost(m, &l, true);
        metrics_lost(m, &l, false);
        for (size_t i = 0; i < STATE_COUNTERS; i++) {
                struct metric_key k = metric_key_unpack(state_get(&m->counters[i].key));

                if (state_get(&m->counters[i].key) == 0)
                        continue;
                CHECK(k.decision == METRIC_ERROR && k.status == 0 && k.listener < STATE_LISTENERS &&
                      k.profile <= STATE_PROFILES && k.route < STATE_ROUTES);
                counted += state_get(&m->counters[i].value);
        }
        for (size_t i = 0; i < STATE_HISTOGRAMS; i++)
                for (size_t b = 0; b < STATE_BUCKETS; b++)
                        timed += state_get(&m->histograms[i].bucket[b]);
        CHECK_INT(counted, 2);
        CHECK_INT(timed, 2);
        CHECK_INT(state_get(&m->h.decisions[METRIC_ERROR]), 3);
        free(m);
}

CHECK_MAIN(CHECK_TEST(a_lost_request_counts_once_whatever_its_filter_wrote),
           CHECK_TEST(a_route_is_made_of_the_engines_words_alone),
           CHECK_TEST(a_key_holds_every_label_and_gives_it_back))
