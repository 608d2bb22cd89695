/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/set.h"

#include "policy/rules.h"

void text_set_init(struct text_set *set, struct arena *a, size_t n) {
        set->room = 16;
        while (set->room < n * 2)
                set->room *= 2;
        set->at = arena_new_array(a, struct slice, set->room);
}

/* The slot that holds the text, or the free one where it belongs. */
static struct slice *slot_of(const struct text_set *set, struct slice text) {
        uint64_t h = rule_slot(rule_hash(RULE_HASH_START, text), 0, false);
        size_t i = h & (set->room - 1);

        while (set->at[i].at && !slice_eq(set->at[i], text))
                i = (i + 1) & (set->room - 1);
        return set->at + i;
}

bool text_set_add(struct text_set *set, struct slice text) {
        struct slice *slot = slot_of(set, text);

        if (slot->at)
                return false;
        *slot = slice_make(text.at ? text.at : "", text.len);
        return true;
}

bool text_set_has(const struct text_set *set, struct slice text) {
        return slot_of(set, text)->at != NULL;
}
