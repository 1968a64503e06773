/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References that a cycle processes beside the program.
 *
 *   marking    the marker notes references whose referents are not marked yet;
 *              soft ones that are to be kept are like strong ones
 *   sift       nothing is left to mark: what has a marked referent by now
 * leaves the logs; values of ephemerons whose keys are marked are marked, a few
 * rounds of it
 *   -- pause   the rest is marked.  If few are left, or finals among them fire,
 *              they are processed here and now (references.c), else:
 *              ephemerons are settled; weak tables are cleared
 *   CLEARING   an object of the snapshot that is not marked is dead.  What
 * leads to one is cleared, and pending
 *   -- pause   what is dead goes free
 *
 * In CLEARING nothing leads to the dead but references, and a reference answers
 * that it was cleared if its referent is dead (mm_reference_get), whether the
 * cycle has come to it or not: to the program, all are cleared in the pause. So
 * do the collectors of HotSpot that process references beside the program
 * (Shenandoah: JEP 379; ZGC: JEP 377, with a barrier that "blocks
 * resurrection").
 *
 * A reference may be cleared by the program at the same time: who exchanges the
 * referent for null has cleared it, and what the program clears does not become
 * pending.
 *
 * The links of references are not used here but for what is pending at once, so
 * young collections run in between.  What is noted is old and marked, and stays
 * where it is until candidates are evacuated, when nothing is noted any more. A
 * full collection forgets it all and finds the references itself.
 *
 * Without memory for a log the cycle is lost (cycle_internal.h).
 */
#ifndef MM_NOTED_INTERNAL_H
#define MM_NOTED_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* So few are processed in the pause. */
enum { MM_REFERENCES_FEW = 1024 };

/* World stopped: a cycle begins. */
void mm_noted_begin(struct mm_heap *heap);

/* The marker has discovered a reference.  False: no memory for a log. */
bool mm_noted_put(struct mm_heap *heap, struct mm_ref reference,
                  enum mm_strength strength);

/* Is a soft reference that the marker met to be kept? */
bool mm_noted_keeps_soft(const struct mm_heap *heap, struct mm_ref reference);

/* The marker has found nothing more to mark.  False: the cycle was abandoned.
 */
bool mm_noted_sift(struct mm_heap *heap, uint64_t cycle);

/* World stopped, all is marked: can what is noted wait for CLEARING?  May mark
   values of ephemerons; overflowed: see the marker. */
bool mm_noted_can_wait(struct mm_heap *heap);

/* World stopped: calls `take' with what is noted, which is forgotten. */
void mm_noted_take(struct mm_heap *heap,
                   void (*take)(struct mm_heap *heap, struct mm_ref reference,
                                enum mm_strength strength));

/* CLEARING.  False: the cycle was abandoned. */
bool mm_noted_clear(struct mm_heap *heap, uint64_t cycle);

/* A cycle is given up. */
void mm_noted_drop(struct mm_heap *heap);

#endif
