/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object space: cutting chunks off regions; see object_internal.h.
 */
#include "config.h"

#include "mm/space/object_internal.h"

#include "mm/alloc/filler_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/faults_internal.h"

#include <string.h>

/* A rest smaller than this is not worth a look. */
enum { PARTIAL_MIN_BYTES = 1024 };

void mm_object_space_reset(struct mm_heap *heap, enum mm_age age)
{
  heap->objects[age] = (struct mm_object_space){
      .tlab_region = MM_NO_REGION,
      .medium_region = MM_NO_REGION,
      .partial_first = MM_NO_REGION,
  };
}

void mm_object_spaces_reset(struct mm_heap *heap)
{
  for (enum mm_age age = 0; age < MM_AGE_COUNT; age++)
    mm_object_space_reset(heap, age);
}

void mm_object_add_young(struct mm_heap *heap, uint32_t index, enum mm_age age)
{
  MM_ASSERT(mm_is_generational(heap) && age < MM_AGE_TENURED);
  MM_ASSERT(heap->young_count < heap->regions.count);
  heap->regions.table[index].age = (uint8_t)age;
  __atomic_store_n(&heap->traces[index], (uint8_t)MM_TRACE_YOUNG,
                   __ATOMIC_RELAXED);
  mm_cards_set_region(heap, index, MM_CARD_YOUNG);
  heap->young[heap->young_count++] = index;
}

/* Of a large object, by whichever worker reaches it; another may ask for the
   age meanwhile (mm_handle_is_young). */
void mm_object_make_tenured(struct mm_heap *heap, uint32_t index)
{
  __atomic_store_n(&heap->regions.table[index].age, (uint8_t)MM_AGE_TENURED,
                   __ATOMIC_RELAXED);
  mm_cards_set_region(heap, index, MM_CARD_CLEAN);
}

void mm_objects_make_all_old(struct mm_heap *heap)
{
  MM_ASSERT(heap->has_cards);
  mm_fixed_finish_sweep(heap);
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    struct mm_region *region = &heap->regions.table[i];
    heap->traces[i] = MM_TRACE_NOTHING;
    region->flags &= (uint8_t)~MM_REGION_TARGET;
    region->age = MM_AGE_TENURED;
    region->scan_top = region->top;
  }
  heap->young_count = heap->target_count = 0;
}

static size_t rest_bytes(const struct mm_heap *heap, uint32_t index)
{
  if (index == MM_NO_REGION)
    return 0;
  return mm_region_end(&heap->regions, index) - heap->regions.table[index].top;
}

void mm_object_offer_rest(struct mm_heap *heap, uint32_t index)
{
  if (rest_bytes(heap, index) < PARTIAL_MIN_BYTES)
    return;
  struct mm_region *region = &heap->regions.table[index];
  MM_ASSERT(region->kind == MM_REGION_SMALL);
  MM_ASSERT(!(region->flags & MM_REGION_PARTIAL));
  struct mm_object_space *space = &heap->objects[region->age];
  region->flags |= MM_REGION_PARTIAL;
  region->next = space->partial_first;
  space->partial_first = index;
}

void mm_object_withdraw(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  uint32_t *link = &heap->objects[region->age].partial_first;
  MM_ASSERT(region->flags & MM_REGION_PARTIAL);
  while (*link != index)
    link = &heap->regions.table[*link].next;
  *link = region->next;
  region->next = MM_NO_REGION;
  region->flags &= (uint8_t)~MM_REGION_PARTIAL;
}

void mm_objects_forget_targets(struct mm_heap *heap)
{
  for (uint32_t i = 0; i < heap->target_count; i++)
    heap->regions.table[heap->targets[i]].flags &= (uint8_t)~MM_REGION_TARGET;
  heap->target_count = 0;
}

/* The next region on offer, or MM_NO_REGION. */
static uint32_t take_partial(struct mm_heap *heap, enum mm_age age)
{
  uint32_t index = heap->objects[age].partial_first;
  if (index == MM_NO_REGION)
    return index;
  struct mm_region *region = &heap->regions.table[index];
  MM_ASSERT(region->flags & MM_REGION_PARTIAL);
  region->flags &= (uint8_t)~MM_REGION_PARTIAL;
  heap->objects[age].partial_first = region->next;
  region->next = MM_NO_REGION;
  return index;
}

static enum mm_status take_region(struct mm_heap *heap, enum mm_age age,
                                  uint32_t limit, uint32_t *index)
{
  if (heap->regions.used >= limit)
    return MM_NO_MEMORY;
  enum mm_status status =
      mm_region_take(&heap->regions, MM_REGION_SMALL, index);
  if (status != MM_OK || !heap->has_cards)
    return status;
  if (age == MM_AGE_TENURED && mm_cards_hide_new(heap)) {
    heap->regions.table[*index].age = MM_AGE_TENURED;
    mm_cards_set_region(heap, *index, MM_CARD_YOUNG);
  } else if (age == MM_AGE_TENURED)
    mm_object_make_tenured(heap, *index);
  else
    mm_object_add_young(heap, *index, age);
  return MM_OK;
}

/* A tenured region is copied to for the first time in this collection. */
static void note_target(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  if (region->age != MM_AGE_TENURED || region->flags & MM_REGION_TARGET)
    return;
  region->flags |= MM_REGION_TARGET;
  heap->targets[heap->target_count++] = index;
}

static void zero(struct mm_region *region, uintptr_t at, uintptr_t end)
{
  if (at < region->zero_from)
    memset((void *)at, 0,
           (end < region->zero_from ? end : region->zero_from) - at);
}

static uintptr_t cut(struct mm_heap *heap, uint32_t index, size_t bytes,
                     bool zeroed)
{
  struct mm_region *region = &heap->regions.table[index];
  uintptr_t at = region->top;
  MM_ASSERT(region->kind == MM_REGION_SMALL);
  MM_ASSERT(!(region->flags & (MM_REGION_FROM | MM_REGION_PARTIAL)));
  MM_ASSERT((bytes & (MM_OBJECT_ALIGN - 1)) == 0);
  MM_ASSERT(bytes <= mm_region_end(&heap->regions, index) - at);
  region->top += bytes;
  if (region->age == MM_AGE_EDEN)
    heap->sizing.eden_used_bytes += bytes;
  if (zeroed && !mm_breaks(heap, MM_FAULT_DIRTY))
    zero(region, at, region->top);
  if (region->zero_from < region->top)
    region->zero_from = region->top;
  note_target(heap, index);
  return at;
}

/* A region for TLABs with at least `min_bytes` left. */
static enum mm_status find_tlab_region(struct mm_heap *heap, enum mm_age age,
                                       size_t min_bytes, uint32_t limit)
{
  uint32_t index = heap->objects[age].tlab_region;
  while (rest_bytes(heap, index) < min_bytes) {
    index = take_partial(heap, age);
    if (index == MM_NO_REGION)
      break;
  }
  enum mm_status status = MM_OK;
  if (index == MM_NO_REGION)
    status = take_region(heap, age, limit, &index);
  if (status == MM_OK)
    heap->objects[age].tlab_region = index;
  return status;
}

enum mm_status mm_object_chunk_cut(struct mm_heap *heap, enum mm_age age,
                                   size_t min_bytes, size_t want_bytes,
                                   uint32_t limit, bool zeroed,
                                   struct mm_bump *chunk)
{
  MM_ASSERT(min_bytes <= want_bytes && want_bytes <= MM_REGION_BYTES);
  enum mm_status status = find_tlab_region(heap, age, min_bytes, limit);
  if (status != MM_OK)
    return status;
  uint32_t index = heap->objects[age].tlab_region;
  size_t bytes = rest_bytes(heap, index);
  if (bytes > want_bytes)
    bytes = want_bytes;
  uintptr_t start = cut(heap, index, bytes, zeroed);
  mm_bump_init(chunk, start, start + bytes);
  return MM_OK;
}

size_t mm_object_chunk_end(struct mm_heap *heap, struct mm_bump *chunk)
{
  size_t filled = 0;
  mm_bump_check(chunk);
  if (mm_bump_left(chunk) != 0) {
    struct mm_region *region = mm_region_of(&heap->regions, chunk->start);
    MM_ASSERT(chunk->limit <= region->top);
    if (region->top == chunk->limit) {
      region->top = chunk->cursor;
    } else {
      if (!mm_breaks(heap, MM_FAULT_FILLER))
        mm_fill(heap, chunk->cursor, chunk->limit);
      if (region->age == MM_AGE_TENURED)
        mm_card_note_first(heap, chunk->cursor, chunk->limit);
      filled = mm_bump_left(chunk);
    }
  }
  mm_bump_init(chunk, 0, 0);
  return filled;
}

enum mm_status mm_object_cut_medium(struct mm_heap *heap, enum mm_age age,
                                    size_t bytes, uint32_t limit, bool zeroed,
                                    uintptr_t *at)
{
  uint32_t index = heap->objects[age].medium_region;
  MM_ASSERT(bytes <= MM_SMALL_OBJECT_MAX_BYTES);
  if (rest_bytes(heap, index) < bytes) {
    uint32_t fresh;
    enum mm_status status = take_region(heap, age, limit, &fresh);
    if (status != MM_OK)
      return status;
    if (index != MM_NO_REGION)
      mm_object_offer_rest(heap, index);
    heap->objects[age].medium_region = index = fresh;
  }
  *at = cut(heap, index, bytes, zeroed);
  return MM_OK;
}
