/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The non-moving space; see nonmoving_internal.h.
 */
#include "config.h"

#include "mm/space/nonmoving_internal.h"

#include "mm/alloc/filler_internal.h"
#include "mm/gc/scan_internal.h"

#include <string.h>

void mm_nonmoving_reset(struct mm_heap *heap)
{
  heap->nonmoving = (struct mm_nonmoving_space){MM_NO_REGION, MM_NULL};
}

static uint32_t *gap_bytes(uintptr_t gap)
{
  return (uint32_t *)(gap + MM_FILLER_BYTES_OFFSET);
}

static struct mm_ref *gap_next(uintptr_t gap)
{
  return (struct mm_ref *)(gap + MM_FILLER_NEXT_OFFSET);
}

/* Cuts `bytes` from the end of the gap that `link` points to. */
static uintptr_t cut_gap(struct mm_heap *heap, struct mm_ref *link,
                         size_t bytes)
{
  uintptr_t gap = (uintptr_t)mm_address(*link);
  MM_ASSERT(mm_layout_of(*link) == heap->filler && *gap_bytes(gap) >= bytes);
  uintptr_t at = gap + *gap_bytes(gap) - bytes;
  if (at - gap > MM_OBJECT_ALIGN) {
    *gap_bytes(gap) -= (uint32_t)bytes;
  } else {
    *link = *gap_next(gap);
    mm_fill(heap, gap, at);
  }
  return at;
}

/* First fit; 0 when there is no gap of that size. */
static uintptr_t take_gap(struct mm_heap *heap, size_t bytes)
{
  struct mm_ref *link = &heap->nonmoving.gaps;
  while (!mm_is_null(*link)) {
    uintptr_t gap = (uintptr_t)mm_address(*link);
    if (*gap_bytes(gap) >= bytes)
      return cut_gap(heap, link, bytes);
    link = gap_next(gap);
  }
  return 0;
}

static void put_gap(struct mm_heap *heap, struct mm_ref **last, uintptr_t at,
                    uintptr_t end)
{
  mm_fill(heap, at, end);
  if (end - at <= MM_OBJECT_ALIGN)
    return;
  **last = mm_ref_at((void *)at);
  *last = gap_next(at);
  **last = MM_NULL;
}

/* Takes a region to go on with.  The rest of the one before becomes a gap,
   first on the list. */
static enum mm_status next_region(struct mm_heap *heap, uint32_t limit)
{
  struct mm_regions *regions = &heap->regions;
  if (regions->used >= limit)
    return MM_NO_MEMORY;
  uint32_t index, old = heap->nonmoving.region;
  MM_ASSERT(old == MM_NO_REGION ||
            regions->table[old].kind == MM_REGION_NONMOVING);
  enum mm_status status = mm_region_take(regions, MM_REGION_NONMOVING, &index);
  if (status != MM_OK)
    return status;
  heap->nonmoving.region = index;
  if (old == MM_NO_REGION)
    return MM_OK;
  struct mm_ref first = heap->nonmoving.gaps;
  struct mm_ref *last = &heap->nonmoving.gaps;
  uintptr_t top = regions->table[old].top;
  uintptr_t end = mm_region_end(regions, old);
  regions->table[old].top = end;
  if (top != end)
    put_gap(heap, &last, top, end);
  *last = first;
  return MM_OK;
}

static uintptr_t bump(struct mm_heap *heap, size_t bytes)
{
  uint32_t index = heap->nonmoving.region;
  if (index == MM_NO_REGION)
    return 0;
  struct mm_region *region = &heap->regions.table[index];
  if (bytes > mm_region_end(&heap->regions, index) - region->top)
    return 0;
  uintptr_t at = region->top;
  region->top += bytes;
  return at;
}

enum mm_status mm_nonmoving_alloc(struct mm_heap *heap, size_t bytes,
                                  uint32_t limit, uintptr_t *at)
{
  uintptr_t got = take_gap(heap, bytes);
  if (!got)
    got = bump(heap, bytes);
  if (!got) {
    enum mm_status status = next_region(heap, limit);
    if (status != MM_OK)
      return status;
    got = bump(heap, bytes);
  }
  MM_ASSERT(got);
  memset((void *)got, 0, bytes);
  mm_stat_count(&heap->stat, MM_COUNT_NONMOVING_ALLOCATED, 1);
  *at = got;
  return MM_OK;
}

/* Sweeps one region; returns whether anything in it lives. */
static bool sweep_region(struct mm_heap *heap, uint32_t index,
                         struct mm_ref **last)
{
  struct mm_region *region = &heap->regions.table[index];
  uintptr_t at = mm_region_start(&heap->regions, index), gap = at;
  bool has_live = false;
  while (at < region->top) {
    struct mm_ref ref = mm_ref_at((void *)at);
    uintptr_t end = at + mm_size_with((void *)at, mm_layout_of(ref));
    if (mm_is_marked(heap, ref)) {
      put_gap(heap, last, gap, at);
      gap = end;
      has_live = true;
    }
    at = end;
  }
  if (has_live && index == heap->nonmoving.region)
    region->top = gap;
  else if (has_live)
    put_gap(heap, last, gap, region->top);
  return has_live;
}

void mm_nonmoving_sweep(struct mm_heap *heap)
{
  struct mm_regions *regions = &heap->regions;
  struct mm_ref *last = &heap->nonmoving.gaps;
  heap->nonmoving.gaps = MM_NULL;
  for (uint32_t i = 0; i < regions->fresh_from; i++) {
    if (regions->table[i].kind != MM_REGION_NONMOVING ||
        sweep_region(heap, i, &last))
      continue;
    if (i == heap->nonmoving.region)
      heap->nonmoving.region = MM_NO_REGION;
    mm_heap_free_region(heap, i);
  }
}

void mm_nonmoving_check(const struct mm_heap *heap)
{
  const struct mm_regions *regions = &heap->regions;
  struct mm_ref gap = heap->nonmoving.gaps;
  while (!mm_is_null(gap)) {
    uintptr_t at = (uintptr_t)mm_address(gap);
    MM_ASSERT(mm_layout_of(gap) == heap->filler);
    MM_ASSERT(mm_region_of(regions, at)->kind == MM_REGION_NONMOVING);
    MM_ASSERT(at + *gap_bytes(at) <= mm_region_of(regions, at)->top);
    gap = *gap_next(at);
  }
}
