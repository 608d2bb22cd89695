/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_RESPONSE_REDACT_H
#define SOCKGUARD_RESPONSE_REDACT_H

#include "base/json.h"
#include "base/strbuf.h"

/*
 * Redaction (chapter 05, 4.4 to 4.9) as data: which answers are looked at, and what happens to which member. The rows
 * are in redact_rows.c, redact.c walks them. A walk copies the original text and puts something else in the place of a
 * value, so members that no row names stay as they are to the byte, numbers included.
 */

/* What the operator asked for; the bits of a row say which of these switch it on. */
enum redact_toggle {
        REDACT_ENV = 1 << 0,       /* response.redact_container_env */
        REDACT_MOUNTS = 1 << 1,    /* response.redact_mount_paths */
        REDACT_NETWORK = 1 << 2,   /* response.redact_network_topology */
        REDACT_SENSITIVE = 1 << 3, /* response.redact_sensitive_data */
        REDACT_HOST = 1 << 4,      /* response.redact_host_topology */
        REDACT_EXTENDED = 1 << 5,  /* response.redact_extended: rows marked so need it besides one of the others */
};

enum redact_op {
        REDACT_STR,      /* not absent, not null: the text <redacted> */
        REDACT_NUM,      /* a number: 0 */
        REDACT_ARR,      /* an array: [] */
        REDACT_ANY,      /* text, array or object: emptied after its kind; other kinds stay */
        REDACT_SET_ARR,  /* [] whatever was there, even nothing */
        REDACT_LIST,     /* absent or null stays, else must be an array: [] */
        REDACT_OBJ,      /* absent or null stays, else must be an object: {} */
        REDACT_INTO,     /* absent or null stays, else must be an object: `inside` applies to it */
        REDACT_EACH,     /* absent or null stays, else must be an array of objects: `inside` applies to each */
        REDACT_SOME,     /* an array: `inside` applies to the objects in it; all else stays */
        REDACT_MAP,      /* absent or null stays, else must be an object of objects: `inside` applies to each */
        REDACT_MAP_EACH, /* absent or null stays, else must be an object of arrays (or nulls) of objects */
        REDACT_BINDS,    /* absent or null stays, else must be an array of bind texts: sensitive sources go (4.5) */
        REDACT_ENVS,     /* absent or null stays, else must be an array of NAME=value: the values go */
};

struct redact_step {
        const char *name; /* of the member, byte-exact; NULL ends the list */
        uint8_t op;       /* enum redact_op */
        uint8_t when;     /* any of these toggles; with REDACT_EXTENDED among them, that one too */
        uint8_t name_len;
        const struct redact_step *inside;
};

enum redact_shape {
        REDACT_OBJECT,
        REDACT_ARRAY,  /* of objects or nulls */
        REDACT_EITHER, /* libpod, whose versions differ: an array, or one object that `alone` is for */
};

/* One kind of answer. */
struct redact_row {
        const char *pattern; /* normalised path: "{}" is one or more segments, "{1}" exactly one */
        uint8_t shape;       /* enum redact_shape */
        uint8_t when;
        bool reads; /* only answers to GET: for other methods the pattern takes a call's name for part of an identifier
                     */
        const struct redact_step *steps, *alone;
};

/* Is a row or a step with these bits switched on? */
static inline bool redact_active(uint8_t when, unsigned toggles) {
        unsigned any = when & ~(unsigned) REDACT_EXTENDED & toggles;

        return any && (!(when & REDACT_EXTENDED) || (toggles & REDACT_EXTENDED));
}

/* The row for answers to requests for this path that the toggles switch on, or NULL. `read`: the method is GET. */
const struct redact_row *redact_find(struct slice path, bool read, unsigned toggles);

/* The rows themselves, ended by a NULL pattern: for tests and fuzzing. */
extern const struct redact_row redact_rows[];

/*
 * Appends the redacted form of `value`, whose text passed json_validate(), to `out`. An object is walked; null is
 * copied. 0; -EBADMSG: a member that must be redacted is not of the kind it has to be, or the value is neither object
 * nor null
 * (*ret_why is a static text); -ENOBUFS: `out` is full.
 */
int redact_value(const struct redact_step *steps, unsigned toggles, struct json_value value, struct arena *scratch,
                 struct strbuf *out, const char **ret_why);

#endif
