/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_RESOLVE_H
#define SOCKGUARD_BASE_RESOLVE_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"

struct resolved {
        struct sockaddr_storage at;
        socklen_t len;
};

/*
 * The stream addresses of a host and port, at most `most` of them. A literal asks nobody. A name is asked for in a
 * child, which is ended at `deadline` (CLOCK_MONOTONIC): getaddrinfo(3) itself has no limit that a caller could set. To
 * be called before a sandbox closes, by a process with one thread. The number of addresses, one at least; -ETIMEDOUT;
 * -EHOSTUNREACH there are none, *e says what the resolver said; other negative errno.
 */
int resolve_host(const char *host, const char *port, uint64_t deadline, struct resolved *ret, unsigned most,
                 struct error *e);

/* Connects a non-blocking stream socket. 0; -ETIMEDOUT at `deadline`; other negative errno. */
int resolved_connect(int fd, const struct resolved *to, uint64_t deadline);

#endif
