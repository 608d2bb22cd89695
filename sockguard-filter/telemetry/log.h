/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TELEMETRY_LOG_H
#define SOCKGUARD_TELEMETRY_LOG_H

#include "base/error.h"
#include "base/strbuf.h"

/*
 * Records: one line each, JSON or text, written whole with one system call, never blocking (chapter 06, 5.2 and 8.6). A
 * record that the reader at the other end has no room for is dropped and counted.
 *
 *         if (log_begin(l, LEVEL_WARN, "upstream unreachable")) {
 *                 log_str(l, "endpoint", endpoint);
 *                 log_end(l);
 *         }
 */

enum level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

enum log_kind {
        LOG_NOWHERE, /* nothing is left to write to (DECISIONS 10) */
        LOG_FILE,    /* regular file, terminal: write(2) */
        LOG_PIPE,    /* at most PIPE_BUF bytes a line, and only when they fit */
        LOG_SOCKET,  /* some stream */
        LOG_JOURNAL, /* the journal's stream: a line may start with its priority */
        LOG_SYSLOG,  /* datagrams to /dev/log */
};

struct log {
        int fd; /* -1 with LOG_NOWHERE */
        enum log_kind kind;
        bool own_fd;             /* closed by log_close() */
        bool torn;               /* LOG_FILE: the last line was written in part */
        bool text;               /* key=value instead of JSON */
        enum level threshold;    /* records below it are not written */
        uint64_t dropped;        /* records lost since the start */
        uint64_t drop_reported;  /* of them, those that a record has told of */
        uint64_t drop_report_at; /* CLOCK_MONOTONIC ns before which no further such record is written */

        /* the record under construction */
        struct strbuf line;
        const char *group; /* text: prefix of keys */
        bool first;        /* JSON: no comma needed */
        bool flat;         /* CR and LF in values are spelled out */
        size_t cap;        /* bytes a value may have besides its own limit; 0: no such cap */
        enum level level;
};

/*
 * Opens `output`: "stderr", "stdout", or a file (absolute, relative to the working directory, or "file:" and either),
 * which is appended to and created with mode 0600. `client` are the descriptors of the client's connection: a standard
 * stream that is the same file as one of them is never written to; syslog takes its place, and if there is none,
 * nothing does. 0, or negative errno with *e filled in when a file cannot be opened.
 */
int log_open(struct log *l, struct slice output, const int *client, size_t n_client, struct error *e);

void log_close(struct log *l);

/*
 * Starts a record with its time, level and message. False, with nothing to end, when the level is below the threshold.
 * log_begin_bare() starts one without these three (the audit stream), whatever the threshold.
 */
bool log_begin(struct log *l, enum level level, const char *msg);
void log_begin_bare(struct log *l);

#define LOG_TEXT_MAX 1024u /* bytes of a text value, unless said otherwise; what is cut ends in an ellipsis */

/* Text from outside: cut, and in records with a message CR and LF written as backslash and letter before any escaping.
 */
void log_str(struct log *l, const char *key, struct slice value);
void log_str_max(struct log *l, const char *key, struct slice value, size_t max);
/* A list of texts: an array in JSON, "[a b]" in text. */
void log_list(struct log *l, const char *key, const struct slice *at, size_t n);
void log_int(struct log *l, const char *key, int64_t value);
void log_u64(struct log *l, const char *key, uint64_t value);
void log_bool(struct log *l, const char *key, bool value);
void log_double(struct log *l, const char *key, double value);
/* Whole microseconds, printed as milliseconds without trailing zeros: 5172 is 5.172. */
void log_micros_as_ms(struct log *l, const char *key, uint64_t micros);
/* The time of writing as RFC 3339 with nine digits at most: `timestamp` of audit records. */
void log_now(struct log *l, const char *key);

/* One level of nesting: {"key":{...}} in JSON, key.member=... in text. */
void log_group(struct log *l, const char *key);
void log_group_end(struct log *l);

/* Members of a JSON array of objects: audit records only. */
void log_array(struct log *l, const char *key);
void log_array_end(struct log *l);
void log_object(struct log *l);
void log_object_end(struct log *l);

/* Writes the line. False, and nothing written, when it is longer than a pipe takes at once or than memory allows: build
 * it again with a lower l->cap. */
bool log_end(struct log *l);

#endif
