/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "ctl/verb.h"
#include "ctl/view.h"
#include "filter/companion.h"
#include "limits/bucket.h"
#include "limits/lease.h"

/* sockguard-ctl status: what is in force, who is there, what was refused, how full the limits are. */

enum { FLAG_DIR, FLAG_OUTPUT };

static const struct verb_flag flags[] = {
        [FLAG_DIR] = { .name = "runtime-dir", .value = "DIR", .help = "of the companion (default /run/sockguard)" },
        [FLAG_OUTPUT] = { .name = "output", .letter = 'o', .value = "FORMAT", .help = "text or json" },
};

struct status {
        struct state s;
        struct arena arena;
        bool alive;
        struct companion_answer version, health;
        struct view_totals totals;
};

struct profile_row {
        struct slice name;
        bool has_rate;
        double tokens, burst;
        uint64_t inflight, cap;
};

static bool profile_row(const struct state_map *m, uint32_t i, struct profile_row *ret) {
        const struct state_profile *p = &m->profiles[i];
        uint32_t len = p->name_len;
        struct bucket_rate r = { state_get(&p->rate), (uint32_t) state_get(&p->burst) };

        if (!state_get(&p->name_hash) || (!state_get(&p->rate) && !state_get(&p->cap)))
                return false;
        *ret = (struct profile_row){ .name = slice_make(p->name, len < sizeof(p->name) ? len : sizeof(p->name)),
                                     .has_rate = r.rate != 0,
                                     .cap = state_get(&p->cap),
                                     .inflight = lease_count(state_get(&p->inflight)) };
        ret->burst = r.cap / 65536.0;
        ret->tokens = r.rate ? bucket_level(r, state_get(&p->bucket), (uint32_t) state_now_ms()) / 65536.0 : 0;
        return true;
}

static void gather(struct status *t, const char *dir) {
        arena_init(&t->arena, 8u << 20, NULL);
        t->alive = companion_ask(dir, CONTROL_VERSION, 0, SLICE(""), deadline_in(NSEC_PER_SEC), &t->arena,
                                 &t->version) == 0;
        if (t->alive)
                (void) companion_ask(dir, CONTROL_HEALTH, 0, SLICE(""), deadline_in(2 * NSEC_PER_SEC), &t->arena,
                                     &t->health);
        view_totals(t->s.map, &t->totals);
}

static struct slice line_of(struct slice s) {
        while (s.len && s.at[s.len - 1] == '\n')
                s.len--;
        return s;
}

static void print_json(const struct status *t, FILE *out) {
        const struct state_map *m = t->s.map;
        bool first = true;
        struct profile_row row;
        _cleanup_strbuf_ struct strbuf b;

        strbuf_init(&b, 1u << 20);
        strbuf_addf(&b, "{\"companion\":%s,\"policy\":", t->alive ? "true" : "false");
        strbuf_add(&b, t->version.body.len ? line_of(t->version.body) : SLICE("null"));
        strbuf_adds(&b, ",\"health\":");
        strbuf_add(&b, t->health.body.len ? line_of(t->health.body) : SLICE("null"));
        strbuf_addf(&b, ",\"generation\":%llu,\"connections\":%llu,\"active\":%llu,\"requests\":{",
                    (unsigned long long) state_generation(&t->s), (unsigned long long) t->totals.connections,
                    (unsigned long long) t->totals.active);
        for (int i = 0; i < 4; i++)
                strbuf_addf(&b, "%s\"%s\":%llu", i ? "," : "", view_decision((uint64_t) i),
                            (unsigned long long) t->totals.decisions[i]);
        strbuf_adds(&b, "},\"denials\":{");
        for (int i = 0; i < REASON_MAX_; i++)
                if (state_get(&m->h.reasons[i])) {
                        if (!first)
                                strbuf_addc(&b, ',');
                        first = false;
                        strbuf_add_json(&b, i ? reason_name((enum reason_code) i) : SLICE("unknown"), JSON_ESCAPE_LOG);
                        strbuf_addf(&b, ":%llu", (unsigned long long) state_get(&m->h.reasons[i]));
                }
        strbuf_addf(&b, "},\"global_inflight\":%u,\"limits\":[", lease_count(state_get(&m->h.global)));
        first = true;
        for (uint32_t i = 0; i < STATE_PROFILES; i++) {
                if (!profile_row(m, i, &row))
                        continue;
                if (!first)
                        strbuf_addc(&b, ',');
                first = false;
                strbuf_adds(&b, "{\"profile\":");
                strbuf_add_json(&b, row.name, JSON_ESCAPE_LOG);
                if (row.has_rate)
                        strbuf_addf(&b, ",\"tokens\":%.3f,\"burst\":%.3f", row.tokens, row.burst);
                if (row.cap)
                        strbuf_addf(&b, ",\"inflight\":%llu,\"max_inflight\":%llu", (unsigned long long) row.inflight,
                                    (unsigned long long) row.cap);
                strbuf_addc(&b, '}');
        }
        strbuf_addf(&b, "],\"uncounted\":{\"leases\":%llu,\"series\":%llu,\"records\":%llu,\"aborted\":%llu}}\n",
                    (unsigned long long) state_get(&m->h.lease_overflow),
                    (unsigned long long) state_get(&m->h.series_overflow),
                    (unsigned long long) state_get(&m->h.log_dropped), (unsigned long long) state_get(&m->h.aborted));
        fwrite(b.at, 1, b.len, out);
}

/* ---- for people ---- */

struct screen {
        FILE *out;
        unsigned width; /* 0: no limit */
};

static void line(const struct screen *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(const struct screen *s, const char *format, ...) {
        char text[1024];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        view_line(s->out, s->width,
                  slice_make(text, n < 0                       ? 0
                                   : (size_t) n < sizeof(text) ? (size_t) n
                                                               : sizeof(text) - 1));
}

static const char *text_of(const cJSON *object, const char *key, char *buffer, size_t room) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);

        return view_text(buffer, room, slice_of(cJSON_IsString(v) ? v->valuestring : ""));
}

static unsigned long long number_of(const cJSON *object, const char *key) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);

        return cJSON_IsNumber(v) && v->valuedouble > 0 ? (unsigned long long) v->valuedouble : 0;
}

/* "1 rule", "2 rules". */
static const char *plural(char buffer[48], unsigned long long n, const char *noun) {
        snprintf(buffer, 48, "%llu %s%s", n, noun, n == 1 ? "" : "s");
        return buffer;
}

static const char *clock_text(char buffer[40], uint64_t ns) {
        time_t t = (time_t) (ns / NSEC_PER_SEC);
        struct tm tm;

        if (ns == 0 || !localtime_r(&t, &tm) || strftime(buffer, 40, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                snprintf(buffer, 40, "?");
        return buffer;
}

static void print_companion(const struct screen *s, const struct status *t, const cJSON *health) {
        uint64_t beat = state_get(&t->s.map->h.beat_ms), now = state_now_ms();
        char age[VIEW_NAME], up[VIEW_NAME], version[VIEW_NAME], error[128];

        if (!t->alive) {
                line(s, "Companion  DOES NOT ANSWER; last sign of life %s%s",
                     beat && beat <= now ? view_age(age, now - beat) : "never", beat && beat <= now ? " ago" : "");
                line(s, "           filters go on with the policy below; /health is 503, nothing is reloaded");
                return;
        }
        line(s, "Companion  sockguard-ctl %s, up %s", text_of(health, "version", version, sizeof(version)),
             view_age(up, number_of(health, "uptime_seconds") * 1000));
        if (health && strcmp(text_of(health, "status", version, sizeof(version)), "healthy") == 0)
                line(s, "Health     healthy: daemon %s", text_of(health, "upstream", error, sizeof(error)));
        else
                line(s, "Health     UNHEALTHY: %s",
                     health ? text_of(health, "error", error, sizeof(error)) : "no answer in time");
}

static void print_policy(const struct screen *s, const struct status *t, const cJSON *version) {
        uint64_t loaded = state_get(&t->s.map->h.loaded_ns), now = clock_ns(CLOCK_REALTIME);
        unsigned long long ok = state_get(&t->s.map->h.reloads[RELOAD_OK]), rejected = 0;
        char at[40], age[VIEW_NAME], rules[48], profiles[48], source[32], sum[65];

        for (int i = RELOAD_OK + 1; i < RELOAD_RESULT_MAX_; i++)
                rejected += state_get(&t->s.map->h.reloads[i]);
        line(s, "Policy     version %llu, in force since %s (%s)",
             version ? number_of(version, "version") : (unsigned long long) state_get(&t->s.map->h.policy_version),
             clock_text(at, loaded), loaded <= now ? view_age(age, (now - loaded) / NSEC_PER_MSEC) : "?");
        if (version)
                line(s, "           from %s: %s, %s%s; sha256 %.12s",
                     text_of(version, "source", source, sizeof(source)),
                     plural(rules, number_of(version, "rules"), "rule"),
                     plural(profiles, number_of(version, "profiles"), "profile"),
                     cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(version, "compat_active"))
                             ? ", rules from section variables"
                             : "",
                     text_of(version, "config_sha256", sum, sizeof(sum)));
        if (ok || rejected)
                line(s, "Reloads    %llu applied, %llu rejected%s", ok, rejected,
                     rejected ? ": see the log for why" : "");
}

static void print_listeners(const struct screen *s, const cJSON *health) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(health, "listeners"), *l;
        const char *label = "Listeners";

        cJSON_ArrayForEach(l, list) {
                char name[VIEW_NAME], network[16], state[16], role[16];

                line(s, "%-10s %s, %s%s: %s", label, text_of(l, "name", name, sizeof(name)),
                     text_of(l, "network", network, sizeof(network)),
                     strcmp(text_of(l, "role", role, sizeof(role)), "admin") == 0 ? ", admin" : "",
                     text_of(l, "state", state, sizeof(state)));
                label = "";
        }
}

static void print_traffic(const struct screen *s, const struct status *t) {
        const struct state_header *h = &t->s.map->h;
        const uint64_t *d = t->totals.decisions;
        char connections[48], running[48];

        line(s, "Clients    %s open, %s running", plural(connections, t->totals.connections, "connection"),
             plural(running, t->totals.active, "request"));
        line(s, "Requests   %llu allowed, %llu denied, %llu would be denied, %llu errors",
             (unsigned long long) d[METRIC_ALLOW], (unsigned long long) d[METRIC_DENY],
             (unsigned long long) d[METRIC_WOULD_DENY], (unsigned long long) d[METRIC_ERROR]);
        if (state_get(&h->aborted))
                line(s, "Warning    %llu filters died during a request", (unsigned long long) state_get(&h->aborted));
        if (state_get(&h->log_dropped))
                line(s, "Warning    %llu records lost: the log is not read fast enough",
                     (unsigned long long) state_get(&h->log_dropped));
        if (state_get(&h->lease_overflow))
                line(s, "Warning    %llu requests uncounted: more than %u connections at a time",
                     (unsigned long long) state_get(&h->lease_overflow), STATE_LEASES);
        if (state_get(&h->series_overflow))
                line(s, "Warning    %llu samples without a series of their own",
                     (unsigned long long) state_get(&h->series_overflow));
}

struct count {
        enum reason_code code;
        uint64_t n;
};

static int by_count(const void *a, const void *b) {
        const struct count *x = a, *y = b;

        return x->n != y->n ? (x->n > y->n ? -1 : 1) : (int) x->code - (int) y->code;
}

static void print_denials(const struct screen *s, const struct state_map *m) {
        struct count rows[REASON_MAX_];
        size_t n = 0;

        for (int i = 0; i < REASON_MAX_; i++)
                if (state_get(&m->h.reasons[i]))
                        rows[n++] = (struct count){ (enum reason_code) i, state_get(&m->h.reasons[i]) };
        if (n == 0)
                return;
        qsort(rows, n, sizeof(rows[0]), by_count);
        line(s, " ");
        line(s, "%12s  %s", "DENIED", "BECAUSE");
        for (size_t i = 0; i < n; i++)
                line(s, "%12llu  %.*s", (unsigned long long) rows[i].n,
                     SLICE_ARG(rows[i].code ? reason_name(rows[i].code) : SLICE("unknown")));
}

/* A cell like "96/100"; "-" when there is no limit. */
static const char *fill_text(char buffer[48], bool there, double used, double of) {
        if (there)
                snprintf(buffer, 48, "%.6g/%g", used, of);
        else
                snprintf(buffer, 48, "-");
        return buffer;
}

static void print_limits(const struct screen *s, const struct state_map *m) {
        uint32_t global = lease_count(state_get(&m->h.global));
        size_t longest = 7;
        struct profile_row row;
        bool any = false;

        for (uint32_t i = 0; i < STATE_PROFILES; i++)
                if (profile_row(m, i, &row) && row.name.len > longest)
                        longest = row.name.len;
        /* The numbers matter more than the end of a name. */
        if (s->width && longest + 36 > s->width)
                longest = s->width > 46 ? s->width - 36 : 10;
        for (uint32_t i = 0; i < STATE_PROFILES; i++) {
                char name[VIEW_NAME * 4], tokens[48], running[48];

                if (!profile_row(m, i, &row))
                        continue;
                if (!any) {
                        line(s, " ");
                        line(s, "  %-*s  %14s  %14s", (int) longest, "PROFILE", "TOKENS LEFT", "RUNNING");
                }
                any = true;
                view_text(name, sizeof(name), row.name);
                line(s, "  %-*.*s  %14s  %14s", (int) longest, (int) longest, name,
                     fill_text(tokens, row.has_rate, (double) (uint64_t) (row.tokens * 10) / 10, row.burst),
                     fill_text(running, row.cap != 0, (double) row.inflight, (double) row.cap));
        }
        if (global)
                line(s, "  all profiles, at the global gate: %u running", global);
}

static void print_text(const struct status *t, FILE *out) {
        const struct screen s = { out, view_width() };
        cJSON *version = cJSON_ParseWithLength(t->version.body.at, t->version.body.len);
        cJSON *health = cJSON_ParseWithLength(t->health.body.at, t->health.body.len);

        print_companion(&s, t, health);
        print_policy(&s, t, version);
        print_listeners(&s, health);
        print_traffic(&s, t);
        print_denials(&s, t->s.map);
        print_limits(&s, t->s.map);
        cJSON_Delete(version);
        cJSON_Delete(health);
}

static int run(const struct verb_args *args) {
        const char *dir = args->value[FLAG_DIR] ? args->value[FLAG_DIR] : "/run/sockguard",
                   *format = args->value[FLAG_OUTPUT];
        struct status t = { 0 };

        if (format && strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
                return verb_fail("--output is text or json, not \"%s\"", format);
        if (view_attach(dir, &t.s) != 0)
                return 1;
        gather(&t, dir);
        if (format && strcmp(format, "json") == 0)
                print_json(&t, stdout);
        else
                print_text(&t, stdout);
        state_detach(&t.s);
        arena_free(&t.arena);
        return t.alive ? 0 : 1;
}

const struct verb verb_status = {
        .name = "status",
        .summary = "what is in force, who is connected, what was denied, how full the limits are",
        VERB_FLAGS(flags),
        .run = run
};
