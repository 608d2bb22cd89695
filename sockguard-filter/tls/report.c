/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "tls/report.h"

#define RECORD_MAX 4096u /* PIPE_BUF: one write is one record, whoever else writes there */

static bool same_file(int a, int b) {
        struct stat sa, sb;

        return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* stderr for "stderr" and "stdout" (which may be the connection), or the file; -1 when that cannot be had. */
static int open_output(struct slice output, int connection) {
        char path[4096];

        if (slice_eq(output, SLICE("stderr")) || slice_eq(output, SLICE("stdout")) || output.len == 0)
                return fcntl(STDERR_FILENO, F_GETFD) >= 0 && !same_file(STDERR_FILENO, connection) ? STDERR_FILENO : -1;
        if (output.len >= sizeof(path) || slice_find(output, '\0') >= 0)
                return -1;
        memcpy(path, output.at, output.len);
        path[output.len] = '\0';
        return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
}

void report_open(const struct policy *p, struct slice listener, int connection, struct report *ret) {
        const struct opt_log *o = &p->root->log;

        *ret = (struct report) { .log = -1, .audit = -1, .log_text = p->compiled->log_text, .listener = listener };
        tzset(); /* reads a file at its first call, and gmtime_r(3) would call it */
        if (p->compiled->log_level <= 2) { /* warn */
                ret->log = open_output(slice_trim_ows(policy_str(p, o->output)), connection);
                ret->syslog = ret->log < 0;
        }
        if (o->audit.enabled) {
                ret->audit = open_output(slice_trim_ows(policy_str(p, o->audit.output)), connection);
                ret->syslog |= ret->audit < 0;
        }
        if (ret->syslog)
                openlog("sockguard-tls", LOG_NDELAY | LOG_PID, LOG_DAEMON); /* the socket is opened now: later there is a sandbox */
}

static void add_time(struct strbuf *b) {
        struct timespec ts;
        struct tm tm;
        char text[32], fraction[12];
        size_t n;

        clock_gettime(CLOCK_REALTIME, &ts);
        gmtime_r(&ts.tv_sec, &tm);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
        strbuf_addf(b, "%s", text);
        n = (size_t) snprintf(fraction, sizeof(fraction), ".%09ld", ts.tv_nsec);
        while (n > 1 && fraction[n - 1] == '0')
                n--;
        if (n > 1)
                strbuf_add(b, slice_make(fraction, n));
        strbuf_addc(b, 'Z');
}

static void add_field(struct strbuf *b, const char *key, struct slice value) {
        strbuf_addf(b, "%s\"%s\":", b->len > 0 && b->at[b->len - 1] != '{' ? "," : "", key);
        strbuf_add_json(b, value, JSON_ESCAPE_LOG);
}

static void put(const struct report *r, int fd, int priority, struct strbuf *b) {
        if (b->failed)
                return;
        if (fd < 0) {
                if (r->syslog)
                        syslog(priority, "%.*s", SLICE_ARG(strbuf_view(b)));
                return;
        }
        strbuf_addc(b, '\n');
        if (!b->failed && write(fd, b->at, b->len) < 0)
                return; /* a log that cannot be written does not admit the client */
}

static void log_record(const struct report *r, const struct peer *peer, const char *code, const char *why) {
        _cleanup_strbuf_ struct strbuf b;

        strbuf_init(&b, RECORD_MAX);
        if (r->log_text) {
                strbuf_adds(&b, "time=");
                add_time(&b);
                strbuf_addf(&b, " level=WARN msg=tls_handshake_failed listener_name=%.*s reason_code=%s reason=\"%s\" client=%s",
                            SLICE_ARG(r->listener), code, why, peer->text);
        } else {
                strbuf_adds(&b, "{\"time\":\"");
                add_time(&b);
                strbuf_adds(&b, "\"");
                add_field(&b, "level", SLICE("WARN"));
                add_field(&b, "msg", SLICE("tls_handshake_failed"));
                add_field(&b, "listener_name", r->listener);
                add_field(&b, "decision", SLICE("deny"));
                add_field(&b, "reason_code", slice_of(code));
                add_field(&b, "reason", slice_of(why));
                add_field(&b, "client", slice_of(peer->text));
                strbuf_addc(&b, '}');
        }
        put(r, r->log, LOG_WARNING, &b);
}

static void audit_record(const struct report *r, const struct peer *peer, const char *code, const char *why) {
        struct slice address = slice_of(peer->text);
        _cleanup_strbuf_ struct strbuf b;
        ssize_t colon = slice_rfind(address, ':');

        if (colon >= 0)
                address = slice_upto(address, (size_t) colon);
        if (address.len > 1 && address.at[0] == '[')
                address = slice_make(address.at + 1, address.len - 2);

        strbuf_init(&b, RECORD_MAX);
        strbuf_adds(&b, "{\"event_type\":\"tls_handshake\",\"timestamp\":\"");
        add_time(&b);
        strbuf_adds(&b, "\"");
        add_field(&b, "decision", SLICE("deny"));
        add_field(&b, "reason_code", slice_of(code));
        add_field(&b, "reason", slice_of(why));
        add_field(&b, "actor_remote_addr", slice_of(peer->text));
        add_field(&b, "actor_source_ip", address);
        add_field(&b, "transport_listener", SLICE("tcp"));
        add_field(&b, "transport_scheme", SLICE("https"));
        add_field(&b, "listener_name", r->listener);
        strbuf_addc(&b, '}');
        put(r, r->audit, LOG_NOTICE, &b);
}

void report_refused(const struct report *r, const struct peer *peer, const char *code, const char *why) {
        if (r->log >= 0 || r->syslog)
                log_record(r, peer, code, why);
        if (r->audit >= 0)
                audit_record(r, peer, code, why);
}
