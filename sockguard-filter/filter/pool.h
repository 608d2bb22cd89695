/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_POOL_H
#define SOCKGUARD_FILTER_POOL_H

#include "base/error.h"

/*
 * Idle filters that have done their start-up and wait in accept() on one listening socket. Each serves one connection
 * and exits. The parent (`sockguard-filter --pool N`, the main process of an Accept=no unit, or a child of
 * `sockguard-ctl serve` per listener) keeps N of them ready. It never touches a client.
 *
 * Members are forked, not executed: what a filter costs beyond a fork is thrice a fork. The price would be that all
 * share one address space layout; so when a member dies of a signal that a memory error ends in, the parent executes
 * itself anew and lets the idle members go: nobody gets to try twice.
 *
 * A member that takes a connection only decrements a shared counter. Below the low-water mark it wakes the parent,
 * which refills in one go, off the path of any connection.
 */
struct pool_config {
        unsigned idle; /* members kept ready */
        unsigned low;  /* refill when fewer are */
        unsigned most; /* members at a time, busy ones included: beyond, connections wait in the backlog */
        char **argv;   /* how to execute ourselves anew */

        /* In the parent before each refill: whatever members inherit is brought up to date. */
        void (*prepare)(void *arg);
        /* In a member: starts up, calls pool_wait(), serves. Returns the exit status. */
        int (*member)(void *arg);
        /* In the parent: something to tell the operator. */
        void (*report)(void *arg, const char *what, long number);
        void *arg;
};

#define POOL_MOST 4096u

/*
 * Keeps the pool until SIGTERM or SIGINT; then idle members end at once, busy ones finish their request. Returns the
 * exit status of the parent.
 */
int pool_run(const struct pool_config *config, int listen_fd);

/*
 * In a member: ready. Waits for a connection on the listening socket, calling `tend` every minute meanwhile (to look
 * after the daemon connection dialled beforehand). The connection, close-on-exec; or negative errno.
 */
int pool_wait(int listen_fd, void (*tend)(void *arg), void *arg);

/*
 * The same behind TLS: waits until the terminator at the other end of `channel` (tls/handover.h) has accepted a
 * connection, from when on this member counts as busy, and then until its handshake is done. 0 with the plaintext
 * socket, and the record of the peer in `record`; -ECONNRESET the client was refused, or the terminator has ended;
 * other negative errno.
 */
int pool_wait_handover(int channel, void (*tend)(void *arg), void *arg, char *record, size_t room, size_t *ret_len,
                       int *ret_plain);

/* In a member, once, when its first answer has left or is long in coming: what would have made that answer late. */
void pool_settle(void);

#endif
