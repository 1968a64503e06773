/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping the world.
 *
 *            attach                    mm_enter_native
 *   (none) ---------> RUNNING <------------------------> IN_NATIVE
 *                       |  ^         mm_leave_native
 *          poll, slow   |  | resumed
 *          allocation   v  |
 *                     STOPPED
 *
 * One mutator sets `stopping` and all poll words, then waits until no other
 * is RUNNING.  A mutator that finds `stopping` set announces STOPPED and waits
 * for the world to go on, spinning briefly first: waking a sleeper costs
 * a hundred times more.  One that leaves native code stores RUNNING and then
 * reads its poll word; the collector stores that and then reads the states,
 * so that at least one sees the other, and the mutator gives way: see
 * Note [Fences around native code] in mm/mm_inline.h.
 *
 * States are written by their own mutator; `stopping` changes under the heap
 * lock.
 */
#ifndef MM_SAFEPOINT_INTERNAL_H
#define MM_SAFEPOINT_INTERNAL_H

#include "mm/gc/heap_internal.h"

/*
 * Stops all other mutators.  False: another mutator was doing the same; this
 * one has waited until the world went on, and the heap may have changed.
 */
bool mm_stop_world(struct mm_mutator *mutator);

/* Lets them go on. By the one who stopped them. */
void mm_resume_world(struct mm_mutator *mutator);

/* The same by a thread that is no mutator.  False: somebody else had stopped
   the world, which goes on again. */
bool mm_stop_world_from_outside(struct mm_heap *heap);
void mm_resume_world_from_outside(struct mm_heap *heap);

/* The marker of a cycle touches the heap from begin to end, but not while the
   world is stopped: it has to call `stop' when mm_is_stopping. */
void mm_marker_begin(struct mm_heap *heap);
void mm_marker_end(struct mm_heap *heap);
void mm_marker_stop(struct mm_heap *heap);

/* Is the world to stop? */
static inline bool mm_is_stopping(const struct mm_heap *heap)
{
  return __atomic_load_n(&heap->stopping, __ATOMIC_SEQ_CST) != 0;
}

/* The mutator's own next poll takes the slow path. */
void mm_poll_soon(struct mm_mutator *mutator);

/* Stops here until the world goes on. */
void mm_safepoint_wait(struct mm_mutator *mutator);

#endif
