/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slide-compaction in place.
 *
 *   mark     bits where live objects start; references are processed
 *   plan     per block of 512 bytes: a bit per live granule, and the place
 *            where the first of them goes
 *   update   every slot: new place = target + live granules before it in its
 *            block, one table entry and one population count
 *   move     objects slide down, lowest first
 *
 * After Abuaiadh, Ossia, Petrank and Silbershtein, "An efficient parallel heap
 * compaction algorithm", 2004, and Kermany and Petrank, "The Compressor",
 * 2006.  We differ in that an object may not straddle the end of a region: a
 * block whose objects do not fit the rest of the target region begins the next
 * one, and the rest goes on offer to the allocators.  Headers stay untouched
 * until they are moved, and no free memory is needed.
 *
 * Parallel: each worker has an ascending row of small regions and slides
 * within it, as the full collection of Garbage-First does.  Large and
 * non-moving objects stay; their slots are updated.
 *
 * Invariant (asserted in move_run): no target lies above its source, so
 * nothing is overwritten before it has moved.  For when a row begins with
 * target = source, and the live granules of a region never take more than a
 * region, the target at the start of the k-th region of a row is at most its
 * start: either the target region is an earlier one; or it is the k-th
 * itself, filled only with what came before in it.  Empty regions in a row
 * make room, never less.
 *
 * Next: mark.c, sizing.c (when this runs).
 */
#include "config.h"

#include "mm/gc/compact_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/evacuate_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/mark_internal.h"
#include "mm/gc/references_internal.h"
#include "mm/gc/roots_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/trace_inline_internal.h"
#include "mm/gc/workers_internal.h"
#include "mm/space/large_internal.h"
#include "mm/space/metadata_internal.h"
#include "mm/space/object_internal.h"

enum { BLOCK_GRANULES = 64 };

_Static_assert(MM_REGION_GRANULES % BLOCK_GRANULES == 0 &&
                   MM_REGION_MARK_WORDS == MM_REGION_GRANULES / BLOCK_GRANULES,
               "a block is what one mark word covers");

static bool is_small(const struct mm_heap *heap, uint32_t index)
{
  return heap->regions.table[index].kind == MM_REGION_SMALL;
}

/* Do objects slide out of and into it?  See Note [Pinned objects]. */
static bool is_sliding(struct mm_heap *heap, uint32_t index)
{
  return is_small(heap, index) && (heap->regions.table[index].pins == 0 ||
                                   mm_breaks(heap, MM_FAULT_PIN_SLID));
}

static bool is_pinned(struct mm_heap *heap, uint32_t index)
{
  return is_small(heap, index) && !is_sliding(heap, index);
}

/* Rows --------------------------------------------------------------------- */

/* The regions [*from, *to) that this worker slides within: as many small ones
   as the others have. */
static void row_of(const struct mm_worker *worker, uint32_t *from, uint32_t *to)
{
  struct mm_heap *heap = worker->heap;
  uint64_t small = 0, seen = 0, active = worker->workers->active;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    small += is_sliding(heap, i);
  uint64_t first = small * worker->index / active;
  uint64_t last = small * (worker->index + 1) / active;
  *from = *to = 0;
  MM_ASSERT(first <= last && last <= small);
  if (first == last)
    return;
  for (uint32_t i = 0; seen < last; i++) {
    if (!is_sliding(heap, i))
      continue;
    if (seen++ == first)
      *from = i;
    *to = i + 1;
  }
}

/* Plan --------------------------------------------------------------------- */

static struct mm_block *region_blocks(const struct mm_heap *heap,
                                      uint32_t index)
{
  return heap->blocks + (size_t)index * MM_REGION_MARK_WORDS;
}

/* Bits [from, to) of a word, to <= 64. */
static uint64_t bit_range(unsigned from, unsigned to)
{
  uint64_t below = to == 64 ? UINT64_MAX : ((uint64_t)1 << to) - 1;
  return below & ~(((uint64_t)1 << from) - 1);
}

static void set_live(struct mm_block *block, unsigned from, uint32_t granules)
{
  MM_ASSERT(granules > 0 && granules <= MM_REGION_GRANULES);
  while (from + granules > BLOCK_GRANULES) {
    block->live |= bit_range(from, BLOCK_GRANULES);
    granules -= BLOCK_GRANULES - from;
    from = 0;
    block++;
  }
  block->live |= bit_range(from, from + granules);
}

static void plan_object(void *context, struct mm_ref ref)
{
  struct mm_heap *heap = context;
  uint64_t granule = mm_granule_of(heap, ref);
  struct mm_block *block = &heap->blocks[granule / BLOCK_GRANULES];
  uint64_t bytes = mm_size_with(mm_address(ref), mm_layout_of(ref));
  uint32_t granules = (uint32_t)(bytes >> MM_REF_SHIFT);
  MM_ASSERT(bytes <= MM_SMALL_OBJECT_MAX_BYTES);
  MM_ASSERT(!(block->live >> granule % BLOCK_GRANULES & 1));
  block->own_granules += granules;
  set_live(block, granule % BLOCK_GRANULES, granules);
}

/* Where the next block's objects go. */
struct target {
  struct mm_heap *heap;
  uint32_t region;
  uint32_t granule, end; /* as references; past 32 GiB, granule is 0 */
};

static void target_enter(struct target *target, uint32_t region)
{
  const struct mm_regions *regions = &target->heap->regions;
  target->region = region;
  target->granule =
      (uint32_t)(mm_region_start(regions, region) >> MM_REF_SHIFT);
  target->end = target->granule + MM_REGION_GRANULES - 1;
}

/* `end` is the last granule: one past it would not fit 32 bits at 32 GiB. */
static bool target_fits(const struct target *target, uint32_t granules)
{
  return granules == 0 || granules - 1 <= target->end - target->granule;
}

static void target_leave(struct target *target)
{
  const struct mm_regions *regions = &target->heap->regions;
  uintptr_t start = mm_region_start(regions, target->region);
  uint32_t granules = target->granule - (uint32_t)(start >> MM_REF_SHIFT);
  MM_ASSERT(granules <= MM_REGION_GRANULES);
  regions->table[target->region].top =
      start + ((uintptr_t)granules << MM_REF_SHIFT);
}

static void target_next(struct target *target)
{
  target_leave(target);
  uint32_t next = target->region + 1;
  while (!is_sliding(target->heap, next))
    next++;
  MM_ASSERT(next < target->heap->regions.fresh_from);
  target_enter(target, next);
}

static void plan_block(struct target *target, struct mm_block *block,
                       uint64_t marks)
{
  if (marks == 0)
    return;
  if (target->granule > target->end ||
      !target_fits(target, block->own_granules))
    target_next(target);
  /* What reaches in from the block before does not count here. */
  uint64_t before_first = (marks & -marks) - 1;
  uint32_t lead = (uint32_t)__builtin_popcountll(block->live & before_first);
  block->target = target->granule - lead;
  target->granule += block->own_granules;
}

static void plan_region(struct target *target, uint32_t index)
{
  struct mm_heap *heap = target->heap;
  struct mm_block *blocks = region_blocks(heap, index);
  const uint64_t *marks = mm_region_marks(heap, index);
  memset(blocks, 0, MM_REGION_MARK_WORDS * sizeof(*blocks));
  mm_region_each_marked(heap, index, plan_object, heap);
  for (uint32_t i = 0; i < MM_REGION_MARK_WORDS; i++)
    plan_block(target, &blocks[i], marks[i]);
}

static void plan_goal(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  struct target target = {.heap = heap};
  uint32_t from, to;
  row_of(worker, &from, &to);
  if (from == to)
    return;
  target_enter(&target, from);
  for (uint32_t i = from; i < to; i++)
    if (is_sliding(heap, i))
      plan_region(&target, i);
  target_leave(&target);
  for (uint32_t i = target.region + 1; i < to; i++)
    if (is_sliding(heap, i))
      heap->regions.table[i].top = mm_region_start(&heap->regions, i);
}

/* Update ------------------------------------------------------------------- */

/*
 * The inner loops count bits.  x86-64 as the compiler has to assume it lacks
 * an instruction for that, so each goal that counts is compiled twice, with
 * and without, and the processor is asked (counts_bits).
 */
#if defined __x86_64__ && !defined __POPCNT__
#define WITH_POPCOUNT __attribute__((target("popcnt")))
static bool counts_bits(void)
{
  return __builtin_cpu_supports("popcnt") != 0;
}
#else
#define WITH_POPCOUNT
static bool counts_bits(void)
{
  return true;
}
#endif

/* What an update needs to know, held in registers. */
struct updater {
  const struct mm_block *blocks;
  const uint8_t *traces;
  uint32_t base; /* of the heap, as a reference */
};

static struct updater updater_for(const struct mm_heap *heap)
{
  return (struct updater){
      .blocks = heap->blocks,
      .traces = heap->traces,
      .base = (uint32_t)(heap->regions.base >> MM_REF_SHIFT),
  };
}

static MM_ALWAYS_INLINE struct mm_ref target_of(const struct updater *updater,
                                                struct mm_ref ref)
{
  uint32_t granule = ref.bits - updater->base;
  const struct mm_block *block = &updater->blocks[granule / BLOCK_GRANULES];
  uint64_t before = ((uint64_t)1 << granule % BLOCK_GRANULES) - 1;
  MM_ASSERT(block->live & (before + 1));
  return (struct mm_ref){block->target +
                         (uint32_t)__builtin_popcountll(block->live & before)};
}

static MM_ALWAYS_INLINE void update_slot(void *context, struct mm_ref *slot)
{
  const struct updater *updater = context;
  if (mm_is_null(*slot))
    return;
  uint32_t index = (slot->bits - updater->base) / MM_REGION_GRANULES;
  if (updater->traces[index] == MM_TRACE_MOVE)
    *slot = target_of(updater, *slot);
}

/* By a copy of the updater, whose address may escape. */
static __attribute__((noinline)) void update_special(struct updater updater,
                                                     struct mm_ref ref)
{
  mm_scan_every(mm_address(ref), mm_layout_of(ref), update_slot, &updater);
}

static MM_ALWAYS_INLINE void update_object(void *context, struct mm_ref ref)
{
  const struct mm_layout *layout = mm_layout_of(ref);
  const struct updater *updater = context;
  if (__builtin_expect(mm_is_simple(layout), 1))
    mm_scan_word(mm_address(ref), layout->ref_map, update_slot, context);
  else if (mm_is_special(layout))
    update_special(*updater, ref);
  else
    mm_scan_every(mm_address(ref), layout, update_slot, context);
}

struct root_visitor {
  struct mm_root_visitor visitor; /* first: the host gets its address */
  struct updater updater;
};

static void update_root(struct mm_root_visitor *visitor, struct mm_ref *slot,
                        enum mm_root_kind kind)
{
  (void)kind;
  update_slot(&((struct root_visitor *)visitor)->updater, slot);
}

static MM_ALWAYS_INLINE void update_regions(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  struct updater updater = updater_for(heap);
  uint32_t index;
  while ((index = mm_worker_claim(worker)) < heap->regions.fresh_from)
    if (heap->traces[index] != MM_TRACE_NOTHING &&
        !mm_breaks(heap, MM_FAULT_UPDATE))
      mm_region_each_marked(heap, index, update_object, &updater);
}

static WITH_POPCOUNT void update_regions_counting(struct mm_worker *worker)
{
  update_regions(worker);
}

static void update_goal(struct mm_worker *worker)
{
  if (worker->index == 0) {
    struct root_visitor visitor = {{.slot = update_root},
                                   updater_for(worker->heap)};
    mm_roots_update(worker->heap, &visitor.visitor);
    mm_pending_update(worker->heap, update_slot, &visitor.updater);
  }
  if (counts_bits())
    update_regions_counting(worker);
  else
    update_regions(worker);
}

/* Move --------------------------------------------------------------------- */

/* Neighbours that move by the same distance, moved at once. */
struct run {
  struct mm_worker *worker;
  struct updater updater;
  uintptr_t from, to;
  size_t bytes, objects;
};

static void move_run(struct run *run)
{
  if (run->bytes == 0)
    return;
  MM_ASSERT(run->to <= run->from);
  if (run->to != run->from) {
    if (mm_breaks(run->worker->heap, MM_FAULT_SLIDE))
      run->to += MM_OBJECT_ALIGN;
    memmove((void *)run->to, (void *)run->from, run->bytes);
    run->worker->moved_bytes += run->bytes;
    run->worker->moved_objects += run->objects;
  }
  run->bytes = run->objects = 0;
}

static MM_ALWAYS_INLINE void move_object(void *context, struct mm_ref ref)
{
  struct run *run = context;
  uintptr_t from = (uintptr_t)mm_address(ref);
  uintptr_t to = (uintptr_t)mm_address(target_of(&run->updater, ref));
  size_t bytes = mm_size_with(mm_address(ref), mm_layout_of(ref));
  if (from != run->from + run->bytes || to != run->to + run->bytes) {
    move_run(run);
    run->from = from;
    run->to = to;
  }
  run->bytes += bytes;
  run->objects++;
}

static MM_ALWAYS_INLINE void move_row(struct mm_worker *worker)
{
  struct mm_heap *heap = worker->heap;
  struct run run = {.worker = worker, .updater = updater_for(heap)};
  uint32_t from, to;
  row_of(worker, &from, &to);
  for (uint32_t i = from; i < to; i++)
    if (is_sliding(heap, i))
      mm_region_each_marked(heap, i, move_object, &run);
  move_run(&run);
}

static WITH_POPCOUNT void move_row_counting(struct mm_worker *worker)
{
  move_row(worker);
}

static void move_goal(struct mm_worker *worker)
{
  if (counts_bits())
    move_row_counting(worker);
  else
    move_row(worker);
}

/* Begin and end ------------------------------------------------------------ */

static void prepare(struct mm_heap *heap)
{
  mm_metadata_settle(heap);
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    struct mm_region *region = &heap->regions.table[i];
    heap->traces[i] = MM_TRACE_NOTHING;
    if (region->kind == MM_REGION_FREE || region->kind == MM_REGION_LARGE_TAIL)
      continue;
    mm_region_clear_marks(heap, i);
    heap->traces[i] = is_sliding(heap, i) ? MM_TRACE_MOVE : MM_TRACE_MARK;
    region->flags = MM_REGION_COMMITTED;
    region->age = (uint8_t)heap->full_age;
  }
  mm_object_spaces_reset(heap);
}

struct weak_visitor {
  struct mm_weak_visitor visitor; /* first */
  struct mm_heap *heap;
};

static bool keep_weak(struct mm_weak_visitor *visitor, struct mm_ref *slot)
{
  struct mm_heap *heap = ((struct weak_visitor *)visitor)->heap;
  if (mm_is_marked(heap, *slot)) {
    struct updater updater = updater_for(heap);
    update_slot(&updater, slot);
    return true;
  }
  *slot = MM_NULL;
  mm_stat_count(&heap->stat, MM_COUNT_WEAK_CLEARED, 1);
  return false;
}

static void visit_weak(struct mm_heap *heap)
{
  struct weak_visitor visitor = {{keep_weak}, heap};
  mm_weak_visit(heap, &visitor.visitor);
  mm_owners_sweep(heap, false);
}

/* What stands above the new tops is of no use to anybody. */
static void poison_rest(struct mm_heap *heap, uint32_t index)
{
  uintptr_t top = heap->regions.table[index].top;
  memset((void *)top, MM_POISON_BYTE,
         mm_region_end(&heap->regions, index) - top);
}

/* Highest first, so that the lowest is taken first again. */
static void release_small(struct mm_heap *heap)
{
  for (uint32_t i = heap->regions.fresh_from; i-- > 0;) {
    struct mm_region *region = &heap->regions.table[i];
    heap->traces[i] = MM_TRACE_NOTHING;
    if (region->kind != MM_REGION_SMALL)
      continue;
    region->zero_from = mm_region_end(&heap->regions, i);
    if (mm_is_stressed(heap))
      poison_rest(heap, i);
    if (region->top == mm_region_start(&heap->regions, i))
      mm_heap_free_region(heap, i);
    else
      mm_object_offer_rest(heap, i);
  }
}

/* Nothing is young any more. */
static void make_all_old(struct mm_heap *heap)
{
  if (!heap->has_cards)
    return;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    if (is_small(heap, i))
      mm_cards_note_region(heap, i);
  mm_cards_forget(heap);
  mm_objects_make_all_old(heap);
}

/* The dead of a region that did not take part. */
static void bury_dead(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  uintptr_t at = mm_region_start(&heap->regions, index), gap = at;
  while (at < region->top) {
    struct mm_ref ref = mm_ref_at((void *)at);
    uintptr_t end = at + mm_size_with(mm_address(ref), mm_layout_of(ref));
    if (mm_is_marked(heap, ref)) {
      mm_bury(heap, gap, at);
      gap = end;
    }
    at = end;
  }
  MM_ASSERT(at == region->top);
  region->top = region->scan_top = gap;
}

static void release(struct mm_heap *heap)
{
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    if (is_pinned(heap, i))
      bury_dead(heap, i);
  release_small(heap);
  make_all_old(heap);
}

static void sweep_others(struct mm_heap *heap)
{
  mm_fixed_begin_sweep(heap);
  mm_large_sweep(heap);
}

/* Runs one phase on the workers. */
static void phase_on(struct mm_heap *heap, enum mm_phase which, unsigned active,
                     mm_goal *goal)
{
  mm_stat_phase_begin(&heap->stat, which);
  mm_workers_run(heap->workers, active, goal);
  mm_stat_phase_end(&heap->stat, which);
}

/*
 * Turns free regions into empty small ones, lowest first, until the lowest
 * regions suffice for everything small.  They are targets only; those not
 * needed go free again in the end.  One that has no memory is left out.
 */
static void add_low_targets(struct mm_heap *heap)
{
  struct mm_regions *regions = &heap->regions;
  uint32_t wanted = 0;
  for (uint32_t i = 0; i < regions->fresh_from; i++)
    wanted += is_sliding(heap, i);
  for (uint32_t i = 0; i < regions->fresh_from && wanted > 0; i++) {
    if (regions->table[i].kind == MM_REGION_FREE)
      wanted -= mm_region_take_at(regions, MM_REGION_SMALL, i) == MM_OK;
    else
      wanted -= is_sliding(heap, i);
  }
}

void mm_compact_utmost(struct mm_heap *heap)
{
  add_low_targets(heap);
  mm_compact(heap, 1);
}

void mm_compact(struct mm_heap *heap, unsigned active)
{
  MM_ASSERT(heap->stopping);
  mm_workers_reset(heap->workers);
  mm_stat_phase_run(heap, MM_PHASE_PREPARE, prepare);
  mm_mark_phase(heap, active);
  mm_references_process(heap, &mm_reach_marking, active);
  phase_on(heap, MM_PHASE_PLAN, active, plan_goal);
  mm_stat_phase_run(heap, MM_PHASE_WEAK, visit_weak);
  phase_on(heap, MM_PHASE_UPDATE, active, update_goal);
  phase_on(heap, MM_PHASE_MOVE, active, move_goal);
  mm_stat_phase_run(heap, MM_PHASE_SWEEP, sweep_others);
  mm_stat_phase_run(heap, MM_PHASE_RELEASE, release);
  mm_metadata_collected(heap);
}
