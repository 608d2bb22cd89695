/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_INSPECT_H
#define SOCKGUARD_INSPECT_INSPECT_H

#include "base/json.h"
#include "http/exchange.h"

/*
 * Body inspectors. Each is one row of the table in inspect/dispatch.c and one pure function: from what is known of the
 * request to a verdict, no I/O, so that it is tested and fuzzed without a socket. What it needs from outside (the
 * daemon's answer to a lookup, facts about an archive) is fetched by the dispatcher beforehand, because its row says
 * so.
 */

enum inspect_outcome {
        INSPECT_PASS,
        INSPECT_DENY,   /* 403 request_body_policy_denied */
        INSPECT_FAILED, /* 403 request_body_inspection_failed */
        INSPECT_LARGE,  /* 413 request_body_too_large */
        INSPECT_OTHER,  /* status and code in the result (mutation) */
};

#define INSPECT_HOST_NETWORKS 2u

struct inspect_input {
        const struct policy *policy;
        const struct opt_request_body *options; /* of the effective scope */
        bool blind_writes;                      /* insecure_allow_body_blind_writes */
        enum http_method method;
        struct slice path;    /* normalised */
        struct slice version; /* API version prefix as sent, "/v1.41" or "" */
        const struct http_query *query;
        const struct http_head *head;       /* fields that Connection names are marked hop and do not count */
        struct slice body;                  /* complete; empty when the row does not read it */
        struct json_value json;             /* root of the validated body, when the row says JSON and it is not empty */
        const struct lookup *lookup;        /* when the row has a lookup */
        const struct lookup *host_networks; /* when the row needs them: what the daemon says of its network "host" */
        struct slice facts;                 /* when the row has facts: sockguard-unpack's answer */
        struct arena *arena;
        /*
         * Does this clean absolute host path, symbolic links followed, stay within the list? `require`: what cannot be
         * resolved here does not. NULL where no file system may be asked (tests, another host's daemon): then every
         * path does.
         */
        bool (*resolves_within)(const struct inspect_input *in, struct slice path, struct plist list, bool require);
};

struct inspect_result {
        enum inspect_outcome outcome;
        int status;            /* INSPECT_OTHER */
        enum reason_code code; /* INSPECT_OTHER */
        struct slice reason;   /* one sentence, without values or ids of secrets */
        struct slice pointer;  /* JSON pointer, "?parameter" or header name */
        struct slice value;
        const char *option;    /* key that would allow it */
        struct slice new_body; /* set when the body is to be replaced */
        bool has_new_body;
        struct slice
                *images; /* that a build uses, at most INSPECT_IMAGES_MAX: the ownership stage asks whose they are */
        size_t n_images;
        uint32_t documents;      /* of Kubernetes YAML that passes unread: for the log */
        struct slice unverified; /* INSPECT_PASS: an image that image_trust in mode warn lets pass */
};

#define INSPECT_IMAGES_MAX 128u

/* Fills in *r for a denial and returns it; `option` and `pointer` may be NULL. */
void inspect_deny(const struct inspect_input *in, struct inspect_result *r, const char *pointer, struct slice value,
                  const char *option, const char *reason_format, ...) __attribute__((format(printf, 6, 7)));

enum inspect_media {
        INSPECT_NO_BODY, /* query and headers only; the body streams through */
        INSPECT_JSON,    /* buffered, validated, in->json */
        INSPECT_RAW,     /* buffered, not parsed */
        INSPECT_ARCHIVE, /* spooled, judged from facts */
};

/* Rows of a family end with one whose pattern is NULL. */
struct inspector {
        enum http_method method;
        const char
                *pattern; /* normalised path: "{}" is one or more non-empty segments, "{1}" exactly one, else literal */
        enum inspect_media media;
        uint64_t limit; /* bytes; over it: 413 */
        void (*inspect)(const struct inspect_input *in, struct inspect_result *ret);
        /* Optional: runs before any body access (target checks, header checks that win over 413). */
        void (*precheck)(const struct inspect_input *in, struct inspect_result *ret);
        /* Optional: the lookup to make first; returns false when none is needed. */
        bool (*lookup)(const struct inspect_input *in, struct slice *ret_path_and_query);
        /* Optional: does the verdict hang on which network is the host's own? */
        bool (*needs_host_networks)(const struct inspect_input *in);
        /* INSPECT_ARCHIVE: arguments for sockguard-unpack; false: the body need not be looked at (it streams through).
         */
        bool (*unpack_arguments)(const struct inspect_input *in, const char **argv, size_t room);
        bool refuse_large; /* 413 in every mode (chapter 03, 1.2); others stream on in warn and audit */
        const char *name;
};

/* Each family exports its rows; dispatch.c concatenates them. */
extern const struct inspector inspect_container_rows[], inspect_exec_rows[], inspect_archive_rows[],
        inspect_image_rows[], inspect_build_rows[], inspect_volume_rows[], inspect_network_rows[],
        inspect_secret_rows[], inspect_service_rows[], inspect_swarm_rows[], inspect_node_rows[], inspect_plugin_rows[],
        inspect_libpod_rows[], inspect_buildkit_rows[];

/* The row for a request, or NULL. First match in table order. */
const struct inspector *inspect_find(enum http_method method, struct slice path);

/* Does the normalised path match a row's pattern? */
bool inspect_path_matches(const char *pattern, struct slice path);

/*
 * Everything a row does once its inputs are there, without I/O: precheck, validation of a JSON body into in->json, the
 * check. What tests and fuzz targets call.
 */
void inspect_run(const struct inspector *row, struct inspect_input *in, struct inspect_result *ret);

/*
 * Admission mutations (inspect/mutation.c, chapter 03, section 3). The surface of a request, 0 when none has rules that
 * touch it. inspect_mutate() validates in->body by the rules of mutation and applies the rules to it: INSPECT_PASS,
 * with has_new_body when an enforce rule changed something, or INSPECT_OTHER. *ret_record is filled in on
 * INSPECT_PASS; its entries are the caller's, as many as inspect_mutation_entries() gives.
 */
enum mutation_surface { MUTATE_NOTHING, MUTATE_CONTAINER_CREATE, MUTATE_SERVICE_CREATE, MUTATE_SERVICE_UPDATE };
enum mutation_surface inspect_mutation_surface(const struct policy *p, enum http_method method, struct slice path);
struct mutation_entry *inspect_mutation_entries(const struct policy *p, struct arena *a);
void inspect_mutate(const struct inspect_input *in, enum mutation_surface surface, struct inspect_result *ret,
                    struct mutation_record *ret_record);

#endif
