/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_SERVER_H
#define SOCKGUARD_TLS_SERVER_H

#include <sys/stat.h>

#include "base/arena.h"
#include "identity/certificate.h"
#include "tls/chain.h"
#include "tls/hints.h"
#include "tls/relay.h"

#define HANDSHAKE_NS (5ull * 1000000000ull) /* from accept to the client's Finished (chapter 02, 13) */

/* What tells one state of the three files from another: inode, size, times of change. */
struct tls_files {
        struct stat at[3];
};

/* What a listener needs to answer a handshake. */
struct tls_server {
        const struct policy *policy;
        struct certificate_selectors selectors;
        gnutls_certificate_credentials_t credentials;
        gnutls_priority_t priority;
        struct hints *hints;    /* of a pool; else NULL */
        bool kernel;            /* the kernel offers kTLS */
        char paths[3][4096];    /* certificate, key, client CA */
        struct tls_files files; /* as they were just before they were read */
};

/* The TLS settings of a listener: `default` in a policy without `listeners:`. 0; -ENOENT no such listener, or no TLS
 * there. */
int tls_server_settings(const struct policy *p, struct slice listener, const struct opt_tls **ret, struct error *e);

/* Reads certificate, key and client CA. 0; -ENOENT no such listener or it has no TLS; other negative errno. */
int tls_server_load(const struct policy *p, struct slice listener, struct tls_server *ret, struct error *e);

/* Gives back what tls_server_load() allocated. */
void tls_server_unload(struct tls_server *s);

/* 0; negative errno when one of them is not there. */
int tls_files_look(const struct tls_server *s, struct tls_files *ret);
bool tls_files_same(const struct tls_files *a, const struct tls_files *b);

/*
 * Sets a session up, so that a client that comes finds it ready: `t` must be zeroed and must not move afterwards. 0 or
 * -ENOMEM.
 */
int tls_server_prepare(const struct tls_server *s, struct tls_stream *t);

/*
 * Handshake with a client, of whom *peer says what the kernel knows, on a prepared session. 0: it holds a key whose
 * certificate was verified and selected, *ret_certificate (in `a`) is the leaf. -EACCES: refused, *ret_why says why,
 * whatever was due to the peer was sent.
 */
int tls_server_accept(const struct tls_server *s, int fd, const struct peer *peer, uint64_t deadline, struct arena *a,
                      struct tls_stream *t, struct peer_certificate *ret_certificate, struct tls_refusal *ret_why);

#endif
