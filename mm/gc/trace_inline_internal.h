/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push and pop of tracing work; see trace_internal.h.  `parallel` is a
 * constant where these are inlined: a lone worker's code has no atomics.
 */
#ifndef MM_TRACE_INLINE_INTERNAL_H
#define MM_TRACE_INLINE_INTERNAL_H

#include "mm/gc/workers_internal.h"

/* A stack with fewer entries has none to spare. */
enum { MM_TRACE_SPARE = 32 };

static inline void mm_trace_push(struct mm_worker *worker, uint64_t entry)
{
  struct mm_trace_stack *stack = &worker->stack;
  if (__builtin_expect(stack->next - stack->oldest == stack->capacity, 0) &&
      !mm_trace_stack_grow(worker))
    return;
  stack->entries[stack->next++ & (stack->capacity - 1)] = entry;
}

/* From the own stack only. */
static inline bool mm_trace_pop_own(struct mm_worker *worker, bool parallel,
                                    uint64_t *entry)
{
  struct mm_trace_stack *stack = &worker->stack;
  size_t count = stack->next - stack->oldest;
  if (count == 0)
    return false;
  if (parallel && count > MM_TRACE_SPARE && mm_deque_count(&worker->deque) == 0)
    mm_trace_share(worker);
  *entry = stack->entries[--stack->next & (stack->capacity - 1)];
  return true;
}

/* From wherever there is an entry. */
static inline bool mm_trace_pop(struct mm_worker *worker, bool parallel,
                                uint64_t *entry)
{
  return mm_trace_pop_own(worker, parallel, entry) ||
         (parallel && mm_trace_find(worker, entry));
}

#endif
