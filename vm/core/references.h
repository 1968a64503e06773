/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References of programs, their queues, and the finalizer; vm/lib makes
 * natives of these (lib_reference.c).
 *
 *   the collector clears ---> pending ---> dispatched by whoever asks first:
 *                                            a queue      panda.ReferenceQueue
 *                                            a job        panda.FinalReference,
 *                                                         panda.Cleanable
 *                                            nothing      nobody wants to know
 *
 * Jobs are done by the finalizer, a daemon that is started with the first thing
 * that is registered.  After a collection that leaves references pending, all
 * who wait for one are woken (in the pause, by the collector) and look.
 *
 * Who waits for a queue waits for ever, as others that nobody can wake: when
 * all threads are blocked, nobody allocates, and no collection will come.  So a
 * thread that would be the last one to block collects first.
 *
 * Functions that return a bool: false with an exception pending, or without one
 * when the machine is exiting.  All are safepoints unless they say otherwise.
 */
#ifndef VM_CORE_REFERENCES_H
#define VM_CORE_REFERENCES_H

#include "mm/reference.h"
#include "vm/core/vm.h"

/* Fields of panda.Reference, hidden from programs. */
enum {
  VM_REFERENCE_QUEUE_OFFSET = MM_REFERENCE_FIELDS_OFFSET, /* whom to tell */
  VM_REFERENCE_NEXT_OFFSET = 24,  /* in a queue, or on another list */
  VM_REFERENCE_STATE_OFFSET = 28, /* u1 */
};

/* Of panda.FinalReference and panda.Cleanable, too. */
enum {
  VM_REGISTERED_PREVIOUS_OFFSET = 32,
  VM_REGISTERED_TARGET_OFFSET = 36, /* the object that has the method */
};

/* Fields of panda.ReferenceQueue. */
enum {
  VM_QUEUE_FIRST_OFFSET = 8,
  VM_QUEUE_LAST_OFFSET = 12,
};

/* Bits of the state; lock SYNC. */
enum {
  VM_REFERENCE_MADE = 1 << 0,   /* its constructor has run */
  VM_REFERENCE_QUEUED = 1 << 1, /* stands in its queue */
  VM_REFERENCE_DONE = 1 << 2,   /* was told about, or will never be */
};

/* What a constructor does; IllegalStateException the second time.  `queue' may
   be null. */
bool vm_reference_construct(struct vm_thread *thread, struct mm_ref reference,
                            struct mm_ref referent, struct mm_ref queue);

/* Clears it and puts it in its queue; false: it has none, or has been in it.
   Never a safepoint. */
bool vm_reference_enqueue(struct vm_thread *thread, struct mm_ref reference);

/* Forgets the referent; nobody will be told.  Never a safepoint. */
void vm_reference_clear(struct vm_thread *thread, struct mm_ref reference);

/* Does it stand in its queue?  Never a safepoint. */
bool vm_reference_is_queued(struct vm_thread *thread, struct mm_ref reference);

/* The next one in the queue, or null.  Never a safepoint. */
struct mm_ref vm_queue_poll(struct vm_thread *thread, struct mm_ref queue);

/* The same, waiting for it, `ns' at most; UINT64_MAX: for ever. */
bool vm_queue_remove(struct vm_thread *thread, struct mm_ref queue, uint64_t ns,
                     struct mm_ref *reference);

/* Has the finalizer call `void finalize' of the object, once, when nothing
   refers to it any more.  UnsupportedOperationException: it has none. */
bool vm_finalizer_register(struct vm_thread *thread, struct mm_ref object);

/* Has the finalizer call `void run' of the action when the object is gone. */
bool vm_cleaner_register(struct vm_thread *thread, struct mm_ref object,
                         struct mm_ref action, struct mm_ref *cleanable);

/* Calls the action now, unless it was called or will be. */
bool vm_cleanable_clean(struct vm_thread *thread, struct mm_ref cleanable);

/* Waits until all is done that the finalizer has to do now. */
bool vm_finalizer_drain(struct vm_thread *thread);

/* What the finalizer's thread does; returns when the machine is exiting. */
bool vm_finalizer_run(struct vm_thread *thread);

/* Lets all look that wait for a reference.  Any thread, or in a pause. */
void vm_references_wake(struct vm *vm);

#endif
