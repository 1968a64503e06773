/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collecting compiled code: with the world stopped, code that is in use is
 * found by walking all frames; what is stale and not in use is freed; and when
 * there is no room for more, methods that have not run for long lose their
 * code.
 *
 * Note [Whether a method has run]
 *
 * Nothing is counted on the way into compiled code.  Instead a sweep "arms"
 * each method: what compiled code calls, vm_method.machine_entry, becomes a
 * stub that marks the code as touched and puts the entry back.  So a method
 * pays once per sweep, and what is not touched when the next sweep comes has
 * not been called meanwhile (the second-chance list of Corbató 1968, with the
 * stub for the reference bit; HotSpot's entry barriers serve its code cache
 * likewise).
 *
 * A sweep for room first drops what was not touched since the one before.  If
 * that does not free a quarter of the space, it goes on with the oldest code,
 * whatever its use.
 */
#include "config.h"

#include "jit_stub/code_internal.h"

#include "vm/core/assert.h"

/* --- What is in use --- */

/* The code that a compiled frame runs. */
struct jit_code *jit_code_of(const struct vm_frame *frame)
{
  uint32_t version = frame->position & VM_FRAME_VERSION;
  struct jit_code *code =
      __atomic_load_n(&frame->method->compiled, __ATOMIC_ACQUIRE);
  while (code && code->version != version)
    code = code->older;
  VM_ASSERT(code);
  return code;
}

static void mark_frames(struct vm_thread *thread)
{
  for (struct vm_frame *f = thread->top; f; f = f->caller)
    if (f->method && !f->method->native && f->position & VM_FRAME_COMPILED)
      jit_code_of(f)->is_in_use = true;
}

static void mark_all(struct jit_compiler *compiler)
{
  for (struct jit_code *code = compiler->first; code; code = code->next)
    code->is_in_use = false;
  for (struct vm_thread *t = compiler->vm->threads; t; t = t->next)
    mark_frames(t);
}

/* --- Freeing and retiring --- */

static void free_stale(struct jit_compiler *compiler)
{
  struct jit_code *next;
  for (struct jit_code *code = compiler->first; code; code = next) {
    next = code->next;
    if (code->is_stale && !code->is_in_use)
      jit_free_locked(compiler, code);
  }
}

static uint64_t evict(struct jit_compiler *compiler, struct jit_code *code)
{
  uint64_t bytes = code->block.bytes;
  jit_retire_locked(compiler, code);
  compiler->counts.evicted++;
  if (code->is_in_use)
    return 0;
  jit_free_locked(compiler, code);
  return bytes;
}

static bool is_cold(const struct jit_code *code)
{
  return !code->is_stale && !code->is_in_use &&
         !__atomic_load_n(&code->is_touched, __ATOMIC_RELAXED);
}

static void arm(struct jit_compiler *compiler, struct jit_code *code)
{
  __atomic_store_n(&code->is_touched, false, __ATOMIC_RELAXED);
  __atomic_store_n(&code->method->machine_entry, compiler->stubs.touch,
                   __ATOMIC_RELEASE);
}

static void arm_all(struct jit_compiler *compiler)
{
  for (struct jit_code *code = compiler->first; code; code = code->next)
    if (!code->is_stale)
      arm(compiler, code);
}

static void make_room(struct jit_compiler *compiler)
{
  uint64_t wanted = compiler->space_bytes / 4, freed = 0;
  struct jit_code *next;
  for (struct jit_code *code = compiler->first; code; code = next) {
    next = code->next;
    if (is_cold(code))
      freed += evict(compiler, code);
  }
  for (struct jit_code *code = compiler->first; code && freed < wanted;
       code = next) {
    next = code->next;
    if (!code->is_stale && !code->is_in_use)
      freed += evict(compiler, code);
  }
  arm_all(compiler);
  compiler->counts.sweeps++;
}

/* --- With the world stopped --- */

static void sweep(struct jit_compiler *compiler, bool for_room)
{
  vm_lock(compiler->vm, VM_LOCK_CODE);
  mark_all(compiler);
  free_stale(compiler);
  if (for_room)
    make_room(compiler);
  vm_unlock(compiler->vm, VM_LOCK_CODE);
}

static void sweep_for_room(void *context)
{
  sweep(context, true);
}

/* Whenever the world is stopped anyway. */
void jit_world_stopped(struct vm *vm)
{
  struct jit_compiler *compiler = jit_compiler_of(vm);
  if (__atomic_load_n(&compiler->stale_count, __ATOMIC_RELAXED) != 0)
    sweep(compiler, false);
}

/* `thread` null: the caller is no thread of the machine. */
bool jit_make_room(struct jit_compiler *compiler, struct vm_thread *thread)
{
  struct vm *vm = compiler->vm;
  if (!vm->options.jit.collect)
    return false;
  if (thread)
    mm_with_world_stopped(&thread->mutator, sweep_for_room, compiler);
  else
    mm_with_world_stopped_from_outside(vm->heap, sweep_for_room, compiler);
  return true;
}
