/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_TLS_SANDBOX_H
#define SOCKGUARD_TLS_SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

/*
 * What remains of a process that holds a private key and talks to strangers: the descriptors it has, memory, and time.
 * No files, no new sockets to anywhere, no processes, no other users. To be called after everything was read and before
 * the first byte of the peer is. Ends the process together with its parent (SIGTERM) until that signal is ignored. 0;
 * or negative errno, after which the process must not go on.
 */
int sandbox_enter(struct error *err);

/*
 * The first half: nobody, without capabilities and without a way to get any; system calls as before. `reader` keeps the
 * right to read files (CAP_DAC_READ_SEARCH), if the process has it: for who reads nothing else.
 */
int sandbox_drop(bool reader, struct error *err);

#endif
