/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is ready before it is needed.
 *
 *   heap   | in use ........ | open, warm | open, cold |  not open
 *                            fresh_from   warm_to      open_to
 *
 * The system gives memory when it is touched for the first time, and zeroes it
 * then: for a huge page of 2 MiB that takes milliseconds, which is longer than
 * a pause is to be.  With gc=concurrent, regions are opened a group ahead
 * (struct mm_regions, `ahead'), and the thread of the cycles touches what is
 * cold beside the program.  Who is faster than that waits for the system as
 * ever.  The first few MiB are left out: they are not in huge pages, and small
 * programs need no more.
 *
 * `warm_to' is the thread's; open_to is read by it at any time, atomically.
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

/* The thread of the cycles, not running: does it. */
void mm_warm(struct mm_heap *heap);

#endif
