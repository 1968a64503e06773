/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cards: where old objects may refer to young ones.
 *
 *   heap    |    card    |    card    |    card    |  ...  64 bytes each
 *   cards         1            2            1              a byte each
 *   firsts        7            0             9             a byte each
 *   logs                    [index of the dirty card]
 *
 * A collection of young objects alone needs every reference to them from old
 * ones.  Whoever stores a reference looks at the card of the slot
 * (mm/barrier_inline.h):
 *
 *   YOUNG  of a young region, or not in use: nothing to do
 *   CLEAN  of an old region: if the new value is young, or in a candidate
 *          (below), the card becomes ONE, which says which slot it is, and its
 *          index goes on the log of the thread
 *   ONE    another store of such a value makes it DIRTY
 *   DIRTY  and ONE: is on a log already
 *
 * Where stores are all over the heap, most cards are ONE: the pause looks at
 * that slot and need not know what objects the card holds, which takes half
 * of the time.  The slot can be trusted to hold a reference: its object was
 * reachable when it was stored to, no collection was since, and one that is
 * marked by a cycle does not die in it.
 *
 * So a card is on one log once, however often it is stored to, and a pause
 * looks at the logged cards only (Hoelzle, "A fast write barrier for
 * generational garbage collectors", 1993, marks cards and searches the whole
 * table for them; the log is what saves that search).
 *
 * To scan a card, one has to know where objects start in it: `firsts` tells for
 * each card of an old region of small objects how far back the object starts
 * that the card's first byte belongs to.
 *
 *   0 .. 7     so many granules back
 *   8 + n      2^n cards back; look there again
 *
 * Invariants: a card with a slot that refers to a young object is DIRTY, or ONE
 * with that slot, and on a log, unless its region is young itself; cards of
 * free regions are YOUNG.
 *
 * Objects in candidates (candidates_internal.h) count as young ones do.
 * Without generations nothing else does: then barriers are given another table,
 * all of it YOUNG, while there are no candidates; and a plan that never has any
 * never writes a card.
 *
 * Locks: a log belongs to its thread until it is full; full ones are handed
 * over under logs.lock.  Else the world is stopped.
 */
#ifndef MM_CARDS_INTERNAL_H
#define MM_CARDS_INTERNAL_H

#include "mm/barrier_log.h"
#include "mm/card.h"
#include "mm/gc/heap_internal.h"

enum {
  MM_CARD_GRANULES = MM_CARD_BYTES / MM_OBJECT_ALIGN,
  MM_REGION_CARDS = MM_REGION_BYTES / MM_CARD_BYTES,
};

static inline uint32_t mm_card_of(const struct mm_heap *heap, uintptr_t at)
{
  return (uint32_t)((at - heap->regions.base) >> MM_CARD_LOG2);
}

static inline uintptr_t mm_card_start(const struct mm_heap *heap, uint32_t card)
{
  return heap->regions.base + ((uintptr_t)card << MM_CARD_LOG2);
}

static inline uint8_t *mm_card_at(const struct mm_heap *heap, uintptr_t at)
{
  return &heap->cards.bytes[mm_card_of(heap, at)];
}

/* What a barrier adds to an address >> MM_CARD_LOG2. */
static inline uintptr_t mm_cards_bias(const struct mm_heap *heap)
{
  const uint8_t *cards =
      heap->cards.is_calm ? heap->cards.calm : heap->cards.bytes;
  return (uintptr_t)cards - (heap->regions.base >> MM_CARD_LOG2);
}

/* What a barrier adds to a reference's bits >> MM_TRACE_LOG2. */
static inline uintptr_t mm_traces_bias(const struct mm_heap *heap)
{
  _Static_assert(MM_TRACE_LOG2 == MM_REGION_LOG2 - MM_REF_SHIFT,
                 "a byte per region");
  return (uintptr_t)heap->traces - (heap->regions.base >> MM_REGION_LOG2);
}

/* What mutators heed; see mm/mutator.h. */
static inline uint32_t mm_cards_heeding(const struct mm_heap *heap)
{
  if (heap->cards.is_calm)
    return MM_HEEDING_NONE;
  return mm_is_generational(heap) ? MM_HEEDING_YOUNG : MM_HEEDING_OLD;
}

/* From now on stores of old references are watched, or no longer; without
   generations those of all.  World stopped. */
void mm_cards_watch(struct mm_heap *heap, bool watches);

/* Sets all cards of a region, or of the run that it heads. */
void mm_cards_set_region(struct mm_heap *heap, uint32_t index,
                         enum mm_card value);

/* A young region is old now: cards that were not remembered become CLEAN. */
void mm_cards_clean_region(struct mm_heap *heap, uint32_t index);

/* Without generations: cards of these bytes that are YOUNG become CLEAN; those
   of all of an old region. */
void mm_cards_reveal(struct mm_heap *heap, uintptr_t start, uintptr_t end);
void mm_cards_reveal_region(struct mm_heap *heap, uint32_t index);

/* Is what mutators allocate now not watched before it is seen as a whole?  See
   walk.c. */
static inline bool mm_cards_hide_new(const struct mm_heap *heap)
{
  return heap->cards.watches_old && !mm_is_generational(heap);
}

/* After a collection that left no young object: all cards of regions in use
   become CLEAN, and all logs empty. */
void mm_cards_forget(struct mm_heap *heap);

/* Would scanning what is logged take longer than a pause is to?  Then a
   collection is due (sizing_internal.h).  Any thread. */
static inline bool mm_cards_are_many(const struct mm_heap *heap)
{
  return __atomic_load_n(&heap->cards.logged, __ATOMIC_RELAXED) >=
         __atomic_load_n(&heap->cards.most, __ATOMIC_RELAXED);
}

/* So many are, from now on. */
static inline void mm_cards_set_most(struct mm_heap *heap, uint64_t most)
{
  __atomic_store_n(&heap->cards.most, most, __ATOMIC_RELAXED);
}

/* Notes a slot: makes its card ONE and puts it on the log, or DIRTY if it is
   there.  Without memory for a log the next collection searches all cards.
   False: nothing was put on a log. */
bool mm_card_note(struct mm_heap *heap, struct mm_barrier_log **log,
                  uintptr_t slot);

/*
 * The same during a collection, for the next one: sets the bit AGAIN and logs
 * the card if the bit was not set.  What a card is else still has to be scanned
 * in this one.  `parallel`: other workers may do so too.
 */
void mm_card_remember(struct mm_heap *heap, struct mm_barrier_log **log,
                      uintptr_t slot, bool parallel);

/* Takes DIRTY or ONE off a card and returns what it was; neither: another
   worker did so. */
static inline uint8_t mm_card_claim(struct mm_heap *heap, uint32_t card,
                                    bool parallel)
{
  uint8_t *byte = &heap->cards.bytes[card];
  if (parallel)
    return __atomic_fetch_and(byte, MM_CARD_CLEAN | MM_CARD_AGAIN,
                              __ATOMIC_RELAXED);
  uint8_t was = *byte;
  *byte = was & (MM_CARD_CLEAN | MM_CARD_AGAIN);
  return was;
}

/* Has the whole card to be scanned? */
static inline bool mm_card_is_dirty(uint8_t card)
{
  return card & (MM_CARD_DIRTY & ~MM_CARD_CLEAN);
}

/* Or one slot? */
static inline bool mm_card_is_one(uint8_t card)
{
  return card & (MM_CARD_ONE & ~MM_CARD_CLEAN);
}

/* What a card is whose only noted slot this is. */
static inline uint8_t mm_card_one(uintptr_t slot)
{
  return (uint8_t)(MM_CARD_ONE | (slot & (MM_CARD_BYTES - 1)) / 4);
}

static inline struct mm_ref *mm_card_slot(const struct mm_heap *heap,
                                          uint32_t card, uint8_t one)
{
  return (struct mm_ref *)(mm_card_start(heap, card) +
                           4 * (uintptr_t)(one & (MM_CARD_BYTES / 4 - 1)));
}

/* The collection is over: what was remembered is DIRTY.  Hands the log over. */
void mm_cards_settle(struct mm_heap *heap, struct mm_barrier_log **log);

/* The next log for a worker, null: none is left.  Any worker. */
struct mm_barrier_log *mm_cards_next_log(struct mm_heap *heap);

/* Was there no memory for a log?  Then the logs are dropped, and all cards have
   to be searched.  World stopped. */
bool mm_cards_must_search(struct mm_heap *heap);

/* First card of a region, and how many it has (with its run). */
uint32_t mm_cards_of_region(const struct mm_heap *heap, uint32_t index,
                            uint32_t *count);

/* Takes the logs of all mutators.  World stopped. */
void mm_cards_gather(struct mm_heap *heap);

/* Notes in `firsts` an object or filler of an old region of small ones. */
void mm_card_note_first(struct mm_heap *heap, uintptr_t at, uintptr_t end);

/* Does it have to be noted?  Only if a card begins in it. */
static inline bool mm_card_is_first(uintptr_t at, uintptr_t end)
{
  return (at - 1) >> MM_CARD_LOG2 != (end - 1) >> MM_CARD_LOG2;
}

/* The same for all objects of a region. */
void mm_cards_note_region(struct mm_heap *heap, uint32_t index);

/* Where the first object starts that reaches into the card, in a region of
   small objects; at or beyond the region's top: there is none. */
uintptr_t mm_card_first(const struct mm_heap *heap, uint32_t card);

/* Asks for what scanning the card will read: first the tables and the card, and
   when these are there, the header of the object that reaches into it. */
static inline void mm_card_prefetch(const struct mm_heap *heap, uint32_t card,
                                    bool with_marks)
{
  uint64_t granule = (uint64_t)card << (MM_CARD_LOG2 - MM_REF_SHIFT);
  if (with_marks)
    __builtin_prefetch(&heap->marks[granule >> 6]);
  __builtin_prefetch(&heap->cards.bytes[card], 1);
  __builtin_prefetch(&heap->cards.firsts[card]);
  __builtin_prefetch((const void *)mm_card_start(heap, card));
}

static inline void mm_card_prefetch_first(const struct mm_heap *heap,
                                          uint32_t card)
{
  uint8_t back = __atomic_load_n(&heap->cards.firsts[card], __ATOMIC_RELAXED);
  if (back != 0 && back < MM_CARD_GRANULES)
    __builtin_prefetch((const void *)(mm_card_start(heap, card) -
                                      ((uintptr_t)back << MM_REF_SHIFT)));
}

/* Debug builds: asserts that every object can be found from its cards. */
void mm_cards_check(const struct mm_heap *heap);

#endif
