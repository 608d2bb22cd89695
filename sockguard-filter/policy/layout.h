/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKGUARD_POLICY_LAYOUT_H
#define SOCKGUARD_POLICY_LAYOUT_H

#include "policy/image.h"
#include "policy/rules.h"

/*
 * What the writer and the reader of an image must agree on besides the format number. Both are compiled into the writer
 * (sockguard-ctl) and the reader (sockguard-filter); a difference means that the two were not built from the same
 * sources.
 */

/* A fingerprint of every structure that an image holds. Folds to a constant. */
uint64_t policy_layout(void);

/*
 * A fast, non-cryptographic sum of the bytes: it notices truncation and damage, not an attacker (file modes are for
 * those).
 */
uint64_t policy_checksum(const void *at, size_t n);

/* Where the sum starts: the byte behind policy_header.checksum. */
#define POLICY_CHECKSUM_FROM (offsetof(struct policy_header, checksum) + sizeof(uint64_t))

#endif
