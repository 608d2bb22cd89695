/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TELEMETRY_ROUTE_H
#define SOCKGUARD_TELEMETRY_ROUTE_H

#include "base/slice.h"

#define ROUTE_MAX 96u /* bytes of a template, the NUL included */

/*
 * The route template of a path (chapter 06, 6.3): "/containers/{id}/json". Made of the engine's own words alone: any
 * other word becomes "{other}", so that no client can add values of its own to a label. `path` is the normalised path,
 * or the decoded one when no stage computed that; any byte may be in it. The result is a view of `buffer`.
 */
struct slice route_template(struct slice path, char buffer[ROUTE_MAX]);

#endif
