/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collection from begin to end.
 *
 *   stop the world              safepoint.c
 *   [verify]
 *   evacuate   or   compact     sizing.c chooses, with tenured=regions
 *   mark and sweep              with tenured=freelist
 *   [verify]
 *   size the heap anew, give memory back, set the TLABs' sizes
 *   allocate for those who wait      alloc.c; if that fails: once more, with
 *                                    the utmost effort
 *   let the world go on
 *
 * Runs on the mutator that asked for it; workers help.  Everything between
 * stop and resumption has the heap for itself and takes no heap lock.
 */
#include "config.h"

#include "mm/gc/collect_internal.h"

#include "mm/alloc/tlab_internal.h"
#include "mm/assert_internal.h"
#include "mm/gc/alloc_internal.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/compact_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/evacuate_internal.h"
#include "mm/gc/generations_internal.h"
#include "mm/gc/heap_verify_internal.h"
#include "mm/gc/marksweep_internal.h"
#include "mm/gc/pauses_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/sizing_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/gc/workers_internal.h"
#include "mm/gc/young_internal.h"
#include "mm/space/object_internal.h"

uint64_t mm_heap_used_bytes(const struct mm_heap *heap)
{
  return (uint64_t)heap->regions.used << MM_REGION_LOG2;
}

uint64_t mm_heap_committed_bytes(const struct mm_heap *heap)
{
  uint32_t regions = heap->sizing.limit_regions;
  if (regions < heap->regions.committed)
    regions = heap->regions.committed;
  return (uint64_t)regions << MM_REGION_LOG2;
}

static struct mm_stat_heap state_of_heap(const struct mm_heap *heap)
{
  return (struct mm_stat_heap){
      .used_bytes = mm_heap_used_bytes(heap),
      .committed_bytes = mm_heap_committed_bytes(heap),
  };
}

static void verify(struct mm_heap *heap, enum mm_phase phase, const char *when)
{
  mm_stat_phase_begin(&heap->stat, phase);
  uint64_t broken = mm_verify_heap(heap, when, stderr);
  mm_stat_phase_end(&heap->stat, phase);
  if (broken)
    mm_fatal(heap, "the heap is broken in %llu places (%s a collection)",
             (unsigned long long)broken, when);
}

static bool is_young(enum mm_collection_kind kind)
{
  return kind == MM_COLLECTION_YOUNG || kind == MM_COLLECTION_MIXED;
}

/* Adds up what the workers counted. */
static void count_results(struct mm_heap *heap, enum mm_collection_kind kind,
                          struct mm_stat_heap *after)
{
  bool copies = kind == MM_COLLECTION_EVACUATE || is_young(kind);
  for (unsigned i = 0; i < heap->workers->count; i++) {
    const struct mm_worker *worker = &heap->workers->each[i];
    mm_stat_count(&heap->stat,
                  copies ? MM_COUNT_COPIED_BYTES : MM_COUNT_SLID_BYTES,
                  worker->moved_bytes);
    mm_stat_count(&heap->stat,
                  copies ? MM_COUNT_COPIED_OBJECTS : MM_COUNT_SLID_OBJECTS,
                  worker->moved_objects);
    mm_stat_count(&heap->stat, MM_COUNT_KEPT_OBJECTS, worker->kept_objects);
    mm_stat_count(&heap->stat, MM_COUNT_CARDS_SCANNED, worker->cards);
    /* What a compaction moves is among what it marked. */
    after->live_bytes += worker->live_bytes;
    after->live_objects += worker->live_objects;
    if (copies) {
      after->live_bytes += worker->moved_bytes;
      after->live_objects += worker->moved_objects;
    }
  }
}

static uint64_t aged_bytes(const struct mm_heap *heap, enum mm_age age)
{
  uint64_t bytes = 0;
  for (unsigned i = 0; i < heap->workers->count; i++)
    bytes += heap->workers->each[i].aged_bytes[age];
  return bytes;
}

/* What became old was of the age that was due, or above it: it is counted as
   the oldest that there were so many of. */
static void note_survival(struct mm_heap *heap)
{
  uint64_t left_bytes = aged_bytes(heap, MM_AGE_TENURED);
  for (enum mm_age age = MM_AGE_TENURED; age-- > 0;) {
    enum mm_age next = age + 1;
    uint64_t seen = heap->seen_bytes[age], promoted = 0;
    uint64_t survived = next < MM_AGE_TENURED ? aged_bytes(heap, next) : 0;
    if (next >= heap->tenure_age)
      promoted = left_bytes < seen - survived ? left_bytes : seen - survived;
    left_bytes -= promoted;
    mm_stat_survival(&heap->stat, age, seen, survived, promoted);
  }
}

/* All that lived after the last collection, and all that was allocated since.
 */
static uint64_t most_live_bytes(const struct mm_heap *heap)
{
  const struct mm_stat *stat = &heap->stat;
  return stat->live_then_bytes - stat->allocated_then_bytes +
         mm_stat_counter(stat, MM_COUNT_ALLOCATED_BYTES);
}

/* What lives after a young collection that found `found_bytes' alive: of old
   objects, it is taken that all do. */
static uint64_t live_after_young(const struct mm_heap *heap,
                                 uint64_t found_bytes)
{
  uint64_t most = most_live_bytes(heap), known = most;
  if (mm_is_generational(heap))
    known = heap->stat.live_then_bytes + heap->old_allocated_bytes;
  uint64_t seen = heap->young_live_bytes + heap->candidates.taken_bytes;
  uint64_t live = found_bytes + (known > seen ? known - seen : 0);
  return live < most ? live : most;
}

/* A young collection counts what lives of the young objects; all old ones are
   taken to live. */
static void count_young(struct mm_heap *heap, enum mm_collection_kind kind,
                        struct mm_stat_heap *after)
{
  uint64_t young_bytes = 0;
  for (enum mm_age age = MM_AGE_SURVIVOR; age < MM_AGE_TENURED; age++)
    young_bytes += aged_bytes(heap, age);
  if (is_young(kind)) {
    after->live_bytes = live_after_young(heap, after->live_bytes);
    after->live_objects = 0;
    mm_stat_count(&heap->stat, MM_COUNT_PROMOTED_BYTES,
                  aged_bytes(heap, MM_AGE_TENURED));
    note_survival(heap);
  }
  heap->young_live_bytes = is_young(kind) ? young_bytes : 0;
  heap->old_allocated_bytes = 0;
}

static uint64_t moved_bytes(const struct mm_heap *heap)
{
  uint64_t bytes = 0;
  for (unsigned i = 0; i < heap->workers->count; i++)
    bytes += heap->workers->each[i].moved_bytes;
  return bytes;
}

/* With generations and tenured=freelist: what is young becomes old first, so
   that marking finds old objects only. */
static void promote_all(struct mm_heap *heap, unsigned active)
{
  if (!mm_is_generational(heap))
    return;
  enum mm_age age = heap->tenure_age;
  heap->tenure_age = MM_AGE_SURVIVOR;
  mm_collect_young(heap, active);
  heap->tenure_age = age;
  mm_stat_count(&heap->stat, MM_COUNT_COPIED_BYTES, moved_bytes(heap));
  MM_ASSERT(heap->young_count == 0);
}

static bool reclaim(struct mm_heap *heap, enum mm_collection_kind kind,
                    bool utmost)
{
  unsigned active = mm_sizing_workers(heap);
  if (is_young(kind)) {
    bool had_room = mm_collect_young(heap, active);
    if (!had_room)
      mm_stat_count(&heap->stat, MM_COUNT_EVACUATIONS_FAILED, 1);
    return had_room;
  }
  if (kind == MM_COLLECTION_SWEEP) {
    promote_all(heap, active);
    mm_mark_sweep(heap, active);
    if (heap->has_cards) {
      mm_cards_forget(heap);
      mm_objects_make_all_old(heap);
    }
  } else if (utmost)
    mm_compact_utmost(heap);
  else if (kind == MM_COLLECTION_COMPACT)
    mm_compact(heap, active);
  if (kind != MM_COLLECTION_EVACUATE)
    return true;
  bool had_room = mm_evacuate(heap, active);
  if (!had_room)
    mm_stat_count(&heap->stat, MM_COUNT_EVACUATIONS_FAILED, 1);
  return had_room;
}

static void note_footprint(struct mm_heap *heap)
{
  mm_stat_footprint(&heap->stat, mm_stat_now_ns(),
                    (uint64_t)heap->regions.committed << MM_REGION_LOG2);
}

static void give_memory_back(struct mm_heap *heap)
{
  note_footprint(heap);
  uint32_t trimmed = mm_regions_trim(&heap->regions, heap->sizing.keep_regions);
  mm_stat_count(&heap->stat, MM_COUNT_UNCOMMITTED_BYTES,
                (uint64_t)trimmed << MM_REGION_LOG2);
  note_footprint(heap);
  for (unsigned i = 0; i < heap->workers->count; i++)
    mm_trace_stack_shrink(&heap->workers->each[i].stack);
  struct mm_mutator *mutator = heap->mutators;
  for (; mutator; mutator = mutator->next)
    mm_tlab_adapt(mutator);
}

static void check(struct mm_heap *heap)
{
#ifdef BAMBOO_DEBUG
  mm_regions_check(&heap->regions);
  mm_fixed_check(heap);
  mm_cards_check(heap);
  MM_ASSERT(mm_ids_check(&heap->ids));
  MM_ASSERT(mm_handles_check(heap));
  MM_ASSERT(mm_deaths_check(heap));
#else
  (void)heap;
#endif
}

static void begin(struct mm_heap *heap, enum mm_cause cause, bool forced)
{
  mm_retire_buffers(heap);
  check(heap);
  struct mm_stat_heap before = state_of_heap(heap);
  mm_stat_collection_begin(&heap->stat, cause, forced, &before);
  note_footprint(heap);
  if (heap->options.verify & MM_VERIFY_BEFORE)
    verify(heap, MM_PHASE_VERIFY_BEFORE, "before");
  heap->sizing.began_ns = mm_stat_now_ns();
}

/* `counted': what lives. */
static void end(struct mm_heap *heap, const struct mm_stat_heap *counted)
{
  check(heap);
  if (heap->options.verify & MM_VERIFY_AFTER)
    verify(heap, MM_PHASE_VERIFY_AFTER, "after");
  struct mm_stat_heap after = state_of_heap(heap);
  after.live_bytes = counted->live_bytes;
  after.live_objects = counted->live_objects;
  mm_stat_collection_end(&heap->stat, &after);
}

enum effort {
  EFFORT_PLANNED, /* the kind that sizing.c chose */
  EFFORT_UTMOST,  /* compact all there is into the lowest regions */
};

static void collect_stw(struct mm_heap *heap, enum mm_cause cause,
                        enum effort effort, bool forced)
{
  begin(heap, cause, forced);
  bool utmost = effort == EFFORT_UTMOST;
  bool full = utmost || cause == MM_CAUSE_EXPLICIT || cause == MM_CAUSE_EXIT ||
              cause == MM_CAUSE_METADATA;
  enum mm_collection_kind kind = mm_sizing_kind(heap, full, utmost);
  if (!is_young(kind))
    mm_cycle_abandon(heap);
  mm_stat_collection_kind(&heap->stat, kind);
  mm_references_clear_soft(heap, utmost);
  bool had_room = reclaim(heap, kind, utmost);
  if (utmost)
    mm_compiler_space_trim(&heap->compiler);
  struct mm_stat_heap counted = {0};
  count_results(heap, kind, &counted);
  count_young(heap, kind, &counted);
  mm_sizing_update(heap, kind, !had_room, counted.live_bytes);
  mm_references_clear_soft(heap, false);
  give_memory_back(heap);
  end(heap, &counted);
}

/* The pauses of a cycle ---------------------------------------------------- */

/* After a young or mixed collection. */
static void settle_young(struct mm_heap *heap, enum mm_collection_kind kind,
                         bool had_room, struct mm_stat_heap *counted)
{
  if (!had_room)
    mm_stat_count(&heap->stat, MM_COUNT_EVACUATIONS_FAILED, 1);
  count_results(heap, kind, counted);
  count_young(heap, kind, counted);
  mm_sizing_update(heap, kind, !had_room, counted->live_bytes);
  give_memory_back(heap);
}

/* What is young becomes old. */
static void make_old(struct mm_heap *heap, struct mm_stat_heap *counted)
{
  enum mm_age age = heap->tenure_age;
  heap->tenure_age = MM_AGE_SURVIVOR;
  bool had_room = mm_collect_young(heap, mm_sizing_workers(heap));
  heap->tenure_age = age;
  MM_ASSERT(heap->young_count == 0);
  settle_young(heap, MM_COLLECTION_YOUNG, had_room, counted);
}

void mm_pause_start(struct mm_heap *heap)
{
  begin(heap, MM_CAUSE_RATE, mm_is_stressed(heap));
  mm_stat_collection_kind(&heap->stat, MM_COLLECTION_START);
  struct mm_stat_heap counted = {0};
  heap->cycle.claimed_bytes = mm_sizing_claimed_bytes(heap);
  mm_candidates_drop(heap);
  if (mm_is_generational(heap))
    make_old(heap, &counted);
  else
    counted.live_bytes = most_live_bytes(heap);
  mm_stat_phase_run(heap, MM_PHASE_SWEEP, mm_fixed_finish_sweep);
  mm_stat_phase_run(heap, MM_PHASE_PREPARE, mm_cycle_take_snapshot);
  mm_stat_phase_run(heap, MM_PHASE_MARK, mm_marker_take_roots);
  end(heap, &counted);
}

/* Bytes of objects in regions that the cycle did not mark. */
static uint64_t uncovered_bytes(const struct mm_heap *heap)
{
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    const struct mm_region *region = &heap->regions.table[i];
    uintptr_t from = region->mark_top;
    if (region->kind == MM_REGION_SMALL || region->kind == MM_REGION_LARGE)
      bytes += region->top - (from ? from : mm_region_start(&heap->regions, i));
  }
  return bytes;
}

static uint64_t young_bytes(const struct mm_heap *heap)
{
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < heap->young_count; i++)
    bytes += heap->regions.table[heap->young[i]].top -
             mm_region_start(&heap->regions, heap->young[i]);
  return bytes;
}

/* What was made during the cycle is taken to live.  Some of it is not known
   exactly, so that the sum is held against what there can be at most. */
static void count_cycle(struct mm_heap *heap, struct mm_stat_heap *counted)
{
  uint64_t most = most_live_bytes(heap);
  uint64_t live = heap->cycle.marker->live_bytes + uncovered_bytes(heap);
  if (heap->options.tenured == MM_TENURED_FREELIST)
    live += mm_sizing_claimed_bytes(heap) - heap->cycle.claimed_bytes;
  counted->live_bytes = live < most ? live : most;
  heap->young_live_bytes = young_bytes(heap);
}

static void finish_whole(struct mm_heap *heap, struct mm_stat_heap *counted)
{
  mm_mark_sweep_release(heap);
  count_cycle(heap, counted);
  if (heap->options.tenured == MM_TENURED_REGIONS) {
    mm_objects_forget_targets(heap); /* the walk looks at them */
    heap->cycle.walk_regions = heap->regions.fresh_from;
    mm_stat_phase_run(heap, MM_PHASE_RELEASE, mm_candidates_choose);
  }
  heap->old_allocated_bytes = 0;
  mm_sizing_update(heap, MM_COLLECTION_FINISH, false, counted->live_bytes);
}

/* The snapshot is lost: a full collection takes its place. */
static void finish_lost(struct mm_heap *heap, struct mm_stat_heap *counted)
{
  enum mm_collection_kind kind = mm_sizing_kind(heap, true, false);
  mm_cycle_abandon(heap);
  counted->live_bytes = 0;
  bool had_room = reclaim(heap, kind, false);
  count_results(heap, kind, counted);
  count_young(heap, kind, counted);
  mm_sizing_update(heap, kind, !had_room, counted->live_bytes);
}

void mm_pause_finish(struct mm_heap *heap)
{
  begin(heap, MM_CAUSE_RATE, mm_is_stressed(heap));
  mm_stat_collection_kind(&heap->stat, MM_COLLECTION_FINISH);
  mm_stat_phase_begin(&heap->stat, MM_PHASE_MARK);
  bool is_whole = mm_cycle_end_marking(heap);
  mm_stat_phase_end(&heap->stat, MM_PHASE_MARK);
  enum mm_cycle_state state = mm_cycle_state(heap);
  struct mm_stat_heap counted = {.live_bytes = most_live_bytes(heap)};
  if (is_whole && state == MM_CYCLE_SWEEPING)
    is_whole =
        mm_references_process(heap, &mm_reach_cycle, mm_sizing_workers(heap));
  if (is_whole && !mm_cycle_logs(state))
    mm_mark_sweep_weak(heap);
  if (state == MM_CYCLE_SWEEPING) {
    if (is_whole)
      finish_whole(heap, &counted);
    else
      finish_lost(heap, &counted);
    give_memory_back(heap);
  }
  end(heap, &counted);
}

void mm_pause_clean_up(struct mm_heap *heap)
{
  begin(heap, MM_CAUSE_RATE, mm_is_stressed(heap));
  mm_stat_collection_kind(&heap->stat, MM_COLLECTION_CLEANUP);
  struct mm_stat_heap counted = {0};
  mm_cycle_end_clearing(heap);
  finish_whole(heap, &counted);
  give_memory_back(heap);
  end(heap, &counted);
}

static void catch_up(struct mm_heap *heap)
{
  heap->candidates.caught_ns = 0;
  uint64_t until_ns = UINT64_MAX, most_ns = mm_pauses_candidates_ns(heap);
  if (most_ns < UINT64_MAX && !heap->cards.overflowed)
    until_ns = heap->sizing.began_ns + most_ns;
  bool is_done = mm_candidates_catch_up(heap, until_ns);
  heap->candidates.behind = is_done ? 0 : heap->candidates.behind + 1;
  heap->candidates.caught_ns = mm_stat_now_ns() - heap->sizing.began_ns;
}

bool mm_pause_return(struct mm_heap *heap)
{
  begin(heap, MM_CAUSE_RATE, mm_is_stressed(heap));
  mm_stat_collection_kind(&heap->stat, MM_COLLECTION_YOUNG);
  struct mm_stat_heap counted = {0};
  mm_stat_phase_run(heap, MM_PHASE_PREPARE, catch_up);
  heap->candidates.caught_ns = 0;
  bool is_done = heap->candidates.behind == 0;
  if (is_done) {
    mm_generations_return(heap);
    bool had_room = mm_collect_young(heap, mm_sizing_workers(heap));
    settle_young(heap, MM_COLLECTION_YOUNG, had_room, &counted);
  } else
    counted.live_bytes = most_live_bytes(heap);
  end(heap, &counted);
  return is_done;
}

void mm_pause_watch(struct mm_heap *heap)
{
  begin(heap, MM_CAUSE_RATE, mm_is_stressed(heap));
  mm_stat_collection_kind(&heap->stat, MM_COLLECTION_MIXED);
  struct mm_stat_heap counted = {.live_bytes = most_live_bytes(heap)};
  mm_stat_phase_run(heap, MM_PHASE_PREPARE, mm_candidates_watch_new);
  end(heap, &counted);
}

void mm_pause_evacuate(struct mm_heap *heap)
{
  begin(heap, MM_CAUSE_RATE, mm_is_stressed(heap));
  mm_stat_collection_kind(&heap->stat, MM_COLLECTION_MIXED);
  struct mm_stat_heap counted = {0};
  mm_stat_phase_run(heap, MM_PHASE_PREPARE, catch_up);
  if (heap->candidates.behind == 0 && mm_candidates_are_due(heap)) {
    bool had_room = mm_collect_young(heap, mm_sizing_workers(heap));
    settle_young(heap, MM_COLLECTION_MIXED, had_room, &counted);
  } else
    counted.live_bytes = most_live_bytes(heap);
  end(heap, &counted);
}

/* Before the world goes on, those who wait for room get theirs, and if need be
   everything is done to find it. */
static void collect_and_serve(struct mm_heap *heap, enum mm_cause cause,
                              bool forced)
{
  collect_stw(heap, cause, EFFORT_PLANNED, forced);
  if (mm_requests_answer(heap, false))
    return;
  mm_stat_stop_begin(&heap->stat); /* takes no time: it has stopped */
  collect_stw(heap, MM_CAUSE_ALLOCATION, EFFORT_UTMOST, false);
  mm_requests_answer(heap, true);
}

bool mm_collect_once(struct mm_mutator *mutator, enum mm_cause cause,
                     bool forced)
{
  MM_ASSERT(mutator->heap->options.gc != MM_GC_EPSILON);
  if (!mm_stop_world(mutator))
    return false;
  collect_and_serve(mutator->heap, cause, forced);
  mm_resume_world(mutator);
  if (!forced)
    mm_stress_again(mutator);
  return true;
}

bool mm_collect_from_outside(struct mm_heap *heap, enum mm_cause cause)
{
  if (!mm_stop_world_from_outside(heap))
    return false;
  collect_and_serve(heap, cause, true);
  mm_resume_world_from_outside(heap);
  return true;
}

void mm_collect(struct mm_mutator *mutator, enum mm_cause cause)
{
  if (mutator->heap->options.gc == MM_GC_EPSILON)
    return;
  while (!mm_collect_once(mutator, cause, false))
    ;
}

void mm_collect_soon(struct mm_mutator *mutator, enum mm_cause cause)
{
  struct mm_heap *heap = mutator->heap;
  if (heap->options.gc != MM_GC_CONCURRENT) {
    mm_collect(mutator, cause);
    return;
  }
  pthread_mutex_lock(&heap->lock);
  mm_cycle_request_locked(heap);
  pthread_mutex_unlock(&heap->lock);
}
