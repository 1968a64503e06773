/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference processor: discovering, and what happens to what was
 * discovered; see references_internal.h.  The order of strengths is Java's
 * (java.lang.ref), lists through the references themselves are HotSpot's
 * (referenceProcessor.cpp).
 *
 * Unlike there, tracing goes on discovering while finals are kept alive, so a
 * weak reference that only a finalizable object refers to is cleared like any
 * other; and an ephemeron's entry survives the resurrection of its key.
 *
 * Runs in the phase References, on the workers; the lists are handed out by
 * number.  Next: ephemerons.c, pending.c, noted.c (beside the program).
 */
#include "config.h"

#include "mm/gc/reference_job_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/noted_internal.h"
#include "mm/gc/scan_internal.h"

#define NS_PER_MS 1000000
#define MIB ((uint64_t)1 << 20)

/* Lists --------------------------------------------------------------------
 */

static struct mm_ref link_to(struct mm_ref first)
{
  return mm_is_null(first) ? MM_LINK_END : first;
}

void mm_reference_put(struct mm_worker *worker, unsigned row,
                      struct mm_ref reference)
{
  struct mm_worker_references *references = &worker->references;
  struct mm_ref *list =
      &references->lists[row][references->turn++ % MM_ROW_LISTS];
  MM_ASSERT(mm_is_null(*mm_link_slot(reference)));
  *mm_link_slot(reference) = link_to(*list);
  *list = reference;
}

/* Of workers that meet the same one, one puts it on a list. */
static bool discover(struct mm_worker *worker, struct mm_ref reference,
                     enum mm_strength strength)
{
  struct mm_worker_references *references = &worker->references;
  struct mm_ref *list =
      &references->lists[strength][references->turn % MM_ROW_LISTS];
  uint32_t none = 0;
  if (!__atomic_compare_exchange_n(&mm_link_slot(reference)->bits, &none,
                                   link_to(*list).bits, false, __ATOMIC_RELAXED,
                                   __ATOMIC_RELAXED))
    return false;
  *list = reference;
  references->turn++;
  references->listed++;
  return true;
}

static void meet_reached(struct mm_worker *worker, struct mm_ref reference,
                         const struct mm_reach *reach,
                         enum mm_strength strength)
{
  if (mm_breaks(worker->heap, MM_FAULT_REFERENCE_EARLY)) {
    *mm_referent_slot(reference) = MM_NULL;
    return;
  }
  reach->keep(worker, mm_referent_slot(reference));
  if (strength == MM_STRENGTH_EPHEMERON)
    reach->keep(worker, mm_value_slot(reference));
}

void mm_reference_meet(struct mm_worker *worker, struct mm_ref reference,
                       const struct mm_reach *reach)
{
  struct mm_ref referent = *mm_referent_slot(reference);
  enum mm_strength strength = mm_reference_strength(mm_layout_of(reference));
  MM_ASSERT(strength < MM_STRENGTH_COUNT);
  if (mm_is_null(referent) ||
      __atomic_load_n(&mm_link_slot(reference)->bits, __ATOMIC_RELAXED) != 0)
    return;
  if (reach->is_reached(worker->heap, referent))
    meet_reached(worker, reference, reach, strength);
  else if (discover(worker, reference, strength))
    worker->references.found[strength]++;
}

bool mm_reference_has(const struct mm_heap *heap, unsigned row)
{
  for (unsigned i = 0; i < heap->workers->count; i++)
    for (unsigned list = 0; list < MM_ROW_LISTS; list++)
      if (!mm_is_null(heap->workers->each[i].references.lists[row][list]))
        return true;
  return false;
}

static bool has_any(const struct mm_heap *heap)
{
  for (unsigned row = 0; row < MM_ROWS; row++)
    if (mm_reference_has(heap, row))
      return true;
  return false;
}

/* What the marker noted --------------------------------------------------- */

static void take_noted(struct mm_heap *heap, struct mm_ref reference,
                       enum mm_strength strength)
{
  struct mm_worker *worker = &heap->workers->each[0];
  if (!mm_is_null(*mm_referent_slot(reference))) /* not cleared meanwhile */
    discover(worker, reference, strength);
}

void mm_references_take_noted(struct mm_heap *heap)
{
  mm_noted_take(heap, take_noted);
}

/* Goals --------------------------------------------------------------------
 */

static struct mm_ref take_list(const struct mm_reference_job *job,
                               const struct mm_heap *heap, uint32_t number)
{
  uint32_t of_row = heap->workers->count * MM_ROW_LISTS;
  unsigned row = job->rows[number / of_row];
  struct mm_worker *owner =
      &heap->workers->each[number % of_row / MM_ROW_LISTS];
  struct mm_ref *list = &owner->references.lists[row][number % MM_ROW_LISTS];
  struct mm_ref first = *list;
  *list = MM_NULL;
  return first;
}

static void visit_goal(struct mm_worker *worker)
{
  const struct mm_reference_job *job = worker->heap->references.job;
  uint32_t lists = job->row_count * worker->workers->count * MM_ROW_LISTS,
           number;
  mm_trace_stack_reset(&worker->stack);
  while ((number = mm_worker_claim(worker)) < lists) {
    struct mm_ref reference = take_list(job, worker->heap, number), next;
    for (; mm_link_goes_on(reference); reference = next) {
      next = *mm_link_slot(reference);
      *mm_link_slot(reference) = MM_NULL;
      job->visit(worker, reference);
    }
  }
}

static void trace_goal(struct mm_worker *worker)
{
  worker->heap->references.job->reach->trace(worker);
}

static void rescan_goal(struct mm_worker *worker)
{
  worker->heap->references.job->reach->rescan(worker);
}

void mm_reference_visit(struct mm_reference_job *job, bool traces,
                        void (*visit)(struct mm_worker *worker,
                                      struct mm_ref reference))
{
  struct mm_heap *heap = job->heap;
  unsigned active = traces && job->reach->is_lone ? 1 : job->active;
  job->visit = visit;
  mm_workers_run(heap->workers, active, visit_goal);
}

bool mm_reference_trace(struct mm_reference_job *job)
{
  struct mm_heap *heap = job->heap;
  const struct mm_reach *reach = job->reach;
  mm_workers_run(heap->workers, reach->is_lone ? 1 : job->active, trace_goal);
  if (!reach->rescan)
    return !heap->cycle.marker->stack_overflowed && !heap->cycle.is_lost;
  while (mm_trace_take_overflow(heap->workers)) {
    mm_stat_count(&heap->stat, MM_COUNT_MARK_OVERFLOWS, 1);
    mm_workers_run(heap->workers, 1, rescan_goal);
  }
  return true;
}

static void choose_row(struct mm_reference_job *job, unsigned row)
{
  job->rows[0] = row;
  job->row_count = 1;
}

/* Clearing ----------------------------------------------------------------- */

static void pend(struct mm_worker *worker, struct mm_ref reference)
{
  struct mm_worker_references *references = &worker->references;
  *mm_link_slot(reference) = link_to(references->first_pending);
  if (mm_is_null(references->first_pending))
    references->last_pending = reference;
  references->first_pending = reference;
}

bool mm_reference_is_told(struct mm_ref reference)
{
  const char *whom =
      (const char *)mm_address(reference) + MM_REFERENCE_FIELDS_OFFSET;
  return !(mm_layout_of(reference)->flags & MM_LAYOUT_ASKS_WHOM) ||
         __atomic_load_n((const uint32_t *)whom, __ATOMIC_RELAXED) != 0;
}

static void clear(struct mm_worker *worker, struct mm_ref reference,
                  enum mm_strength strength)
{
  if (mm_breaks(worker->heap, MM_FAULT_REFERENCE_KEPT))
    return;
  *mm_referent_slot(reference) = MM_NULL;
  if (strength == MM_STRENGTH_EPHEMERON)
    *mm_value_slot(reference) = MM_NULL;
  worker->references.cleared[strength]++;
  if (mm_reference_is_told(reference))
    pend(worker, reference);
}

static void clear_dead(struct mm_worker *worker, struct mm_ref reference)
{
  const struct mm_reach *reach = worker->heap->references.job->reach;
  enum mm_strength strength = mm_reference_strength(mm_layout_of(reference));
  if (reach->is_reached(worker->heap, *mm_referent_slot(reference)))
    meet_reached(worker, reference, reach, strength);
  else
    clear(worker, reference, strength);
}

static void clear_row(struct mm_reference_job *job, unsigned row)
{
  if (!mm_reference_has(job->heap, row))
    return;
  choose_row(job, row);
  mm_reference_visit(job, false, clear_dead);
}

/* Soft --------------------------------------------------------------------- */

static uint32_t now_ms(void)
{
  return (uint32_t)(mm_stat_now_ns() / NS_PER_MS);
}

/* By one at least, also within a millisecond: what was used before and what is
   used from now on differ. */
void mm_references_set_clock(struct mm_heap *heap)
{
  uint32_t then = heap->references.clock_ms;
  int32_t passed = (int32_t)(now_ms() - then);
  __atomic_store_n(&heap->references.clock_ms,
                   then + (uint32_t)(passed > 0 ? passed : 1),
                   __ATOMIC_RELAXED);
}

void mm_references_init(struct mm_heap *heap)
{
  heap->references.clock_ms = now_ms();
  heap->references.few = mm_is_stressed(heap) ? 0 : MM_REFERENCES_FEW;
}

/* As in HotSpot (LRUMaxHeapPolicy): the more room there is, the longer. */
uint64_t mm_references_soft_life_ms(const struct mm_heap *heap)
{
  uint64_t most = (uint64_t)heap->sizing.max_regions << MM_REGION_LOG2;
  uint64_t live = heap->stat.live_then_bytes;
  uint64_t free_mib = live < most ? (most - live) / MIB : 0;
  uint64_t ms;
  return __builtin_mul_overflow(free_mib, heap->options.soft_ms_per_mib, &ms)
             ? UINT64_MAX
             : ms;
}

bool mm_reference_is_wanted(const struct mm_heap *heap, struct mm_ref reference,
                            uint64_t life_ms)
{
  uint32_t used_ms =
      __atomic_load_n(&mm_value_slot(reference)->bits, __ATOMIC_RELAXED);
  return !heap->references.clears_soft && life_ms > 0 &&
         !mm_is_broken(heap, MM_FAULT_SOFT_EARLY) &&
         heap->references.clock_ms - used_ms <= life_ms;
}

/* Those that go are as good as weak from now on. */
static void keep_soft(struct mm_worker *worker, struct mm_ref reference)
{
  const struct mm_reference_job *job = worker->heap->references.job;
  if (mm_reference_is_wanted(job->heap, reference, job->soft_life_ms) ||
      job->reach->is_reached(worker->heap, *mm_referent_slot(reference)))
    job->reach->keep(worker, mm_referent_slot(reference));
  else
    mm_reference_put(worker, MM_STRENGTH_WEAK, reference);
}

/* Each that is kept may lead to others. */
static bool keep_wanted(struct mm_reference_job *job)
{
  while (mm_reference_has(job->heap, MM_STRENGTH_SOFT)) {
    choose_row(job, MM_STRENGTH_SOFT);
    mm_reference_visit(job, true, keep_soft);
    if (!mm_reference_trace(job) || !mm_ephemerons_run(job))
      return false;
  }
  return true;
}

/* Final -------------------------------------------------------------------- */

/* All that are finalizable are, in whatever order they come: nothing is traced
   before all have been looked at. */
static void fire(struct mm_worker *worker, struct mm_ref reference)
{
  const struct mm_reach *reach = worker->heap->references.job->reach;
  struct mm_ref *slot = mm_referent_slot(reference);
  if (reach->is_reached(worker->heap, *slot)) {
    meet_reached(worker, reference, reach, MM_STRENGTH_FINAL);
    return;
  }
  worker->references.cleared[MM_STRENGTH_FINAL]++;
  mm_reference_put(worker, MM_ROW_WAITING, reference);
}

static void keep_fired(struct mm_worker *worker, struct mm_ref reference)
{
  const struct mm_reach *reach = worker->heap->references.job->reach;
  if (!mm_breaks(worker->heap, MM_FAULT_FINAL))
    reach->keep(worker, mm_referent_slot(reference));
  pend(worker, reference);
}

static bool fire_finals(struct mm_reference_job *job)
{
  if (!mm_reference_has(job->heap, MM_STRENGTH_FINAL))
    return true;
  choose_row(job, MM_STRENGTH_FINAL);
  mm_reference_visit(job, true, fire);
  choose_row(job, MM_ROW_WAITING);
  mm_reference_visit(job, true, keep_fired);
  return mm_reference_trace(job) && mm_ephemerons_run(job);
}

/* All ---------------------------------------------------------------------- */

static bool goes_on(const struct mm_heap *heap)
{
  return mm_reference_has(heap, MM_STRENGTH_SOFT) ||
         mm_reference_has(heap, MM_STRENGTH_WEAK) ||
         mm_reference_has(heap, MM_STRENGTH_FINAL);
}

static bool process(struct mm_reference_job *job)
{
  struct mm_heap *heap = job->heap;
  if (!mm_ephemerons_run(job))
    return false;
  while (goes_on(heap)) {
    if (!keep_wanted(job))
      return false;
    clear_row(job, MM_STRENGTH_WEAK);
    if (!fire_finals(job))
      return false;
  }
  clear_row(job, MM_STRENGTH_EPHEMERON);
  clear_row(job, MM_STRENGTH_PHANTOM);
  return true;
}

static void forget_one(struct mm_worker *worker, struct mm_ref reference)
{
  (void)worker, (void)reference;
}

/* Links are null again. */
static void forget(struct mm_reference_job *job)
{
  for (unsigned row = 0; row < MM_ROWS; row++) {
    choose_row(job, row);
    mm_reference_visit(job, false, forget_one);
  }
}

static void count_worker(struct mm_heap *heap, struct mm_worker *worker)
{
  struct mm_worker_references *references = &worker->references;
  for (unsigned i = 0; i < MM_STRENGTH_COUNT; i++) {
    mm_stat_count(&heap->stat, (enum mm_counter)(MM_COUNT_SOFT_FOUND + i),
                  references->found[i]);
    mm_stat_count(&heap->stat, (enum mm_counter)(MM_COUNT_SOFT_CLEARED + i),
                  references->cleared[i]);
    references->found[i] = references->cleared[i] = 0;
  }
  references->listed = 0;
}

_Static_assert((int)MM_COUNT_SOFT_FOUND + (int)MM_STRENGTH_PHANTOM ==
                       (int)MM_COUNT_PHANTOM_FOUND &&
                   (int)MM_COUNT_SOFT_CLEARED + (int)MM_STRENGTH_PHANTOM ==
                       (int)MM_COUNT_PHANTOM_CLEARED,
               "counters are in the order of strengths");

static void settle(struct mm_heap *heap)
{
  struct mm_ref first = heap->references.pending.first;
  for (unsigned i = 0; i < heap->workers->count; i++) {
    struct mm_worker *worker = &heap->workers->each[i];
    struct mm_worker_references *references = &worker->references;
    if (!mm_is_null(references->first_pending)) {
      *mm_link_slot(references->last_pending) = link_to(first);
      first = references->first_pending;
      references->first_pending = references->last_pending = MM_NULL;
    }
    count_worker(heap, worker);
  }
  bool has_more = !mm_same(first, heap->references.pending.first);
  __atomic_store_n(&heap->references.pending.first.bits, first.bits,
                   __ATOMIC_RELAXED);
  if (has_more && heap->binding.references_pending)
    heap->binding.references_pending(heap->host);
}

void mm_reference_count(const struct mm_heap *heap,
                        struct mm_reference_counts *counts)
{
  for (unsigned i = 0; i < MM_STRENGTH_COUNT; i++) {
    counts->found[i] = mm_stat_counter(
        &heap->stat, (enum mm_counter)(MM_COUNT_SOFT_FOUND + i));
    counts->cleared[i] = mm_stat_counter(
        &heap->stat, (enum mm_counter)(MM_COUNT_SOFT_CLEARED + i));
  }
}

static struct mm_reference_job
job_for(struct mm_heap *heap, const struct mm_reach *reach, unsigned active)
{
  return (struct mm_reference_job){.heap = heap,
                                   .reach = reach,
                                   .active = active,
                                   .soft_life_ms =
                                       mm_references_soft_life_ms(heap)};
}

/* So few lists are not worth waking others for. */
static unsigned workers_for(const struct mm_heap *heap, unsigned active)
{
  enum { FEW = 256 };
  uint64_t listed = 0;
  for (unsigned i = 0; i < heap->workers->count; i++)
    listed += heap->workers->each[i].references.listed;
  return listed < FEW && !mm_is_stressed(heap) ? 1 : active;
}

static bool run_all(struct mm_heap *heap, const struct mm_reach *reach,
                    unsigned active)
{
  struct mm_reference_job job = job_for(heap, reach, workers_for(heap, active));
  heap->references.job = &job;
  bool is_done = process(&job);
  if (!is_done)
    forget(&job);
  settle(heap);
  heap->references.job = NULL;
  return is_done;
}

bool mm_references_process(struct mm_heap *heap, const struct mm_reach *reach,
                           unsigned active)
{
  bool is_done = true;
  if (reach->is_full)
    mm_references_set_clock(heap);
  if (!mm_pending_has_any(heap) && !has_any(heap))
    return true;
  mm_stat_phase_begin(&heap->stat, MM_PHASE_REFERENCES);
  if (reach->has_moved)
    mm_pending_follow(heap, reach);
  if (has_any(heap))
    is_done = run_all(heap, reach, active);
  mm_stat_phase_end(&heap->stat, MM_PHASE_REFERENCES);
  return is_done;
}

bool mm_ephemerons_settle(struct mm_heap *heap, const struct mm_reach *reach,
                          unsigned active)
{
  if (!mm_reference_has(heap, MM_STRENGTH_EPHEMERON))
    return true;
  struct mm_reference_job job = job_for(heap, reach, active);
  heap->references.job = &job;
  bool is_done = mm_ephemerons_run(&job);
  heap->references.job = NULL;
  return is_done;
}
