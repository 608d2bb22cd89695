/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_UNPACK_RUN_H
#define SOCKGUARD_UNPACK_RUN_H

#include "base/arena.h"

/* Where sockguard-unpack is: `buffer`, or NULL if the path does not fit its `size` bytes. */
const char *unpack_path(char *buffer, size_t size);

/*
 * Runs sockguard-unpack on an upload and collects what it says. `spool` is the upload, a file; `argv` are the arguments
 * after the program's name, ended by NULL; `deadline` is of CLOCK_MONOTONIC, in ns.
 *
 * 0: *ret_facts is its whole output, in the arena. -ETIMEDOUT; -EFBIG: it says more than it may; -EPROTO: it was killed
 * or ended with another status than 0; or another negative errno. It is gone when this returns, in every case.
 */
int unpack_run(int spool, const char *const *argv, uint64_t deadline, struct arena *a, struct slice *ret_facts);

#endif
