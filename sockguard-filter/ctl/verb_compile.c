/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/common.h"

enum { FLAG_OUTPUT, FLAG_OUTPUT_FD, FLAG_UNKNOWN };

static const struct verb_flag flags[] = {
        [FLAG_OUTPUT] = { .name = "output",
                          .letter = 'o',
                          .value = "IMAGE",
                          .help = "write the policy image here, atomically" },
        [FLAG_OUTPUT_FD] = { .name = "output-fd", .value = "N", .help = "write it to this descriptor instead" },
        [FLAG_UNKNOWN] = ALLOW_UNKNOWN_KEYS_FLAG,
};

static int write_fd(struct slice image, const char *number) {
        char *end;
        long fd = strtol(number, &end, 10);
        size_t done = 0;

        if (!*number || *end || fd < 0 || fd > 1 << 20)
                return verb_fail("--output-fd needs the number of a descriptor, not \"%s\"", number);
        while (done < image.len) {
                ssize_t w = write((int) fd, image.at + done, image.len - done);

                if (w >= 0)
                        done += (size_t) w;
                else if (errno != EINTR)
                        return verb_fail("cannot write to descriptor %ld: %s", fd, strerror(errno));
        }
        return 0;
}

static int run(const struct verb_args *args) {
        struct config_source source = ctl_source(args, args->value[FLAG_UNKNOWN] != NULL);
        const char *output = args->value[FLAG_OUTPUT], *output_fd = args->value[FLAG_OUTPUT_FD];
        _cleanup_config_ struct config *c = NULL;
        _cleanup_strbuf_ struct strbuf text;
        struct slice image;
        struct error e;
        int r;

        strbuf_init(&text, 1u << 20);
        source.unusable_keys_ok = true;
        source.bundle_verified = false;
        if (!output == !output_fd)
                return verb_fail("one of --output and --output-fd is needed");
        r = config_load(&source, &c);
        if (c)
                r = config_check(c);
        if (r == 0)
                r = config_compile(c, 0, &image);
        if (r == -EBADMSG) {
                ctl_describe(config_problems(c), &text);
                verb_fail("%.*s", SLICE_ARG(strbuf_view(&text)));
                return 1;
        }
        if (r < 0) {
                verb_fail("%s", strerror(-r));
                return 1;
        }
        ctl_print_problems(stderr, config_problems(c), false, "");
        if (output_fd)
                return write_fd(image, output_fd);
        if (config_publish(image, output, &e) < 0) {
                verb_fail("%s", e.text);
                return 1;
        }
        return 0;
}

const struct verb verb_compile = { .name = "compile",
                                   .summary = "turn a configuration into the policy image that filters read",
                                   VERB_FLAGS(flags),
                                   .run = run };
