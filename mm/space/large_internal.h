/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large objects: above half a region, each at the start of a run of regions of
 * its own.  They never move and are freed when a collection leaves them
 * unmarked.
 *
 *   [ object ................................ ][rest, unused]
 *    LARGE      LARGE_TAIL     LARGE_TAIL            top of LARGE = its end
 *
 * Locks: as region_internal.h.
 */
#ifndef MM_SPACE_LARGE_INTERNAL_H
#define MM_SPACE_LARGE_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Zeroed memory for a large object, when no more than `limit` regions are
   used then.  Any 64-bit size may be asked for. */
enum mm_status mm_large_alloc(struct mm_heap *heap, uint64_t bytes,
                              uint32_t limit, uintptr_t *at);

/* Frees the unmarked ones. World stopped. */
void mm_large_sweep(struct mm_heap *heap);

#endif
