/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/connection.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "filter/answer.h"
#include "filter/dryrun.h"
#include "filter/pipeline.h"
#include "filter/relay.h"
#include "limits/metrics.h"
#include "response/filter.h"
#include "telemetry/trace.h"

struct connection_signals connection_signals;

/* ---- signals ---- */

/* An idle filter has nothing to finish. Else the request in hand gets 30 s; tunnels too, for they would never end by
 * themselves. */
static void on_stop(int signal_number) {
        (void) signal_number;
        if (connection_signals.idle || connection_signals.stopping)
                _exit(0);
        connection_signals.stopping = 1;
        (void) alarm(30);
}

/* While a pool's member waits for its connection an alarm only interrupts (pool_wait). It may still be set when one has
 * come. */
static void on_alarm(int signal_number) {
        (void) signal_number;
        if (!connection_signals.stopping)
                return;
        connection_signals.expired = 1;
        (void) alarm(1); /* in case the flag was set between a look at it and the wait */
}

void connection_catch_signals(void) {
        struct sigaction stop = { .sa_handler = on_stop }, expire = { .sa_handler = on_alarm },
                         ignore = { .sa_handler = SIG_IGN };

        (void) sigaction(SIGTERM, &stop, NULL);
        (void) sigaction(SIGINT, &stop, NULL);
        (void) sigaction(SIGALRM, &expire, NULL);
        (void) sigaction(SIGPIPE, &ignore, NULL);
        (void) sigaction(SIGHUP, &ignore, NULL);
}

/* Waits with nothing in hand: a signal to stop ends the process right there. */
static ssize_t receive_idle(struct connection *c, uint64_t limit) {
        ssize_t n;

        connection_signals.idle = 1;
        if (connection_signals.stopping)
                _exit(0);
        n = wire_receive(&c->client, WIRE_BLOCK, limit);
        connection_signals.idle = 0;
        return n;
}

void connection_settle(struct connection *c) {
        if (c->settle)
                c->settle();
        c->settle = NULL;
}

/* ---- ends ---- */

/*
 * Closes in a way that does not destroy the answer in flight: closing a socket with unread input resets it. So our
 * direction is ended first, and input is thrown away until the client closes too, or 500 ms have passed.
 */
static void linger(struct connection *c) {
        uint64_t deadline = deadline_in(LINGER_NS);

        if (!c->client.is_socket || c->client.gone)
                return;
        wire_shutdown(&c->client);
        while (!c->client.eof) {
                ssize_t n;

                c->client.start = c->client.end = c->client.pin;
                n = wire_fill(&c->client, WIRE_BLOCK);
                if (n == -EAGAIN && wire_wait(&c->client, deadline) > 0)
                        continue;
                if (n <= 0 || now_ns() >= deadline)
                        return;
        }
}

/* Throws the rest of a request's body away so that the connection can go on. false: too much, too slow, or broken. */
static bool drain(struct connection *c) {
        uint64_t deadline = deadline_in(DRAIN_NS), budget = DRAIN_BYTES;

        for (;;) {
                struct slice piece;
                ssize_t n;

                switch (body_in_next(&c->request_body, &piece)) {
                case BODY_IN_DATA:
                        if (piece.len > budget)
                                return false;
                        budget -= piece.len;
                        body_in_take(&c->request_body, piece.len);
                        continue;
                case BODY_IN_END:
                        return true;
                case BODY_IN_MORE:
                        break;
                case BODY_IN_BAD:
                case BODY_IN_CUT:
                default:
                        return false;
                }
                n = wire_fill(&c->client, WIRE_BLOCK);
                if (n == -EAGAIN) {
                        if (wire_wait(&c->client, deadline) <= 0)
                                return false;
                } else if (n < 0)
                        return false;
        }
}

/* ---- answers of our own ---- */

/* Is the rest of the body such that we mean to read it, to keep the connection? */
static bool rest_is_drainable(const struct connection *c) {
        const struct body_in *b = &c->request_body;

        if (b->end)
                return true;
        if (c->continue_due || c->x.body_has_broken_framing || c->client.eof)
                return false;
        return b->framing == HTTP_BODY_CHUNKED || b->left <= DRAIN_BYTES;
}

static void send_verdict(struct connection *c) {
        struct exchange *x = &c->x;

        if (!x->head.keep_alive || connection_signals.stopping || state_draining(&c->state) || !rest_is_drainable(c))
                c->close = true;
        strbuf_reset(&c->out);
        x->status = x->verdict.status;
        x->response_bytes = answer_verdict(&c->out, x, c->close);
        limits_give_back(x);
        if (c->out.failed || wire_send(&c->client, strbuf_view(&c->out), deadline_in(SEND_NS)) < 0) {
                x->aborted = true;
                c->close = true;
        }
}

/* Below the policy layer: no request to speak of. */
static void refuse(struct connection *c, const struct http_head *head, int status, struct slice why, uint64_t started) {
        strbuf_reset(&c->out);
        c->close = true;
        if (c->dry_run) {
                c->denied = true;
                dryrun_malformed(&c->out, head, status, why);
                (void) wire_send(&c->client, strbuf_view(&c->out), NSEC_NEVER);
                return;
        }
        if (status == 417)
                answer_expectation_failed(&c->out);
        else if (status)
                answer_refusal(&c->out, status, why);
        if (status)
                (void) wire_send(&c->client, strbuf_view(&c->out), deadline_in(SEND_NS));
        malformed_record(&c->telemetry.main, &c->peer, c->listener_name, head, status, why, started);
}

/* ---- one request ---- */

static uint64_t time_left(uint64_t deadline) {
        uint64_t now = now_ns();

        return deadline > now ? deadline - now : 0;
}

/* > 0: a head of so many bytes. 0: the connection is over, and whatever there was to say has been said. */
static size_t read_head(struct connection *c, struct http_head *head, uint64_t *ret_started) {
        struct wire *w = &c->client;
        uint64_t started = c->requests == 0 ? c->accepted_ns : now_ns();
        uint64_t deadline = c->requests == 0 ? c->accepted_ns + HEADER_NS : NSEC_NEVER;
        size_t scanned = 0;

        for (;;) {
                ssize_t n;
                int r;

                if (wire_held(w) > 0) {
                        if (deadline == NSEC_NEVER) {
                                started = now_ns();
                                deadline = started + HEADER_NS;
                        }
                        n = http_request_parse(wire_view(w), &scanned, head);
                        if (n > 0) {
                                *ret_started = c->requests == 0 ? now_ns() : started;
                                return (size_t) n;
                        }
                        if (n < 0) {
                                refuse(c, head, head->status, head->status_text, started);
                                return 0;
                        }
                }
                if (wire_held(w) > 0) {
                        n = wire_fill(w, WIRE_BLOCK);
                        if (n == -EAGAIN) {
                                r = wire_wait(w, deadline);
                                if (r > 0 || (r == -EINTR && !connection_signals.expired))
                                        continue;
                                refuse(c, head, 400, SLICE("the request head did not arrive in time"), started);
                                return 0;
                        }
                } else {
                        if (state_draining(&c->state))
                                return 0;
                        /* The first request is mostly there before we are. */
                        n = c->requests == 0 ? wire_fill(w, WIRE_BLOCK) : -EAGAIN;
                        if (n == -EAGAIN)
                                n = receive_idle(c, c->requests == 0 ? time_left(deadline) : IDLE_NS);
                        if (n == -EINTR && !connection_signals.expired)
                                continue;
                }
                if (n > 0)
                        continue;
                if (n == 0 && wire_held(w) > 0)
                        refuse(c, head, 400, SLICE("the connection ended within a request head"), started);
                else if (n == -ENOBUFS)
                        refuse(c, head, 431, SLICE("the request head is too long"), started);
                else if (n != 0 && n != -ETIMEDOUT && n != -EINTR)
                        w->gone = true;
                return 0;
        }
}

/* Whatever changed since the last request is obeyed by this one. */
static void refresh(struct connection *c) {
        state_refresh(&c->state);
        (void) policy_source_refresh(&c->source, &c->state);
}

/* No policy: nothing is allowed (chapter 02, 17), and the log says what to run. */
static void answer_without_policy(struct connection *c) {
        struct exchange *x = &c->x;
        struct log *l = &c->telemetry.main;

        if (log_begin(l, LEVEL_ERROR, "no policy in force")) {
                log_str(l, "error", slice_of(c->source.why.text));
                (void) log_end(l);
        }
        x->verdict = (struct verdict){ .decision = DECISION_DENY,
                                       .code = REASON_policy_unavailable,
                                       .status = 503,
                                       .rule = -1,
                                       .body_kind = ANSWER_MESSAGE,
                                       .reason = SLICE("no policy is in force") };
        send_verdict(c);
}

static void begin_exchange(struct connection *c, const struct http_head *head, uint64_t started) {
        struct exchange *x = &c->x;

        arena_reset(&c->arena);
        *x = (struct exchange){
                .peer = &c->peer,
                .listener_name = c->listener_name,
                .listener_is_tcp = c->listener_is_tcp,
                .caller = &c->caller,
                .state = &c->state,
                .telemetry = &c->telemetry,
                .ops = &connection_ops,
                .ops_arg = c,
                .policy = c->source.loaded ? &c->source.policy : NULL,
                .arena = &c->arena,
                .started_ns = started,
                .head = *head,
                .spool_fd = -1,
                .body_state = head->framing == HTTP_BODY_NONE ? BODY_NONE : BODY_UNREAD,
        };
        upstream_release(&c->up);
        body_in_init(&c->request_body, &c->client, head->framing, head->content_length);
        c->continue_due = head->expect_continue && head->minor > 0 && head->framing != HTTP_BODY_NONE;
        c->inspect_deadline = 0;
        c->close = false;
}

static void end_exchange(struct connection *c) {
        struct exchange *x = &c->x;

        limits_give_back(x);
        if (x->upstream_error.len > 0)
                upstream_failed_record(&c->telemetry.main, x, x->upstream_error);
        telemetry_exchange(&c->telemetry, x);
        metrics_observe(x);
        guard_after(x);
        limits_release(x);
        response_filter_free(x->response_filter);
        x->response_filter = NULL;
        if (x->spool_fd >= 0)
                (void) close(x->spool_fd);
        x->spool_fd = -1;
}

/* Judges and tells; nothing is sent, counted or recorded anywhere. */
static void try_exchange(struct connection *c) {
        struct exchange *x = &c->x;
        enum stage_result r;

        trace_begin(x);
        r = pipeline_run(x);
        c->denied = c->denied || r != STAGE_NEXT;
        strbuf_reset(&c->out);
        dryrun_verdict(&c->out, x, r);
        if (wire_send(&c->client, strbuf_view(&c->out), NSEC_NEVER) < 0)
                c->close = true;
        response_filter_free(x->response_filter);
        x->response_filter = NULL;
        if (x->spool_fd >= 0)
                (void) close(x->spool_fd);
        x->spool_fd = -1;
}

static void serve_exchange(struct connection *c) {
        struct exchange *x = &c->x;
        enum stage_result r;

        trace_begin(x);
        if (!x->policy) {
                answer_without_policy(c);
                telemetry_exchange(&c->telemetry, x);
                return;
        }
        metrics_begin(x);
        r = pipeline_run(x);
        metrics_decided(x);
        switch (r) {
        case STAGE_NEXT:
                if (relay_run(c) == RELAY_ANSWER)
                        send_verdict(c);
                break;
        case STAGE_ANSWER:
                send_verdict(c);
                break;
        case STAGE_DONE:
        default:
                break;
        }
        end_exchange(c);
}

/* false: the connection is over. */
static bool serve_one(struct connection *c) {
        struct http_head head = { .fields = c->request_fields, .fields_room = HTTP_FIELDS_MAX };
        uint64_t started;
        const char *why = NULL;
        size_t size = read_head(c, &head, &started);
        int r;

        if (size == 0)
                return false;
        c->requests++;
        wire_pin(&c->client, size);
        refresh(c);
        begin_exchange(c, &head, started);
        r = http_target_parse(head.target, exchange_is(&c->x, HTTP_OPTIONS), &c->arena, &c->x.target,
                              &c->x.target_refused, &why);
        if (r == -EACCES)
                r = 0;
        else
                c->x.target_refused = REASON_NONE;
        if (r < 0)
                refuse(c, &head, 400, slice_of(why ? why : "the request target is malformed"), started);
        else if (head.expect_other)
                refuse(c, &head, 417, SLICE("the expectation cannot be met"), started);
        else if (c->dry_run && c->x.policy)
                try_exchange(c);
        else
                serve_exchange(c);

        connection_settle(c);
        if (!c->close && !c->request_body.end && !drain(c))
                c->close = true;
        wire_unpin(&c->client);
        if (c->close)
                return false;
        wire_trim(&c->client);
        if (c->body.room > 2 * WIRE_BLOCK)
                strbuf_free(&c->body);
        return true;
}

void connection_serve(struct connection *c) {
        while (serve_one(c))
                ;
        linger(c);
        wire_close(&c->client);
        upstream_close(&c->up);
        endpoints_close(&c->up.set);
        state_detach(&c->state);
        telemetry_close(&c->telemetry);
}
