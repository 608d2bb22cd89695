/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/check.h"

#include "response/filter.h"
#include "response/redact.h"
#include "tests/unit/tenants.h"

enum { E = 1, M = 2, N = 4, S = 8, H = 16, X = 32 };

static void set_toggles(struct fake *f, unsigned t) {
        struct opt_response *o = &f->image.root.response;

        o->redact_container_env = t & E;
        o->redact_mount_paths = t & M;
        o->redact_network_topology = t & N;
        o->redact_sensitive_data = t & S;
        o->redact_host_topology = t & H;
        o->redact_extended = t & X;
}

/* Runs one answer through the filter of a request, in pieces of `piece` bytes. The output, or the reason code's name.
 */
static struct slice run(struct fake *f, const char *line, int status, const char *body, size_t piece,
                        struct strbuf *keep) {
        struct http_head head = { .status = status, .framing = HTTP_BODY_CLOSE };
        struct slice rest = slice_of(body);
        struct response_filter *rf;
        struct slice result;
        int r = 0;

        strbuf_reset(keep);
        fake_request(f, line);
        CHECK(stage_response(&f->x) == STAGE_NEXT);
        rf = f->x.response_filter;
        if (!rf)
                return slice_of(body);
        switch (response_filter_head(rf, &head)) {
        case RESPONSE_FILTER:
                break;
        case RESPONSE_REJECT:
                r = -EBADMSG;
                break;
        default:
                response_filter_free(rf);
                return slice_of(body);
        }
        while (r == 0 && rest.len) {
                size_t n = rest.len < piece ? rest.len : piece;

                r = response_filter_data(rf, slice_upto(rest, n));
                rest = slice_from(rest, n);
        }
        if (r == 0)
                r = response_filter_end(rf, true);
        if (r < 0) {
                response_filter_verdict(rf, &f->x);
                CHECK_INT(f->x.verdict.status, 502);
                result = reason_name(f->x.verdict.code);
        } else {
                strbuf_add(keep, strbuf_view(response_filter_output(rf)));
                result = strbuf_view(keep);
        }
        response_filter_free(rf);
        return result;
}

#define REJECTED "upstream_response_rejected_by_policy"
#define LOOKUP "visibility_policy_lookup_failed"

struct row {
        unsigned toggles;
        const char *line, *body, *want;
};

static void check_rows(const struct row *rows, size_t n, const char *names, const char *images) {
        _cleanup_strbuf_ struct strbuf keep;
        static struct fake f;

        strbuf_init(&keep, 1u << 26);
        for (size_t i = 0; i < n; i++) {
                static const size_t pieces[] = { 1, 2, 7, 1u << 20 };

                fake_init(&f);
                set_toggles(&f, rows[i].toggles);
                f.image.root.response.name_patterns = fake_strs(&f, names);
                f.image.root.response.image_patterns = fake_strs(&f, images);
                for (size_t p = 0; p < 4; p++) {
                        struct slice got = run(&f, rows[i].line, 200, rows[i].body, pieces[p], &keep);

                        if (!slice_eq(got, slice_of(rows[i].want)))
                                fprintf(stderr, "row %zu (%s, toggles %u, pieces of %zu): %s\n", i, rows[i].line,
                                        rows[i].toggles, pieces[p], rows[i].body);
                        CHECK_STR(got, rows[i].want);
                }
                fake_done(&f);
        }
}

static void every_row_redacts_what_it_names_and_keeps_every_other_byte(void) {
        static const struct row rows[] = {
                /* container inspect */
                { E, "GET /containers/c/json", "{\"Id\":\"c\",\"Config\":{\"Env\":[\"A=b\"],\"Image\":\"i\"}}",
                  "{\"Id\":\"c\",\"Config\":{\"Env\":[],\"Image\":\"i\"}}" },
                { E, "GET /v1.41/containers/c/json", "{\"Config\":{}}", "{\"Config\":{\"Env\":[]}}" },
                { E, "GET /containers/c/json", "{\"Config\":{ \"A\" : 1 } }",
                  "{\"Config\":{ \"A\" : 1 ,\"Env\":[]} }" },
                { E, "GET /containers/c/json", "{\"Config\":null}", "{\"Config\":null}" },
                { E, "GET /containers/c/json", "{\"Config\":{\"Env\":null}}", "{\"Config\":{\"Env\":[]}}" },
                { E, "GET /containers/c/json", "{\"Config\":5}", REJECTED },
                { E, "GET /containers/c/json", "{\"C\\u006fnfig\":{\"Env\":[1]}}", "{\"C\\u006fnfig\":{\"Env\":[]}}" },
                { E, "GET /containers/c/json", "{\"config\":{\"Env\":[1]}}", "{\"config\":{\"Env\":[1]}}" },
                { E, "GET /containers/c/json", "{\"Big\":12345678901234567890,\"F\":1.10}",
                  "{\"Big\":12345678901234567890,\"F\":1.10}" },
                { E, "GET /containers/c/json", " null\n", " null\n" },
                { H, "GET /containers/c/json", "x", REJECTED },
                { H, "GET /containers/c/json", "{\"HostConfig\":5}", "{\"HostConfig\":5}" },
                { E, "GET /containers/a/b/json", "{\"Config\":{\"Env\":[\"A=b\"]}}", "{\"Config\":{\"Env\":[]}}" },
                { E, "GET /containers/a/b/logs", "x", "x" },
                { M, "GET /containers/c/json",
                  "{\"Mounts\":[{\"Source\":\"/"
                  "a\",\"D\":1},{}],\"HostConfig\":{\"Mounts\":[{\"Source\":5}],\"MaskedPaths\":[\"/"
                  "x\"],\"ReadonlyPaths\":null,\"Binds\":[\"/a:/b:ro\",\"vol:/x\"]}}",
                  "{\"Mounts\":[{\"Source\":\"<redacted>\",\"D\":1},{}],\"HostConfig\":{\"Mounts\":[{\"Source\":\"<"
                  "redacted>\"}],\"MaskedPaths\":[],\"ReadonlyPaths\":null,\"Binds\":[\"<redacted>:/b:ro\",\"vol:/"
                  "x\"]}}" },
                { M, "GET /containers/c/json", "{\"Mounts\":[null]}", REJECTED },
                { M, "GET /containers/c/json", "{\"Mounts\":{}}", REJECTED },
                { M, "GET /containers/c/json", "{\"HostConfig\":{\"Binds\":[5]}}", REJECTED },
                { M, "GET /containers/c/json",
                  "{\"HostConfig\":{\"Binds\":[\" "
                  "/sp:/b\",\"C:\\\\a:/b\",\"c:/a:/b\",\"a:/b\",\"\\\\\\\\srv\\\\s:/b\",\"./r:/b\",\"\",\":/b\",\"/"
                  "\\u0061:/\\\"b\"]}}",
                  "{\"HostConfig\":{\"Binds\":[\"<redacted>:/b\",\"<redacted>:/b\",\"<redacted>:/"
                  "b\",\"<redacted>\",\"<redacted>:/b\",\"./r:/b\",\"\",\":/b\",\"<redacted>:/\\\"b\"]}}" },
                { N, "GET /containers/c/json",
                  "{\"HostConfig\":{\"NetworkMode\":\"m\"},\"NetworkSettings\":{\"Bridge\":\"\",\"IPPrefixLen\":5,"
                  "\"SecondaryIPAddresses\":[1],\"Networks\":{\"n\":{\"IPAddress\":\"10.0.0.1\",\"IPPrefixLen\":16,"
                  "\"MacAddress\":null,\"Aliases\":[\"a\"]}}}}",
                  "{\"HostConfig\":{\"NetworkMode\":\"<redacted>\"},\"NetworkSettings\":{\"Bridge\":\"<redacted>\","
                  "\"IPPrefixLen\":0,\"SecondaryIPAddresses\":[],\"Networks\":{\"n\":{\"IPAddress\":\"<redacted>\","
                  "\"IPPrefixLen\":0,\"MacAddress\":null,\"Aliases\":[\"a\"]}}}}" },
                { N, "GET /containers/c/json", "{\"NetworkSettings\":{\"Networks\":{\"n\":null}}}", REJECTED },
                { N, "GET /containers/c/json", "{\"NetworkSettings\":5}", REJECTED },
                { N | X, "GET /containers/c/json",
                  "{\"NetworkSettings\":{\"Ports\":{\"80/tcp\":[{\"HostIp\":\"1.2.3.4\",\"HostPort\":\"80\"}],\"81/"
                  "tcp\":null}}}",
                  "{\"NetworkSettings\":{\"Ports\":{\"80/tcp\":[{\"HostIp\":\"<redacted>\",\"HostPort\":\"80\"}],\"81/"
                  "tcp\":null}}}" },
                { M | X, "GET /containers/c/json",
                  "{\"LogPath\":\"/l\",\"GraphDriver\":{\"Data\":{\"LowerDir\":\"/x\"},\"Name\":\"o\"}}",
                  "{\"LogPath\":\"<redacted>\",\"GraphDriver\":{\"Data\":{},\"Name\":\"o\"}}" },
                { X, "GET /containers/c/json", "{\"LogPath\":\"/l\"}", "{\"LogPath\":\"/l\"}" },
                /* container list */
                { M, "GET /containers/json", "[{\"Mounts\":[{\"Source\":\"/a\"}]},null, {\"Id\":\"b\"}]\n",
                  "[{\"Mounts\":[{\"Source\":\"<redacted>\"}]},null,{\"Id\":\"b\"}]\n" },
                { M, "GET /containers/json", "[]", "[]" },
                { M, "GET /containers/json", " [ ] ", "[] " },
                { M, "GET /containers/json", "null", REJECTED },
                { M, "GET /containers/json", "{}", REJECTED },
                { M, "GET /containers/json", "", REJECTED },
                { M, "GET /containers/json", "[5]", REJECTED },
                { M, "GET /containers/json", "[[]]", REJECTED },
                { M, "GET /containers/json", "[{},", REJECTED },
                { M, "GET /containers/json", "[{},]", REJECTED },
                { M, "GET /containers/json", "[,{}]", REJECTED },
                { M, "GET /containers/json", "[{}", REJECTED },
                { M, "GET /containers/json", "[{}{}]", REJECTED },
                { M, "GET /containers/json", "[nul]", REJECTED },
                { M, "GET /containers/json", "[{\"a\":1,}]", REJECTED },
                { M, "GET /containers/json", "[{\"a\":\"\\\"]}\"}] x { } ", "[{\"a\":\"\\\"]}\"}] " },
                { E, "GET /containers/json", "x", "x" },
                { N, "GET /containers/json",
                  "[{\"HostConfig\":{\"NetworkMode\":\"x\"},\"NetworkSettings\":{\"Networks\":{}}}]",
                  "[{\"HostConfig\":{\"NetworkMode\":\"<redacted>\"},\"NetworkSettings\":{\"Networks\":{}}}]" },
                /* networks and volumes */
                { N, "GET /networks/n",
                  "{\"IPAM\":{\"Driver\":\"d\"},\"Status\":{\"a\":1},\"Containers\":{\"c\":{}},\"Peers\":[1]}",
                  "{\"IPAM\":{\"Driver\":\"d\",\"Config\":[]},\"Status\":{},\"Containers\":{},\"Peers\":[]}" },
                { N, "GET /networks", "[{\"IPAM\":null}]", "[{\"IPAM\":null}]" },
                { N, "GET /networks/n", "{\"Containers\":[]}", REJECTED },
                { N, "GET /networks/a/b", "{\"Containers\":{\"c\":{}}}", "{\"Containers\":{}}" },
                { N, "POST /networks/a/connect", "OK", "OK" },
                { M, "GET /volumes/a/b", "{\"Mountpoint\":\"/m\"}", "{\"Mountpoint\":\"<redacted>\"}" },
                { N, "GET /networks/n", "{\"Peers\":{}}", REJECTED },
                { M, "GET /volumes", "{\"Volumes\":[{\"Mountpoint\":\"/m\"}],\"Warnings\":null}",
                  "{\"Volumes\":[{\"Mountpoint\":\"<redacted>\"}],\"Warnings\":null}" },
                { M, "GET /volumes", "{\"Volumes\":5}", REJECTED },
                { M, "POST /volumes/create", "{\"Mountpoint\":\"/m\"}", "{\"Mountpoint\":\"<redacted>\"}" },
                { M | X, "GET /volumes/v", "{\"Options\":{\"device\":\"/d\"},\"Status\":{\"a\":1}}",
                  "{\"Options\":{\"device\":\"<redacted>\"},\"Status\":{}}" },
                /* swarm */
                { E | M | S, "GET /services/s",
                  "{\"Spec\":{\"TaskTemplate\":{\"ContainerSpec\":{\"Env\":[\"a\"],\"Mounts\":[{\"Source\":\"/"
                  "a\"}],\"Secrets\":[{\"SecretID\":\"i\",\"SecretName\":\"n\"}],\"Configs\":[{\"ConfigID\":\"i\","
                  "\"ConfigName\":\"n\"}]}}},\"PreviousSpec\":{\"TaskTemplate\":{\"ContainerSpec\":{\"Env\":[\"a\"]}}}"
                  "}",
                  "{\"Spec\":{\"TaskTemplate\":{\"ContainerSpec\":{\"Env\":[],\"Mounts\":[{\"Source\":\"<redacted>\"}],"
                  "\"Secrets\":[{\"SecretID\":\"<redacted>\",\"SecretName\":\"<redacted>\"}],\"Configs\":[{"
                  "\"ConfigID\":\"<redacted>\",\"ConfigName\":\"<redacted>\"}]}}},\"PreviousSpec\":{\"TaskTemplate\":{"
                  "\"ContainerSpec\":{\"Env\":[]}}}}" },
                { N, "GET /services", "[{\"Endpoint\":{\"VirtualIPs\":[{\"NetworkID\":\"n\",\"Addr\":\"a\"}]}}]",
                  "[{\"Endpoint\":{\"VirtualIPs\":[{\"NetworkID\":\"<redacted>\",\"Addr\":\"<redacted>\"}]}}]" },
                { N, "GET /tasks/t",
                  "{\"ServiceID\":\"s\",\"NodeID\":\"n\",\"Status\":{\"ContainerStatus\":{\"ContainerID\":\"c\","
                  "\"PID\":7}},\"NetworksAttachments\":[{\"Addresses\":[\"a\"],\"Network\":{\"ID\":\"i\","
                  "\"IPAMOptions\":{\"Configs\":[1]}}}]}",
                  "{\"ServiceID\":\"<redacted>\",\"NodeID\":\"<redacted>\",\"Status\":{\"ContainerStatus\":{"
                  "\"ContainerID\":\"<redacted>\",\"PID\":0}},\"NetworksAttachments\":[{\"Addresses\":[],\"Network\":{"
                  "\"ID\":\"<redacted>\",\"IPAMOptions\":{\"Configs\":[]}}}]}" },
                { S, "GET /secrets", "[{\"Spec\":{\"Data\":\"a\"}}]", "[{\"Spec\":{\"Data\":\"<redacted>\"}}]" },
                { S, "GET /configs/c", "{\"Spec\":{\"Data\":\"a\"},\"Spec\":{\"Data\":\"b\"}}",
                  "{\"Spec\":{\"Data\":\"<redacted>\"},\"Spec\":{\"Data\":\"<redacted>\"}}" },
                { N | S, "GET /nodes/n",
                  "{\"Status\":{\"Addr\":\"a\"},\"ManagerStatus\":{\"Addr\":\"b\"},\"Description\":{\"TLSInfo\":{"
                  "\"TrustRoot\":\"t\"}}}",
                  "{\"Status\":{\"Addr\":\"<redacted>\"},\"ManagerStatus\":{\"Addr\":\"<redacted>\"},\"Description\":{"
                  "\"TLSInfo\":{\"TrustRoot\":\"<redacted>\"}}}" },
                { N | S, "GET /swarm",
                  "{\"JoinTokens\":{\"Worker\":\"w\",\"Manager\":\"m\"},\"Spec\":{\"CAConfig\":{\"SigningCAKey\":\"k\","
                  "\"ExternalCAs\":[1]}},\"DefaultAddrPool\":[\"p\"]}",
                  "{\"JoinTokens\":{\"Worker\":\"<redacted>\",\"Manager\":\"<redacted>\"},\"Spec\":{\"CAConfig\":{"
                  "\"SigningCAKey\":\"<redacted>\",\"ExternalCAs\":[]}},\"DefaultAddrPool\":[]}" },
                { S, "GET /swarm/unlockkey", "{\"UnlockKey\":\"k\"}", "{\"UnlockKey\":\"<redacted>\"}" },
                { S, "DELETE /services/s", "", "" },
                { S, "GET /services/s", "", REJECTED },
                /* plugins: names with slashes */
                { E | M, "GET /plugins/vieux/sshfs:latest/json",
                  "{\"Settings\":{\"Env\":[\"A=b\",\"C\"],\"Devices\":[{\"Path\":\"/"
                  "d\"}]},\"Config\":{\"Env\":[{\"Name\":\"A\",\"Value\":\"v\"}],\"PropagatedMount\":\"/"
                  "p\",\"Linux\":{\"Devices\":[{\"Path\":\"/d\"}]}}}",
                  "{\"Settings\":{\"Env\":[\"A=<redacted>\",\"<redacted>\"],\"Devices\":[{\"Path\":\"<redacted>\"}]},"
                  "\"Config\":{\"Env\":[{\"Name\":\"A\",\"Value\":\"<redacted>\"}],\"PropagatedMount\":\"<redacted>\","
                  "\"Linux\":{\"Devices\":[{\"Path\":\"<redacted>\"}]}}}" },
                { E, "GET /plugins/privileges", "x", "x" },
                /* the daemon */
                { H, "GET /info",
                  "{\"Containerd\":{\"a\":1},\"NRI\":[1],\"FirewallBackend\":\"f\",\"DiscoveredDevices\":5,\"Swarm\":"
                  "7}",
                  "{\"Containerd\":{},\"NRI\":[],\"FirewallBackend\":\"<redacted>\",\"DiscoveredDevices\":5,\"Swarm\":"
                  "7}" },
                { N | S, "GET /info",
                  "{\"Swarm\":{\"NodeID\":\"n\",\"RemoteManagers\":[1],\"Cluster\":{\"DefaultAddrPool\":[1],"
                  "\"TLSInfo\":{\"TrustRoot\":\"t\"}}}}",
                  "{\"Swarm\":{\"NodeID\":\"<redacted>\",\"RemoteManagers\":[],\"Cluster\":{\"DefaultAddrPool\":[],"
                  "\"TLSInfo\":{\"TrustRoot\":\"<redacted>\"}}}}" },
                { M, "GET /system/df",
                  "{\"Containers\":[{\"Mounts\":[{\"Source\":\"/a\"}]}],\"Volumes\":[{\"Mountpoint\":\"/"
                  "m\"}],\"VolumeUsage\":{\"Items\":[{\"Mountpoint\":\"/m\"}]}}",
                  "{\"Containers\":[{\"Mounts\":[{\"Source\":\"<redacted>\"}]}],\"Volumes\":[{\"Mountpoint\":\"<"
                  "redacted>\"}],\"VolumeUsage\":{\"Items\":[{\"Mountpoint\":\"<redacted>\"}]}}" },
                { E | X, "GET /images/a/b/json", "{\"Config\":{\"Env\":[\"a\"]}}", "{\"Config\":{\"Env\":[]}}" },
                { E, "GET /images/a/b/json", "{\"Config\":{\"Env\":[\"a\"]}}", "{\"Config\":{\"Env\":[\"a\"]}}" },
                { E | X, "GET /images/a/history", "[{\"CreatedBy\":\"x\"}]", "[{\"CreatedBy\":\"<redacted>\"}]" },
                /* libpod */
                { E | M, "GET /v4.0.0/libpod/containers/c/json",
                  "{\"Config\":{\"Env\":[\"a\"],\"CreateCommand\":[\"podman\",\"-e\",\"a\"]},\"Mounts\":[{\"Source\":"
                  "\"/a\"}],\"StaticDir\":\"/s\"}",
                  "{\"Config\":{\"Env\":[],\"CreateCommand\":[]},\"Mounts\":[{\"Source\":\"<redacted>\"}],"
                  "\"StaticDir\":\"<redacted>\"}" },
                { M, "GET /libpod/containers/json", "[{\"Mounts\":[\"/d\"]}]", "[{\"Mounts\":[\"/d\"]}]" },
                { M, "GET /libpod/volumes/json", " [{\"Mountpoint\":\"/m\"}]", "[{\"Mountpoint\":\"<redacted>\"}]" },
                { M, "GET /libpod/volumes/json", " {\"Volumes\":[{\"Mountpoint\":\"/m\"}]}",
                  "{\"Volumes\":[{\"Mountpoint\":\"<redacted>\"}]}" },
                { M, "GET /libpod/volumes/json", "null\n", "null\n" },
                { M, "GET /libpod/volumes/json", "\"x\"", REJECTED },
                { N, "GET /libpod/networks/n/json", "[{\"subnets\":[1]}]", "[{\"subnets\":[]}]" },
                { N, "GET /libpod/networks/n/json", "{\"subnets\":[1]}", "{\"subnets\":[]}" },
                { M, "GET /libpod/volumes/v/json", "{\"Mountpoint\":\"/m\"}", "{\"Mountpoint\":\"<redacted>\"}" },
                { E | M | N | S | H, "GET /version", "x", "x" },
                { E | M | N | S | H, "HEAD /info", "x", "x" },
        };

        check_rows(rows, sizeof(rows) / sizeof(rows[0]), NULL, NULL);
}

static void lists_are_thinned_out_by_names(void) {
        static const struct row rows[] = {
                { 0, "GET /containers/json",
                  "[{\"Names\":[\"/web\"],\"Big\":12345678901234567890},{\"Names\":[\"/"
                  "db\"]},{},null,{\"names\":[\"web2\"]}]",
                  "[{\"Names\":[\"/web\"],\"Big\":12345678901234567890},{\"names\":[\"web2\"]}]" },
                { 0, "GET /containers/json", "[{\"Names\":[5]}]", LOOKUP },
                { 0, "GET /containers/json", "[{\"Names\":\"web\"}]", LOOKUP },
                { 0, "GET /containers/json", "[5]", LOOKUP },
                { 0, "GET /containers/json", "null", "null" },
                { 0, "GET /containers/json", "nul", LOOKUP },
                { 0, "GET /containers/json", "hello", LOOKUP },
                { 0, "GET /containers/json", "", LOOKUP },
                { 0, "GET /containers/json", "{\"a\":1}", LOOKUP },
                { 0, "GET /containers/json", "[{\"Names\":[\"/web\"]}", LOOKUP },
                { 0, "GET /containers/json", "[{\"Names\":[\"/web\"]}] x", LOOKUP },
                { M, "GET /containers/json",
                  "[{\"Names\":[\"/db\"]},{\"Names\":[\"/web\"],\"Mounts\":[{\"Source\":\"/a\"}]}]",
                  "[{\"Names\":[\"/web\"],\"Mounts\":[{\"Source\":\"<redacted>\"}]}]" },
                { M, "GET /containers/json", "[{\"Names\":[\"/db\"],\"Mounts\":5}]", REJECTED },
                { 0, "GET /images/json",
                  "[{\"RepoTags\":[\"reg/x/web:1\"]},{\"RepoTags\":null},{\"RepoTags\":[]},{\"RepoTags\":[\"web/"
                  "db:1\"]}]",
                  "[{\"RepoTags\":[\"reg/x/web:1\"]}]" },
                { 0, "POST /containers/json", "x", "x" },
                { 0, "HEAD /containers/json", "", "" },
        };

        check_rows(rows, sizeof(rows) / sizeof(rows[0]), "web*", NULL);
}

static void name_and_image_must_both_match(void) {
        static const struct row rows[] = {
                { 0, "GET /containers/json",
                  "[{\"Names\":[\"/web\"],\"Image\":\"nginx:1\"},{\"Names\":[\"/"
                  "web\"],\"Image\":\"other\"},{\"Names\":[\"/x\"],\"Image\":\"nginx:1\"}]",
                  "[{\"Names\":[\"/web\"],\"Image\":\"nginx:1\"}]" },
        };

        check_rows(rows, 1, "db|web", "nginx:*");
}

static void answers_that_are_no_success_pass(void) {
        static const int passing[] = { 101, 204, 205, 300, 304, 404, 500 };
        _cleanup_strbuf_ struct strbuf keep;
        static struct fake f;

        strbuf_init(&keep, 1u << 20);
        fake_init(&f);
        set_toggles(&f, E | M | N | S);
        for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
                CHECK_STR(run(&f, "GET /info", passing[i], "x", 1, &keep), "x");
        CHECK_STR(run(&f, "GET /info", 206, "x", 1, &keep), REJECTED);
        fake_done(&f);
}

static void encoded_answers_are_refused(void) {
        struct http_field gzip = { .id = HTTP_F_CONTENT_ENCODING,
                                   .name = SLICE("Content-Encoding"),
                                   .value = SLICE("gzip") };
        struct http_head head = { .status = 200, .fields = &gzip, .n_fields = 1, .framing = HTTP_BODY_CLOSE };
        static struct fake f;

        fake_init(&f);
        set_toggles(&f, M);
        fake_request(&f, "GET /containers/json");
        CHECK(stage_response(&f.x) == STAGE_NEXT && f.x.response_filter);
        CHECK(response_filter_head(f.x.response_filter, &head) == RESPONSE_REJECT);
        gzip.value = SLICE("Identity");
        CHECK(response_filter_head(f.x.response_filter, &head) == RESPONSE_FILTER);
        response_filter_free(f.x.response_filter);
        fake_done(&f);
}

/* 40 MB of elements: what is held at any time stays below one element and the hold-back. */
static void long_lists_stream_in_bounded_memory(void) {
        static const char element[] = "{\"Names\":[\"/web\"],\"Mounts\":[{\"Source\":\"/a\"}],\"Command\":\"sleep "
                                      "100000000000000000000000000000\"}";
        struct http_head head = { .status = 200, .framing = HTTP_BODY_CHUNKED };
        size_t most = 0, sent = 0;
        struct response_filter *rf;
        static struct fake f;

        fake_init(&f);
        set_toggles(&f, M);
        fake_request(&f, "GET /containers/json?all=1");
        CHECK(stage_response(&f.x) == STAGE_NEXT);
        rf = f.x.response_filter;
        CHECK(response_filter_head(rf, &head) == RESPONSE_FILTER);
        for (int i = 0; i < 400000; i++) {
                CHECK(response_filter_data(rf, i ? SLICE(",") : SLICE("[")) == 0);
                CHECK(response_filter_data(rf, slice_of(element)) == 0);
                if (response_filter_output(rf)->len > most)
                        most = response_filter_output(rf)->len;
                if (!response_filter_held(rf)) {
                        sent += response_filter_output(rf)->len;
                        strbuf_reset(response_filter_output(rf));
                }
        }
        CHECK(!response_filter_held(rf));
        CHECK(sent > 30u * 1024 * 1024);
        CHECK(most < RESPONSE_HOLD_MAX + 1024);
        CHECK(response_filter_data(rf, SLICE("]")) == 0 && response_filter_end(rf, true) == 0);
        response_filter_free(rf);
        fake_done(&f);
}

static void too_much_is_refused(void) {
        struct http_head head = { .status = 200, .framing = HTTP_BODY_CHUNKED };
        static char blank[65536];
        struct response_filter *rf;
        static struct fake f;
        int r;

        memset(blank, ' ', sizeof(blank));
        for (int kind = 0; kind < 3; kind++) {
                static const char *const lines[] = { "GET /secrets/s", "GET /containers/json", "GET /secrets" };

                fake_init(&f);
                set_toggles(&f, kind == 1 ? 0 : S);
                f.image.root.response.name_patterns = fake_strs(&f, kind == 1 ? "web" : NULL);
                fake_request(&f, lines[kind]);
                CHECK(stage_response(&f.x) == STAGE_NEXT);
                rf = f.x.response_filter;
                CHECK(response_filter_head(rf, &head) == RESPONSE_FILTER);
                r = kind == 2 ? response_filter_data(rf, SLICE("[{\"a\":\"")) : 0;
                for (int i = 0; i < 129 && r == 0; i++)
                        r = response_filter_data(rf, slice_make(blank, sizeof(blank)));
                CHECK(r < 0);
                response_filter_verdict(rf, &f.x);
                CHECK_STR(reason_name(f.x.verdict.code), kind == 1 ? "visibility_response_too_large" : REJECTED);
                response_filter_free(rf);
                fake_done(&f);
        }
        fake_init(&f);
        set_toggles(&f, S);
        fake_request(&f, "GET /secrets/s");
        CHECK(stage_response(&f.x) == STAGE_NEXT);
        head = (struct http_head){ .status = 200,
                                   .framing = HTTP_BODY_LENGTH,
                                   .content_length = RESPONSE_VALUE_MAX + 1 };
        CHECK(response_filter_head(f.x.response_filter, &head) == RESPONSE_REJECT);
        response_filter_free(f.x.response_filter);
        fake_done(&f);
}

static void an_answer_that_breaks_off_is_refused(void) {
        struct http_head head = { .status = 200, .framing = HTTP_BODY_CHUNKED };
        static struct fake f;

        fake_init(&f);
        set_toggles(&f, S);
        fake_request(&f, "GET /secrets");
        CHECK(stage_response(&f.x) == STAGE_NEXT);
        CHECK(response_filter_head(f.x.response_filter, &head) == RESPONSE_FILTER);
        CHECK(response_filter_data(f.x.response_filter, SLICE("[]")) == 0);
        CHECK(response_filter_end(f.x.response_filter, false) == -EBADMSG);
        response_filter_free(f.x.response_filter);
        fake_done(&f);
}

static void statements_of_attestations_are_asked_for_only_with_leave(void) {
        static const struct {
                const char *line;
                bool refused;
        } rows[] = {
                { "GET /images/x/attestations?statement=true", true },
                { "GET /images/a/b/attestations?statement=1", true },
                { "GET /images/x/attestations?statement=yes", true },
                { "GET /images/x/attestations?statement=TRUE", true },
                { "POST /images/x/attestations?statement=t", true },
                { "GET /v1.51/images/x/attestations?statement=on", true },
                { "GET /images/x/attestations", false },
                { "GET /images/x/attestations?statement=", false },
                { "GET /images/x/attestations?statement=No", false },
                { "GET /images/x/attestations?statement=0", false },
                { "GET /images/x/attestations?Statement=true", false },
                { "GET /images/attestations?statement=true", false },
                { "HEAD /images/x/attestations?statement=true", false },
                { "GET /images/x/json?statement=true", false },
        };
        static struct fake f;

        fake_init(&f);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                fake_request(&f, rows[i].line);
                f.x.verdict.decision = DECISION_ALLOW;
                if ((stage_response(&f.x) == STAGE_ANSWER) != rows[i].refused)
                        fprintf(stderr, "%s\n", rows[i].line);
                CHECK((f.x.verdict.status == 502) == rows[i].refused);
                CHECK(f.x.verdict.decision == DECISION_ALLOW);
        }
        f.image.root.response.allow_attestation_statements = true;
        fake_request(&f, rows[0].line);
        CHECK(stage_response(&f.x) == STAGE_NEXT);
        fake_done(&f);
}

static void fields_that_describe_the_old_body_are_dropped(void) {
        static const struct {
                enum http_field_id id;
                struct slice name;
                bool drops;
        } rows[] = {
                { HTTP_F_CONTENT_LENGTH, { "content-length", 14 }, true },
                { HTTP_F_ETAG, { "etag", 4 }, true },
                { HTTP_F_DIGEST, { "digest", 6 }, true },
                { HTTP_F_OTHER, { "Repr-Digest", 11 }, true },
                { HTTP_F_CONTENT_TYPE, { "content-type", 12 }, false },
                { HTTP_F_OTHER, { "Api-Version", 11 }, false },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK(response_filter_drops(&(struct http_field){ .id = rows[i].id, .name = rows[i].name }) ==
                      rows[i].drops);
}

CHECK_MAIN(CHECK_TEST(every_row_redacts_what_it_names_and_keeps_every_other_byte),
           CHECK_TEST(lists_are_thinned_out_by_names), CHECK_TEST(name_and_image_must_both_match),
           CHECK_TEST(answers_that_are_no_success_pass), CHECK_TEST(encoded_answers_are_refused),
           CHECK_TEST(long_lists_stream_in_bounded_memory), CHECK_TEST(too_much_is_refused),
           CHECK_TEST(an_answer_that_breaks_off_is_refused),
           CHECK_TEST(statements_of_attestations_are_asked_for_only_with_leave),
           CHECK_TEST(fields_that_describe_the_old_body_are_dropped))
