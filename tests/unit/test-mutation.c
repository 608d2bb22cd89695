/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect.h"
#include "inspect/common.h"

static struct mutation_record record;

/* The body after the rules; single quotes stand for double ones on both sides. "400 reason_code" when they refuse. */
static const char *mutate(const char *body) {
        static char text[4096], answer[4096];
        struct inspect_input in;
        struct inspect_result r;
        size_t n = strlen(body);

        for (size_t i = 0; i < n; i++)
                text[i] = body[i] == '\'' ? '"' : body[i];
        in = judge_input(HTTP_POST, "/containers/create", slice_make(text, n));
        record = (struct mutation_record){ .entries = inspect_mutation_entries(in.policy, in.arena) };
        CHECK_INT(inspect_mutation_surface(in.policy, in.method, in.path), MUTATE_CONTAINER_CREATE);
        inspect_mutate(&in, MUTATE_CONTAINER_CREATE, &r, &record);
        if (r.outcome != INSPECT_PASS)
                snprintf(answer, sizeof(answer), "%d %.*s", r.status, SLICE_ARG(reason_name(r.code)));
        else if (!r.has_new_body)
                snprintf(answer, sizeof(answer), "unchanged");
        else
                snprintf(answer, sizeof(answer), "%.*s", SLICE_ARG(r.new_body));
        for (char *p = answer; *p; p++)
                if (*p == '"')
                        *p = '\'';
        return answer;
}

#define CHECK_MUTATE(body, want) CHECK_STR(slice_of(mutate(body)), want)

static void labels_are_spliced_in(void) {
        judge_policy("mutations: {rules: [{id: a, surfaces: [container_create], inject_labels: {labels: {k: v, K2: "
                     "'<'}}}]}");
        CHECK_MUTATE("{ 'Image':'x' , 'n':1.50 }", "{'Labels':{'K2':'\\u003c','k':'v'}, 'Image':'x' , 'n':1.50 }");
        CHECK_MUTATE("{}", "{'Labels':{'K2':'\\u003c','k':'v'}}");
        CHECK_MUTATE("{'a':1,'labels' : null }", "{'a':1,'Labels':{'K2':'\\u003c','k':'v'} }");
        CHECK_MUTATE("{'labels':{ 'z':'1', 'k' : 5 }}", "{'Labels':{ 'z':'1', 'k' : 'v' ,'K2':'\\u003c'}}");
        CHECK_MUTATE("{'Labels':{'K2':'<','k':'v'}}", "unchanged");
        CHECK_MUTATE("{'labels':{'K2':'<','k':'v'}}", "unchanged");
        CHECK_MUTATE("{'Labels':'x'}", "400 mutation_apply_failed");
        CHECK_INT(record.n, 0);
}

static void images_are_remapped(void) {
        judge_policy(
                "mutations: {rules: [{id: a, surfaces: [container_create], remap_image: {match: exact, from: "
                "'nginx:1', to: 'r.io/nginx:1'}},"
                "{id: b, surfaces: [container_create], remap_image: {match: prefix, from: docker.io/, to: r.io/}}]}");
        CHECK_MUTATE("{'image':' nginx:1 ','x':1e2}", "{'Image':'r.io/nginx:1','x':1e2}");
        CHECK_MUTATE("{'Image':'docker.io/a/bc'}", "{'Image':'r.io/a/bc'}");
        CHECK_MUTATE("{'Image':'docker.io/B'}", "400 mutation_apply_failed");
        CHECK_MUTATE("{'Image':null}", "400 mutation_apply_failed");
        CHECK_MUTATE("{'Image':5}", "400 mutation_apply_failed");
        CHECK_MUTATE("{}", "unchanged");
        CHECK_MUTATE("{'Image':'nginx'}", "unchanged");
        CHECK_INT(record.n, 2);
        CHECK_STR(slice_of(record.entries[0].outcome), "noop");
}

static void shadow_rules_change_nothing_and_see_the_original(void) {
        judge_policy(
                "mutations: {rules: [{id: a, surfaces: [container_create], remap_image: {match: exact, from: 'aa', to: "
                "'bb'}},"
                "{id: b, mode: warn, surfaces: [container_create], remap_image: {match: exact, from: 'bb', to: 'cc'}},"
                "{id: c, mode: audit, surfaces: [container_create], inject_labels: {labels: {k: v}}}]}");
        CHECK_MUTATE("{'Image':'aa','Labels':5}", "{'Image':'bb','Labels':5}");
        CHECK(record.changed && record.warn_rule);
        CHECK_STR(slice_of(record.entries[0].outcome), "applied");
        CHECK_STR(slice_of(record.entries[1].outcome), "would_noop");
        CHECK_STR(slice_of(record.entries[2].outcome), "failed");
        CHECK_MUTATE("{'Image':'bb'}", "unchanged");
        CHECK_STR(slice_of(record.entries[1].outcome), "would_apply");
        CHECK_STR(slice_of(record.entries[2].outcome), "would_apply");
}

static void unusable_documents_are_refused(void) {
        static const char *const bad[] = {
                "[]", "null", "{", "{'a':1,'a':1}", "{'Labels':{'a':'1','a':'1'}}", "{} x", "'x'", "{'a':'\\u0000'}"
        };
        static char deep[300];

        judge_policy("mutations: {rules: [{id: a, surfaces: [container_create], inject_labels: {labels: {k: v}}}]}");
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                CHECK_MUTATE(bad[i], "400 mutation_request_invalid");
        memset(deep, '[', 128);
        memset(deep + 128, ']', 128);
        memmove(deep + 5, deep, 256);
        memcpy(deep, "{'a':", 5);
        deep[261] = '}';
        CHECK_MUTATE(deep, "400 mutation_request_invalid");
}

static void references_follow_the_weak_grammar(void) {
        static const struct {
                const char *text;
                bool valid;
        } rows[] = {
                { "busybox", true },
                { "a", false },
                { "Busybox", false },
                { "ab:Tag_1.-", true },
                { "ab:", false },
                { "reg.io/ab", true },
                { "http://reg.io/ab", true },
                { "reg..io/ab", true },
                { "u@reg.io/ab", false },
                { "a%67.io/ab", false },
                { "[::1]:5000/ab", true },
                { "[::1/ab", false },
                { ":5000/ab", true },
                { "reg.io:x/ab", false },
                { "reg.io:/ab", true },
                { "localhost/ab", true },
                { "LOCALHOST/ab", false },
                { "", false },
                { "ab@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true },
                { "ab:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", true },
                { "ab@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", false },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (inspect_image_reference_valid(slice_of(rows[i].text)) != rows[i].valid) {
                        fprintf(stderr, "%s\n", rows[i].text);
                        check_failures_++;
                }
}

CHECK_MAIN(CHECK_TEST(labels_are_spliced_in), CHECK_TEST(images_are_remapped),
           CHECK_TEST(shadow_rules_change_nothing_and_see_the_original), CHECK_TEST(unusable_documents_are_refused),
           CHECK_TEST(references_follow_the_weak_grammar))
