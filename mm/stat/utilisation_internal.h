/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimum mutator utilisation: over all windows of a given length, the least
 * share of the window that was left to the mutators.
 *
 *      pauses   ----[==]--[=]---------[===]----------
 *      windows          |........|  ends with a pause
 *                   |........|      another one
 *
 * A pause of 1 ms is nothing by itself; ten of them in a row are, for a program
 * that has to answer within 10 ms.  After Cheng and Blelloch, "A parallel,
 * real-time garbage collector", 2001.
 *
 * As a window slides to the right, the pauses in it add up to more only while
 * its right edge is inside a pause and its left edge is not.  So the worst
 * window of each length is one that ends where a pause ends, and it is enough
 * to look back from the end of each.  Time before the first pause counts as the
 * mutators'.
 *
 * Memory is bounded: the pauses that a window can still reach, and of those
 * MM_SPANS_MOST.  When there are more, the older half is joined by twos; where
 * in such a span the pauses were is forgotten, and a window that ends inside it
 * is taken to have as much of them as it can.  The result may then be too low
 * by a span, never too high.
 *
 * Not thread safe: written by the thread that collects, with the world stopped.
 */
#ifndef MM_UTILISATION_INTERNAL_H
#define MM_UTILISATION_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

enum mm_window {
  MM_WINDOW_1_MS,
  MM_WINDOW_10_MS,
  MM_WINDOW_100_MS,
  MM_WINDOW_COUNT
};

enum { MM_SPANS_MOST = 1024 }; /* a multiple of 4 */

struct mm_span_ns {
  uint64_t begin_ns, end_ns;
  uint64_t paused_ns; /* of it: all, unless several were joined */
};

/* `count' spans, in order of time, none of them empty, no two overlapping. */
struct mm_utilisation {
  struct mm_span_ns spans[MM_SPANS_MOST];
  uint32_t count;
  uint64_t worst_ns[MM_WINDOW_COUNT]; /* most paused in any window */
};

void mm_utilisation_init(struct mm_utilisation *utilisation);

/* A pause ended.  What of it overlaps those before is theirs. */
void mm_utilisation_add(struct mm_utilisation *utilisation, uint64_t begin_ns,
                        uint64_t end_ns);

uint64_t mm_window_ns(enum mm_window window);

/* In thousandths of a percent, rounded down; 100000 without a pause. */
uint64_t mm_utilisation_share(const struct mm_utilisation *utilisation,
                              enum mm_window window);

/* Do the invariants hold? */
bool mm_utilisation_check(const struct mm_utilisation *utilisation);

#endif
