/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classes that the machine cannot do without, defined before the library,
 * and the table of known classes, filled in after it.
 *
 *   panda.Object   the root
 *   panda.String   shape of mm/object.h, not of fields
 *   panda.Class    hidden: the address of the class it stands for, and the
 *                  class's loader, which it keeps
 *   panda.Array    declared, without content
 *   _GLOBAL        owner of functions without a record; each module has one
 *                  more of its own
 */
#include "config.h"

#include "vm/core/core_internal.h"
#include "vm/core/define.h"
#include "vm/core/references.h"
#include "vm/core/threads.h"

#include <string.h>

static bool object_ctor(struct vm_thread *thread, union vm_slot *args,
                        union vm_slot *result)
{
  (void)thread, (void)args, (void)result;
  return true;
}

static const struct vm_native_def object_methods[] = {
    {"void @.ctor(@)", object_ctor, VM_FLAG_CTOR},
};

/* A name with blanks cannot be written in a program. */
static const struct vm_native_field mirror_fields[] = {
    {"u32", "class address", 0},
    {"panda.Loader", "class loader", 0},
};

static const struct vm_library_class base_classes[] = {
    {.name = "panda.Object", .methods = object_methods, .method_count = 1},
    {.name = "panda.String", .flags = VM_FLAG_FINAL},
    {.name = "panda.Class",
     .flags = VM_FLAG_FINAL,
     .fields = mirror_fields,
     .field_count = 2},
    {.name = "panda.Array"},
    {.name = "_GLOBAL"},
};

static void shape_base_classes(struct vm *vm)
{
  struct vm_class *string = vm->known.string;
  string->layout.kind = MM_KIND_STRING;
  string->layout.base_bytes = MM_STRING_BASE;
  vm->known.class_->flags |= VM_CLASS_NOT_INSTANTIABLE;
  VM_ASSERT(vm->known.class_->fields[0].offset == VM_MIRROR_CLASS_OFFSET);
  VM_ASSERT(vm->known.class_->fields[1].offset == VM_MIRROR_LOADER_OFFSET);
  vm->known.global->flags |= VM_CLASS_NOT_INSTANTIABLE;
  vm->known.global->has_instances = false;
}

bool vm_define_base_classes(struct vm *vm)
{
  size_t count = sizeof base_classes / sizeof base_classes[0];
  for (size_t i = 0; i < count; i++) {
    if (!vm_define_class(vm, &base_classes[i]))
      return false;
    if (i == 0)
      vm->known.object = vm_class_find(vm, "panda.Object");
  }
  vm->known.string = vm_class_find(vm, "panda.String");
  vm->known.class_ = vm_class_find(vm, "panda.Class");
  vm->known.global = vm_class_find(vm, "_GLOBAL");
  shape_base_classes(vm);
  return true;
}

/* Its fields as vm/core/threads.h has them, and what a thread runs. */
static void know_thread_class(struct vm *vm)
{
  const struct vm_class *class = vm->known.thread;
  uint32_t run = 0;
  VM_ASSERT(class->fields[0].offset == VM_THREAD_ID_OFFSET);
  VM_ASSERT(class->fields[1].offset == VM_THREAD_NAME_OFFSET);
  VM_ASSERT(class->fields[2].offset == VM_THREAD_STATE_OFFSET);
  VM_ASSERT(class->fields[3].offset == VM_THREAD_DAEMON_OFFSET);
  while (strcmp(class->methods[run].name, "run") != 0)
    run++;
  vm_core_of(vm)->run_index = class->methods[run].vtable_index;
}

/* As mm/reference.h and vm/core/references.h have them. */
static void know_reference_class(struct vm *vm)
{
  const struct vm_field *fields = vm->known.reference->fields;
  const struct vm_field *own = vm->known.cleanable->fields;
  VM_ASSERT(fields[0].offset == MM_REFERENCE_REFERENT_OFFSET);
  VM_ASSERT(fields[1].offset == MM_REFERENCE_VALUE_OFFSET);
  VM_ASSERT(fields[2].offset == MM_REFERENCE_LINK_OFFSET);
  VM_ASSERT(fields[3].offset == VM_REFERENCE_QUEUE_OFFSET);
  VM_ASSERT(fields[4].offset == VM_REFERENCE_NEXT_OFFSET);
  VM_ASSERT(fields[5].offset == VM_REFERENCE_STATE_OFFSET);
  VM_ASSERT(own[0].offset == VM_REGISTERED_PREVIOUS_OFFSET);
  VM_ASSERT(own[1].offset == VM_REGISTERED_TARGET_OFFSET);
  VM_ASSERT(vm->known.final->fields[0].offset == own[0].offset);
  (void)fields, (void)own;
}

bool vm_find_known_classes(struct vm *vm)
{
  bool found = true;
#define FIND(field, name)                                                      \
  vm->known.field = vm_class_find(vm, name);                                   \
  found &= vm->known.field != NULL;
#define VM_ERROR(id, name) FIND(error[VM_ERROR_##id], name)
  VM_KNOWN_CLASSES(FIND)
#include "vm/core/errors.def"
#undef FIND
  if (!found)
    return false;
  know_thread_class(vm);
  know_reference_class(vm);
  return vm_loaders_know_class(vm);
}
