/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parking threads, and the queues they stand in; see park_internal.h.  Also
 * the end of all waiting: vm_exit.
 */
#include "config.h"

#include "vm/core/park_internal.h"

#include "vm/core/threads.h"

/* --- Queues --- */

static void set_count(struct vm_queue *queue, uint32_t count)
{
  __atomic_store_n(&queue->count, count, __ATOMIC_SEQ_CST);
}

void vm_queue_add_locked(struct vm_queue *queue, struct vm_thread *thread)
{
  VM_ASSERT(!thread->queue && !thread->queue_next);
  thread->queue = queue;
  if (queue->last)
    queue->last->queue_next = thread;
  else
    queue->first = thread;
  queue->last = thread;
  set_count(queue, queue->count + 1);
}

void vm_queue_leave_locked(struct vm_thread *thread)
{
  struct vm_queue *queue = thread->queue;
  struct vm_thread *before = NULL;
  for (struct vm_thread *at = queue->first; at != thread; at = at->queue_next)
    before = at;
  if (before)
    before->queue_next = thread->queue_next;
  else
    queue->first = thread->queue_next;
  if (queue->last == thread)
    queue->last = before;
  thread->queue = NULL;
  thread->queue_next = NULL;
  set_count(queue, queue->count - 1);
}

struct vm_thread *vm_queue_take_locked(struct vm_queue *queue)
{
  struct vm_thread *thread = queue->first;
  if (thread)
    vm_queue_leave_locked(thread);
  return thread;
}

/* --- Parking --- */

bool vm_park_locked(struct vm_thread *thread, const struct vm_wait *wait)
{
  struct vm *vm = thread->vm;
  VM_ASSERT(thread->wait.kind == VM_WAIT_NONE && wait->kind != VM_WAIT_NONE);
  if (vm_is_exiting(vm))
    return false;
  thread->wait = *wait;
  if (wait->for_ever) {
    vm_core_of(vm)->threads.blocked++;
    vm_check_deadlock_locked(vm);
  }
  return thread->wait.kind != VM_WAIT_NONE;
}

void vm_unpark_locked(struct vm_thread *thread)
{
  if (thread->wait.kind == VM_WAIT_NONE)
    return;
  vm_core_of(thread->vm)->threads.blocked -= thread->wait.for_ever;
  thread->wait = (struct vm_wait){.kind = VM_WAIT_NONE};
  vm_condition_notify(thread->vm, &thread->wake);
}

bool vm_park(struct vm_thread *thread, uint64_t deadline_ns)
{
  struct vm *vm = thread->vm;
  bool in_time = true;
  VM_ASSERT(vm_holds_no_lock());
  mm_enter_native(&thread->mutator);
  vm_lock(vm, VM_LOCK_SYNC);
  while (thread->wait.kind != VM_WAIT_NONE && in_time)
    in_time = vm_lock_wait(vm, VM_LOCK_SYNC, &thread->wake, deadline_ns);
  bool woken = thread->wait.kind == VM_WAIT_NONE;
  vm_unpark_locked(thread);
  if (thread->queue)
    vm_queue_leave_locked(thread);
  vm_unlock(vm, VM_LOCK_SYNC);
  mm_leave_native(&thread->mutator);
  return woken && !vm_is_exiting(vm);
}

/* --- Exiting --- */

static bool exit_locked(struct vm *vm, int status)
{
  if (vm_is_exiting(vm))
    return false;
  vm->exit_status = status;
  __atomic_store_n(&vm->exiting, true, __ATOMIC_RELEASE);
  for (struct vm_thread *t = vm->threads; t; t = t->next)
    vm_unpark_locked(t);
  return true;
}

bool vm_exit(struct vm *vm, int status)
{
  vm_lock(vm, VM_LOCK_SYNC);
  bool first = exit_locked(vm, status);
  vm_unlock(vm, VM_LOCK_SYNC);
  mm_poll_always(vm->heap, true);
  return first;
}

void vm_check_deadlock_locked(struct vm *vm)
{
  struct core *core = vm_core_of(vm);
  VM_ASSERT(core->threads.blocked <= core->threads.alive);
  if (core->threads.blocked != core->threads.alive ||
      core->threads.alive == 0 || vm_is_exiting(vm))
    return;
  vm_deadlock_report_locked(vm);
  core->threads.deadlocked = true;
  exit_locked(vm, 1);
}
