/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler as the interpreter's tier: which method is compiled when, and
 * how compiled code is entered.
 *
 *   interpreted --hot--> [queued] --compiled--> published --cold--> retired
 *        ^                                          |                  |
 *        +--------- calls and loops go back --------+------------------+
 *                                                        freed when no frame
 *                                                        is in it (collect.c)
 */
#include "config.h"

#include "jit_stub/code_internal.h"
#include "jit_stub/native_internal.h"
#include "jit_stub/observe_internal.h"

#include "mm/mm_inline.h"
#include "mm/schedule.h"
#include "vm/core/purposes.h"

/* --- Counting --- */

enum { ROUNDS_UNTIL_NEXT_TRY = 64 };

static void set_heat(struct vm_method *method, uint64_t heat)
{
  __atomic_store_n(&method->heat, heat < INT32_MAX ? (int32_t)heat : INT32_MAX,
                   __ATOMIC_RELAXED);
}

/* The method has to get hot again. */
static void cool(const struct jit_compiler *compiler, struct vm_method *method)
{
  uint64_t threshold = compiler->vm->options.jit.threshold;
  set_heat(method, threshold ? threshold : 1);
}

/* --- Publishing --- */

const void *jit_initial_entry(struct vm *vm, const struct vm_method *method)
{
  const struct jit_stubs *stubs = &jit_compiler_of(vm)->stubs;
  return method->native ? stubs->call_native : stubs->interpret;
}

static void link_locked(struct jit_compiler *compiler, struct jit_code *code)
{
  code->previous = compiler->last;
  *(compiler->last ? &compiler->last->next : &compiler->first) = code;
  compiler->last = code;
}

static void unlink_locked(struct jit_compiler *compiler, struct jit_code *code)
{
  *(code->previous ? &code->previous->next : &compiler->first) = code->next;
  *(code->next ? &code->next->previous : &compiler->last) = code->previous;
}

void jit_retire_outdated_locked(struct jit_compiler *compiler,
                                struct jit_code *code)
{
  if (code->is_outdated && !code->older)
    jit_retire_locked(compiler, code);
}

/* While older code is not freed yet there could be none but this one. */
static void outdate_locked(struct jit_compiler *compiler, struct jit_code *code)
{
  code->is_outdated = code->has_unresolved;
  jit_retire_outdated_locked(compiler, code);
}

/* An operation of the method was resolved. */
static void resolved(struct vm *vm, struct vm_method *method)
{
  vm_lock(vm, VM_LOCK_CODE);
  if (method->compiled)
    outdate_locked(jit_compiler_of(vm), method->compiled);
  vm_unlock(vm, VM_LOCK_CODE);
}

static void publish_locked(struct jit_compiler *compiler, struct jit_code *code)
{
  struct vm_method *method = code->method;
  code->older = method->compiled;
  code->is_touched = true;
  link_locked(compiler, code);
  compiler->counts.compiled++;
  compiler->counts.insns += code->insns;
  compiler->counts.code_bytes += code->code_bytes;
  compiler->counts.live++;
  __atomic_store_n(&method->compiled, code, __ATOMIC_RELEASE);
  __atomic_store_n(&method->machine_entry, code->block.run, __ATOMIC_RELEASE);
  __atomic_store_n(&method->entry, interp_compiled_stub(), __ATOMIC_RELEASE);
  /* Whoever is in one of its loops is to come over soon. */
  set_heat(method, 1);
  const struct interp_code *decoded = interp_code_of(method);
  if (decoded->resolved_count != code->resolved_count)
    outdate_locked(compiler, code);
}

void jit_retire_locked(struct jit_compiler *compiler, struct jit_code *code)
{
  struct vm_method *method = code->method;
  if (code->is_stale)
    return;
  __atomic_store_n(&method->entry, interp_words_of(method), __ATOMIC_RELEASE);
  if (!mm_fault_is_due(compiler->vm->heap, MM_FAULT_JIT_STALE))
    __atomic_store_n(&method->machine_entry, compiler->stubs.interpret,
                     __ATOMIC_RELEASE);
  __atomic_store_n(&code->is_stale, true, __ATOMIC_RELEASE);
  __atomic_fetch_add(&compiler->stale_count, 1, __ATOMIC_RELAXED);
  compiler->counts.live--;
  cool(compiler, method);
}

void jit_free_locked(struct jit_compiler *compiler, struct jit_code *code)
{
  struct vm_method *method = code->method;
  struct jit_code *newer = method->compiled;
  if (newer == code) {
    __atomic_store_n(&method->compiled, code->older, __ATOMIC_RELEASE);
  } else {
    while (newer->older != code)
      newer = newer->older;
    newer->older = code->older;
  }
  /* The stub `touch' may have put it back while the code was retired. */
  if (method->machine_entry == code->block.run &&
      !mm_fault_is_due(compiler->vm->heap, MM_FAULT_JIT_STALE))
    __atomic_store_n(&method->machine_entry, compiler->stubs.interpret,
                     __ATOMIC_RELEASE);
  if (code->is_stale)
    __atomic_fetch_sub(&compiler->stale_count, 1, __ATOMIC_RELAXED);
  unlink_locked(compiler, code);
  jit_observe_freed(compiler, code);
  mm_code_free(compiler->vm->heap, code->block.run);
  mm_native_free(VM_PURPOSE_COMPILED, code, code->bytes);
}

/* --- Compiling --- */

/* A version that no code of the method has; false: both are still in use. */
static bool free_version(struct vm *vm, const struct vm_method *method,
                         uint32_t *version)
{
  vm_lock(vm, VM_LOCK_CODE);
  const struct jit_code *code = method->compiled;
  *version = code ? code->version ^ VM_FRAME_VERSION : 0;
  bool is_free = !code || (code->is_stale && !code->older);
  vm_unlock(vm, VM_LOCK_CODE);
  return is_free;
}

static void count(struct jit_compiler *compiler, uint64_t *what, uint64_t by)
{
  vm_lock(compiler->vm, VM_LOCK_CODE);
  *what += by;
  vm_unlock(compiler->vm, VM_LOCK_CODE);
}

static enum jit_outcome compile_once(struct jit_compiler *compiler,
                                     struct vm_method *method)
{
  struct vm *vm = compiler->vm;
  struct jit_code *code;
  uint32_t version;
  if (!free_version(vm, method, &version))
    return JIT_NOT_NOW;
  uint64_t begun = mm_now_ns();
  enum jit_outcome outcome = jit_compile(compiler, method, version, &code);
  count(compiler, &compiler->counts.compile_ns, mm_now_ns() - begun);
  if (outcome != JIT_COMPILED)
    return outcome;
  jit_observe_compiled(compiler, code);
  vm_lock(vm, VM_LOCK_CODE);
  publish_locked(compiler, code);
  vm_unlock(vm, VM_LOCK_CODE);
  return JIT_COMPILED;
}

/* What could not be compiled is not tried again soon, or ever. */
static void refuse(struct jit_compiler *compiler, struct vm_method *method,
                   enum jit_outcome outcome)
{
  enum { PATIENCE = 100 };
  uint64_t threshold = compiler->vm->options.jit.threshold;
  count(compiler, &compiler->counts.refused, 1);
  set_heat(method,
           outcome == JIT_NO_ROOM ? (threshold + 1) * PATIENCE : INT32_MAX);
}

void jit_compile_method(struct jit_compiler *compiler, struct vm_method *method,
                        struct vm_thread *thread)
{
  enum jit_outcome outcome = compile_once(compiler, method);
  if (outcome == JIT_NO_ROOM && jit_make_room(compiler, thread))
    outcome = compile_once(compiler, method);
  if (outcome == JIT_NO_ROOM || outcome == JIT_REFUSED)
    refuse(compiler, method, outcome);
}

/* By the thread that asks.  One compiles at a time, and nobody waits for it:
   who finds it busy asks again later. */
static void compile_here(struct vm_thread *thread, struct vm_method *method)
{
  struct jit_compiler *compiler = jit_compiler_of(thread->vm);
  if (__atomic_exchange_n(&compiler->is_compiling, true, __ATOMIC_ACQUIRE)) {
    set_heat(method, 1);
    return;
  }
  jit_compile_method(compiler, method, thread);
  __atomic_store_n(&compiler->is_compiling, false, __ATOMIC_RELEASE);
}

static bool has_code(const struct vm_method *method)
{
  const struct jit_code *code =
      __atomic_load_n(&method->compiled, __ATOMIC_ACQUIRE);
  return code && !__atomic_load_n(&code->is_stale, __ATOMIC_ACQUIRE);
}

/* Half of all methods, by their names and the seed, so that interpreted and
   compiled ones call each other for ever (VM_JIT_RANDOM). */
static bool is_chosen(const struct vm *vm, const struct vm_method *method)
{
  uint64_t hash = vm->options.mm.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
  const char *names[] = {method->owner->name, method->name};
  for (int i = 0; i < 2; i++)
    for (const char *at = names[i]; *at; at++)
      hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
  return (hash ^ hash >> 32) >> 7 & 1;
}

static void hot(struct vm_thread *thread, struct vm_method *method)
{
  struct jit_compiler *compiler = jit_compiler_of(thread->vm);
  if (thread->vm->options.jit.mode == VM_JIT_RANDOM &&
      !is_chosen(thread->vm, method)) {
    set_heat(method, INT32_MAX);
    return;
  }
  if (has_code(method)) {
    set_heat(method, ROUNDS_UNTIL_NEXT_TRY);
    return;
  }
  cool(compiler, method);
  if (compiler->is_sync || !jit_queue_add(compiler, method))
    compile_here(thread, method);
}

/* --- Entering --- */

/* How far frames of compiled code may reach: each takes a word of the machine
   stack, and at least VM_FRAME_SLOTS of the other. */
static union vm_slot *code_limit_of(const struct vm_thread *thread,
                                    struct vm_frame *frame)
{
  enum { RESERVE_BYTES = 16 * 1024 };
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  if (here < thread->c_stack_limit + RESERVE_BYTES)
    return thread->stack_base;
  uintptr_t words =
      (here - thread->c_stack_limit - RESERVE_BYTES) / sizeof(void *);
  if (frame->vregs > thread->stack_limit ||
      words * VM_FRAME_SLOTS >= (uintptr_t)(thread->stack_limit - frame->vregs))
    return thread->stack_limit;
  return frame->vregs + words * VM_FRAME_SLOTS;
}

/* See Note [Entering a method]. */
void jit_set_code_limit(struct vm_thread *thread, union vm_slot *limit)
{
  thread->code_limit = limit;
  mm_set_entry_limit(&thread->mutator, (uintptr_t)(limit - JIT_SLACK_SLOTS));
}

static void change_code_limit(struct vm_thread *thread, union vm_slot *limit)
{
  if (thread->code_limit != limit)
    jit_set_code_limit(thread, limit);
}

/* What an outer activation had as its limit is put back for it; without one
   nobody asks. */
static enum vm_tier_outcome run(struct vm_thread *thread,
                                struct vm_frame *frame, const void *at,
                                union vm_slot *limit, union vm_slot *result)
{
  struct jit_activation activation = {.outer = thread->activation,
                                      .base = frame};
  union vm_slot *outer_limit = thread->code_limit;
  thread->activation = &activation;
  change_code_limit(thread, limit);
  struct vm_thread *before = jit_fault_watch(thread);
  bool returned = jit_compiler_of(thread->vm)
                      ->stubs.enter(thread, frame, at, result, &activation);
  jit_fault_watch(before);
  thread->activation = activation.outer;
  if (activation.outer)
    change_code_limit(thread, outer_limit);
  if (activation.is_left)
    return VM_TIER_LEFT;
  return returned ? VM_TIER_RETURNED : VM_TIER_THREW;
}

static enum vm_tier_outcome enter(struct vm_thread *thread,
                                  struct vm_frame *frame, uint32_t word,
                                  union vm_slot *result)
{
  struct jit_code *code =
      __atomic_load_n(&frame->method->compiled, __ATOMIC_ACQUIRE);
  if (!code || __atomic_load_n(&code->is_stale, __ATOMIC_ACQUIRE))
    return VM_TIER_NO_CODE;
  const void *at =
      word == 0 ? jit_code_start(code) : jit_code_entry(code, word);
  union vm_slot *limit = code_limit_of(thread, frame);
  if (!at || frame->vregs + frame->method->reg_count > limit)
    return VM_TIER_NO_CODE;
  if (!__atomic_load_n(&code->is_touched, __ATOMIC_RELAXED))
    __atomic_store_n(&code->is_touched, true, __ATOMIC_RELAXED);
  return run(thread, frame, at, limit, result);
}

/* --- The end of a method --- */

static void forget_method(struct vm *vm, struct vm_method *method)
{
  struct jit_compiler *compiler = jit_compiler_of(vm);
  struct jit_code *code;
  vm_lock(vm, VM_LOCK_CODE);
  while ((code = method->compiled) != NULL) {
    compiler->counts.live -= !code->is_stale;
    jit_free_locked(compiler, code);
  }
  jit_forget_bridges_locked(compiler, method);
  vm_unlock(vm, VM_LOCK_CODE);
}

const struct vm_tier jit_tier = {
    .hot = hot,
    .enter = enter,
    .resolved = resolved,
    .initial_entry = jit_initial_entry,
    .world_stopped = jit_world_stopped,
    .let_go = jit_queue_let_go,
    .bridge = jit_bridge,
    .forget_method = forget_method,
    .report = jit_report,
    .destroy = jit_destroy,
};
