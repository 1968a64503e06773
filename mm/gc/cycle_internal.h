/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cycles: collections that mark while the program runs (gc=concurrent).
 *
 *         start             finish
 *   IDLE -------> MARKING ---------> SWEEPING ----> IDLE           generations,
 *    ^    pause     | |     pause     ^ |            or freelist
 *    |              | +-> CLEARING ---+ +---> EVACUATING ----> IDLE   neither
 *    |              | |     ^         | |     pauses  |
 *    |              | +-> FINALS -----+ |             |
 *    |              | pause |     pause |             |
 *    +--------------+-------+-----------+-------------+
 *      a full collection takes a cycle's place at any time
 *
 * The heap has a thread for cycles.  A mutator that sees the start threshold
 * (sizing.c) asks it for one; it stops the world for a moment, takes the roots
 * down, and marks what they lead to while the program goes on.
 *
 * What is marked is what was reachable at the start (snapshot at the beginning:
 * Yuasa, "Real-time garbage collection on general-purpose machines", 1990).
 *
 *   a reference that is about to be overwritten is logged (mm_barrier_before),
 *     null as well, and so is one that comes out of a weak table
 *     (mm_barrier_keep); of a log that is full those stay whose objects are not
 *     marked, and the marker goes on from there
 *   an object that is made during the cycle lives: it stands above the top that
 *     its region had at the start (mark_top; Detlefs et al., 2004), or, where
 *     room is used again, is born marked
 *
 * The second pause works through what is left on the logs; then weak tables are
 * cleared, and what holds nothing alive goes free.  SWEEPING goes on beside the
 * program: slots and gaps with tenured=freelist; with regions, the references
 * to candidates (candidates_internal.h).  Candidates are evacuated by the young
 * collections that follow, and without generations by pauses of their own.
 *
 * With generations the first pause is a young collection after which all is
 * old, and only what is old then is marked.  Young collections run between the
 * pauses as ever: what they make old lives, and a young object that refers to
 * one of the snapshot got the reference out of the snapshot.
 *
 * Where many references may have to be cleared, that comes first and beside the
 * program: FINALS, CLEARING (noted_internal.h).  Nothing is freed before the last
 * pause of them, and objects are born marked as before.
 *
 * Without memory for a log or for the marker's stack the snapshot is lost: then
 * the second pause marks from the roots once more.
 *
 * Locks: `state' changes under the heap lock, and with the world stopped where
 * one of both states marks; from SWEEPING on, the cycle's thread may change it
 * beside the program.  `quit' changes under the heap lock, `requested' too,
 * though it may be looked at without (a pause that sizes the heap does, while
 * threads in native code ask).  The marker counts as one that runs
 * (safepoint.c): it stops for every pause.
 */
#ifndef MM_CYCLE_INTERNAL_H
#define MM_CYCLE_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Starts the thread; MM_NO_MEMORY, MM_OS_FAILED.  Nothing for other plans. */
enum mm_status mm_cycle_create(struct mm_heap *heap);

/* Ends and joins it.  A cycle that is under way is given up. */
void mm_cycle_destroy(struct mm_heap *heap);

/* Asks for a cycle.  Under the heap lock. */
void mm_cycle_request_locked(struct mm_heap *heap);

/* Lets the thread touch memory ahead, if there is any.  Under the heap lock. */
void mm_cycle_wake_if_cold_locked(struct mm_heap *heap);

/* Is one under way or asked for?  Under the heap lock, or world stopped. */
bool mm_cycle_is_active(const struct mm_heap *heap);

/*
 * Waits until the cycle that is under way or asked for has ended; false: there
 * was none.  Safepoint.
 */
bool mm_cycle_wait(struct mm_mutator *mutator);

/* The same, but waits only until there may be more room; false: it has ended,
   or there was none.  Safepoint. */
bool mm_cycle_wait_for_room(struct mm_mutator *mutator);

/* How long a cycle will take from its start until something is given back, as
   far as is known: with regions, to the end of the walk.  World stopped, or under
   the heap lock. */
uint64_t mm_cycle_expected_ns(const struct mm_heap *heap);

/* Stress: starts a cycle and waits for its start, or waits for the end of the
   one that is under way.  Safepoint. */
void mm_cycle_step(struct mm_mutator *mutator);

/* World stopped: a full collection comes in between; the cycle is forgotten,
   and so are its candidates. */
void mm_cycle_abandon(struct mm_heap *heap);

/* Is it this cycle still?  A cycle that was abandoned has another number. */
static inline bool mm_cycle_is(const struct mm_heap *heap, uint64_t cycle)
{
  return __atomic_load_n(&heap->cycle.number, __ATOMIC_RELAXED) == cycle;
}

static inline enum mm_cycle_state mm_cycle_state(const struct mm_heap *heap)
{
  return (enum mm_cycle_state)__atomic_load_n(&heap->cycle.state,
                                              __ATOMIC_RELAXED);
}

/* Are marks being set, or not used up yet?  Then what is made is born marked.
   That changes in pauses only. */
static inline bool mm_cycle_marks(const struct mm_heap *heap)
{
  enum mm_cycle_state state = mm_cycle_state(heap);
  return state >= MM_CYCLE_MARKING && state <= MM_CYCLE_CLEARING;
}

/* Does the marker have to be told what is overwritten? */
static inline bool mm_cycle_logs(enum mm_cycle_state state)
{
  return state == MM_CYCLE_MARKING || state == MM_CYCLE_FINALS;
}

/* Was the object there when the cycle began?  Others are not marked by it, but
   live.  While a cycle marks. */
static inline bool mm_cycle_covers(const struct mm_heap *heap,
                                   struct mm_ref ref)
{
  uintptr_t at = (uintptr_t)mm_address(ref);
  return at < mm_region_of(&heap->regions, at)->mark_top;
}

/* Was it there, and is it not marked?  Once all is marked: it is dead. */
static inline bool mm_cycle_is_white(const struct mm_heap *heap,
                                     struct mm_ref ref)
{
  return mm_cycle_covers(heap, ref) && !mm_is_marked(heap, ref);
}

/* An object begins at `at' that is not in a slot, in memory used again: while a
   cycle marks, it is born marked. */
void mm_cycle_bear(struct mm_heap *heap, uintptr_t at);

/* None begins there after all. */
void mm_cycle_unbear(struct mm_heap *heap, uintptr_t at);

/* Between cycle.c and mark_concurrent.c. */

/* World stopped: what is old now is what the cycle marks; no mark is set. */
void mm_cycle_take_snapshot(struct mm_heap *heap);

/* World stopped: takes down what the roots refer to. */
void mm_marker_take_roots(struct mm_heap *heap);

/* Between two pieces of work: stops if a pause is due.  False: the cycle was
   abandoned. */
bool mm_marker_check(struct mm_heap *heap, uint64_t cycle);

/* Marks until there is nothing left to do, or the cycle was abandoned (false).
   Stops for pauses. */
bool mm_marker_run(struct mm_heap *heap, uint64_t cycle);

/* On the marker's thread, or world stopped: what is not marked will be. */
void mm_marker_push(struct mm_heap *heap, struct mm_ref ref);

/* World stopped: marks the rest. */
void mm_marker_finish(struct mm_heap *heap);

/* Of the second pause, and of those after FINALS: marks the rest.  False: the
   snapshot is not complete, so nothing may be freed by it, and the cycle is in
   SWEEPING.  If references are to be processed beside the program, it is in
   FINALS or CLEARING, or stays in MARKING or FINALS as long as ephemerons are
   not settled (mm_noted_next): then there is one more such pause. */
bool mm_cycle_end_marking(struct mm_heap *heap);

/* Of the third pause: they were cleared. */
void mm_cycle_end_clearing(struct mm_heap *heap);

#endif
