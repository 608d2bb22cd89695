/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/pipeline.h"

#include "response/filter.h"

/*
 * What a request goes through, in this order and no other (chapter 02, 1.2). The first stage that answers wins; nothing
 * below it runs. Request id and trace context (3, 4) are made before, the records (1, 2) are written after.
 */
struct stage {
        const char *name;
        enum stage_result (*run)(struct exchange *x);
};

static const struct stage stages[] = {
        { "admission", stage_admission },   /* 6a  may this address talk to us at all? */
        { "profile", stage_profile },       /* 6b  which policy judges this client? */
        { "labels", stage_labels },         /* 6c  do the calling container's labels grant it? */
        { "listener", stage_listener },     /* 7   is this profile admitted on this listener? */
        { "local", stage_local },           /* 8-10 metrics, readiness, health */
        { "limits", stage_limits },         /* 11  rate, fairness, concurrency */
        { "admin", stage_admin },           /* 12  in-band administration */
        { "target", stage_target },         /* 13  what no rule can allow: form bodies */
        { "rules", stage_rules },           /* 13b first match wins */
        { "inspect", stage_inspect },       /* 13c body and query, and mutation */
        { "visibility", stage_visibility }, /* 14 */
        { "ownership", stage_ownership },   /* 15 */
        { "guard", stage_guard },           /* 16  resource limits across updates */
        { "response", stage_response },     /*     will the daemon's answer be looked at? */
};

/* The dedicated admin listener: no profiles, no limits, no rules, and nothing is ever relayed (chapter 06, 0). */
static const struct stage admin_stages[] = {
        { "admission", stage_admin_admission },
        { "admin", stage_admin_listener },
};

static enum stage_result run(const struct stage *at, size_t n, struct exchange *x) {
        for (size_t i = 0; i < n; i++) {
                enum reason_code before = x->verdict.code;
                enum stage_result r = at[i].run(x);

                /* A denial that the profile's mode lets pass names its stage too. */
                if (r != STAGE_NEXT || (x->verdict.decision == DECISION_WOULD_DENY && x->verdict.code != before))
                        x->verdict.stage = at[i].name;
                if (r != STAGE_NEXT)
                        return r;
        }
        return STAGE_NEXT;
}

#define RUN(table, x) run((table), sizeof(table) / sizeof((table)[0]), (x))

enum stage_result pipeline_run(struct exchange *x) {
        return exchange_is_admin(x) ? RUN(admin_stages, x) : RUN(stages, x);
}

const char *pipeline_stage_name(size_t i) {
        return i < sizeof(stages) / sizeof(stages[0]) ? stages[i].name : NULL;
}
