/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full evacuation: one pass from the roots copies what lives out of all small
 * regions, which are then freed at once.  Costs are those of what lives; it
 * needs room for a copy of it.
 */
#ifndef MM_EVACUATE_INTERNAL_H
#define MM_EVACUATE_INTERNAL_H

#include "mm/gc/heap_internal.h"

/*
 * Runs on `active` workers.  World stopped, TLABs retired.  Never fails: what
 * finds no room stays where it is.  Returns whether everything found room.
 */
bool mm_evacuate(struct mm_heap *heap, unsigned active);

#endif
