/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_SECCOMP_H
#define SOCKGUARD_POLICY_SECCOMP_H

#include "policy/config.h"

/*
 * Compiles the filter's system call list to BPF and puts it into the image (header->seccomp). Without it (an
 * architecture that libseccomp does not know) the image has none, and a warning says so.
 */
void seccomp_compile(struct config *c, struct policy_header *header);

#endif
