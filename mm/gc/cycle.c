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
#include "mm/gc/candidates_internal.h"
#include "mm/gc/collect_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/generations_internal.h"
#include "mm/gc/noted_internal.h"
#include "mm/gc/pauses_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/gc/trace_internal.h"
#include "mm/gc/warm_internal.h"
#include "mm/gc/workers_internal.h"
#include "mm/native.h"
#include "mm/os/os_internal.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

enum {
  NS_PER_S = 1000000000,
  RETURN_PAUSES = 32,
  SIFT_AHEAD = 8,
  SIFTED_MAX = MM_BARRIER_LOG_ENTRIES / 2, /* stay in their log */
  LITTLE_BYTES = 256 * 1024, /* allocated since the walk: seen in a pause */
};

/* Barriers ------------------------------------------------------------------
 */

/* Of a full log, the references that the marker has to see stay. */
static void sift(const struct mm_heap *heap, struct mm_barrier_log *log)
{
  uint32_t kept = 0;
  for (uint32_t i = 0; i < log->count; i++) {
    struct mm_ref ref = {log->entries[i]};
    if (i + SIFT_AHEAD < log->count)
      mm_mark_prefetch(heap, (struct mm_ref){log->entries[i + SIFT_AHEAD]});
    if (!mm_is_null(ref) && mm_cycle_is_white(heap, ref))
      log->entries[kept++] = ref.bits;
  }
  log->count = kept;
}

/* A log that is full is sifted, and goes on the list unless that made room. */
static bool make_room(struct mm_heap *heap, struct mm_mutator *mutator)
{
  mm_old_log_settle(mutator);
  if (mutator->old_log)
    sift(heap, mutator->old_log);
  if (mutator->old_log && mutator->old_log->count > SIFTED_MAX)
    mm_log_push(heap, &heap->cycle.full, &mutator->old_log);
  mm_old_log_open(mutator,
                  mutator->old_log ? mutator->old_log : mm_log_take(heap));
  return mutator->old_log;
}

/* Most are marked, but to look at each bit alone would be to wait for it: that
   is for when the log is full, or for the marker. */
static void log_old(struct mm_mutator *mutator, struct mm_ref ref)
{
  struct mm_heap *heap = mutator->heap;
  if (mm_is_null(ref))
    return;
  if (mutator->old_at != mutator->old_end || make_room(heap, mutator))
    *mutator->old_at++ = ref.bits;
  else
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

void mm_barrier_old_tagged_slow(struct mm_mutator *mutator, struct mm_ref ref)
{
  if (!mm_breaks(mutator->heap, MM_FAULT_TAGGED_OLD))
    mm_barrier_old_slow(mutator, ref);
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

void mm_cycle_unbear(struct mm_heap *heap, uintptr_t at)
{
  uint64_t granule = mm_granule_of(heap, mm_ref_at((void *)at));
  if (mm_cycle_marks(heap))
    __atomic_fetch_and(&heap->marks[granule >> 6],
                       ~((uint64_t)1 << (granule & 63)), __ATOMIC_RELAXED);
}

/* State ---------------------------------------------------------------------
 */

static void set_state_locked(struct mm_heap *heap, enum mm_cycle_state state)
{
  __atomic_store_n(&heap->cycle.state, state, __ATOMIC_RELAXED);
  __atomic_store_n(&heap->cycle.requested, false, __ATOMIC_RELAXED);
  if (state == MM_CYCLE_IDLE)
    heap->cycle.ended++;
  mm_condition_notify(heap, &heap->cycle.changed);
}

/* World stopped. */
static void set_state(struct mm_heap *heap, enum mm_cycle_state state)
{
  pthread_mutex_lock(&heap->lock);
  set_state_locked(heap, state);
  for (struct mm_mutator *m = heap->mutators; m; m = m->next)
    m->marking = mm_stress_marking(heap, mm_cycle_logs(state));
  pthread_mutex_unlock(&heap->lock);
}

/* There may be more room than before. */
static void give_back(struct mm_heap *heap)
{
  pthread_mutex_lock(&heap->lock);
  heap->cycle.given++;
  mm_condition_notify(heap, &heap->cycle.changed);
  pthread_mutex_unlock(&heap->lock);
}

/* From one state in which nothing is marked to another, beside the program.
   False: the cycle was abandoned. */
static bool move_on(struct mm_heap *heap, uint64_t cycle,
                    enum mm_cycle_state state)
{
  mm_marker_begin(heap); /* no pause comes in between */
  bool is_mine = mm_cycle_is(heap, cycle);
  if (is_mine) {
    pthread_mutex_lock(&heap->lock);
    set_state_locked(heap, state);
    pthread_mutex_unlock(&heap->lock);
  }
  mm_marker_end(heap);
  return is_mine;
}

bool mm_cycle_is_active(const struct mm_heap *heap)
{
  return __atomic_load_n(&heap->cycle.requested, __ATOMIC_RELAXED) ||
         mm_cycle_state(heap) != MM_CYCLE_IDLE;
}

void mm_cycle_wake_if_cold_locked(struct mm_heap *heap)
{
  if (heap->cycle.has_thread && mm_is_cold(heap))
    mm_condition_notify(heap, &heap->cycle.wake);
}

void mm_cycle_request_locked(struct mm_heap *heap)
{
  if (mm_cycle_is_active(heap) || !heap->cycle.has_thread)
    return;
  __atomic_store_n(&heap->cycle.requested, true, __ATOMIC_RELAXED);
  mm_condition_notify(heap, &heap->cycle.wake);
}

static void drop_logs(struct mm_heap *heap)
{
  for (struct mm_mutator *m = heap->mutators; m; m = m->next)
    mm_old_log_push(heap, m);
  mm_logs_drop(heap, &heap->cycle.full);
}

/* No region is to be walked any more. */
static void forget_walk(struct mm_heap *heap)
{
  for (uint32_t i = 0; i < heap->cycle.walk_regions; i++)
    heap->regions.table[i].walk_top = 0;
  heap->cycle.walk_regions = 0;
}

void mm_cycle_abandon(struct mm_heap *heap)
{
  mm_candidates_drop(heap);
  forget_walk(heap);
  if (!mm_cycle_is_active(heap))
    return;
  drop_logs(heap);
  mm_noted_drop(heap);
  __atomic_add_fetch(&heap->cycle.number, 1, __ATOMIC_RELAXED);
  set_state(heap, MM_CYCLE_IDLE);
}

/* Pauses --------------------------------------------------------------------
 */

/* World stopped.  False: the heap quits.  Who sets `quit' from now on gives the
   cycle up by its number. */
static bool take_number(struct mm_heap *heap, uint64_t *cycle)
{
  pthread_mutex_lock(&heap->lock);
  bool quits = heap->cycle.quit;
  if (!quits)
    *cycle = __atomic_add_fetch(&heap->cycle.number, 1, __ATOMIC_RELAXED);
  pthread_mutex_unlock(&heap->lock);
  return !quits;
}

static bool start(struct mm_heap *heap, uint64_t *cycle)
{
  pthread_mutex_lock(&heap->lock);
  bool wanted = heap->cycle.requested && !heap->cycle.quit;
  pthread_mutex_unlock(&heap->lock);
  if (!wanted)
    return false;
  while (!mm_stop_world_from_outside(heap))
    ;
  if (!take_number(heap, cycle)) {
    mm_resume_world_from_outside(heap);
    return false;
  }
  heap->cycle.is_lost = false;
  mm_pause_start(heap);
  set_state(heap, MM_CYCLE_MARKING);
  heap->cycle.began_ns = mm_stat_now_ns();
  mm_resume_world_from_outside(heap);
  return true;
}

/* False: the cycle was abandoned, and there is nothing to finish. */
static bool finish_once(struct mm_heap *heap, uint64_t cycle)
{
  while (!mm_stop_world_from_outside(heap))
    ;
  bool is_mine = mm_cycle_is(heap, cycle) && mm_cycle_marks(heap);
  if (is_mine) {
    mm_pause_finish(heap);
    give_back(heap);
  }
  mm_resume_world_from_outside(heap);
  return is_mine;
}

/* Beside the program, in whose pauses it stops. */
static bool beside(struct mm_heap *heap, uint64_t cycle,
                   bool (*part)(struct mm_heap *heap, uint64_t cycle))
{
  mm_marker_begin(heap);
  bool is_done = mm_cycle_is(heap, cycle) && part(heap, cycle);
  mm_marker_end(heap);
  return is_done;
}

static bool mark_more(struct mm_heap *heap, uint64_t cycle)
{
  if (mm_cycle_state(heap) == MM_CYCLE_FINALS)
    return mm_noted_finalize(heap, cycle);
  return mm_marker_run(heap, cycle) && mm_noted_sift(heap, cycle);
}

/* May go on beside the program, with what the finalizable lead to, or what was
   not settled.  False: as above. */
static bool finish(struct mm_heap *heap, uint64_t cycle)
{
  bool is_mine = finish_once(heap, cycle);
  while (is_mine && mm_cycle_logs(mm_cycle_state(heap)))
    is_mine = beside(heap, cycle, mark_more) && finish_once(heap, cycle);
  return is_mine;
}

static bool is_clearing(struct mm_heap *heap, uint64_t cycle)
{
  return mm_cycle_is(heap, cycle) && mm_cycle_state(heap) == MM_CYCLE_CLEARING;
}

/* References to the dead, if they were left for that.  False: as above. */
static bool clear(struct mm_heap *heap, uint64_t cycle)
{
  if (!beside(heap, cycle, is_clearing))
    return mm_cycle_is(heap, cycle);
  mm_stress_border(heap, MM_BORDER_CLEARING);
  if (!beside(heap, cycle, mm_noted_clear))
    return false;
  while (!mm_stop_world_from_outside(heap))
    ;
  bool is_mine = mm_cycle_is(heap, cycle);
  if (is_mine)
    mm_pause_clean_up(heap);
  mm_resume_world_from_outside(heap);
  return is_mine;
}

/* Shorter ones count by half, so that one long one is not forgotten at once. */
static void learn_time(uint64_t *known_ns, uint64_t ns)
{
  *known_ns = ns < *known_ns ? (*known_ns + ns) / 2 : ns;
}

uint64_t mm_cycle_expected_ns(const struct mm_heap *heap)
{
  const struct mm_cycle *cycle = &heap->cycle;
  uint64_t walk_ns = cycle->walk_ns ? cycle->walk_ns : cycle->mark_ns;
  return cycle->mark_ns +
         (heap->options.tenured == MM_TENURED_REGIONS ? walk_ns : 0);
}

static bool is_whole(const struct mm_heap *heap)
{
  return !heap->cycle.marker->stack_overflowed && !heap->cycle.is_lost;
}

/* Of the pause that finishes: after the marking. */
bool mm_cycle_end_marking(struct mm_heap *heap)
{
  heap->cycle.marked_ns = mm_stat_now_ns();
  learn_time(&heap->cycle.mark_ns,
             heap->cycle.marked_ns - heap->cycle.began_ns);
  mm_marker_finish(heap);
  enum mm_cycle_state next = MM_CYCLE_SWEEPING;
  if (is_whole(heap))
    next = mm_noted_next(heap);
  if (!is_whole(heap))
    next = MM_CYCLE_SWEEPING;
  else if (next == MM_CYCLE_SWEEPING)
    mm_references_take_noted(heap);
  if (next == MM_CYCLE_SWEEPING)
    mm_noted_drop(heap);
  drop_logs(heap); /* empty, unless the snapshot is lost */
  set_state(heap, next);
  return is_whole(heap);
}

void mm_cycle_end_clearing(struct mm_heap *heap)
{
  set_state(heap, MM_CYCLE_SWEEPING);
}

/* False: there are none left; else how long the program goes on until the next
   pause. */
static bool evacuate_some(struct mm_heap *heap, uint64_t cycle,
                          uint64_t *rest_ns)
{
  while (!mm_stop_world_from_outside(heap))
    ;
  uint64_t began_ns = mm_stat_now_ns();
  bool is_mine = mm_cycle_is(heap, cycle);
  if (is_mine && mm_candidates_wait(heap)) {
    uint32_t used = heap->regions.used;
    mm_pause_evacuate(heap);
    mm_sizing_after_portion(heap, used);
    give_back(heap);
  }
  bool goes_on = is_mine && mm_candidates_wait(heap);
  if (goes_on)
    *rest_ns = mm_pauses_rest_ns(heap, mm_stat_now_ns() - began_ns);
  mm_resume_world_from_outside(heap);
  return goes_on;
}

/* Until the time is up, or the heap quits. */
static void sleep_locked(struct mm_heap *heap, uint64_t ns)
{
  if (heap->schedule.is_on) {
    mm_schedule_wait(heap, &heap->cycle.wake, &heap->lock, mm_now_ns() + ns);
    return;
  }
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  ns += (uint64_t)until.tv_nsec;
  until.tv_sec += (time_t)(ns / NS_PER_S);
  until.tv_nsec = (long)(ns % NS_PER_S);
  pthread_cond_timedwait(&heap->cycle.wake, &heap->lock, &until);
}

/* Can a mutator do nothing until the next pause gives it something? */
static bool is_awaited(const struct mm_heap *heap)
{
  return heap->cycle.awaited > heap->cycle.given;
}

/* The thread is woken for other reasons as well: memory that is to be touched,
   for one.  Under the lock, which is released meanwhile. */
static void rest_locked(struct mm_heap *heap, uint64_t ns)
{
  uint64_t now_ns = mm_stat_now_ns(), until_ns = now_ns + ns;
  for (; !heap->cycle.quit && now_ns < until_ns && !is_awaited(heap);
       now_ns = mm_stat_now_ns()) {
    if (!mm_is_cold(heap)) {
      sleep_locked(heap, until_ns - now_ns);
      continue;
    }
    pthread_mutex_unlock(&heap->lock);
    mm_warm(heap);
    pthread_mutex_lock(&heap->lock);
  }
}

static void evacuate_all(struct mm_heap *heap, uint64_t cycle)
{
  uint64_t rest_ns;
  beside(heap, cycle, mm_marker_check); /* tests hold it here */
  while (evacuate_some(heap, cycle, &rest_ns)) {
    pthread_mutex_lock(&heap->lock);
    rest_locked(heap, rest_ns);
    pthread_mutex_unlock(&heap->lock);
  }
}

/* A batch at a time, under the lock, and never in a pause. */
static bool sweep_fixed(struct mm_heap *heap, uint64_t cycle)
{
  bool is_mine = true, has_more = true;
  while (is_mine && has_more) {
    pthread_mutex_lock(&heap->lock);
    while (mm_is_stopping(heap))
      mm_condition_wait(heap, &heap->resumed, &heap->lock);
    is_mine = mm_cycle_is(heap, cycle);
    has_more = is_mine && mm_fixed_sweep_some(heap);
    pthread_mutex_unlock(&heap->lock);
    mm_schedule_yield(heap);
  }
  return is_mine;
}

static bool has_candidates(struct mm_heap *heap, uint64_t cycle)
{
  return mm_cycle_is(heap, cycle) && heap->candidates.count > 0;
}

static bool watch_new(struct mm_heap *heap, uint64_t cycle)
{
  while (!mm_stop_world_from_outside(heap))
    ;
  bool is_mine = mm_cycle_is(heap, cycle);
  if (is_mine)
    mm_pause_watch(heap);
  mm_resume_world_from_outside(heap);
  return is_mine;
}

/* Until little is left, or as much is allocated as is walked. */
static bool walk_rounds(struct mm_heap *heap, uint64_t cycle)
{
  uint64_t before, unseen = UINT64_MAX;
  do {
    before = unseen;
    if (!watch_new(heap, cycle) || !beside(heap, cycle, mm_candidates_walk_new))
      return false;
    unseen = heap->candidates.unseen_bytes;
  } while (unseen > LITTLE_BYTES && unseen < before / 2);
  return true;
}

/* Pauses and, under the lock, mutators read it. */
static bool learn_walk(struct mm_heap *heap, uint64_t cycle)
{
  (void)cycle;
  pthread_mutex_lock(&heap->lock);
  learn_time(&heap->cycle.walk_ns, mm_stat_now_ns() - heap->cycle.marked_ns);
  pthread_mutex_unlock(&heap->lock);
  return true;
}

static bool walk_all(struct mm_heap *heap, uint64_t cycle)
{
  if (!beside(heap, cycle, mm_candidates_walk))
    return false;
  if (!mm_is_generational(heap) && beside(heap, cycle, has_candidates) &&
      !walk_rounds(heap, cycle))
    return false;
  return beside(heap, cycle, mm_candidates_complete) &&
         beside(heap, cycle, learn_walk);
}

/* Beside the program.  False: the cycle was abandoned. */
static bool sweep(struct mm_heap *heap, uint64_t cycle)
{
  if (!sweep_fixed(heap, cycle))
    return false;
  return heap->options.tenured != MM_TENURED_REGIONS || walk_all(heap, cycle);
}

/* Each candidate will want a log, all of them in the first pauses: of what they
   are chosen from, there are no more than this. */
static void prepare_logs(struct mm_heap *heap)
{
  mm_marker_begin(heap); /* no pause changes the table meanwhile */
  pthread_mutex_lock(&heap->lock);
  uint32_t regions = heap->regions.used;
  pthread_mutex_unlock(&heap->lock);
  mm_marker_end(heap);
  if (heap->options.tenured == MM_TENURED_REGIONS)
    mm_logs_prepare(heap, regions);
}

static bool mark(struct mm_heap *heap, uint64_t cycle)
{
  bool is_done = beside(heap, cycle, mark_more);
  prepare_logs(heap);
  mm_stress_border(heap, MM_BORDER_MARKED);
  return is_done;
}

/* One pause.  False: it has to be followed by another. */
static bool return_some(struct mm_heap *heap, uint64_t *pause_ns)
{
  while (!mm_stop_world_from_outside(heap))
    ;
  uint64_t began_ns = mm_stat_now_ns();
  bool is_done = !mm_generations_may_return(heap) || mm_pause_return(heap);
  *pause_ns = mm_stat_now_ns() - began_ns;
  mm_resume_world_from_outside(heap);
  return is_done;
}

/* A program that cannot be caught up with goes on as it is, until the next
   cycle has ended. */
static void return_to_young(struct mm_heap *heap)
{
  uint64_t pause_ns;
  for (int i = 0; i < RETURN_PAUSES && !return_some(heap, &pause_ns); i++) {
    pthread_mutex_lock(&heap->lock);
    rest_locked(heap, pause_ns);
    pthread_mutex_unlock(&heap->lock);
  }
}

static void run_cycle(struct mm_heap *heap)
{
  uint64_t cycle;
  if (!start(heap, &cycle))
    return;
  mm_stress_border(heap, MM_BORDER_STARTED);
  bool is_done = mark(heap, cycle) && finish(heap, cycle) &&
                 clear(heap, cycle) && sweep(heap, cycle);
  mm_stat_concurrent(&heap->stat, mm_stat_now_ns() - heap->cycle.began_ns);
  if (is_done && !mm_is_generational(heap) &&
      move_on(heap, cycle, MM_CYCLE_EVACUATING))
    evacuate_all(heap, cycle);
  mm_logs_relax(heap);
  if (is_done)
    move_on(heap, cycle, MM_CYCLE_IDLE);
  if (mm_generations_should_return(heap))
    return_to_young(heap);
}

static void *thread_main(void *argument)
{
  struct mm_heap *heap = argument;
  mm_os_work_beside();
  mm_schedule_begin(heap, &heap->schedule.cycle);
  pthread_mutex_lock(&heap->lock);
  while (!heap->cycle.quit) {
    if (!heap->cycle.requested && !mm_is_cold(heap)) {
      mm_condition_wait(heap, &heap->cycle.wake, &heap->lock);
      continue;
    }
    pthread_mutex_unlock(&heap->lock);
    mm_warm(heap);
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

bool mm_cycle_wait_for_room(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  mm_enter_native(mutator);
  pthread_mutex_lock(&heap->lock);
  uint64_t ended = heap->cycle.ended, given = heap->cycle.given;
  heap->cycle.awaited = given + 1;
  if (mm_cycle_state(heap) == MM_CYCLE_EVACUATING)
    mm_condition_notify(heap, &heap->cycle.wake);
  while (mm_cycle_is_active(heap) && heap->cycle.ended == ended &&
         heap->cycle.given == given)
    mm_condition_wait(heap, &heap->cycle.changed, &heap->lock);
  bool goes_on = mm_cycle_is_active(heap) && heap->cycle.ended == ended;
  pthread_mutex_unlock(&heap->lock);
  mm_leave_native(mutator);
  return goes_on;
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
  heap->regions.ahead = MM_GROUPS_AHEAD;
  heap->cycle.warm_to = MM_SMALL_PAGES_BYTES / MM_REGION_BYTES;
  marker->heap = heap;
  if (!mm_trace_stack_init(&marker->stack))
    return MM_NO_MEMORY;
  return start_thread(heap);
}

static void quit(struct mm_heap *heap)
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

void mm_heap_quit(struct mm_heap *heap)
{
  quit(heap);
  mm_deaths_quit(heap);
}

void mm_cycle_destroy(struct mm_heap *heap)
{
  struct mm_worker *marker = heap->cycle.marker;
  mm_heap_quit(heap);
  if (heap->candidates.count > 0)
    mm_candidates_drop(heap);
  mm_logs_drop(heap, &heap->cycle.full);
  mm_noted_drop(heap);
  if (!marker)
    return;
  mm_trace_stack_destroy(&marker->stack);
  mm_native_free(MM_PURPOSE_WORKERS, marker, sizeof *marker);
  heap->cycle.marker = NULL;
}
