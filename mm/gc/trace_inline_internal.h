/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push and pop of tracing work; see trace_internal.h.
 *
 * An inner loop holds its stack through a struct mm_tracer, a local whose
 * address does not escape once everything is inlined, so that a lone worker's
 * stack lives in machine registers.  `parallel` is a constant where these are
 * inlined: a lone worker's code has no atomics, and its stack, which nobody
 * takes from, begins at 0 and never wraps.
 *
 * Invariant: between mm_tracer_load and mm_tracer_save the worker's own `next`
 * is stale; code that uses the worker's stack otherwise stands outside.
 */
#ifndef MM_TRACE_INLINE_INTERNAL_H
#define MM_TRACE_INLINE_INTERNAL_H

#include "mm/assert_internal.h"
#include "mm/gc/workers_internal.h"

#define MM_ALWAYS_INLINE inline __attribute__((always_inline))

/* A stack with fewer entries has none to spare. */
enum { MM_TRACE_SPARE = 4 };

struct mm_tracer {
  struct mm_worker *worker;
  bool parallel;
  uint64_t *entries; /* from here on: of a lone worker only */
  size_t next, capacity;
};

static MM_ALWAYS_INLINE void mm_tracer_load(struct mm_tracer *tracer)
{
  if (tracer->parallel)
    return;
  tracer->entries = tracer->worker->stack.entries;
  tracer->capacity = tracer->worker->stack.capacity;
  tracer->next = tracer->worker->stack.next;
}

static MM_ALWAYS_INLINE void mm_tracer_save(struct mm_tracer *tracer)
{
  if (!tracer->parallel)
    tracer->worker->stack.next = tracer->next;
}

static MM_ALWAYS_INLINE void mm_tracer_begin(struct mm_tracer *tracer,
                                             struct mm_worker *worker,
                                             bool parallel)
{
  MM_ASSERT(parallel || worker->stack.oldest == 0);
  *tracer = (struct mm_tracer){.worker = worker, .parallel = parallel};
  mm_tracer_load(tracer);
}

/* Before a goal: an empty stack that begins at 0. */
static inline void mm_trace_stack_reset(struct mm_trace_stack *stack)
{
  MM_ASSERT(stack->oldest == stack->next);
  stack->oldest = stack->next = 0;
}

static inline void mm_trace_push(struct mm_worker *worker, uint64_t entry)
{
  struct mm_trace_stack *stack = &worker->stack;
  if (__builtin_expect(stack->next - stack->oldest == stack->capacity, 0) &&
      !mm_trace_stack_grow(worker))
    return;
  stack->entries[stack->next++ & (stack->capacity - 1)] = entry;
}

static MM_ALWAYS_INLINE void mm_tracer_push(struct mm_tracer *tracer,
                                            uint64_t entry)
{
  if (tracer->parallel) {
    mm_trace_push(tracer->worker, entry);
    return;
  }
  if (__builtin_expect(tracer->next == tracer->capacity, 0)) {
    mm_tracer_save(tracer);
    bool grown = mm_trace_stack_grow(tracer->worker);
    mm_tracer_load(tracer);
    if (!grown)
      return;
  }
  tracer->entries[tracer->next++] = entry;
}

/* From a shared stack, after putting entries to spare where others find
   them. */
static inline bool mm_trace_pop_shared(struct mm_worker *worker,
                                       uint64_t *entry)
{
  struct mm_trace_stack *stack = &worker->stack;
  size_t count = stack->next - stack->oldest;
  if (count == 0)
    return false;
  if (count > MM_TRACE_SPARE && mm_deque_count(&worker->deque) == 0)
    mm_trace_share(worker);
  *entry = stack->entries[--stack->next & (stack->capacity - 1)];
  return true;
}

/* From the own stack only. */
static MM_ALWAYS_INLINE bool mm_tracer_pop_own(struct mm_tracer *tracer,
                                               uint64_t *entry)
{
  if (tracer->parallel)
    return mm_trace_pop_shared(tracer->worker, entry);
  if (tracer->next == 0)
    return false;
  *entry = tracer->entries[--tracer->next];
  return true;
}

/* From others, once the own stack is empty.  False: tracing is over. */
static MM_ALWAYS_INLINE bool mm_tracer_find(struct mm_tracer *tracer,
                                            uint64_t *entry)
{
  return tracer->parallel && mm_trace_find(tracer->worker, entry);
}

#endif
