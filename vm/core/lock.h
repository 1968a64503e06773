/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The locks of a machine.
 *
 * Note [No lock over a safepoint]
 *
 * A thread that waits for a lock while it is RUNNING holds up whoever wants to
 * stop the world.  So a lock that is taken in that state is never held across
 * a safepoint: nothing between vm_lock and vm_unlock allocates in the heap,
 * polls, throws, or enters or leaves native state.  Then each wait is short,
 * and with the world stopped no RUNNING thread holds any lock.
 *
 * A thread in native state may take a lock and sleep on it (vm_lock_wait), as
 * long as it is still in native state when it lets go of it.  It touches no
 * object meanwhile.  The collector therefore may take a lock too: who holds it
 * needs nothing from the collector to go on.
 *
 * The one lock that is held across safepoints is that of the program's output
 * (vm/lib/output.h); it is waited for in native state only.
 */
#ifndef VM_CORE_LOCK_H
#define VM_CORE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct vm;

enum vm_lock_rank {
#define VM_LOCK(NAME, text) VM_LOCK_##NAME,
#include "vm/core/locks.def"
  VM_LOCK_COUNT
};

/* False: the system has no more of them; nothing is left behind. */
bool vm_locks_init(struct vm *vm);
void vm_locks_destroy(struct vm *vm);

void vm_lock(struct vm *vm, enum vm_lock_rank rank);
void vm_unlock(struct vm *vm, enum vm_lock_rank rank);

/* A condition whose times are those of vm_now_ns. */
bool vm_condition_init(pthread_cond_t *condition);

/*
 * Gives the lock up, sleeps, has it again.  Native state.  False: the time
 * `deadline_ns` has come; UINT64_MAX: it never does.  Wakes without a reason
 * now and then.
 */
bool vm_lock_wait(struct vm *vm, enum vm_lock_rank rank,
                  pthread_cond_t *condition, uint64_t deadline_ns);

/* Wakes all that sleep there. */
void vm_condition_notify(struct vm *vm, pthread_cond_t *condition);

/* Does the calling thread hold no lock?  True too where nobody counts (builds
   without checks).  For assertions. */
bool vm_holds_no_lock(void);

/* The clock of deadlines; a deterministic schedule has its own. */
uint64_t vm_now_ns(void);

#endif
