/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System: the end of the program, the clock, assertions, and hooks that other
 * execution engines have.
 *
 * System.exit does not end the process: it marks the machine as exiting and
 * returns false without an exception, at which the engine leaves all frames
 * without looking for handlers; the other threads do the same at their next
 * poll, and vm_run reports VM_EXITED.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "vm/core/frame.h"
#include "vm/core/loader.h"
#include "vm/core/lock.h"
#include "vm/core/references.h"
#include "vm/core/string_internal.h"
#include "vm/core/threads.h"
#include "vm/lib/library_internal.h"
#include "vm/lib/output.h"

static bool system_exit(struct vm_thread *thread, union vm_slot *args,
                        union vm_slot *result)
{
  (void)result;
  vm_exit(thread->vm, args[0].i32);
  return false;
}

/* Waits until the clock has moved, so that of two calls the later one always
   gives the greater time. */
static bool nano_time(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  (void)thread;
  (void)args;
  uint64_t first = vm_now_ns(), later;
  do
    later = vm_now_ns();
  while (later == first);
  return vm_lib_return_i64(result, (int64_t)later);
}

/* The process ends by SIGABRT, whoever has caught that signal. */
static _Noreturn void abort_process(struct vm *vm)
{
  vm_output_flush(vm);
  fflush(vm->options.err);
  abort();
}

static bool assert_true(struct vm_thread *thread, union vm_slot *args,
                        union vm_slot *result)
{
  if (args[0].i32 == 0)
    abort_process(thread->vm);
  return vm_lib_return_void(result);
}

static bool assert_print(struct vm_thread *thread, union vm_slot *args,
                         union vm_slot *result)
{
  struct vm *vm = thread->vm;
  if (args[0].i32 != 0)
    return vm_lib_return_void(result);
  vm_output_flush(vm);
  if (!mm_is_null(args[1].ref))
    vm_string_print(args[1].ref, vm->options.err);
  abort_process(vm);
}

/* What compileMethod answers. */
enum {
  COMPILED = 0,
  MALFORMED_NAME = 1,
  NO_CLASS = 2,
  NO_METHOD = 3,
  ABSTRACT_METHOD = 4,
};

/* Its next call or round of a loop finds it hot. */
static void ask_for_code(const struct vm *vm, struct vm_method *method)
{
  if (vm->tier && !method->native)
    __atomic_store_n(&method->heat, 1, __ATOMIC_RELAXED);
}

static int look_for_method(const struct vm *vm, const struct vm_class *class,
                           const char *name)
{
  for (uint32_t i = 0; i < class->method_count; i++) {
    struct vm_method *method = &class->methods[i];
    if (strcmp(method->name, name) != 0)
      continue;
    if (method->flags & VM_FLAG_NOIMPL)
      return ABSTRACT_METHOD;
    ask_for_code(vm, method);
    return COMPILED;
  }
  return NO_METHOD;
}

/* Each module has a _GLOBAL of its own. */
static int look_for_function_in(const struct vm_loader *loader,
                                const char *name)
{
  int status = NO_METHOD;
  vm_lock(loader->vm, VM_LOCK_LINK);
  for (const struct vm_class *class = loader->classes;
       class && status == NO_METHOD; class = class->next)
    if (!class->has_instances)
      status = look_for_method(loader->vm, class, name);
  vm_unlock(loader->vm, VM_LOCK_LINK);
  return status;
}

static int look_for_function(const struct vm_loader *loader, const char *name)
{
  int status = look_for_function_in(loader, name);
  return status == NO_METHOD && loader != loader->vm->boot
             ? look_for_function_in(loader->vm->boot, name)
             : status;
}

/* Of the method that called the native one that runs. */
static struct vm_loader *loader_of_caller(const struct vm_thread *thread)
{
  for (const struct vm_frame *f = thread->top; f; f = f->caller)
    if (!vm_frame_is_boundary(f) && !f->method->native)
      return f->method->owner->loader;
  return thread->vm->boot;
}

/* `name` is "Class::method" and is taken apart in place.  False: no memory. */
static bool compile(struct vm_loader *loader, char *name, int *status)
{
  char *colons = strstr(name, "::");
  struct vm_class *class;
  *status = MALFORMED_NAME;
  if (!colons || colons == name || !colons[2] || strstr(colons + 2, "::"))
    return true;
  *colons = 0;
  if (!vm_loader_look_up(loader, name, &class))
    return false;
  if (!class)
    *status = NO_CLASS;
  else if (class == loader->vm->known.global)
    *status = look_for_function(loader, colons + 2);
  else
    *status = look_for_method(loader->vm, class, colons + 2);
  return true;
}

/* Names mean what they mean where they are written. */
static bool compile_method(struct vm_thread *thread, union vm_slot *args,
                           union vm_slot *result)
{
  if (mm_is_null(args[0].ref))
    return vm_throw_null(thread);
  size_t bytes;
  char *name = vm_string_to_utf8(args[0].ref, &bytes);
  if (!name)
    return vm_throw_out_of_memory(thread);
  int status;
  bool ok = compile(loader_of_caller(thread), name, &status);
  vm_text_free(name, bytes);
  return ok ? vm_lib_return_i32(result, status)
            : vm_throw_out_of_memory(thread);
}

/* There is one coroutine, worker 0, and it is running. */
static bool schedule_coroutine(struct vm_thread *thread, union vm_slot *args,
                               union vm_slot *result)
{
  (void)thread;
  (void)args;
  return vm_lib_return_void(result);
}

static bool get_coroutine_worker_id(struct vm_thread *thread,
                                    union vm_slot *args, union vm_slot *result)
{
  (void)thread;
  (void)args;
  return vm_lib_return_i32(result, 0);
}

static bool collect(struct vm_thread *thread, union vm_slot *args,
                    union vm_slot *result)
{
  (void)args;
  mm_collect(&thread->mutator, MM_CAUSE_EXPLICIT);
  return vm_lib_return_void(result);
}

static bool run_finalization(struct vm_thread *thread, union vm_slot *args,
                             union vm_slot *result)
{
  (void)args;
  return vm_finalizer_drain(thread) && vm_lib_return_void(result);
}

static bool load_library(struct vm_thread *thread, union vm_slot *args,
                         union vm_slot *result)
{
  return vm_lib_load_library(thread, NULL, args[0].ref) &&
         vm_lib_return_void(result);
}

static const struct vm_native_def methods[] = {
    {"void System.exit(i32)", system_exit, 0},
    {"void System.gc()", collect, 0},
    {"void System.runFinalization()", run_finalization, 0},
    {"void System.loadLibrary(panda.String)", load_library, 0},
    {"i64 System.nanoTime()", nano_time, 0},
    {"void System.assert(u1)", assert_true, 0},
    {"void System.assertPrint(u1, panda.String)", assert_print, 0},
    {"u8 System.compileMethod(panda.String)", compile_method, 0},
    {"void System.scheduleCoroutine()", schedule_coroutine, 0},
    {"i32 System.getCoroutineWorkerId()", get_coroutine_worker_id, 0},
};

const struct vm_library_class vm_lib_system = VM_LIB_RECORD("System", methods);
