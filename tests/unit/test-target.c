/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "http/target.h"
#include "tests/unit/check.h"

static struct arena arena;

/* Chapter 02, section 5: raw target, decoded (NULL: same as raw), normalised, sent to the daemon (NULL: same as raw).
 */
static const struct {
        const char *raw, *decoded, *normalized, *sent;
} good[] = {
        { "/containers/json/", NULL, "/containers/json", NULL },
        { "//containers//json", NULL, "/containers/json", NULL },
        { "/containers/./json", NULL, "/containers/json", NULL },
        { "/./containers/json", NULL, "/containers/json", NULL },
        { "/containers/json/.", NULL, "/containers/json", NULL },
        { "/containers/json/..", NULL, "/containers", NULL },
        { "/containers/x/../json", NULL, "/containers/json", NULL },
        { "/../../x", NULL, "/x", NULL },
        { "/..", NULL, "/", NULL },
        { "/.", NULL, "/", NULL },
        { "//", NULL, "/", NULL },
        { "/", NULL, "/", NULL },
        { "/...", NULL, "/...", NULL },
        { "/.../a", NULL, "/.../a", NULL },
        { "/a/.b", NULL, "/a/.b", NULL },
        { "/a/..b", NULL, "/a/..b", NULL },
        { "/a/b..", NULL, "/a/b..", NULL },
        { "/v1.45/containers/json", NULL, "/containers/json", NULL },
        { "/v1/x", NULL, "/x", NULL },
        { "/v01.045/x", NULL, "/x", NULL },
        { "/v1.45.0/x", NULL, "/x", NULL },
        { "/v99999999999999999999/x", NULL, "/x", NULL },
        { "/v5.0.0/libpod/info", NULL, "/libpod/info", NULL },
        { "/v/x", NULL, "/v/x", NULL },
        { "/V1.45/x", NULL, "/V1.45/x", NULL },
        { "/vx/x", NULL, "/vx/x", NULL },
        { "/v1.45", NULL, "/v1.45", NULL },
        { "/v1.45/", NULL, "/v1.45", NULL },
        { "/v1.45//x", NULL, "/x", NULL },
        { "//v1.45/x", NULL, "/x", NULL },
        { "/./v1.45/x", NULL, "/x", NULL },
        { "/v1.45/./x", NULL, "/x", NULL },
        { "/v1.45/../x", NULL, "/x", NULL },
        { "/x/../v1.45/y", NULL, "/y", NULL },
        { "/v1.45/v1.44/x", NULL, "/v1.44/x", NULL },
        { "/%76%31.45/x", "/v1.45/x", "/x", NULL },
        { "/v1%2e45/x", "/v1.45/x", "/x", NULL },
        { "/v1.45%2fx", "/v1.45/x", "/x", NULL },
        { "/containers%2fjson", "/containers/json", "/containers/json", NULL },
        { "/v1.45%2Fcontainers%2fjson", "/v1.45/containers/json", "/containers/json", NULL },
        { "/a%2f%2fb", "/a//b", "/a/b", NULL },
        { "/a/%2f/b", "/a///b", "/a/b", NULL },
        { "/containers/%252e/json", "/containers/%2e/json", "/containers/%2e/json", NULL },
        { "/a%7fb",
          "/a\x7f"
          "b",
          "/a\x7f"
          "b",
          NULL },
        { "/a%20b", "/a b", "/a b", NULL },
        { "/a%5cb", "/a\\b", "/a\\b", NULL },
        { "/a%ffb",
          "/a\xff"
          "b",
          "/a\xff"
          "b",
          NULL },
        { "/a+b", NULL, "/a+b", NULL },
        { "/a;b", NULL, "/a;b", NULL },
        { "/images/a@sha256:00/json", NULL, "/images/a@sha256:00/json", NULL },
        { "/a\\b", NULL, "/a\\b", "/a%5Cb" },
        { "/a|b", NULL, "/a|b", "/a%7Cb" },
        { "/a\"b", NULL, "/a\"b", "/a%22b" },
        { "/a<b>", NULL, "/a<b>", "/a%3Cb%3E" },
        { "/a{b}", NULL, "/a{b}", "/a%7Bb%7D" },
        { "/a`b^", NULL, "/a`b^", "/a%60b%5E" },
        { "/a\xc3\xa9", NULL, "/a\xc3\xa9", "/a%C3%A9" },
        { "/a#b", NULL, "/a#b", "/a%23b" },
        { "/images/a%2fb|c/json", "/images/a/b|c/json", "/images/a/b|c/json", "/images/a%2fb%7Cc/json" },
        { "/a[b]", NULL, "/a[b]", NULL },
        { "/a!b*c(d)", NULL, "/a!b*c(d)", NULL },
        { "/a'b", NULL, "/a'b", NULL },
        { "/a,b=c&d$e", NULL, "/a,b=c&d$e", NULL },
        { "/Containers/JSON", NULL, "/Containers/JSON", NULL },
        { "/images/reg.io%2fa%2fb/json", "/images/reg.io/a/b/json", "/images/reg.io/a/b/json", NULL },
        { "//evil/containers/json", NULL, "/evil/containers/json", NULL },
        { "http://docker/_ping", "/_ping", "/_ping", "/_ping" },
        { "HTTP://u:p@docker:80/v1.45/_ping", "/v1.45/_ping", "/_ping", "/v1.45/_ping" },
        { "https://[::1]:2376/a%20b", "/a b", "/a b", "/a%20b" },
        { "http://docker", "/", "/", "/" },
        { "http:///_ping", "/_ping", "/_ping", "/_ping" },
        { "http:/_ping", "/_ping", "/_ping", "/_ping" },
};

static void every_path_of_the_table_is_normalised_as_the_chapter_says(void) {
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                enum reason_code reason = REASON_NONE;
                const char *why = "";
                struct http_target t;

                CHECK_INT(http_target_parse(slice_of(good[i].raw), false, &arena, &t, &reason, &why), 0);
                CHECK_STR(t.decoded, good[i].decoded ? good[i].decoded : good[i].raw);
                CHECK_STR(t.normalized, good[i].normalized);
                CHECK_STR(t.raw_path, good[i].sent ? good[i].sent : good[i].raw);
                arena_reset(&arena);
        }
}

static void what_no_client_sends_is_refused_before_any_rule(void) {
        static const char *const bad[] = {
                "",
                "_ping",
                "?x=1",
                "*",
                ".",
                "..",
                "docker:443",
                "unix:///_ping",
                "ftp://x/_ping",
                "javascript:/_ping",
                ":/_ping",
                "x:http://h/containers/create",
                "http:x",
                "http:",
                "http://h:port/x",
                "http://h:123456/x",
                "http://a/b@c:x",
                "http://[::1/x",
                "http://[::1]x/x",
                "http://a<b/x",
                "/a%zz",
                "/a%4",
                "/%",
                "/a%4g",
                "/%%20",
                "http",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                enum reason_code reason = REASON_NONE;
                const char *why = NULL;
                struct http_target t;
                int r = http_target_parse(slice_of(bad[i]), false, &arena, &t, &reason, &why);

                if (slice_eq(slice_of(bad[i]), SLICE("http://a/b@c:x"))) {
                        CHECK_INT(r, 0); /* the path starts at the first slash: "@" and ":" behind it are path bytes */
                        continue;
                }
                if (r != -EBADMSG)
                        fprintf(stderr, "target \"%s\"\n", bad[i]);
                CHECK_INT(r, -EBADMSG);
                CHECK(why != NULL);
        }
}

static void what_engines_read_differently_is_denied(void) {
        static const struct {
                struct slice raw;
                enum reason_code reason;
        } bad[] = {
                { SLICE("/v1.45.0.1/x"), REASON_malformed_api_version },
                { SLICE("/v1./x"), REASON_malformed_api_version },
                { SLICE("/v1..2/x"), REASON_malformed_api_version },
                { SLICE("/v.1/x"), REASON_malformed_api_version },
                { SLICE("/v./x"), REASON_malformed_api_version },
                { SLICE("/v1.40%2e/containers/create"), REASON_malformed_api_version },
                { SLICE("/v1.40...../containers/create"), REASON_malformed_api_version },
                { SLICE("//v1.40.0.1//containers/create"), REASON_malformed_api_version },
                { SLICE("/v1.x/x"), REASON_malformed_api_version },
                { SLICE("/v1.45x/x"), REASON_malformed_api_version },
                { SLICE("/v1-45/x"), REASON_malformed_api_version },
                { SLICE("/containers/%2e%2e/json"), REASON_ambiguous_path },
                { SLICE("/containers/%2E/json"), REASON_ambiguous_path },
                { SLICE("/containers/%2e%2e%2fimages/json"), REASON_ambiguous_path },
                { SLICE("/containers/.%2e/json"), REASON_ambiguous_path },
                { SLICE("/libpod/images/a%2F..%2Fb/json"), REASON_ambiguous_path },
                { SLICE("/a%2f.."), REASON_ambiguous_path },
                { SLICE("/a%2fb/../c"), REASON_ambiguous_path },
                { SLICE("/a%00b"), REASON_ambiguous_path },
                { SLICE("/a%0ab"), REASON_ambiguous_path },
                { SLICE("/a%0Db"), REASON_ambiguous_path },
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                enum reason_code reason = REASON_NONE;
                const char *why = NULL;
                struct http_target t;

                CHECK_INT(http_target_parse(bad[i].raw, false, &arena, &t, &reason, &why), -EACCES);
                CHECK_STR(reason_name(reason), reason_name(bad[i].reason).at);
                CHECK(t.normalized.len > 0);
        }
}

static void asterisk_is_a_target_for_options_only(void) {
        enum reason_code reason;
        const char *why;
        struct http_target t;

        CHECK_INT(http_target_parse(SLICE("*"), true, &arena, &t, &reason, &why), 0);
        CHECK_STR(t.normalized, "*");
        CHECK_INT(http_target_parse(SLICE("*"), false, &arena, &t, &reason, &why), -EBADMSG);
}

static void the_query_begins_at_the_first_question_mark(void) {
        enum reason_code reason;
        const char *why;
        struct http_target t;

        CHECK_INT(http_target_parse(SLICE("/a?x=/../y?z"), false, &arena, &t, &reason, &why), 0);
        CHECK_STR(t.normalized, "/a");
        CHECK_STR(t.query, "x=/../y?z");
        CHECK(t.has_query);
        CHECK_INT(http_target_parse(SLICE("/a?"), false, &arena, &t, &reason, &why), 0);
        CHECK(t.has_query);
        CHECK_INT(t.query.len, 0);
        CHECK_INT(http_target_parse(SLICE("http://h?x=1"), false, &arena, &t, &reason, &why), 0);
        CHECK_STR(t.raw_path, "/");
        CHECK_STR(t.query, "x=1");
}

static void relative_paths_are_cleaned_with_their_leading_dots_kept(void) {
        static const char *const rows[][2] = {
                { "", "." },
                { "a", "a" },
                { "a/..", "." },
                { "../a", "../a" },
                { "a/../../b", "../b" },
                { "./a", "a" },
                { "../../a/../b", "../../b" },
                { "/a/../..", "/" },
                { "a//b/", "a/b" },
                { "../..", "../.." },
                { "a/b/../../..", ".." },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_STR(path_clean(slice_of(rows[i][0]), true, &arena), rows[i][1]);
        CHECK_STR(path_clean(SLICE(""), false, &arena), "");
}

static void a_query_is_parsed_and_written_as_the_chapter_says(void) {
        static const struct {
                const char *raw, *encoded;
                bool dropped;
        } rows[] = {
                { "x=1;y=2", "", true },
                { "b=2&a=1;", "b=2", true },
                { "a=%41&b=%zz&c=%41", "a=A&c=A", true },
                { "a=%41&b=+", "a=A&b=+", false },
                { "x=1&&y=2", "x=1&y=2", false },
                { "", "", false },
                { "b=2&a=1&b=1", "a=1&b=2&b=1", false },
                { "k", "k=", false },
                { "=v", "=v", false },
                { "a=b=c", "a=b%3Dc", false },
                { "a%20b=%C3%A9~_.-", "a+b=%C3%A9~_.-", false },
                { "a=%", "", true },
                { "%zz=1&b=1", "b=1", true },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct http_query q;

                http_query_parse(slice_of(rows[i].raw), &arena, &q);
                CHECK_STR(http_query_encode(&q, &arena), rows[i].encoded);
                CHECK_INT(q.dropped, rows[i].dropped);
        }
}

static void a_query_of_too_many_parts_is_empty(void) {
        static char text[2 * 10001];
        struct http_query q;

        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = i % 2 ? '&' : 'a';
        http_query_parse(slice_make(text, 2 * 10000 - 1), &arena, &q);
        CHECK_INT(q.n, 10000);
        CHECK(!q.dropped);
        http_query_parse(slice_make(text, 2 * 10000), &arena, &q);
        CHECK_INT(q.n, 0);
        CHECK(q.dropped);
}

static void parameters_are_found_counted_and_replaced(void) {
        struct http_query q;
        struct slice v = SLICE("untouched");

        http_query_parse(SLICE("a=1&b=2&a=3"), &arena, &q);
        CHECK(http_query_get(&q, SLICE("a"), &v));
        CHECK_STR(v, "1");
        CHECK(!http_query_get(&q, SLICE("A"), &v));
        CHECK_STR(v, "1");
        CHECK_INT(http_query_count(&q, SLICE("a")), 2);
        http_query_set(&q, SLICE("a"), SLICE("x y"), &arena);
        http_query_set(&q, SLICE("c"), SLICE("9"), &arena);
        CHECK_STR(http_query_encode(&q, &arena), "a=x+y&b=2&c=9");
}

static void truth_is_dockers(void) {
        static const char *const no[] = { "", "0", "no", "false", "none", " FALSE ", "\tNone", "\xc2\xa0no" };
        static const char *const yes[] = { "1", "true", "00", "off", "n", "f", "yes", " x " };

        for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
                CHECK(!http_query_truth(slice_of(no[i])));
        for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
                CHECK(http_query_truth(slice_of(yes[i])));
}

static void one_segment_is_escaped_for_a_lookup(void) {
        CHECK_STR(path_escape_segment(SLICE("a/b?c d"), &arena), "a%2Fb%3Fc%20d");
        CHECK_STR(path_escape_segment(SLICE("A-_.~$&+=:@"), &arena), "A-_.~$&+=:@");
        CHECK_STR(path_escape_segment(SLICE("\0"), &arena), "%00");
}

int main(void) {
        static const struct check_test tests[] = {
                CHECK_TEST(every_path_of_the_table_is_normalised_as_the_chapter_says),
                CHECK_TEST(what_no_client_sends_is_refused_before_any_rule),
                CHECK_TEST(what_engines_read_differently_is_denied),
                CHECK_TEST(asterisk_is_a_target_for_options_only),
                CHECK_TEST(the_query_begins_at_the_first_question_mark),
                CHECK_TEST(relative_paths_are_cleaned_with_their_leading_dots_kept),
                CHECK_TEST(a_query_is_parsed_and_written_as_the_chapter_says),
                CHECK_TEST(a_query_of_too_many_parts_is_empty),
                CHECK_TEST(parameters_are_found_counted_and_replaced),
                CHECK_TEST(truth_is_dockers),
                CHECK_TEST(one_segment_is_escaped_for_a_lookup),
        };
        int r;

        arena_init(&arena, 16 * 1024 * 1024, NULL);
        r = check_run_(tests, sizeof(tests) / sizeof(tests[0]));
        arena_free(&arena);
        return r;
}
