/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread of the cycles, and what a cycle does from its start to its end;
 * see cycle_internal.h.  Next: mark_concurrent.c, collect.c (the pauses).
 */
#include "config.h"

#include "mm/gc/cycle_internal.h"

#include "mm/assert_internal.h"
#include "mm/barrier_inline.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/collect_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/gc/trace_internal.h"
#include "mm/gc/workers_internal.h"
#include "mm/native.h"

#include <errno.h>
#include <signal.h>

/* Barriers ------------------------------------------------------------------
 */

static void log_old(struct mm_mutator *mutator, struct mm_ref ref)
{
  struct mm_heap *heap = mutator->heap;
  if (mm_is_null(ref) || mm_is_marked(heap, ref))
    return;
  if (!mm_log_put(heap, &heap->cycle.full, &mutator->old_log, ref.bits))
    __atomic_store_n(&heap->cycle.is_lost, true, __ATOMIC_RELAXED);
}

void mm_barrier_old_slow(struct mm_mutator *mutator, struct mm_ref ref)
{
  if (mutator->marking & MM_MARKING_STRESS)
    mm_stress_barrier(mutator);
  if (mutator->marking & MM_MARKING_CYCLE &&
      !mm_breaks(mutator->heap, MM_FAULT_BARRIER_BEFORE))
    log_old(mutator, ref);
}

void mm_barrier_keep_slow(struct mm_mutator *mutator, struct mm_ref ref)
{
  if (mutator->marking & MM_MARKING_CYCLE &&
      !mm_breaks(mutator->heap, MM_FAULT_BARRIER_KEEP))
    log_old(mutator, ref);
}

void mm_cycle_bear(struct mm_heap *heap, uintptr_t at)
{
  if (mm_cycle_marks(heap) && !mm_is_broken(heap, MM_FAULT_BORN_WHITE))
    mm_mark(heap, mm_ref_at((void *)at), true);
}

/* State ---------------------------------------------------------------------
 */

/* World stopped. */
static void set_state(struct mm_heap *heap, enum mm_cycle_state state)
{
  pthread_mutex_lock(&heap->lock);
  heap->cycle.state = state;
  heap->cycle.requested = false;
  for (struct mm_mutator *m = heap->mutators; m; m = m->next)
    m->marking = mm_stress_marking(heap, state == MM_CYCLE_MARKING);
  if (state == MM_CYCLE_IDLE)
    heap->cycle.ended++;
  mm_condition_notify(heap, &heap->cycle.changed);
  pthread_mutex_unlock(&heap->lock);
}

bool mm_cycle_is_active(const struct mm_heap *heap)
{
  return heap->cycle.requested || heap->cycle.state != MM_CYCLE_IDLE;
}

void mm_cycle_request_locked(struct mm_heap *heap)
{
  if (mm_cycle_is_active(heap) || !heap->cycle.has_thread)
    return;
  heap->cycle.requested = true;
  mm_condition_notify(heap, &heap->cycle.wake);
}

static void drop_logs(struct mm_heap *heap)
{
  for (struct mm_mutator *m = heap->mutators; m; m = m->next)
    mm_log_push(heap, &heap->cycle.full, &m->old_log);
  mm_logs_drop(heap, &heap->cycle.full);
}

void mm_cycle_abandon(struct mm_heap *heap)
{
  if (!mm_cycle_is_active(heap))
    return;
  drop_logs(heap);
  __atomic_add_fetch(&heap->cycle.number, 1, __ATOMIC_RELAXED);
  set_state(heap, MM_CYCLE_IDLE);
}

/* Pauses --------------------------------------------------------------------
 */

static bool start(struct mm_heap *heap, uint64_t *cycle)
{
  pthread_mutex_lock(&heap->lock);
  bool wanted = heap->cycle.requested && !heap->cycle.quit;
  pthread_mutex_unlock(&heap->lock);
  if (!wanted)
    return false;
  while (!mm_stop_world_from_outside(heap))
    ;
  heap->cycle.is_lost = false;
  *cycle = __atomic_add_fetch(&heap->cycle.number, 1, __ATOMIC_RELAXED);
  mm_pause_start(heap);
  set_state(heap, MM_CYCLE_MARKING);
  heap->cycle.began_ns = mm_stat_now_ns();
  mm_resume_world_from_outside(heap);
  return true;
}

/* False: the cycle was abandoned, and there is nothing to finish. */
static bool finish(struct mm_heap *heap, uint64_t cycle)
{
  while (!mm_stop_world_from_outside(heap))
    ;
  bool is_mine = heap->cycle.number == cycle && mm_cycle_marks(heap);
  if (is_mine)
    mm_pause_finish(heap);
  mm_resume_world_from_outside(heap);
  return is_mine;
}

/* Of the pause that finishes: after the marking. */
bool mm_cycle_end_marking(struct mm_heap *heap)
{
  struct mm_worker *marker = heap->cycle.marker;
  uint64_t ns = mm_stat_now_ns() - heap->cycle.began_ns;
  uint64_t known_ns = heap->cycle.mark_ns;
  heap->cycle.mark_ns = known_ns ? (known_ns + ns) / 2 : ns;
  mm_marker_finish(heap);
  bool is_whole = !marker->stack_overflowed && !heap->cycle.is_lost;
  drop_logs(heap);
  set_state(heap, MM_CYCLE_IDLE);
  return is_whole;
}

static void run_cycle(struct mm_heap *heap)
{
  uint64_t cycle;
  if (!start(heap, &cycle))
    return;
  mm_stress_border(heap, MM_BORDER_STARTED);
  mm_marker_begin(heap);
  bool is_done = mm_marker_run(heap, cycle);
  mm_marker_end(heap);
  mm_stat_concurrent(&heap->stat, mm_stat_now_ns() - heap->cycle.began_ns);
  mm_stress_border(heap, MM_BORDER_MARKED);
  if (is_done)
    finish(heap, cycle);
}

static void *thread_main(void *argument)
{
  struct mm_heap *heap = argument;
  mm_schedule_begin(heap, &heap->schedule.cycle);
  pthread_mutex_lock(&heap->lock);
  while (!heap->cycle.quit) {
    if (!heap->cycle.requested) {
      mm_condition_wait(heap, &heap->cycle.wake, &heap->lock);
      continue;
    }
    pthread_mutex_unlock(&heap->lock);
    run_cycle(heap);
    pthread_mutex_lock(&heap->lock);
  }
  pthread_mutex_unlock(&heap->lock);
  mm_schedule_end(heap, &heap->schedule.cycle);
  return NULL;
}

/* Waiting -------------------------------------------------------------------
 */

bool mm_cycle_wait(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  mm_enter_native(mutator);
  pthread_mutex_lock(&heap->lock);
  bool was_active = mm_cycle_is_active(heap);
  uint64_t ended = heap->cycle.ended;
  while (mm_cycle_is_active(heap) && heap->cycle.ended == ended)
    mm_condition_wait(heap, &heap->cycle.changed, &heap->lock);
  pthread_mutex_unlock(&heap->lock);
  mm_leave_native(mutator);
  return was_active;
}

static void start_and_wait(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  mm_enter_native(mutator);
  pthread_mutex_lock(&heap->lock);
  mm_cycle_request_locked(heap);
  while (heap->cycle.requested)
    mm_condition_wait(heap, &heap->cycle.changed, &heap->lock);
  pthread_mutex_unlock(&heap->lock);
  mm_leave_native(mutator);
}

void mm_cycle_step(struct mm_mutator *mutator)
{
  if (!mm_cycle_wait(mutator))
    start_and_wait(mutator);
}

/* Life ----------------------------------------------------------------------
 */

static enum mm_status start_thread(struct mm_heap *heap)
{
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  mm_schedule_add(heap, &heap->schedule.cycle);
  int error = mm_native_fails_now() ? EAGAIN
                                    : pthread_create(&heap->cycle.thread, NULL,
                                                     thread_main, heap);
  if (error != 0)
    mm_schedule_end(heap, &heap->schedule.cycle);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  heap->cycle.has_thread = error == 0;
  return error == 0 ? MM_OK : MM_OS_FAILED;
}

enum mm_status mm_cycle_create(struct mm_heap *heap)
{
  if (heap->options.gc != MM_GC_CONCURRENT)
    return MM_OK;
  struct mm_worker *marker =
      mm_native_alloc(MM_PURPOSE_WORKERS, sizeof *marker);
  if (!marker)
    return MM_NO_MEMORY;
  heap->cycle.marker = marker;
  marker->heap = heap;
  if (!mm_trace_stack_init(&marker->stack))
    return MM_NO_MEMORY;
  return start_thread(heap);
}

void mm_heap_quit(struct mm_heap *heap)
{
  if (!heap->cycle.has_thread)
    return;
  pthread_mutex_lock(&heap->lock);
  heap->cycle.quit = true;
  /* A cycle under way is abandoned. */
  __atomic_add_fetch(&heap->cycle.number, 1, __ATOMIC_RELAXED);
  mm_condition_notify(heap, &heap->cycle.wake);
  pthread_mutex_unlock(&heap->lock);
  mm_schedule_await_end(heap, &heap->schedule.cycle);
  pthread_join(heap->cycle.thread, NULL);
  heap->cycle.has_thread = false;
}

void mm_cycle_destroy(struct mm_heap *heap)
{
  struct mm_worker *marker = heap->cycle.marker;
  mm_heap_quit(heap);
  mm_logs_drop(heap, &heap->cycle.full);
  if (!marker)
    return;
  mm_trace_stack_destroy(&marker->stack);
  mm_native_free(MM_PURPOSE_WORKERS, marker, sizeof *marker);
  heap->cycle.marker = NULL;
}
