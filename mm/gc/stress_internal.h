/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forced collections (--gc-stress), beside those at allocations and polls,
 * which alloc.c counts.
 *
 * barrier:N   Each store of a reference takes the slow path of the barrier
 *             before it (MM_MARKING_STRESS), which counts.  A barrier is no
 *             safepoint: at the N-th, the thread gives way to the others, and
 *             collects at its next allocation or poll, all of which take the
 *             slow path.  Those that fall due before that are one.
 *
 * phase       Where a phase begins or ends, the collecting thread gives way.
 *             With cycles, one runs whenever the program allocates out of line
 *             and none does; the marker gives way after each entry; and one
 *             collection is forced at a border that each cycle in its turn
 *             chooses: none, after its start, amid its marking, before its
 *             finish, after it.
 *             Without cycles nothing runs beside a collection, so the border is
 *             its end: each that was not forced is followed by one that is.
 *
 * Kinds add up.  Off, each costs a test where things are slow already.
 */
#ifndef MM_STRESS_INTERNAL_H
#define MM_STRESS_INTERNAL_H

#include "mm/gc/heap_internal.h"

/* Borders of a cycle. */
enum mm_border {
  MM_BORDER_STARTED,  /* the first pause is over */
  MM_BORDER_MARKING,  /* some of it is marked */
  MM_BORDER_MARKED,   /* the marker has found nothing more to do */
  MM_BORDER_CLEARING, /* the second pause is over */
};

/* When a heap is made: installs what is called at borders of phases. */
void mm_stress_init(struct mm_heap *heap);

/* Has each poll to be seen? */
static inline bool mm_stress_polls(const struct mm_heap *heap)
{
  const struct mm_options *options = &heap->options;
  return options->stress_poll != 0 || options->stress_barrier != 0 ||
         options->deterministic;
}

/* What mm_mutator.marking has to be. */
static inline uint32_t mm_stress_marking(const struct mm_heap *heap,
                                         bool is_marking)
{
  const struct mm_options *options = &heap->options;
  bool is_seen = options->stress_barrier != 0 || options->deterministic;
  return (is_marking ? MM_MARKING_CYCLE : 0u) |
         (is_seen ? MM_MARKING_STRESS : 0u);
}

/* In the slow path of the barrier before a store.  Not a safepoint. */
void mm_stress_barrier(struct mm_mutator *mutator);

/* Has the mutator to collect here?  It has not, any longer. */
static inline bool mm_stress_take_due(struct mm_mutator *mutator)
{
  bool is_due = mutator->stress_due;
  mutator->stress_due = false;
  return is_due;
}

/* After a collection that nobody forced.  Safepoint. */
void mm_stress_again(struct mm_mutator *mutator);

/* The thread of the cycles, not marking.  Safepoint for a cycle: it may be
   given up. */
void mm_stress_border(struct mm_heap *heap, enum mm_border border);

/* How many entries the marker works off between two looks: `usual' ones. */
static inline unsigned mm_stress_piece_entries(const struct mm_heap *heap,
                                               unsigned usual)
{
  return heap->options.stress_phase ? 1 : usual;
}

/* The marker, running, between two pieces.  Like mm_marker_stop, so that the
   cycle may have been given up. */
void mm_stress_piece_slow(struct mm_heap *heap);

static inline void mm_stress_piece(struct mm_heap *heap)
{
  if (__builtin_expect(heap->schedule.is_on || heap->options.stress_phase, 0))
    mm_stress_piece_slow(heap);
}

#endif
