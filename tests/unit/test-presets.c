/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdlib.h>

#include "policy/load.h"
#include "policy/rules.h"
#include "tests/unit/check.h"

/* The bundled presets: each stands on its own, and opens what its file says, no more. */

static const struct {
        const char *name;
        unsigned rules;
        bool blind_writes, reads;
        const char *admits[3], *refuses[3]; /* "METHOD /path" */
} presets[] = {
        { "autoheal",
          8,
          false,
          false,
          { "POST /containers/x/restart", "GET /events" },
          { "POST /containers/x/stop", "GET /containers/x/logs" } },
        { "cis-docker-benchmark",
          27,
          false,
          false,
          { "POST /containers/create", "DELETE /images/a/b" },
          { "POST /containers/x/exec", "POST /build" } },
        { "diun", 6, false, true, { "GET /containers/x/json" }, { "POST /containers/create", "GET /events" } },
        { "drydock-with-build", 39, false, false, { "POST /build" }, { "POST /session", "POST /containers/x/exec" } },
        { "drydock-with-compose", 38, false, false, { "POST /volumes/create" }, { "POST /build" } },
        { "drydock-with-mediated-build", 40, false, false, { "POST /session", "POST /grpc" }, { "POST /build" } },
        { "drydock-with-selfupdate", 36, false, false, { "POST /containers/x/exec" }, { "POST /networks/create" } },
        { "drydock",
          33,
          false,
          false,
          { "POST /images/create" },
          { "POST /containers/x/exec", "GET /containers/x/logs" } },
        { "github-actions-runner",
          33,
          true,
          true,
          { "POST /containers/x/attach" },
          { "DELETE /images/x", "POST /build" } },
        { "gitlab-runner", 37, true, true, { "DELETE /images/x" }, { "POST /build" } },
        { "homarr", 11, false, true, { "POST /containers/x/start" }, { "POST /containers/x/kill" } },
        { "homepage", 10, false, true, { "GET /tasks/x" }, { "POST /containers/x/start" } },
        { "multi-listener", 1, false, false, { NULL }, { "GET /_ping" } },
        { "podman-readonly",
          39,
          false,
          false,
          { "GET /libpod/pods/json" },
          { "GET /containers/x/logs", "POST /libpod/containers/create" } },
        { "portainer",
          22,
          true,
          true,
          { "POST /services/create", "DELETE /volumes/x" },
          { "POST /session", "POST /grpc" } },
        { "portwing-with-build", 40, false, true, { "POST /build" }, { "POST /session" } },
        { "portwing-with-compose", 39, false, true, { "POST /networks/create" }, { "POST /build" } },
        { "portwing-with-exec", 37, true, true, { "POST /exec/x/start" }, { "POST /networks/create" } },
        { "portwing-with-mediated-build", 41, false, true, { "POST /grpc" }, { "POST /build" } },
        { "portwing", 33, false, true, { "GET /containers/x/logs" }, { "POST /containers/x/exec" } },
        { "readonly",
          3,
          false,
          true,
          { "GET /anything/at/all" },
          { "HEAD /containers/json", "POST /containers/create" } },
        { "sockguard", 5, false, false, { "GET /_ping", "HEAD /_ping", "GET /events" }, { "GET /containers/json" } },
        { "traefik", 10, false, true, { "GET /networks/x" }, { "GET /images/json", "POST /containers/create" } },
        { "watchtower", 25, true, true, { "POST /networks/x/connect" }, { "POST /networks/create", "POST /build" } },
};

#define N (sizeof(presets) / sizeof(presets[0]))

static const char *directory(void) {
        static char path[4096];
        const char *top = getenv("TOP_SRCDIR");

        (void) snprintf(path, sizeof(path), "%s/policy", top ? top : ".");
        return path;
}

static bool admits(struct config *c, const char *request) {
        struct slice method, path;
        struct rule_verdict v;

        (void) slice_cut(slice_of(request), ' ', &method, &path);
        policy_decide(config_policy(c), POLICY_SCOPE_ROOT, http_method_of(method), method, path, &v);
        return v.allow;
}

static void check_preset(size_t i) {
        struct config_source source = { .path_given = true, .must_exist = true };
        const struct problems *problems;
        _cleanup_config_ struct config *c = NULL;
        struct slice image;
        char path[4200];

        (void) snprintf(path, sizeof(path), "%s/%s.yaml", directory(), presets[i].name);
        source.path = path;
        CHECK_INT(config_load(&source, &c), 0);
        if (c == NULL)
                return;
        CHECK_INT(config_check(c), 0);
        CHECK_INT(config_compile(c, 0, &image), 0);
        problems = config_problems(c);
        if (problems->n_errors > 0)
                fprintf(stderr, "%s: %.*s\n", path, SLICE_ARG(problems->at[0].expected));
        CHECK_INT(config_root(c)->rules.n, presets[i].rules);
        CHECK_INT(config_root(c)->insecure_allow_body_blind_writes, presets[i].blind_writes);
        CHECK_INT(config_root(c)->insecure_allow_read_exfiltration, presets[i].reads);
        CHECK(!config_root(c)->insecure_accept_opaque_buildkit_tunnels);
        for (size_t k = 0; k < 3; k++) {
                if (presets[i].admits[k] != NULL && !admits(c, presets[i].admits[k])) {
                        fprintf(stderr, "%s: %s is refused\n", presets[i].name, presets[i].admits[k]);
                        CHECK(false);
                }
                if (presets[i].refuses[k] != NULL && admits(c, presets[i].refuses[k])) {
                        fprintf(stderr, "%s: %s is admitted\n", presets[i].name, presets[i].refuses[k]);
                        CHECK(false);
                }
        }
}

static void every_preset_compiles_and_opens_what_it_says_and_no_more(void) {
        for (size_t i = 0; i < N; i++)
                check_preset(i);
}

static void every_file_is_in_the_table(void) {
        DIR *d = opendir(directory());
        struct dirent *entry;
        unsigned n = 0;

        CHECK(d != NULL);
        while (d != NULL && (entry = readdir(d)) != NULL) {
                size_t len = strlen(entry->d_name);

                n += len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
        }
        if (d != NULL)
                (void) closedir(d);
        CHECK_INT(n, N);
}

static void the_default_file_gives_way_to_the_section_variables(void) {
        char *environment[] = { (char[]){ "IMAGES=1" }, NULL };
        struct config_source source = {
                .path_given = true, .must_exist = true, .environment = environment, .sections = true
        };
        _cleanup_config_ struct config *c = NULL;
        char path[4200];

        (void) snprintf(path, sizeof(path), "%s/sockguard.yaml", directory());
        source.path = path;
        CHECK_INT(config_load(&source, &c), 0);
        if (c == NULL)
                return;
        (void) config_check(c);
        CHECK(config_compat_active(c));
}

CHECK_MAIN(CHECK_TEST(every_preset_compiles_and_opens_what_it_says_and_no_more), CHECK_TEST(every_file_is_in_the_table),
           CHECK_TEST(the_default_file_gives_way_to_the_section_variables))
