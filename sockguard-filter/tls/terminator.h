/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_TERMINATOR_H
#define SOCKGUARD_TLS_TERMINATOR_H

#include "tls/report.h"
#include "tls/server.h"
#include "tls/pages.h"

/* The process that holds the key and talks TLS to one client. Everything that it reads, it reads before the sandbox. */
struct terminator {
        struct policy policy;
        struct tls_server server;
        struct report report;
        struct pages pages; /* of a pool; else empty */
};

/*
 * Maps the policy (`image`, which stays the caller's), reads key and certificates, opens the logs. `connection` is the
 * client's socket or the listening one. With `user` the logs are opened as that user, whose they are to be if they are
 * new. 0 or negative errno.
 */
int terminator_load(int image, struct slice listener, const char *user, int connection, struct terminator *ret,
                    struct error *e);

/*
 * From the sandbox to the last byte: takes a client from `fd` (or is given it), shakes hands, gives the filter at the
 * other end of `channel` what it needs (tls/handover.h), and carries bytes. Returns the exit status of the process: 0
 * also for a refused client.
 */
int terminator_run(struct terminator *t, int fd, bool listening, int channel);

/*
 * Before there is a log: says why something did not work, on stderr, or by syslog when `quiet`, because stderr is the
 * client's connection (DECISIONS 10). Returns EXIT_FAILURE.
 */
int terminator_complain(bool quiet, const char *what, const struct error *e);

#endif
