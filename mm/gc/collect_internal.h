/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collection from begin to end.
 */
#ifndef MM_COLLECT_INTERNAL_H
#define MM_COLLECT_INTERNAL_H

#include "mm/gc/heap_internal.h"

/*
 * Stops the world, collects, answers the requests that wait (alloc_internal.h),
 * lets it go on.  False: another thread had stopped the world, and may have
 * collected, which may be as good.  `forced`: by stress.
 */
bool mm_collect_once(struct mm_mutator *mutator, enum mm_cause cause,
                     bool forced);

/* The same by a thread that is no mutator; forced. */
bool mm_collect_from_outside(struct mm_heap *heap, enum mm_cause cause);

/* World stopped, on the thread of the cycles: the two pauses of a cycle, and the
   third one of a cycle that is CLEARING after the second. */
void mm_pause_start(struct mm_heap *heap);
void mm_pause_finish(struct mm_heap *heap);
void mm_pause_clean_up(struct mm_heap *heap);

/* The same, without generations: has what was allocated during the walk
   watched; evacuates a portion of the candidates. */
void mm_pause_watch(struct mm_heap *heap);
void mm_pause_evacuate(struct mm_heap *heap);

/* Of no objects, after which new ones are young (generations_internal.h).
   False: it has to see more first, in the next such pause. */
bool mm_pause_return(struct mm_heap *heap);

#endif
