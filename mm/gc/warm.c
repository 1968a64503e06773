/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is ready before it is needed; see warm_internal.h.
 */
#include "config.h"

#include "mm/gc/warm_internal.h"

#include "mm/os/os_internal.h"

void mm_warm(struct mm_heap *heap)
{
  const struct mm_regions *regions = &heap->regions;
  uint32_t from = heap->cycle.warm_to;
  uint32_t to = __atomic_load_n(&regions->open_to, __ATOMIC_RELAXED);
  if (from >= to)
    return;
  mm_os_populate(mm_region_start(regions, from), (uint64_t)(to - from)
                                                     << MM_REGION_LOG2);
  __atomic_store_n(&heap->cycle.warm_to, to, __ATOMIC_RELAXED);
}
