/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/unicode.h"
#include "ctl/common.h"
#include "http/target.h"
#include "policy/rules.h"

enum { FLAG_METHOD, FLAG_PATH, FLAG_OUTPUT, FLAG_UNKNOWN };

static const struct verb_flag flags[] = {
        [FLAG_METHOD] = { .name = "method", .letter = 'X', .value = "METHOD", .help = "HTTP method (required)" },
        [FLAG_PATH] = { .name = "path", .value = "PATH", .help = "request path, taken literally (required)" },
        [FLAG_OUTPUT] = { .name = "output", .letter = 'o', .value = "FORMAT", .help = "text (default) or json" },
        [FLAG_UNKNOWN] = ALLOW_UNKNOWN_KEYS_FLAG,
};

struct answer {
        struct slice config, method, path, normalized;
        struct rule_verdict verdict;
        bool compat;
        struct slice rule_method, rule_path, rule_reason;
};

static void member(struct strbuf *out, const char *name, struct slice value) {
        strbuf_addf(out, "\"%s\":", name);
        strbuf_add_json(out, value, JSON_ESCAPE_HTML);
}

static void print_json(const struct answer *a) {
        const char *decision = a->verdict.allow ? "allow" : "deny";
        _cleanup_strbuf_ struct strbuf out;

        strbuf_init(&out, 1u << 20);
        strbuf_addc(&out, '{');
        member(&out, "config", a->config);
        strbuf_addc(&out, ',');
        member(&out, "method", a->method);
        strbuf_addc(&out, ',');
        member(&out, "path", a->path);
        strbuf_addc(&out, ',');
        member(&out, "normalized_path", a->normalized);
        strbuf_addc(&out, ',');
        member(&out, "decision", slice_of(decision));
        if (a->verdict.reason.len) {
                strbuf_addc(&out, ',');
                member(&out, "reason", a->verdict.reason);
        }
        if (a->compat)
                strbuf_adds(&out, ",\"compat_mode\":true");
        if (a->verdict.rule >= 0) {
                strbuf_addf(&out, ",\"matched_rule\":{\"index\":%d,", a->verdict.rule + 1);
                member(&out, "method", a->rule_method);
                strbuf_addc(&out, ',');
                member(&out, "path", a->rule_path);
                strbuf_addc(&out, ',');
                member(&out, "action", slice_of(decision));
                if (a->rule_reason.len) {
                        strbuf_addc(&out, ',');
                        member(&out, "reason", a->rule_reason);
                }
                strbuf_addc(&out, '}');
        }
        strbuf_adds(&out, "}\n");
        fwrite(out.at, 1, out.len, stdout);
}

static void line(const char *label, struct slice value) {
        printf("%-16s %.*s\n", label, SLICE_ARG(value));
}

static void print_text(const struct answer *a) {
        const char *decision = a->verdict.allow ? "allow" : "deny";

        line("Config:", a->config);
        line("Method:", a->method);
        line("Path:", a->path);
        line("Normalized path:", a->normalized);
        if (a->compat)
                line("Mode:", SLICE("tecnativa compatibility"));
        putchar('\n');
        line("Decision:", slice_of(decision));
        if (a->verdict.rule < 0) {
                line("Matched rule:", SLICE("none"));
        } else {
                printf("%-16s #%d\n", "Matched rule:", a->verdict.rule + 1);
                printf("%-16s %s %.*s %.*s\n", "Rule:", decision, SLICE_ARG(a->rule_method), SLICE_ARG(a->rule_path));
        }
        if (a->verdict.reason.len)
                line("Reason:", a->verdict.reason);
}

static void judge(struct config *c, struct arena *arena, struct answer *a) {
        const struct policy *p = config_policy(c);

        a->normalized = path_normalize(a->path, arena);
        a->compat = config_compat_active(c);
        policy_decide(p, POLICY_SCOPE_ROOT, http_method_of(a->method), a->method, a->normalized, &a->verdict);
        if (a->verdict.rule >= 0) {
                const struct opt_rule *rule = policy_list(p, config_root(c)->rules, struct opt_rule) + a->verdict.rule;

                a->rule_method = policy_str(p, rule->match.method);
                a->rule_path = policy_str(p, rule->match.path);
                a->rule_reason = policy_str(p, rule->reason);
        }
}

static int run_in(const struct verb_args *args, struct arena *arena) {
        struct config_source source = ctl_source(args, args->value[FLAG_UNKNOWN] != NULL);
        struct slice format = SLICE("text"), method, path;
        _cleanup_config_ struct config *c = NULL;
        _cleanup_strbuf_ struct strbuf text;
        struct answer a = { 0 };
        int r;

        strbuf_init(&text, 1u << 20);
        if (!args->value[FLAG_METHOD] || !args->value[FLAG_PATH])
                return verb_fail("--method and --path are required");
        if (args->value[FLAG_OUTPUT])
                format = unicode_lower(arena, unicode_trim(slice_of(args->value[FLAG_OUTPUT])));
        if (!slice_eq(format, SLICE("text")) && !slice_eq(format, SLICE("json")))
                return verb_fail("--output must be text or json");
        method = unicode_upper(arena, unicode_trim(slice_of(args->value[FLAG_METHOD])));
        path = unicode_trim(slice_of(args->value[FLAG_PATH]));
        if (method.len == 0)
                return verb_fail("--method must not be empty");
        if (path.len == 0 || path.at[0] != '/')
                return verb_fail("--path must start with /");
        source.must_exist = true;
        r = config_load(&source, &c);
        if (c)
                r = config_check(c);
        if (r < 0 && c) {
                ctl_describe(config_problems(c), &text);
                return verb_fail("%.*s", SLICE_ARG(strbuf_view(&text)));
        }
        if (r < 0)
                return verb_fail("%s", strerror(-r));
        a.config = slice_of(args->config);
        a.method = method;
        a.path = path;
        judge(c, arena, &a);
        if (slice_eq(format, SLICE("json")))
                print_json(&a);
        else
                print_text(&a);
        return 0;
}

static int run(const struct verb_args *args) {
        struct arena arena;
        int r;

        arena_init(&arena, 16u << 20, NULL);
        r = run_in(args, &arena);
        arena_free(&arena);
        return r;
}

const struct verb verb_match = {
        .name = "match", .summary = "say which global rule a method and path meet", VERB_FLAGS(flags), .run = run
};
