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

#include "mm/schedule.h"
#include "mm/stat/log.h"
#include "vm/core/assert.h"

#include <inttypes.h>

/* One sweep: what it is for, and what came of it. */
struct sweep {
  struct jit_compiler *compiler;
  bool for_room;
  uint64_t number; /* of those for room, from 0 on */
  uint64_t before_bytes, freed_bytes;
  uint32_t stale;     /* codes that had been retired, and are freed */
  uint32_t cold, old; /* methods that lose their code: not called since the
                         sweep before; the oldest */
  uint64_t begun_ns, ended_ns;
};

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

static void mark_all(struct sweep *sweep)
{
  struct jit_compiler *compiler = sweep->compiler;
  for (struct jit_code *code = compiler->first; code; code = code->next) {
    code->is_in_use = false;
    sweep->before_bytes += code->block.bytes;
  }
  for (struct vm_thread *t = compiler->vm->threads; t; t = t->next)
    mark_frames(t);
}

/* --- Freeing and retiring --- */

static void free_code(struct sweep *sweep, struct jit_code *code)
{
  sweep->freed_bytes += code->block.bytes;
  jit_free_locked(sweep->compiler, code);
}

static void free_stale(struct sweep *sweep)
{
  struct jit_code *next;
  for (struct jit_code *code = sweep->compiler->first; code; code = next) {
    next = code->next;
    if (code->is_stale && !code->is_in_use) {
      free_code(sweep, code);
      sweep->stale++;
    }
  }
}

static void retire_outdated(struct sweep *sweep)
{
  for (struct jit_code *code = sweep->compiler->first; code; code = code->next)
    jit_retire_outdated_locked(sweep->compiler, code);
}

static void evict(struct sweep *sweep, struct jit_code *code)
{
  VM_ASSERT(!code->is_in_use);
  jit_retire_locked(sweep->compiler, code);
  free_code(sweep, code);
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

static void drop_cold(struct sweep *sweep)
{
  struct jit_code *next;
  for (struct jit_code *code = sweep->compiler->first; code; code = next) {
    next = code->next;
    if (is_cold(code)) {
      evict(sweep, code);
      sweep->cold++;
    }
  }
}

static void drop_old(struct sweep *sweep, uint64_t wanted_bytes)
{
  struct jit_code *next;
  for (struct jit_code *code = sweep->compiler->first;
       code && sweep->freed_bytes < wanted_bytes; code = next) {
    next = code->next;
    if (!code->is_stale && !code->is_in_use) {
      evict(sweep, code);
      sweep->old++;
    }
  }
}

static void make_room(struct sweep *sweep)
{
  struct jit_compiler *compiler = sweep->compiler;
  uint64_t stale_bytes = sweep->freed_bytes;
  drop_cold(sweep);
  drop_old(sweep, stale_bytes + compiler->space_bytes / 4);
  arm_all(compiler);
  compiler->counts.evicted += sweep->cold + sweep->old;
  compiler->counts.evicted_bytes += sweep->freed_bytes - stale_bytes;
  sweep->number = compiler->counts.sweeps++;
}

/* --- What is told of it --- */

/*
 * In the shape of the memory manager's lines:
 *
 *   [0.731s][info][gc,code] Code(3) Sweep (Code Cache Full) 60K->41K(64K)
 *       9 cold, 2 old, 1 stale 0.043ms (on the same line)
 *   [0.731s][debug][gc,code] Code Freed 2 stale 61K->58K(64K)
 */
static void tell(const struct sweep *sweep)
{
  const struct jit_compiler *compiler = sweep->compiler;
  const struct mm_log *log = mm_log_of(compiler->vm->heap);
  char before[MM_LOG_SIZE_BYTES], after[MM_LOG_SIZE_BYTES];
  char most[MM_LOG_SIZE_BYTES];
  uint64_t ns = sweep->ended_ns - sweep->begun_ns;
  mm_log_size(sweep->before_bytes, before);
  mm_log_size(sweep->before_bytes - sweep->freed_bytes, after);
  mm_log_size(compiler->space_bytes, most);
  if (sweep->for_room)
    mm_log_write(log, MM_LOG_INFO, "gc,code",
                 "Code(%" PRIu64 ") Sweep (Code Cache Full) %s->%s(%s) "
                 "%u cold, %u old, %u stale %" PRIu64 ".%03" PRIu64 "ms",
                 sweep->number, before, after, most, sweep->cold, sweep->old,
                 sweep->stale, ns / 1000000, ns / 1000 % 1000);
  else if (sweep->stale)
    mm_log_write(log, MM_LOG_DEBUG, "gc,code", "Code Freed %u stale %s->%s(%s)",
                 sweep->stale, before, after, most);
}

/* --- With the world stopped --- */

static void run_sweep(void *context)
{
  struct sweep *sweep = context;
  struct vm *vm = sweep->compiler->vm;
  sweep->begun_ns = mm_now_ns();
  vm_lock(vm, VM_LOCK_CODE);
  mark_all(sweep);
  free_stale(sweep);
  retire_outdated(sweep);
  if (sweep->for_room)
    make_room(sweep);
  vm_unlock(vm, VM_LOCK_CODE);
  sweep->ended_ns = mm_now_ns();
}

/* Whenever the world is stopped anyway. */
void jit_world_stopped(struct vm *vm)
{
  struct jit_compiler *compiler = jit_compiler_of(vm);
  struct sweep sweep = {.compiler = compiler};
  if (__atomic_load_n(&compiler->stale_count, __ATOMIC_RELAXED) == 0)
    return;
  run_sweep(&sweep);
  tell(&sweep);
}

/* `thread` null: the caller is no thread of the machine. */
bool jit_make_room(struct jit_compiler *compiler, struct vm_thread *thread)
{
  struct vm *vm = compiler->vm;
  struct sweep sweep = {.compiler = compiler, .for_room = true};
  if (!vm->options.jit.collect)
    return false;
  if (thread)
    mm_with_world_stopped(&thread->mutator, run_sweep, &sweep);
  else
    mm_with_world_stopped_from_outside(vm->heap, run_sweep, &sweep);
  tell(&sweep);
  return true;
}
