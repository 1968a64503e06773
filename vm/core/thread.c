/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread: its VM stack and its place in the heap.
 *
 *   map                                                     map + map_bytes
 *   | stack_base ...  frames, upwards  ... stack_limit | reserve | guard page |
 *                                                      stack_end ^
 *
 * Frames of methods end at or below stack_limit before they run.  Compiled code
 * writes a callee's header and arguments before the callee has checked, and the
 * arguments stand behind the callee's other registers, which a virtual call
 * does not know; natives that compiled code calls do not check at all.  So the
 * reserve holds the largest frame that there can be.  It comes on top of what
 * was asked for, and takes memory only where it is written.  The guard page
 * turns a mistake about this into a fault.
 *
 * c_stack_limit is the lowest address at which the engine may be entered from
 * C: the end of the thread's C stack plus a margin for what does not check,
 * natives and the collector.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm/core/natives.h"
#include "vm/core/purposes.h"

enum {
  RESERVE_SLOTS = VM_FRAME_SLOTS + VM_REG_COUNT_MAX,
  STACK_MIN_BYTES = 64 * 1024,
};

/* Sanitizers make C frames several times as large. */
#if defined BAMBOO_ASAN || defined BAMBOO_TSAN || defined BAMBOO_UBSAN
enum { C_STACK_MARGIN_BYTES = 1024 * 1024 };
#else
enum { C_STACK_MARGIN_BYTES = 256 * 1024 };
#endif

/* Of a C stack without a limit this much is used. */
#define C_STACK_MAX_BYTES ((uintptr_t)64 * 1024 * 1024)

static uintptr_t lowest_c_address(uintptr_t here)
{
  uintptr_t lowest = here > C_STACK_MAX_BYTES ? here - C_STACK_MAX_BYTES : 0;
  pthread_attr_t attributes;
  void *address;
  size_t bytes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0)
    return here - 2 * C_STACK_MARGIN_BYTES; /* what surely is there */
  if (pthread_attr_getstack(&attributes, &address, &bytes) == 0 &&
      (uintptr_t)address > lowest && (uintptr_t)address < here)
    lowest = (uintptr_t)address;
  pthread_attr_destroy(&attributes);
  return lowest;
}

/* A stack smaller than two margins is used by half. */
static uintptr_t find_c_stack_limit(void)
{
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  uintptr_t lowest = lowest_c_address(here);
  uintptr_t margin = C_STACK_MARGIN_BYTES;
  if (here - lowest < 2 * margin)
    margin = (here - lowest) / 2;
  return lowest + margin;
}

static size_t in_pages(size_t bytes, size_t page)
{
  return (bytes + page - 1) / page * page;
}

static enum mm_status map_stack(struct thread_private *private,
                                size_t stack_bytes, struct mm_error *error)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (stack_bytes < STACK_MIN_BYTES)
    stack_bytes = STACK_MIN_BYTES;
  if (stack_bytes > SIZE_MAX / 2)
    goto fail_size;
  size_t frames_bytes = in_pages(stack_bytes, page);
  private->map_bytes = frames_bytes +
                       in_pages(RESERVE_SLOTS * sizeof(union vm_slot), page) +
                       page;
  if (mm_native_fails_now())
    goto fail_size;
  void *map = mmap(NULL, private->map_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED)
    goto fail_size;
  if (mprotect((char *)map + private->map_bytes - page, page, PROT_NONE) != 0)
    goto fail_protect;
  mm_native_charge(VM_PURPOSE_STACKS, (int64_t) private->map_bytes);
  private->map = map;
  private->thread.stack_base = map;
  private->thread.stack_end =
      (union vm_slot *)((char *)map + private->map_bytes - page);
  private->thread.stack_limit = (union vm_slot *)((char *)map + frames_bytes);
  return MM_OK;

fail_protect:
  snprintf(error->text, sizeof error->text,
           "cannot protect the end of the stack: %s", strerror(errno));
  munmap(map, private->map_bytes);
  return MM_OS_FAILED;
fail_size:
  snprintf(error->text, sizeof error->text,
           "no memory for a stack of %zu bytes; choose a smaller --stack",
           stack_bytes);
  return MM_NO_MEMORY;
}

static void unmap_stack(struct thread_private *private)
{
  munmap(private->map, private->map_bytes);
  mm_native_charge(VM_PURPOSE_STACKS, -(int64_t) private->map_bytes);
}

void vm_thread_settle(struct vm_thread *thread)
{
  vm_thread_private(thread)->handle = pthread_self();
  thread->c_stack_limit = find_c_stack_limit();
}

const struct vm_thread *vm_thread_here(const struct vm *vm)
{
  struct vm_thread *thread = vm->threads;
  while (thread &&
         !pthread_equal(vm_thread_private(thread)->handle, pthread_self()))
    thread = thread->next;
  return thread;
}

enum mm_status vm_thread_make(struct vm *vm, size_t stack_bytes,
                              struct vm_thread **thread, struct mm_error *error)
{
  struct thread_private *private =
      mm_native_alloc(VM_PURPOSE_THREADS, sizeof *private);
  if (!private) {
    snprintf(error->text, sizeof error->text, "no memory for a thread");
    return MM_NO_MEMORY;
  }
  private->thread.vm = vm;
  enum mm_status status = map_stack(private, stack_bytes, error);
  if (status != MM_OK)
    goto fail_map;
  if (!vm_condition_init(&private->thread.wake)) {
    snprintf(error->text, sizeof error->text, "no memory for a thread");
    status = MM_NO_MEMORY;
    goto fail_condition;
  }
  *thread = &private->thread;
  return MM_OK;

fail_condition:
  unmap_stack(private);
fail_map:
  mm_native_free(VM_PURPOSE_THREADS, private, sizeof *private);
  return status;
}

void vm_thread_drop_stack(struct vm_thread *thread)
{
  struct thread_private *private = vm_thread_private(thread);
  if (private->map)
    unmap_stack(private);
  private->map = NULL;
}

void vm_thread_free(struct vm_thread *thread)
{
  struct thread_private *private = vm_thread_private(thread);
  vm_native_forget_thread(thread);
  vm_thread_drop_stack(thread);
  pthread_cond_destroy(&thread->wake);
  mm_native_free(VM_PURPOSE_THREADS, private, sizeof *private);
}

void vm_thread_link_locked(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  thread->next = vm->threads;
  if (thread->next)
    thread->next->previous = thread;
  vm->threads = thread;
  vm_core_of(vm)->threads.alive++;
}

void vm_thread_unlink_locked(struct vm_thread *thread)
{
  if (thread->previous)
    thread->previous->next = thread->next;
  else
    thread->vm->threads = thread->next;
  if (thread->next)
    thread->next->previous = thread->previous;
  vm_core_of(thread->vm)->threads.alive--;
}

enum mm_status vm_thread_create(struct vm *vm, size_t stack_bytes,
                                struct vm_thread **thread,
                                struct mm_error *error)
{
  struct vm_thread *new;
  enum mm_status status = vm_thread_make(vm, stack_bytes, &new, error);
  if (status != MM_OK)
    return status;
  vm_thread_settle(new);
  mm_schedule_add(vm->heap, &vm_thread_private(new)->task);
  mm_schedule_begin(vm->heap, &vm_thread_private(new)->task);
  status = mm_mutator_attach(vm->heap, &new->mutator);
  if (status != MM_OK) {
    snprintf(error->text, sizeof error->text,
             "the heap has no memory or no place for a thread");
    mm_schedule_end(vm->heap, &vm_thread_private(new)->task);
    vm_thread_free(new);
    return status;
  }
  vm_lock(vm, VM_LOCK_SYNC);
  vm_thread_link_locked(new);
  vm_unlock(vm, VM_LOCK_SYNC);
  *thread = new;
  return MM_OK;
}

void vm_thread_destroy(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  vm_lock(vm, VM_LOCK_SYNC);
  vm_thread_unlink_locked(thread);
  vm_unlock(vm, VM_LOCK_SYNC);
  vm_native_end_thread(thread);
  mm_mutator_detach(&thread->mutator);
  mm_schedule_end(vm->heap, &vm_thread_private(thread)->task);
  vm_thread_free(thread);
}
