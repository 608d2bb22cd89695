/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <time.h>

#include "check.h"

static struct arena arena;

static const char *verdict_with(struct slice text, unsigned flags, unsigned depth) {
        struct json_error e = { 0 };

        arena_free(&arena);
        arena_init(&arena, 64u << 20, NULL);
        return json_validate(text, flags, depth, &arena, &e) == 0 ? "ok" : e.what;
}

static const char *verdict(struct slice text) {
        return verdict_with(text, 0, JSON_DEPTH_MAX);
}

#define CHECK_VERDICT(text, want) CHECK_STR(slice_of(verdict(SLICE(text))), want)

static void one_value_and_nothing_else(void) {
        CHECK_VERDICT("{}", "ok");
        CHECK_VERDICT(" \t\r\n[1, 2.5e-3 ,\"x\",null,true,false,{\"a\":[]}] ", "ok");
        CHECK_VERDICT("-0", "ok");
        CHECK_VERDICT("", "unexpected end");
        CHECK_VERDICT("  ", "unexpected end");
        CHECK_VERDICT("{} {}", "data after the value");
        CHECK_VERDICT("\xef\xbb\xbf{}", "unexpected character");
        CHECK_VERDICT("{}\0", "data after the value");
        CHECK_VERDICT("{\"a\":1,}", "member name expected");
        CHECK_VERDICT("[1,]", "unexpected character");
        CHECK_VERDICT("[1 2]", "',' or closing bracket expected");
        CHECK_VERDICT("[1}", "',' or closing bracket expected");
        CHECK_VERDICT("{\"a\":1]", "',' or closing bracket expected");
        CHECK_VERDICT("{a:1}", "member name expected");
        CHECK_VERDICT("{\"a\" 1}", "':' expected");
        CHECK_VERDICT("{\"a\":}", "unexpected character");
        CHECK_VERDICT("[/*x*/1]", "unexpected character");
        CHECK_VERDICT("[1\xc2\xa0]", "',' or closing bracket expected");
        CHECK_VERDICT("nul", "unexpected character");
        CHECK_VERDICT("nulll", "data after the value");
        CHECK_VERDICT("[", "unexpected end");
        CHECK_VERDICT("{\"a", "unterminated string");
}

static void numbers_follow_the_grammar(void) {
        static const char *const bad[] = { "01", "+1",  "1.",  ".5",   "1e",       "1e+",
                                           "-",  "--1", "0x1", "1.e1", "Infinity", "NaN" };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                CHECK(strcmp(verdict(slice_of(bad[i])), "ok") != 0);
        CHECK_VERDICT("[0,-0,0.0,1E+10,1e-10,123456789012345678901234567890]", "ok");
}

static void strings_are_strict(void) {
        CHECK_VERDICT("\"a\nb\"", "control character in string");
        CHECK_VERDICT("\"a\x1f\"", "control character in string");
        CHECK_VERDICT("\"a\x7f\"", "ok");
        CHECK_VERDICT("\"\\x\"", "unknown escape");
        CHECK_VERDICT("\"\\\0\"", "unknown escape");
        CHECK_VERDICT("\"\\u12g4\"", "malformed escape");
        CHECK_VERDICT("\"\\u12", "unterminated string");
        CHECK_VERDICT("\"\\", "unterminated string");
        CHECK_VERDICT("\"\\u0000\"", "NUL character in string");
        CHECK_STR(slice_of(verdict_with(SLICE("\"\\u0000\""), JSON_ALLOW_NUL, 1)), "ok");
        CHECK_VERDICT("\"\xff\"", "invalid UTF-8");
        CHECK_VERDICT("\"12345678\xed\xa0\x80\"", "invalid UTF-8");
        CHECK_STR(slice_of(verdict_with(SLICE("\"\xff\""), JSON_ALLOW_BAD_UTF8, 1)), "ok");
        CHECK_VERDICT("\"\\ud800\"", "ok");
        CHECK_VERDICT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "ok");
}

static void depth_is_bounded(void) {
        static char deep[2 * JSON_DEPTH_MAX + 4];

        for (size_t n = JSON_DEPTH_MAX; n <= JSON_DEPTH_MAX + 1; n++) {
                memset(deep, '[', n);
                memset(deep + n, ']', n);
                CHECK_STR(slice_of(verdict(slice_make(deep, 2 * n))), n > JSON_DEPTH_MAX ? "nested too deeply" : "ok");
        }
        CHECK_STR(slice_of(verdict_with(SLICE("[[[]]]"), 0, 3)), "ok");
        CHECK_STR(slice_of(verdict_with(SLICE("[[[[]]]]"), 0, 3)), "nested too deeply");
}

static void duplicates_are_found_exact_and_folded(void) {
        CHECK_VERDICT("{\"a\":1,\"b\":2,\"a\":3}", "duplicate member");
        CHECK_VERDICT("{\"HostConfig\":{},\"hostconfig\":null}", "duplicate member");
        CHECK_VERDICT("{\"HostConfig\":{},\"Ho\xc5\xbftConfig\":null}", "duplicate member");
        CHECK_VERDICT("{\"HostConfig\":{},\"Ho\\u017ftConfig\":null}", "duplicate member");
        CHECK_VERDICT("{\"k\":1,\"\\u212a\":2}", "duplicate member");
        CHECK_VERDICT("{\"a\":1,\"\\u0061\":2}", "duplicate member");
        CHECK_VERDICT("{\"a\":{\"x\":1},\"b\":{\"x\":1}}", "ok");
        CHECK_VERDICT("{\"a\":[{\"x\":1},{\"x\":1}]}", "ok");
        CHECK_VERDICT("[{\"x\":{\"y\":1,\"Y\":2}}]", "duplicate member");
        CHECK_VERDICT("{\"\xc3\xa9\":1,\"\xc3\x89\":1}", "duplicate member");
        CHECK_VERDICT("{\"averylongmembername\":1,\"AVERYLONGMEMBERNAMe\":1}", "duplicate member");
        CHECK_VERDICT("{\"averylongmembername\":1,\"averylongmembernamf\":1}", "ok");
        CHECK_VERDICT("{\"a[\":1,\"a{\":1}", "ok"); /* 0x5b and 0x7b differ by the case bit and are no letters */
        CHECK_VERDICT("{\"longer@name\":1,\"longer`name\":1}", "ok");
        CHECK_STR(slice_of(verdict_with(SLICE("{\"a\":1,\"a\":1}"), JSON_ALLOW_DUPLICATES, 9)), "ok");
}

static void data_maps_only_know_exact_duplicates(void) {
        CHECK_VERDICT("{\"Labels\":{\"a\":\"1\",\"A\":\"2\"}}", "ok");
        CHECK_VERDICT("{\"Labels\":{\"a\":\"1\",\"a\":\"2\"}}", "duplicate member");
        CHECK_VERDICT("{\"Label\xc5\xbf\":{\"a\":\"1\",\"A\":\"2\"}}", "ok");
        CHECK_VERDICT("{\"label\\u0073\":{\"a\":\"1\",\"A\":\"2\"}}", "ok");
        CHECK_VERDICT("{\"EndpointsConfig\":{\"n\":{\"Links\":[],\"links\":[]}}}", "duplicate member");
        CHECK_VERDICT("{\"Labels\":{\"Options\":{\"a\":1,\"A\":2}}}", "duplicate member"); /* one level only */
        CHECK_VERDICT("{\"Labels\":[{\"a\":1,\"A\":2}]}", "duplicate member");
        CHECK_VERDICT("{\"x\":{\"Sysctls\":{\"a\":\"\",\"A\":\"\"}}}", "ok");
        CHECK_VERDICT("[{\"Labels\":{}},{\"a\":1,\"A\":2}]", "duplicate member");
}

static void a_hundred_thousand_names_cost_little(void) {
        size_t room = 2u << 20, n = 0;
        char *text = malloc(room);
        struct timespec from, to;

        text[n++] = '{';
        for (int i = 0; i < 100000; i++)
                n += (size_t) sprintf(text + n, "%s\"k%05x\":1", i ? "," : "", (unsigned) i);
        text[n++] = '}';
        clock_gettime(CLOCK_MONOTONIC, &from);
        CHECK_STR(slice_of(verdict(slice_make(text, n))), "ok");
        clock_gettime(CLOCK_MONOTONIC, &to);
        CHECK(to.tv_sec - from.tv_sec < 2);
        memcpy(text + n - 11, "\"k00000", 7);
        CHECK_STR(slice_of(verdict(slice_make(text, n))), "duplicate member");
        free(text);
}

static void members_are_found_by_folding(void) {
        struct slice text = SLICE("{ \"a\" : [ 1 , {\"b\":\"x\\ty\"} ] , \"Ho\\u017ft\":true,\"n\":-12 }");
        struct json_value root = json_root(text), v;
        struct json_iter it;
        struct slice name;
        int64_t n = 0;

        CHECK_VERDICT("{ \"a\" : [ 1 , {\"b\":\"x\\ty\"} ] , \"Ho\\u017ft\":true,\"n\":-12 }", "ok");
        CHECK_INT(root.type, JSON_OBJECT);
        CHECK_INT(json_member(root, SLICE("host")).type, JSON_TRUE);
        CHECK_INT(json_member_exact(root, SLICE("Host")).type, JSON_ABSENT);
        CHECK_INT(json_int64(json_member(root, SLICE("N")), &n), 0);
        CHECK_INT(n, -12);
        it = json_iter_of(json_member(root, SLICE("A")));
        CHECK(json_next(&it, NULL, &v));
        CHECK_STR(v.text, "1");
        CHECK(json_next(&it, NULL, &v));
        CHECK_STR(v.text, "{\"b\":\"x\\ty\"}");
        CHECK_STR(json_string(json_member(v, SLICE("b")), &arena), "x\ty");
        CHECK(!json_next(&it, NULL, &v));
        it = json_iter_of(root);
        CHECK(json_next(&it, &name, &v));
        CHECK_STR(name, "\"a\"");
        it = json_iter_of(json_root(SLICE("{ }")));
        CHECK(!json_next(&it, NULL, &v));
}

static void strings_are_decoded(void) {
        CHECK_STR(json_name(SLICE("\"plain\""), &arena), "plain");
        CHECK_STR(json_name(SLICE("\"\\ud83d\\ude00\""), &arena), "\xf0\x9f\x98\x80");
        CHECK_STR(json_name(SLICE("\"\\ud83dx\\ude00\""), &arena), "\xef\xbf\xbdx\xef\xbf\xbd");
        CHECK_STR(json_name(SLICE("\"\\ud83d\\u0041\""), &arena), "\xef\xbf\xbd"
                                                                  "A");
        CHECK_STR(json_name(SLICE("\"\xff\\n\""), &arena), "\xef\xbf\xbd\n");
        CHECK_SLICE(json_name(SLICE("\"a\\u0000b\""), &arena), SLICE("a\0b"));
}

static void integers_are_digits_in_range(void) {
        static const struct {
                const char *text;
                bool i, u;
        } rows[] = {
                { "0", true, true },
                { "-0", true, false },
                { "1.0", false, false },
                { "1e9", false, false },
                { "9223372036854775807", true, true },
                { "9223372036854775808", false, true },
                { "-9223372036854775808", true, false },
                { "-9223372036854775809", false, false },
                { "18446744073709551615", false, true },
                { "18446744073709551616", false, false },
                { "\"1\"", false, false },
                { "true", false, false },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct json_value v = json_root(slice_of(rows[i].text));
                int64_t s;
                uint64_t u;

                CHECK_INT(json_int64(v, &s) == 0, rows[i].i);
                CHECK_INT(json_uint64(v, &u) == 0, rows[i].u);
        }
}

/* ---- decoding ---- */

struct inner {
        struct slice word;
        struct json_string_lists lists;
};

struct outer {
        struct slice text;
        bool flag;
        int64_t number;
        struct json_opt_int64 maybe;
        struct json_strings list;
        struct json_string_map map;
        struct inner inner;
        struct inner *pointer;
        struct json_list inners;
        struct json_struct_map by_name;
        struct json_value any, array;
};

static const struct json_field inner_fields[] = {
        JSON_FIELD(struct inner, word, "Word", JSON_K_STRING),
        JSON_FIELD(struct inner, lists, "Lists", JSON_K_STRING_LISTS),
};

static const struct json_field outer_fields[] = {
        JSON_FIELD(struct outer, text, "Text", JSON_K_STRING),
        JSON_FIELD(struct outer, flag, "Flag", JSON_K_BOOL),
        JSON_FIELD(struct outer, number, "Number", JSON_K_INT64),
        JSON_FIELD(struct outer, maybe, "Maybe", JSON_K_OPT_INT64),
        JSON_FIELD(struct outer, list, "List", JSON_K_STRINGS),
        JSON_FIELD(struct outer, map, "Map", JSON_K_STRING_MAP),
        JSON_NESTED(struct outer, inner, "Inner", JSON_K_STRUCT, struct inner, inner_fields),
        JSON_NESTED(struct outer, pointer, "Pointer", JSON_K_OPT_STRUCT, struct inner, inner_fields),
        JSON_NESTED(struct outer, inners, "Inners", JSON_K_STRUCTS, struct inner, inner_fields),
        JSON_NESTED(struct outer, by_name, "ByName", JSON_K_STRUCT_MAP, struct inner, inner_fields),
        JSON_FIELD(struct outer, any, "Any", JSON_K_VALUE),
        JSON_FIELD(struct outer, array, "Array", JSON_K_ARRAY),
};

static int decode(struct slice text, struct outer *ret, struct json_decode_error *e) {
        CHECK_STR(slice_of(verdict(text)), "ok");
        *ret = (struct outer){ 0 };
        return JSON_DECODE(json_root(text), outer_fields, ret, &arena, e);
}

static void known_members_are_decoded_and_unknown_ones_skipped(void) {
        struct json_decode_error e = { 0 };
        struct outer o;
        struct inner *in;

        CHECK_INT(decode(SLICE("{\"skip\":{\"Text\":[1,{\"a\":\"}\"}]},\"TEXT\":\"t\\n\", \"flag\" : true "
                               ",\"Number\":-7,\"Maybe\":0,"
                               "\"List\":[\"a\",null , "
                               "\"\"],\"Map\":{\"k\":\"v\",\"K2\":null},\"Inner\":{\"word\":\"w\",\"Lists\":[[\"x\"],"
                               "null,[]]},"
                               "\"Pointer\":{},\"Inners\":[null,{\"Word\":\"2\"}],\"ByName\":{\"n\":null,\"m\":{"
                               "\"Word\":\"3\"}},"
                               "\"Any\":5,\"Array\":[1]}"),
                         &o, &e),
                  0);
        CHECK_STR(o.text, "t\n");
        CHECK(o.flag);
        CHECK_INT(o.number, -7);
        CHECK(o.maybe.set && o.maybe.value == 0);
        CHECK_INT(o.list.n, 3);
        CHECK_STR(o.list.at[0], "a");
        CHECK_STR(o.list.at[1], "");
        CHECK_INT(o.map.n, 2);
        CHECK_STR(o.map.names[1], "K2");
        CHECK_STR(o.map.values[0], "v");
        CHECK_STR(o.inner.word, "w");
        CHECK_INT(o.inner.lists.n, 3);
        CHECK_STR(o.inner.lists.at[0].at[0], "x");
        CHECK(!o.inner.lists.at[1].set);
        CHECK(o.inner.lists.at[2].set);
        CHECK(o.pointer != NULL);
        in = o.inners.at;
        CHECK_INT(o.inners.n, 2);
        CHECK_STR(in[1].word, "2");
        CHECK(o.by_name.values[0] == NULL);
        CHECK_STR(((struct inner *) o.by_name.values[1])->word, "3");
        CHECK_STR(o.any.text, "5");
        CHECK_STR(o.array.text, "[1]");
}

static void null_leaves_scalars_and_clears_lists(void) {
        struct outer o;

        CHECK_INT(decode(SLICE("{\"Text\":null,\"Flag\":null,\"Number\":null,\"Maybe\":null,\"List\":null,\"Map\":null,"
                               "\"Inner\":null,"
                               "\"Pointer\":null,\"Inners\":null,\"ByName\":null,\"Any\":null,\"Array\":null}"),
                         &o, NULL),
                  0);
        CHECK(!o.maybe.set && !o.list.set && !o.map.set && !o.pointer && !o.inners.set);
        CHECK_INT(o.any.type, JSON_NULL);
        CHECK_INT(o.array.type, JSON_ABSENT);
        CHECK_INT(decode(SLICE("null"), &o, NULL), 0);
        CHECK_INT(decode(SLICE("{}"), &o, NULL), 0);
        CHECK_INT(decode(SLICE("[]"), &o, NULL), -EBADMSG);
        CHECK_INT(decode(SLICE("5"), &o, NULL), -EBADMSG);
}

static void a_wrong_type_is_reported_with_its_pointer(void) {
        static const struct {
                const char *text, *pointer, *wanted;
        } rows[] = {
                { "{\"Text\":5}", "/Text", "string" },
                { "{\"flag\":1}", "/Flag", "boolean" },
                { "{\"Flag\":\"true\"}", "/Flag", "boolean" },
                { "{\"Number\":1.0}", "/Number", "integer" },
                { "{\"Number\":1e3}", "/Number", "integer" },
                { "{\"Maybe\":\"1\"}", "/Maybe", "integer" },
                { "{\"List\":{}}", "/List", "array of strings" },
                { "{\"List\":[\"a\",1]}", "/List/1", "string" },
                { "{\"Map\":[]}", "/Map", "object of strings" },
                { "{\"Map\":{\"a/b~\":1}}", "/Map/a~1b~0", "string" },
                { "{\"Inner\":[]}", "/Inner", "object" },
                { "{\"Inner\":{\"Lists\":[[],[\"a\",[]]]}}", "/Inner/Lists/1/1", "string" },
                { "{\"Inners\":[{},{\"Word\":{}}]}", "/Inners/1/Word", "string" },
                { "{\"Inners\":[1]}", "/Inners/0", "object" },
                { "{\"ByName\":{\"x\":{\"Word\":1}}}", "/ByName/x/Word", "string" },
                { "{\"Array\":{}}", "/Array", "array" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct json_decode_error e = { 0 };
                struct outer o;

                CHECK_INT(decode(slice_of(rows[i].text), &o, &e), -EBADMSG);
                CHECK_STR(e.pointer, rows[i].pointer);
                CHECK_STR(slice_of(e.wanted), rows[i].wanted);
        }
}

static void memory_is_bounded_by_the_text(void) {
        size_t n = 0, room = 1u << 20;
        char *text = malloc(room);
        struct outer o;

        n += (size_t) sprintf(text, "{\"Inners\":[{}");
        while (n < room - 8) {
                memcpy(text + n, ",{}", 3);
                n += 3;
        }
        memcpy(text + n, "]}", 2);
        n += 2;
        CHECK_INT(decode(slice_make(text, n), &o, NULL), -EBADMSG);
        CHECK(arena.used < 2u << 20);
        free(text);
}

static void edits_are_splices(void) {
        struct slice text = SLICE("{\"a\":1,\"b\":2}");
        struct json_edit edits[] = { { 1, 0, SLICE("\"z\":0,") }, { 5, 1, SLICE("100") }, { 6, 6, { NULL, 0 } } };

        CHECK_STR(json_apply_edits(text, edits, 3, &arena), "{\"z\":0,\"a\":100}");
        CHECK_STR(json_apply_edits(text, edits, 0, &arena), "{\"a\":1,\"b\":2}");
        CHECK_STR(json_pointer(&arena, SLICE("/x"), SLICE("a~b/c")), "/x/a~0b~1c");
}

CHECK_MAIN(CHECK_TEST(one_value_and_nothing_else), CHECK_TEST(numbers_follow_the_grammar),
           CHECK_TEST(strings_are_strict), CHECK_TEST(depth_is_bounded),
           CHECK_TEST(duplicates_are_found_exact_and_folded), CHECK_TEST(data_maps_only_know_exact_duplicates),
           CHECK_TEST(a_hundred_thousand_names_cost_little), CHECK_TEST(members_are_found_by_folding),
           CHECK_TEST(strings_are_decoded), CHECK_TEST(integers_are_digits_in_range),
           CHECK_TEST(known_members_are_decoded_and_unknown_ones_skipped),
           CHECK_TEST(null_leaves_scalars_and_clears_lists), CHECK_TEST(a_wrong_type_is_reported_with_its_pointer),
           CHECK_TEST(memory_is_bounded_by_the_text), CHECK_TEST(edits_are_splices))
