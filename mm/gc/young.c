/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A young collection (Lieberman and Hewitt, "A real-time garbage collector
 * based on the lifetimes of objects", 1983; Ungar, "Generation scavenging",
 * 1984).
 *
 *   prepare   young regions become from-space; whole logs are at hand
 *   evacuate  roots, dirty cards, and what they lead to:
 *               a small object goes to a region of the next age, or among
 *               the old ones if it has the age
 *               a large object is old from now on, where it is
 *               an old one that refers to a young one: its card is remembered
 *   weak      the host drops what died
 *   release   from-space and unreached large objects go free
 *
 * Candidates of a cycle (candidates_internal.h) are from-space as well: old
 * regions, whose objects stay old.  Without generations that is all a
 * collection of this kind does.
 *
 * Age is a property of a region (as in Garbage-First: Detlefs et al., 2004), so
 * objects have no count.  Old regions are not looked at, but for dirty cards.
 * The tracing is evacuate_trace.c's, which is compiled for young objects once
 * more.
 *
 * An old region may be copied to while a worker scans a card of it: cards are
 * scanned up to where the region's top was at the beginning (scan_top).  With
 * tenured=freelist what becomes old goes to free slots and gaps instead, where
 * it stays; in such regions, cards are scanned without what is fresh
 * (fixed_internal.h).
 *
 * Next: cards_internal.h, sizing.c (how many young regions, and when old ones
 * are collected as well).
 */
#include "config.h"

#include "mm/gc/young_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/evacuate_internal.h"
#include "mm/gc/pauses_internal.h"
#include "mm/space/object_internal.h"

static void set_trace(struct mm_heap *heap, uint32_t index, enum mm_trace trace)
{
  __atomic_store_n(&heap->traces[index], (uint8_t)trace, __ATOMIC_RELAXED);
}

/* Begin ---------------------------------------------------------------------
 */

static void prepare_region(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  if (region->age < MM_AGE_TENURED)
    heap->seen_bytes[region->age] +=
        region->top - mm_region_start(&heap->regions, index);
  if (region->kind == MM_REGION_LARGE) {
    region->flags &= (uint8_t)~MM_REGION_REACHED;
    set_trace(heap, index, MM_TRACE_MARK);
    return;
  }
  MM_ASSERT(region->kind == MM_REGION_SMALL);
  region->flags = MM_REGION_COMMITTED | MM_REGION_FROM;
  set_trace(heap, index, MM_TRACE_MOVE);
}

static void prepare(struct mm_heap *heap)
{
  MM_ASSERT(heap->target_count == 0);
  mm_fixed_finish_sweep(heap); /* cards are scanned with all that is there */
  heap->candidates.taken_bytes = heap->candidates.taken_ns = 0;
  uint32_t young_count = heap->young_count;
  if (mm_candidates_wait(heap))
    mm_candidates_take(heap, mm_pauses_candidates_ns(heap));
  mm_handles_begin_young(heap, heap->young_count == young_count);
  heap->from_count = heap->young_count;
  for (enum mm_age age = 0; age < MM_AGE_TENURED; age++)
    heap->seen_bytes[age] = 0;
  for (uint32_t i = 0; i < heap->young_count; i++)
    prepare_region(heap, heap->young[i]);
  mm_evacuate_keep_pinned(heap);
  for (enum mm_age age = 0; age < MM_AGE_TENURED; age++)
    mm_object_space_reset(heap, age);
  mm_cards_gather(heap);
  heap->searches_cards = mm_cards_must_search(heap);
}

/* A stack overflowed: entries were dropped -----------------------------------
 */

/* Of the first regions on the list: from-space. */
static void rescan_from(struct mm_worker *worker, uint32_t index)
{
  const struct mm_heap *heap = worker->heap;
  const struct mm_region *region = &heap->regions.table[index];
  void *start = (void *)mm_region_start(&heap->regions, index);
  if (region->kind == MM_REGION_SMALL && region->flags & MM_REGION_KEPT)
    mm_evacuate_rescan_region(worker, index, mm_young_rescan);
  if (region->kind == MM_REGION_LARGE && region->flags & MM_REGION_REACHED)
    mm_young_rescan(worker, mm_ref_at(start));
}

/* Both lists may grow on the way. */
static void rescan_goal(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  for (uint32_t i = 0; i < heap->from_count; i++)
    rescan_from(worker, heap->young[i]);
  for (uint32_t i = heap->from_count; i < heap->young_count; i++)
    mm_evacuate_rescan_region(worker, heap->young[i], mm_young_rescan);
  for (uint32_t i = 0; i < heap->target_count; i++)
    mm_evacuate_rescan_region(worker, heap->targets[i], mm_young_rescan);
  for (uint32_t i = 0; i < heap->fresh_count; i++)
    mm_fixed_each_fresh(heap, worker->slots, heap->fresh_runs[i],
                        mm_young_rescan, worker);
  mm_evacuate_end_buffers(worker);
}

/* End -----------------------------------------------------------------------
 */

static void release_large(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  if (region->flags & MM_REGION_REACHED) {
    region->flags &= (uint8_t)~MM_REGION_REACHED;
    return;
  }
  mm_heap_free_region(heap, index);
  mm_stat_count(&heap->stat, MM_COUNT_LARGE_FREED, 1);
}

static void release_region(struct mm_heap *heap, uint32_t index)
{
  const struct mm_region *region = &heap->regions.table[index];
  set_trace(heap, index, MM_TRACE_NOTHING);
  if (region->kind == MM_REGION_LARGE)
    release_large(heap, index);
  else if (region->flags & MM_REGION_KEPT)
    mm_evacuate_restore_kept(heap, index);
  else
    mm_heap_free_region(heap, index);
}

/* The survivors' regions are the young ones now. */
static void keep_survivors(struct mm_heap *heap)
{
  uint32_t count = 0;
  for (uint32_t i = heap->from_count; i < heap->young_count; i++)
    heap->young[count++] = heap->young[i];
  heap->young_count = count;
}

static void settle_targets(struct mm_heap *heap)
{
  for (uint32_t i = 0; i < heap->target_count; i++) {
    struct mm_region *region = &heap->regions.table[heap->targets[i]];
    region->flags &= (uint8_t)~MM_REGION_TARGET;
    if (mm_cards_hide_new(heap))
      mm_cards_reveal(heap, region->scan_top, region->top);
    region->scan_top = region->top;
  }
  heap->target_count = 0;
}

/* Last first, so that those used last are taken last. */
static void release(struct mm_heap *heap)
{
  for (uint32_t i = heap->from_count; i-- > 0;)
    release_region(heap, heap->young[i]);
  keep_survivors(heap);
  settle_targets(heap);
  mm_fixed_settle(heap);
  for (unsigned i = 0; i < heap->workers->count; i++)
    mm_cards_settle(heap, &heap->workers->each[i].card_log);
  if (heap->candidates.is_complete && !mm_candidates_wait(heap))
    mm_candidates_drop(heap);
}

static void visit_weak(struct mm_heap *heap)
{
  mm_evacuate_visit_weak(heap, true);
}

static uint64_t kept_objects(const struct mm_heap *heap)
{
  uint64_t kept = 0;
  for (unsigned i = 0; i < heap->workers->count; i++)
    kept += heap->workers->each[i].kept_objects;
  return kept;
}

bool mm_collect_young(struct mm_heap *heap, unsigned active)
{
  struct mm_workers *workers = heap->workers;
  MM_ASSERT(heap->stopping && heap->has_cards);
  mm_workers_reset(workers);
  mm_stat_phase_run(heap, MM_PHASE_PREPARE, prepare);
  mm_stat_phase_begin(&heap->stat, MM_PHASE_EVACUATE);
  /* Who searches the table of regions has to be the one who changes it. */
  mm_workers_run(workers, heap->searches_cards ? 1 : active, mm_young_goal);
  while (mm_trace_take_overflow(workers)) {
    mm_stat_count(&heap->stat, MM_COUNT_MARK_OVERFLOWS, 1);
    mm_workers_run(workers, 1, rescan_goal);
  }
  mm_stat_phase_end(&heap->stat, MM_PHASE_EVACUATE);
  visit_weak(heap);
  mm_handles_end_young(heap);
  mm_stat_phase_run(heap, MM_PHASE_RELEASE, release);
  return kept_objects(heap) == 0;
}
