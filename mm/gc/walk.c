/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of a cycle: after marking, beside the program, over everything old;
 * see candidates_internal.h.
 *
 *   [ live | dead  dead | live | ......... live ][ live live | not looked at ]
 *          filler ----->                     mark_top    walk_top
 *
 * Below mark_top the mark bits tell what lives.  What stands between there and
 * walk_top was allocated while the cycle marked.  Mutators allocate above
 * walk_top only, and whatever they store passes the barrier.
 *
 * The thread counts as one that runs: it stops for pauses between two objects,
 * where every region can be walked.
 */
#include "config.h"

#include "mm/gc/candidates_internal.h"

#include "mm/alloc/filler_internal.h"
#include "mm/assert_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/stress_internal.h"

enum { LOOK_EACH = 128 }; /* objects between two looks at `stopping' */

struct walk {
  struct mm_heap *heap;
  uint64_t cycle;
  unsigned until_look;
  bool notes_all; /* objects are not found from their cards yet */
};

/* Stops if a pause is due.  False: the cycle was abandoned meanwhile. */
static bool may_go_on(struct walk *walk)
{
  if (--walk->until_look > 0)
    return true;
  walk->until_look = mm_stress_piece_entries(walk->heap, LOOK_EACH);
  return mm_marker_check(walk->heap, walk->cycle);
}

static void visit_slot(void *context, struct mm_ref *slot)
{
  struct mm_heap *heap = context;
  struct mm_ref ref = {__atomic_load_n(&slot->bits, __ATOMIC_RELAXED)};
  if (mm_is_null(ref))
    return;
  uint32_t index = mm_region_index(&heap->regions, (uintptr_t)mm_address(ref));
  if (heap->regions.table[index].candidate != 0)
    mm_candidate_remember(heap, index, mm_card_of(heap, (uintptr_t)slot),
                          false);
}

static bool walk_array(struct walk *walk, struct mm_ref ref)
{
  uint32_t length = mm_length_word(ref);
  for (uint32_t from = 0, to; from < length; from = to) {
    to = length - from > MM_SCAN_CHUNK ? from + MM_SCAN_CHUNK : length;
    mm_scan_elements(mm_address(ref), from, to, visit_slot, walk->heap);
    walk->until_look = 1;
    if (!may_go_on(walk))
      return false;
  }
  return true;
}

static bool walk_object(struct walk *walk, struct mm_ref ref)
{
  const struct mm_layout *layout = mm_layout_of(ref);
  if (layout->kind == MM_KIND_PLAIN)
    mm_scan_plain(mm_address(ref), layout, visit_slot, walk->heap);
  else if (layout->kind == MM_KIND_REF_ARRAY)
    return walk_array(walk, ref);
  return may_go_on(walk);
}

static void note(struct walk *walk, uintptr_t at, uintptr_t end)
{
  if (mm_card_is_first(at, end))
    mm_card_note_first(walk->heap, at, end);
}

static void bury(struct walk *walk, uintptr_t at, uintptr_t end)
{
  if (at == end)
    return;
  if (mm_is_stressed(walk->heap))
    memset((void *)at, MM_POISON_BYTE, end - at);
  mm_fill(walk->heap, at, end);
  note(walk, at, end);
}

/* The next marked object at or above `at'; or `end'. */
static uintptr_t next_marked(const struct mm_heap *heap, uintptr_t at,
                             uintptr_t end)
{
  uint64_t granule = (at - heap->regions.base) >> MM_REF_SHIFT;
  uint64_t last = (end - heap->regions.base) >> MM_REF_SHIFT;
  while (granule < last) {
    uint64_t word = heap->marks[granule >> 6] >> (granule & 63);
    if (word) {
      granule += (unsigned)__builtin_ctzll(word);
      break;
    }
    granule = (granule | 63) + 1;
  }
  return granule < last ? heap->regions.base + (granule << MM_REF_SHIFT) : end;
}

/* An object at `at', and its end. */
static uintptr_t visit(struct walk *walk, uintptr_t at, bool *goes_on)
{
  struct mm_ref ref = mm_ref_at((void *)at);
  uintptr_t end = at + mm_size_with((void *)at, mm_layout_of(ref));
  if (walk->notes_all)
    note(walk, at, end);
  *goes_on = walk_object(walk, ref);
  return end;
}

/* Up to mark_top.  A gap is buried when the object after it is found, so that
   there is no pause in between. */
static bool walk_marked(struct walk *walk, uint32_t index)
{
  struct mm_heap *heap = walk->heap;
  const struct mm_region *region = &heap->regions.table[index];
  uintptr_t gap = mm_region_start(&heap->regions, index);
  bool goes_on = true;
  while (goes_on && gap < region->mark_top) {
    uintptr_t at = next_marked(heap, gap, region->mark_top);
    bury(walk, gap, at);
    if (at == region->mark_top)
      break;
    gap = visit(walk, at, &goes_on);
  }
  return goes_on;
}

static bool walk_small(struct walk *walk, uint32_t index)
{
  struct mm_heap *heap = walk->heap;
  struct mm_region *region = &heap->regions.table[index];
  uintptr_t at = region->mark_top;
  bool goes_on = true;
  if (at == 0)
    at = mm_region_start(&heap->regions, index);
  else
    goes_on = walk_marked(walk, index);
  while (goes_on && at < region->walk_top)
    at = visit(walk, at, &goes_on);
  if (goes_on && region->scan_top < region->walk_top)
    region->scan_top = region->walk_top;
  return goes_on;
}

/* What is fixed keeps its mark bits until the next cycle. */
static bool walk_fixed(struct walk *walk, uint32_t index)
{
  struct mm_heap *heap = walk->heap;
  uintptr_t at = mm_region_start(&heap->regions, index);
  uintptr_t end = mm_region_end(&heap->regions, index);
  bool goes_on = true;
  while (goes_on && (at = next_marked(heap, at, end)) < end) {
    goes_on = walk_object(walk, mm_ref_at((void *)at));
    at += MM_OBJECT_ALIGN;
  }
  return goes_on;
}

static bool walk_region(struct walk *walk, uint32_t index)
{
  struct mm_heap *heap = walk->heap;
  struct mm_region *region = &heap->regions.table[index];
  bool goes_on = true;
  if (region->walk_top == 0)
    return true;
  if (region->kind == MM_REGION_SMALL)
    goes_on = walk_small(walk, index);
  else if (region->kind == MM_REGION_LARGE)
    goes_on = walk_object(
        walk, mm_ref_at((void *)mm_region_start(&heap->regions, index)));
  else
    goes_on = walk_fixed(walk, index);
  if (goes_on)
    region->walk_top = 0;
  return goes_on;
}

bool mm_candidates_walk(struct mm_heap *heap, uint64_t cycle)
{
  struct walk walk = {heap, cycle, LOOK_EACH, !mm_is_generational(heap)};
  uint32_t count = heap->cycle.walk_regions;
  if (!mm_marker_check(heap, cycle))
    return false;
  for (uint32_t i = 0; i < count; i++)
    if (!walk_region(&walk, i))
      return false;
  if (!mm_marker_check(heap, cycle))
    return false;
  pthread_mutex_lock(&heap->lock); /* mutators ask whether there are any */
  heap->candidates.is_complete = true;
  pthread_mutex_unlock(&heap->lock);
  return true;
}
