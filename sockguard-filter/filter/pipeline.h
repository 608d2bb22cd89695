/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_PIPELINE_H
#define SOCKGUARD_FILTER_PIPELINE_H

#include "http/exchange.h"

/*
 * Runs the stages of filter/pipeline.c in order until one answers. STAGE_NEXT: every stage let the request pass, it may
 * be relayed. x->verdict.stage names the stage that answered.
 */
enum stage_result pipeline_run(struct exchange *x);

/* The names in order, for tests and `explain`; NULL past the end. */
const char *pipeline_stage_name(size_t i);

#endif
