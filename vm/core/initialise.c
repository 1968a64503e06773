/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Class initialisation (4.3): the base first, then values of static fields,
 * then the class's own initialiser.
 *
 *   loaded --> initialising --> initialised
 *     |             \--throws--> broken --use--> NoClassDefFoundError
 *     \--base is final, VerifyError--> broken
 *
 * A thread that meets a class it is initialising itself goes on with it; one
 * that meets a class which another thread initialises parks until that has
 * ended.  (Gosling et al., "The Java Language Specification", 12.4.2.  Two
 * threads that need each other's class wait for ever there; here that is a
 * deadlock like others and is reported.)
 *
 * Lock SYNC guards changes of `state` and `init_thread`; that a class is
 * initialised is seen without it.
 * What the initialiser throws is wrapped in ExceptionInInitializerError,
 * unless it is a panda.Error.
 */
#include "config.h"

#include "vm/core/park_internal.h"

static void set_state(struct vm_class *class, enum vm_class_state state)
{
  __atomic_store_n(&class->state, state, __ATOMIC_RELEASE);
}

static bool extends_final(const struct vm_class *class)
{
  return class->base && (class->base->flags & VM_FLAG_FINAL);
}

/* Static fields whose value is a string. */
static bool set_string_values(struct vm_thread *thread, struct vm_class *class)
{
  uint32_t own = 0;
  uint32_t count = class->record ? class->record->field_count : 0;
  for (uint32_t i = 0; i < count; i++) {
    const struct vm_field_def *def = &class->record->fields[i];
    if (def->flags & VM_FLAG_EXTERNAL)
      continue;
    const struct vm_field *field = &class->fields[own++];
    if (!field->is_static || !(def->flags & VM_FLAG_HAS_VALUE) ||
        field->prim != VM_PRIM_REF)
      continue;
    struct mm_ref string =
        vm_resolve_string(thread, class->module, (uint32_t)def->value);
    if (mm_is_null(string))
      return false;
    /* A cycle may be reading it; see Note [Statics that are logged]. */
    uint32_t *slot = &class->statics[field->offset].ref.bits;
    mm_barrier_before(&thread->mutator, slot);
    __atomic_store_n(slot, string.bits, __ATOMIC_RELAXED);
  }
  return true;
}

static bool run_initialiser(struct vm_thread *thread, struct vm_class *class)
{
  struct vm_method *method = class->initialiser;
  union vm_slot result;
  if (!method)
    return true;
  return thread->vm->engine.invoke(thread, method, NULL, &result);
}

/* What left the initialiser is pending. */
static bool wrap_exception(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  if (vm_is_exiting(vm))
    return false;
  struct vm_class *class = vm_class_of(thread->exception);
  if (vm_class_is_subclass(class, vm->known.error[VM_ERROR_ERROR]))
    return false;
  return vm_throw_with_cause(thread, VM_ERROR_INITIALIZER, MM_NULL,
                             vm_thread_take_exception(thread));
}

static bool initialise_own(struct vm_thread *thread, struct vm_class *class)
{
  if (!set_string_values(thread, class))
    return false;
  return run_initialiser(thread, class) || wrap_exception(thread);
}

/* Bases nest, and so do initialisers that need each other's classes. */
static bool is_c_stack_low(const struct vm_thread *thread)
{
  return (uintptr_t)__builtin_frame_address(0) < thread->c_stack_limit;
}

static void wake_waiters_locked(struct vm *vm, const struct vm_class *class)
{
  for (struct vm_thread *t = vm->threads; t; t = t->next)
    if (t->wait.kind == VM_WAIT_CLASS && t->wait.class == class)
      vm_unpark_locked(t);
}

static void settle(struct vm *vm, struct vm_class *class,
                   enum vm_class_state state)
{
  vm_lock(vm, VM_LOCK_SYNC);
  class->init_thread = NULL;
  set_state(class, state);
  wake_waiters_locked(vm, class);
  vm_unlock(vm, VM_LOCK_SYNC);
}

/* The class is this thread's. */
static bool initialise_now(struct vm_thread *thread, struct vm_class *class)
{
  if (is_c_stack_low(thread)) {
    settle(thread->vm, class, VM_CLASS_LOADED); /* may be tried again */
    return vm_throw_stack_overflow(thread);
  }
  if (extends_final(class)) {
    settle(thread->vm, class, VM_CLASS_BROKEN);
    return vm_throw(thread, VM_ERROR_VERIFY, "%s", class->name);
  }
  bool ok = (!class->base || vm_class_initialise(thread, class->base)) &&
            initialise_own(thread, class);
  settle(thread->vm, class, ok ? VM_CLASS_INITIALISED : VM_CLASS_BROKEN);
  return ok;
}

/* Takes the class for this thread, or parks it; the state that was found. */
static enum vm_class_state claim(struct vm_thread *thread,
                                 struct vm_class *class, bool *parked)
{
  struct vm *vm = thread->vm;
  struct vm_wait wait = {
      .kind = VM_WAIT_CLASS, .for_ever = true, .class = class};
  vm_lock(vm, VM_LOCK_SYNC);
  enum vm_class_state state =
      (enum vm_class_state)__atomic_load_n(&class->state, __ATOMIC_ACQUIRE);
  *parked = false;
  if (state == VM_CLASS_LOADED) {
    class->init_thread = thread;
    set_state(class, VM_CLASS_INITIALISING);
  } else if (state == VM_CLASS_INITIALISING && class->init_thread != thread) {
    *parked = vm_park_locked(thread, &wait);
  }
  vm_unlock(vm, VM_LOCK_SYNC);
  return state;
}

bool vm_class_initialise(struct vm_thread *thread, struct vm_class *class)
{
  bool parked;
  while (!vm_class_is_initialised(class)) {
    switch (claim(thread, class, &parked)) {
    case VM_CLASS_INITIALISED:
      return true;
    case VM_CLASS_LOADED:
      return initialise_now(thread, class);
    case VM_CLASS_BROKEN:
      return vm_throw(thread, VM_ERROR_NO_CLASS_DEF, "%s", class->name);
    case VM_CLASS_INITIALISING:
      if (parked)
        vm_park(thread, UINT64_MAX);
      else if (!vm_is_exiting(thread->vm))
        return true; /* its own */
      if (vm_is_exiting(thread->vm))
        return false;
    }
  }
  return true;
}
