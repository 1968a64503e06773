/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The non-moving space: objects of up to half a region whose address never
 * changes (class mirrors and what else asks for it), in regions of their own.
 *
 *   [obj][obj][gap........][obj][gap][obj] |
 *    start                                top    end
 *
 * Allocation takes the first gap that is large enough, cutting from its end,
 * and the top of a region otherwise.  A collection turns dead neighbours into
 * one filler each, builds the list of gaps anew and frees empty regions.
 *
 * Invariants: the gaps on the list are fillers of at least 16 bytes in
 * non-moving regions, in address order as the sweep found them; each holds
 * the reference of the next (mm_nonmoving_check).
 *
 * Locks: as region_internal.h.
 */
#ifndef MM_SPACE_NONMOVING_INTERNAL_H
#define MM_SPACE_NONMOVING_INTERNAL_H

#include "mm/gc/heap_internal.h"

void mm_nonmoving_reset(struct mm_heap *heap);

/* Zeroed memory for an object of at most half a region. */
enum mm_status mm_nonmoving_alloc(struct mm_heap *heap, size_t bytes,
                                  uint32_t limit, uintptr_t *at);

/* Frees the unmarked objects.  World stopped, regions walkable. */
void mm_nonmoving_sweep(struct mm_heap *heap);

/* Debug builds: asserts the invariants above. */
void mm_nonmoving_check(const struct mm_heap *heap);

#endif
