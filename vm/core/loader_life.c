/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loader's life.
 *
 *   created --> its module defined, verified --> published --> ... --> freed
 *                  \--> destroyed: it is not fit
 *
 * Until it is published it is the loading thread's own: no list has it, none of
 * its classes can be named by others, and nothing of it has run, so there is
 * nothing in it that a collection would have to know.  The loading thread is
 * a running one and polls with no lock held (loader.c), so a long module holds
 * nobody up.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <string.h>

#include "vm/asm/asm.h"
#include "vm/core/purposes.h"

enum { LOADED_CLASSES = 8 };

void *vm_loader_metadata(struct vm_loader *loader, size_t bytes)
{
  return mm_metadata_alloc(loader->vm->heap, bytes);
}

struct vm_loader *vm_loader_create(struct vm *vm, size_t class_count)
{
  struct vm_loader *loader =
      mm_native_alloc(VM_PURPOSE_CLASSES, sizeof *loader);
  if (!loader)
    return NULL;
  loader->vm = vm;
  loader->last_module = &loader->modules;
  loader->last_class = &loader->classes;
  loader->arena = vm_arena_create(VM_PURPOSE_CLASSES);
  loader->class_table = vm_class_table_create(class_count);
  if (loader->arena && loader->class_table)
    return loader;
  vm_loader_free(loader);
  return NULL;
}

static void forget_method(struct vm *vm, struct vm_method *method)
{
  if (vm->tier)
    vm->tier->forget_method(vm, method);
  vm->engine.forget_method(method);
}

void vm_loader_forget_methods(struct vm_loader *loader)
{
  for (struct vm_class *class = loader->classes; class; class = class->next)
    for (uint32_t i = 0; i < class->method_count; i++)
      forget_method(loader->vm, &class->methods[i]);
}

void vm_loader_free(struct vm_loader *loader)
{
  while (loader->modules) {
    struct vm_module *module = loader->modules;
    loader->modules = module->next;
    vm_module_destroy(module);
  }
  vm_class_table_destroy(loader->class_table);
  mm_arena_destroy(loader->arena);
  mm_native_free(VM_PURPOSE_CLASSES, loader, sizeof *loader);
}

void vm_loader_destroy(struct vm_loader *loader)
{
  vm_loader_forget_methods(loader);
  vm_loader_free(loader);
}

/* --- While the program runs --- */

struct vm_loader *vm_loader_load(struct vm_thread *thread,
                                 struct vm_module *module,
                                 struct vm_diags *diags)
{
  struct vm_loader *loader = vm_loader_create(thread->vm, LOADED_CLASSES);
  if (!loader) {
    vm_diag_add_no_memory(diags, module->file, "memory ran out for its loader");
    vm_module_destroy(module);
    return NULL;
  }
  if (vm_load_alone(thread, loader, module, diags))
    return loader;
  vm_loader_destroy(loader);
  return NULL;
}

struct vm_loader *vm_loader_of(struct mm_ref object)
{
  struct vm_loader *loader;
  memcpy(&loader, vm_object_at(object, VM_LOADER_ADDRESS_OFFSET),
         sizeof loader);
  return loader;
}

struct mm_ref vm_loader_publish(struct vm_thread *thread,
                                struct vm_loader *loader)
{
  struct vm *vm = loader->vm;
  struct mm_ref object =
      mm_alloc_nonmoving(&thread->mutator, &vm->known.loader->layout, 0);
  if (mm_is_null(object)) {
    vm_throw_refused(thread);
    return object;
  }
  memcpy(vm_object_at(object, VM_LOADER_ADDRESS_OFFSET), &loader,
         sizeof loader);
  vm_object_made();
  loader->object = object;
  vm_lock(vm, VM_LOCK_LINK);
  loader->next = vm->boot->next;
  vm->boot->next = loader;
  vm_unlock(vm, VM_LOCK_LINK);
  return object;
}
