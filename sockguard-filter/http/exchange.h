/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_HTTP_EXCHANGE_H
#define SOCKGUARD_HTTP_EXCHANGE_H

#include <sys/types.h>

#include "base/arena.h"
#include "http/head.h"
#include "http/reason.h"
#include "http/target.h"
#include "policy/image.h"

/*
 * One request and everything that is known about it: what the stages of the pipeline read and write. A stage is
 *
 *         enum stage_result stage_x(struct exchange *x);
 *
 * It returns STAGE_NEXT, or fills in x->verdict (through exchange_deny() or exchange_answer()) and returns
 * STAGE_ANSWER, after which no further stage runs. The table of stages is filter/pipeline.c.
 */

enum stage_result {
        STAGE_NEXT,
        STAGE_ANSWER, /* the verdict is the answer: send it */
        STAGE_DONE,   /* the stage has answered the client itself (relay, companion) */
};

enum decision {
        DECISION_NONE, /* no policy stage judged it: health, metrics, parser refusals */
        DECISION_ALLOW,
        DECISION_DENY,
        DECISION_WOULD_DENY,
};

/* What the refusing answer's body looks like. */
enum answer_body {
        ANSWER_POLICY,   /* the fixed text; method, path and reason too when verbose (chapter 02, 7.4) */
        ANSWER_MESSAGE,  /* {"message": reason} whatever the verbosity */
        ANSWER_THROTTLE, /* {"reason": code[, "retry_after_seconds": n]} */
        ANSWER_JSON,     /* `body` as it is, application/json */
};

struct verdict {
        enum decision decision;
        int rule; /* 0-based; -1 none matched; 0 also when no rule was asked */
        enum reason_code code;
        struct slice reason; /* for a person; arena or static */
        int status;          /* of our own answer, 0 when relayed */
        enum answer_body body_kind;
        struct slice body;         /* ANSWER_JSON */
        const char *content_type;  /* of our own answer; NULL: application/json */
        uint64_t retry_after;      /* seconds, 0 none */
        const char *allow_methods; /* Allow field of a 405 */
        /* For `explain` and --dry-run; empty when it does not apply. */
        struct slice pointer; /* JSON pointer of the field, or "?name" for a query parameter, or a header's name */
        struct slice value;   /* the offending value, shortened; never of a secret */
        const char *option;   /* the key that would allow it, e.g. "request_body.exec.allow_privileged" */
        const char *stage;
};

enum peer_kind { PEER_PIPE, PEER_UNIX, PEER_TCP };

/* A verified client certificate, as sockguard-tls hands it over. */
struct peer_certificate {
        struct slice common_name;
        struct slice *dns_names, *uri_sans;
        size_t n_dns_names, n_uri_sans;
        uint8_t (*ip_addresses)[16]; /* IPv4 as v4-mapped */
        size_t n_ip_addresses;
        char spki_sha256[65]; /* lower-case hex */
};

/* Who is at the other end: captured once a connection, by the kernel's word, never by the client's. */
struct peer {
        enum peer_kind kind;
        int cred_error; /* PEER_UNIX: 0, or the errno of SO_PEERCRED */
        uid_t uid;
        gid_t gid;
        pid_t pid;     /* at connect time; 0 when it is outside our pid namespace */
        int pidfd;     /* of that process, -1 when the kernel gives none; the connection's */
        bool pid_gone; /* that process has ended already: `pid` may be somebody else's by now */
        bool has_ip;
        uint8_t ip[16]; /* IPv6, or v4-mapped IPv4 */
        bool ip_is_v4;  /* after unmapping */
        bool ip_has_zone;
        uint16_t port;
        char text[80]; /* log field `client` */
        bool tls;
        const struct peer_certificate *certificate; /* NULL: none */
};

/* Answer of the daemon to a question of our own. */
struct lookup {
        int status;
        struct slice body; /* arena */
};

#define LOOKUP_LIMIT (8u * 1024 * 1024)

/* The resource-limit guard's record (chapter 06, 5.3, fields 17-24). All texts static; NULL when absent. */
struct resource_record {
        bool evaluated;
        const char *kind, *operation, *source, *requirements, *result, *violation;
        bool state_lookup;
};

/* One evaluated mutation rule (chapter 03, 3.4). */
struct mutation_entry {
        struct slice id;
        const char *type, *mode, *outcome;
};

struct mutation_record {
        struct mutation_entry *entries;
        size_t n;
        bool changed;
        bool warn_rule; /* a warn-mode rule was evaluated: the access record is WARN */
};

struct trace_context {
        char trace_id[33], span_id[17], parent_id[17],
                flags[3]; /* NUL-terminated hex; parent_id "" when none was inherited */
        bool inherited;   /* incoming traceparent was valid: tracestate passes */
        bool sampled;
};

struct exchange;
struct response_filter;

/* What the filter (or the explain command, or a test) provides to the stages. */
struct exchange_ops {
        /*
         * GET `path_and_query` on the active daemon, on our behalf: no client headers, no version prefix added,
         * redirects not followed, 10 s in all, body at most `limit` bytes. 0 with *ret filled in whatever the status;
         * -EFBIG body over the limit; -ETIMEDOUT; other negative errno.
         */
        int (*lookup)(struct exchange *x, struct slice path_and_query, size_t limit, struct lookup *ret);

        /*
         * Reads the whole request body into memory (x->body), sending 100 Continue if asked for; a second call returns
         * the same bytes. Deadline 30 s from the start of inspection. 0; -EFBIG more than `limit` bytes declared or
         * received (what was read stays and can still be relayed); -EBADMSG broken chunk framing; -EPIPE the client
         * ended early; -ETIMEDOUT.
         */
        int (*body_buffer)(struct exchange *x, size_t limit);

        /*
         * `body`, somewhere in the arena, takes the place of what body_buffer() read; x->body is then a copy of it, and
         * the old bytes are gone. NULL: x->body stays in the arena.
         */
        void (*body_replace)(struct exchange *x, struct slice body);

        /*
         * As body_buffer(), into an unlinked file: *ret_fd is at offset 0 and owned by the exchange. For archives.
         */
        int (*body_spool)(struct exchange *x, uint64_t limit, int *ret_fd, uint64_t *ret_size);

        /*
         * Writes one record at level ERROR with the fields `error`, `method` and `path`: a check could not do its work.
         * NULL: nowhere.
         */
        void (*log_error)(struct exchange *x, const char *event, struct slice error);

        /* Writes one record at level WARN with `image_ref`, `error` and `elapsed_ms`: image_trust only warns. NULL:
         * nowhere. */
        void (*log_unverified)(struct exchange *x, struct slice image, struct slice error);

        /* Runs sockguard-unpack on the spooled body; NULL in tests (inspect/archive.h). */
        int (*unpack)(struct exchange *x, int fd, const char *const *argv, struct slice *ret_facts);
};

/* Which container the caller was at its last request; kept by the connection, looked at again at every request. */
struct caller_memo {
        size_t len; /* 0: not known */
        char id[128];
};

enum body_state {
        BODY_UNREAD,   /* nothing taken from the wire yet (beyond what is in the receive buffer) */
        BODY_BUFFERED, /* complete, in x->body */
        BODY_SPOOLED,  /* complete, in x->spool_fd */
        BODY_PARTIAL,  /* over a limit or broken: x->body holds what was read */
        BODY_NONE,     /* the request has none */
};

struct exchange {
        /* fixed for the connection */
        const struct peer *peer;
        struct slice listener_name; /* "default" unless named; empty: unknown */
        bool listener_is_tcp;
        struct caller_memo *caller; /* identity/labels.c; NULL: resolve the caller anew at every request */
        struct state *state; /* shared with the companion and the other filters (limits/state.h); NULL: none (tests) */
        struct telemetry *telemetry; /* where records of stages go (telemetry/access.h); NULL: nowhere */
        const struct exchange_ops *ops;
        void *ops_arg; /* of whoever implements ops */

        /* fixed for the request */
        const struct policy *policy; /* judged by this one from beginning to end */
        struct arena *arena;
        uint64_t started_ns; /* CLOCK_MONOTONIC */
        struct http_head head;
        struct http_target target;
        struct http_query query; /* parsed view of target.query */
        bool query_parsed;
        enum reason_code
                target_refused; /* http_target_parse() said -EACCES: denied by stage_rules, whatever the rules allow */
        char request_id[33];
        struct trace_context trace;
        struct slice client_request_id;

        /* chosen by client admission */
        uint32_t scope; /* POLICY_SCOPE_ROOT or a profile's */
        bool profile_selected;
        bool profile_unresolved;
        struct slice profile;
        enum rollout_mode mode;

        /* written by the stages */
        struct verdict verdict;
        bool normalized_computed; /* some stage looked at the normalised path: it is logged */
        struct resource_record resource;
        struct mutation_record mutation;
        uint32_t kube_documents; /* YAML documents of a Kubernetes body that passed unread; 0: none */
        enum reason_code throttle_would_deny;
        bool holds_global, holds_profile; /* what limits_give_back() has to give back */
        uint64_t turn;                    /* ... and limits_take_turn(); 0: none */

        /* the request body */
        enum body_state body_state;
        struct slice body;
        bool body_changed; /* rewritten: goes upstream with a new Content-Length */
        bool body_has_broken_framing;
        int spool_fd; /* -1 none */
        uint64_t spool_size;
        const struct slice *used_images; /* that the Dockerfile of a build names, for the ownership stage */
        size_t n_used_images;
        bool query_changed;     /* x->query was edited: re-encoded on the way to the daemon */
        bool drop_content_type; /* chapter 05, 0.2: empty form body */

        struct response_filter *response_filter; /* response/filter.h; NULL: the answer is relayed as it is */

        /* the answer, for the log */
        int status;
        uint64_t response_bytes;
        bool aborted;
        bool hijacked;
        struct slice upstream_error; /* why the daemon could not be asked; empty when it could */
};

/*
 * A check refuses the request. When the reason is one that rollout modes soften and the selected profile is in warn or
 * audit, the decision becomes would_deny and the result is STAGE_NEXT; otherwise deny, `status`, and STAGE_ANSWER.
 * `kind` says what the body looks like. The reason is formatted into the arena.
 */
enum stage_result exchange_deny(struct exchange *x, enum reason_code code, int status, enum answer_body kind,
                                const char *reason_format, ...) __attribute__((format(printf, 5, 6)));

/* The request's body is another one from here on: it goes upstream with a Content-Length of its own. `body` is in the
 * arena. */
void exchange_replace_body(struct exchange *x, struct slice body);

/*
 * Did the connection come through the dedicated admin listener? Its name is reserved: no main listener can have it
 * (chapter 01, 3.3). Such requests have a pipeline of their own.
 */
static inline bool exchange_is_admin(const struct exchange *x) {
        return slice_eq(x->listener_name, SLICE("admin"));
}

/* The parsed query, parsed at the first call. */
struct http_query *exchange_query(struct exchange *x);

static inline const struct opt_request_body *exchange_request_body(const struct exchange *x) {
        return policy_request_body(x->policy, x->scope);
}

/* Case-insensitive "is it this method", on a method that the parser already proved to be upper-case. */
static inline bool exchange_is(const struct exchange *x, enum http_method m) {
        return x->head.method == m;
}

/* ---- the stages, in the order of chapter 02, 1.2; each in its room ---- */
enum stage_result stage_target(struct exchange *x);    /* filter/: normalisation, form bodies, malformed API versions */
enum stage_result stage_admission(struct exchange *x); /* identity/admission.c: source addresses (6a) */
enum stage_result stage_profile(struct exchange *x);   /* identity/profile.c: which policy (6b) */
enum stage_result stage_labels(struct exchange *x);    /* identity/labels.c: the calling container's labels (6c) */
enum stage_result stage_listener(struct exchange *x);  /* identity/listener.c: is the profile admitted here (7) */
enum stage_result stage_local(struct exchange *x);     /* filter/local.c: metrics, readiness, health (8-10) */
enum stage_result stage_limits(struct exchange *x);    /* limits/stage.c: bucket, priority gate, cap (11) */
enum stage_result stage_admin(struct exchange *x);     /* filter/local.c: in-band admin (12) */
enum stage_result stage_admin_admission(struct exchange *x); /* filter/local.c: addresses, on the dedicated listener */
enum stage_result stage_admin_listener(struct exchange *x);  /* filter/local.c: all that the dedicated listener has */
enum stage_result stage_rules(struct exchange *x);           /* filter/rules.c: 13a, 13b */
enum stage_result stage_inspect(struct exchange *x);         /* inspect/dispatch.c: 13c */
enum stage_result stage_visibility(struct exchange *x);      /* identity/visibility.c: 14 */
enum stage_result stage_ownership(struct exchange *x);       /* identity/ownership.c: 15 */
enum stage_result stage_guard(struct exchange *x);           /* inspect/guard.c: 16 */
enum stage_result stage_response(
        struct exchange *x); /* response/filter.c: attestation gate; chooses the response filter */

/*
 * Called once the answer is with the client: did an update that stage_guard allowed leave the limits in force that it
 * was judged by? inspect/guard.c.
 */
void guard_after(struct exchange *x);

/*
 * From here until limits_release() no other filter of the same shared state gets past this call with the same key; one
 * that has is waited for, at most `wait_ns`. False: there is no shared state, or it took too long. limits/stage.c.
 */
bool limits_take_turn(struct exchange *x, struct slice key, uint64_t wait_ns);

/*
 * Gives back the places that stage_limits took. Before the last byte of an answer where that can be told: a client that
 * asks again the moment it has been answered must not find its own former request in the way. May be called again.
 */
void limits_give_back(struct exchange *x);

/* The same, and the turn of limits_take_turn(); called once when the exchange ends, however it ends. */
void limits_release(struct exchange *x);

#endif
