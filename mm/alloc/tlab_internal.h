/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thread-local allocation buffers: the slow half of mm_alloc_plain and its
 * kin.  A TLAB is a zeroed chunk of a small region.
 *
 *   tlab_start     tlab_cursor        tlab_limit            tlab_end
 *   | objects      | zero ...                                |
 *                                     = tlab_end, or tlab_start while every
 *                                       allocation has to take the slow path
 *
 * The size follows the mutator's rate: TLAB_REFILLS refills between two
 * collections, within bounds that keep zeroing in the first-level cache.
 *
 * Locks: the heap lock, or the world stopped.
 */
#ifndef MM_ALLOC_TLAB_INTERNAL_H
#define MM_ALLOC_TLAB_INTERNAL_H

#include "mm/gc/heap_internal.h"

enum {
  MM_TLAB_MIN_BYTES = 4 * 1024,
  MM_TLAB_FIRST_BYTES = 16 * 1024,
  MM_TLAB_MAX_BYTES = 32 * 1024,
};

/* A mutator without a TLAB, which is what one begins and ends with. */
void mm_tlab_init(struct mm_mutator *mutator);

/* Ends the TLAB: counts its objects, gives back or fills its tail. */
void mm_tlab_retire(struct mm_mutator *mutator);

/*
 * Zeroed memory for an object of at most MM_TLAB_OBJECT_MAX_BYTES: from the
 * TLAB, from a new one, or beside it when too much of it would be lost.
 */
enum mm_status mm_tlab_alloc(struct mm_mutator *mutator, size_t bytes,
                             uint32_t limit, uintptr_t *at);

/* After a collection: sets the size of the next TLAB. */
void mm_tlab_adapt(struct mm_mutator *mutator);

#endif
