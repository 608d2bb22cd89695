/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client with a certificate that measures: fresh connections with one request each, requests on a kept connection,
 * and one large answer. Prints one line: p50 and p99 in microseconds, or megabytes a second.
 *
 *      bench-tls PORT CA CERT KEY fresh N | kept N | bulk TARGET
 */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static gnutls_certificate_credentials_t credentials;
static uint16_t port;

static void die(const char *what) {
        fprintf(stderr, "bench-tls: %s\n", what);
        exit(1);
}

static gnutls_session_t dial(void) {
        struct sockaddr_in sa = { .sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, r;
        gnutls_session_t s;

        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                die("connect");
        gnutls_init(&s, GNUTLS_CLIENT | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL);
        gnutls_priority_set_direct(s, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:-CIPHER-ALL:+AES-128-GCM",
                                   NULL);
        gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, credentials);
        gnutls_session_set_verify_cert(s, "localhost", 0);
        gnutls_transport_set_int(s, fd);
        do
                r = gnutls_handshake(s);
        while (r < 0 && !gnutls_error_is_fatal(r));
        if (r < 0)
                die(gnutls_strerror(r));
        return s;
}

static void hang_up(gnutls_session_t s) {
        int fd = gnutls_transport_get_int(s);

        (void) gnutls_bye(s, GNUTLS_SHUT_WR);
        close(fd);
        gnutls_deinit(s);
}

static void ask(gnutls_session_t s, const char *target) {
        char text[512];
        int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: docker\r\n\r\n", target);

        if (gnutls_record_send(s, text, (size_t) n) != n)
                die("send");
}

/* Takes one answer with Content-Length. Returns its size. */
static uint64_t take(gnutls_session_t s) {
        static char buffer[65536];
        uint64_t have = 0, want = UINT64_MAX;

        while (have < want) {
                ssize_t n = gnutls_record_recv(s, buffer + (want == UINT64_MAX ? have : 0),
                                               want == UINT64_MAX ? sizeof(buffer) - 1 - have : sizeof(buffer));

                if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
                        continue;
                if (n <= 0)
                        die("receive");
                have += (uint64_t) n;
                if (want == UINT64_MAX) {
                        char *end, *length;

                        buffer[have] = '\0';
                        end = strstr(buffer, "\r\n\r\n");
                        if (!end)
                                continue;
                        if (strncmp(buffer, "HTTP/1.1 200", 12) != 0)
                                die("not 200");
                        length = strcasestr(buffer, "\r\ncontent-length:");
                        if (!length || length > end)
                                die("no length");
                        want = (uint64_t) (end + 4 - buffer) + strtoull(length + 17, NULL, 10);
                }
        }
        return have;
}

static int compare(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static void report(uint64_t *ns, size_t n) {
        qsort(ns, n, sizeof(*ns), compare);
        printf("p50 %llu us  p99 %llu us\n", (unsigned long long) ns[n / 2] / 1000,
               (unsigned long long) ns[n * 99 / 100] / 1000);
}

int main(int argc, char **argv) {
        gnutls_session_t s;
        uint64_t *ns, start;
        size_t n;

        if (argc != 7)
                die("PORT CA CERT KEY fresh|kept|bulk N|TARGET");
        port = (uint16_t) atoi(argv[1]);
        gnutls_certificate_allocate_credentials(&credentials);
        if (gnutls_certificate_set_x509_trust_file(credentials, argv[2], GNUTLS_X509_FMT_PEM) <= 0 ||
            gnutls_certificate_set_x509_key_file(credentials, argv[3], argv[4], GNUTLS_X509_FMT_PEM) < 0)
                die("certificates");

        if (strcmp(argv[5], "bulk") == 0) {
                uint64_t bytes;

                s = dial();
                ask(s, "/_ping");
                (void) take(s);
                start = now_ns();
                ask(s, argv[6]);
                bytes = take(s);
                printf("%.0f MB/s\n", (double) bytes / ((double) (now_ns() - start) / 1e9) / 1e6);
                return 0;
        }
        n = (size_t) atoi(argv[6]);
        ns = calloc(n + 20, sizeof(*ns));
        if (!ns || n == 0)
                die("N");
        s = strcmp(argv[5], "kept") == 0 ? dial() : NULL;
        for (size_t i = 0; i < n + 20; i++) { /* the first 20 warm up */
                start = now_ns();
                if (!s) {
                        gnutls_session_t t = dial();

                        ask(t, "/_ping");
                        (void) take(t);
                        ns[i < 20 ? 0 : i - 20] = now_ns() - start;
                        hang_up(t);
                } else {
                        ask(s, "/_ping");
                        (void) take(s);
                        ns[i < 20 ? 0 : i - 20] = now_ns() - start;
                }
        }
        report(ns, n);
        return 0;
}
