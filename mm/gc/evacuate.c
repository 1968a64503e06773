/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full evacuation, the frame around the tracing of evacuate_trace.c.
 *
 *   prepare   all small regions become from-space; the marks of large and
 *             non-moving ones are cleared, for those objects stay
 *   evacuate  everything reachable is copied, kept or marked
 *   references  see references_internal.h
 *   weak      the host drops what died
 *   release   from-space goes free, but for regions with kept objects
 *
 * When there is no room left for a copy, the object stays: its header is
 * marked as kept (header_internal.h), its region is not freed, and at the end
 * the dead around it become fillers.  Nothing is lost; the next collection
 * compacts.
 *
 * When a worker's stack could not grow, copies exist whose slots have not been
 * visited.  Then everything that is already safe is scanned again, until no
 * stack overflows; each round copies more, so that ends.
 *
 * Next: sizing.c (when this runs), compact.c (what runs otherwise).
 */
#include "config.h"

#include "mm/gc/evacuate_internal.h"

#include "mm/alloc/filler_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/header_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/roots_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/workers_internal.h"
#include "mm/space/large_internal.h"
#include "mm/space/metadata_internal.h"
#include "mm/space/object_internal.h"

/* A stack overflowed: entries were dropped --------------------------------- */

/* Size of an object in from-space, forwarded or not. */
static uint64_t from_bytes(struct mm_ref ref, uint64_t header)
{
  if (mm_header_is_forwarded(header)) {
    ref = mm_header_target(header);
    header = mm_header_load(ref);
  }
  return mm_size_with(mm_address(ref), mm_header_layout(header));
}

/* A buffer with memory that nobody has written yet: its end, or 0. */
static uintptr_t end_of_buffer_at(const struct mm_worker *worker, uintptr_t at)
{
  for (enum mm_age age = 0; age < MM_AGE_COUNT; age++)
    if (at == worker->buffers[age].cursor && at != worker->buffers[age].limit)
      return worker->buffers[age].limit;
  return 0;
}

void mm_evacuate_rescan_region(struct mm_worker *worker, uint32_t index,
                               void (*rescan)(void *worker, struct mm_ref ref))
{
  struct mm_region *region = &worker->heap->regions.table[index];
  uintptr_t at = mm_region_start(&worker->heap->regions, index);
  /* Tracing may fill the region further while it is walked. */
  while (at < region->top) {
    uintptr_t buffer_end = end_of_buffer_at(worker, at);
    if (buffer_end) {
      at = buffer_end;
      continue;
    }
    struct mm_ref ref = mm_ref_at((void *)at);
    uint64_t header = mm_header_load(ref);
    at += from_bytes(ref, header);
    if (!(region->flags & MM_REGION_FROM) ||
        (mm_header_is_visited(header) && !mm_header_is_forwarded(header)))
      rescan(worker, ref);
  }
}

static void rescan_all(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    const struct mm_region *region = &heap->regions.table[i];
    if (region->kind == MM_REGION_SMALL) {
      if (!(region->flags & MM_REGION_FROM) || region->flags & MM_REGION_KEPT)
        mm_evacuate_rescan_region(worker, i, mm_evacuate_rescan);
    } else if (region->kind == MM_REGION_LARGE ||
               region->kind == MM_REGION_SLOTS ||
               region->kind == MM_REGION_FREELIST) {
      mm_region_each_marked(heap, i, mm_evacuate_rescan, worker);
    }
  }
}

static void rescan_goal(struct mm_worker *worker)
{
  rescan_all(worker);
  mm_evacuate_end_buffers(worker);
}

/* For the reference processor -----------------------------------------------
 */

static uint8_t trace_of(const struct mm_heap *heap, struct mm_ref ref)
{
  uint32_t index = mm_region_index(&heap->regions, (uintptr_t)mm_address(ref));
  return __atomic_load_n(&heap->traces[index], __ATOMIC_RELAXED);
}

static bool is_large_reached(const struct mm_heap *heap, struct mm_ref ref)
{
  const struct mm_region *region =
      mm_region_of(&heap->regions, (uintptr_t)mm_address(ref));
  return __atomic_load_n(&region->flags, __ATOMIC_RELAXED) & MM_REGION_REACHED;
}

static bool lives(const struct mm_heap *heap, struct mm_ref ref, bool young)
{
  switch ((enum mm_trace)trace_of(heap, ref)) {
  case MM_TRACE_MARK:
    return young ? is_large_reached(heap, ref) : mm_is_marked(heap, ref);
  case MM_TRACE_MOVE:
    return mm_header_is_visited(mm_header_load(ref));
  case MM_TRACE_NOTHING:
  case MM_TRACE_YOUNG:
  case MM_TRACE_CANDIDATE:
    break;
  }
  return true;
}

static bool is_reached(const struct mm_heap *heap, struct mm_ref ref)
{
  return lives(heap, ref, false);
}

static bool is_reached_young(const struct mm_heap *heap, struct mm_ref ref)
{
  return lives(heap, ref, true);
}

static struct mm_ref place(const struct mm_heap *heap, struct mm_ref ref)
{
  if (trace_of(heap, ref) != MM_TRACE_MOVE)
    return ref;
  return mm_header_place(ref, mm_header_load(ref));
}

/* What is on a stack was copied or marked when it was put there. */
static bool enter(struct mm_heap *heap, struct mm_worker *worker,
                  uint64_t entry)
{
  (void)heap, (void)worker, (void)entry;
  return true;
}

const struct mm_reach mm_reach_evacuating = {
    .is_reached = is_reached,
    .place = place,
    .keep = mm_evacuate_keep,
    .trace = mm_evacuate_trace,
    .enter = enter,
    .rescan = rescan_goal,
    .has_moved = true,
    .is_full = true,
};

const struct mm_reach mm_reach_young = {
    .is_reached = is_reached_young,
    .place = place,
    .keep = mm_young_keep,
    .trace = mm_young_trace,
    .enter = enter,
    .rescan = mm_young_rescan_goal,
    .has_moved = true,
    .is_young = true,
};

/* Begin and end ------------------------------------------------------------ */

static void prepare_region(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  switch ((enum mm_region_kind)region->kind) {
  case MM_REGION_SMALL:
    region->flags = MM_REGION_COMMITTED | MM_REGION_FROM;
    heap->traces[index] = mm_breaks(heap, MM_FAULT_REGION_FLAG)
                              ? MM_TRACE_NOTHING
                              : MM_TRACE_MOVE;
    return;
  case MM_REGION_LARGE:
  case MM_REGION_SLOTS:
  case MM_REGION_FREELIST:
    mm_region_clear_marks(heap, index);
    heap->traces[index] = MM_TRACE_MARK;
    return;
  case MM_REGION_FREE:
  case MM_REGION_LARGE_TAIL:
  case MM_REGION_KIND_COUNT:
    heap->traces[index] = MM_TRACE_NOTHING;
    return;
  }
}

struct pin_keeper {
  struct mm_root_visitor visitor; /* first */
  struct mm_heap *heap;
};

static void keep_pinned(struct mm_root_visitor *visitor, struct mm_ref *slot,
                        enum mm_root_kind kind)
{
  struct mm_heap *heap = ((struct pin_keeper *)visitor)->heap;
  uint32_t index =
      mm_region_index(&heap->regions, (uintptr_t)mm_address(*slot));
  struct mm_region *region = &heap->regions.table[index];
  struct mm_worker *worker = &heap->workers->each[0];
  (void)kind;
  if (heap->traces[index] != MM_TRACE_MOVE ||
      mm_breaks(heap, MM_FAULT_PIN_MOVED))
    return;
  uint64_t header = mm_header_load(*slot);
  MM_ASSERT(region->flags & MM_REGION_FROM && region->pins > 0);
  worker->live_objects++;
  worker->live_bytes +=
      mm_size_with(mm_address(*slot), mm_header_layout(header));
  *mm_header_at(*slot) = mm_header_keeping(header);
  region->flags |= MM_REGION_KEPT;
}

/* See Note [Pinned objects]. */
void mm_evacuate_keep_pinned(struct mm_heap *heap)
{
  struct pin_keeper keeper = {{.slot = keep_pinned}, heap};
  mm_pins_visit(&heap->pins, &keeper.visitor);
}

static void prepare(struct mm_heap *heap)
{
  mm_metadata_settle(heap);
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    prepare_region(heap, i);
  mm_evacuate_keep_pinned(heap);
  mm_object_spaces_reset(heap);
}

struct weak_visitor {
  struct mm_weak_visitor visitor; /* first */
  struct mm_heap *heap;
  bool young; /* only young objects may have died */
};

static bool keep_weak(struct mm_weak_visitor *visitor, struct mm_ref *slot)
{
  const struct weak_visitor *self = (struct weak_visitor *)visitor;
  if (lives(self->heap, *slot, self->young)) {
    *slot = place(self->heap, *slot);
    return true;
  }
  *slot = MM_NULL;
  mm_stat_count(&self->heap->stat, MM_COUNT_WEAK_CLEARED, 1);
  return false;
}

void mm_evacuate_visit_weak(struct mm_heap *heap, bool young)
{
  struct weak_visitor visitor = {{keep_weak}, heap, young};
  mm_stat_phase_begin(&heap->stat, MM_PHASE_WEAK);
  mm_weak_visit(heap, &visitor.visitor);
  mm_stat_phase_end(&heap->stat, MM_PHASE_WEAK);
}

void mm_bury(struct mm_heap *heap, uintptr_t at, uintptr_t end)
{
  if (mm_is_stressed(heap))
    memset((void *)at, MM_POISON_BYTE, end - at);
  mm_fill(heap, at, end);
}

void mm_evacuate_restore_kept(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  MM_ASSERT(region->flags & MM_REGION_FROM);
  uintptr_t at = mm_region_start(&heap->regions, index), gap = at;
  while (at < region->top) {
    struct mm_ref ref = mm_ref_at((void *)at);
    uint64_t header = mm_header_load(ref);
    uintptr_t end = at + from_bytes(ref, header);
    if (mm_header_is_visited(header) && !mm_header_is_forwarded(header)) {
      *mm_header_at(ref) = mm_header_unkept(header);
      mm_bury(heap, gap, at);
      gap = end;
    }
    at = end;
  }
  MM_ASSERT(at == region->top);
  if (mm_is_stressed(heap))
    memset((void *)gap, MM_POISON_BYTE, region->top - gap);
  region->top = region->scan_top = gap;
  region->flags = MM_REGION_COMMITTED;
  if (!heap->has_cards)
    return;
  region->age = MM_AGE_TENURED;
  if (heap->options.tenured == MM_TENURED_FREELIST)
    mm_fixed_adopt_region(heap, index);
  else
    mm_cards_note_region(heap, index);
  mm_cards_clean_region(heap, index);
}

/* Highest first, so that the lowest is taken first again. */
static void free_from_space(struct mm_heap *heap)
{
  for (uint32_t i = heap->regions.fresh_from; i-- > 0;) {
    struct mm_region *region = &heap->regions.table[i];
    heap->traces[i] = MM_TRACE_NOTHING;
    if (region->kind != MM_REGION_SMALL || !(region->flags & MM_REGION_FROM))
      continue;
    if (region->flags & MM_REGION_KEPT && !mm_breaks(heap, MM_FAULT_KEPT_FREED))
      mm_evacuate_restore_kept(heap, i);
    else
      mm_heap_free_region(heap, i);
  }
}

/* Nothing is young any more. */
static void make_all_old(struct mm_heap *heap)
{
  if (!heap->has_cards)
    return;
  mm_cards_forget(heap);
  mm_objects_make_all_old(heap);
}

static void release(struct mm_heap *heap)
{
  mm_stat_phase_begin(&heap->stat, MM_PHASE_SWEEP);
  mm_fixed_begin_sweep(heap);
  mm_large_sweep(heap);
  mm_stat_phase_end(&heap->stat, MM_PHASE_SWEEP);
  mm_stat_phase_begin(&heap->stat, MM_PHASE_RELEASE);
  free_from_space(heap);
  make_all_old(heap);
  mm_stat_phase_end(&heap->stat, MM_PHASE_RELEASE);
}

bool mm_evacuate(struct mm_heap *heap, unsigned active)
{
  struct mm_workers *workers = heap->workers;
  mm_stat_phase_begin(&heap->stat, MM_PHASE_PREPARE);
  MM_ASSERT(heap->stopping);
  mm_workers_reset(workers);
  prepare(heap);
  mm_stat_phase_end(&heap->stat, MM_PHASE_PREPARE);
  mm_stat_phase_begin(&heap->stat, MM_PHASE_EVACUATE);
  mm_workers_run(workers, active, mm_evacuate_goal);
  while (mm_trace_take_overflow(workers)) {
    mm_stat_count(&heap->stat, MM_COUNT_MARK_OVERFLOWS, 1);
    mm_workers_run(workers, 1, rescan_goal);
  }
  mm_stat_phase_end(&heap->stat, MM_PHASE_EVACUATE);
  mm_references_process(heap, &mm_reach_evacuating, active);
  mm_evacuate_visit_weak(heap, false);
  mm_owners_sweep(heap, false);
  release(heap);
  mm_metadata_collected(heap);
  uint64_t kept = 0;
  for (unsigned i = 0; i < workers->count; i++)
    kept += workers->each[i].kept_objects;
  return kept == 0;
}
