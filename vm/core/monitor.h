/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monitors: each object can be locked, again and again by the same thread,
 * waited for and notified.
 *
 *   unlocked --enter--> light: owner, count     (one compare and exchange)
 *      ^                  |
 *      |                  |  another thread comes, the count overflows, the
 *   collector,            |  owner waits, the hash is asked for
 *   when idle             v
 *      +------------ inflated: the word names a monitor of the table
 *      v                  ^
 *   hashed ----enter------+
 *
 * An inflated one is deflated only while the world is stopped, when nobody has
 * it or waits for it: whoever has read the mark word and has not passed a
 * safepoint since may trust what it names.  The states are those of the mark
 * word, mm/object.h.
 *
 * A thread that ends gives up what it still has (vm_monitor_release_all).
 */
#ifndef VM_CORE_MONITOR_H
#define VM_CORE_MONITOR_H

#include "vm/core/thread.h"

struct vm_monitor_table;

/* An empty table; null when there is no memory. */
struct vm_monitor_table *vm_monitor_create(void);
void vm_monitor_destroy(struct vm_monitor_table *table);

/* How many objects have a monitor of the table.  Lock SYNC, or one thread. */
size_t vm_monitor_count(const struct vm_monitor_table *table);

/* Deflates what is idle.  World stopped and nothing moved yet; allocates
   nothing. */
void vm_monitor_deflate_idle(struct vm *vm);

/* Frees the monitors of objects that died, follows those that moved.  World
   stopped, allocates nothing. */
void vm_monitor_visit_weak(struct vm *vm, struct mm_weak_visitor *visitor);

/*
 * The operations.  False: an exception is pending, NullPointerException for
 * null, IllegalMonitorStateException when the thread does not own the
 * monitor, OutOfMemoryError when there is none to be had; or none is, because
 * the machine is exiting.  Safepoints.
 */
bool vm_monitor_enter(struct vm_thread *thread, struct mm_ref object);
bool vm_monitor_exit(struct vm_thread *thread, struct mm_ref object);

/* Wakes the thread that has waited longest, or all. */
bool vm_monitor_notify(struct vm_thread *thread, struct mm_ref object,
                       bool all);

/* Gives the monitor up, waits until notified or `ns` nanoseconds have passed
   (UINT64_MAX: as long as it takes), and has it again as often as before. */
bool vm_monitor_wait(struct vm_thread *thread, struct mm_ref object,
                     uint64_t ns);

/* How often the thread has entered the object's monitor; 0: not its owner.
   Never a safepoint. */
uint64_t vm_monitor_depth(struct vm_thread *thread, struct mm_ref object);

/* The thread that has it, null: nobody.  Lock SYNC; for reports, while nobody
   changes it. */
struct vm_thread *vm_monitor_owner_locked(struct vm *vm, struct mm_ref object);

/* Gives up every monitor that the thread has and tells how many that were.
   Stops the world when there are any.  Safepoint. */
uint32_t vm_monitor_release_all(struct vm_thread *thread);

/* The identity hash, whatever state the object is in.  0 with an exception
   pending when a monitor was needed and there is no memory. */
uint32_t vm_object_hash(struct vm_thread *thread, struct mm_ref object);

#endif
