/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs while the package is built: `describe schema` and `describe manual` print what is made from the options table.
 */
#include <stdio.h>
#include <string.h>

#include "policy/describe.h"

int main(int argc, char **argv) {
        struct strbuf out;
        int bad;

        strbuf_init(&out, DESCRIPTION_MAX);
        if (argc == 2 && strcmp(argv[1], "schema") == 0)
                describe_schema(&out);
        else if (argc == 2 && strcmp(argv[1], "manual") == 0)
                describe_manual(&out);
        else
                return 2;
        bad = out.failed || fwrite(out.at, 1, out.len, stdout) != out.len || fflush(stdout) != 0;
        strbuf_free(&out);
        return bad;
}
