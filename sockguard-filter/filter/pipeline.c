/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/pipeline.h"

#include "response/filter.h"

/*
 * What a request goes through, in this order and no other (chapter 02, 1.2). The first stage that answers wins; nothing
 * below it runs. Request id and trace context (3, 4) are made before, the records (1, 2) are written after.
 */
static const struct {
        const char *name;
        enum stage_result (*run)(struct exchange *x);
} stages[] = {
        { "admission", stage_admission },   /* 6a  may this address talk to us at all? */
        { "profile", stage_profile },       /* 6b  which policy judges this client? */
        { "labels", stage_labels },         /* 6c  do the calling container's labels grant it? */
        { "listener", stage_listener },     /* 7   is this profile admitted on this listener? */
        { "local", stage_local },           /* 8-10 metrics, readiness, health */
        { "limits", stage_limits },         /* 11  rate, fairness, concurrency */
        { "admin", stage_admin },           /* 12  in-band administration */
        { "target", stage_target },         /* 13  what no rule can allow: ambiguous paths, form bodies */
        { "rules", stage_rules },           /* 13b first match wins */
        { "inspect", stage_inspect },       /* 13c body and query, and mutation */
        { "visibility", stage_visibility }, /* 14 */
        { "ownership", stage_ownership },   /* 15 */
        { "guard", stage_guard },           /* 16  resource limits across updates */
        { "response", stage_response },     /*     will the daemon's answer be looked at? */
};

enum stage_result pipeline_run(struct exchange *x) {
        for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
                enum stage_result r = stages[i].run(x);

                if (r != STAGE_NEXT) {
                        x->verdict.stage = stages[i].name;
                        return r;
                }
        }
        return STAGE_NEXT;
}

const char *pipeline_stage_name(size_t i) {
        return i < sizeof(stages) / sizeof(stages[0]) ? stages[i].name : NULL;
}
