/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/facts.h"

#include <errno.h>

#include "inspect/common.h"

#define FACT(name, text) text,
static const char *const status_text[] = { FACTS_STATUS(FACT) };
static const char *const property_text[] = { FACTS_PROPERTIES(FACT) };
#undef FACT
static const char *const container_text[] = { "plain", "gzip", "bzip2", "xz", "zstd" };

/* A cursor: once something is not as it must be, it is lost and stays so. */
struct reader {
        struct slice rest;
        bool lost;
};

/* Takes `word` off the front; false, and nothing is taken, when it is not there. */
static bool take(struct reader *rd, const char *word) {
        struct slice s = slice_of(word);

        if (rd->lost || !slice_starts(rd->rest, s))
                return false;
        rd->rest = slice_from(rd->rest, s.len);
        return true;
}

static void need(struct reader *rd, const char *word) {
        if (!take(rd, word))
                rd->lost = true;
}

static uint64_t number(struct reader *rd, const char *after) {
        uint64_t v = 0;
        size_t n = 0;

        while (n < rd->rest.len && n < 20 && rd->rest.at[n] >= '0' && rd->rest.at[n] <= '9')
                n++;
        if (rd->lost || slice_parse_u64(slice_upto(rd->rest, n), &v) < 0) {
                rd->lost = true;
                return 0;
        }
        rd->rest = slice_from(rd->rest, n);
        need(rd, after);
        return v;
}

static bool flag(struct reader *rd, const char *after) {
        uint64_t v = number(rd, after);

        rd->lost |= v > 1;
        return v == 1;
}

static size_t one_of(struct reader *rd, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct reader was = *rd;

                if (take(rd, words[i]) && (take(rd, "\n") || take(rd, " ")))
                        return i;
                *rd = was;
        }
        rd->lost = true;
        return 0;
}

static struct slice blob(struct reader *rd, uint64_t most) {
        uint64_t n = number(rd, "\n");
        struct slice s;

        if (rd->lost || n > most || n > rd->rest.len) {
                rd->lost = true;
                return (struct slice){ 0 };
        }
        s = slice_upto(rd->rest, (size_t) n);
        rd->rest = slice_from(rd->rest, (size_t) n);
        need(rd, "\n");
        return s;
}

int facts_parse(struct slice text, size_t n_watch, struct facts *ret) {
        struct reader rd = { .rest = text };
        struct facts f = { .n_watch = n_watch };

        need(&rd, FACTS_MAGIC);
        need(&rd, "container ");
        f.container = (enum facts_container) one_of(&rd, container_text, FACTS_CONTAINER_MAX_);
        need(&rd, "status ");
        f.status = (enum facts_status) one_of(&rd, status_text, FACTS_S_MAX_);
        need(&rd, "entries ");
        f.entries = number(&rd, "\n");
        need(&rd, "trailing ");
        f.trailing = flag(&rd, "\n");
        for (size_t seen = 0; take(&rd, "first "); seen++) {
                size_t i = one_of(&rd, property_text, FACTS_P_MAX_);

                if (seen == FACTS_P_MAX_ || f.first[i].index)
                        rd.lost = true;
                f.first[i].index = number(&rd, " ");
                rd.lost |= f.first[i].index == 0;
                f.first[i].name = blob(&rd, FACTS_NAME_MAX);
        }
        for (size_t i = 0; i < n_watch && i < FACTS_WATCH_MAX; i++) {
                struct facts_watch *w = &f.watch[i];

                need(&rd, "watch ");
                rd.lost |= number(&rd, " ") != i;
                w->count = number(&rd, " ");
                w->regular = number(&rd, " ");
                w->odd = flag(&rd, " ");
                w->parent = flag(&rd, " ");
                w->has_content = flag(&rd, " ");
                w->content = blob(&rd, FACTS_CONTENT_MAX);
        }
        if (take(&rd, "raw ")) {
                f.has_raw = true;
                f.raw = blob(&rd, FACTS_CONTENT_MAX);
        }
        need(&rd, "end\n");
        if (rd.lost || rd.rest.len > 0 || n_watch > FACTS_WATCH_MAX)
                return -EBADMSG;
        *ret = f;
        return 0;
}

bool facts_read(const struct inspect_input *in, size_t n_watch, struct facts *ret, struct inspect_result *r) {
        if (facts_parse(in->facts, n_watch, ret) == 0)
                return true;
        *r = (struct inspect_result){ .outcome = INSPECT_FAILED, .reason = SLICE("the upload could not be unpacked") };
        return false;
}

bool facts_refuse_compression(const struct inspect_input *in, const struct facts *f, bool gzip_too,
                              struct inspect_result *r) {
        if (f->container == FACTS_PLAIN || (f->container == FACTS_GZIP && !gzip_too))
                return true;
        inspect_deny(in, r, NULL, SLICE(""), NULL, "the upload is compressed with %s, which is not looked into here",
                     container_text[f->container]);
        return false;
}

void facts_fail(const struct inspect_input *in, const struct facts *f, struct inspect_result *r) {
        static const struct {
                bool policy;
                const char *reason;
        } how[FACTS_S_MAX_] = {
                [FACTS_S_END] = { true, "the archive does not hold what it must" },
                [FACTS_S_HDR] = { false, "the archive is damaged: a block is no tar header" },
                [FACTS_S_NOT_TAR] = { false, "the upload is no tar archive" },
                [FACTS_S_IO] = { false, "the archive is damaged or ends too early" },
                [FACTS_S_GZIP] = { false, "the gzip header is not one that is accepted" },
                [FACTS_S_OUTPUT] = { true, "the archive unpacks to more than is allowed" },
                [FACTS_S_LONG] = { false, "the archive holds an extended header over 1 MiB" },
                [FACTS_S_COUNT] = { true, "the archive holds too many entries or links" },
                [FACTS_S_CONTENT] = { false, "a file that has to be read is too large" },
                [FACTS_S_NONE] = { true, "the upload's compression is not looked into here" },
        };

        inspect_deny(in, r, NULL, SLICE(""), NULL, "%s", how[f->status].reason);
        if (!how[f->status].policy)
                r->outcome = INSPECT_FAILED;
}
