/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "limits/metrics.h"
#include "telemetry/route.h"

static void a_route_is_made_of_the_engines_words_alone(void) {
        static const struct { const char *path, *route; } rows[] = {
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
        struct metric_key k = { .family = FAMILY_DENIED, .decision = METRIC_ERROR, .listener = 33, .profile = STATE_PROFILES, .route = 1023,
                                .method = HTTP_METHOD_OTHER, .status = 599, .reason = REASON_MAX_ - 1, .mode = MODE_AUDIT };
        struct metric_key g = metric_key_unpack(metric_key_pack(&k));

        CHECK(memcmp(&k, &g, sizeof(k)) == 0);
        k = (struct metric_key) { .family = FAMILY_REQUESTS };
        CHECK(metric_key_pack(&k) != 0);
}

CHECK_MAIN(CHECK_TEST(a_route_is_made_of_the_engines_words_alone), CHECK_TEST(a_key_holds_every_label_and_gives_it_back))
