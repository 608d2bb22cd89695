/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_IDENTITY_PEER_H
#define SOCKGUARD_IDENTITY_PEER_H

#include "base/address.h"
#include "http/exchange.h"

/*
 * Asks the kernel who is at the other end of `fd` and fills in *ret; called once a connection, before anything is read.
 *
 *   unix socket    SO_PEERCRED (what the peer was when it connected) and, where the kernel has it, SO_PEERPIDFD; text
 * is the peer's bound address, "@" for the usual unnamed one. A failure is remembered in ret->cred_error. TCP
 * getpeername(2); an IPv4-mapped address is reduced to IPv4; text is "address:port" or "[address]:port". anything else
 * (a pipe, a terminal, /dev/null): nobody. kind is PEER_PIPE, text "pipe", and uid, gid and pid are those of the caller
 * of this process, for the log only: no selector matches them (chapter 05, 1.5).
 *
 * It cannot fail: what could not be learned is absent, and every selector treats absent as no match. ret->pidfd, when
 * not -1, is a descriptor that stays open for the connection.
 */
void peer_capture(int fd, struct peer *ret);

/* The peer's address as the prefix code wants it. False when it has none. */
bool peer_address(const struct peer *p, struct ip_address *ret);

/*
 * Is the process that connected still there? A process id says who connected only as long as it cannot have been given
 * to somebody else. True also when the kernel cannot tell (no SO_PEERPIDFD, before Linux 6.5).
 */
bool peer_pid_alive(const struct peer *p);

#endif
