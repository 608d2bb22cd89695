/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

/*
 * Stands in for libFuzzer in `make check`: runs the target over its seeds, and over what is near them: every prefix,
 * and every byte replaced by the ones that parsers trip over. `fuzz-NAME [FILE...]`; without files the seeds are those
 * of $FUZZ_SEEDS/NAME.
 */

#define SEED_MAX (1024 * 1024)
#define NEAR_MAX 2048 /* seeds up to this size are varied as well */

static void run_near(const uint8_t *data, size_t size) {
        static const uint8_t nasty[] = { 0,   '\n', '\r', ' ',  '%', '*',  '/',  '.',
                                         ':', ';',  '"',  '\\', '{', 0x7f, 0x80, 0xff };
        uint8_t *copy = malloc(size ? size : 1);

        if (copy == NULL)
                abort();
        for (size_t n = 0; n < size; n++) {
                /* A buffer of exactly this size, so that a sanitizer sees a read past the end. */
                uint8_t *prefix = malloc(n ? n : 1);

                if (prefix == NULL)
                        abort();
                memcpy(prefix, data, n);
                (void) LLVMFuzzerTestOneInput(prefix, n);
                free(prefix);
        }
        for (size_t i = 0; i < size; i++) {
                for (size_t k = 0; k < sizeof(nasty); k++) {
                        memcpy(copy, data, size);
                        copy[i] = nasty[k];
                        (void) LLVMFuzzerTestOneInput(copy, size);
                }
        }
        free(copy);
}

static int run_file(const char *path) {
        uint8_t *data = malloc(SEED_MAX);
        FILE *f = fopen(path, "rbe");
        size_t n;

        if (data == NULL || f == NULL) {
                perror(path);
                free(data);
                return 1;
        }
        n = fread(data, 1, SEED_MAX, f);
        (void) fclose(f);
        (void) LLVMFuzzerTestOneInput(data, n);
        if (n <= NEAR_MAX)
                run_near(data, n);
        free(data);
        return 0;
}

static int run_seeds(const char *program) {
        const char *seeds = getenv("FUZZ_SEEDS"), *name = strrchr(program, '/');
        unsigned n = 0;
        char path[4096];
        struct dirent *entry;
        DIR *d;

        name = name ? name + 1 : program;
        if (strncmp(name, "fuzz-", 5) == 0)
                name += 5;
        (void) snprintf(path, sizeof(path), "%s/%s", seeds ? seeds : "tests/fuzz/seeds", name);
        d = opendir(path);
        if (d == NULL) {
                perror(path);
                return 1;
        }
        while ((entry = readdir(d)) != NULL) {
                char file[4096 + 300];

                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
                if (run_file(file) != 0)
                        return 1;
                n++;
        }
        (void) closedir(d);
        printf("%s - %s survives its %u seeds and their neighbours\n", n > 0 ? "ok" : "not ok", name, n);
        return n > 0 ? 0 : 1;
}

int main(int argc, char *argv[]) {
        if (argc < 2)
                return run_seeds(argv[0]);
        for (int i = 1; i < argc; i++)
                if (run_file(argv[i]) != 0)
                        return 1;
        return 0;
}
