/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write barrier.  Every store of a reference into an object of the heap
 * goes through one of these; compiled code emits the same sequences.  Stores to
 * static fields, registers and other roots do not.
 *
 *   store the reference
 *   card = the byte of the card that the slot lies in
 *   if card is CLEAN and the value young: make it DIRTY and log it
 *
 * The second test is out of line, where also nulls end.
 *
 * Cards of young regions are never CLEAN, and without generations none is, so
 * that one load and one compare is all a store costs there.
 *
 * None is a safepoint.
 */
#ifndef MM_BARRIER_INLINE_H
#define MM_BARRIER_INLINE_H

#include "mm/card.h"
#include "mm/mutator.h"

/* The slow path: the slot's card is clean. */
void mm_barrier_slow(struct mm_mutator *mutator, void *slot,
                     struct mm_ref value);

/* After a reference was stored in `slot`. */
static inline void mm_barrier_after(struct mm_mutator *mutator, void *slot,
                                    struct mm_ref value)
{
  const uint8_t *card =
      (const uint8_t *)(mutator->cards + ((uintptr_t)slot >> MM_CARD_LOG2));
  if (__builtin_expect(__atomic_load_n(card, __ATOMIC_RELAXED) == MM_CARD_CLEAN,
                       0))
    mm_barrier_slow(mutator, slot, value);
}

/* Stores a reference in a slot of an object. */
static inline void mm_store_ref(struct mm_mutator *mutator, void *slot,
                                struct mm_ref value)
{
  __atomic_store_n((uint32_t *)slot, value.bits, __ATOMIC_RELAXED);
  mm_barrier_after(mutator, slot, value);
}

#endif
