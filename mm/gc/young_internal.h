/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collection of the young objects alone: roots and dirty cards lead to those
 * that live, which are copied and one collection older then, or old.
 */
#ifndef MM_YOUNG_INTERNAL_H
#define MM_YOUNG_INTERNAL_H

#include "mm/gc/heap_internal.h"

/*
 * Runs on `active` workers.  World stopped, TLABs retired.  Never fails: what
 * finds no room stays where it is and is old.  Returns whether everything found
 * room.
 */
bool mm_collect_young(struct mm_heap *heap, unsigned active);

#endif
