/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of the machine: a mutator of the heap with a VM stack.
 *
 *   made --attached--> running <----> parked     (vm/core/park_internal.h)
 *                         |
 *                       ended --> stack dropped --> joined and freed
 *
 * The main thread is the one that created the machine.  The others are
 * started by programs and have an object of panda.Thread (vm/core/threads.h).
 */
#ifndef VM_CORE_THREAD_H
#define VM_CORE_THREAD_H

#include "mm/mm.h"
#include "vm/core/frame.h"

#include <pthread.h>

/* What a thread is parked for. */
enum vm_wait_kind {
  VM_WAIT_NONE,
  VM_WAIT_ENTER,  /* a monitor that another thread has */
  VM_WAIT_NOTIFY, /* to be notified */
  VM_WAIT_JOIN,   /* the end of a thread */
  VM_WAIT_CLASS,  /* a class that another thread initialises */
  VM_WAIT_OTHERS, /* the main thread: the end of the others */
  VM_WAIT_QUEUE,  /* a reference in a queue, or work for the finalizer */
  VM_WAIT_IDLE,   /* the finalizer: to have nothing to do */
  VM_WAIT_SLEEP,
};

/* Guarded by the lock SYNC. */
struct vm_wait {
  enum vm_wait_kind kind;
  bool for_ever;               /* no time limit */
  const struct mm_ref *object; /* ENTER, NOTIFY, JOIN: in a scope or a frame of
                                  the thread */
  struct vm_class *class;      /* CLASS */
  struct vm_thread *target;    /* JOIN */
};

/* Threads that wait for the same, first come first. */
struct vm_queue {
  struct vm_thread *first, *last;
  uint32_t count; /* atomic: read without the lock */
};

struct vm_thread {
  struct mm_mutator mutator; /* first */
  struct vm *vm;
  struct vm_frame *top;       /* innermost frame; written by the engine
                                 before anything that may walk the stack */
  union vm_slot *stack_base;  /* lowest slot of the VM stack */
  union vm_slot *stack_limit; /* no frame that runs may reach beyond this, but
                                 a native's */
  union vm_slot *stack_end;   /* the guard page begins here; between limit
                                 and end there is room for one frame, be it
                                 the largest: see thread.c */
  union vm_slot *code_limit;  /* as stack_limit, and no compiled frame beyond
                                 this: its machine stack would not suffice;
                                 see mutator.entry_limit */
  void *activation;           /* the compiler's: innermost stay in compiled
                                 code; null: none */
  struct mm_ref exception;    /* pending; null: none. A root */
  struct mm_ref object;       /* of panda.Thread; the main thread's is null
                                 until asked for. A root */
  uintptr_t c_stack_limit;    /* the engine is not entered below this */
  uint32_t monitors_held;     /* how many, each once */
  void *native;               /* vm/native's: struct native_thread; null: none
                                 yet */
  struct vm_thread *next, *previous; /* of the machine; lock SYNC */
  struct vm_wait wait;               /* lock SYNC */
  struct vm_queue *queue;            /* that it stands in; lock SYNC */
  struct vm_thread *queue_next;
  pthread_cond_t wake;
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

/*
 * Makes the calling thread a thread of the machine: maps a VM stack of
 * `stack_bytes` with a guard page and attaches it to the heap.  MM_NO_MEMORY
 * or MM_OS_FAILED leave nothing behind.  Destroyed by the same thread, with
 * nothing on its stack.
 */
enum mm_status vm_thread_create(struct vm *vm, size_t stack_bytes,
                                struct vm_thread **thread,
                                struct mm_error *error);
void vm_thread_destroy(struct vm_thread *thread);

/* The calling thread, or null: none of the machine.  For reports of crashes:
   takes no lock, though it should. */
const struct vm_thread *vm_thread_here(const struct vm *vm);

#endif
