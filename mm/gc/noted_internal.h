/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References that a cycle processes beside the program.
 *
 *   marking    the marker notes references whose referents are not marked yet;
 *              soft ones that are to be kept are like strong ones
 *   sift       nothing is left to mark: what has a marked referent by now
 *              leaves the logs; values of ephemerons whose keys are marked are
 *              marked, a few rounds of it
 *   -- pause   the rest is marked, ephemerons are settled.  If few are left,
 *              they are processed here and now (references.c), else, if no
 *              final fires, CLEARING is next
 *   FINALS     soft and weak references to what is not marked are cleared; then
 *              what finals refer to is marked, and what that leads to; once
 *              more with what was found on the way
 *   -- pause   the rest is marked; weak tables are cleared
 *   CLEARING   an object of the snapshot that is not marked is dead.  What
 *              leads to one is cleared, and pending; so are finals that fired
 *   -- pause   what is dead goes free
 *
 * In CLEARING nothing leads to the dead but references, and a reference answers
 * that it was cleared if its referent is dead (mm_reference_get), whether the
 * cycle has come to it or not: to the program, all are cleared in the pause. So
 * does ZGC, whose barrier on loads of referents "blocks resurrection" meanwhile
 * (Yang and Wrigstad, "Deep dive into ZGC", 2022).
 *
 * In FINALS the same is true of soft and weak references that were there when
 * the cycle began; those that the program makes meanwhile refer to what it has,
 * which will be marked.  Phantom ones, ephemerons and weak tables still hand
 * out what is not marked, as while a cycle marks: it is logged, so it will be.
 * What finals refer to cannot be marked before, with one mark for both, or weak
 * references to it would not be cleared; ZGC has a second mark for what is
 * reached from finals, and saves the pause.
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

/* World stopped, MARKING or FINALS, and all is marked: FINALS, CLEARING; or
   SWEEPING, if what is noted is to be processed here and now; or the same
   state, if it has to come again.  May mark values of ephemerons. */
enum mm_cycle_state mm_noted_next(struct mm_heap *heap);

/* World stopped: calls `take' with what is noted, which is forgotten.  What has
   fired is pending. */
void mm_noted_take(struct mm_heap *heap,
                   void (*take)(struct mm_heap *heap, struct mm_ref reference,
                                enum mm_strength strength));

/* FINALS, CLEARING.  False: the cycle was abandoned. */
bool mm_noted_finalize(struct mm_heap *heap, uint64_t cycle);
bool mm_noted_clear(struct mm_heap *heap, uint64_t cycle);

/* A cycle is given up. */
void mm_noted_drop(struct mm_heap *heap);

#endif
