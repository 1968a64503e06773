/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping the compiler of a machine. */
#include "config.h"

#include "jit_stub/code_internal.h"
#include "jit_stub/observe_internal.h"

#include "vm/core/purposes.h"

#include <stdio.h>

/* Of the methods that were there before the compiler. */
static void give_entries(struct vm *vm)
{
  for (struct vm_class *class = vm->boot->classes; class; class = class->next)
    for (uint32_t i = 0; i < class->method_count; i++)
      class->methods[i].machine_entry =
          jit_initial_entry(vm, &class->methods[i]);
}

static enum mm_status fill(struct jit_compiler *compiler,
                           struct mm_error *error)
{
  struct vm *vm = compiler->vm;
  const struct vm_options *options = &vm->options;
  compiler->barriers = mm_barrier_set_of(vm->heap);
  compiler->space_bytes = mm_code_max_bytes(vm->heap);
  compiler->is_sync = options->jit.sync || options->jit.mode != VM_JIT_ON ||
                      options->mm.deterministic;
  enum mm_status status = jit_stubs_make(compiler, error);
  if (status == MM_OK && !compiler->is_sync)
    jit_queue_init(compiler);
  return status;
}

enum mm_status jit_start(struct vm *vm, struct mm_error *error)
{
  if (vm->options.jit.mode == VM_JIT_OFF)
    return MM_OK;
  enum mm_status status = mm_code_start(vm->heap, error);
  if (status != MM_OK)
    return status;
  struct jit_compiler *compiler =
      mm_native_alloc(VM_PURPOSE_COMPILED, sizeof *compiler);
  if (!compiler) {
    snprintf(error->text, sizeof error->text, "no memory for the compiler");
    return MM_NO_MEMORY;
  }
  compiler->vm = vm;
  status = fill(compiler, error);
  if (status != MM_OK) {
    mm_native_free(VM_PURPOSE_COMPILED, compiler, sizeof *compiler);
    return status;
  }
  if (vm->options.jit.mode != VM_JIT_ON)
    vm->options.jit.threshold = 1;
  jit_faults_start();
  vm->compiler = compiler;
  vm->tier = &jit_tier;
  jit_observe_started(compiler);
  give_entries(vm);
  return MM_OK;
}

/* In native state: the compiler's thread may want the world stopped. */
void jit_stop(struct vm *vm)
{
  struct jit_compiler *compiler = vm->compiler;
  if (!compiler || compiler->is_sync || !jit_queue_end(compiler))
    return;
  if (vm->main_thread)
    mm_enter_native(&vm->main_thread->mutator);
  jit_queue_join(compiler);
  if (vm->main_thread)
    mm_leave_native(&vm->main_thread->mutator);
}

/* After the methods are forgotten. */
void jit_destroy(struct vm *vm)
{
  jit_stop(vm);
  jit_queue_destroy(jit_compiler_of(vm));
  jit_observe_ended(jit_compiler_of(vm));
  mm_code_free(vm->heap, jit_compiler_of(vm)->stubs.block.run);
  mm_native_free(VM_PURPOSE_COMPILED, vm->compiler,
                 sizeof(struct jit_compiler));
  vm->compiler = NULL;
  vm->tier = NULL;
}
