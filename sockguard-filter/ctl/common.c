/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define LINE_SHOWN_MAX 200u /* bytes; longer lines are not shown */

struct config_source ctl_source(const struct verb_args *args, bool allow_unknown_keys) {
        return (struct config_source){
                .path = args->config,
                .path_given = args->config_given,
                .environment = environ,
                .overlay = true,
                .sections = true,
                .bundle_verified = true, /* most verbs only look at a policy */
                .allow_unknown_keys = allow_unknown_keys,
        };
}

void ctl_print_problems(FILE *out, const struct problems *list, bool errors_too, const char *prefix) {
        struct strbuf line;

        strbuf_init(&line, 16384);
        for (size_t i = 0; i < list->n; i++) {
                if (!list->at[i].warning && !errors_too)
                        continue;
                strbuf_reset(&line);
                problem_format(list->at + i, &line);
                fprintf(out, "%s%.*s\n", prefix, SLICE_ARG(strbuf_view(&line)));
        }
        strbuf_free(&line);
}

/* The line that a problem is about, and a mark below its column, as compilers have them. */
static void add_line(const struct config *c, const struct problem *p, struct strbuf *out) {
        struct slice line = config_line(c, p->line);
        uint32_t column = 1;

        if (p->line == 0 || line.len == 0 || line.len > LINE_SHOWN_MAX || slice_find(line, '\0') >= 0)
                return;
        strbuf_addf(out, "\n      %5u | ", p->line);
        for (size_t i = 0; i < line.len; i++)
                strbuf_addc(out, (unsigned char) line.at[i] < ' ' || line.at[i] == 0x7f ? ' ' : line.at[i]);
        strbuf_adds(out, "\n            | ");
        for (; column < p->column; column++)
                strbuf_addc(out, ' ');
        strbuf_addc(out, '^');
}

static void describe(const struct problems *list, const struct config *lines_of, struct strbuf *out) {
        if (list->n_errors > 1)
                strbuf_addf(out, "%zu problems:", list->n_errors);
        for (size_t i = 0; i < list->n; i++) {
                if (list->at[i].warning)
                        continue;
                if (list->n_errors > 1)
                        strbuf_adds(out, "\n  - ");
                problem_format(list->at + i, out);
                if (lines_of)
                        add_line(lines_of, list->at + i, out);
        }
        if (list->n_errors > PROBLEMS_MAX)
                strbuf_addf(out, "\n  - and more");
}

void ctl_describe(const struct problems *list, struct strbuf *out) {
        describe(list, NULL, out);
}

void ctl_describe_with_lines(const struct config *c, struct strbuf *out) {
        describe(config_problems(c), c, out);
}

int ctl_read_file(const char *path, size_t most, struct stat *ret_stat, char **ret, size_t *ret_len, struct error *e) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = 0;
        char *at = NULL, *tight;
        size_t n = 0;

        if (fd < 0)
                return error_errno(e, -errno, "cannot open %s", path);
        if (fstat(fd, ret_stat) < 0 || !S_ISREG(ret_stat->st_mode))
                r = error_set(e, -EINVAL, "%s is not a regular file", path);
        else if (ret_stat->st_size > (off_t) most)
                r = error_set(e, -EFBIG, "%s is larger than %zu bytes", path, most);
        else if (!(at = malloc(most + 1)))
                r = error_errno(e, -ENOMEM, "cannot read %s", path);
        while (r == 0) {
                ssize_t k = read(fd, at + n, most + 1 - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        r = error_errno(e, -errno, "cannot read %s", path);
                if (k <= 0)
                        break;
                n += (size_t) k;
                if (n > most)
                        r = error_set(e, -EFBIG, "%s is larger than %zu bytes", path, most);
        }
        close(fd);
        if (r < 0) {
                free(at);
                return r;
        }
        tight = realloc(at, n ? n : 1);
        *ret = tight ? tight : at;
        *ret_len = n;
        return 0;
}
