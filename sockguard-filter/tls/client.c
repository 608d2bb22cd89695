/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <gnutls/x509.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/resolve.h"
#include "filter/endpoint.h"
#include "filter/wire.h"
#include "tls/client.h"
#include "tls/dialler.h"
#include "tls/relay.h"
#include "tls/sandbox.h"

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" /* chapter 02, 10.1 */

struct daemon {
        bool tls;
        gnutls_certificate_credentials_t credentials;
        struct error why; /* the credentials cannot be loaded */
        bool broken;
        char host[256], port[16], name[256];
        bool skip_verify;
};

static int load_files(const struct policy *p, const struct policy_endpoint *c, struct daemon *d) {
        char ca[4096], cert[4096], key[4096];
        int r;

        if (policy_str_copy(p, c->ca_file, ca, sizeof(ca)) < 0 ||
            policy_str_copy(p, c->cert_file, cert, sizeof(cert)) < 0 ||
            policy_str_copy(p, c->key_file, key, sizeof(key)) < 0)
                return error_set(&d->why, -ENAMETOOLONG, "a file name of the policy is too long");
        if (gnutls_certificate_allocate_credentials(&d->credentials) < 0)
                return error_set(&d->why, -ENOMEM, "no memory");
        if (cert[0] != '\0') {
                r = gnutls_certificate_set_x509_key_file(d->credentials, cert, key, GNUTLS_X509_FMT_PEM);
                if (r < 0)
                        return error_set(&d->why, -EINVAL, "load %s and %s: %s", cert, key, gnutls_strerror(r));
        }
        if (d->skip_verify)
                return 0;
        r = ca[0] != '\0' ? gnutls_certificate_set_x509_trust_file(d->credentials, ca, GNUTLS_X509_FMT_PEM)
                          : gnutls_certificate_set_x509_system_trust(d->credentials);
        if (r <= 0)
                return error_set(&d->why, -EINVAL, "load %s: %s", ca[0] != '\0' ? ca : "the system's authorities",
                                 r < 0 ? gnutls_strerror(r) : "no certificate in it");
        return 0;
}

static void load(const struct policy *p, unsigned i, struct daemon *d) {
        const struct policy_endpoint *c = &policy_list(p, p->compiled->endpoints, struct policy_endpoint)[i];

        *d = (struct daemon){ .tls = c->kind == ENDPOINT_TLS, .skip_verify = c->skip_verify };
        if (!d->tls)
                return;
        if (policy_str_copy(p, c->host, d->host, sizeof(d->host)) < 0 ||
            policy_str_copy(p, c->port, d->port, sizeof(d->port)) < 0 ||
            policy_str_copy(p, c->server_name.len > 0 ? c->server_name : c->host, d->name, sizeof(d->name)) < 0)
                d->broken = error_set(&d->why, -ENAMETOOLONG, "the host name is too long") < 0;
        else
                d->broken = load_files(p, c, d) < 0;
}

/* ---- one connection ---- */

static int connect_to(const struct resolved *to, uint64_t deadline, int *ret_fd) {
        int fd = socket(to->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

        if (fd < 0)
                return -errno;
        wire_tune_tcp(fd);
        r = resolved_connect(fd, to, deadline);
        if (r < 0)
                close(fd);
        else
                *ret_fd = fd;
        return r;
}

static int connect_daemon(const struct daemon *d, uint64_t deadline, int *ret_fd, struct error *e) {
        struct resolved list[ENDPOINT_ADDRESSES_MAX];
        uint64_t now = now_ns();
        int n, r = -EHOSTUNREACH;

        /* Half of the time for the name, so that one that is answered late leaves some for the daemon. */
        n = resolve_host(d->host, d->port, deadline > now ? now + (deadline - now) / 2 : deadline, list,
                         ENDPOINT_ADDRESSES_MAX, e);
        if (n < 0)
                return n;
        for (int i = 0; i < n && r < 0; i++) {
                now = now_ns();
                r = connect_to(&list[i], deadline > now ? now + (deadline - now) / (uint64_t) (n - i) : deadline,
                               ret_fd);
        }
        return r < 0 ? error_errno(e, r, "connect") : 0;
}

static bool is_literal(const char *name) {
        struct ip_address ip;

        return ip_parse(slice_of(name), &ip) >= 0;
}

static int start_session(const struct daemon *d, gnutls_session_t *ret, struct error *e) {
        static const gnutls_datum_t http = { (unsigned char *) (uintptr_t) "http/1.1", 8 };
        /* The session keeps pointers to these. */
        static gnutls_typed_vdata_st wanted[2];
        gnutls_session_t s;
        const char *bad;

        if (gnutls_init(&s, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL) < 0)
                return error_set(e, -ENOMEM, "no memory");
        if (gnutls_priority_set_direct(s, PRIORITY, &bad) < 0 ||
            gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, d->credentials) < 0 ||
            gnutls_alpn_set_protocols(s, &http, 1, 0) < 0)
                return error_set(e, -EINVAL, "set the TLS session up");
        gnutls_handshake_set_timeout(s, GNUTLS_INDEFINITE_TIMEOUT);
        if (!is_literal(d->name) && gnutls_server_name_set(s, GNUTLS_NAME_DNS, d->name, strlen(d->name)) < 0)
                return error_set(e, -EINVAL, "\"%s\" is no host name", d->name);
        if (!d->skip_verify) {
                wanted[0] = (gnutls_typed_vdata_st){ .type = GNUTLS_DT_DNS_HOSTNAME,
                                                     .data = (unsigned char *) (uintptr_t) d->name };
                wanted[1] = (gnutls_typed_vdata_st){ .type = GNUTLS_DT_KEY_PURPOSE_OID,
                                                     .data = (unsigned char *) (uintptr_t) GNUTLS_KP_TLS_WWW_SERVER };
                gnutls_session_set_verify_cert2(s, wanted, 2, 0);
        }
        *ret = s;
        return 0;
}

static int explain(gnutls_session_t s, int error, struct error *e) {
        gnutls_datum_t text = {};

        if (error == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
            gnutls_certificate_verification_status_print(gnutls_session_get_verify_cert_status(s), GNUTLS_CRT_X509,
                                                         &text, 0) >= 0) {
                error_set(e, -EKEYREJECTED, "the daemon's certificate: %s", (const char *) text.data);
                gnutls_free(text.data);
                return -EKEYREJECTED;
        }
        if (error == GNUTLS_E_FATAL_ALERT_RECEIVED)
                return error_set(e, -EPROTO, "the daemon broke the handshake off: %s",
                                 gnutls_alert_get_name(gnutls_alert_get(s)) ?: "unknown alert");
        return error_set(e, -EPROTO, "TLS handshake: %s", gnutls_strerror(error));
}

static int answer(int channel, uint32_t serial, int error, int fd, const char *text) {
        union {
                struct cmsghdr align;
                char room[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct dial_answer a = { .serial = serial, .error = error };
        struct iovec iov = { .iov_base = &a, .iov_len = sizeof(a) };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
        struct cmsghdr *c;

        snprintf(a.text, sizeof(a.text), "%s", text);
        if (error == 0) {
                m.msg_control = &control;
                m.msg_controllen = sizeof(control);
                c = CMSG_FIRSTHDR(&m);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(fd));
                memcpy(CMSG_DATA(c), &fd, sizeof(fd));
        }
        return sendmsg(channel, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A child: connects, locks itself in, shakes hands, hands the other end over, and carries bytes until both ends are
 * done. */
static int dial(const struct daemon *d, int channel, uint32_t serial, uint64_t deadline, struct error *e) {
        static struct tls_stream stream;
        gnutls_session_t session = NULL;
        int fd = -1, pair[2], error = 0, r;

        r = connect_daemon(d, deadline, &fd, e);
        if (r < 0)
                return r;
        r = start_session(d, &session, e);
        if (r < 0)
                return r;
        if (tls_kernel_offers())
                tls_stream_attach_direct(&stream, session, fd);
        else
                tls_stream_attach(&stream, session, fd);
        r = sandbox_enter(e);
        if (r < 0)
                return r;

        r = tls_stream_handshake(&stream, deadline, NULL, NULL, &error);
        if (r == -ETIMEDOUT)
                return error_set(e, r, "the daemon does not answer the TLS handshake");
        if (r < 0)
                return explain(session, error, e);
        tls_stream_settle(&stream);

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return error_errno(e, -errno, "socketpair");
        r = answer(channel, serial, 0, pair[1], "");
        if (r < 0)
                _exit(1); /* the filter has gone */
        close(pair[1]);
        close(channel);
        (void) signal(SIGTERM, SIG_IGN); /* the filter's end ends us, after its last byte is out */
        tls_relay_run(tls_relay_start(&stream, pair[0]));
        _exit(0);
}

static void __attribute__((noreturn))
serve_dial(const struct daemon *d, int channel, uint32_t serial, uint64_t deadline) {
        struct error e = {};
        int r = dial(d, channel, serial, deadline, &e);

        (void) answer(channel, serial, r < 0 ? r : -EIO, -1, e.text);
        _exit(1);
}

int tls_client_main(void) {
        struct daemon *daemons;
        struct policy policy;
        struct error e = {};
        unsigned n;

        if (policy_image_map(DIALLER_POLICY_FD, &policy, &e) < 0)
                return 1;
        close(DIALLER_POLICY_FD);
        n = policy.compiled->endpoints.n;
        if (n > ENDPOINTS_MAX)
                return 1;
        daemons = calloc(n ? n : 1, sizeof(*daemons));
        if (!daemons)
                return 1;
        for (unsigned i = 0; i < n; i++)
                load(&policy, i, &daemons[i]);

        /* The keys are read: from here on nobody in particular. Children are not waited for. */
        if (sandbox_drop(false, &e) < 0 || signal(SIGCHLD, SIG_IGN) == SIG_ERR)
                return 1;
        for (;;) {
                struct dial_request q;
                ssize_t got = recv(DIALLER_FD, &q, sizeof(q), 0);
                uint64_t deadline;
                pid_t pid;

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return 0; /* the filter has gone */
                if (got != (ssize_t) sizeof(q) || q.endpoint >= n || !daemons[q.endpoint].tls) {
                        (void) answer(DIALLER_FD, q.serial, -EINVAL, -1, "no such TLS endpoint");
                        continue;
                }
                if (daemons[q.endpoint].broken) {
                        (void) answer(DIALLER_FD, q.serial, -EINVAL, -1, daemons[q.endpoint].why.text);
                        continue;
                }
                deadline = deadline_in((q.timeout_ms < 60000 ? q.timeout_ms : 60000) * NSEC_PER_MSEC);
                pid = fork();
                if (pid == 0)
                        serve_dial(&daemons[q.endpoint], DIALLER_FD, q.serial, deadline);
                if (pid < 0)
                        (void) answer(DIALLER_FD, q.serial, -EAGAIN, -1, "no process for the connection");
        }
}
