/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of errors.def.  All are alike but for one: the cause of a
 * StackOverflowException is declared to be a string, so what it gives is null
 * when the cause is anything else.
 */
#include "config.h"

#include "vm/core/object.h"
#include "vm/lib/library_internal.h"

static bool construct(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  struct mm_ref self = args[0].ref;
  if (mm_is_null(self))
    return vm_throw_null(thread);
  vm_object_set_ref(thread, self, VM_EXCEPTION_MESSAGE_OFFSET, args[1].ref);
  vm_object_set_ref(thread, self, VM_EXCEPTION_CAUSE_OFFSET, args[2].ref);
  return vm_lib_return_void(result);
}

static bool get_message(struct vm_thread *thread, union vm_slot *args,
                        union vm_slot *result)
{
  if (mm_is_null(args[0].ref))
    return vm_throw_null(thread);
  return vm_lib_return_ref(
      result, vm_object_ref(args[0].ref, VM_EXCEPTION_MESSAGE_OFFSET));
}

static bool get_cause(struct vm_thread *thread, union vm_slot *args,
                      union vm_slot *result)
{
  if (mm_is_null(args[0].ref))
    return vm_throw_null(thread);
  return vm_lib_return_ref(
      result, vm_object_ref(args[0].ref, VM_EXCEPTION_CAUSE_OFFSET));
}

static bool get_string_cause(struct vm_thread *thread, union vm_slot *args,
                             union vm_slot *result)
{
  if (!get_cause(thread, args, result))
    return false;
  struct mm_ref cause = result->ref;
  bool is_string =
      !mm_is_null(cause) && vm_class_of(cause) == thread->vm->known.string;
  return vm_lib_return_ref(result, is_string ? cause : MM_NULL);
}

static const struct vm_native_def methods[] = {
    {"void @.ctor(@, panda.String, panda.Object)", construct, VM_FLAG_CTOR},
    {"panda.String @.getMessage(@)", get_message, 0},
    {"panda.Object @.getCause(@)", get_cause, 0},
};

static const struct vm_native_def stack_overflow_methods[] = {
    {"void @.ctor(@, panda.String, panda.Object)", construct, VM_FLAG_CTOR},
    {"panda.String @.getMessage(@)", get_message, 0},
    {"panda.String @.getCause(@)", get_string_cause, 0},
};

static const char *const names[] = {
#define VM_ERROR(id, name) [VM_ERROR_##id] = name,
#include "vm/core/errors.def"
};

bool vm_lib_define_exceptions(struct vm *vm)
{
  for (size_t i = 0; i < VM_ERROR_COUNT; i++) {
    bool odd = i == VM_ERROR_STACK_OVERFLOW;
    struct vm_library_class record = {
        .name = names[i],
        .is_throwable = true,
        .methods = odd ? stack_overflow_methods : methods,
        .method_count = sizeof methods / sizeof methods[0],
    };
    if (!vm_define_class(vm, &record))
      return false;
  }
  return true;
}

_Static_assert(sizeof stack_overflow_methods == sizeof methods,
               "both tables define the same functions");
