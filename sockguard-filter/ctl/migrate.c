/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/migrate.h"

#include <errno.h>

#include "base/address.h"
#include "policy/load.h"
#include "policy/rules.h"

#define TEXT_LIMIT (1024u * 1024)

/* A rule to write. */
struct draft_rule {
        struct slice method, path, reason;
        bool allow;
};

/* What is known of the policy while it is put together. */
struct draft {
        const struct migrate_input *in;
        struct arena *a;
        struct strbuf *warnings;
        int differences; /* settings left closed, and what could only be had wider */

        struct draft_rule *rules;
        size_t n_rules, rules_room;
        struct strbuf notes;    /* comment lines, without "# " */
        struct strbuf settings; /* YAML of everything but rules and acknowledgments */
        bool blind_writes, reads, tunnels;
};

/* ---- pieces ---- */

/* For comments: a YAML reader refuses control characters there as well. */
static void add_printable(struct strbuf *b, struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                strbuf_addc(b, s.at[i] >= ' ' && s.at[i] <= '~' ? s.at[i] : '?');
}

static void note(struct draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct draft *d, const char *format, ...) {
        char text[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        strbuf_adds(&d->notes, "# * ");
        add_printable(&d->notes, slice_of(text));
        strbuf_addc(&d->notes, '\n');
}

/* Something of the old settings has no counterpart and stays closed. */
static void closed(struct draft *d, const char *what, struct slice value, const char *why) {
        d->differences++;
        strbuf_addf(d->warnings, "%s: ", what);
        add_printable(d->warnings, value);
        strbuf_addf(d->warnings, ": %s; left closed\n", why);
        note(d, "LEFT CLOSED: %s %.*s: %s", what, SLICE_ARG(value), why);
}

static void quoted(struct strbuf *b, struct slice s) {
        strbuf_add_json(b, s, JSON_ESCAPE_LOG); /* a JSON string is a double-quoted YAML scalar */
}

static void setting(struct draft *d, const char *indent_and_key, struct slice value) {
        strbuf_addf(&d->settings, "%s: ", indent_and_key);
        quoted(&d->settings, value);
        strbuf_addc(&d->settings, '\n');
}

static void add_rule(struct draft *d, struct slice method, struct slice path, bool allow, struct slice reason) {
        for (size_t i = 0; i < d->n_rules; i++)
                if (slice_eq(d->rules[i].method, method) && slice_eq(d->rules[i].path, path))
                        return;
        if (d->n_rules == d->rules_room) {
                size_t room = d->rules_room ? 2 * d->rules_room : 64;
                struct draft_rule *at = arena_new_array(d->a, struct draft_rule, room);

                if (d->n_rules > 0)
                        memcpy(at, d->rules, d->n_rules * sizeof(*at));
                d->rules = at;
                d->rules_room = room;
        }
        d->rules[d->n_rules++] = (struct draft_rule){ method, path, reason, allow };
}

/* The value of NAME in the old environment; the last one counts. */
static bool environment(const struct migrate_input *in, struct slice name, struct slice *ret) {
        bool found = false;

        for (size_t i = 0; i < in->n_environment; i++) {
                struct slice key, value;

                if (slice_cut(in->environment[i], '=', &key, &value) && slice_eq(key, name)) {
                        *ret = value;
                        found = true;
                }
        }
        return found;
}

/* ---- from CONTAINERS=1, POST=1 ---- */

/* The loader knows what these variables mean: it is given them, and its rules are read back. */
static int from_sections(struct draft *d, struct error *e) {
        const struct migrate_input *in = d->in;
        char **list = arena_new_array(d->a, char *, in->n_environment + 1);
        struct config_source source = { .path = "migrate", .from_memory = true, .environment = list, .sections = true };
        _cleanup_config_ struct config *c = NULL;
        const struct opt_rule *rules;
        const struct policy *p;
        struct slice value;

        for (size_t i = 0; i < in->n_environment; i++)
                list[i] = (char *) arena_dup(d->a, in->environment[i]).at;
        if (config_load(&source, &c) < 0)
                return error_set(e, -EINVAL, "the settings cannot be read");
        (void) config_check(c); /* what its guards object to is acknowledged later */
        if (!config_compat_active(c))
                return error_set(
                        e, -EINVAL,
                        "no variable of a socket proxy among the settings (CONTAINERS, POST, ALLOW_START, ...)");
        p = config_policy(c);
        rules = policy_list(p, config_root(c)->rules, struct opt_rule);
        for (uint32_t i = 0; i < config_root(c)->rules.n; i++)
                add_rule(d, arena_dup(d->a, policy_str(p, rules[i].match.method)),
                         arena_dup(d->a, policy_str(p, rules[i].match.path)),
                         slice_eq(policy_str(p, rules[i].action), SLICE("allow")),
                         arena_dup(d->a, policy_str(p, rules[i].reason)));

        if (environment(in, SLICE("SOCKET_PATH"), &value) && slice_trim_ows(value).len > 0) {
                strbuf_adds(&d->settings, "upstream:\n");
                setting(d, "  socket", slice_trim_ows(value));
                strbuf_addc(&d->settings, '\n');
        }
        if (environment(in, SLICE("LOG_LEVEL"), &value)) {
                static const char *const levels[][2] = {
                        { "debug", "debug" }, { "info", "info" },   { "notice", "info" }, { "warning", "warn" },
                        { "warn", "warn" },   { "err", "error" },   { "error", "error" }, { "crit", "error" },
                        { "alert", "error" }, { "emerg", "error" },
                };

                for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
                        if (slice_case_eq(slice_trim_ows(value), slice_of(levels[i][0]))) {
                                strbuf_addf(&d->settings, "log:\n  level: %s\n\n", levels[i][1]);
                                break;
                        }
                }
        }
        note(d, "the old proxy matched the beginning of a path only: CONTAINERS=1 opened /containersX as well. These "
                "patterns end at a slash");
        note(d, "it passed paths on as they came; here /containers/../images/json is judged as /images/json");
        note(d, "it listened on every address of its network and asked nobody who they are. Here only this host can "
                "connect until a listen"
                " block or a socket unit says otherwise: see sockguard.yaml(5)");
        if (environment(in, SLICE("POST"), &value))
                note(d,
                     "POST=%.*s decides about DELETE and PUT too: both are methods of the rules below where it is on",
                     SLICE_ARG(value));
        return 0;
}

/* ---- from wollomatic's flags ---- */

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE" };

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

/* "GET", "GET_2", "get.1": the method, whatever is counted behind it. NULL: none. */
static const char *method_of(struct slice name, char counter) {
        struct slice head, tail;
        uint64_t n;

        if (slice_cut(name, counter, &head, &tail) && slice_parse_u64(tail, &n) < 0)
                return NULL;
        for (size_t i = 0; i < N_METHODS; i++)
                if (slice_case_eq(head, slice_of(methods[i])))
                        return methods[i];
        return NULL;
}

static void open_regex(struct draft *d, const char *method, struct slice regex) {
        struct migrate_globs globs;
        const char *why;

        if (migrate_regex(regex, d->a, &globs, &why) < 0) {
                closed(d, method, regex, why);
                return;
        }
        if (globs.n == 0)
                note(d, "%s %.*s admitted no path at all: paths begin with a slash", method, SLICE_ARG(regex));
        if (globs.wider)
                note(d, "%s %.*s was narrower than its patterns below: they cannot say which characters, or how many",
                     method, SLICE_ARG(regex));
        for (size_t i = 0; i < globs.n; i++)
                add_rule(d, slice_of(method), globs.at[i], true, SLICE(""));
}

/* The settings that are neither an allow-list nor without meaning here; both spellings end up in this order. */
enum old_setting {
        OLD_ALLOWFROM,
        OLD_BINDS,
        OLD_LISTENIP,
        OLD_PORT,
        OLD_SOCKET,
        OLD_LEVEL,
        OLD_JSON,
        OLD_ENDPOINT,
        OLD_ENDPOINT_MODE,
        OLD_WATCHDOG,
        OLD_CONTAINER,
        OLD_HEALTH,
        OLD_STOP,
        OLD_GRACE,
        OLD_MAX_
};

static const struct {
        const char *flag, *variable;
        bool is_switch;
} old_settings[OLD_MAX_] = {
        [OLD_ALLOWFROM] = { "allowfrom", "SP_ALLOWFROM", false },
        [OLD_BINDS] = { "allowbindmountfrom", "SP_ALLOWBINDMOUNTFROM", false },
        [OLD_LISTENIP] = { "listenip", "SP_LISTENIP", false },
        [OLD_PORT] = { "proxyport", "SP_PROXYPORT", false },
        [OLD_SOCKET] = { "socketpath", "SP_SOCKETPATH", false },
        [OLD_LEVEL] = { "loglevel", "SP_LOGLEVEL", false },
        [OLD_JSON] = { "logjson", "SP_LOGJSON", true },
        [OLD_ENDPOINT] = { "proxysocketendpoint", "SP_PROXYSOCKETENDPOINT", false },
        [OLD_ENDPOINT_MODE] = { "proxysocketendpointfilemode", "SP_PROXYSOCKETENDPOINTFILEMODE", false },
        [OLD_WATCHDOG] = { "watchdoginterval", "SP_WATCHDOGINTERVAL", false },
        [OLD_CONTAINER] = { "proxycontainername", "SP_PROXYCONTAINERNAME", false },
        [OLD_HEALTH] = { "allowhealthcheck", "SP_ALLOWHEALTHCHECK", true },
        [OLD_STOP] = { "stoponwatchdog", "SP_STOPONWATCHDOG", true },
        [OLD_GRACE] = { "shutdowngracetime", "SP_SHUTDOWNGRACETIME", false },
};

/* Allow-lists are opened at once, everything else is kept for later. Flags win over variables. */
static void read_wollomatic(struct draft *d, struct slice old[OLD_MAX_]) {
        const struct migrate_input *in = d->in;
        bool by_flag[N_METHODS] = { false };

        for (size_t i = 0; i < in->n_flags; i++) {
                struct slice name = in->flags[i], value = SLICE("");
                bool has_value;
                size_t k;

                while (slice_starts(name, SLICE("-")))
                        name = slice_from(name, 1);
                has_value = slice_cut(name, '=', &name, &value);
                for (k = 0; k < OLD_MAX_ && !slice_eq(name, slice_of(old_settings[k].flag)); k++)
                        ;
                if (!has_value && (k == OLD_MAX_ || !old_settings[k].is_switch) && i + 1 < in->n_flags &&
                    !slice_starts(in->flags[i + 1], SLICE("-")))
                        value = in->flags[++i];
                else if (!has_value)
                        value = SLICE("true");
                if (k < OLD_MAX_) {
                        old[k] = value;
                } else if (slice_starts(name, SLICE("allow")) && method_of(slice_from(name, 5), '\0')) {
                        const char *m = method_of(slice_from(name, 5), '\0');

                        for (size_t j = 0; j < N_METHODS; j++)
                                by_flag[j] = by_flag[j] || methods[j] == m;
                        open_regex(d, m, value);
                } else {
                        closed(d, "flag", in->flags[i], "not a flag that this knows");
                }
        }
        for (size_t i = 0; i < in->n_environment; i++) {
                struct slice name, value;
                bool overruled = false;
                const char *m;

                (void) slice_cut(in->environment[i], '=', &name, &value);
                for (size_t k = 0; k < OLD_MAX_; k++)
                        if (slice_eq(name, slice_of(old_settings[k].variable)) && old[k].at == NULL)
                                old[k] = value;
                if (!slice_starts(name, SLICE("SP_ALLOW_")))
                        continue;
                m = method_of(slice_from(name, 9), '_');
                if (m == NULL) {
                        closed(d, "variable", name, "no method behind SP_ALLOW_");
                        continue;
                }
                for (size_t j = 0; j < N_METHODS; j++)
                        overruled = overruled || (by_flag[j] && methods[j] == m);
                if (!overruled)
                        open_regex(d, m, value);
        }
}

static bool is_prefix(struct slice s, struct slice *ret, struct arena *a) {
        struct ip_prefix prefix;
        struct ip_address ip;

        if (ip_prefix_parse(s, &prefix) == 0) {
                *ret = s;
                return true;
        }
        if (ip_parse(s, &ip) < 0)
                return false;
        *ret = arena_printf(a, "%.*s/%d", SLICE_ARG(s), ip.v4 ? 32 : 128);
        return true;
}

/* Who may connect. Host names were resolved by the old proxy at every request; a policy names networks. */
static void write_allowfrom(struct draft *d, struct slice value) {
        struct slice rest = value, item, cidr;
        bool open = false;

        do {
                (void) slice_cut(rest, ',', &item, &rest);
                item = slice_trim_ows(item);
                if (item.len == 0)
                        continue;
                if (!is_prefix(item, &cidr, d->a)) {
                        closed(d, "allowfrom", item,
                               "a host name; put the network of that client into clients.allowed_cidrs");
                        continue;
                }
                strbuf_add(&d->settings, open ? SLICE(", ") : SLICE("clients:\n  allowed_cidrs: ["));
                quoted(&d->settings, cidr);
                open = true;
        } while (rest.len > 0);
        if (!open)
                strbuf_adds(&d->settings, "clients:\n  allowed_cidrs: [\"127.0.0.1/32\"");
        strbuf_adds(&d->settings, "]\n");
}

static void write_listen(struct draft *d, const struct slice old[OLD_MAX_]) {
        struct slice ip = old[OLD_LISTENIP].len > 0 ? old[OLD_LISTENIP] : SLICE("127.0.0.1");
        struct slice port = old[OLD_PORT].len > 0 ? old[OLD_PORT] : SLICE("2375");
        struct ip_address address;
        bool loopback = ip_parse(ip, &address) == 0 && ip_is_loopback(&address);
        uint64_t n;

        if (old[OLD_ENDPOINT].len > 0) {
                struct slice mode = old[OLD_ENDPOINT_MODE].len > 0 ? old[OLD_ENDPOINT_MODE] : SLICE("0600");

                strbuf_adds(&d->settings, "listen:\n");
                setting(d, "  socket", old[OLD_ENDPOINT]);
                if (slice_eq(mode, SLICE("0660")) || slice_eq(mode, SLICE("660")))
                        note(d, "the old socket had mode 0660: for that, set socket_mode and socket_gid under listen");
                else if (!slice_eq(mode, SLICE("0600")) && !slice_eq(mode, SLICE("600")))
                        closed(d, "socket mode", mode, "0600 or 0660 only");
                return;
        }
        if (slice_parse_u64(port, &n) < 0 || n == 0 || n > 65535) {
                closed(d, "proxyport", port, "not a port");
                port = SLICE("2375");
        }
        strbuf_adds(&d->settings, "listen:\n");
        setting(d, "  address",
                slice_find(ip, ':') >= 0 ? arena_printf(d->a, "[%.*s]:%.*s", SLICE_ARG(ip), SLICE_ARG(port))
                                         : arena_printf(d->a, "%.*s:%.*s", SLICE_ARG(ip), SLICE_ARG(port)));
        if (!loopback) {
                strbuf_adds(&d->settings,
                            "  # As before: whoever reaches this port from an admitted address is a client, and "
                            "nothing is encrypted.\n"
                            "  insecure_allow_plain_tcp: true\n  insecure_allow_unauthenticated_clients: true\n");
                note(d, "plain TCP on %.*s has no authentication but the address; a unix socket or listen.tls is safer",
                     SLICE_ARG(ip));
        }
        strbuf_addc(&d->settings, '\n');
        write_allowfrom(d, old[OLD_ALLOWFROM].at ? old[OLD_ALLOWFROM] : SLICE("127.0.0.1/32"));
}

static void write_binds(struct draft *d, struct slice value) {
        static const char *const blocks[] = { "container_create", "service" };

        if (value.len == 0) {
                note(d, "the old proxy did not look at bind mounts. Here none is allowed until "
                        "request_body.container_create.allowed_bind_mounts"
                        " (and request_body.service.allowed_bind_mounts) name directories");
                return;
        }
        strbuf_adds(&d->settings, "request_body:\n");
        for (size_t b = 0; b < sizeof(blocks) / sizeof(blocks[0]); b++) {
                struct slice rest = value, item;
                bool first = true;

                strbuf_addf(&d->settings, "  %s:\n    allowed_bind_mounts: [", blocks[b]);
                do {
                        (void) slice_cut(rest, ',', &item, &rest);
                        item = slice_trim_ows(item);
                        if (item.len == 0 || item.at[0] != '/') {
                                if (item.len > 0 && b == 0)
                                        closed(d, "allowbindmountfrom", item, "not an absolute path");
                                continue;
                        }
                        if (!first)
                                strbuf_adds(&d->settings, ", ");
                        quoted(&d->settings, item);
                        first = false;
                } while (rest.len > 0);
                strbuf_adds(&d->settings, "]\n");
        }
        strbuf_addc(&d->settings, '\n');
}

/* The labels of the services that use the proxy, as labels that ours reads. */
static void write_labels(struct draft *d, bool tcp) {
        static const struct slice prefix = { "socket-proxy.allow.", 19 };
        size_t n_by_flags = d->n_rules;
        bool any = false;

        for (size_t i = 0; i < d->in->n_labels; i++) {
                const struct migrate_label *l = &d->in->labels[i];
                struct migrate_globs globs;
                const char *m, *why;
                struct strbuf b;

                if (!slice_starts(l->key, prefix))
                        continue;
                if (!tcp) {
                        closed(d, "label", l->key,
                               "a container is found by its address, which a unix socket does not have");
                        continue;
                }
                any = true;
                m = method_of(slice_from(l->key, prefix.len), '.');
                if (m == NULL) {
                        closed(d, "label", l->key, "bind mounts are a matter of the policy here, not of labels");
                        continue;
                }
                if (migrate_regex(l->value, d->a, &globs, &why) < 0) {
                        closed(d, "label", l->value, why);
                        continue;
                }
                strbuf_init(&b, TEXT_LIMIT);
                for (size_t k = 0; k < globs.n; k++) {
                        if (k > 0)
                                strbuf_addc(&b, ',');
                        strbuf_add(&b, globs.at[k]);
                        add_rule(d, slice_of(m), globs.at[k], true, SLICE(""));
                }
                note(d, "service %.*s: replace the label %.*s by com.sockguard.allow.%s: \"%.*s\"",
                     SLICE_ARG(l->service), SLICE_ARG(l->key), m, SLICE_ARG(strbuf_view(&b)));
                strbuf_free(&b);
        }
        if (!any)
                return;
        strbuf_adds(&d->settings,
                    "  # Each client container may have labels of its own, which narrow the rules below for it.\n"
                    "  container_labels:\n    enabled: true\n");
        note(d, "a label granted; here it narrows: a request needs a rule AND, where its container has labels, a "
                "label. So the rules below are"
                " the union of what flags and labels named");
        if (d->n_rules > n_by_flags) {
                static const char wider[] = "a client container WITHOUT labels now gets what any label opened: give "
                                            "every client container labels";

                d->differences++;
                strbuf_addf(d->warnings, "labels: %s\n", wider);
                note(d, "WIDER THAN BEFORE: %s", wider);
        }
}

static int from_wollomatic(struct draft *d, struct error *e) {
        struct slice old[OLD_MAX_] = { 0 };
        uint64_t seconds = 0;

        read_wollomatic(d, old);
        if (d->n_rules == 0 && d->in->n_labels == 0 && d->differences == 0)
                return error_set(e, -EINVAL, "no allow-list among the settings (-allowGET=..., SP_ALLOW_GET=...)");
        if (old[OLD_SOCKET].len > 0) {
                strbuf_adds(&d->settings, "upstream:\n");
                setting(d, "  socket", old[OLD_SOCKET]);
                strbuf_addc(&d->settings, '\n');
        }
        if (old[OLD_LEVEL].len > 0 || old[OLD_JSON].at != NULL) {
                static const char *const levels[] = { "debug", "info", "warn", "error" };
                const char *level = "info";

                for (size_t i = 0; i < 4; i++)
                        if (slice_case_eq(old[OLD_LEVEL], slice_of(levels[i])))
                                level = levels[i];
                strbuf_addf(&d->settings, "log:\n  level: %s\n  format: %s\n\n", level,
                            slice_case_eq(old[OLD_JSON], SLICE("true")) || slice_eq(old[OLD_JSON], SLICE("1"))
                                    ? "json"
                                    : "text");
        }
        write_listen(d, old);
        write_labels(d, old[OLD_ENDPOINT].len == 0);
        strbuf_addc(&d->settings, '\n');
        write_binds(d, old[OLD_BINDS]);
        if (slice_parse_u64(old[OLD_WATCHDOG], &seconds) == 0 && seconds > 0)
                strbuf_addf(&d->settings, "health:\n  watchdog:\n    enabled: true\n    interval: %llus\n\n",
                            (unsigned long long) seconds);
        if (old[OLD_HEALTH].at != NULL)
                note(d, "the health check of the old image asked 127.0.0.1:55555/health; here GET /health answers on "
                        "the listener itself");
        if (old[OLD_STOP].at != NULL)
                note(d, "stoponwatchdog has no counterpart: a filter finds the daemon again by itself, and /health "
                        "tells when it is away");
        if (old[OLD_CONTAINER].at != NULL)
                note(d, "proxycontainername is not needed: callers are found by their address");
        add_rule(d, SLICE("*"), SLICE("/**"), false, SLICE("no matching allow rule"));
        note(d, "the old proxy matched the path as it came, with its API version; here versions are cut off first, so "
                "every version is admitted");
        return 0;
}

/* ---- what went through unseen ---- */

static const struct {
        const char *method, *path, *what;
} unseen[] = {
        { "GET", "/containers/c/archive", "reads any file out of any container (docker cp)" },
        { "GET", "/containers/c/export", "reads the whole file system of any container" },
        { "GET", "/containers/c/logs", "reads the output of any container" },
        { "GET", "/containers/c/attach/ws", "types into any container over a web socket, although it is a GET" },
        { "GET", "/images/i/get", "reads every layer of any image" },
        { "GET", "/containers/c/json",
          "showed environment variables and host paths; both are redacted now (response.redact_*)" },
        { "GET", "/secrets", "listed secrets; GET of one is the way to its labels and driver" },
        { "POST", "/containers/create",
          "could ask for privileged, host namespaces, any bind mount, device or capability; now only what "
          "request_body.container_create allows" },
        { "POST", "/containers/c/update",
          "could lift every resource limit; now request_body.container_update is asked" },
        { "POST", "/containers/c/exec",
          "could run any command, as root and privileged; now only request_body.exec.allowed_commands" },
        { "PUT", "/containers/c/archive",
          "could plant set-uid files and symbolic links; the archive is looked into now "
          "(request_body.container_archive)" },
        { "POST", "/images/create",
          "could pull from any registry; now Docker Hub's official images, unless request_body.image_pull says more" },
        { "POST", "/images/load", "could load any image; the archive is looked into now (request_body.image_load)" },
        { "POST", "/build",
          "could run anything as root in a build, and fetch remote contexts; now request_body.build is asked" },
        { "POST", "/volumes/create",
          "could make a volume of any host path by driver options; now request_body.volume is asked" },
        { "POST", "/networks/create", "could make a network on any host interface; now request_body.network is asked" },
        { "POST", "/services/create",
          "could do on every node of a swarm what a container create can do on one; now request_body.service is "
          "asked" },
        { "POST", "/swarm/update",
          "could change the swarm's certificates and rotate its tokens; now request_body.swarm is asked" },
        { "POST", "/plugins/pull", "could install a plugin with any privilege; now request_body.plugin is asked" },
        { "POST", "/secrets/create", "could name any driver; now request_body.secret is asked" },
        { "POST", "/session",
          "is a tunnel in which anything goes; with request_body.buildkit every message is checked" },
        { "POST", "/grpc", "is a tunnel in which anything goes; with request_body.buildkit every message is checked" },
        { "POST", "/auth", "sends registry credentials through the proxy" },
        { "POST", "/containers/prune", "removes every stopped container of the host" },
};

static void write_unseen(const struct policy *p, struct strbuf *out) {
        bool any = false;

        for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++) {
                struct slice method = slice_of(unseen[i].method);
                struct rule_verdict v;

                policy_decide(p, POLICY_SCOPE_ROOT, http_method_of(method), method, slice_of(unseen[i].path), &v);
                if (!v.allow)
                        continue;
                if (!any)
                        strbuf_adds(out, "#\n# What the old proxy let through unseen, since it looked at methods and "
                                         "paths only:\n");
                any = true;
                strbuf_addf(out, "# * %s %s %s\n", unseen[i].method, unseen[i].path, unseen[i].what);
        }
}

/* ---- the text ---- */

static void write_acknowledgment(struct strbuf *out, bool on, const char *why, const char *key) {
        if (on)
                strbuf_addf(out, "# %s\n%s: true\n\n", why, key);
}

/* Everything from the first setting on. */
static void write_body(const struct draft *d, struct strbuf *out) {
        strbuf_add(out, strbuf_view(&d->settings));
        write_acknowledgment(out, d->blind_writes,
                             "Some writes below cannot be judged by their body, or not without a list of what is "
                             "allowed. As before, they pass.",
                             "insecure_allow_body_blind_writes");
        write_acknowledgment(out, d->reads, "Some reads below return logs, files or archives. As before, they pass.",
                             "insecure_allow_read_exfiltration");
        write_acknowledgment(out, d->tunnels,
                             "BuildKit's tunnels are open and nobody looks into them. As before; request_body.buildkit "
                             "is the better way.",
                             "insecure_accept_opaque_buildkit_tunnels");
        strbuf_adds(out, "rules:\n");
        for (size_t i = 0; i < d->n_rules; i++) {
                const struct draft_rule *r = &d->rules[i];

                strbuf_adds(out, "  - { match: { method: ");
                quoted(out, r->method);
                strbuf_adds(out, ", path: ");
                quoted(out, r->path);
                strbuf_addf(out, " }, action: %s", r->allow ? "allow" : "deny");
                if (r->reason.len > 0) {
                        strbuf_adds(out, ", reason: ");
                        quoted(out, r->reason);
                }
                strbuf_adds(out, " }\n");
        }
}

/* Does it stand as it is? *ret_config is set then. */
static bool check(const struct draft *d, struct strbuf *body, struct config **ret_config, struct strbuf *ret_problem) {
        struct config_source source = { .path = "policy", .from_memory = true };
        struct config *c = NULL;

        strbuf_reset(body);
        write_body(d, body);
        source.text = strbuf_view(body);
        if (!body->failed && config_load(&source, &c) == 0 && config_check(c) == 0) {
                *ret_config = c;
                return true;
        }
        strbuf_reset(ret_problem);
        for (size_t i = 0; c != NULL && i < config_problems(c)->n && ret_problem->len == 0; i++)
                if (!config_problems(c)->at[i].warning)
                        problem_format(&config_problems(c)->at[i], ret_problem);
        config_free(c);
        return false;
}

static void finish(struct draft *d, const struct policy *p, struct strbuf *body, struct strbuf *out) {
        strbuf_adds(out, "# Written by `sockguard-ctl migrate` from ");
        add_printable(out, d->in->origin);
        strbuf_adds(out, ".\n# It admits the methods and paths that the old proxy admitted. Read the notes, then try "
                         "it: sockguard-ctl validate\n");
        write_unseen(p, out);
        strbuf_adds(out, "#\n# Notes:\n");
        strbuf_add(out, strbuf_view(&d->notes));
        strbuf_addc(out, '\n');
        strbuf_add(out, strbuf_view(body));
}

int migrate_write(const struct migrate_input *in, struct arena *a, struct strbuf *out, struct strbuf *warnings,
                  struct error *e) {
        struct draft d = { .in = in, .a = a, .warnings = warnings };
        _cleanup_strbuf_ struct strbuf body, problem;
        _cleanup_config_ struct config *c = NULL;
        enum migrate_from from = in->from;
        int r;

        strbuf_init(&d.notes, TEXT_LIMIT);
        strbuf_init(&d.settings, TEXT_LIMIT);
        strbuf_init(&body, 2 * TEXT_LIMIT);
        strbuf_init(&problem, TEXT_LIMIT);
        if (from == MIGRATE_AUTO) {
                from = in->n_flags > 0 ? MIGRATE_WOLLOMATIC : MIGRATE_SECTIONS;
                for (size_t i = 0; i < in->n_environment; i++)
                        if (slice_starts(in->environment[i], SLICE("SP_")))
                                from = MIGRATE_WOLLOMATIC;
        }
        r = from == MIGRATE_WOLLOMATIC ? from_wollomatic(&d, e) : from_sections(&d, e);
        if (r == 0) {
                /* The fewest acknowledgments that the guards are content with. */
                static const uint8_t by_weight[] = { 0, 1, 2, 4, 3, 5, 6, 7 };

                for (size_t i = 0; i < sizeof(by_weight) && c == NULL; i++) {
                        d.blind_writes = by_weight[i] & 1;
                        d.reads = by_weight[i] & 2;
                        d.tunnels = by_weight[i] & 4;
                        (void) check(&d, &body, &c, &problem);
                }
                if (c == NULL)
                        r = error_set(e, -EINVAL, "what these settings ask for is not a valid policy: %.*s",
                                      SLICE_ARG(strbuf_view(&problem)));
                else
                        finish(&d, config_policy(c), &body, out);
        }
        strbuf_free(&d.notes);
        strbuf_free(&d.settings);
        return r < 0 ? r : d.differences;
}
