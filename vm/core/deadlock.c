/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of a deadlock:
 *
 *   Deadlock: every thread waits for ever
 *   Thread "main" waits for the end of thread "left"
 *       at panda.Thread.join (native)
 *       at main (two-locks.pa:40)
 *   Thread "left" waits for the monitor of Fork@1c8e33, which thread "right"
 * has at ...
 *
 * All threads are parked, or about to be with their frames in order, and the
 * lock SYNC is held: nothing moves, nothing runs.
 */
#include "config.h"

#include "vm/core/park_internal.h"

#include <inttypes.h>

#include "vm/core/monitor.h"
#include "vm/core/threads.h"

static void print_thread(const struct vm_thread *thread, FILE *out)
{
  fputs("thread \"", out);
  vm_threads_print_name(thread, out);
  fputc('"', out);
}

/* Who waits for a monitor has inflated it, so the hash needs no memory. */
static void print_object(struct vm_thread *thread, FILE *out)
{
  struct mm_ref object = *thread->wait.object;
  fprintf(out, "%s@%" PRIx32, vm_class_of(object)->name,
          vm_object_hash(thread, object));
}

static void print_monitor(struct vm_thread *thread, FILE *out)
{
  const struct vm_thread *owner =
      vm_monitor_owner_locked(thread->vm, *thread->wait.object);
  fputs("the monitor of ", out);
  print_object(thread, out);
  if (!owner)
    return;
  fputs(", which ", out);
  print_thread(owner, out);
  fputs(" has", out);
}

static void print_class(const struct vm_class *class, FILE *out)
{
  fprintf(out, "the initialisation of %s", class->name);
  if (!class->init_thread)
    return;
  fputs(" by ", out);
  print_thread(class->init_thread, out);
}

static void print_wait(struct vm_thread *thread, FILE *out)
{
  const struct vm_wait *wait = &thread->wait;
  fputs(" waits for ", out);
  switch (wait->kind) {
  case VM_WAIT_ENTER:
    print_monitor(thread, out);
    break;
  case VM_WAIT_NOTIFY:
    fputs("a notification of ", out);
    print_object(thread, out);
    break;
  case VM_WAIT_JOIN:
    fputs("the end of ", out);
    print_thread(wait->target, out);
    break;
  case VM_WAIT_CLASS:
    print_class(wait->class, out);
    break;
  case VM_WAIT_OTHERS:
    fputs("the end of all others", out);
    break;
  case VM_WAIT_QUEUE:
    fputs("a reference that is cleared", out);
    break;
  case VM_WAIT_IDLE:
    fputs("finalizers and cleaners to end", out);
    break;
  case VM_WAIT_SLEEP:
  case VM_WAIT_NONE:
    fputs("nothing", out); /* not in a deadlock */
    break;
  }
  fputc('\n', out);
}

static void print_one(struct vm_thread *thread, FILE *out)
{
  struct vm_trace trace;
  fputs("Thread \"", out);
  vm_threads_print_name(thread, out);
  fputc('"', out);
  print_wait(thread, out);
  vm_trace_capture(thread, &trace);
  vm_trace_print(&trace, out);
}

/* The list begins with the youngest. */
void vm_deadlock_report_locked(struct vm *vm)
{
  FILE *err = vm->options.err;
  struct vm_thread *thread = vm->threads;
  fflush(vm->options.out); /* that it failed is found at the end */
  flockfile(err);
  fputs("Deadlock: every thread waits for ever\n", err);
  while (thread->next)
    thread = thread->next;
  for (; thread; thread = thread->previous)
    print_one(thread, err);
  funlockfile(err);
}
