/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_CONNECTION_H
#define SOCKGUARD_FILTER_CONNECTION_H

#include "filter/body.h"
#include "filter/source.h"
#include "filter/upstream.h"
#include "http/exchange.h"
#include "telemetry/access.h"

/* The clocks of chapter 02, 3.1, 6.4, 7.5, 9.3, 10.3 and 11. */
#define HEADER_NS (5 * NSEC_PER_SEC)       /* a request head, from its first byte (the first one: from the accept) */
#define IDLE_NS (120 * NSEC_PER_SEC)       /* between two requests */
#define INSPECT_NS (30 * NSEC_PER_SEC)     /* reading a body that is inspected */
#define ANSWER_HEAD_NS (30 * NSEC_PER_SEC) /* the daemon's answer head, from the end of the request */
#define LOOKUP_NS (10 * NSEC_PER_SEC)      /* a question of our own */
#define STALL_NS (600 * NSEC_PER_SEC)      /* bytes that wait to be taken, and nobody takes one */
#define SEND_NS (30 * NSEC_PER_SEC)        /* an answer of our own */
#define DRAIN_NS (2 * NSEC_PER_SEC)        /* the unread body of a refused request */
#define DRAIN_BYTES (256u * 1024)
#define LINGER_NS (500 * NSEC_PER_MSEC) /* between our half-close and the close */

#define CLIENT_BUFFER (HTTP_HEAD_MAX + WIRE_BLOCK)
#define ARENA_MAX (96u * 1024 * 1024)
#define LOOKUP_FIELDS 256u

/* One client connection; one a process. Large, and mostly never touched: it lives in zero pages. */
struct connection {
        struct wire client;
        struct upstream up;
        struct peer peer;
        struct policy_source source;
        struct telemetry telemetry;
        struct caller_memo caller;
        struct slice listener_name; /* empty: unknown */
        bool listener_is_tcp;
        uint64_t accepted_ns;
        struct state state;

        struct exchange x;
        struct arena arena;
        struct body_in request_body; /* of the request in hand */
        bool continue_due;           /* the client waits for a 100 before it sends the body */
        uint64_t inspect_deadline;   /* 0: nobody has read a body yet */
        struct strbuf body;          /* memory of a buffered body */
        struct strbuf out;           /* heads and answers on their way out */
        uint64_t requests;           /* heads that were parsed */
        void (*settle)(void);        /* NULL: nothing to settle (connection_settle) */
        bool close;                  /* the connection ends after the answer in hand */
        bool dry_run;                /* nothing is ever dialled; the verdicts are printed */
        bool denied;                 /* --dry-run: some request was not allowed */

        struct http_field request_fields[HTTP_FIELDS_MAX];
        struct http_field answer_fields[HTTP_FIELDS_MAX];
        char client_buf[CLIENT_BUFFER];
        char upstream_buf[UPSTREAM_BUFFER];
};

/*
 * Serves requests until the connection ends. The caller has opened the client's wire, and filled in peer, source,
 * state, telemetry, listener and the upstream's endpoints.
 */
void connection_serve(struct connection *c);

/* Called when the first answer has left, or is long in coming: what was put off to be quick is done now, once
 * (pool_settle). */
void connection_settle(struct connection *c);

/* Sends 100 Continue if the client waits for it. Called by whoever reads the first byte of a body. 0 or negative errno.
 */
int connection_continue(struct connection *c);

/* Implementation of exchange_ops for a live connection (filter/ops.c); x->ops_arg is the connection. */
extern const struct exchange_ops connection_ops;

/* The answer's decoded body is read into the arena of `c`; used by connection_ops.lookup. */
int connection_lookup(struct connection *c, struct slice path_and_query, size_t limit, struct lookup *ret);

/*
 * Set by signals. `stopping`: finish the request in hand, then go. `expired`: break off.
 */
struct connection_signals {
        volatile int stopping, expired, idle;
};
extern struct connection_signals connection_signals;

/* Installs the handlers of SIGTERM, SIGINT, SIGHUP (ignored), SIGPIPE (ignored) and SIGALRM. */
void connection_catch_signals(void);

#endif
