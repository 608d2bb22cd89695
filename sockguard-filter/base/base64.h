/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_BASE64_H
#define SOCKGUARD_BASE_BASE64_H

#include "base/arena.h"

/*
 * RFC 4648, section 4, or 5 with `url`. `padded`: the length is a multiple of four, filled with '='; otherwise there is
 * no '='. True with *ret, in the arena; false for any other byte or length.
 */
bool base64_decode(struct slice s, bool url, bool padded, struct arena *a, struct slice *ret);

#endif
