/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of arrays, made when they are first asked for, and the search for a
 * class by name, which is where that happens.
 *
 *   "R[][]"  --element-->  "R[]"  --element-->  "R"
 *   "i32[]"  --element_prim-->  VM_PRIM_I32
 *
 * Every array class is a direct subclass of panda.Object and needs no
 * initialisation; it belongs to the loader of its elements.  The lock LINK is
 * held while one is looked for and made, so that there is one of each.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <string.h>

enum { MAX_DIMS = 255 };

/* "T" -> "T[]", in the loader's arena. */
static char *array_name(struct vm_loader *loader, const char *element)
{
  size_t length = strlen(element);
  char *name = mm_arena_alloc(loader->arena, length + 3);
  if (!name)
    return NULL;
  memcpy(name, element, length);
  memcpy(name + length, "[]", 3);
  return name;
}

static struct vm_class *make_array_class(struct vm_loader *loader,
                                         const char *element)
{
  char *name = array_name(loader, element);
  if (!name)
    return NULL;
  struct vm_class *class = vm_class_make(loader, name, loader->vm->known.object,
                                         VM_CLASS_NOT_INSTANTIABLE);
  if (!class || !vm_class_link_methods(class))
    return NULL;
  class->is_array = true;
  class->state = VM_CLASS_INITIALISED;
  return class;
}

static void lay_out_references(struct vm_class *class)
{
  class->element_prim = VM_PRIM_REF;
  class->layout.kind = MM_KIND_REF_ARRAY;
  class->layout.elem_log2 = 2;
  class->layout.base_bytes = MM_ARRAY_BASE;
}

static void lay_out_data(struct vm_class *class, enum vm_prim prim)
{
  uint8_t log2 = vm_prim_table[prim].log2;
  class->element_prim = (uint8_t)prim;
  class->layout.kind = MM_KIND_DATA_ARRAY;
  class->layout.elem_log2 = log2;
  class->layout.base_bytes = log2 == 3 ? MM_ARRAY_BASE_WIDE : MM_ARRAY_BASE;
}

static struct vm_class *array_of_locked(struct vm_class *element)
{
  struct vm_class *class = __atomic_load_n(&element->array, __ATOMIC_ACQUIRE);
  if (class || !element->has_instances)
    return class;
  class = make_array_class(element->loader, element->name);
  if (!class)
    return NULL;
  class->element = element;
  lay_out_references(class);
  vm_class_register(class, false);
  __atomic_store_n(&element->array, class, __ATOMIC_RELEASE);
  return class;
}

static struct vm_class *array_of_prim_locked(struct vm *vm, enum vm_prim prim)
{
  const char *element = vm_prim_table[prim].name;
  char name[16];
  if (prim == VM_PRIM_VOID)
    return NULL;
  size_t length = strlen(element);
  VM_ASSERT(length + 3 <= sizeof name);
  memcpy(name, element, length);
  memcpy(name + length, "[]", 3);
  struct vm_class *class =
      vm_class_table_find(vm->boot->class_table, name, length + 2);
  if (class)
    return class;
  class = make_array_class(vm->boot, element);
  if (!class)
    return NULL;
  lay_out_data(class, prim);
  vm_class_register(class, false);
  return class;
}

/* How many "[]" a name ends with, and the length of what stands before. */
static uint32_t count_dims(const char *name, size_t *length)
{
  uint32_t dims = 0;
  while (*length >= 2 && memcmp(name + *length - 2, "[]", 2) == 0) {
    *length -= 2;
    dims++;
  }
  return dims;
}

/* See Note [What a name means]: a loader's own table has no record of the
   library's names. */
static struct vm_class *find_record_locked(const struct vm_loader *loader,
                                           const char *name, size_t length)
{
  const struct vm_loader *boot = loader->vm->boot;
  struct vm_class *class =
      vm_class_table_find(loader->class_table, name, length);
  if (!class && loader != boot)
    class = vm_class_table_find(boot->class_table, name, length);
  return class;
}

/* The class of the first dimension, or the record itself; false: no memory. */
static bool find_element_locked(struct vm_loader *loader, const char *name,
                                size_t length, uint32_t *dims,
                                struct vm_class **class)
{
  enum vm_prim prim = vm_prim_find(name, length);
  *class = NULL;
  if (prim == VM_PRIM_REF)
    *class = find_record_locked(loader, name, length);
  if (prim == VM_PRIM_REF || prim == VM_PRIM_VOID)
    return true;
  *class = array_of_prim_locked(loader->vm, prim);
  --*dims;
  return *class != NULL;
}

/* Arrays are looked for through their elements: there may be arrays of that
   name in the boot loader whose elements are of another record. */
static bool look_up_locked(struct vm_loader *loader, const char *name,
                           struct vm_class **found)
{
  size_t length = strlen(name);
  struct vm_class *class =
      vm_class_table_find(loader->class_table, name, length);
  uint32_t dims = class ? 0 : count_dims(name, &length);
  *found = class;
  if (class || dims > MAX_DIMS)
    return true;
  if (dims == 0) {
    *found = find_record_locked(loader, name, length);
    return true;
  }
  if (!find_element_locked(loader, name, length, &dims, &class))
    return false;
  for (; class && class->has_instances && dims > 0; dims--) {
    class = array_of_locked(class);
    if (!class)
      return false;
  }
  *found = dims == 0 ? class : NULL;
  return true;
}

bool vm_loader_look_up(struct vm_loader *loader, const char *name,
                       struct vm_class **found)
{
  vm_lock(loader->vm, VM_LOCK_LINK);
  bool ok = look_up_locked(loader, name, found);
  vm_unlock(loader->vm, VM_LOCK_LINK);
  return ok;
}

bool vm_class_look_up(struct vm *vm, const char *name, struct vm_class **found)
{
  return vm_loader_look_up(vm->boot, name, found);
}

struct vm_class *vm_class_array_of(struct vm *vm, struct vm_class *element)
{
  vm_lock(vm, VM_LOCK_LINK);
  struct vm_class *class = array_of_locked(element);
  vm_unlock(vm, VM_LOCK_LINK);
  return class;
}

struct vm_class *vm_class_array_of_prim(struct vm *vm, enum vm_prim prim)
{
  vm_lock(vm, VM_LOCK_LINK);
  struct vm_class *class = array_of_prim_locked(vm, prim);
  vm_unlock(vm, VM_LOCK_LINK);
  return class;
}

struct vm_class *vm_class_find(struct vm *vm, const char *name)
{
  struct vm_class *class;
  return vm_class_look_up(vm, name, &class) ? class : NULL;
}

bool vm_class_is_assignable_slow(const struct vm_class *from,
                                 const struct vm_class *to)
{
  while (to->is_array && to->element && from->element) {
    from = from->element;
    to = to->element;
    if (vm_class_is_subclass(from, to))
      return true;
  }
  return false;
}
