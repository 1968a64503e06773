/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building a class, in the order in which the parts depend on each other:
 *
 *   vm_class_make          name, base, display
 *   vm_class_make_members  fields and methods; the caller fills them in
 *   vm_class_lay_out       layout.c
 *   vm_class_link_methods  vtable.c
 *   vm_class_register      from now on it can be found
 *
 * A class lies in metadata memory of its loader: what a failed attempt took
 * stays unused as long as that lives.
 *
 * Displays: Cohen, "Type-extension type tests can be performed in constant
 * time", 1991.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <string.h>

/* display[0 .. depth - 1] is the base's, display[depth] the class. */
static bool make_display(struct vm_class *class)
{
  class->depth = class->base ? class->base->depth + 1 : 0;
  struct vm_class **display = vm_loader_metadata(
      class->loader, ((size_t) class->depth + 1) * sizeof *display);
  if (!display)
    return false;
  for (uint32_t i = 0; i < class->depth; i++)
    display[i] = class->base->display[i];
  display[class->depth] = class;
  class->display = display;
  return true;
}

/* What a class takes over from its base. */
static uint32_t inherited_flags(const struct vm *vm,
                                const struct vm_class *base)
{
  if (!base)
    return 0;
  uint32_t flags =
      base->flags & (VM_CLASS_THROWABLE | VM_CLASS_NOT_INSTANTIABLE);
  /* A string's or a mirror's shape is known to the machine: a plain instance
     of a subclass would be taken for one. */
  if (base == vm->known.string || base == vm->known.class_ ||
      base == vm->known.loader || !base->has_instances)
    flags |= VM_CLASS_NOT_INSTANTIABLE;
  return flags;
}

void vm_class_make_reference(struct vm_class *class, uint8_t strength)
{
  class->layout.kind = MM_KIND_REFERENCE;
  class->layout.elem_log2 = strength;
  class->layout.flags |= MM_LAYOUT_ASKS_WHOM;
}

static const char *copy_name(struct vm_loader *loader, const char *name)
{
  size_t bytes = strlen(name) + 1;
  char *copy = vm_loader_metadata(loader, bytes);
  return copy ? memcpy(copy, name, bytes) : NULL;
}

struct vm_class *vm_class_make(struct vm_loader *loader, const char *name,
                               struct vm_class *base, uint32_t flags)
{
  struct vm_class *class = vm_loader_metadata(loader, sizeof *class);
  if (!class)
    return NULL;
  class->loader = loader;
  if (loader->is_unloadable) {
    /* Reports name the class of what is dead, as long as its layout is there.
     */
    name = copy_name(loader, name);
    if (!name)
      return NULL;
    class->layout.flags = MM_LAYOUT_OWNED;
    class->layout.owner = loader->object; /* null until that is made */
  }
  class->name = name;
  class->base = base;
  class->flags = flags | inherited_flags(loader->vm, base);
  class->has_instances = true;
  class->layout.kind = MM_KIND_PLAIN;
  class->layout.base_bytes = MM_HEADER_BYTES;
  if (base && base->layout.kind == MM_KIND_REFERENCE)
    vm_class_make_reference(class, base->layout.elem_log2);
  return make_display(class) ? class : NULL;
}

bool vm_class_make_members(struct vm_class *class, uint32_t field_count,
                           uint32_t method_count)
{
  if (field_count > 0) {
    class->fields = vm_loader_metadata(
        class->loader, (size_t)field_count * sizeof *class->fields);
    if (!class->fields)
      return false;
  }
  if (method_count > 0) {
    class->methods = vm_loader_metadata(
        class->loader, (size_t)method_count * sizeof *class->methods);
    if (!class->methods)
      return false;
  }
  class->field_count = field_count;
  class->method_count = method_count;
  return true;
}

void vm_method_set_entries(struct vm *vm, struct vm_method *method)
{
  method->entry = vm->engine.initial_entry(method);
  method->machine_entry = vm->tier ? vm->tier->initial_entry(vm, method) : NULL;
  method->heat = (int32_t)(vm->options.jit.threshold < INT32_MAX
                               ? vm->options.jit.threshold
                               : INT32_MAX);
}

void vm_class_register(struct vm_class *class, bool hidden)
{
  struct vm_loader *loader = class->loader;
  VM_ASSERT(hidden || !vm_class_table_find(loader->class_table, class->name,
                                           strlen(class->name)));
  if (!hidden)
    vm_class_table_add(loader->class_table, class);
  /* A cycle may be walking the list. */
  __atomic_store_n(loader->last_class, class, __ATOMIC_RELEASE);
  loader->last_class = &class->next;
  if (!mm_is_null(loader->object)) /* published: an array's */
    vm_core_of(loader->vm)->loaders.classes_loaded++;
}

/* A string as the value of a static field is made at initialisation. */
static bool has_string_values(const struct vm_class *class)
{
  for (uint32_t i = 0; i < class->field_count; i++) {
    const struct vm_field *field = &class->fields[i];
    if (field->is_static && (field->flags & VM_FLAG_HAS_VALUE) &&
        field->prim == VM_PRIM_REF)
      return true;
  }
  return false;
}

void vm_class_skip_initialisation(struct vm_class *class)
{
  const struct vm_class *base = class->base;
  if (class->initialiser || has_string_values(class))
    return;
  if (base && (!vm_class_is_initialised(base) ||
               ((base->flags & VM_FLAG_FINAL) && !class->is_array)))
    return;
  __atomic_store_n(&class->state, VM_CLASS_INITIALISED, __ATOMIC_RELEASE);
}

bool vm_class_is_throwable(const struct vm_class *class)
{
  return (class->flags & VM_CLASS_THROWABLE) != 0;
}
