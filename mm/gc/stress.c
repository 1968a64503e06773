/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forced collections; see stress_internal.h.
 */
#include "config.h"

#include "mm/gc/stress_internal.h"

#include "mm/gc/collect_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/workers_internal.h"

#include <sched.h>

enum {
  MIDDLE = 3,  /* pieces of marking before the border amid it */
  CHOICES = 6, /* that a cycle has: four borders, and twice none */
};

/* No lock is held. */
static void give_way(struct mm_heap *heap)
{
  if (heap->schedule.is_on)
    mm_schedule_yield(heap);
  else
    sched_yield();
}

/* Phases ------------------------------------------------------------------- */

/* A byte that was copied or marked takes a nanosecond. */
static uint64_t work_ns(const struct mm_heap *heap)
{
  const struct mm_worker *worker = &heap->workers->each[0];
  return worker->moved_bytes + worker->live_bytes;
}

static void at_border(struct mm_stat *stat)
{
  struct mm_heap *heap =
      (struct mm_heap *)((char *)stat - offsetof(struct mm_heap, stat));
  mm_schedule_work(heap, work_ns(heap));
  give_way(heap);
}

void mm_stress_init(struct mm_heap *heap)
{
  if (heap->options.stress_phase || heap->schedule.is_on)
    heap->stat.at_border = at_border;
}

void mm_stress_again(struct mm_mutator *mutator)
{
  const struct mm_heap *heap = mutator->heap;
  if (heap->options.stress_phase && !heap->cycle.has_thread)
    mm_collect_once(mutator, MM_CAUSE_STRESS, true);
}

/* Cycles ------------------------------------------------------------------- */

void mm_stress_border(struct mm_heap *heap, enum mm_border border)
{
  if (!heap->options.stress_phase)
    return;
  if (border == MM_BORDER_STARTED) {
    heap->stress.cycles++;
    heap->stress.pieces = 0;
  }
  give_way(heap);
  if (heap->stress.cycles % CHOICES == 1 + (unsigned)border)
    mm_collect_from_outside(heap, MM_CAUSE_STRESS);
}

void mm_stress_piece_slow(struct mm_heap *heap)
{
  give_way(heap);
  if (!heap->options.stress_phase || ++heap->stress.pieces != MIDDLE)
    return;
  mm_marker_end(heap);
  mm_stress_border(heap, MM_BORDER_MARKING);
  mm_marker_begin(heap);
}

/* Barriers ----------------------------------------------------------------- */

void mm_stress_barrier(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  uint64_t every = heap->options.stress_barrier;
  mm_schedule_yield(heap);
  if (every == 0)
    return;
  uint64_t count =
      __atomic_add_fetch(&heap->stress.barriers, 1, __ATOMIC_RELAXED);
  if (count % every != 0)
    return;
  mutator->stress_due = true;
  if (!heap->schedule.is_on)
    sched_yield();
}
