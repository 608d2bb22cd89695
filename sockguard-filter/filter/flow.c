/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/flow.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "response/filter.h"

/* Large enough that a run costs few system calls; hundreds of them fit the per-user limit (pipe(7)). */
#define PIPE_SIZE (256 * 1024)
#define CHUNK_SPLICE_MIN (16u * 1024)           /* a chunk has a size line in front: a pipe pays earlier */
#define CHUNK_ANNOUNCED_MAX (16u * 1024 * 1024) /* of a longer chunk, the rest is another one */
#define SMALL 2048u /* pieces below this are gathered, so that tiny chunks do not cost a system call each */
#define GATHERED_MAX (32u * 1024)
#define TURNS 16 /* writes before the other direction gets its turn */

void flow_init(struct flow *f, struct wire *from, enum http_framing framing, uint64_t length, struct wire *to,
               enum flow_framing out) {
        *f = (struct flow){ .to = to, .out = out, .pipe = { -1, -1 } };
        body_in_init(&f->in, from, framing, length);
        strbuf_init(&f->front, FLOW_FRONT_MAX);
        strbuf_init(&f->trailers, HTTP_CHUNK_TRAILERS_MAX);
}

void flow_free(struct flow *f) {
        if (f->pipe[0] >= 0) {
                (void) close(f->pipe[0]);
                (void) close(f->pipe[1]);
                f->pipe[0] = f->pipe[1] = -1;
        }
        strbuf_free(&f->front);
        strbuf_free(&f->trailers);
}

bool flow_pending(const struct flow *f) {
        return f->front_at < f->front.len || f->bytes.len > 0 || f->piped > 0;
}

/* `n` bytes of front and bytes have left. */
static void account_sent(struct flow *f, size_t n) {
        size_t k = f->front.len - f->front_at;

        f->moved++;
        if (k > n)
                k = n;
        f->front_at += k;
        n -= k;
        if (f->front_at == f->front.len) {
                f->front_at = 0;
                strbuf_reset(&f->front);
        }
        if (n == 0)
                return;
        f->bytes = slice_from(f->bytes, n);
        f->delivered += n;
        if (f->bytes_are_held)
                body_in_take(&f->in, n);
        else if (f->bytes.len == 0 && f->filter)
                strbuf_reset(response_filter_output(f->filter));
}

/* FLOW_DONE: everything that was on its way has left. */
static enum flow_result flush(struct flow *f) {
        while (f->front_at < f->front.len || f->bytes.len > 0) {
                struct iovec iov[2] = {
                        { f->front.at + f->front_at, f->front.len - f->front_at },
                        { (void *) f->bytes.at, f->bytes.len },
                };
                int from = iov[0].iov_len == 0, to = 1 + (iov[1].iov_len > 0);
                ssize_t n = wire_writev(f->to, iov + from, to - from, f->piped > 0);

                if (n == -EAGAIN) {
                        f->want_write = true;
                        return FLOW_WAIT;
                }
                if (n < 0)
                        return FLOW_LOST;
                account_sent(f, (size_t) n);
        }
        while (f->piped > 0) {
                ssize_t n = splice(f->pipe[0], NULL, f->to->out, NULL, f->piped, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN) {
                        f->want_write = true;
                        return FLOW_WAIT;
                }
                if (n <= 0) {
                        f->to->gone = true;
                        return FLOW_LOST;
                }
                f->piped -= (size_t) n;
                f->delivered += (uint64_t) n;
                f->moved++;
        }
        return FLOW_DONE;
}

static void add_size_line(struct strbuf *out, uint64_t n) {
        static const char digit[] = "0123456789abcdef";
        char text[18] = { [16] = '\r', [17] = '\n' };
        size_t at = 16;

        do
                text[--at] = digit[n & 15];
        while (n >>= 4);
        strbuf_add(out, slice_make(text + at, sizeof(text) - at));
}

/* Puts a chunk's size line in front when a new chunk begins; `run` is what is known to belong together. */
static void announce(struct flow *f, uint64_t n, uint64_t run) {
        if (f->out != FLOW_CHUNKED)
                return;
        if (f->chunk_left == 0) {
                if (run > CHUNK_ANNOUNCED_MAX)
                        run = n > CHUNK_ANNOUNCED_MAX ? n : CHUNK_ANNOUNCED_MAX;
                if (f->chunk_open)
                        strbuf_adds(&f->front, "\r\n");
                add_size_line(&f->front, run);
                f->chunk_left = run;
                f->chunk_open = true;
        }
        f->chunk_left -= n;
}

/* The chunk's CRLF waits for the next chunk's size line, but not for the next byte of a slow source. */
static bool close_chunk(struct flow *f) {
        if (!f->chunk_open || f->chunk_left > 0)
                return false;
        strbuf_adds(&f->front, "\r\n");
        f->chunk_open = false;
        return true;
}

static bool may_splice(const struct flow *f) {
        return !f->never_splice && !f->filter && f->in.from->can_splice && f->to->can_splice;
}

static bool make_pipe(struct flow *f) {
        if (f->pipe[0] >= 0)
                return true;
        if (wire_set_nonblocking(f->to) < 0 || pipe2(f->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
                f->never_splice = true;
                return false;
        }
        (void) fcntl(f->pipe[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one works too */
        return true;
}

/* Is what comes next long enough? */
static bool splice_pays(const struct flow *f) {
        uint64_t plain = body_in_plain(&f->in);

        switch (f->in.framing) {
        case HTTP_BODY_LENGTH:
                return plain >= FLOW_SPLICE_MIN;
        case HTTP_BODY_CHUNKED:
                return plain >= CHUNK_SPLICE_MIN;
        case HTTP_BODY_CLOSE:
                return f->bulk;
        case HTTP_BODY_NONE:
        default:
                return false;
        }
}

/* > 0 bytes went into the pipe; 0 the source has ended; -EAGAIN; -EINVAL this pair cannot be spliced. */
static ssize_t splice_in(struct flow *f) {
        uint64_t plain = body_in_plain(&f->in);
        struct wire *from = f->in.from;
        ssize_t n;

        if (f->chunk_left > 0 && plain > f->chunk_left)
                plain = f->chunk_left;
        do
                n = splice(from->in, NULL, f->pipe[1], NULL, plain > PIPE_SIZE ? PIPE_SIZE : (size_t) plain,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EINVAL ? -EINVAL : -errno;
        if (n == 0) {
                from->eof = true;
                return 0;
        }
        announce(f, (uint64_t) n, f->in.framing == HTTP_BODY_CHUNKED ? plain : (uint64_t) n);
        f->piped = (size_t) n;
        f->moved++;
        body_in_skip(&f->in, (uint64_t) n);
        if (n < 4096)
                f->bulk = false;
        return n;
}

/* What the filter let out goes on its way. */
static void queue_filtered(struct flow *f) {
        struct strbuf *out = response_filter_output(f->filter);

        if (out->len == 0)
                return;
        announce(f, out->len, out->len);
        f->bytes = strbuf_view(out);
        f->bytes_are_held = false;
}

static enum flow_result filter_piece(struct flow *f, struct slice piece) {
        int r = response_filter_data(f->filter, piece);

        body_in_take(&f->in, piece.len);
        f->moved++;
        if (r < 0)
                return FLOW_REJECTED;
        if (response_filter_held(f->filter))
                return FLOW_DONE;
        if (f->head_due && response_filter_output(f->filter)->len > 0) {
                f->head(f, false, 0);
                f->head_due = false;
        }
        if (!f->head_due)
                queue_filtered(f);
        return FLOW_DONE;
}

/* The source's body is complete: what ends ours? */
static enum flow_result close_off(struct flow *f) {
        if (f->filter && !f->filter_ended) {
                f->filter_ended = true;
                if (response_filter_end(f->filter, true) < 0)
                        return FLOW_REJECTED;
                if (f->head_due) {
                        f->head(f, true, response_filter_output(f->filter)->len);
                        f->head_due = false;
                }
                queue_filtered(f);
                return FLOW_DONE; /* what is queued stands behind `front`: the last chunk must wait for it */
        }
        f->closed_off = true;
        if (f->out != FLOW_CHUNKED)
                return FLOW_DONE;
        if (f->chunk_open)
                strbuf_adds(&f->front, "\r\n");
        f->chunk_open = false;
        strbuf_adds(&f->front, "0\r\n");
        if (!f->filter)
                strbuf_add(&f->front, strbuf_view(&f->trailers));
        strbuf_adds(&f->front, "\r\n");
        return FLOW_DONE;
}

/* Gets hold of the next piece of body. FLOW_DONE: something is on its way, or an end was seen. */
static enum flow_result take(struct flow *f) {
        struct wire *from = f->in.from;
        struct slice piece;
        ssize_t n;

        switch (body_in_next(&f->in, &piece)) {
        case BODY_IN_DATA:
                if (f->filter)
                        return filter_piece(f, piece);
                if (f->chunk_left > 0 && piece.len > f->chunk_left)
                        piece.len = (size_t) f->chunk_left;
                announce(f, piece.len, f->in.framing == HTTP_BODY_CHUNKED ? body_in_plain(&f->in) : piece.len);
                if (piece.len < SMALL && f->front.len < GATHERED_MAX) {
                        strbuf_add(&f->front, piece);
                        f->delivered += piece.len;
                        f->gathering = true;
                        body_in_take(&f->in, piece.len);
                        return FLOW_DONE;
                }
                f->bytes = piece;
                f->bytes_are_held = true;
                return FLOW_DONE;
        case BODY_IN_END:
                f->source_end = true;
                f->gathering = f->bytes.len == 0; /* what ends the body goes along with what is left of it */
                return FLOW_DONE;
        case BODY_IN_BAD:
                return FLOW_BAD;
        case BODY_IN_CUT:
                return FLOW_CUT;
        case BODY_IN_MORE:
        default:
                break;
        }
        if (may_splice(f) && splice_pays(f) && make_pipe(f)) {
                n = splice_in(f);
                if (n == -EINVAL)
                        f->never_splice = true;
        } else {
                n = wire_fill(from, body_in_want(&f->in, may_splice(f)));
                f->bulk = n == (ssize_t) WIRE_BLOCK;
                if (n > 0)
                        f->moved++;
        }
        if (n >= 0 || n == -EINVAL)
                return FLOW_DONE; /* an end of the stream is judged by body_in_next() */
        if (n != -EAGAIN)
                return FLOW_CUT;
        if (close_chunk(f) || flow_pending(f))
                return FLOW_DONE; /* sent before we wait */
        f->want_read = true;
        return FLOW_WAIT;
}

enum flow_result flow_step(struct flow *f) {
        enum flow_result r;
        int turn = 0;

        f->want_read = f->want_write = f->busy = false;
        while (turn < TURNS) {
                if (!f->gathering) {
                        turn++;
                        r = flush(f);
                        if (r != FLOW_DONE)
                                return r;
                        if (f->closed_off)
                                return FLOW_DONE;
                }
                /* Small pieces are gathered as long as more of them have been received already, or an end is known. */
                if (f->gathering && (f->front.len >= GATHERED_MAX || (wire_held(f->in.from) == 0 && !f->in.end))) {
                        f->gathering = false;
                        continue;
                }
                f->gathering = false;
                if (f->front.failed)
                        return FLOW_LOST;
                r = f->source_end ? close_off(f) : take(f);
                if ((r == FLOW_CUT || r == FLOW_BAD) && f->front.len > 0)
                        (void) flush(f); /* what came before the break was good */
                if (r != FLOW_DONE)
                        return r;
        }
        f->busy = true;
        return FLOW_BUSY;
}
