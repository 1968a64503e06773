/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates: old regions that hold little that lives, to be evacuated in
 * small portions after a cycle (Garbage-First: Detlefs, Flood, Heller and
 * Printezis, 2004).
 *
 *   pause: finish       regions with nothing marked go free
 *                       sparse ones become candidates
 *   beside the program  a walk over what lives finds every reference to them,
 *                       and turns what does not live into fillers
 *   young pauses        take a few candidates along, as the pause goal allows
 *
 * To evacuate a region alone, one has to know which slots refer into it: each
 * candidate remembers cards with such slots.  Only candidates do, so that the
 * program pays for remembered sets after a cycle and never else (G1 keeps them
 * for every region all the time; remembering after the choice is what it came
 * to do in 2018).  Cards come from
 *
 *   the walk                   what referred there when marking ended
 *   the barrier                what was stored since: the card becomes dirty,
 *                              and the next pause sees the reference
 *   copies that are old        in any pause
 *
 * and are scanned again when the candidate is evacuated: a card may hold
 * anything by then.  References from young objects and from roots need no card.
 *
 * An object that is dead but not yet a filler may refer to a region that went
 * free: until the walk has been in a region, its cards are scanned without what
 * is not marked (walk_top).
 *
 * Invariants: the region of candidate i has `candidate' == i + 1 and the trace
 * CANDIDATE; when is_complete, every slot of an old object that refers into a
 * candidate not lost is in a card that it remembers, or that is DIRTY.
 *
 * Locks: as cycle_internal.h; mm_candidate_remember takes the space lock when
 * several workers are at work.
 */
#ifndef MM_CANDIDATES_INTERNAL_H
#define MM_CANDIDATES_INTERNAL_H

#include "mm/gc/heap_internal.h"

struct mm_candidate {
  uint32_t region;
  uint32_t live_bytes;
  uint32_t cards;             /* remembered, some more than once */
  struct mm_barrier_log *log; /* of them; the one that is filled stands first */
  bool is_lost;               /* a card was not remembered: it stays */
};

/* Of the pause that ends marking: frees regions that hold nothing, chooses
   among the others.  From here on references to candidates are noted. */
void mm_candidates_choose(struct mm_heap *heap);

/*
 * The walk; beside the program, by the cycle's thread, which stops for pauses.
 * False: the cycle was abandoned.
 */
bool mm_candidates_walk(struct mm_heap *heap, uint64_t cycle);

/*
 * Without generations the walk goes on with what was allocated during it: in a
 * pause, has it watched from now on and says how much it is (unseen_bytes);
 * beside the program, walks it.
 */
void mm_candidates_watch_new(struct mm_heap *heap);
bool mm_candidates_walk_new(struct mm_heap *heap, uint64_t cycle);

/* After all walks, by the same thread: candidates may be evacuated. */
bool mm_candidates_complete(struct mm_heap *heap, uint64_t cycle);

/*
 * Without generations, in a pause after the walk: finds what was stored and
 * allocated since.  False: the time was up; the next pause goes on.
 */
bool mm_candidates_catch_up(struct mm_heap *heap, uint64_t until_ns);

/* A slot in `card' refers to a candidate's object. */
void mm_candidate_remember(struct mm_heap *heap, uint32_t region, uint32_t card,
                           bool parallel);

/* Are there any, ready to be evacuated?  How many.  World stopped, or under the
   heap lock. */
static inline uint32_t mm_candidates_left(const struct mm_heap *heap)
{
  const struct mm_candidates *candidates = &heap->candidates;
  return candidates->is_complete ? candidates->count - candidates->next : 0;
}

static inline bool mm_candidates_wait(const struct mm_heap *heap)
{
  return mm_candidates_left(heap) > 0;
}

/* Of a pause that has caught up: are some to be evacuated in it?  Not if they
   would take too long and were not put off the last time. */
bool mm_candidates_are_due(struct mm_heap *heap);

/* Of a pause: makes the next ones from-space, as many as `most_ns' and the room
   for copies are enough for, but at least one; their cards become dirty. */
void mm_candidates_take(struct mm_heap *heap, uint64_t most_ns);

/* What all that are left are expected to take. */
uint64_t mm_candidates_cost_ns(const struct mm_heap *heap);

/* World stopped: those that are left are ordinary regions again. */
void mm_candidates_drop(struct mm_heap *heap);

/* May an object in the region be a dead one that is no filler yet? */
static inline bool mm_region_is_unwalked(const struct mm_region *region)
{
  return region->walk_top != 0;
}

#endif
