/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Null checks by faults: an access through a null reference is one to the first
 * page of memory, which nobody can have mapped, so the machine finds it for
 * nothing.  The code lists its instructions that may do so, each with the place
 * where it goes on then: the slow path that throws (as HotSpot and others do;
 * Kawahito, Komatsu and Nakatani, 2000).
 *
 * The handler runs on the thread that faulted, which may hold any lock if it
 * was in C code.  So it takes none: whether this was compiled code at all is
 * seen from the address, and then the frame's register holds a frame, whose
 * method knows its codes.  What is no such fault goes to the handler that was
 * there before.
 */
#include "config.h"

#include "jit_stub/code_internal.h"

#include <signal.h>
#include <ucontext.h>

/* Who runs compiled code on this thread of the system.  The handler reads it,
   so it may not be memory that is allocated when it is first used. */
static _Thread_local struct vm_thread *running
    __attribute__((tls_model("initial-exec")));

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

static bool is_in(const struct mm_code *block, const void *at)
{
  return (uintptr_t)at - (uintptr_t)block->run < block->bytes;
}

/* Else it is C code, or a stub that uses the frame's register for itself. */
static bool is_frame(const struct vm_thread *thread, uintptr_t address)
{
  return address >= (uintptr_t)thread->stack_base &&
         address < (uintptr_t)thread->stack_end;
}

/* Where code goes on that faulted at an address, with this in the frame's
   register; null: that is no fault of ours.  No code of the method is freed
   meanwhile: for that, this thread would have to stop. */
static const void *target_of(const struct vm_thread *thread, const void *at,
                             uintptr_t rbp)
{
  if (!mm_code_contains(thread->vm->heap, at) || !is_frame(thread, rbp))
    return NULL;
  const struct vm_frame *frame = (const struct vm_frame *)rbp;
  const struct jit_code *code =
      __atomic_load_n(&frame->method->compiled, __ATOMIC_ACQUIRE);
  while (code && !is_in(&code->block, at))
    code = code->older;
  if (!code)
    return NULL;
  return target_in(
      code, (uint32_t)((const char *)at - (const char *)code->block.run));
}

static struct sigaction others;

/* Sent by somebody, it does not come again by itself; an instruction that
   faults does it again, and is not spared because faults are ignored. */
static void pass_to_system(int signal, const siginfo_t *info)
{
  bool is_sent = info->si_code <= 0;
  if (is_sent && others.sa_handler == SIG_IGN)
    return;
  sigaction(signal, &others, NULL);
  if (is_sent)
    raise(signal);
}

static void pass_on(int signal, siginfo_t *info, void *context)
{
  if (others.sa_flags & SA_SIGINFO)
    others.sa_sigaction(signal, info, context);
  else if (others.sa_handler != SIG_DFL && others.sa_handler != SIG_IGN)
    others.sa_handler(signal);
  else
    pass_to_system(signal, info);
}

static void handle(int signal, siginfo_t *info, void *context)
{
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  const void *target = NULL;
  if (running && info->si_code > 0 &&
      (uintptr_t)info->si_addr < JIT_NULL_PAGE_BYTES)
    target = target_of(running, (const void *)registers[REG_RIP],
                       (uintptr_t)registers[REG_RBP]);
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
