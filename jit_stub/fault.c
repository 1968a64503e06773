/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Null checks by faults: an access through a null reference is one to the first
 * page of memory, which nobody can have mapped, so the machine finds it for
 * nothing.  The code lists its instructions that may do so, each with the place
 * where it goes on then: the slow path that throws (as HotSpot and others do;
 * Kawahito, Komatsu and Nakatani, 2000).
 *
 * The handler runs on the thread that faulted, in compiled code, which holds no
 * lock; so it may look the code up as anybody else.  What is no such fault goes
 * to the handler that was there before.
 */
#include "config.h"

#include "jit_stub/code_internal.h"

#include <signal.h>
#include <ucontext.h>

/* Who runs compiled code on this thread of the system. */
static _Thread_local struct vm_thread *running;

struct vm_thread *jit_fault_watch(struct vm_thread *thread)
{
  struct vm_thread *before = running;
  running = thread;
  return before;
}

static const void *target_in(const struct jit_code *code, uint32_t offset)
{
  uint32_t low = 0, high = code->fault_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (code->faults[middle].offset < offset)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == code->fault_count || code->faults[low].offset != offset)
    return NULL;
  return (const char *)code->block.run + code->faults[low].target;
}

/* Where code goes on that faulted at an address; null: that is no fault of
   ours. */
static const void *target_of(const struct vm_thread *thread, const void *at)
{
  struct mm_code block;
  if (!mm_code_find(thread->vm->heap, at, &block) || !block.owner)
    return NULL;
  return target_in(block.owner,
                   (uint32_t)((const char *)at - (const char *)block.run));
}

static struct sigaction others;

static void pass_on(int signal, siginfo_t *info, void *context)
{
  if (others.sa_flags & SA_SIGINFO)
    others.sa_sigaction(signal, info, context);
  else if (others.sa_handler != SIG_DFL && others.sa_handler != SIG_IGN)
    others.sa_handler(signal);
  else
    sigaction(signal, &others, NULL); /* it faults again */
}

static void handle(int signal, siginfo_t *info, void *context)
{
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const void *target = NULL;
  if (running && info->si_code > 0 &&
      (uintptr_t)info->si_addr < JIT_NULL_PAGE_BYTES)
    target = target_of(running, (const void *)registers[REG_RIP]);
  if (target)
    registers[REG_RIP] = (greg_t)target;
  else
    pass_on(signal, info, context);
}

static void install(void)
{
  struct sigaction action = {.sa_sigaction = handle,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &others);
}

void jit_faults_start(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
}
