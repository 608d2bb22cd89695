/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/log.h"

#include <unistd.h>

#include "base/clock.h"

static struct log stream = { .fd = STDERR_FILENO, .kind = LOG_FILE, .text = true, .threshold = LEVEL_INFO };

int ctl_log_setup(enum level least, bool text, struct slice output, struct error *e) {
        struct log next = { 0 };
        int r = log_open(&next, output, NULL, 0, e);

        if (r < 0)
                return r;
        log_close(&stream);
        next.text = text;
        next.threshold = least;
        stream = next;
        return 0;
}

static struct log audit = { .fd = -1, .kind = LOG_NOWHERE };
static bool audit_on;

int ctl_audit_setup(struct slice output, struct error *e) {
        int r = log_open(&audit, output, NULL, 0, e);

        audit_on = r == 0;
        return r;
}

struct log *ctl_audit(void) {
        return audit_on ? &audit : NULL;
}

uint64_t ctl_log_lost(void) {
        static uint64_t told;
        uint64_t lost = stream.dropped + audit.dropped - told;

        told += lost;
        return lost;
}

struct log *ctl_log(enum level level, const char *message) {
        return log_begin(&stream, level, message) ? &stream : NULL;
}

void ctl_note(enum level level, const char *message, const char *key, const char *value) {
        struct log *l = ctl_log(level, message);

        if (!l)
                return;
        if (key)
                log_str(l, key, slice_of(value));
        log_end(l);
}

struct slice ctl_duration(char buffer[48], uint64_t ns) {
        uint64_t ms = ns / NSEC_PER_MSEC;
        int n;

        if (ns == 0)
                n = snprintf(buffer, 48, "0s");
        else if (ns < NSEC_PER_SEC)
                n = snprintf(buffer, 48, "%gms", (double) ns / 1e6);
        else if (ms < 60000)
                n = snprintf(buffer, 48, "%gs", (double) ms / 1e3);
        else if (ms < 3600000)
                n = snprintf(buffer, 48, "%llum%gs", (unsigned long long) (ms / 60000), (double) (ms % 60000) / 1e3);
        else
                n = snprintf(buffer, 48, "%lluh%llum%gs", (unsigned long long) (ms / 3600000),
                             (unsigned long long) (ms / 60000 % 60), (double) (ms % 60000) / 1e3);
        return slice_make(buffer, n < 0 ? 0 : (size_t) n);
}
