/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bridges as pieces of code: from what native.c emits to what a binding calls,
 * and their end with the method.
 */
#include "config.h"

#include "jit_stub/native_internal.h"
#include "jit_stub/observe_internal.h"

#include <string.h>

#include "mm/compiler_space.h"
#include "vm/core/purposes.h"

static void *address_of(const struct jit_native *native, uint32_t offset)
{
  return (char *)(uintptr_t)native->block.run + offset;
}

/* Calls and jumps to the stubs. */
static void fix(const struct jit_bridge *b, const struct jit_native *native)
{
  for (uint32_t i = 0; i < b->e.fixup_count; i++) {
    const struct jit_fixup *fixup = &b->e.fixups[i];
    intptr_t distance = (intptr_t)fixup->target -
                        (intptr_t)address_of(native, fixup->offset + 4);
    int32_t narrow = (int32_t)distance;
    memcpy((char *)native->block.write + fixup->offset, &narrow, sizeof narrow);
  }
}

static bool place(struct jit_bridge *b, struct jit_native *native)
{
  struct mm_heap *heap = b->compiler->vm->heap;
  if (mm_code_alloc(heap, b->e.count, JIT_CODE_ALIGN, NULL, &native->block) !=
      MM_OK)
    return false;
  memcpy(native->block.write, b->e.bytes, b->e.count);
  fix(b, native);
  mm_code_seal(heap, &native->block, b->e.count);
  return true;
}

static void fill_in(const struct jit_native *native, uint32_t second,
                    bool is_direct, struct vm_native_code *code)
{
  void *first = address_of(native, 0), *other = address_of(native, second);
  *code = (struct vm_native_code){0};
  if (is_direct) {
    code->entry = first;
    memcpy(&code->from_c, &other, sizeof other);
  } else {
    memcpy(&code->spread, &first, sizeof first);
  }
}

static bool make(struct jit_bridge *b, struct jit_native *native,
                 struct vm_native_code *code)
{
  uint32_t second;
  if (!jit_bridge_emit(b, &second) || !place(b, native))
    return false;
  fill_in(native, second, b->wanted->is_direct, code);
  return true;
}

static bool make_in_arena(struct vm_thread *thread,
                          const struct vm_method *method,
                          const struct vm_native_wanted *wanted,
                          struct jit_native *native,
                          struct vm_native_code *code)
{
  struct mm_heap *heap = thread->vm->heap;
  struct mm_arena *arena = mm_compilation_begin(heap);
  if (!arena)
    return false;
  struct jit_bridge b = {
      .compiler = jit_compiler_of(thread->vm),
      .method = method,
      .wanted = wanted,
      .must_fence = thread->mutator.must_fence,
  };
  jit_emit_init(&b.e, arena);
  bool ok = make(&b, native, code);
  mm_compilation_end(heap, arena);
  return ok;
}

static void link_native(struct jit_compiler *compiler,
                        struct jit_native *native)
{
  struct vm_method *method = native->method;
  jit_observe_native(compiler, native);
  vm_lock(compiler->vm, VM_LOCK_CODE);
  native->next = method->bridges;
  method->bridges = native;
  vm_unlock(compiler->vm, VM_LOCK_CODE);
}

bool jit_bridge(struct vm_thread *thread, struct vm_method *method,
                const struct vm_native_wanted *wanted,
                struct vm_native_code *code)
{
  struct jit_native *native =
      mm_native_alloc(VM_PURPOSE_COMPILED, sizeof *native);
  if (!native)
    return false;
  native->method = method;
  if (!make_in_arena(thread, method, wanted, native, code)) {
    mm_native_free(VM_PURPOSE_COMPILED, native, sizeof *native);
    return false;
  }
  link_native(jit_compiler_of(thread->vm), native);
  return true;
}

void jit_forget_bridges_locked(struct jit_compiler *compiler,
                               struct vm_method *method)
{
  while (method->bridges) {
    struct jit_native *native = method->bridges;
    method->bridges = native->next;
    jit_observe_native_freed(native);
    mm_code_free(compiler->vm->heap, native->block.run);
    mm_native_free(VM_PURPOSE_COMPILED, native, sizeof *native);
  }
}
