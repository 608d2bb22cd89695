/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What filtering a container list costs beside reading it with bare cJSON: list-filter [CONTAINERS [ROUNDS]]. Prints
 * the microseconds a list of both, their ratio, and how much memory filtering a list of 50 MB took.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "response/filter.h"
#include "tests/unit/tenants.h"

static void one_container(struct strbuf *b, int i) {
        strbuf_addf(b,
                    "{\"Id\":\"%064x\",\"Names\":[\"/"
                    "web-%d\"],\"Image\":\"busybox:latest\",\"ImageID\":\"sha256:%064x\",\"Command\":\"sleep 3600\","
                    "\"Created\":%d,\"Ports\":[],\"Labels\":{\"com.example.app\":\"bench\",\"n\":\"%d\"},\"State\":"
                    "\"created\",\"Status\":\"Created\","
                    "\"HostConfig\":{\"NetworkMode\":\"default\"},\"NetworkSettings\":{\"Networks\":{\"bridge\":{"
                    "\"IPAMConfig\":null,\"Links\":null,"
                    "\"Aliases\":null,\"NetworkID\":\"\",\"EndpointID\":\"\",\"Gateway\":\"\",\"IPAddress\":\"\","
                    "\"IPPrefixLen\":0,\"IPv6Gateway\":\"\","
                    "\"GlobalIPv6Address\":\"\",\"GlobalIPv6PrefixLen\":0,\"MacAddress\":\"\",\"DriverOpts\":null}}},"
                    "\"Mounts\":[{\"Type\":\"bind\","
                    "\"Source\":\"/srv/data/%d\",\"Destination\":\"/"
                    "data\",\"Mode\":\"ro\",\"RW\":false,\"Propagation\":\"rprivate\"}]}",
                    i, i, i + 1, 1700000000 + i, i, i);
}

static void make_list(struct strbuf *b, int n) {
        strbuf_reset(b);
        strbuf_addc(b, '[');
        for (int i = 0; i < n; i++) {
                if (i)
                        strbuf_addc(b, ',');
                one_container(b, i);
        }
        strbuf_adds(b, "]\n");
}

/* In pieces of 64 KiB, as the relay reads them. The bytes that came out. */
static size_t filter_list(struct fake *f, struct slice list) {
        struct http_head head = { .status = 200, .framing = HTTP_BODY_CHUNKED };
        struct response_filter *rf;
        size_t out = 0;

        fake_request(f, "GET /containers/json?all=1");
        if (stage_response(&f->x) != STAGE_NEXT || !(rf = f->x.response_filter) ||
            response_filter_head(rf, &head) != RESPONSE_FILTER)
                exit(1);
        while (list.len) {
                if (response_filter_data(rf, slice_upto(list, 65536)) < 0)
                        exit(1);
                list = slice_from(list, 65536);
                if (!response_filter_held(rf)) {
                        out += response_filter_output(rf)->len;
                        strbuf_reset(response_filter_output(rf));
                }
        }
        if (response_filter_end(rf, true) < 0)
                exit(1);
        out += response_filter_output(rf)->len;
        response_filter_free(rf);
        return out;
}

static long peak_kib(void) {
        struct rusage u;

        getrusage(RUSAGE_SELF, &u);
        return u.ru_maxrss;
}

int main(int argc, char **argv) {
        int n = argc > 1 ? atoi(argv[1]) : 300, rounds = argc > 2 ? atoi(argv[2]) : 200;
        uint64_t best_json = UINT64_MAX, best_filter = UINT64_MAX;
        static struct fake f;
        struct strbuf list;
        size_t out;
        long before;

        fake_init(&f);
        f.image.root.response.redact_container_env = f.image.root.response.redact_mount_paths = true;
        f.image.root.response.redact_network_topology = f.image.root.response.redact_sensitive_data = true;
        f.image.root.response.name_patterns = fake_strs(&f, "web-*|db-*");
        strbuf_init(&list, 256u * 1024 * 1024);

        /* Memory first, while the process is small. */
        make_list(&list, 50 * 1000 * 1000 / 765);
        before = peak_kib();
        out = filter_list(&f, strbuf_view(&list));
        printf("list of %zu bytes: %zu bytes out, %ld KiB more memory\n", list.len, out, peak_kib() - before);

        make_list(&list, n);
        strbuf_addc(&list, '\0');
        list.len--;
        for (int i = 0; i < rounds; i++) {
                uint64_t t0 = now_ns(), t1, t2;
                cJSON *tree = cJSON_Parse(list.at);

                cJSON_Delete(tree);
                t1 = now_ns();
                filter_list(&f, strbuf_view(&list));
                t2 = now_ns();
                best_json = t1 - t0 < best_json ? t1 - t0 : best_json;
                best_filter = t2 - t1 < best_filter ? t2 - t1 : best_filter;
        }
        printf("%d containers, %zu bytes: cJSON %.1f us, filter %.1f us, ratio %.2f\n", n, list.len,
               (double) best_json / 1e3, (double) best_filter / 1e3, (double) best_filter / (double) best_json);
        strbuf_free(&list);
        fake_done(&f);
        return best_filter > 3 * best_json;
}
