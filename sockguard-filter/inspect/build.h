/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_INSPECT_BUILD_H
#define SOCKGUARD_INSPECT_BUILD_H

#include "inspect/registry.h"

/* What the two halves of the build inspector share: build.c finds the Dockerfile, build_sources.c reads where it takes
 * things from. */

/* With an owner, whose images a build uses is asked later (identity/ownership.c). */
bool build_is_owned(const struct inspect_input *in);

/* The registries that images may come from. */
struct registry_policy build_image_policy(const struct inspect_input *in);

/*
 * Judges FROM, COPY --from, mounts and ADD of a Dockerfile, and leaves the images it uses in r->images while there is
 * an owner. Variables in FROM are put in as the builder does; what cannot be read with certainty is denied. `text`
 * passed dockerfile_scan().
 */
void build_judge_sources(const struct inspect_input *in, struct slice text, struct inspect_result *r);

#endif
