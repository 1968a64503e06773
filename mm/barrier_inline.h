/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write barrier.  Every store of a reference into an object of the heap
 * goes through one of these; compiled code emits the same sequences.  Stores to
 * static fields, registers and other roots do not.
 *
 *   if a cycle marks: note the reference that is in the slot on a log
 *   store the reference
 *   card = the byte of the card that the slot lies in
 *   if card is CLEAN and the value young or in a candidate: note the slot in
 *   it, and log it
 *   if it is ONE: make it DIRTY
 *
 * That nobody wants to know of a value is found in line, by a byte of its
 * region: to call for it took longer than the store.  The rest is out of line
 * (for candidates, see mm/gc/candidates_internal.h).  The first part is for the
 * collector that marks while the program runs (mm/gc/cycle_internal.h), the
 * rest for the one that collects young objects apart (mm/gc/cards_internal.h).
 *
 * Cards of young regions are YOUNG, and without generations all are, so that
 * one load and one compare is all a store costs there; and a card that is
 * stored to again and again is DIRTY at the second time.
 *
 * A tagged slot (mm/object.h) is stored to as a whole, and its card is noted as
 * a whole, DIRTY at once: there may be a number in the slot when the card is
 * scanned.
 *
 * None is a safepoint.
 */
#ifndef MM_BARRIER_INLINE_H
#define MM_BARRIER_INLINE_H

#include "mm/card.h"
#include "mm/mutator.h"

/* The slow paths: a cycle marks, and the log has no room; or it is not only a
   cycle that wants to know. */
void mm_barrier_old_slow(struct mm_mutator *mutator, struct mm_ref ref);
void mm_barrier_keep_slow(struct mm_mutator *mutator, struct mm_ref ref);

/* A reference is or was overwritten; for stores that are atomic exchanges. */
static inline void mm_barrier_old(struct mm_mutator *mutator, struct mm_ref ref)
{
  if (__builtin_expect(mutator->marking, 0))
    mm_barrier_old_slow(mutator, ref);
}

/* Before a reference is stored in `slot`.  Null is noted like any other: to
   look would be to wait for the memory, and the processor guesses badly. */
static inline void mm_barrier_before(struct mm_mutator *mutator,
                                     const void *slot)
{
  if (__builtin_expect(mutator->marking == 0, 1))
    return;
  uint32_t old = __atomic_load_n((const uint32_t *)slot, __ATOMIC_RELAXED);
  if (mutator->marking == MM_MARKING_CYCLE &&
      mutator->old_at != mutator->old_end)
    *mutator->old_at++ = old;
  else
    mm_barrier_old_slow(mutator, (struct mm_ref){old});
}

/* A reference comes out of a table of weak ones and will be used. */
static inline void mm_barrier_keep(struct mm_mutator *mutator,
                                   struct mm_ref ref)
{
  if (__builtin_expect(mutator->marking, 0))
    mm_barrier_keep_slow(mutator, ref);
}

/* The slow path: the slot's card is CLEAN or ONE, and a card is to note what
   was stored. */
void mm_barrier_slow(struct mm_mutator *mutator, void *slot);

static inline uint8_t mm_barrier_card(const struct mm_mutator *mutator,
                                      const void *address)
{
  uintptr_t card = mutator->cards + ((uintptr_t)address >> MM_CARD_LOG2);
  return __atomic_load_n((const uint8_t *)card, __ATOMIC_RELAXED);
}

/* What a watched card gets, is it null, or neither young nor a candidate? */
static inline int mm_barrier_is_idle(const struct mm_mutator *mutator,
                                     struct mm_ref value)
{
  uintptr_t trace = mutator->traces + (value.bits >> MM_TRACE_LOG2);
  return mm_is_null(value) ||
         __atomic_load_n((const uint8_t *)trace, __ATOMIC_RELAXED) == 0;
}

/* After a reference was stored in `slot`. */
static inline void mm_barrier_after(struct mm_mutator *mutator, void *slot,
                                    struct mm_ref value)
{
  if (__builtin_expect(mm_card_is_watched(mm_barrier_card(mutator, slot)), 0) &&
      !mm_barrier_is_idle(mutator, value))
    mm_barrier_slow(mutator, slot);
}

/* Stores a reference in a slot of an object. */
static inline void mm_store_ref(struct mm_mutator *mutator, void *slot,
                                struct mm_ref value)
{
  mm_barrier_before(mutator, slot);
  __atomic_store_n((uint32_t *)slot, value.bits, __ATOMIC_RELAXED);
  mm_barrier_after(mutator, slot, value);
}

/* Tagged slots ------------------------------------------------------------- */

/* The slow paths: a cycle marks, and `ref' was overwritten; and what is stored
   has to be noted. */
void mm_barrier_old_tagged_slow(struct mm_mutator *mutator, struct mm_ref ref);
void mm_barrier_tagged_slow(struct mm_mutator *mutator, void *slot);

static inline uint64_t mm_load_tagged(const void *slot)
{
  return __atomic_load_n((const uint64_t *)slot, __ATOMIC_RELAXED);
}

/* Before a value is stored in a tagged slot. */
static inline void mm_barrier_before_tagged(struct mm_mutator *mutator,
                                            struct mm_tagging tagging,
                                            const void *slot)
{
  if (__builtin_expect(mutator->marking, 0))
    mm_barrier_old_tagged_slow(mutator,
                               mm_tagged_ref(tagging, mm_load_tagged(slot)));
}

/* After one was stored. */
static inline void mm_barrier_after_tagged(struct mm_mutator *mutator,
                                           struct mm_tagging tagging,
                                           void *slot, uint64_t value)
{
  if (__builtin_expect(mm_card_is_watched(mm_barrier_card(mutator, slot)), 0) &&
      !mm_barrier_is_idle(mutator, mm_tagged_ref(tagging, value)))
    mm_barrier_tagged_slow(mutator, slot);
}

/* Stores any value in a tagged slot of an object.  `tagging' is that of its
   language, and best a constant. */
static inline void mm_store_tagged(struct mm_mutator *mutator,
                                   struct mm_tagging tagging, void *slot,
                                   uint64_t value)
{
  mm_barrier_before_tagged(mutator, tagging, slot);
  __atomic_store_n((uint64_t *)slot, value, __ATOMIC_RELAXED);
  mm_barrier_after_tagged(mutator, tagging, slot, value);
}

/* Stores one value in `count' slots. */
static inline void mm_fill_tagged(struct mm_mutator *mutator,
                                  struct mm_tagging tagging, void *slots,
                                  size_t count, uint64_t value)
{
  for (size_t i = 0; i < count; i++)
    mm_store_tagged(mutator, tagging, (uint64_t *)slots + i, value);
}

/* Copies `count' slots, which may overlap. */
static inline void mm_copy_tagged(struct mm_mutator *mutator,
                                  struct mm_tagging tagging, void *to,
                                  const void *from, size_t count)
{
  bool is_down = (uintptr_t)to <= (uintptr_t)from;
  for (size_t i = 0; i < count; i++) {
    size_t at = is_down ? i : count - 1 - i;
    mm_store_tagged(mutator, tagging, (uint64_t *)to + at,
                    mm_load_tagged((const uint64_t *)from + at));
  }
}

#endif
