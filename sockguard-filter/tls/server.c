/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tls/server.h"

/* The profile belongs here and not into verification flags: GnuTLS would combine the two bit by bit. */
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:%PROFILE_MEDIUM"
#define HANDSHAKE_BYTES (64u * 1024) /* of one handshake message: a chain of CHAIN_MAX fits many times */

/* ---- configuration ---- */

int tls_server_settings(const struct policy *p, struct slice listener, const struct opt_tls **ret, struct error *e) {
        struct plist list = p->root->listeners;
        const struct opt_listener *at = policy_list(p, list, struct opt_listener);
        const struct opt_tls *tls = NULL;

        for (uint32_t i = 0; i < list.n && !tls; i++)
                if (slice_eq(policy_str(p, at[i].name), listener))
                        tls = &at[i].tls;
        if (!tls && list.n == 0 && slice_eq(listener, SLICE("default")))
                tls = &p->root->listen.tls;
        if (!tls && slice_eq(listener, SLICE("admin"))) /* no main listener can be called so */
                tls = &p->root->admin.listen.tls;
        if (!tls)
                return error_set(e, -ENOENT, "the policy has no listener named \"%.*s\"", SLICE_ARG(listener));
        if (tls->cert_file.len == 0 || tls->key_file.len == 0 || tls->client_ca_file.len == 0)
                return error_set(
                        e, -ENOENT,
                        "listener \"%.*s\" has no TLS: it needs tls.cert_file, tls.key_file and tls.client_ca_file",
                        SLICE_ARG(listener));
        *ret = tls;
        return 0;
}

static int verify(gnutls_session_t session);

static int load_files(struct tls_server *s, struct error *e) {
        const char *cert = s->paths[0], *key = s->paths[1], *ca = s->paths[2], *bad;
        int r;

        r = gnutls_priority_init(&s->priority, PRIORITY, &bad);
        if (r < 0)
                return error_set(e, -EINVAL, "TLS priorities: %s", gnutls_strerror(r));
        if (gnutls_certificate_allocate_credentials(&s->credentials) < 0)
                return error_set(e, -ENOMEM, "no memory");
        r = gnutls_certificate_set_x509_key_file(s->credentials, cert, key, GNUTLS_X509_FMT_PEM);
        if (r < 0)
                return error_set(e, -EINVAL, "load %s and %s: %s", cert, key, gnutls_strerror(r));
        r = gnutls_certificate_set_x509_trust_file(s->credentials, ca, GNUTLS_X509_FMT_PEM);
        if (r <= 0)
                return error_set(e, -EINVAL, "load %s: %s", ca, r < 0 ? gnutls_strerror(r) : "no certificate in it");
        gnutls_certificate_set_verify_function(s->credentials, verify);
        s->kernel = tls_kernel_offers();
        return 0;
}

int tls_server_load(const struct policy *p, struct slice listener, struct tls_server *ret, struct error *e) {
        const struct opt_tls *o;
        char *cert = ret->paths[0], *key = ret->paths[1], *ca = ret->paths[2];
        int r;

        *ret = (struct tls_server){ .policy = p };
        r = tls_server_settings(p, listener, &o, e);
        if (r < 0)
                return r;
        if (policy_str_copy(p, o->cert_file, cert, sizeof(ret->paths[0])) < 0 ||
            policy_str_copy(p, o->key_file, key, sizeof(ret->paths[1])) < 0 ||
            policy_str_copy(p, o->client_ca_file, ca, sizeof(ret->paths[2])) < 0)
                return error_set(e, -ENAMETOOLONG, "a file name of the policy is too long");
        ret->selectors = (struct certificate_selectors){ .common_names = o->common_names,
                                                         .dns_names = o->dns_names,
                                                         .ip_addresses = o->ip_addresses,
                                                         .uri_sans = o->uri_sans,
                                                         .public_key_sha256_pins = o->public_key_sha256_pins };

        (void) tls_files_look(ret, &ret->files);
        r = load_files(ret, e);
        if (r < 0)
                tls_server_unload(ret);
        return r;
}

void tls_server_unload(struct tls_server *s) {
        if (s->credentials)
                gnutls_certificate_free_credentials(s->credentials);
        if (s->priority)
                gnutls_priority_deinit(s->priority);
        s->credentials = NULL;
        s->priority = NULL;
}

/* ---- renewal ---- */

int tls_files_look(const struct tls_server *s, struct tls_files *ret) {
        for (size_t i = 0; i < sizeof(s->paths) / sizeof(s->paths[0]); i++)
                if (stat(s->paths[i], &ret->at[i]) < 0)
                        return -errno;
        return 0;
}

static bool same_time(struct timespec a, struct timespec b) {
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool tls_files_same(const struct tls_files *a, const struct tls_files *b) {
        for (size_t i = 0; i < sizeof(a->at) / sizeof(a->at[0]); i++) {
                const struct stat *x = &a->at[i], *y = &b->at[i];

                if (x->st_dev != y->st_dev || x->st_ino != y->st_ino || x->st_size != y->st_size ||
                    !same_time(x->st_mtim, y->st_mtim) || !same_time(x->st_ctim, y->st_ctim))
                        return false;
        }
        return true;
}

/* ---- verification ---- */

/* What one handshake needs to remember. GnuTLS calls verify() in the middle of it. */
struct verification {
        const struct tls_server *server;
        const struct peer *peer;
        struct arena *arena;
        struct hint hint;
        struct chain_verdict expected; /* of the hint, when hint.n > 0 */
        struct peer_certificate certificate;
        bool verified;
        struct tls_refusal why;
};

/* While the client computes. */
static void verify_ahead(void *arg) {
        struct verification *v = arg;
        gnutls_x509_trust_list_t trusted;

        hints_look_up(v->server->hints, v->peer, &v->hint);
        if (v->hint.n == 0)
                return;
        gnutls_certificate_get_trust_list(v->server->credentials, &trusted);
        chain_verify(trusted, v->hint.chain, v->hint.n, v->arena, &v->expected);
}

static int verify(gnutls_session_t session) {
        struct verification *v = gnutls_session_get_ptr(session);
        gnutls_x509_trust_list_t trusted;
        const gnutls_datum_t *chain;
        enum certificate_match m;
        struct chain_verdict now;
        unsigned n = 0;

        v->verified = false;
        chain = gnutls_certificate_get_peers(session, &n);
        if (!chain)
                n = 0;
        if (hint_is(&v->hint, chain, n))
                now = v->expected;
        else {
                gnutls_certificate_get_trust_list(v->server->credentials, &trusted);
                chain_verify(trusted, chain, n, v->arena, &now);
                if (now.error == 0)
                        hints_store(v->server->hints, v->peer, chain, n);
        }
        if (now.error != 0) {
                v->why = now.why;
                return now.error;
        }

        m = certificate_match(v->server->policy, &v->server->selectors, &now.certificate);
        if (m != CERTIFICATE_MATCH && m != CERTIFICATE_UNSELECTIVE) {
                v->why = REFUSAL("tls_client_certificate_not_selected",
                                 "the listener's selectors do not admit the client's certificate");
                return GNUTLS_E_CERTIFICATE_ERROR;
        }
        v->certificate = now.certificate;
        v->verified = true;
        return 0;
}

/* ---- handshake ---- */

static struct tls_refusal refusal_of_error(gnutls_session_t session, int e) {
        static const struct {
                int error;
                struct tls_refusal why;
        } rows[] = {
                { GNUTLS_E_UNSUPPORTED_VERSION_PACKET, { "tls_version", "the client does not offer TLS 1.3" } },
                { GNUTLS_E_NO_CERTIFICATE_FOUND,
                  { "tls_client_certificate_missing", "the client has sent no certificate" } },
                { GNUTLS_E_CERTIFICATE_REQUIRED,
                  { "tls_client_certificate_missing", "the client has sent no certificate" } },
                { GNUTLS_E_PREMATURE_TERMINATION,
                  { "tls_client_left", "the client closed the connection during the handshake" } },
                { GNUTLS_E_PULL_ERROR, { "tls_client_left", "the connection broke during the handshake" } },
                { GNUTLS_E_PUSH_ERROR, { "tls_client_left", "the connection broke during the handshake" } },
                { GNUTLS_E_NO_CIPHER_SUITES, { "tls_parameters", "no cipher suite is common to both sides" } },
                { GNUTLS_E_NO_COMMON_KEY_SHARE, { "tls_parameters", "no key exchange is common to both sides" } },
                { GNUTLS_E_UNEXPECTED_PACKET_LENGTH, { "tls_malformed", "the client's handshake is malformed" } },
                { GNUTLS_E_UNEXPECTED_PACKET, { "tls_malformed", "the client's handshake is malformed" } },
                { GNUTLS_E_HANDSHAKE_TOO_LARGE, { "tls_malformed", "the client's handshake is too large" } },
        };

        if (e == GNUTLS_E_FATAL_ALERT_RECEIVED) {
                switch (gnutls_alert_get(session)) {
                case GNUTLS_A_UNKNOWN_CA:
                case GNUTLS_A_BAD_CERTIFICATE:
                case GNUTLS_A_CERTIFICATE_EXPIRED:
                        return REFUSAL("tls_client_refused", "the client does not accept the listener's certificate");
                default:
                        return REFUSAL("tls_client_refused", "the client broke the handshake off with an alert");
                }
        }
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (rows[i].error == e)
                        return rows[i].why;
        return REFUSAL("tls_handshake_failed", gnutls_strerror(e));
}

/*
 * Looks at the first byte without taking it. A TLS record starts with its type, 20 to 24 (RFC 8446, 5.1); a letter is
 * somebody who speaks plain HTTP, and is told so in the one way that it understands.
 */
static int first_byte(int fd, uint64_t deadline, struct tls_refusal *ret_why) {
        static const char answer[] =
                "HTTP/1.0 400 Bad Request\r\n\r\nThis port speaks HTTPS with client certificates only.\n";
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        char c = 0, rest[4096];
        ssize_t n;
        int r;

        do
                r = poll(&pfd, 1, deadline_poll_ms(deadline));
        while (r < 0 && errno == EINTR);
        if (r <= 0) {
                *ret_why = REFUSAL("tls_handshake_timeout", "the client has sent nothing");
                return -EACCES;
        }
        n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n <= 0) {
                *ret_why = REFUSAL("tls_client_left", "the client closed the connection without a word");
                return -EACCES;
        }
        if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z'))
                return 0;

        *ret_why = REFUSAL("tls_plain_http", "the client speaks plain HTTP to a TLS listener");
        (void) !send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void) shutdown(fd, SHUT_WR);
        /* Unread input would turn the close into a reset, which could overtake the answer. */
        deadline = deadline_in(200 * NSEC_PER_MSEC);
        do {
                r = poll(&pfd, 1, deadline_poll_ms(deadline));
                n = r > 0 ? recv(fd, rest, sizeof(rest), MSG_DONTWAIT) : 0;
        } while (n > 0);
        return -EACCES;
}

/* supported_versions (RFC 8446, 4.2.1) of a client hello: a length byte, then two bytes a version. */
static int find_version(void *arg, unsigned type, const unsigned char *at, unsigned size) {
        bool *found = arg;

        if (type == 43)
                for (unsigned i = 1; i + 1 < size; i += 2)
                        *found |= at[i] == 3 && at[i + 1] == 4;
        return 0;
}

/*
 * GnuTLS would tell a client that stops at TLS 1.2 that no cipher suite is common to both; the truth is more helpful.
 */
static int look_at_hello(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                         const gnutls_datum_t *hello) {
        bool found = false;

        (void) session;
        if (type != GNUTLS_HANDSHAKE_CLIENT_HELLO || when != GNUTLS_HOOK_PRE || !incoming)
                return 0;
        if (gnutls_ext_raw_parse(&found, find_version, hello, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO) < 0)
                return 0; /* the parser proper says what is wrong */
        return found ? 0 : GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
}

int tls_server_prepare(const struct tls_server *s, struct tls_stream *t) {
        static const gnutls_datum_t http = { (unsigned char *) (uintptr_t) "http/1.1", 8 };
        gnutls_session_t session;

        if (gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL) < 0)
                return -ENOMEM;
        if (gnutls_priority_set(session, s->priority) < 0 ||
            gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, s->credentials) < 0 ||
            gnutls_alpn_set_protocols(session, &http, 1, 0) <
                    0) { /* another offer is answered with silence, and HTTP/1.1 */
                gnutls_deinit(session);
                return -ENOMEM;
        }
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_handshake_set_max_packet_length(session, HANDSHAKE_BYTES);
        gnutls_handshake_set_timeout(session, GNUTLS_INDEFINITE_TIMEOUT); /* the deadline is ours */
        gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_PRE, look_at_hello);
        t->session = session;
        return 0;
}

int tls_server_accept(const struct tls_server *s, int fd, const struct peer *peer, uint64_t deadline, struct arena *a,
                      struct tls_stream *t, struct peer_certificate *ret_certificate, struct tls_refusal *ret_why) {
        static struct verification v;
        gnutls_session_t session = t->session;
        int r, e;

        r = first_byte(fd, deadline, ret_why);
        if (r < 0)
                return r;

        v.server = s;
        v.peer = peer;
        v.arena = a;
        gnutls_session_set_ptr(session, &v);
        if (s->kernel)
                tls_stream_attach_direct(t, session, fd);
        else
                tls_stream_attach(t, session, fd);

        r = tls_stream_handshake(t, deadline, s->hints ? verify_ahead : NULL, &v, &e);
        if (r == -ETIMEDOUT) {
                *ret_why = REFUSAL("tls_handshake_timeout", "the handshake was not complete in time");
                return -EACCES;
        }
        if (r < 0) {
                *ret_why = v.why.code ? v.why : refusal_of_error(session, e);
                return -EACCES;
        }
        if (!v.verified || gnutls_protocol_get_version(session) != GNUTLS_TLS1_3) {
                *ret_why = REFUSAL("tls_handshake_failed", "the handshake ended without a verified certificate");
                return -EACCES;
        }
        gnutls_session_set_ptr(session, NULL);
        tls_stream_settle(t);
        *ret_certificate = v.certificate;
        return 0;
}
