/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/unicode.h"
#include "inspect/dockerfile.h"
#include "inspect/registry.h"

/*
 * The other half of builder/main.go. A Dockerfile: the verdict of the scan, how BuildKit's reading of it ended, the
 * instructions in hex. A reference: the host that a registry policy is asked about, the repository, whether it has a
 * digest.
 */

static void show_hex(struct slice s) {
        for (size_t i = 0; i < s.len; i++)
                printf("%02x", (unsigned) (unsigned char) s.at[i]);
}

static bool show_line(void *arg, struct slice name, struct slice rest) {
        bool *more = arg;

        if (*more)
                putchar(',');
        *more = true;
        show_hex(unicode_trim(slice_make(name.at, (size_t) (rest.at + rest.len - name.at))));
        return true;
}

static void dockerfile(struct slice text, struct arena *a) {
        static const char *const verdicts[] = { "clean", "nul", "frontend", "run", "ambiguous" };
        struct dockerfile_reading readings[DOCKERFILE_READINGS_MAX];
        bool more = false;
        int r;

        printf("%s ", verdicts[dockerfile_scan(text, a)]);
        dockerfile_readings(text, readings);
        r = dockerfile_each(text, &readings[0], a, show_line, &more);
        printf(" %s\n", r == 0 ? "end" : r == -ENODATA ? "open" : "doubt");
}

static void image(struct slice text, struct arena *a) {
        struct image_reference ref;

        if (reference_parse(text, a, &ref) < 0)
                puts("error");
        else
                printf("%.*s %.*s %s\n", SLICE_ARG(ref.registry), SLICE_ARG(ref.repository),
                       ref.digest ? "digest" : "-");
}

int main(int argc, char **argv) {
        bool references = argc > 1 && strcmp(argv[1], "reference") == 0;
        char line[32];

        while (fgets(line, sizeof(line), stdin)) {
                size_t n = strtoul(line, NULL, 10);
                char *text = malloc(n ? n : 1);
                struct arena a;

                if (!text || fread(text, 1, n, stdin) != n)
                        return 1;
                arena_init(&a, 64u << 20, NULL);
                (references ? image : dockerfile)(slice_make(text, n), &a);
                arena_free(&a);
                free(text);
        }
        return 0;
}
