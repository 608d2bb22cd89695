/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <string.h>

static void error_vset(struct error *e, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));

static void error_vset(struct error *e, const char *format, va_list ap) {
        if (vsnprintf(e->text, sizeof(e->text), format, ap) < 0)
                e->text[0] = '\0';
}

int error_set(struct error *e, int r, const char *format, ...) {
        va_list ap;

        if (!e)
                return r;
        va_start(ap, format);
        error_vset(e, format, ap);
        va_end(ap);
        return r;
}

int error_errno(struct error *e, int r, const char *format, ...) {
        va_list ap;
        size_t n;

        if (!e)
                return r;
        va_start(ap, format);
        error_vset(e, format, ap);
        va_end(ap);
        n = strlen(e->text);
        snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(-r));
        return r;
}

int error_prefix(struct error *e, int r, const char *format, ...) {
        struct error inner;
        va_list ap;
        size_t n;

        if (!e)
                return r;
        inner = *e;
        va_start(ap, format);
        error_vset(e, format, ap);
        va_end(ap);
        n = strlen(e->text);
        snprintf(e->text + n, sizeof(e->text) - n, ": %.*s", (int) (sizeof(e->text) - n), inner.text);
        return r;
}
