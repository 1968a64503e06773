/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler as the interpreter's tier: who is compiled when, and how compiled
 * code is entered.
 */
#include "config.h"

#include "jit_stub/code_internal.h"

#include "vm/core/purposes.h"

/* --- Publishing --- */

/* What compiled code calls, before there is code of the method itself. */
static const void *initial_entry(struct vm *vm, const struct vm_method *method)
{
  const struct jit_compiler *compiler = jit_compiler_of(vm);
  return method->native ? compiler->stubs.call_native
                        : compiler->stubs.interpret;
}

static void publish_locked(struct jit_compiler *compiler, struct jit_code *code)
{
  struct vm_method *method = code->method;
  code->older = method->compiled;
  code->previous = compiler->last;
  *(compiler->last ? &compiler->last->next : &compiler->first) = code;
  compiler->last = code;
  compiler->compiled_methods++;
  compiler->compiled_insns += code->insns;
  compiler->code_bytes += code->code_bytes;
  __atomic_store_n(&method->compiled, code, __ATOMIC_RELEASE);
  __atomic_store_n(&method->machine_entry, code->block.run, __ATOMIC_RELEASE);
  __atomic_store_n(&method->entry, interp_compiled_stub(), __ATOMIC_RELEASE);
}

static void compile_now(struct jit_compiler *compiler, struct vm_method *method)
{
  struct vm *vm = compiler->vm;
  struct jit_code *code = jit_compile(compiler, method, 0);
  if (!code)
    return;
  vm_lock(vm, VM_LOCK_CODE);
  publish_locked(compiler, code);
  vm_unlock(vm, VM_LOCK_CODE);
}

/* --- The tier --- */

enum { ROUNDS_UNTIL_NEXT_TRY = 64 };

static void set_heat(struct vm_method *method, uint64_t heat)
{
  __atomic_store_n(&method->heat, heat < INT32_MAX ? (int32_t)heat : INT32_MAX,
                   __ATOMIC_RELAXED);
}

static void hot(struct vm_thread *thread, struct vm_method *method)
{
  struct jit_compiler *compiler = jit_compiler_of(thread->vm);
  if (__atomic_load_n(&method->compiled, __ATOMIC_ACQUIRE)) {
    set_heat(method, ROUNDS_UNTIL_NEXT_TRY);
    return;
  }
  set_heat(method, thread->vm->options.jit.threshold);
  compile_now(compiler, method);
}

/* How far frames of compiled code may reach: each takes a word of the machine
   stack, and at least VM_FRAME_SLOTS of the other. */
static union vm_slot *code_limit_of(const struct vm_thread *thread,
                                    const struct vm_frame *frame)
{
  enum { RESERVE_BYTES = 16 * 1024 };
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  if (here < thread->c_stack_limit + RESERVE_BYTES)
    return thread->stack_base;
  uintptr_t words =
      (here - thread->c_stack_limit - RESERVE_BYTES) / sizeof(void *);
  uintptr_t slots = (uintptr_t)(thread->stack_limit - frame->vregs);
  if (frame->vregs > thread->stack_limit || words * VM_FRAME_SLOTS >= slots)
    return thread->stack_limit;
  return (union vm_slot *)frame->vregs + words * VM_FRAME_SLOTS;
}

static enum vm_tier_outcome enter(struct vm_thread *thread,
                                  struct vm_frame *frame, uint32_t word,
                                  union vm_slot *result)
{
  struct jit_compiler *compiler = jit_compiler_of(thread->vm);
  const struct jit_code *code =
      __atomic_load_n(&frame->method->compiled, __ATOMIC_ACQUIRE);
  if (!code || __atomic_load_n(&code->is_stale, __ATOMIC_ACQUIRE))
    return VM_TIER_NO_CODE;
  const void *at = word == 0 ? code->block.run : jit_code_entry(code, word);
  union vm_slot *limit = code_limit_of(thread, frame);
  if (!at || frame->vregs + frame->method->reg_count > limit)
    return VM_TIER_NO_CODE;
  struct jit_activation activation = {.outer = thread->activation,
                                      .base = frame};
  union vm_slot *outer_limit = thread->code_limit;
  thread->activation = &activation;
  thread->code_limit = limit;
  bool returned =
      compiler->stubs.enter(thread, frame, at, result, &activation);
  thread->activation = activation.outer;
  thread->code_limit = outer_limit;
  return returned ? VM_TIER_RETURNED : VM_TIER_THREW;
}

static void free_code(struct jit_compiler *compiler, struct jit_code *code)
{
  mm_code_free(compiler->vm->heap, code->block.run);
  mm_native_free(VM_PURPOSE_COMPILED, code, code->bytes);
}

static void forget_method(struct vm *vm, struct vm_method *method)
{
  struct jit_code *code = method->compiled;
  method->compiled = NULL;
  while (code) {
    struct jit_code *older = code->older;
    free_code(jit_compiler_of(vm), code);
    code = older;
  }
}

static const struct vm_tier tier = {
    .hot = hot,
    .enter = enter,
    .initial_entry = initial_entry,
    .forget_method = forget_method,
};

/* --- Starting and stopping --- */

/* Of the methods that were there before the compiler. */
static void give_entries(struct vm *vm)
{
  for (struct vm_class *class = vm->classes; class; class = class->next)
    for (uint32_t i = 0; i < class->method_count; i++)
      class->methods[i].machine_entry = initial_entry(vm, &class->methods[i]);
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
  compiler->barriers = mm_barrier_set_of(vm->heap);
  status = jit_stubs_make(compiler, error);
  if (status != MM_OK) {
    mm_native_free(VM_PURPOSE_COMPILED, compiler, sizeof *compiler);
    return status;
  }
  vm->compiler = compiler;
  vm->tier = &tier;
  give_entries(vm);
  return MM_OK;
}

void jit_stop(struct vm *vm)
{
  (void)vm;
}
