/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

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
        *ret = (struct profile_row) { .name = slice_make(p->name, len < sizeof(p->name) ? len : sizeof(p->name)),
                                      .has_rate = r.rate != 0, .cap = state_get(&p->cap), .inflight = lease_count(state_get(&p->inflight)) };
        ret->burst = r.cap / 65536.0;
        ret->tokens = r.rate ? bucket_level(r, state_get(&p->bucket), (uint32_t) state_now_ms()) / 65536.0 : 0;
        return true;
}

static void gather(struct status *t, const char *dir) {
        arena_init(&t->arena, 8u << 20, NULL);
        t->alive = companion_ask(dir, CONTROL_VERSION, 0, SLICE(""), deadline_in(NSEC_PER_SEC), &t->arena, &t->version) == 0;
        if (t->alive)
                (void) companion_ask(dir, CONTROL_HEALTH, 0, SLICE(""), deadline_in(2 * NSEC_PER_SEC), &t->arena, &t->health);
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
        strbuf_addf(&b, ",\"generation\":%llu,\"connections\":%llu,\"active\":%llu,\"requests\":{", (unsigned long long) state_generation(&t->s),
                    (unsigned long long) t->totals.connections, (unsigned long long) t->totals.active);
        for (int i = 0; i < 4; i++)
                strbuf_addf(&b, "%s\"%s\":%llu", i ? "," : "", view_decision((uint64_t) i), (unsigned long long) t->totals.decisions[i]);
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
                        strbuf_addf(&b, ",\"inflight\":%llu,\"max_inflight\":%llu", (unsigned long long) row.inflight, (unsigned long long) row.cap);
                strbuf_addc(&b, '}');
        }
        strbuf_addf(&b, "],\"uncounted\":{\"leases\":%llu,\"series\":%llu,\"records\":%llu,\"aborted\":%llu}}\n",
                    (unsigned long long) state_get(&m->h.lease_overflow), (unsigned long long) state_get(&m->h.series_overflow),
                    (unsigned long long) state_get(&m->h.log_dropped), (unsigned long long) state_get(&m->h.aborted));
        fwrite(b.at, 1, b.len, out);
}

/* A JSON answer of the companion, one member a word, for people. */
static void print_object(FILE *out, const char *label, struct slice body) {
        char text[1024];

        body = line_of(body);
        if (body.len > 2) {
                body = slice_from(body, 1);
                body.len--;
        }
        fprintf(out, "%-11s%s\n", label, view_text(text, sizeof(text), body));
}

static void print_text(const struct status *t, FILE *out) {
        const struct state_map *m = t->s.map;
        uint64_t beat = state_get(&m->h.beat_ms), now = state_now_ms();
        struct profile_row row;
        char age[VIEW_NAME], name[VIEW_NAME];
        bool any = false;

        fprintf(out, "%-11s%s, last sign of life %s ago\n", "Companion", t->alive ? "answers" : "DOES NOT ANSWER",
                beat ? view_age(age, now - beat) : "never");
        if (t->version.body.len)
                print_object(out, "Policy", t->version.body);
        else
                fprintf(out, "%-11sversion %llu\n", "Policy", (unsigned long long) state_get(&m->h.policy_version));
        if (t->health.body.len)
                print_object(out, "Health", t->health.body);
        fprintf(out, "%-11s%llu open, %llu requests running\n", "Clients", (unsigned long long) t->totals.connections,
                (unsigned long long) t->totals.active);
        fprintf(out, "%-11s", "Requests");
        for (int i = 0; i < 4; i++)
                fprintf(out, "%s%s %llu", i ? ", " : "", view_decision((uint64_t) i), (unsigned long long) t->totals.decisions[i]);
        fprintf(out, "\n%-11sok %llu, rejected %llu\n", "Reloads", (unsigned long long) state_get(&m->h.reloads[RELOAD_OK]),
                (unsigned long long) (state_get(&m->h.reloads[RELOAD_REJECT_LOAD]) + state_get(&m->h.reloads[RELOAD_REJECT_VALIDATION]) +
                                      state_get(&m->h.reloads[RELOAD_REJECT_IMMUTABLE]) + state_get(&m->h.reloads[RELOAD_REJECT_SIGNATURE])));
        if (state_get(&m->h.lease_overflow) || state_get(&m->h.series_overflow) || state_get(&m->h.log_dropped) || state_get(&m->h.aborted))
                fprintf(out, "%-11suncounted requests %llu, samples without a series %llu, records lost %llu, filters that died %llu\n", "Warning",
                        (unsigned long long) state_get(&m->h.lease_overflow), (unsigned long long) state_get(&m->h.series_overflow),
                        (unsigned long long) state_get(&m->h.log_dropped), (unsigned long long) state_get(&m->h.aborted));
        for (int i = 0; i < REASON_MAX_; i++)
                if (state_get(&m->h.reasons[i])) {
                        if (!any)
                                fprintf(out, "\n  %-42s %s\n", "DENIED BECAUSE", "COUNT");
                        any = true;
                        fprintf(out, "  %-42.*s %llu\n", SLICE_ARG(i ? reason_name((enum reason_code) i) : SLICE("unknown")),
                                (unsigned long long) state_get(&m->h.reasons[i]));
                }
        any = false;
        for (uint32_t i = 0; i < STATE_PROFILES; i++) {
                if (!profile_row(m, i, &row))
                        continue;
                if (!any)
                        fprintf(out, "\n  %-30s %-22s %s\n", "PROFILE", "TOKENS", "RUNNING");
                any = true;
                fprintf(out, "  %-30s ", view_text(name, sizeof(name), row.name));
                if (row.has_rate)
                        fprintf(out, "%8.2f of %-10g ", row.tokens, row.burst);
                else
                        fprintf(out, "%-22s ", "-");
                if (row.cap)
                        fprintf(out, "%llu of %llu\n", (unsigned long long) row.inflight, (unsigned long long) row.cap);
                else
                        fputs("-\n", out);
        }
        if (lease_count(state_get(&m->h.global)))
                fprintf(out, "\n  global gate: %u running\n", lease_count(state_get(&m->h.global)));
}

static int run(const struct verb_args *args) {
        const char *dir = args->value[FLAG_DIR] ? args->value[FLAG_DIR] : "/run/sockguard", *format = args->value[FLAG_OUTPUT];
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
        return 0;
}

const struct verb verb_status = {
        .name = "status", .summary = "what is in force, who is connected, what was denied, how full the limits are", VERB_FLAGS(flags), .run = run
};
