/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_RELAY_H
#define SOCKGUARD_FILTER_RELAY_H

#include "filter/connection.h"
#include "filter/deadlines.h"
#include "filter/flow.h"

enum relay_result {
        RELAY_DONE,    /* the whole answer has reached the client */
        RELAY_ANSWER,  /* nothing has: x->verdict is the answer of our own to send instead */
        RELAY_ABORTED, /* broken off in the middle; x->aborted is set and the connection must be closed */
};

/*
 * Hands the request in c->x, which every check let pass, to the daemon and its answer to the client. Returns when both
 * are over, tunnels included. c->request_body tells how much of the request's body was not used.
 */
enum relay_result relay_run(struct connection *c);

/* One relay at work (relay.c, relay_head.c, tunnel.c). */
struct relay {
        struct connection *c;
        struct exchange *x;
        struct relay_kind kind;
        struct flow before; /* a spooled body, from its file */
        struct wire file;
        bool has_before;
        struct flow request;  /* client to daemon */
        struct flow response; /* daemon to client */
        struct http_head answer;
        size_t scanned;
        unsigned interim;                 /* answers before the final one */
        bool upgrade_asked;               /* we passed an Upgrade on */
        bool request_done;                /* sent completely, or nobody takes the rest */
        bool request_lost;                /* the latter */
        bool patient;                     /* the first wait for the answer is over */
        bool head_seen;                   /* the final head of the answer, or a 101 */
        bool head_sent;                   /* bytes of it may have left */
        bool tunnel;                      /* both directions are raw now */
        bool request_shut, response_shut; /* tunnel: that direction has ended, and its sink was told */
        uint64_t total_deadline, head_deadline, tunnel_idle_ns;
        uint64_t moved, moved_at; /* sum of the flows' counters, and when it last changed */
};

/* Writes the request's head, as the daemon gets it. */
void relay_request_head(struct relay *r, struct strbuf *out);

/*
 * Writes the answer's head, as the client gets it, into `out`. `length_known`: the body that follows has `length`
 * bytes; otherwise `chunked`, or the end of the connection ends it. `bare`: no body follows, and no length is to be
 * claimed.
 */
enum answer_framing { ANSWER_AS_IS, ANSWER_LENGTH, ANSWER_CHUNKED, ANSWER_CLOSE, ANSWER_BARE };
void relay_answer_head(struct relay *r, struct strbuf *out, enum answer_framing framing, uint64_t length);

/* The head of an interim answer (1xx), or of a 101: fields as they are. `ids`: with our two fields. */
void relay_interim_head(struct relay *r, struct strbuf *out, bool ids);

/* The daemon switched protocols, or began a raw stream: both directions are bytes from here. */
void relay_begin_tunnel(struct relay *r);

/* One round of a tunnel. RELAY_DONE when it is over; -1 to go on polling. */
int relay_step_tunnel(struct relay *r);

#endif
