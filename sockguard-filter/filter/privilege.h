/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_FILTER_PRIVILEGE_H
#define SOCKGUARD_FILTER_PRIVILEGE_H

#include "base/error.h"
#include "policy/image.h"

/*
 * Gives up, for good, everything that serving a connection does not need: new privileges through exec, capabilities, core
 * dumps, more than a few descriptors and processes, and every system call that the image's filter does not list. Called
 * after start-up and before the first byte of the client is looked at. `p` NULL: there is no policy, so no system call
 * filter either; such a filter only says 503.
 *
 * 0; or negative errno, and then the connection must not be served.
 */
int privilege_drop(const struct policy *p, struct error *e);

#endif
