/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is ready before it is needed.
 *
 *   heap   | in use ..... | next | open, warm | open, cold |  not open
 *                    reached_to             warm_to      open_to
 *
 * The system gives memory when it is touched for the first time, and zeroes it
 * then: for a huge page of 2 MiB that may take 4 ms, which is longer than a
 * pause is to be; for the small pages of one region, a tenth of that.  So with
 * gc=concurrent memory has small pages, but for groups that the thread of the
 * cycles gets to first: regions are opened some groups ahead (struct
 * mm_regions, `ahead'), and it asks for huge pages there and touches them,
 * beside the program.  It leaves out the group in use and the next one, since
 * two that touch a huge page at once both wait for it.  Memory that the program
 * reached first keeps small pages.
 *
 * The first few MiB are left out: small programs need no more.
 *
 * `warm_to' is the thread's; the others are read by it at any time, atomically.
 */
#ifndef MM_WARM_INTERNAL_H
#define MM_WARM_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Has the thread something to do?  Any thread. */
static inline bool mm_is_cold(const struct mm_heap *heap)
{
  return __atomic_load_n(&heap->cycle.warm_to, __ATOMIC_RELAXED) <
         __atomic_load_n(&heap->regions.open_to, __ATOMIC_RELAXED);
}

/* The thread of the cycles, not running: does it for one group. */
void mm_warm(struct mm_heap *heap);

#endif
