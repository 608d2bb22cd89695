/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "base/clock.h"
#include "base/resolve.h"
#include "check.h"

static const struct sockaddr_in *v4(const struct resolved *r) {
        return (const struct sockaddr_in *) &r->at;
}

static void literals_ask_nobody(void) {
        struct resolved got[2];
        struct error e = { "" };

        /* A deadline that is over: a name would have no chance. */
        CHECK_INT(resolve_host("192.0.2.7", "2375", 1, got, 2, &e), 1);
        CHECK_INT(got[0].at.ss_family, AF_INET);
        CHECK_INT(ntohl(v4(&got[0])->sin_addr.s_addr), 0xc0000207);
        CHECK_INT(ntohs(v4(&got[0])->sin_port), 2375);
        CHECK_INT(got[0].len, sizeof(struct sockaddr_in));
        CHECK_INT(resolve_host("2001:db8::7", "1", 1, got, 2, &e), 1);
        CHECK_INT(got[0].at.ss_family, AF_INET6);
}

static void a_name_of_this_host_is_found(void) {
        struct resolved got[8];
        struct error e = { "" };
        int n = resolve_host("localhost", "80", deadline_in(5 * NSEC_PER_SEC), got, 8, &e);

        CHECK(n >= 1);
        CHECK_INT(resolve_host("localhost", "80", deadline_in(5 * NSEC_PER_SEC), got, 1, &e), 1);
}

static void what_is_no_name_is_an_error_with_a_sentence(void) {
        struct resolved got[2];
        struct error e = { "" };
        uint64_t start = now_ns();
        int r = resolve_host("no such name", "80", deadline_in(NSEC_PER_SEC), got, 2, &e);

        CHECK(r == -EHOSTUNREACH || r == -ETIMEDOUT);
        CHECK(e.text[0] != '\0');
        CHECK(now_ns() - start < 3 * NSEC_PER_SEC);
}

CHECK_MAIN(CHECK_TEST(literals_ask_nobody), CHECK_TEST(a_name_of_this_host_is_found),
           CHECK_TEST(what_is_no_name_is_an_error_with_a_sentence))
