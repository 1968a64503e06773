/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a type's name means.
 *
 * Note [What a name means]
 *   Records of several loaders may have the same name, so a name alone does
 *   not say which record it is.  It means something where it is written: in a
 *   module, the library's record, else the one of the module's own loader, else
 *   the boot loader's (vm/core/loader.h).  Because a loader's records are all
 *   known before anything of it runs, what a name means there never changes.
 *
 *   Where names of two modules are compared, both must mean the same: when a
 *   method overrides another, when a reference to a field or method finds one.
 *   Otherwise a method that was compiled for its module's `Point' could be
 *   called with another `Point', and would read fields that are not there.
 *   (Dean, "The security of static typing with dynamic linking", 1997; the
 *   loader constraints of Liang and Bracha, 1998, solve the same by refusing
 *   to load.)
 *
 *   Within a module the verifier takes names for types; a class that it names
 *   itself (the join of two) has to be what its name means there.
 *
 *   So `is_own' of a type says that its loader is the module's; what is not
 *   its own is the boot loader's, or primitive, and the same for all.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <string.h>

struct vm_type_meaning vm_type_meaning(const struct vm_module *module,
                                       uint32_t type)
{
  const struct vm_type_ref *ref = &module->types[type];
  return (struct vm_type_meaning){ref->name,
                                  ref->is_own ? module->loader : NULL};
}

static const struct vm_method_ref *ref_of(const struct vm_method *method)
{
  return &method->module->methods[method->function->method];
}

struct vm_type_meaning vm_param_meaning(const struct vm_method *method,
                                        uint32_t param)
{
  if (!method->module)
    return (struct vm_type_meaning){method->param_types[param], NULL};
  return vm_type_meaning(method->module, ref_of(method)->params[param]);
}

struct vm_type_meaning vm_return_meaning(const struct vm_method *method)
{
  if (!method->module)
    return (struct vm_type_meaning){method->return_type, NULL};
  return vm_type_meaning(method->module, ref_of(method)->return_type);
}

struct vm_type_meaning vm_field_meaning(const struct vm_field *field)
{
  return (struct vm_type_meaning){field->type_name, field->type_loader};
}

bool vm_same_meaning(struct vm_type_meaning a, struct vm_type_meaning b)
{
  return a.loader == b.loader && strcmp(a.name, b.name) == 0;
}

/* Is the object, or null, of this type?  Without memory for a class of arrays:
   no. */
static bool takes(struct vm *vm, struct vm_type_meaning type, struct mm_ref ref)
{
  struct vm_loader *loader =
      type.loader ? (struct vm_loader *)(uintptr_t)type.loader : vm->boot;
  struct vm_class *class = mm_is_null(ref) ? NULL : vm_class_of(ref), *wanted;
  if (!class ||
      (class->loader == loader && strcmp(class->name, type.name) == 0))
    return true;
  return vm_loader_look_up(loader, type.name, &wanted) && wanted &&
         vm_class_is_assignable(class, wanted);
}

bool vm_field_takes(const struct vm_field *field, struct mm_ref ref)
{
  return takes(field->owner->loader->vm, vm_field_meaning(field), ref);
}

bool vm_param_takes(const struct vm_method *method, uint32_t param,
                    struct mm_ref ref)
{
  return takes(method->owner->loader->vm, vm_param_meaning(method, param), ref);
}

bool vm_return_takes(const struct vm_method *method, struct mm_ref ref)
{
  return takes(method->owner->loader->vm, vm_return_meaning(method), ref);
}

static bool is_of_library(struct vm *vm, const char *name)
{
  const struct vm_class *class = vm_class_find(vm, name);
  return class && !class->module;
}

void vm_mark_own_types(struct vm_module *module)
{
  struct vm *vm = module->loader->vm;
  VM_ASSERT(module->loader != vm->boot);
  for (uint32_t i = 0; i < module->record_count; i++) {
    struct vm_type_ref *type = &module->types[module->records[i].type];
    type->is_own = !(module->records[i].flags & VM_FLAG_EXTERNAL) &&
                   type->dims == 0 && !is_of_library(vm, type->name);
  }
  for (uint32_t i = 0; i < module->type_count; i++) {
    const struct vm_type_ref *element = &module->types[i];
    while (element->dims > 0)
      element = &module->types[element->element];
    module->types[i].is_own = element->is_own;
  }
}
