/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/relay.h"

#include <errno.h>
#include <unistd.h>

#include "response/filter.h"

#define INTERIM_MAX 64 /* interim answers before the answer */
#define TEXT_UNREACHABLE "upstream Docker socket unreachable"
#define TEXT_REJECTED "upstream Docker response rejected by sockguard policy"
#define TEXT_TIMEOUT "upstream request timed out"

/* Our own answer instead of the daemon's; or, once bytes of that have left, an end in the middle. */
static enum relay_result fail(struct relay *r, int status, enum reason_code code, struct slice reason) {
        struct exchange *x = r->x;

        upstream_close(&r->c->up);
        x->verdict.code = code;
        x->verdict.reason = reason;
        if (r->head_sent) {
                x->aborted = true;
                r->c->close = true;
                return RELAY_ABORTED;
        }
        x->verdict.status = status;
        x->verdict.body_kind = ANSWER_MESSAGE;
        return RELAY_ANSWER;
}

static enum relay_result unreachable(struct relay *r, const char *what) {
        upstream_blame(&r->c->up);
        r->x->upstream_error = slice_of(what);
        return fail(r, 502, REASON_upstream_socket_unreachable, SLICE(TEXT_UNREACHABLE));
}

static enum relay_result timed_out(struct relay *r) {
        r->x->upstream_error = SLICE("no answer in time");
        return fail(r, 504, REASON_upstream_request_timeout, SLICE(TEXT_TIMEOUT));
}

/* The client's own body was broken or cut short: that is not the daemon's fault, and the daemon must not take it for
 * whole. */
static enum relay_result bad_body(struct relay *r) {
        r->c->close = true;
        return fail(r, 400, REASON_malformed_request_body, SLICE("the request body is malformed or incomplete"));
}

static enum relay_result rejected(struct relay *r) {
        enum relay_result result;

        response_filter_verdict(r->x->response_filter, r->x);
        upstream_close(&r->c->up);
        result = r->head_sent ? RELAY_ABORTED : RELAY_ANSWER;
        if (result == RELAY_ABORTED) {
                r->x->aborted = true;
                r->c->close = true;
        }
        return result;
}

/* Nobody is there to take an answer any more. */
static enum relay_result client_gone(struct relay *r) {
        upstream_close(&r->c->up);
        r->x->aborted = true;
        r->c->close = true;
        return RELAY_ABORTED;
}

/* ---- the request ---- */

static uint64_t later(uint64_t limit, uint64_t extra) {
        return limit > NSEC_NEVER - extra ? NSEC_NEVER : limit + extra;
}

static void start_clocks(struct relay *r) {
        uint64_t limit = r->c->source.policy.compiled->request_timeout_ns;

        r->total_deadline = r->kind.no_deadline || r->kind.hijack || limit == NSEC_NEVER
                                    ? NSEC_NEVER
                                    : deadline_in(later(limit, r->kind.extra_ns));
        r->head_deadline = NSEC_NEVER; /* runs from the end of the request */
        r->moved_at = now_ns();
        r->tunnel_idle_ns = r->c->source.policy.compiled->tunnel_idle_ns;
}

static void request_sent(struct relay *r, bool lost) {
        r->request_done = true;
        r->request_lost = lost;
        if (!r->kind.no_deadline)
                r->head_deadline = deadline_in(later(ANSWER_HEAD_NS, r->kind.extra_ns));
}

/* Lays out what goes to the daemon: head, then what was read of the body already, then the rest of it from the wire. */
static int prepare_request(struct relay *r) {
        struct connection *c = r->c;
        struct exchange *x = r->x;
        enum flow_framing out = FLOW_PLAIN;
        struct flow *first = &r->request;
        bool whole = x->body_state == BODY_BUFFERED || x->body_state == BODY_SPOOLED || x->body_changed;

        if (!whole && x->head.framing == HTTP_BODY_CHUNKED)
                out = FLOW_CHUNKED;
        flow_init(&r->request, &c->client, HTTP_BODY_NONE, 0, &c->up.wire, out);
        if (!whole)
                r->request.in = c->request_body;
        if (x->spool_fd >= 0 && x->body_state != BODY_BUFFERED && x->spool_size > 0) {
                int fd = dup(x->spool_fd), e;

                if (fd < 0)
                        return -errno;
                e = lseek(fd, 0, SEEK_SET) < 0
                            ? -errno
                            : wire_open(&r->file, fd, fd, arena_alloc(x->arena, WIRE_BLOCK), WIRE_BLOCK);
                if (e < 0) {
                        (void) close(fd);
                        return e;
                }
                r->file.can_splice = true; /* a regular file: its pages go without a copy */
                flow_init(&r->before, &r->file, HTTP_BODY_LENGTH, x->spool_size, &c->up.wire, FLOW_PLAIN);
                r->has_before = true;
                first = &r->before;
        }
        relay_request_head(r, &first->front);
        if (r->has_before && out == FLOW_CHUNKED) {
                /* Over a limit that the mode does not enforce: the spooled part is one chunk of the whole. */
                strbuf_addf(&r->before.front, "%llx\r\n", (unsigned long long) x->spool_size);
                strbuf_adds(&r->request.front, "\r\n");
        } else if (x->body.len > 0 && (whole || x->body_state == BODY_PARTIAL) && x->body_state != BODY_SPOOLED) {
                if (out == FLOW_PLAIN) {
                        first->bytes = x->body; /* from where it is: it may be a megabyte */
                } else {
                        strbuf_addf(&first->front, "%zx\r\n", x->body.len);
                        first->front.limit += x->body.len;
                        strbuf_add(&first->front, x->body);
                        strbuf_adds(&first->front, "\r\n");
                }
        }
        return first->front.failed ? -ENOMEM : 0;
}

/* -1 to go on. */
static int step_request(struct relay *r) {
        enum flow_result f;

        if (r->request_done)
                return -1;
        if (r->has_before) {
                f = flow_step(&r->before);
                if (f == FLOW_WAIT || f == FLOW_BUSY)
                        return -1;
                if (f == FLOW_CUT || f == FLOW_BAD)
                        return (int) unreachable(r, "the spooled body cannot be read back");
                if (f == FLOW_LOST) {
                        request_sent(r, true);
                        return -1;
                }
                r->has_before = false;
                flow_free(&r->before);
        }
        f = flow_step(&r->request);
        switch (f) {
        case FLOW_WAIT:
        case FLOW_BUSY:
                return -1;
        case FLOW_DONE:
                request_sent(r, false);
                return -1;
        case FLOW_LOST:
                /* The daemon may have answered before it stopped listening: look for that first. */
                request_sent(r, true);
                return -1;
        case FLOW_CUT:
        case FLOW_BAD:
        case FLOW_REJECTED:
        default:
                return (int) bad_body(r);
        }
}

/* ---- the answer ---- */

static void filtered_head(struct flow *f, bool length_known, uint64_t length) {
        struct relay *r = f->head_arg;
        bool chunked = !length_known && r->x->head.minor > 0;

        f->out = chunked ? FLOW_CHUNKED : FLOW_PLAIN;
        relay_answer_head(r, &f->front, length_known ? ANSWER_LENGTH : chunked ? ANSWER_CHUNKED : ANSWER_CLOSE, length);
        r->head_sent = true;
}

/* Does the connection to the client survive this answer? */
static void decide_close(struct relay *r) {
        struct connection *c = r->c;

        if (!r->x->head.keep_alive || connection_signals.stopping || state_draining(&c->state))
                c->close = true;
        /* The daemon has answered without taking the body: what is left of it must fit the drain. */
        if (!r->request_done && (r->x->head.framing != HTTP_BODY_LENGTH || r->request.in.left > DRAIN_BYTES))
                c->close = true;
}

static int begin_answer(struct relay *r) {
        struct exchange *x = r->x;
        struct http_head *a = &r->answer;
        enum answer_framing framing;
        struct flow *f = &r->response;
        enum http_framing in = a->framing;

        r->head_seen = true;
        r->head_deadline = NSEC_NEVER;
        x->status = a->status;
        decide_close(r);
        if (x->response_filter)
                switch (response_filter_head(x->response_filter, a)) {
                case RESPONSE_FILTER:
                        flow_init(f, &r->c->up.wire, in, a->content_length, &r->c->client, FLOW_PLAIN);
                        f->filter = x->response_filter;
                        f->head_due = true;
                        f->head = filtered_head;
                        f->head_arg = r;
                        return -1;
                case RESPONSE_REJECT:
                        return (int) rejected(r);
                case RESPONSE_BARE:
                        flow_init(f, &r->c->up.wire, HTTP_BODY_NONE, 0, &r->c->client, FLOW_PLAIN);
                        f->filter = NULL;
                        relay_answer_head(r, &f->front, ANSWER_BARE, 0);
                        r->head_sent = true;
                        return -1;
                case RESPONSE_PASS:
                default:
                        break;
                }

        /* A raw stream that nobody upgraded to: attach and exec start for clients that sent no Upgrade (chapter
         * 02, 20.1). */
        if (r->kind.hijack && a->status == 200 && in == HTTP_BODY_CLOSE && r->request_done && !r->request_lost) {
                flow_init(f, &r->c->up.wire, in, 0, &r->c->client, FLOW_PLAIN);
                relay_answer_head(r, &f->front, ANSWER_CLOSE, 0);
                r->head_sent = true;
                relay_begin_tunnel(r);
                return -1;
        }

        if (in == HTTP_BODY_NONE || in == HTTP_BODY_LENGTH)
                framing = ANSWER_AS_IS;
        else
                framing = x->head.minor > 0 ? ANSWER_CHUNKED : ANSWER_CLOSE;
        flow_init(f, &r->c->up.wire, in, a->content_length, &r->c->client,
                  framing == ANSWER_CHUNKED ? FLOW_CHUNKED : FLOW_PLAIN);
        if (framing == ANSWER_CHUNKED)
                f->in.chunk.keep = &f->trailers;
        relay_answer_head(r, &f->front, framing, 0);
        f->gathering = true; /* a small body leaves with the head: one system call, and the client wakes once */
        r->head_sent = true;
        return -1;
}

static int switch_protocols(struct relay *r) {
        struct exchange *x = r->x;

        if (!r->upgrade_asked || !r->request_done || r->request_lost)
                return (int) unreachable(r, "the daemon switched protocols unasked");
        if (!r->kind.hijack && !(r->answer.upgrade && slice_case_eq(r->answer.upgrade_to, x->head.upgrade_to)))
                return (int) unreachable(r, "the daemon switched to another protocol");
        if (x->response_filter && response_filter_head(x->response_filter, &r->answer) == RESPONSE_REJECT)
                return (int) rejected(r);
        r->head_seen = true;
        x->status = 200; /* what the records and the counters call a hijack that came about: chapter 06, 5.3 */
        flow_init(&r->response, &r->c->up.wire, HTTP_BODY_CLOSE, 0, &r->c->client, FLOW_PLAIN);
        relay_interim_head(r, &r->response.front, !r->kind.hijack);
        r->head_sent = true;
        relay_begin_tunnel(r);
        return -1;
}

/* Reads heads until the final one. -1 to go on, -2 wait for the daemon, -3 the connection ended before a byte of an
 * answer. */
static int step_head(struct relay *r) {
        struct wire *w = &r->c->up.wire;

        for (;;) {
                ssize_t n = http_response_parse(wire_view(w), &r->scanned, r->x->head.method, &r->answer);

                if (n < 0)
                        return (int) unreachable(r, "the daemon's answer is not HTTP");
                if (n > 0) {
                        r->scanned = 0;
                        if (r->answer.status == 101) {
                                wire_pin(w, (size_t) n);
                                return switch_protocols(r);
                        }
                        if (r->answer.status >= 200) {
                                wire_pin(w, (size_t) n);
                                return begin_answer(r);
                        }
                        if (++r->interim > INTERIM_MAX)
                                return (int) unreachable(r, "the daemon sends interim answers without end");
                        /* 100 was our own business; others go to who can read them. */
                        if (r->answer.status != 100 && r->x->head.minor > 0) {
                                strbuf_reset(&r->c->out);
                                relay_interim_head(r, &r->c->out, false);
                                if (wire_send(&r->c->client, strbuf_view(&r->c->out), deadline_in(SEND_NS)) < 0)
                                        return (int) client_gone(r);
                        }
                        wire_consume(w, (size_t) n);
                        continue;
                }
                /* Most answers are there at once: a moment is spent on nothing else, in one system call. Then both
                 * sides are watched. */
                if (r->request_done && !r->patient) {
                        r->patient = true;
                        n = wire_receive(w, WIRE_BLOCK, UPSTREAM_PATIENCE_NS);
                } else
                        n = wire_fill(w, WIRE_BLOCK);
                if (n > 0)
                        continue;
                if (n == -EAGAIN || n == -ETIMEDOUT || n == -EINTR)
                        return -2;
                if (n == 0 || n == -ECONNRESET || n == -EPIPE)
                        return wire_held(w) == 0 ? -3
                                                 : (int) unreachable(r, "the daemon hung up within the answer's head");
                return (int) unreachable(r, n == -ENOBUFS ? "the daemon's answer head is too long"
                                                          : "the daemon's connection broke");
        }
}

/* -1 to go on. */
static int step_answer(struct relay *r) {
        switch (flow_step(&r->response)) {
        case FLOW_WAIT:
        case FLOW_BUSY:
                return -1;
        case FLOW_DONE:
                return RELAY_DONE;
        case FLOW_LOST:
                return (int) client_gone(r);
        case FLOW_REJECTED:
                return (int) rejected(r);
        case FLOW_CUT:
        case FLOW_BAD:
        default:
                if (r->response.filter)
                        (void) response_filter_end(r->response.filter, false);
                return (int) unreachable(r, "the daemon broke off within the answer");
        }
}

/* ---- both ---- */

/* Waits for the next event. -1: look again; or how it ended. */
static int wait_for_events(struct relay *r) {
        struct wire *client = &r->c->client, *up = &r->c->up.wire;
        struct flow *out = r->has_before ? &r->before : &r->request;
        bool request_runs = r->tunnel ? !r->request_shut : !r->request_done;
        bool answer_runs = r->head_seen && !r->response_shut;
        uint64_t sum = r->request.moved + r->response.moved + r->before.moved, now, deadline, stall = NSEC_NEVER;
        struct pollfd fds[4];
        struct wire_events ce, ue;
        int n, m, k;

        connection_settle(r->c);
        n = wire_poll_fds(client, request_runs && !r->has_before && r->request.want_read,
                          answer_runs && r->response.want_write, fds);
        m = wire_poll_fds(up, !r->head_seen || (answer_runs && r->response.want_read), request_runs && out->want_write,
                          fds + n);

        now = now_ns();
        if (sum != r->moved) {
                r->moved = sum;
                r->moved_at = now;
        }
        if (r->tunnel)
                stall = later(r->moved_at, r->tunnel_idle_ns);
        else if ((request_runs && out->want_write) || (answer_runs && r->response.want_write))
                stall = r->moved_at + STALL_NS;
        deadline = r->total_deadline;
        if (r->head_deadline < deadline)
                deadline = r->head_deadline;
        if (stall < deadline)
                deadline = stall;

        k = poll(fds, (nfds_t) (n + m),
                 r->request.busy || r->response.busy || r->before.busy ? 0 : deadline_poll_ms(deadline));
        if (k < 0) {
                if (errno != EINTR)
                        return (int) unreachable(r, "poll failed");
                return connection_signals.expired ? (int) client_gone(r) : -1;
        }
        if (k == 0) {
                now = now_ns();
                if (now < deadline)
                        return -1; /* a flow is busy, or the wait was rounded */
                if (now >= stall)
                        return r->tunnel ? RELAY_DONE : (int) client_gone(r);
                return (int) timed_out(r);
        }
        ce = wire_poll_events(client, fds, n);
        ue = wire_poll_events(up, fds + n, m);
        if (ue.vanished)
                up->gone = true;
        if (ce.vanished) {
                client->gone = true;
                if (!r->tunnel)
                        return (int) client_gone(r);
        }
        return -1;
}

static int run_once(struct relay *r) {
        for (;;) {
                int e;

                if (r->tunnel) {
                        e = relay_step_tunnel(r);
                        if (e >= 0)
                                return e;
                } else {
                        e = step_request(r);
                        if (e >= 0)
                                return e;
                        if (!r->head_seen) {
                                e = step_head(r);
                                if (e >= 0 || e == -3)
                                        return e;
                        }
                        if (r->head_seen && !r->tunnel) {
                                e = step_answer(r);
                                if (e >= 0)
                                        return e;
                        }
                        if (r->tunnel)
                                continue;
                }
                e = wait_for_events(r);
                if (e >= 0)
                        return e;
        }
}

/* May the request be sent once more after a kept connection turned out to be closed (chapter 02, 10.2)? */
static bool may_repeat(const struct relay *r, bool reused) {
        const struct exchange *x = r->x;

        if (!reused || r->head_seen)
                return false;
        if (r->request.moved == 0 && r->before.moved == 0)
                return true; /* not a byte was taken */
        return x->head.framing == HTTP_BODY_NONE && (exchange_is(x, HTTP_GET) || exchange_is(x, HTTP_HEAD) ||
                                                     exchange_is(x, HTTP_OPTIONS) || exchange_is(x, HTTP_TRACE));
}

static void finish(struct relay *r, int result) {
        struct connection *c = r->c;
        bool keep = result == RELAY_DONE && !r->tunnel && r->request_done && !r->request_lost && r->answer.keep_alive &&
                    r->answer.framing != HTTP_BODY_CLOSE && !r->kind.hijack && wire_is_open(&c->up.wire);

        r->x->response_bytes =
                r->tunnel ? 0 : r->response.delivered; /* a hijack's streams are not counted: chapter 06, 5.3 */
        if (r->x->body_state == BODY_UNREAD || r->x->body_state == BODY_PARTIAL)
                c->request_body = r->request.in;
        if (wire_is_open(&c->up.wire)) {
                wire_unpin(&c->up.wire);
                if (!keep || wire_held(&c->up.wire) > 0)
                        upstream_close(&c->up);
        }
        flow_free(&r->request);
        flow_free(&r->response);
        if (r->has_before)
                flow_free(&r->before);
        if (wire_is_open(&r->file))
                wire_close(&r->file);
}

enum relay_result relay_run(struct connection *c) {
        struct exchange *x = &c->x;
        struct error e;
        int result;

        for (int attempt = 0;; attempt++) {
                struct relay r = { .c = c,
                                   .x = x,
                                   .file = WIRE_INIT,
                                   .answer = { .fields = c->answer_fields, .fields_room = HTTP_FIELDS_MAX } };
                bool reused;

                relay_kind_of(x, &r.kind);
                start_clocks(&r);
                flow_init(&r.response, &c->up.wire, HTTP_BODY_NONE, 0, &c->client, FLOW_PLAIN);
                flow_init(&r.before, &r.file, HTTP_BODY_NONE, 0, &c->up.wire, FLOW_PLAIN);
                if (upstream_open(&c->up, attempt > 0 || r.kind.hijack, r.total_deadline, &e) < 0) {
                        x->upstream_error = arena_dup(x->arena, slice_of(e.text));
                        return (int) fail(&r, 502, REASON_upstream_socket_unreachable, SLICE(TEXT_UNREACHABLE));
                }
                reused = c->up.kept;
                c->up.kept = true;
                if (prepare_request(&r) < 0)
                        result = (int) unreachable(&r, "the request cannot be laid out");
                else if (x->body_state == BODY_UNREAD && connection_continue(c) < 0)
                        result = (int) client_gone(&r);
                else
                        result = run_once(&r);
                if (result == -3 && attempt == 0 && may_repeat(&r, reused)) {
                        finish(&r, result);
                        continue;
                }
                if (result == -3)
                        result = (int) unreachable(&r, "the daemon hung up without an answer");
                finish(&r, result);
                return (enum relay_result) result;
        }
}
