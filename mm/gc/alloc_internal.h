/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: mutators that wait for room, and the pause that answers them.
 *
 *            put                 a pause
 *   (none) -------> NONE --------------------> SERVED, REFUSED
 *                     |
 *                     +--> taken back by its mutator, if it is not urgent
 *
 * heap->requests lists those without an answer, the oldest first.  A request
 * lives on its mutator's stack; the mutator is stopped, or on its way there,
 * while a pause looks at it.
 *
 * Locks: the heap lock, or the world stopped.  Read next: alloc.c.
 */
#ifndef MM_GC_ALLOC_INTERNAL_H
#define MM_GC_ALLOC_INTERNAL_H

#include "mm/gc/heap_internal.h"

enum mm_answer {
  MM_ANSWER_NONE,
  MM_ANSWER_SERVED,  /* *made is the object */
  MM_ANSWER_REFUSED, /* there is no room, whatever is collected */
};

struct mm_request {
  struct mm_layout *layout;
  uint32_t length; /* the length word */
  uint64_t bytes;
  bool nonmoving;
  /* While it waits. */
  struct mm_mutator *mutator;
  struct mm_ref *made; /* a root of the mutator */
  bool is_urgent;      /* the next pause has to answer it */
  enum mm_answer answer;
  struct mm_request *next;
};

/*
 * World stopped, after a collection: allocates for those who wait, first come
 * first.  `is_utmost': it freed all it can, so that what has no room now is
 * refused.  False: urgent requests are left, and are to be answered after such
 * a collection, in the same pause.
 */
bool mm_requests_answer(struct mm_heap *heap, bool is_utmost);

#endif
