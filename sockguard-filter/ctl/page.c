/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/unicode.h"
#include "ctl/companion.h"
#include "ctl/view.h"
#include "limits/lease.h"
#include "limits/metrics.h"

/*
 * The metrics page (chapter 06, 6.2). What is in the state file is data of untrusted writers: numbers are taken as they
 * are, slots are bounded, and every text is escaped before it becomes a label.
 */

struct page {
        struct companion *c;
        struct strbuf *out;
        bool open; /* OpenMetrics 1.0 */
};

/* The label value of a series at one position; texts are made once a page. */
#define LABELS_MAX 6
struct series {
        struct slice labels[LABELS_MAX];
        const void *from; /* struct state_counter or struct state_histogram */
};

struct series_list {
        struct series *at;
        size_t n;
};

static void add_label_text(struct strbuf *out, struct slice s) {
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char) s.at[i];

                if (c == '\\' || c == '"')
                        strbuf_addc(out, '\\');
                strbuf_addc(out, (char) c);
        }
}

/*
 * A text as the page can have it: one bad byte in one label and Prometheus drops the page as a whole. Done before
 * series are compared, so that two texts that look alike are one series.
 */
static struct slice clean(struct arena *a, struct slice s) {
        char *to = arena_alloc(a, s.len + 1);

        memcpy(to, s.at, s.len);
        for (size_t i = 0; i < s.len;) {
                uint32_t cp;
                size_t n = unicode_decode(slice_from(s, i), &cp);

                if (n == 0 || cp < 0x20 || cp == 0x7f)
                        to[i] = '?';
                i += n ? n : 1;
        }
        return slice_make(to, s.len);
}

static void head(struct page *p, const char *family, const char *type, const char *help) {
        size_t n = strlen(family);

        /* OpenMetrics names the family of a counter without its suffix. */
        if (p->open && strcmp(type, "counter") == 0 && n > 6 && strcmp(family + n - 6, "_total") == 0)
                n -= 6;
        strbuf_addf(p->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int) n, family, help, (int) n, family, type);
}

static void add_seconds(struct strbuf *out, uint64_t ns) {
        strbuf_addf(out, "%llu.%09llu", (unsigned long long) (ns / NSEC_PER_SEC),
                    (unsigned long long) (ns % NSEC_PER_SEC));
}

static void plain(struct page *p, const char *family, const char *type, const char *help, uint64_t value) {
        head(p, family, type, help);
        strbuf_addf(p->out, "%s %llu\n", family, (unsigned long long) value);
}

static void plain_seconds(struct page *p, const char *family, const char *help, uint64_t ns) {
        head(p, family, "gauge", help);
        strbuf_addf(p->out, "%s ", family);
        add_seconds(p->out, ns);
        strbuf_addc(p->out, '\n');
}

/* ---- series from the tables ---- */

static int by_labels(const void *a, const void *b) {
        const struct series *x = a, *y = b;

        for (int i = 0; i < LABELS_MAX; i++) {
                int r = slice_cmp(x->labels[i], y->labels[i]);

                if (r)
                        return r;
        }
        return 0;
}

static struct slice name_of(const char *name, uint32_t len, size_t room) {
        return slice_make(name, len < room ? len : room);
}

static struct slice profile_text(struct companion *c, struct arena *a, uint32_t slot, struct slice none) {
        const struct state_profile *s = &c->state.map->profiles[slot % STATE_PROFILES];

        return slot == 0 ? none : clean(a, name_of(s->name, s->name_len, sizeof(s->name)));
}

static struct slice listener_text(struct companion *c, struct arena *a, uint32_t slot) {
        const struct state_name *s = &c->state.map->listeners[slot % STATE_LISTENERS];

        return slot == 0 || slot >= STATE_LISTENERS ? SLICE("default")
                                                    : clean(a, name_of(s->name, s->name_len, sizeof(s->name)));
}

static struct slice mode_text(uint32_t mode) {
        return mode == MODE_WARN ? SLICE("warn") : mode == MODE_AUDIT ? SLICE("audit") : SLICE("enforce");
}

static struct slice reason_text(uint32_t reason) {
        return reason == REASON_NONE || reason >= REASON_MAX_ ? SLICE("unknown")
                                                              : reason_name((enum reason_code) reason);
}

static struct slice route_text(struct companion *c, struct arena *a, uint32_t slot) {
        char buffer[128];

        return clean(a, state_route_text(c->state.map, slot, buffer));
}

static void fill(struct companion *c, struct arena *a, struct series *s, uint64_t key) {
        struct metric_key k = metric_key_unpack(key);

        switch (k.family) {
        case FAMILY_REQUESTS:
        case FAMILY_DURATION:
                s->labels[0] = slice_of(view_decision(k.decision));
                s->labels[1] = listener_text(c, a, k.listener);
                s->labels[2] = slice_of(view_method(k.method));
                s->labels[3] = profile_text(c, a, k.profile, SLICE("default"));
                s->labels[4] = route_text(c, a, k.route);
                s->labels[5] = k.family == FAMILY_REQUESTS ? arena_printf(a, "%u", k.status) : SLICE("");
                break;
        case FAMILY_DENIED:
                s->labels[0] = listener_text(c, a, k.listener);
                s->labels[1] = mode_text(k.mode);
                s->labels[2] = profile_text(c, a, k.profile, SLICE("default"));
                s->labels[3] = reason_text(k.reason);
                s->labels[4] = route_text(c, a, k.route);
                break;
        case FAMILY_THROTTLE:
                s->labels[0] = mode_text(k.mode);
                s->labels[1] = profile_text(c, a, k.profile, SLICE("_anonymous"));
                s->labels[2] = reason_text(k.reason);
                break;
        }
}

static struct series_list collect(struct companion *c, struct arena *a, enum metric_family family) {
        struct state_map *m = c->state.map;
        bool timed = family == FAMILY_DURATION;
        size_t room = timed ? STATE_HISTOGRAMS : STATE_COUNTERS;
        struct series_list list = { NULL, 0 };
        size_t found = 0;

        /* Counted first: most of a table is empty, and memory for all of it would cost more than the page. */
        for (size_t i = 0; i < room; i++)
                found += metric_key_unpack(state_get(timed ? &m->histograms[i].key : &m->counters[i].key)).family ==
                         family;
        list.at = arena_new_array(a, struct series, found);
        for (size_t i = 0; i < room && list.n < found; i++) {
                uint64_t key = state_get(timed ? &m->histograms[i].key : &m->counters[i].key);

                if (metric_key_unpack(key).family != family)
                        continue;
                list.at[list.n].from = timed ? (const void *) &m->histograms[i] : (const void *) &m->counters[i];
                fill(c, a, &list.at[list.n++], key);
        }
        qsort(list.at, list.n, sizeof(list.at[0]), by_labels);
        return list;
}

static void add_labels(struct strbuf *out, const struct series *s, const char *const *names, size_t n, const char *le) {
        strbuf_addc(out, '{');
        for (size_t i = 0; i < n; i++) {
                strbuf_addf(out, "%s%s=\"", i ? "," : "", names[i]);
                add_label_text(out, s->labels[i]);
                strbuf_addc(out, '"');
        }
        if (le)
                strbuf_addf(out, ",le=\"%s\"", le);
        strbuf_addc(out, '}');
}

static const char *const request_labels[] = { "decision", "listener", "method", "profile", "route", "status" };
static const char *const denied_labels[] = { "listener", "mode", "profile", "reason_code", "route" };
static const char *const throttle_labels[] = { "mode", "profile", "reason_code" };

/* Two keys may have the same labels (a profile and its folded overflow): they are one series on the page. */
static void counters(struct page *p, struct arena *a, enum metric_family family, const char *name, const char *help,
                     const char *const *labels, size_t n_labels) {
        struct series_list list = collect(p->c, a, family);

        head(p, name, "counter", help);
        for (size_t i = 0; i < list.n;) {
                uint64_t sum = 0;
                size_t first = i;

                do
                        sum += state_get(&((const struct state_counter *) list.at[i++].from)->value);
                while (i < list.n && by_labels(&list.at[first], &list.at[i]) == 0);
                if (sum == 0)
                        continue;
                strbuf_add(p->out, slice_of(name));
                add_labels(p->out, &list.at[first], labels, n_labels, NULL);
                strbuf_addf(p->out, " %llu\n", (unsigned long long) sum);
        }
}

/* OpenMetrics wants a float to look like one. */
static const char *bound_text(const struct page *p, unsigned bucket) {
        static const char *const whole[][2] = { { "1", "1.0" }, { "5", "5.0" }, { "10", "10.0" } };

        for (size_t i = 0; p->open && i < sizeof(whole) / sizeof(whole[0]); i++)
                if (strcmp(metric_bounds[bucket], whole[i][0]) == 0)
                        return whole[i][1];
        return metric_bounds[bucket];
}

static void histograms(struct page *p, struct arena *a) {
        static const char name[] = "sockguard_http_request_duration_seconds";
        struct series_list list = collect(p->c, a, FAMILY_DURATION);

        head(p, name, "histogram", "Time from the arrival of a request to the end of its answer, streams included.");
        for (size_t i = 0; i < list.n;) {
                uint64_t buckets[STATE_BUCKETS] = { 0 }, sum = 0, total = 0;
                size_t first = i;

                do {
                        const struct state_histogram *h = list.at[i++].from;

                        for (unsigned b = 0; b < STATE_BUCKETS; b++)
                                buckets[b] += state_get(&h->bucket[b]);
                        sum += state_get(&h->sum_ns);
                } while (i < list.n && by_labels(&list.at[first], &list.at[i]) == 0);
                for (unsigned b = 0; b < STATE_BUCKETS; b++) {
                        total += buckets[b];
                        strbuf_addf(p->out, "%s_bucket", name);
                        add_labels(p->out, &list.at[first], request_labels, 5, bound_text(p, b));
                        strbuf_addf(p->out, " %llu\n", (unsigned long long) total);
                }
                strbuf_addf(p->out, "%s_sum", name);
                add_labels(p->out, &list.at[first], request_labels, 5, NULL);
                strbuf_addc(p->out, ' ');
                add_seconds(p->out, sum);
                strbuf_addf(p->out, "\n%s_count", name);
                add_labels(p->out, &list.at[first], request_labels, 5, NULL);
                strbuf_addf(p->out, " %llu\n", (unsigned long long) total);
        }
}

/* ---- what the companion knows itself ---- */

static void build_info(struct page *p) {
        head(p, "sockguard_build_info", "gauge", "What is running; always 1.");
        strbuf_adds(p->out, "sockguard_build_info{version=\"");
        add_label_text(p->out, SLICE(PACKAGE_VERSION));
        strbuf_adds(p->out, "\",commit=\"");
        add_label_text(p->out, SLICE(SOCKGUARD_COMMIT));
        strbuf_adds(p->out, "\",build_date=\"");
        add_label_text(p->out, SLICE(SOCKGUARD_BUILT));
        strbuf_adds(p->out, "\",go_version=\"");
#ifdef __clang__
        add_label_text(p->out, SLICE("clang " __clang_version__));
#else
        add_label_text(p->out, SLICE("gcc " __VERSION__));
#endif
        strbuf_adds(p->out, "\"} 1\n");
}

static int by_listener(const void *a, const void *b) {
        const struct listener *x = *(const struct listener *const *) a, *y = *(const struct listener *const *) b;

        return strcmp(x->name, y->name);
}

static void listeners_up(struct page *p, struct arena *a) {
        const struct listener *sorted[LISTENERS_MAX];

        board_refresh(p->c);
        head(p, "sockguard_listener_up", "gauge", "1 while the listener serves.");
        for (size_t i = 0; i < p->c->n_listeners; i++)
                sorted[i] = &p->c->listeners[i];
        qsort(sorted, p->c->n_listeners, sizeof(sorted[0]), by_listener);
        for (size_t i = 0; i < p->c->n_listeners; i++) {
                strbuf_adds(p->out, "sockguard_listener_up{listener=\"");
                add_label_text(p->out, clean(a, slice_of(sorted[i]->name)));
                strbuf_addf(p->out, "\",network=\"%s\",role=\"%s\"} %d\n", sorted[i]->tcp ? "tcp" : "unix",
                            sorted[i]->admin ? "admin" : "main", sorted[i]->state == BOARD_SERVING);
        }
}

static uint64_t active(struct companion *c) {
        struct state_map *m = c->state.map;
        uint64_t n = 0, high = state_get(&m->h.high_water);

        for (uint64_t i = 0; i < high && i < STATE_LEASES; i++)
                n += state_get(&m->leases[i].owner) != 0 && state_get(&m->leases[i].active_ms) != 0;
        return n;
}

static void up(struct page *p, const char *name, const char *help, const state_word *w) {
        uint64_t v = state_get(w);

        if (v == 0)
                return; /* not before the first probe */
        plain(p, name, "gauge", help, v == 2);
}

static void checks(struct page *p, const char *name, const char *help, const state_word *words, const char *bad,
                   const char *good) {
        const char *const results[2] = { bad, good };

        head(p, name, "counter", help);
        /* In the order of the label's bytes: connected, ready before unreachable. */
        for (int i = 1; i >= 0; i--)
                if (state_get(&words[i]))
                        strbuf_addf(p->out, "%s{result=\"%s\"} %llu\n", name, results[i],
                                    (unsigned long long) state_get(&words[i]));
}

struct gauge {
        struct slice profile;
        uint64_t running;
};

static int by_profile(const void *a, const void *b) {
        return slice_cmp(((const struct gauge *) a)->profile, ((const struct gauge *) b)->profile);
}

static void inflight(struct page *p, struct arena *a) {
        struct state_map *m = p->c->state.map;
        struct gauge *sorted = arena_new_array(a, struct gauge, STATE_PROFILES);
        size_t n = 0;

        head(p, "sockguard_inflight_requests", "gauge", "Requests running under a profile's concurrency cap.");
        for (uint32_t i = 0; i < STATE_PROFILES; i++) {
                const struct state_profile *s = &m->profiles[i];

                if (state_get(&s->admitted) && state_get(&s->name_hash))
                        sorted[n++] = (struct gauge){ clean(a, name_of(s->name, s->name_len, sizeof(s->name))),
                                                      lease_count(state_get(&s->inflight)) };
        }
        qsort(sorted, n, sizeof(sorted[0]), by_profile);
        for (size_t i = 0; i < n;) {
                struct slice profile = sorted[i].profile;
                uint64_t running = 0;

                while (i < n && slice_eq(sorted[i].profile, profile))
                        running += sorted[i++].running;
                strbuf_adds(p->out, "sockguard_inflight_requests{profile=\"");
                add_label_text(p->out, profile);
                strbuf_addf(p->out, "\"} %llu\n", (unsigned long long) running);
        }
}

static void reloads(struct page *p) {
        /* In the order of the label's bytes. */
        static const struct {
                enum reload_result which;
                const char *name;
        } rows[] = {
                { RELOAD_OK, "ok" },
                { RELOAD_REJECT_IMMUTABLE, "reject_immutable" },
                { RELOAD_REJECT_LOAD, "reject_load" },
                { RELOAD_REJECT_SIGNATURE, "reject_signature" },
                { RELOAD_REJECT_VALIDATION, "reject_validation" },
        };
        struct state_header *h = &p->c->state.map->h;

        head(p, "sockguard_config_reload_total", "counter", "Attempts to reload the configuration.");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (state_get(&h->reloads[rows[i].which]))
                        strbuf_addf(p->out, "sockguard_config_reload_total{result=\"%s\"} %llu\n", rows[i].name,
                                    (unsigned long long) state_get(&h->reloads[rows[i].which]));
        if (state_get(&h->reload_success_ns))
                plain_seconds(p, "sockguard_config_reload_last_success_timestamp_seconds",
                              "When a reload last succeeded.", state_get(&h->reload_success_ns));
}

void page_render(struct companion *c, bool openmetrics, struct strbuf *out) {
        struct page p = { c, out, openmetrics };
        struct state_header *h = &c->state.map->h;
        struct arena a;

        arena_init(&a, 32u << 20, NULL);
        build_info(&p);
        plain_seconds(&p, "sockguard_start_time_seconds", "When counting began, Unix time.", h->created_ns);
        counters(&p, &a, FAMILY_REQUESTS, "sockguard_http_requests_total", "Finished requests.", request_labels, 6);
        counters(&p, &a, FAMILY_DENIED, "sockguard_http_denied_requests_total",
                 "Requests that were or, in warn and audit, would have been denied.", denied_labels, 5);
        histograms(&p, &a);
        listeners_up(&p, &a);
        plain(&p, "sockguard_http_requests_active", "gauge", "Requests running now, this one included.", active(c));
        up(&p, "sockguard_upstream_socket_up", "1 if the watchdog reached the daemon.", &h->watchdog_up);
        checks(&p, "sockguard_upstream_watchdog_checks_total", "Probes of the watchdog.", h->watchdog_checks,
               "unreachable", "connected");
        up(&p, "sockguard_upstream_api_up", "1 if the daemon answered the readiness probe.", &h->readiness_up);
        checks(&p, "sockguard_upstream_readiness_checks_total", "Readiness probes.", h->readiness_checks, "unreachable",
               "ready");
        counters(&p, &a, FAMILY_THROTTLE, "sockguard_throttle_requests_total",
                 "Requests that a limit refused or, in warn and audit, would have.", throttle_labels, 3);
        inflight(&p, &a);
        reloads(&p);
        if (c->version)
                plain(&p, "sockguard_policy_version", "gauge", "Generation of the policy in force.", c->version);
        if (openmetrics)
                strbuf_adds(out, "# EOF\n");
        arena_free(&a);
}
