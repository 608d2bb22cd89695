/* SPDX-License-Identifier: Apache-2.0 */
#include "response/filter.h"

enum stage_result stage_response(struct exchange *x) {
        x->response_filter = NULL;
        return STAGE_NEXT;
}
