/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/inspect.h"

/*
 * Families without rows. Their endpoints stand in the dispatcher's table of what must be inspected and are denied there. Whoever
 * writes a family takes its line out here.
 */
#define NO_ROWS(name) const struct inspector name[] = { { .pattern = NULL } };

NO_ROWS(inspect_archive_rows)
NO_ROWS(inspect_image_rows)
NO_ROWS(inspect_build_rows)
NO_ROWS(inspect_volume_rows)
NO_ROWS(inspect_network_rows)
NO_ROWS(inspect_secret_rows)
NO_ROWS(inspect_service_rows)
NO_ROWS(inspect_swarm_rows)
NO_ROWS(inspect_node_rows)
NO_ROWS(inspect_plugin_rows)
NO_ROWS(inspect_libpod_rows)
NO_ROWS(inspect_buildkit_rows)
