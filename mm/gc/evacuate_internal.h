/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full evacuation: one pass from the roots copies what lives out of all small
 * regions, which are then freed at once.  Costs are those of what lives; it
 * needs room for a copy of it.
 */
#ifndef MM_EVACUATE_INTERNAL_H
#define MM_EVACUATE_INTERNAL_H

#include "mm/gc/workers_internal.h"

/*
 * Runs on `active` workers.  World stopped, TLABs retired.  Never fails: what
 * finds no room stays where it is.  Returns whether everything found room.
 */
bool mm_evacuate(struct mm_heap *heap, unsigned active);

/* Between evacuate.c, young.c and evacuate_trace.c: visits the roots (worker 0)
   and traces until no worker has anything left. */
void mm_evacuate_goal(struct mm_worker *worker);

/* The same for young objects alone; the dirty cards are roots too. */
void mm_young_goal(struct mm_worker *worker);

/* Visits the slots of an object that is safe already, and what follows.  A
   lone worker's. */
void mm_evacuate_rescan(void *worker, struct mm_ref ref);
void mm_young_rescan(void *worker, struct mm_ref ref);

/* From-space is known: pinned objects stay.  World stopped, before any worker
   begins. */
void mm_evacuate_keep_pinned(struct mm_heap *heap);

/* Gives back the rest of a worker's buffers. */
void mm_evacuate_end_buffers(struct mm_worker *worker);

/* Calls `rescan` for what may have been visited in a region of small objects
   and is safe. */
void mm_evacuate_rescan_region(struct mm_worker *worker, uint32_t index,
                               void (*rescan)(void *worker, struct mm_ref ref));

/* The host's weak tables, with what is forwarded, kept or marked alive. */
void mm_evacuate_visit_weak(struct mm_heap *heap, bool young);

/* Dead objects become a filler, poisoned under stress. */
void mm_bury(struct mm_heap *heap, uintptr_t at, uintptr_t end);

/* Makes a region with kept objects an ordinary one again. */
void mm_evacuate_restore_kept(struct mm_heap *heap, uint32_t index);

#endif
