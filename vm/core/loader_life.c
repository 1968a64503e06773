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

#include "mm/native.h"
#include "vm/asm/asm.h"
#include "vm/core/natives.h"
#include "vm/core/purposes.h"

enum { LOADED_CLASSES = 8 };

void *vm_loader_metadata(struct vm_loader *loader, size_t bytes)
{
  if (!loader->metadata)
    return mm_metadata_alloc(loader->vm->heap, bytes);
  loader->metadata_bytes += bytes;
  __atomic_fetch_add(&vm_core_of(loader->vm)->room.metadata_bytes, bytes,
                     __ATOMIC_RELAXED);
  return mm_metadata_arena_alloc(loader->metadata, bytes);
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
  vm_natives_forget_loader(loader);
  vm_class_table_destroy(loader->class_table);
  mm_arena_destroy(loader->arena);
  mm_metadata_arena_destroy(loader->metadata);
  mm_native_free(VM_PURPOSE_CLASSES, loader, sizeof *loader);
}

void vm_loader_destroy(struct vm_loader *loader)
{
  vm_loader_forget_methods(loader);
  vm_loader_free(loader);
}

/* --- While the program runs --- */

/*
 * Note [Room for modules]
 *
 * What a module takes is not in the heap, so a program that loads and forgets
 * would not be collected for it.  When as much was loaded since dead loaders
 * were last looked for as lived then, and more than a few MiB, a collection of
 * the whole heap is asked for; when that did not come in time and it has become
 * twice as much, one is waited for.  The same with a quarter and a half of all
 * metadata that there may be, where modules that were refused count as well:
 * what they took is theirs for two collections.  (HotSpot's MetaspaceSize is
 * such a mark.)
 */
enum { MARK_BYTES = 4 << 20 };

static uint64_t load(const uint64_t *bytes)
{
  return __atomic_load_n(bytes, __ATOMIC_RELAXED);
}

void vm_loaders_settle(struct vm *vm)
{
  struct core *core = vm_core_of(vm);
  __atomic_store_n(&core->room.settled_bytes, load(&core->room.live_bytes),
                   __ATOMIC_RELAXED);
  __atomic_store_n(&core->room.taken_bytes, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&core->room.metadata_bytes, 0, __ATOMIC_RELAXED);
}

/* How often the mark was reached. */
static uint64_t count_marks(struct vm *vm)
{
  const struct core *core = vm_core_of(vm);
  uint64_t most_bytes = vm->options.mm.metadata_max_bytes;
  uint64_t mark_bytes = load(&core->room.settled_bytes);
  if (mark_bytes < MARK_BYTES)
    mark_bytes = MARK_BYTES;
  uint64_t marks = load(&core->room.taken_bytes) / mark_bytes;
  uint64_t quarters =
      most_bytes ? load(&core->room.metadata_bytes) / (most_bytes / 4 + 1) : 0;
  return marks > quarters ? marks : quarters;
}

static void make_room(struct vm_thread *thread)
{
  struct vm *vm = thread->vm;
  vm_loaders_free_dead(vm, thread);
  vm_natives_close_ended(thread);
  uint64_t marks = count_marks(vm);
  if (!vm->options.class_unloading || marks == 0)
    return;
  if (marks == 1)
    mm_collect_soon(&thread->mutator, MM_CAUSE_METADATA);
  else
    mm_collect(&thread->mutator, MM_CAUSE_METADATA);
}

struct vm_loader *vm_loader_load(struct vm_thread *thread,
                                 struct vm_module *module,
                                 struct vm_diags *diags)
{
  struct vm_loader *loader;
  make_room(thread);
  loader = vm_loader_create(thread->vm, LOADED_CLASSES);
  if (loader) {
    loader->is_unloadable = thread->vm->options.class_unloading;
    loader->metadata = mm_metadata_arena_create(thread->vm->heap);
  }
  if (!loader || !loader->metadata) {
    if (loader)
      vm_loader_free(loader);
    vm_diag_add_no_memory(diags, module->file, "memory ran out for its loader");
    vm_module_destroy(module);
    return NULL;
  }
  if (vm_load_alone(thread, loader, module, diags))
    return loader;
  vm_loader_destroy(loader);
  return NULL;
}

static struct vm_loader **address_in(struct mm_ref object)
{
  return vm_object_at(object, VM_LOADER_ADDRESS_OFFSET);
}

struct vm_loader *vm_loader_of(struct mm_ref object)
{
  return *address_in(object);
}

void vm_loaders_make_room(struct vm_thread *thread)
{
  enum { UNTIL_METADATA_IS_FREE = 2 };
  mm_collect(&thread->mutator, MM_CAUSE_METADATA);
  vm_loaders_free_dead(thread->vm, thread);
  for (int i = 0; i < UNTIL_METADATA_IS_FREE; i++)
    mm_collect(&thread->mutator, MM_CAUSE_METADATA);
}

/* Of the classes that were made before there was an owner. */
static void give_owner(struct vm_loader *loader)
{
  for (struct vm_class *class = loader->classes; class; class = class->next)
    class->layout.owner = loader->object;
}

static void count(struct vm_loader *loader)
{
  struct core *core = vm_core_of(loader->vm);
  struct vm_loader_counts *counts = &core->loaders;
  loader->bytes = loader->metadata_bytes + mm_arena_bytes(loader->arena) +
                  mm_arena_bytes(loader->modules->arena);
  __atomic_fetch_add(&core->room.live_bytes, loader->bytes, __ATOMIC_RELAXED);
  __atomic_fetch_add(&core->room.taken_bytes, loader->bytes, __ATOMIC_RELAXED);
  counts->loaded++;
  for (const struct vm_class *class = loader->classes; class;
       class = class->next)
    counts->classes_loaded++;
}

struct mm_ref vm_loader_publish(struct vm_thread *thread,
                                struct vm_loader *loader)
{
  struct vm *vm = loader->vm;
  struct mm_ref object = mm_alloc_nonmoving(
      &thread->mutator, &vm->known.loader->layout, VM_LOADER_BYTES);
  if (mm_is_null(object)) {
    vm_throw_refused(thread);
    return object;
  }
  loader->object = object;
  give_owner(loader);
  __atomic_store_n(address_in(object), loader, __ATOMIC_RELEASE);
  vm_object_made();
  vm_lock(vm, VM_LOCK_LINK);
  count(loader);
  loader->next = vm->boot->next;
  vm->boot->next = loader;
  vm_unlock(vm, VM_LOCK_LINK);
  return object;
}
