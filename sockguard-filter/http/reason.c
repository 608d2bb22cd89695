/* SPDX-License-Identifier: Apache-2.0 */
#include "http/reason.h"

static const struct {
        struct slice name;
        bool softened;
} reasons[REASON_MAX_] = {
        [REASON_NONE] = { { "", 0 }, false },
#define REASON(name, softened) [REASON_##name] = { { #name, sizeof(#name) - 1 }, softened },
#include "http/reason.def"
#undef REASON
};

struct slice reason_name(enum reason_code code) {
        return (unsigned) code < REASON_MAX_ ? reasons[code].name : SLICE("unknown");
}

bool reason_is_softened(enum reason_code code) {
        return (unsigned) code < REASON_MAX_ && reasons[code].softened;
}
