/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Throwing: making the library's exceptions with Panda's messages (7.3),
 * leaving them pending, and finding the handler (7.2).
 *
 *   thread->exception   the object under way; a root
 *   vm->exiting         System.exit unwinds the same way, but no handler
 *                       matches and no object need be pending
 *
 * An exception takes its stack trace when it is first thrown (trace.c).  When
 * there is no memory for an exception, the preallocated OutOfMemoryError
 * takes its place; throwing that one, and the preallocated
 * StackOverflowException, allocates nothing.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mm/mm_inline.h"
#include "vm/core/purposes.h"

/* --- Making --- */

struct mm_ref vm_make_error(struct vm_thread *thread, enum vm_error_kind kind,
                            struct mm_ref message, struct mm_ref cause)
{
  struct mm_ref held[2];
  struct mm_scope scope;
  struct vm_class *class = thread->vm->known.error[kind];
  mm_scope_open(&thread->mutator, &scope, held, 2);
  held[0] = message;
  held[1] = cause;
  struct mm_ref error = mm_alloc_plain(&thread->mutator, &class->layout);
  if (mm_is_null(error)) {
    vm_throw_refused(thread);
  } else {
    vm_object_set_ref(thread, error, VM_EXCEPTION_MESSAGE_OFFSET, held[0]);
    vm_object_set_ref(thread, error, VM_EXCEPTION_CAUSE_OFFSET, held[1]);
  }
  mm_scope_close(&thread->mutator, &scope);
  return error;
}

bool vm_throw_with_cause(struct vm_thread *thread, enum vm_error_kind kind,
                         struct mm_ref message, struct mm_ref cause)
{
  struct mm_ref error = vm_make_error(thread, kind, message, cause);
  if (mm_is_null(error))
    return false; /* OutOfMemoryError is pending */
  return vm_throw_object(thread, error);
}

bool vm_throw_object(struct vm_thread *thread, struct mm_ref object)
{
  if (mm_is_null(object))
    return vm_throw_null(thread);
  thread->exception = object;
  vm_trace_attach(thread, true);
  return false;
}

static bool throw_text(struct vm_thread *thread, enum vm_error_kind kind,
                       const char *text)
{
  struct mm_ref message = vm_string_from_utf8(thread, text, strlen(text));
  if (mm_is_null(message))
    return false;
  return vm_throw_with_cause(thread, kind, message, MM_NULL);
}

/* Throws with a message longer than a buffer on the C stack. */
static bool throw_long(struct vm_thread *thread, enum vm_error_kind kind,
                       size_t length, const char *format, va_list arguments)
{
  char *text = mm_native_alloc_dirty(VM_PURPOSE_TEXT, length + 1);
  if (!text)
    return vm_throw_out_of_memory(thread);
  vsnprintf(text, length + 1, format, arguments);
  throw_text(thread, kind, text);
  vm_text_free(text, length);
  return false;
}

bool vm_throw(struct vm_thread *thread, enum vm_error_kind kind,
              const char *format, ...)
{
  char text[256];
  if (!format)
    return vm_throw_with_cause(thread, kind, MM_NULL, MM_NULL);
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (length < (int)sizeof text)
    return throw_text(thread, kind, text);
  va_start(arguments, format);
  throw_long(thread, kind, (size_t)length, format, arguments);
  va_end(arguments);
  return false;
}

/* --- The exceptions of instructions --- */

bool vm_throw_null(struct vm_thread *thread)
{
  return vm_throw(thread, VM_ERROR_NULL_POINTER, NULL);
}

bool vm_throw_index(struct vm_thread *thread, int32_t index, uint32_t length)
{
  return vm_throw(thread, VM_ERROR_ARRAY_INDEX, "idx = %d; length = %u",
                  (int)index, (unsigned)length);
}

bool vm_throw_negative_size(struct vm_thread *thread, int32_t size)
{
  return vm_throw(thread, VM_ERROR_NEGATIVE_SIZE, "size = %d", (int)size);
}

bool vm_throw_division(struct vm_thread *thread)
{
  return vm_throw(thread, VM_ERROR_ARITHMETIC, "/ by zero");
}

static const char *class_name(struct mm_ref object)
{
  return mm_is_null(object) ? "null" : vm_class_of(object)->name;
}

bool vm_throw_store(struct vm_thread *thread, struct mm_ref value,
                    struct mm_ref array)
{
  return vm_throw(thread, VM_ERROR_ARRAY_STORE,
                  "%s cannot be stored in an array of type %s",
                  class_name(value), class_name(array));
}

bool vm_throw_cast(struct vm_thread *thread, struct mm_ref value,
                   const struct vm_class *to)
{
  return vm_throw(thread, VM_ERROR_CLASS_CAST, "%s cannot be cast to %s",
                  class_name(value), to->name);
}

bool vm_throw_abstract(struct vm_thread *thread, const struct vm_method *method)
{
  return vm_throw(thread, VM_ERROR_ABSTRACT_METHOD, "abstract method \"%s.%s\"",
                  method->owner->name, method->name);
}

bool vm_throw_verify(struct vm_thread *thread, const struct vm_method *method,
                     uint32_t insn)
{
  const struct vm_function_def *function = method->function;
  uint32_t line = insn < function->insn_count ? function->insns[insn].line
                                              : function->end_line;
  return vm_throw(thread, VM_ERROR_VERIFY, "%s.%s, %s:%u", method->owner->name,
                  method->name, method->module->file, (unsigned)line);
}

bool vm_throw_class_not_found(struct vm_thread *thread, const char *name,
                              size_t length)
{
  struct mm_ref held[2];
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 2);
  held[0] = vm_string_from_utf8(thread, name, length);
  if (!mm_is_null(held[0]))
    held[1] = vm_make_error(thread, VM_ERROR_CLASS_NOT_FOUND, held[0], MM_NULL);
  if (!mm_is_null(held[1]))
    vm_throw_with_cause(thread, VM_ERROR_NO_CLASS_DEF, held[0], held[1]);
  mm_scope_close(&thread->mutator, &scope);
  return false;
}

/* --- When nothing can be made --- */

/* A preallocated object may have been changed by whoever caught it, and has
   a trace if it was thrown again. */
static bool throw_preallocated(struct vm_thread *thread, struct mm_ref object,
                               struct mm_ref message)
{
  vm_object_set_ref(thread, object, VM_EXCEPTION_MESSAGE_OFFSET, message);
  vm_object_set_ref(thread, object, VM_EXCEPTION_CAUSE_OFFSET, MM_NULL);
  vm_object_set_ref(thread, object, VM_EXCEPTION_TRACE_OFFSET, MM_NULL);
  thread->exception = object;
  vm_trace_attach(thread, false);
  return false;
}

static bool throw_memory(struct vm_thread *thread, enum mm_refusal why)
{
  struct vm *vm = thread->vm;
  return throw_preallocated(thread, vm->out_of_memory,
                            vm_core_of(vm)->refusal_texts[why]);
}

bool vm_throw_out_of_memory(struct vm_thread *thread)
{
  return throw_memory(thread, MM_REFUSED_NATIVE);
}

bool vm_throw_refused(struct vm_thread *thread)
{
  return throw_memory(thread, mm_take_refusal(&thread->mutator));
}

/* One of its own if there is memory, so that it keeps its trace. */
bool vm_throw_stack_overflow(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  struct mm_ref text = vm_core_of(vm)->stack_overflow_text;
  struct mm_ref error =
      vm_make_error(thread, VM_ERROR_STACK_OVERFLOW, text, MM_NULL);
  if (!mm_is_null(error))
    return vm_throw_object(thread, error);
  return throw_preallocated(thread, vm->stack_overflow,
                            vm_core_of(vm)->stack_overflow_text);
}

static bool preallocate_text(struct vm_thread *thread, const char *text,
                             struct mm_ref *ref)
{
  *ref = vm_string_from_utf8(thread, text, strlen(text));
  return !mm_is_null(*ref);
}

static bool preallocate(struct vm_thread *thread, enum vm_error_kind kind,
                        struct mm_ref *ref)
{
  struct vm_class *class = thread->vm->known.error[kind];
  *ref = mm_alloc_plain(&thread->mutator, &class->layout);
  return !mm_is_null(*ref);
}

static bool preallocate_refusals(struct vm_thread *thread)
{
  struct mm_ref *texts = vm_core_of(thread->vm)->refusal_texts;
  for (int why = 0; why < MM_REFUSAL_COUNT; why++)
    if (!preallocate_text(thread, mm_refusal_text((enum mm_refusal)why),
                          &texts[why]))
      return false;
  return true;
}

bool vm_preallocate_errors(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  struct core *core = vm_core_of(vm);
  return preallocate(thread, VM_ERROR_OUT_OF_MEMORY, &vm->out_of_memory) &&
         preallocate(thread, VM_ERROR_STACK_OVERFLOW, &vm->stack_overflow) &&
         preallocate_refusals(thread) &&
         preallocate_text(thread, "the call depth exceeds the stack",
                          &core->stack_overflow_text);
}

/* --- Handlers --- */

/* Null: there is none.  A class of arrays may have to be made; when there is
   no memory for it the exception gives way to OutOfMemoryError. */
static struct vm_class *handler_class(struct vm_thread *thread,
                                      struct vm_loader *loader,
                                      struct vm_type_ref *type)
{
  struct vm_class *class = __atomic_load_n(&type->resolved, __ATOMIC_ACQUIRE);
  if (class)
    return class;
  if (vm_loader_look_up(loader, type->name, &class))
    __atomic_store_n(&type->resolved, class, __ATOMIC_RELEASE);
  else
    vm_throw_out_of_memory(thread);
  return class;
}

static bool catches(struct vm_thread *thread, struct vm_module *module,
                    const struct vm_catch *entry, uint32_t fault)
{
  if (fault < entry->begin || fault >= entry->end)
    return false;
  if (entry->type == UINT32_MAX)
    return true;
  struct vm_class *class =
      handler_class(thread, module->loader, &module->types[entry->type]);
  return class && vm_class_is_assignable(vm_class_of(thread->exception), class);
}

uint32_t vm_find_handler(struct vm_thread *thread, const struct vm_frame *frame,
                         uint32_t fault)
{
  const struct vm_method *method = frame->method;
  const struct vm_function_def *function = method->function;
  if (vm_is_exiting(thread->vm) || !function)
    return UINT32_MAX;
  for (uint32_t i = 0; i < function->catch_count; i++)
    if (catches(thread, method->module, &function->catches[i], fault))
      return function->catches[i].handler;
  return UINT32_MAX;
}
