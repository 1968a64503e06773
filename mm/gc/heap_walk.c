/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over all objects.  A region of slots is walked by its start bits;
 * every other walkable region is a row of objects and fillers without a gap
 * from its start to its top, once the TLABs have been retired; a run of a
 * large object is walked at its head only.
 *
 * World stopped, or a single mutator and no cycle beside it.  Objects are those
 * that have not been reclaimed yet: the dead are among them until the next
 * collection.
 *
 * The verifier has a walk of its own, which believes nothing.  Next:
 * heap_verify.c.
 */
#include "config.h"

#include "mm/alloc/tlab_internal.h"
#include "mm/assert_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/heap_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/space/fixed_internal.h"

void mm_retire_buffers(struct mm_heap *heap)
{
  struct mm_mutator *mutator = heap->mutators;
  for (; mutator; mutator = mutator->next) {
    mm_tlab_retire(mutator);
    mm_fixed_retire_mutator(mutator);
  }
  mm_fixed_retire(heap);
}

void mm_make_walkable(struct mm_heap *heap)
{
  mm_retire_buffers(heap);
  mm_fixed_finish_sweep(heap);
}

static bool is_filler(struct mm_ref ref)
{
  return mm_layout_of(ref)->kind == MM_KIND_FILLER;
}

static void walk_region(struct mm_heap *heap, uint32_t index,
                        void (*visit)(void *context, struct mm_ref ref),
                        void *context)
{
  uintptr_t at = mm_region_start(&heap->regions, index);
  uintptr_t top = heap->regions.table[index].top;
  while (at < top) {
    struct mm_ref ref = mm_ref_at((void *)at);
    uint64_t bytes = mm_object_bytes(ref);
    MM_ASSERT(bytes >= MM_OBJECT_ALIGN && bytes <= top - at);
    if (!is_filler(ref))
      visit(context, ref);
    at += bytes;
  }
}

void mm_heap_walk(struct mm_heap *heap,
                  void (*visit)(void *context, struct mm_ref ref),
                  void *context)
{
  MM_ASSERT(mm_is_stopping(heap) || mm_cycle_state(heap) == MM_CYCLE_IDLE);
  mm_make_walkable(heap);
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    uint8_t kind = heap->regions.table[i].kind;
    if (kind == MM_REGION_SLOTS)
      mm_fixed_each_slot(heap, i, visit, context);
    else if (mm_region_is_walkable(kind))
      walk_region(heap, i, visit, context);
  }
}

bool mm_is_object(struct mm_heap *heap, const void *address)
{
  uintptr_t wanted = (uintptr_t)address;
  if (!mm_regions_contain(&heap->regions, wanted))
    return false;
  mm_make_walkable(heap);
  uint32_t index = mm_region_index(&heap->regions, wanted);
  struct mm_region *region = &heap->regions.table[index];
  if (!mm_region_is_walkable(region->kind) || wanted >= region->top)
    return false;
  if (region->kind == MM_REGION_SLOTS)
    return mm_fixed_is_object(heap, wanted);
  uintptr_t at = mm_region_start(&heap->regions, index);
  while (at < wanted)
    at += mm_object_bytes(mm_ref_at((void *)at));
  return at == wanted && !is_filler(mm_ref_at(address));
}
