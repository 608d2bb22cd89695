/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_COMPANION_H
#define SOCKGUARD_FILTER_COMPANION_H

#include "base/arena.h"

/*
 * What a filter asks the companion over DIR/control (SOCK_SEQPACKET): one message there, one back, then the connection
 * is closed. Bodies that do not fit a message travel as a sealed memfd beside it, so that no message is large and
 * nobody waits for a slow reader. Both sides check every number; neither trusts the other's lengths.
 */

#define CONTROL_MAGIC 0x31474b53u /* changes with the layout of the messages */
#define CONTROL_INLINE (16u * 1024)
#define CONTROL_BODY_MAX (64u * 1024 * 1024)

enum control_op {
        CONTROL_HEALTH = 1,
        CONTROL_READY,
        CONTROL_METRICS,  /* flags: CONTROL_OPENMETRICS */
        CONTROL_VALIDATE, /* body: the candidate */
        CONTROL_VERSION,
};

#define CONTROL_OPENMETRICS 1u
#define CONTROL_DEDICATED 2u /* asked through the dedicated admin listener */

struct control_request {
        uint32_t magic, op, flags, inline_size;
        uint64_t body_size; /* when larger than CONTROL_INLINE: in the descriptor that comes with the message */
        char body[];
};

struct control_answer {
        uint32_t magic, status, inline_size, spare_;
        uint64_t body_size;
        char code[64]; /* name of a reason code; "" none. By name: two builds may number them differently */
        char content_type[80];
        char reason[256];
        char body[];
};

struct companion_answer {
        int status;
        struct slice body, content_type, code, reason; /* arena */
};

/*
 * Asks and waits until `deadline` (CLOCK_MONOTONIC ns). 0 with *ret; -ETIMEDOUT; -EPROTO an answer that makes no sense;
 * other negative errno when nobody is there.
 */
int companion_ask(const char *dir, enum control_op op, uint32_t flags, struct slice body, uint64_t deadline,
                  struct arena *a, struct companion_answer *ret);

/* ---- for both sides ---- */

/* A memfd with these bytes, sealed. Descriptor or negative errno. */
int control_memfd(struct slice bytes);

/*
 * Sends a message of two parts and, when fd >= 0, a descriptor. Never blocks longer than the socket's own send timeout.
 * 0 or negative errno.
 */
int control_send(int sock, const void *head, size_t head_size, struct slice tail, int fd);

/* Receives one message of at most `room` bytes; *ret_fd is -1 or a descriptor that came along. Its size, or negative
 * errno. */
ssize_t control_receive(int sock, void *at, size_t room, int *ret_fd);

/* Copies `size` bytes out of a received descriptor, after checking that it is a sealed memfd of that size. 0 or
 * -EPROTO. */
int control_read_memfd(int fd, uint64_t size, struct arena *a, struct slice *ret);

#endif
