/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/unicode.h"
#include "ctl/common.h"

enum { FLAG_FORMAT, FLAG_UNKNOWN };

static const struct verb_flag flags[] = {
        [FLAG_FORMAT] = { .name = "format", .value = "FORMAT", .help = "text (default) or json" },
        [FLAG_UNKNOWN] = ALLOW_UNKNOWN_KEYS_FLAG,
};

/* NO_COLOR turns colour off, else FORCE_COLOR on, else a terminal does (no-color.org). */
static bool colour(FILE *out) {
        const char *no = getenv("NO_COLOR"), *force = getenv("FORCE_COLOR");

        if (no && *no)
                return false;
        return (force && *force) || isatty(fileno(out));
}

struct paint {
        const char *good, *bad, *dim, *plain;
};

static struct paint paint_for(FILE *out) {
        return colour(out) ? (struct paint){ "\033[32m", "\033[31m", "\033[2m", "\033[0m" }
                           : (struct paint){ "", "", "", "" };
}

static struct slice text(struct config *c, struct pstr s) {
        return policy_str(config_policy(c), s);
}

static void print_rules(struct config *c, struct plist list, const char *indent) {
        const struct opt_rule *at = policy_list(config_policy(c), list, struct opt_rule);
        struct paint p = paint_for(stdout);

        for (uint32_t i = 0; i < list.n; i++) {
                bool allow = slice_eq(text(c, at[i].action), SLICE("allow"));
                struct slice method = text(c, at[i].match.method), path = text(c, at[i].match.path);

                printf("%s%s%s%s %-6.*s %.*s\n", indent, allow ? p.good : p.bad, allow ? "✓ allow " : "✗ deny  ",
                       p.plain, SLICE_ARG(method), SLICE_ARG(path));
        }
}

static void print_listen(struct config *c) {
        const struct opt_root *r = config_root(c);
        const struct opt_listener *at = policy_list(config_policy(c), r->listeners, struct opt_listener);
        struct slice socket = text(c, r->listen.socket), address = text(c, r->listen.address);

        if (r->listeners.n == 0) {
                printf("  Listen    %s%.*s\n", socket.len ? "unix:" : "tcp://",
                       SLICE_ARG(socket.len ? socket : address));
                return;
        }
        for (uint32_t i = 0; i < r->listeners.n; i++) {
                socket = text(c, at[i].socket);
                address = text(c, at[i].address);
                printf("  %-9s %s%.*s (%.*s)\n", i ? "" : "Listen", socket.len ? "unix:" : "tcp://",
                       SLICE_ARG(socket.len ? socket : address), SLICE_ARG(text(c, at[i].name)));
        }
}

static void print_upstream(struct config *c) {
        const struct opt_root *r = config_root(c);
        const struct opt_endpoint *at = policy_list(config_policy(c), r->upstream.endpoints, struct opt_endpoint);
        uint32_t n = r->upstream.endpoints.n;

        printf("  Upstream  %.*s", SLICE_ARG(unicode_trim(text(c, n ? at[0].address : r->upstream.socket))));
        if (n > 1)
                printf(" (+%u failover)", n - 1);
        putchar('\n');
}

static void print_summary(struct config *c, const char *path) {
        const struct opt_root *r = config_root(c);
        const struct opt_profile *profiles = policy_list(config_policy(c), r->clients.profiles, struct opt_profile);
        struct paint p = paint_for(stdout);

        printf("  Config    %s\n", path);
        print_listen(c);
        print_upstream(c);
        if (config_compat_active(c))
                puts("  Mode      tecnativa compatibility");
        printf("\n  Rules (%u)\n", r->rules.n);
        print_rules(c, r->rules, "    ");
        if (r->clients.profiles.n)
                printf("\n  Client Profiles (%u)\n", r->clients.profiles.n);
        for (uint32_t i = 0; i < r->clients.profiles.n; i++) {
                struct slice name = text(c, profiles[i].name);
                bool is_default = slice_eq(name, text(c, r->clients.default_profile));

                printf("    %.*s%s\n", SLICE_ARG(name), is_default ? " (default)" : "");
                print_rules(c, profiles[i].rules, "      ");
        }
        printf("\n  %s✓%s validation passed\n", p.good, p.plain);
}

static void print_json(const struct config *c, const char *path, bool valid) {
        const struct problems *list = config_problems(c);
        _cleanup_strbuf_ struct strbuf out;

        strbuf_init(&out, 16u << 20);
        strbuf_adds(&out, "{\"config\":");
        strbuf_add_json(&out, slice_of(path), JSON_ESCAPE_LOG);
        strbuf_addf(&out, ",\"valid\":%s,\"errors\":%zu,\"warnings\":%zu,\"problems\":", valid ? "true" : "false",
                    list->n_errors, list->n_warnings);
        problems_format_json(list, &out);
        strbuf_adds(&out, "}\n");
        fwrite(out.at, 1, out.len, stdout);
}

static int run(const struct verb_args *args) {
        struct config_source source = ctl_source(args, args->value[FLAG_UNKNOWN] != NULL);
        const char *format = args->value[FLAG_FORMAT] ? args->value[FLAG_FORMAT] : "text";
        _cleanup_config_ struct config *c = NULL;
        _cleanup_strbuf_ struct strbuf text_;
        struct paint p = paint_for(stderr);
        int r;

        strbuf_init(&text_, 1u << 20);
        if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
                return verb_fail("--format must be text or json, not \"%s\"", format);
        r = config_load(&source, &c);
        if (c)
                r = config_check(c);
        if (!c) {
                verb_fail("%s", strerror(-r));
                return 1;
        }
        if (strcmp(format, "json") == 0) {
                print_json(c, args->config, r == 0);
                return r < 0;
        }
        ctl_print_problems(stderr, config_problems(c), false, "  ");
        if (r == 0) {
                print_summary(c, args->config);
                return 0;
        }
        if (isatty(STDERR_FILENO))
                ctl_describe_with_lines(c, &text_);
        else
                ctl_describe(config_problems(c), &text_);
        fprintf(stderr, "  %s✗%s validation failed\n    %.*s\n\n", p.bad, p.plain, SLICE_ARG(strbuf_view(&text_)));
        return verb_fail("%s is not a valid configuration", args->config);
}

const struct verb verb_validate = { .name = "validate",
                                    .summary = "check a configuration and say everything that is wrong with it",
                                    VERB_FLAGS(flags),
                                    .run = run };
