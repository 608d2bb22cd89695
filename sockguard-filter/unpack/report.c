/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "unpack/walk.h"

/* Writing without stdio: after the sandbox closes there is write(2) and nothing else. */
struct out {
        int fd, error;
        size_t n;
        char buffer[8192];
};

static void out_flush(struct out *o) {
        for (size_t done = 0; done < o->n && !o->error;) {
                ssize_t r = write(o->fd, o->buffer + done, o->n - done);

                if (r > 0)
                        done += (size_t) r;
                else if (r == 0 || errno != EINTR)
                        o->error = r == 0 ? -EIO : -errno;
        }
        o->n = 0;
}

static void out_bytes(struct out *o, struct slice s) {
        while (s.len > 0 && !o->error) {
                size_t m = sizeof(o->buffer) - o->n < s.len ? sizeof(o->buffer) - o->n : s.len;

                memcpy(o->buffer + o->n, s.at, m);
                o->n += m;
                s = slice_from(s, m);
                if (o->n == sizeof(o->buffer))
                        out_flush(o);
        }
}

static void out_word(struct out *o, const char *word) {
        out_bytes(o, slice_of(word));
}

static void out_number(struct out *o, uint64_t v, char after) {
        char digits[21];
        size_t at = sizeof(digits);

        digits[--at] = after;
        do
                digits[--at] = (char) ('0' + v % 10);
        while (v /= 10);
        out_bytes(o, slice_make(digits + at, sizeof(digits) - at));
}

/* A size, the end of the line, the bytes, and an end of line of their own. */
static void out_blob(struct out *o, struct slice s) {
        out_number(o, s.len, '\n');
        out_bytes(o, s);
        out_word(o, "\n");
}

#define FACT(name, text) text,
static const char *const status_text[] = { FACTS_STATUS(FACT) };
static const char *const property_text[] = { FACTS_PROPERTIES(FACT) };
#undef FACT
static const char *const kind_text[] = { "plain", "gzip", "bzip2", "xz", "zstd" };

int walk_report(const struct walk *w, int fd) {
        static struct out o;

        o = (struct out){ .fd = fd };
        out_word(&o, FACTS_MAGIC);
        out_word(&o, "container ");
        out_word(&o, kind_text[w->kind]);
        out_word(&o, "\nstatus ");
        out_word(&o, status_text[w->status]);
        out_word(&o, "\nentries ");
        out_number(&o, w->entries, '\n');
        out_word(&o, w->trailing ? "trailing 1\n" : "trailing 0\n");
        for (size_t i = 0; i < FACTS_P_MAX_; i++) {
                const struct walk_first *f = &w->first[i];

                if (!f->index)
                        continue;
                out_word(&o, "first ");
                out_word(&o, property_text[i]);
                out_word(&o, " ");
                out_number(&o, f->index, ' ');
                out_blob(&o, slice_make(f->name, f->length));
        }
        for (size_t i = 0; i < w->request->n_watch; i++) {
                const struct walk_watch *watch = &w->watch[i];

                out_word(&o, "watch ");
                out_number(&o, i, ' ');
                out_number(&o, watch->count, ' ');
                out_number(&o, watch->regular, ' ');
                out_word(&o, watch->odd ? "1 " : "0 ");
                out_word(&o, watch->parent ? "1 " : "0 ");
                out_word(&o, watch->has_content ? "1 " : "0 ");
                out_blob(&o, slice_make(watch->content, watch->length));
        }
        if (w->raw.len > 0) {
                out_word(&o, "raw ");
                out_blob(&o, w->raw);
        }
        out_word(&o, "end\n");
        out_flush(&o);
        return o.error;
}
