/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_DESCRIBE_H
#define SOCKGUARD_POLICY_DESCRIBE_H

#include "base/strbuf.h"

/* The options table, told to editors and to people. */

#define DESCRIPTION_MAX (8u * 1024 * 1024) /* bytes of either text */

/* A JSON schema (draft 2020-12) of the configuration file. */
void describe_schema(struct strbuf *out);

/* The manual page sockguard.yaml(5), in man(7) macros. */
void describe_manual(struct strbuf *out);

#endif
