/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parking: how a thread waits for another one.  All waiting of the machine is
 * built on it (monitors, joins, sleep, class initialisation).
 *
 *   lock SYNC
 *   look whether there is anything to wait for
 *   [vm_queue_add_locked]
 *   vm_park_locked           false: the machine is exiting, do not wait
 *   unlock
 *   vm_park                  in native state, until woken or time is up
 *   look again
 *
 *   whoever ends the wait: lock SYNC, vm_unpark_locked, unlock
 *
 * The waker takes the sleeper off the books, not the sleeper: a thread counts
 * as blocked from vm_park_locked to vm_unpark_locked.  So the number of those
 * that are blocked without a time limit equals the number of threads only
 * when nobody is left to wake anybody.  That is a deadlock, found by the last
 * one to park or by a thread that ends, reported, and ended (deadlock.c).
 */
#ifndef VM_CORE_PARK_INTERNAL_H
#define VM_CORE_PARK_INTERNAL_H

#include "vm/core/core_internal.h"

/* Says what the thread will wait for from now on.  False: the machine is
   exiting, now or because this would be a deadlock. */
bool vm_park_locked(struct vm_thread *thread, const struct vm_wait *wait);

/*
 * Waits, in native state, until unparked or `deadline_ns` (UINT64_MAX: none).
 * No lock is held.  A queue that the thread still stands in is left.  False:
 * nobody unparked it.  Safepoint.
 */
bool vm_park(struct vm_thread *thread, uint64_t deadline_ns);

/* Lets a parked thread go on; nothing to one that is not. */
void vm_unpark_locked(struct vm_thread *thread);

/* A thread is gone or parked: if all that are left are blocked for ever,
   reports that and has the machine exit. */
void vm_check_deadlock_locked(struct vm *vm);

/* Prints what each thread waits for, who has it, and where it stands. */
void vm_deadlock_report_locked(struct vm *vm);

/* --- Queues --- */

void vm_queue_add_locked(struct vm_queue *queue, struct vm_thread *thread);
/* Takes off the first; null: empty. */
struct vm_thread *vm_queue_take_locked(struct vm_queue *queue);
void vm_queue_leave_locked(struct vm_thread *thread);

#endif
