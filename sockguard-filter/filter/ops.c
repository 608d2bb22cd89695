/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "filter/connection.h"
#include "filter/privilege.h"
#include "unpack/run.h"

int connection_continue(struct connection *c) {
        if (!c->continue_due)
                return 0;
        c->continue_due = false;
        /* Bytes of the body are there already: the client did not wait, and an interim answer would only be noise. */
        if (wire_held(&c->client) > 0)
                return 0;
        return wire_send(&c->client, SLICE("HTTP/1.1 100 Continue\r\n\r\n"), deadline_in(SEND_NS));
}

/* The next piece of the body: 1 and *ret, 0 at its end, or negative errno as exchange_ops documents. */
static int next_piece(struct connection *c, struct slice *ret) {
        for (;;) {
                ssize_t n;

                switch (body_in_next(&c->request_body, ret)) {
                case BODY_IN_DATA:
                        return 1;
                case BODY_IN_END:
                        return 0;
                case BODY_IN_BAD:
                        c->x.body_has_broken_framing = true;
                        return -EBADMSG;
                case BODY_IN_CUT:
                        return -EPIPE;
                case BODY_IN_MORE:
                default:
                        break;
                }
                n = wire_fill(&c->client, WIRE_BLOCK);
                if (n == -EAGAIN) {
                        int r = wire_wait(&c->client, c->inspect_deadline);

                        if (r == -EINTR && !connection_signals.expired)
                                continue;
                        if (r < 0)
                                return r;
                } else if (n < 0)
                        return -EPIPE;
        }
}

/* Reading begins, or goes on. */
static int begin_reading(struct connection *c) {
        if (c->inspect_deadline == 0)
                c->inspect_deadline = deadline_in(INSPECT_NS);
        return connection_continue(c);
}

static int op_body_buffer(struct exchange *x, size_t limit) {
        struct connection *c = x->ops_arg;
        int r;

        if (x->body_state == BODY_BUFFERED || x->body_state == BODY_NONE)
                return x->body.len > limit ? -EFBIG : 0;
        if (x->body_state == BODY_SPOOLED)
                return -EFBIG;
        if (c->request_body.framing == HTTP_BODY_LENGTH && c->request_body.left > limit)
                return -EFBIG; /* declared: not a byte of it is read */
        if (x->body_state == BODY_UNREAD)
                strbuf_reset(&c->body);
        c->body.limit = limit + WIRE_BLOCK;
        /* Growing step by step would need the memory of the steps, too. What does not arrive is never touched. */
        if (c->request_body.framing == HTTP_BODY_LENGTH)
                (void) strbuf_reserve(&c->body, (size_t) c->request_body.left);
        x->body_state = BODY_PARTIAL;
        r = begin_reading(c);
        if (r < 0)
                return r;
        for (;;) {
                struct slice piece;

                r = next_piece(c, &piece);
                if (r <= 0)
                        break;
                if (piece.len > limit - c->body.len)
                        piece.len = limit - c->body.len;
                if (piece.len == 0) {
                        r = -EFBIG;
                        break;
                }
                strbuf_add(&c->body, piece);
                if (c->body.failed) {
                        r = -ENOMEM;
                        break;
                }
                body_in_take(&c->request_body, piece.len);
        }
        x->body = strbuf_view(&c->body);
        if (r < 0)
                return r;
        x->body_state = BODY_BUFFERED;
        return 0;
}

static void op_body_replace(struct exchange *x, struct slice body) {
        struct connection *c = x->ops_arg;

        strbuf_reset(&c->body);
        if (c->body.limit < body.len)
                c->body.limit = body.len;
        strbuf_add(&c->body, body);
        if (!c->body.failed)
                x->body = strbuf_view(&c->body);
}

/* A file without a name: nobody else can open it, and it is gone with the process. */
static int spool_file(void) {
        const char *dir;
        int fd = -1;

        for (unsigned i = 0; fd < 0 && (dir = privilege_spool_dir(i)) != NULL; i++)
                fd = open(dir, O_RDWR | O_TMPFILE | O_EXCL | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

static int write_all(int fd, struct slice s) {
        while (s.len > 0) {
                ssize_t n = write(fd, s.at, s.len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                s = slice_from(s, (size_t) n);
        }
        return 0;
}

static int op_body_spool(struct exchange *x, uint64_t limit, int *ret_fd, uint64_t *ret_size) {
        struct connection *c = x->ops_arg;
        int r;

        if (x->body_state == BODY_SPOOLED) {
                if (lseek(x->spool_fd, 0, SEEK_SET) < 0)
                        return -errno;
                *ret_fd = x->spool_fd;
                *ret_size = x->spool_size;
                return 0;
        }
        if (c->request_body.framing == HTTP_BODY_LENGTH && c->request_body.left > limit)
                return -EFBIG;
        r = spool_file();
        if (r < 0)
                return r;
        x->spool_fd = r;
        x->spool_size = 0;
        if (x->body_state == BODY_BUFFERED || x->body_state == BODY_NONE)
                r = write_all(x->spool_fd, x->body);
        else {
                x->body_state = BODY_PARTIAL;
                r = begin_reading(c);
        }
        while (r >= 0) {
                struct slice piece;

                r = next_piece(c, &piece);
                if (r <= 0)
                        break;
                if (piece.len > limit - x->spool_size)
                        piece.len = (size_t) (limit - x->spool_size);
                if (piece.len == 0) {
                        r = -EFBIG;
                        break;
                }
                r = write_all(x->spool_fd, piece);
                if (r < 0)
                        break;
                x->spool_size += piece.len;
                body_in_take(&c->request_body, piece.len);
        }
        if (r >= 0 && lseek(x->spool_fd, 0, SEEK_SET) < 0)
                r = -errno;
        if (r < 0)
                return r;
        x->body_state = BODY_SPOOLED;
        *ret_fd = x->spool_fd;
        *ret_size = x->spool_size;
        return 0;
}

static int op_lookup(struct exchange *x, struct slice path_and_query, size_t limit, struct lookup *ret) {
        return connection_lookup(x->ops_arg, path_and_query, limit, ret);
}

static int op_unpack(struct exchange *x, int fd, const char *const *argv, struct slice *ret_facts) {
        struct connection *c = x->ops_arg;

        return unpack_run(fd, argv, c->inspect_deadline, x->arena, ret_facts);
}

static void op_log_error(struct exchange *x, const char *event, struct slice error) {
        struct connection *c = x->ops_arg;
        struct log *l = &c->telemetry.main;

        if (c->dry_run || !log_begin(l, LEVEL_ERROR, event))
                return;
        log_str(l, "error", error);
        log_str(l, "method", x->head.method_text);
        log_str(l, "path", x->target.decoded);
        (void) log_end(l);
}

static void op_log_unverified(struct exchange *x, struct slice image, struct slice error) {
        struct connection *c = x->ops_arg;
        struct log *l = &c->telemetry.main;

        if (c->dry_run || !log_begin(l, LEVEL_WARN, "image signature not verified"))
                return;
        log_str(l, "image_ref", image);
        log_str(l, "error", error);
        log_int(l, "elapsed_ms", 0);
        (void) log_end(l);
}

const struct exchange_ops connection_ops = {
        .lookup = op_lookup,
        .body_buffer = op_body_buffer,
        .body_replace = op_body_replace,
        .body_spool = op_body_spool,
        .unpack = op_unpack,
        .log_error = op_log_error,
        .log_unverified = op_log_unverified,
};
