/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exchange.h"

enum stage_result stage_local(struct exchange *x) {
        (void) x;
        return STAGE_NEXT;
}

enum stage_result stage_admin(struct exchange *x) {
        (void) x;
        return STAGE_NEXT;
}
