/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is ready before it is needed; see warm_internal.h.
 */
#include "config.h"

#include "mm/gc/warm_internal.h"

#include "mm/os/os_internal.h"

enum { LEFT_TO_PROGRAM = 2 }; /* groups after the one that is in use */

/* Not one that the program has reached: both would ask for the same huge page,
   and both would wait for it. */
static void warm_group(struct mm_regions *regions, uint32_t index)
{
  uintptr_t start = mm_region_start(regions, index);
  uint64_t bytes = (uint64_t)MM_REGION_GROUP << MM_REGION_LOG2;
  if (!mm_regions_touch_begin(regions, index))
    return;
  mm_os_prefer_huge(start, bytes);
  mm_os_touch(start, bytes);
  mm_regions_touch_end(regions);
}

void mm_warm(struct mm_heap *heap)
{
  struct mm_regions *regions = &heap->regions;
  uint32_t from = __atomic_load_n(&heap->cycle.warm_to, __ATOMIC_RELAXED);
  uint32_t near = __atomic_load_n(&regions->reached_to, __ATOMIC_RELAXED) +
                  LEFT_TO_PROGRAM * MM_REGION_GROUP;
  uint32_t to = __atomic_load_n(&regions->open_to, __ATOMIC_RELAXED);
  if (from < near)
    from = near < to ? near : to;
  if (from + MM_REGION_GROUP <= to) {
    warm_group(regions, from);
    from += MM_REGION_GROUP;
  } else
    from = to;
  __atomic_store_n(&heap->cycle.warm_to, from, __ATOMIC_RELAXED);
}
