/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The card table and its logs; see cards_internal.h.
 */
#include "config.h"

#include "mm/gc/cards_internal.h"

#include "mm/assert_internal.h"
#include "mm/barrier_inline.h"
#include "mm/gc/barrier_logs_internal.h"
#include "mm/gc/card_scan_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/safepoint_internal.h"

#include <string.h>

/* Cards of regions ----------------------------------------------------------
 */

uint32_t mm_cards_of_region(const struct mm_heap *heap, uint32_t index,
                            uint32_t *count)
{
  const struct mm_region *region = &heap->regions.table[index];
  uint32_t span = region->kind == MM_REGION_LARGE ? region->span : 1;
  *count = span * MM_REGION_CARDS;
  return index * MM_REGION_CARDS;
}

void mm_cards_set_region(struct mm_heap *heap, uint32_t index,
                         enum mm_card value)
{
  uint32_t count, first = mm_cards_of_region(heap, index, &count);
  memset(heap->cards.bytes + first, value, count);
}

void mm_cards_clean_region(struct mm_heap *heap, uint32_t index)
{
  uint32_t count, first = mm_cards_of_region(heap, index, &count);
  uint8_t *cards = heap->cards.bytes + first;
  for (uint32_t i = 0; i < count; i++)
    if (!(cards[i] & MM_CARD_AGAIN))
      cards[i] = MM_CARD_CLEAN;
}

void mm_cards_reveal(struct mm_heap *heap, uintptr_t start, uintptr_t end)
{
  uint8_t *cards = heap->cards.bytes;
  if (start == end)
    return;
  uint32_t last = mm_card_of(heap, end - 1);
  for (uint32_t card = mm_card_of(heap, start); card <= last; card++)
    if (cards[card] == MM_CARD_YOUNG)
      cards[card] = MM_CARD_CLEAN;
}

/* It is seen from its start on, so that the last card is the last one. */
void mm_cards_reveal_region(struct mm_heap *heap, uint32_t index)
{
  uint32_t last = (index + 1) * MM_REGION_CARDS - 1;
  if (heap->cards.bytes[last] == MM_CARD_YOUNG)
    mm_cards_reveal(heap, mm_region_start(&heap->regions, index),
                    mm_region_end(&heap->regions, index));
}

/* Logs ----------------------------------------------------------------------
 */

struct mm_barrier_log *mm_cards_next_log(struct mm_heap *heap)
{
  return mm_log_pop(heap, &heap->cards.full);
}

void mm_cards_gather(struct mm_heap *heap)
{
  struct mm_mutator *mutator = heap->mutators;
  for (; mutator; mutator = mutator->next)
    mm_log_push(heap, &heap->cards.full, &mutator->card_log);
  heap->cards.logged = 0;
}

bool mm_cards_must_search(struct mm_heap *heap)
{
  bool must = __atomic_load_n(&heap->cards.overflowed, __ATOMIC_RELAXED);
  if (must)
    mm_logs_drop(heap, &heap->cards.full);
  __atomic_store_n(&heap->cards.overflowed, false, __ATOMIC_RELAXED);
  return must;
}

void mm_cards_forget(struct mm_heap *heap)
{
  mm_cards_gather(heap);
  mm_logs_drop(heap, &heap->cards.full);
  heap->cards.overflowed = false;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++)
    if (mm_region_is_walkable(heap->regions.table[i].kind))
      mm_cards_set_region(heap, i, MM_CARD_CLEAN);
}

/* Elements of an array that stand in [start, end). */
static void elements_within(uintptr_t base, uint32_t log2, uintptr_t start,
                            uintptr_t end, uint32_t *from, uint32_t *to)
{
  *from = start > base ? (uint32_t)((start - base) >> log2) : 0;
  *to = end > base ? (uint32_t)((end - base + (1u << log2) - 1) >> log2) : 0;
}

void mm_card_note_special(uintptr_t start, uintptr_t end, uintptr_t at,
                          const struct mm_layout *layout,
                          struct mm_card_slots *found)
{
  struct mm_special how = {.visit = mm_card_note_slot,
                           .context = found,
                           .skips_owner = true,
                           .start = start,
                           .end = end};
  uint32_t from = 0, to = UINT32_MAX;
  if (layout->kind == MM_KIND_REF_ARRAY)
    elements_within(at + MM_ARRAY_BASE, 2, start, end, &from, &to);
  else if (layout->kind == MM_KIND_TAGGED_ARRAY)
    elements_within(at + MM_ARRAY_BASE_WIDE, 3, start, end, &from, &to);
  mm_scan_special((void *)at, layout, from, to, &how);
}

/* False: there was no memory for a log. */
static bool log_card(struct mm_heap *heap, struct mm_barrier_log **log,
                     uintptr_t slot)
{
  bool is_logged =
      mm_breaks(heap, MM_FAULT_CARD_LOG) ||
      mm_log_put(heap, &heap->cards.full, log, mm_card_of(heap, slot));
  if (!is_logged)
    __atomic_store_n(&heap->cards.overflowed, true, __ATOMIC_RELAXED);
  return is_logged;
}

bool mm_card_note(struct mm_heap *heap, struct mm_barrier_log **log,
                  uintptr_t slot)
{
  uint8_t *byte = mm_card_at(heap, slot), clean = MM_CARD_CLEAN;
  if (!__atomic_compare_exchange_n(byte, &clean, mm_card_one(slot), false,
                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    if (!mm_breaks(heap, MM_FAULT_CARD_SECOND))
      __atomic_store_n(byte, MM_CARD_DIRTY, __ATOMIC_RELAXED);
    return false;
  }
  return log_card(heap, log, slot);
}

/* The card as a whole: in a tagged slot there may be a number later on, so that
   only a search of the object tells what is a reference. */
static bool note_whole(struct mm_heap *heap, struct mm_barrier_log **log,
                       uintptr_t slot)
{
  uint8_t was = __atomic_exchange_n(mm_card_at(heap, slot), MM_CARD_DIRTY,
                                    __ATOMIC_RELAXED);
  MM_ASSERT(was != MM_CARD_YOUNG);
  return was == MM_CARD_CLEAN && log_card(heap, log, slot);
}

static void drop_log(struct mm_heap *heap, struct mm_barrier_log *log)
{
  for (uint32_t i = 0; i < log->count; i++)
    mm_card_claim(heap, log->entries[i], false);
  mm_log_release(heap, log);
}

static void drop_logs(struct mm_heap *heap)
{
  struct mm_barrier_log *log;
  if (heap->cards.overflowed)
    mm_cards_forget(heap);
  mm_cards_gather(heap);
  while ((log = mm_cards_next_log(heap)))
    drop_log(heap, log);
}

void mm_cards_watch(struct mm_heap *heap, bool watches)
{
  if (!heap->has_cards)
    return;
  heap->cards.watches_old = watches;
  heap->cards.is_calm = !watches && !mm_is_generational(heap);
  for (struct mm_mutator *m = heap->mutators; m; m = m->next) {
    m->cards = mm_cards_bias(heap);
    m->heeding = mm_cards_heeding(heap);
  }
  if (heap->cards.is_calm)
    drop_logs(heap);
}

/* A card was put on the log: if that is full now, it is counted, once; the
   mutator collects at its next poll if there are many. */
static void count_logged(struct mm_mutator *mutator)
{
  struct mm_heap *heap = mutator->heap;
  const struct mm_barrier_log *log = mutator->card_log;
  if (!log || log->count < MM_BARRIER_LOG_ENTRIES)
    return;
  __atomic_fetch_add(&heap->cards.logged, MM_BARRIER_LOG_ENTRIES,
                     __ATOMIC_RELAXED);
  if (mm_cards_are_many(heap))
    mm_poll_soon(mutator);
}

void mm_barrier_slow(struct mm_mutator *mutator, void *slot)
{
  struct mm_heap *heap = mutator->heap;
  if (mm_breaks(heap, MM_FAULT_BARRIER_AFTER))
    return;
  if (mm_card_note(heap, &mutator->card_log, (uintptr_t)slot))
    count_logged(mutator);
}

void mm_barrier_tagged_slow(struct mm_mutator *mutator, void *slot)
{
  if (mm_breaks(mutator->heap, MM_FAULT_BARRIER_AFTER))
    return;
  if (note_whole(mutator->heap, &mutator->card_log, (uintptr_t)slot))
    count_logged(mutator);
}

/* Sets AGAIN; false: it was set. */
static bool claim_again(uint8_t *byte, bool parallel)
{
  if (__atomic_load_n(byte, __ATOMIC_RELAXED) & MM_CARD_AGAIN)
    return false;
  if (parallel)
    return !(__atomic_fetch_or(byte, MM_CARD_AGAIN, __ATOMIC_RELAXED) &
             MM_CARD_AGAIN);
  *byte |= MM_CARD_AGAIN;
  return true;
}

/* Logs that workers fill are theirs until the collection ends: none may be
   taken for one that has to be worked through. */
void mm_card_remember(struct mm_heap *heap, struct mm_barrier_log **log,
                      uintptr_t slot, bool parallel)
{
  uint32_t card = mm_card_of(heap, slot);
  if (mm_breaks(heap, MM_FAULT_CARD_AGAIN) ||
      !claim_again(&heap->cards.bytes[card], parallel))
    return;
  if (!*log || (*log)->count == MM_BARRIER_LOG_ENTRIES) {
    struct mm_barrier_log *fresh = mm_log_take(heap);
    if (!fresh) {
      __atomic_store_n(&heap->cards.overflowed, true, __ATOMIC_RELAXED);
      return;
    }
    fresh->next = *log;
    *log = fresh;
  }
  (*log)->entries[(*log)->count++] = card;
}

static void settle_all(struct mm_heap *heap)
{
  uint32_t count;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    if (!mm_region_is_walkable(heap->regions.table[i].kind))
      continue;
    uint8_t *cards = heap->cards.bytes + mm_cards_of_region(heap, i, &count);
    for (uint32_t card = 0; card < count; card++)
      if (cards[card] & MM_CARD_AGAIN)
        cards[card] = MM_CARD_DIRTY;
  }
}

void mm_cards_settle(struct mm_heap *heap, struct mm_barrier_log **log)
{
  if (heap->cards.overflowed)
    settle_all(heap);
  while (*log) {
    struct mm_barrier_log *next = (*log)->next;
    for (uint32_t i = 0; i < (*log)->count; i++)
      heap->cards.bytes[(*log)->entries[i]] = MM_CARD_DIRTY;
    mm_log_push(heap, &heap->cards.full, log);
    *log = next;
  }
}

/* First objects -------------------------------------------------------------
 */

/* Another worker may be prefetching by it. */
static void set_first(struct mm_heap *heap, uint32_t card, unsigned back)
{
  __atomic_store_n(&heap->cards.firsts[card], (uint8_t)back, __ATOMIC_RELAXED);
}

void mm_card_note_first(struct mm_heap *heap, uintptr_t at, uintptr_t end)
{
  uint32_t first = mm_card_of(heap, at + MM_CARD_BYTES - 1);
  uint32_t last = mm_card_of(heap, end - 1);
  if (first > last || mm_breaks(heap, MM_FAULT_CARD_FIRST))
    return;
  uintptr_t back = mm_card_start(heap, first) - at;
  MM_ASSERT(back < MM_CARD_BYTES);
  set_first(heap, first, (unsigned)(back >> MM_REF_SHIFT));
  for (uint32_t card = first + 1; card <= last; card++)
    set_first(heap, card,
              MM_CARD_GRANULES + 31 - (unsigned)__builtin_clz(card - first));
}

void mm_cards_note_region(struct mm_heap *heap, uint32_t index)
{
  uintptr_t at = mm_region_start(&heap->regions, index);
  uintptr_t top = heap->regions.table[index].top;
  while (at < top) {
    uintptr_t end = at + mm_object_bytes(mm_ref_at((void *)at));
    if (mm_card_is_first(at, end))
      mm_card_note_first(heap, at, end);
    at = end;
  }
}

uintptr_t mm_card_first(const struct mm_heap *heap, uint32_t card)
{
  const uint8_t *firsts = heap->cards.firsts;
  while (firsts[card] >= MM_CARD_GRANULES)
    card -= (uint32_t)1 << (firsts[card] - MM_CARD_GRANULES);
  return mm_card_start(heap, card) - ((uintptr_t)firsts[card] << MM_REF_SHIFT);
}

/* Checks --------------------------------------------------------------------
 */

/* The object at `at' reaches into the card: mm_card_first() finds it, since it
   finds it from the object's cards before this one, of which `first' is one. */
static void check_first(const struct mm_heap *heap, uint32_t card,
                        uint32_t first, uintptr_t at)
{
  uint8_t entry = heap->cards.firsts[card];
  if (card == first)
    MM_ASSERT(mm_card_first(heap, card) == at);
  else
    MM_ASSERT(entry >= MM_CARD_GRANULES &&
              (uint32_t)1 << (entry - MM_CARD_GRANULES) <= card - first);
}

static void check_region(const struct mm_heap *heap, uint32_t index)
{
  uintptr_t at = mm_region_start(&heap->regions, index);
  uintptr_t top = heap->regions.table[index].scan_top;
  while (at < top) {
    uintptr_t end = at + mm_object_bytes(mm_ref_at((void *)at));
    uint32_t first = mm_card_of(heap, at + MM_CARD_BYTES - 1);
    for (uint32_t card = first; mm_card_start(heap, card) < end; card++)
      check_first(heap, card, first, at);
    at = end;
  }
}

void mm_cards_check(const struct mm_heap *heap)
{
  if (!heap->has_cards)
    return;
  for (uint32_t i = 0; i < heap->regions.fresh_from; i++) {
    const struct mm_region *region = &heap->regions.table[i];
    if (region->kind == MM_REGION_SMALL && region->age == MM_AGE_TENURED &&
        region->walk_top == 0)
      check_region(heap, i);
  }
}
