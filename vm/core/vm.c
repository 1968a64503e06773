/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine's beginning and end.
 *
 *   heap -> tables -> base classes -> library -> main thread -> errors
 *
 * Classes need metadata memory only, so they are there before the first
 * object is allocated.  The end takes everything down in reverse; the heap
 * goes last but for the struct, because classes lie in its metadata.
 */
#include "config.h"

#include "vm/core/core_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "vm/asm/asm.h"
#include "vm/core/define.h"
#include "vm/core/intern.h"
#include "vm/core/monitor.h"
#include "vm/core/natives.h"
#include "vm/core/purposes.h"

#define DEFAULT_STACK_BYTES ((size_t)16 * 1024 * 1024)

enum {
  DEFAULT_JIT_THRESHOLD = 1000,
  BOOT_CLASSES = 128, /* the library's, and some */
};
#ifdef BAMBOO_JIT
enum { DEFAULT_JIT_MODE = VM_JIT_ON };
#else
enum { DEFAULT_JIT_MODE = VM_JIT_OFF };
#endif

void vm_assert_failed(const char *file, int line, const char *condition)
{
  fprintf(stderr, "%s:%d: %s does not hold\n", file, line, condition);
  fflush(NULL);
  _Exit(70);
}

void vm_options_init(struct vm_options *options)
{
  *options = (struct vm_options){
      .stack_bytes = DEFAULT_STACK_BYTES,
      .jit = {.mode = DEFAULT_JIT_MODE,
              .threshold = DEFAULT_JIT_THRESHOLD,
              .collect = true},
      .fuse = true,
      .class_unloading = true,
      .out = stdout,
      .err = stderr,
  };
  mm_options_init(&options->mm);
}

static enum mm_status no_memory(struct mm_error *error, const char *what)
{
  snprintf(error->text, sizeof error->text, "no memory for %s", what);
  return MM_NO_MEMORY;
}

static bool create_tables(struct vm *vm)
{
  vm->boot = vm_loader_create(vm, BOOT_CLASSES);
  vm->intern = vm_intern_create();
  vm->monitors = vm_monitor_create();
  vm->natives = vm_natives_create();
  return vm->boot && vm->intern && vm->monitors && vm->natives;
}

/* Everything behind the heap; on failure vm_destroy takes down what there
   is. */
static enum mm_status fill(struct vm *vm, struct mm_error *error)
{
  if (!create_tables(vm))
    return no_memory(error, "the machine's tables");
  if (!vm_define_base_classes(vm) || !vm_library_define(vm) ||
      !vm_find_known_classes(vm))
    return no_memory(error, "the classes of the library");
  enum mm_status status =
      vm_thread_create(vm, vm->options.stack_bytes, &vm->main_thread, error);
  if (status != MM_OK)
    return status;
  if (!vm_preallocate_errors(vm->main_thread))
    return no_memory(error, "the first objects; choose a larger --heap-max");
  return MM_OK;
}

enum mm_status vm_create(const struct vm_options *options,
                         const struct vm_engine *engine, struct vm **out,
                         struct mm_error *error)
{
  vm_name_purposes();
  struct core *core = mm_native_alloc(VM_PURPOSE_MACHINE, sizeof *core);
  if (!core)
    return no_memory(error, "a machine");
  struct vm *vm = &core->vm;
  vm->options = *options;
  vm->engine = *engine;
  if (!vm_threads_init(vm)) {
    mm_native_free(VM_PURPOSE_MACHINE, core, sizeof *core);
    return no_memory(error, "locks");
  }
  enum mm_status status =
      mm_heap_create(&options->mm, &vm_binding, vm, &vm->heap, error);
  if (status != MM_OK) {
    vm_threads_destroy(vm);
    mm_native_free(VM_PURPOSE_MACHINE, core, sizeof *core);
    return status;
  }
  status = fill(vm, error);
  if (status != MM_OK) {
    vm_destroy(vm);
    return status;
  }
  *out = vm;
  return MM_OK;
}

/* Code of any loader may call that of the others: all is forgotten first. */
static void forget_methods(struct vm *vm)
{
  for (struct vm_loader *loader = vm->boot; loader; loader = loader->next)
    vm_loader_forget_methods(loader);
}

static void destroy_loaders(struct vm *vm)
{
  while (vm->boot) {
    struct vm_loader *loader = vm->boot;
    vm->boot = loader->next;
    vm_loader_free(loader);
  }
}

/* A cycle reads what the modules hold.  In native state, so that one that is
   under way can end. */
static void quit_heap(struct vm_thread *main)
{
  mm_enter_native(&main->mutator);
  mm_heap_quit(main->vm->heap);
  mm_leave_native(&main->mutator);
}

void vm_destroy(struct vm *vm)
{
  struct core *core = vm_core_of(vm);
  if (vm->main_thread) {
    vm_threads_stop(vm->main_thread);
    vm_natives_unload(vm->main_thread);
    quit_heap(vm->main_thread);
    vm_thread_destroy(vm->main_thread);
  }
  mm_heap_quit(vm->heap); /* without a main thread */
  vm_loaders_free_dead(vm, NULL);
  forget_methods(vm);
  if (vm->tier)
    vm->tier->destroy(vm);
  destroy_loaders(vm);
  if (vm->natives)
    vm_natives_destroy(vm->natives);
  if (vm->monitors)
    vm_monitor_destroy(vm->monitors);
  if (vm->intern)
    vm_intern_destroy(vm->intern);
  mm_heap_destroy(vm->heap);
  vm_threads_destroy(vm);
  mm_native_free(VM_PURPOSE_MACHINE, core, sizeof *core);
}
