/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gaps of the fixed spaces: objects above 2 KiB (or all, with fit `freelist')
 * in regions of freelist; see fixed_internal.h.
 */
#include "config.h"

#include "mm/space/fixed_internal.h"

#include "mm/alloc/filler_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/space/fixed_parts_internal.h"

#include <string.h>

static uint32_t *gap_bytes(uintptr_t gap)
{
  return (uint32_t *)(gap + MM_FILLER_BYTES_OFFSET);
}

static struct mm_ref *gap_next(uintptr_t gap)
{
  return (struct mm_ref *)(gap + MM_FILLER_NEXT_OFFSET);
}

void mm_gaps_reset(struct mm_fixed_space *space)
{
  space->gaps = MM_NULL;
  space->unswept_regions = MM_NO_REGION;
}

/* Fills [at, end) and puts it on offer, if it can hold a link. */
static void put_gap(struct mm_heap *heap, struct mm_fixed_space *space,
                    uintptr_t at, uintptr_t end)
{
  mm_fill(heap, at, end);
  if (end - at <= MM_OBJECT_ALIGN)
    return;
  *gap_next(at) = space->gaps;
  space->gaps = mm_ref_at((void *)at);
}

/* First fit; 0 when there is no gap of that size. */
static uintptr_t take_gap(struct mm_heap *heap, struct mm_fixed_space *space,
                          size_t bytes)
{
  struct mm_ref *link = &space->gaps;
  for (; !mm_is_null(*link); link = gap_next((uintptr_t)mm_address(*link))) {
    uintptr_t gap = (uintptr_t)mm_address(*link);
    uintptr_t end = gap + *gap_bytes(gap);
    MM_ASSERT(mm_layout_of(*link) == heap->filler);
    if (end - gap < bytes)
      continue;
    *link = *gap_next(gap);
    put_gap(heap, space, gap + bytes, end);
    return gap;
  }
  return 0;
}

void mm_gaps_sweep(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  struct mm_fixed_space *space = mm_fixed_space_of(heap, region);
  uintptr_t at = mm_region_start(&heap->regions, index), gap = at;
  while (at < region->top) {
    struct mm_ref ref = mm_ref_at((void *)at);
    uintptr_t end = at + mm_size_with((void *)at, mm_layout_of(ref));
    if (mm_is_marked(heap, ref)) {
      if (gap != at)
        put_gap(heap, space, gap, at);
      gap = end;
    } else if (mm_is_stressed(heap) && mm_layout_of(ref) != heap->filler &&
               mm_layout_of(ref) != heap->filler_granule) {
      memset((void *)at, MM_POISON_BYTE, end - at);
    }
    at = end;
  }
  MM_ASSERT(at == region->top);
  if (gap != at)
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

enum mm_status mm_gap_alloc(struct mm_heap *heap, struct mm_fixed_space *space,
                            size_t bytes, uint32_t limit, uintptr_t *at)
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
  memset((void *)got, 0, bytes);
  space->claimed_bytes += bytes;
  *at = got;
  return MM_OK;
}

void mm_gaps_check(const struct mm_heap *heap,
                   const struct mm_fixed_space *space)
{
  const struct mm_regions *regions = &heap->regions;
  for (struct mm_ref gap = space->gaps; !mm_is_null(gap);) {
    uintptr_t at = (uintptr_t)mm_address(gap);
    const struct mm_region *region = mm_region_of(regions, at);
    MM_ASSERT(mm_layout_of(gap) == heap->filler);
    MM_ASSERT(region->kind == MM_REGION_FREELIST &&
              region->fixed == space->which);
    MM_ASSERT(at + *gap_bytes(at) <= region->top);
    gap = *gap_next(at);
    (void)region;
  }
  (void)regions;
}
