/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of the machine: a mutator of the heap with a VM stack.
 */
#ifndef VM_CORE_THREAD_H
#define VM_CORE_THREAD_H

#include "mm/mm.h"
#include "vm/core/frame.h"

struct vm_thread {
  struct mm_mutator mutator; /* first */
  struct vm *vm;
  struct vm_frame *top;       /* innermost frame; written by the engine
                                 before anything that may walk the stack */
  union vm_slot *stack_base;  /* lowest slot of the VM stack */
  union vm_slot *stack_limit; /* no frame may reach beyond this */
  union vm_slot *stack_end;   /* the guard page begins here; the slots
                                 between limit and end are a reserve for
                                 natives and for throwing */
  struct mm_ref exception;    /* pending; null: none. A root */
  uintptr_t c_stack_limit;    /* the engine is not entered below this */
};

/* The exception pending on the thread, taken off it. */
static inline struct mm_ref vm_thread_take_exception(struct vm_thread *thread)
{
  struct mm_ref exception = thread->exception;
  thread->exception = MM_NULL;
  return exception;
}

/* Thread owning the mutator. */
static inline struct vm_thread *vm_thread_of(struct mm_mutator *mutator)
{
  return (struct vm_thread *)mutator;
}

/* Maps a VM stack of `stack_bytes` with a guard page and attaches the thread
   to the heap.  MM_NO_MEMORY or MM_OS_FAILED leave nothing behind. */
enum mm_status vm_thread_create(struct vm *vm, size_t stack_bytes,
                                struct vm_thread **thread,
                                struct mm_error *error);
void vm_thread_destroy(struct vm_thread *thread);

#endif
