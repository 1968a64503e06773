/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monitors: each object can be locked, again and again by the same thread,
 * waited for and notified.
 *
 *   unlocked --enter--> light --enter--> light (count + 1) ...
 *                         |  the count overflows, or the hash is asked for
 *   hashed ---enter---> inflated
 *
 * The last exit brings an inflated one back to hashed or unlocked and frees
 * its monitor, so that the table holds locked objects only.  The states are
 * those of the mark word, mm/object.h.
 *
 * A machine runs one thread: whoever finds an object locked owns it, and
 * nobody else can end a wait.
 */
#ifndef VM_CORE_MONITOR_H
#define VM_CORE_MONITOR_H

#include "vm/core/thread.h"

struct vm_monitor_table;

/* An empty table; null when there is no memory. */
struct vm_monitor_table *vm_monitor_create(void);
void vm_monitor_destroy(struct vm_monitor_table *table);

/* How many objects are locked by a monitor of the table. */
size_t vm_monitor_count(const struct vm_monitor_table *table);

/* Frees the monitors of objects that died, follows those that moved.  World
   stopped, allocates nothing. */
void vm_monitor_visit_weak(struct vm_monitor_table *table,
                           struct mm_weak_visitor *visitor);

/*
 * The operations.  False: an exception is pending, NullPointerException for
 * null, IllegalMonitorStateException when the thread does not own the
 * monitor, OutOfMemoryError when there is none to be had.  Safepoints.
 */
bool vm_monitor_enter(struct vm_thread *thread, struct mm_ref object);
bool vm_monitor_exit(struct vm_thread *thread, struct mm_ref object);
bool vm_monitor_notify(struct vm_thread *thread, struct mm_ref object);

/* Waits `ns` nanoseconds; UINT64_MAX: until notified, which nobody could do,
   so it throws IllegalStateException. */
bool vm_monitor_wait(struct vm_thread *thread, struct mm_ref object,
                     uint64_t ns);

/* How often the thread has entered the object's monitor; 0: it is free.
   Never a safepoint. */
uint64_t vm_monitor_depth(struct vm_thread *thread, struct mm_ref object);

/* The identity hash, whatever state the object is in.  0 with an exception
   pending when a monitor was needed and there is no memory. */
uint32_t vm_object_hash(struct vm_thread *thread, struct mm_ref object);

#endif
