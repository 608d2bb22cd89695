/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_HTTP_REASON_H
#define SOCKGUARD_HTTP_REASON_H

#include "base/slice.h"

enum reason_code {
        REASON_NONE,
#define REASON(name, softened) REASON_##name,
#include "http/reason.def"
#undef REASON
        REASON_MAX_
};

/* The code as logs, metrics and answers spell it; "" for REASON_NONE. */
struct slice reason_name(enum reason_code code);

/* Does mode warn/audit let a request with this denial go on? */
bool reason_is_softened(enum reason_code code);

/* The text that makes a deny rule count as "nothing matched" (chapter 02, 7.3). */
#define REASON_TEXT_NO_MATCH "no matching allow rule"

#endif
