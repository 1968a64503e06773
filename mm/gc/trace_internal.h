/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracing work: what is found but not yet scanned.
 *
 *            shared deque               own stack (a ring that grows)
 *   others <- steal | ....... | <- spare  [oldest ......... youngest] <- push
 *                                                                     -> pop
 *
 * A worker pushes and pops at the young end of its own stack, without atomics
 * and depth first.  While others work too, it now and then moves some of its
 * oldest entries, which tend to lead to the most work, to its deque.
 *
 * Entry: the object's reference in the low half; for a reference array, the
 * number of the chunk to scan next (MM_SCAN_CHUNK slots) in the high half.
 *
 * When a stack cannot grow, the entry is dropped and `stack_overflowed` set:
 * the collector then finds marked or copied objects with unvisited slots by
 * walking the heap (evacuate.c, mark.c).  No object is lost.
 */
#ifndef MM_TRACE_INTERNAL_H
#define MM_TRACE_INTERNAL_H

#include "mm/object.h"

#include <stddef.h>

struct mm_worker;
struct mm_workers;

struct mm_trace_stack {
  uint64_t *entries;
  size_t capacity;     /* a power of two */
  size_t oldest, next; /* oldest <= next <= oldest + capacity */
};

/* Gives a stack its first entries; false when there is no memory. */
bool mm_trace_stack_init(struct mm_trace_stack *stack);
void mm_trace_stack_destroy(struct mm_trace_stack *stack);

/* Cold half of push: makes room, or marks the worker as overflowed. */
bool mm_trace_stack_grow(struct mm_worker *worker);

/* Moves old entries to the deque, if that is short of them. */
void mm_trace_share(struct mm_worker *worker);

/* Entries from the own deque or from others.  False when no worker has any:
   tracing is over. */
bool mm_trace_find(struct mm_worker *worker, uint64_t *entry);

/* Did any worker drop entries?  Forgets it. */
bool mm_trace_take_overflow(struct mm_workers *workers);

/* Gives back stacks that grew very large.  World stopped. */
void mm_trace_stack_shrink(struct mm_trace_stack *stack);

static inline uint64_t mm_trace_entry(struct mm_ref ref, uint32_t chunk)
{
  return (uint64_t)chunk << 32 | ref.bits;
}

static inline struct mm_ref mm_trace_ref(uint64_t entry)
{
  return (struct mm_ref){(uint32_t)entry};
}

static inline uint32_t mm_trace_chunk(uint64_t entry)
{
  return (uint32_t)(entry >> 32);
}

#endif
