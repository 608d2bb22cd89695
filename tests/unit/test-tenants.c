/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/check.h"

#include "identity/ownership.h"
#include "tests/unit/tenants.h"

#define MINE "{\"com.sockguard.owner\":\"alice\"}"

/*
 * The daemon of these tests: whatever is called "mine" is alice's, "theirs" bob's, "none" nobody's, "gone" is not
 * there, "broken" answers 500. Labels stand at all places where some kind keeps them. Exec instances are "e" + their
 * container.
 */
static struct slice last_lookup;
static unsigned lookups;

static bool path_has(struct slice path, const char *word) {
        size_t n = strlen(word);

        for (size_t i = 0; i + n <= path.len; i++)
                if (memcmp(path.at + i, word, n) == 0)
                        return true;
        return false;
}

static int fake_lookup(struct exchange *x, struct slice path, size_t limit, struct lookup *ret) {
        const char *owner = path_has(path, "mine") ? "alice" : path_has(path, "theirs") ? "bob" : NULL;
        struct slice labels;

        (void) limit;
        lookups++;
        last_lookup = arena_dup(x->arena, path);
        if (path_has(path, "broken")) {
                *ret = (struct lookup){ .status = 500, .body = SLICE("{}") };
                return 0;
        }
        if (path_has(path, "huge")) {
                char *body = arena_alloc(x->arena, 1u << 20);

                memset(body, ' ', 1u << 20);
                memcpy(body, "{\"Labels\":" MINE "}", strlen("{\"Labels\":" MINE "}"));
                *ret = (struct lookup){ .status = 200, .body = slice_make(body, 1u << 20) };
                return 0;
        }
        if (path_has(path, "gone")) {
                *ret = (struct lookup){ .status = 404, .body = SLICE("{}") };
                return 0;
        }
        if (slice_starts(path, SLICE("/exec/"))) {
                struct slice id = slice_from(path, strlen("/exec/e"));

                id.len -= strlen("/json");
                *ret = (struct lookup){ .status = 200,
                                        .body = arena_printf(x->arena, "{\"ContainerID\":\"%.*s\"}", SLICE_ARG(id)) };
                return 0;
        }
        if (slice_eq(path, SLICE("/images/json"))) {
                *ret = (struct lookup){ .status = 200,
                                        .body = SLICE(
                                                "[{\"RepoTags\":[\"ours:1\"],\"Labels\":{\"com.sockguard.owner\":"
                                                "\"alice\",\"vis\":\"alice\"}},"
                                                "{\"RepoTags\":[\"a/"
                                                "ours:1\",\"shared:1\"],\"Labels\":{\"com.sockguard.owner\":\"alice\","
                                                "\"vis\":\"alice\"}},"
                                                "{\"RepoTags\":null,\"RepoDigests\":[\"shared@sha256:1\"],\"Labels\":{"
                                                "\"com.sockguard.owner\":\"bob\"}},"
                                                "{\"RepoTags\":[\"r.io:5000/"
                                                "hers:1\",\"hers:1\"],\"Labels\":{\"com.sockguard.owner\":\"bob\"}},"
                                                "{\"RepoTags\":[\"nobodys:1\"],\"Labels\":null}]") };
                return 0;
        }
        labels = owner ? arena_printf(x->arena, "{\"com.sockguard.owner\":\"%s\",\"vis\":\"%s\"}", owner, owner)
                       : SLICE("{}");
        ret->status = 200;
        if (path_has(path, "/libpod/networks/"))
                ret->body = arena_printf(x->arena, "[{\"labels\":%.*s}]", SLICE_ARG(labels));
        else if (path_has(path, "/containers/") || path_has(path, "/images/"))
                ret->body = arena_printf(x->arena,
                                         "{\"Name\":\"/"
                                         "web\",\"RepoTags\":[\"web:1\"],\"Image\":\"sha256:0\",\"Config\":{\"Image\":"
                                         "\"nginx:1\",\"Labels\":%.*s}}",
                                         SLICE_ARG(labels));
        else if (path_has(path, "/networks/") || path_has(path, "/volumes/") || path_has(path, "/tasks/") ||
                 path_has(path, "/pods/"))
                ret->body = arena_printf(x->arena, "{\"Labels\":%.*s}", SLICE_ARG(labels));
        else
                ret->body = arena_printf(x->arena, "{\"Spec\":{\"Labels\":%.*s}}", SLICE_ARG(labels));
        return 0;
}

static int fake_body(struct exchange *x, size_t limit) {
        return x->body.len > limit ? -EFBIG : 0;
}

static const struct exchange_ops ops = { .lookup = fake_lookup, .body_buffer = fake_body };

static void setup(struct fake *f) {
        fake_init(f);
        f->x.ops = &ops;
        f->image.root.ownership.owner = fake_str(f, "alice");
        f->image.root.ownership.label_key = fake_str(f, "com.sockguard.owner");
        f->image.root.ownership.allow_unowned_images = true;
}

static void request(struct fake *f, const char *line, const char *body) {
        fake_request(f, line);
        f->x.body = slice_of(body);
        f->x.body_state = body ? BODY_BUFFERED : BODY_NONE;
        f->x.profile_selected = false;
        lookups = 0;
}

struct row {
        const char *line, *body;
        int status; /* 0: passes */
};

static void check_rows(struct fake *f, const struct row *rows, size_t n,
                       enum stage_result (*stage)(struct exchange *)) {
        for (size_t i = 0; i < n; i++) {
                request(f, rows[i].line, rows[i].body);
                (void) stage(&f->x);
                if (f->x.verdict.status != rows[i].status)
                        fprintf(stderr, "row %zu: %s %s: %.*s\n", i, rows[i].line, rows[i].body ? rows[i].body : "",
                                SLICE_ARG(f->x.verdict.reason));
                CHECK_INT(f->x.verdict.status, rows[i].status);
        }
}

#define ROWS(f, rows, stage) check_rows((f), (rows), sizeof(rows) / sizeof((rows)[0]), (stage))

static void every_path_that_names_a_resource_is_checked(void) {
        static const char *const paths[] = {
                "GET /containers/%s/json",
                "POST /containers/%s/stop",
                "DELETE /containers/%s",
                "GET /containers/%s/logs",
                "POST /containers/%s/exec",
                "GET /containers/%s/archive",
                "PUT /containers/%s/archive",
                "GET /containers/%s/attach/ws",
                "POST /containers/%s/attach",
                "GET /exec/e%s/json",
                "POST /exec/e%s/start",
                "POST /exec/e%s/resize",
                "GET /networks/%s",
                "DELETE /networks/%s",
                "POST /networks/%s/connect",
                "GET /volumes/%s",
                "DELETE /volumes/%s",
                "PUT /volumes/%s",
                "GET /services/%s",
                "GET /services/%s/logs",
                "DELETE /services/%s",
                "GET /tasks/%s",
                "GET /tasks/%s/logs",
                "GET /secrets/%s",
                "POST /secrets/%s/update",
                "DELETE /configs/%s",
                "POST /configs/%s/update",
                "GET /nodes/%s",
                "DELETE /nodes/%s",
                "GET /libpod/containers/%s/json",
                "POST /libpod/containers/%s/start",
                "GET /libpod/exec/e%s/json",
                "POST /libpod/pods/%s/stop",
                "GET /libpod/networks/%s/json",
                "DELETE /libpod/volumes/%s",
                "GET /libpod/secrets/%s/json",
                "GET /images/%s/json",
                "DELETE /images/%s",
                "POST /images/%s/push",
                "GET /images/a/%s/get",
                "GET /images/%s/history",
        };
        static const struct {
                const char *name;
                int status, image_status;
        } names[] = {
                { "mine", 0, 0 }, { "theirs", 403, 403 }, { "none", 403, 0 }, { "gone", 0, 0 }, { "broken", 502, 502 }
        };
        static struct fake f;

        setup(&f);
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
                for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
                        int want = strstr(paths[i], "/images/") ? names[j].image_status : names[j].status;
                        char line[128];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                        snprintf(line, sizeof(line), paths[i], names[j].name);
#pragma GCC diagnostic pop
                        request(&f, line, NULL);
                        (void) stage_ownership(&f.x);
                        if (f.x.verdict.status != want)
                                fprintf(stderr, "%s\n", line);
                        CHECK_INT(f.x.verdict.status, want);
                }
        fake_done(&f);
}

static void reserved_words_are_names_where_the_daemon_reads_them_so(void) {
        static const struct {
                const char *line, *lookup; /* "" : no resource is looked up */
        } rows[] = {
                { "POST /containers/json/stop", "/containers/json/json" },
                { "GET /containers/json", "" },
                { "POST /containers/create/start", "/containers/create/json" },
                { "DELETE /containers/prune", "/containers/prune/json" },
                { "GET /volumes/create", "/volumes/create" },
                { "DELETE /volumes/prune", "/volumes/prune" },
                { "PUT /volumes/create", "/volumes/create" },
                { "POST /volumes/prune", "" },
                { "GET /networks/prune", "/networks/prune" },
                { "DELETE /secrets/create", "/secrets/create" },
                { "DELETE /images/json", "/images/json/json" },
                { "GET /images/json", "" },
                { "DELETE /images/foo/get", "/images/foo%2Fget/json" },
                { "GET /images/foo:1/get", "/images/foo:1/json" },
                { "GET /networks/gone/b", "/networks/gone%2Fb" },
                { "DELETE /networks/gone/connect", "/networks/gone%2Fconnect" },
                { "POST /networks/gone/b/connect", "/networks/gone%2Fb" },
                { "POST /networks/gone/connect", "/networks/gone" },
                { "GET /containers/gone/b/json", "/containers/gone%2Fb/json" },
                { "GET /containers/gone/attach/ws", "/containers/gone/json" },
                { "GET /containers/gone/b/attach/ws", "/containers/gone%2Fb/json" },
                { "DELETE /containers/gone/b", "/containers/gone%2Fb/json" },
                { "DELETE /volumes/gone/b", "/volumes/gone%2Fb" },
                { "POST /images/foo/json", "/images/foo%2Fjson/json" },
                { "GET /images/foo/push", "/images/foo%2Fpush/json" },
                { "GET /images/search/json", "/images/search/json" },
                { "POST /images/load", "" },
                { "GET /containers/a%20b/json", "/containers/a%20b/json" },
                { "GET /containers/a%2Fb/json", "/containers/a/json" },
                { "GET /v4.0.0/libpod/pods/p/json", "/v4.0.0/libpod/pods/p/json" },
                { "GET /v4.0.0/libpod/containers/p/json", "/containers/p/json" },
                { "GET /libpod/pods/stats", "" },
                { "DELETE /libpod/pods/stats", "/libpod/pods/stats/json" },
                { "GET /_ping", "" },
                { "GET /info", "" },
        };
        static struct fake f;

        setup(&f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                request(&f, rows[i].line, NULL);
                last_lookup = SLICE("");
                (void) stage_ownership(&f.x);
                if (!slice_eq(last_lookup, slice_of(rows[i].lookup)))
                        fprintf(stderr, "%s\n", rows[i].line);
                CHECK_STR(last_lookup, rows[i].lookup);
        }
        fake_done(&f);
}

static void every_reference_is_checked(void) {
        static const struct row rows[] = {
                { "POST /containers/create", "{\"Image\":\"mine\"}", 0 },
                { "POST /containers/create", "{\"Image\":\"none\"}", 0 },
                { "POST /containers/create", "{\"Image\":\"theirs\"}", 403 },
                { "POST /containers/create", "{\"Image\":\"gone\"}", 403 },
                { "POST /containers/create", "{\"Image\":\"broken\"}", 502 },
                { "POST /containers/create", "{\"imaGe\":\" theirs \"}", 403 },
                { "POST /containers/create", "{\"Ima\\u0067e\":\"theirs\"}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"Binds\":[\"/theirs:/x\",\"mine:/y\",\"theirs\"]}}",
                  0 },
                { "POST /containers/create", "{\"HostConfig\":{\"Binds\":[\" theirs :/x\"]}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"Binds\":[\"none:/x\"]}}", 403 },
                { "POST /containers/create", "{\"ho\u017ftconfig\":{\"binds\":[\"theirs:/x\"]}}", 403 },
                { "POST /containers/create",
                  "{\"HostConfig\":{\"Mounts\":[{\"Type\":\"Volume\",\"Source\":\"theirs\"}]}}", 403 },
                { "POST /containers/create",
                  "{\"HostConfig\":{\"Mounts\":[{\"Type\":\"cluster\",\"Source\":\"theirs\"}]}}", 403 },
                { "POST /containers/create",
                  "{\"HostConfig\":{\"Mounts\":[{\"Type\":\"image\",\"Source\":\"theirs\"}]}}", 403 },
                { "POST /containers/create",
                  "{\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"theirs\"}]}}", 0 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\"theirs\"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\"Bridge\"}}", 0 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\"ns:/none\"}}", 0 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\"ns:theirs\"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\"Container:theirs\"}}", 403 },
                { "POST /containers/create",
                  "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"mine\":{\"Links\":[\"theirs:x\"]}}}}", 403 },
                { "POST /networks/create", "{\"Name\":\"n\",\"ConfigFrom\":{\"Network\":\"theirs\"}}", 403 },
                { "POST /networks/create", "{\"Name\":\"n\",\"ConfigFrom\":{\"Network\":\"none\"}}", 0 },
                { "POST /volumes/create",
                  "{\"Name\":\"mine\",\"ClusterVolumeSpec\":{\"Secrets\":[{\"Key\":\"k\",\"Secret\":\"theirs\"}]}}",
                  403 },
                { "POST /networks/a/mine/connect", "{\"Container\":\"theirs\"}", 403 },
                { "POST /networks/mine/connect", "{\"Container\":\"mine\",\"EndpointConfig\":{\"Links\":[\"theirs\"]}}",
                  403 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\"container:theirs\"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\" CONTAINER: theirs\"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\"container:gone\"}}", 0 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\"container:none\"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"NetworkMode\":\"container: \"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"PidMode\":\"container:theirs\"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"IpcMode\":\"container:theirs\"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"UTSMode\":\"container:theirs\"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"UsernsMode\":\"container:theirs\"}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"VolumesFrom\":[\"theirs:ro\"]}}", 403 },
                { "POST /containers/create", "{\"HostConfig\":{\"Links\":[\"theirs:x\"]}}", 403 },
                { "POST /containers/create", "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"theirs\":{}}}}", 403 },
                { "POST /containers/create",
                  "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"bridge\":{\"NetworkID\":\"theirs\"}}}}", 403 },
                { "POST /containers/create",
                  "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"mine\":null,\"bridge\":{}}}}", 0 },
                { "POST /services/create", "{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"theirs\"}}}", 403 },
                { "POST /services/create",
                  "{\"TaskTemplate\":{\"ContainerSpec\":{\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"theirs\"}]}}}",
                  403 },
                { "POST /services/create",
                  "{\"TaskTemplate\":{\"ContainerSpec\":{\"Secrets\":[{\"SecretID\":\"mine\",\"SecretName\":\"theirs\"}"
                  "]}}}",
                  0 },
                { "POST /services/create",
                  "{\"TaskTemplate\":{\"ContainerSpec\":{\"Secrets\":[{\"SecretID\":\" "
                  "\",\"SecretName\":\"theirs\"}]}}}",
                  403 },
                { "POST /services/create",
                  "{\"TaskTemplate\":{\"ContainerSpec\":{\"Configs\":[{\"ConfigID\":\"theirs\"}]}}}", 403 },
                { "POST /services/create", "{\"Networks\":[{\"Target\":\"theirs\"}]}", 403 },
                { "POST /services/create", "{\"TaskTemplate\":{\"Networks\":[{\"Target\":\"theirs\"}]}}", 403 },
                { "POST /services/mine/update?version=1", "{\"TaskTemplate\":{\"Networks\":[{\"Target\":\"theirs\"}]}}",
                  403 },
                { "POST /services/create",
                  "{\"TaskTemplate\":{\"ContainerSpec\":{\"Privileges\":{\"CredentialSpec\":{\"Config\":\"theirs\"}}}}"
                  "}",
                  403 },
                { "POST /services/create",
                  "{\"TaskTemplate\":{\"NetworkAttachmentSpec\":{\"ContainerID\":\"theirs\"}}}", 403 },
                { "POST /networks/mine/connect", "{\"Container\":\"theirs\"}", 403 },
                { "POST /networks/mine/connect", "{\"container\":\"mine\"}", 0 },
                { "POST /networks/mine/disconnect", "{\"Container\":\"theirs\",\"Force\":true}", 403 },
                { "POST /networks/mine/disconnect", "{\"Container\":\"mine\",\"container\":\"theirs\"}", 400 },
                { "POST /networks/mine/connect", "{", 400 },
                { "POST /volumes/create", "{\"Name\":\"theirs\"}", 403 },
                { "POST /volumes/create", "{\"Name\":\"gone\"}", 0 },
                { "POST /commit?container=theirs", NULL, 403 },
                { "POST /commit?container=mine&container=theirs", NULL, 403 },
                { "POST /commit?container=mine&repo=theirs&tag=1", NULL, 403 },
                { "POST /commit?container=mine&repo=gone", NULL, 0 },
                { "POST /commit?container=mine&repo=theirs:9&tag=1", NULL, 403 },
                { "GET /images/get?names=mine&names=theirs", NULL, 403 },
                { "GET /images/get?names=none", NULL, 0 },
                { "GET /images/get?names=ours", NULL, 0 },
                { "GET /images/get?names=shared:1", NULL, 0 },
                { "GET /images/get?names=shared", NULL, 403 },
                { "GET /images/get?Names=shared", NULL, 403 },
                { "GET /images/get?names=index.docker.io/library/hers", NULL, 403 },
                { "GET /images/hers/get", NULL, 403 },
                { "GET /images/docker.io/hers/get", NULL, 403 },
                { "GET /images/r.io:5000/hers/get", NULL, 403 },
                { "GET /images/nobodys/get", NULL, 0 },
                { "POST /images/ours/push", NULL, 0 },
                { "POST /images/hers/push", NULL, 403 },
                { "POST /images/ours/push?tag=theirs", NULL, 403 },
                { "POST /images/ours:1/push?tag=theirs", NULL, 403 },
                { "POST /images/ours/push?tag=gone", NULL, 0 },
                { "POST /images/create?fromImage=hers", NULL, 403 },
                { "POST /images/create?fromImage=hers&tag=2", NULL, 0 },
                { "POST /images/create?fromImage=x&tag=1&tag=theirs", NULL, 403 },
                { "POST /images/mine/tag?repo=theirs", NULL, 403 },
                { "POST /images/mine/tag?repo=none", NULL, 0 },
                { "POST /images/create?fromImage=theirs&tag=1", NULL, 403 },
                { "POST /images/create?fromImage=theirs&tag=sha256:0", NULL, 0 },
                { "POST /images/create?fromSrc=-&repo=theirs", NULL, 403 },
                { "POST /images/create?fromImage=none", NULL, 0 },
                { "POST /build?t=theirs:1", NULL, 403 },
                { "POST /build?networkmode=container:theirs", NULL, 403 },
                { "POST /build?networkmode=theirs", NULL, 403 },
                { "POST /build?networkmode=host", NULL, 0 },
                { "POST /build?cachefrom=[%22mine%22,%22theirs%22]", NULL, 403 },
                { "POST /build?cachefrom=[%22gone%22]", NULL, 0 },
                { "POST /libpod/containers/create", "{\"image\":\"mine\",\"pod\":\"theirs\"}", 403 },
                { "POST /libpod/containers/create", "{\"netns\":{\"nsmode\":\"container\",\"value\":\"theirs\"}}",
                  403 },
                { "POST /libpod/containers/create", "{\"cgroupns\":{\"nsmode\":\"container\",\"value\":\"theirs\"}}",
                  0 },
                { "POST /libpod/containers/create", "{\"volumes\":[{\"Name\":\"theirs\"}]}", 403 },
                { "POST /libpod/containers/create", "{\"Networks\":{\"theirs\":{}}}", 403 },
                { "POST /libpod/containers/create", "{\"Networks\":{\"podman\":{}}}", 0 },
                { "POST /libpod/containers/create", "{\"secrets\":[{\"Source\":\"theirs\"}]}", 403 },
                { "POST /libpod/containers/create", "{\"secret_env\":{\"A\":\"theirs\"}}", 403 },
                { "POST /libpod/containers/create", "{\"volumes_from\":[\"theirs:ro\"]}", 403 },
                { "POST /libpod/containers/create", "{\"dependencyContainers\":[\"theirs\"]}", 403 },
                { "POST /libpod/containers/create", "{\"image_volumes\":[{\"Source\":\"theirs\"}]}", 403 },
                { "POST /libpod/pods/create", "{\"infra_image\":\"theirs\"}", 403 },
                { "POST /libpod/pods/create", "{\"volumes\":[{\"Name\":\"theirs\"}]}", 403 },
                { "POST /libpod/pods/create", "{\"volumes_from\":[\"theirs\"]}", 403 },
                { "POST /libpod/pods/create", "{\"image_volumes\":[{\"Source\":\"theirs\"}]}", 403 },
                { "POST /libpod/pods/create", "{\"Networks\":{\"theirs\":{}}}", 403 },
        };
        static struct fake f;

        setup(&f);
        ROWS(&f, rows, stage_ownership);
        f.image.root.ownership.allow_unowned_images = false;
        request(&f, "POST /containers/create", "{\"Image\":\"none\"}");
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER && f.x.verdict.status == 403);
        f.image.root.ownership.allow_cross_owner_namespace_sharing = true;
        request(&f, "POST /containers/create", "{\"HostConfig\":{\"PidMode\":\"container:theirs\"}}");
        CHECK(stage_ownership(&f.x) == STAGE_NEXT);
        fake_done(&f);
}

static void the_images_of_a_build_are_checked(void) {
        static const struct {
                struct slice image;
                int status;
        } rows[] = { { { "mine", 4 }, 0 },
                     { { "theirs", 6 }, 403 },
                     { { "none", 4 }, 0 },
                     { { "gone", 4 }, 0 },
                     { { "broken", 6 }, 502 } };
        static struct fake f;

        setup(&f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                request(&f, "POST /build", NULL);
                f.x.used_images = &rows[i].image;
                f.x.n_used_images = 1;
                (void) stage_ownership(&f.x);
                CHECK_INT(f.x.verdict.status, rows[i].status);
        }
        f.image.root.ownership.strict = true;
        request(&f, "POST /build", NULL);
        f.x.used_images = &rows[3].image;
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER && f.x.verdict.status == 403);
        request(&f, "POST /build?pull=1", NULL);
        f.x.used_images = &rows[0].image;
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER && f.x.verdict.status == 403);
        request(&f, "POST /build?pull=0", NULL);
        f.x.used_images = &rows[0].image;
        CHECK(stage_ownership(&f.x) == STAGE_NEXT);
        fake_done(&f);
}

static void a_flood_of_references_is_refused(void) {
        static char body[200000];
        static struct fake f;
        size_t n = (size_t) snprintf(body, sizeof(body), "{\"HostConfig\":{\"Binds\":[\"mine:/\"");

        for (int i = 0; i < 5000; i++)
                n += (size_t) snprintf(body + n, sizeof(body) - n, ",\"mine%d:/x\"", i);
        snprintf(body + n, sizeof(body) - n, "]}}");
        setup(&f);
        request(&f, "POST /containers/create", body);
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER);
        CHECK_INT(f.x.verdict.status, 400);
        CHECK_INT(lookups, 0);
        fake_done(&f);
}

static void descriptions_are_held_one_at_a_time(void) {
        static char body[20000];
        static struct fake f;
        size_t n = (size_t) snprintf(body, sizeof(body), "{\"HostConfig\":{\"Binds\":[\"mine:/\"");

        for (int i = 0; i < 300; i++)
                n += (size_t) snprintf(body + n, sizeof(body) - n, ",\"huge%d:/x\"", i);
        snprintf(body + n, sizeof(body) - n, "]}}");
        setup(&f);
        request(&f, "POST /containers/create", body);
        CHECK(stage_ownership(&f.x) == STAGE_NEXT);
        CHECK_INT(lookups, 301);
        CHECK(f.arena.used < 4u << 20);
        fake_done(&f);
}

static void bodies_are_stamped_without_touching_other_bytes(void) {
        static const struct {
                const char *line, *body, *want; /* NULL: 400 */
        } rows[] = {
                { "POST /volumes/create", "{}", "{\"Labels\":" MINE "}" },
                { "POST /volumes/create", "{ }", "{\"Labels\":" MINE " }" },
                { "POST /volumes/create", "{\"Name\":\"v\",\"N\":1.50}",
                  "{\"Labels\":" MINE ",\"Name\":\"v\",\"N\":1.50}" },
                { "POST /volumes/create", "{\"Labels\":null}", "{\"Labels\":" MINE "}" },
                { "POST /volumes/create", "{\"Labels\":{}}", "{\"Labels\":" MINE "}" },
                { "POST /volumes/create", "{\"Labels\":{\"a\":\"b\"}}",
                  "{\"Labels\":{\"com.sockguard.owner\":\"alice\",\"a\":\"b\"}}" },
                { "POST /volumes/create", "{\"Labels\":{\"com.sockguard.owner\":\"bob\"}}", "{\"Labels\":" MINE "}" },
                { "POST /volumes/create", "{\"Labels\":{\"com.sockguard.\\u006fwner\":5}}",
                  "{\"Labels\":{\"com.sockguard.\\u006fwner\":\"alice\"}}" },
                { "POST /volumes/create", "{\"lABELS\":{\"COM.SOCKGUARD.OWNER\":\"bob\"}}",
                  "{\"Labels\":{\"com.sockguard.owner\":\"alice\",\"COM.SOCKGUARD.OWNER\":\"bob\"}}" },
                { "POST /volumes/create", "{\"label\u017f\":null}", "{\"Labels\":" MINE "}" },
                { "POST /volumes/create", "{\"Name\":\"v\"} trailing", "{\"Labels\":" MINE ",\"Name\":\"v\"}" },
                { "POST /volumes/create", "{\"Labels\":[]}", NULL },
                { "POST /volumes/create", "{\"Labels\":\"x\"}", NULL },
                { "POST /volumes/create", "{\"Labels\":{},\"labels\":{}}", NULL },
                { "POST /volumes/create", "{\"Labels\":{\"a\":\"1\",\"a\":\"2\"}}", NULL },
                { "POST /volumes/create", "null", NULL },
                { "POST /volumes/create", "[]", NULL },
                { "POST /volumes/create", "", NULL },
                { "POST /volumes/create", "{", NULL },
                { "POST /volumes/create", "{\"A\":{\"b\":1,\"B\":2}}", NULL },
                { "POST /volumes/create", "{\"Name\":\"a\\u0000b\"}", NULL },
                { "GET /containers/create", NULL, NULL },
                { "POST /networks/create", "{\"Name\":\"n\"}", "{\"Labels\":" MINE ",\"Name\":\"n\"}" },
                { "POST /secrets/create", "{\"Name\":\"n\"}", "{\"Labels\":" MINE ",\"Name\":\"n\"}" },
                { "POST /nodes/mine/update", "{\"Role\":\"worker\"}", "{\"Labels\":" MINE ",\"Role\":\"worker\"}" },
                { "POST /nodes/none/update", "{\"Role\":\"worker\"}", "{\"Labels\":" MINE ",\"Role\":\"worker\"}" },
                { "POST /services/create", "{\"Name\":\"s\"}",
                  "{\"TaskTemplate\":{\"ContainerSpec\":{\"Labels\":" MINE "}},\"Labels\":" MINE ",\"Name\":\"s\"}" },
                { "POST /services/create", "{\"TaskTemplate\":null}",
                  "{\"Labels\":" MINE ",\"TaskTemplate\":{\"ContainerSpec\":{\"Labels\":" MINE "}}}" },
                { "POST /services/create", "{\"tasktemplate\":{\"ContainerSpec\":{\"Image\":\"mine\"}}}",
                  "{\"Labels\":" MINE ",\"TaskTemplate\":{\"ContainerSpec\":{\"Labels\":" MINE
                  ",\"Image\":\"mine\"}}}" },
                { "POST /services/create", "{\"TaskTemplate\":{\"ContainerSpec\":null}}",
                  "{\"Labels\":" MINE ",\"TaskTemplate\":{\"ContainerSpec\":{\"Labels\":" MINE "}}}" },
                { "POST /services/create", "{\"TaskTemplate\":5}", NULL },
                { "POST /libpod/containers/create", "{\"image\":\"mine\"}",
                  "{\"labels\":" MINE ",\"image\":\"mine\"}" },
                { "POST /libpod/volumes/create", "{\"Label\":{}}", "{\"Labels\":" MINE ",\"Label\":{}}" },
        };
        static struct fake f;

        setup(&f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                request(&f, rows[i].line, rows[i].body);
                (void) stage_ownership(&f.x);
                if (f.x.verdict.status != (rows[i].want ? 0 : 400))
                        fprintf(stderr, "row %zu: %s %s\n", i, rows[i].line, rows[i].body);
                CHECK_INT(f.x.verdict.status, rows[i].want ? 0 : 400);
                CHECK(f.x.body_changed == (rows[i].want != NULL));
                if (rows[i].want)
                        CHECK_STR(f.x.body, rows[i].want);
        }
        fake_done(&f);
}

static void lists_are_narrowed_in_both_filter_forms(void) {
        static const struct {
                const char *line, *want; /* of filters or labels; NULL: 400 */
        } rows[] = {
                { "GET /containers/json", "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "GET /containers/json?filters=null", "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "GET /containers/json?filters=%7B%22status%22:%7B%22running%22:false,%22exited%22:true%7D%7D",
                  "{\"status\":[\"exited\",\"running\"],\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "GET /containers/json?filters=%7B%22label%22:%7B%22com.sockguard.owner=bob%22:true%7D%7D",
                  "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "GET "
                  "/containers/"
                  "json?filters=%7B%22label%22:[%22a=b%22,%22%20com.sockguard.owner%20=x%22,%22com.sockguard.owner%22]%"
                  "7D",
                  "{\"label\":[\"a=b\",\"com.sockguard.owner=alice\"]}" },
                { "GET /containers/json?filters=%7B%22label%22:[%22x%22],%22label%22:[%22y%22]%7D",
                  "{\"label\":[\"y\",\"com.sockguard.owner=alice\"]}" },
                { "GET /nodes?filters=%7B%22label%22:[%22a%22]%7D",
                  "{\"label\":[\"a\"],\"node.label\":[\"com.sockguard.owner=alice\"]}" },
                { "POST /containers/prune", "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "GET /events", "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "GET /libpod/events", "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "GET /containers/json?filters=%7B%22label%22:%7B%22com.sockguard.owner=alice%22:true%7D%7D",
                  "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "GET "
                  "/libpod/containers/json?filters=%7B%22label%22:[%22com.sockguard.owner=alice%22]%7D&filters=%7B%7D",
                  "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "POST /libpod/volumes/prune", "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "GET /services?filters=[]", NULL },
                { "GET /services?filters=x", NULL },
                { "GET /services?filters=%7B%22a%22:[1]%7D", NULL },
                { "GET /services?filters=%7B%22label%22:null%7D", NULL },
                { "GET /services?filters=%7B%22a%22:%7B%22b%22:1%7D%7D", NULL },
                { "GET /services?filters=%7B%7D%20x", NULL },
                { "POST /build?labels=null", "{\"com.sockguard.owner\":\"alice\"}" },
                { "POST /build?labels=%7B%22a%22:%22b%22,%22com.sockguard.owner%22:%22bob%22,%22n%22:null%7D",
                  "{\"a\":\"b\",\"n\":\"\",\"com.sockguard.owner\":\"alice\"}" },
                { "POST /libpod/containers/prune?Filters=%7B%7D&filter\u017f=%7B%7D",
                  "{\"label\":[\"com.sockguard.owner=alice\"]}" },
                { "POST /libpod/build?labels=%7B%7D&LABELS=%7B%7D&labels=%7B%7D",
                  "{\"com.sockguard.owner\":\"alice\"}" },
                { "POST /build?labels=[]", NULL },
                { "POST /build?labels=%7B%22a%22:5%7D", NULL },
                { "POST /libpod/secrets/create?name=x", "{\"com.sockguard.owner\":\"alice\"}" },
        };
        static struct fake f;

        setup(&f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct slice got = SLICE("");

                request(&f, rows[i].line, NULL);
                (void) stage_ownership(&f.x);
                if (f.x.verdict.status != (rows[i].want ? 0 : 400))
                        fprintf(stderr, "%s\n", rows[i].line);
                CHECK_INT(f.x.verdict.status, rows[i].want ? 0 : 400);
                if (!rows[i].want)
                        continue;
                http_query_get(&f.x.query,
                               strstr(rows[i].line, "filters") || !strstr(rows[i].want, "\":\"") ? SLICE("filters")
                                                                                                 : SLICE("labels"),
                               &got);
                CHECK_STR(got, rows[i].want);
                CHECK_INT(http_query_count(&f.x.query, SLICE("filters")) +
                                  http_query_count(&f.x.query, SLICE("labels")),
                          1);
                CHECK_INT(http_query_count(&f.x.query, SLICE("Filters")) +
                                  http_query_count(&f.x.query, SLICE("LABELS")),
                          0);
                CHECK(f.x.query_changed);
        }
        fake_done(&f);
}

static void visibility_and_ownership_narrow_the_same_list(void) {
        static struct fake f;
        struct slice got = SLICE("");

        setup(&f);
        f.image.root.response.visible_resource_labels = fake_strs(&f, "vis=1| team ");
        request(&f, "GET /networks?filters=%7B%22label%22:[%22vis=0%22,%22team%22,%22x=y%22]%7D", NULL);
        CHECK(stage_visibility(&f.x) == STAGE_NEXT && stage_ownership(&f.x) == STAGE_NEXT);
        http_query_get(&f.x.query, SLICE("filters"), &got);
        CHECK_STR(got, "{\"label\":[\"team\",\"x=y\",\"vis=1\",\"com.sockguard.owner=alice\"]}");
        request(&f, "GET /networks?filters=%7B%22label%22:[%22vis=1%22,%22team%22]%7D", NULL);
        CHECK(stage_visibility(&f.x) == STAGE_NEXT && !f.x.query_changed);
        request(&f, "GET /networks?filters=x", NULL);
        CHECK(stage_visibility(&f.x) == STAGE_ANSWER);
        CHECK_STR(reason_name(f.x.verdict.code), "visibility_filter_invalid");
        fake_done(&f);
}

static void an_image_made_of_a_container_keeps_its_owner(void) {
        static const struct {
                const char *line, *body;
                const char *last; /* value of the last `changes`; "" none; NULL: 400 */
                const char *want; /* the body afterwards; NULL: as it was */
        } rows[] = {
                { "POST /commit?container=mine", NULL, "", NULL },
                { "POST /commit?container=mine", "{}", "", NULL },
                { "POST /commit?container=mine", "{\"Labels\":{\"a\":\"b\"}}", "", NULL },
                { "POST /commit?container=mine",
                  "{\"labels\":{\"a\":\"b\",\"com.sockguard.owner\":\"bob\"},\"Cmd\":[\"x\"]}", "",
                  "{\"Labels\":{\"a\":\"b\",\"com.sockguard.owner\":\"alice\"},\"Cmd\":[\"x\"]}" },
                { "POST /commit?container=mine", "{\"Labels\":{\"com.sockguard.owner\":null}}", "",
                  "{\"Labels\":{\"com.sockguard.owner\":\"alice\"}}" },
                { "POST /commit?container=mine", "{\"Labels\":{},\"labels\":{\"com.sockguard.owner\":\"bob\"}}", NULL,
                  NULL },
                { "POST /commit?container=mine", "[]", NULL, NULL },
                { "POST /commit?container=mine&changes=LABEL%20com.sockguard.owner=bob", NULL,
                  "LABEL com.sockguard.owner=alice", NULL },
                { "POST /commit?container=mine&changes=%20&changes=CMD%20x", "{}", "LABEL com.sockguard.owner=alice",
                  NULL },
                { "POST /libpod/commit?container=mine&Changes=LABEL%20com.sockguard.owner=bob", NULL,
                  "LABEL com.sockguard.owner=alice", NULL },
                { "POST /commit?container=mine&changes=LABEL%20com.sockguard.owner=bob&changes=CMD%20x%20%5C", NULL,
                  NULL, NULL },
                { "POST /commit?container=mine&changes=CMD%20x%20%5C%0A%23%20y", NULL, NULL, NULL },
                { "POST /commit?container=mine&changes=%23escape=%60%0ACMD%20x%60", NULL, NULL, NULL },
                { "POST /images/create?fromSrc=-", NULL, "", NULL },
                { "POST /images/create?fromSrc=-&changes=LABEL%20com.sockguard.owner=bob", NULL,
                  "LABEL com.sockguard.owner=alice", NULL },
                { "POST /images/create?fromImage=none&changes=CMD%20x", NULL, "CMD x", NULL },
        };
        static struct fake f;

        setup(&f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct slice last = SLICE("");

                request(&f, rows[i].line, rows[i].body);
                (void) stage_ownership(&f.x);
                if (f.x.verdict.status != (rows[i].last ? 0 : 400))
                        fprintf(stderr, "%s\n", rows[i].line);
                CHECK_INT(f.x.verdict.status, rows[i].last ? 0 : 400);
                if (!rows[i].last)
                        continue;
                for (size_t j = 0; j < f.x.query.n; j++)
                        if (slice_eq(f.x.query.at[j].name, SLICE("changes")))
                                last = f.x.query.at[j].value;
                CHECK_STR(last, rows[i].last);
                if (rows[i].body)
                        CHECK_STR(f.x.body, rows[i].want ? rows[i].want : rows[i].body);
        }
        f.image.root.ownership.owner = fake_str(&f, "al ice");
        request(&f, "POST /commit?container=mine&changes=CMD%20x", NULL);
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER && f.x.verdict.status == 400);
        fake_done(&f);
}

static void strict_keeps_the_label_of_what_is_updated_or_imported(void) {
        static struct fake f;
        struct slice last = SLICE("");

        setup(&f);
        request(&f, "POST /secrets/mine/update?version=1", "{\"Name\":\"x\"}");
        CHECK(stage_ownership(&f.x) == STAGE_NEXT && !f.x.body_changed);
        f.image.root.ownership.strict = true;
        request(&f, "POST /secrets/mine/update?version=1",
                "{\"Name\":\"x\",\"Labels\":{\"com.sockguard.owner\":\"bob\"}}");
        CHECK(stage_ownership(&f.x) == STAGE_NEXT);
        CHECK_STR(f.x.body, "{\"Name\":\"x\",\"Labels\":{\"com.sockguard.owner\":\"alice\"}}");
        request(&f, "POST /configs/theirs/update?version=1", "{\"Name\":\"x\"}");
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER && f.x.verdict.status == 403);
        request(&f, "POST /images/create?fromSrc=-", NULL);
        CHECK(stage_ownership(&f.x) == STAGE_NEXT && http_query_get(&f.x.query, SLICE("changes"), &last));
        CHECK_STR(last, "LABEL com.sockguard.owner=alice");
        fake_done(&f);
}

static void hidden_resources_are_not_found(void) {
        static const struct row rows[] = {
                { "GET /containers/mine/json", NULL, 0 },
                { "GET /containers/theirs/json", NULL, 404 },
                { "GET /containers/none/logs", NULL, 404 },
                { "GET /containers/theirs/attach/ws", NULL, 404 },
                { "HEAD /containers/theirs/archive", NULL, 404 },
                { "POST /containers/theirs/start", NULL, 0 },
                { "GET /containers/gone/json", NULL, 0 },
                { "GET /containers/broken/json", NULL, 502 },
                { "GET /images/a/theirs/json", NULL, 404 },
                { "GET /images/theirs/get", NULL, 404 },
                { "GET /images/get?names=mine&names=theirs", NULL, 404 },
                { "GET /images/get?names=ours&names=shared:1", NULL, 404 },
                { "GET /images/get?names=mine", NULL, 0 },
                { "GET /networks/a/theirs", NULL, 404 },
                { "GET /networks/theirs", NULL, 404 },
                { "GET /networks/prune", NULL, 0 },
                { "GET /volumes/theirs", NULL, 404 },
                { "GET /services/theirs", NULL, 404 },
                { "GET /services/theirs/logs", NULL, 404 },
                { "GET /tasks/theirs/logs", NULL, 404 },
                { "GET /secrets/theirs", NULL, 404 },
                { "GET /configs/theirs", NULL, 404 },
                { "GET /nodes/theirs", NULL, 404 },
                { "GET /swarm", NULL, 404 },
                { "GET /exec/etheirs/json", NULL, 404 },
                { "GET /exec/e/json", NULL, 502 },
                { "GET /exec/egone/json", NULL, 0 },
                { "GET /libpod/containers/theirs/archive", NULL, 404 },
                { "GET /libpod/pods/theirs/json", NULL, 404 },
                { "GET /libpod/networks/theirs/json", NULL, 404 },
                { "GET /libpod/networks/mine/json", NULL, 0 },
                { "GET /libpod/volumes/theirs/json", NULL, 404 },
                { "GET /libpod/secrets/theirs/json", NULL, 404 },
                { "GET /version", NULL, 0 },
        };
        static const struct row patterns[] = {
                { "GET /containers/theirs/json", NULL, 0 },
                { "GET /networks/theirs", NULL, 0 },
                { "GET /images/x/json", NULL, 404 },
        };
        static struct fake f;

        setup(&f);
        f.image.root.response.visible_resource_labels = fake_strs(&f, "vis=alice");
        ROWS(&f, rows, stage_visibility);
        fake_done(&f);
        setup(&f);
        f.image.root.response.image_patterns = fake_strs(&f, "nginx:*");
        ROWS(&f, patterns, stage_visibility);
        CHECK_INT(lookups, 1);
        fake_done(&f);
}

static void what_belongs_to_everybody_is_refused_unless_allowed(void) {
        static const struct row plain[] = {
                { "POST /build/prune", NULL, 403 },       { "GET /system/df", NULL, 403 },
                { "POST /libpod/pods/prune", NULL, 403 }, { "GET /plugins", NULL, 0 },
                { "POST /swarm/leave", NULL, 0 },         { "GET /libpod/images/theirs/json", NULL, 0 },
        };
        static const struct row strict[] = {
                { "GET /plugins", NULL, 403 },
                { "POST /plugins/a/b/enable", NULL, 403 },
                { "POST /swarm/leave", NULL, 403 },
                { "GET /distribution/x/json", NULL, 403 },
                { "GET /libpod/images/theirs/json", NULL, 403 },
                { "DELETE /libpod/images/remove?images=theirs", NULL, 403 },
                { "POST /libpod/play/kube", NULL, 403 },
                { "POST /images/mine/tag?repo=none", NULL, 403 },
                { "POST /images/create?fromImage=none", NULL, 0 },
                { "POST /images/load", NULL, 403 },
                { "POST /session", NULL, 403 },
                { "POST /build/cancel?id=x", NULL, 403 },
                { "POST /libpod/local/images/load", NULL, 403 },
                { "POST /libpod/images/pull?reference=theirs", NULL, 403 },
                { "POST /nodes/none/update", "{}", 403 },
                { "GET /version", NULL, 0 },
                { "GET /swarm", NULL, 403 },
        };
        static struct fake f;

        setup(&f);
        ROWS(&f, plain, stage_ownership);
        f.image.root.ownership.strict = true;
        ROWS(&f, strict, stage_ownership);
        f.image.root.ownership.allow_unfiltered_prune = f.image.root.ownership.allow_disk_usage = true;
        request(&f, "POST /build/prune", NULL);
        CHECK(stage_ownership(&f.x) == STAGE_NEXT);
        request(&f, "GET /system/df", NULL);
        CHECK(stage_ownership(&f.x) == STAGE_NEXT);
        fake_done(&f);
}

static void rollout_modes_soften_denials_and_nothing_else(void) {
        static struct fake f;

        setup(&f);
        request(&f, "POST /containers/create", "{\"Image\":\"theirs\"}");
        f.x.profile_selected = true;
        f.x.mode = MODE_WARN;
        CHECK(stage_ownership(&f.x) == STAGE_NEXT);
        CHECK(f.x.verdict.decision == DECISION_WOULD_DENY && f.x.body_changed);
        CHECK_STR(f.x.body, "{\"Labels\":" MINE ",\"Image\":\"theirs\"}");
        request(&f, "POST /containers/create", "{\"Image\":\"broken\"}");
        f.x.profile_selected = true;
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER && f.x.verdict.status == 502);
        request(&f, "GET /services?filters=x", NULL);
        f.x.profile_selected = true;
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER && f.x.verdict.status == 400);
        fake_done(&f);
}

static void a_denial_does_not_name_the_resource_unless_verbose(void) {
        static struct fake f;

        setup(&f);
        request(&f, "GET /containers/theirs/json", NULL);
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER);
        CHECK(f.x.verdict.body_kind == ANSWER_JSON && !path_has(f.x.verdict.body, "theirs") &&
              path_has(f.x.verdict.reason, "theirs"));
        f.compiled.deny_verbose = true;
        request(&f, "GET /libpod/containers/theirs/json", NULL);
        CHECK(stage_ownership(&f.x) == STAGE_ANSWER);
        CHECK(f.x.verdict.body_kind == ANSWER_MESSAGE && slice_starts(f.x.verdict.reason, SLICE("libpod ")));
        fake_done(&f);
}

CHECK_MAIN(CHECK_TEST(every_path_that_names_a_resource_is_checked),
           CHECK_TEST(reserved_words_are_names_where_the_daemon_reads_them_so), CHECK_TEST(every_reference_is_checked),
           CHECK_TEST(the_images_of_a_build_are_checked), CHECK_TEST(a_flood_of_references_is_refused),
           CHECK_TEST(descriptions_are_held_one_at_a_time), CHECK_TEST(an_image_made_of_a_container_keeps_its_owner),
           CHECK_TEST(strict_keeps_the_label_of_what_is_updated_or_imported),
           CHECK_TEST(bodies_are_stamped_without_touching_other_bytes),
           CHECK_TEST(lists_are_narrowed_in_both_filter_forms),
           CHECK_TEST(visibility_and_ownership_narrow_the_same_list), CHECK_TEST(hidden_resources_are_not_found),
           CHECK_TEST(what_belongs_to_everybody_is_refused_unless_allowed),
           CHECK_TEST(rollout_modes_soften_denials_and_nothing_else),
           CHECK_TEST(a_denial_does_not_name_the_resource_unless_verbose))
