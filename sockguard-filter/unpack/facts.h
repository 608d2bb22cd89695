/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_UNPACK_FACTS_H
#define SOCKGUARD_UNPACK_FACTS_H

#include <stdint.h>

/*
 * What sockguard-unpack says about an upload. It states facts; whether they are allowed is decided by the filter. The
 * text on its standard output, every line ended by LF, numbers decimal, sizes of byte strings in front of them:
 *
 *         sockguard-facts 1
 *         container KIND                     plain gzip bzip2 xz zstd
 *         status HOW                         how the walk over the entries ended: FACTS_STATUS below
 *         entries N                          entries seen
 *         trailing 0|1                       something else than zero bytes follows the end marker
 *         first PROPERTY INDEX LEN           once a property that was seen, with the first entry that has it (counted
 * from 1) <LEN bytes: its name, shortened> watch I COUNT REGULAR ODD PARENT CONTENT LEN    once a watched name, in the
 * order of the arguments <LEN bytes: content of the first regular entry; 0 when CONTENT is 0> raw LEN only when asked
 * for, the body is no archive and not longer than the content limit <LEN bytes> end
 *
 * The order of lines is this one. A reader refuses anything else, and whatever is missing `end` was cut short.
 */

#define FACTS_MAGIC "sockguard-facts 1\n"
#define FACTS_WATCH_MAX 6u
#define FACTS_CONTENT_MAX \
        (1024u * 1024)      /* bytes of one watched entry; the default and the most that can be asked for */
#define FACTS_NAME_MAX 256u /* bytes of an entry's name that are reported */
#define FACTS_MAX ((FACTS_WATCH_MAX + 1) * FACTS_CONTENT_MAX + 16384u)

/* FACT(name, text): how the walk ended. */
#define FACTS_STATUS(FACT) \
        FACT(END, "end")         /* end marker, or the end of the body between two entries */ \
        FACT(HDR, "header")      /* a block that is no header */ \
        FACT(NOT_TAR, "nottar")  /* the same, on the very first block */ \
        FACT(IO, "truncated")    /* ends inside something, or damaged compression */ \
        FACT(GZIP, "gzipheader") /* gzip by its magic, but with a header that is refused */ \
        FACT(OUTPUT, "output")   /* more gzip output than allowed */ \
        FACT(LONG, "special")    /* an extended header over 1 MiB */ \
        FACT(COUNT, "count")     /* more entries or links than are followed */ \
        FACT(CONTENT, "content") /* a watched entry is over the content limit */ \
        FACT(NONE, "none")       /* not walked: a compression that is not read */

/* FACT(name, text): what an entry may be that somebody may not want. */
#define FACTS_PROPERTIES(FACT) \
        FACT(NAME_ESCAPES, "nameescapes")       /* empty, absolute, or leaves the root by ".." */ \
        FACT(NAME_CONTROL, "namecontrol")       /* NUL or another control byte */ \
        FACT(NAME_BLANK, "nameblank")           /* begins or ends with white space */ \
        FACT(SETID, "setid")                    /* set-uid or set-gid bit, whatever its type */ \
        FACT(DEVICE, "device")                  /* character or block device */ \
        FACT(SYMLINK_ESCAPES, "symlinkescapes") /* target absolute or outside the root, read lexically */ \
        FACT(HARDLINK_ESCAPES, "hardlinkescapes") \
        FACT(THROUGH_LINK, \
             "throughlink") /* its path, or its link's target, passes through a symbolic link of the archive */ \
        FACT(CAPABILITY, "capability") /* security.capability attribute */

#define FACT(name, text) FACTS_S_##name,
enum facts_status { FACTS_STATUS(FACT) FACTS_S_MAX_ };
#undef FACT
#define FACT(name, text) FACTS_P_##name,
enum facts_property { FACTS_PROPERTIES(FACT) FACTS_P_MAX_ };
#undef FACT

#endif
