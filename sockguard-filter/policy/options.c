/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/options.h"

#define OPT_BLOCK(block) static const struct opt_row rows_##block[] = {
#define OPT(block, kind_, key_, default_, reload_, allowed_, help_) \
        { .key = #key_, \
          .kind = OPT_K_##kind_, \
          .offset = offsetof(struct opt_##block, key_), \
          .reload = #reload_[0], \
          .default_text = default_, \
          .allowed = allowed_, \
          .help = help_ },
#define OPT_NESTED(kind_, block, key_, inner_, reload_) \
        { .key = #key_, \
          .kind = kind_, \
          .offset = offsetof(struct opt_##block, key_), \
          .reload = #reload_[0], \
          .inner = &block_##inner_ },
#define OPT_SUB(block, key, inner, reload) OPT_NESTED(OPT_K_SUB, block, key, inner, reload)
#define OPT_LIST(block, key, inner, reload) OPT_NESTED(OPT_K_LIST, block, key, inner, reload)
#define OPT_OPT(block, key, inner, reload) OPT_NESTED(OPT_K_OPT, block, key, inner, reload)
#define OPT_END(block) \
        } \
        ; \
        static const struct opt_block block_##block \
                __attribute__((unused)) = { #block, sizeof(struct opt_##block), rows_##block, \
                                            sizeof(rows_##block) / sizeof(rows_##block[0]) };
#include "policy/options.def"

/* block_root is the last of the file; the name that others see. */
const struct opt_block opt_block_root = { "root", sizeof(struct opt_root), rows_root,
                                          sizeof(rows_root) / sizeof(rows_root[0]) };
