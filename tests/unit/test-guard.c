/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "inspect.h"

/* The resource-limit guard on updates and services, with a daemon of paper (chapter 03, 6.2; chapter 04, 9.4). */

static struct {
        struct exchange x;
        struct http_field fields[2];
        int body_error;    /* what reading the body gives */
        int lookup_status; /* < 0: the lookup fails so */
        const char *state; /* the daemon's answer */
        char asked[256];   /* what it was asked for last */
        int n_asked;
} g;

static int buffer(struct exchange *x, size_t limit) {
        (void) x, (void) limit;
        return g.body_error;
}

static int look_up(struct exchange *x, struct slice target, size_t limit, struct lookup *ret) {
        (void) x, (void) limit;
        snprintf(g.asked, sizeof(g.asked), "%.*s", SLICE_ARG(target));
        g.n_asked++;
        if (g.lookup_status < 0)
                return g.lookup_status;
        *ret = (struct lookup){ g.lookup_status, slice_of(g.state) };
        return 0;
}

static const struct exchange_ops ops = { .body_buffer = buffer, .lookup = look_up };

static const char *unquote(const char *text, char *room, size_t size) {
        size_t n = 0;

        for (; text[n] && n < size - 1; n++)
                room[n] = text[n] == '\'' ? '"' : text[n];
        room[n] = '\0';
        return room;
}

/* "STATUS reason_code result violation pointer", or "pass RESULT". */
static const char *guard(const char *target, const char *body, int status, const char *state, enum rollout_mode mode) {
        static char answer[256], body_room[4096], state_room[4096];
        enum reason_code code;
        const char *why;
        enum stage_result r;

        g.x = (struct exchange){
                .policy = &judge_.policy, .arena = &judge_.arena, .ops = &ops, .mode = mode, .profile_selected = true
        };
        g.x.head = (struct http_head){ .method = HTTP_POST, .framing = body ? HTTP_BODY_LENGTH : HTTP_BODY_NONE };
        if (http_target_parse(slice_of(target), true, &judge_.arena, &g.x.target, &code, &why) < 0)
                return "bad target";
        if (body)
                g.x.body = slice_of(unquote(body, body_room, sizeof(body_room)));
        g.lookup_status = status;
        g.state = unquote(state, state_room, sizeof(state_room));
        r = stage_guard(&g.x);
        if (r == STAGE_NEXT)
                snprintf(answer, sizeof(answer), "pass%s%s", g.x.resource.result ? " " : "",
                         g.x.resource.result ? g.x.resource.result : "");
        else
                snprintf(answer, sizeof(answer), "%d %.*s %s%s%s%s%s", g.x.verdict.status,
                         SLICE_ARG(reason_name(g.x.verdict.code)), g.x.resource.result,
                         g.x.resource.violation ? " " : "", g.x.resource.violation ? g.x.resource.violation : "",
                         g.x.verdict.pointer.len ? " " : "", g.x.verdict.pointer.len ? g.x.verdict.pointer.at : "");
        return answer;
}

struct row {
        const char *policy, *body;
        int status;
        const char *state, *want;
};

static void rows_hold(const char *target, const struct row *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const char *got;

                if (rows[i].policy)
                        judge_policy(rows[i].policy);
                g.body_error = 0;
                got = guard(target, rows[i].body, rows[i].status, rows[i].state, MODE_ENFORCE);
                if (strcmp(got, rows[i].want) != 0) {
                        fprintf(stderr, "%s on %s: %s, want %s\n", rows[i].body, rows[i].state, got, rows[i].want);
                        check_failures_++;
                }
        }
}
#define ROWS_HOLD(target, rows) rows_hold((target), (rows), sizeof(rows) / sizeof((rows)[0]))

#define CU(options) "request_body: {container_update: {" options "}}"
#define INVALID "400 resource_limit_request_invalid invalid"
#define UNKNOWN "502 resource_limit_policy_lookup_failed lookup_failed"
#define DENIED(violation, pointer) "403 resource_limit_policy_denied deny " violation " " pointer

static void it_is_idle_unless_updates_are_allowed_and_a_limit_required(void) {
        static const struct row rows[] = {
                { "", "x", 500, "", "pass" },
                { CU("require_memory_limit: true"), "x", 500, "", "pass" },
                { CU("allow_resource_updates: true"), "x", 500, "", "pass" },
        };

        ROWS_HOLD("/containers/a/update", rows);
        judge_policy(CU("allow_resource_updates: true, require_memory_limit: true"));
        CHECK_STR(slice_of(guard("/containers/a/start", "x", 500, "", MODE_ENFORCE)), "pass");
        CHECK_STR(slice_of(guard("/containers/update", "x", 500, "", MODE_ENFORCE)), "pass");
}

static void a_body_it_cannot_read_is_refused(void) {
        static const struct row rows[] = {
                { CU("allow_resource_updates: true, require_memory_limit: true"), NULL, 200, "{}", INVALID },
                { NULL, "", 200, "{}", INVALID },
                { NULL, " \n", 200, "{}", INVALID },
                { NULL, "null", 200, "{}", INVALID },
                { NULL, "[]", 200, "{}", INVALID },
                { NULL, "{} {}", 200, "{}", INVALID },
                { NULL, "{'Memory':1,'memory':2}", 200, "{}", INVALID },
                { NULL, "{'Memory':1,'Memory':2}", 200, "{}", INVALID },
                { NULL, "{'Memory':'1'}", 200, "{}", INVALID },
                { NULL, "{'Memory':1.0}", 200, "{}", INVALID },
                { NULL, "{'Memory':1e3}", 200, "{}", INVALID },
                { NULL, "{'Memory':9223372036854775808}", 200, "{}", INVALID },
                { NULL, "{'PidsLimit':{}}", 200, "{}", INVALID },
                { NULL, "{'CpuShares':true}", 200, "{}", INVALID },
        };

        ROWS_HOLD("/containers/a/update", rows);
        g.body_error = -EFBIG;
        CHECK_STR(slice_of(guard("/containers/a/update", "{}", 200, "{}", MODE_AUDIT)),
                  "413 request_body_too_large invalid");
        g.body_error = -EPIPE;
        CHECK_STR(slice_of(guard("/containers/a/update", "{}", 200, "{}", MODE_WARN)), INVALID);
        g.body_error = 0;
        CHECK_STR(slice_of(guard("/containers/a/update", "null", 200, "{}", MODE_AUDIT)),
                  INVALID); /* no mode softens it */
}

static void a_state_it_cannot_learn_is_refused(void) {
        static const struct row rows[] = {
                { CU("allow_resource_updates: true, require_memory_limit: true"), "{'Memory':1}", 404, "",
                  "pass allow" },
                { NULL, "{'Memory':1}", 500, "{'HostConfig':{'Memory':5}}", UNKNOWN },
                { NULL, "{'Memory':1}", 302, "{'HostConfig':{'Memory':5}}", UNKNOWN },
                { NULL, "{'Memory':1}", 204, "", UNKNOWN },
                { NULL, "{'Memory':1}", -ETIMEDOUT, "", UNKNOWN },
                { NULL, "{'Memory':1}", 200, "{", UNKNOWN },
                { NULL, "{'Memory':1}", 200, "[]", UNKNOWN },
                { NULL, "{'Memory':1}", 200, "{'HostConfig':[]}", UNKNOWN },
                { NULL, "{'Memory':1}", 200, "{'HostConfig':{'Memory':'5'}}", UNKNOWN },
                { NULL, "{'Memory':1}", 200, "{'HostConfig':null}", "pass allow" },
                { NULL, "{'Memory':0}", 200, "{}", DENIED("memory", "/Memory") },
        };

        ROWS_HOLD("/v1.41/containers/a/update", rows);
        CHECK_STR(slice_of(g.asked), "/containers/a/json");
        (void) guard("/containers/a%20b/c/update", "{'Memory':1}", 404, "", MODE_ENFORCE);
        CHECK_STR(slice_of(g.asked), "/containers/a%20b%2Fc/json");
        CHECK_STR(slice_of(guard("/containers/a/update", "{'Memory':1}", 500, "", MODE_AUDIT)), UNKNOWN);
}

static void the_state_after_the_update_is_judged(void) {
#define STATE(members) "{'Id':'i','HostConfig':{" members "}}"
        static const struct row rows[] = {
                { CU("allow_resource_updates: true, require_memory_limit: true"), "{}", 200, STATE("'Memory':5"),
                  "pass allow" },
                { NULL, "{'Memory':0}", 200, STATE("'Memory':5"), "pass allow" },
                { NULL, "{'Memory':null}", 200, STATE("'Memory':5"), "pass allow" },
                { NULL, "{'memory':-0}", 200, STATE("'Memory':5"), "pass allow" },
                { NULL, "{'Memory':-1}", 200, STATE("'Memory':5"), DENIED("memory", "/Memory") },
                { NULL, "{'MEMORY':-1}", 200, STATE("'Memory':5"), DENIED("memory", "/Memory") },
                { NULL, "{'CpuShares':5}", 200, STATE(""), DENIED("memory", "/Memory") }, /* the ratchet */
                { NULL, "{'HostConfig':{'Memory':7},'Resources':{'Memory':7}}", 200, STATE(""),
                  DENIED("memory", "/Memory") },
                { CU("allow_resource_updates: true, require_pids_limit: true"), "{}", 200, STATE("'PidsLimit':5"),
                  "pass allow" },
                { NULL, "{'PidsLimit':null}", 200, STATE("'PidsLimit':5"), "pass allow" },
                { NULL, "{'PidsLimit':0}", 200, STATE("'PidsLimit':5"), DENIED("pids", "/PidsLimit") },
                { NULL, "{'Pid\u017fLimit':-1}", 200, STATE("'PidsLimit':5"), DENIED("pids", "/PidsLimit") },
                { NULL, "{'PidsLimit':3}", 200, STATE("'PidsLimit':null"), "pass allow" },
                { CU("allow_resource_updates: true, require_cpu_limit: true, require_cpu_limit_hard: true"),
                  "{'CpuQuota':-1}", 200, STATE("'CpuShares':5,'CpuQuota':7"), DENIED("hard_cpu", "/NanoCpus") },
                { NULL, "{'CpuQuota':-1}", 200, STATE("'CpuQuota':7"), DENIED("cpu", "/NanoCpus") },
                { NULL, "{'NanoCpus':1}", 200, STATE(""), "pass allow" },
                { NULL, "{'CpuPeriod':1}", 200, STATE(""), DENIED("hard_cpu", "/NanoCpus") },
        };

        ROWS_HOLD("/containers/a/update", rows);
        CHECK_STR(slice_of(g.x.resource.requirements), "cpu,hard_cpu");
        CHECK(g.x.resource.state_lookup);
        CHECK_STR(slice_of(g.x.verdict.option), "request_body.container_update.require_cpu_limit_hard");
        CHECK_STR(slice_of(guard("/containers/a/update", "{}", 200, "{}", MODE_WARN)), "pass would_deny");
        CHECK_STR(slice_of(guard("/containers/a/update", "{}", 200, "{}", MODE_AUDIT)), "pass would_deny");
}

static void a_limit_that_is_gone_afterwards_is_noticed(void) {
        judge_policy(CU("allow_resource_updates: true, require_memory_limit: true"));
        CHECK_STR(slice_of(guard("/containers/a/update", "{'Memory':5}", 200, STATE("'Memory':5"), MODE_ENFORCE)),
                  "pass allow");
        g.n_asked = 0;
        g.x.status = 409; /* the daemon has not done it */
        guard_after(&g.x);
        CHECK_INT(g.n_asked, 0);
        g.x.status = 200;
        g.x.verdict.decision = DECISION_ALLOW;
        guard_after(&g.x);
        CHECK_INT(g.n_asked, 1);
        CHECK_STR(slice_of(g.asked), "/containers/a/json");
}

static void services_keep_their_processor_limit(void) {
#define SV(options) "request_body: {service: {" options "}}"
#define SPEC(nano) "{'TaskTemplate':{'Resources':{'Limits':{'NanoCPUs':" nano "}}}}"
        static const struct row create[] = {
                { SV("require_cpu_limit: true"), SPEC("1"), 0, "", "pass allow" },
                { NULL, SPEC("0"), 0, "", DENIED("cpu", "/TaskTemplate/Resources/Limits/NanoCPUs") },
                { NULL, SPEC("-1"), 0, "", DENIED("cpu", "/TaskTemplate/Resources/Limits/NanoCPUs") },
                { NULL, "{}", 0, "", DENIED("cpu", "/TaskTemplate/Resources/Limits/NanoCPUs") },
                { NULL, SPEC("1.5"), 0, "", INVALID },
                { NULL, "null", 0, "", INVALID },
                { SV("require_cpu_limit_hard: true"), "{'TaskTemplate':{'Resources':null}}", 0, "",
                  DENIED("cpu", "/TaskTemplate/Resources/Limits/NanoCPUs") },
        };

        ROWS_HOLD("/services/create", create);
        CHECK_STR(slice_of(g.x.verdict.option), "request_body.service.require_cpu_limit_hard");
        CHECK_STR(slice_of(guard("/services/a/update?version=4&rollback=previous", "{}", 200,
                                 "{'Version':{'Index':4},'PreviousSpec':" SPEC("3") "}", MODE_ENFORCE)),
                  "pass allow");
        CHECK_STR(slice_of(guard("/services/a/update?version=5&rollback=PREVIOUS", "{}", 200,
                                 "{'Version':{'Index':4},'PreviousSpec':" SPEC("3") "}", MODE_ENFORCE)),
                  "409 resource_limit_policy_state_changed state_changed");
        CHECK_STR(slice_of(guard("/services/a/update?version=4&rollback=previous", "{}", 200,
                                 "{'Version':{'Index':4},'Spec':" SPEC("3") "}", MODE_ENFORCE)),
                  DENIED("cpu", "/TaskTemplate/Resources/Limits/NanoCPUs"));
        CHECK_STR(slice_of(guard("/services/a/update?version=4&version=4&rollback=previous", "{}", 200, "{}",
                                 MODE_ENFORCE)),
                  INVALID);
        CHECK_STR(slice_of(guard("/services/a/update?version=4&rollback=&rollback=previous", "{}", 200, "{}",
                                 MODE_ENFORCE)),
                  INVALID);
}

CHECK_MAIN(CHECK_TEST(it_is_idle_unless_updates_are_allowed_and_a_limit_required),
           CHECK_TEST(a_body_it_cannot_read_is_refused), CHECK_TEST(a_state_it_cannot_learn_is_refused),
           CHECK_TEST(the_state_after_the_update_is_judged), CHECK_TEST(a_limit_that_is_gone_afterwards_is_noticed),
           CHECK_TEST(services_keep_their_processor_limit))
