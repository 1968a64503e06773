/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The size of the heap and the plan for the next collection; the reasoning
 * stands in sizing_internal.h.
 */
#include "config.h"

#include "mm/gc/sizing_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/generations_internal.h"
#include "mm/gc/pauses_internal.h"
#include "mm/gc/workers_internal.h"

enum {
  COST_RATIO = MM_COMPACTION_COST,
  MARGIN_FRACTION = 8,  /* a reserve is 1/8 above the prediction ... */
  MARGIN_REGIONS = 2,   /* ... and this much for buffers partly filled */
  MIXED_REGIONS = 4,    /* for survivors of ages, and one candidate */
  TAX_FRACTION = 4,     /* of what candidates give back, kept for a cycle */
  SPARE_FRACTION = 4,   /* of the reserve is left to candidates in any case */
  RESERVE_FRACTION = 8, /* of the heap at most for that */
  FIRST_FRACTION = 4,   /* of the limit reserved before anything is known */
  FUTILE_FRACTION = 64, /* a collection that leaves less is futile */
  FUTILE_MAX = 2,       /* in a row */
  KEEP_FRACTION = 4,    /* of what is above the limit goes back */
  WORKER_REGIONS = 16,  /* that survive, per worker worth waking */
  YOUNG_FRACTION = 64,  /* of the limit: fewer young regions are not worth it */
  CYCLE_MARGIN = 2,     /* times what is predicted */
  LITTLE_FRACTION = 16, /* of the limit: less lives than is worth learning */
  START_FRACTION = 16,  /* of the budget: no cycle starts sooner */
};

static uint32_t at_most(uint32_t value, uint32_t bound)
{
  return value < bound ? value : bound;
}

static bool never_copies(const struct mm_heap *heap)
{
  return heap->options.tenured == MM_TENURED_FREELIST;
}

static uint32_t small_regions(const struct mm_heap *heap)
{
  const struct mm_regions *regions = &heap->regions;
  uint32_t count = 0;
  for (uint32_t i = 0; i < regions->fresh_from; i++)
    count += regions->table[i].kind == MM_REGION_SMALL;
  return count;
}

uint64_t mm_sizing_claimed_bytes(const struct mm_heap *heap)
{
  return heap->fixed[MM_FIXED_OBJECTS].claimed_bytes +
         heap->fixed[MM_FIXED_NONMOVING].claimed_bytes;
}

static bool is_concurrent(const struct mm_heap *heap)
{
  return heap->options.gc == MM_GC_CONCURRENT;
}

/* Rather than to wait for what a cycle will give back, or has candidates for.
 */
static bool may_exceed(const struct mm_heap *heap)
{
  return is_concurrent(heap) &&
         (mm_cycle_is_active(heap) || mm_candidates_wait(heap));
}

/* What has become old fills holes, so the budget tells how much more may.
   Where young objects may take all there is, that is not beyond it. */
static uint32_t young_room_fixed(const struct mm_heap *heap)
{
  uint64_t claimed = mm_sizing_claimed_bytes(heap),
           budget = heap->sizing.budget_bytes;
  uint64_t left = claimed < budget ? budget - claimed : 0;
  uint32_t room = (uint32_t)(left >> MM_REGION_LOG2) / 2;
  uint32_t beyond = heap->sizing.limit_regions / MARGIN_FRACTION + 1;
  if (may_exceed(heap) && room < beyond)
    room = beyond;
  return at_most(room, mm_regions_free(&heap->regions) / 2);
}

/* Concurrent, with regions: candidates are to be evacuated. */
static bool evacuates_some(const struct mm_heap *heap)
{
  return is_concurrent(heap) && !never_copies(heap);
}

/* What is in use may grow up to here before a collection has to run. */
static uint32_t soft_limit(const struct mm_heap *heap)
{
  return may_exceed(heap) ? heap->sizing.max_regions
                          : heap->sizing.limit_regions;
}

/* Regions that nothing young gets, so that candidates can be evacuated. */
static uint32_t mixed_reserve(const struct mm_heap *heap)
{
  uint32_t most = heap->sizing.max_regions / RESERVE_FRACTION;
  return evacuates_some(heap) ? at_most(MIXED_REGIONS, most) : 0;
}

/* How many regions may become young, with their copies below the limit. */
static uint32_t young_room(const struct mm_heap *heap)
{
  if (never_copies(heap))
    return young_room_fixed(heap);
  uint32_t most = heap->sizing.max_regions - mixed_reserve(heap);
  uint32_t used = heap->regions.used, limit = at_most(soft_limit(heap), most);
  return used < limit ? (limit - used) / 2 : 0;
}

/* The same in regions. */
static uint32_t young_wanted(const struct mm_heap *heap)
{
  uint64_t bytes = mm_pauses_eden_bytes(heap);
  uint64_t regions = bytes >> MM_REGION_LOG2;
  regions += (bytes & (MM_REGION_BYTES - 1)) != 0;
  return regions < UINT32_MAX ? (uint32_t)regions : UINT32_MAX;
}

/* What the next young collection may find, beside the survivors of this one. */
static void plan_young(struct mm_heap *heap)
{
  struct mm_sizing *sizing = &heap->sizing;
  uint32_t room = young_room(heap), wanted = young_wanted(heap);
  sizing->young_regions = heap->regions.used + at_most(wanted, room);
  sizing->eden_bytes = mm_pauses_eden_bytes(heap);
  mm_cards_set_most(heap, mm_pauses_cards(heap));
}

/* Fewer young regions are not worth a collection. */
static uint32_t young_least(const struct mm_heap *heap)
{
  uint32_t least = heap->sizing.limit_regions / YOUNG_FRACTION + 1;
  /* The program would wait for longer.  Where nothing old moves, though, a
     region that becomes old never comes back for young ones. */
  if (may_exceed(heap) && !never_copies(heap))
    least = 1;
  return at_most(least, young_wanted(heap));
}

/* Free regions that copies of young objects leave, whatever survives. */
static uint32_t mixed_room(const struct mm_heap *heap)
{
  uint32_t free = mm_regions_free(&heap->regions);
  uint32_t needed = heap->young_count + MARGIN_REGIONS;
  return free > needed ? free - needed : 0;
}

bool mm_sizing_has_young_room(const struct mm_heap *heap)
{
  /* It gives back more than it takes. */
  if (mm_candidates_wait(heap) && mixed_room(heap) > 0)
    return true;
  return young_room(heap) >= young_least(heap);
}

bool mm_sizing_is_crowded(const struct mm_heap *heap)
{
  return mm_is_generational(heap) && never_copies(heap) &&
         mm_regions_free(&heap->regions) / 2 < young_least(heap);
}

uint32_t mm_sizing_old_regions(const struct mm_heap *heap)
{
  return heap->regions.used - heap->young_count;
}

uint32_t mm_sizing_garbage_regions(const struct mm_heap *heap)
{
  const struct mm_candidates *candidates = &heap->candidates;
  uint64_t bytes = 0;
  for (uint32_t i = candidates->next; i < candidates->count; i++)
    bytes += MM_REGION_BYTES - candidates->each[i].live_bytes;
  return (uint32_t)(bytes >> MM_REGION_LOG2);
}

uint64_t mm_sizing_candidates_bytes(const struct mm_heap *heap)
{
  return (uint64_t)mixed_room(heap) << MM_REGION_LOG2;
}

/* With generations: what may become old before anything is known. */
static uint64_t first_budget(const struct mm_heap *heap)
{
  bool has_one = mm_is_generational(heap) && never_copies(heap);
  return has_one ? heap->options.heap_min_bytes : 0;
}

void mm_sizing_init(struct mm_heap *heap)
{
  struct mm_sizing *sizing = &heap->sizing;
  sizing->max_regions = heap->regions.count;
  sizing->min_regions =
      (uint32_t)(heap->options.heap_min_bytes >> MM_REGION_LOG2);
  sizing->limit_regions = sizing->min_regions;
  if (heap->options.gc == MM_GC_EPSILON)
    sizing->limit_regions = sizing->max_regions;
  mm_cards_set_most(heap, UINT64_MAX);
  sizing->ceiling_bytes = UINT64_MAX;
  mm_pauses_init(heap);
  sizing->updated_ns = mm_stat_now_ns();
  sizing->start_bytes = ((uint64_t)sizing->limit_regions << MM_REGION_LOG2) / 2;
  sizing->start_regions = sizing->limit_regions / 2;
  sizing->budget_bytes = first_budget(heap);
  if (heap->options.gc != MM_GC_EPSILON && mm_is_generational(heap))
    plan_young(heap);
  if (heap->options.gc == MM_GC_EPSILON || never_copies(heap))
    return;
  sizing->next_kind = MM_COLLECTION_EVACUATE;
  sizing->survivor_regions = sizing->min_regions / FIRST_FRACTION;
  sizing->reserve_regions = sizing->min_regions / FIRST_FRACTION;
  if (evacuates_some(heap))
    sizing->reserve_regions =
        sizing->min_regions / MARGIN_FRACTION / 2 + MARGIN_REGIONS;
  plan_young(heap);
}

/* `live` regions with `live_bytes` in them; `reserve` for copies. */
static uint32_t limit_for(struct mm_heap *heap, uint64_t live_bytes,
                          uint32_t live, uint32_t reserve)
{
  struct mm_growth_need need = {
      .live_bytes = live_bytes,
      .live = live,
      .reserve = reserve,
      .young = mm_is_generational(heap) ? young_wanted(heap) : 0,
  };
  return mm_growth_limit(heap, &need);
}

/* How many of the committed regions stay so. */
static uint32_t keep_for(const struct mm_sizing *sizing, uint32_t committed)
{
  uint32_t limit = sizing->limit_regions;
  if (committed <= limit)
    return limit;
  uint32_t excess = committed - limit;
  return committed - (excess + KEEP_FRACTION - 1) / KEEP_FRACTION;
}

/* Is evacuation the cheaper plan?  See the formula in sizing_internal.h. */
static bool evacuation_pays(uint32_t limit, uint32_t live, uint32_t small,
                            uint32_t reserve)
{
  if (limit <= live + reserve)
    return false;
  uint64_t evacuation_frees = limit - live - reserve;
  uint64_t compaction_frees = limit - live;
  return compaction_frees <= COST_RATIO * evacuation_frees || small == 0;
}

/* Did this collection leave hardly any room?  Where objects do not move, room
   may be there and of no use; but when hardly anything was handed out between
   the last collection and this one (`claimed_bytes`), and this one freed hardly
   anything, then hardly anything will be handed out after it.  It tells nothing
   before one of them in a row has cleared all soft references. */
static void note_futile(struct mm_heap *heap, enum mm_collection_kind kind,
                        uint64_t live_bytes, uint64_t claimed_bytes)
{
  uint64_t max_bytes = heap->options.heap_max_bytes;
  uint64_t hardly_bytes = max_bytes / FUTILE_FRACTION;
  bool is_futile =
      kind != MM_COLLECTION_EVACUATE && max_bytes - live_bytes < hardly_bytes;
  bool sweeps = kind == MM_COLLECTION_SWEEP || kind == MM_COLLECTION_FINISH;
  if (sweeps && !mm_is_stressed(heap) &&
      heap->regions.used == heap->sizing.max_regions)
    is_futile |= claimed_bytes < hardly_bytes &&
                 heap->stat.live_then_bytes < live_bytes + hardly_bytes;
  heap->sizing.futile = is_futile ? heap->sizing.futile + 1 : 0;
  heap->sizing.cleared_soft =
      is_futile && (heap->sizing.cleared_soft || heap->references.clears_soft);
}

static uint32_t large_regions(const struct mm_heap *heap)
{
  const struct mm_regions *regions = &heap->regions;
  uint32_t count = 0;
  for (uint32_t i = 0; i < regions->fresh_from; i++)
    if (regions->table[i].kind == MM_REGION_LARGE)
      count += regions->table[i].span;
  return count;
}

/* A cycle that found this little alive tells nothing about the next one. */
static bool is_little(uint64_t live, uint64_t limit)
{
  return live < limit / LITTLE_FRACTION;
}

/* A cycle has to start when what is left of the budget is what will be
   allocated while it marks, and as much again for what is not foreseen. */
static void plan_cycle(struct mm_heap *heap, uint32_t live)
{
  struct mm_sizing *sizing = &heap->sizing;
  uint64_t now_ns = mm_stat_now_ns(), budget = sizing->budget_bytes;
  uint64_t elapsed_ns = now_ns - sizing->updated_ns + 1;
  double rate = (double)mm_sizing_claimed_bytes(heap) / (double)elapsed_ns;
  double need = CYCLE_MARGIN * rate * (double)mm_cycle_expected_ns(heap);
  double most = (double)(budget - budget / START_FRACTION);
  if (is_little(live, sizing->limit_regions) && need < (double)budget / 2)
    need = (double)budget / 2;
  sizing->updated_ns = now_ns;
  sizing->start_bytes = budget - (uint64_t)(need < most ? need : most);
}

static void update_fixed(struct mm_heap *heap, uint64_t live_bytes)
{
  struct mm_sizing *sizing = &heap->sizing;
  uint32_t live =
      (uint32_t)((live_bytes + MM_REGION_BYTES - 1) >> MM_REGION_LOG2);
  uint32_t large = large_regions(heap);
  if (live < large)
    live = large;
  sizing->survivor_regions = live;
  sizing->limit_regions = limit_for(heap, live_bytes, live, 0);
  sizing->keep_regions = keep_for(sizing, heap->regions.committed);
  sizing->budget_bytes = 0;
  if (sizing->limit_regions > live)
    sizing->budget_bytes = (uint64_t)(sizing->limit_regions - live)
                           << MM_REGION_LOG2;
  plan_cycle(heap, live);
  heap->fixed[MM_FIXED_OBJECTS].claimed_bytes = 0;
  heap->fixed[MM_FIXED_NONMOVING].claimed_bytes = 0;
  if (mm_is_generational(heap))
    plan_young(heap);
}

/* Old regions in use when the next cycle has to start: what will become old
   until its candidates are given back, twice, must fit in below the limit, and
   young ones. */
static uint32_t start_regions_for(struct mm_heap *heap, uint32_t live)
{
  struct mm_sizing *sizing = &heap->sizing;
  uint64_t now_ns = mm_stat_now_ns();
  uint32_t old = mm_sizing_old_regions(heap),
           left = old - mm_sizing_garbage_regions(heap);
  uint32_t grown = old > sizing->old_regions ? old - sizing->old_regions : 0;
  double rate = (double)grown / (double)(now_ns - sizing->updated_ns + 1);
  double filling = mm_growth_filling_rate(&sizing->growth) / MM_REGION_BYTES;
  if (rate < filling) /* while it ran, and was not held up */
    rate = filling;
  double need = CYCLE_MARGIN * rate * (double)mm_cycle_expected_ns(heap) +
                sizing->reserve_regions;
  if (mm_is_generational(heap))
    need += 2 * at_most(young_wanted(heap), sizing->limit_regions / 8);
  uint32_t limit = sizing->limit_regions;
  uint32_t room = left < limit ? limit - left : 0;
  uint32_t least = left + room / START_FRACTION;
  if (is_little(live, limit) && need < room / 2)
    need = room / 2;
  sizing->updated_ns = now_ns;
  sizing->allocated_bytes =
      mm_stat_counter(&heap->stat, MM_COUNT_ALLOCATED_BYTES);
  sizing->old_regions = left;
  return need < limit && limit - (uint32_t)need > least ? limit - (uint32_t)need
                                                        : least + 1;
}

/* After a cycle, or a full collection in place of one. */
static void update_concurrent(struct mm_heap *heap, uint64_t live_bytes)
{
  struct mm_sizing *sizing = &heap->sizing;
  uint32_t live =
      (uint32_t)((live_bytes + MM_REGION_BYTES - 1) >> MM_REGION_LOG2);
  sizing->survivor_regions = small_regions(heap);
  uint32_t reserve = live / MARGIN_FRACTION / 2 + MARGIN_REGIONS;
  sizing->limit_regions = limit_for(heap, live_bytes, live, reserve);
  sizing->keep_regions = keep_for(sizing, heap->regions.committed);
  sizing->reserve_regions =
      sizing->limit_regions / MARGIN_FRACTION / 2 + MARGIN_REGIONS;
  sizing->was_short = false;
  sizing->ceiling_bytes = UINT64_MAX;
  sizing->start_regions = start_regions_for(heap, live);
  if (heap->candidates.count > 0)
    mm_pauses_expect_candidates(heap);
  plan_young(heap);
}

static void update_after_young(struct mm_heap *heap, bool was_short)
{
  struct mm_sizing *sizing = &heap->sizing;
  if (!mm_is_stressed(heap) && heap->candidates.taken_bytes == 0)
    heap->tenure_age = mm_pauses_tenure_age(heap);
  mm_pauses_learn(heap);
  sizing->survivor_regions = heap->young_count + heap->from_count;
  sizing->keep_regions = heap->regions.committed;
  if (soft_limit(heap) == sizing->limit_regions)
    sizing->keep_regions = keep_for(sizing, heap->regions.committed);
  sizing->was_short |= was_short;
  sizing->futile = 0;
  sizing->cleared_soft = false;
  mm_generations_after_young(heap);
  plan_young(heap);
}

void mm_sizing_update(struct mm_heap *heap, enum mm_collection_kind kind,
                      bool was_short, uint64_t live_bytes)
{
  if (kind != MM_COLLECTION_FINISH) /* which leaves what is young */
    heap->sizing.eden_used_bytes = 0;
  if (kind == MM_COLLECTION_YOUNG || kind == MM_COLLECTION_MIXED) {
    update_after_young(heap, was_short);
    return;
  }
  if (kind != MM_COLLECTION_FINISH)
    mm_generations_after_full(heap);
  if (never_copies(heap)) {
    note_futile(heap, kind, live_bytes, mm_sizing_claimed_bytes(heap));
    heap->sizing.was_short = false;
    update_fixed(heap, live_bytes);
    return;
  }
  if (evacuates_some(heap)) {
    if (kind != MM_COLLECTION_FINISH) /* counts what died since the start */
      note_futile(heap, kind, live_bytes, 0);
    update_concurrent(heap, live_bytes);
    return;
  }
  struct mm_sizing *sizing = &heap->sizing;
  uint32_t live = heap->regions.used;
  uint32_t small = small_regions(heap);
  sizing->survivor_regions = small;
  uint32_t reserve = small + small / MARGIN_FRACTION + MARGIN_REGIONS;
  MM_ASSERT(live <= sizing->max_regions);
  sizing->limit_regions = limit_for(heap, live_bytes, live, reserve);
  sizing->keep_regions = keep_for(sizing, heap->regions.committed);
  bool evacuates = !was_short &&
                   evacuation_pays(sizing->limit_regions, live, small, reserve);
  sizing->next_kind =
      evacuates ? MM_COLLECTION_EVACUATE : MM_COLLECTION_COMPACT;
  sizing->reserve_regions = evacuates ? reserve : 0;
  sizing->was_short = was_short;
  MM_ASSERT(sizing->reserve_regions < sizing->limit_regions);
  MM_ASSERT(sizing->limit_regions <= sizing->max_regions);
  note_futile(heap, kind, live_bytes, 0);
  plan_young(heap);
}

bool mm_sizing_wants_cycle(const struct mm_heap *heap)
{
  if (!is_concurrent(heap))
    return false;
  if (never_copies(heap))
    return mm_sizing_claimed_bytes(heap) >= heap->sizing.start_bytes;
  return mm_sizing_old_regions(heap) >= heap->sizing.start_regions &&
         !mm_candidates_wait(heap);
}

bool mm_sizing_has_until_cycle(const struct mm_heap *heap, uint64_t bytes)
{
  const struct mm_sizing *sizing = &heap->sizing;
  if (!is_concurrent(heap))
    return true;
  if (never_copies(heap))
    return mm_sizing_claimed_bytes(heap) + bytes < sizing->start_bytes;
  return mm_sizing_old_regions(heap) + (bytes >> MM_REGION_LOG2) <
         sizing->start_regions;
}

/* With room above it for what is allocated during the next cycle, but half of
   what there will be without the candidates is to be had at least. */
static uint64_t least_ceiling(const struct mm_heap *heap)
{
  const struct mm_sizing *sizing = &heap->sizing;
  uint32_t max = sizing->max_regions, reserve = sizing->reserve_regions,
           most = max > reserve ? max - reserve : 1,
           left = mm_sizing_old_regions(heap) - mm_sizing_garbage_regions(heap),
           room = left < most ? most - left : 0;
  double need = mm_growth_filling_rate(&sizing->growth) / MM_REGION_BYTES *
                (double)mm_cycle_expected_ns(heap);
  uint32_t free = need < room / 2 ? (uint32_t)need : room / 2;
  return (uint64_t)(most - free) << MM_REGION_LOG2;
}

void mm_sizing_after_portion(struct mm_heap *heap, uint32_t used_before)
{
  uint64_t *ceiling = &heap->sizing.ceiling_bytes;
  uint32_t used = heap->regions.used;
  uint64_t before_bytes = (uint64_t)used_before << MM_REGION_LOG2;
  if (*ceiling > before_bytes)
    *ceiling = before_bytes;
  if (used < used_before)
    *ceiling -=
        ((uint64_t)(used_before - used) << MM_REGION_LOG2) / TAX_FRACTION;
  uint64_t least = least_ceiling(heap);
  if (*ceiling < least)
    *ceiling = least;
}

uint32_t mm_sizing_ceiling(const struct mm_heap *heap)
{
  uint64_t regions = heap->sizing.ceiling_bytes >> MM_REGION_LOG2;
  return mm_candidates_wait(heap) && regions < UINT32_MAX ? (uint32_t)regions
                                                          : UINT32_MAX;
}

uint32_t mm_sizing_allocation_limit(const struct mm_heap *heap)
{
  const struct mm_sizing *sizing = &heap->sizing;
  if (mm_is_generational(heap))
    return sizing->young_regions;
  if (never_copies(heap) &&
      mm_sizing_claimed_bytes(heap) < sizing->budget_bytes)
    return sizing->max_regions;
  uint32_t limit = soft_limit(heap), reserve = sizing->reserve_regions;
  if (may_exceed(heap))
    reserve = at_most(reserve, MIXED_REGIONS + reserve / SPARE_FRACTION);
  return limit > reserve ? limit - reserve : 1;
}

/* tenured=freelist: holes are room as well, so this goes by bytes. */
static uint64_t cycle_room_fixed(const struct mm_heap *heap)
{
  const struct mm_sizing *sizing = &heap->sizing;
  uint32_t beyond = sizing->max_regions - sizing->limit_regions;
  uint64_t most = sizing->budget_bytes + ((uint64_t)beyond << MM_REGION_LOG2);
  uint64_t claimed = mm_sizing_claimed_bytes(heap);
  return claimed < most ? most - claimed : 0;
}

uint64_t mm_sizing_cycle_room_bytes(const struct mm_heap *heap)
{
  if (never_copies(heap))
    return cycle_room_fixed(heap);
  if (mm_is_generational(heap))
    return (uint64_t)young_room(heap) << MM_REGION_LOG2;
  uint32_t limit = mm_sizing_allocation_limit(heap), used = heap->regions.used;
  return (uint64_t)(used < limit ? limit - used : 0) << MM_REGION_LOG2;
}

uint64_t mm_sizing_eden_left(const struct mm_heap *heap)
{
  uint64_t most = heap->sizing.eden_bytes, used = heap->sizing.eden_used_bytes;
  return used < most ? most - used : 0;
}

static enum mm_collection_kind young_kind(const struct mm_heap *heap)
{
  return mm_candidates_wait(heap) ? MM_COLLECTION_MIXED : MM_COLLECTION_YOUNG;
}

/* Under stress all kinds take turns; `full': those that collect all. */
static enum mm_collection_kind kind_in_turn(const struct mm_heap *heap,
                                            bool full)
{
  static const enum mm_collection_kind kinds[] = {
      MM_COLLECTION_EVACUATE, MM_COLLECTION_COMPACT, MM_COLLECTION_YOUNG,
      MM_COLLECTION_YOUNG,    MM_COLLECTION_YOUNG,
  };
  enum mm_collection_kind kind =
      kinds[heap->stat.current.number %
            (mm_is_generational(heap) && !full ? 5 : 2)];
  return kind == MM_COLLECTION_YOUNG ? young_kind(heap) : kind;
}

static enum mm_collection_kind kind_fixed(const struct mm_heap *heap, bool full)
{
  if (!mm_is_generational(heap) || full)
    return MM_COLLECTION_SWEEP;
  if (mm_is_stressed(heap))
    return heap->stat.current.number % 3 == 0 ? MM_COLLECTION_SWEEP
                                              : MM_COLLECTION_YOUNG;
  return !heap->sizing.was_short && mm_sizing_has_young_room(heap)
             ? MM_COLLECTION_YOUNG
             : MM_COLLECTION_SWEEP;
}

enum mm_collection_kind mm_sizing_kind(const struct mm_heap *heap, bool full,
                                       bool utmost)
{
  const struct mm_sizing *sizing = &heap->sizing;
  if (never_copies(heap))
    return kind_fixed(heap, full || utmost);
  if (utmost)
    return MM_COLLECTION_COMPACT;
  if (mm_is_stressed(heap))
    return kind_in_turn(heap, full);
  if (mm_is_generational(heap) && !full && !sizing->was_short &&
      mm_sizing_has_young_room(heap))
    return young_kind(heap);
  if (evacuates_some(heap))
    return small_regions(heap) + MARGIN_REGIONS <
                   mm_regions_free(&heap->regions)
               ? MM_COLLECTION_EVACUATE
               : MM_COLLECTION_COMPACT;
  if (sizing->reserve_regions > mm_regions_free(&heap->regions))
    return MM_COLLECTION_COMPACT;
  return sizing->next_kind;
}

unsigned mm_sizing_workers(const struct mm_heap *heap)
{
  /* Under stress, both kinds use all workers now and then. */
  if (mm_is_stressed(heap))
    return heap->stat.current.number % 16 < 2 ? heap->workers->count : 1;
  uint32_t wanted = 1 + heap->sizing.survivor_regions / WORKER_REGIONS;
  return at_most(wanted, heap->workers->count);
}

bool mm_sizing_is_futile(struct mm_heap *heap)
{
  if (heap->sizing.futile < FUTILE_MAX || !heap->sizing.cleared_soft)
    return false;
  heap->sizing.futile = FUTILE_MAX - 1;
  return true;
}
