/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making objects: what stands behind newobj, newarr, lda.const, lda.type and
 * the constructors of arrays.  All may collect; a reference held across an
 * allocation is in a scope.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <string.h>

#include "mm/mm_inline.h"

static struct mm_ref made(struct vm_thread *thread, struct mm_ref object)
{
  if (mm_is_null(object))
    vm_throw_refused(thread);
  vm_object_made();
  return object;
}

bool vm_class_is_instantiable(const struct vm_class *class)
{
  return !(class->flags & VM_CLASS_NOT_INSTANTIABLE);
}

bool vm_class_check_instantiable(struct vm_thread *thread,
                                 struct vm_class *class)
{
  if (vm_class_is_instantiable(class))
    return true;
  return vm_throw(thread, VM_ERROR_INSTANTIATION, "%s", class->name);
}

struct mm_ref vm_new_object(struct vm_thread *thread, struct vm_class *class)
{
  if (class == thread->vm->known.string)
    return vm_string_from_utf8(thread, "", 0);
  if (!vm_class_check_instantiable(thread, class))
    return MM_NULL;
  return made(thread, mm_alloc_plain(&thread->mutator, &class->layout));
}

struct mm_ref vm_new_array(struct vm_thread *thread, struct vm_class *class,
                           int32_t length)
{
  if (length < 0) {
    vm_throw_negative_size(thread, length);
    return MM_NULL;
  }
  if (!class->is_array) {
    vm_throw(thread, VM_ERROR_INSTANTIATION, "%s", class->name);
    return MM_NULL;
  }
  return made(thread, mm_alloc_array(&thread->mutator, &class->layout,
                                     (uint32_t)length));
}

/* --- Literal arrays --- */

static struct vm_class *literal_class(struct vm_thread *thread,
                                      struct vm_module *module,
                                      struct vm_array_const *literal)
{
  const struct vm_type_ref *type = &module->types[literal->type];
  struct vm_class *class =
      __atomic_load_n(&literal->resolved, __ATOMIC_ACQUIRE);
  if (class)
    return class;
  class = type->prim == VM_PRIM_REF
              ? thread->vm->known.string_array
              : vm_class_array_of_prim(thread->vm, type->prim);
  if (class)
    __atomic_store_n(&literal->resolved, class, __ATOMIC_RELEASE);
  else
    vm_throw_out_of_memory(thread);
  return class;
}

static void fill_numbers(struct mm_ref array, const struct vm_class *class,
                         const struct vm_array_const *literal)
{
  size_t bytes = (size_t)literal->count << class->layout.elem_log2;
  memcpy(vm_object_at(array, class->layout.base_bytes), literal->data, bytes);
}

/* Makes all strings before the array is read by anyone. */
static bool fill_strings(struct vm_thread *thread, struct vm_module *module,
                         const struct vm_array_const *literal,
                         const struct mm_ref *array)
{
  const uint32_t *indices = literal->data;
  for (uint32_t i = 0; i < literal->count; i++) {
    struct mm_ref string = vm_resolve_string(thread, module, indices[i]);
    if (mm_is_null(string))
      return false;
    vm_array_set_ref(thread, *array, i, string);
  }
  return true;
}

struct mm_ref vm_new_literal_array(struct vm_thread *thread,
                                   struct vm_module *module, uint32_t index)
{
  struct vm_array_const *literal = &module->arrays[index];
  struct vm_class *class = literal_class(thread, module, literal);
  if (!class)
    return MM_NULL;
  struct mm_ref array = vm_new_array(thread, class, (int32_t)literal->count);
  if (mm_is_null(array) || class->element_prim != VM_PRIM_REF) {
    if (!mm_is_null(array))
      fill_numbers(array, class, literal);
    return array;
  }
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = array;
  bool filled = fill_strings(thread, module, literal, &held[0]);
  mm_scope_close(&thread->mutator, &scope);
  return filled ? held[0] : MM_NULL;
}

/* --- Arrays of arrays --- */

/* One level; the levels below are at most 255 deep. */
static struct mm_ref new_level(struct vm_thread *thread, struct vm_class *class,
                               uint32_t dims, const int32_t *sizes)
{
  struct mm_ref held[1];
  struct mm_scope scope;
  mm_scope_open(&thread->mutator, &scope, held, 1);
  held[0] = vm_new_array(thread, class, sizes[0]);
  bool ok = !mm_is_null(held[0]);
  for (int32_t i = 0; ok && dims > 1 && i < sizes[0]; i++) {
    struct mm_ref inner =
        new_level(thread, class->element, dims - 1, sizes + 1);
    ok = !mm_is_null(inner);
    if (ok)
      vm_array_set_ref(thread, held[0], (uint32_t)i, inner);
  }
  mm_scope_close(&thread->mutator, &scope);
  return ok ? held[0] : MM_NULL;
}

struct mm_ref vm_new_multi_array(struct vm_thread *thread,
                                 struct vm_class *class, uint32_t dims,
                                 const int32_t *sizes)
{
  for (uint32_t i = 0; i < dims; i++)
    if (sizes[i] < 0) {
      vm_throw_negative_size(thread, sizes[i]);
      return MM_NULL;
    }
  if (dims == 0) /* `initobj i32[].ctor` without a size */
    return vm_new_array(thread, class, 0);
  return new_level(thread, class, dims, sizes);
}

/* --- Mirrors --- */

struct mm_ref vm_class_mirror(struct vm_thread *thread, struct vm_class *class)
{
  struct mm_ref there = {
      __atomic_load_n(&class->mirror.bits, __ATOMIC_ACQUIRE)};
  if (!mm_is_null(there))
    return there;
  struct mm_ref mirror =
      made(thread, mm_alloc_nonmoving(&thread->mutator,
                                      &thread->vm->known.class_->layout, 0));
  if (mm_is_null(mirror))
    return mirror;
  *(uint32_t *)vm_object_at(mirror, VM_MIRROR_CLASS_OFFSET) =
      (uint32_t)(uintptr_t) class;
  vm_object_set_ref(thread, mirror, VM_MIRROR_LOADER_OFFSET,
                    class->loader->object);
  /* Of two threads that made one the first wins. */
  if (__atomic_compare_exchange_n(&class->mirror.bits, &there.bits, mirror.bits,
                                  false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return mirror;
  return there;
}

struct vm_class *vm_class_of_mirror(struct mm_ref mirror)
{
  return (struct vm_class *)(uintptr_t) *
         (uint32_t *)vm_object_at(mirror, VM_MIRROR_CLASS_OFFSET);
}
