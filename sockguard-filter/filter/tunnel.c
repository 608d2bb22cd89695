/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/relay.h"

/*
 * Two raw streams: what a hijacked attach or exec is, and a 101 on a path that has one. Each direction ends on its own
 * and its end is passed on, so that the end of stdin reaches the container and its output still drains.
 */

void relay_begin_tunnel(struct relay *r) {
        struct connection *c = r->c;

        r->tunnel = true;
        r->x->hijacked = true;
        c->close = true;
        r->total_deadline = r->head_deadline = NSEC_NEVER;
        /* What either side sent early is in the buffers still, and goes first. */
        body_in_init(&r->request.in, &c->client, HTTP_BODY_CLOSE, 0);
        r->request.out = FLOW_PLAIN;
        r->request.source_end = r->request.closed_off = false;
        r->request.delivered = 0;
        body_in_init(&r->response.in, &c->up.wire, HTTP_BODY_CLOSE, 0);
        r->response.out = FLOW_PLAIN;
}

static bool is_over(enum flow_result f) {
        return f != FLOW_WAIT && f != FLOW_BUSY;
}

int relay_step_tunnel(struct relay *r) {
        struct connection *c = r->c;
        struct wire *client = &c->client, *up = &c->up.wire;

        if (!r->request_shut && is_over(flow_step(&r->request))) {
                r->request_shut = true;
                wire_shutdown(up);
        }
        if (!r->response_shut && is_over(flow_step(&r->response))) {
                r->response_shut = true;
                wire_shutdown(client);
        }
        if (r->request_shut && r->response_shut)
                return RELAY_DONE;
        /* A side that has vanished takes nothing any more; what it said before has been delivered by now. */
        if (client->gone && r->request_shut)
                return RELAY_DONE;
        if (up->gone && r->response_shut)
                return RELAY_DONE;
        return -1;
}
