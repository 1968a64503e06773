/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pause costs, learned from those before it, and so how much may be done
 * in one: how many young objects are collected at once, and after how many
 * cards; how many candidates are evacuated, and how long the program goes on
 * until the next ones are.
 *
 *   pause of young objects   roots + young regions + cards
 *   mixed pause              that + candidates, by bytes, cards and regions
 *
 * Each of these prices follows what was seen, a quarter of the way at a time
 * (struct mm_sizing has them).  The prices of candidates are in a fixed
 * proportion to each other, as measured, and are corrected together
 * (mixed_ratio).
 *
 * World stopped, by the thread that collects, but where it says otherwise.
 *
 * Next: sizing_internal.h (what room there is, and so when to collect).
 */
#ifndef MM_PAUSES_INTERNAL_H
#define MM_PAUSES_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Before the first collection. */
void mm_pauses_init(struct mm_heap *heap);

/* After a young or mixed collection. */
void mm_pauses_learn(struct mm_heap *heap);

/* Candidates were chosen. */
void mm_pauses_expect_candidates(struct mm_heap *heap);

/* Bytes of new objects that a collection is to find, and cards that may be
   logged until then; UINT64_MAX: as many as there is room for. */
uint64_t mm_pauses_eden_bytes(const struct mm_heap *heap);
uint64_t mm_pauses_cards(const struct mm_heap *heap);

/* After a young collection: the age at which objects are old from now on. */
enum mm_age mm_pauses_tenure_age(const struct mm_heap *heap);

/* What moving so many bytes, referred to from so many cards, will cost. */
uint64_t mm_pauses_copy_ns(const struct mm_heap *heap, uint64_t bytes,
                           uint64_t cards);

/* What a pause may spend on candidates. */
uint64_t mm_pauses_candidates_ns(const struct mm_heap *heap);

/* Without generations: how long the program goes on after a pause for
   candidates that took so long, before the next one.  World stopped, or by the
   thread of the cycles. */
uint64_t mm_pauses_rest_ns(const struct mm_heap *heap, uint64_t pause_ns);

#endif
