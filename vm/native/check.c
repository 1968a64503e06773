/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles that C code hands in, and what happens when it makes a mistake.
 *
 * The machine cannot go on behind a mistake of C code: what that code believes
 * of the program is wrong.  So it says what it can, on standard error, and
 * aborts, which leaves the C stack for a debugger (as -Xcheck:jni does).
 */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/native/native_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm/core/threads.h"

static void print_where(struct vm_thread *thread)
{
  struct vm_trace trace;
  fputs("  in thread \"", stderr);
  vm_threads_print_name(thread, stderr);
  fputs("\"\n", stderr);
  vm_trace_capture(thread, &trace);
  vm_trace_print(&trace, stderr);
}

void native_mistake(struct vm_thread *thread, const char *function,
                    const char *remedy, const char *format, ...)
{
  va_list arguments;
  fflush(stdout);
  fprintf(stderr, "bamboo: mistake in native code: %s: ", function);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, "\n  remedy: %s\n", remedy);
  if (thread)
    print_where(thread);
  fflush(stderr);
  abort();
}

static const char *remedy_for(enum mm_handle_status status)
{
  switch (status) {
  case MM_HANDLE_FOREIGN:
    return "pass objects between threads in global handles (new_global)";
  case MM_HANDLE_WRONG_KIND:
    return "delete each handle by the function of its kind";
  case MM_HANDLE_MALFORMED:
    return "pass what a function of the machine returned, nothing else";
  default:
    return "keep objects that outlive a call, or a frame, in global handles "
           "(new_global)";
  }
}

_Noreturn static void bad_handle(struct vm_thread *thread, const char *function,
                                 bamboo_object object,
                                 enum mm_handle_status status)
{
  char text[160];
  mm_handle_describe(thread->vm->heap, &thread->mutator,
                     mm_handle_of_pointer(object), text, sizeof text);
  native_mistake(thread, function, remedy_for(status), "%s (%s)", text,
                 mm_handle_status_text(status));
}

void native_check_handle(struct vm_thread *thread, const char *function,
                         bamboo_object object, enum mm_handle_status status)
{
  if (status != MM_HANDLE_OK && status != MM_HANDLE_NULL &&
      status != MM_HANDLE_CLEARED)
    bad_handle(thread, function, object, status);
}

struct mm_ref native_ref(struct vm_thread *thread, const char *function,
                         bamboo_object object)
{
  struct mm_ref ref = MM_NULL;
  enum mm_handle_status status =
      mm_handle_get(&thread->mutator, mm_handle_of_pointer(object), &ref);
  native_check_handle(thread, function, object, status);
  return ref;
}

struct mm_ref native_ref_not_null(struct vm_thread *thread,
                                  const char *function, bamboo_object object)
{
  struct mm_ref ref = native_ref(thread, function, object);
  if (mm_is_null(ref))
    vm_throw_null(thread);
  return ref;
}

struct vm_class *native_class(struct vm_thread *thread, const char *function,
                              bamboo_class class_)
{
  struct mm_ref ref = native_ref_not_null(thread, function, class_);
  if (mm_is_null(ref))
    return NULL;
  if (vm_class_of(ref) != thread->vm->known.class_)
    native_mistake(
        thread, function, "pass a class: of find_class or get_object_class",
        "it wants a class and got an object of %s", vm_class_of(ref)->name);
  return vm_class_of_mirror(ref);
}

bool native_throw_handle(struct vm_thread *thread, enum mm_handle_status status)
{
  return vm_throw(thread, VM_ERROR_OUT_OF_MEMORY, "%s",
                  mm_handle_status_text(status));
}

bamboo_object native_local(struct vm_thread *thread, struct mm_ref ref)
{
  struct mm_handle handle = MM_HANDLE_NONE;
  enum mm_handle_status status = mm_local_new(&thread->mutator, ref, &handle);
  if (__builtin_expect(status != MM_HANDLE_OK, 0))
    native_throw_handle(thread, status);
  return mm_handle_to_pointer(handle);
}
