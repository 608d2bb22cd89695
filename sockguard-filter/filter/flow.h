/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_FLOW_H
#define SOCKGUARD_FILTER_FLOW_H

#include "base/strbuf.h"
#include "filter/body.h"

/*
 * One direction of a relay: takes a body off one wire and puts it onto another, with whatever framing is due there.
 * Never blocks: flow_step() does what can be done now and says what to wait for. Bytes that need not be looked at go
 * through a pipe with splice(2) and never enter user space, once there are so many of them that it pays.
 */
enum flow_framing {
        FLOW_PLAIN, /* bytes as they are: a known length, or until the connection ends */
        FLOW_CHUNKED,
};

enum flow_result {
        FLOW_WAIT,     /* for `want_read` or `want_write` */
        FLOW_BUSY,     /* could go on: the other direction's turn */
        FLOW_DONE,     /* everything was delivered */
        FLOW_CUT,      /* the source ended or broke before the body did */
        FLOW_BAD,      /* the source's chunked coding is broken */
        FLOW_LOST,     /* the sink takes no more */
        FLOW_REJECTED, /* the filter function refused */
};

struct response_filter;

struct flow {
        struct body_in in;
        struct wire *to;
        enum flow_framing out;

        /* An answer that is looked at (response/filter.h); NULL: none. The head waits until the filter lets bytes out.
         */
        struct response_filter *filter;
        bool head_due, filter_ended;
        /* Writes the head into f->front and sets f->out; the length is that of the whole new body, when it is known. */
        void (*head)(struct flow *f, bool length_known, uint64_t length);
        void *head_arg;

        /* On its way, in this order: `front`, `bytes`, what is in the pipe. */
        struct strbuf front;
        size_t front_at;
        struct slice bytes;
        bool bytes_are_held; /* `bytes` are the source's received ones: taken as they are sent. Else a filter's, or lent
                              */
        int pipe[2];         /* -1 until it is needed */
        size_t piped;
        bool gathering; /* `front` ends in small pieces that wait for more */
        bool bulk;      /* the last read filled the buffer: a long run */
        bool never_splice;

        uint64_t chunk_left; /* FLOW_CHUNKED: bytes still owed to the chunk that was announced */
        bool chunk_open;     /* its closing CRLF is due */
        struct strbuf trailers;

        bool source_end; /* the body has been taken completely */
        bool closed_off; /* nothing more will be put in front */
        bool want_read, want_write;
        bool busy;          /* the last step ended in FLOW_BUSY */
        uint64_t delivered; /* body bytes that left */
        uint64_t moved;     /* changes whenever something moved, in or out: for the clocks */
};

#define FLOW_FRONT_MAX (HTTP_HEAD_MAX + 64u * 1024)
#define FLOW_SPLICE_MIN (64u * 1024) /* a run shorter than this is copied */

void flow_init(struct flow *f, struct wire *from, enum http_framing framing, uint64_t length, struct wire *to,
               enum flow_framing out);
void flow_free(struct flow *f);

enum flow_result flow_step(struct flow *f);

/* Are bytes taken from the source that have not left yet? */
bool flow_pending(const struct flow *f);

#endif
