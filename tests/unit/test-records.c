/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "telemetry/access.h"
#include "telemetry/trace.h"
#include "tests/unit/check.h"

static char seen[64 * 1024];

/* What was written to the pipe, with the two values that nobody can know beforehand replaced. */
static struct slice take(int fd) {
        static const char *const volatile_keys[] = { "\"time\":\"", "\"timestamp\":\"", "time=" };
        ssize_t n = read(fd, seen, sizeof(seen) - 1);
        char *p;

        seen[n > 0 ? n : 0] = '\0';
        for (size_t i = 0; i < sizeof(volatile_keys) / sizeof(volatile_keys[0]); i++) {
                p = strstr(seen, volatile_keys[i]);
                if (p != NULL) {
                        char *from = p + strlen(volatile_keys[i]), *to = from + strcspn(from, "\" ");

                        memmove(from + 1, to, strlen(to) + 1);
                        *from = 'T';
                        break;
                }
        }
        p = strstr(seen, "latency_ms");
        if (p != NULL) {
                char *from = p + 11 + (p[10] == '"'), *to = from + strspn(from, "0123456789.");

                memmove(from + 1, to, strlen(to) + 1);
                *from = 'L';
        }
        return slice_of(seen);
}

static int pipe_log(struct log *l) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                abort();
        *l = (struct log){ .fd = fds[1], .own_fd = true, .kind = LOG_PIPE, .threshold = LEVEL_INFO };
        strbuf_init(&l->line, 256 * 1024);
        return fds[0];
}

static struct peer peer = { .kind = PEER_UNIX, .uid = 1000, .gid = 100, .pid = 42, .text = "@" };

static struct exchange sample(void) {
        struct exchange x = {
                .peer = &peer,
                .listener_name = SLICE("default"),
                .head = { .method_text = SLICE("GET"), .method = HTTP_GET, .minor = 1 },
                .target = { .decoded = SLICE("/v1.45/containers/json"), .normalized = SLICE("/containers/json") },
                .normalized_computed = true,
                .request_id = "63607a7063b520d3105b9932e005270f",
                .client_request_id = SLICE("mine"),
                .trace = { "4bf92f3577b34da6a3ce929d0e0e4736", "7f988f7cd4f6e339", "00f067aa0ba902b7", "01", true,
                           true },
                .profile_selected = true,
                .profile = SLICE("root"),
                .mode = MODE_WARN,
                .verdict = { .decision = DECISION_ALLOW, .code = REASON_matched_allow_rule },
                .status = 200,
                .response_bytes = 2,
        };

        return x;
}

static void the_access_record_has_the_fields_in_the_order_of_the_chapter(void) {
        struct exchange x = sample();
        struct log l;
        int fd = pipe_log(&l);

        access_record(&l, &x);
        CHECK_STR(take(fd),
                  "{\"time\":\"T\",\"level\":\"INFO\",\"msg\":\"request\",\"method\":\"GET\",\"path\":\"/v1.45/"
                  "containers/json\","
                  "\"request_id\":\"63607a7063b520d3105b9932e005270f\",\"client_request_id\":\"mine\",\"listener_"
                  "name\":\"default\","
                  "\"normalized_path\":\"/containers/json\",\"decision\":\"allow\",\"rule\":0,\"profile\":\"root\","
                  "\"rollout_mode\":\"warn\",\"reason_code\":\"matched_allow_rule\",\"trace_id\":"
                  "\"4bf92f3577b34da6a3ce929d0e0e4736\","
                  "\"trace_parent_id\":\"00f067aa0ba902b7\",\"trace_span_id\":\"7f988f7cd4f6e339\",\"trace_sampled\":"
                  "true,"
                  "\"status\":200,\"latency_ms\":L,\"bytes\":2,\"client\":\"@\"}\n");
        x.verdict = (struct verdict){ DECISION_WOULD_DENY, 2, REASON_matched_deny_rule, SLICE("no\npe"), 0 };
        x.resource = (struct resource_record){ true,         "container",  "update", "effective_state",
                                               "memory,cpu", "would_deny", "memory", true };
        x.mutation.entries =
                (struct mutation_entry[]){ { SLICE("a"), "inject_labels", "enforce", "applied" }, { SLICE("b") } };
        x.mutation.n = 2;
        x.aborted = true;
        x.throttle_would_deny = REASON_concurrency_cap;
        x.trace.inherited = x.trace.sampled = false;
        access_record(&l, &x);
        CHECK_STR(
                take(fd),
                "{\"time\":\"T\",\"level\":\"WARN\",\"msg\":\"request_would_deny\",\"method\":\"GET\",\"path\":\"/"
                "v1.45/containers/json\","
                "\"request_id\":\"63607a7063b520d3105b9932e005270f\",\"client_request_id\":\"mine\",\"listener_name\":"
                "\"default\","
                "\"normalized_path\":\"/containers/json\",\"decision\":\"would_deny\",\"rule\":2,\"profile\":\"root\","
                "\"rollout_mode\":\"warn\",\"reason_code\":\"matched_deny_rule\",\"reason\":\"no\\\\npe\","
                "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"trace_span_id\":\"7f988f7cd4f6e339\",\"trace_"
                "sampled\":false,"
                "\"resource_policy_evaluated\":true,\"resource_policy_kind\":\"container\",\"resource_policy_"
                "operation\":\"update\","
                "\"resource_policy_source\":\"effective_state\",\"resource_policy_requirements\":\"memory,cpu\","
                "\"resource_policy_result\":\"would_deny\",\"resource_policy_state_lookup\":true,"
                "\"resource_policy_violation\":\"memory\",\"status\":200,\"latency_ms\":L,\"bytes\":2,\"client\":\"@\","
                "\"mutation_rule_ids\":\"a,b\",\"mutation_changed\":false,\"throttle_would_deny\":\"concurrency_cap\","
                "\"aborted\":true}\n");
        log_close(&l);
        close(fd);
}

static void the_text_record_quotes_what_would_break_the_line(void) {
        struct exchange x = sample();
        struct log l;
        int fd = pipe_log(&l);

        l.text = true;
        x.verdict = (struct verdict){ DECISION_DENY, 0, REASON_rate_limit_exceeded, SLICE("rate limit exceeded"), 429 };
        x.status = 429;
        x.mode = MODE_ENFORCE;
        x.trace.inherited = x.trace.sampled = false;
        x.client_request_id = SLICE("");
        x.target.decoded = SLICE("/a\x01\"=\\\xff\xc3\xa9");
        access_record(&l, &x);
        CHECK_STR(take(fd),
                  "time=T level=WARN msg=request_denied method=GET path=\"/a\\x01\\\"=\\\\\\xff\xc3\xa9\" "
                  "request_id=63607a7063b520d3105b9932e005270f "
                  "listener_name=default normalized_path=/containers/json decision=deny rule=0 profile=root "
                  "reason_code=rate_limit_exceeded reason=\"rate limit exceeded\" "
                  "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 "
                  "trace_span_id=7f988f7cd4f6e339 trace_sampled=false status=429 latency_ms=L bytes=2 client=@\n");
        log_close(&l);
        close(fd);
}

static void the_audit_record_has_every_key_even_when_empty(void) {
        struct exchange x = sample();
        struct log l;
        int fd = pipe_log(&l);

        x.profile_selected = false;
        x.client_request_id = SLICE("");
        x.target.decoded = SLICE("/a\nb");
        x.trace.parent_id[0] = '\0';
        audit_record(&l, &x);
        CHECK_STR(
                take(fd),
                "{\"event_type\":\"http_request\",\"timestamp\":\"T\",\"request_id\":"
                "\"63607a7063b520d3105b9932e005270f\","
                "\"client_request_id\":\"\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"trace_parent_id\":\"\","
                "\"trace_span_id\":\"7f988f7cd4f6e339\",\"trace_sampled\":true,\"method\":\"GET\",\"raw_path\":\"/"
                "a\\nb\","
                "\"normalized_path\":\"/containers/"
                "json\",\"decision\":\"allow\",\"reason_code\":\"matched_allow_rule\",\"reason\":\"\","
                "\"matched_rule\":0,\"selected_profile\":\"\",\"status\":200,\"actor_remote_addr\":\"@\",\"actor_"
                "source_ip\":\"\","
                "\"actor_uid\":1000,\"actor_gid\":100,\"actor_pid\":42,\"transport_listener\":\"unix\",\"transport_"
                "scheme\":\"http\","
                "\"transport_protocol\":\"HTTP/1.1\",\"ownership\":{\"enabled\":false,\"owner\":\"\","
                "\"label_key\":\"com.sockguard.owner\"},\"listener_name\":\"default\"}\n");
        x.mutation.entries = (struct mutation_entry[]){ { SLICE("a"), "remap_image", "warn", "would_noop" },
                                                        { SLICE("b"), "x", "y", "z" } };
        x.mutation.n = 2;
        x.resource = (struct resource_record){
                .evaluated = true, .kind = "service", .result = "allow", .state_lookup = true
        };
        audit_record(&l, &x);
        (void) take(fd);
        CHECK(strstr(seen,
                     ",\"resource_policy\":{\"kind\":\"service\",\"result\":\"allow\",\"state_lookup\":true},"
                     "\"listener_name\":\"default\","
                     "\"mutation\":{\"rules\":[{\"id\":\"a\",\"type\":\"remap_image\",\"mode\":\"warn\",\"outcome\":"
                     "\"would_noop\"},"
                     "{\"id\":\"b\",\"type\":\"x\",\"mode\":\"y\",\"outcome\":\"z\"}],\"actual_changed\":false}}\n") !=
              NULL);
        log_close(&l);
        close(fd);
}

static void long_values_are_cut_at_a_character_and_end_in_an_ellipsis(void) {
        struct exchange x = sample();
        char path[3000], id[300];
        struct log l;
        int fd = pipe_log(&l);

        memset(path, 'p', sizeof(path));
        memcpy(path + 1022, "\xe2\x82\xac", 3); /* the euro sign straddles the limit */
        memset(id, 'i', sizeof(id));
        x.target.decoded = slice_make(path, sizeof(path));
        x.client_request_id = slice_make(id, sizeof(id));
        access_record(&l, &x);
        (void) take(fd);
        CHECK(memmem(seen, strlen(seen), path, 1022) != NULL);
        CHECK(strstr(seen, "ppp\xe2\x80\xa6\",\"request_id\"") != NULL);
        CHECK(strstr(seen, "iii\xe2\x80\xa6\",\"listener_name\"") != NULL);
        CHECK(strstr(seen, "\xe2\x82") == NULL);
        log_close(&l);
        close(fd);
}

static void a_line_for_a_pipe_is_never_longer_than_the_pipe_takes_at_once(void) {
        struct mutation_entry entries[400];
        struct exchange x = sample();
        char nasty[1024];
        struct log l;
        int fd = pipe_log(&l);

        memset(nasty, '\x01', sizeof(nasty));
        for (size_t i = 0; i < 400; i++)
                entries[i] = (struct mutation_entry){ slice_make(nasty, 200), "inject_labels", "enforce", "applied" };
        x.target.decoded = x.target.normalized = x.client_request_id = x.verdict.reason = x.head.method_text =
                x.profile = slice_make(nasty, sizeof(nasty));
        x.mutation.entries = entries;
        x.mutation.n = 400;
        access_record(&l, &x);
        (void) take(fd);
        CHECK(strlen(seen) > 500 && strlen(seen) <= PIPE_BUF);
        CHECK(strstr(seen, "63607a7063b520d3105b9932e005270f") != NULL);
        audit_record(&l, &x);
        (void) take(fd);
        CHECK(strlen(seen) > 500 && strlen(seen) <= PIPE_BUF);
        CHECK_INT(l.dropped, 0);
        log_close(&l);
        close(fd);
}

static void a_full_pipe_loses_records_and_says_so_later(void) {
        struct exchange x = sample();
        struct log l;
        int fd = pipe_log(&l);

        for (unsigned i = 0; i < 1000; i++)
                access_record(&l, &x);
        CHECK(l.dropped > 0);
        while (read(fd, seen, sizeof(seen)) > 0)
                ;
        access_record(&l, &x);
        (void) take(fd);
        CHECK(strstr(seen, "\"msg\":\"log records dropped\",\"dropped_total\":") != NULL);
        log_close(&l);
        close(fd);
}

static void records_below_the_level_are_not_written(void) {
        struct exchange x = sample();
        struct log l;
        int fd = pipe_log(&l);

        l.threshold = LEVEL_WARN;
        access_record(&l, &x);
        CHECK_INT(read(fd, seen, sizeof(seen)), -1);
        x.verdict.decision = DECISION_DENY;
        access_record(&l, &x);
        CHECK(read(fd, seen, sizeof(seen)) > 0);
        x.verdict.decision = DECISION_WOULD_DENY;
        x.mode = MODE_AUDIT;
        access_record(&l, &x);
        CHECK_INT(read(fd, seen, sizeof(seen)), -1);
        log_close(&l);
        close(fd);
}

static void numbers_are_written_in_their_shortest_form(void) {
        struct log l;
        int fd = pipe_log(&l);

        log_begin_bare(&l);
        log_micros_as_ms(&l, "a", 5172);
        log_micros_as_ms(&l, "b", 200);
        log_micros_as_ms(&l, "c", 1000);
        log_micros_as_ms(&l, "d", 1003731);
        log_micros_as_ms(&l, "e", 7);
        log_double(&l, "f", 0.5);
        log_double(&l, "g", 10);
        log_double(&l, "h", 1.0 / 3);
        CHECK(log_end(&l));
        CHECK_STR(take(fd), "{\"a\":5.172,\"b\":0.2,\"c\":1,\"d\":1003.731,\"e\":0.007,\"f\":0.5,\"g\":10,\"h\":0."
                            "3333333333333333}\n");
        log_close(&l);
        close(fd);
}

static void a_list_is_an_array_or_one_quoted_value(void) {
        static const struct slice items[] = { { "a unix:/x", 9 }, { "b\"\n", 3 } };
        struct log l;
        int fd = pipe_log(&l);

        log_begin_bare(&l);
        log_list(&l, "none", items, 0);
        log_list(&l, "two", items, 2);
        log_bool(&l, "after", true);
        CHECK(log_end(&l));
        CHECK_STR(take(fd), "{\"none\":[],\"two\":[\"a unix:/x\",\"b\\\"\\n\"],\"after\":true}\n");
        l.text = true;
        log_begin_bare(&l);
        log_list(&l, "none", items, 0);
        log_list(&l, "two", items, 2);
        CHECK(log_end(&l));
        CHECK_STR(take(fd), "none=[] two=\"[a unix:/x b\\\"\\n]\"\n");
        log_close(&l);
        close(fd);
}

static void records_never_go_to_the_client(void) {
        int pair[2], saved = dup(STDERR_FILENO);
        struct error e;
        struct log l;

        CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        dup2(pair[0], STDERR_FILENO);
        CHECK_INT(log_open(&l, SLICE("stderr"), pair, 1, &e), 0);
        CHECK(l.kind == LOG_SYSLOG || l.kind == LOG_NOWHERE);
        log_close(&l);
        CHECK_INT(log_open(&l, SLICE("stderr"), pair + 1, 1, &e), 0);
        CHECK_INT(l.kind, LOG_SOCKET);
        log_close(&l);
        dup2(saved, STDERR_FILENO);
        close(saved);
        close(pair[0]);
        close(pair[1]);
}

static void a_file_is_appended_to_and_private(void) {
        char name[] = "/tmp/sockguard-test-log-XXXXXX";
        struct exchange x = sample();
        struct error e;
        struct log l;
        int fd = mkstemp(name);

        CHECK(fd >= 0);
        CHECK_INT(log_open(&l, slice_of(name), NULL, 0, &e), 0);
        access_record(&l, &x);
        log_close(&l);
        CHECK_INT(log_open(&l, slice_of(name), NULL, 0, &e), 0);
        access_record(&l, &x);
        log_close(&l);
        CHECK(read(fd, seen, sizeof(seen)) > 900);
        CHECK(log_open(&l, SLICE("/nonexistent-directory/log"), NULL, 0, &e) < 0);
        CHECK(strstr(e.text, "/nonexistent-directory/log") != NULL);
        log_close(&l);
        unlink(name);
        close(fd);
}

/* ---- ids and traces ---- */

static struct exchange with_traceparent(const char *value) {
        static struct http_field fields[2];
        struct exchange x = { 0 };

        fields[0] = (struct http_field){ SLICE("traceparent"), slice_of(value), HTTP_F_TRACEPARENT, false };
        fields[1] = (struct http_field){ SLICE("X-Request-Id"), SLICE("abc"), HTTP_F_X_REQUEST_ID, false };
        x.head.fields = fields;
        x.head.n_fields = 2;
        return x;
}

static void half_a_line_on_a_full_disk_spoils_no_other(void) {
        char path[] = "/tmp/test-records-XXXXXX", text[512];
        struct rlimit old, full;
        struct log l;
        struct error e;
        ssize_t n;
        int fd = mkstemp(path);

        CHECK(fd >= 0);
        CHECK_INT(log_open(&l, slice_of(path), NULL, 0, &e), 0);
        CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
        full = old;
        full.rlim_cur = 20;
        (void) signal(SIGXFSZ, SIG_IGN);
        for (int i = 0; i < 3; i++) {
                (void) setrlimit(RLIMIT_FSIZE, i == 1 ? &full : &old);
                log_begin_bare(&l);
                log_int(&l, "number", i);
                CHECK(log_end(&l));
        }
        CHECK_INT(l.dropped, 1);
        n = pread(fd, text, sizeof(text) - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        CHECK_STR(slice_of(text), "{\"number\":0}\n{\"numbe\n{\"number\":2}\n");
        log_close(&l);
        close(fd);
        unlink(path);
}

static void a_valid_trace_is_continued(void) {
        struct exchange x = with_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0b");

        trace_begin(&x);
        CHECK_STR(slice_of(x.trace.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
        CHECK_STR(slice_of(x.trace.parent_id), "00f067aa0ba902b7");
        CHECK_STR(slice_of(x.trace.flags), "0b");
        CHECK(x.trace.inherited && x.trace.sampled);
        CHECK_INT(strlen(x.trace.span_id), 16);
        CHECK(strcmp(x.trace.span_id, x.trace.parent_id) != 0);
        CHECK_STR(x.client_request_id, "abc");
        CHECK_INT(strlen(x.request_id), 32);
}

static void any_other_traceparent_starts_a_new_trace(void) {
        static const char *const bad[] = {
                "",
                "bogus",
                "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0G",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct exchange x = with_traceparent(bad[i]);

                trace_begin(&x);
                CHECK(!x.trace.inherited && !x.trace.sampled);
                CHECK_STR(slice_of(x.trace.flags), "00");
                CHECK_INT(strlen(x.trace.trace_id), 32);
                CHECK_INT(strlen(x.trace.parent_id), 0);
                CHECK(strncmp(x.trace.trace_id, "4bf92f3577b34da6", 16) != 0);
        }
}

static void no_two_requests_have_the_same_id_not_even_across_fork(void) {
        static char ids[2000][33];
        struct exchange x = with_traceparent("");
        int fds[2];

        for (size_t i = 0; i < 2000; i++) {
                trace_begin(&x);
                memcpy(ids[i], x.request_id, 33);
        }
        qsort(ids, 2000, sizeof(ids[0]), (int (*)(const void *, const void *)) strcmp);
        for (size_t i = 1; i < 2000; i++)
                CHECK(strcmp(ids[i - 1], ids[i]) != 0);
        CHECK_INT(pipe(fds), 0);
        if (fork() == 0) {
                trace_begin(&x);
                _exit(write(fds[1], x.request_id, 32) == 32 ? 0 : 1);
        }
        trace_begin(&x);
        CHECK_INT(read(fds[0], seen, 32), 32);
        CHECK(memcmp(seen, x.request_id, 32) != 0);
        close(fds[0]);
        close(fds[1]);
}

CHECK_MAIN(CHECK_TEST(the_access_record_has_the_fields_in_the_order_of_the_chapter),
           CHECK_TEST(the_text_record_quotes_what_would_break_the_line),
           CHECK_TEST(the_audit_record_has_every_key_even_when_empty),
           CHECK_TEST(long_values_are_cut_at_a_character_and_end_in_an_ellipsis),
           CHECK_TEST(a_line_for_a_pipe_is_never_longer_than_the_pipe_takes_at_once),
           CHECK_TEST(a_full_pipe_loses_records_and_says_so_later), CHECK_TEST(records_below_the_level_are_not_written),
           CHECK_TEST(numbers_are_written_in_their_shortest_form), CHECK_TEST(a_list_is_an_array_or_one_quoted_value),
           CHECK_TEST(records_never_go_to_the_client), CHECK_TEST(a_file_is_appended_to_and_private),
           CHECK_TEST(half_a_line_on_a_full_disk_spoils_no_other), CHECK_TEST(a_valid_trace_is_continued),
           CHECK_TEST(any_other_traceparent_starts_a_new_trace),
           CHECK_TEST(no_two_requests_have_the_same_id_not_even_across_fork))
