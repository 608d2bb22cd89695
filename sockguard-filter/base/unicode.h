/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_BASE_UNICODE_H
#define SOCKGUARD_BASE_UNICODE_H

#include "base/arena.h"

/*
 * The little of Unicode that Docker's decoders know, and which a check that wants to see what they see must know too.
 * All inputs are byte strings; bytes that are not UTF-8 are themselves.
 */

/* Decodes one code point at the start. Returns its length 1..4, or 0 when the bytes are not valid UTF-8 (or s is
 * empty). */
size_t unicode_decode(struct slice s, uint32_t *ret);

/* Is the whole slice valid UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)? */
bool unicode_valid(struct slice s);

/* White_Space: U+0009-000D 0020 0085 00A0 1680 2000-200A 2028 2029 202F 205F 3000. */
bool unicode_is_space(uint32_t cp);

/* "trim" of the specification: White_Space dropped at both ends. */
struct slice unicode_trim(struct slice s);

/* "split on white space": the next field, or false at the end. *rest is advanced. */
bool unicode_field(struct slice *rest, struct slice *ret);

/*
 * "fold-equal": simple case folding, where `ascii` is an ASCII text. Besides ASCII case, U+017F (long s) equals s and
 * U+212A (Kelvin sign) equals k.
 */
bool unicode_fold_eq(struct slice s, struct slice ascii);

/* Are two arbitrary texts equal under simple case folding (all of it)? */
bool unicode_fold_same(struct slice a, struct slice b);

/* Writes the UTF-8 of a code point (at most U+10FFFF); returns its length 1..4. */
size_t unicode_encode(uint32_t cp, char out[static 4]);

/* Simple mappings of one code point. Two code points fold to the same one if and only if simple case folding equates
 * them. */
uint32_t unicode_to_lower(uint32_t cp);
uint32_t unicode_to_upper(uint32_t cp);
uint32_t unicode_to_fold(uint32_t cp);

/*
 * lower() / upper(): simple mappings of all letters (towlower in C.UTF-8 is not enough: no locale is used). Needed
 * where the result is compared with or stored as text; includes lower(U+212A)=k, lower(U+0130)=i, upper(U+017F)=S,
 * upper(U+0131)=I.
 */
struct slice unicode_lower(struct arena *a, struct slice s);
struct slice unicode_upper(struct arena *a, struct slice s);

#endif
