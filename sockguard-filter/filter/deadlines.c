/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/deadlines.h"

#include "base/clock.h"

/* Seconds that a client may ask a stop to take; more is as good as this. */
#define EXTRA_MAX_S 86400u

enum {
        ANY_TIME = 1 << 0,  /* exempt */
        IF_FOLLOW = 1 << 1, /* exempt when ?follow is true */
        IF_STREAM = 1 << 2, /* exempt when ?stream is true or absent */
        PLUS_T = 1 << 3,    /* the deadline is longer by ?t seconds */
        HIJACK = 1 << 4,
        UPGRADE = 1 << 5,
};

/*
 * Patterns on the normalised path, a leading /libpod cut off: "{}" is one non-empty segment, "..." at least one byte of
 * anything. Docker's own paths first; those that only Podman has, or that the reference forgot, below.
 */
static const struct {
        enum http_method method;
        const char *path;
        unsigned flags;
} rows[] = {
        { HTTP_GET, "/events", ANY_TIME },
        { HTTP_GET, "/containers/{}/logs", IF_FOLLOW },
        { HTTP_GET, "/containers/{}/stats", IF_STREAM },
        { HTTP_GET, "/containers/{}/export", ANY_TIME },
        { HTTP_GET, "/containers/{}/archive", ANY_TIME },
        { HTTP_GET, "/images/get", ANY_TIME },
        { HTTP_GET, "/images/.../get", ANY_TIME },
        { HTTP_GET, "/containers/.../attach/ws", ANY_TIME | UPGRADE },
        { HTTP_PUT, "/containers/{}/archive", ANY_TIME },
        { HTTP_POST, "/build", ANY_TIME },
        { HTTP_POST, "/images/create", ANY_TIME },
        { HTTP_POST, "/images/load", ANY_TIME },
        { HTTP_POST, "/plugins/create", ANY_TIME },
        { HTTP_POST, "/plugins/pull", ANY_TIME },
        { HTTP_POST, "/images/.../push", ANY_TIME },
        { HTTP_POST, "/plugins/.../push", ANY_TIME },
        { HTTP_POST, "/plugins/.../upgrade", ANY_TIME },
        { HTTP_POST, "/containers/{}/wait", ANY_TIME },
        { HTTP_POST, "/containers/{}/attach", HIJACK | UPGRADE },
        { HTTP_POST, "/exec/{}/start", HIJACK | UPGRADE },

        { HTTP_GET, "/services/{}/logs", IF_FOLLOW },
        { HTTP_GET, "/tasks/{}/logs", IF_FOLLOW },
        { HTTP_GET, "/containers/stats", IF_STREAM },
        { HTTP_GET, "/images/export", ANY_TIME },
        { HTTP_POST, "/images/pull", ANY_TIME },
        { HTTP_POST, "/images/import", ANY_TIME },
        { HTTP_POST, "/play/kube", ANY_TIME },
        { HTTP_POST, "/commit", ANY_TIME },
        { HTTP_POST, "/session", ANY_TIME | UPGRADE },
        { HTTP_POST, "/grpc", ANY_TIME | UPGRADE },
        { HTTP_POST, "/containers/{}/stop", PLUS_T },
        { HTTP_POST, "/containers/{}/restart", PLUS_T },
        { HTTP_POST, "/containers/{}/kill", PLUS_T },
};

static bool path_matches(struct slice pattern, struct slice path) {
        while (pattern.len > 0) {
                if (slice_starts(pattern, SLICE("{}"))) {
                        ssize_t end = slice_find(path, '/');
                        size_t n = end < 0 ? path.len : (size_t) end;

                        if (n == 0)
                                return false;
                        path = slice_from(path, n);
                        pattern = slice_from(pattern, 2);
                } else if (slice_starts(pattern, SLICE("..."))) {
                        /* The last part of a pattern is a suffix: prefix and suffix must not overlap. */
                        pattern = slice_from(pattern, 3);
                        return path.len > pattern.len && slice_ends(path, pattern);
                } else {
                        if (path.len == 0 || path.at[0] != pattern.at[0])
                                return false;
                        path = slice_from(path, 1);
                        pattern = slice_from(pattern, 1);
                }
        }
        return path.len == 0;
}

static bool query_is_true(struct exchange *x, const char *name, bool absent) {
        struct slice value;

        return http_query_get(exchange_query(x), slice_of(name), &value) ? http_query_truth(value) : absent;
}

static uint64_t seconds_asked(struct exchange *x) {
        struct slice value;
        uint64_t t;

        if (!http_query_get(exchange_query(x), SLICE("t"), &value) &&
            !http_query_get(exchange_query(x), SLICE("timeout"), &value))
                return 0;
        if (slice_eq(value, SLICE("-1")))
                return EXTRA_MAX_S; /* "wait for ever" */
        if (slice_parse_u64(value, &t) < 0)
                return 0;
        return t < EXTRA_MAX_S ? t : EXTRA_MAX_S;
}

void relay_kind_of(struct exchange *x, struct relay_kind *ret) {
        struct slice path = x->target.normalized;

        *ret = (struct relay_kind){ 0 };
        if (slice_starts(path, SLICE("/libpod/")))
                path = slice_from(path, sizeof("/libpod") - 1);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                unsigned flags = rows[i].flags;

                if (x->head.method != rows[i].method || !path_matches(slice_of(rows[i].path), path))
                        continue;
                ret->hijack = flags & HIJACK;
                ret->may_upgrade = flags & UPGRADE;
                ret->no_deadline = (flags & ANY_TIME) || ((flags & IF_FOLLOW) && query_is_true(x, "follow", false)) ||
                                   ((flags & IF_STREAM) && query_is_true(x, "stream", true));
                if (flags & PLUS_T)
                        ret->extra_ns = seconds_asked(x) * NSEC_PER_SEC;
                return;
        }
}
