/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a thread, and the way from C code into the machine and back.
 *
 *   C code: native state  --native_enter-->  running  --native_leave-->  native
 *
 * Within a critical region the thread is running all the time, so that nothing
 * moves; then the two change nothing.
 */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/native/native_internal.h"

#include <string.h>

/* A handle of whatever object, so that the frames of calls find room in that of
   the thread: without they would each begin a row of their own. */
static bool make_room(struct vm_thread *thread)
{
  struct mm_handle handle;
  if (mm_local_new(&thread->mutator, thread->vm->out_of_memory, &handle) !=
      MM_HANDLE_OK)
    return false;
  return mm_local_delete(&thread->mutator, handle) == MM_HANDLE_OK;
}

static struct native_thread *make(struct vm_thread *thread)
{
  if (!make_room(thread))
    return NULL;
  struct native_thread *native =
      mm_native_alloc(VM_PURPOSE_NATIVES, sizeof *native);
  if (!native)
    return NULL;
  native->thread = thread;
  native_here = thread;
  native->env.version = BAMBOO_NATIVE_VERSION;
  native->env.bytes = sizeof native->env;
  native_fill_classes(&native->env);
  native_fill_fields(&native->env);
  native_fill_calls(&native->env);
  native_fill_arrays(&native->env);
  native_fill_strings(&native->env);
  native_fill_exceptions(&native->env);
  native_fill_references(&native->env);
  native_fill_natives(&native->env);
  return native;
}

struct native_thread *native_thread_get(struct vm_thread *thread)
{
  if (!thread->native) {
    thread->native = make(thread);
    if (!thread->native)
      vm_throw_out_of_memory(thread);
  }
  return thread->native;
}

/* --- In and out: See Note [Pending exceptions] in native.h --- */

struct vm_thread *native_find_here(struct vm *vm)
{
  vm_lock(vm, VM_LOCK_SYNC);
  const struct vm_thread *thread = vm_thread_here(vm);
  vm_unlock(vm, VM_LOCK_SYNC);
  return (struct vm_thread *)thread;
}

/* A thread may be one of several machines, so the last one that it used need
   not be this. */
static void check_thread(struct vm_thread *thread, const char *function)
{
  if (native_here == thread)
    return;
  if (!pthread_equal(vm_thread_private(thread)->handle, pthread_self()))
    native_mistake(NULL, function,
                   "use the table of the calling thread (bamboo_vm.get_env, "
                   "bamboo_vm.attach)",
                   "the table belongs to another thread");
  native_here = thread;
}

void native_enter_slow(struct native_thread *native, const char *function,
                       unsigned allows)
{
  struct vm_thread *thread = native->thread;
  check_thread(thread, function);
  if (native->criticals == 0)
    mm_leave_native(&thread->mutator);
  else if (!(allows & NATIVE_CRITICAL))
    native_mistake(thread, function, "call release_critical first",
                   "it is called within a critical region");
  if (!mm_is_null(thread->exception) && !(allows & NATIVE_PENDING))
    native_mistake(thread, function,
                   "return, or call exception_clear first; ask exception_check "
                   "after each call that may throw",
                   "it is called while a %s is pending",
                   vm_class_of(thread->exception)->name);
}

/* --- What C code holds --- */

/* What is released is kept for the next one, if it is small: most code has one
   at a time. */
enum { SMALL_TEXT_BYTES = 200 };

static struct native_held *new_held(struct vm_thread *thread,
                                    enum native_held_kind kind, size_t room)
{
  struct native_thread *native = thread->native;
  struct native_held *held = native->spare[kind];
  size_t bytes = sizeof *held + room;
  if (held && bytes <= held->bytes) {
    native->spare[kind] = NULL;
    return held;
  }
  held = mm_native_alloc_dirty(VM_PURPOSE_COPIES, bytes);
  if (held) {
    held->bytes = bytes;
    held->kind = kind;
  } else {
    vm_throw_out_of_memory(thread);
  }
  return held;
}

static void link_held(struct native_thread *native, struct native_held *held,
                      const void *data)
{
  held->data = data;
  held->next = native->held;
  native->held = held;
}

struct native_held *native_hold_text(struct vm_thread *thread, size_t bytes)
{
  size_t room = bytes < SMALL_TEXT_BYTES ? SMALL_TEXT_BYTES : bytes;
  struct native_held *held = new_held(thread, NATIVE_HELD_TEXT, room);
  if (held)
    link_held(thread->native, held, held->text);
  return held;
}

struct native_held *native_hold_elements(struct vm_thread *thread,
                                         bamboo_array array)
{
  struct native_held *held = new_held(thread, NATIVE_HELD_ELEMENTS, 0);
  if (!held)
    return NULL;
  enum mm_handle_status status =
      mm_pin(&thread->mutator, mm_handle_of_pointer(array), &held->array);
  if (status != MM_HANDLE_OK) {
    mm_native_free(VM_PURPOSE_COPIES, held, held->bytes);
    native_throw_handle(thread, status);
    return NULL;
  }
  link_held(
      thread->native, held,
      vm_object_at(held->array, vm_class_of(held->array)->layout.base_bytes));
  return held;
}

struct native_held *native_unhold(struct native_thread *native,
                                  const void *data, enum native_held_kind kind)
{
  struct native_held **link = &native->held;
  while (*link && !((*link)->data == data && (*link)->kind == kind))
    link = &(*link)->next;
  struct native_held *held = *link;
  if (held)
    *link = held->next;
  return held;
}

void native_held_free(struct native_thread *native, struct native_held *held)
{
  size_t room = held->kind == NATIVE_HELD_TEXT ? SMALL_TEXT_BYTES : 0;
  if (held->kind == NATIVE_HELD_ELEMENTS)
    mm_unpin_object(native->thread->vm->heap, held->array);
  if (!native->spare[held->kind] && held->bytes == sizeof *held + room)
    native->spare[held->kind] = held;
  else
    mm_native_free(VM_PURPOSE_COPIES, held, held->bytes);
}

void vm_native_end_thread(struct vm_thread *thread)
{
  struct native_thread *native = thread->native;
  if (native_here == thread)
    native_here = NULL;
  while (native && native->held) {
    struct native_held *held = native->held;
    native->held = held->next;
    native_held_free(native, held);
  }
}

void vm_native_forget_thread(struct vm_thread *thread)
{
  struct native_thread *native = thread->native;
  vm_native_end_thread(thread);
  if (!native)
    return;
  for (int kind = 0; kind < NATIVE_HELD_KINDS; kind++)
    if (native->spare[kind])
      mm_native_free(VM_PURPOSE_COPIES, native->spare[kind],
                     native->spare[kind]->bytes);
  thread->native = NULL;
  mm_native_free(VM_PURPOSE_NATIVES, native, sizeof *native);
}
