/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether new objects are young.
 *
 * Generations pay where most objects die young.  Where most of them live, each
 * is copied once more for nothing, each store into an old object of a reference
 * to a new one logs a card, and those cards are scanned.  Then it is better to
 * have objects born old and to leave them to full collections or cycles:
 * pretenuring (Cheng, Harper and Lee, "Generational stack collection and
 * profile-driven pretenuring", 1998; Blackburn et al., "Pretenuring for Java",
 * 2001), of all objects at once.
 *
 * With generational=auto the heap finds out by itself:
 *
 *                    MANY_* percent of the bytes live, for a while
 *     generational ---------------------------------------> all born old
 *                  <---------------------------------------
 *                    after `wait` cycles or full collections
 *
 * Nobody sees from a heap without young objects how many would die young, so
 * now and then they are tried, for a short while: at first after one cycle (a
 * full collection, with gc=stw), then after two, four and so on, up to
 * WAIT_MOST, as long as each try finds the same; one that finds fewer alive
 * makes the next wait short again.  A try that a cycle would interrupt goes on
 * until that is over, so when one is near the try is put off, twice at most.
 *
 * The heap changes over in a pause, after the collection, when nothing is
 * young, no cycle runs and no candidates wait.  Cards are clean then, and
 * barriers are given the table that is all YOUNG (cards_internal.h), or the
 * true one back.  With tenured=freelist a mutator has a TLAB and slots, and uses
 * one of them.
 *
 * Under stress the heap changes over whenever it may.
 */
#ifndef MM_GENERATIONS_INTERNAL_H
#define MM_GENERATIONS_INTERNAL_H

#include "mm/gc/heap_internal.h"

void mm_generations_init(struct mm_heap *heap);

/* After a collection of young objects, candidates or none: learns from it, and
   changes over if that is due.  World stopped. */
void mm_generations_after_young(struct mm_heap *heap);

/* After a full collection that is not part of a cycle.  World stopped. */
void mm_generations_after_full(struct mm_heap *heap);

/* A cycle has ended: should young objects be tried?  Then the pause that comes
   next asks mm_generations_may_return, as a cycle could have begun since, and
   calls mm_generations_return before its young collection of nothing. */
bool mm_generations_should_return(struct mm_heap *heap);
bool mm_generations_may_return(struct mm_heap *heap);
void mm_generations_return(struct mm_heap *heap);

#endif
