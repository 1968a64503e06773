/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A speed limit for allocation, while a cycle has to end before memory does.
 *
 *   room     what mutators can still be given
 *   left     the time until the cycle gives something back, as predicted
 *   filling  of each byte that is allocated, what stays: all of it where
 *            objects are born old, with generations what is expected to become
 *            old
 *
 * A program that allocates faster than room / (left * filling) will run out of
 * memory before the cycle ends, and then waits for all that is left of the
 * cycle at once.  Instead, whoever is given `bytes' says when they should be
 * used up at the earliest,
 *
 *   due = now + bytes * filling * left / room
 *
 * and who comes for more before that sleeps until then: a program that is too
 * fast by a third pays it by half of a millisecond now and then, rather than
 * by a tenth of a second at the end.  When the cycle takes longer than was
 * predicted, room gets less and `left' does not, so the limit falls as room
 * does.  With room enough there is nothing to pay: the program needs longer for
 * its bytes by itself.
 *
 * Nobody sleeps for more than MM_PACING_MOST_NS at a time, and no debt is
 * larger: where that is not enough, memory is really gone, and the allocation
 * waits for what the cycle gives back (alloc.c).
 *
 * That allocation pays for a concurrent collection in proportion to what it
 * takes is an idea of Baker ("List processing in real time on a serial
 * computer", 1978); that it sleeps instead of collecting, while another
 * processor does that, is Shenandoah's pacer (Shipilev, 2018).  Go has both
 * (Clements, "Go 1.5 concurrent garbage collector pacing", 2015).
 *
 * Not while candidates are evacuated: those pauses follow each other faster as
 * the program gets ahead of them (mm_pauses_rest_ns).  Not under stress, where
 * cycles say nothing about need.
 *
 * What is due is charged under the heap lock.
 */
#ifndef MM_PACING_INTERNAL_H
#define MM_PACING_INTERNAL_H

#include "mm/gc/heap_internal.h"

enum {
  MM_PACING_MOST_NS = 1000 * 1000,  /* that one allocation sleeps */
  MM_PACING_LEAST_NS = 50 * 1000,   /* less waits for the next time: the system
                                       sleeps no shorter */
  MM_PACING_SLACK_NS = 1000 * 1000, /* by which a program may have been slower
                                       before, and now be faster */
};

struct mm_pacing_need {
  uint64_t bytes; /* that will stay of those handed out */
  uint64_t room_bytes;
  uint64_t left_ns;
};

/* How long the program should take to use that up; at most MM_PACING_MOST_NS.
 */
uint64_t mm_pacing_ns(const struct mm_pacing_need *need);

/* Of a part of the cycle that was expected to take so long: what is left of it,
   with a margin.  One that is late takes as much longer as it is late. */
uint64_t mm_pacing_left_ns(uint64_t expected_ns, uint64_t elapsed_ns);

/* When what is handed out now is used up, by the limit; `due_ns': the same of
   what was before. */
uint64_t mm_pacing_due_ns(uint64_t due_ns, uint64_t now_ns, uint64_t cost_ns);

/* Mutators were given so many bytes.  Under the heap lock. */
void mm_pacing_charge_locked(struct mm_heap *heap, uint64_t bytes);

/* Before more is asked for: sleeps until that is due.  Safepoint. */
void mm_pacing_pay(struct mm_mutator *mutator);

#endif
