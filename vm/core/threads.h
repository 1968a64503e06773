/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of a program: objects of panda.Thread and what can be done with
 * them.  vm/lib/lib_thread.c makes natives of these.
 *
 *   new --start--> started --run has returned or thrown--> ended
 *
 * The state stands in the object, so an object that was never started costs
 * nothing, and its constructor need not have run.  Functions that return a
 * bool: false with an exception pending, or without one when the machine is
 * exiting.  All are safepoints unless they say otherwise.
 */
#ifndef VM_CORE_THREADS_H
#define VM_CORE_THREADS_H

#include "vm/core/vm.h"

/* Fields of panda.Thread, hidden from programs; where they lie is asserted
   when the machine is created. */
enum {
  VM_THREAD_ID_OFFSET = 8,     /* i64; 0: not given yet */
  VM_THREAD_NAME_OFFSET = 16,  /* panda.String; null: not set or asked for */
  VM_THREAD_STATE_OFFSET = 20, /* u32, atomic; enum vm_thread_state */
  VM_THREAD_DAEMON_OFFSET = 24 /* u1, atomic */
};

enum vm_thread_state {
  VM_THREAD_NEW,
  VM_THREAD_STARTED,
  VM_THREAD_ENDED,
};

/*
 * Starts a thread that calls `run' of the object.  Throws
 * IllegalStateException when it was started before, OutOfMemoryError when the
 * system refuses a thread; then it may be started again.
 */
bool vm_threads_start(struct vm_thread *thread, struct mm_ref object);

/* Waits for its end; at once for one that was not started.  `ns' nanoseconds
   at most, UINT64_MAX: for ever. */
bool vm_threads_join(struct vm_thread *thread, struct mm_ref object,
                     uint64_t ns);

bool vm_threads_sleep(struct vm_thread *thread, uint64_t ns);

/* The calling thread's object; null with an exception pending. */
struct mm_ref vm_threads_current(struct vm_thread *thread);

/* Never a safepoint. */
enum vm_thread_state vm_threads_state(struct mm_ref object);

/* Main thread 1, others from 2 on, in the order in which they were started or
   asked for their number.  Never a safepoint. */
uint64_t vm_threads_id(struct vm *vm, struct mm_ref object);

/* What it was named, else "main" or "Thread-N", N from 0.  Null: exception. */
struct mm_ref vm_threads_name(struct vm_thread *thread, struct mm_ref object);

/*
 * Makes the calling thread, which C code started, one of the machine, running.
 * MM_UNSUPPORTED: the machine is exiting, or deterministic.  The machine waits
 * for it at its end, like for others.  Detached by itself, with nothing on its
 * stack; the machine may be gone then.
 */
enum mm_status vm_threads_attach(struct vm *vm, bool is_daemon,
                                 struct vm_thread **thread,
                                 struct mm_error *error);
void vm_threads_detach(struct vm_thread *thread);

/* Prints the name of a thread. Never a safepoint; takes no lock. */
void vm_threads_print_name(const struct vm_thread *thread, FILE *out);

/*
 * Has the machine exit: all threads unwind without looking for handlers, what
 * is parked wakes, and vm_run tells VM_EXITED.  The first call's status
 * counts; false: this was a later one.  The calling thread goes on until it
 * returns to its engine.  Any thread of the machine; never a safepoint.
 */
bool vm_exit(struct vm *vm, int status);

/* Has all threads but the main one, which calls, end, and waits for that. */
void vm_threads_stop_others(struct vm *vm);

/* Is there no thread but the main one, which calls? */
bool vm_threads_alone(struct vm *vm);

#endif
