/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "ctl/verb.h"

#define COMPILER "cc " __VERSION__

enum { FLAG_OUTPUT };

static const struct verb_flag flags[] = {
        [FLAG_OUTPUT] = { .name = "output", .letter = 'o', .value = "FORMAT", .help = "text (default) or json" },
};

static int run(const struct verb_args *args) {
        const char *output = args->value[FLAG_OUTPUT] ? args->value[FLAG_OUTPUT] : "text";
        struct strbuf line;

        if (strcmp(output, "text") == 0) {
                printf("  sockguard %s\n  commit  %.7s\n  built   %s\n  go      %s\n", PACKAGE_VERSION,
                       SOCKGUARD_COMMIT, SOCKGUARD_BUILT, COMPILER);
                return 0;
        }
        if (strcmp(output, "json") != 0)
                return verb_fail("--output must be text or json, not \"%s\"", output);
        strbuf_init(&line, 4096);
        strbuf_adds(&line, "{\"version\":");
        strbuf_add_json(&line, slice_of(PACKAGE_VERSION), JSON_ESCAPE_HTML);
        strbuf_adds(&line, ",\"commit\":");
        strbuf_add_json(&line, slice_of(SOCKGUARD_COMMIT), JSON_ESCAPE_HTML);
        strbuf_adds(&line, ",\"built\":");
        strbuf_add_json(&line, slice_of(SOCKGUARD_BUILT), JSON_ESCAPE_HTML);
        strbuf_adds(&line, ",\"go\":");
        strbuf_add_json(&line, slice_of(COMPILER), JSON_ESCAPE_HTML);
        strbuf_adds(&line, "}\n");
        fwrite(line.at, 1, line.len, stdout);
        strbuf_free(&line);
        return 0;
}

const struct verb verb_version = { .name = "version", .summary = "print the version", VERB_FLAGS(flags), .run = run };
