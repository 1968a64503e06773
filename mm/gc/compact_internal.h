/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slide-compaction in place: marks, then moves what lives down inside the
 * regions that it is in.  Needs no free memory in the heap.
 */
#ifndef MM_COMPACT_INTERNAL_H
#define MM_COMPACT_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Runs on `active` workers; 1 leaves all live small objects in one run.
   World stopped, TLABs retired. */
void mm_compact(struct mm_heap *heap, unsigned active);

#endif
