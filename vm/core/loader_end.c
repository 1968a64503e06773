/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Note [The end of a loader]
 *
 * A loader's object (panda.Loader) stands for it in the heap.  What keeps the
 * object keeps the loader, its classes and what they hold:
 *
 *   who                                   by what
 *   the program, a handle                 a reference to the object
 *   an instance of one of its classes,    an owner, MM_LAYOUT_OWNED:
 *   an array of such                      Note [Owners of classes]
 *   a class object (mirror)               its hidden field
 *   a frame that runs one of its methods  vm_loader_visit_of, a root
 *   a stored stack trace                  trace.c
 *   the trace of a pending exception      vm_loader_visit_of
 *
 * and there is nobody else.  In particular no code of the boot loader or of
 * another one refers to its classes: names resolve in the loader of the module
 * that has them, and an inline cache takes classes of its own loader and of the
 * boot loader only (Note [Receivers of virtual calls]).  A subclass in another
 * loader cannot be, since no loader sees another's records.
 *
 * What it keeps, the object's `scan' visits: statics, mirrors and resolved
 * strings.  In collections of young objects they are roots, as the boot
 * loader's always are.
 *
 *   published --> not reached by a collection of the whole heap: off the list
 *             --> code, module, tables, names freed: by the next thread that
 *                 loads a module, else in the next collection of the whole heap
 *             --> classes freed, when the dead instances are gone, too:
 *                 see Note [Late metadata]
 *
 * So the pause that finds them does next to nothing for each.  A method that
 * waits to be compiled keeps nothing and is let go; while one is being
 * compiled, its loader waits to be freed.
 *
 * Liang and Bracha (1998) have the rules; HotSpot's ClassLoaderData and its
 * "holder" are built alike.
 *
 * --class-unloading=off makes each loader's object a root, and its classes are
 * like the boot loader's.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <inttypes.h>
#include <string.h>

#include "mm/gc/faults.h"
#include "mm/language.h"
#include "mm/mm_inline.h"
#include "mm/schedule.h"
#include "mm/stat/log.h"

/* --- What a loader holds --- */

/* How a slot is told of. */
struct hold {
  void (*slot)(void *context, struct mm_ref *slot, enum mm_root_kind kind);
  void *context;
};

static void hold_statics(struct vm_class *class, const struct hold *hold)
{
  for (uint32_t i = 0; i < class->static_count; i++)
    if ((class->static_refs[i / 64] >> (i % 64)) & 1)
      hold->slot(hold->context, &class->statics[i].ref, MM_ROOT_STATIC);
}

static void hold_strings(struct vm_module *module, const struct hold *hold)
{
  for (uint32_t i = 0; i < module->string_count; i++)
    hold->slot(hold->context, &module->strings[i].resolved, MM_ROOT_CONSTANT);
}

/* Beside running threads too, which may add a class of arrays. */
static void hold_all(struct vm_loader *loader, const struct hold *hold)
{
  struct vm_class *class = __atomic_load_n(&loader->classes, __ATOMIC_ACQUIRE);
  for (; class; class = __atomic_load_n(&class->next, __ATOMIC_ACQUIRE)) {
    hold_statics(class, hold);
    hold->slot(hold->context, &class->mirror, MM_ROOT_MIRROR);
  }
  for (struct vm_module *m = loader->modules; m; m = m->next)
    hold_strings(m, hold);
}

/* --- As roots --- */

static void visit_root(void *context, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  struct mm_root_visitor *visitor = context;
  visitor->slot(visitor, slot, kind);
}

void vm_loaders_visit_roots(struct vm *vm, struct mm_root_visitor *visitor)
{
  struct hold hold = {visit_root, visitor};
  for (struct vm_loader *loader = vm->boot; loader; loader = loader->next) {
    if (visitor->keeps_old || !loader->is_unloadable)
      hold_all(loader, &hold);
    if (!loader->is_unloadable)
      visitor->slot(visitor, &loader->object, MM_ROOT_GLOBAL);
  }
}

void vm_loader_visit_of(const struct vm_method *method,
                        struct mm_root_visitor *visitor)
{
  struct vm_loader *loader = method->owner->loader;
  if (loader->is_unloadable &&
      !mm_fault_is_due(loader->vm->heap, MM_FAULT_FRAME_LOADER))
    visitor->slot(visitor, &loader->object, MM_ROOT_THREAD);
}

/* --- As what the object refers to --- */

static void visit_slot(void *context, struct mm_ref *slot,
                       enum mm_root_kind kind)
{
  struct mm_slot_visitor *visitor = context;
  (void)kind;
  visitor->slot(visitor, slot);
}

/* A new object has no loader yet, a dead one none any more. */
static void scan(void *object, const struct mm_layout *layout,
                 struct mm_slot_visitor *visitor)
{
  struct vm_loader *loader = __atomic_load_n(
      (struct vm_loader **)((char *)object + VM_LOADER_ADDRESS_OFFSET),
      __ATOMIC_ACQUIRE);
  struct hold hold = {visit_slot, visitor};
  (void)layout;
  if (loader && loader->is_unloadable)
    hold_all(loader, &hold);
}

static const struct mm_language panda = {.name = "panda", .scan = scan};

bool vm_loaders_know_class(struct vm *vm)
{
  struct vm_class *class = vm->known.loader;
  struct mm_error error;
  unsigned language;
  VM_ASSERT(class->fields[1].offset == VM_LOADER_ADDRESS_OFFSET);
  if (mm_language_register(vm->heap, &panda, &language, &error) != MM_OK)
    return false;
  class->flags |= VM_CLASS_NOT_INSTANTIABLE;
  class->layout.kind = MM_KIND_CUSTOM;
  class->layout.language = (uint8_t)language;
  return true;
}

/* --- The end --- */

static uint64_t count_classes(const struct vm_loader *loader)
{
  uint64_t count = 0;
  for (const struct vm_class *class = loader->classes; class;
       class = class->next)
    count++;
  return count;
}

/* With --gc-verify: what keeps a loader is found by another way than marking.
 */
static void check_unused(const struct vm_loader *loader)
{
  struct vm *vm = loader->vm;
  for (struct vm_thread *t = vm->threads; t; t = t->next)
    for (const struct vm_frame *f = t->top; f; f = f->caller)
      if (!vm_frame_is_boundary(f) && f->method->owner->loader == loader)
        vm_assert_failed(__FILE__, __LINE__,
                         "no frame runs a method of a loader that ends");
}

static void bury(struct vm_loader *loader)
{
  struct core *core = vm_core_of(loader->vm);
  if (loader->vm->options.mm.verify)
    check_unused(loader);
  core->loaders.unloaded++;
  core->loaders.classes_unloaded += count_classes(loader);
  __atomic_fetch_sub(&core->room.live_bytes, loader->bytes, __ATOMIC_RELAXED);
  /* The dead object may still be looked at. */
  memset(vm_object_at(loader->object, VM_LOADER_ADDRESS_OFFSET), 0,
         sizeof loader);
  loader->next = core->dead_loaders;
  core->dead_loaders = loader;
}

/* One that can be freed: none of its methods is being compiled. */
static struct vm_loader *take_dead(struct vm *vm)
{
  vm_lock(vm, VM_LOCK_LINK);
  struct vm_loader **link = &vm_core_of(vm)->dead_loaders;
  while (*link && vm->tier && !vm->tier->let_go(vm, *link))
    link = &(*link)->next;
  struct vm_loader *loader = *link;
  if (loader)
    *link = loader->next;
  vm_unlock(vm, VM_LOCK_LINK);
  return loader;
}

void vm_loaders_free_dead(struct vm *vm, struct vm_thread *thread)
{
  struct vm_loader *loader;
  while ((loader = take_dead(vm)) != NULL) {
    vm_loader_destroy(loader);
    if (thread)
      mm_poll(&thread->mutator);
  }
}

/* One line for each collection that took some down:
     [0.731s][info][gc,class] Unloaded 12 modules, 31 classes 0.043ms */
static void tell(struct vm *vm, const struct vm_loader_counts *before,
                 uint64_t begun_ns)
{
  const struct vm_loader_counts *now = &vm_core_of(vm)->loaders;
  uint64_t ns = mm_now_ns() - begun_ns;
  if (now->unloaded > before->unloaded)
    mm_log_write(mm_log_of(vm->heap), MM_LOG_INFO, "gc,class",
                 "Unloaded %" PRIu64 " modules, %" PRIu64 " classes %" PRIu64
                 ".%03" PRIu64 "ms",
                 now->unloaded - before->unloaded,
                 now->classes_unloaded - before->classes_unloaded, ns / 1000000,
                 ns / 1000 % 1000);
}

void vm_loaders_sweep(void *host, struct mm_owner_visitor *visitor)
{
  struct vm *vm = host;
  if (!vm->boot)
    return; /* the machine is being made */
  struct vm_loader_counts before = vm_core_of(vm)->loaders;
  uint64_t begun_ns = mm_now_ns();
  vm_loaders_free_dead(vm, NULL); /* nobody has loaded one since */
  struct vm_loader **link = &vm->boot->next;
  while (*link) {
    struct vm_loader *loader = *link;
    if (!loader->is_unloadable || visitor->lives(visitor, loader->object)) {
      link = &loader->next;
    } else {
      *link = loader->next;
      bury(loader);
    }
  }
  vm_loaders_settle(vm);
  tell(vm, &before, begun_ns);
}

void vm_loaders_report(struct vm *vm, struct mm_stat_sink *sink)
{
  vm_lock(vm, VM_LOCK_LINK);
  struct vm_loader_counts counts = vm_core_of(vm)->loaders;
  vm_unlock(vm, VM_LOCK_LINK);
  sink->line(sink, "modules_loaded", "modules loaded by the program",
             counts.loaded, MM_UNIT_NUMBER);
  sink->line(sink, "modules_unloaded", "of those unloaded", counts.unloaded,
             MM_UNIT_NUMBER);
  sink->line(sink, "classes_loaded", "classes of those modules",
             counts.classes_loaded, MM_UNIT_NUMBER);
  sink->line(sink, "classes_unloaded", "of those unloaded",
             counts.classes_unloaded, MM_UNIT_NUMBER);
}
