/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mark and sweep: the collection of tenured=freelist, in which nothing moves.
 */
#ifndef MM_MARKSWEEP_INTERNAL_H
#define MM_MARKSWEEP_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Marks on `active` workers; frees what is wholly dead and leaves the rest to
   be swept by those who allocate. World stopped. */
void mm_mark_sweep(struct mm_heap *heap, unsigned active);

/* The rest of it after a cycle has marked what lives, or more: the host drops
   what died; it goes free. */
void mm_mark_sweep_weak(struct mm_heap *heap);
void mm_mark_sweep_release(struct mm_heap *heap);

#endif
