/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual methods (4.2): an instance method that is no constructor has a slot
 * in its class's table, that of the base's method which it overrides, or a
 * new one behind the base's.
 *
 *   overrides: same method name, same parameter types without the receiver,
 *   same return type; access plays no part.  Types are the same when they
 *   mean the same: Note [What a name means]
 *
 * Invariant: slots 0 .. base->vtable_count - 1 of a table hold the base's
 * method or one that overrides it, so a slot found in a class is right in all
 * of its subclasses.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <string.h>

static bool is_virtual(const struct vm_method *method)
{
  return !(method->flags & (VM_FLAG_STATIC | VM_FLAG_CTOR | VM_FLAG_CCTOR));
}

static bool overrides(const struct vm_method *method,
                      const struct vm_method *of)
{
  if (method->param_count != of->param_count ||
      strcmp(method->name, of->name) != 0 ||
      !vm_same_meaning(vm_return_meaning(method), vm_return_meaning(of)))
    return false;
  for (uint32_t i = 1; i < method->param_count; i++)
    if (!vm_same_meaning(vm_param_meaning(method, i), vm_param_meaning(of, i)))
      return false;
  return true;
}

/* The base's slot that the method takes over, or UINT32_MAX. */
static uint32_t overridden_slot(const struct vm_class *base,
                                const struct vm_method *method)
{
  uint32_t count = base ? base->vtable_count : 0;
  for (uint32_t i = 0; i < count; i++)
    if (overrides(method, base->vtable[i]))
      return i;
  return UINT32_MAX;
}

/* Gives each virtual method its slot; returns the size of the table. */
static uint32_t number_methods(struct vm_class *class)
{
  uint32_t count = class->base ? class->base->vtable_count : 0;
  for (uint32_t i = 0; i < class->method_count; i++) {
    struct vm_method *method = &class->methods[i];
    method->vtable_index = UINT32_MAX;
    if (!is_virtual(method))
      continue;
    method->vtable_index = overridden_slot(class->base, method);
    if (method->vtable_index == UINT32_MAX)
      method->vtable_index = count++;
  }
  return count;
}

bool vm_class_link_methods(struct vm_class *class)
{
  const struct vm_class *base = class->base;
  uint32_t count = number_methods(class);
  class->vtable_count = count;
  if (count == 0)
    return true;
  if (base && count == base->vtable_count && class->method_count == 0) {
    class->vtable = base->vtable; /* nothing of its own: shared */
    return true;
  }
  class->vtable = vm_loader_metadata(
      class->loader, (size_t)count * sizeof(struct vm_method *));
  if (!class->vtable)
    return false;
  if (base && base->vtable_count > 0)
    memcpy(class->vtable, base->vtable,
           base->vtable_count * sizeof(struct vm_method *));
  for (uint32_t i = 0; i < class->method_count; i++)
    if (class->methods[i].vtable_index != UINT32_MAX)
      class->vtable[class->methods[i].vtable_index] = &class->methods[i];
  return true;
}
