/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking over a module: records become classes, functions methods.
 *
 *   check -> gather records -> _GLOBAL -> define, bases first
 *                  |
 *                  +- base not loaded yet: waits in loader->pending, tried
 * again after each further module of the loader; what waits for ever does not
 * exist for the program.  A module loaded at run time has no further ones: it
 * is refused
 *
 * A record whose name is taken is left out with all its functions: the
 * library's records win over a program's, an earlier file's over a later
 * one's (4.4).  Functions without a record belong to a _GLOBAL class of their
 * own per module, which is in no table: resolve.c searches all of them.
 *
 * Bodies are verified when all files are there (vm_verify_loaded): what one
 * file does with the records of another depends on their bases.
 *
 * Invariant: a class is registered, and so can be found, only when it is
 * complete; a failure leaves no half-made class behind.
 *
 * Read next: class_make.c, layout.c, vtable.c; resolve.c.
 */
#include "config.h"

#include "vm/core/loader_internal.h"

#include <string.h>

#include "mm/mm_inline.h"
#include "vm/asm/asm.h"
#include "vm/core/assert.h"
#include "vm/core/lock.h"
#include "vm/core/purposes.h"
#include "vm/core/threads.h"
#include "vm/verify/verify.h"

/* WAITING: its base was sought in this round; in the next one it is PENDING. */
enum pending_state { PENDING, ON_CHAIN, WAITING, DEFINED, DROPPED };

/* A record to be defined. */
struct vm_pending {
  struct vm_pending *next; /* in load order */
  struct vm_module *module;
  const struct vm_record_def *record;
  const struct vm_owned_functions *functions;
  struct vm_pending *base;    /* the base, when it is of the same module */
  struct vm_pending *derived; /* link of a chain that is being climbed */
  enum pending_state state;
};

/* By who is loading while others run; null: nobody else does. */
static void poll(struct vm_thread *thread)
{
  if (thread)
    mm_poll(&thread->mutator);
}

static const char *record_name(const struct vm_module *module,
                               const struct vm_record_def *record)
{
  return module->types[record->type].name;
}

static const char *base_name(const struct vm_pending *pending)
{
  uint32_t base = pending->record->base;
  return base == UINT32_MAX ? "panda.Object"
                            : pending->module->types[base].name;
}

const char *vm_pending_base(struct vm_loader *loader, const char *name)
{
  const struct vm_pending *pending = loader->pending;
  for (; pending; pending = pending->next)
    if (strcmp(record_name(pending->module, pending->record), name) == 0)
      return base_name(pending);
  return NULL;
}

static bool no_memory(const struct vm_module *module, struct vm_diags *diags)
{
  vm_diag_add_no_memory(diags, module->file,
                        "memory ran out while its classes were made; see "
                        "--metadata-max and --internal-max");
  return false;
}

static void report(const struct vm_pending *pending, struct vm_diags *diags,
                   const char *what)
{
  const struct vm_module *module = pending->module;
  const char *name = record_name(module, pending->record);
  vm_diag_add(diags, VM_DIAG_ERROR, module->file, module->source,
              module->source_bytes, pending->record->line,
              pending->record->column, 1, "record `%s` %s `%s`", name, what,
              base_name(pending));
}

/* --- Gathering --- */

/* Functions of each type, by counting: one pass to count, one to place. */
static struct vm_owned_functions *sort_functions(struct vm_module *module)
{
  struct vm_owned_functions *owned =
      mm_arena_alloc(module->arena, (module->type_count + 1) * sizeof *owned);
  uint32_t *places = mm_arena_alloc(
      module->arena, ((size_t)module->function_count + 1) * sizeof *places);
  if (!owned || !places)
    return NULL;
  for (uint32_t i = 0; i < module->function_count; i++)
    if (!(module->functions[i].flags & VM_FLAG_EXTERNAL))
      owned[module->methods[module->functions[i].method].owner].count++;
  for (uint32_t i = 0; i < module->type_count; i++) {
    owned[i].indices = places;
    places += owned[i].count;
    owned[i].count = 0;
  }
  for (uint32_t i = 0; i < module->function_count; i++)
    if (!(module->functions[i].flags & VM_FLAG_EXTERNAL)) {
      uint32_t type = module->methods[module->functions[i].method].owner;
      owned[type].indices[owned[type].count++] = i;
    }
  return owned;
}

/* Appends the module's records to the list, in order, and links each with
   its base's. */
static bool gather(struct vm_module *module,
                   const struct vm_owned_functions *owned)
{
  struct vm_pending **last = &module->loader->pending;
  size_t type_count = (size_t)module->type_count + 1;
  struct vm_pending **of_type =
      mm_native_alloc_array(VM_PURPOSE_CLASSES, type_count, sizeof *of_type);
  struct vm_pending *all = mm_arena_alloc(
      module->arena, ((size_t)module->record_count + 1) * sizeof *all);
  if (!of_type || !all)
    goto fail;
  while (*last)
    last = &(*last)->next;
  for (uint32_t i = 0; i < module->record_count; i++) {
    const struct vm_record_def *record = &module->records[i];
    if (record->flags & VM_FLAG_EXTERNAL)
      continue;
    all[i].module = module;
    all[i].record = record;
    all[i].functions = &owned[record->type];
    of_type[record->type] = &all[i];
    *last = &all[i];
    last = &all[i].next;
  }
  for (uint32_t i = 0; i < module->record_count; i++)
    if (all[i].record && all[i].record->base != UINT32_MAX)
      all[i].base = of_type[all[i].record->base];
  mm_native_free(VM_PURPOSE_CLASSES, of_type, type_count * sizeof *of_type);
  return true;
fail:
  mm_native_free(VM_PURPOSE_CLASSES, of_type, type_count * sizeof *of_type);
  return false;
}

/* --- Defining --- */

/* Does an earlier module's record of the same name wait for its base? */
static bool is_second(const struct vm_pending *pending)
{
  const char *name = record_name(pending->module, pending->record);
  const struct vm_pending *other = pending->module->loader->pending;
  for (; other && other->module != pending->module; other = other->next)
    if ((other->state == PENDING || other->state == WAITING) &&
        strcmp(record_name(other->module, other->record), name) == 0)
      return true;
  return false;
}

/* See Note [What a name means]. */
static bool is_taken(struct vm_loader *loader, const char *name)
{
  struct vm_class *class = NULL;
  if (loader != loader->vm->boot)
    class = vm_class_find(loader->vm, name);
  if (class && !class->module)
    return true; /* the library's */
  vm_lock(loader->vm, VM_LOCK_LINK);
  class = vm_class_table_find(loader->class_table, name, strlen(name));
  vm_unlock(loader->vm, VM_LOCK_LINK);
  return class != NULL;
}

static bool fit_as_base(const struct vm_class *class)
{
  return class && !class->is_array && class->has_instances;
}

/* An instance's fields start at 0/null; only statics have a value. */
static void warn_of_values(const struct vm_pending *pending,
                           struct vm_diags *diags)
{
  const struct vm_module *module = pending->module;
  for (uint32_t i = 0; i < pending->record->field_count; i++) {
    const struct vm_field_def *field = &pending->record->fields[i];
    if ((field->flags & VM_FLAG_HAS_VALUE) && !(field->flags & VM_FLAG_STATIC))
      vm_diag_add(diags, VM_DIAG_WARNING, module->file, module->source,
                  module->source_bytes, field->line, field->column, 1,
                  "`value` has no effect on a field that is not static");
  }
}

static bool fail_define(struct vm_pending *pending, struct vm_diags *diags)
{
  pending->state = DROPPED;
  return no_memory(pending->module, diags);
}

/* Defines one record whose base, if it is to be had, is defined. */
static bool define_one(struct vm_pending *pending, struct vm_diags *diags)
{
  struct vm_loader *loader = pending->module->loader;
  const char *name = record_name(pending->module, pending->record);
  if (pending->module->types[pending->record->type].dims > 0) {
    report(pending, diags, "is an array and cannot extend");
    pending->state = DROPPED;
    return false;
  }
  if (is_second(pending))
    return true;
  if (is_taken(loader, name)) {
    pending->state = DROPPED;
    return true;
  }
  struct vm_class *base;
  if (!vm_loader_look_up(loader, base_name(pending), &base))
    return fail_define(pending, diags);
  if (!base)
    return true; /* goes on waiting */
  if (!fit_as_base(base)) {
    report(pending, diags, "cannot extend");
    pending->state = DROPPED;
    return false;
  }
  if (!vm_load_record(pending->module, pending->record, base,
                      pending->functions))
    return fail_define(pending, diags);
  warn_of_values(pending, diags);
  pending->state = DEFINED;
  return true;
}

/* Defines a record after its bases.  The chain up to the first base that is
   settled, or waits, is linked downwards, then walked.  What finds no base on
   it is not tried again in this round, so that a round looks at each record
   once, however long the chains are. */
static bool define_chain(struct vm_pending *pending, struct vm_diags *diags)
{
  struct vm_pending *top = pending;
  bool ok = true;
  pending->derived = NULL;
  pending->state = ON_CHAIN;
  while (top->base && top->base->state == PENDING) {
    top->base->derived = top;
    top = top->base;
    top->state = ON_CHAIN;
  }
  if (top->base && top->base->state == ON_CHAIN) {
    report(top, diags, "extends itself through");
    ok = false;
  }
  for (struct vm_pending *next; top; top = next) {
    next = top->derived;
    top->state = ok ? PENDING : DROPPED;
    if (ok)
      ok = define_one(top, diags);
    if (top->state == PENDING)
      top->state = WAITING;
  }
  return ok;
}

/* Takes settled records off the list; how many. */
static uint32_t forget_settled(struct vm_pending **link)
{
  uint32_t count = 0;
  while (*link) {
    if ((*link)->state == WAITING) {
      (*link)->state = PENDING;
      link = &(*link)->next;
    } else {
      *link = (*link)->next;
      count++;
    }
  }
  return count;
}

/* A record of an earlier file may find its base only now, and be that of
   another: again, as long as there is progress.  Each round but the last
   settles what waited for another file, so rounds are few. */
static bool define_all(struct vm_loader *loader, struct vm_thread *thread,
                       struct vm_diags *diags)
{
  struct vm_pending **list = &loader->pending;
  bool ok = true;
  do {
    for (struct vm_pending *p = *list; p; p = p->next) {
      if (p->state == PENDING)
        ok = define_chain(p, diags) && ok;
      poll(thread);
    }
  } while (forget_settled(list) > 0 && *list);
  return ok;
}

/* --- Functions without a record --- */

static uint32_t find_global_type(const struct vm_module *module)
{
  uint32_t i = 0;
  while (i < module->type_count && strcmp(module->types[i].name, "_GLOBAL"))
    i++;
  return i;
}

static bool define_global(struct vm_module *module,
                          const struct vm_owned_functions *owned)
{
  uint32_t type = find_global_type(module);
  if (type == module->type_count)
    return true;
  struct vm_class *class = vm_load_global(module, &owned[type]);
  if (!class)
    return false;
  __atomic_store_n(&module->types[type].resolved, class, __ATOMIC_RELEASE);
  return true;
}

/* --- Verifying --- */

static bool verify_function(struct vm *vm, struct vm_module *module,
                            struct vm_function_def *function,
                            struct vm_diags *diags)
{
  return !function->insns || function->verified ||
         vm_verify_function(vm, module, function, false, diags);
}

static bool verify_module(struct vm *vm, struct vm_module *module,
                          struct vm_thread *thread, struct vm_diags *diags)
{
  for (uint32_t i = 0; i < module->function_count; i++) {
    if (!verify_function(vm, module, &module->functions[i], diags))
      return false;
    poll(thread);
  }
  return true;
}

bool vm_verify_loaded(struct vm *vm)
{
  struct vm_diags diags;
  bool ok = true;
  vm_diags_init(&diags);
  for (struct vm_module *m = vm->boot->modules; m && ok; m = m->next)
    ok = verify_module(vm, m, NULL, &diags);
  vm_diags_destroy(&diags);
  return ok;
}

/* --- All of it --- */

static bool define_module(struct vm_module *module, struct vm_thread *thread,
                          struct vm_diags *diags)
{
  const struct vm_owned_functions *owned = sort_functions(module);
  if (!owned || !gather(module, owned) || !define_global(module, owned))
    return no_memory(module, diags);
  return define_all(module->loader, thread, diags);
}

static void keep(struct vm_loader *loader, struct vm_module *module)
{
  module->loader = loader;
  *loader->last_module = module;
  loader->last_module = &module->next;
}

/* It is kept only to be destroyed. */
static bool refuse(struct vm_loader *loader, struct vm_module *module,
                   struct vm_diags *diags, const char *title, const char *text)
{
  vm_diag_add(diags, VM_DIAG_ERROR, module->file, NULL, 0, 0, 0, 1, "%s: %s",
              title, text);
  module->string_count = module->record_count = module->function_count = 0;
  keep(loader, module);
  return false;
}

/* Classes, tables of methods and the list of modules of the boot loader are
   read without a lock, by all threads, and change here. */
static bool is_alone(struct vm *vm)
{
  vm_lock(vm, VM_LOCK_SYNC);
  bool is_only = vm->threads && !vm->threads->next;
  vm_unlock(vm, VM_LOCK_SYNC);
  return is_only && vm_threads_alone(vm);
}

bool vm_load_module(struct vm *vm, struct vm_module *module,
                    struct vm_diags *diags)
{
  if (!is_alone(vm))
    return refuse(vm->boot, module, diags, "not loaded",
                  "other threads run; modules are loaded by the main thread, "
                  "before the program starts others");
  VM_ASSERT(vm_thread_here(vm) == vm->main_thread);
  const char *wrong = vm_module_check(module);
  if (wrong)
    return refuse(vm->boot, module, diags, "malformed module", wrong);
  keep(vm->boot, module);
  return define_module(module, NULL, diags);
}

/* There is no later file that could bring the base. */
static bool refuse_pending(struct vm_loader *loader, struct vm_diags *diags)
{
  for (const struct vm_pending *p = loader->pending; p; p = p->next)
    report(p, diags, "extends what is not there:");
  return loader->pending == NULL;
}

bool vm_load_alone(struct vm_thread *thread, struct vm_loader *loader,
                   struct vm_module *module, struct vm_diags *diags)
{
  const char *wrong = vm_module_check(module);
  if (wrong)
    return refuse(loader, module, diags, "malformed module", wrong);
  keep(loader, module);
  vm_mark_own_types(module);
  if (!define_module(module, thread, diags) || !refuse_pending(loader, diags))
    return false;
  return verify_module(loader->vm, module, thread, diags) ||
         no_memory(module, diags);
}
