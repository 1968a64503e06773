/* SPDX-License-Identifier: Apache-2.0 */
/* The table: exceptions. */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/native/native_internal.h"

#include <string.h>

#include "vm/lib/output.h"

static void throw_object(struct bamboo_env *env, bamboo_throwable exception)
{
  struct vm_thread *thread = native_enter(env, "throw_object", 0);
  vm_throw_object(thread, native_ref(thread, "throw_object", exception));
  native_leave(thread);
}

/* Null with an exception pending if there is no memory. */
static struct mm_ref make_exception(struct vm_thread *thread,
                                    struct vm_class *class, const char *message)
{
  struct mm_ref held[1], exception;
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  if (message)
    held[0] = vm_string_from_utf8(thread, message, strlen(message));
  exception =
      mm_is_null(thread->exception) ? vm_new_object(thread, class) : MM_NULL;
  if (!mm_is_null(exception))
    vm_object_set_ref(thread, exception, VM_EXCEPTION_MESSAGE_OFFSET, held[0]);
  mm_scope_close(&thread->mutator, &scope);
  return exception;
}

static void throw_new(struct bamboo_env *env, bamboo_class class_,
                      const char *message)
{
  struct vm_thread *thread = native_enter(env, "throw_new", 0);
  struct vm_class *class = native_class(thread, "throw_new", class_);
  if (class && !vm_class_is_throwable(class))
    native_mistake(
        thread, "throw_new", "make the object and throw it (throw_object)",
        "%s is no class of exceptions, which have a message", class->name);
  if (class && vm_class_initialise(thread, class)) {
    struct mm_ref exception = make_exception(thread, class, message);
    if (!mm_is_null(exception))
      vm_throw_object(thread, exception);
  }
  native_leave(thread);
}

static bamboo_throwable exception_occurred(struct bamboo_env *env)
{
  struct vm_thread *thread =
      native_enter(env, "exception_occurred", NATIVE_PENDING);
  struct mm_handle handle = MM_HANDLE_NONE;
  /* Without room for a handle the exception goes on being pending. */
  mm_local_new(&thread->mutator, thread->exception, &handle);
  native_leave(thread);
  return mm_handle_to_pointer(handle);
}

static bool exception_check(struct bamboo_env *env)
{
  struct vm_thread *thread =
      native_enter(env, "exception_check", NATIVE_PENDING | NATIVE_CRITICAL);
  bool is_thrown = native_is_thrown(thread);
  native_leave(thread);
  return is_thrown;
}

static void exception_describe(struct bamboo_env *env)
{
  struct vm_thread *thread =
      native_enter(env, "exception_describe", NATIVE_PENDING);
  if (!mm_is_null(thread->exception)) {
    mm_enter_native(&thread->mutator);
    vm_output_flush(thread->vm);
    mm_leave_native(&thread->mutator);
    vm_trace_report(thread, thread->vm->options.err);
  }
  native_leave(thread);
}

static void exception_clear(struct bamboo_env *env)
{
  struct vm_thread *thread =
      native_enter(env, "exception_clear", NATIVE_PENDING);
  thread->exception = MM_NULL;
  native_leave(thread);
}

static void fatal_error(struct bamboo_env *env, const char *message)
{
  struct vm_thread *thread =
      native_enter(env, "fatal_error", NATIVE_PENDING | NATIVE_CRITICAL);
  native_mistake(thread, "fatal_error", "see what the native code says", "%s",
                 message);
}

void native_fill_exceptions(struct bamboo_env *env)
{
  env->throw_object = throw_object;
  env->throw_new = throw_new;
  env->exception_occurred = exception_occurred;
  env->exception_check = exception_check;
  env->exception_describe = exception_describe;
  env->exception_clear = exception_clear;
  env->fatal_error = fatal_error;
}
