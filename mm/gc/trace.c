/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracing work: growing stacks, sharing, and knowing when all is done; see
 * trace_internal.h.
 *
 * The end: a worker whose stack and deque are empty and that could not steal
 * counts itself idle and watches.  Only workers that are not idle have
 * entries, so when all are idle there are none left anywhere.  One that sees
 * an entry counts itself out again before it tries to steal it.
 */
#include "config.h"

#include "mm/gc/trace_inline_internal.h"

#include "mm/native.h"
#include "mm/assert_internal.h"
#include "mm/gc/faults_internal.h"
#include "mm/gc/spin_internal.h"

#include <sched.h>

enum {
  FIRST_ENTRIES = 2048,
  KEEP_ENTRIES = 64 * 1024, /* larger stacks are not kept */
};

static bool set_capacity(struct mm_trace_stack *stack, size_t capacity)
{
  uint64_t *entries =
      mm_native_alloc_dirty(MM_PURPOSE_TRACE, capacity * sizeof(*entries));
  if (!entries)
    return false;
  size_t count = stack->next - stack->oldest;
  MM_ASSERT(count <= capacity && (capacity & (capacity - 1)) == 0);
  for (size_t i = 0; i < count; i++)
    entries[i] = stack->entries[(stack->oldest + i) & (stack->capacity - 1)];
  mm_trace_stack_destroy(stack);
  *stack = (struct mm_trace_stack){entries, capacity, 0, count};
  return true;
}

bool mm_trace_stack_init(struct mm_trace_stack *stack)
{
  *stack = (struct mm_trace_stack){0};
  return set_capacity(stack, FIRST_ENTRIES);
}

void mm_trace_stack_destroy(struct mm_trace_stack *stack)
{
  mm_native_free(MM_PURPOSE_TRACE, stack->entries,
                 stack->capacity * sizeof(*stack->entries));
  stack->entries = NULL;
}

bool mm_trace_stack_grow(struct mm_worker *worker)
{
  struct mm_trace_stack *stack = &worker->stack;
  if (stack->capacity < worker->heap->trace_entries_max &&
      set_capacity(stack, 2 * stack->capacity))
    return true;
  worker->stack_overflowed = true;
  return false;
}

void mm_trace_stack_shrink(struct mm_trace_stack *stack)
{
  MM_ASSERT(stack->next == stack->oldest);
  /* Failing to get the smaller one leaves the larger one: no harm. */
  if (stack->capacity > KEEP_ENTRIES)
    (void)set_capacity(stack, FIRST_ENTRIES);
}

void mm_trace_share(struct mm_worker *worker)
{
  struct mm_trace_stack *stack = &worker->stack;
  size_t spare = (stack->next - stack->oldest) / 2;
  if (spare > MM_DEQUE_ENTRIES / 4)
    spare = MM_DEQUE_ENTRIES / 4;
  while (spare-- > 0) {
    uint64_t entry = stack->entries[stack->oldest & (stack->capacity - 1)];
    if (!mm_deque_push(&worker->deque, entry))
      return;
    stack->oldest++;
  }
}

bool mm_trace_take_overflow(struct mm_workers *workers)
{
  bool overflowed = false;
  for (unsigned i = 0; i < workers->count; i++) {
    overflowed |= workers->each[i].stack_overflowed;
    workers->each[i].stack_overflowed = false;
  }
  return overflowed && !mm_breaks(workers->heap, MM_FAULT_OVERFLOW);
}

/* Tries the others once, the next one first. */
static bool steal(struct mm_worker *worker, uint64_t *entry)
{
  struct mm_workers *workers = worker->workers;
  MM_ASSERT(worker->index < workers->active);
  for (unsigned i = 1; i < workers->active; i++) {
    unsigned victim = (worker->index + i) % workers->active;
    if (mm_deque_steal(&workers->each[victim].deque, entry))
      return true;
  }
  return false;
}

static bool anyone_has_entries(const struct mm_workers *workers)
{
  for (unsigned i = 0; i < workers->active; i++)
    if (mm_deque_count(&workers->each[i].deque) > 0)
      return true;
  return false;
}

/* Watches as an idle worker.  False when all are idle. */
static bool wait_for_entries(struct mm_workers *workers)
{
  uint32_t idle = __atomic_add_fetch(&workers->idle, 1, __ATOMIC_SEQ_CST);
  MM_ASSERT(idle <= workers->active);
  (void)idle;
  struct mm_spin spin = {0};
  for (;;) {
    if (__atomic_load_n(&workers->idle, __ATOMIC_SEQ_CST) == workers->active)
      return false;
    if (anyone_has_entries(workers)) {
      __atomic_sub_fetch(&workers->idle, 1, __ATOMIC_SEQ_CST);
      return true;
    }
    if (!mm_spin_once(&spin))
      sched_yield();
  }
}

bool mm_trace_find(struct mm_worker *worker, uint64_t *entry)
{
  do {
    if (mm_deque_take(&worker->deque, entry) || steal(worker, entry))
      return true;
  } while (wait_for_entries(worker->workers));
  return false;
}
