/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/upstream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

void upstream_blame(struct upstream *u) {
        endpoints_failed(&u->set, u->endpoint);
}

void upstream_close(struct upstream *u) {
        wire_close(&u->wire);
        u->kept = false;
}

/* A connection that is idle has nothing to say: bytes or an end of it mean that the daemon has given it up. */
static bool is_idle(struct upstream *u) {
        ssize_t n;
        char c;

        if (u->wire.eof || u->wire.gone || wire_held(&u->wire) > 0)
                return false;
        n = recv(u->wire.in, &c, 1, MSG_PEEK | MSG_DONTWAIT);
        return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

int upstream_open(struct upstream *u, bool fresh, uint64_t deadline, struct error *e) {
        uint64_t limit = deadline_in(UPSTREAM_DIAL_NS);
        int fd, r;

        if (wire_is_open(&u->wire)) {
                unsigned wanted = u->bound ? u->bound_to : endpoints_active(&u->set);

                if (!fresh && u->endpoint == wanted && is_idle(u))
                        return 0;
                upstream_close(u);
        }
        r = endpoints_dial(&u->set, deadline < limit ? deadline : limit, &fd, &u->endpoint, e);
        if (r < 0)
                return r;
        if (u->bound && u->endpoint != u->bound_to) {
                (void) close(fd);
                return error_errno(e, -ESTALE, "the daemon that was asked about the request is gone");
        }
        r = wire_open(&u->wire, fd, fd, u->buf, UPSTREAM_BUFFER);
        if (r < 0) {
                (void) close(fd);
                return error_errno(e, r, "cannot use the connection to the daemon");
        }
        u->kept = false;
        return 0;
}

void upstream_ready(struct upstream *u) {
        struct error e;

        if (upstream_open(u, false, NSEC_NEVER, &e) < 0)
                return;
        u->kept = true;
        (void) wire_set_patience(&u->wire, UPSTREAM_PATIENCE_NS);
}
