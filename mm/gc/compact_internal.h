/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slide-compaction in place: marks, then moves what lives down inside the
 * regions that it is in.  Needs no free memory in the heap.
 */
#ifndef MM_COMPACT_INTERNAL_H
#define MM_COMPACT_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Runs on `active` workers.  World stopped, TLABs retired. */
void mm_compact(struct mm_heap *heap, unsigned active);

/* The same by a lone worker, and into the lowest regions there are, free ones
   included: what is free then lies together as far as it can. */
void mm_compact_utmost(struct mm_heap *heap);

#endif
