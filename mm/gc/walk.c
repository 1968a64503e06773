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
 *
 * Without generations no pause comes in between, and much may have been stored
 * and allocated when the walk ends.  What mutators allocate meanwhile is not
 * watched: its cards are YOUNG until it is seen as a whole, object by object,
 * which costs a quarter of what its cards would (nearly all of them), and the
 * mutators nothing.  So the walk goes on in rounds: a pause that looks at no
 * object has the new ones watched from then on, and they are walked beside the
 * program, which makes fewer meanwhile.  The pauses that evacuate candidates
 * catch up with the rest, as long as they have time, and evacuate none before
 * it is done.
 */
#include "config.h"

#include "mm/gc/candidates_internal.h"

#include "mm/alloc/filler_internal.h"
#include "mm/assert_internal.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/bitmap_internal.h"
#include "mm/gc/card_scan_internal.h"
#include "mm/gc/cards_internal.h"
#include "mm/gc/cycle_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/safepoint_internal.h"
#include "mm/gc/scan_internal.h"
#include "mm/gc/stress_internal.h"
#include "mm/space/object_internal.h"

enum {
  LOOK_EACH = 128,         /* objects between two looks at `stopping' */
  PIECE_BYTES = 16 * 1024, /* seen in a pause between two looks at the time */
  CARDS_AHEAD = 8,         /* prefetched */
};

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

static void visit_value(void *context, struct mm_ref *slot, struct mm_ref ref)
{
  struct mm_heap *heap = context;
  if (mm_is_null(ref))
    return;
  uint32_t index = mm_region_index(&heap->regions, (uintptr_t)mm_address(ref));
  if (__atomic_load_n(&heap->traces[index], __ATOMIC_RELAXED) ==
      MM_TRACE_CANDIDATE)
    mm_candidate_remember(heap, index, mm_card_of(heap, (uintptr_t)slot),
                          false);
}

static void visit_slot(void *context, struct mm_ref *slot)
{
  struct mm_ref ref = {__atomic_load_n(&slot->bits, __ATOMIC_RELAXED)};
  visit_value(context, slot, ref);
}

/* What owners hold outside of the heap are roots of the pauses that evacuate
   candidates. */
static void visit_inside(void *context, struct mm_ref *slot)
{
  const struct mm_heap *heap = context;
  if (mm_regions_contain(&heap->regions, (uintptr_t)slot))
    visit_slot(context, slot);
}

static void visit_value_inside(void *context, struct mm_ref *slot,
                               struct mm_ref value)
{
  const struct mm_heap *heap = context;
  if (mm_regions_contain(&heap->regions, (uintptr_t)slot))
    visit_value(context, slot, value);
}

/* Owners do not move, and so are in no candidate. */
static void scan_special(struct mm_heap *heap, void *at,
                         const struct mm_layout *layout, uint32_t from,
                         uint32_t to)
{
  struct mm_special how = {.visit = visit_inside,
                           .value = visit_value_inside,
                           .context = heap,
                           .skips_owner = true};
  mm_scan_special(at, layout, from, to, &how);
}

static bool walk_special(struct walk *walk, struct mm_ref ref)
{
  const struct mm_layout *layout = mm_layout_of(ref);
  bool goes_on = true;
  for (uint32_t from = 0, to; goes_on; from = to) {
    to = mm_chunk_end(layout, mm_address(ref), from, &goes_on);
    scan_special(walk->heap, mm_address(ref), layout, from, to);
    if (goes_on)
      walk->until_look = 1;
    if (!may_go_on(walk))
      return false;
  }
  return true;
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
  if (__builtin_expect(mm_is_simple(layout), 1))
    mm_scan_word(mm_address(ref), layout->ref_map, visit_slot, walk->heap);
  else if (mm_is_special(layout))
    return walk_special(walk, ref);
  else if (layout->kind == MM_KIND_PLAIN)
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

static bool walk_all(struct mm_heap *heap, uint64_t cycle,
                     bool (*walk_one)(struct walk *walk, uint32_t index))
{
  struct walk walk = {heap, cycle, LOOK_EACH, !mm_is_generational(heap)};
  uint32_t count = heap->cycle.walk_regions;
  if (!mm_marker_check(heap, cycle))
    return false;
  for (uint32_t i = 0; i < count; i++)
    if (!walk_one(&walk, i))
      return false;
  return mm_marker_check(heap, cycle);
}

bool mm_candidates_walk(struct mm_heap *heap, uint64_t cycle)
{
  return walk_all(heap, cycle, walk_region);
}

void mm_candidates_watch_new(struct mm_heap *heap)
{
  heap->candidates.unseen_bytes = 0;
  for (uint32_t i = 0; i < heap->target_count; i++) {
    struct mm_region *region = &heap->regions.table[heap->targets[i]];
    MM_ASSERT(region->kind == MM_REGION_SMALL && region->walk_top == 0);
    heap->candidates.unseen_bytes += region->top - region->scan_top;
    if (!mm_breaks(heap, MM_FAULT_WATCH_NEW))
      mm_cards_reveal(heap, region->scan_top, region->top);
    region->walk_top = region->top;
  }
  mm_objects_forget_targets(heap);
  heap->cycle.walk_regions = heap->regions.fresh_from;
}

static bool walk_new(struct walk *walk, uint32_t index)
{
  struct mm_region *region = &walk->heap->regions.table[index];
  bool goes_on = true;
  if (region->walk_top == 0)
    return true;
  uintptr_t at = region->scan_top;
  while (goes_on && at < region->walk_top)
    at = visit(walk, at, &goes_on);
  if (goes_on) {
    region->scan_top = region->walk_top;
    region->walk_top = 0;
  }
  return goes_on;
}

bool mm_candidates_walk_new(struct mm_heap *heap, uint64_t cycle)
{
  return walk_all(heap, cycle, walk_new);
}

bool mm_candidates_complete(struct mm_heap *heap, uint64_t cycle)
{
  if (!mm_marker_check(heap, cycle))
    return false;
  pthread_mutex_lock(&heap->lock); /* mutators ask whether there are any */
  heap->candidates.is_complete = true;
  pthread_mutex_unlock(&heap->lock);
  return true;
}

/* Catching up ---------------------------------------------------------------
 */

/* The next piece of a region that mutators allocated in.  Its cards are watched
   from now on; one that already was may be on a log. */
static void see_piece(struct mm_heap *heap, uint32_t index)
{
  struct mm_region *region = &heap->regions.table[index];
  uintptr_t start = region->scan_top, at = start;
  while (at < region->top && at - start < PIECE_BYTES) {
    struct mm_ref ref = mm_ref_at((void *)at);
    const struct mm_layout *layout = mm_layout_of(ref);
    uintptr_t end = at + mm_size_with((void *)at, layout);
    if (mm_card_is_first(at, end))
      mm_card_note_first(heap, at, end);
    if (mm_is_special(layout))
      scan_special(heap, (void *)at, layout, 0, UINT32_MAX);
    else
      mm_scan_object((void *)at, layout, visit_slot, heap);
    at = end;
  }
  mm_cards_reveal(heap, start, at);
  region->scan_top = at;
}

static bool is_due(uint64_t until_ns)
{
  return mm_stat_now_ns() >= until_ns;
}

/* At least a piece, however late it is.  False: the time was up. */
static bool see_target(struct mm_heap *heap, uint32_t index, uint64_t until_ns)
{
  const struct mm_region *region = &heap->regions.table[index];
  while (region->scan_top < region->top) {
    see_piece(heap, index);
    if (is_due(until_ns))
      return false;
  }
  return true;
}

static bool see_targets(struct mm_heap *heap, uint64_t until_ns)
{
  while (heap->target_count > 0) {
    uint32_t index = heap->targets[heap->target_count - 1];
    if (!see_target(heap, index, until_ns))
      return false;
    heap->regions.table[index].flags &= (uint8_t)~MM_REGION_TARGET;
    heap->target_count--;
  }
  return true;
}

static void scan_card(struct mm_heap *heap, uint32_t card)
{
  uint8_t was = mm_card_claim(heap, card, false);
  if (mm_breaks(heap, MM_FAULT_CARD_SKIPPED))
    return;
  if (mm_card_is_one(was))
    mm_card_visit_one(heap, mm_card_slot(heap, card, was), visit_slot, heap);
  else if (mm_card_is_dirty(was))
    mm_card_visit(heap, card, visit_slot, heap);
}

static void scan_log(struct mm_heap *heap, const struct mm_barrier_log *log)
{
  for (uint32_t i = 0; i < log->count; i++) {
    if (i + 2 * CARDS_AHEAD < log->count)
      mm_card_prefetch(heap, log->entries[i + 2 * CARDS_AHEAD], false);
    if (i + CARDS_AHEAD < log->count)
      mm_card_prefetch_first(heap, log->entries[i + CARDS_AHEAD]);
    scan_card(heap, log->entries[i]);
  }
  mm_stat_count(&heap->stat, MM_COUNT_CARDS_SCANNED, log->count);
}

/* At least one. */
static bool scan_logs(struct mm_heap *heap, uint64_t until_ns)
{
  struct mm_barrier_log *log;
  while ((log = mm_cards_next_log(heap))) {
    scan_log(heap, log);
    mm_log_release(heap, log);
    if (is_due(until_ns))
      return !heap->cards.full;
  }
  return true;
}

bool mm_candidates_catch_up(struct mm_heap *heap, uint64_t until_ns)
{
  MM_ASSERT(!mm_is_generational(heap));
  MM_ASSERT(heap->candidates.is_complete || heap->candidates.count == 0);
  mm_cards_gather(heap);
  return see_targets(heap, until_ns) && scan_logs(heap, until_ns);
}
