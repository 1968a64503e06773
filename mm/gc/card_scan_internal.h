/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scanning a card: the reference slots that stand in it.  Inlined, with the
 * visitor known.
 */
#ifndef MM_CARD_SCAN_INTERNAL_H
#define MM_CARD_SCAN_INTERNAL_H

#include "mm/assert_internal.h"
#include "mm/gc/candidates_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/trace_inline_internal.h"

struct mm_card_range {
  uintptr_t start, end;
  void (*visit)(void *context, struct mm_ref *slot);
  void *context;
};

static MM_ALWAYS_INLINE void mm_card_visit_within(void *context,
                                                  struct mm_ref *slot)
{
  const struct mm_card_range *range = context;
  if ((uintptr_t)slot >= range->start && (uintptr_t)slot < range->end)
    range->visit(range->context, slot);
}

static MM_ALWAYS_INLINE void mm_card_visit_elements(struct mm_card_range *range,
                                                    uintptr_t at)
{
  uintptr_t base = at + MM_ARRAY_BASE;
  uintptr_t end = base + 4 * (uintptr_t)mm_length_word(mm_ref_at((void *)at));
  uintptr_t from = range->start > base ? range->start : base;
  if (end > range->end)
    end = range->end;
  for (; from < end; from += 4)
    range->visit(range->context, (struct mm_ref *)from);
}

enum { MM_CARD_SLOTS = MM_CARD_BYTES / sizeof(struct mm_ref) };

struct mm_card_slots {
  struct mm_ref **slots; /* MM_CARD_SLOTS at most */
  unsigned count;
};

static inline void mm_card_note_slot(void *context, struct mm_ref *slot)
{
  struct mm_card_slots *found = context;
  MM_ASSERT(found->count < MM_CARD_SLOTS);
  found->slots[found->count++] = slot;
}

static inline bool mm_card_is_fresh(const struct mm_heap *heap, uintptr_t at)
{
  uint64_t granule = (at - heap->regions.base) >> MM_REF_SHIFT;
  return heap->fresh[granule >> 6] >> (granule & 63) & 1;
}

/* What lives in from-space is scanned when it has been copied. */
static inline bool mm_card_is_moving(const struct mm_heap *heap, uint32_t index)
{
  return __atomic_load_n(&heap->traces[index], __ATOMIC_RELAXED) ==
         MM_TRACE_MOVE;
}

/* Which slots of a special object stand in the card: noted first, so that the
   address of the visitor's context does not escape. */
void mm_card_note_special(uintptr_t start, uintptr_t end, uintptr_t at,
                          const struct mm_layout *layout,
                          struct mm_card_slots *found);

static inline void mm_card_visit_special(struct mm_card_range *range,
                                         uintptr_t at,
                                         const struct mm_layout *layout)
{
  struct mm_ref *slots[MM_CARD_SLOTS];
  struct mm_card_slots found = {slots, 0};
  mm_card_note_special(range->start, range->end, at, layout, &found);
  for (unsigned i = 0; i < found.count; i++)
    range->visit(range->context, slots[i]);
}

static MM_ALWAYS_INLINE void
mm_card_visit_object(struct mm_card_range *range, uintptr_t at,
                     const struct mm_layout *layout)
{
  if (__builtin_expect(mm_is_special(layout), 0))
    mm_card_visit_special(range, at, layout);
  else if (layout->kind == MM_KIND_REF_ARRAY)
    mm_card_visit_elements(range, at);
  else if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain((void *)at, layout, mm_card_visit_within, range);
}

/* In a region that a cycle has still to walk: without what is dead. */
static inline void mm_card_visit_unwalked(struct mm_heap *heap,
                                          const struct mm_region *region,
                                          struct mm_card_range *range,
                                          uintptr_t at)
{
  uintptr_t top = region->scan_top < range->end ? region->scan_top : range->end;
  while (at < top) {
    struct mm_ref ref = mm_ref_at((void *)at);
    const struct mm_layout *layout = mm_layout_of(ref);
    if (at >= region->mark_top || mm_is_marked(heap, ref) ||
        mm_is_broken(heap, MM_FAULT_UNBURIED))
      mm_card_visit_object(range, at, layout);
    at += mm_size_with((void *)at, layout);
  }
}

/* Objects in a row from `at` on, up to the end of the card. */
static MM_ALWAYS_INLINE void mm_card_visit_row(struct mm_card_range *range,
                                               uintptr_t at, uintptr_t top)
{
  if (top > range->end)
    top = range->end;
  while (at < top) {
    const struct mm_layout *layout = mm_layout_of(mm_ref_at((void *)at));
    uint64_t bytes = mm_size_with((void *)at, layout);
    mm_card_visit_object(range, at, layout);
    at += bytes;
  }
}

/* Objects between gaps, which others may be taking: so under the space lock,
   and without what is fresh.  The slots are noted first, for a visit may need
   the lock. */
static inline void mm_card_visit_gaps(struct mm_heap *heap,
                                      struct mm_card_range *range,
                                      uint32_t card)
{
  struct mm_ref *slots[MM_CARD_SLOTS];
  struct mm_card_slots found = {slots, 0};
  struct mm_card_range noting = {range->start, range->end, mm_card_note_slot,
                                 &found};
  pthread_mutex_lock(&heap->space_lock);
  uintptr_t at = mm_card_first(heap, card);
  while (at < range->end) {
    const struct mm_layout *layout = mm_layout_of(mm_ref_at((void *)at));
    if (!mm_is_filler(layout) && !mm_card_is_fresh(heap, at))
      mm_card_visit_object(&noting, at, layout);
    at += mm_size_with((void *)at, layout);
  }
  pthread_mutex_unlock(&heap->space_lock);
  for (unsigned i = 0; i < found.count; i++)
    range->visit(range->context, slots[i]);
}

/* Slots whose objects reach into the card. */
static MM_ALWAYS_INLINE void mm_card_visit_slots(struct mm_heap *heap,
                                                 struct mm_card_range *range)
{
  uintptr_t run_start = range->start & ~((uintptr_t)MM_RUN_BYTES - 1);
  uint32_t bytes = mm_fixed_slot_bytes(heap, range->start);
  uintptr_t at = run_start + (range->start - run_start) / bytes * bytes;
  for (; at < range->end && at - run_start <= MM_RUN_BYTES - bytes; at += bytes)
    if (mm_fixed_is_settled(heap->starts, heap->fresh,
                            (at - heap->regions.base) >> MM_REF_SHIFT))
      mm_card_visit_object(range, at, mm_layout_of(mm_ref_at((void *)at)));
}

/*
 * Calls `visit` for the reference slots that stand in a card.  Each slot is in
 * one card, so workers with different cards do not meet.
 */
static MM_ALWAYS_INLINE void
mm_card_visit(struct mm_heap *heap, uint32_t card,
              void (*visit)(void *context, struct mm_ref *slot), void *context)
{
  uintptr_t start = mm_card_start(heap, card);
  struct mm_card_range range = {start, start + MM_CARD_BYTES, visit, context};
  uint32_t index = mm_region_index(&heap->regions, start);
  const struct mm_region *region = &heap->regions.table[index];
  switch ((enum mm_region_kind)region->kind) {
  case MM_REGION_SMALL:
    if (start >= region->scan_top || mm_card_is_moving(heap, index))
      return;
    if (mm_region_is_unwalked(region))
      mm_card_visit_unwalked(heap, region, &range, mm_card_first(heap, card));
    else
      mm_card_visit_row(&range, mm_card_first(heap, card), region->scan_top);
    return;
  case MM_REGION_LARGE_TAIL:
  case MM_REGION_LARGE:
    if (region->kind == MM_REGION_LARGE_TAIL)
      index -= region->span;
    mm_card_visit_row(&range, mm_region_start(&heap->regions, index),
                      heap->regions.table[index].top);
    return;
  case MM_REGION_FREELIST:
    mm_card_visit_gaps(heap, &range, card);
    return;
  case MM_REGION_SLOTS:
    mm_card_visit_slots(heap, &range);
    return;
  case MM_REGION_FREE:
  case MM_REGION_KIND_COUNT:
    return;
  }
}

struct mm_card_sought {
  struct mm_ref *slot;
  bool is_found;
};

static inline void mm_card_seek(void *context, struct mm_ref *slot)
{
  struct mm_card_sought *sought = context;
  sought->is_found |= sought->slot == slot;
}

/* Debug builds: is it among what would be visited? */
static inline bool mm_card_has(struct mm_heap *heap, struct mm_ref *slot)
{
  struct mm_card_sought sought = {slot, false};
  mm_card_visit(heap, mm_card_of(heap, (uintptr_t)slot), mm_card_seek, &sought);
  return sought.is_found;
}

/* The same for one of them. */
static MM_ALWAYS_INLINE void
mm_card_visit_one(struct mm_heap *heap, struct mm_ref *slot,
                  void (*visit)(void *context, struct mm_ref *slot),
                  void *context)
{
  if (mm_card_is_moving(heap, mm_region_index(&heap->regions, (uintptr_t)slot)))
    return;
  MM_ASSERT(mm_card_has(heap, slot));
  visit(context, slot);
}

#endif
