/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gaps of the fixed spaces: objects above 2 KiB (or all, with fit `freelist')
 * in regions of freelist; see fixed_internal.h.
 *
 *   gap   header of a filler | bytes | (4) | links of the index | rest ...
 *
 * Gaps of at least GAP_MIN_BYTES are on offer through a segregated-fit index
 * (mm/alloc/fit_internal.h); smaller ones wait until a neighbour dies.  Gaps
 * are found by sweeping, so neighbours are one gap from the start, and nothing
 * is ever coalesced otherwise.
 */
#include "config.h"

#include "mm/space/fixed_internal.h"

#include "mm/alloc/filler_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/space/fixed_parts_internal.h"

#include <string.h>

enum {
  NODE_OFFSET = 16, /* of the index's links in a gap */
  GAP_MIN_BYTES = NODE_OFFSET + sizeof(struct mm_fit_node),
};

_Static_assert(NODE_OFFSET >= MM_FILLER_BYTES_OFFSET + 4,
               "the links stand behind the filler's length");

static uint32_t gap_bytes(uintptr_t gap)
{
  return *(uint32_t *)(gap + MM_FILLER_BYTES_OFFSET);
}

static uint32_t granules_of(void *context, uintptr_t node)
{
  (void)context;
  return gap_bytes(node - NODE_OFFSET) >> MM_REF_SHIFT;
}

void mm_gaps_reset(struct mm_heap *heap, struct mm_fixed_space *space)
{
  mm_fit_init(&space->gaps, heap->regions.base, MM_REF_SHIFT);
  space->unswept_regions = MM_NO_REGION;
}

/* Cards are scanned from the object on that reaches into them. */
static void note(struct mm_heap *heap, uintptr_t at, uintptr_t end)
{
  if (heap->has_cards && at < end && mm_card_is_first(at, end))
    mm_card_note_first(heap, at, end);
}

/* Fills [at, end) and puts it on offer, if it is large enough. */
static void offer(struct mm_heap *heap, struct mm_fixed_space *space,
                  uintptr_t at, uintptr_t end)
{
  mm_fill(heap, at, end);
  if (end - at >= GAP_MIN_BYTES)
    mm_fit_insert(&space->gaps, at + NODE_OFFSET,
                  (uint32_t)((end - at) >> MM_REF_SHIFT));
}

static void put_gap(struct mm_heap *heap, struct mm_fixed_space *space,
                    uintptr_t at, uintptr_t end)
{
  offer(heap, space, at, end);
  note(heap, at, end);
}

/* Cuts from the end of a gap, whose beginning all cards that it has left are
   told by already: had each cut to tell them anew, filling a region with small
   objects would take the square of its cards.  0 when no gap is large enough.
 */
static uintptr_t take_gap(struct mm_heap *heap, struct mm_fixed_space *space,
                          size_t bytes)
{
  uint32_t granules = (uint32_t)(bytes >> MM_REF_SHIFT);
  uintptr_t node = mm_fit_find(&space->gaps, granules);
  if (!node)
    node = mm_fit_find_near(&space->gaps, granules, granules_of, NULL);
  if (!node)
    return 0;
  uintptr_t gap = node - NODE_OFFSET, end = gap + gap_bytes(gap);
  MM_ASSERT(mm_layout_of(mm_ref_at((void *)gap)) == heap->filler);
  MM_ASSERT(end - gap >= bytes);
  mm_fit_remove(&space->gaps, node, granules_of(NULL, node));
  offer(heap, space, gap, end - bytes);
  return end - bytes;
}

static void poison(struct mm_heap *heap, uintptr_t at, uintptr_t end)
{
  const struct mm_layout *layout = mm_layout_of(mm_ref_at((void *)at));
  if (mm_is_stressed(heap) && !mm_is_filler(layout))
    memset((void *)at, MM_POISON_BYTE, end - at);
}

void mm_gaps_sweep(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  struct mm_fixed_space *space = mm_fixed_space_of(heap, region);
  uintptr_t at = mm_region_start(&heap->regions, index), gap = at;
  while (at < region->top) {
    struct mm_ref ref = mm_ref_at((void *)at);
    uintptr_t end = at + mm_size_with((void *)at, mm_layout_of(ref));
    if (mm_is_marked(heap, ref) && !mm_breaks(heap, MM_FAULT_GAP_FREED)) {
      put_gap(heap, space, gap, at);
      gap = end;
    } else {
      poison(heap, at, end);
    }
    at = end;
  }
  MM_ASSERT(at == region->top);
  put_gap(heap, space, gap, at);
}

/* Sweeps the next unswept region; false: there is none. */
static bool sweep_next(struct mm_heap *heap, struct mm_fixed_space *space)
{
  uint32_t index = space->unswept_regions;
  if (index == MM_NO_REGION)
    return false;
  space->unswept_regions = heap->regions.table[index].next;
  mm_gaps_sweep(heap, index);
  return true;
}

static enum mm_status add_region(struct mm_heap *heap,
                                 struct mm_fixed_space *space, uint32_t limit)
{
  uint32_t index;
  enum mm_status status =
      mm_fixed_take_region(heap, space, MM_REGION_FREELIST, limit, &index);
  if (status == MM_OK)
    put_gap(heap, space, mm_region_start(&heap->regions, index),
            mm_region_end(&heap->regions, index));
  return status;
}

/* Room of any content, or a status. */
static enum mm_status find_room(struct mm_heap *heap,
                                struct mm_fixed_space *space, size_t bytes,
                                uint32_t limit, uintptr_t *at)
{
  uintptr_t got = take_gap(heap, space, bytes);
  while (!got && sweep_next(heap, space))
    got = take_gap(heap, space, bytes);
  if (!got) {
    enum mm_status status = add_region(heap, space, limit);
    if (status != MM_OK)
      return status;
    got = take_gap(heap, space, bytes);
  }
  MM_ASSERT(got);
  note(heap, got, got + bytes);
  space->claimed_bytes += bytes;
  *at = got;
  return MM_OK;
}

enum mm_status mm_gap_alloc(struct mm_heap *heap, struct mm_fixed_space *space,
                            size_t bytes, uint32_t limit, uintptr_t *at)
{
  enum mm_status status = find_room(heap, space, bytes, limit, at);
  if (status != MM_OK)
    return status;
  if (!mm_breaks(heap, MM_FAULT_DIRTY))
    memset((void *)*at, 0, bytes);
  mm_cycle_bear(heap, *at);
  return MM_OK;
}

static void set_fresh(struct mm_heap *heap, uintptr_t at, bool is_fresh)
{
  uint64_t granule = (at - heap->regions.base) >> MM_REF_SHIFT;
  uint64_t bit = (uint64_t)1 << (granule & 63);
  uint64_t *word = &heap->fresh[granule >> 6];
  *word = is_fresh ? *word | bit : *word & ~bit;
}

enum mm_status mm_gap_promote(struct mm_heap *heap,
                              struct mm_fixed_space *space, size_t bytes,
                              uint32_t limit, uintptr_t *at)
{
  enum mm_status status = find_room(heap, space, bytes, limit, at);
  if (status != MM_OK)
    return status;
  mm_fill(heap, *at, *at + bytes);
  mm_cycle_bear(heap, *at);
  set_fresh(heap, *at, true);
  uint32_t run = (uint32_t)((*at - heap->regions.base) >> MM_RUN_LOG2);
  if (heap->fresh_count == 0 || heap->fresh_runs[heap->fresh_count - 1] != run)
    mm_run_note_fresh(heap, run);
  return MM_OK;
}

void mm_gap_unpromote(struct mm_heap *heap, struct mm_fixed_space *space,
                      size_t bytes, uintptr_t at)
{
  set_fresh(heap, at, false);
  mm_cycle_unbear(heap, at);
  put_gap(heap, space, at, at + bytes);
}

void mm_fixed_adopt_region(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  struct mm_fixed_space *space = &heap->fixed[MM_FIXED_OBJECTS];
  uintptr_t at = mm_region_start(&heap->regions, index);
  uintptr_t end = mm_region_end(&heap->regions, index);
  MM_ASSERT(region->kind == MM_REGION_SMALL);
  mm_fill(heap, region->top, end);
  region->kind = MM_REGION_FREELIST;
  region->fixed = MM_FIXED_OBJECTS;
  region->top = region->zero_from = end;
  space->regions++;
  if (mm_cycle_marks(heap))
    mm_region_clear_marks(heap, index);
  while (at < end) {
    const struct mm_layout *layout = mm_layout_of(mm_ref_at((void *)at));
    uintptr_t next = at + mm_size_with((void *)at, layout);
    if (mm_is_filler(layout)) {
      put_gap(heap, space, at, next);
    } else {
      note(heap, at, next);
      mm_cycle_bear(heap, at);
    }
    at = next;
  }
}

static void check_gaps_of(const struct mm_heap *heap, uint32_t index,
                          uint64_t *gaps)
{
  uintptr_t at = mm_region_start(&heap->regions, index);
  uintptr_t top = heap->regions.table[index].top;
  while (at < top) {
    const struct mm_layout *layout = mm_layout_of(mm_ref_at((void *)at));
    uint64_t bytes = mm_size_with((void *)at, layout);
    *gaps += layout == heap->filler && bytes >= GAP_MIN_BYTES;
    at += bytes;
  }
  MM_ASSERT(at == top);
}

/* Regions that are unswept have gaps that are not on offer. */
void mm_gaps_check(const struct mm_heap *heap,
                   const struct mm_fixed_space *space)
{
  uint64_t nodes = 0, granules = 0, gaps = 0;
  const char *fault =
      mm_fit_check(&space->gaps, granules_of, NULL, &nodes, &granules);
  MM_ASSERT(!fault);
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    const struct mm_region *region = &heap->regions.table[i];
    if (region->kind == MM_REGION_FREELIST && region->fixed == space->which)
      check_gaps_of(heap, i, &gaps);
  }
  MM_ASSERT(nodes <= gaps);
  MM_ASSERT(nodes == gaps || space->unswept_regions != MM_NO_REGION);
  (void)fault;
  (void)gaps;
}
