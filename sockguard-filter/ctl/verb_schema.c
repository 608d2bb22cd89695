/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ctl/verb.h"
#include "policy/describe.h"

static int run(const struct verb_args *args) {
        struct strbuf out;
        int r = 0;

        (void) args;
        strbuf_init(&out, DESCRIPTION_MAX);
        describe_schema(&out);
        if (out.failed)
                r = verb_fail("the schema could not be written: out of memory");
        else
                fwrite(out.at, 1, out.len, stdout);
        strbuf_free(&out);
        return r;
}

const struct verb verb_schema = { .name = "schema",
                                  .summary = "print the JSON schema of the configuration, for editors",
                                  .run = run };
