/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "tls/report.h"

int report_open(const struct policy *p, struct slice listener, int connection, struct report *ret, struct error *e) {
        /* Under inetd the connection is descriptor 1 too; what is said there would be said to the client. */
        const int client[] = { connection };

        ret->listener = listener;
        return telemetry_open(&ret->to, p, client, 1, e);
}

/* The address without its port. */
static struct slice source_of(const struct peer *peer) {
        struct slice text = slice_of(peer->text);
        ssize_t colon = slice_rfind(text, ':');

        if (colon >= 0)
                text = slice_upto(text, (size_t) colon);
        return text.len > 1 && text.at[0] == '[' ? slice_make(text.at + 1, text.len - 2) : text;
}

static void log_record(struct report *r, const struct peer *peer, const char *code, const char *why) {
        struct log *l = &r->to.main;

        if (!log_begin(l, LEVEL_WARN, "tls_handshake_failed"))
                return;
        log_str(l, "listener_name", r->listener);
        log_str(l, "decision", SLICE("deny"));
        log_str(l, "reason_code", slice_of(code));
        log_str(l, "reason", slice_of(why));
        log_str(l, "client", slice_of(peer->text));
        (void) log_end(l);
}

static void audit_record_of(struct report *r, const struct peer *peer, const char *code, const char *why) {
        struct log *l = &r->to.audit;

        log_begin_bare(l);
        log_str(l, "event_type", SLICE("tls_handshake"));
        log_now(l, "timestamp");
        log_str(l, "decision", SLICE("deny"));
        log_str(l, "reason_code", slice_of(code));
        log_str(l, "reason", slice_of(why));
        log_str(l, "actor_remote_addr", slice_of(peer->text));
        log_str(l, "actor_source_ip", source_of(peer));
        log_str(l, "transport_listener", SLICE("tcp"));
        log_str(l, "transport_scheme", SLICE("https"));
        log_str(l, "listener_name", r->listener);
        (void) log_end(l);
}

void report_refused(struct report *r, const struct peer *peer, const char *code, const char *why) {
        log_record(r, peer, code, why);
        if (r->to.audit_on)
                audit_record_of(r, peer, code, why);
}

void report_event(struct report *r, enum level level, const char *event, struct slice why) {
        struct log *l = &r->to.main;

        if (!log_begin(l, level, event))
                return;
        log_str(l, "listener_name", r->listener);
        if (why.len > 0)
                log_str(l, "error", why);
        (void) log_end(l);
}
