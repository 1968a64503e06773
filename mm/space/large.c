/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large objects; see large_internal.h.
 */
#include "config.h"

#include "mm/space/large_internal.h"

#include "mm/assert_internal.h"
#include "mm/gc/faults_internal.h"

#include <string.h>

static void zero_region(struct mm_regions *regions, uint32_t index,
                        uintptr_t end)
{
  struct mm_region *region = &regions->table[index];
  uintptr_t at = mm_region_start(regions, index);
  if (end > region->zero_from)
    end = region->zero_from;
  MM_ASSERT(region->kind == MM_REGION_LARGE ||
            region->kind == MM_REGION_LARGE_TAIL);
  if (at < end)
    memset((void *)at, 0, end - at);
  region->zero_from = mm_region_end(regions, index);
}

enum mm_status mm_large_alloc(struct mm_heap *heap, uint64_t bytes,
                              uint32_t limit, uintptr_t *at)
{
  struct mm_regions *regions = &heap->regions;
  MM_ASSERT(limit <= regions->count);
  uint64_t span = (bytes + MM_REGION_BYTES - 1) >> MM_REGION_LOG2;
  if (bytes > UINT64_MAX - MM_REGION_BYTES || regions->used >= limit ||
      span > limit - regions->used)
    return MM_NO_MEMORY;
  uint32_t index;
  enum mm_status status = mm_region_take_run(regions, (uint32_t)span, &index);
  if (status != MM_OK)
    return status;
  uintptr_t start = mm_region_start(regions, index);
  for (uint32_t i = index; i < index + span; i++)
    zero_region(regions, i, start + bytes);
  regions->table[index].top = start + bytes;
  mm_stat_count(&heap->stat, MM_COUNT_LARGE_ALLOCATED, 1);
  *at = start;
  return MM_OK;
}

void mm_large_sweep(struct mm_heap *heap)
{
  struct mm_regions *regions = &heap->regions;
  for (uint32_t i = 0; i < regions->fresh_from; i++) {
    if (regions->table[i].kind != MM_REGION_LARGE)
      continue;
    if (mm_is_marked(heap, mm_ref_at((void *)mm_region_start(regions, i))) &&
        !mm_breaks(heap, MM_FAULT_LARGE_FREED))
      continue;
    mm_heap_free_region(heap, i);
    mm_stat_count(&heap->stat, MM_COUNT_LARGE_FREED, 1);
  }
}
