/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collection from begin to end.
 */
#ifndef MM_COLLECT_INTERNAL_H
#define MM_COLLECT_INTERNAL_H

#include "mm/gc/heap_internal.h"

enum mm_effort {
  MM_EFFORT_PLANNED, /* the kind that sizing.c chose */
  MM_EFFORT_UTMOST,  /* compact all there is into the lowest regions */
};

/*
 * Stops the world, collects, lets it go on.  False: another mutator collected
 * instead, which may be as good.  `forced`: by stress.
 */
bool mm_collect_once(struct mm_mutator *mutator, enum mm_cause cause,
                     enum mm_effort effort, bool forced);

/* The same by a thread that is no mutator; forced. */
bool mm_collect_from_outside(struct mm_heap *heap, enum mm_cause cause);

/* World stopped, on the thread of the cycles: the two pauses of a cycle. */
void mm_pause_start(struct mm_heap *heap);
void mm_pause_finish(struct mm_heap *heap);

#endif
